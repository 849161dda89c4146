"""The level 1 socket: whole lines out of reads, and the talk about protocol, fields and watches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from workstation.feeds.iqfeed import scan
from workstation.feeds.iqfeed.decode import refusal
from workstation.feeds.iqfeed.layout import FIELDS, Layout
from workstation.feeds.iqfeed.names import NAMES
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.market.errors import FeedError, FrameError

PROTOCOL = "6.2"
LONGEST_LINE = 1 << 20
"""Bytes without a line's end after which they are taken for a line of their own."""
REFUSALS = ("S,BAD KEY", "S,INVALID KEY", "S,KEY REJECTED", "S,LOGIN FAILED", "S,NOT AUTHORIZED")
"""System messages that refuse us for good."""
_FIELDNAMES = "S,CURRENT UPDATE FIELDNAMES,"
_TURN_S = 0.1
_LOST_SERVERS = "S,SERVER DISCONNECTED"


class Wire(asyncio.Protocol):
    """One level 1 connection.

    Parameters
    ----------
    layout
        What codes mean; its fields come from the venue.
    on_read
        Takes a read and its scanned lines; must not raise.
    on_lost
        Called once, with the reason, when the connection can no longer be used.
    silence_s
        Without a byte for this long (the venue sends the time every second) the connection is given up.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        on_read: Callable[[RawFrame, scan.Lines], None],
        on_lost: Callable[[str], None],
        silence_s: float,
    ) -> None:
        self.layout = layout
        self._heard_at_ns = 0
        self.said: dict[str, str] = {}
        """Newest system message by its first word or two."""
        self.watched: set[str] = set()
        self._on_read, self._on_lost, self._silence_s = on_read, on_lost, silence_s
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._asked: dict[str, str | None] = {}
        self._changed = asyncio.Event()
        self._fatal = self._reason = ""

    # -- the protocol's side ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's hook."""
        self._transport = cast(asyncio.Transport, transport)
        self._heard()
        self._watch()

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's hook."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._take(rest, time.time_ns())
        self._lose(f"{type(error).__name__}: {error}" if error else "closed by the venue")

    def data_received(self, data: bytes) -> None:
        """asyncio's hook: cut at the last line's end, keep the rest for the next read."""
        self._heard()
        cut = data.rfind(b"\n") + 1
        whole = self._rest + data[:cut] if cut else b""
        self._rest = data[cut:] if cut else self._rest + data
        if len(self._rest) >= LONGEST_LINE:
            whole, self._rest = whole + self._rest, b""
        if whole:
            self._take(whole, time.time_ns())

    def _take(self, payload: bytes, seen_ns: int) -> None:
        while payload:
            layout = self.layout
            data = np.frombuffer(payload, dtype=np.uint8)
            lines = scan.scan(data, layout.place("symbol"), layout.place("contents"), NAMES.table)
            turn = self._listen(payload, lines)
            if turn < lines.kind.size:
                end = int(lines.start[turn])
                lines = lines.head(turn)
            else:
                end = len(payload)
            self._on_read(RawFrame(seen_ns, layout.channel, payload[:end]), lines)
            payload = payload[end:]

    def _listen(self, payload: bytes, lines: scan.Lines) -> int:
        """Heed the system messages; the first line after one that changes the layout, else the number of lines."""
        if self._asked:
            self._note_answers(lines)
        for at in np.flatnonzero(lines.kind == scan.CONTROL).tolist():
            line = payload[lines.start[at] : lines.end[at]].decode("latin-1")
            if self._heed(line):
                return at + 1
        return int(lines.kind.size)

    def _note_answers(self, lines: scan.Lines) -> None:
        """A summary or fundamental of a symbol asked for grants it."""
        for at in np.flatnonzero((lines.kind == scan.SUMMARY) & (lines.symbol >= 0)).tolist():
            symbol = NAMES.symbols[int(lines.symbol[at])]
            if symbol in self._asked:
                self._asked[symbol] = ""
                self._changed.set()

    def _heed(self, line: str) -> bool:
        """A system message, error or not-found; whether it changed the layout."""
        self._changed.set()
        if refused := refusal(line):
            symbol = refused[0].partition(".")[2]
            if symbol in self._asked:
                self._asked[symbol] = refused[1]
            elif line.startswith("E,"):
                self.said["E"] = line
            return False
        if line.startswith(_FIELDNAMES):
            try:
                self.layout = self.layout.with_fields(line)
            except FrameError as error:
                self._fatal = str(error)
            self.said["FIELDNAMES"] = line
            return True
        if line.startswith(REFUSALS):
            self._fatal = line
        elif line.startswith(_LOST_SERVERS) and self.said.get("SERVER") == "CONNECTED":
            self._lose("IQConnect lost its connection to the venue's servers")
        self._note(line)
        return False

    def _note(self, line: str) -> None:
        name, _, rest = line[2:].rstrip(",").partition(",")
        if name.startswith("SERVER "):
            name, _, rest = name.partition(" ")
        self.said[name] = rest

    def _heard(self) -> None:
        self._heard_at_ns = time.monotonic_ns()

    def _watch(self, suspected_ns: int = 0) -> None:
        """Look at the silence again and again. A loop that was busy elsewhere gets a turn to read before it counts."""
        silent_s = (time.monotonic_ns() - self._heard_at_ns) / 1e9
        loop = asyncio.get_running_loop()
        if silent_s < self._silence_s:
            self._watchdog = loop.call_later(max(self._silence_s - silent_s, 0.01), self._watch)
        elif suspected_ns != self._heard_at_ns:
            self._watchdog = loop.call_later(_TURN_S, self._watch, self._heard_at_ns)
        else:
            self._lose(f"nothing heard for {silent_s:.1f} s, not even the time")

    def _lose(self, reason: str) -> None:
        if not self._reason:
            self._reason = reason
            self._on_lost(reason)
        self._changed.set()
        self._end()

    # -- our side -----------------------------------------------------------------------------------------

    async def _until(self, true: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for what the venue says; False when it does not say it in time. Raises ``FeedError``."""
        try:
            async with asyncio.timeout(timeout_s):
                while not true():
                    if self._fatal:
                        raise FeedError(f"iqfeed refused: {self._fatal}", fatal=True)
                    if self._reason:
                        raise FeedError(f"iqfeed: the socket is gone: {self._reason}")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def send(self, *commands: str) -> None:
        """Send commands. Raises ``FeedError`` when the socket is gone."""
        if self._transport is None or self._transport.is_closing():
            raise FeedError(f"iqfeed: the socket is gone: {self._reason or 'closed'}")
        self._transport.write("".join(f"{command}\r\n" for command in commands).encode("latin-1"))

    async def greet(self, key: str, services: Sequence[str], timeout_s: float) -> None:
        """Agree on the protocol, show the key, wait for the servers, choose the fields. Raises ``FeedError``."""
        self.send(f"S,SET PROTOCOL,{PROTOCOL}")
        if not await self._until(lambda: "CURRENT PROTOCOL" in self.said or "E" in self.said, timeout_s):
            raise FeedError(f"iqfeed: no answer to SET PROTOCOL within {timeout_s} s")
        if (spoken := self.said.get("CURRENT PROTOCOL", "")) != PROTOCOL:
            raise FeedError(
                f"iqfeed does not speak protocol {PROTOCOL}: {self.said.get('E', spoken)}; update IQConnect",
                fatal=True,
            )
        if key:
            self.send(f"S,KEY,{key}")
            if not await self._until(lambda: "KEYOK" in self.said, timeout_s):
                raise FeedError(f"iqfeed: no answer to the key within {timeout_s} s")
        if not await self._until(lambda: self.said.get("SERVER") == "CONNECTED", timeout_s):
            raise FeedError("iqfeed: IQConnect is not connected to the venue's servers; is it logged in?")
        await self._check_service(services, timeout_s)
        self.said.pop("E", None)
        self.send("S,SELECT UPDATE FIELDS," + ",".join(FIELDS))
        if not await self._until(lambda: "FIELDNAMES" in self.said or "E" in self.said, timeout_s):
            raise FeedError(f"iqfeed: no answer to SELECT UPDATE FIELDS within {timeout_s} s")
        if self._fatal or "FIELDNAMES" not in self.said:
            raise FeedError(f"iqfeed refused the fields: {self._fatal or self.said['E']}", fatal=True)

    async def _check_service(self, services: Sequence[str], timeout_s: float) -> None:
        if not services:
            return
        if not await self._until(lambda: "CUST" in self.said, timeout_s):
            raise FeedError(f"iqfeed: no S,CUST within {timeout_s} s")
        service = self.said["CUST"].partition(",")[0]
        if service not in services:
            raise FeedError(
                f"iqfeed serves {service!r} data to this login, wanted is {' or '.join(services)}", fatal=True
            )

    async def watch(self, letters: dict[str, str], timeout_s: float) -> tuple[list[str], dict[str, str]]:
        """Watch symbols (symbol -> ``w`` all updates, ``t`` trades only); those granted, and why others are not."""
        NAMES.learn(letters)
        ask = {symbol: letter for symbol, letter in letters.items() if symbol not in self.watched}
        self._asked = dict.fromkeys(ask)
        try:
            self.send(*(f"{letter}{symbol}" for symbol, letter in ask.items()))
            await self._until(lambda: None not in self._asked.values(), timeout_s)
        finally:
            asked, self._asked = self._asked, {}
        refused = {
            symbol: f"no summary within {timeout_s} s" if answer is None else answer
            for symbol, answer in asked.items()
            if answer != ""
        }
        self.watched |= asked.keys() - refused.keys()
        return [symbol for symbol in letters if symbol not in refused], refused

    def heard_ns(self) -> int:
        """When the last byte came, by the monotonic clock."""
        return self._heard_at_ns

    async def shut(self) -> None:
        """Close; may be called more than once."""
        self._end()

    def _end(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._transport is not None:
            self._transport.close()
