"""SIGKILL of a collector and of a page's reader: what the others keep, and what the next of its kind finds."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import time
from pathlib import Path

from tests.faults.kills import start
from tests.faults.rounds import Outcome, fault
from tests.faults.rows import PYTHON, ROOT
from tests.faults.wires import Reader, Wire, supervised, until, wire
from tests.wire.redis_server import RedisServer
from workstation.bus.feed import Bus
from workstation.history import open_history

_READER = """
import asyncio, sys
from tests.faults.wires import Reader, supervised
from workstation.bus.feed import Bus

async def main():
    reader = Reader("seq")
    async with supervised(Bus(sys.argv[1]), reader):
        while True:
            await asyncio.sleep(0.05)
            print(len(reader.kept), flush=True)

asyncio.run(main())
"""
START_S = 180.0
"""How long a busy machine may take to start a process."""


async def kill_readers(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Readers are killed in the middle of reading; the collector, Redis and the other reader know nothing of it."""
    async with wire(folder) as made:
        for _ in range(3):
            outcome.rounds += 1
            process = await asyncio.to_thread(start, "-c", _READER, made.server.url)
            assert process.stdout is not None
            await made.busy(0.1)
            await asyncio.to_thread(process.stdout.readline)
            await made.busy(0.2 + chance.random() * 0.3)
            process.kill()
            process.wait()
            await made.settled(outcome, "a reader killed")
        await _read_again(outcome, made)


async def _read_again(outcome: Outcome, made: Wire) -> None:
    again = Reader("seq")
    async with supervised(Bus(made.server.url), again):
        await until(lambda: len(again.kept) >= made.sent)
    outcome.check(again.kept == list(range(1, made.sent + 1)), "the next reader lacks rows")


@fault("SIGKILL of a page server's reader")
def kill_page(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Nobody else loses a row, and the next reader has them all."""
    asyncio.run(kill_readers(outcome, folder, chance))


def collect(folder: Path, server: RedisServer) -> subprocess.Popen[bytes]:
    """A collector of the invented market into a store and onto the bus."""
    command = ["-m", "workstation.cli", "collect", "synthetic", "--history", str(folder / "store")]
    return subprocess.Popen(
        [PYTHON, *command, "--bus", server.url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT), "WORKSTATION_LOG_LEVEL": "error"},
    )


async def kill_collectors(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """A collector is killed twice and started again on its store; one page reads all the time."""
    server = RedisServer(folder).start()
    page, deaths = Reader("seq"), 0
    try:
        async with supervised(Bus(server.url), page):
            for _ in range(3):
                outcome.rounds += 1
                process, before = collect(folder, server), len(page.kept)
                began = time.monotonic()
                while (
                    len(page.kept) < before + 2_000
                    and time.monotonic() - began < START_S
                    and process.poll() is None
                ):
                    await asyncio.sleep(0.05)
                outcome.check(process.poll() is None, f"the collector ended with {process.returncode}")
                outcome.check(len(page.kept) > before, "the page saw no row of the next collector")
                await asyncio.sleep(chance.random())
                process.kill()
                process.wait()
                deaths += 1
            await asyncio.sleep(1.5)  # a blocking read
    finally:
        server.stop()
    outcome.check(page.kept == sorted(set(page.kept)), "rows doubled or out of order")
    outcome.check(
        page.restarts == deaths - 1, f"{page.restarts} collectors told as begun anew, not {deaths - 1}"
    )
    with open_history(folder / "store", upkeep=False) as history:
        outcome.check(history.problems().empty, "problems of the store")
        stored = history.read("trades", columns=["seq"])["seq"]
        outcome.check(stored.is_unique, "stored rows doubled")


@fault("SIGKILL of the collector, started again on its store")
def kill_collector(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """The page keeps what it has, is told that a collector began anew, and goes on."""
    asyncio.run(kill_collectors(outcome, folder, chance))
