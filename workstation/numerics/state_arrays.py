"""State in arrays with one row per series (an instrument, a leg), which grow as series come, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.market.errors import WorkstationError

MOST_ROW_BYTES = 64 * 2**20
"""Memory that a parameter may ask for per series."""
MOST_STATE_BYTES = 8 * 2**30
"""Memory that the state of all series of one kind may take."""
LEAST_CODES = 1024
"""Rows that state indexed by the registry's codes begins with: a chain or two."""


class StateSizeError(WorkstationError, ValueError):
    """A state that would take more memory than is given to it; nothing has been allocated."""


class Field(NamedTuple):
    """One array of the state: values per row (0: one number, not a row of them), dtype, and what a new row holds."""

    width: int
    dtype: str = "float64"
    empty: float = 0

    @property
    def row_bytes(self) -> int:
        """Memory of one row."""
        return max(self.width, 1) * np.dtype(self.dtype).itemsize


class RowArrays:
    """A named tuple of arrays, one row per series, doubled when there is no room.

    Examples
    --------
    >>> class Totals(NamedTuple):
    ...     count: Any
    ...     last: Any
    >>> state = RowArrays(Totals, {"count": Field(0, "int64"), "last": Field(2, empty=np.nan)})
    >>> state.make_room(3).last.shape
    (3, 2)
    """

    def __init__(self, kind: Any, layout: Mapping[str, Field]) -> None:
        self._kind, self._layout = kind, layout
        self._row_bytes = sum(field.row_bytes for field in layout.values())
        self.arrays: Any = kind(**{name: _blank(field, 0) for name, field in layout.items()})

    def make_room(self, rows: int) -> Any:
        """The arrays with at least so many rows.

        Raises
        ------
        StateSizeError
            They would take more than ``MOST_STATE_BYTES``.
        """
        held = len(self.arrays[0])
        if rows > held:
            require_state_bytes(rows, self._row_bytes)
            more = capacity(rows, held) - held
            self.arrays = self._kind(
                **{
                    name: np.concatenate((getattr(self.arrays, name), _blank(field, more)))
                    for name, field in self._layout.items()
                }
            )
        return self.arrays

    def forget(self, rows: npt.NDArray[Any]) -> None:
        """Blank these rows."""
        for name, field in self._layout.items():
            getattr(self.arrays, name)[rows] = field.empty

    def snapshot(self, rows: int) -> dict[str, Any]:
        """Copies of the first rows."""
        return {name: getattr(self.arrays, name)[:rows].copy() for name in self._layout}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.arrays = self._kind(
            **{name: np.array(state[name], dtype=field.dtype) for name, field in self._layout.items()}
        )


def capacity(rows: int, held: int, least: int = 0) -> int:
    """Rows to allocate for ``rows`` where ``held`` are allocated: twice as many, so that growing costs a constant per row.

    Examples
    --------
    >>> capacity(5, 8), capacity(9, 8), capacity(9, 8, least=LEAST_CODES)
    (8, 16, 1024)
    """
    return held if rows <= held else max(rows, 2 * held, least)


def extended(array: npt.NDArray[Any], size: int, fill: Any) -> npt.NDArray[Any]:
    """An array with at least ``size`` values along its last axis, the further ones ``fill``; itself where it has them.

    Examples
    --------
    >>> extended(np.array([5]), 3, -1).tolist(), extended(np.zeros((2, 0)), 1, 7.0).tolist()
    ([5, -1, -1], [[7.0], [7.0]])
    """
    held = array.shape[-1]
    if held >= size:
        return array
    further = np.full((*array.shape[:-1], size - held), fill, dtype=array.dtype)
    return np.concatenate((array, further), axis=-1)


def require_row_bytes(name: str, value: object, row_bytes: int) -> None:
    """``StateSizeError`` where a parameter asks for more than ``MOST_ROW_BYTES`` per series.

    Examples
    --------
    >>> require_row_bytes("ticks", 10**9, 24 * 10**9)
    Traceback (most recent call last):
    workstation.numerics.state_arrays.StateSizeError: ticks=1000000000 would take 24.0 GB of memory per instrument; at most 0.1 GB is given
    """
    if row_bytes > MOST_ROW_BYTES:
        raise StateSizeError(
            f"{name}={value} would take {row_bytes / 1e9:.1f} GB of memory per instrument; "
            f"at most {MOST_ROW_BYTES / 1e9:.1f} GB is given"
        )


def require_state_bytes(rows: int, row_bytes: int) -> None:
    """``StateSizeError`` where so many rows take more than ``MOST_STATE_BYTES``."""
    if rows * row_bytes > MOST_STATE_BYTES:
        raise StateSizeError(
            f"the state of {rows} instruments would take {rows * row_bytes / 1e9:.1f} GB of memory, {row_bytes / 1e6:.2f} MB "
            f"each; at most {MOST_STATE_BYTES / 1e9:.1f} GB is given: choose shorter windows, less lateness or fewer instruments"
        )


def _blank(field: Field, rows: int) -> npt.NDArray[Any]:
    shape = (rows, field.width) if field.width else (rows,)
    return np.full(shape, field.empty, dtype=field.dtype)
