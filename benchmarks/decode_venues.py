"""Decoding prints and marks of Bybit, OKX and Binance: ours against ccxt's handlers and an object per message.

Every way begins with the bytes of a frame and ends with what its users work with:

* ``decode``: the frame's channel and a conformed table with every column, validated, in batches;
* ``ccxt``: ``json.loads`` (orjson where ccxt finds it) and ``handle_message`` of ccxt.pro with the markets loaded: unified dicts in its caches;
* ``object per message``: the way of cryptofeed: json, a Decimal per number, an object per print or ticker.

The ways run in turn within each repeat, measured in CPU time of the process; the ratio is that of the best repeats.

Run: ``python benchmarks/decode_venues.py [messages]``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import ccxt.pro
import numpy as np
import pandas as pd
import venue_messages as made

from workstation.feeds.binance.decode import decode as binance
from workstation.feeds.binance.decode import stream_of
from workstation.feeds.bybit.decode import decode as bybit
from workstation.feeds.bybit.decode import topic_of
from workstation.feeds.okx.decode import channel_of
from workstation.feeds.okx.decode import decode as okx

REPEATS, BATCH = 7, 2_000
"""Frames of a batch: what gathers in 20 ms at 100 000 messages/s."""


class Venue(NamedTuple):
    """A venue's decoder, its list of instruments, the name of a frame's channel, and its prints and marks."""

    decode: Callable[[pd.DataFrame], Any]
    listing: tuple[str, bytes] | None
    channel_of: Callable[[bytes], str]
    symbol: Callable[[int], str]
    frames: dict[str, Callable[[int], made.Frames]]


VENUES = {
    "bybit": Venue(
        bybit, None, lambda payload: f"option/{topic_of(payload)}", made.bybit_symbol,
        {"prints": made.bybit_trades, "marks": made.bybit_marks},
    ),
    "okx": Venue(
        okx, ("GET api/v5/public/instruments?x", made.okx_listing()), channel_of, made.okx_symbol,
        {"prints": made.okx_trades, "marks": made.okx_marks},
    ),
    "binance": Venue(
        binance, ("GET eapi/v1/exchangeInfo", made.binance_listing()), lambda payload: f"public/{stream_of(payload)}", made.binance_symbol,
        {"prints": made.binance_trades, "marks": made.binance_marks},
    ),
}  # fmt: skip


def ours(venue: Venue, frames: made.Frames) -> int:
    """Frames to tables, in batches, their channels named as the feed does when they come."""
    rows = 0
    for start in range(0, len(frames.payloads), BATCH):
        part = frames.payloads[start : start + BATCH]
        payload = np.empty(len(part), dtype=object)
        payload[:] = part
        channels = pd.Categorical([venue.channel_of(one) for one in part])
        batches = venue.decode(pd.DataFrame({"payload": payload, "channel": channels}, copy=False))
        rows += sum(len(batch.frame) for batch in batches)
    return rows


class _Client:
    """What ccxt's handlers ask of a socket."""

    def __init__(self, url: str) -> None:
        self.url, self.subscriptions, self.futures, self.keepAlive, self.lastPong = url, {}, {}, 0, 0

    def resolve(self, result: Any, message_hash: Any) -> Any:
        """Nobody waits."""
        return result


def exchange(name: str, symbol: Callable[[int], str]) -> Any:
    """ccxt's exchange with the options of the messages among its markets."""
    found = getattr(ccxt.pro, name)()
    markets = []
    for at, (strike, right) in enumerate(made.STRIKES):
        settle = "BTC" if name == "okx" else "USDT"
        quote = "USD" if name == "okx" else "USDT"
        unified = f"BTC/{quote}:{settle}-261225-{strike}-{right}"
        markets.append(
            found.safe_market_structure(
                {
                    "id": symbol(at), "lowercaseId": symbol(at).lower(), "symbol": unified, "base": "BTC", "quote": quote, "settle": settle, "baseId": "BTC", "quoteId": quote,
                    "settleId": settle, "type": "option", "option": True, "spot": False, "swap": False, "future": False, "contract": True,
                    "linear": name != "okx", "inverse": name == "okx", "contractSize": 1.0, "strike": float(strike), "active": True,
                    "optionType": "call" if right == "C" else "put", "precision": {"amount": 0.01, "price": 0.0001}, "info": {},
                }
            )
        )  # fmt: skip
    found.set_markets(markets)
    return found


