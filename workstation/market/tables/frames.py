"""Frames to arrays and back: the two places where pandas' inside is touched, because a live path cannot pay for its outside.

``DataFrame(dict)`` with 20 columns costs 110 us and reading a column through a Series 8 us; here it is a tenth and 0.5.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas._libs.internals import BlockPlacement  # type: ignore[import-not-found]
from pandas.core.internals.blocks import ExtensionBlock, NumpyBlock  # type: ignore[import-not-found]
from pandas.core.internals.managers import BlockManager  # type: ignore[import-not-found]

STACKED_ROWS = 50_000
"""Up to here columns of one dtype are stacked into one block (a copy, and quicker to slice); above, nothing is copied."""


def arrays_of(frame: pd.DataFrame) -> list[Any]:
    """The column arrays of a frame in order: NumPy arrays or extension arrays, not copied."""
    arrays: list[Any] = [None] * frame.shape[1]
    for block in blocks_of(frame):
        values = block.values
        if values.ndim == 1:
            arrays[_places_of(block)[0]] = values
            continue
        for row, place in enumerate(_places_of(block)):
            arrays[place] = values[row]
    return arrays


def array_of(frame: pd.DataFrame, place: int) -> Any:
    """The column array at a place of a frame, not copied: what is written to it is written to the frame."""
    for block in frame._mgr.blocks:
        row = _row_of(block, place)
        if row >= 0:
            return block.values[row] if block.values.ndim == 2 else block.values
    raise IndexError(f"no column at place {place} of {frame.shape[1]}")


def rows_of(frame: pd.DataFrame) -> int:
    """How many rows a frame with columns has; ``len`` takes five times as long."""
    return frame._mgr.blocks[0].values.shape[-1]  # type: ignore[no-any-return]


def blocks_of(frame: pd.DataFrame) -> tuple[Any, ...]:
    """The blocks of a frame: another tuple once a column has been replaced, the same one while values are written."""
    return frame._mgr.blocks  # type: ignore[no-any-return]


def frame_of(
    arrays: list[Any], columns: pd.Index[str], rows: int, dtypes: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """A frame of ready column arrays on a fresh index.

    Parameters
    ----------
    arrays
        1-D, each of ``rows`` values, in the order of ``columns``; extension arrays or of a NumPy dtype of numbers, truth
        values or objects.
    dtypes
        Their dtypes' characters where they are known, '' for an extension array.
    """
    index = pd.RangeIndex._simple_new(range(rows))  # type: ignore[attr-defined]
    if rows > STACKED_ROWS:
        return _frame(
            tuple(_block(array, placement((place,))) for place, array in enumerate(arrays)), columns, index
        )
    blocks = []
    if dtypes is None:
        dtypes = tuple([a.dtype.char if type(a) is np.ndarray else "" for a in arrays])
    for members, places in _groups(dtypes):
        first = arrays[members[0]]
        if not dtypes[members[0]]:
            blocks.append(ExtensionBlock(first, placement=places, ndim=2))
            continue
        joined = np.concatenate([arrays[member] for member in members]) if len(members) > 1 else first.copy()
        blocks.append(NumpyBlock(joined.reshape(len(members), rows), placement=places, ndim=2))
    return _frame(tuple(blocks), columns, index)


def stacked_frame(
    stacks: list[tuple[npt.NDArray[Any], Any]], others: list[tuple[Any, Any]], columns: pd.Index[str], rows: int
) -> pd.DataFrame:  # fmt: skip
    """A frame of columns that are stacked by dtype already, and of single arrays; each with its ``placement``. Nothing is copied."""
    blocks = [NumpyBlock(values, placement=places, ndim=2) for values, places in stacks]
    blocks += [_block(values, places) for values, places in others]
    return _frame(tuple(blocks), columns, pd.RangeIndex._simple_new(range(rows)))  # type: ignore[attr-defined]


def with_array(frame: pd.DataFrame, place: int, values: npt.NDArray[Any]) -> pd.DataFrame:
    """A frame with another NumPy column at a place; it shares the others with the first, as a shallow copy would.

    Examples
    --------
    >>> one = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    >>> two = with_array(one, 0, np.array([5, 6]))
    >>> two.loc[0, "b"] = 9
    >>> one.to_dict("list"), two.to_dict("list")
    ({'a': [1, 2], 'b': [3, 4]}, {'a': [5, 6], 'b': [9, 4]})
    """
    blocks = [NumpyBlock(values.reshape(1, -1), placement=placement((place,)), ndim=2)]
    for block in blocks_of(frame):
        held = _places_of(block)
        if (
            place not in held
        ):  # the same values; pandas copies them before a write while ``refs`` tells of both
            blocks.append(type(block)(block.values, placement=block._mgr_locs, ndim=2, refs=block.refs))
            continue
        row = held.index(place)
        for part in (slice(0, row), slice(row + 1, len(held))):
            if held[part]:
                rest = placement(held[part])
                blocks.append(NumpyBlock(block.values[part], placement=rest, ndim=2, refs=block.refs))
    return _frame(tuple(blocks), frame.columns, frame.index.view())


def own_array(frame: pd.DataFrame, place: int) -> npt.NDArray[Any] | None:
    """The NumPy column at a place, when no other frame shares its block and it may be written; else None."""
    for block in blocks_of(frame):
        row = _row_of(block, place)
        if row >= 0:
            values = block.values
            if type(values) is not np.ndarray or not values.flags.writeable or block.refs.has_reference():
                return None
            return values[row]  # type: ignore[no-any-return]
    return None


def _row_of(block: Any, place: int) -> int:
    """Row of a block that holds the column at a place; -1 if it does not."""
    places = _places_of(block)
    return places.index(place) if place in places else -1


def _places_of(block: Any) -> tuple[int, ...]:
    """Places of the columns of a block."""
    places = _PLACES.get(id(block._mgr_locs))
    return tuple(block._mgr_locs.as_array.tolist()) if places is None else places


def _block(array: Any, at: Any) -> Any:
    """A block of one column, not copied."""
    if type(array) is np.ndarray:
        return NumpyBlock(array.reshape(1, -1), placement=at, ndim=2)
    return ExtensionBlock(array, placement=at, ndim=2)


def _frame(blocks: tuple[Any, ...], columns: pd.Index[str], index: pd.Index[Any]) -> pd.DataFrame:
    manager = BlockManager(blocks, [columns, index], verify_integrity=False)
    return pd.DataFrame._from_mgr(manager, manager.axes)  # type: ignore[attr-defined, no-any-return]


@lru_cache(maxsize=1024)
def _groups(dtypes: tuple[str, ...]) -> tuple[tuple[list[int], Any], ...]:
    """Places of the columns of each dtype ('' = an extension array, which stands alone)."""
    by: dict[object, list[int]] = {}
    for place, dtype in enumerate(dtypes):
        by.setdefault(dtype or place, []).append(place)
    return tuple((members, placement(tuple(members))) for members in by.values())


_MADE: dict[tuple[int, ...], Any] = {}
_PLACES: dict[int, tuple[int, ...]] = {}
"""Places by the id of a placement; those made here live as long as the process."""


def placement(places: tuple[int, ...]) -> Any:
    """What tells a block at which places of a frame its columns are."""
    if places not in _MADE:
        result = _MADE[places] = BlockPlacement(np.array(places, dtype=np.intp))
        _PLACES[id(result)] = places
    return _MADE[places]
