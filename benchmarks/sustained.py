"""Sustained peak, end to end: a server's socket -> IQFeed decode -> hub -> every engine -> durable history.

A server in a process of its own speaks IQFeed's level 1 protocol and sends prints at a rate for some minutes; the desk runs
as it always does, with every engine and the recorder. Prints are counted at both ends: sent by the server, kept in
history (numbered by the hub, or spilled unseen by the engines and told in ``health``).

Run: ``python benchmarks/sustained.py [prints/s] [seconds]``; default 100 000 for 300 s.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.wire.iqfeed_server import NEW_YORK, Client, IQFeedServer
from workstation import Settings, open_desk, open_feed

SYMBOLS = [f"SYM{letter}{other}" for letter in "ABCD" for other in "ABCDE"]
SLICE_S = 0.01


async def serve(rate: float, seconds: float, tell: Connection) -> None:
    """Send prints to the one client at the rate, then say how many were sent."""
    async with IQFeedServer() as server:
        server.known.update(SYMBOLS)
        tell.send(server.options)
        while not server.clients or len(server.clients[0].watches) < len(SYMBOLS):
            await asyncio.sleep(0.05)
        client = server.clients[0]
        makers = [maker(client, server, symbol) for symbol in SYMBOLS]
        await asyncio.sleep(1.0)
        sent, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            due = int(elapsed * rate)
            now = f"{dt.datetime.now(tz=NEW_YORK):%H:%M:%S.%f}"
            client.writer.write(b"".join(makers[at % len(makers)](at, now) for at in range(sent, due)))
            sent = max(sent, due)
            await client.writer.drain()
            await asyncio.sleep(SLICE_S)
        tell.send(sent)
        await asyncio.to_thread(tell.recv)


def maker(client: Client, server: IQFeedServer, symbol: str):
    """A function (number, time) -> line of this symbol, quick enough for the rate."""
    tick = server.trade(symbol)
    marks = {
        "Most Recent Trade": "<price>",
        "Most Recent Trade Time": "<time>",
        "TickID": "<id>",
        "Number of Trades Today": "<count>",
    }
    line = client.line("Q", tick.fields() | {"Message Contents": "C"} | marks).replace("%", "%%")
    for place, form in (
        ("<price>", "%(price).2f"),
        ("<time>", "%(time)s"),
        ("<id>", "%(id)d"),
        ("<count>", "%(count)d"),
    ):
        line = line.replace(place, form)
    form = (line + "\r\n").encode()
    base, stride = tick.count, len(SYMBOLS)

    def make(number: int, now: str) -> bytes:
        price = 100 + (number * 7919 % 997) / 100
        return form % {
            b"price": price,
            b"time": now.encode(),
            b"id": 10_000_000 + number,
            b"count": base + 1 + number // stride,
        }

    return make


def run_server(rate: float, seconds: float, tell: Connection) -> None:
    """The server's process."""
    asyncio.run(serve(rate, seconds, tell))


def main(rate: float, seconds: float) -> None:
    """Run, count, print."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=run_server, args=(rate, seconds, theirs), daemon=True)
    server.start()
    options = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        feed = open_feed("iqfeed", symbols=[f"{symbol}" for symbol in SYMBOLS], **options)
        desk = open_desk([feed], folder, settings=Settings(_env_file=None))  # type: ignore[call-arg]
        process = psutil.Process()
        began, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
        desk.start()
        while not ours.poll(5.0):
            show(desk, process, time.perf_counter() - began)
        sent = ours.recv()
        settle(desk, sent)
        took, used = time.perf_counter() - began, sum(process.cpu_times()[:2]) - cpu
        ours.send("done")
        desk.stop(120)
        kept = desk.history.tables().set_index("name")["rows"].get("trades", 0)
        spilled = (
            int((desk.history.read("trades", columns=["seq"])["seq"] == 0).sum()) if kept < 50_000_000 else -1
        )
        print(f"sent {sent:,} prints, in history {kept:,} (spilled {spilled:,}), lost {sent - kept:,}")
        print(
            f"{sent / seconds:,.0f} prints/s offered for {seconds:.0f} s; {used / took:.0%} of a core; engines saw {desk.hub.rows['trades']:,}"
        )
        print(
            "branches:",
            {name: state for name, state in desk.hub.branches.items() if state != "running"} or "all running",
        )
        if sent != kept:
            raise SystemExit("prints were lost")


def settle(desk: object, sent: int) -> None:
    """Wait until what was sent has arrived, or nothing moves any more."""
    seen, still = -1, 0
    while still < 10 and desk.hub.rows["trades"] < sent:  # type: ignore[attr-defined]
        now = desk.hub.rows["trades"]  # type: ignore[attr-defined]
        still = still + 1 if now == seen else 0
        seen = now
        time.sleep(0.5)


def show(desk: object, process: psutil.Process, elapsed: float) -> None:
    """One line of progress."""
    rows = desk.hub.rows["trades"]  # type: ignore[attr-defined]
    lag = desk.recorder.lag_seconds  # type: ignore[attr-defined]
    print(
        f"{elapsed:6.0f} s  {rows:12,} prints  recorder {lag:5.2f} s behind  {process.memory_info().rss / 2**20:6.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 100_000, float(sys.argv[2]) if len(sys.argv) > 2 else 300
    )
