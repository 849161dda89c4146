"""What charts of one instrument and candle length draw, made once for every session that looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
import pandas as pd

from workstation.market.instants import SECOND_NS
from workstation.numerics.moving_averages import ema, sma, zlma
from workstation.views.spacetime.choice import followed
from workstation.views.spacetime.data_gaps import DataGap, data_gaps
from workstation.views.spacetime.intensity_bars import (
    INTENSITY_COLUMNS,
    KEPT_BARS,
    bar_ns,
    drawn,
    extended,
    intensity_bars,
)
from workstation.views.spacetime.marker_data import (
    SIGNAL_TABLE,
    SPIKE_TABLE,
    Markers,
    signal_markers,
    spike_markers,
)
from workstation.views.state.source import Source
from workstation.views.widgets.candle_columns import candle_columns

REUSED_S = 0.04
"""How long what was found for one session serves the others: a bound on work, whatever the number of sessions."""
OFFERED_S = 5.0
LENGTHENED_NS = SECOND_NS
LENGTH = 20
AVERAGES = {"sma": sma, "ema": ema, "zlma": zlma}
PARTS = ("candles", "newest", "bars", "spikes", "signals", "data_gaps")


def tick_columns(candles: pd.DataFrame) -> dict[str, np.ndarray]:
    """Candles with averages of close and volume, as columns a figure draws."""
    close, volume = candles["close"].to_numpy(), candles["volume"].to_numpy()
    more = {name: average(close, LENGTH) for name, average in AVERAGES.items()}
    more["volume_zlma"] = np.maximum(zlma(volume, LENGTH), 0.0)
    return candle_columns(candles) | more


class ChartData:
    """What is drawn of one instrument at one candle length.

    Arrays are replaced, never written to; ``versions`` holds a number per part (``PARTS``) that grows when it changes.

    Parameters
    ----------
    instrument
        Its name.
    every_ns
        Length of the candles.
    """

    def __init__(self, instrument: str, every_ns: int) -> None:
        self.instrument, self.every_ns = instrument, every_ns
        self.candles: dict[str, np.ndarray] = {}
        self.settled = {"candles": 0, "bars": 0}
        """A number that grows when one changes that is not the last."""
        self.newest = (float("nan"), float("nan"))
        """Time in ms and price of the newest trade."""
        self.bars = intensity_bars({name: np.empty(0) for name in INTENSITY_COLUMNS}, bar_ns(every_ns))
        self.drawn_bars = drawn(self.bars, bar_ns(every_ns))
        """The bars as columns a figure draws."""
        self.smoothing = ""
        """Of the bars: where rows of several smoothings come, the last of them."""
        self.signals: Markers = signal_markers(instrument)
        self.spikes: Markers = spike_markers(instrument)
        self.data_gaps: list[DataGap] = []
        self.versions = dict.fromkeys(PARTS, 0)
        self._seen: dict[str, int] = {}
        self._last_seq: dict[str, int] = {}
        self._looked_s = -np.inf

    def look(self, source: Source) -> None:
        """Bring up to date what has a new version, at most every ``REUSED_S``."""
        now_s = time.monotonic()
        if now_s - self._looked_s < REUSED_S:
            return
        self._looked_s = now_s
        parts: tuple[tuple[str, str, Callable[[Source], bool]], ...] = (
            ("trades", "newest", self._look_at_trades),
            ("candles", "candles", self._look_at_candles),
            ("intensity", "bars", self._look_at_intensity),
            ("spikes", "spikes", self._look_at_spikes),
            ("reversals", "signals", self._look_at_signals),
            ("health", "data_gaps", self._look_at_health),
        )
        for table, part, look in parts:
            version = source.version(table)
            if self._seen.get(table) != version or (table == "health" and self._open(source)):
                self._seen[table] = version
                self.versions[part] += look(source)

    def _since(self, source: Source, table: str, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
        self._last_seq[table], rows = source.since(
            table, self.instrument, self._last_seq.get(table, -1), columns
        )
        return rows

    def _look_at_trades(self, source: Source) -> bool:
        rows = self._since(source, "trades", ("event_ns", "price"))
        if not len(rows["price"]):
            return False
        self.newest = float(rows["event_ns"][-1] / 1e6), float(rows["price"][-1])
        return True

    def _look_at_candles(self, source: Source) -> bool:
        rows = source.candles(self.instrument, self.every_ns)
        columns = tick_columns(rows)
        self.settled["candles"] += not _settled(self.candles, columns)
        self.candles = columns
        if np.isnan(self.newest[0]) and len(rows):
            self.newest = float(self.candles["x"][-1]), float(self.candles["close"][-1])
        return True

    def _look_at_intensity(self, source: Source) -> bool:
        rows = self._since(source, "intensity", (*INTENSITY_COLUMNS, "smoothing"))
        if not len(rows["event_ns"]):
            return False
        smoothing = rows.pop("smoothing")
        self.smoothing = str(smoothing[-1])
        its = smoothing == self.smoothing
        if not its.all():
            rows = {name: values[its] for name, values in rows.items()}
        self.bars = extended(self.bars, rows, bar_ns(self.every_ns), KEPT_BARS)
        columns = drawn(self.bars, bar_ns(self.every_ns))
        self.settled["bars"] += not _settled(self.drawn_bars, columns)
        self.drawn_bars = columns
        return True

    def _look_at_spikes(self, source: Source) -> bool:
        rows = self._since(source, "spikes", SPIKE_TABLE)
        self.spikes = self.spikes.followed_by(spike_markers(self.instrument, rows))
        return bool(len(rows["seq"]))

    def _look_at_signals(self, source: Source) -> bool:
        rows = self._since(source, "reversals", SIGNAL_TABLE)
        self.signals = self.signals.followed_by(signal_markers(self.instrument, rows))
        return bool(len(rows["seq"]))

    def _look_at_health(self, source: Source) -> bool:
        _, traded = source.since("trades", self.instrument, -1, ("venue",))
        venues = frozenset(map(str, pd.unique(traded["venue"]))) - {"", "nan"}
        found = data_gaps(source.latest("health"), self.instrument, venues, source.asof_ns)
        if found == self.data_gaps:
            return False
        self.data_gaps = found
        return True

    def _open(self, source: Source) -> bool:
        """Whether a gap goes on, and has become longer by more than a screen would hide."""
        last = max((gap.end_ns for gap in self.data_gaps if gap.open), default=source.asof_ns)
        return source.asof_ns - last >= LENGTHENED_NS


def _settled(before: dict[str, np.ndarray], now: dict[str, np.ndarray]) -> bool:
    """Whether all rows but the last are those from before."""
    if not before or len(before["x"]) != len(now["x"]):
        return False
    return all(np.array_equal(before[name][:-1], now[name][:-1], equal_nan=True) for name in now)


class _SourceCharts:
    """The chart data of one source, for as long as a session looks at them, and the instruments it offers."""

    def __init__(self) -> None:
        self.charts_data: WeakValueDictionary[tuple[str, int], ChartData] = WeakValueDictionary()
        self.offered: list[str] = []
        self.offered_s = -np.inf


_BY_SOURCE: WeakKeyDictionary[Any, _SourceCharts] = WeakKeyDictionary()


def chart_data_of(source: Source, instrument: str, every_ns: int) -> ChartData:
    """The data all sessions over this source share."""
    charts_data = _BY_SOURCE.setdefault(source, _SourceCharts()).charts_data
    data = charts_data.get((instrument, every_ns))
    if data is None:
        data = charts_data[instrument, every_ns] = ChartData(instrument, every_ns)
    return data


def offered(source: Source) -> list[str]:
    """Instruments to choose among, as of at most ``OFFERED_S`` ago, the same list until they are others; see ``followed``."""
    kept = _BY_SOURCE.setdefault(source, _SourceCharts())
    if not kept.offered or time.monotonic() - kept.offered_s > OFFERED_S:
        found, kept.offered_s = followed(source), time.monotonic()
        if found != kept.offered:
            kept.offered = found
    return kept.offered
