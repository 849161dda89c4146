"""The newest surface of an underlying, fitted once for all sessions, and its skew through time."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import xarray as xr

from workstation.board.priced_chain import PricedChain
from workstation.market.instants import YEAR_DAYS
from workstation.pricing.surface_engine import skew_history
from workstation.views.state.source import Source

_FITTED: WeakKeyDictionary[Any, dict[str, tuple[Any, PricedChain | None]]] = WeakKeyDictionary()
_HISTORIES: WeakKeyDictionary[Any, dict[tuple[str, int], tuple[int, xr.Dataset]]] = WeakKeyDictionary()
MOST = 720
"""Points of the skew's history; more are thinned evenly, the newest always kept."""


def rows_of(source: Source, underlying: str) -> pd.DataFrame:
    """Published rows of ``surfaces`` of an underlying."""
    rows = source.latest("surfaces")
    return rows[(rows["underlying"].astype("str") == underlying).to_numpy()]


def surface_of(source: Source, underlying: str) -> xr.Dataset | None:
    """The surface fitted to the chain of ``fitted_chain``; None when there are no marks."""
    chain = fitted_chain(source, underlying)
    return None if chain is None else chain.surface


def fitted_chain(source: Source, underlying: str) -> PricedChain | None:
    """The priced chain whose surface is shown; None when there are no marks.

    It is fitted anew when the desk publishes one, so that page and record tell of the same moment; where the desk
    publishes none, when it publishes a priced chain. One of which another process has not answered all gives way to the newest.
    """
    kept = _FITTED.setdefault(source, {})
    published = len(rows_of(source, underlying)) > 0
    table = "surfaces" if published else "priced_chain"
    key = (table, source.version(table))
    known, chain = kept.get(underlying, (None, None))
    if known != key or chain is None or chain.pending:
        chain = source.priced_chain(underlying)
        kept[underlying] = (key, chain)
    return chain


def history_of(source: Source, underlying: str, days: int) -> xr.Dataset:
    """At-the-money vol and skew of a constant maturity as the desk published them; empty when it did not."""
    kept = _HISTORIES.setdefault(source, {})
    version = source.version("surfaces")
    if (underlying, days) not in kept or kept[underlying, days][0] != version:
        rows = rows_of(source, underlying)
        times = np.unique(rows["event_ns"].to_numpy())
        step = max(-(-times.size // MOST), 1)
        rows = rows[np.isin(rows["event_ns"].to_numpy(), times[::-step])]
        kept[underlying, days] = (version, skew_history(rows, days=days, underlying=underlying))
    return kept[underlying, days][1]


def maturity(found: xr.Dataset, name: str, days: float) -> float:
    """A number of a surface at a constant maturity: total variance linear in time, risk reversals and butterflies too.

    NaN where no expiry with a number lies on both sides.
    """
    values, years = found[name].to_numpy(), found["years"].to_numpy()
    known = np.isfinite(values)
    if not known.any():
        return float("nan")
    at, is_vol = days / YEAR_DAYS, name == "atm_iv"
    amounts = values[known] ** 2 * years[known] if is_vol else values[known]
    value = float(np.interp(at, years[known], amounts, left=np.nan, right=np.nan))
    return float(np.sqrt(value / at)) if is_vol else value
