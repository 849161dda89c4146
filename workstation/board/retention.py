"""Retention: what the board keeps of one table, bounded however long the desk runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Sequence
from copy import copy
from typing import Self

import numpy as np
import pandas as pd

from workstation.indicators.batch.instrument_state import InstrumentRows
from workstation.market.instants import MINUTE_NS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, Table
from workstation.market.tables.frames import array_of

PENDING_BATCHES, PENDING_ROWS = 256, 20_000
"""Merge the waiting batches of a table at the latest after so many, or so many rows, so that memory stays bounded unread."""


PAST_MINUTES = 720
"""So many minutes of gex by strike are kept."""


class Retention(ABC):
    """What is kept of one table: batches wait until someone reads, then are merged once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.version = 0
        self._pending: list[pd.DataFrame] = []
        self._pending_rows = 0

    def copy(self) -> Self:
        """One of its own that holds the same; frames are shared, for none is changed."""
        made = copy(self)
        made._pending = list(self._pending)
        return made

    def add(self, frame: pd.DataFrame) -> None:
        """Take a batch (conformed)."""
        if len(frame):
            self._pending.append(frame)
            self._pending_rows += len(frame)
            self.version += 1
            if len(self._pending) >= PENDING_BATCHES or self._pending_rows >= PENDING_ROWS:
                self._merge()

    def _merge(self) -> None:
        """Put what waits where it belongs."""
        if self._pending:
            new = self.table.concat(self._pending)
            self._pending, self._pending_rows = [], 0
            self._put(new)

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """The kept rows."""

    @abstractmethod
    def _put(self, new: pd.DataFrame) -> None:
        """Take the rows that waited."""


class FrameRetention(Retention):
    """What is kept is one frame, in order of arrival."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._frame = table.empty()

    def frame(self) -> pd.DataFrame:
        """The kept rows."""
        self._merge()
        return self._frame

    def since(self, code: int, seq: int, columns: Sequence[str]) -> tuple[int, dict[str, np.ndarray]]:
        """Newest ``seq`` of the table, and columns of the rows of one instrument after a ``seq``, in order of arrival.

        Nothing is merged: it costs what has come since, whatever is kept.
        """
        places = [self.table.places[name] for name in ("seq", "instrument", *columns)]
        parts: list[list[np.ndarray]] = []
        newest = seq
        for frame in (*reversed(self._pending), self._frame):
            seqs, instruments, *values = (array_of(frame, place) for place in places)
            newest = max(newest, int(seqs[-1])) if len(seqs) else newest
            mine = np.flatnonzero((instruments.codes == code) & (seqs > seq))
            if len(mine):
                parts.append([np.asarray(array[mine]) for array in values])
            if len(seqs) and seqs[0] <= seq:
                break
        parts.reverse()
        empty = [np.asarray(array_of(self._frame, place)[:0]) for place in places[2:]]
        joined = [np.concatenate(batches) for batches in zip(*(parts or [empty]), strict=True)]
        return newest, dict(zip(columns, joined, strict=True))

    def _put(self, new: pd.DataFrame) -> None:
        self._frame = self._keep(self.table.concat([self._frame, new]) if len(self._frame) else new)

    @abstractmethod
    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Which of the rows stay."""


class Tail(FrameRetention):
    """The last ``rows`` rows."""

    def __init__(self, table: Table, rows: int) -> None:
        super().__init__(table)
        self._rows = rows

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.iloc[-self._rows :].reset_index(drop=True)


class TailOfEach(FrameRetention):
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


class Window(FrameRetention):
    """The rows of the last ``span_ns`` of event time."""

    def __init__(self, table: Table, span_ns: int) -> None:
        super().__init__(table)
        self._span_ns = span_ns

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        times = frame["event_ns"].to_numpy()
        kept: pd.DataFrame = frame[times > times.max() - self._span_ns].reset_index(drop=True)
        return kept


class Newest(FrameRetention):
    """The newest row per value of some columns (by arrival)."""

    def __init__(self, table: Table, *by: str) -> None:
        super().__init__(table)
        self._by = list(by)

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.drop_duplicates(self._by, keep="last", ignore_index=True)


class NewestSnapshot(FrameRetention):
    """All rows of the newest ``event_ns`` per value of one column."""

    def __init__(self, table: Table, by: str) -> None:
        super().__init__(table)
        self._by = by

    def _keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        newest = frame.groupby(self._by, observed=True)["event_ns"].transform("max")
        return frame[frame["event_ns"] == newest].reset_index(drop=True)


