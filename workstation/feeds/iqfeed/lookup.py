"""The lookup port: tables of codes, and ticks of history."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from types import TracebackType
from urllib.parse import quote

from workstation.feeds.iqfeed import clock
from workstation.feeds.iqfeed.layout import LOOKUP, Layout
from workstation.feeds.iqfeed.wire import PROTOCOL
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.market.errors import FeedError

TABLES = ("SLM", "STC", "SST")
"""Listed markets, trade conditions, security types."""
LONGEST_ANSWER = 1 << 30
_LIMIT = 1 << 22
_NUMBERS = count(1)


class Lookup:
    """One connection to the lookup port, for as long as the block it is opened in.

    Parameters
    ----------
    host, port
        Of IQConnect's lookup port.
    timeout_s
        For connecting and between two lines of an answer.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._host, self._port, self._timeout_s = host, port, timeout_s

    async def __aenter__(self) -> Lookup:
        where = f"{self._host}:{self._port}"
        try:
            async with asyncio.timeout(self._timeout_s):
                self._reader, self._writer = await asyncio.open_connection(
                    self._host, self._port, limit=_LIMIT
                )
        except (OSError, TimeoutError) as error:
            raise FeedError(f"iqfeed: cannot open the lookup port {where}: {error or 'no answer'}") from error
        try:
            await self._greet()
        except FeedError:
            self._writer.close()
            raise
        return self

    async def _greet(self) -> None:
        self._writer.write(f"S,SET PROTOCOL,{PROTOCOL}\r\n".encode())
        while not (line := await self._line()).startswith(b"S,CURRENT PROTOCOL"):
            if line.startswith(b"E,"):
                raise FeedError(f"iqfeed lookup refused protocol {PROTOCOL}: {_text(line)}", fatal=True)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def _line(self) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                line = await self._reader.readline()
        except (OSError, TimeoutError, ValueError) as error:
            raise FeedError(f"iqfeed lookup: {type(error).__name__}: no whole line of an answer") from error
        if not line:
            raise FeedError("iqfeed lookup: the venue closed the socket within an answer")
        return line

    async def answer(self, command: str, *fields: str) -> tuple[str, bytes]:
        """Ask; the request's id and everything up to its end. Raises ``FeedError``, too, for a syntax the venue refuses."""
        request = f"B{next(_NUMBERS)}"
        asked = ",".join((command, *fields)).replace("{id}", request)
        self._writer.write(f"{asked}\r\n".encode("latin-1"))
        lines: list[bytes] = []
        end, syntax, size = f"{request},!ENDMSG!".encode(), b"!SYNTAX_ERROR!", 0
        while True:
            line = await self._line()
            if syntax in line:
                raise FeedError(f"iqfeed lookup refused {asked!r}: {_text(line)}")
            lines.append(line)
            size += len(line)
            if line.startswith(end):
                return request, b"".join(lines)
            if size > LONGEST_ANSWER:
                raise FeedError(
                    f"iqfeed lookup: more than {LONGEST_ANSWER} bytes for {asked!r}; ask for less"
                )

    async def table(self, name: str) -> tuple[str, RawFrame]:
        """A table of codes: the request's id and the answer as a frame."""
        request, payload = await self.answer(name, "{id}")
        return request, RawFrame(time.time_ns(), f"{LOOKUP}/{name}", payload)

    async def ticks(self, symbol: str, start_ns: int, end_ns: int, layout: Layout) -> RawFrame:
        """Every print between two instants, both to the second and inclusive, oldest first (``HTT``)."""
        first, last = eastern_text(start_ns), eastern_text(end_ns + 999_999_999)
        _, payload = await self.answer("HTT", symbol, first, last, "", "", "", "1", "{id}")
        return RawFrame(time.time_ns(), tick_channel(symbol, layout), payload)

    async def newest_ticks(self, symbol: str, most: int, layout: Layout) -> RawFrame:
        """The newest prints, oldest first (``HTX``)."""
        _, payload = await self.answer("HTX", symbol, str(most), "1", "{id}")
        return RawFrame(time.time_ns(), tick_channel(symbol, layout), payload)


def tick_channel(symbol: str, layout: Layout) -> str:
    """The channel of an answer with ticks: its symbol, and what the codes mean.

    Examples
    --------
    >>> tick_channel("AAPL", Layout((), {0x3D: 16}))
    'lookup/ticks?symbol=AAPL&flags=3D:16'
    """
    return f"{LOOKUP}/ticks?symbol={quote(symbol)}{layout.meanings}"


def eastern_text(at_ns: int) -> str:
    """An instant as the lookup port takes it, Eastern wall time to the second.

    Examples
    --------
    >>> import pandas as pd
    >>> eastern_text(pd.Timestamp("2026-07-01T13:30Z").value)
    '20260701 093000'
    """
    return f"{clock.eastern(at_ns):%Y%m%d %H%M%S}"


def _text(line: bytes) -> str:
    return line.decode("latin-1").strip()
