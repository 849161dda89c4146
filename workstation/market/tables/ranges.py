"""What a column cannot hold: infinite prices, negative sizes, a side that is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instruments import InstrumentRegistry
from workstation.market.tables.columns import Column

BoolArray = npt.NDArray[np.bool_]
NEVER_NEGATIVE = frozenset({"spot", "perpetual", "option", "equity"})
"""Kinds of instruments whose price cannot be below zero; a future's and a spread's can (oil, April 2020)."""


def impossible(
    column: Column, values: Any, instruments: Any, registry: InstrumentRegistry
) -> Iterator[tuple[BoolArray, str]]:
    """Rows of a column that hold what it cannot, with the reason; NaN passes.

    Parameters
    ----------
    column
        A bounded column.
    values
        Its array (n,); of objects it is not looked at.
    instruments
        Names of the rows, for prices below zero; None when nobody says.
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
    if column.price and low < 0:
        negative = values < 0
        if instruments is not None:
            negative = negative & _never_negative(instruments, negative, registry)
        if negative.any():
            yield negative, f"{column.name} below 0"


def _never_negative(instruments: Any, asked: BoolArray, registry: InstrumentRegistry) -> BoolArray:
    """Whether a price below zero is impossible, of the rows asked about."""
    never = np.zeros(asked.size, dtype=np.bool_)
    names = pd.Series(instruments)[asked].astype("object")
    known = {name: registry.kinds(registry.codes([name]))[0] for name in names.dropna().unique() if name}
    never[asked] = [known.get(name, "") in NEVER_NEGATIVE for name in names]
    return never
