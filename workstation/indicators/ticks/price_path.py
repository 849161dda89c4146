"""Paths of price over the last N ticks: the part of the tick windows that no smoothing and no buffer changes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import ScratchArrays, TickGroups
from workstation.indicators.batch.instrument_state import InstrumentRows
from workstation.indicators.batch.trade_batch import TradeReader
from workstation.indicators.ticks import intensity_kernels as path_kernels
from workstation.indicators.ticks import kernels
from workstation.market.engine import source_of
from workstation.market.tables import NO_TIME
from workstation.numerics.rolling import Floats
from workstation.numerics.state_arrays import Field, RowArrays
from workstation.numerics.typed_kernel import TypedKernel

_MEASURE = TypedKernel(path_kernels.measure)
_NO_CODES = np.empty(0, dtype=np.int32)


class PathMeasures(NamedTuple):
    """What a batch of trades gives.

    ``state_rows``: of each of the batch's groups, negative where it is not followed; ``ticks``: those whose window is
    full; ``values``: shape (3, n or more), intensity, velocity and efficiency of the n of ``ticks``. All of it is written
    anew for the next batch.
    """

    state_rows: npt.NDArray[np.int64]
    ticks: TickGroups
    values: Floats


class Break(NamedTuple):
    """What emptied the windows of an instrument last, told at ``event_ns``; before ``until_ns`` it was not heard live."""

    event_ns: int
    reason: str
    until_ns: int


NO_BREAK = Break(int(NO_TIME), "", int(NO_TIME))


class SharedStep:
    """A step that several take together: the first that comes with a batch makes it, the others get what it gave.

    Each remembers the ``position`` after its last step; who comes twice with one batch makes two steps.
    """

    def __init__(self) -> None:
        self.position = 0
        self._batch: Callable[[], pd.DataFrame | None] = lambda: None
        self._result: Any = None

    def take(self, batch: pd.DataFrame, position: int, step: Callable[[pd.DataFrame], Any]) -> Any:
        """What ``step(batch)`` gives or gave."""
        handed = source_of(batch)
        if position < self.position and self._batch() is handed:
            return self._result
        self._result = step(batch)
        self._batch = weakref.ref(handed)
        self.position += 1
        return self._result


class TickPaths:
    """Rings of the last prices, times and returns of every instrument.

    Parameters
    ----------
    reader
        Reads the batches.
    measures, kinds, breaks
        As ``TickWindowParameters`` give them; of the measures those of the path.

    Attributes
    ----------
    late
        Ticks too old to count.
    unpriced
        Ticks whose price is not positive and finite: no return can be made of them.
    """

    def __init__(
        self,
        reader: TradeReader,
        measures: kernels.WindowRules,
        kinds: tuple[str, ...],
        breaks: tuple[str, ...],
    ) -> None:
        self._reader = reader
        self.key = (measures.ticks, measures.least_ns, measures.lateness_ns, measures.unpriced, kinds, breaks)
        self._by, self._kinds, self._breaking = measures, kinds, breaks
        self.step = SharedStep()
        self._scratch = ScratchArrays(("int64", 0), ("int64", 0), ("float64", kernels.PATH_OUTPUTS))
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        ticks = self._by.ticks
        self.late = 0
        self.unpriced = 0
        self.rows = InstrumentRows(self._kinds)
        self.breaks: dict[int, Break] = {}
        self._venues: dict[str, int] = {}
        self._bits: tuple[Any, npt.NDArray[np.int64]] = None, np.empty(0, dtype=np.int64)
        """The dtype of the venues asked for last, and their bits."""
        self._state = RowArrays(
            path_kernels.PathState,
            {
                "counters": Field(kernels.COUNTERS, "int64"), "heads": Field(kernels.HEADS),
                "prices": Field(ticks), "times": Field(ticks, "int64"), "paths": Field(ticks),
            },
        )  # fmt: skip

    def take(self, trades: pd.DataFrame) -> PathMeasures:
        """Add trades in row order."""
        columns = self._reader.live(trades)
        groups = self._reader.groups(columns)
        state_rows = self.rows.of(groups.codes)
        state = self._state.make_room(len(self.rows))
        positions, rows, values = self._scratch.of(columns.codes.size)
        out = path_kernels.PathOutput(
            positions, rows, np.empty_like(state_rows), np.empty_like(groups.offsets), values
        )
        venues = self._venue_bits(columns.venue)
        found, late, unpriced = _MEASURE(
            groups, state_rows, columns.ordered and columns.plain, venues, state, self._by, out
        )
        self.late += late
        self.unpriced += unpriced
        many = out.offsets[found]
        ticks = TickGroups(positions[:many], rows[:many], out.state_rows[:found], out.offsets[: found + 1])
        return PathMeasures(state_rows, ticks, values)

    def ticks(self) -> npt.NDArray[np.int64]:
        """Ticks taken of each instrument since its reset."""
        rows = len(self.rows)
        taken: npt.NDArray[np.int64] = self._state.make_room(rows).counters[:rows, kernels.TICKS].copy()
        return taken

    def _venue_bits(self, venue: Any) -> path_kernels.VenueBits:
        """One bit per category of venues; from the 62nd on they share one. Codes where there are several."""
        if venue.dtype is not self._bits[0]:
            names = [str(name) for name in venue.categories]
            bits = [1 << self._venues.setdefault(name, min(len(self._venues), 62)) for name in names]
            self._bits = venue.dtype, np.array(bits, dtype=np.int64)
        codes = _NO_CODES if self._bits[1].size == 1 else venue.codes.astype(np.int32)
        return path_kernels.VenueBits(codes, self._bits[1])

    # -- breaks -------------------------------------------------------------------------------------------

    def apply_health(self, health: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Reset the paths that ``health`` rows concern; returns their state rows.

        A row concerns trades when its channel is empty or speaks of trades, and then the instruments it names;
        with none named those traded at the venue of the feed's name, and all if no venue bears that name.
        """
        events = health["event"].array
        wanted = np.isin(np.asarray(events.categories, dtype=object), self._breaking)
        concerned: set[int] = set()
        for at in np.flatnonzero(wanted[events.codes]).tolist():
            row = health.iloc[at]
            if row["channel"] and "trade" not in row["channel"].lower():
                continue
            reported = f"{row['event']} of {row['feed'] or 'a feed'}: {row['detail']}"
            for of in self._concerned(str(row["feed"]), str(row["instruments"])):
                concerned.add(of)
                self.breaks[of] = Break(
                    int(row["event_ns"]), reported, max(int(row["event_ns"]), int(row["end_ns"]))
                )
        rows = np.array(sorted(concerned), dtype=np.int64)
        kernels.forget(self._state.arrays, rows)
        return rows

    def _concerned(self, feed: str, instruments: str) -> list[int]:
        if instruments.strip():
            text = f" {instruments.strip()} "  # a listed option's name holds blanks itself
            return [of for of, name in enumerate(self.rows.names()) if f" {name} " in text]
        rows = len(self.rows)
        if feed not in self._venues:
            return list(range(rows))
        venues = self._state.arrays.counters[:rows, kernels.VENUES]
        mine = np.zeros(rows, dtype=np.bool_)
        for name in {feed, ""} & set(self._venues):
            mine |= (venues & (1 << self._venues[name])) != 0
        return [int(of) for of in np.flatnonzero(mine)]

    def heard(self, of: npt.NDArray[np.int64], event_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether the instrument was heard at that time, as far as its last break tells; of state rows.

        Trades brought after the fact fill the windows again; what they say happened within the break is hindsight.
        """
        if not self.breaks:
            return np.ones(of.size, dtype=np.bool_)
        until = [self.breaks.get(row, NO_BREAK).until_ns for row in of.tolist()]
        return np.asarray(event_ns > np.array(until, dtype=np.int64))

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state; instruments by name."""
        return {
            "instruments": self.rows.names(),
            "state": self._state.snapshot(len(self.rows)),
            "venues": dict(self._venues),
            "breaks": [[of, *reported] for of, reported in self.breaks.items()],
            "late": self.late,
            "unpriced": self.unpriced,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.reset()
        self.rows.restore(state["instruments"])
        self._state.restore(state["state"])
        self._venues = dict(state["venues"])
        self.breaks = {
            int(of): Break(int(at), str(reported), int(until)) for of, at, reported, until in state["breaks"]
        }
        self.late, self.unpriced = int(state["late"]), int(state["unpriced"])
