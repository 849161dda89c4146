"""Every feed against its local server, with a fault now and then: prints sent = prints kept + prints told as lost; memory and handles flat.

Usage: python scripts/feeds_under_faults.py [--minutes 120] [--fault-s 30] [--rate 20] [FEED ...]

Each feed runs under supervision in one process with its server. Faults come in turn: prints that are not pushed, a repeated print, prints out of
order, a malformed frame, an error in band, a silent socket, a restart. What a server cannot show is passed over. Ends with 1 when a print is neither
kept nor told as lost, one is kept twice, or memory or handles grew over the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.wire.feed_case import NotStaged, Stage
from workstation.feeds.supervision.supervisor import SupervisionParameters, Supervisor
from workstation.market.instruments import REGISTRY

FEEDS = ("bybit", "okx", "binance", "deribit", "alpaca", "databento", "iqfeed")
"""Those whose servers print on command."""
FAULTS = ("unpushed", "again", "out_of_order", "malformed", "error_in_band", "silence", "restart")
KEEPALIVE_S, SILENT_S = 5.0, 15.0
"""Interval of pings, and how long a server is silent: longer than two of them."""
KEPT = 2_000
"""Prints a server remembers."""
SETTLE_S = 180.0
"""How long feeds may take to begin, and to bring what is missing at the end."""
GROWTH_MB, GROWTH_HANDLES = 25.0, 10
"""What the second half may add."""
MARGIN_NS = 2_000_000_000
"""Between a print's time and the span of a gap that holds it."""
QUICK = SupervisionParameters(backoff_first_s=0.1, backoff_cap_s=1.0, watch_every_s=0.2)


class Run:
    """One feed, its server, and the account of its prints."""

    def __init__(self, name: str, stage: Stage) -> None:
        self.name, self.stage = name, stage
        self.sent = self.kept = self.twice = 0
        self.out: dict[str, int] = {}
        """Sent and not kept yet, and when."""
        self.early: set[str] = set()
        """Kept before the venue told here that it made them; at the end: kept twice, never made, or made while the push failed."""
        self.events, self.faults = Counter[str](), Counter[str]()
        self.lost = self.unsure = 0
        self.holes: list[tuple[int, int]] = []
        """Spans told as gaps that stay, whose prints are not counted."""
        self.quiet = False
        self.supervisor = Supervisor(stage.feed, self.take, stage.channels, QUICK)

    def take(self, table: str, frame: pd.DataFrame) -> None:
        """What the supervision publishes."""
        if table == "health":
            events = frame["event"].astype("str")
            self.events.update(events)
            stays = frame[(events == "gap") & ~frame["recoverable"]]
            self.lost += int(stays.loc[stays["count"] > 1, "count"].sum())
            spans = stays.loc[stays["count"] <= 1, ["start_ns", "end_ns"]]
            self.holes += [(start, end) for start, end in spans.to_numpy().tolist() if end > start > 0]
        elif table == "trades":
            ids = (
                frame["trade_id"]
                .astype("str")
                .where(frame["trade_id"] != "", frame["venue_seq"].astype("str"))
            )
            for one in ids:
                self.kept += 1
                if self.out.pop(one, None) is not None:
                    continue
                if one in self.early:
                    self.twice += 1
                else:
                    self.early.add(one)

    def expect(self, ids: list[str]) -> None:
        """Prints the venue made."""
        self.sent += len(ids)
        for one in ids:
            if one in self.early:
                self.early.discard(one)
            else:
                self.out[one] = time.time_ns()

    async def print(self, rate: float) -> None:
        """Prints, on and on."""
        while True:
            if not self.quiet:
                await self._printed("prints", 1)
                self._forget()
            await asyncio.sleep(1.0 / rate)

    async def _printed(self, how: str, *count: int) -> None:
        """Prints the venue made; one may be kept before it is told here, or made while its push failed."""
        try:
            self.expect(await getattr(self.stage, how)(*count))
        except ConnectionError:
            self.unsure += sum(count) or 2

    def _forget(self) -> None:
        """Let the server forget old prints, so that what grows is the feed's."""
        history: Any = getattr(getattr(self.stage, "server", None), "history", None)
        for held in history.values() if isinstance(history, dict) else [history]:
            if isinstance(held, list) and len(held) > 2 * KEPT:
                del held[:-KEPT]
        requests = getattr(getattr(self.stage, "server", None), "requests", None)
        if isinstance(requests, list) and len(requests) > 2 * KEPT:
            del requests[:-KEPT]

    async def fault(self, number: int) -> None:
        """The next fault this server can show."""
        for ahead in range(len(FAULTS)):
            what = FAULTS[(number + ahead) % len(FAULTS)]
            try:
                if what in ("unpushed", "out_of_order"):
                    await self._printed(what, *((3,) if what == "unpushed" else ()))
                elif what == "silence":
                    await self._silence()
                else:
                    await getattr(self.stage, what)()
            except (NotStaged, AttributeError):
                continue
            self.faults[what] += 1
            return

    async def _silence(self) -> None:
        self.quiet = True
        try:
            await self.stage.silence()
            await asyncio.sleep(SILENT_S)
        finally:
            server: Any = getattr(self.stage, "server", None)
            if server is not None and hasattr(server, "silent"):
                server.silent = False
            self.quiet = False

    def line(self) -> str:
        """The account in one line."""
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.events.items()))
        return (
            f"{self.name:<10} sent {self.sent:>7}  kept {self.kept:>7}  told lost {self.lost:>4}  open {len(self.out):>4} "
            f"({self.untold} untold)  twice {self.twice + len(self.early):>3} ({self.unsure} unsure)  "
            f"faults {sum(self.faults.values()):>3}  [{told}]"
        )

    @property
    def untold(self) -> int:
        """Prints that are not kept and lie in no gap told."""
        within = (
            any(a - MARGIN_NS <= at <= b + MARGIN_NS for a, b in self.holes) for at in self.out.values()
        )
        return len(self.out) - sum(within)

    @property
    def whole(self) -> bool:
        """Whether every print is accounted for."""
        return (
            not self.twice
            and len(self.early) <= self.unsure
            and self.untold <= self.lost
            and self.sent + len(self.early) == self.kept + len(self.out)
        )


