"""Category columns made of their texts: one dtype a set of texts, for making it anew costs more than a hundred rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
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
