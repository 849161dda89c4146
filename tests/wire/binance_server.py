"""A local server that speaks Binance's options, futures and spot REST and combined streams, and misbehaves on command.

Hand-written instruments and messages after the venue's public documentation.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from aiohttp import web

from tests.wire.venue_server import VenueServer

CALL, PUT, UNITS = "BTC-261225-100000-C", "BTC-261225-100000-P", "XRP-261225-2.05-P"
PERPETUAL, FUTURE, SPOT = "BTCUSDT", "BTCUSDT_261225", "BTCUSDT"
EXPIRY_MS, FOREVER_MS = 1_798_185_600_000, 4_133_404_800_000


def option_listing(symbol: str) -> dict[str, Any]:
    """An option as ``exchangeInfo`` gives it."""
    coin, _, strike, right = symbol.split("-")
    return {
        "symbol": symbol, "underlying": f"{coin}USDT", "unit": 100 if coin == "XRP" else 1, "quoteAsset": "USDT", "expiryDate": EXPIRY_MS,
        "strikePrice": strike, "side": "CALL" if right == "C" else "PUT", "priceScale": 3, "quantityScale": 2, "status": "TRADING",
        "filters": [{"filterType": "PRICE_FILTER", "minPrice": "5", "maxPrice": "99999", "tickSize": "5"}, {"filterType": "LOT_SIZE", "stepSize": "0.01"}],
    }  # fmt: skip


def listing(symbol: str) -> dict[str, Any]:
    """A future or pair as ``exchangeInfo`` gives it."""
    return {
        "symbol": symbol, "pair": "BTCUSDT", "contractType": "CURRENT_QUARTER" if symbol == FUTURE else "PERPETUAL", "status": "TRADING",
        "deliveryDate": EXPIRY_MS if symbol == FUTURE else FOREVER_MS, "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT",
        "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}, {"filterType": "MAX_NUM_ORDERS", "limit": 200}],
    }  # fmt: skip


def option_mark(symbol: str, **fields: str) -> dict[str, Any]:
    """State of an option as ``optionMarkPrice`` gives it."""
    return {
        "s": symbol, "mp": "4551.5", "E": 1789939517455, "e": "markPrice", "i": "80808.14", "P": "0.000", "bo": "4500.0", "ao": "4600.0", "bq": "2.50",
        "aq": "0.00", "b": "0.45", "a": "-1.0", "hl": "9000.0", "ll": "5.0", "vo": "0.455", "rf": "0.0", "d": "0.41", "t": "-40.25", "g": "0.00002",
        "v": "120.5",
    } | fields  # fmt: skip


class BinanceServer(VenueServer):
    """Binance, its three REST hosts and its sockets on one port."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self._counts: dict[str, itertools.count[int]] = {}

    @property
    def urls(self) -> dict[str, str]:
        """Addresses as the feed takes them."""
        http, ws = f"http://127.0.0.1:{self.port}", f"ws://127.0.0.1:{self.port}"
        return {
            "eapi": f"{http}/eapi/v1", "fapi": f"{http}/fapi/v1", "api": f"{http}/api/v3", "public": f"{ws}/public/stream",
            "market": f"{ws}/market/stream", "spot": f"{ws}/stream",
        }  # fmt: skip

    def trade(self, symbol: str = CALL, **fields: Any) -> dict[str, Any]:
        """The next print of an instrument, into the venue's history."""
        number, now = next(self._counts.setdefault(symbol, itertools.count(101))), time.time_ns() // 1_000_000
        bought = bool(number % 2)
        if "-" in symbol:
            made = {
                "e": "trade", "E": now, "T": now, "s": symbol, "t": number, "p": "4550.000", "q": "0.50", "X": "MARKET",
                "S": "BUY" if bought else "SELL", "m": not bought,
            }  # fmt: skip
        else:
            made = {
                "e": "aggTrade", "E": now, "s": symbol, "a": number, "p": "80800.10", "q": "0.014", "f": number, "l": number, "T": now, "m": not bought,
            }  # fmt: skip
        self.history.append(made | fields)
        return self.history[-1]

    async def prints(
        self, *made: dict[str, Any], door: str = "public", stream: str = "btcusdt@optionTrade"
    ) -> int:
        """Push prints, one a message as the venue does."""
        return sum([await self.data(door, stream, each) for each in made])

    async def data(self, door: str, stream: str, data: Any) -> int:
        """Push what a stream carries."""
        return await self.push(f"{door}/{stream}", {"stream": stream, "data": data})

    async def told(self, socket: web.WebSocketResponse, path: str, channels: set[str], text: str) -> None:
        asked = json.loads(text)
        bad = [name for name in asked["params"] if name in self.refused]
        if bad:
            said = {
                "error": {"code": 2, "msg": f"Invalid request: invalid stream {bad[0]}"},
                "id": asked["id"],
            }
        else:
            door = path.partition("/")[0] if "/" in path else "spot"
            channels.update(f"{door}/{name}" for name in asked["params"])
            said = {"result": None, "id": asked["id"]}
        await socket.send_str(json.dumps(said))

    def answer(self, path: str, query: dict[str, str]) -> Any:
        symbol, coin = query.get("symbol", ""), query.get("underlyingAsset", "")
        names = [CALL, PUT, UNITS]
        made = {
            "api/v3/time": lambda: {"serverTime": time.time_ns() // 1_000_000 + self.ahead_ms},
            "eapi/v1/exchangeInfo": lambda: {"timezone": "UTC", "serverTime": 1, "optionContracts": [], "optionAssets": [], "optionSymbols": [option_listing(name) for name in names]},
            "eapi/v1/mark": lambda: [
                {"symbol": name, "markPrice": "4551.5", "bidIV": "0.45", "askIV": "-1", "markIV": "0.455", "delta": "0.41", "theta": "-40.25", "gamma": "0.00002", "vega": "120.5", "highPriceLimit": "1", "lowPriceLimit": "1", "riskFreeInterest": "0.1"}
                for name in names
            ],
            "eapi/v1/ticker": lambda: [self._day(name) for name in names],
            "eapi/v1/openInterest": lambda: [
                {"symbol": name, "sumOpenInterest": "321.5", "sumOpenInterestUsd": "1", "timestamp": "1789939517455"} for name in names if name.startswith(coin)
            ],
            "eapi/v1/trades": lambda: [self._past(each) for each in self.history if each["s"] == symbol][-int(query.get("limit", 100)) :],
            "fapi/v1/exchangeInfo": lambda: {"timezone": "UTC", "rateLimits": [], "symbols": [listing(name) for name in (PERPETUAL, FUTURE)]},
            "fapi/v1/premiumIndex": lambda: {"symbol": symbol, "markPrice": "80810", "indexPrice": "80808", "lastFundingRate": "0.0001", "nextFundingTime": 1, "time": 1789939517455},
            "fapi/v1/openInterest": lambda: {"symbol": symbol, "openInterest": "1000.5", "time": 1789939517455},
            "fapi/v1/ticker/bookTicker": lambda: self._book(symbol),
            "fapi/v1/aggTrades": lambda: self._aggregate(query),
            "api/v3/exchangeInfo": lambda: {"timezone": "UTC", "symbols": [listing(SPOT)] if symbol == SPOT else []},
            "api/v3/ticker/bookTicker": lambda: self._book(symbol),
            "api/v3/aggTrades": lambda: self._aggregate(query),
        }  # fmt: skip
        return made[path]() if path in made else None

    @staticmethod
    def _book(symbol: str) -> dict[str, Any]:
        return {
            "symbol": symbol,
            "bidPrice": "80800",
            "bidQty": "2",
            "askPrice": "80810",
            "askQty": "3",
            "time": 1789939517455,
        }

    def _day(self, symbol: str) -> dict[str, Any]:
        mine = [each for each in self.history if each["s"] == symbol]
        return {
            "symbol": symbol, "lastPrice": "4550", "bidPrice": "4500", "askPrice": "4600", "volume": "12.5", "tradeCount": len(mine),
            "closeTime": mine[-1]["T"] if mine else 0, "openTime": 0, "firstTradeId": 101, "strikePrice": "100000",
        }  # fmt: skip

    @staticmethod
    def _past(each: dict[str, Any]) -> dict[str, Any]:
        sign = 1 if each["S"] == "BUY" else -1
        return {
            "id": str(each["t"]),
            "symbol": each["s"],
            "price": each["p"],
            "qty": str(sign * float(each["q"])),
            "quoteQty": "1",
            "side": sign,
            "time": each["T"],
        }

    def _aggregate(self, query: dict[str, str]) -> list[dict[str, Any]]:
        mine = [each for each in self.history if each["s"] == query["symbol"]]
        if "fromId" in query:
            mine = [each for each in mine if each["a"] >= int(query["fromId"])]
        else:
            mine = [each for each in mine if int(query["startTime"]) <= each["T"] <= int(query["endTime"])]
        return [
            {name: each[name] for name in ("a", "p", "q", "f", "l", "T", "m")}
            for each in mine[: int(query["limit"])]
        ]
