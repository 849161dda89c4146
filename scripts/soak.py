"""A soak of many processes: five synthetic venues, a collector, Redis and two page servers, with a fault every half minute.

Run ``python scripts/soak.py [--minutes 10] [--rate 20000] [--every 30]``. Faults, in turn: Redis killed and started again with nothing
kept, its stream trimmed to nearly nothing, all connections cut, a page server stopped for some seconds, a page server killed and
started again, a venue's connection lost. At the end it says for the collector whether rows sent by venues = rows in history + rows
told in ``health``, for each page server whether rows published = rows before it began + rows received + rows told in ``gap`` rows, and
how memory and handles grew. Ends with 1 where a row is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import redis

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.wire.redis_server import RedisServer
from workstation.bus.entries import ROWS, stream_key
from workstation.bus.feed import Bus
from workstation.bus.newest import NewestState
from workstation.bus.sink import BusSink
from workstation.desk import open_desk
from workstation.feeds.feed import Batch
from workstation.feeds.synthetic import Synthetic
from workstation.history import open_history
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES
from workstation.streams.sinks import FunctionSink

RAW = ("trades", "quotes", "marks", "liquidations")
TELL_S, STOPPED_S, DRAIN_S, STARTING_S = 2.0, 8.0, 300.0, 600.0


class Venue(Synthetic):
    """A synthetic venue that counts what it sends, and loses its connection when told to."""

    def __init__(self, number: int, rate: float, sent: Counter[str]) -> None:
        super().__init__(seed=number, rate=rate, history_minutes=0.0)
        self.name = f"venue{number}"
        self.sent, self.cut = sent, False

    async def batches(self) -> AsyncIterator[Batch]:
        """As the market's."""
        async for batch in super().batches():
            if self.cut:
                self.cut = False
                raise FeedError(f"{self.name}: the connection was cut")
            if batch.table in RAW:
                self.sent[batch.table] += len(batch.frame)
            yield batch

    async def snapshot(self) -> list[Batch]:
        """As the market's."""
        found = await super().snapshot()
        for batch in found:
            if batch.table in RAW:
                self.sent[batch.table] += len(batch.frame)
        return found


class CountedBus(Bus):
    """A page server's feed that counts the rows its board had before."""

    held = 0

    def _without_held(self, batch: Batch) -> Batch | None:
        kept = super()._without_held(batch)
        self.held += len(batch.frame) - (0 if kept is None else len(kept.frame))
        return kept


