"""A local server that speaks IQConnect's level 1 and lookup ports, and misbehaves on command.

Hand-written after the public description of protocol 6.2. The fields of its updates come in an order of its own, with
some nobody asked for, so that a client that counts on the order it asked for fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
CALL = "SPXW2618L6000"
UNIFIED = {CALL: "SPXW  261218C06000000", "AAPL": "AAPL", "MSFT": "MSFT"}
DEFAULT_FIELDS = ("Symbol", "Most Recent Trade", "Most Recent Trade Size", "Message Contents")
TABLES = {
    "SLM": ["5,NGM,Nasdaq Global Market,5,NASDAQ,", "57,NTRF,Nasdaq Trade Reporting Facility,57,NTRF,"],
    "STC": ["1,REGULAR,Normal Trade,", "23,FORMT,Form-T Trade,", "61,INTERSWEEP,Intermarket Sweep,", "135,ODDLOT,Odd lot trade,", "140,MLET,Multi Leg auto-electronic trade,"],
    "SST": ["1,EQUITY,Equity,", "2,IEOPTION,Index/Equity Option,"],
}  # fmt: skip
TIME_EVERY_S = 0.05


@dataclass(frozen=True)
class Tick:
    """A print."""

    symbol: str
    id: int
    count: int
    at: dt.datetime
    """With its zone."""
    price: float = 182.51
    size: int = 100
    basis: str = "C"
    market: int = 5
    conditions: str = "01"
    aggressor: int = 1

    @property
    def trade_id(self) -> str:
        """As the rows carry it."""
        return f"{self.at.astimezone(NEW_YORK):%Y%m%d}-{self.id}"

    def fields(self) -> dict[str, str]:
        """Fields of an update."""
        wall = self.at.astimezone(NEW_YORK)
        return {
            "Symbol": self.symbol, "Message Contents": f"{self.basis}v", "Most Recent Trade": f"{self.price}",
            "Most Recent Trade Size": f"{self.size}", "Most Recent Trade Date": f"{wall:%m/%d/%Y}",
            "Most Recent Trade Time": f"{wall:%H:%M:%S.%f}", "Most Recent Trade Market Center": f"{self.market}",
            "Most Recent Trade Conditions": self.conditions, "Most Recent Trade Aggressor": f"{self.aggressor}",
            "TickID": f"{self.id}", "Number of Trades Today": f"{self.count}", "Bid": "182.5", "Bid Size": "300",
            "Bid Time": f"{wall:%H:%M:%S.%f}", "Ask": "182.52", "Ask Size": "400", "Ask Time": f"{wall:%H:%M:%S.%f}",
            "Open Interest": "1234", "Total Volume": "5000", "7 Day Yield": "",
        }  # fmt: skip

    def history(self) -> str:
        """A line of an answer to HTT or HTX, without the request's id."""
        wall = self.at.astimezone(NEW_YORK)
        return (
            f"LH,{wall:%Y-%m-%d %H:%M:%S.%f},{self.price},{self.size},5000,182.5,182.52,{self.id},{self.basis},"
            f"{self.market},{self.conditions},{self.aggressor},20,"
        )


