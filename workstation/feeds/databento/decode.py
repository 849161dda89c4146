"""DBN records of the live gateway -> batches of tables, by the reader that reads files of them.

A frame is whole records; its channel is ``DATASET/records``. Names come by symbol mapping messages and definitions among the records
and hold for the frames after them; beyond them and who tells an open interest first nothing is known from one frame to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files import dbn_layout as dbn
from workstation.feeds.files.dbn import batches
from workstation.feeds.files.dbn_names import Names
from workstation.feeds.files.dbn_rows import OPEN_INTEREST, Records, Source
from workstation.feeds.files.dbn_stream import Run, runs_of
from workstation.feeds.files.reading import Rejections, possible
from workstation.feeds.venue_kit.health_rows import HealthRows, Row
from workstation.market.errors import FrameError, TableError
from workstation.market.instants import DAY_NS
from workstation.market.tables import table

FEED = "databento"
CHANNEL = "records"
_HEARD = "gateway message without rows: "
_USUAL = frozenset(
    {
        "heartbeat", "subscription acknowledged", "replay completed", "end of interval", "unsubscription acknowledged",
    }
)  # fmt: skip
_NO_NEWS = (
    "open interest that another exchange or message gave already", "statistic other than open interest", "open interest without a quantity",
    "record of schema trades that is no trade", "order-book event",
)  # fmt: skip
"""What is set aside of sound records: nothing is wrong with them."""
_ORDER = ("instruments", "marks", "quotes", "trades", "candles", "health")


class Session:
    """What records of a dataset said that later ones need."""

    def __init__(self) -> None:
        self.names = Names()
        self._publisher: dict[tuple[int, int], int] = {}
        self._day = 0

    def first_told(self, records: Records) -> Records:
        """Of open interest what the publisher says that told it first that day: each exchange repeats the clearing house's number."""
        told = records["stat_type"] == OPEN_INTEREST
        days = (records["ts_recv"] // np.uint64(DAY_NS)).astype(np.int64)
        newest = int(days[told].max(initial=0))
        if newest > self._day:
            self._day = newest
            self._publisher = {key: by for key, by in self._publisher.items() if key[1] >= newest - 1}
        ids, publishers = records["instrument_id"].tolist(), records["publisher_id"].tolist()
        keep = [
            self._publisher.setdefault((number, day), by) == by
            for number, day, by in zip(ids, days.tolist(), publishers, strict=True)
        ]
        first: Records = records[told & np.array(keep, dtype=bool)]
        return first


_SESSIONS: dict[str, Session] = {}
_LOCK = threading.Lock()


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, in the order of the frames.

    One raw frame: records one after the other, each beginning with its length in words of 4 bytes, its type, publisher, instrument
    id and time; see ``files.dbn_layout``.

    Parameters
    ----------
    frames
        Needs ``payload`` and ``channel``; ``seen_ns`` where known.

    Raises
    ------
    Nothing for what the venue sends: what is no record becomes a ``rejected`` row of ``health``.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    seen = frames["seen_ns"].tolist() if "seen_ns" in frames.columns else [0] * len(frames)
    channels = frames["channel"].astype("str").tolist()
    with _LOCK:
        for payload, channel, seen_ns in zip(frames["payload"].tolist(), channels, seen, strict=True):
            for name, frame in _of_frame(bytes(payload), channel, seen_ns):
                if len(frame):
                    parts.setdefault(name, []).append(frame)
    return [Batch(name, table(name).concat(parts[name])) for name in _ORDER if name in parts]


def _of_frame(payload: bytes, channel: str, seen_ns: int) -> Iterator[Batch]:
    health, rejections = HealthRows(FEED), Rejections()
    told: list[Row] = []

    def reject(detail: str, count: int = 1) -> None:
        told.append(
            health.row("rejected", time_ns=seen_ns, channel=channel[:80], count=count, detail=detail[:400])
        )

    dataset = channel.partition("/")[0]
    session = _SESSIONS.setdefault(dataset, Session()) if channel.endswith(f"/{CHANNEL}") else None
    if session is None:
        reject(f"channel: no records come by {channel[:60]!r}")
    else:
        source = Source(channel, dataset, session.names, rejections)
        try:
            for run in runs_of(payload):
                yield from _stamped(source, session, run, seen_ns, reject)
        except FrameError as error:
            reject(str(error))
    told += _rows_of(rejections.counts, rejections.examples, health, channel, seen_ns)
    if told:
        yield HealthRows.batch(told)


def _stamped(source: Source, session: Session, run: Run, seen_ns: int, reject: Any) -> Iterator[Batch]:
    """Batches of a run, seen when this machine saw them."""
    rtype, records = run
    if dbn.is_read(rtype) and records.dtype.names is None:
        reject(
            f"dbn: a record of type {dbn.SCHEMAS[rtype]} of {records.shape[1]} bytes is none", len(records)
        )
        return
    if rtype == dbn.STATISTICS:
        run = Run(rtype, session.first_told(records))
        if not len(run.records):
            return
    try:
        for name, frame in batches(source, run):
            if name == "health":
                yield Batch(name, frame.assign(seen_ns=np.int64(seen_ns)))
                continue
            kept = possible(table(name), frame, source.rejections, lambda _: source.file)
            if len(kept):
                yield Batch(
                    name, table(name).conform(kept.assign(seen_ns=np.int64(seen_ns)).reset_index(drop=True))
                )
    except TableError as error:
        reject(f"dbn: {error}", len(records))


def _rows_of(
    counts: Mapping[str, int], examples: Mapping[str, str], health: HealthRows, channel: str, seen_ns: int
) -> list[Row]:
    rows = []
    for reason, count in counts.items():
        word = reason.removeprefix(_HEARD)
        if reason.startswith(_NO_NEWS) or (reason.startswith(_HEARD) and word in _USUAL):
            continue
        event = "unknown" if reason.startswith(_HEARD) else "rejected"
        detail = f"{reason}: {examples.get(reason, '')}"[:400]
        rows.append(health.row(event, time_ns=seen_ns, channel=channel[:80], count=count, detail=detail))
    return rows
