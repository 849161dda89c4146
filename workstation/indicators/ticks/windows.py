"""Tick windows: what intensity, spikes and reversals have in common, for many instruments at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import ScratchArrays, TickGroups
from workstation.indicators.batch.instrument_state import FOLLOWED_KINDS, InstrumentRows
from workstation.indicators.batch.trade_batch import TradeReader
from workstation.indicators.ticks import buffer_kernels as level_kernels
from workstation.indicators.ticks import kernels
from workstation.indicators.ticks.price_path import NO_BREAK, PathMeasures, SharedStep, TickPaths
from workstation.market.conditions import VOLUME_ONLY
from workstation.market.durations import nanoseconds
from workstation.market.instants import SECOND_NS
from workstation.market.tables import TradeFlag
from workstation.numerics.moving_averages import SMOOTHINGS, ema_alpha, zlma_lag
from workstation.numerics.rolling import Floats
from workstation.numerics.rolling_moments import WindowState, span, window_fields
from workstation.numerics.state_arrays import Field, RowArrays, require_row_bytes
from workstation.numerics.typed_kernel import TypedKernel

BREAKS = ("gap", "stale", "disconnected")
"""Health events after which a window would join what does not belong together."""


@dataclass(frozen=True)
class TickWindowParameters:
    """Parameters of the tick windows; sources publish no numbers, so all defaults are ours.

    Attributes
    ----------
    ticks
        N, returns in a window: enough to average the bounce between bid and ask, few enough to follow a burst.
    smoothing, length
        ``sma``, ``ema`` or ``zlma`` (follows a burst with the least lag), over 20 ticks: a fifth of the window.
    window, split
        W smoothed values of the adaptive buffer, and the share of them (the older) that is the baseline: ten windows,
        so that a burst is measured against the market before it.
    k
        Buffer in baseline variations: 2, as in two standard deviations.
    base_weight
        Weight of the baseline's coefficient of variation in the buffer; the recent one has the rest.
    least_seconds
        A window is taken to last at least so long (venues stamp milliseconds).
    lateness
        A tick older than its instrument's newest by more is no tick (``late``): a backfill, not the market now. Consolidated
        tapes interleave by less than 1 s. Up to it a tick counts in the order it arrived, at the newest time.
    breaks
        ``health`` events that reset the windows of the instruments concerned.
    unpriced
        Bits of ``TradeFlag`` of trades that are no ticks: ``VOLUME_ONLY`` and cancels.
    kinds
        Kinds of instruments followed; options print too rarely.
    """

    ticks: int = 100
    smoothing: str = "zlma"
    length: int = 20
    window: int = 1000
    split: float = 0.8
    k: float = 2.0
    base_weight: float = 0.8
    least_seconds: float = 0.001
    lateness: str = "1s"
    breaks: tuple[str, ...] = BREAKS
    unpriced: int = int(VOLUME_ONLY | TradeFlag.CANCEL)
    kinds: tuple[str, ...] = FOLLOWED_KINDS

    def __post_init__(self) -> None:
        for name, least, value_bytes in (("ticks", 1, 24), ("length", 1, 8), ("window", 2, 50)):
            require_window(name, getattr(self, name), least, value_bytes)
        require_smoothing(self.smoothing)
        if not 0 < round(self.window * self.split) < self.window:
            raise ValueError(
                f"split must leave at least one of {self.window} values on either side, got {self.split}"
            )
        if not 0 <= self.base_weight <= 1:
            raise ValueError(f"base_weight must be between 0 and 1, got {self.base_weight}")
        if not self.k > 0:
            raise ValueError(f"k must be positive, got {self.k}")
        if not self.least_seconds >= 1e-9:
            raise ValueError(f"least_seconds must be at least a nanosecond, 1e-9, got {self.least_seconds}")
        if nanoseconds(self.lateness) < 0:
            raise ValueError(f"lateness must not be negative, got {self.lateness!r}")

    @property
    def ready_after(self) -> int:
        """Ticks until the buffer is defined."""
        return self.ticks + self.window + (self.length - 1 if self.smoothing == "sma" else 0)

    def measures(self) -> kernels.WindowRules:
        """As the kernels take them."""
        recent = self.window - round(self.window * self.split)
        return kernels.WindowRules(
            self.ticks, list(SMOOTHINGS).index(self.smoothing), self.length, ema_alpha(self.length),
            zlma_lag(self.length), self.window, recent, float(self.k), float(self.base_weight),
            round(self.least_seconds * SECOND_NS), nanoseconds(self.lateness), self.unpriced,
        )  # fmt: skip


def require_whole(name: str, value: object, least: int) -> None:
    """``ValueError`` unless a parameter is a whole number of at least ``least``."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


def require_window(name: str, value: Any, least: int, value_bytes: int) -> None:
    """As ``require_whole``; ``StateSizeError`` where a window of so many values takes too much memory per instrument."""
    require_whole(name, value, least)
    require_row_bytes(name, value, int(value) * value_bytes)


def require_smoothing(name: object) -> None:
    """``ValueError`` unless there is a moving average of this name."""
    if name not in SMOOTHINGS:
        raise ValueError(f"smoothing must be one of {', '.join(SMOOTHINGS)}, got {name!r}")


_BUFFER_TICKS = TypedKernel(level_kernels.buffer_ticks)


class Measured(NamedTuple):
    """What a batch of trades gives.

    ``state_rows``: of each of the batch's groups, negative where it is not followed; ``ticks``: the n measured ones; of
    them ``path``, shape (3, n or more), and ``level``, shape (4, n or more), see ``kernels``. All of it is written anew
    for the next batch.
    """

    state_rows: npt.NDArray[np.int64]
    ticks: TickGroups
    path: Floats
    level: Floats


