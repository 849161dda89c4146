"""Reversals: where a burst of price turns, in four versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa

from workstation.indicators.batch.by_instrument import ScratchArrays
from workstation.indicators.batch.trade_batch import history, tell_late
from workstation.indicators.ticks import momentum
from workstation.indicators.ticks import reversal_kernels as kernels
from workstation.indicators.ticks.engine import Made, TickEngine, stamped
from workstation.indicators.ticks.reversal_rules import ReversalRules
from workstation.indicators.ticks.trend import NUMBER, Lengths, Timeframe
from workstation.indicators.ticks.windows import (
    Measured,
    TickWindowParameters,
    TickWindowSet,
    require_window,
)
from workstation.market.conditions import VOLUME_ONLY
from workstation.market.durations import nanoseconds
from workstation.market.tables import NO_TIME
from workstation.numerics.rolling_moments import WindowState, span, window_fields
from workstation.numerics.state_arrays import Field, RowArrays
from workstation.numerics.typed_kernel import TypedKernel

VERSIONS = (1, 2, 3, 4)
CANDLE_VERSION = 4
"""The version that fires on a candle's close, before the tick that closes it."""
EVIDENCE: Mapping[int, tuple[str, ...]] = {
    1: ("smoothed", "peak", "mean_base", "buffer", "velocity", "burst_seconds"),
    2: ("extreme", "pull_back_bps", "sd_bps", "momentum_bps", "peak", "mean_base", "buffer", "burst_seconds"),
    3: ("held_seconds", "low_slope", "high_slope", "high_ema", "beyond", "atr", "volume", "volume_mean"),
    4: ("ema_fast", "ema_slow", "choppiness", "volume", "volume_mean"),
}
"""Numbers in ``evidence`` by version. ``beyond``: how far price is stretched past the high timeframe's EMA, as price."""

_FIND_BURSTS = TypedKernel(kernels.find_bursts)
_MEASURE_MOVES = TypedKernel(momentum.measure_moves)
_FIND_REVERSALS = TypedKernel(kernels.find_reversals)
_CLOSE_ALL = TypedKernel(kernels.close_all)


@dataclass(frozen=True)
class ReversalsParameters(TickWindowParameters):
    """Parameters of ``Reversals``: those of the tick windows, and the four rules.

    Attributes
    ----------
    versions
        Which of 1, 2, 3, 4 come out.
    momentum, moves
        v2: the move over the last 50 ticks (half a window) is measured against its own deviation over 1000 ticks (the
        buffer's span).
    hold
        v3: how long v1's signal is held for confirmation, 60 s: one candle of the high timeframe.
    low, high
        Candle lengths of v3; v4 is on ``low``. 10 s is about the life of a burst, 1 min the move it belongs to.
    fast, slow
        Candles of the EMAs: v3's on ``low`` and on ``high``; v4's pair. 9 and 21 are customary.
    atr, stretch
        v3: Wilder's average true range of ``high``, and how many of them beyond its EMA count as stretched.
    volume, volume_factor
        v3: the candle in progress on ``low`` against the mean of the last 20 closed ones.
    choppiness, choppiness_below
        v4: candles of the choppiness index, and the level (61.8, customary) above which a market has no trend to cross.
    volume_over
        v4: volume of the crossing candle against the mean of the ``volume`` before it: 2, a crowd and not a few.
    """

    versions: tuple[int, ...] = VERSIONS
    momentum: int = 50
    moves: int = 1000
    hold: str = "60s"
    low: str = "10s"
    high: str = "1min"
    fast: int = 9
    slow: int = 21
    atr: int = 14
    stretch: float = 2.0
    volume: int = 20
    volume_factor: float = 1.5
    choppiness: int = 14
    choppiness_below: float = 61.8
    volume_over: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "versions", tuple(self.versions))
        if not self.versions or not set(self.versions) <= set(VERSIONS):
            raise ValueError(f"versions must be some of {VERSIONS}, got {self.versions}")
        for name, least, value_bytes in (
            ("momentum", 1, 8), ("moves", 2, 50), ("fast", 1, 0), ("slow", 1, 0), ("atr", 1, 0), ("volume", 1, 16),
            ("choppiness", 2, 48),
        ):  # fmt: skip
            require_window(name, getattr(self, name), least, value_bytes)
        for name in ("hold", "low", "high"):
            if nanoseconds(getattr(self, name)) <= 0:
                raise ValueError(f"{name} must be a positive time, got {getattr(self, name)!r}")

    def rules(self) -> ReversalRules:
        """As the kernels take them."""
        v1, v2, v3, v4 = (version in self.versions for version in VERSIONS)
        return ReversalRules(
            v1, v2, v3, v4, nanoseconds(self.hold), float(self.stretch), float(self.volume_factor),
            float(self.choppiness_below), float(self.volume_over),
        )  # fmt: skip


