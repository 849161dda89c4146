"""A local server that speaks Alpaca's streams (msgpack) and REST, and misbehaves on command.

Hand-written contracts and messages after the venue's public documentation and its own client.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import time
from typing import Any

import msgspec
from aiohttp import WSMsgType, web
from msgspec.msgpack import Ext

from tests.wire.venue_server import VenueServer

KEY, SECRET = "key-12345", "secret-12345"
EXPIRY = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=10)
SPOT = 600.0
STRIKES = (560.0, 580.0, 590.0, 600.0, 610.0, 620.0, 700.0)
PAGE = 6
"""Contracts, snapshots and prints of one page, whatever was asked for."""


def symbol(strike: float, right: str, root: str = "SPY") -> str:
    """The venue's symbol of an option."""
    return f"{root}{EXPIRY:%y%m%d}{right}{strike * 1000:08.0f}"


CALL, PUT = symbol(600.0, "C"), symbol(600.0, "P")
CONTRACTS = [symbol(strike, right) for strike in STRIKES for right in "CP"]
STOCKS = ("SPY",)


def stamp(time_ns: int) -> Ext:
    """An instant as msgpack writes it, with its nanoseconds."""
    seconds, fraction = divmod(time_ns, 10**9)
    return Ext(-1, (fraction << 34 | seconds).to_bytes(8, "big"))


def rfc(time_ns: int) -> str:
    """An instant as REST writes it."""
    seconds, fraction = divmod(time_ns, 10**9)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def contract(name: str) -> dict[str, Any]:
    """A contract as ``v2/options/contracts`` gives it."""
    strike = int(name[-8:]) / 1000
    return {
        "id": "98359ef7-5124-49f3-85ea-5cf02df6defa", "symbol": name, "name": f"SPY {EXPIRY} {strike:g}", "status": "active",
        "tradable": True, "expiration_date": str(EXPIRY), "root_symbol": "SPY", "underlying_symbol": "SPY",
        "underlying_asset_id": "b28f4066-5c6d-479b-a2af-85dc1a8f16fb", "type": "call" if name[-9] == "C" else "put",
        "style": "american", "strike_price": f"{strike:g}", "multiplier": "100", "size": "100", "open_interest": "1205",
        "open_interest_date": "2026-11-27", "close_price": "3.1", "close_price_date": "2026-11-27",
    }  # fmt: skip


def prices(name: str) -> tuple[float, float]:
    """Bid and ask of an option: intrinsic value and what is left of a flat 5."""
    strike, right = int(name[-8:]) / 1000, name[-9]
    inner = max(SPOT - strike, 0.0) if right == "C" else max(strike - SPOT, 0.0)
    value = inner + 5.0 * 0.5 ** (abs(strike - SPOT) / 20.0)
    return round(value - 0.05, 2), round(value + 0.05, 2)


def quote(name: str, time_ns: int = 0) -> dict[str, Any]:
    """A quote as it is pushed."""
    bid, ask = (SPOT - 0.01, SPOT + 0.01) if name in STOCKS else prices(name)
    return {
        "T": "q", "S": name, "t": stamp(time_ns or time.time_ns()), "bx": "C", "bp": bid, "bs": 53, "ax": "A", "ap": ask, "as": 38,
        "c": ["R"] if name in STOCKS else "A",
    }  # fmt: skip


