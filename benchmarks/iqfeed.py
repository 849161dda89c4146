"""IQFeed's messages from a socket to rows: messages a second, share of a core, and loss, beside a csv parser line by line.

A server in a process of its own sends level 1 updates over a local socket, as fast as they are taken or at a given rate.
Both ways end in the same columns of prints and quotes:

* ``iqfeed``: ``Wire`` -> ``Inbox`` -> frames -> ``decode`` -> conformed tables (raw bytes kept);
* ``csv per line``: asyncio streams, ``csv.reader`` and a dict per line, ``datetime.strptime``, lists into DataFrames.

CPU is this process's own (the server's is not in it); a share is of one core. Loss is counted at both ends: lines the
server sent against rows that came.

Run: ``python benchmarks/iqfeed.py [messages] [messages/s]``.
"""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import multiprocessing
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd

from workstation.feeds.iqfeed.decode import decode
from workstation.feeds.iqfeed.layout import FIELDS, Layout
from workstation.feeds.iqfeed.line_queue import LineQueue
from workstation.feeds.iqfeed.names import NAMES
from workstation.feeds.iqfeed.wire import Wire
from workstation.feeds.venue_kit.health_rows import HealthRows

ROLES = tuple(FIELDS.values())
SYMBOLS = ["AAPL", "MSFT", *(f"SPXW2618L{strike}" for strike in range(4000, 8000, 20))]
NEW_YORK = ZoneInfo("America/New_York")
REPEATS = 3
SLICE_S = 0.005
PRINTS_IN = 3
"""One message in so many is a print."""


def messages(count: int) -> list[bytes]:
    """Updates of many symbols, one in three of them a print."""
    made = []
    for at in range(count):
        printed = at % PRINTS_IN == 0
        bid = 180 + at % 997 / 100
        values = {
            "symbol": SYMBOLS[at % len(SYMBOLS)], "contents": "Cbav" if printed else "ba", "price": f"{bid + 0.01:.2f}",
            "size": str(1 + at % 300), "date": "11/20/2026",
            "time": f"{10 + at // 3600 % 5:02d}:{at // 60 % 60:02d}:{at % 60:02d}.{at % 1_000_000:06d}",
            "market": str(1 + at % 20), "conditions": ("01", "3D87", "17")[at % 3], "aggressor": str(1 + at % 2),
            "id": str(4_000_000 + at), "count": str(1 + at // PRINTS_IN), "bid": f"{bid:.2f}", "bid_size": "300",
            "bid_time": "10:00:00.000001", "ask": f"{bid + 0.02:.2f}", "ask_size": "400", "ask_time": "10:00:00.000002",
            "open_interest": "", "volume": str(5000 + at),
        }  # fmt: skip
        made.append(f"Q,{','.join(values[role] for role in ROLES)},\r\n".encode())
    return made


def serve(listener: socket.socket, count: int, rate: float) -> None:
    """Send the messages to each client that comes, at a rate (0: as fast as they are taken)."""
    lines = messages(count)
    whole = b"".join(lines)
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line))
    while True:
        client, _ = listener.accept()
        with client:
            if not rate:
                client.sendall(whole)
                continue
            start, sent = time.perf_counter(), 0
            while sent < count:
                due = min(count, int((time.perf_counter() - start) * rate))
                client.sendall(whole[ends[sent] : ends[due]])
                sent = due
                time.sleep(SLICE_S)


class Run(NamedTuple):
    """What one way made of the messages."""

    rows: int
    prints: int
    wall_s: float
    cpu_s: float
    lost: int


async def ours(port: int, count: int) -> Run:
    """The feed's own path."""
    NAMES.learn(SYMBOLS)
    inbox, closed = LineQueue(200_000), asyncio.Event()
    wire = Wire(
        Layout(ROLES, {0x3D: 16, 0x87: 32768, 0x17: 65536}),
        on_read=inbox.put, on_lost=lambda _: (closed.set(), inbox.wake()), silence_s=60.0,
    )  # fmt: skip
    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.get_running_loop().create_connection(lambda: wire, "127.0.0.1", port)
    quotes = prints = lost = 0
    while not closed.is_set() or len(inbox):
        await inbox.arrived()
        await asyncio.sleep(0.02)
        drained = inbox.drain()
        lost += drained.conflated + sum(each.prints for each in drained.lost.values())
        if drained.reads:
            for table, frame in decode(HealthRows("iqfeed").frames(drained.reads)):
                prints += len(frame) if table == "trades" else 0
                quotes += len(frame) if table == "quotes" else 0
    return Run(quotes, prints, time.perf_counter() - start, time.process_time() - cpu, lost)


