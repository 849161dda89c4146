"""Compiling the kernels of the indicators before they are asked for: each is called once with every type it is called with.

Numba keeps what it has compiled next to the source, so that the first ``candles()`` of a notebook compiles nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workstation.indicators.batch.by_instrument import TradeArrays, TradeGroups, group_trades
from workstation.indicators.batch.instrument_order import look_up
from workstation.indicators.batch.trade_batch import CODE_TYPES, look_through
from workstation.indicators.candles.engine import Candles, candles
from workstation.indicators.candles.volume import volume_overlay
from workstation.indicators.ticks.engine import TickEngine
from workstation.indicators.ticks.intensity import Intensity, intensity
from workstation.indicators.ticks.reversals import VERSIONS, Reversals, reversals
from workstation.indicators.ticks.spikes import Spikes, spikes
from workstation.indicators.ticks.windows import TickWindowSet
from workstation.market.instants import SECOND_NS
from workstation.market.tables import HEARTBEAT, TRADES, TradeFlag
from workstation.numerics.moving_averages import SMOOTHINGS
from workstation.numerics.rolling import rolling_max, rolling_moments, rolling_sum

ROWS = 40
_SHORT: dict[str, Any] = {"ticks": 3, "length": 4, "window": 10}


def compile_kernels() -> None:
    """Compile every kernel of the indicators and of the numerics under them, or read it from the cache."""
    _of_code_types()
    trades = _trades()
    flagged = trades.assign(flags=np.where(np.arange(ROWS) % 5, 0, int(TradeFlag.BLOCK)), side=1)
    cancelled = flagged.assign(trade_id=[str(row // 2) for row in range(ROWS)])
    cancelled.loc[5, "flags"] = int(TradeFlag.CANCEL)
    for history in (trades, flagged, trades[::-1], trades.assign(instrument="BTC/USD")):
        result = candles(history, every=("1s", "10s"))
        candles(history, every="10s")
        intensity(history, **_SHORT)
        spikes(history, start_sd=1.0, **_SHORT)
        reversals(history, version=VERSIONS, momentum=4, moves=10, **_SHORT)
    volume_overlay(result)
    candles(cancelled, every="10s")
    _live(TRADES.numbered(flagged.iloc[[*range(5, ROWS), *range(5)]], 1))
    values = np.arange(100.0)
    for smoothing in SMOOTHINGS.values():
        smoothing(values)
    for rolling in (rolling_sum, rolling_moments, rolling_max):
        rolling(values, 20)


def _trades() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "event_ns": np.arange(ROWS) * SECOND_NS,
            "instrument": np.where(np.arange(ROWS) % 3, "BTC/USD", "ETH/USD"),
            "price": 100.0 + np.arange(ROWS) % 7,
            "size": 1.0,
        }
    )


def _live(batch: pd.DataFrame) -> None:
    """Engines as a desk runs them: sampled, late rows, heartbeats, snapshots."""
    windows = TickWindowSet()
    engines: list[TickEngine | Candles] = [
        Candles(every=("1s", "10s"), lateness="3s", reader=windows.reader),
        *(Intensity(smoothing=one, every="5s", windows=windows, **_SHORT) for one in SMOOTHINGS),
        Spikes(windows=windows, **_SHORT),
        Reversals(windows=windows, momentum=4, moves=10, **_SHORT),
    ]
    beat = HEARTBEAT.batch({"event_ns": [1000 * SECOND_NS]})
    for engine in engines:
        engine.update(batch)
        engine.in_progress()
        engine.restore(engine.snapshot())
        engine.update(beat, "heartbeat")


def _of_code_types() -> None:
    for kind in CODE_TYPES[:3]:
        codes = np.zeros(2, dtype=kind)
        codes.setflags(write=False)
        trades, grouped = (
            TradeArrays(
                np.zeros(2, np.int64), np.zeros(2), np.zeros(2), np.zeros(2, np.int8), np.zeros(2, np.int32)
            )
            for _ in range(2)
        )
        look_through(codes, trades.flags, trades.side)
        look_up(np.zeros(1, np.int32), codes, np.empty(2, np.int32))
        out = TradeGroups(np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64), grouped)
        group_trades(codes, np.zeros(1, np.int64), trades, True, out)
