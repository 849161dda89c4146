"""Which rows of a file history holds already: by venue, instrument and trade id, else by all they say, counted one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.history import History
from workstation.history.row_identity import HashArray, beyond, contents, texts
from workstation.market.instants import DAY_NS, HOUR_NS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import TABLES, TradeFlag

"""Prints of one id are one print when they are less than this apart: some venues begin their ids anew every day."""
MOST_NAMES = 500
"""Instruments that are asked for by name; of more, all rows of the time are read."""
_HOUR = 1 << 32
_CODE = _HOUR - 1
WINDOW_ROWS = 500_000
"""Rows of a file compared at once."""
IDS = {"trades": "trade_id", "fills": "fill_id"}
_PARTS_OF_ID = ("venue", "account", "instrument", "exchange", "kind")
BoolArray = npt.NDArray[np.bool_]


@dataclass
class Verdict:
    """Of the rows of one table in a file: which are new, and how many of the others differ from the stored print of their id."""

    new: BoolArray
    conflicts: int = 0
    example: str = ""

    @property
    def known(self) -> int:
        """Rows that are in history, or in the file before, already."""
        return int((~self.new).sum()) - self.conflicts


@dataclass
class _Columns:
    """What identifies the rows of a table in a file."""

    event: npt.NDArray[np.int64]
    pairs: set[int] = field(default_factory=set)
    ids: HashArray | None = None
    payload: HashArray | None = None


class KnownRows:
    """The rows of one history as an import meets them.

    Parameters
    ----------
    history
        The store.
    write
        Makes durable what waits of a table, so that history can be asked for it.
    """

    def __init__(self, history: History, write: Callable[[str], None]) -> None:
        self._history, self._write = history, write
        tables = history.tables().set_index("name")
        self._bounds: dict[str, tuple[int, int]] = {
            str(name): (int(row["first_event_ns"]), int(row["last_event_ns"]))
            for name, row in tables.iterrows()
        }
        self._held: dict[str, set[int]] = {}
        self._asked: dict[str, set[int]] = {}

    def judge(self, name: str, frames: Iterable[pd.DataFrame]) -> Verdict:
        """Which rows of a file are new; they count as rows of history from now on.

        Parameters
        ----------
        name
            The table.
        frames
            All rows of the file for it, conformed, in file order; iterated more than once.
        """
        found = _columns(name, frames)
        verdict = Verdict(np.ones(len(found.event), dtype=np.bool_))
        with_id = found.ids is not None and bool(found.ids.any())
        if with_id:
            verdict.new &= ~_repeated(found)
        shared = self._shared(name, found.pairs, near=with_id)
        if shared:
            self._write(name)
            self._compare(name, frames, found, shared, verdict)
        self._held.setdefault(name, set()).update(found.pairs)
        return verdict

    # -- what is stored -----------------------------------------------------------------------------------

    def _shared(self, name: str, pairs: set[int], near: bool) -> set[int]:
        """Codes of the instruments (-1 in a table without) of which history may hold rows of the same hour.

        ``near``: or of the hour before or after.
        """
        if near:
            pairs = pairs | {pair + _HOUR for pair in pairs} | {pair - _HOUR for pair in pairs}
        self._ask(name, {hour * HOUR_NS // DAY_NS for hour in {pair >> 32 for pair in pairs}})
        return {(pair & _CODE) - 1 for pair in pairs & self._held.get(name, set())}

    def _ask(self, name: str, days: set[int]) -> None:
        """Find out, once, which instruments of these days were in history before this import."""
        asked = self._asked.setdefault(name, set())
        fresh = days - asked
        asked |= days
        if name not in self._bounds or not fresh:
            return
        first, last = self._bounds[name]
        fresh = {day for day in fresh if first // DAY_NS <= day <= last // DAY_NS}
        if not fresh:
            return
        columns = ["event_ns"] + (["instrument"] if "instrument" in TABLES[name].names else [])
        for start, end in _runs(sorted(fresh)):
            rows = self._history.read(
                name, start=start * DAY_NS, end=end * DAY_NS, columns=columns, revisions=True
            )
            self._held.setdefault(name, set()).update(_pairs(rows))

    def _stored(self, name: str, start: int, end: int, codes: set[int]) -> pd.DataFrame:
        by_name = "instrument" in TABLES[name].names and len(codes) <= MOST_NAMES and min(codes) >= 0
        names = REGISTRY.names(sorted(codes)).tolist() if by_name else None
        return self._history.read(name, start=start, end=end, instruments=names, revisions=True)

    # -- comparing ----------------------------------------------------------------------------------------

    def _compare(
        self, name: str, frames: Iterable[pd.DataFrame], found: _Columns, shared: set[int], verdict: Verdict
    ) -> None:
        with_id = found.ids != 0 if found.ids is not None else np.zeros(len(found.event), dtype=np.bool_)
        said: HashArray = (
            np.zeros(0, dtype=np.uint64)
            if with_id.all()
            else np.concatenate([contents(frame) for frame in frames])
        )
        for rows, start, end in _windows(found.event):
            margin = HOUR_NS if with_id[rows].any() else 0
            stored = self._stored(name, start - margin, end + margin, shared)
            if not len(stored):
                continue
            ids, payload = _ids(name, stored)
            plain = rows[~with_id[rows]]
            if len(plain):
                others = stored if ids is None else stored[ids == 0]
                verdict.new[plain] &= beyond(said[plain], contents(others))
            printed = rows[with_id[rows]]
            if len(printed) and ids is not None and payload is not None:
                times = stored["event_ns"].to_numpy()
                _compare_ids(found, printed, (ids, times, payload), verdict)


def _compare_ids(
    found: _Columns, rows: npt.NDArray[np.int64], stored: tuple[Any, ...], verdict: Verdict
) -> None:
    assert found.ids is not None
    assert found.payload is not None
    order = np.lexsort((stored[1], stored[0]))
    ids, times, payload = (values[order] for values in stored)
    left, right = (np.searchsorted(ids, found.ids[rows], side=side) for side in ("left", "right"))
    same = np.zeros(len(rows), dtype=np.bool_)
    other = np.zeros(len(rows), dtype=np.bool_)
    for step in range(int((right - left).max(initial=0))):
        at = np.minimum(left + step, len(ids) - 1)
        near = (left + step < right) & (np.abs(times[at] - found.event[rows]) < HOUR_NS)
        agrees = payload[at] == found.payload[rows]
        same |= near & agrees
        other |= near & ~agrees
    conflicting = other & ~same & verdict.new[rows]
    if conflicting.any():
        verdict.conflicts += int(conflicting.sum())
        moment = pd.Timestamp(int(found.event[rows[int(conflicting.argmax())]]))
        verdict.example = verdict.example or f"the one of {moment} UTC"
    verdict.new[rows] &= ~(same | other)


def _columns(name: str, frames: Iterable[pd.DataFrame]) -> _Columns:
    events, ids, payloads = [], [], []
    pairs: set[int] = set()
    for frame in frames:
        events.append(frame["event_ns"].to_numpy())
        pairs |= _pairs(frame)
        one, payload = _ids(name, frame)
        if one is not None and payload is not None:
            ids.append(one)
            payloads.append(payload)
    event = np.concatenate(events) if events else np.zeros(0, dtype=np.int64)
    if not ids:
        return _Columns(event, pairs)
    return _Columns(event, pairs, np.concatenate(ids), np.concatenate(payloads))


def _ids(name: str, frame: pd.DataFrame) -> tuple[HashArray | None, Any]:
    """A hash of venue, instrument and id per row (0 without an id), and one of price and size; None where there are no ids."""
    column = IDS.get(name)
    if column is None:
        return None, None
    has = (frame[column] != "").to_numpy(dtype=np.bool_)
    if not has.any():
        none = np.zeros(len(frame), dtype=np.uint64)
        return none, none
    told = frame[column].to_numpy(dtype=object)
    hashes = pd.util.hash_array(told, categorize=False)
    for part in _PARTS_OF_ID:
        if part in frame.columns:
            hashes = (hashes ^ texts(frame[part])) * np.uint64(0x9E3779B97F4A7C15)
    if "flags" in frame.columns:  # a cancel names the print it takes back
        cancels = (frame["flags"].to_numpy() & int(TradeFlag.CANCEL)) > 0
        hashes = hashes ^ cancels.astype(np.uint64)
    hashes = np.where(has, np.maximum(hashes, 1), 0).astype(np.uint64)
    return hashes, contents(frame[["price", "size"]])


def _repeated(found: _Columns) -> BoolArray:
    """Rows with an id whose id, time, price and size stand earlier in the file."""
    keys = pd.DataFrame({"id": found.ids, "event": found.event, "payload": found.payload})
    return np.asarray(keys.duplicated() & (keys["id"] > 0), dtype=np.bool_)


def _pairs(frame: pd.DataFrame) -> set[int]:
    """Hour and instrument of the rows of a conformed batch: the hour above 32 bits, the registry's code + 1 below."""
    pairs = frame["event_ns"].to_numpy() // HOUR_NS << 32
    if "instrument" in frame.columns:
        pairs |= frame["instrument"].cat.codes.to_numpy().astype(np.int64) + 1
    return set(pd.unique(pairs).tolist())


def _runs(days: list[int]) -> Iterator[tuple[int, int]]:
    """Half-open runs of days that follow one another."""
    begin = previous = days[0]
    for day in days[1:]:
        if day != previous + 1:
            yield begin, previous + 1
            begin = day
        previous = day
    yield begin, previous + 1


def _windows(event: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], int, int]]:
    """Rows by time, so many at once, never parting rows of one moment; with their bounds in time, half-open."""
    order = np.argsort(event, kind="stable")
    at = 0
    while at < len(order):
        end = min(at + WINDOW_ROWS, len(order))
        last = event[order[end - 1]]
        end = int(np.searchsorted(event[order], last, side="right"))
        yield np.sort(order[at:end]), int(event[order[at]]), int(last) + 1
        at = end
