"""Intensity: how far price travels in a second, smoothed in one or several ways, with its adaptive buffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import ScratchArrays, TickGroups, in_row_order, stretch
from workstation.indicators.batch.trade_batch import history, tell_late
from workstation.indicators.ticks.engine import Made, TickEngine, stamped
from workstation.indicators.ticks.kernels import LEVEL_OUTPUTS, PATH_OUTPUTS
from workstation.indicators.ticks.spikes import SPIKE_SD, above_baseline
from workstation.indicators.ticks.windows import (
    Measured,
    TickWindowParameters,
    TickWindowSet,
    require_smoothing,
)
from workstation.market.durations import nanoseconds
from workstation.market.tables import INTENSITY, NO_TIME
from workstation.market.tables.categories import repeated
from workstation.numerics.state_arrays import Field, RowArrays
from workstation.numerics.typed_kernel import TypedKernel

COLUMNS = ("intensity", "velocity", "efficiency", "smoothed", "mean_base", "sd_base", "buffer")
"""Measures in the order of the kernels: those of the path, then those of the levels."""
MEAN, SD, BUFFER, BURST_ABOVE, SPIKE_ABOVE = 4, 5, 6, 7, 8
VALUES = 9
"""Columns that come out: the measures, and the two levels above which a burst and a spike begin."""


@dataclass(frozen=True)
class IntensityParameters(TickWindowParameters):
    """Parameters of ``Intensity``: those of the tick windows, and which rows come out.

    Attributes
    ----------
    every
        ``"0s"`` (default): a row per tick. Longer: per instrument the last row of each interval of event time in which it
        ticked, given when the watermark leaves the interval; a screen needs no more than a few a second.
    also
        Further smoothings, none by default: each tick then has a row for each, ``smoothing`` first.
    spike_sd
        ``spike_above`` is so many deviations above the baseline's mean: the ``start_sd`` of ``Spikes``.
    """

    every: str = "0s"
    also: tuple[str, ...] = ()
    spike_sd: float = SPIKE_SD

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "also", tuple(self.also))
        for one in self.also:
            require_smoothing(one)
        if len(set(self.smoothings)) != len(self.smoothings):
            raise ValueError(f"each smoothing counts once, got {', '.join(self.smoothings)}")
        if nanoseconds(self.every) < 0:
            raise ValueError(f"every must not be negative, got {self.every!r}")

    @property
    def smoothings(self) -> tuple[str, ...]:
        """All of them, in the order of the rows."""
        return (self.smoothing, *self.also)


class Sampled(NamedTuple):
    """Of a batch the end of the interval under way after it, and the ``last_ticks`` of its intervals."""

    edge_ns: int
    last: npt.NDArray[np.int64]
    wanted: npt.NDArray[np.bool_]


class Rows(NamedTuple):
    """Scratch for the rows that come out, those of smoothing number ``smoothing`` of ``many``.

    ``of``, ``event_ns``: shape (n,); ``values``: shape (VALUES, n), of which the kernels write the measures.
    """

    of: npt.NDArray[np.int64]
    event_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    many: int
    smoothing: int


class Waiting(NamedTuple):
    """The newest row of each instrument that has not come out: when (``NO_TIME``: none), and its measures.

    ``newest``: the tick of the batch in hand that is newer than it, -1 where there is none.
    """

    event_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    newest: npt.NDArray[np.int64]


class Sources(NamedTuple):
    """Where the measures of a batch's ticks are: their times by row, their rows, path (3, n) and level (4, n)."""

    event_ns: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    path: npt.NDArray[np.float64]
    level: npt.NDArray[np.float64]


_NO_TICKS = Sources(
    np.empty(0, np.int64), np.empty(0, np.int64), np.empty((PATH_OUTPUTS, 0)), np.empty((LEVEL_OUTPUTS, 0))
)


