"""A local server that speaks OKX's v5 REST and public websockets, and misbehaves on command.

Hand-written instruments and messages after the venue's public documentation.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from aiohttp import web

from tests.wire.venue_server import VenueServer

CALL, PUT = "BTC-USD-261225-100000-C", "BTC-USD-261225-100000-P"
SWAP, LINEAR, FUTURE, SPOT = "BTC-USD-SWAP", "BTC-USDT-SWAP", "BTC-USD-261225", "BTC-USDT"
EXPIRY_MS = 1_798_185_600_000
_KINDS = {"OPTION": (CALL, PUT), "SWAP": (SWAP, LINEAR), "FUTURES": (FUTURE,), "SPOT": (SPOT,)}
_SIZES = {
    CALL: ("1", "0.01", "BTC"), PUT: ("1", "0.01", "BTC"), SWAP: ("100", "1", "USD"), FUTURE: ("100", "1", "USD"),
    LINEAR: ("0.01", "1", "BTC"), SPOT: ("", "", ""),
}  # fmt: skip


def listing(symbol: str) -> dict[str, str]:
    """An instrument as ``public/instruments`` gives it."""
    kind = next(kind for kind, names in _KINDS.items() if symbol in names)
    ct_val, ct_mult, currency = _SIZES[symbol]
    return {
        "instId": symbol, "instType": kind, "instFamily": "-".join(symbol.split("-")[:2]), "uly": "", "ctVal": ct_val, "ctMult": ct_mult,
        "ctValCcy": currency, "settleCcy": "BTC" if "USD-" in symbol else "USDT", "state": "live", "tickSz": "0.0001", "lotSz": "1",
        "expTime": str(EXPIRY_MS) if kind in ("OPTION", "FUTURES") else "", "stk": "100000" if kind == "OPTION" else "", "alias": "",
    }  # fmt: skip


def ticker(symbol: str, **fields: str) -> dict[str, str]:
    """State of an instrument as ``tickers`` gives it."""
    option = symbol in (CALL, PUT)
    price = "0.0455" if option else "80800"
    return {
        "instType": "OPTION" if option else "SWAP", "instId": symbol, "last": price, "lastSz": "1", "askPx": "0.046" if option else "80810",
        "askSz": "150", "bidPx": "0.045" if option else "80800", "bidSz": "", "open24h": price, "high24h": price, "low24h": price,
        "sodUtc0": price, "sodUtc8": price, "volCcy24h": "12.5", "vol24h": "1250", "ts": "1789939517455",
    } | fields  # fmt: skip


def summary(symbol: str, **fields: str) -> dict[str, str]:
    """Vols and greeks of an option."""
    return {
        "instType": "OPTION", "instId": symbol, "uly": "BTC-USD", "delta": "0.36", "gamma": "1.4", "vega": "0.0015", "theta": "-0.0005",
        "lever": "22", "markVol": "0.455", "bidVol": "0.45", "askVol": "", "realVol": "", "deltaBS": "0.41", "gammaBS": "0.00002",
        "vegaBS": "120.5", "thetaBS": "-40.25", "fwdPx": "82010.5", "volLv": "0.45", "ts": "1789939517455",
    } | fields  # fmt: skip


class OKXServer(VenueServer):
    """OKX."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.page = 100
        self._counts: dict[str, itertools.count[int]] = {}

    @property
    def urls(self) -> dict[str, str]:
        """Addresses as the feed takes them."""
        return {"rest": f"http://127.0.0.1:{self.port}", "ws": f"ws://127.0.0.1:{self.port}/ws/v5"}

    def trade(self, symbol: str = CALL, **fields: Any) -> dict[str, Any]:
        """The next print of an instrument, into the venue's history."""
        number = next(self._counts.setdefault(symbol, itertools.count(101)))
        made = {
            "instId": symbol, "tradeId": str(number), "px": "0.045" if symbol in (CALL, PUT) else "80800", "sz": "150",
            "side": "buy" if number % 2 else "sell", "ts": str(time.time_ns() // 1_000_000),
        }  # fmt: skip
        if symbol in (CALL, PUT):
            made |= {
                "fillVol": "0.4551",
                "fwdPx": "82010.5",
                "idxPx": "80808.1",
                "markPx": "0.0455",
                "optType": "C",
                "instFamily": "BTC-USD",
            }
        self.history.append(made | fields)
        return self.history[-1]

    async def prints(self, *made: dict[str, Any], channel: str = "option-trades/BTC-USD") -> int:
        """Push prints in one message."""
        return await self.data(channel, *made)

    async def data(self, channel: str, *items: Any) -> int:
        """Push items of a channel."""
        return await self.push(channel, {"arg": self.argument(channel), "data": list(items)})

    @staticmethod
    def argument(channel: str) -> dict[str, str]:
        """What the venue echoes of a channel."""
        name, _, what = channel.partition("/")
        key = (
            "instFamily"
            if name in ("option-trades", "opt-summary")
            else "instType"
            if name == "liquidation-orders"
            else "instId"
        )
        return {"channel": name, **({"instType": "OPTION"} if name == "option-trades" else {}), key: what}

    async def notice(self) -> None:
        """Announce that the sockets will be closed."""
        said = {
            "event": "notice",
            "code": "64008",
            "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
            "connId": "a",
        }
        await self.push_raw(json.dumps(said).encode())

    async def told(self, socket: web.WebSocketResponse, path: str, channels: set[str], text: str) -> None:
        if text == "ping":
            await socket.send_str("pong")
            return
        for argument in json.loads(text)["args"]:
            what = argument.get("instId") or argument.get("instFamily") or argument.get("instType")
            channel = f"{argument['channel']}/{what}"
            if self._exists(path, argument, channel):
                channels.add(channel)
                said = {"event": "subscribe", "arg": argument, "connId": "a4d3ae55"}
            else:
                reason = f"Wrong URL or channel:{argument['channel']},instId:{what} doesn't exist. Please use the correct URL, channel and parameters referring to API document."
                said = {"event": "error", "code": "60018", "msg": reason, "connId": "a4d3ae55"}
            await socket.send_str(json.dumps(said))

    def _exists(self, path: str, argument: dict[str, str], channel: str) -> bool:
        business = argument["channel"] == "trades-all"
        if channel in self.refused or path.endswith("business") != business:
            return False
        known = {name for names in _KINDS.values() for name in names} | {"BTC-USD"}
        return argument.get("instId", "BTC-USD") in known

    def answer(self, path: str, query: dict[str, str]) -> Any:
        if path == "api/v5/public/time":
            return {
                "code": "0",
                "msg": "",
                "data": [{"ts": str(time.time_ns() // 1_000_000 + self.ahead_ms)}],
            }
        found = self._rows(path.removeprefix("api/v5/"), query)
        if found is None:
            return {"code": "51000", "msg": "Parameter error", "data": []}
        return {"code": "0", "msg": "", "data": found}

    def _rows(self, call: str, query: dict[str, str]) -> list[Any] | None:
        names = [
            name for name in _KINDS.get(query.get("instType", ""), ()) if query.get("instId") in (None, name)
        ]
        family = query.get("instFamily", "")
        names = [name for name in names if name.startswith(f"{family}-") or not family]
        if call == "public/instruments":
            return [listing(name) for name in names]
        if call in ("public/option-trades", "market/history-trades"):
            return self._past(call, query)
        if call == "market/index-tickers":
            return [{"instId": query["instId"], "idxPx": "80808.14", "ts": "1789939517455"}]
        if call == "market/ticker":
            return [ticker(query["instId"])]
        made = {
            "market/tickers": ticker, "public/opt-summary": summary,
            "public/mark-price": lambda name: {"instType": "OPTION", "instId": name, "markPx": "0.0455" if name in (CALL, PUT) else "80805", "ts": "1789939517455"},
            "public/open-interest": lambda name: {"instType": "OPTION", "instId": name, "oi": "32150", "oiCcy": "321.5", "oiUsd": "1", "ts": "1789939517455"},
        }  # fmt: skip
        if call == "public/opt-summary":
            names = [CALL, PUT] if family == "BTC-USD" else []
        return [made[call](name) for name in names] if call in made else None

    def _past(self, call: str, query: dict[str, str]) -> list[dict[str, Any]]:
        if call == "public/option-trades":
            return [each for each in reversed(self.history) if each["instId"] in (CALL, PUT)][: self.page]
        key = "tradeId" if query["type"] == "1" else "ts"
        mine = [each for each in reversed(self.history) if each["instId"] == query["instId"]]
        older = [each for each in mine if int(each[key]) < int(query["after"])][: self.page]
        return [
            {name: each[name] for name in ("instId", "tradeId", "px", "sz", "side", "ts")} for each in older
        ]
