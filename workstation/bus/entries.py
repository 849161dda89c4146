"""What one entry of the stream holds: batches as Arrow, and counters by which a reader sees what it has missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pandas as pd

from workstation.bus.layout import Layout, layout_of
from workstation.bus.wire import Header, packed, unpacked
from workstation.market.errors import FeedError, TableError, WorkstationError
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import array_of

PREFIX = "workstation"
ROWS, TERMS, LAYOUTS = "rows", "instruments", "layouts"
"""Below the prefix: the stream of all rows, trimmed; that of instruments alone, so that their terms outlive the trim; and the Arrow
schema of every layout, by its digest."""
CONNECTING_S, ANSWERING_S = 3.0, 10.0
READ_BYTES = 1 << 20
"""Read from the socket at once: entries are large."""


def stream_key(prefix: str, name: str) -> str:
    """Key of a stream.

    >>> stream_key("workstation", ROWS)
    'workstation:rows'
    """
    return f"{prefix}:{name}"


class Heading(msgspec.Struct, array_like=True, frozen=True):
    """Which batches an entry holds.

    Attributes
    ----------
    producer
        When the collector began, ns: a new one counts anew.
    number, rows_before
        Of the first batch and of all rows before it, since the producer began. What a collector could not send is counted too.
    headers
        Of the batches, in order.
    """

    producer: int
    number: int
    rows_before: int
    headers: tuple[Header, ...]


_READ = msgspec.msgpack.Decoder(Heading)


class Entry:
    """Consecutive batches as Redis keeps them together: one field for what they are, one for their Arrow messages."""

    def __init__(self, heading: Heading, body: bytes) -> None:
        self.heading, self.body = heading, body

    @classmethod
    def made(
        cls, producer: int, number: int, rows_before: int, batches: Sequence[tuple[Header, Any]]
    ) -> Entry:
        """An entry of batches that ``packed`` gave."""
        headers = tuple([header for header, _ in batches])
        return cls(Heading(producer, number, rows_before, headers), b"".join([body for _, body in batches]))

    @classmethod
    def read(cls, fields: Mapping[bytes, bytes]) -> Entry:
        """An entry as Redis gives it; ``FeedError`` where it is none."""
        try:
            return cls(_READ.decode(fields[b"h"]), fields[b"b"])
        except (KeyError, msgspec.MsgspecError) as error:
            raise FeedError(f"an entry of the bus cannot be read: {error!r}") from error

    def fields(self) -> dict[str, bytes]:
        """As Redis keeps them."""
        return {"h": msgspec.msgpack.encode(self.heading), "b": self.body}

    def batches(self) -> Iterator[tuple[int, int, Header, memoryview]]:
        """Number of each batch, rows before it, its header and its Arrow message."""
        at, number, rows = 0, self.heading.number, self.heading.rows_before
        whole = memoryview(self.body)
        for header in self.heading.headers:
            yield number, rows, header, whole[at : at + header.size]
            at, number, rows = at + header.size, number + 1, rows + header.rows


def batch_of(table: str, frame: pd.DataFrame) -> tuple[Header, Any]:
    """A conformed batch as the bus carries it."""
    return packed(table_named(table), frame)


def frame_of(header: Header, body: Any, layout: Layout | None = None) -> pd.DataFrame:
    """The batch again; ``FeedError`` where it cannot be read.

    Parameters
    ----------
    header, body
        As ``batch_of`` gives them.
    layout
        Where it is not this program's own.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT
    >>> sent = batch_of("heartbeat", HEARTBEAT.numbered(pd.DataFrame({"event_ns": [8]}), 5))
    >>> frame_of(*sent)[["seq", "event_ns"]].values.tolist()
    [[5, 8]]
    """
    try:
        return unpacked(table_named(header.table), header, body, layout)
    except (TableError, ValueError, LookupError, OSError, EOFError) as error:
        raise FeedError(f"a batch of {header.table!r} on the bus cannot be read: {error}") from error


def own_layout(header: Header) -> bool:
    """Whether a batch has the columns of this program's table; ``FeedError`` where there is no such table."""
    try:
        return layout_of(table_named(header.table)).digest == header.layout
    except TableError as error:
        raise FeedError(f"a batch of {header.table!r} on the bus cannot be read: {error}") from error


def newest_ns(table: str, frame: pd.DataFrame) -> int:
    """Largest ``event_ns`` of a batch."""
    return int(array_of(frame, table_named(table).places["event_ns"]).max())


def client_of(url: str) -> Any:
    """A client of Redis; ``WorkstationError`` where the library is missing or the address is none.

    It does not try again by itself: whoever asks must know that the connection was lost, for Redis may have begun anew.
    """
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise WorkstationError("the bus needs Redis' client: pip install 'workstation[bus]'") from error
    try:
        # longer than any blocking read: a read that outlasts it raises instead of returning empty
        return redis.Redis.from_url(
            url, socket_timeout=ANSWERING_S, socket_connect_timeout=CONNECTING_S, socket_read_size=READ_BYTES,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
    except ValueError as error:
        raise WorkstationError(f"bus: no address of Redis (redis://host:port/0): {error}") from error
