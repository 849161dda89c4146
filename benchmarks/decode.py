"""Decoding Deribit's prints and tickers: ours against orjson with dicts, and against one object per message.

All ways end in the same columns (time, instrument, price, size, side; or the ticker's marks), in one run on one core:

* ``deribit.decode``: frames to conformed tables, validated, with every column of the table;
* ``orjson + dict``: orjson, then a tuple of the wanted fields per message into a NumPy structured array;
* ``object per message``: the way of cryptofeed: json, a lookup of the symbol, a Decimal per number, an object per print.

Run: ``python benchmarks/decode.py [messages]``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pandas as pd

from workstation.feeds.deribit.decode import decode

NAMES = [f"BTC-25DEC26-{strike}-{right}" for strike in range(40_000, 240_000, 1_000) for right in "CP"]
REPEATS = 9
BATCH = 1_000


def frame(channel: str, data: Any) -> bytes:
    """A pushed frame."""
    return orjson.dumps(
        {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    )


def prints(count: int, rng: np.random.Generator) -> list[bytes]:
    """One print a frame, the fields the venue sends."""
    return [
        frame("trades.option.BTC.100ms", [{
            "trade_seq": 1 + at // len(NAMES), "trade_id": str(400_000_000 + at), "timestamp": 1_789_939_517_455 + at,
            "tick_direction": 2, "price": float(price), "mark_price": 0.0455, "iv": 45.5, "index_price": 80808.14,
            "instrument_name": NAMES[at % len(NAMES)], "direction": "buy" if at % 2 else "sell", "amount": 1.5,
            "contracts": 1.5,
        }])
        for at, price in enumerate(rng.integers(1, 2_000, count) / 10_000)
    ]  # fmt: skip


def tickers(count: int, rng: np.random.Generator) -> list[bytes]:
    """One ticker a frame, the fields the venue sends."""
    return [
        frame(f"ticker.{NAMES[at % len(NAMES)]}.100ms", {
            "timestamp": 1_789_939_517_455 + at, "instrument_name": NAMES[at % len(NAMES)], "state": "open",
            "stats": {"high": 0.05, "low": 0.04, "price_change": 1.5, "volume": 12.5, "volume_usd": 45000.0},
            "greeks": {"delta": 0.41, "gamma": 0.00002, "vega": 120.5, "theta": -40.25, "rho": 55.0},
            "index_price": 80808.14, "last_price": 0.045, "settlement_price": 0.044, "min_price": 0.02,
            "max_price": 0.09, "open_interest": 321.5, "mark_price": float(mark), "interest_rate": 0.0,
            "best_ask_price": 0.046, "best_bid_price": 0.045, "mark_iv": 45.5, "bid_iv": 45.0, "ask_iv": 46.0,
            "underlying_price": 82010.5, "underlying_index": "BTC-25DEC26", "best_ask_amount": 10.5,
            "best_bid_amount": 20.0, "estimated_delivery_price": 80808.14,
        })
        for at, mark in enumerate(rng.integers(1, 2_000, count) / 10_000)
    ]  # fmt: skip


def ours(payloads: list[bytes]) -> int:
    """Frames to tables, in batches."""
    rows = 0
    for start in range(0, len(payloads), BATCH):
        part = payloads[start : start + BATCH]
        rows += sum(len(batch.frame) for batch in decode(pd.DataFrame({"payload": part})))
    return rows


_PRINT = np.dtype([("time", "i8"), ("instrument", "i4"), ("price", "f8"), ("size", "f8"), ("side", "i1")])
_MARK = np.dtype([("time", "i8"), ("instrument", "i4"), *((name, "f8") for name in ("bid", "ask", "bid_size", "ask_size", "mark", "bid_iv", "ask_iv", "mark_iv", "oi", "forward", "index", "delta", "gamma", "vega", "theta", "rho"))])  # fmt: skip
_IDS = {name: at for at, name in enumerate(NAMES)}


def orjson_prints(payloads: list[bytes]) -> int:
    """orjson, a tuple a print."""
    found = [
        (trade["timestamp"], _IDS[trade["instrument_name"]], trade["price"], trade["amount"], 1 if trade["direction"] == "buy" else -1)
        for payload in payloads
        for trade in orjson.loads(payload)["params"]["data"]
    ]  # fmt: skip
    return len(np.array(found, dtype=_PRINT))


def orjson_tickers(payloads: list[bytes]) -> int:
    """orjson, a tuple a ticker."""
    found = []
    for payload in payloads:
        data = orjson.loads(payload)["params"]["data"]
        greeks = data["greeks"]
        found.append((
            data["timestamp"], _IDS[data["instrument_name"]], data["best_bid_price"], data["best_ask_price"],
            data["best_bid_amount"], data["best_ask_amount"], data["mark_price"], data["bid_iv"] / 100,
            data["ask_iv"] / 100, data["mark_iv"] / 100, data["open_interest"], data["underlying_price"],
            data["index_price"], greeks["delta"], greeks["gamma"], greeks["vega"] * 100, greeks["theta"] * 365,
            greeks["rho"] * 100,
        ))  # fmt: skip
    return len(np.array(found, dtype=_MARK))


@dataclass
class Print:
    """A print as an object."""

    symbol: str
    side: str
    amount: Decimal
    price: Decimal
    timestamp: float
    id: str


@dataclass
class Ticker:
    """A ticker as an object."""

    symbol: str
    bid: Decimal
    ask: Decimal
    mark: Decimal
    iv: Decimal
    interest: Decimal
    greeks: dict[str, Decimal]
    timestamp: float


_SYMBOLS = {name: f"BTC-USD-{name}" for name in NAMES}


def object_prints(payloads: list[bytes]) -> int:
    """json with Decimals, an object a print."""
    found = []
    for payload in payloads:
        for trade in json.loads(payload, parse_float=Decimal)["params"]["data"]:
            found.append(  # noqa: PERF401 - the way that is measured
                Print(_SYMBOLS[trade["instrument_name"]], trade["direction"], Decimal(trade["amount"]), Decimal(trade["price"]), trade["timestamp"] / 1000, trade["trade_id"])
            )  # fmt: skip
    return len(found)


def object_tickers(payloads: list[bytes]) -> int:
    """json with Decimals, an object a ticker."""
    found = []
    for payload in payloads:
        data = json.loads(payload, parse_float=Decimal)["params"]["data"]
        found.append(
            Ticker(_SYMBOLS[data["instrument_name"]], Decimal(data["best_bid_price"]), Decimal(data["best_ask_price"]), Decimal(data["mark_price"]), Decimal(data["mark_iv"]), Decimal(data["open_interest"]), data["greeks"], data["timestamp"] / 1000)
        )  # fmt: skip
    return len(found)


def rate(decoder: Callable[[list[bytes]], int], payloads: list[bytes]) -> float:
    """Messages per second, best of the repeats: what the machine gives when it is left alone."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        if decoder(payloads) != len(payloads):
            raise RuntimeError(f"{decoder.__name__} lost messages")
        times.append(time.perf_counter() - start)
    return len(payloads) / min(times)


def main(count: int) -> None:
    """Print the table."""
    rng = np.random.default_rng(7)
    print(f"{count} messages, batches of {BATCH}, best of {REPEATS}")
    print(f"{'':10}{'way':24}{'messages/s':>14}{'ratio':>9}")
    ways: dict[str, tuple[list[bytes], dict[str, Callable[[list[bytes]], int]]]] = {
        "prints": (prints(count, rng), {"deribit.decode": ours, "orjson + dict": orjson_prints, "object per message": object_prints}),
        "tickers": (tickers(count, rng), {"deribit.decode": ours, "orjson + dict": orjson_tickers, "object per message": object_tickers}),
    }  # fmt: skip
    for what, (payloads, decoders) in ways.items():
        rates = {name: rate(decoder, payloads) for name, decoder in decoders.items()}
        for name, per_second in rates.items():
            print(f"{what:10}{name:24}{per_second:14,.0f}{rates['deribit.decode'] / per_second:8.2f}x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
