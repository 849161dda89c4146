"""What one entry of the stream holds: a batch as Arrow, and counters by which a reader sees what it has missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workstation.bus.wire import packed, unpacked
from workstation.market.errors import FeedError, TableError, WorkstationError
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import array_of

PREFIX = "workstation"
ROWS, TERMS = "rows", "instruments"
"""Streams below the prefix: all rows, trimmed; and instruments alone, so that their terms outlive the trim."""
CONNECTING_S = 3.0


def stream_key(prefix: str, name: str) -> str:
    """Key of a stream.

    >>> stream_key("workstation", ROWS)
    'workstation:rows'
    """
    return f"{prefix}:{name}"


@dataclass(frozen=True)
class Entry:
    """One batch on the bus.

    Attributes
    ----------
    table, blob, rows
        Name, Arrow stream and number of rows.
    producer
        When the collector began, ns: a new one counts anew.
    number, rows_before
        Of the entry and of all rows before it, since the producer began. What a collector could not send is counted too.
    """

    table: str
    blob: bytes
    rows: int
    producer: int
    number: int
    rows_before: int

    def fields(self) -> dict[str, bytes | int | str]:
        """As Redis keeps them."""
        return {
            "t": self.table,
            "b": self.blob,
            "r": self.rows,
            "p": self.producer,
            "n": self.number,
            "c": self.rows_before,
        }

    @classmethod
    def read(cls, fields: Mapping[bytes, bytes]) -> Entry:
        """An entry as Redis gives it; ``FeedError`` where it is none."""
        try:
            return cls(
                fields[b"t"].decode(), fields[b"b"], int(fields[b"r"]), int(fields[b"p"]), int(fields[b"n"]), int(fields[b"c"])
            )  # fmt: skip
        except (KeyError, ValueError) as error:
            raise FeedError(f"an entry of the bus cannot be read: {error}") from error

    def frame(self) -> pd.DataFrame:
        """The batch; ``FeedError`` where it cannot be read."""
        try:
            return unpacked(table_named(self.table), self.blob)
        except (TableError, ValueError, StopIteration, OSError) as error:
            raise FeedError(f"a batch of {self.table!r} on the bus cannot be read: {error}") from error


def blob_of(table: str, frame: pd.DataFrame) -> bytes:
    """A conformed batch as an Arrow stream.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT
    >>> blob = blob_of("heartbeat", HEARTBEAT.numbered(pd.DataFrame({"event_ns": [8]}), 5))
    >>> Entry("heartbeat", blob, 1, 0, 1, 0).frame()[["seq", "event_ns"]].values.tolist()
    [[5, 8]]
    """
    return packed(table_named(table), frame)


def newest_ns(table: str, frame: pd.DataFrame) -> int:
    """Largest ``event_ns`` of a batch."""
    return int(array_of(frame, table_named(table).places["event_ns"]).max())


def client_of(url: str, *, asynchronous: bool) -> Any:
    """A client of Redis; ``WorkstationError`` where the library is missing or the address is none."""
    try:
        import redis
        import redis.asyncio
    except ImportError as error:
        raise WorkstationError("the bus needs Redis' client: pip install 'workstation[bus]'") from error
    made = redis.asyncio.Redis if asynchronous else redis.Redis
    try:
        # longer than any blocking read: a read that outlasts it raises instead of returning empty
        return made.from_url(url, socket_timeout=10.0, socket_connect_timeout=CONNECTING_S)
    except ValueError as error:
        raise WorkstationError(f"bus: no address of Redis (redis://host:port/0): {error}") from error
