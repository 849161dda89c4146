"""Rows per second over Redis Streams: batches of 1 000 trades through publish, read and decode, beside its client with the same bytes.

A redis-server of its own is started on a free port. Rates are of CPU time; collector, Redis and reader are three processes, so
what two cores carry is half of the sum.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import redis

from workstation.board.chain_publishing import chain_of_marks
from workstation.bus.entries import READ_BYTES, batch_of, frame_of
from workstation.bus.feed import Bus
from workstation.bus.priced import published, received, usual_questions
from workstation.bus.sink import ENTRY_BYTES, BusSink
from workstation.flow.taker_flow_monitor import FlowWatch
from workstation.market.tables import MARKS, TRADES

ROWS, BATCHES, ROUNDS, READS = 1_000, 1_000, 3, 1_000


@contextmanager
def server() -> Iterator[tuple[int, int]]:
    """A Redis server on a free port; port and process."""
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
            yield port, process.pid
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


def timed(work: Callable[[], object]) -> float:
    """CPU time of this process, the best of some rounds (other programs share the machine), in seconds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def told(what: str, seconds: float) -> float:
    """Print a rate and its cost."""
    print(
        f"{what:44} {ROWS * BATCHES / seconds / 1e6:8.2f} M rows/s {seconds / BATCHES * 1e6:8.1f} us a batch"
    )
    return seconds


def plain(client: Any, blobs: list[bytes]) -> None:
    """The same bytes through Redis with its client alone, as many to an entry as the sink puts there."""
    together = max(1, ENTRY_BYTES // len(blobs[0]))
    for first in range(0, BATCHES, 64):
        pipe = client.pipeline(transaction=False)
        for at in range(first, min(first + 64, BATCHES), together):
            pipe.xadd("plain", {"b": b"".join(blobs[at : at + together])}, maxlen=50_000)
        pipe.execute()
    last, read = "0-0", 0
    while read < BATCHES // together:
        answer = client.xread({"plain": last}, count=256)
        entries = _entries(answer)
        last, read = entries[-1][0].decode(), read + len(entries)
    client.delete("plain")


def _entries(answer: Any) -> Any:
    entries = next(iter(answer.values())) if isinstance(answer, dict) else answer[0][1]
    return entries[0] if isinstance(entries[0], list) else entries


def newest_chain(port: int) -> None:
    """Read the newest priced chain from Redis as page servers do: the answer and what becomes of it."""
    expiries = ("261127", "261225", "270129", "270326", "270625")
    names = [
        f"BTC/USD:BTC-{expiry}-{strike}-{right}"
        for expiry in expiries
        for strike in range(50_000, 150_000, 1_250)
        for right in "CP"
    ]
    draw = np.random.default_rng(7)
    marks = MARKS.conform(
        pd.DataFrame(
            {
                "event_ns": pd.Timestamp("2026-11-20").value, "instrument": names, "mark_iv": 0.4 + 0.3 * draw.random(len(names)),
                "open_interest": np.round(1_000 * draw.random(len(names))), "forward": 100_500.0, "index": 100_300.0,
            }
        )
    )  # fmt: skip
    chain = chain_of_marks(marks, "BTC", FlowWatch().of_codes)
    assert chain is not None
    message = published(chain, usual_questions(chain))
    client = redis.Redis(port=port, socket_read_size=READ_BYTES)
    client.set("chain", message)
    spans, cpu = np.empty(READS), np.empty(READS)
    for one in range(READS):
        began, used = time.perf_counter(), time.process_time()
        received(client.get("chain"), lambda _: None)
        spans[one], cpu[one] = time.perf_counter() - began, time.process_time() - used
    told = ", ".join(
        f"p{at} {np.percentile(spans, at) * 1e3:.2f} ms (CPU {np.percentile(cpu, at) * 1e3:.2f} ms)"
        for at in (50, 99)
    )
    print(
        f"newest chain, {len(names)} contracts with {len(usual_questions(chain))} answers, {len(message):,} bytes, read: {told}"
    )


def main() -> None:
    """Measure every stage."""
    frames = batches()
    sent = [batch_of("trades", frames[one % 10]) for one in range(BATCHES)]
    blobs = [bytes(body) for _, body in sent]
    print(f"{'bytes a row':44} {len(blobs[0]) / ROWS:8.1f}")
    encode = told("encode", timed(lambda: [batch_of("trades", frames[one % 10]) for one in range(BATCHES)]))
    decode = told("decode", timed(lambda: [frame_of(*one) for one in sent]))
    stream = io.BytesIO()
    tables = [
        pa.Table.from_pandas(frame.astype({"instrument": "str"}), preserve_index=False) for frame in frames
    ]
    schema = tables[0].schema

    def arrow() -> None:
        """What Arrow's own streams cost: one stream a batch, to pandas and back."""
        for one in range(BATCHES):
            stream.seek(0)
            stream.truncate()
            with pa.ipc.new_stream(stream, schema) as writer:
                writer.write_table(tables[one % 10])
            pa.ipc.open_stream(stream.getvalue()).read_all().to_pandas()

    peer = told("Arrow streams, pandas to read", timed(arrow))
    print(f"{'encode and decode, of that':44} {(encode + decode) / peer:8.2f}")
    with server() as (port, pid):
        newest_chain(port)
        through_redis(port, pid, frames, blobs)


def through_redis(port: int, pid: int, frames: list[pd.DataFrame], blobs: list[bytes]) -> None:
    """Publish, read and decode over a server, beside its client with the same bytes alone."""
    url = f"redis://127.0.0.1:{port}/0"
    redis_cpu = psutil.Process(pid).cpu_times
    own = alone = served = float("inf")
    for _ in range(ROUNDS):
        alone = min(alone, timed(lambda: plain(redis.Redis(port=port, socket_read_size=READ_BYTES), blobs)))
        redis.Redis(port=port).flushall()
        before = redis_cpu()
        began, wall = time.process_time(), time.perf_counter()
        sink = BusSink(url, waiting=BATCHES)
        for one in range(BATCHES):
            sink.put("trades", frames[one % 10])
        sink.start()
        # batches repeat their numbers here: the feed numbers entries, the hub is not in the way
        asyncio.run(drained(Bus(url), ROWS * BATCHES))
        wall = time.perf_counter() - wall
        sink.close()
        after = redis_cpu()
        if time.process_time() - began < own:
            own, walls = time.process_time() - began, wall
            served = after.user + after.system - before.user - before.system
    told("client of Redis alone, same bytes", alone)
    told("publish, read and decode: this process", own)
    told("    beside it: Redis", served)
    told("publish, read and decode: clock, one process", walls)
    told("two cores, each half of all", (own + served) / 2)
    print(f"{'client of Redis alone, of ours':44} {alone / own:8.2f}")


if __name__ == "__main__":
    main()
