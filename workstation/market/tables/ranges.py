"""What a column cannot hold: infinite prices, negative sizes, a side that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.tables.columns import Column

BoolArray = npt.NDArray[np.bool_]
Kinds = Callable[[list[str]], list[str]]
"""Kind of each named instrument, '' where it is unknown."""
NEVER_NEGATIVE = frozenset({"spot", "perpetual", "option", "equity"})
"""Kinds of instruments whose price cannot be below zero; a future's and a spread's can (oil, April 2020)."""


def impossible(column: Column, values: Any) -> Iterator[tuple[BoolArray, str]]:
    """Rows of a column that hold what it cannot, with the reason; NaN passes.

    Parameters
    ----------
    column
        A bounded column.
    values
        Its array (n,); of objects it is not looked at.
    """
    if type(values) is not np.ndarray or values.dtype.kind not in "fiu" or not values.size:
        return
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    if values.dtype.kind == "f" and (high == np.inf or low == -np.inf):
        infinite = np.isinf(values)
        yield infinite, f"{column.name} that is not finite"
        values = np.where(infinite, np.nan, values)
        low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    if column.least is not None and low < column.least:
        yield values < column.least, f"{column.name} below {column.least:g}"
    if column.most is not None and high > column.most:
        yield values > column.most, f"{column.name} above {column.most:g}"


def below_zero(
    prices: Any, instruments: pd.Series[Any], kinds: Kinds, *, or_zero: bool = False
) -> BoolArray | None:
    """Rows whose price is below zero though their instrument's cannot be; None where there are none.

    ``or_zero``: also those of 0, for prints: nobody trades a coin or a share for nothing, and sources write 0 for "none".
    """
    if type(prices) is not np.ndarray or prices.dtype.kind not in "fi":
        return None
    places = np.flatnonzero(((prices <= 0) if or_zero else (prices < 0)) & np.isfinite(prices))
    if not places.size:
        return None
    names = instruments.iloc[places].astype("object").tolist()
    asked = sorted({name for name in names if isinstance(name, str)})
    found = dict(zip(asked, kinds(asked), strict=True))
    never = np.zeros(prices.size, dtype=np.bool_)
    never[places] = [found.get(name, "") in NEVER_NEGATIVE for name in names]
    return never if never.any() else None