async def run(name: str, options: argparse.Namespace, runs: list[Run], done: asyncio.Event) -> None:
    """One feed until the end."""
    case = importlib.import_module(f"tests.wire.cases.{name}").CASE
    async with case.stage(**dict.fromkeys(case.options, KEEPALIVE_S)) as stage:
        one = Run(name, stage)
        runs.append(one)
        watching = asyncio.create_task(one.supervisor.run())
        while one.supervisor.status()["state"] != "live":
            await asyncio.sleep(0.05)
        printing = asyncio.create_task(one.print(options.rate))
        number = 0
        while not done.is_set():
            try:
                await asyncio.wait_for(done.wait(), options.fault_s)
            except TimeoutError:
                await one.fault(number)
                number += 1
        printing.cancel()
        await asyncio.wait([printing])
        deadline = time.monotonic() + SETTLE_S
        while one.out and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        await one.supervisor.stop()
        await watching


async def main(options: argparse.Namespace) -> int:
    """Run all, watch memory and handles."""
    done, runs = asyncio.Event(), list[Run]()
    tasks = [asyncio.create_task(run(name, options, runs, done)) for name in options.feeds or FEEDS]
    process, samples = psutil.Process(), list[tuple[float, float, int, int]]()
    while sum(one.kept > 0 for one in runs) < len(tasks) and not any(task.done() for task in tasks):
        await asyncio.sleep(0.5)
    began = time.monotonic()
    while time.monotonic() - began < options.minutes * 60.0:
        await asyncio.sleep(min(10.0, options.minutes * 6.0))
        gc.collect()
        now = time.monotonic() - began
        samples.append((now, process.memory_info().rss / 1e6, process.num_fds(), len(REGISTRY)))
        if len(samples) % 6 == 0:
            print(
                f"{now / 60:6.1f} min  {samples[-1][1]:7.1f} MB  {samples[-1][2]} handles  {sum(one.sent for one in runs)} prints",
                flush=True,
            )
    done.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    for problem in ended:
        if problem is not None:
            print(f"a feed ended with {problem!r}")
    print("\n".join(one.line() for one in runs))
    taken = np.array(samples)[len(samples) // 2 :]
    third = max(len(taken) // 3, 1)
    growth = np.median(taken[-third:], axis=0) - np.median(taken[:third], axis=0)
    print(f"second half: memory {growth[1]:+.1f} MB, handles {growth[2]:+.0f}, instruments {growth[3]:+.0f}")
    good = all(one.whole for one in runs) and not any(ended)
    flat = growth[1] < GROWTH_MB and growth[2] < GROWTH_HANDLES and growth[3] == 0
    print(
        "every print is kept or told as lost" if good else "NOT every print is accounted for",
        "- flat" if flat else "- NOT flat",
    )
    return 0 if good and flat else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("feeds", nargs="*", choices=[*FEEDS, []])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--fault-s", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=20.0, help="prints a second of each feed")
    sys.exit(asyncio.run(main(parser.parse_args())))
