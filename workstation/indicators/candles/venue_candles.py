"""Candles of several venues as one: what reads a single series out of candles that are kept apart by venue."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.market.tables import CANDLES
from workstation.market.venues import CONSOLIDATED

_KEY = ["instrument", "every_ns", "event_ns"]
_SUMMED = ("volume", "buy_volume", "sell_volume", "trades")


def across_venues(candles: pd.DataFrame) -> pd.DataFrame:
    """One candle per instrument, length and begin: of all venues together.

    Parameters
    ----------
    candles
        Rows of the ``candles`` table, each candle once (as ``history.read`` gives them).

    Returns
    -------
    pandas.DataFrame
        Rows of the ``candles`` table in the order of their first row. A candle of all venues together (empty ``venue``), else a
        consolidated one, stands for those of single venues. Otherwise high is the highest, low the lowest, volumes and
        trades are summed, vwap is weighted by volume; open and close are NaN where several venues traded, for which of
        them was first or last is not in their bars.

    Examples
    --------
    >>> bars = CANDLES.conform(pd.DataFrame({
    ...     "event_ns": 0, "every_ns": 60 * 10**9, "instrument": "SPY", "open": 1.0, "high": [1.1, 1.2], "low": [0.9, 1.0],
    ...     "close": 1.0, "volume": [120.0, 80.0], "venue": ["xcbo", "xisx"]}))
    >>> across_venues(bars)[["open", "high", "low", "volume", "venue"]].values.tolist()
    [[nan, 1.2, 0.9, 200.0, '']]
    """
    rows = CANDLES.conform(candles)
    if (rows["venue"] == "").all():
        return rows
    venue = rows["venue"].astype("str")
    rank = pd.Series(np.where(venue == "", 0, np.where(venue.isin(CONSOLIDATED), 1, 2)))
    group = rows.groupby(_KEY, observed=True, sort=False).ngroup()
    best = rank == rank.groupby(group).transform("min")
    best &= (rank == 2) | ~group.where(best).duplicated()
    rows, group = rows[best].reset_index(drop=True), group[best].reset_index(drop=True)
    several = group.duplicated(keep=False).to_numpy()
    if not several.any():
        return CANDLES.conform(rows)
    whole = pd.concat([rows[~several], _merged(rows[several], group[several])])
    return CANDLES.conform(whole.sort_index().reset_index(drop=True))


def _merged(rows: pd.DataFrame, group: pd.Series[int]) -> pd.DataFrame:
    """One row per group, at the place of its first."""
    by = rows.groupby(group, sort=False)
    firsts = rows[~group.duplicated()].copy()
    weighed = (rows["vwap"] * rows["volume"]).groupby(group, sort=False).sum(min_count=1)
    volume = rows["volume"].where(rows["vwap"].notna()).groupby(group, sort=False).sum(min_count=1)
    columns = {name: by[name].sum(min_count=1) for name in _SUMMED}
    columns |= {"high": by["high"].max(), "low": by["low"].min(), "seq": by["seq"].max()}
    columns |= {"vwap": weighed / volume, "revision": by["revision"].max(), "closed": by["closed"].all()}
    for name, values in columns.items():
        firsts[name] = values.to_numpy()
    return firsts.assign(open=np.nan, close=np.nan, venue="")