def _number(text: str) -> float:
    return float(text) if text else float("nan")


async def csv_per_line(port: int, count: int) -> Run:
    """csv, a dict, strptime and floats, line by line; frames every 1000 rows."""
    start, cpu = time.perf_counter(), time.process_time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    trades: list[dict[str, Any]] = []
    best: list[dict[str, Any]] = []
    quotes = prints = 0
    while raw := await reader.readline():
        fields = dict(zip(ROLES, next(csv.reader([raw.decode()]))[1:], strict=False))
        if set(fields["contents"]) & {"C", "E", "O"}:
            at = dt.datetime.strptime(f"{fields['date']} {fields['time']}", "%m/%d/%Y %H:%M:%S.%f")
            trades.append({
                "event_ns": int(at.replace(tzinfo=NEW_YORK).timestamp() * 1e9), "instrument": fields["symbol"],
                "price": _number(fields["price"]), "size": _number(fields["size"]), "trade_id": fields["id"],
                "condition": fields["conditions"], "exchange": fields["market"], "side": int(fields["aggressor"]),
            })  # fmt: skip
            prints += 1
        if set(fields["contents"]) & {"a", "b"}:
            best.append({
                "instrument": fields["symbol"], "bid": _number(fields["bid"]), "bid_size": _number(fields["bid_size"]),
                "ask": _number(fields["ask"]), "ask_size": _number(fields["ask_size"]), "time": fields["bid_time"],
            })  # fmt: skip
            quotes += 1
        if len(best) >= 1000:
            pd.DataFrame(trades), pd.DataFrame(best)
            trades, best = [], []
    writer.close()
    return Run(quotes, prints, time.perf_counter() - start, time.process_time() - cpu, 0)


def measure(way: Callable[[int, int], Awaitable[Run]], port: int, count: int, repeats: int) -> Run:
    """The run that took the least CPU."""

    async def once() -> Run:
        return await way(port, count)

    return min((asyncio.run(once()) for _ in range(repeats)), key=lambda run: run.cpu_s)


def served(count: int, rate: float) -> tuple[multiprocessing.Process, int]:
    """A server in a process of its own, and its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.Process(target=serve, args=(listener, count, rate), daemon=True)
    process.start()
    return process, listener.getsockname()[1]


def main(count: int, rate: float) -> None:
    """Print the table."""
    prints = -(-count // PRINTS_IN)
    print(f"{count} messages, {prints} of them prints, {len(SYMBOLS)} symbols; best of {REPEATS}")
    print(
        f"{'offered':>12} {'way':14}{'messages/s':>12}{'us CPU/message':>16}{'core':>7}{'not seen':>10}{'told':>6}{'ratio':>8}"
    )
    ways = {"iqfeed": ours, "csv per line": csv_per_line}
    for offered in (0.0, rate):
        process, port = served(count, offered)
        try:
            measure(ours, port, count, 1)
            runs = {name: measure(way, port, count, REPEATS) for name, way in ways.items()}
        finally:
            process.terminate()
            process.join()
        for name, run in runs.items():
            unseen = (count - run.rows) + (prints - run.prints)
            print(
                f"{'full' if not offered else f'{offered:,.0f}/s':>12} {name:14}{count / run.wall_s:12,.0f}"
                f"{1e6 * run.cpu_s / count:16.2f}{run.cpu_s / run.wall_s:7.0%}{unseen:10d}{run.lost:6d}"
                f"{run.cpu_s / runs['iqfeed'].cpu_s:7.1f}x"
            )  # fmt: skip


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 200_000,
        float(sys.argv[2]) if len(sys.argv) > 2 else 50_000.0,
    )