class CandleRetention(Retention):
    """The last ``rows`` closed candles per instrument and length, the last ``option_rows`` of all options, and those in progress.

    A desk sees thousands of options, each with a candle now and then: kept one by one they would grow for days.
    """

    def __init__(self, table: Table, rows: int, option_rows: int = 20_000) -> None:
        super().__init__(table)
        self._rows = rows
        self._none = table.empty()
        self._followed = InstrumentRows()
        self._closed: dict[tuple[int, int], list[pd.DataFrame]] = {}
        """Closed candles by instrument code and length, in batches until someone asks for them."""
        self._options = Tail(table, option_rows)
        self._forming = self._none
        self._traded: Counter[int] = Counter()
        """Trades in closed candles by instrument code, without options."""
        self._answers: dict[tuple[str, int], tuple[int, pd.DataFrame]] = {}
        """What was answered last, and of which version: many screens ask for the same candles."""

    def copy(self) -> Self:
        """See ``Retention.copy``."""
        made = super().copy()
        made._closed = {key: list(batches) for key, batches in self._closed.items()}
        made._options, made._traded, made._answers = self._options.copy(), Counter(self._traded), {}
        return made

    def set_forming(self, frame: pd.DataFrame) -> None:
        """Replace the candles in progress."""
        self._forming = frame
        self.version += 1

    @property
    def forming(self) -> pd.DataFrame:
        """The candles in progress."""
        return self._forming

    def frame(self) -> pd.DataFrame:
        """Closed and forming candles of every instrument and length."""
        self._merge()
        closed = [self._joined(key) for key in self._closed]
        return self.table.concat([*closed, self._options.frame(), self._forming])

    def traded(self) -> dict[str, int]:
        """Trades seen of every instrument with candles, without options."""
        self._merge()
        seen = Counter(self._traded)
        if len(self._forming):
            codes = np.asarray(self._forming["instrument"].array.codes)
            mine = self._followed.of(codes) >= 0
            trades = self._forming["trades"].to_numpy()[mine].tolist()
            for code, count in zip(codes[mine].tolist(), trades, strict=True):
                seen[code] += count
        return dict(zip(REGISTRY.names(seen), seen.values(), strict=True))

    def of(self, instrument: str, every_ns: int) -> pd.DataFrame:
        """Candles of one instrument and length in time order, the one in progress last."""
        key = instrument, every_ns
        version, answer = self._answers.get(key, (-1, self._none))
        if version != self.version:
            answer = self._find(instrument, every_ns)
            self._answers[key] = self.version, answer
        return answer

    def _find(self, instrument: str, every_ns: int) -> pd.DataFrame:
        code = REGISTRY.find(instrument)
        if code < 0:
            return self._none
        self._merge()
        if (code, every_ns) in self._closed:
            closed = self._joined((code, every_ns))
        else:
            closed = _in_order(self._candles_of(self._options.frame(), code, every_ns))
        # what was in progress a moment ago may be final by now
        last_ns = array_of(closed, self.table.places["event_ns"])[-1] if len(closed) else NO_TIME
        begun = self._candles_of(self._forming, code, every_ns, last_ns)
        return self.table.concat([closed, begun]) if len(begun) else closed

    def _candles_of(
        self, frame: pd.DataFrame, code: int, every_ns: int, after_ns: int = NO_TIME
    ) -> pd.DataFrame:
        columns = [
            array_of(frame, self.table.places[name]) for name in ("instrument", "every_ns", "event_ns")
        ]
        mine = (columns[0].codes == code) & (columns[1] == every_ns) & (columns[2] > after_ns)
        return self.table.take(frame, np.flatnonzero(mine))

    def _put(self, new: pd.DataFrame) -> None:
        """Hand rows to their instruments."""
        codes = np.asarray(new["instrument"].array.codes)
        followed = self._followed.of(codes) >= 0
        if not followed.all():
            self._options.add(self.table.take(new, np.flatnonzero(~followed)))
        every, trades = new["every_ns"].to_numpy(), new["trades"].to_numpy()
        for code, count in zip(codes[followed].tolist(), trades[followed].tolist(), strict=True):
            self._traded[code] += count
        for code, length in set(zip(codes[followed].tolist(), every[followed].tolist(), strict=True)):
            rows = np.flatnonzero((codes == code) & (every == length))
            batches = self._closed.setdefault((code, length), [])
            batches.append(_in_order(self.table.take(new, rows)))
            if len(batches) >= PENDING_BATCHES:
                self._joined((code, length))

    def _joined(self, key: tuple[int, int]) -> pd.DataFrame:
        batches = self._closed[key]
        if len(batches) > 1:
            joined = _in_order(self.table.concat(batches))
            batches[:] = [joined.iloc[-self._rows :].reset_index(drop=True)]
        return batches[0]


