"""The wire misbehaves: between a venue and its feed, between collector, Redis and page. Each row is kept once, or told as lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import redis

from tests.faults.rounds import Outcome, fault
from tests.wire.bybit_server import BybitServer
from tests.wire.cases.bybit import BybitStage
from tests.wire.fault_proxy import Fault, FaultProxy
from tests.wire.redis_server import RedisServer
from workstation.bus import entries
from workstation.bus.entries import ROWS, stream_key
from workstation.bus.feed import Bus
from workstation.bus.sink import BusSink
from workstation.feeds.supervision.supervisor import SupervisionParameters, Supervisor
from workstation.streams.hub import Hub

FAULTS: tuple[Fault, ...] = ("refuse", "half_open", "mid_frame", "delay")
QUICK = SupervisionParameters(backoff_first_s=0.05, backoff_cap_s=0.3, watch_every_s=0.05)
ANSWERING_S, SETTLE_S = 2.0, 60.0
"""How long a half-open Redis is waited for here (more than a blocking read), and all that is on its way at the end."""
BURST = 100


class Reader:
    """What a supervised feed publishes: numbers or ids kept, rows told as lost, collectors told as begun anew."""

    def __init__(self, key: str) -> None:
        self._key, self.kept = key, list[Any]()
        self.lost = self.restarts = 0

    def take(self, table: str, frame: pd.DataFrame) -> None:
        """As the supervision publishes."""
        if table == "trades":
            self.kept += frame[self._key].tolist()
        elif table == "health":
            gone = (frame["event"] == "gap") & ~frame["recoverable"]
            self.lost += int(frame.loc[gone, "count"].sum())
            self.restarts += int(frame["detail"].astype("str").str.contains("began anew").sum())


@asynccontextmanager
async def supervised(feed: Any, reader: Reader, channels: tuple[str, ...] = ()) -> AsyncIterator[Supervisor]:
    """A feed that is kept alive, live at the beginning."""
    supervisor = Supervisor(feed, reader.take, channels, QUICK, clock=lambda: time.time_ns())
    running = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.status()["state"] == "live")
    try:
        yield supervisor
    finally:
        await supervisor.stop()
        await running


async def until(true: Callable[[], bool]) -> bool:
    """Look again until it is so, at most for a minute."""
    deadline = time.monotonic() + SETTLE_S
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


class Wire:
    """A collector's sink, Redis and a page's feed, with a proxy on either side of Redis."""

    def __init__(self, server: RedisServer, waiting: int = 5_000) -> None:
        self.server, self.sent = server, 0
        self.collector, self.page = FaultProxy(server.port), FaultProxy(server.port)
        self.sink = BusSink(self._url(self.collector), waiting=waiting)
        self._hub, self.reader = Hub(first_seq=1), Reader("seq")
        self._hub.attach(self.sink.name, self.sink.tables, self.sink.put)
        self.sink.start()
        self.feed = Bus(self._url(self.page))

    @staticmethod
    def _url(proxy: FaultProxy) -> str:
        return f"redis://127.0.0.1:{proxy.port}/0"

    def publish(self, rows: int = 5) -> None:
        """A batch of the collector."""
        at = range(self.sent + 1, self.sent + rows + 1)
        self.sent += rows
        frame = {"event_ns": [10**18 + one for one in at], "instrument": "BTC/USD:BTC", "price": 1.0, "size": 1.0, "trade_id": [str(one) for one in at]}  # fmt: skip
        self._hub.publish("trades", pd.DataFrame(frame))

    async def busy(self, seconds: float) -> None:
        """A batch every 20 ms."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.publish()
            await asyncio.sleep(0.02)

    async def settled(self, outcome: Outcome, what: str, *, lost: int | None = 0) -> None:
        """Check the account: rows sent = rows kept + rows told as lost; ``lost`` None: any number."""
        self.publish()
        await until(lambda: len(self.reader.kept) + self.reader.lost >= self.sent)
        kept = self.reader.kept
        outcome.check(kept == sorted(set(kept)), f"{what}: rows doubled or out of order")
        told = f"{what}: sent {self.sent}, kept {len(kept)}, told as lost {self.reader.lost}"
        outcome.check(len(kept) + self.reader.lost == self.sent, told)
        outcome.check(lost is None or self.reader.lost == lost, f"{told}, not {lost}")

    def close(self) -> None:
        """End all but Redis."""
        self.sink.close()
        for proxy in (self.collector, self.page):
            proxy.stop()


@asynccontextmanager
async def wire(folder: Path, waiting: int = 5_000) -> AsyncIterator[Wire]:
    """A wire on a Redis of its own, read by a supervised feed."""
    server = RedisServer(folder).start()
    with patch.object(entries, "ANSWERING_S", ANSWERING_S):
        made = Wire(server, waiting)
        try:
            async with supervised(made.feed, made.reader):
                yield made
        finally:
            made.close()
            server.stop()


async def break_bus(outcome: Outcome, folder: Path, side: str, seconds: float = 0.5) -> None:
    """Each fault of the wire on one side of Redis: nothing is lost."""
    async with wire(folder) as made:
        proxy: FaultProxy = getattr(made, side)
        for each in FAULTS:
            outcome.rounds += 1
            await made.busy(0.1)
            proxy.fault = each
            await made.busy(seconds)
            proxy.fault = ""
            await made.settled(outcome, f"{side} {each}")


