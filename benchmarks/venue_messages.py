"""Messages of Bybit, OKX and Binance as they send them, for the benchmarks; one print, or one state, a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import orjson

STRIKES = [(strike, right) for strike in range(40_000, 240_000, 1_000) for right in "CP"]
AT_MS = 1_789_939_517_455


class Frames(NamedTuple):
    """Frames of one kind: the channel and payload of each, and how many rows they hold."""

    channels: list[str]
    payloads: list[bytes]
    rows: int


def _made(count: int, one: Callable[[int, float], tuple[str, Any]], per_frame: int = 1) -> Frames:
    prices = np.random.default_rng(7).integers(1, 2_000, count)
    made = [one(at, float(price)) for at, price in enumerate(prices)]
    return Frames(
        [channel for channel, _ in made], [orjson.dumps(body) for _, body in made], count * per_frame
    )


def bybit_symbol(at: int) -> str:
    """The symbol of a frame."""
    strike, right = STRIKES[at % len(STRIKES)]
    return f"BTC-25DEC26-{strike}-{right}-USDT"


def bybit_trades(count: int) -> Frames:
    """Prints of ``publicTrade.BTC``."""

    def one(at: int, price: float) -> tuple[str, Any]:
        data = [{
            "T": AT_MS + at, "s": bybit_symbol(at), "S": "Buy" if at % 2 else "Sell", "v": "0.5", "p": str(price), "i": f"0404c393-8419-5bac-95c3-{at:012d}",
            "BT": False, "mP": "4551.5", "iP": "80808.14", "mIv": "0.455", "iv": "0.4551", "seq": 4_000_000 + at,
        }]  # fmt: skip
        topic = "publicTrade.BTC"
        return f"option/{topic}", {
            "id": f"{topic}-{at}",
            "topic": topic,
            "ts": AT_MS + at,
            "data": data,
            "type": "snapshot",
        }

    return _made(count, one)


def bybit_marks(count: int) -> Frames:
    """Tickers of options."""

    def one(at: int, price: float) -> tuple[str, Any]:
        symbol = bybit_symbol(at)
        data = {
            "symbol": symbol, "bidPrice": "4500", "bidSize": "2.5", "bidIv": "0.45", "askPrice": "4600", "askSize": "1.5", "askIv": "0.46",
            "lastPrice": "4550", "highPrice24h": "4700", "lowPrice24h": "4400", "markPrice": str(price), "indexPrice": "80808.14", "markPriceIv": "0.455",
            "underlyingPrice": "82010.5", "openInterest": "321.5", "turnover24h": "56000", "volume24h": "12.5", "totalVolume": "99",
            "totalTurnover": "1967653", "delta": "0.41", "gamma": "0.00002", "vega": "120.5", "theta": "-40.25", "predictedDeliveryPrice": "0", "change24h": "0.01",
        }  # fmt: skip
        topic = f"tickers.{symbol}"
        return f"option/{topic}", {
            "id": f"{topic}-{at}",
            "topic": topic,
            "ts": AT_MS + at,
            "data": data,
            "type": "snapshot",
        }

    return _made(count, one)


def okx_symbol(at: int) -> str:
    """The symbol of a frame."""
    strike, right = STRIKES[at % len(STRIKES)]
    return f"BTC-USD-261225-{strike}-{right}"


def okx_trades(count: int) -> Frames:
    """Prints of ``trades``."""

    def one(at: int, price: float) -> tuple[str, Any]:
        symbol = okx_symbol(at)
        data = [
            {
                "instId": symbol,
                "tradeId": str(100 + at),
                "px": str(price),
                "sz": "150",
                "side": "buy" if at % 2 else "sell",
                "ts": str(AT_MS + at),
                "count": "1",
            }
        ]
        return f"trades/{symbol}", {"arg": {"channel": "trades", "instId": symbol}, "data": data}

    return _made(count, one)


def okx_marks(count: int) -> Frames:
    """Tickers of options."""

    def one(at: int, price: float) -> tuple[str, Any]:
        symbol = okx_symbol(at)
        data = [{
            "instType": "OPTION", "instId": symbol, "last": str(price), "lastSz": "1", "askPx": "0.046", "askSz": "150", "bidPx": "0.045", "bidSz": "200",
            "open24h": "0.045", "high24h": "0.05", "low24h": "0.04", "sodUtc0": "0.045", "sodUtc8": "0.045", "volCcy24h": "12.5", "vol24h": "1250", "ts": str(AT_MS + at),
        }]  # fmt: skip
        return f"tickers/{symbol}", {"arg": {"channel": "tickers", "instId": symbol}, "data": data}

    return _made(count, one)


def okx_listing() -> bytes:
    """The venue's list of the options above."""
    rows = [
        {
            "instId": okx_symbol(at),
            "instType": "OPTION",
            "ctVal": "1",
            "ctMult": "0.01",
            "ctValCcy": "BTC",
            "expTime": "1798185600000",
            "tickSz": "0.0001",
        }
        for at in range(len(STRIKES))
    ]
    return orjson.dumps({"code": "0", "msg": "", "data": rows})


def binance_symbol(at: int) -> str:
    """The symbol of a frame."""
    strike, right = STRIKES[at % len(STRIKES)]
    return f"BTC-261225-{strike}-{right}"


def binance_trades(count: int) -> Frames:
    """Prints of ``optionTrade``."""

    def one(at: int, price: float) -> tuple[str, Any]:
        data = {
            "e": "trade", "E": AT_MS + at, "T": AT_MS + at, "s": binance_symbol(at), "t": 100 + at, "p": str(price), "q": "0.50", "X": "MARKET",
            "S": "BUY" if at % 2 else "SELL", "m": not at % 2,
        }  # fmt: skip
        return "public/btcusdt@optionTrade", {"stream": "btcusdt@optionTrade", "data": data}

    return _made(count, one)


def binance_marks(count: int, per_frame: int = 20) -> Frames:
    """Marks of ``optionMarkPrice``, many options a frame as the venue sends them."""

    def one(at: int, price: float) -> tuple[str, Any]:
        data = [
            {
                "s": binance_symbol(at * per_frame + leg), "mp": str(price), "E": AT_MS + at, "e": "markPrice", "i": "80808.14", "P": "0.000", "bo": "4500.0",
                "ao": "4600.0", "bq": "2.50", "aq": "1.50", "b": "0.45", "a": "0.46", "hl": "9000.0", "ll": "5.0", "vo": "0.455", "rf": "0.0", "d": "0.41",
                "t": "-40.25", "g": "0.00002", "v": "120.5",
            }
            for leg in range(per_frame)
        ]  # fmt: skip
        return "market/btcusdt@optionMarkPrice", {"stream": "btcusdt@optionMarkPrice", "data": data}

    return _made(max(1, count // per_frame), one, per_frame)


def binance_listing() -> bytes:
    """The venue's list of the options above."""
    rows = [
        {
            "symbol": binance_symbol(at),
            "underlying": "BTCUSDT",
            "unit": 1,
            "expiryDate": 1_798_185_600_000,
            "filters": [],
        }
        for at in range(len(STRIKES))
    ]
    return orjson.dumps({"optionSymbols": rows})
