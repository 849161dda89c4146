"""The board: the newest published state of every table, for whoever looks.

The hub's thread adds batches; any number of screens read, each at its own pace. A reader gets an immutable
frame and a version, and skips what has not changed: that conflates by construction, and no screen can slow
the market down.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.tables import TABLES, Table

PENDING_BATCHES = 256
"""Merge the waiting batches of a table at the latest after so many, so that memory stays bounded unread."""


class Shelf(ABC):
    """What is kept of one table: batches wait until someone reads, then are merged once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.version = 0
        self._frame = table.empty()
        self._pending: list[pd.DataFrame] = []

    def add(self, frame: pd.DataFrame) -> None:
        """Take a batch (conformed)."""
        if len(frame):
            self._pending.append(frame)
            self.version += 1
            if len(self._pending) >= PENDING_BATCHES:
                self._merge()

    def frame(self) -> pd.DataFrame:
        """The kept rows."""
        if self._pending:
            self._merge()
        return self._frame

    def _merge(self) -> None:
        frames = [self._frame, *self._pending] if len(self._frame) else self._pending
        self._pending = []
        self._frame = self._keep(self.table.concat(frames))

    @abstractmethod
    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Which of the rows stay."""


class Tail(Shelf):
    """The last ``rows`` rows."""

    def __init__(self, table: Table, rows: int) -> None:
        super().__init__(table)
        self._rows = rows

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.iloc[-self._rows :].reset_index(drop=True)


class TailOfEach(Shelf):
    """The last ``rows`` rows per value of one column; up to half as many more stay until there are too many."""

    def __init__(self, table: Table, by: str, rows: int) -> None:
        super().__init__(table)
        self._by, self._rows = by, rows
        self._trimmed = 0

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        if len(frame) <= self._trimmed + self._rows // 2:
            return frame.reset_index(drop=True)
        kept = frame.groupby(self._by, observed=True).tail(self._rows).reset_index(drop=True)
        self._trimmed = len(kept)
        return kept


class Window(Shelf):
    """The rows of the last ``span_ns`` of event time."""

    def __init__(self, table: Table, span_ns: int) -> None:
        super().__init__(table)
        self._span_ns = span_ns

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        times = frame["event_ns"].to_numpy()
        return frame[times > times.max() - self._span_ns].reset_index(drop=True)


class Newest(Shelf):
    """The newest row per value of one column (by arrival)."""

    def __init__(self, table: Table, by: str) -> None:
        super().__init__(table)
        self._by = by

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.drop_duplicates(self._by, keep="last", ignore_index=True)


class NewestSnapshot(Shelf):
    """All rows of the newest ``event_ns`` per value of one column."""

    def __init__(self, table: Table, by: str) -> None:
        super().__init__(table)
        self._by = by

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        newest = frame.groupby(self._by, observed=True)["event_ns"].transform("max")
        return frame[frame["event_ns"] == newest].reset_index(drop=True)


class CandleShelf(Shelf):
    """The last ``rows`` closed candles per instrument and length, and the ones in progress."""

    def __init__(self, table: Table, rows: int) -> None:
        super().__init__(table)
        self._rows = rows
        self._forming: dict[int, pd.DataFrame] = {}
        self._cut: dict[tuple[str, int], pd.DataFrame] = {}
        """Closed candles by instrument and length, cut once from what was merged last."""
        self._answers: dict[tuple[str, int], tuple[int, pd.DataFrame]] = {}
        """What was answered last, and of which version: many screens ask for the same candles."""

    def set_forming(self, every_ns: int, frame: pd.DataFrame) -> None:
        """Replace the candles in progress of one length."""
        self._forming[every_ns] = frame
        self.version += 1

    def frame(self) -> pd.DataFrame:
        """Closed and forming candles of every instrument and length."""
        return self.table.concat([super().frame(), *self._forming.values()])

    def of(self, instrument: str, every_ns: int) -> pd.DataFrame:
        """Candles of one instrument and length in time order, the one in progress last."""
        key = instrument, every_ns
        version, answer = self._answers.get(key, (-1, self._frame))
        if version != self.version:
            answer = self._find(instrument, every_ns)
            self._answers[key] = self.version, answer
        return answer

    def _find(self, instrument: str, every_ns: int) -> pd.DataFrame:
        frame = super().frame()
        key = instrument, every_ns
        if key not in self._cut:
            self._cut[key] = self._rows_of(frame, instrument, every_ns).reset_index(drop=True)
        closed = self._cut[key]
        if every_ns not in self._forming:
            return closed
        forming = self._rows_of(self._forming[every_ns], instrument, every_ns)
        return self.table.concat([closed, forming]) if len(forming) else closed

    @staticmethod
    def _rows_of(frame: pd.DataFrame, instrument: str, every_ns: int) -> pd.DataFrame:
        code = frame["instrument"].cat.categories.get_indexer([instrument])[0]
        if code < 0:
            return frame.iloc[:0]
        rows = np.flatnonzero((frame["instrument"].cat.codes == code) & (frame["every_ns"] == every_ns))
        return frame.take(rows)

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        self._cut.clear()
        frame = frame.drop_duplicates(list(self.table.key), keep="last")
        if len(frame) <= self._rows:
            return frame.reset_index(drop=True)
        kept = frame.groupby(["every_ns", "instrument"], observed=True).tail(self._rows)
        return kept.reset_index(drop=True)


class ExposureShelf(NewestSnapshot):
    """The newest snapshot per underlying, and net gex by strike of the first snapshot of every minute before."""

    def __init__(self, table: Table, minutes: int = 720) -> None:
        super().__init__(table, "underlying")
        self._minutes = minutes
        self._past: dict[tuple[str, str, str], deque[pd.DataFrame]] = {}

    def add(self, frame: pd.DataFrame) -> None:
        """Take a batch (conformed)."""
        super().add(frame)
        names = ["underlying", "sign_model", "basis"]
        for key, rows in frame.groupby([*names, "event_ns"], observed=True, sort=False):
            name, event_ns = tuple(str(part) for part in key[:3]), int(key[3])
            past = self._past.setdefault((name[0], name[1], name[2]), deque(maxlen=self._minutes))
            if not past or event_ns // _MINUTE_NS != int(past[-1]["event_ns"].iloc[0]) // _MINUTE_NS:
                gex = rows.groupby("strike", sort=True)["gex"].sum().reset_index()
                past.append(gex.assign(event_ns=event_ns))

    def past(self, underlying: str, sign_model: str, basis: str) -> pd.DataFrame:
        """Columns event_ns, strike, gex."""
        kept = self._past.get((underlying, sign_model, basis))
        none = pd.DataFrame(
            {"strike": np.empty(0), "gex": np.empty(0), "event_ns": np.empty(0, dtype=np.int64)}
        )
        return pd.concat(list(kept), ignore_index=True) if kept else none


_HOUR_NS = 3_600 * 10**9
_MINUTE_NS = 60 * 10**9
_SHELVES: Mapping[str, Callable[[Table], Shelf]] = {
    "trades": lambda table: Tail(table, 20_000),
    "quotes": lambda table: Newest(table, "instrument"),
    "marks": lambda table: Newest(table, "instrument"),
    "instruments": lambda table: Newest(table, "instrument"),
    "heartbeat": lambda table: Tail(table, 1),
    "health": lambda table: Tail(table, 500),
    "candles": lambda table: CandleShelf(table, 3_000),
    "levels": lambda table: Window(table, 36 * _HOUR_NS),
    "cascade": lambda table: Window(table, 36 * _HOUR_NS),
    "surfaces": lambda table: Window(table, 36 * _HOUR_NS),
    "pnl": lambda table: Window(table, 36 * _HOUR_NS),
    "fills": lambda table: Tail(table, 100_000),
    "intensity": lambda table: TailOfEach(table, "instrument", 3_000),
    "spikes": lambda table: TailOfEach(table, "instrument", 500),
    "reversals": lambda table: TailOfEach(table, "instrument", 500),
    "exposures": ExposureShelf,
}
_UNSHELVED = frozenset({"frames"})

FEED_COLUMNS = (
    "feed", "state", "newest_ns", "age_s", "stale_after_s", "rows_per_s", "gaps", "drops", "detail", "recorder_lag_s",
)  # fmt: skip


class Board:
    """The newest published state of every table.

    Kept: the last 20 000 trades, 3 000 candles per instrument and length, 36 h of levels, cascade, surfaces and pnl, 100 000 fills, the newest exposures per
    underlying, at least 3 000 rows of intensity and 500 spikes and reversals per instrument, the newest row per instrument of marks, quotes and instruments, the last 500 health rows,
    the last 2 000 rows of every other table. Raw frames are not kept here.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._shelves: dict[str, Shelf] = {
            name: _SHELVES.get(name, lambda table: Tail(table, 2_000))(table)
            for name, table in TABLES.items()
            if name not in _UNSHELVED
        }
        self._feeds = pd.DataFrame({name: [] for name in FEED_COLUMNS})
        self.asof_ns = 0

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables kept."""
        return tuple(self._shelves)

    def add(self, table: str, frame: pd.DataFrame) -> None:
        """Take a batch of a table (conformed); called by the hub."""
        with self._lock:
            self._shelves[table].add(frame)
            if len(frame):
                self.asof_ns = max(self.asof_ns, int(frame["event_ns"].to_numpy().max()))

    def version(self, table: str) -> int:
        """Number that grows whenever the table's published state changes."""
        return self._shelves[table].version

    def latest(self, table: str) -> pd.DataFrame:
        """The kept rows of a table; not to be changed by the caller."""
        with self._lock:
            return self._shelves[table].frame()

    def candles(self, instrument: str, every_ns: int) -> pd.DataFrame:
        """Candles of one instrument and length in time order, the one in progress (``closed`` False) last."""
        with self._lock:
            return self._candle_shelf.of(instrument, every_ns)

    def exposure_past(self, underlying: str, sign_model: str, basis: str) -> pd.DataFrame:
        """Net gex by strike, once a minute for the last 720 minutes that had any: event_ns, strike, gex."""
        with self._lock:
            shelf: Any = self._shelves["exposures"]
            past: pd.DataFrame = shelf.past(underlying, sign_model, basis)
            return past

    def set_forming(self, every_ns: int, frame: pd.DataFrame) -> None:
        """Publish the candles in progress of one length."""
        with self._lock:
            self._candle_shelf.set_forming(every_ns, frame)

    @property
    def _candle_shelf(self) -> CandleShelf:
        shelf: Any = self._shelves["candles"]
        return shelf  # type: ignore[no-any-return]

    def feeds(self) -> pd.DataFrame:
        """One row per feed: state, age and counts, as the status strip shows them."""
        with self._lock:
            return self._feeds

    def set_feeds(self, feeds: pd.DataFrame) -> None:
        """Publish the feeds' states."""
        with self._lock:
            self._feeds = feeds
