"""Rows per second over Redis Streams: batches of 1 000 trades through publish, read and decode, beside Redis with the same bytes alone.

A redis-server of its own is started on a free port. Each stage is timed by itself on one core, then the whole; the ratio says what
of the time is Redis' and its client's.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import numpy as np
import pandas as pd
import redis

from workstation.bus.entries import Entry, blob_of
from workstation.bus.feed import Bus
from workstation.bus.sink import BusSink
from workstation.market.tables import TRADES

ROWS, BATCHES = 1_000, 2_000


@contextmanager
def server() -> Iterator[int]:
    """A Redis server on a free port."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("no redis-server; run scripts/system_packages.sh")
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30.0
            while True:
                try:
                    redis.Redis(port=port).ping()
                    break
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def batches() -> list[pd.DataFrame]:
    """Numbered trades of eight instruments, ten different batches."""
    draw = np.random.default_rng(7)
    made = []
    for one in range(10):
        rows = {
            "event_ns": 10**18 + one * 10**9 + np.sort(draw.integers(0, 10**9, ROWS)),
            "instrument": draw.choice([f"BTC/USD:BTC-26{month:02d}25-100000-C" for month in range(1, 9)], ROWS),
            "price": draw.random(ROWS), "size": draw.random(ROWS), "side": draw.choice([-1, 1], ROWS),
            "trade_id": draw.integers(10**9, 10**10, ROWS).astype(str), "venue": "deribit",
        }  # fmt: skip
        made.append(TRADES.numbered(pd.DataFrame(rows), 1 + one * ROWS))
    return made


async def drained(feed: Bus, rows: int) -> None:
    """Read so many rows."""
    seen = 0
    await feed.connect()
    async with aclosing(feed.batches()) as found:  # type: ignore[type-var]
        async for batch in found:
            seen += len(batch.frame)
            if seen >= rows:
                break
    await feed.close()


def told(what: str, seconds: float) -> float:
    """Print a rate."""
    rate = ROWS * BATCHES / seconds
    print(f"{what:32} {rate / 1e6:8.2f} M rows/s")
    return rate


def main() -> None:
    """Time every stage."""
    frames = batches()
    began = time.perf_counter()
    blobs = [blob_of("trades", frames[one % 10]) for one in range(BATCHES)]
    told("encode", time.perf_counter() - began)
    print(f"{'bytes a row':32} {len(blobs[0]) / ROWS:8.1f}")
    began = time.perf_counter()
    for one in range(BATCHES):
        Entry("trades", blobs[one], ROWS, 1, one, 0).frame()
    told("decode", time.perf_counter() - began)
    with server() as port:
        url = f"redis://127.0.0.1:{port}/0"
        client = redis.Redis(port=port)
        began = time.perf_counter()
        pipe: Any = client.pipeline(transaction=False)
        for one in range(BATCHES):
            pipe.xadd("plain", {"b": blobs[one]}, maxlen=50_000)
            if one % 64 == 63:
                pipe.execute()
        pipe.execute()
        last, read = "0-0", 0
        while read < BATCHES:
            entries = client.xrange("plain", f"({last}" if read else "-", count=64)
            last, read = entries[-1][0].decode(), read + len(entries)
        plain = told("Redis alone, write and read", time.perf_counter() - began)
        sink = BusSink(url, waiting=BATCHES)
        sink.start()
        began = time.perf_counter()
        for one in range(BATCHES):
            sink.put("trades", frames[one % 10])
        sink.close()
        told("publish (encode, send)", time.perf_counter() - began)
        again = time.perf_counter()
        # batches repeat their numbers here: the feed numbers entries, the hub is not in the way
        asyncio.run(drained(Bus(url), ROWS * BATCHES))
        told("read and decode", time.perf_counter() - again)
        whole = told("publish, read and decode", time.perf_counter() - began)
        print(f"{'of Redis alone':32} {whole / plain:8.2f}")


if __name__ == "__main__":
    main()
