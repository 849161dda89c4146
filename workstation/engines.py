"""The engines every desk runs, so that live, replay and batch run the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from workstation.exposure.book import ExposureBook
from workstation.exposure.cascade_engine import Cascade, CascadeParameters
from workstation.exposure.levels import Levels
from workstation.exposure.snapshots import ChainSnapshotsParameters
from workstation.exposure.wall_alerts import WallAlerts, WallAlertsParameters
from workstation.flow.chain import FlowParameters, flow_engines
from workstation.flow.large_trades import LargeTrades, LargeTradesParameters
from workstation.indicators.batch.trade_batch import TradeReader
from workstation.indicators.candles.engine import Candles
from workstation.indicators.candles.parameters import CandlesParameters
from workstation.indicators.ticks.intensity import Intensity
from workstation.indicators.ticks.reversals import Reversals
from workstation.indicators.ticks.spikes import Spikes
from workstation.indicators.ticks.windows import TickWindowParameters, TickWindowSet
from workstation.market.engine import Engine
from workstation.portfolio.pnl import PnlSnapshots
from workstation.portfolio.pnl_parameters import PnlSnapshotsParameters
from workstation.pricing.carry import CarryParameters
from workstation.pricing.surface_engine import Surface, SurfaceParameters

TIMEFRAMES = ("1s", "10s", "1min", "5min", "15min", "1h")


@dataclass(frozen=True)
class EngineParameters(CarryParameters):
    """Parameters of the standard engines, ``CarryParameters`` for all that price American options; defaults are the engines' own unless a comment says why not.

    Attributes
    ----------
    candles
        Timeframes, and how long after its end a candle takes in late trades: two minutes, for trades brought after an outage.
    exposure
        What exposures, levels and the cascade risk share, and the scales of the cascade risk.
    surface, large_trades, wall_alerts
        Of the engines of these names; where flow runs, large trades leave listed options to it.
    ticks
        The tick windows that intensity, spikes and reversals share.
    intensity_every
        How often a row of intensity is given per instrument: what a screen shows; spikes and reversals see every tick.
    pnl
        How often a row of PnL is given per leg, once something is held: every ten seconds.
    flow
        Of the flow engines, from prints to alerts, and whether they run.

    Examples
    --------
    >>> EngineParameters().candles.every
    ('1s', '10s', '1min', '5min', '15min', '1h')
    """

    candles: CandlesParameters = field(
        default_factory=lambda: CandlesParameters(every=TIMEFRAMES, lateness="2min")
    )
    exposure: CascadeParameters = field(default_factory=CascadeParameters)
    surface: SurfaceParameters = field(default_factory=SurfaceParameters)
    large_trades: LargeTradesParameters = field(default_factory=LargeTradesParameters)
    wall_alerts: WallAlertsParameters = field(default_factory=WallAlertsParameters)
    ticks: TickWindowParameters = field(default_factory=TickWindowParameters)
    intensity_every: str = "250ms"
    pnl: PnlSnapshotsParameters = field(default_factory=lambda: PnlSnapshotsParameters(every="10s"))
    flow: FlowParameters = field(default_factory=FlowParameters)


def standard_engines(
    candles: str | Sequence[str] | None = None,
    lateness: str | None = None,
    parameters: EngineParameters | None = None,
    *,
    surface: bool = True,
    ticks: bool = True,
) -> list[Engine]:
    """Fresh engines: candles, exposures, levels, cascade risk, alerts, the surface, PnL, the tick indicators and, where enabled, flow.

    Parameters
    ----------
    candles, lateness
        Timeframes and lateness of the candles instead of those of ``parameters``.
    parameters
        Of every engine; none: the defaults.
    surface, ticks
        False leaves the surface, or intensity, spikes and reversals, out.

    Examples
    --------
    >>> [type(engine).__name__ for engine in standard_engines(["10s"])][:5]
    ['Candles', 'ExposureBook', 'Levels', 'Cascade', 'LargeTrades']
    """
    own = parameters or EngineParameters()
    changes: dict[str, Any] = {"every": candles, "lateness": lateness}
    bars = replace(own.candles, **{name: value for name, value in changes.items() if value is not None})
    carry = {name: value for name, value in _values(own, CarryParameters).items() if value}
    shared = _values(own.exposure, ChainSnapshotsParameters) | carry
    reader = TradeReader()
    return [
        Candles(bars, reader),
        ExposureBook(**shared),
        Levels(**shared),
        Cascade(own.exposure, **carry),
        LargeTrades(own.large_trades, **({"listed_options": False} if own.flow.enabled else {})),
        WallAlerts(own.wall_alerts),
        *([Surface(own.surface, **carry)] if surface else []),
        PnlSnapshots(own.pnl, **carry),
        *(_tick_indicators(own, reader) if ticks else []),
        *(flow_engines(own.flow) if own.flow.enabled else []),
    ]


def _tick_indicators(own: EngineParameters, reader: TradeReader) -> list[Engine]:
    """Intensity, spikes and reversals over the same tick windows, which are measured once."""
    shared, windows = _values(own.ticks, TickWindowParameters), TickWindowSet(reader)
    return [
        Intensity(every=own.intensity_every, windows=windows, **shared),
        Spikes(windows=windows, **shared),
        Reversals(windows=windows, **shared),
    ]


def _values(parameters: Any, kind: type) -> dict[str, Any]:
    """The fields of ``kind`` in parameters that are of it or of a class derived from it."""
    return {one.name: getattr(parameters, one.name) for one in fields(kind)}
