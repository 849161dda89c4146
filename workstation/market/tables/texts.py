"""Columns of text from Arrow and back, without pandas' general way, which costs ten times as much for a few rows."""

from __future__ import annotations

from typing import Any

import numpy as np
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
            texts = pa.array(column.categories.array, pa.large_string())
            return texts.take(pa.array(codes, mask=codes < 0)).fill_null("").to_pylist()  # type: ignore[no-any-return]
        names = [*map(str, column.categories), ""]
        return [names[code] for code in codes.tolist()]
    told: list[str] = pa.array(column, pa.large_string()).to_pylist()
    return told
