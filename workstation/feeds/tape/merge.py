"""Tables of a recording put back into the one order in which the hub accepted their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
import pandas as pd

from workstation.market.tables import TABLES


class Run(NamedTuple):
    """Rows of one table that follow one another; ``first_ns`` and ``last_ns`` bound the clock when they came."""

    table: str
    frame: pd.DataFrame
    first_ns: int
    last_ns: int


class Ordered(NamedTuple):
    """Rows of several tables in the order in which they came.

    Attributes
    ----------
    names, frames
        The tables, and what was read of each.
    rank, row
        Of every row in order: the place of its table in ``names``, and its own in that table's frame.
    clock, cut
        The clock when it came, and whether a run begins with it.
    """

    names: list[str]
    frames: list[pd.DataFrame]
    rank: np.ndarray
    row: np.ndarray
    clock: np.ndarray
    cut: np.ndarray


class Stretch(NamedTuple):
    """A run whose frame is not made yet."""

    rows: Ordered
    begin: int
    end: int

    def run(self) -> Run:
        """The run, with a frame of its own."""
        table = self.rows.rank[self.begin]
        return Run(
            self.rows.names[table],
            _rows(self.rows.frames[table], self.rows.row[self.begin : self.end]),
            int(self.rows.clock[self.begin]),
            int(self.rows.clock[self.end - 1]),
        )


class Merge:
    """Takes windows of event time, gives runs in ``seq`` order.

    The clock at a row is the largest ``event_ns`` up to it in ``seq`` order, so that a late row comes when it
    came. Rows without ``seq`` come at their ``event_ns``; those of one instant in the order of ``tables``.

    Parameters
    ----------
    tables
        Names, in the order that breaks ties.
    longest_rows, longest_ns
        Bounds of a run: rows, and clock between its first and last row.

    Examples
    --------
    >>> merge = Merge(("quotes", "trades"), longest_rows=100, longest_ns=10**9)
    >>> merge.push({"trades": pd.DataFrame({"seq": [2, 4], "event_ns": [20, 15]}), "quotes": pd.DataFrame({"seq": [3], "event_ns": [30]})})
    >>> [(run.table, run.frame["seq"].tolist(), run.last_ns) for run in merge.pop(None)]
    [('trades', [2], 20), ('quotes', [3], 30), ('trades', [4], 30)]
    """

    def __init__(self, tables: Sequence[str], *, longest_rows: int, longest_ns: int) -> None:
        self.tables = tuple(tables)
        self.longest_rows, self.longest_ns = longest_rows, longest_ns
        self._pending: dict[str, pd.DataFrame] = {}
        self._clock_ns = np.iinfo(np.int64).min

    def copy(self) -> Merge:
        """One of its own that goes on from here; frames are shared, for none is changed."""
        made = copy(self)
        made._pending = dict(self._pending)
        return made

    def push(self, window: Mapping[str, pd.DataFrame]) -> None:
        """Rows of the next window of event time, table by table."""
        for table, frame in window.items():
            held = self._pending.get(table)
            if len(frame):
                self._pending[table] = frame if held is None or not len(held) else _joined(table, held, frame)

    def pop(self, before_ns: int | None) -> list[Run]:
        """The runs whose clock is under ``before_ns`` (None: all). The window after it must have been pushed."""
        return [one.run() for one in self.stretches(before_ns)]

    def stretches(self, before_ns: int | None) -> list[Stretch]:
        """As ``pop``, for who needs but the first of them soon."""
        rows = self.ordered(before_ns)
        if rows is None:
            return []
        begins = np.flatnonzero(rows.cut)
        ends = np.append(begins[1:], len(rows.cut))
        return [Stretch(rows, *bounds) for bounds in zip(begins.tolist(), ends.tolist(), strict=True)]

    def ordered(self, before_ns: int | None) -> Ordered | None:
        """As ``pop``, not parted into runs; None when no row is that far."""
        names = [table for table in self.tables if len(self._pending.get(table, ()))]
        if not names:
            return None
        frames = [self._pending[name] for name in names]
        rank = np.repeat(np.arange(len(names)), [len(frame) for frame in frames])
        row = np.concatenate([np.arange(len(frame)) for frame in frames])
        event, seq = (
            np.concatenate([frame[name].to_numpy(dtype=np.int64) for frame in frames])
            for name in ("event_ns", "seq")
        )
        seq = np.maximum(seq, 0)  # below 0: the order of writing, which the rows come in already
        clock = self._clocks(event, seq)
        order = np.lexsort((row, rank, seq, clock))
        if before_ns is not None:
            order = order[clock[order] < before_ns]
        if (seq[order] > 0).any():
            self._clock_ns = int(clock[order][seq[order] > 0][-1])
        self._keep_rest(names, frames, rank, row, order)
        if not len(order):
            return None
        cut = self._cuts(rank[order], clock[order], seq[order], names)
        return Ordered(names, frames, rank[order], row[order], clock[order], cut)

    def _clocks(self, event: np.ndarray, seq: np.ndarray) -> np.ndarray:
        clock = event.copy()
        numbered = np.flatnonzero(seq > 0)
        by_seq = numbered[np.argsort(seq[numbered], kind="stable")]
        clock[by_seq] = (
            np.maximum(np.maximum.accumulate(event[by_seq]), self._clock_ns) if len(by_seq) else event[by_seq]
        )
        return clock

    def _cuts(self, table: np.ndarray, times: np.ndarray, seq: np.ndarray, names: list[str]) -> np.ndarray:
        """Cut where the table changes, where the clock has gone a step further, and where a run gets long."""
        cut = (np.diff(table) != 0) | (np.diff(times // self.longest_ns) != 0)
        if "frames" in names:
            cut = np.where(table[1:] == names.index("frames"), self._groups(times, seq, table), cut)
        begins = np.concatenate(([0], np.flatnonzero(cut) + 1))
        within = np.arange(len(table)) - np.repeat(begins, np.diff(np.append(begins, len(table))))
        cuts: np.ndarray = within % self.longest_rows == 0
        return cuts

    def _groups(self, times: np.ndarray, seq: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Where a group of frames ends: those received together have adjacent ``seq`` and are never parted."""
        apart = (np.diff(seq) != 1) | (np.diff(times) > self.longest_ns) | (np.diff(table) != 0)
        unnumbered = (seq[1:] == 0) & (np.diff(table) == 0)
        ends: np.ndarray = np.where(unnumbered, np.diff(times // self.longest_ns) != 0, apart)
        return ends

    def _keep_rest(
        self,
        names: list[str],
        frames: list[pd.DataFrame],
        rank: np.ndarray,
        row: np.ndarray,
        taken: np.ndarray,
    ) -> None:
        kept = np.ones(len(rank), dtype=bool)
        kept[taken] = False
        for at, name in enumerate(names):
            self._pending[name] = frames[at].iloc[row[kept & (rank == at)]].reset_index(drop=True)


def _rows(frame: pd.DataFrame, at: np.ndarray) -> pd.DataFrame:
    contiguous = at[-1] - at[0] + 1 == len(at) and bool((np.diff(at) == 1).all())
    taken = frame.iloc[at[0] : at[-1] + 1] if contiguous else frame.iloc[at]
    return taken.reset_index(drop=True)


def _joined(table: str, held: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows one after the other; those of a window read once more instruments are known are of more categories."""
    if (held.dtypes == frame.dtypes).all():
        return pd.concat([held, frame], ignore_index=True)
    return TABLES[table].concat([held, frame])
