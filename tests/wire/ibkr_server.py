"""A local stand-in of the TWS socket: enough of its wire for ib_async to connect, qualify contracts and stream ticks."""

from __future__ import annotations

import asyncio
import datetime as dt
import struct
import time

VERSION = 178
SPOT, EXPIRY = 600.0, dt.datetime.now(dt.UTC).date() + dt.timedelta(days=10)
STRIKES = (560.0, 590.0, 600.0, 610.0)
NOT_LISTED = 610.0
"""A strike of the class that is not listed for the expiry."""


def osi(strike: float, right: str) -> str:
    """The OSI symbol of an option of SPY."""
    return f"SPY   {EXPIRY:%y%m%d}{right}{strike * 1000:08.0f}"


CALL, PUT = osi(600.0, "C"), osi(600.0, "P")
UNSET = "1.7976931348623157E308"


class IBKRServer:
    """TWS on a free port of 127.0.0.1.

    Attributes
    ----------
    silent
        When set, nothing is answered any more.
    client_taken
        Whether the next client is refused with error 326.
    refused
        conId -> code and text that answer a request of its data.
    tickers
        Symbol -> id of the request, of those asked for now.
    """

    def __init__(self) -> None:
        self.port = self.connections = 0
        self.silent = self.client_taken = False
        self.refused: dict[int, tuple[int, str]] = {}
        self.tickers: dict[str, str] = {}
        self.requests: list[list[str]] = []
        self.ahead_s = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._names: dict[str, str] = {}

    async def __aenter__(self) -> IBKRServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; on the port of before when there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Drop every client and stop listening."""
        server, self._server = self._server, None
        for writer in list(self._writers):
            writer.transport.abort()
        if server is not None:
            server.close()
            await server.wait_closed()
        self.tickers.clear()

    # -- pushes -------------------------------------------------------------------------------------------

    def say(self, *fields: object) -> None:
        """Send a message to every client."""
        for writer in self._writers:
            self._send(writer, *fields)

    def price(self, symbol: str, kind: int, price: float, size: float) -> None:
        """A price with its size: 1 bid, 2 ask, 4 last."""
        self.say(1, 6, self.tickers[symbol], kind, price, size, 0)

    def quote(self, symbol: str, bid: float, ask: float) -> None:
        self.price(symbol, 1, bid, 11)
        self.price(symbol, 2, ask, 12)

    def model(self, symbol: str, *, vega: float = 0.6, theta: float = -0.2) -> None:
        """The option model's numbers (tick 13)."""
        self.say(21, self.tickers[symbol], 13, 0, 0.21, 0.51, 5.05, 0.0, 0.012, vega, theta, SPOT)

    def interest(self, symbol: str, value: int) -> None:
        """Open interest of an option: 27 of a call, 28 of a put, 0 in the other."""
        call = symbol[12] == "C"
        self.say(2, 6, self.tickers[symbol], 27 if call else 28, value)
        self.say(2, 6, self.tickers[symbol], 28 if call else 27, 0)

    def error(self, code: int, text: str, symbol: str = "") -> None:
        self.say(4, 2, self.tickers[symbol] if symbol else -1, code, text, "")

    # -- wire ---------------------------------------------------------------------------------------------

    @staticmethod
    def _send(writer: asyncio.StreamWriter, *fields: object) -> None:
        body = "".join(f"{field}\0" for field in fields).encode()
        writer.write(struct.pack(">I", len(body)) + body)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            assert await reader.readexactly(4) == b"API\0"
            await reader.readexactly(struct.unpack(">I", await reader.readexactly(4))[0])
            self._send(writer, VERSION, f"{dt.datetime.now(dt.UTC):%Y%m%d %H:%M:%S} UTC")
            self._writers.add(writer)
            while True:
                size = struct.unpack(">I", await reader.readexactly(4))[0]
                fields = (await reader.readexactly(size)).decode().split("\0")[:-1]
                self.requests.append(fields)
                if not self.silent:
                    self._answer(writer, fields)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, fields: list[str]) -> None:
        kind = fields[0]
        if kind == "71" and self.client_taken:
            self._send(writer, 4, 2, -1, 326, "Unable to connect as the client id is already in use.", "")
            writer.close()
        elif kind == "71":
            self._send(writer, 15, 1, "DU1234567")
            self._send(writer, 9, 1, 1)
        elif kind == "61":
            self._send(writer, 62, 1)
        elif kind == "49":
            self._send(writer, 49, 1, int(time.time()) + self.ahead_s)
        elif kind == "9":
            self._details(writer, fields)
        elif kind == "78":
            dates = [f"{EXPIRY:%Y%m%d}", f"{EXPIRY + dt.timedelta(days=200):%Y%m%d}"]
            self._send(
                writer,
                75,
                fields[1],
                "SMART",
                fields[5],
                "SPY",
                100,
                len(dates),
                *dates,
                len(STRIKES),
                *STRIKES,
            )
            self._send(writer, 76, fields[1])
        elif kind == "1":
            self._ticker(writer, fields)
        elif kind == "2":
            self.tickers = {name: number for name, number in self.tickers.items() if number != fields[2]}

    def _details(self, writer: asyncio.StreamWriter, fields: list[str]) -> None:
        request, symbol, security, date, strike, right = (
            fields[2],
            fields[4],
            fields[5],
            fields[6],
            fields[7],
            fields[8],
        )
        option = security == "OPT"
        name = f"SPY   {date[2:]}{right}{float(strike or 0) * 1000:08.0f}" if option else symbol
        listed = (option and float(strike) != NOT_LISTED) or (not option and symbol == "SPY")
        if not listed:
            self._send(
                writer, 4, 2, request, 200, "No security definition has been found for the request", ""
            )
            return
        number = str(1000 + abs(hash(name)) % 10**6)
        self._names[number] = name
        self._send(
            writer, 10, request, symbol, security, date, strike if option else "0", right, "SMART", "USD", name, "SPY",
            "SPY" if option else symbol, number, "0.01", "100" if option else "", "LMT", "SMART", 1, 0, "SPDR S&P 500", "", "", "",
            "", "", "US/Eastern", "", "", "", "", 0, 1, "SPY", "STK", "26", date, "", 1, 1, 1,
        )  # fmt: skip
        self._send(writer, 52, 1, request)

    def _ticker(self, writer: asyncio.StreamWriter, fields: list[str]) -> None:
        request, number = fields[2], int(fields[3])
        if number in self.refused:
            self._send(writer, 4, 2, request, *self.refused[number], "")
            return
        name = self._names.get(str(number), "")
        self.tickers[name] = request
        self._send(writer, 58, 1, request, 1)
        if name == "SPY":
            self._send(writer, 1, 6, request, 1, SPOT - 0.01, 3, 0)
            self._send(writer, 1, 6, request, 2, SPOT + 0.01, 4, 0)
