"""A local server that speaks Deribit's REST and JSON-RPC websocket, and misbehaves on command.

Hand-written instruments and messages after the venue's public format; ``recorded_frames`` gives recorded ones.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

CALL, PUT, PERPETUAL, FUTURE = "BTC-25DEC26-100000-C", "BTC-25DEC26-100000-P", "BTC-PERPETUAL", "BTC-25DEC26"
UNIFIED = {
    CALL: "BTC/USD:BTC-261225-100000-C",
    PUT: "BTC/USD:BTC-261225-100000-P",
    PERPETUAL: "BTC/USD:BTC",
    FUTURE: "BTC/USD:BTC-261225",
}
OPTION_TRADES, FUTURE_TRADES = "trades.option.BTC.100ms", "trades.future.BTC.100ms"
CREDENTIALS = ("key", "secret")
_EXPIRY_MS = 1_798_185_600_000
_METHODS = "/api/v2/public/{method}"


def listing(name: str) -> dict[str, Any]:
    """An instrument as ``get_instruments`` gives it."""
    option = name.count("-") == 3
    fields: dict[str, Any] = {
        "instrument_name": name, "kind": "option" if option else "future", "base_currency": "BTC",
        "quote_currency": "BTC" if option else "USD", "settlement_currency": "BTC", "counter_currency": "USD",
        "price_index": "btc_usd", "instrument_type": "reversed", "contract_size": 1.0 if option else 10.0,
        "tick_size": 0.0001 if option else 0.5, "creation_timestamp": 1_700_000_000_000, "is_active": True,
        "expiration_timestamp": 32_503_708_800_000 if name == PERPETUAL else _EXPIRY_MS,
        "settlement_period": "perpetual" if name == PERPETUAL else "month",
    }  # fmt: skip
    if option:
        fields |= {
            "strike": float(name.split("-")[2]),
            "option_type": "call" if name.endswith("C") else "put",
        }
    return fields


def option_ticker(name: str, **fields: Any) -> dict[str, Any]:
    """A ticker of an option."""
    return {
        "timestamp": 1_789_939_517_455, "instrument_name": name, "state": "open",
        "stats": {"high": 0.05, "low": 0.04, "price_change": 1.5, "volume": 12.5, "volume_usd": 45000.0},
        "greeks": {"delta": 0.41, "gamma": 0.00002, "vega": 120.5, "theta": -40.25, "rho": 55.0},
        "index_price": 80808.14, "last_price": 0.045, "settlement_price": 0.044, "min_price": 0.02, "max_price": 0.09,
        "open_interest": 321.5, "mark_price": 0.0455, "interest_rate": 0.0, "best_ask_price": 0.046,
        "best_bid_price": 0.045, "mark_iv": 45.5, "bid_iv": 45.0, "ask_iv": 46.0, "underlying_price": 82010.5,
        "underlying_index": "BTC-25DEC26", "best_ask_amount": 10.5, "best_bid_amount": 20.0,
    } | fields  # fmt: skip


def future_ticker(name: str, **fields: Any) -> dict[str, Any]:
    """A ticker of a coin-settled future or perpetual."""
    return {
        "timestamp": 1_789_939_517_455, "instrument_name": name, "state": "open",
        "stats": {"high": 81500.0, "low": 80100.0, "price_change": -0.25, "volume": 3099.5, "volume_usd": 2.5e8},
        "index_price": 80808.0, "last_price": 80810.0, "open_interest": 808_000_000, "mark_price": 80800.0,
        "best_ask_price": 80810.0, "best_bid_price": 80800.0, "best_ask_amount": 40405.0, "best_bid_amount": 80800.0,
    } | fields  # fmt: skip


def notification(channel: str, data: Any) -> bytes:
    """A pushed frame."""
    message = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    return json.dumps(message, separators=(",", ":")).encode()


def recorded_frames(sample_data: Path) -> list[bytes]:
    """Every recorded websocket message of Deribit, as sent."""
    crypto = sample_data / "crypto_options"
    with gzip.open(crypto / "raw_ws" / "DERIBIT.ws.1.0.gz", "rb") as capture:
        frames = [line.split(b": ", 1)[1].rstrip() for line in capture if line[:1].isdigit()]
    lines = (crypto / "ws_messages_tardis" / "deribit_messages.jsonl").read_bytes().splitlines()
    fixtures = sorted((crypto / "venue_fixtures_nautilus").glob("deribit_ws_*.json"))
    return frames + [line for line in lines if line.strip()] + [path.read_bytes() for path in fixtures]


class DeribitServer:
    """One venue on a free port of 127.0.0.1.

    Attributes
    ----------
    history
        Prints the venue knows, whether or not it pushed them; REST answers come from here.
    refused
        Channel -> how it is refused: ``omit`` (left out of the answer) or an error message.
    silent
        When set, nothing is answered, not even pings.
    rest_errors
        Method -> JSON-RPC error code its next calls answer with.
    requests
        Every JSON-RPC request and REST path received.
    """

    def __init__(self) -> None:
        self.port = 0
        self.listings = [listing(name) for name in (CALL, PUT, PERPETUAL, FUTURE)]
        self.history: list[dict[str, Any]] = []
        self.refused: dict[str, str] = {}
        self.rest_errors: dict[str, int] = {}
        self.socket_errors: dict[str, int] = {}
        self.silent = False
        self.requests: list[tuple[str, Mapping[str, Any]]] = []
        self.connections = 0
        self.page = 1000
        self._seqs: dict[str, int] = {}
        self._trade_ids = 400_000_000
        self._sockets: dict[web.WebSocketResponse, set[str]] = {}
        self._runner: web.AppRunner | None = None

    @property
    def urls(self) -> dict[str, str]:
        """Addresses as the feed takes them."""
        return {"rest": f"http://127.0.0.1:{self.port}", "ws": f"ws://127.0.0.1:{self.port}/ws/api/v2"}

    # -- life ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> DeribitServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; on the port of before when there was one."""
        app = web.Application()
        app.router.add_get("/ws/api/v2", self._socket)
        app.router.add_get(_METHODS, self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Drop every socket and stop listening."""
        self.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def drop(self) -> None:
        """Cut every socket without a closing handshake."""
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        self._sockets.clear()

    # -- the market ---------------------------------------------------------------------------------------

    def trade(self, name: str = CALL, **fields: Any) -> dict[str, Any]:
        """The next print of an instrument, into the venue's history."""
        seq = self._seqs[name] = self._seqs.get(name, 100) + 1
        self._trade_ids += 1
        option = name.count("-") == 3
        made: dict[str, Any] = {
            "trade_seq": seq, "trade_id": str(self._trade_ids), "timestamp": int(time.time() * 1000),
            "tick_direction": 0, "price": 0.045 if option else 80800.0, "mark_price": 0.0455 if option else 80801.0,
            "instrument_name": name, "index_price": 80808.14, "direction": "buy", "amount": 1.5 if option else 8080.0,
        }  # fmt: skip
        if option:
            made["iv"] = 45.5
        self.history.append(made | fields)
        return self.history[-1]

    async def push(self, channel: str, data: Any) -> int:
        """Push to whoever subscribed; how many did."""
        return await self.push_raw(notification(channel, data), channel)

    async def push_raw(self, payload: bytes, channel: str = "") -> int:
        """Push bytes as a text frame."""
        told = [socket for socket, channels in self._sockets.items() if not channel or channel in channels]
        for socket in told:
            await socket.send_str(payload.decode())
        return len(told)

    # -- websocket ----------------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await socket.prepare(request)
        self.connections += 1
        self._sockets[socket] = set()
        try:
            async for message in socket:
                if self.silent:
                    continue
                if message.type == WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type == WSMsgType.TEXT:
                    await self._reply(socket, json.loads(message.data))
        finally:
            self._sockets.pop(socket, None)
        return socket

    async def _reply(self, socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        method, params = request["method"], request.get("params", {})
        self.requests.append((method, params))
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"], "testnet": False}
        try:
            answer["result"] = self._result(socket, method, params)
        except _Refusal as refusal:
            answer["error"] = {
                "code": refusal.code,
                "message": refusal.message,
                "data": {"reason": refusal.reason},
            }
        await socket.send_str(json.dumps(answer))

    def _result(self, socket: web.WebSocketResponse, method: str, params: dict[str, Any]) -> Any:
        if method in self.socket_errors:
            raise _Refusal(self.socket_errors[method], "refused", "as told")
        if method == "public/auth":
            if (params.get("client_id"), params.get("client_secret")) != CREDENTIALS:
                raise _Refusal(13004, "invalid_credentials", "")
            return {"access_token": "token", "expires_in": 900, "token_type": "bearer"}
        if method == "public/set_heartbeat":
            if params["interval"] < 10:
                raise _Refusal(-32602, "Invalid params", "interval is at least 10")
            return "ok"
        if method == "public/test":
            return {"version": "1.2.26"}
        if method == "public/subscribe":
            return self._grant(socket, params["channels"])
        raise _Refusal(-32601, "Method not found", method)

    def _grant(self, socket: web.WebSocketResponse, channels: list[str]) -> list[str]:
        for channel in channels:
            how = self.refused.get(channel, "omit")
            if how != "omit":
                raise _Refusal(-32602, "Invalid params", how)
        granted = [name for name in channels if name not in self.refused and self._exists(name)]
        self._sockets[socket].update(granted)
        return granted

    def _exists(self, channel: str) -> bool:
        first, *parts = channel.split(".")
        names = {each["instrument_name"] for each in self.listings}
        if first == "trades" and len(parts) == 3:
            return parts[0] in ("option", "future", "spot") and parts[1] in ("BTC", "ETH", "USDC")
        if first in ("trades", "ticker", "quote", "book"):
            return parts[0] in names
        return first in ("markprice", "deribit_price_index", "deribit_volatility_index")

    async def heartbeat(self, kind: str = "test_request") -> None:
        """Push a heartbeat frame."""
        await self.push_raw(
            json.dumps({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}}).encode()
        )

    # -- REST ---------------------------------------------------------------------------------------------

    async def _rest(self, request: web.Request) -> web.Response:
        method, query = request.match_info["method"], dict(request.query)
        self.requests.append((method, query))
        if self.silent:
            await asyncio.sleep(3600)
        if method in self.rest_errors:
            return self._error(_Refusal(self.rest_errors[method], "refused", "as told"))
        answers = {
            "get_instruments": self._instruments, "get_book_summary_by_currency": self._summaries,
            "ticker": self._ticker, "get_last_trades_by_instrument": self._last_trades,
            "get_last_trades_by_instrument_and_time": self._last_trades,
            "get_last_trades_by_currency_and_time": self._last_trades,
            "get_time": lambda _: int(time.time() * 1000), "status": lambda _: {"locked": "false"},
            "get_currencies": lambda _: [{"currency": "BTC", "currency_long": "Bitcoin"}],
            "get_index_price": lambda _: {"index_price": 80808.14, "estimated_delivery_price": 80808.14},
        }  # fmt: skip
        try:
            if method not in answers:
                raise _Refusal(-32601, "Method not found", method)
            result = answers[method](query)
        except _Refusal as refusal:
            return self._error(refusal)
        return web.json_response({"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1})

    @staticmethod
    def _error(refusal: _Refusal) -> web.Response:
        error = {"code": refusal.code, "message": refusal.message, "data": {"reason": refusal.reason}}
        return web.json_response({"jsonrpc": "2.0", "error": error}, status=400)

    def _instruments(self, query: dict[str, str]) -> Any:
        kind, currency = query.get("kind"), query["currency"]
        return [
            each for each in self.listings
            if kind in (None, each["kind"]) and currency in ("any", each["settlement_currency"])
        ]  # fmt: skip

    def _summaries(self, query: dict[str, str]) -> Any:
        return [self._summary(each) for each in self._instruments(query)]

    @staticmethod
    def _summary(each: dict[str, Any]) -> dict[str, Any]:
        option = each["kind"] == "option"
        shared = {
            "instrument_name": each["instrument_name"], "creation_timestamp": 1_789_939_036_004, "high": None,
            "low": None, "base_currency": "BTC", "estimated_delivery_price": 80808.0, "volume_usd": 0.0,
        }  # fmt: skip
        if not option:
            return shared | {
                "bid_price": 81587.5, "ask_price": 81607.5, "open_interest": 1_632_000, "mark_price": 81600.0,
                "volume": 17.25, "last": 81407.5, "quote_currency": "USD",
            }  # fmt: skip
        return shared | {
            "bid_price": 0.045, "ask_price": None, "open_interest": 321.5, "mark_price": 0.0455, "mark_iv": 45.5,
            "volume": 12.5, "last": None, "underlying_price": 82010.5, "underlying_index": "BTC-25DEC26",
            "interest_rate": 0.0, "quote_currency": "BTC",
        }  # fmt: skip

    def _ticker(self, query: dict[str, str]) -> Any:
        name = query["instrument_name"]
        if name not in {each["instrument_name"] for each in self.listings}:
            raise _Refusal(13020, "not_found", "instrument")
        return option_ticker(name) if name.count("-") == 3 else future_ticker(name)

    def _last_trades(self, query: dict[str, str]) -> Any:
        found = [trade for trade in self.history if self._wanted(trade, query)]
        found.sort(
            key=lambda trade: (trade["timestamp"], trade["trade_seq"]), reverse=query.get("sorting") != "asc"
        )
        count = min(int(query.get("count", 10)), self.page)
        return {"trades": found[:count], "has_more": len(found) > count}

    @staticmethod
    def _wanted(trade: dict[str, Any], query: dict[str, str]) -> bool:
        name = trade["instrument_name"]
        kind = "option" if name.count("-") == 3 else "future"
        return (
            query.get("instrument_name", name) == name
            and query.get("currency", "any") in ("any", name.split("-")[0])
            and query.get("kind", kind) == kind
            and int(query.get("start_seq", 0)) <= trade["trade_seq"] <= int(query.get("end_seq", 2**62))
            and int(query.get("start_timestamp", 0))
            <= trade["timestamp"]
            <= int(query.get("end_timestamp", 2**62))
        )


class _Refusal(Exception):
    def __init__(self, code: int, message: str, reason: str) -> None:
        super().__init__(message)
        self.code, self.message, self.reason = code, message, reason