def until_told(tell: Callable[[], dict[str, Any]]) -> None:
    """Print a line of facts again and again, until a signal asks for the end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    while not ended.wait(TELL_S):
        print(json.dumps(tell()), flush=True)


def collector(url: str, folder: str, rate: float) -> None:
    """Five venues, recorded and published."""
    sent: Counter[str] = Counter()
    venues = [Venue(number, rate / 5, sent) for number in range(1, 6)]
    signal.signal(signal.SIGUSR1, lambda *_: setattr(random.choice(venues), "cut", True))
    told: Counter[str] = Counter()

    def note(_: str, frame: pd.DataFrame) -> None:
        for event, count in zip(frame["event"], frame["count"], strict=True):
            told[str(event)] += int(count)

    sink = BusSink(url)
    desk = open_desk(list(venues), folder, sinks=[sink, FunctionSink("told", ("health",), note)])
    with desk, NewestState(desk.board, sink, url):
        until_told(lambda: {"sent": sum(sent.values()), "published": sink.position()[2]})
    _, batches, rows, _ = sink.position()
    facts = {
        "sent": dict(sent),
        "told": dict(told),
        "published": rows,
        "batches": batches,
        "unsent": sink.dropped_rows,
    }
    print(json.dumps(facts), flush=True)


def page_server(url: str) -> None:
    """A desk on the bus, without sessions."""
    feed = CountedBus(url)
    seen: Counter[str] = Counter()

    def note(table: str, frame: pd.DataFrame) -> None:
        seen["received"] += int((frame["seq"].to_numpy() > 0).sum())
        if table == "health":
            own = frame[(frame["seq"] == 0) & (frame["feed"] == "bus")]
            seen["lost"] += int(own.loc[own["event"].isin(["gap", "rejected"]), "count"].sum())

    begun: list[int] = []
    begin = feed._begin

    def beginning(position: Any) -> None:
        begun.append(0 if position is None else position.rows)
        begin(position)

    feed._begin = beginning  # type: ignore[method-assign]
    desk = open_desk([feed], sinks=[FunctionSink("seen", tuple(TABLES), note)])
    with desk:
        until_told(lambda: {"begun": begun[0] if begun else None, "received": seen["received"], "held": feed.held,
                            "lost": seen["lost"], "read": feed._rows})  # fmt: skip


class Process:
    """One of the processes, and what it said last."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name, self._arguments = name, arguments
        self.facts: dict[str, Any] = {}
        self.megabytes: list[float] = []
        self.handles: list[int] = []
        self.start()

    def start(self) -> None:
        """Start, and listen to it."""
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--role", *self._arguments], stdout=subprocess.PIPE, text=True
        )
        self.watched = psutil.Process(self.process.pid)
        self.megabytes.clear()
        self.handles.clear()
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            if line.startswith("{"):
                self.facts = json.loads(line)

    def sample(self) -> None:
        """Note memory and handles."""
        self.megabytes.append(self.watched.memory_info().rss / 2**20)
        self.handles.append(self.watched.num_fds())

    def growth(self) -> str:
        """Memory and handles, and the slope of the second half."""
        half = self.megabytes[len(self.megabytes) // 2 :]
        slope = np.polyfit(np.arange(len(half)) * TELL_S / 60.0, half, 1)[0] if len(half) > 2 else np.nan
        return f"{self.name}: {half[-1] if half else np.nan:.0f} MB, {slope:+.1f} MB/min over the second half, handles {min(self.handles, default=0)} to {max(self.handles, default=0)}"  # fmt: skip


def faults(server: RedisServer, held: Process, pages: list[Process]) -> list[tuple[str, Callable[[], None]]]:
    """What is done, by name."""

    def with_redis(ask: Callable[[Any], object]) -> None:
        with redis.Redis(port=server.port) as client:
            ask(client)

    def restart_redis() -> None:
        server.stop()
        time.sleep(3.0)
        server.start()

    def stop_a_page() -> None:
        pages[0].process.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        pages[0].process.send_signal(signal.SIGCONT)

    def kill_a_page() -> None:
        pages[1].process.kill()
        pages[1].process.wait()
        pages[1].facts = {}
        pages[1].start()

    return [
        ("Redis killed, started empty", restart_redis),
        ("stream trimmed to 5 entries", lambda: with_redis(lambda one: one.xtrim(stream_key("workstation", ROWS), maxlen=5, approximate=False))),
        ("page server stopped for a while", stop_a_page),
        ("connections cut", lambda: with_redis(lambda one: one.client_kill_filter(_type="normal", skipme=True))),
        ("a venue's connection lost", lambda: held.process.send_signal(signal.SIGUSR1)),
        ("page server killed, started", kill_a_page),
    ]  # fmt: skip


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for processes to be there. Raises ``TimeoutError``."""
    deadline = time.monotonic() + STARTING_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the processes did not begin within {STARTING_S:g} s")
        time.sleep(0.5)


def drained(held: Process, pages: list[Process]) -> bool:
    """Wait until page servers have read what was published."""
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        if all(page.facts.get("read") == held.facts["published"] for page in pages):
            return True
        time.sleep(0.5)
    return False


def judged(held: Process, pages: list[Process], folder: str) -> bool:
    """Print the balances; whether they are right."""
    facts = held.facts
    with open_history(folder, mode="r", upkeep=False) as store:
        kept = {
            table: len(store.read(table, columns=["seq"])) if table in store.table_names() else 0
            for table in RAW
        }
    told = {
        event: facts["told"].get(event, 0) for event in ("duplicate", "rejected", "dropped", "late", "failed")
    }
    sent, stored = sum(facts["sent"].values()), sum(kept.values())
    missing = sent - stored - told["duplicate"] - told["rejected"] - told["dropped"]
    print(f"venues sent {sent:,} rows, history keeps {stored:,}, told {told}, missing {missing}")
    right = missing == 0
    for page in pages:
        one = page.facts
        missing = facts["published"] - one["begun"] - one["received"] - one["held"] - one["lost"]
        print(f"{page.name}: published {facts['published']:,} = {one['begun']:,} before it began + {one['received']:,} received + {one['held']:,} held already + {one['lost']:,} told lost + missing {missing}")  # fmt: skip
        right &= missing == 0
    return right


def run(minutes: float, rate: float, every: float) -> int:
    """Start all, do harm, and judge."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder)).start()
        store = str(Path(folder) / "history")
        held = Process("collector", "collector", "--url", server.url, "--folder", store, "--rate", str(rate))
        pages = [Process(f"page server {one}", "page", "--url", server.url) for one in (1, 2)]
        todo = faults(server, held, pages)
        try:
            wait_until(
                lambda: held.facts.get("sent", 0) > 0 and all(page.facts.get("read", 0) > 0 for page in pages)
            )
            began, done, next_at = time.monotonic(), 0, time.monotonic() + every
            sent_before = held.facts["sent"]
            while time.monotonic() < began + 60.0 * minutes:
                time.sleep(TELL_S)
                for one in (held, *pages):
                    one.sample()
                if time.monotonic() >= next_at and time.monotonic() < began + 60.0 * minutes - every / 2:
                    name, harm = todo[done % len(todo)]
                    harm()
                    sent = held.facts.get("sent", 0)
                    print(f"{time.monotonic() - began:6.0f} s {name}; {(sent - sent_before) / every:,.0f} rows/s sent; load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
                    sent_before, done, next_at = sent, done + 1, next_at + every
            held.process.terminate()
            held.process.wait(300)
            time.sleep(1.0)
            caught_up = drained(held, pages)
            print(f"{done} faults; page servers caught up: {caught_up}")
            right = judged(held, pages, store)
            for one in (held, *pages):
                print(one.growth())
            return 0 if right and caught_up else 1
        finally:
            for one in (held, *pages):
                one.process.kill()
            server.stop()


def main() -> int:
    """Run the soak, or one of its processes."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--rate", type=float, default=20_000.0)
    options.add_argument("--every", type=float, default=30.0)
    options.add_argument("--role", choices=("", "collector", "page"), default="")
    options.add_argument("--url", default="")
    options.add_argument("--folder", default="")
    chosen = options.parse_args()
    if chosen.role == "collector":
        collector(chosen.url, chosen.folder, chosen.rate)
    elif chosen.role == "page":
        page_server(chosen.url)
    else:
        return run(chosen.minutes, chosen.rate, chosen.every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
