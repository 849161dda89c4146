"""Indicators over trades: candles, intensity of price moves, spikes and reversals, and moving averages.

Each is a function over a whole history and an engine over batches. ``candles``, ``intensity``, ``spikes`` and ``reversals`` are
modules that can be called as the function they are named for.

Examples
--------
>>> import pandas as pd
>>> from workstation.indicators import candles, sma
>>> trades = pd.DataFrame({"event_ns": [1, 2], "instrument": "BTC/USD", "price": [5.0, 7.0], "size": 1.0})
>>> candles(trades, every="10s")[["open", "close"]].values.tolist(), sma([1.0, 3.0], 2).tolist()
([[5.0, 7.0]], [nan, 2.0])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.indicators.batch.trade_batch import LateTradesWarning, TradeReader
    from workstation.indicators.candles import engine as candles
    from workstation.indicators.candles.engine import Candles
    from workstation.indicators.candles.parameters import CandlesParameters
    from workstation.indicators.candles.volume import volume_overlay
    from workstation.indicators.ticks import intensity, reversals, spikes
    from workstation.indicators.ticks.intensity import Intensity, IntensityParameters
    from workstation.indicators.ticks.quote_ticks import ticks_from_quotes
    from workstation.indicators.ticks.reversals import Reversals, ReversalsParameters
    from workstation.indicators.ticks.spikes import Spikes, SpikesParameters
    from workstation.indicators.ticks.windows import TickWindowSet
    from workstation.numerics.moving_averages import ema, sma, zlma

_HOMES = {
    "LateTradesWarning": "workstation.indicators.batch.trade_batch",
    "TradeReader": "workstation.indicators.batch.trade_batch",
    "Candles": "workstation.indicators.candles.engine",
    "CandlesParameters": "workstation.indicators.candles.parameters",
    "volume_overlay": "workstation.indicators.candles.volume",
    "Intensity": "workstation.indicators.ticks.intensity",
    "IntensityParameters": "workstation.indicators.ticks.intensity",
    "ticks_from_quotes": "workstation.indicators.ticks.quote_ticks",
    "Reversals": "workstation.indicators.ticks.reversals",
    "ReversalsParameters": "workstation.indicators.ticks.reversals",
    "Spikes": "workstation.indicators.ticks.spikes",
    "SpikesParameters": "workstation.indicators.ticks.spikes",
    "TickWindowSet": "workstation.indicators.ticks.windows",
    "ema": "workstation.numerics.moving_averages",
    "sma": "workstation.numerics.moving_averages",
    "zlma": "workstation.numerics.moving_averages",
}
_MODULES = ("candles", "intensity", "reversals", "spikes")

__all__ = [
    "Candles",
    "CandlesParameters",
    "Intensity",
    "IntensityParameters",
    "LateTradesWarning",
    "Reversals",
    "ReversalsParameters",
    "Spikes",
    "SpikesParameters",
    "TickWindowSet",
    "TradeReader",
    "candles",
    "ema",
    "intensity",
    "reversals",
    "sma",
    "spikes",
    "ticks_from_quotes",
    "volume_overlay",
    "zlma",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