_URLS = {
    "bybit": "wss://stream.bybit.com/v5/public/option", "okx": "wss://ws.okx.com:8443/ws/v5/public",
    "binance": "wss://fstream.binance.com/public/ws",
}  # fmt: skip


def theirs(found: Any, url: str, frames: made.Frames) -> int:
    """Frames to ccxt's caches; of Binance without the wrapping of combined streams, which ccxt's own addresses do not send."""
    client = _Client(url)
    payloads = frames.payloads
    if found.id == "binance":
        payloads = [payload[payload.index(b'"data":') + 7 : -1] for payload in payloads]
    for payload in payloads:
        found.handle_message(client, found.parse_json(payload.decode()))
    return frames.rows


class _Object:
    """A print or ticker as an object."""

    __slots__ = ("numbers", "symbol", "timestamp")

    def __init__(self, symbol: str, numbers: list[Decimal], timestamp: float) -> None:
        self.symbol, self.numbers, self.timestamp = symbol, numbers, timestamp


_NAMES, _TIMES = ("s", "symbol", "instId"), ("T", "E", "ts")
_NUMBERS = frozenset({
    "p", "v", "q", "px", "sz", "bidPrice", "askPrice", "markPrice", "markPriceIv", "openInterest", "delta", "gamma", "vega", "theta", "bidPx", "askPx",
    "last", "mp", "vo", "d", "g", "t", "bo", "ao",
})  # fmt: skip


def objects(frames: made.Frames) -> int:
    """json with Decimals, an object a print or ticker."""
    found: list[_Object] = []
    for payload in frames.payloads:
        message = json.loads(payload, parse_float=Decimal)
        data = message["data"]
        for each in data if isinstance(data, list) else [data]:
            symbol = next(each[name] for name in _NAMES if name in each)
            at = next((each[name] for name in _TIMES if name in each), message.get("ts", 0))
            numbers = [Decimal(value) for name, value in each.items() if name in _NUMBERS]
            found.append(_Object(f"BTC-{symbol}", numbers, int(at) / 1000))
    return len(found)


def best(ways: dict[str, Callable[[], int]], rows: int) -> dict[str, float]:
    """CPU seconds of each way, the best of the repeats, the ways in turn."""
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(REPEATS):
        for name, way in ways.items():
            start = time.process_time()
            if way() != rows:
                raise RuntimeError(f"{name} lost messages")
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


def main(count: int) -> None:
    """Print the table."""
    print(
        f"{count} rows each, batches of {BATCH} frames, best of {REPEATS}, CPU time, ccxt {ccxt.__version__}"
    )
    print(
        f"{'venue':9}{'':8}{'ours, rows/s':>14}{'ccxt':>10}{'ours/ccxt':>11}{'objects':>10}{'ours/objects':>14}"
    )
    for name, venue in VENUES.items():
        if venue.listing is not None:
            channel, payload = venue.listing
            venue.decode(pd.DataFrame({"payload": [payload], "channel": [channel]}))
        found = exchange(name, venue.symbol)
        for what, frames_of in venue.frames.items():
            frames = frames_of(count)
            ways = {
                "ours": lambda venue=venue, frames=frames: ours(venue, frames),
                "ccxt": lambda found=found, name=name, frames=frames: theirs(found, _URLS[name], frames),
                "objects": lambda frames=frames: objects(frames),
            }
            seconds = best(ways, frames.rows)
            rates = {way: frames.rows / spent for way, spent in seconds.items()}
            ratio = rates["ours"] / rates["ccxt"]
            print(
                f"{name:9}{what:8}{rates['ours']:14,.0f}{rates['ccxt']:10,.0f}{ratio:10.1f}x{rates['objects']:10,.0f}"
                f"{rates['ours'] / rates['objects']:13.1f}x"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8_000)