def _in_order(candles: pd.DataFrame) -> pd.DataFrame:
    """Candles of one instrument and length by begin, each once: as it was written last."""
    begin_ns = candles["event_ns"].to_numpy()
    if (np.diff(begin_ns) > 0).all():
        return candles
    last = candles.drop_duplicates("event_ns", keep="last")
    return last.sort_values("event_ns", ignore_index=True)


class ExposureRetention(NewestSnapshot):
    """The newest snapshot per underlying, and gex by strike of the first snapshot of every minute before."""

    def __init__(self, table: Table, minutes: int = PAST_MINUTES) -> None:
        super().__init__(table, "underlying")
        self._minutes = minutes
        self._history: dict[tuple[str, str, str], deque[pd.DataFrame]] = {}

    def add(self, frame: pd.DataFrame) -> None:
        """Take a batch (conformed)."""
        super().add(frame)
        self.remember(frame)

    def copy(self) -> Self:
        """See ``Retention.copy``."""
        made = super().copy()
        made._history = {key: past.copy() for key, past in self._history.items()}
        return made

    def remember(self, frame: pd.DataFrame) -> None:
        """Keep these rows, in time order, in the history alone."""
        if not self._begins_a_minute(frame):
            return
        by = [*_CHOICE, "event_ns", "strike"]
        summed = frame.groupby(by, observed=True)[["gex", "call_gex", "put_gex"]].sum().reset_index()
        shown = summed[["strike", "gex", "call_gex", "put_gex", "event_ns"]]
        keys = summed[[*_CHOICE, "event_ns"]]
        begins = np.flatnonzero(~keys.duplicated().to_numpy())
        ends = np.append(begins[1:], len(keys))
        for row, end in zip(keys.iloc[begins].itertuples(), ends.tolist(), strict=True):
            begin, underlying, model, basis, event_ns = row
            key = (str(underlying), str(model), str(basis))
            history = self._history.setdefault(key, deque(maxlen=self._minutes))
            if not history or event_ns // MINUTE_NS > int(history[-1]["event_ns"].iloc[0]) // MINUTE_NS:
                history.append(shown.iloc[begin:end])

    def _begins_a_minute(self, frame: pd.DataFrame) -> bool:
        """Whether rows of some choice may be of a minute after the newest kept of it; cheap, for it is mostly not so."""
        newest = array_of(frame, self.table.places["event_ns"]).max(initial=0) // MINUTE_NS
        columns = [array_of(frame, self.table.places[name]) for name in _CHOICE]
        for codes in np.unique(np.stack([column.codes for column in columns]), axis=1).T:
            underlying, sign_model, basis = (
                str(column.categories[at]) for column, at in zip(columns, codes, strict=True)
            )
            history = self._history.get((underlying, sign_model, basis))
            if not history or newest > int(history[-1]["event_ns"].iloc[0]) // MINUTE_NS:
                return True
        return False

    def past(self) -> pd.DataFrame:
        """All that is kept of the minutes before, in time order, as rows for ``remember``."""
        parts = [
            minute.assign(underlying=key[0], sign_model=key[1], basis=key[2])
            for key, minutes in self._history.items()
            for minute in minutes
        ]
        if not parts:
            return self.table.empty()
        return self.table.conform(pd.concat(parts, ignore_index=True).sort_values("event_ns", kind="stable"))

    def history(self, underlying: str, sign_model: str, basis: str) -> pd.DataFrame:
        """Columns event_ns, strike, gex, call_gex, put_gex."""
        kept = self._history.get((underlying, sign_model, basis))
        if kept:
            return pd.concat(list(kept), ignore_index=True)
        none = {name: np.empty(0) for name in ("strike", "gex", "call_gex", "put_gex")}
        return pd.DataFrame({**none, "event_ns": np.empty(0, dtype=np.int64)})


_CHOICE = ("underlying", "sign_model", "basis")
