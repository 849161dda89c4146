"""What a column cannot hold: infinite prices, negative sizes, a side that is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import SymbolError
from workstation.market.instruments import InstrumentRegistry
from workstation.market.symbology import parse
from workstation.market.tables.columns import Column

BoolArray = npt.NDArray[np.bool_]
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


def _kind(name: str, registry: InstrumentRegistry) -> str:
    """Kind of an instrument as it was told, else as its name says; empty where neither does."""
    told = registry.told_kinds.get(name, "")
    if told:
        return told
    try:
        return parse(name).kind
    except SymbolError:
        return ""


def below_zero(prices: Any, instruments: pd.Series[Any], registry: InstrumentRegistry) -> BoolArray | None:
    """Rows whose price is below zero though their instrument's cannot be; None where there are none."""
    if type(prices) is not np.ndarray or prices.dtype.kind not in "fi":
        return None
    places = np.flatnonzero((prices < 0) & np.isfinite(prices))
    if not places.size:
        return None
    names = instruments.iloc[places].astype("object").tolist()
    kinds = {name: _kind(name, registry) for name in set(names) if isinstance(name, str)}
    never = np.zeros(prices.size, dtype=np.bool_)
    never[places] = [kinds.get(name, "") in NEVER_NEGATIVE for name in names]
    return never if never.any() else None
