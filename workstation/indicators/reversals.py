"""Reversals: where a burst of price turns, in four versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators import reversal_kernels as kernels
from workstation.indicators.candle_parameters import VOLUME_ONLY
from workstation.indicators.rolling import reciprocals
from workstation.indicators.rows import Field, RowArrays
from workstation.indicators.tick_engine import TickEngine
from workstation.indicators.tick_windows import Measured, TickWindowParameters, nanoseconds, require_whole
from workstation.indicators.trend import Closed, Lengths, Timeframe
from workstation.market.tables import TRADES, TradeFlag
from workstation.market.tables.frames import array_of

VERSIONS = (1, 2, 3, 4)
EVIDENCE: Mapping[int, tuple[str, ...]] = {
    1: ("smoothed", "peak", "mean_base", "buffer", "velocity", "burst_seconds"),
    2: ("extreme", "pull_back_bps", "sd_bps", "momentum_bps", "peak", "mean_base", "buffer", "burst_seconds"),
    3: ("held_seconds", "low_slope", "high_slope", "high_ema", "beyond", "atr", "volume", "volume_mean"),
    4: ("ema_fast", "ema_slow", "choppiness", "volume", "volume_mean"),
}
"""Numbers in ``evidence`` by version. ``beyond``: how far price is stretched past the high timeframe's EMA, as price."""


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
        for name, least in (
            ("momentum", 1), ("moves", 2), ("fast", 1), ("slow", 1), ("atr", 1), ("volume", 1), ("choppiness", 2),
        ):  # fmt: skip
            require_whole(name, getattr(self, name), least)
        for name in ("hold", "low", "high"):
            if nanoseconds(getattr(self, name)) <= 0:
                raise ValueError(f"{name} must be a positive time, got {getattr(self, name)!r}")

    def rules(self) -> kernels.Rules:
        """As the kernels take them."""
        v1, v2, v3, v4 = (version in self.versions for version in VERSIONS)
        return kernels.Rules(
            v1, v2, v3, v4, nanoseconds(self.hold), float(self.stretch), float(self.volume_factor),
            float(self.choppiness_below), float(self.volume_over),
        )  # fmt: skip

    def lengths(self) -> Lengths:
        """Candles in each average."""
        return Lengths(self.fast, self.slow, self.atr, self.choppiness, self.volume)


