"""Price paths: what each instrument's price was, in order of time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.ticks.quote_ticks import ticks_from_quotes
from workstation.market.conditions import price_setting
from workstation.market.instants import NO_TIME
from workstation.research.evaluation.errors import EvaluationError

Instants = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class PricePath(NamedTuple):
    """One instrument's prices: ``times`` (n,) int64 ns ascending, ``prices`` (n,) positive."""

    times: Instants
    prices: Floats

    def last_at(self, when: Instants) -> npt.NDArray[np.intp]:
        """Place of the last price at or before each moment; -1: none."""
        return np.searchsorted(self.times, when, side="right") - 1

    def first_after(self, when: Instants) -> npt.NDArray[np.intp]:
        """Place of the first price strictly after each moment; n: none."""
        return np.searchsorted(self.times, when, side="right")


def price_paths(prices: pd.DataFrame) -> dict[str, PricePath]:
    """Price paths by instrument.

    Parameters
    ----------
    prices
        Rows of ``trades`` (prints that may set a price), of ``quotes`` (mids of those with both sides), of ``candles`` (the
        close, known at the candle's end; closed ones), or any frame with ``event_ns``, ``instrument`` and ``price``.

    Returns
    -------
    dict
        Instrument -> path. Prices that are not positive and finite are left out; rows of one nanosecond keep their order.

    Raises
    ------
    EvaluationError
        Needed columns are missing, no usable price is there, or candles of several lengths are mixed.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [2, 1], "instrument": "X", "price": [11.0, 10.0]})
    >>> price_paths(rows)["X"].prices.tolist()
    [10.0, 11.0]
    """
    names, codes, times, values = _columns(prices)
    good = np.isfinite(values) & (values > 0.0) & (times != NO_TIME) & (codes >= 0)
    if not good.any():
        raise EvaluationError(
            f"prices: none of {len(prices):,} rows holds a positive price; evaluate needs a price path"
        )
    codes, times, values = codes[good], times[good], values[good]
    order = np.lexsort((times, codes))
    codes, times, values = codes[order], times[order], values[order]
    held, starts = np.unique(codes, return_index=True)
    bounds = np.append(starts, codes.size)
    return {
        str(names[code]): PricePath(times[bounds[at] : bounds[at + 1]], values[bounds[at] : bounds[at + 1]])
        for at, code in enumerate(held.tolist())
    }


def _columns(prices: pd.DataFrame) -> tuple[Any, npt.NDArray[np.intp], Instants, Floats]:
    """Instrument names, their codes by row, times and prices of a table of prices."""
    if {"bid", "ask"} <= set(prices) and "price" not in prices:
        columns = [name for name in ("event_ns", "instrument", "bid", "ask") if name in prices]
        _need(prices, "event_ns", "instrument")
        prices = ticks_from_quotes(prices[columns])
    elif {"close", "every_ns"} <= set(prices):
        prices = _candle_closes(prices)
    _need(prices, "event_ns", "instrument", "price")
    if "flags" in prices:
        prices = prices[price_setting(prices["flags"].to_numpy())]
    instruments = prices["instrument"]
    if isinstance(instruments.dtype, pd.CategoricalDtype):
        names: Any = instruments.cat.categories
        codes = np.asarray(instruments.cat.codes, dtype=np.intp)
    else:
        codes, names = pd.factorize(instruments)
    return names, codes, instants(prices["event_ns"]), prices["price"].to_numpy(dtype=np.float64)


def _candle_closes(candles: pd.DataFrame) -> pd.DataFrame:
    lengths = candles["every_ns"].unique()
    if len(lengths) > 1:
        raise EvaluationError(
            f"prices: candles of {len(lengths)} lengths; choose one: prices[prices['every_ns'] == ...]"
        )
    _need(candles, "event_ns", "instrument")
    closed = candles[candles["closed"].to_numpy(dtype=bool)] if "closed" in candles else candles
    return pd.DataFrame(
        {
            "event_ns": instants(closed["event_ns"]) + closed["every_ns"].to_numpy(dtype=np.int64),
            "instrument": closed["instrument"],
            "price": closed["close"],
        }
    )


def instants(times: pd.Series[Any]) -> Instants:
    """Event times as int64 ns; raises ``EvaluationError`` where they are something else."""
    values = times.to_numpy()
    if values.dtype.kind not in "iu":
        raise EvaluationError(f"event_ns: int64 nanoseconds of UTC are needed, got {values.dtype}")
    return values.astype(np.int64)


def _need(frame: pd.DataFrame, *names: str) -> None:
    missing = [name for name in names if name not in frame]
    if missing:
        raise EvaluationError(
            f"prices: no column {', '.join(missing)}; give rows of trades, quotes or candles, or event_ns, instrument, price"
        )


def path_digest(paths: Mapping[str, PricePath]) -> str:
    """SHA-256 of all paths, whatever the order of their rows was.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [2, 1], "instrument": "X", "price": [11.0, 10.0]})
    >>> path_digest(price_paths(rows)) == path_digest(price_paths(rows.iloc[::-1]))
    True
    """
    told = hashlib.sha256()
    for name in sorted(paths):
        told.update(f"{len(name)}:{name}:{paths[name].times.size}".encode())
        told.update(paths[name].times.astype("<i8").tobytes())
        told.update(paths[name].prices.astype("<f8").tobytes())
    return told.hexdigest()