class Client:
    """One level 1 connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.sent = 0
        """Lines."""
        self.names: tuple[str, ...] = DEFAULT_FIELDS
        self.watches: dict[str, str] = {}

    def line(self, kind: str, fields: dict[str, str]) -> str:
        """A message with the fields this client has."""
        return f"{kind},{','.join(fields.get(name, '') for name in self.names)},"


class IQFeedServer:
    """Level 1 and lookup on free ports of 127.0.0.1.

    Attributes
    ----------
    silent
        Says nothing any more, and keeps its sockets.
    key
        The key it wants; empty: none.
    service, protocol, limit, connected
        Kind of service, the protocol it speaks, how many symbols may be watched, whether it has its servers.
    refuse_fields
        Answers SELECT UPDATE FIELDS with a syntax error.
    leave_out
        Fields it does not have.
    cut_answers
        The lookup port closes its socket within every answer.
    history
        Prints by symbol, as the lookup port knows them.
    commands
        What clients sent.
    """

    def __init__(self) -> None:
        self.level1_port = self.lookup_port = 0
        self.silent = self.refuse_fields = False
        self.key, self.service, self.protocol, self.limit, self.connected = "", "real_time", "6.2", 500, True
        self.leave_out: tuple[str, ...] = ()
        self.known = {"AAPL", "MSFT", CALL}
        self.history: dict[str, list[Tick]] = {}
        self.commands: list[str] = []
        self.clients: list[Client] = []
        self.lookups: list[asyncio.StreamWriter] = []
        self.lookup_error = ""
        self.cut_answers = False
        self.opened = dt.datetime.now(tz=NEW_YORK)
        self._newest = self.opened
        self._servers: list[asyncio.Server] = []
        self._clock: asyncio.Task[None] | None = None
        self._talks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> IQFeedServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, at the ports of last time if there was one."""
        level1 = await asyncio.start_server(self._level1, "127.0.0.1", self.level1_port)
        lookup = await asyncio.start_server(self._lookup, "127.0.0.1", self.lookup_port, limit=1 << 22)
        self._servers = [level1, lookup]
        self.level1_port, self.lookup_port = (each.sockets[0].getsockname()[1] for each in self._servers)
        self._clock = asyncio.create_task(self._tell_time())

    async def stop(self) -> None:
        """Go down, dropping every socket."""
        if self._clock is not None:
            self._clock.cancel()
        self.drop()
        for server in self._servers:
            server.close()
            await server.wait_closed()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def drop(self) -> None:
        """Drop every socket."""
        for writer in [*(client.writer for client in self.clients), *self.lookups]:
            writer.transport.abort()
        self.clients, self.lookups = [], []

    @property
    def options(self) -> dict[str, Any]:
        """Options of a feed that talks to this server."""
        return {"level1_port": self.level1_port, "lookup_port": self.lookup_port}

    # -- what happens at the venue -----------------------------------------------------------------------

    def trade(self, symbol: str = "AAPL", **fields: Any) -> Tick:
        """A print the venue knows; nothing is sent."""
        known = self.history.setdefault(symbol, [])
        number = sum(map(len, self.history.values()))
        at = self._newest = max(dt.datetime.now(tz=NEW_YORK), self._newest + dt.timedelta(microseconds=1))
        tick = Tick(
            **({"symbol": symbol, "id": 4_377_589 + number, "count": len(known) + 1, "at": at} | fields)
        )
        known.append(tick)
        return tick

    def push(self, *ticks: Tick) -> None:
        """Send prints to who watches their symbols."""
        for client in self.clients:
            lines = [client.line("Q", tick.fields()) for tick in ticks if tick.symbol in client.watches]
            self._say(client.writer, *lines)

    def quote(self, symbol: str = "AAPL", contents: str = "ba", **fields: str) -> None:
        """Send an update without a print."""
        latest = self.history.get(symbol, [Tick(symbol, 1, 0, self.opened)])[-1].fields()
        for client in self.clients:
            if client.watches.get(symbol) == "w":
                self._say(client.writer, client.line("Q", latest | {"Message Contents": contents} | fields))

    def push_raw(self, raw: bytes) -> None:
        """Send bytes to everybody."""
        for client in self.clients:
            if not self.silent:
                client.writer.write(raw)

    def say(self, *lines: str) -> None:
        """Send lines to everybody."""
        for client in self.clients:
            self._say(client.writer, *lines)

    # -- what it says ------------------------------------------------------------------------------------

    def _say(self, writer: asyncio.StreamWriter, *lines: str) -> None:
        if lines and not self.silent and not writer.is_closing():
            for client in self.clients:
                client.sent += len(lines) if client.writer is writer else 0
            writer.write("".join(f"{line}\r\n" for line in lines).encode("latin-1"))

    async def _tell_time(self) -> None:
        while True:
            self.say(f"T,{dt.datetime.now(tz=NEW_YORK):%Y%m%d %H:%M:%S}")
            await asyncio.sleep(TIME_EVERY_S)

    def _begin(self) -> None:
        """Remember the task of a client until it is done."""
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _level1(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begin()
        client = Client(writer)
        self.clients.append(client)
        self._say(writer, "S,KEY,12345", f"S,SERVER {'CONNECTED' if self.connected else 'DISCONNECTED'}")
        self._say(writer, f"S,CUST,{self.service},127.0.0.1,60002,x,6.2.0.25,0, ,{self.limit},")
        with contextlib.suppress(ConnectionError):
            while raw := await reader.readline():
                command = raw.decode("latin-1").strip()
                self.commands.append(command)
                self._obey(client, command)
        writer.close()

    def _obey(self, client: Client, command: str) -> None:
        if command.startswith("S,SET PROTOCOL,"):
            self._say(client.writer, f"S,CURRENT PROTOCOL,{self.protocol}")
        elif command.startswith("S,KEY,"):
            right = command.removeprefix("S,KEY,") == self.key
            self._say(client.writer, "S,KEYOK" if right else "S,BAD KEY")
        elif command.startswith("S,SELECT UPDATE FIELDS,"):
            self._select(client, command.split(",")[2:])
        elif command[:1] in ("w", "t", "r"):
            self._watch(client, command[0], command[1:])
        else:
            self._say(client.writer, "E,!SYNTAX_ERROR!,")

    def _select(self, client: Client, asked: list[str]) -> None:
        if self.refuse_fields:
            self._say(client.writer, "E,!SYNTAX_ERROR!,")
            return
        names = [name for name in reversed(asked) if name not in ("Symbol", *self.leave_out)]
        client.names = ("Symbol", "7 Day Yield", *names)
        self._say(client.writer, f"S,CURRENT UPDATE FIELDNAMES,{','.join(client.names)},")

    def _watch(self, client: Client, letter: str, symbol: str) -> None:
        if letter == "r":
            client.watches.pop(symbol, None)
        elif symbol not in self.known:
            self._say(client.writer, f"n,{symbol},")
        elif len(client.watches) >= self.limit:
            self._say(client.writer, f"S,SYMBOL LIMIT REACHED,{symbol},")
        else:
            client.watches[symbol] = letter
            latest = self.history.get(symbol, [Tick(symbol, 1, 0, self.opened)])[-1]
            summary = client.line("P", latest.fields() | {"Message Contents": "Cbasohlcv"})
            self._say(client.writer, f"F,{symbol},5,25.7,4588000,", summary)

    async def _lookup(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begin()
        self.lookups.append(writer)
        with contextlib.suppress(ConnectionError):
            while raw := await reader.readline():
                command = raw.decode("latin-1").strip()
                self.commands.append(command)
                answer = self._answer(command.split(","))
                if self.cut_answers and len(answer) > 1:
                    self._say(writer, *answer[:-1])
                    break
                self._say(writer, *answer)
        writer.close()

    def _answer(self, parts: list[str]) -> list[str]:
        if parts[0] == "S":
            return ["S,CURRENT PROTOCOL,6.2"]
        request = parts[-1]
        if self.lookup_error:
            return [f"{request},E,{self.lookup_error},", f"{request},!ENDMSG!,"]
        if parts[0] in TABLES:
            return [*(f"{request},LS,{row}" for row in TABLES[parts[0]]), f"{request},!ENDMSG!,"]
        if parts[0] in ("HTT", "HTX"):
            rows = [f"{request},{tick.history()}" for tick in self._ticks(parts)]
            return [*(rows or [f"{request},E,!NO_DATA!,"]), f"{request},!ENDMSG!,"]
        return ["E,!SYNTAX_ERROR!,"]

    def _ticks(self, parts: list[str]) -> list[Tick]:
        known = self.history.get(parts[1], [])
        if parts[0] == "HTX":
            return known[-int(parts[2]) :]
        first, last = (
            dt.datetime.strptime(text, "%Y%m%d %H%M%S").replace(tzinfo=NEW_YORK) for text in parts[2:4]
        )
        return [tick for tick in known if first <= tick.at <= last + dt.timedelta(microseconds=999_999)]
