"""A fleet on two worker processes against one: speed, and the same results though a worker is killed midway.

Run with ``python benchmarks/fleet.py``. A synthetic store of ``--spans`` spans is made once; each span is an item. The fleet runs on one
core, on two Dask workers, and on two of which one gets SIGKILL once the first result is there. Digests of every derived table of every
item must be equal in all three. Memory is each worker's peak.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pandas as pd
import psutil

from workstation import open_desk, open_feed
from workstation.research import fleet
from workstation.research.fleet import Fleet
from workstation.settings import Settings

START = pd.Timestamp("2026-03-20 14:00")


def make_store(folder: Path, seconds: float, rate: float) -> None:
    """A recorded synthetic market."""
    feed = open_feed("synthetic", seed=5, start_ns=START.value, duration_s=seconds, speed="max", rate=rate)
    with open_desk([feed], str(folder), settings=Settings(_env_file=None)) as desk:  # type: ignore[call-arg]
        desk.wait()
    assert desk.history is not None
    desk.history.close()


def workers() -> list[psutil.Process]:
    """Worker processes of a local cluster that were begun by this process."""
    found = []
    for one in psutil.Process().children(recursive=True):
        try:
            if any("spawn_main" in word for word in one.cmdline()):
                found.append(one)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


class Watch(threading.Thread):
    """Peak memory of the workers; kills the largest of them once the first result is there, if asked to."""

    def __init__(self, results: Path, kill: bool) -> None:
        super().__init__(daemon=True)
        self.peak_bytes, self.killed = 0, 0
        self._results, self._kill, self._over = results, kill, threading.Event()

    def run(self) -> None:
        """Until told that it is over."""
        while not self._over.wait(0.2):
            sizes = {}
            for one in workers():
                try:
                    sizes[one.pid] = one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak_bytes = max([self.peak_bytes, *sizes.values()])
            if self._kill and not self.killed and any(self._results.glob("*/result.json")) and sizes:
                self.killed = max(sizes, key=lambda pid: sizes[pid])
                os.kill(self.killed, signal.SIGKILL)

    def end(self) -> None:
        """Stop watching."""
        self._over.set()
        self.join()


def timed(make: Callable[[Path], Fleet], results: Path, kill: bool = False) -> tuple[Fleet, float, Watch]:
    """A run, its seconds, and what was watched."""
    watch = Watch(results, kill)
    watch.start()
    began = time.perf_counter()
    try:
        made = make(results)
    finally:
        watch.end()
    return made, time.perf_counter() - began, watch


def main() -> None:
    """Print the table; ends with 1 when results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0, help="event time of a span")
    parser.add_argument("--rate", type=float, default=200.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        make_store(store, asked.spans * asked.seconds, asked.rate)
        edges = [START + pd.Timedelta(seconds=asked.seconds * at) for at in range(asked.spans + 1)]
        spans = list(pairwise(edges))

        def run(scheduler: str, count: int) -> Callable[[Path], Fleet]:
            return lambda results: fleet.run(
                store, spans, results, scheduler=scheduler, workers=count, horizons=["1min"], options={"draws": 10}, progress=False
            )  # fmt: skip

        runs = (
            ("one core", "", 1, False), ("one worker", "local", 1, False), ("two workers", "local", 2, False),
            ("two, one killed", "local", 2, True),
        )  # fmt: skip
        digests, seconds = [], {}
        for name, scheduler, count, kill in runs:
            made, seconds[name], watch = timed(
                run(scheduler, count), Path(folder) / name.replace(" ", "_"), kill
            )
            digests.append(made.digests())
            killed = f", worker {watch.killed} killed" if watch.killed else ""
            print(
                f"{name:16} {seconds[name]:7.1f} s, {len(digests[-1])} of {len(spans)} items, peak of a worker "
                f"{watch.peak_bytes / 2**20:,.0f} MiB{killed}; {made.failures or 'no failure'}", flush=True,
            )  # fmt: skip
    print(f"two workers are {seconds['one worker'] / seconds['two workers']:.2f} times as fast as one")
    if any(one != digests[0] for one in digests) or len(digests[0]) != asked.spans:
        raise SystemExit("results differ")
    print("every digest of every item is equal in all runs")


if __name__ == "__main__":
    main()
