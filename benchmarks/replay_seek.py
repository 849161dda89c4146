"""Processor time of a seek in a replayed history: without a checkpoint, and from one.

Run with ``python benchmarks/replay_seek.py STORE``, or without a store for a synthetic market recorded on the way. The first lines are
seeks to minutes that were not played: the board begins with what history says. Then half a minute is played from a start of its own,
and sought in: a desk goes on from the nearest checkpoint.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from fleet import make_store

from workstation.history import open_history
from workstation.market.instants import MINUTE_NS, SECOND_NS
from workstation.replay_session import ReplaySession
from workstation.settings import Settings


def seek(session: ReplaySession, moment_ns: int, name: str) -> None:
    """Seek, and print what it took."""
    began, wall = time.process_time(), time.perf_counter()
    session.seek(moment_ns)
    spent, passed = time.process_time() - began, time.perf_counter() - wall
    at = (moment_ns - session.start_ns) / SECOND_NS
    print(f"{name:<24} to second {at:>7,.0f}: {spent:5.2f} s of processor, {passed:5.2f} s", flush=True)


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", nargs="?", type=Path)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of the synthetic market, beside the 45 minutes before it"
    )
    parser.add_argument("--rate", type=float, default=20.0)
    asked = parser.parse_args()
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    with ExitStack() as held:
        folder = asked.store
        if folder is None:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory())) / "store"
            make_store(folder, asked.seconds, asked.rate)
            with open_history(folder) as store:
                store.roll()  # type: ignore[attr-defined]
        history = held.enter_context(open_history(folder, mode="r", upkeep=False))
        first = ReplaySession(history, settings=settings)
        first.pause()
        minutes = (first.end_ns - first.start_ns) // MINUTE_NS
        with first:
            for share in (0.7, 0.6, 0.8, 0.5, 0.75):
                seek(first, first.start_ns + int(minutes * share) * MINUTE_NS, "without a checkpoint")
        start_ns = first.start_ns + minutes * 3 // 5 * MINUTE_NS
        with ReplaySession(history, start=start_ns, settings=settings, speed="max") as played:
            while played.position_ns < start_ns + MINUTE_NS // 2:
                time.sleep(0.05)
            played.pause()
            for second in (20, 10, 27):
                seek(played, start_ns + second * SECOND_NS, "from a checkpoint")


if __name__ == "__main__":
    main()
