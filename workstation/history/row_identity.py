"""Which rows are the same row: by all they say, counted one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.history.arrow_codec import ORDER

HashArray = npt.NDArray[np.uint64]


def contents(rows: pd.DataFrame, without: tuple[str, ...] = ("seq",)) -> HashArray:
    """A hash per row of all it says, whatever the categories of its columns; shape (n,).

    Examples
    --------
    >>> one, two = pd.DataFrame({"seq": [1], "price": 2.0}), pd.DataFrame({"seq": [7], "price": 2.0})
    >>> bool((contents(one) == contents(two)).all())
    True
    """
    plain = rows.drop(columns=[name for name in (*without, ORDER) if name in rows.columns])
    hashes = np.zeros(len(plain), dtype=np.uint64)
    for name in plain.columns:
        column = plain[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            values = texts(column)
        elif column.dtype.kind == "f":
            numbers = column.to_numpy() + 0.0  # -0.0 is 0.0
            values = pd.util.hash_array(np.where(np.isnan(numbers), np.nan, numbers))
        else:
            values = pd.util.hash_array(_plain(column))
        hashes = (hashes ^ values) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def texts(column: pd.Series[Any]) -> HashArray:
    """A hash per value of a categorical of text, whatever its categories; 0 where it is missing."""
    codes, positions = np.unique(column.cat.codes.to_numpy(), return_inverse=True)
    names: Any = column.cat.categories.take(np.maximum(codes, 0)) if len(column.cat.categories) else []
    held = pd.util.hash_array(np.asarray(names, dtype=object), categorize=False)
    if len(codes) and codes[0] < 0:
        held = np.append(np.uint64(0), held[1:]) if len(held) else np.zeros(1, dtype=np.uint64)
    return np.asarray(held[positions], dtype=np.uint64)


def _plain(column: pd.Series[Any]) -> Any:
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        return np.array([value if isinstance(value, str) else repr(value) for value in column], dtype=object)
    return column.to_numpy()


def occurrences(hashes: HashArray) -> npt.NDArray[np.int64]:
    """How many equal ones came before each, shape (n,).

    >>> occurrences(np.array([5, 7, 5], dtype=np.uint64)).tolist()
    [0, 0, 1]
    """
    return np.asarray(pd.Series(hashes).groupby(hashes).cumcount(), dtype=np.int64)


def beyond(hashes: HashArray, known: HashArray) -> npt.NDArray[np.bool_]:
    """Which rows are more than the known ones: the third of three equal rows is, where two are known.

    >>> beyond(np.array([5, 7, 5], dtype=np.uint64), np.array([5], dtype=np.uint64)).tolist()
    [False, True, True]
    """
    if not len(known):
        return np.ones(len(hashes), dtype=np.bool_)
    values, counts = np.unique(known, return_counts=True)
    at = np.minimum(np.searchsorted(values, hashes), len(values) - 1)
    there = np.where(values[at] == hashes, counts[at], 0)
    return occurrences(hashes) >= there
