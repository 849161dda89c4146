"""The accounts' server with the four venues' private sockets: it checks every login, pushes changes and throws sessions out."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

from aiohttp import WSMsgType, web

from tests.wire.accounts_server import KEY, PASSWORD, T0, AccountsServer, _hmac

LISTEN_KEY = "listen-key-of-the-test"
TOKEN = "token-of-the-test"
CALL, OPTION = "BTC-27MAR26-70000-C", "BTC-260327-70000-C"


def bybit_frames(fill_id: str) -> list[Any]:
    """A fill of a spot pair, which is none of ours, and of an option, its position closed, a wallet with a loan."""
    fill = {
        "symbol": "BTC-27MAR26-75000-P-USDT", "category": "option", "side": "Buy", "execPrice": "4600", "execQty": "0.5", "execFee": "9.5",
        "execId": fill_id, "execType": "Trade", "execTime": str(T0 + 9000), "indexPrice": "70100", "blockTradeId": "", "feeCurrency": "USDT",
    }  # fmt: skip
    spot = fill | {"symbol": "BTCUSDT", "category": "spot", "execId": "spot-1"}
    held = {
        "category": "linear", "symbol": "BTCUSDT", "side": "Sell", "size": "0.3", "positionIdx": 2, "tradeMode": 1, "entryPrice": "70050",
        "markPrice": "70100", "unrealisedPnl": "-15",
    }  # fmt: skip
    coins = [{"coin": "USDT", "walletBalance": "1200", "spotBorrow": "200", "availableToWithdraw": "900"}]
    return [
        {"topic": "execution", "creationTime": T0, "data": [spot, fill]},
        {"topic": "position", "creationTime": T0, "data": [held]},
        {"topic": "wallet", "creationTime": T0, "data": [{"accountType": "UNIFIED", "coin": coins}]},
    ]


def okx_frames(fill_id: str) -> list[Any]:
    option = "BTC-USD-260327-70000-C"
    order = {
        "instId": option, "instType": "OPTION", "tradeId": fill_id, "fillPx": "0.03", "fillSz": "50", "side": "buy", "posSide": "net",
        "tdMode": "isolated", "fillFee": "-0.0001", "fillFeeCcy": "BTC", "fillTime": str(T0 + 9000), "fillIdxPx": "70100", "category": "normal",
    }  # fmt: skip
    held = {
        "instId": "BTC-USD-SWAP", "instType": "SWAP", "pos": "70", "posSide": "short", "mgnMode": "isolated", "avgPx": "70000", "markPx": "70490",
        "idxPx": "70500", "upl": "0.0003", "uTime": str(T0),
    }  # fmt: skip
    owed = {"ccy": "USDT", "cashBal": "1200", "liab": "200", "eq": "1000", "upl": "0", "availBal": "900"}
    return [
        {
            "arg": {"channel": "orders", "instType": "ANY", "uid": "1"},
            "data": [order | {"tradeId": ""}, order],
        },
        {"arg": {"channel": "positions", "instType": "ANY", "uid": "1"}, "data": [held]},
        {"arg": {"channel": "account", "uid": "1"}, "data": [{"uTime": str(T0), "details": [owed]}]},
    ]


def deribit_frames(fill_id: str) -> list[Any]:
    trade = {
        "trade_id": fill_id, "timestamp": T0 + 9000, "instrument_name": CALL, "direction": "sell", "amount": 0.5, "price": 0.033, "fee": 0.0002,
        "fee_currency": "BTC", "index_price": 70_100.0, "combo_id": "BTC-CS-27MAR26-70000_75000", "combo_trade_id": 77,
    }  # fmt: skip
    held = {
        "instrument_name": "BTC-PERPETUAL", "kind": "future", "direction": "buy", "size": 14_000.0, "size_currency": 0.2, "average_price": 70_000.0,
        "mark_price": 70_490.0, "index_price": 70_500.0, "floating_profit_loss": 0.0,
    }  # fmt: skip
    wallet = {"currency": "USDC", "balance": 1000.0, "available_funds": 900.0, "equity": 1000.0}
    change = {"instrument_name": CALL, "trades": [trade], "positions": [held], "orders": []}
    return [
        _notification("user.changes.any.any.raw", change),
        _notification("user.portfolio.usdc", wallet),
    ]


def _notification(channel: str, data: Any) -> Any:
    return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}


def binance_frames(fill_id: str) -> list[Any]:
    order = {
        "s": "BTCUSDT", "S": "SELL", "x": "TRADE", "X": "FILLED", "l": "0.1", "L": "70000", "n": "2.8", "N": "USDT", "t": int(fill_id),
        "T": T0 + 9000, "ps": "SHORT", "o": "LIMIT",
    }  # fmt: skip
    change = {
        "m": "ORDER",
        "B": [{"a": "USDT", "wb": "1000", "cw": "900", "bc": "0"}],
        "P": [{"s": "BTCUSDT", "pa": "-0.2", "ep": "70000", "up": "1.5", "mt": "isolated", "ps": "SHORT"}],
    }
    options = {"e": "BALANCE_POSITION_UPDATE", "m": "ORDER", "B": [], "P": [{"s": OPTION, "c": "-0.1", "p": "-120", "a": "1200"}]}  # fmt: skip
    return [
        {"e": "ORDER_TRADE_UPDATE", "E": T0, "T": T0, "o": order | {"x": "NEW", "t": 0}},
        {"e": "ORDER_TRADE_UPDATE", "E": T0, "T": T0, "o": order},
        {"e": "ACCOUNT_UPDATE", "E": T0, "T": T0, "a": change},
        {"stream": f"{LISTEN_KEY}-options", "data": options},
    ]


FRAMES = {"bybit": bybit_frames, "okx": okx_frames, "deribit": deribit_frames, "binance": binance_frames}


class PrivateServer(AccountsServer):
    """The server.

    Attributes
    ----------
    logins
        Accepted logins by venue.
    subscribed
        What was asked for, by venue.
    evict
        Venues whose sessions are ended with code 1000 right after their login.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logins: Counter[str] = Counter()
        self.subscribed: dict[str, list[str]] = {}
        self.evict: set[str] = set()
        self._sockets: dict[web.WebSocketResponse, str] = {}

    async def __aenter__(self) -> PrivateServer:
        await super().__aenter__()
        return self

    def routes(self) -> list[web.RouteDef]:
        """Listen keys besides."""
        return [
            web.route("*", "/binance/{door}/v1/listenKey", self._listen_key),
            web.get("/{venue}/v5/private", self._talk),
            web.get("/{venue}/ws/v5/private", self._talk),
            web.get("/{venue}/ws/api/v2", self._talk),
            web.get("/{venue}/private/ws/{key}", self._talk),
        ]

    async def push(self, venue: str, fill_id: str) -> None:
        """Push the venue's changes, with a fill of this id."""
        for frame in FRAMES[venue](fill_id):
            for socket, where in list(self._sockets.items()):
                options = "stream" in frame or frame.get("e") == "BALANCE_POSITION_UPDATE"
                if where.partition("/")[0] == venue and (
                    venue != "binance" or where.endswith("options") == options
                ):
                    await socket.send_str(json.dumps(frame))

    def cut(self, venue: str) -> None:
        """Cut a venue's sockets."""
        for socket, where in list(self._sockets.items()):
            if (
                where.partition("/")[0] == venue
                and socket._req is not None
                and socket._req.transport is not None
            ):
                socket._req.transport.abort()

    async def _listen_key(self, request: web.Request) -> web.Response:
        if request.headers.get("X-MBX-APIKEY") != KEY:
            return web.json_response({"code": -2015, "msg": "Invalid API-key"}, status=401)
        name = "options" if request.match_info["door"] == "eapi" else "futures"
        return web.json_response({"listenKey": f"{LISTEN_KEY}-{name}"} if request.method == "POST" else {})

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        venue, key = request.match_info["venue"], request.match_info.get("key", "")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = f"{venue}/{key}"
        try:
            if key:
                self.logins[venue] += key.endswith("futures")
                if venue in self.evict:
                    await socket.close(code=1000)
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._told(socket, venue, message.data)
        finally:
            self._sockets.pop(socket, None)
        return socket

    async def _told(self, socket: web.WebSocketResponse, venue: str, text: str) -> None:
        if text == "ping":
            await socket.send_str("pong")
            return
        said = json.loads(text)
        answers, logged_in = getattr(self, f"_{venue}")(said)
        for answer in answers:
            await socket.send_str(json.dumps(answer))
        if logged_in:
            self.logins[venue] += 1
            if venue in self.evict:
                await socket.close(code=1000)

    def _bybit(self, said: Any) -> tuple[list[Any], bool]:
        if said["op"] == "auth":
            key, expires, sign = said["args"]
            right = key == KEY and sign == _hmac(f"GET/realtime{expires}").hexdigest()
            words = "" if right else f"Invalid sign of {key}"
            return [
                {"success": right, "ret_msg": words, "op": "auth", "conn_id": "1", "request": said}
            ], right
        if said["op"] == "subscribe":
            self.subscribed["bybit"] = said["args"]
        return [{"success": True, "ret_msg": "", "op": said["op"], "conn_id": "1"}], False

    def _okx(self, said: Any) -> tuple[list[Any], bool]:
        if said["op"] == "login":
            given = said["args"][0]
            sign = base64.b64encode(_hmac(f"{given['timestamp']}GET/users/self/verify").digest()).decode()
            right = (given["apiKey"], given["passphrase"], given["sign"]) == (KEY, PASSWORD, sign)
            refusal = {"event": "error", "code": "60009", "msg": f"Login failed for {given['apiKey']}."}
            return [{"event": "login", "code": "0", "msg": ""} if right else refusal], right
        names = [each["channel"] for each in said["args"]]
        self.subscribed.setdefault("okx", []).extend(names)
        return [{"event": "subscribe", "arg": each, "connId": "1"} for each in said["args"]], False

    def _deribit(self, said: Any) -> tuple[list[Any], bool]:
        number, method, given = said["id"], said["method"], said["params"]
        if method == "public/auth":
            text = f"{given['timestamp']}\n{given['nonce']}\n{given['data']}"
            right = given["client_id"] == KEY and given["signature"] == _hmac(text).hexdigest()
            granted = {
                "access_token": TOKEN,
                "refresh_token": f"r-{TOKEN}",
                "expires_in": 900,
                "scope": "connection",
            }
            refusal = {"code": 13004, "message": "invalid_credentials"}
            return [
                {"jsonrpc": "2.0", "id": number} | ({"result": granted} if right else {"error": refusal})
            ], right
        if method == "private/subscribe":
            self.subscribed["deribit"] = given["channels"]
        result = given["channels"] if method == "private/subscribe" else "ok"
        asked = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
        return [
            {"jsonrpc": "2.0", "id": number, "result": result},
            *([asked] if "heartbeat" in method else []),
        ], False