@fault("network between collector and Redis: cut, half-open, mid-frame, slow")
def break_collector(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """The collector sends again; entries sent twice are read once."""
    asyncio.run(break_bus(outcome, folder, "collector"))


@fault("network between Redis and page: cut, half-open, mid-frame, slow")
def break_page(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """The page goes on after the last entry read."""
    asyncio.run(break_bus(outcome, folder, "page"))


async def restart_redis(outcome: Outcome, folder: Path) -> None:
    """Redis is killed while rows come, and starts empty: what it had taken and the page had not read is told as lost."""
    async with wire(folder) as made:
        for _ in range(3):
            outcome.rounds += 1
            await made.busy(0.2)
            made.server.stop()
            await made.busy(0.3)
            made.server.start()
            await made.settled(outcome, "Redis killed", lost=None)


@fault("SIGKILL of Redis, started again empty")
def kill_redis(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Rows that waited are sent; the others are a gap with their count."""
    asyncio.run(restart_redis(outcome, folder))


async def trim(outcome: Outcome, folder: Path) -> None:
    """The page is away while the stream is trimmed."""
    async with wire(folder) as made:
        outcome.rounds += 1
        await made.busy(0.2)
        await made.settled(outcome, "before the trim")
        made.page.fault = "refuse"
        await made.busy(0.5)
        await until(lambda: made.sink.sent_rows == made.sent)
        with redis.Redis(port=made.server.port) as client:
            client.xtrim(stream_key(entries.PREFIX, ROWS), maxlen=1, approximate=False)
        made.page.fault = ""
        await made.settled(outcome, "trimmed", lost=None)
        outcome.check(made.reader.lost > 0, "nothing was trimmed")


@fault("the stream trimmed while the page is away")
def trim_stream(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """What was trimmed is a gap with its count."""
    asyncio.run(trim(outcome, folder))


async def burst(outcome: Outcome, folder: Path) -> None:
    """A hundred times as many rows as before, more than may wait while the collector's line is slow."""
    async with wire(folder, waiting=200) as made:
        outcome.rounds += 1
        await made.busy(0.2)
        made.collector.fault, made.collector.delay_s = "delay", 0.5
        for _ in range(BURST * 10):
            made.publish()
        made.collector.fault = ""
        await made.settled(outcome, "burst", lost=None)
        outcome.check(
            made.reader.lost == made.sink.dropped_rows > 0, "drops of the sink are not what is told"
        )


@fault("a burst of 100 times the rows on a slow line")
def burst_rows(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """What does not fit is dropped, counted, and told to the page."""
    asyncio.run(burst(outcome, folder))


async def break_venue(outcome: Outcome) -> None:
    """Each fault of the wire between a venue and its feed; prints made in the meantime are brought by a backfill."""
    async with BybitServer() as server:
        proxy, reader, made = FaultProxy(server.port), Reader("trade_id"), list[str]()
        urls = {name: url.replace(str(server.port), str(proxy.port)) for name, url in server.urls.items()}
        stage = BybitStage(server, urls=urls, keepalive_s=0.2, timeout_s=1.0)
        try:
            async with supervised(stage.feed, reader, stage.channels):
                for each in FAULTS:
                    outcome.rounds += 1
                    for now in ("", each, ""):
                        proxy.fault = now
                        for _ in range(10):
                            made += await stage.prints(1)
                            await asyncio.sleep(0.05)
                    await check_prints(outcome, each, made, reader)
        finally:
            proxy.stop()


async def check_prints(outcome: Outcome, what: str, made: list[str], reader: Reader) -> None:
    """Wait for the backfill, and check that each print is kept once, or told as lost."""
    await until(lambda: set(made) <= set(reader.kept))
    kept = set(reader.kept)
    told = f"{what}: made {len(made)}, kept {len(kept)}, told as lost {reader.lost}"
    outcome.check(len(kept) == len(reader.kept), f"{what}: a print kept twice")
    outcome.check(kept <= set(made) and len(made) - len(kept) <= reader.lost, told)


@fault("network between venue and feed: cut, half-open, mid-frame, slow")
def break_feed(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Each print is kept once, or told as lost."""
    asyncio.run(break_venue(outcome))


async def step_clock(outcome: Outcome) -> None:
    """The clock of the feed's machine steps an hour back and forth while prints come."""
    step_ns = 0
    true_ns = time.time_ns
    async with BybitServer() as server:
        reader, made = Reader("trade_id"), list[str]()
        stage = BybitStage(server, keepalive_s=0.2, timeout_s=1.0)
        with patch("time.time_ns", lambda: true_ns() + step_ns):
            async with supervised(stage.feed, reader, stage.channels):
                for hours in (0, -1, 1, 0):
                    outcome.rounds += 1
                    step_ns = hours * 3_600 * 10**9
                    for _ in range(10):
                        made += await stage.prints(1)
                        await asyncio.sleep(0.02)
                    await check_prints(outcome, f"clock {hours:+d} h", made, reader)
    outcome.check(reader.lost == 0, f"{reader.lost} rows told as lost")


@fault("the clock steps an hour back and forth")
def step_clocks(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """No print is lost or kept twice: silence is measured by the monotonic clock."""
    asyncio.run(step_clock(outcome))