class Reversals(TickEngine):
    """Live reversals: a row when a version fires; never amended, at most one per version and burst.

    A burst begins when smoothed intensity exceeds mean_base + buffer, with direction d = sign(velocity), and ends when it is
    back at mean_base. v1 fires -d once intensity has fallen from the burst's peak by more than one buffer and velocity
    no longer has sign d. v2 fires -d when price has pulled back from the burst's extreme by more than one sd of the
    ``momentum``-tick move and that move has sign -d. v3 is v1 held for at most ``hold``, fired at the first tick at which the
    low timeframe's EMA falls or rises towards -d, the high one's is not against it (unless price is stretched beyond
    it) and the low candle in progress has volume. v4 is a crossing of the EMAs of closed ``low`` candles that are not choppy
    and have volume.

    ``strength`` is the number that fired over its threshold, 1 = just enough: v1 the fall in buffers, v2 the pull-back in sd,
    v3 and v4 the volume over the volume asked for. v1 to v3 have the tick's time and price; v4 the end and the close
    of its candle. Slopes are of closed candles, and an EMA counts from as many candles on as its length. Candles are
    those of ``candles``, but cancels take nothing back.

    Parameters
    ----------
    parameters, version, **changes
        ``ReversalsParameters``, or its fields; ``version=2`` is ``versions=(2,)``.

    Examples
    --------
    >>> steps = np.r_[np.tile([1, -1], 40), np.full(12, 9), -9, np.full(12, -1)] * 1e-4
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
        beside: TickEngine | None = None, **changes: Any,
    ) -> None:  # fmt: skip
        if version is not None:
            if "versions" in changes:
                raise ValueError("give version or versions, not both")
            changes["versions"] = (version,)
        super().__init__(parameters or ReversalsParameters(), beside, **changes)

    def _reset(self) -> None:
        p = self.parameters
        self._rules, self._lengths = p.rules(), p.lengths()
        self._inverse = reciprocals(p.moves)
        self._bursts = RowArrays(kernels.Bursts, {"marks": Field(kernels.MARKS, "int64"), "levels": Field(2)})
        self._momentum = RowArrays(
            kernels.Momentum,
            {
                "counters": Field(4, "int64"), "heads": Field(2), "prices": Field(p.momentum),
                "means": Field(p.moves), "squares": Field(p.moves),
            },
        )  # fmt: skip
        frames = (nanoseconds(p.low), nanoseconds(p.high))
        self._low, self._high = (Timeframe(every, self._lengths, int(VOLUME_ONLY)) for every in frames)

    # -- rows in, rows out --------------------------------------------------------------------------------

    def _take(self, trades: pd.DataFrame, measured: Measured) -> dict[str, Any]:
        event_ns, price, size, flags = (array_of(trades, place) for place in _PLACES)
        moves = np.full(measured.rows.size, np.nan)
        deviations = moves.copy()
        if self._rules.v2:
            kernels.measure_moves(
                measured.owners, measured.rows, price, self._momentum.make_room(len(self._windows.rows)),
                self.parameters.momentum, self.parameters.moves, self._inverse, moves, deviations,
            )  # fmt: skip
        instruments = len(self._windows.rows)
        self._low.make_room(instruments)
        self._high.make_room(instruments)
        low = high = _NONE
        volumes = np.zeros(0)
        of = np.where(flags & int(TradeFlag.CANCEL), np.int32(-1), measured.of)
        if self._rules.v3 or self._rules.v4:
            low, volumes = self._low.fold(of, event_ns, price, size, flags)
        if self._rules.v3:
            high, _ = self._high.fold(of, event_ns, price, size, flags)
        return self._fired(measured, event_ns, price, moves, deviations, volumes, low, high)

    def _beat(self, event_ns: int) -> dict[str, Any] | None:
        instruments = len(self._windows.rows)
        self._low.make_room(instruments)
        self._high.make_room(instruments)
        low = self._low.beat(event_ns) if self._rules.v3 or self._rules.v4 else _NONE
        high = self._high.beat(event_ns) if self._rules.v3 else _NONE
        if not low.rows.size and not high.rows.size:
            return None
        nothing = np.empty(0)
        return self._fired(_UNMEASURED, np.empty(0, np.int64), nothing, nothing, nothing, nothing, low, high)

    def _fired(
        self, measured: Measured, event_ns: Any, price: Any, moves: Any, deviations: Any, volumes: Any,
        low: Closed, high: Closed,
    ) -> dict[str, Any]:  # fmt: skip
        signals = _room(3 * measured.rows.size + low.rows.size)
        instruments = len(self._windows.rows)
        fast, slow = self._low.alphas
        done = kernels.find_reversals(
            measured.owners, measured.rows, event_ns, price, measured.values, moves, deviations, volumes,
            self._bursts.make_room(instruments), self._rules,
            *low, self._low.make_room(instruments), self._lengths,
            *high, self._high.make_room(instruments), self._lengths,
            fast, slow, self._low.every_ns, signals,
        )  # fmt: skip
        versions = signals.version[:done]
        return {
            "of": signals.of[:done],
            "event_ns": signals.event_ns[:done].copy(),
            "price": signals.price[:done].copy(),
            "side": signals.side[:done].copy(),
            "version": versions.copy(),
            "strength": signals.strength[:done].copy(),
            "evidence": pd.array(_evidence(versions, signals.numbers[:done]), dtype="str"),
        }

    def _forget(self, rows: npt.NDArray[np.int64]) -> None:
        instruments = len(self._windows.rows)
        for held in (self._bursts, self._momentum):
            held.make_room(instruments)
            held.forget(rows)
        for frame in (self._low, self._high):
            frame.make_room(instruments)
            frame.forget(rows)

    # -- state --------------------------------------------------------------------------------------------

    def _own_state(self) -> dict[str, Any]:
        instruments = len(self._windows.rows)
        for held in (self._bursts, self._momentum, self._low, self._high):
            held.make_room(instruments)
        return {
            "bursts": self._bursts.snapshot(instruments),
            "momentum": self._momentum.snapshot(instruments),
            "low": self._low.snapshot(),
            "high": self._high.snapshot(),
        }

    def _restore_own(self, state: dict[str, Any]) -> None:
        self._bursts.restore(state["bursts"])
        self._momentum.restore(state["momentum"])
        self._low.restore(state["low"])
        self._high.restore(state["high"])


def _evidence(versions: npt.NDArray[np.int8], numbers: npt.NDArray[np.float64]) -> list[str]:
    """JSON per signal; what is not finite is null."""
    told = []
    for version, values in zip(versions.tolist(), numbers.tolist(), strict=True):
        named = zip(EVIDENCE[version], values, strict=False)
        told.append(json.dumps({name: value if np.isfinite(value) else None for name, value in named}))
    return told


def _room(rows: int) -> kernels.Signals:
    return kernels.Signals(
        np.empty(rows, np.int32), np.empty(rows, np.int64), np.empty(rows), np.empty(rows, np.int8),
        np.empty(rows, np.int8), np.empty(rows), np.empty((rows, kernels.NUMBERS)),
    )  # fmt: skip


_PLACES = tuple(TRADES.names.index(name) for name in ("event_ns", "price", "size", "flags"))
_NONE = Closed(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4), np.int64), np.empty((0, 9)))
_UNMEASURED = Measured(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32), np.empty((7, 0)))


def reversals(trades: pd.DataFrame, version: int | Sequence[int] = 1, **parameters: Any) -> pd.DataFrame:
    """Reversals of a whole history of trades.

    Parameters
    ----------
    trades
        Rows of the ``trades`` table in the order they arrived; ``event_ns, instrument, price, size`` suffice. Of quotes
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
    return Reversals(versions=versions, **parameters).update(TRADES.conform(trades))
