"""One session with the live gateway: login, subscriptions, whole records out of reads, what the gateway says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import numpy as np
from databento.common.error import BentoError
from pydantic import SecretStr

from workstation.feeds.databento.gateway_tap import GatewayTap
from workstation.feeds.files.dbn_layout import ERROR, SYSTEM, fields_of, texts
from workstation.feeds.files.dbn_stream import runs_of, whole_bytes
from workstation.market.errors import FeedError, FrameError

FATAL = {
    1: "the key is refused", 2: "the key is deactivated", 3: "too many sessions with this key: end one",
    5: "see schemas, symbols and stype_in of feed_options.databento",
    8: "the records asked for are no longer replayed: leave `replay` out",
}  # fmt: skip
"""Errors that a new session would meet again."""
UNRESOLVED, SKIPPED = 4, 7
ACKNOWLEDGED, REPLAYED = 1, 3
_HEADER = 8
_UNSET = 255
MISSES = 2.5
"""Heartbeats without a byte that end the session."""


class Wire:
    """One session.

    Parameters
    ----------
    key, dataset
        Of the session.
    on_records
        Takes whole records and the time they were seen; must not raise.
    on_lost
        Called once, with the reason, when the session can no longer be used.
    heartbeat_s
        After how long a silence the gateway sends a heartbeat; ``MISSES`` of them without a byte end the session.
    """

    def __init__(
        self,
        key: SecretStr,
        dataset: str,
        *,
        on_records: Callable[[bytes, int], None],
        on_lost: Callable[[str], None],
        heartbeat_s: float,
    ) -> None:
        self._key, self._dataset, self._heartbeat_s = key, dataset, heartbeat_s
        self._on_records, self._on_lost = on_records, on_lost
        self._tap: GatewayTap | None = None
        self._left, self._headed = b"", False
        self._heard_ns, self._lost = 0, False
        self._requests = 0
        self._acknowledged = 0
        self._told: list[tuple[int, str]] = []
        self._news = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self.replayed = asyncio.Event()
        """Set once the gateway has sent all that was before the session."""

    async def open(self, host: str, port: int, timeout_s: float) -> None:
        """Connect and log in. Raises ``FeedError``, fatal for a key that is refused."""
        loop = asyncio.get_running_loop()
        where = f"{host}:{port}"
        tap = self._tap = GatewayTap(
            self._key, self._dataset, heartbeat_s=max(int(self._heartbeat_s), 1), on_bytes=self._take, on_lost=self._gone
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout_s):
                await loop.create_connection(lambda: tap, host, port)
                await asyncio.shield(tap.authenticated)
        except BentoError as error:
            refused = "before the login" not in str(error)
            await self.shut()
            raise FeedError(f"databento: {where}: {error}", fatal=refused) from error
        except (OSError, TimeoutError) as error:
            await self.shut()
            raise FeedError(f"databento: cannot open {where}: {error or 'no answer'}") from error
        self._heard_ns = time.monotonic_ns()
        self._watch = asyncio.create_task(self._watched())

    def subscribe(self, schema: str, symbols: Sequence[str], stype_in: str, start_ns: int | None) -> None:
        """Ask for a schema of symbols; ``start_ns`` replays from there, and must come before ``start``."""
        self._requests += len(self._open.subscribe(schema, symbols, stype_in=stype_in, start=start_ns))

    async def start(self, timeout_s: float) -> list[tuple[int, str]]:
        """Begin, and wait until every request is answered; errors told meanwhile. Raises ``FeedError``, fatal as ``FATAL`` says."""
        self._open.start()
        try:
            async with asyncio.timeout(timeout_s):
                while self._acknowledged < self._requests and not (self._lost or self._refused()):
                    await self._news.wait()
                    self._news.clear()
        except TimeoutError as error:
            raise FeedError(f"databento: subscriptions were not answered within {timeout_s:g} s") from error
        for code, text in self._told:
            if code in FATAL:
                raise FeedError(f"databento: error {code}: {text}: {FATAL[code]}", fatal=True)
        if self._lost and not self._acknowledged:
            raise FeedError("databento: the session ended before its subscriptions were answered")
        return self._told

    def _refused(self) -> bool:
        return any(code in FATAL for code, _ in self._told)

    @property
    def _open(self) -> GatewayTap:
        if self._tap is None:
            raise FeedError("databento is not connected; call connect() first")
        return self._tap

    def heard_ns(self) -> int:
        """When the last byte came, by the monotonic clock."""
        return self._heard_ns

    async def shut(self) -> None:
        """End the session; may be called more than once."""
        tap, self._tap = self._tap, None
        watch, self._watch = self._watch, None
        self._lost = True
        if watch is not None:
            watch.cancel()
        if tap is None:
            return
        for future in (tap.authenticated, tap.disconnected, tap.metadata_received):
            future.cancel() if not future.done() else future.cancelled() or future.exception()
        try:
            tap.transport.abort()
        except ValueError:
            return  # it never connected

    # -- bytes --------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        self._heard_ns = time.monotonic_ns()
        data = self._left + data if self._left else data
        self._left = b""
        if not self._headed:
            length = _HEADER + int.from_bytes(data[4:_HEADER], "little") if len(data) >= _HEADER else _HEADER
            if len(data) < length:
                self._left = data
                return
            if data[:3] != b"DBN":
                self._gone("what came is no DBN")
                return
            self._headed, data = True, data[length:]
        try:
            end = whole_bytes(np.frombuffer(data, dtype=np.uint8))
        except FrameError as error:
            self._gone(str(error))
            return
        self._left, data = data[end:], data[:end]
        if data:
            self._listen(data)
            self._on_records(data, time.time_ns())

    def _listen(self, data: bytes) -> None:
        """Heed what the gateway says about the session."""
        if bytes((ERROR,)) not in data and bytes((SYSTEM,)) not in data:
            return
        for rtype, records in runs_of(data):
            if rtype not in (ERROR, SYSTEM) or records.dtype.names is None:
                continue
            codes = records["code"].tolist() if "code" in fields_of(records) else [_UNSET] * len(records)
            if rtype == ERROR:
                self._told += list(zip(codes, texts(records["text"]), strict=True))
            else:
                self._acknowledged += codes.count(ACKNOWLEDGED)
                if REPLAYED in codes:
                    self.replayed.set()
        self._news.set()

    def _gone(self, reason: str) -> None:
        if not self._lost:
            self._lost = True
            self._news.set()
            said = [f"error {code}: {text}" for code, text in self._told if code not in (UNRESOLVED, SKIPPED)]
            self._on_lost("; ".join([reason, *said]))

    async def _watched(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s / 2)
            heard_ns = self._heard_ns
            silent_s = (time.monotonic_ns() - heard_ns) / 1e9
            if silent_s <= MISSES * self._heartbeat_s:
                continue
            await asyncio.sleep(
                self._heartbeat_s / 4
            )  # what waits in the socket comes first, where this process was busy
            if self._heard_ns == heard_ns:
                self._gone(f"silent for {silent_s:.1f} s, no heartbeat")
                return
