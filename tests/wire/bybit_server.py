"""A local server that speaks Bybit's v5 REST and public websockets, and misbehaves on command.

Hand-written instruments and messages after the venue's public documentation.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from aiohttp import web

from tests.wire.venue_server import VenueServer

CALL, PUT = "BTC-25DEC26-100000-C-USDT", "BTC-25DEC26-100000-P-USDT"
LINEAR, USDC, INVERSE, QUARTERLY, SPOT = "BTCUSDT", "BTCPERP", "BTCUSD", "BTCUSDZ26", "BTCUSDT"
DELIVERY_MS = 1_798_185_600_000
NAMES = {
    CALL: "BTC/USDT:USDT-261225-100000-C", PUT: "BTC/USDT:USDT-261225-100000-P", LINEAR: "BTC/USDT:USDT",
    USDC: "BTC/USDC:USDC", INVERSE: "BTC/USD:BTC", QUARTERLY: "BTC/USD:BTC-261225",
}  # fmt: skip
_LISTED = {"option": (CALL, PUT), "linear": (LINEAR, USDC), "inverse": (INVERSE, QUARTERLY), "spot": (SPOT,)}


def listing(category: str, symbol: str) -> dict[str, Any]:
    """An instrument as ``instruments-info`` gives it."""
    quote = "USD" if category == "inverse" else "USDC" if symbol == USDC else "USDT"
    dated = category == "option" or symbol == QUARTERLY
    return {
        "symbol": symbol, "status": "Trading", "baseCoin": "BTC", "quoteCoin": quote,
        "settleCoin": "BTC" if category == "inverse" else quote,
        "optionsType": ("Call" if symbol == CALL else "Put") if category == "option" else "",
        "launchTime": "1700000000000", "deliveryTime": str(DELIVERY_MS) if dated else "0",
        "deliveryFeeRate": "", "priceFilter": {"minPrice": "5", "maxPrice": "1000000", "tickSize": "5"},
        "lotSizeFilter": {"maxOrderQty": "500", "minOrderQty": "0.01", "qtyStep": "0.01"},
    }  # fmt: skip


def option_ticker(symbol: str, *, rest: bool = False, **fields: str) -> dict[str, str]:
    """State of an option, over the socket or by REST."""
    one = "1" if rest else ""
    return {
        "symbol": symbol, f"bid{one}Price": "4500", f"bid{one}Size": "2.5", f"bid{one}Iv": "0.45",
        f"ask{one}Price": "4600", f"ask{one}Size": "1.5", f"ask{one}Iv": "0.46", "lastPrice": "4550",
        "highPrice24h": "4700", "lowPrice24h": "4400", "markPrice": "4551.5", "indexPrice": "80808.14",
        ("markIv" if rest else "markPriceIv"): "0.455", "underlyingPrice": "82010.5", "openInterest": "321.5",
        "turnover24h": "56000", "volume24h": "12.5", "totalVolume": "99", "totalTurnover": "1967653", "delta": "0.41",
        "gamma": "0.00002", "vega": "120.5", "theta": "-40.25", "predictedDeliveryPrice": "0", "change24h": "0.01",
    } | fields  # fmt: skip


def contract_ticker(category: str, symbol: str) -> dict[str, str]:
    """State of a contract or pair."""
    return {
        "symbol": symbol, "lastPrice": "80800", "markPrice": "80810", "indexPrice": "80808", "prevPrice24h": "80000",
        "openInterest": "1000" if category != "inverse" else "80810000",
        "openInterestValue": "80810000" if category != "inverse" else "1000", "volume24h": "500" if category != "inverse" else "40405000",
        "turnover24h": "40405000" if category != "inverse" else "500", "fundingRate": "0.0001", "nextFundingTime": "1790006400000",
        "bid1Price": "80800", "bid1Size": "2" if category != "inverse" else "161600", "ask1Price": "80810",
        "ask1Size": "3" if category != "inverse" else "242430", "basis": "", "deliveryTime": "0", "predictedDeliveryPrice": "",
    }  # fmt: skip


class BybitServer(VenueServer):
    """Bybit. ``refused`` topics are answered with an error, ``unknown_topics`` tells how options' answers name them."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.delivery: dict[str, str] = {}
        self._numbers = itertools.count(1)

    @property
    def urls(self) -> dict[str, str]:
        """Addresses as the feed takes them."""
        return {"rest": f"http://127.0.0.1:{self.port}", "ws": f"ws://127.0.0.1:{self.port}/v5/public"}

    def trade(self, symbol: str = CALL, **fields: Any) -> dict[str, Any]:
        """The next print, into the venue's history."""
        number = next(self._numbers)
        made = {
            "T": time.time_ns() // 1_000_000, "s": symbol, "S": "Buy" if number % 2 else "Sell", "v": "0.5", "p": "4550",
            "i": f"0404c393-8419-5bac-95c3-{number:012d}", "BT": False, "seq": 1000 + 7 * number,
        }  # fmt: skip
        if symbol in (CALL, PUT):
            made |= {"mP": "4551.5", "iP": "80808.14", "mIv": "0.455", "iv": "0.4551", "v": "0.01"}
        self.history.append(made | fields)
        return self.history[-1]

    async def prints(self, topic: str, *made: dict[str, Any]) -> int:
        """Push prints in one message."""
        now = time.time_ns() // 1_000_000
        return await self.push(
            topic, {"id": f"{topic}-{now}", "topic": topic, "type": "snapshot", "ts": now, "data": list(made)}
        )

    async def told(self, socket: web.WebSocketResponse, path: str, channels: set[str], text: str) -> None:
        asked, option = json.loads(text), path.endswith("option")
        if asked["op"] == "ping":
            pong = {"args": [str(time.time_ns() // 10**6)], "op": "pong"}
            other = {"success": True, "ret_msg": "pong", "conn_id": "c-1", "op": "ping"}
            await socket.send_str(json.dumps(pong if option else other))
            return
        if asked["op"] == "unsubscribe":
            channels.difference_update(asked["args"])
            await socket.send_str(
                json.dumps({"success": True, "ret_msg": "", "conn_id": "c-1", "op": "unsubscribe"})
            )
            return
        bad = [topic for topic in asked["args"] if not self._exists(path.rpartition("/")[2], topic)]
        good = [topic for topic in asked["args"] if topic not in bad]
        if option:
            channels.update(good)
            data = {"failTopics": bad, "successTopics": good}
            await socket.send_str(
                json.dumps({"success": True, "conn_id": "c-1", "data": data, "type": "COMMAND_RESP"})
            )
            return
        said = f"error:handler not found,topic:{bad[0]}" if bad else "subscribe"
        if not bad:
            channels.update(good)
        await socket.send_str(
            json.dumps(
                {"success": not bad, "ret_msg": said, "conn_id": "c-1", "req_id": "", "op": "subscribe"}
            )
        )

    def _exists(self, category: str, topic: str) -> bool:
        name, symbol = topic.rpartition(".")[0].split(".")[0], topic.rpartition(".")[2]
        if topic in self.refused:
            return False
        if name == "orderbook":
            symbol = topic.split(".", 2)[2]
        if category == "option" and name == "publicTrade":
            return symbol in ("BTC", "ETH")
        return symbol in _LISTED[category]

    def answer(self, path: str, query: dict[str, str]) -> Any:
        now = time.time_ns() // 1_000_000
        if path == "v5/market/time":
            told = {
                "timeSecond": str((now + self.ahead_ms) // 1000),
                "timeNano": str((now + self.ahead_ms) * 10**6),
            }
            return {
                "retCode": 0,
                "retMsg": "OK",
                "result": told,
                "retExtInfo": {},
                "time": now + self.ahead_ms,
            }
        rows = self._rows(path.removeprefix("v5/market/"), query)
        if rows is None:
            return {"retCode": 10001, "retMsg": "params error", "result": {}, "retExtInfo": {}, "time": now}
        result: dict[str, Any] = {"category": query.get("category", ""), "list": rows, "nextPageCursor": ""}
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now}

    def _rows(self, call: str, query: dict[str, str]) -> list[Any] | None:
        category, symbol = query.get("category", ""), query.get("symbol", "")
        if category not in _LISTED:
            return None
        names = [name for name in _LISTED[category] if symbol in ("", name)]
        if query.get("baseCoin", "BTC") != "BTC":
            names = []
        if call == "instruments-info":
            return [
                listing(category, name)
                | ({"deliveryTime": self.delivery[name]} if name in self.delivery else {})
                for name in names
            ]
        if call == "tickers":
            return [
                option_ticker(name, rest=True) if category == "option" else contract_ticker(category, name)
                for name in names
            ]
        if call == "recent-trade":
            made = [each for each in self.history if each["s"] in names]
            limit = int(query["limit"])
            return [self._past(each) for each in reversed(made[-limit:])]
        return None

    @staticmethod
    def _past(each: dict[str, Any]) -> dict[str, Any]:
        told = {
            "execId": each["i"], "symbol": each["s"], "price": each["p"], "size": each["v"], "side": each["S"], "time": str(each["T"]),
            "isBlockTrade": each["BT"], "isRPITrade": False, "seq": str(each["seq"]),
        }  # fmt: skip
        return told | {name: each[name] for name in ("mP", "iP", "mIv", "iv") if name in each}