class AlpacaServer(VenueServer):
    """Alpaca: streams ``v1beta1/{opra,indicative}`` and ``v2/{sip,iex}``.

    Attributes
    ----------
    entitled
        Streams and feeds of REST the account may use.
    most
        Symbols a stream takes (405 beyond).
    taken
        Whether another session holds the streams (406).
    """

    def __init__(self) -> None:
        super().__init__()
        self.entitled = {"opra", "indicative", "sip", "iex"}
        self.most = 10_000
        self.taken = False
        self._numbers = itertools.count(1)
        self._logged_in: set[web.WebSocketResponse] = set()

    @property
    def urls(self) -> dict[str, str]:
        """Addresses as the feed takes them."""
        host = f"127.0.0.1:{self.port}"
        return {"data": f"http://{host}", "trading": f"http://{host}", "stream": f"ws://{host}"}

    def trade(self, name: str = "SPY", **fields: Any) -> dict[str, Any]:
        """The next print, into the venue's history."""
        number, now = next(self._numbers), time.time_ns()
        made: dict[str, Any] = {"T": "t", "S": name, "t": now, "p": 600.25, "s": 100, "x": "V"}
        if name in STOCKS:
            made |= {"i": 50_000 + number, "c": ["@", "F"], "z": "B"}
        else:
            made |= {"p": 5.05, "s": 2, "x": "N", "c": "S"}
        self.history.append(made | fields)
        return self.history[-1]

    async def prints(self, *made: dict[str, Any]) -> int:
        """Push prints in one frame to whoever subscribed the first one's symbol."""
        body = [each | {"t": stamp(each["t"])} for each in made]
        return await self.packed(body, f"trades.{made[0]['S']}")

    async def packed(self, messages: Any, channel: str = "") -> int:
        """Push a frame of msgpack."""
        return await self.push_raw(msgspec.msgpack.encode(messages), channel)

    async def push_raw(self, payload: bytes, channel: str = "") -> int:
        """Push bytes as a binary frame; without a channel to every socket."""
        told = [
            socket for socket, (_, channels) in self.sockets.items() if not channel or channel in channels or "trades.*" in channels
        ]  # fmt: skip
        for socket in told:
            await socket.send_bytes(payload)
        self.sent += len(told)
        return len(told)

    async def _talk(self, request: web.Request, path: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await socket.prepare(request)
        self.connections += 1
        channels: set[str] = set()
        if self.taken:
            await self._say(socket, T="error", code=406, msg="connection limit exceeded")
            await socket.close()
            return socket
        packed = request.headers.get("Content-Type") == "application/msgpack"
        if not packed:
            await socket.send_str('[{"T":"error","code":400,"msg":"msgpack only"}]')
            return socket
        await self._say(socket, T="success", msg="connected")
        try:
            async for message in socket:
                if self.silent:
                    continue
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.BINARY:
                    asked = msgspec.msgpack.decode(message.data)
                    self.requests.append(asked.get("action"))
                    await self._answer(socket, path, channels, asked)
        finally:
            self.sockets.pop(socket, None)
            self._logged_in.discard(socket)
        return socket

    async def _say(self, socket: web.WebSocketResponse, **message: Any) -> None:
        await socket.send_bytes(msgspec.msgpack.encode([message]))

    async def _answer(
        self, socket: web.WebSocketResponse, path: str, channels: set[str], asked: dict[str, Any]
    ) -> None:
        if asked.get("action") == "auth":
            if (asked.get("key"), asked.get("secret")) != (KEY, SECRET):
                await self._say(socket, T="error", code=402, msg="auth failed")
            elif path.rpartition("/")[2] not in self.entitled:
                await self._say(socket, T="error", code=409, msg="insufficient subscription")
            else:
                self._logged_in.add(socket)
                self.sockets[socket] = (path, channels)
                await self._say(socket, T="success", msg="authenticated")
            return
        if socket not in self._logged_in:
            await self._say(socket, T="error", code=401, msg="not authenticated")
            return
        wanted = {f"{kind}.{name}" for kind in ("trades", "quotes") for name in asked.get(kind, [])}
        if "quotes.*" in wanted:
            await self._say(socket, T="error", code=410, msg="invalid subscribe action for this feed")
            return
        if len(channels | wanted) > self.most:
            await self._say(socket, T="error", code=405, msg="symbol limit exceeded")
            return
        channels |= wanted
        listed = {
            kind: sorted(each[len(kind) + 1 :] for each in channels if each.startswith(kind))
            for kind in ("trades", "quotes")
        }
        await self._say(socket, T="subscription", **listed, bars=[])

    async def _take(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            keys = (request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY"))
            if keys != (KEY, SECRET):
                return web.json_response({"message": "unauthorized."}, status=401)
            if request.query.get("feed", "iex") not in self.entitled:
                return web.json_response(
                    {"message": "subscription does not permit querying recent data"}, status=403
                )
        return await super()._take(request)

    def answer(self, path: str, query: dict[str, str]) -> Any:
        if path == "v2/clock":
            now = time.time_ns() + self.ahead_ms * 10**6
            return {"timestamp": rfc(now), "is_open": True, "next_open": rfc(now), "next_close": rfc(now)}
        if path == "v2/options/contracts":
            names = CONTRACTS if query.get("underlying_symbols") == "SPY" else []
            page, token = self._page(names, query)
            return {"option_contracts": [contract(name) for name in page], "next_page_token": token}
        if path.startswith("v1beta1/options/snapshots/"):
            page, token = self._page(CONTRACTS, query)
            return {"snapshots": {name: self._snapshot(name) for name in page}, "next_page_token": token}
        if path == "v2/stocks/snapshots":
            return {name: self._snapshot(name) for name in query["symbols"].split(",") if name in STOCKS}
        if path in ("v1beta1/options/trades", "v2/stocks/trades"):
            return self._past(query)
        return None

    @staticmethod
    def _page(names: list[Any], query: dict[str, str]) -> tuple[list[Any], str | None]:
        start = int(query.get("page_token", 0))
        end = start + min(PAGE, int(query.get("limit", PAGE)))
        return names[start:end], str(end) if end < len(names) else None

    @staticmethod
    def _snapshot(name: str) -> dict[str, Any]:
        now = time.time_ns()
        latest = quote(name, now)
        told: dict[str, Any] = {
            "latestQuote": {key: value for key, value in latest.items() if key not in "TS"} | {"t": rfc(now)},
            "latestTrade": {"t": rfc(now - 10**9), "p": 5.0, "s": 1, "x": "A", "c": "I"},
            "dailyBar": {"t": rfc(now), "o": 5.0, "h": 5.1, "l": 4.9, "c": 5.0, "v": 321, "n": 7, "vw": 5.0},
        }
        if name not in STOCKS:
            told["greeks"] = {"delta": 0.51, "gamma": 0.012, "theta": -0.2, "vega": 0.6, "rho": 0.1}
            told["impliedVolatility"] = 0.21
        return told

    def _past(self, query: dict[str, str]) -> dict[str, Any]:
        names, start, end = query["symbols"].split(","), query["start"], query["end"]
        rows = [each for each in self.history if each["S"] in names and start <= rfc(each["t"]) <= end]
        page, token = self._page(sorted(rows, key=lambda each: each["t"]), query)
        found: dict[str, list[Any]] = {}
        for each in page:
            told = {key: value for key, value in each.items() if key not in "TS"} | {"t": rfc(each["t"])}
            found.setdefault(each["S"], []).append(told)
        return {"trades": json.loads(json.dumps(found)), "next_page_token": token}
