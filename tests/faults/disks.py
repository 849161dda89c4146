"""The disk of the recorder is full, slow, or its store locked by another program: rows wait, and all are written in the end."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from tests.faults.rounds import Outcome, fault
from tests.faults.rows import trades
from workstation.history import open_history
from workstation.history.recorder import Recorder, RecorderCounts

BATCHES, ROWS = 60, 50
Harm = Callable[[Any], AbstractContextManager[None]]
SECONDS = 30.0


def record(
    outcome: Outcome, folder: Path, harmed: Harm, seen: Callable[[RecorderCounts], bool], told_of: list[str]
) -> None:
    """Record while the store is harmed, until the harm is ``seen``, and after: each row is there once, and ``told_of`` is what was told."""
    events: list[str] = []

    def told(health: pd.DataFrame) -> None:
        events.extend(health["event"].astype("str"))

    outcome.rounds += 1
    with open_history(folder / "store", upkeep=False, busy_seconds=0.02) as history:
        recorder = Recorder(
            history, folder / "spill", told, backlog=BATCHES // 3, retry_seconds=(0.01, 0.05)
        ).start()
        put(recorder, range(BATCHES))
        with harmed(history):
            put(recorder, range(BATCHES, 2 * BATCHES))
            until = time.monotonic() + SECONDS
            while not seen(recorder.counts) and time.monotonic() < until:
                time.sleep(0.01)
            outcome.check(seen(recorder.counts), f"the harm did no harm: {recorder.counts}")
        put(recorder, range(2 * BATCHES, 3 * BATCHES))
        outcome.check(recorder.flush(SECONDS), "not written in time")
        recorder.close()
        kept = history.read("trades", columns=["seq"])["seq"].tolist()
        outcome.check(not recorder.counts.dropped, f"dropped: {recorder.counts.dropped}")
        outcome.check(
            kept == list(range(1, 3 * BATCHES * ROWS + 1)), f"{len(kept)} rows kept, or out of order"
        )
        outcome.check(history.problems().empty, "problems of the store")
    outcome.check([one for one in events if one in ("failed", "fresh")] == told_of, f"told {events}")


def failed(counts: RecorderCounts) -> bool:
    """The store refused a few writes, and rows went to the spill folder."""
    return counts.failures >= 3 and spilled(counts)


def spilled(counts: RecorderCounts) -> bool:
    """Rows went to the spill folder."""
    return counts.spilled.total() > 0


def put(recorder: Recorder, batches: range) -> None:
    """Hand over batches; never waits, however the disk is."""
    for one in batches:
        recorder.put("trades", trades(one * ROWS, ROWS))


@contextmanager
def full(history: Any) -> Iterator[None]:
    """SQLite may not grow, as on a full disk."""
    writer = history._manifest._writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        writer.execute("PRAGMA max_page_count = 1073741823")


@contextmanager
def slow(history: Any) -> Iterator[None]:
    """Every write takes a fifth of a second longer."""
    write = history.write

    def late(table: str, frame: pd.DataFrame) -> Any:
        time.sleep(0.2)
        return write(table, frame)

    history.write = late
    try:
        yield
    finally:
        history.write = write


@contextmanager
def locked(history: Any) -> Iterator[None]:
    """Another program holds the store's write lock."""
    other = sqlite3.connect(history.folder / "history.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


@fault("a full disk under the recorder")
def fill_disk(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Rows wait until there is room."""
    record(outcome, folder, full, failed, ["failed", "fresh"])


@fault("a slow disk under the recorder")
def slow_disk(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Rows wait, in memory and then in the spill folder."""
    record(outcome, folder, slow, spilled, [])


@fault("the history locked by another program")
def lock_history(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Rows wait until it is free."""
    record(outcome, folder, locked, failed, ["failed", "fresh"])
