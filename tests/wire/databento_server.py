"""A local gateway that speaks Databento's live wire (text handshake by CRAM, then DBN) and its historical API, and misbehaves on command.

Records are written with the vendor's own encoder.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import databento_dbn as dbn
from aiohttp import web

from tests.unit.feeds.files.dbn_files import UNDEFINED_TIME, consolidated, header, price

KEY = "db-" + "x" * 24 + "98765"
DATASET = "OPRA.PILLAR"
CALL, PUT = "SPY   261218C00600000", "SPY   261218P00600000"
IDS = {CALL: 4242, PUT: 4243}
SYMBOLS = {"SPY.OPT": [CALL, PUT], CALL: [CALL], PUT: [PUT]}
XCBO, MXOP, CONSOLIDATED = 22, 34, 30


def now() -> int:
    return time.time_ns()


def mapping(symbol: str) -> Any:
    raw = dbn.SType.RAW_SYMBOL
    return dbn.SymbolMappingMsg(0, IDS[symbol], now(), raw, symbol, raw, symbol, 0, UNDEFINED_TIME)


def definition(symbol: str) -> Any:
    """As OPRA defines an option: its date of expiry and no size."""
    right = dbn.InstrumentClass.CALL if symbol[12] == "C" else dbn.InstrumentClass.PUT
    return dbn.InstrumentDefMsg(
        publisher_id=CONSOLIDATED, instrument_id=IDS[symbol], ts_event=now(), ts_recv=now(), min_price_increment=price(0.01),
        display_factor=price(1.0), raw_symbol=symbol, asset="SPY", security_type="OOF", instrument_class=right,
        security_update_action=dbn.SecurityUpdateAction.ADD, strike_price=price(600.0), underlying="SPY", cfi="OCASPS",
        currency="USD",
    )  # fmt: skip


def interest(symbol: str, publisher: int, value: int) -> Any:
    return dbn.StatMsg(
        publisher_id=publisher, instrument_id=IDS[symbol], ts_event=now(), ts_recv=now(), ts_ref=UNDEFINED_TIME,
        price=2**63 - 1, quantity=value, stat_type=dbn.StatType.OPEN_INTEREST,
    )  # fmt: skip


def trade(symbol: str, number: int, publisher: int = XCBO, size: int = 3, at: int = 0) -> Any:
    at = at or now()
    return dbn.TradeMsg(
        publisher_id=publisher, instrument_id=IDS[symbol], ts_event=at, price=price(5.05), size=size, action=dbn.Action.TRADE,
        side=dbn.Side.NONE, depth=0, ts_recv=at + 100, sequence=number,
    )  # fmt: skip


def top(symbol: str, bid: float | None, ask: float | None, **others: Any) -> Any:
    """A consolidated quote."""
    at = now()
    given = {"action": dbn.Action.ADD, "ts_event": at, "ts_recv": at + 100} | others
    return consolidated(dbn.RType.CMBP_1, CONSOLIDATED, IDS[symbol], bid, ask, **given)


class DatabentoServer:
    """The gateway on a free port of 127.0.0.1, the historical API on another.

    Attributes
    ----------
    history
        Prints of the day; a subscription with a start replays them.
    silent
        When set, nothing is sent, not even heartbeats.
    refuses
        Code and text of an error that answers the first subscription.
    requests
        Fields of every subscription and of every request of history.
    """

    def __init__(self) -> None:
        self.port = self.history_port = self.sessions = 0
        self.silent = False
        self.refuses: tuple[int, str] | None = None
        self.history: list[Any] = []
        self.requests: list[dict[str, str]] = []
        self._server: asyncio.Server | None = None
        self._writers: dict[asyncio.StreamWriter, list[dict[str, str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> DatabentoServer:
        app = web.Application()
        app.router.add_post("/v0/timeseries.get_range", self._range)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.history_port = self._runner.addresses[0][1]
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    async def start(self) -> None:
        """Listen; on the port of before when there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def running(self) -> bool:
        return self._server is not None

    async def stop(self) -> None:
        """Drop every session and stop listening."""
        server, self._server = self._server, None
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if server is not None:
            server.close()
            await server.wait_closed()

    def print(self, symbol: str = CALL, **others: Any) -> Any:
        """The next print, into the day's history."""
        self.history.append(trade(symbol, len(self.history) + 1, **others))
        return self.history[-1]

    async def push(self, *records: Any) -> None:
        """Send records to every session that has begun with market data."""
        await self.push_raw(b"".join(map(bytes, records)))

    async def push_raw(self, data: bytes) -> None:
        for writer, asked in list(self._writers.items()):
            if any(each["schema"] != "definition" for each in asked) and not self.silent:
                writer.write(data)
                with suppress(ConnectionError):  # that session is gone; the print was made, and others get it
                    await writer.drain()

    # -- wire ---------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.sessions += 1
        try:
            await self._session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            self._writers.pop(writer, None)
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"lsg_version=0.7.2\ncram=4kSNb1jFmBlXJHNnRNHBPkZK2i2s0fYm\n")
        auth = _fields(await reader.readline())
        sha = hashlib.sha256(f"4kSNb1jFmBlXJHNnRNHBPkZK2i2s0fYm|{KEY}".encode()).hexdigest()
        if auth.get("auth") != f"{sha}-{KEY[-5:]}":
            writer.write(b"success=0|error=Authentication failed.\n")
            return
        writer.write(b"success=1|session_id=1770000000\n")
        asked: list[dict[str, str]] = []
        while line := await reader.readline():
            said = _fields(line)
            if "start_session" in said:
                break
            asked.append(said)
            self.requests.append(said)
        self._writers[writer] = asked
        await self._begin(writer, asked)
        while True:
            await asyncio.sleep(0.05)
            if not self.silent:
                writer.write(
                    bytes(dbn.SystemMsg(ts_event=now(), msg="Heartbeat", code=dbn.SystemCode.HEARTBEAT))
                )
                await writer.drain()
            if reader.at_eof():
                return

    async def _begin(self, writer: asyncio.StreamWriter, asked: list[dict[str, str]]) -> None:
        def send(*records: Any) -> None:
            writer.write(b"".join(map(bytes, records)))

        writer.write(header(DATASET))
        if self.refuses is not None:
            code, text = self.refuses
            send(dbn.ErrorMsg(ts_event=now(), err=text, code=dbn.ErrorCode.from_int(code)))
            if code != 4:
                return
        named: set[str] = set()
        for each in asked:
            symbols = each["symbols"].split(",")
            for symbol in symbols:
                if symbol not in SYMBOLS:
                    text = f"Failed to resolve symbol '{symbol}'"
                    send(dbn.ErrorMsg(ts_event=now(), err=text, code=dbn.ErrorCode.SYMBOL_RESOLUTION_FAILED))
            found = [name for symbol in symbols for name in SYMBOLS.get(symbol, [])]
            send(*(mapping(name) for name in found if name not in named))
            named |= set(found)
            text = f"Subscription request for {each['schema']} data succeeded"
            send(dbn.SystemMsg(ts_event=now(), msg=text, code=dbn.SystemCode.SUBSCRIPTION_ACK))
        for each in asked:
            if "start" in each:
                send(*self._replayed(each))
                text = f"Finished {each['schema']} replay"
                send(dbn.SystemMsg(ts_event=now(), msg=text, code=dbn.SystemCode.REPLAY_COMPLETED))
        await writer.drain()

    def _replayed(self, asked: dict[str, str]) -> Iterable[Any]:
        if asked["schema"] == "definition":
            return [
                definition(name) for symbol in asked["symbols"].split(",") for name in SYMBOLS.get(symbol, [])
            ]
        if asked["schema"] == "statistics":
            return [interest(CALL, XCBO, 1205), interest(CALL, MXOP, 1205), interest(PUT, MXOP, 77)]
        return [each for each in self.history if each.ts_event >= int(asked["start"])]

    async def _range(self, request: web.Request) -> web.Response:
        asked = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(asked)
        if request.headers.get("Authorization") is None:
            return web.json_response({"detail": "no key"}, status=401)
        if asked["symbols"] not in SYMBOLS:
            return web.json_response(
                {"detail": {"case": "symbology_invalid_symbol", "message": "no such symbol"}}, status=422
            )
        head = header(DATASET)
        names = [bytes(mapping(name)) for name in SYMBOLS[asked["symbols"]]]
        body = head + b"".join([*names, *map(bytes, self.history)])
        return web.Response(body=body, content_type="application/octet-stream")


def _fields(line: bytes) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in line.decode().strip().split("|"))
