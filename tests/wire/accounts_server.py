"""One local server that answers the private calls of four venues, checks their signatures, and misbehaves on command.

The answers are written by hand after the examples of the venues' public documentation, with one book in mind: see ``test_accounts.py``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

KEY, SECRET, PASSWORD = "key-of-the-test", "secret-of-the-test", "phrase"
T0 = 1_774_000_000_000
"""2026-03-20 09:46:40 UTC, ms."""


def _hmac(text: str) -> Any:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256)


def _deribit_signed(request: web.Request) -> bool:
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    fields = dict(part.split("=", 1) for part in rest.split(","))
    text = f"{fields['ts']}\n{fields['nonce']}\nGET\n{request.raw_path}\n\n"
    return scheme == "deri-hmac-sha256" and fields["id"] == KEY and fields["sig"] == _hmac(text).hexdigest()


def _bybit_signed(request: web.Request) -> bool:
    head = request.headers
    text = head["X-BAPI-TIMESTAMP"] + KEY + head["X-BAPI-RECV-WINDOW"] + request.rel_url.raw_query_string
    return head["X-BAPI-API-KEY"] == KEY and head["X-BAPI-SIGN"] == _hmac(text).hexdigest()


def _okx_signed(request: web.Request) -> bool:
    head = request.headers
    digest = base64.b64encode(_hmac(head["OK-ACCESS-TIMESTAMP"] + "GET" + request.raw_path).digest()).decode()
    known = head["OK-ACCESS-KEY"] == KEY and head["OK-ACCESS-PASSPHRASE"] == PASSWORD
    return known and head["OK-ACCESS-SIGN"] == digest


def _binance_signed(request: web.Request) -> bool:
    query, _, signature = request.rel_url.raw_query_string.rpartition("&signature=")
    return request.headers["X-MBX-APIKEY"] == KEY and signature == _hmac(query).hexdigest()


def _deribit(path: str, query: dict[str, str]) -> Any:
    coin = query.get("currency") == "BTC"
    results: dict[str, Any] = {
        "get_account_summaries": {
            "id": 10, "email": "user@example.com",
            "summaries": [{"currency": "BTC", "balance": 0.91, "available_funds": 0.8, "equity": 0.95, "delta_total": 1.2}],
        },
        "get_positions": [
            {
                "instrument_name": "BTC-27MAR26-70000-C", "kind": "option", "direction": "buy", "size": 2.0, "average_price": 0.031,
                "mark_price": 0.033, "index_price": 70_500.0, "floating_profit_loss": 0.004, "delta": 1.1,
            },
            {
                "instrument_name": "BTC-PERPETUAL", "kind": "future", "direction": "sell", "size": -7000.0, "size_currency": -0.0993,
                "average_price": 70_000.0, "mark_price": 70_490.0, "index_price": 70_500.0, "floating_profit_loss": -0.0007,
            },
            {"instrument_name": "BTC-CS-27MAR26-70000_75000", "kind": "option_combo", "direction": "buy", "size": 1.0, "average_price": 0.01},
        ] if coin else [],
        "get_user_trades_by_currency_and_time": {
            "trades": [
                {
                    "trade_id": "101", "timestamp": T0, "instrument_name": "BTC-27MAR26-70000-C", "direction": "buy", "amount": 2.0, "price": 0.031,
                    "fee": 0.0006, "fee_currency": "BTC", "index_price": 70_100.0, "combo_id": "BTC-CS-27MAR26-70000_75000", "combo_trade_id": 99,
                    "mark_price": 0.0309, "iv": 52.1, "state": "filled", "liquidity": "T",
                },
                {
                    "trade_id": "99", "timestamp": T0, "instrument_name": "BTC-CS-27MAR26-70000_75000", "direction": "buy", "amount": 2.0, "price": 0.01,
                    "combo_id": "BTC-CS-27MAR26-70000_75000", "legs": [{"trade_id": "101", "instrument_name": "BTC-27MAR26-70000-C"}],
                    "fee": 0.0, "fee_currency": "BTC", "index_price": 70_100.0,
                },
                {
                    "trade_id": "102", "timestamp": T0 + 1000, "instrument_name": "BTC-PERPETUAL", "direction": "sell", "amount": 7000.0,
                    "price": 70_000.0, "fee": 0.00005, "fee_currency": "BTC", "index_price": 70_050.0, "block_trade_id": "B-7",
                },
            ] if coin else [],
            "has_more": False,
        },
        "get_settlement_history_by_currency": {
            "settlements": [
                {
                    "type": "delivery", "timestamp": T0 + 5000, "instrument_name": "BTC-20MAR26-68000-C", "position": 0.5, "index_price": 70_000.0,
                    "mark_price": 0.02857143, "profit_loss": 0.01, "session_profit_loss": 0.01,
                },
                {
                    "type": "settlement", "timestamp": T0 + 6000, "instrument_name": "BTC-PERPETUAL", "position": -7000.0, "index_price": 70_000.0,
                    "mark_price": 70_010.0, "funding": -0.00001, "profit_loss": 0.0, "session_profit_loss": 0.0,
                },
            ] if coin else [],
            "continuation": None,
        },
    }  # fmt: skip
    return {"jsonrpc": "2.0", "result": results[path], "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}


def _bybit(path: str, query: dict[str, str]) -> Any:
    category, second = query.get("category", ""), query.get("cursor") == "second"
    option, linear = category == "option", category == "linear"
    execution = {
        "symbol": "BTC-27MAR26-75000-P-USDT", "side": "Sell", "execPrice": "4700", "execQty": "0.5", "execFee": "10.5", "execId": "e-1",
        "execType": "Trade", "execTime": str(T0), "indexPrice": "70100", "underlyingPrice": "70200", "markIv": "0.51", "tradeIv": "0.5", "blockTradeId": "",
        "feeCurrency": "USDT", "isMaker": False,
    }  # fmt: skip
    funding = {
        "symbol": "BTCUSDT", "side": "Buy", "execPrice": "70100", "execQty": "0.1", "execFee": "0.7", "execId": "e-2", "execType": "Funding",
        "execTime": str(T0 + 100), "indexPrice": "70100", "blockTradeId": "", "feeCurrency": "",
    }  # fmt: skip
    block = {
        **funding,
        "execId": "e-3",
        "execType": "BlockTrade",
        "execFee": "-0.2",
        "blockTradeId": "b-3",
        "execTime": str(T0 + 200),
    }
    lists: dict[str, list[Any]] = {
        "v5/account/wallet-balance": [
            {"accountType": "UNIFIED", "coin": [{"coin": "USDT", "walletBalance": "1000.5", "availableToWithdraw": ""}]}
        ],
        "v5/position/list": [
            {"symbol": "BTC-27MAR26-75000-P-USDT", "side": "Sell", "size": "0.5", "avgPrice": "4700", "markPrice": "4800", "unrealisedPnl": "-50"}
        ] if option else [
            {"symbol": "BTCUSDT", "side": "Buy", "size": "0.1", "avgPrice": "70000", "markPrice": "70100", "unrealisedPnl": "10"},
            {"symbol": "ETHUSDT", "side": "", "size": "0", "avgPrice": "0", "markPrice": "3000", "unrealisedPnl": ""},
        ] if query.get("settleCoin") == "USDT" else [],
        "v5/execution/list": [execution] if option else ([block] if second else [funding]) if linear else [],
        "v5/asset/delivery-record": [
            {"deliveryTime": T0 + 300, "symbol": "BTC-20MAR26-72000-P-USDT", "side": "Buy", "position": "0.2", "deliveryPrice": "70000", "fee": "1.5"}
        ] if option else [],
    }  # fmt: skip
    cursor = "second" if path == "v5/execution/list" and linear and not second else ""
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"list": lists[path], "nextPageCursor": cursor},
        "retExtInfo": {},
        "time": T0,
    }


def _okx(path: str, query: dict[str, str]) -> Any:
    option, kind = "BTC-USD-260327-70000-C", query.get("instType", "")
    data: dict[str, list[Any]] = {
        "account/balance": [{"uTime": str(T0), "totalEq": "9", "details": [{"ccy": "BTC", "cashBal": "0.5", "availBal": "0.4", "eq": "0.51"}]}],
        "account/positions": [
            {
                "instId": option, "instType": "OPTION", "pos": "-150", "posSide": "net", "avgPx": "0.032", "markPx": "0.033", "idxPx": "70500",
                "upl": "-0.0015", "uTime": str(T0), "deltaBS": "-0.8", "deltaPA": "-0.7",
            },
            {
                "instId": "BTC-USD-SWAP", "instType": "SWAP", "pos": "35", "posSide": "long", "avgPx": "70000", "markPx": "70490", "idxPx": "70500",
                "upl": "0.0003", "uTime": str(T0),
            },
        ],
        "trade/fills-history": [
            {
                "instId": option, "instType": "OPTION", "tradeId": "5", "billId": "905", "fillPx": "0.032", "fillSz": "150", "side": "sell", "posSide": "net",
                "fee": "-0.0003", "feeCcy": "BTC", "ts": str(T0), "fillIdxPx": "70100", "fillMarkVol": "0.51", "fillFwdPx": "70200", "ordId": "1",
            }
        ] if kind == "OPTION" else [],
        "account/bills": [
            {
                "billId": "910", "instId": "BTC-USD-SWAP", "instType": "SWAP", "type": "8", "subType": "174", "pnl": "0.00002", "balChg": "0.00002", "ccy": "BTC",
                "sz": "35", "px": "70100", "fee": "0", "ts": str(T0 + 100),
            }
        ] if query.get("type") == "8" else [
            {"billId": "905", "instId": option, "instType": "OPTION", "type": "2", "subType": "2", "mgnMode": "cross", "ts": str(T0)}
        ] if query.get("type") == "2" else [
            {
                "billId": "911", "instId": "BTC-USD-260320-68000-C", "instType": "OPTION", "type": "3", "subType": "172", "pnl": "-0.01", "balChg": "-0.0101",
                "ccy": "BTC", "sz": "40", "px": "70000", "fee": "-0.0001", "ts": str(T0 + 200),
            }
        ],
        "public/instruments": [{"instId": query.get("instId", ""), "ctVal": "1", "ctMult": "0.01", "ctValCcy": "BTC"}] if kind == "OPTION" else [
            {"instId": "BTC-USD-SWAP", "ctVal": "100", "ctMult": "1", "ctValCcy": "USD"}
        ],
    }  # fmt: skip
    return {"code": "0", "msg": "", "data": data[path]}


def _binance(path: str, query: dict[str, str]) -> Any:
    option = "BTC-260327-70000-C"
    answers: dict[str, Any] = {
        "eapi/v1/account": {"asset": [{"asset": "USDT", "marginBalance": "1877.5", "equity": "617.8", "available": "200"}], "time": T0},
        "fapi/v3/balance": [{"asset": "USDT", "balance": "5000", "availableBalance": "4000"}],
        "eapi/v1/userTrades": [
            {
                "id": 1, "tradeId": 239, "orderId": 4, "symbol": option, "price": "2300", "quantity": "-0.5", "fee": "3.5", "realizedProfit": "0", "side": "SELL",
                "type": "LIMIT", "liquidity": "TAKER", "time": T0, "priceScale": 1, "quantityScale": 2, "optionSide": "CALL", "quoteAsset": "USDT",
            }
        ],
        "eapi/v1/exchangeInfo": {
            "timezone": "UTC",
            "optionSymbols": [{"symbol": option, "underlying": "BTCUSDT", "unit": 1, "quoteAsset": "USDT"}],
        },
        "eapi/v1/exerciseRecord": [
            {
                "id": "112", "currency": "USDT", "symbol": "BTC-260320-68000-C", "exercisePrice": "68000", "markPrice": "70000", "quantity": "0.3",
                "amount": "600", "fee": "1.2", "createDate": T0 + 100, "optionSide": "CALL", "positionSide": "LONG", "quoteAsset": "USDT",
            }
        ],
        "fapi/v1/income": [
            {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.375", "asset": "USDT", "info": "FUNDING_FEE", "time": T0 + 200, "tranId": 968}
        ],
        "eapi/v1/position": [
            {
                "symbol": option, "side": "SHORT", "quantity": "-0.5", "entryPrice": "2300", "markPrice": "2400", "unrealizedPNL": "-50", "markValue": "-1200",
                "strikePrice": "70000", "expiryDate": 1774598400000, "optionSide": "CALL", "quoteAsset": "USDT", "time": T0,
            }
        ],
        "fapi/v3/positionRisk": [
            {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.1", "entryPrice": "70000", "markPrice": "70100", "unRealizedProfit": "-10"}
        ],
    }  # fmt: skip
    return answers[path]


_VENUES: dict[str, tuple[str, Callable[[web.Request], bool], Callable[[str, dict[str, str]], Any]]] = {
    "deribit": ("/api/v2/private/", _deribit_signed, _deribit),
    "bybit": ("/", _bybit_signed, _bybit),
    "okx": ("/api/v5/", _okx_signed, _okx),
    "binance": ("/", _binance_signed, _binance),
}
_PUBLIC = (
    "public/instruments",
    "eapi/v1/exchangeInfo",
    "v5/market/time",
    "public/time",
    "api/v3/time",
    "/api/v2/public/get_time",
)
_CLOCKS: dict[str, Callable[[int], Any]] = {
    "deribit": lambda now: {"jsonrpc": "2.0", "result": now},
    "bybit": lambda now: {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"timeSecond": str(now // 1000), "timeNano": str(now * 10**6)},
        "time": now,
    },
    "okx": lambda now: {"code": "0", "msg": "", "data": [{"ts": str(now)}]},
    "binance": lambda now: {"serverTime": now},
}
_REFUSALS: dict[str, tuple[int, Any]] = {
    "deribit": (400, {"jsonrpc": "2.0", "error": {"code": 13004, "message": "invalid_credentials"}}),
    "bybit": (200, {"retCode": 10003, "retMsg": "API key is invalid.", "result": {}, "time": T0}),
    "okx": (401, {"code": "50113", "msg": "Invalid Sign", "data": []}),
    "binance": (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}),
}


class AccountsServer:
    """The server; each venue under its own prefix, so that one port serves all.

    Attributes
    ----------
    misbehave
        Venue -> (status, headers, body) given instead of an answer, once per entry.
    calls
        How often each ``venue/path`` was asked and signed rightly.
    drop
        Venues whose positions are gone.
    trades
        Trades of Binance's futures.
    alter
        ``venue/path`` -> changes an answer's body before it is sent.
    """

    def __init__(self) -> None:
        self.misbehave: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.calls: Counter[str] = Counter()
        self.drop: set[str] = set()
        self.alter: dict[str, Callable[[Any], None]] = {}
        self.trades: list[dict[str, Any]] = []
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> AccountsServer:
        app = web.Application()
        app.add_routes(self.routes())
        app.router.add_get("/{venue}/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def routes(self) -> list[web.RouteDef]:
        """Routes besides the private calls."""
        return []

    def options(self, venue: str, **changes: Any) -> dict[str, Any]:
        """What opens a venue's account here."""
        plain = {
            "api_key": KEY,
            "secret": SECRET,
            "account": "main",
            "url": f"http://127.0.0.1:{self.port}/{venue}",
        }
        return plain | ({"password": PASSWORD} if venue == "okx" else {}) | changes

    @property
    def venues(self) -> dict[str, dict[str, Any]]:
        """All four accounts."""
        return {venue: self.options(venue) for venue in _VENUES}

    async def _answer(self, request: web.Request) -> web.Response:
        venue = request.match_info["venue"]
        prefix, signed, made = _VENUES[venue]
        waiting = self.misbehave.get(venue)
        if waiting:
            status, headers, body = waiting.pop(0)
            return web.Response(status=status, headers=headers, body=body, content_type="application/json")
        path = request.path.removeprefix(f"/{venue}").removeprefix(prefix)
        if path not in _PUBLIC and not self._is_signed(venue, signed, request):
            status, refusal = _REFUSALS[venue]
            return web.json_response(refusal, status=status)
        self.calls[f"{venue}/{path}"] += 1
        if path.endswith(("/time", "/get_time")):
            return web.json_response(_CLOCKS[venue](time.time_ns() // 1_000_000))
        own = path == "fapi/v1/userTrades"
        body = list(self.trades) if own else made(path, dict(parse_qsl(request.query_string)))
        if venue in self.drop and path == "account/positions":
            body["data"] = []
        if f"{venue}/{path}" in self.alter:
            self.alter[f"{venue}/{path}"](body)
        return web.Response(body=json.dumps(body).encode(), content_type="application/json")

    @staticmethod
    def _is_signed(venue: str, signed: Callable[[web.Request], bool], request: web.Request) -> bool:
        """The venue's own rule, on the path as the venue would see it: without our prefix."""
        bare = _Bare(request, f"/{venue}")
        try:
            return signed(bare)  # type: ignore[arg-type]
        except (KeyError, ValueError):
            return False


class _Bare:
    """A request without the venue's prefix in its path."""

    def __init__(self, request: web.Request, prefix: str) -> None:
        self.headers, self.rel_url = request.headers, request.rel_url
        self.raw_path = request.raw_path.removeprefix(prefix)
