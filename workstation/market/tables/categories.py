"""Category columns made of their texts: one dtype a set of texts, for making it anew costs more than a hundred rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


@lru_cache(maxsize=4096)
def categories(*texts: str) -> pd.CategoricalDtype:
    """The dtype of a category column of these texts, in this order."""
    return pd.CategoricalDtype(pd.Index(texts, dtype="str"))


def coded(codes: npt.NDArray[Any], dtype: pd.CategoricalDtype) -> pd.Categorical:
    """A category column of ready codes (n,), each the place of a category; not checked."""
    return pd.Categorical.from_codes(codes, dtype=dtype, validate=False)


def constant(text: str, rows: int) -> pd.Categorical:
    """A category column of one text.

    Examples
    --------
    >>> constant("tape", 2).tolist()
    ['tape', 'tape']
    """
    return coded(np.zeros(rows, dtype=np.int8), categories(text))


def repeated(texts: tuple[str, ...], rows: int) -> pd.Categorical:
    """A category column of these distinct texts over and over; shared, not to be written to.

    Examples
    --------
    >>> repeated(("sma", "ema"), 3).tolist()
    ['sma', 'ema', 'sma']
    """
    return _repeated(texts, 1 << max(rows - 1, 0).bit_length())[:rows]


@lru_cache(maxsize=256)
def _repeated(texts: tuple[str, ...], rows: int) -> pd.Categorical:
    codes = np.resize(np.arange(len(texts), dtype=np.int8), rows)
    codes.setflags(write=False)
    return coded(codes, categories(*texts))


def category(texts: Sequence[str], places: npt.NDArray[Any] | None = None) -> pd.Categorical:
    """A category column of few distinct texts, or of the texts at ``places`` (n,); texts may repeat.

    Examples
    --------
    >>> category(["a", "b", "a"]).tolist(), category(["a", "", ""], np.array([2, 0])).tolist()
    (['a', 'b', 'a'], ['', 'a'])
    """
    distinct = {text: at for at, text in enumerate(dict.fromkeys(texts))}
    if places is None or len(distinct) != len(texts):
        at = np.array([distinct[text] for text in texts], dtype=np.int32)
        places = at if places is None else at[places]
    return coded(places, categories(*distinct))


class CategoryPool:
    """Texts of a column as they come, each with a code that stays: the dtype is made anew only when a text is new.

    Examples
    --------
    >>> pool = CategoryPool()
    >>> one, two = pool.column(["b", "a"]), pool.column(["a"])
    >>> one.tolist(), two.tolist(), two.dtype is pool.column(["b"]).dtype
    (['b', 'a'], ['a'], True)
    """

    def __init__(self, most: int = 4096) -> None:
        self._most, self._lock = most, Lock()
        self._codes: dict[str, int] = {}
        self._dtype = categories()

    def column(self, texts: list[str]) -> pd.Categorical:
        """A category column of these texts; one of more distinct texts than the pool takes has categories of its own."""
        found, dtype = self._codes, self._dtype
        if dtype.categories.size != len(found) or not found.keys() >= set(texts):
            with self._lock:
                found = self._codes = {
                    text: at for at, text in enumerate(dict.fromkeys([*self._codes, *texts]))
                }
                if len(found) > self._most:
                    self._codes, self._dtype = {}, categories()
                    return category(texts)
                dtype = self._dtype = categories(*found)
        return coded(np.array([found[text] for text in texts], dtype=np.int32), dtype)


class CategoryNumbers:
    """A number for each row of category columns, by its text; the numbers of the same categories are made once.

    Parameters
    ----------
    numbers
        Texts (n,) -> their numbers (n,).
    missing
        Of rows without a category.

    Examples
    --------
    >>> lengths = CategoryNumbers(lambda texts: [len(text) for text in texts], missing=-1)
    >>> lengths(pd.Categorical(["ab", None, "c"], ["ab", "c"])).tolist()
    [2, -1, 1]
    """

    _MOST = 32

    def __init__(self, numbers: Callable[[list[str]], Any], missing: int = 0) -> None:
        self._numbers, self._missing = numbers, missing
        self._held: dict[int, tuple[Any, npt.NDArray[np.int64]]] = {}
        """Categories and their numbers by the id of the categories, which lives as long as it is held."""

    def __call__(self, column: pd.Categorical) -> npt.NDArray[np.int64]:
        """Numbers of the rows (n,)."""
        names = column.categories
        held = self._held.get(id(names))
        if held is None:
            if len(self._held) >= self._MOST:
                self._held.clear()
            told = np.array([*self._numbers([str(name) for name in names]), self._missing], dtype=np.int64)
            held = self._held[id(names)] = (names, told)
        found: npt.NDArray[np.int64] = held[1][column.codes]
        return found
