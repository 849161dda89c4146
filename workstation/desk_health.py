"""How the parts of a desk are, as the health page shows them: engines, sinks, queues, recorder, disk and process."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from workstation.board.board import PART_COLUMNS
from workstation.history import folder_of
from workstation.history.recorder import Recorder
from workstation.streams.hub import Hub

OK, WATCH, FAILED = "ok", "watch", "failed"
_LOOK_S, _LEAST_GROWTH_S = 60.0, 300.0
"""How often a store's folder is measured, and over how long at least its growth is."""
_SLOW_LAG_S, _FEW_DAYS, _LITTLE_SPACE = 5.0, 7.0, 0.05


class Part(NamedTuple):
    """One line of the health page; ``kind`` groups them."""

    kind: str
    name: str
    state: str
    detail: str


class DiskWatch:
    """Size of a store's folder, how fast it grows, and how long the disk lasts.

    Parameters
    ----------
    folder
        Of the store.
    clock
        Seconds, never back.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> now = [0.0]
    >>> folder = Path(mkdtemp())
    >>> watch = DiskWatch(folder, lambda: now[0])
    >>> watch.part().detail.split(",")[0]
    '0.0 MB kept'
    >>> _ = (folder / "segment").write_bytes(bytes(10**7))
    >>> now[0] = 3600.0
    >>> watch.part().detail.split(",")[:2]
    ['10.0 MB kept', ' grows 0.2 GB a day']
    """

    def __init__(self, folder: Path, clock: Any = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._first: tuple[float, int] | None = None
        self._last = (float("-inf"), 0)

    def part(self) -> Part:
        """The line of the disk."""
        now = self._clock()
        if now - self._last[0] >= _LOOK_S:
            self._last = (now, _size_of(self._folder))
            self._first = self._first or self._last
        usage = shutil.disk_usage(self._folder)
        words = [f"{self._last[1] / 1e6:,.1f} MB kept"]
        days = float("inf")
        since, first = self._first or self._last
        if self._last[0] - since >= _LEAST_GROWTH_S:
            a_day = (self._last[1] - first) / (self._last[0] - since) * 86_400
            words.append(f"grows {a_day / 1e9:,.1f} GB a day")
            days = usage.free / a_day if a_day > 0 else days
        words.append(f"{usage.free / 1e9:,.1f} of {usage.total / 1e9:,.1f} GB free")
        if days < 10_000:
            words.append(f"{days:,.0f} days left")
        short = days < _FEW_DAYS or usage.free < _LITTLE_SPACE * usage.total
        return Part("disk", "history", WATCH if short else OK, ", ".join(words))


def _size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # merged or dropped while it is looked at
            continue
    return total


def disk_watch(url: str) -> DiskWatch | None:
    """What watches the disk of a store; None for one that is not in a folder of this machine."""
    folder = folder_of(url)
    return DiskWatch(Path(folder)) if folder else None


def engine_parts(hub: Hub) -> list[Part]:
    """Engines and sinks: rows, time per row, failures."""
    parts = []
    for name in hub.branches:
        try:
            status = hub.status(name)
        except KeyError:  # detached meanwhile
            continue
        each = f"{1e6 * status.seconds / status.rows:,.1f} µs a row" if status.rows else "no row yet"
        words = [f"{status.rows:,} rows", each]
        if status.failures:
            words += [f"{status.failures} failures", f"{status.skipped_rows:,} rows passed by", status.reason]
        state = FAILED if status.state != "running" else WATCH if status.failures else OK
        parts.append(Part("engine" if name in hub.engines else "sink", name, state, ", ".join(words)))
    return parts


def queue_parts(hub: Hub, backlog: int, limit: int, recorder: Recorder | None) -> list[Part]:
    """What waits, and what was turned away."""
    full = backlog > limit // 2
    rejected, late = sum(hub.rejected.values()), sum(hub.late.values())
    parts = [
        Part("queue", "before the engines", WATCH if full else OK, f"{backlog:,} of {limit:,} batches wait"),
        Part("queue", "hub", WATCH if rejected else OK, f"{rejected:,} rows rejected, {late:,} late"),
    ]
    if recorder is not None:
        lag = recorder.lag_seconds
        words = f"{lag:.1f} s behind, {recorder.waiting:,} batches wait"
        parts.append(Part("queue", "recorder", WATCH if lag > _SLOW_LAG_S else OK, words))
    return parts


def process_parts() -> list[Part]:
    """Memory, threads and open files of this process, where the system tells."""
    words = [f"{threading.active_count()} threads"]
    own = Path("/proc/self")
    if own.is_dir():
        pages = int((own / "statm").read_text().split()[1])
        words = [f"{pages * os.sysconf('SC_PAGE_SIZE') / 1e6:,.0f} MB", *words, f"{sum(1 for _ in (own / 'fd').iterdir())} open files"]  # fmt: skip
    return [Part("process", f"pid {os.getpid()}", OK, ", ".join(words))]


def as_rows(parts: Iterable[Part]) -> pd.DataFrame:
    """Parts as the board holds them."""
    return pd.DataFrame(list(parts), columns=list(PART_COLUMNS), dtype="str")