@numba.njit(cache=True, nogil=True)
def closing_rows(event_ns: Any, every: int, edge: int, closing: Any) -> tuple[int, int]:
    """Write the rows at which the watermark reaches ``edge``, the end of an interval; returns how many, and the next edge."""
    done = 0
    for row in range(event_ns.size):
        if event_ns[row] >= edge:
            edge = (event_ns[row] // every + 1) * every
            closing[done] = row
            done += 1
    return done, edge


@numba.njit(cache=True, nogil=True)
def last_ticks(ticks: TickGroups, closing: Any, batch_rows: int) -> tuple[Any, Any]:
    """The last tick of each group before each closing row, and of the whole batch; and of each tick whether it is one.

    Shape (closing rows + 1, groups), -1 where there is none since the one before; and (ticks,).
    """
    rows, groups, intervals = ticks.rows, ticks.offsets.size - 1, closing.size + 1
    last, wanted = np.full((intervals, groups), -1, dtype=np.int64), np.zeros(rows.size, dtype=np.bool_)
    for group in range(groups):
        tick, end = ticks.offsets[group], ticks.offsets[group + 1]
        for interval in range(intervals):
            before = closing[interval] if interval < closing.size else batch_rows
            if tick < end and rows[tick] < before:
                tick, _ = stretch(rows, tick, end, 0, before, True)
                last[interval, group] = tick - 1
                wanted[tick - 1] = True
    return last, wanted


@numba.njit(cache=True, nogil=True, inline="always")
def measures_of(ticks: Sources, tick: int, out: Any, at: int) -> None:
    """Write the measures of a tick to a column of ``out``."""
    path, level = ticks.path, ticks.level
    for place in range(path.shape[0]):
        out[place, at] = path[place, tick]
    for place in range(level.shape[0]):
        out[path.shape[0] + place, at] = level[place, tick]


@numba.njit(cache=True, nogil=True)
def let_out(ticks: Sources, waiting: Waiting, instruments: int, out: Rows, done: int) -> int:
    """Let the newest tick of each instrument out, or else the one that waits, by state row; returns how many are out."""
    newest = waiting.newest
    for r in range(instruments):
        tick, at = newest[r], done * out.many + out.smoothing
        if tick >= 0:
            out.of[at], out.event_ns[at] = r, ticks.event_ns[ticks.rows[tick]]
            measures_of(ticks, tick, out.values, at)
        elif waiting.event_ns[r] != NO_TIME:
            out.of[at], out.event_ns[at] = r, waiting.event_ns[r]
            for place in range(waiting.values.shape[1]):
                out.values[place, at] = waiting.values[r, place]
        else:
            continue
        newest[r], waiting.event_ns[r] = -1, NO_TIME
        done += 1
    return done


@numba.njit(cache=True, nogil=True)
def thin(ticks: Sources, state_rows: Any, last: Any, waiting: Waiting, instruments: int, out: Rows) -> int:
    """Let each instrument's ``last`` tick of an interval out when the interval is over; returns how many came out.

    They are at most those that waited and the measured ones. Those of the interval under way wait.
    """
    done, newest = 0, waiting.newest
    for interval in range(last.shape[0]):
        if interval:
            done = let_out(ticks, waiting, instruments, out, done)
        for group in range(state_rows.size):
            if last[interval, group] >= 0:
                newest[state_rows[group]] = last[interval, group]
    for r in state_rows:
        if newest[r] >= 0:
            waiting.event_ns[r] = ticks.event_ns[ticks.rows[newest[r]]]
            measures_of(ticks, newest[r], waiting.values.T, r)
            newest[r] = -1
    return done


_THIN, _LET_OUT, _LAST_TICKS = TypedKernel(thin), TypedKernel(let_out), TypedKernel(last_ticks)


class Intensity(TickEngine):
    """Live intensity: a row for each tick once N + 1 prices are known, or the last of each interval.

    Parameters
    ----------
    parameters, **changes
        ``IntensityParameters``, or its fields; ``smoothing=("sma", "ema")`` is ``smoothing="sma", also=("ema",)``.

    Notes
    -----
    ``event_ns`` is the tick's. ``smoothed`` of an SMA is NaN for the first ``length - 1`` rows; ``mean_base``,
    ``sd_base`` and ``buffer`` are NaN until ``window`` smoothed values are known, ``efficiency`` while price stood still,
    ``buffer`` also while the mean of a part is not positive. Rows are never amended: a cancel takes nothing back.

    Examples
    --------
    >>> engine = Intensity(ticks=2, smoothing="ema", length=3, window=4, split=0.5)
    >>> from workstation.market.tables import TRADES
    >>> trades = TRADES.conform(pd.DataFrame({
    ...     "event_ns": np.arange(1, 6) * 10**9, "instrument": "X", "price": [100.0, 101.0, 100.0, 101.0, 102.0], "size": 1.0}))
    >>> engine.update(trades)[["intensity", "velocity", "efficiency"]].round(2).values.tolist()
    [[99.5, 0.0, 0.0], [99.5, 0.0, 0.0], [99.01, 99.01, 1.0]]
    """

    output: ClassVar[str] = "intensity"
    parameters: IntensityParameters

    def __init__(
        self,
        parameters: IntensityParameters | None = None,
        windows: TickWindowSet | None = None,
        **changes: Any,
    ) -> None:
        if isinstance(changes.get("smoothing"), tuple):
            if "also" in changes:
                raise ValueError("give several smoothings or also, not both")
            changes["smoothing"], *changes["also"] = changes["smoothing"]
        super().__init__(parameters or IntensityParameters(), windows, **changes)

    def _windows_parameters(self) -> list[TickWindowParameters]:
        return [replace(self.parameters, smoothing=one, also=()) for one in self.parameters.smoothings]

    @cached_property
    def _every_ns(self) -> int:
        return nanoseconds(self.parameters.every)

    def _reset(self) -> None:
        self._edge_ns = int(NO_TIME)
        self._closing = ScratchArrays(("int64", 0))
        self._scratch = ScratchArrays(("int64", 0), ("int64", 0), ("float64", VALUES))
        layout = {
            "event_ns": Field(0, "int64", int(NO_TIME)), "values": Field(len(COLUMNS)), "newest": Field(0, "int64", -1),
        }  # fmt: skip
        self._waiting = [RowArrays(Waiting, layout) for _ in self._followed]

    def _take(self, trades: pd.DataFrame, measured: Sequence[Measured]) -> Made:
        event_ns = self._reader.live(trades).event_ns
        ticks, path = measured[0].ticks, measured[0].path
        if not self._every_ns:
            order = in_row_order(ticks.rows, event_ns.size)
            many = len(measured)
            values = np.empty((VALUES, order.size, many))
            values[:PATH_OUTPUTS] = path[:, order, None]
            for place, one in enumerate(measured):
                values[PATH_OUTPUTS:BURST_ABOVE, :, place] = one.level[:, order]
            of = np.repeat(ticks.state_rows, np.diff(ticks.offsets))[order]
            at = event_ns[ticks.rows[order]]
            return self._made(np.repeat(of, many), np.repeat(at, many), values.reshape(VALUES, -1))
        instruments = len(self._windows.rows)
        sampled = self._sampled(trades, ticks)
        self._edge_ns = sampled.edge_ns
        most = instruments + min(ticks.rows.size, sampled.last.size)
        return self._let_out(
            most,
            lambda place, waiting, out: _THIN(
                Sources(event_ns, ticks.rows, path, measured[place].level), ticks.state_rows, sampled.last, waiting, instruments,
                out,
            ),
        )  # fmt: skip

    def _let_out(self, most: int, step: Callable[[int, Waiting, Rows], int]) -> Made:
        """Rows of every smoothing: at most so many of each, which ``step`` writes."""
        instruments, many = len(self._windows.rows), len(self._waiting)
        of, at, values = self._scratch.of(most * many)
        done = 0
        for place, waiting in enumerate(self._waiting):
            done = many * step(place, waiting.make_room(instruments), Rows(of, at, values, many, place))
        return self._made(of[:done], at[:done], values[:, :done].copy())

    def _sampled(self, trades: pd.DataFrame, ticks: TickGroups) -> Sampled:
        """The last ticks of the intervals of a batch, found once for all who have the same intervals and paths."""
        columns = self._reader.live(trades)
        key = Sampled, self._windows.paths, self._every_ns, self._edge_ns
        sampled: Sampled | None = columns.found.get(key)
        if sampled is None:
            rows = columns.event_ns.size
            closing = self._closing.of(rows)[0]
            many, edge_ns = closing_rows(columns.event_ns, self._every_ns, self._edge_ns, closing)
            sampled = Sampled(edge_ns, *_LAST_TICKS(ticks, closing[:many], rows))
            columns.found[key] = sampled
        return sampled

    def _wanted(self, trades: pd.DataFrame, ticks: TickGroups) -> npt.NDArray[np.bool_]:
        return self._sampled(trades, ticks).wanted

    def _beat(self, event_ns: int) -> Made | None:
        if not self._every_ns or event_ns < self._edge_ns:
            return None
        self._edge_ns = (event_ns // self._every_ns + 1) * self._every_ns
        return self._given()

    def in_progress(self) -> pd.DataFrame:
        """The rows that wait for the end of their interval."""
        return self._frame(self._given(keep=True))

    def _given(self, keep: bool = False) -> Made:
        """What waits; it waits no longer unless it is to be kept."""
        instruments = len(self._windows.rows)

        def give(_: int, waiting: Waiting, out: Rows) -> int:
            its = waiting._replace(event_ns=waiting.event_ns.copy()) if keep else waiting
            return int(_LET_OUT(_NO_TICKS, its, instruments, out, 0))

        return self._let_out(instruments, give)

    def _forget(self, rows: npt.NDArray[np.int64]) -> None:
        """What waits is of before the break and stays true."""

    def _own_state(self) -> dict[str, Any]:
        rows = len(self._windows.rows)
        for waiting in self._waiting:
            waiting.make_room(rows)
        return {"edge_ns": self._edge_ns, "waiting": [waiting.snapshot(rows) for waiting in self._waiting]}

    def _restore_own(self, state: dict[str, Any]) -> None:
        self._edge_ns = int(state["edge_ns"])
        for waiting, held in zip(self._waiting, state["waiting"], strict=True):
            waiting.restore(held)

    def _made(self, of: Any, event_ns: Any, values: Any) -> Made:
        values[BURST_ABOVE] = values[MEAN] + values[BUFFER]
        values[SPIKE_ABOVE] = above_baseline(values[MEAN], values[SD], self.parameters.spike_sd)
        smoothing = repeated(self.parameters.smoothings, of.size)
        return Made(of, {"int64": stamped(event_ns), "float64": values}, {"smoothing": smoothing})


def intensity(
    trades: pd.DataFrame, ticks: int = 100, smoothing: str | tuple[str, ...] = "zlma", length: int = 20,
    **parameters: Any,
) -> pd.DataFrame:  # fmt: skip
    """Intensity of a whole history of trades.

    Parameters
    ----------
    trades
        Rows of the ``trades`` table; ``event_ns, instrument, price, size`` suffice. Any order: see ``history``. Quotes:
        ``ticks_from_quotes``.
    ticks, smoothing, length, **parameters
        ``IntensityParameters``; of several smoothings each has its rows.

    Returns
    -------
    pandas.DataFrame
        Rows of the ``intensity`` table as ``Intensity`` gives them: bps per second, one per tick from the
        ``ticks + 1``-th of an instrument and smoothing on; with ``every`` also those still waiting.

    Raises
    ------
    TableError
        ``trades`` do not fit their table.
    ValueError
        A parameter that cannot be.

    Examples
    --------
    >>> trades = pd.DataFrame({
    ...     "event_ns": np.arange(200) * 10**8, "instrument": "X", "price": np.exp(np.arange(200) * 1e-4), "size": 1.0})
    >>> intensity(trades)[["intensity", "efficiency"]].round(9).drop_duplicates().values.tolist()
    [[10.0, 1.0]]
    >>> intensity(trades, smoothing=("sma", "ema"))[["smoothing", "smoothed"]].round(9).iloc[-2:].values.tolist()
    [['sma', 10.0], ['ema', 10.0]]
    """
    engine = Intensity(ticks=ticks, smoothing=smoothing, length=length, **parameters)
    rows = engine.update(history(trades))
    tell_late("intensity", engine.late)
    waiting = engine.in_progress()
    return INTENSITY.concat([rows, waiting]) if len(waiting) else rows