class TickWindows:
    """Windows of every instrument, and why those that are filling were reset.

    Parameters
    ----------
    parameters
        What is measured.
    paths
        Paths of price with the same measures (``TickPaths.key``); others may follow them too.
    """

    def __init__(self, parameters: TickWindowParameters, paths: TickPaths) -> None:
        self.parameters = parameters
        self.paths = paths
        self._by = parameters.measures()
        recent = self._by.recent
        self._spans = level_kernels.LevelSpans(span(recent), span(self._by.window - recent))
        self.step = SharedStep()
        self._intervals: set[int] = set()
        self._scratch = ScratchArrays(("float64", kernels.LEVEL_OUTPUTS))
        self._all = np.empty(0, dtype=np.bool_)
        self._reset()

    @property
    def measures(self) -> kernels.WindowRules:
        """The parameters as the kernels take them."""
        return self._by

    @property
    def rows(self) -> InstrumentRows:
        """State rows of the instruments."""
        return self.paths.rows

    def _reset(self) -> None:
        by = self._by
        self._position = self.paths.step.position
        self._state = RowArrays(
            level_kernels.SmoothingState,
            {
                "counters": Field(kernels.COUNTERS, "int64"),
                "heads": Field(kernels.HEADS),
                "smoothing": Field(by.length if self.parameters.smoothing == "sma" else max(by.lag, 1)),
            },
        )
        self._recent = RowArrays(WindowState, window_fields(by.recent))
        self._base = RowArrays(WindowState, window_fields(by.window - by.recent))

    def _held(self) -> tuple[RowArrays, ...]:
        return self._state, self._recent, self._base

    def sampled_every(self, every_ns: int) -> None:
        """An engine looks at one tick of an instrument in so much time (0: at every tick)."""
        self._intervals.add(every_ns)

    def take(self, trades: pd.DataFrame, wanted_of: Callable[[pd.DataFrame, TickGroups], Any]) -> Measured:
        """Add trades in row order.

        Where all look at the same few ticks, those that ``wanted_of`` gives, the levels of the others are meaningless.
        """
        path: PathMeasures = self.paths.step.take(trades, self._position, self.paths.take)
        self._position = self.paths.step.position
        rows = len(self.rows)
        ticks = path.ticks
        (level,) = self._scratch.of(ticks.rows.size)
        every = len(self._intervals) != 1 or 0 in self._intervals
        if every and self._all.size < ticks.rows.size:
            self._all = np.ones(ticks.rows.size, dtype=np.bool_)
        wanted = self._all if every else wanted_of(trades, ticks)
        state = level_kernels.LevelState(*(held.make_room(rows) for held in self._held()))
        _BUFFER_TICKS(ticks, path.values, state, self._by, self._spans, wanted, every, level)
        return Measured(path.state_rows, ticks, path.values, level)

    def apply_health(self, health: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Reset the windows that ``health`` rows concern, as ``TickPaths.apply_health``; returns their state rows."""
        rows: npt.NDArray[np.int64] = self.paths.step.take(health, self._position, self.paths.apply_health)
        self._position = self.paths.step.position
        for held in self._held():
            held.make_room(len(self.rows))
            held.forget(rows)
        return rows

    def readiness(self) -> pd.DataFrame:
        """How far the windows of each instrument are, and what emptied them last.

        Returns
        -------
        pandas.DataFrame
            instrument, ticks (taken since the start or the reset), needed (until the buffer is defined), ready,
            reset_ns (``NO_TIME``: never) and reset_reason.
        """
        rows = len(self.rows)
        ticks = self.paths.ticks()
        needed = self.parameters.ready_after
        breaks = [self.paths.breaks.get(of, NO_BREAK) for of in range(rows)]
        return pd.DataFrame(
            {
                "instrument": self.rows.names(),
                "ticks": ticks,
                "needed": needed,
                "ready": ticks >= needed,
                "reset_ns": np.array([told.event_ns for told in breaks], dtype=np.int64),
                "reset_reason": [told.reason for told in breaks],
            }
        )

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state; instruments by name."""
        rows = len(self.rows)
        for held in self._held():
            held.make_room(rows)
        return {"paths": self.paths.snapshot(), "windows": [held.snapshot(rows) for held in self._held()]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.paths.restore(state["paths"])
        self._reset()
        for held, its in zip(self._held(), state["windows"], strict=True):
            held.restore(its)


class TickWindowSet:
    """The tick windows of engines that get the same batches in the same order: what several measure is measured once.

    Engines made without one have their own. Those that share one are restored together, before the next batch.

    Parameters
    ----------
    reader
        Reads the batches; one that other engines of the same trades have too.

    Examples
    --------
    >>> windows = TickWindowSet()
    >>> windows.of(TickWindowParameters()) is windows.of(TickWindowParameters())
    True
    """

    def __init__(self, reader: TradeReader | None = None) -> None:
        self.reader = reader or TradeReader()
        self._windows: list[TickWindows] = []

    def of(self, parameters: TickWindowParameters) -> TickWindows:
        """The windows that measure what the parameters say; they follow the same paths as others where those are the same."""
        measures = parameters.measures()
        paths = TickPaths(self.reader, measures, parameters.kinds, parameters.breaks)
        paths = next((one.paths for one in self._windows if one.paths.key == paths.key), paths)
        for windows in self._windows:
            if windows.paths is paths and windows.measures == measures:
                return windows
        self._windows.append(TickWindows(parameters, paths))
        return self._windows[-1]
