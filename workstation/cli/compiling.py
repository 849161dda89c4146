"""Compiling the numerical kernels ahead, in parallel processes: Numba keeps what it compiled next to the source."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from workstation.market.errors import WorkstationError
from workstation.market.instants import SECOND_NS

if TYPE_CHECKING:
    from workstation.streams.hub import Hub

MARKET = {
    "seed": 1,
    "speed": "max",
    "start_ns": 1_767_225_600 * SECOND_NS,
    "history_minutes": 2.0,
    "duration_s": 5.0,
}
"""A few seconds of the synthetic market: enough for every chain engine to be asked for a row."""

_KERNELS = re.compile(rb"^\s*(?:from|import) numba\b", re.MULTILINE)
"""In a source that Numba compiles."""


class KernelCache:
    """Whether the kernels of this version of the sources were compiled on this machine.

    Numba's cache knows the file of a kernel, not those it takes its types from: ``drop`` empties it when any has changed.
    """

    def __init__(self) -> None:
        self.package = Path(__file__).parents[1]
        sources = sorted(path for path in self.package.rglob("*.py") if _KERNELS.search(path.read_bytes()))
        stamp = hashlib.sha256(f"{sys.version} {version('numba')} {self.package}".encode())
        for path in sources:
            stamp.update(path.read_bytes())
        folder = Path(platformdirs.user_cache_dir("workstation", appauthor=False))
        self._stamp = folder / f"kernels-{stamp.hexdigest()[:16]}"

    def complete(self) -> bool:
        """Whether they were compiled and are still there."""
        return self._stamp.exists() and any(self.package.rglob("__pycache__/*.nbi"))

    def drop(self) -> None:
        """Empty Numba's cache, so that nothing of an earlier version is read."""
        for path in self.package.rglob("__pycache__/*.nb[ic]"):
            path.unlink(missing_ok=True)

    def mark_complete(self) -> None:
        """Remember it; where nothing can be written, every start looks again."""
        try:
            self._stamp.parent.mkdir(parents=True, exist_ok=True)
            self._stamp.touch()
        except OSError as error:
            print(f"{self._stamp.parent} cannot be written ({error}): kernels are looked for at every start")


class ParallelCompilation:
    """Every part of ``PARTS`` compiled in a process of its own, as many at a time as there are processors.

    They start in the order of ``PARTS``: a later one reads what those before it have compiled.
    """

    def __init__(self, cache: KernelCache) -> None:
        self.cancelled = False
        self._cache = cache
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[str]] = []

    def run(self) -> None:
        """Compile all and wait; kernels of these very sources that are there already are read, not compiled again.

        Raises
        ------
        WorkstationError
            A part failed; says what it printed.
        """
        if not self._cache.complete():
            self._cache.drop()
        with ThreadPoolExecutor(os.cpu_count() or 1) as processors:
            list(processors.map(self._compile, PARTS))
        if not self.cancelled:
            self._cache.mark_complete()

    def _compile(self, part: str) -> None:
        command = [sys.executable, "-m", "workstation.cli", "compile", "--part", part]
        with self._lock:
            if self.cancelled:
                return
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self._running.append(process)
        said, _ = process.communicate()
        if process.returncode and not self.cancelled:
            raise WorkstationError(f"the kernels of {part} were not compiled: {said.strip()[-2000:]}")

    def cancel(self) -> None:
        """End the processes that still run, and start no other."""
        with self._lock:
            self.cancelled = True
            for process in self._running:
                if process.poll() is None:
                    process.terminate()


def compile_part(part: str) -> None:
    """Compile one part in this process. Raises ``WorkstationError`` for a part that does not exist."""
    if part not in PARTS:
        raise WorkstationError(f"no part {part!r}; there are {', '.join(PARTS)}")
    PARTS[part]()


def _indicators() -> None:
    from workstation.indicators.kernel_cache import compile_kernels

    compile_kernels()


def _chains() -> None:
    """Everything that looks at chains, trades and books: the standard engines without candles and ticks."""
    from workstation.engines import standard_engines
    from workstation.feeds.synthetic import Synthetic
    from workstation.indicators.candles import Candles
    from workstation.portfolio.sample import sample_fills
    from workstation.streams.hub import Hub

    hub = Hub(agreeing=1)
    for engine in standard_engines(ticks=False):
        if not isinstance(engine, Candles):
            hub.add_engine(engine)

    async def play() -> None:
        market = Synthetic(**MARKET)  # type: ignore[arg-type]
        await market.connect()
        hub.publish("instruments", await market.instruments())
        await market.subscribe()
        for batch in await market.snapshot():
            hub.publish(batch.table, batch.frame)
            if batch.table == "marks":
                hub.publish("fills", sample_fills(batch.frame))
        async for batch in market.batches():
            hub.publish(batch.table, batch.frame)

    asyncio.run(play())
    _refuse_failed(hub)


def _refuse_failed(hub: Hub) -> None:
    """Raise ``WorkstationError`` when an engine of the hub ended."""
    failed = [name for name, state in hub.branches.items() if state != "running"]
    if failed:
        raise WorkstationError(f"{failed[0]} did not run: {hub.status(failed[0]).reason}")


def _feeds() -> None:
    """Text frames, numbered prints, lines of a store, and the rows of a chart that pixels show."""
    import numpy as np
    import pandas as pd

    from workstation.feeds.iqfeed.decode import warm
    from workstation.feeds.venue_kit.gap_detector import CountGaps, SequenceGaps
    from workstation.history.influx import line_protocol
    from workstation.market.tables import TRADES
    from workstation.plots.downsampling import kept_rows

    warm()
    prints = TRADES.conform(
        pd.DataFrame(
            {"event_ns": [1, 2], "instrument": "BTC/USD", "price": 1.0, "size": 1.0, "venue_seq": [1, 3]}
        )
    )
    SequenceGaps().admit(prints)
    CountGaps().holes(prints)
    line_protocol("trades", prints)
    kept_rows(np.arange(100), np.arange(100.0), start=0, end=99, columns=4)


def _flow() -> None:
    """The engines of option prints, on a few seconds of a synthetic day; the join of whole histories; and a chain of quotes alone."""
    import numpy as np

    from workstation.exposure.levels import levels
    from workstation.feeds.synthetic.options_day import options_day
    from workstation.flow.chain import flow_engines
    from workstation.flow.nbbo import place
    from workstation.pricing.chain import chain
    from workstation.streams.hub import Hub

    hub = Hub(agreeing=1)
    for engine in flow_engines():
        hub.add_engine(engine)
    tables = options_day(minutes=0.5, names=("SPY",), parents_per_minute=20.0).tables
    for name in ("instruments", "quotes", "marks", "trades"):
        hub.publish(name, tables[name])
    place(tables["trades"], tables["quotes"])
    _refuse_failed(hub)
    unpriced = tables["marks"].assign(mark_iv=np.nan, index=np.nan)  # so that parity tells the forward
    levels(chain(unpriced, underlying="SPY", quotes=tables["quotes"]))


def _american() -> None:
    from workstation.pricing.american import compile_kernels

    compile_kernels()


PARTS: Mapping[str, Callable[[], None]] = {
    "indicators": _indicators,
    "american": _american,
    "chains": _chains,
    "flow": _flow,
    "feeds": _feeds,
}
