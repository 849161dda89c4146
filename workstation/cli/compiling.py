"""Compiling the numerical kernels ahead, in parallel processes: Numba keeps what it compiled beside the source."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping

from workstation.market.errors import WorkstationError

MARKET = {
    "seed": 1,
    "speed": "max",
    "start_ns": 1_767_225_600 * 10**9,
    "history_minutes": 2.0,
    "duration_s": 5.0,
}
"""A few seconds of the synthetic market: enough for every chain engine to be asked for a row."""


def compile_in_parallel() -> None:
    """Compile every part in a process of its own.

    Raises
    ------
    WorkstationError
        A part failed; says what it printed.
    """
    running = {
        part: subprocess.Popen(
            [sys.executable, "-m", "workstation.cli", "compile", "--part", part],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for part in PARTS
    }
    for part, process in running.items():
        said, _ = process.communicate()
        if process.returncode:
            raise WorkstationError(f"the kernels of {part} were not compiled: {said.strip()[-2000:]}")


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
        async for batch in market.batches():
            hub.publish(batch.table, batch.frame)

    asyncio.run(play())
    failed = [name for name, state in hub.branches.items() if state != "running"]
    if failed:
        raise WorkstationError(f"{failed[0]} did not run: {hub.status(failed[0]).reason}")


def _feeds() -> None:
    from workstation.feeds.iqfeed.decode import warm

    warm()


PARTS: Mapping[str, Callable[[], None]] = {"indicators": _indicators, "chains": _chains, "feeds": _feeds}