class Reversals(TickEngine):
    """Live reversals: a row when a version fires; never amended, at most one per version and burst.

    A burst begins when smoothed intensity exceeds mean_base + buffer, with direction d = sign(velocity), and ends when it is
    back at mean_base. v1 fires -d once intensity has fallen from the burst's peak by more than one buffer and velocity
    no longer has sign d. v2 fires -d when price has pulled back from the burst's extreme by more than one sd of the
    ``momentum``-tick move and that move has sign -d. v3 is v1 held for at most ``hold``, fired at the first tick at which the
    low timeframe's EMA falls or rises towards -d, the high one's is not against it (unless price is stretched beyond
    it) and the low candle in progress has volume. v4 is a crossing of the EMAs of closed ``low`` candles that are not choppy
    and have volume.

    ``threshold`` is what the number that fired had to pass: v1 the burst's peak minus the buffer (bps/s), v2 one sd of moves
    (bps), v3 and v4 the volume asked for. ``strength`` is how far it passed it, 1 = just enough: v1 the fall in buffers, v2 the
    pull-back in sd, v3 and v4 the volume over the volume asked for. v1 to v3 have the tick's time and price; v4 the end and the close
    of its candle. Slopes are of closed candles, and an EMA counts from as many candles on as its length. Candles are
    those of ``candles``, but cancels take nothing back. Trades brought after a break fill the windows, but nothing is
    said of times before it ended.

    Parameters
    ----------
    parameters, version, **changes
        ``ReversalsParameters``, or its fields; ``version=2`` is ``versions=(2,)``.

    Examples
    --------
    >>> steps = np.r_[np.tile([1, -1], 40), np.full(12, 9), -9, np.full(12, -1)] * 1e-4
    >>> from workstation.market.tables import TRADES
    >>> trades = TRADES.conform(pd.DataFrame({
    ...     "event_ns": np.arange(105) * 10**9, "instrument": "X", "price": np.exp(np.cumsum(steps)), "size": 1.0}))
    >>> engine = Reversals(version=1, ticks=4, window=40)
    >>> engine.update(trades)[["version", "side"]].values.tolist()
    [[1, -1]]
    """

    output: ClassVar[str] = "reversals"
    parameters: ReversalsParameters

    def __init__(
        self, parameters: ReversalsParameters | None = None, version: int | None = None,
        windows: TickWindowSet | None = None, **changes: Any,
    ) -> None:  # fmt: skip
        if version is not None:
            if "versions" in changes:
                raise ValueError("give version or versions, not both")
            changes["versions"] = (version,)
        super().__init__(parameters or ReversalsParameters(), windows, **changes)

    def _reset(self) -> None:
        p = self.parameters
        self._rules = p.rules()
        self._moves = span(p.moves)
        self._bursts = RowArrays(kernels.Bursts, {"marks": Field(kernels.MARKS, "int64"), "levels": Field(2)})
        self._momentum = RowArrays(
            momentum.MomentumState,
            {"counters": Field(momentum.COUNTERS, "int64"), "prices": Field(p.momentum)},
        )
        self._moved = RowArrays(WindowState, window_fields(p.moves))
        lengths = Lengths(p.fast, p.slow, p.atr, p.choppiness, p.volume)
        frames = (nanoseconds(p.low), nanoseconds(p.high))
        self._low, self._high = (Timeframe(every, lengths, int(VOLUME_ONLY)) for every in frames)
        self._watermark_ns = int(NO_TIME)
        self._scratch = ScratchArrays(
            ("float64", 0), ("float64", 0), ("float64", 0), ("bool", 0), ("int64", 0), ("int64", 0)
        )
        self._fires = ScratchArrays(
            ("int64", 0),
            ("int64", 0),
            ("int64", 0),
            ("float64", kernels.LEVELS),
            ("int8", 2),
            ("float64", kernels.NUMBERS),
        )

    # -- rows in, rows out --------------------------------------------------------------------------------

    def _take(self, trades: pd.DataFrame, measured: Sequence[Measured]) -> Made | None:
        columns, measured_ticks = self._reader.live(trades), measured[0]
        groups, ticks, rows = self._reader.groups(columns), measured_ticks.ticks, columns.event_ns.size
        instruments = len(self._windows.rows)
        moved, deviations, volumes, bursting, of_rows, of_groups = self._scratch.of(rows)
        moves = momentum.Moves(bursting, moved, deviations)
        bursts = self._bursts.make_room(instruments)
        _FIND_BURSTS(ticks, measured_ticks.path, measured_ticks.level, bursts, bursting)
        if self._rules.v2:
            _MEASURE_MOVES(
                ticks, groups.trades.price, self._momentum.make_room(instruments), self._moved.make_room(instruments),
                self._moves, moves,
            )  # fmt: skip
        marks = kernels.Watermarks(of_rows[:rows], of_groups[:rows])
        if columns.ordered and columns.oldest_ns >= self._watermark_ns:
            marks = kernels.Watermarks(columns.event_ns, groups.trades.event_ns)
        else:
            kernels.watermarks(columns.event_ns, self._watermark_ns, groups.rows, marks)
        signals = self._signals(3 * ticks.rows.size + self._closing(marks.of_rows[-1], rows))
        done = _FIND_REVERSALS(
            groups, measured_ticks.state_rows, columns.ordered and columns.plain,
            kernels.MeasuredTicks(ticks, measured_ticks.path, measured_ticks.level, moves), marks, bursts, self._rules,
            self._frames(instruments), signals, volumes,
        )  # fmt: skip
        return self._fired(self._advance(marks.of_rows, signals, done), signals)

    def _frames(self, instruments: int) -> kernels.Frames:
        return kernels.Frames(self._low.make_room(instruments), self._high.make_room(instruments))

    def _dues_ns(self, event_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The ends of low candles: those that are open, and those of trades to come."""
        low, every = self._low.make_room(len(self._windows.rows)), self._low.every_ns
        numbers = np.concatenate((low.bars.marks[:, NUMBER], event_ns // every))
        return np.unique((numbers[numbers >= 0] + 1) * every)

    def _beat(self, event_ns: int) -> Made | None:
        newest = np.array([max(self._watermark_ns, event_ns)])
        signals = self._signals(self._closing(newest[-1], 0))
        return self._fired(self._advance(newest, signals, 0), signals)

    def _closing(self, watermark_ns: int, trades: int) -> int:
        """At most so many low candles close until a watermark: one per trade and per instrument, or per span of a candle."""
        instruments, every_ns = len(self._windows.rows), self._low.every_ns
        spans = int(watermark_ns) // every_ns - self._watermark_ns // every_ns
        return min(trades + instruments, spans * instruments)

    def _advance(self, newest: npt.NDArray[np.int64], signals: kernels.Signals, done: int) -> int:
        """Close the candles that a batch leaves behind; ``newest``: the watermark at each of its rows."""
        before, self._watermark_ns = self._watermark_ns, int(newest[-1])
        lengths = (self._low.every_ns, self._high.every_ns)
        if not any(self._watermark_ns // every != before // every for every in lengths):
            return done
        instruments = len(self._windows.rows)
        frames = self._frames(instruments)
        return int(_CLOSE_ALL(frames, instruments, self._watermark_ns, newest, self._rules, signals, done))

    def _signals(self, many: int) -> kernels.Signals:
        return kernels.Signals(*self._fires.of(many))

    def _fired(self, done: int, signals: kernels.Signals) -> Made | None:
        if not done:
            return None
        order = np.lexsort(
            (signals.of[:done], signals.kinds[kernels.VERSION, :done] != CANDLE_VERSION, signals.rows[:done])
        )
        order = order[self._windows.paths.heard(signals.of[order], signals.event_ns[order])]
        if not order.size:
            return None
        stacks: dict[str, npt.NDArray[Any]] = {
            "int64": stamped(signals.event_ns[order]),
            "float64": signals.levels[:, order],
            "int8": signals.kinds[:, order],
        }
        evidence = _evidence(stacks["int8"][kernels.VERSION], signals.numbers[:, order].T)
        return Made(signals.of[order], stacks, {"evidence": evidence})

    def _forget(self, rows: npt.NDArray[np.int64]) -> None:
        instruments = len(self._windows.rows)
        for held in (self._bursts, self._momentum, self._moved):
            held.make_room(instruments)
            held.forget(rows)
        for frame in (self._low, self._high):
            frame.make_room(instruments)
            frame.forget(rows)

    # -- state --------------------------------------------------------------------------------------------

    def _own_state(self) -> dict[str, Any]:
        instruments = len(self._windows.rows)
        for held in (self._bursts, self._momentum, self._moved):
            held.make_room(instruments)
        return {
            "watermark_ns": self._watermark_ns,
            "bursts": self._bursts.snapshot(instruments),
            "momentum": self._momentum.snapshot(instruments),
            "moved": self._moved.snapshot(instruments),
            "low": self._low.snapshot(instruments),
            "high": self._high.snapshot(instruments),
        }

    def _restore_own(self, state: dict[str, Any]) -> None:
        self._watermark_ns = int(state["watermark_ns"])
        self._bursts.restore(state["bursts"])
        self._momentum.restore(state["momentum"])
        self._moved.restore(state["moved"])
        self._low.restore(state["low"])
        self._high.restore(state["high"])


def _evidence(versions: npt.NDArray[np.int8], numbers: npt.NDArray[np.float64]) -> Any:
    """JSON per signal; what is not finite is null."""
    told = [
        orjson.dumps(dict(zip(EVIDENCE[version], values, strict=False)))
        for version, values in zip(versions.tolist(), numbers.tolist(), strict=True)
    ]
    ends = np.zeros(len(told) + 1, dtype=np.int64)
    np.cumsum([len(one) for one in told], out=ends[1:])
    text = pa.LargeStringArray.from_buffers(len(told), pa.py_buffer(ends), pa.py_buffer(b"".join(told)))
    return pd.arrays.ArrowStringArray(text, dtype=_STR)  # type: ignore[call-arg]


_STR = pd.StringDtype(na_value=np.nan)


def reversals(trades: pd.DataFrame, version: int | Sequence[int] = 1, **parameters: Any) -> pd.DataFrame:
    """Reversals of a whole history of trades.

    Parameters
    ----------
    trades
        Rows of the ``trades`` table; ``event_ns, instrument, price, size`` suffice. Any order: see ``history``. Of quotes
        (``ticks_from_quotes``) the volume of v3 and v4 is the number of ticks.
    version
        1, 2, 3 or 4, or several of them.
    **parameters
        The others of ``ReversalsParameters``.

    Returns
    -------
    pandas.DataFrame
        Rows of the ``reversals`` table in the order in which they fired.

    Raises
    ------
    TableError
        ``trades`` do not fit their table.
    ValueError
        A parameter that cannot be.

    Examples
    --------
    >>> quiet = pd.DataFrame({"event_ns": np.arange(50) * 10**9, "instrument": "X", "price": 1.0, "size": 1.0})
    >>> len(reversals(quiet, version=(1, 2), ticks=2, window=10))
    0
    """
    versions = (version,) if isinstance(version, int) else tuple(version)
    engine = Reversals(versions=versions, **parameters)
    rows = engine.update(history(trades))
    tell_late("reversals", engine.late)
    return rows
