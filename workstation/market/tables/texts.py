"""Columns of text from Arrow and back, without pandas' general way, which costs ten times as much for a few rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

_STR: Any = pd.StringDtype("pyarrow", na_value=np.nan)


def text_column(values: Any) -> Any:
    """A ``str`` column of texts: a list of ``str``, or an Arrow array of them without nulls; an Arrow array is not copied.

    Examples
    --------
    >>> text_column(["a", ""]).tolist(), text_column(["a"]).dtype == "str"
    (['a', ''], True)
    """
    texts = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.large_string())
    if texts.type != pa.large_string():
        texts = texts.cast(pa.large_string())
    return pd.arrays.ArrowStringArray(texts, dtype=_STR)  # type: ignore[call-arg]


def text_list(column: Any) -> list[str]:
    """The texts of a ``str`` column, or of a category column, as a list.

    Examples
    --------
    >>> text_list(text_column(["a", ""])), text_list(pd.Categorical(["b", "b"]))
    (['a', ''], ['b', 'b'])
    """
    if isinstance(column, pd.Categorical):
        codes = column.codes
        if column.categories.size > codes.size:  # of an instrument column: as many as the registry has names
            return texts_at(column, np.arange(codes.size))
        names = [*map(str, column.categories), ""]
        return [names[code] for code in codes.tolist()]
    told: list[str] = pa.array(column, pa.large_string()).to_pylist()
    return told


def texts_at(column: Any, rows: npt.NDArray[np.integer[Any]]) -> list[str]:
    """The texts of a ``str`` or category column at few ``rows`` (n,), each 0 or more; '' where there is none.

    They are read from Arrow's buffers, for which ``take`` would allocate and look up a function.

    Examples
    --------
    >>> texts_at(text_column(["a", "", "é"]), np.array([2, 0])), texts_at(pd.Categorical(["b", None]), np.array([1, 0]))
    (['é', 'a'], ['', 'b'])
    """
    if isinstance(column, pd.Categorical):
        return _texts_at(column.categories.array, column.codes[rows].tolist())
    return _texts_at(column, rows.tolist())


def _texts_at(texts: Any, places: list[int]) -> list[str]:
    """Texts at places, '' below 0."""
    if not places:
        return []
    array = pa.array(texts, pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    if array.null_count:
        return [(array[place].as_py() or "") if place >= 0 else "" for place in places]
    _, offsets, letters = array.buffers()
    if letters is None:
        return [""] * len(places)
    held, content = np.frombuffer(offsets, np.int64), memoryview(letters)
    start, size = array.offset, len(array)
    told = []
    for place in places:
        if place >= size:
            raise IndexError(f"no text at row {place} of {size}")
        at = start + place
        told.append(str(content[held[at] : held[at + 1]], "utf-8") if place >= 0 else "")
    return told
