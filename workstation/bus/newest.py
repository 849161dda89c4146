"""The newest state in Redis: what the board of the collector holds, so that page servers begin with it and price nothing.

Rows are written every half a minute, of tables that changed: a page server reads them once and goes on with the stream from where
they end. Priced chains, candles in progress and states of feeds are written as they change.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import msgspec
import pandas as pd

from workstation.board.board import Board
from workstation.board.priced_chain import PricedChain
from workstation.bus.entries import LAYOUTS, PREFIX, Entry, batch_of, client_of, stream_key
from workstation.bus.layout import layout_of
from workstation.bus.priced import published, usual_questions
from workstation.bus.sink import BusSink
from workstation.market.tables import table as table_named

log = logging.getLogger(__name__)
VERSIONS, CHAIN, FORMING, PAST, TABLE, POSITION, ASKED = (
    "newest", "newest:chain", "newest:forming", "newest:past_exposures", "newest:table", "newest:position", "newest:asked",
)  # fmt: skip
"""Keys below the prefix: versions by name; chains by underlying, candles in progress, gex of the minutes before, kept rows by table,
where in the stream they end, and what page servers ask of chains by underlying."""
STEP_S, TABLES_S, FORGOTTEN_S = 0.1, 30.0, 60.0
"""Between two looks at the board, between two writes of its rows, and after which a question is no longer answered."""


class Position(msgspec.Struct, array_like=True, frozen=True):
    """Where written rows end: time of Redis in ms, and the collector's count of batches and rows."""

    milliseconds: int
    producer: int
    number: int
    rows: int
    tables: dict[str, int]
    """Largest ``seq`` that the written rows of a table hold, or could have held."""


class NewestState:
    """Writes the newest state of a board for page servers, on a thread of its own.

    Parameters
    ----------
    board
        Whose.
    sink
        Publishes the same desk's rows.
    url, prefix
        Of Redis, as the sink's.
    tables_s
        Seconds between two writes of the kept rows.
    """

    def __init__(
        self, board: Board, sink: BusSink, url: str, *, prefix: str = PREFIX, tables_s: float = TABLES_S
    ) -> None:
        self._board, self._sink, self._prefix, self._tables_s = board, sink, prefix, tables_s
        self._client = client_of(url)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._count = time.time_ns()
        self._chains: dict[str, tuple[PricedChain, frozenset[bytes]]] = {}
        self._written: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._next_tables = 0.0

    def __enter__(self) -> NewestState:
        self._thread = threading.Thread(target=self._run, name="newest state", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(30.0)
        self._client.close()

    def _run(self) -> None:
        import redis

        reached = True
        while not self._ending.wait(STEP_S if reached else 1.0):
            try:
                self.write()
                reached = True
            except redis.RedisError as error:
                if reached:
                    log.warning("the newest state is not written: %s", error)
                reached = False
                self._chains.clear()
                self._written.clear()
                self._next_tables = 0.0

    def write(self) -> None:
        """Write what has changed. Raises ``redis.RedisError``."""
        if time.monotonic() >= self._next_tables:
            self._write_tables()
            self._next_tables = time.monotonic() + self._tables_s
        self._write_chains()
        version = self._board.version("candles")
        if self._written.get(FORMING) != version:
            self._put({FORMING: (FORMING, _rows("candles", self._board.forming()))})
            self._written[FORMING] = version

    def _key(self, name: str, *parts: str) -> str:
        return stream_key(self._prefix, ":".join((name, *parts)))

    def _put(self, values: dict[str, tuple[str, bytes]]) -> None:
        """Set keys, and tell that they changed: name -> key and value."""
        pipe: Any = self._client.pipeline(transaction=True)
        for name, (key, value) in values.items():
            self._count += 1
            pipe.set(self._key(key), value)
            pipe.hset(self._key(VERSIONS), name, self._count)
        pipe.execute()

    def _write_chains(self) -> None:
        underlyings = self._board.underlyings
        if not underlyings:
            return
        since = self._client.time()[0] - FORGOTTEN_S
        pipe: Any = self._client.pipeline(transaction=False)
        for one in underlyings:
            pipe.zrangebyscore(self._key(ASKED, one), since, "+inf")
        for one, asked in zip(underlyings, pipe.execute(), strict=True):
            chain = self._board.priced_chain(one)
            if chain is None:
                continue
            questions = frozenset([*usual_questions(chain), *asked])
            before, answered = self._chains.get(one, (None, frozenset()))
            if before is not chain or not questions <= answered:
                self._put({f"{CHAIN}:{one}": (f"{CHAIN}:{one}", published(chain, questions))})
                self._chains[one] = chain, questions

    def _write_tables(self) -> None:
        seconds, micros = self._client.time()
        producer, number, rows, seq = (
            self._sink.position()
        )  # the board has had every batch that the sink has numbered
        pipe: Any = self._client.pipeline(transaction=True)
        for table in self._board.tables:
            version = self._board.version(table)
            if self._written.get(table) != version:
                frame = self._board.latest(table)
                if table == "candles":
                    frame = frame[frame["closed"].to_numpy()].reset_index(drop=True)
                self._ends[table] = int(frame["seq"].max()) if len(frame) else 0
                layout = layout_of(table_named(table))
                pipe.hset(self._key(LAYOUTS), layout.digest, layout.message)
                pipe.set(self._key(TABLE, table), _rows(table, frame))
                self._written[table] = version
        ends = {table: max(end, seq) for table, end in self._ends.items()}
        position = Position(seconds * 1_000 + micros // 1_000, producer, number, rows, ends)
        pipe.set(self._key(PAST), _rows("exposures", self._board.past_exposures()))
        pipe.set(self._key(POSITION), msgspec.msgpack.encode(position))
        pipe.execute()


def _rows(table: str, frame: pd.DataFrame) -> bytes:
    """Rows of a table as a message."""
    return msgspec.msgpack.encode(Entry.made(0, 0, 0, [batch_of(table, frame)]).fields())
