"""The engines every desk runs, so that live, replay and batch run the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workstation.exposure.book import ExposureBook
from workstation.exposure.cascade_engine import Cascade
from workstation.exposure.levels import Levels
from workstation.flow.large_trades import SmartMoney
from workstation.indicators.batch.trade_batch import TradeReader
from workstation.indicators.candles.engine import Candles
from workstation.indicators.ticks.intensity import Intensity
from workstation.indicators.ticks.reversals import Reversals
from workstation.indicators.ticks.spikes import Spikes
from workstation.indicators.ticks.windows import TickWindowSet
from workstation.market.engine import Engine
from workstation.portfolio.pnl import PnlSnapshots
from workstation.pricing.surface_engine import Surface

LENGTHS = ("1s", "10s", "1min", "5min", "15min", "1h")
"""Candle lengths a desk keeps."""
LATENESS = "2min"
"""How long after its end a candle takes in trades: those that come late, and those brought after an outage."""
PNL_EVERY = "10s"
"""How often a desk gives a row of PnL per leg, once something is held."""
INTENSITY_EVERY = "250ms"
"""How often a desk gives a row of intensity per instrument: what a screen shows; spikes and reversals see every tick."""


def standard_engines(
    candles: Sequence[str] = LENGTHS,
    lateness: str = LATENESS,
    exposure: Mapping[str, Any] | None = None,
    surface: Mapping[str, Any] | bool = True,
    ticks: Mapping[str, Any] | bool = True,
    smart_money: Mapping[str, Any] | None = None,
) -> list[Engine]:
    """Fresh engines: candles of every length, exposures, levels, the cascade risk and smart money, the surface, PnL.

    Parameters
    ----------
    candles, lateness
        Lengths, and how long after its end a candle takes in late trades.
    exposure
        Parameters of the exposure engines (``every``, ``sign_model``, ``basis``, ...).
    surface
        Parameters of the surface (``every``, ``target``, ``widest``, ...); True for their defaults, False for none.
    ticks
        Parameters of the windows that intensity, spikes and reversals share (``ticks``, ``smoothing``, ``window``, ...); True
        for their defaults, False for none of the three.
    smart_money
        Parameters of ``SmartMoney`` (``block_usd``, ``z``, ``walls``, ...).

    Examples
    --------
    >>> [type(engine).__name__ for engine in standard_engines(["10s"])]
    ['Candles', 'ExposureBook', 'Levels', 'Cascade', 'SmartMoney', 'Surface', 'PnlSnapshots', 'Intensity', 'Spikes', 'Reversals']
    """
    exposure, reader = dict(exposure or {}), TradeReader()
    return [
        Candles(every=tuple(candles), lateness=lateness, reader=reader),
        ExposureBook(**exposure),
        Levels(**exposure),
        Cascade(**exposure),
        SmartMoney(**(smart_money or {})),
        *([] if surface is False else [Surface(**({} if surface is True else surface))]),
        PnlSnapshots(every=PNL_EVERY),
        *([] if ticks is False else _tick_indicators(reader, {} if ticks is True else ticks)),
    ]


def _tick_indicators(reader: TradeReader, ticks: Mapping[str, Any]) -> list[Engine]:
    """Intensity, spikes and reversals over the same tick windows, which are measured once."""
    windows = TickWindowSet(reader)
    return [
        Intensity(every=INTENSITY_EVERY, windows=windows, **ticks),
        Spikes(windows=windows, **ticks),
        Reversals(windows=windows, **ticks),
    ]
