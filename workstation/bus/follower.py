"""A page server's side of the newest state: kept rows once, then priced chains and candles in progress as they change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pandas as pd

from workstation.board.board import Board
from workstation.board.priced_chain import PricedChain
from workstation.bus.entries import Entry, client_of, stream_key
from workstation.bus.newest import (
    ASKED,
    CHAIN,
    FORGOTTEN_S,
    FORMING,
    PAST,
    POSITION,
    TABLE,
    VERSIONS,
    Position,
)
from workstation.bus.priced import received
from workstation.bus.wire import Header
from workstation.market.errors import FeedError

log = logging.getLogger(__name__)
STEP_S = 0.1
Frames = Callable[[Header, Any], pd.DataFrame]


class Follower:
    """Brings what a collector writes beside its rows to a board.

    Parameters
    ----------
    board
        Which; it prices nothing from now on.
    url, prefix
        Of Redis.
    frame
        Reads a batch of the bus. Raises ``FeedError``.
    """

    def __init__(self, board: Board, url: str, prefix: str, frame: Frames) -> None:
        board.leave_pricing()
        self._board, self._url, self._prefix, self._frame = board, url, prefix, frame
        self._client: Any = None
        self._versions: dict[bytes, bytes] = {}
        self._noted: set[tuple[str, bytes]] = set()
        """Questions that readers ask, by underlying, and when Redis was told of them last."""
        self._told: dict[tuple[str, bytes], float] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> Position | None:
        """Put the rows that the collector wrote on the board; where they end, None where none are written.

        Raises
        ------
        FeedError
            Redis does not answer.
        """
        import redis

        client = client_of(self._url)
        try:
            held = client.get(self._key(POSITION))
            position = None if held is None else msgspec.msgpack.decode(held, type=Position)
            if position is not None:
                self._take_rows(client, position)
            return position
        except (redis.RedisError, OSError) as error:
            raise FeedError(f"the newest state cannot be read: {error}") from error
        except msgspec.MsgspecError as error:
            log.warning("the newest state is of another version of the program and is left out: %s", error)
            return None
        finally:
            client.close()

    def _take_rows(self, client: Any, position: Position) -> None:
        for table in position.tables:
            if table not in self._board.tables:
                continue
            frame = self._read(client.get(self._key(TABLE, table)))
            end = position.tables[table]
            position.tables[table] = (
                max(end, int(frame["seq"].max())) if frame is not None and len(frame) else end
            )
            if frame is not None:
                self._board.add(table, frame)
        past = self._read(client.get(self._key(PAST)))
        if past is not None:
            self._board.remember_exposures(past)

    def _read(self, message: bytes | None) -> pd.DataFrame | None:
        if message is None:
            return None
        fields = {
            name.encode(): value
            for name, value in msgspec.msgpack.decode(message, type=dict[str, bytes]).items()
        }
        ((*_, header, body),) = Entry.read(fields).batches()
        return self._frame(header, body)

    def start(self) -> None:
        """Follow what changes, until ``stop``; does nothing where it is followed already."""
        if self._thread is None:
            self._ending.clear()
            self._thread = threading.Thread(target=self._run, name="newest state", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; what is on the board stays."""
        self._ending.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(10.0)

    def _run(self) -> None:
        import redis

        self._client = client_of(self._url)
        told = ""
        while not self._ending.wait(STEP_S):
            try:
                self.step()
                told = ""
            except (redis.RedisError, OSError, FeedError, msgspec.MsgspecError) as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("the newest state is not read: %s", error)
                self._versions.clear()
                self._ending.wait(1.0)
        self._client.close()

    def step(self) -> None:
        """Take what has changed and tell what is asked. Raises ``redis.RedisError``, ``FeedError``."""
        versions: dict[bytes, bytes] = self._client.hgetall(self._key(VERSIONS))
        for name, version in versions.items():
            if self._versions.get(name) != version:
                self._take(name.decode())
                self._versions[name] = version
        self._ask()

    def _take(self, name: str) -> None:
        if name == FORMING:
            forming = self._read(self._client.get(self._key(FORMING)))
            if forming is not None:
                self._board.set_forming(forming)
        elif name.startswith(f"{CHAIN}:"):
            chain = self.chain(name.removeprefix(f"{CHAIN}:"))
            if chain is not None:
                self._board.set_chain(chain)

    def chain(self, underlying: str) -> PricedChain | None:
        """The newest priced chain in Redis. Raises ``redis.RedisError``, ``FeedError``."""
        self._client = self._client or client_of(self._url)
        message = self._client.get(self._key(CHAIN, underlying))
        if message is None:
            return None
        return received(message, lambda question: self._note(underlying, question))

    def _note(self, underlying: str, question: bytes) -> None:
        with self._lock:
            self._noted.add((underlying, question))

    def _ask(self) -> None:
        """Tell Redis what readers ask: at once what is new, again in time what they still ask."""
        if not self._noted:
            return
        now = float(self._client.time()[0])
        with self._lock:
            due = [one for one in self._noted if now - self._told.get(one, 0.0) > FORGOTTEN_S / 4]
        for underlying, question in due:
            self._client.zadd(self._key(ASKED, underlying), {question: now})
            self._client.zremrangebyscore(self._key(ASKED, underlying), "-inf", now - FORGOTTEN_S)
        with self._lock:
            self._noted.difference_update(due)
            self._told = {one: at for one, at in self._told.items() if now - at < FORGOTTEN_S}
            self._told |= dict.fromkeys(due, now)

    def _key(self, name: str, *parts: str) -> str:
        return stream_key(self._prefix, ":".join((name, *parts)))
