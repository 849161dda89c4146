"""Recorded files into history, once each, with every rejected row counted by reason."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workstation.feeds.files import FORMATS, Rejections, read
from workstation.history import History
from workstation.market.errors import FrameError, TableError
from workstation.market.instruments import REGISTRY
from workstation.market.tables import TABLES, table

WRITE_ROWS = 50_000
"""Rows gathered before a write, so that thousands of small files do not become thousands of small batches."""


@dataclass
class Imported:
    """What an import did: files read, files known already, rows per table, rows set aside, files that failed."""

    files: int = 0
    known: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    rejections: Rejections = field(default_factory=Rejections)
    failures: dict[str, str] = field(default_factory=dict)


def import_files(
    history: History,
    format_name: str,
    paths: Iterable[str | Path],
    progress: Callable[[Path, int], None] | None = None,
    again: bool = False,
    **options: Any,
) -> Imported:
    """Read files of one format into history.

    Parameters
    ----------
    history
        The store.
    format_name
        One of ``workstation.feeds.files.FORMATS``.
    paths
        Files, or folders that are searched for files.
    progress
        Called with the file and the rows written of it, at each file's end.
    again
        Read a file although its content was imported before.
    options
        What the format needs beyond the file.

    Raises
    ------
    FrameError
        There is no such format, or no such file.

    Returns
    -------
    Imported
        Counts; a file that cannot be read at all is named in ``failures``, the others go on. What was imported and
        what was set aside also stands in the ``health`` table (feed ``import``).
    """
    if format_name not in FORMATS:
        raise FrameError(f"no such format {format_name!r}; known are {', '.join(FORMATS)}")
    done = Imported()
    known = set() if again else _known(history)
    writer = _Writer(history, done)
    for path in expand(paths):
        digest = _digest(path)
        if digest in known:
            done.known += 1
            continue
        rejections, before = Rejections(), sum(done.rows.values())
        try:
            for name, frame in read(format_name, path, rejections, **options):
                writer.add(name, frame)
        except (FrameError, TableError, OSError) as error:
            done.failures[str(path)] = str(error)
            writer.health("rejected", format_name, 1, f"{path.name}: {error}")
            continue
        written = sum(done.rows.values()) - before
        for reason, count in rejections.counts.items():
            example = rejections.examples[reason]
            done.rejections.add(reason, count, example)
            writer.health("rejected", format_name, count, f"{path.name}: {reason}; first: {example}")
        writer.health("imported", format_name, written, f"sha256:{digest} {path.name}")
        known.add(digest)
        done.files += 1
        if progress:
            progress(path, written)
    writer.instruments()
    writer.flush()
    return done


def expand(paths: Iterable[str | Path]) -> list[Path]:
    """Files named, and all files below folders named (README files left out), in order of name within a folder."""
    files: list[Path] = []
    for entry in map(Path, paths):
        if entry.is_dir():
            found = (
                file
                for file in entry.rglob("*")
                if file.is_file() and not file.name.startswith((".", "README"))
            )
            files += sorted(found)
        elif entry.exists():
            files.append(entry)
        else:
            raise FrameError(f"{entry}: no such file or folder")
    return files


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(history: History) -> set[str]:
    if "health" not in set(history.tables()["name"]):
        return set()
    health = history.read("health", columns=["feed", "event", "detail"])
    rows = health[(health["feed"] == "import") & (health["event"] == "imported")]
    return {detail.split(" ")[0].removeprefix("sha256:") for detail in rows["detail"]}


class _Writer:
    """Writes rows in batches of a good size.

    They keep ``seq`` 0: no hub accepted them, so a replay puts them in the order of their ``event_ns``, whatever the
    order in which files were imported.
    """

    def __init__(self, history: History, done: Imported) -> None:
        self._history, self._done = history, done
        self._waiting: dict[str, list[pd.DataFrame]] = {}
        self._codes: set[int] = set()

    def add(self, name: str, frame: pd.DataFrame) -> None:
        if "instrument" in frame.columns and name != "instruments":
            self._codes.update(np.unique(frame["instrument"].cat.codes).tolist())
        self._done.rows[name] = self._done.rows.get(name, 0) + len(frame)
        waiting = self._waiting.setdefault(name, [])
        waiting.append(frame)
        if sum(map(len, waiting)) >= WRITE_ROWS:
            self._write(name)

    def health(self, event: str, channel: str, count: int, detail: str) -> None:
        row = {
            "event_ns": [time.time_ns()],
            "feed": "import",
            "channel": channel,
            "event": event,
            "count": count,
            "detail": detail,
        }
        self._waiting.setdefault("health", []).append(table("health").conform(pd.DataFrame(row)))

    def instruments(self) -> None:
        """The terms of every instrument met, so that the store explains itself."""
        self._codes.discard(-1)
        if self._codes:
            terms = REGISTRY.describe(REGISTRY.names(sorted(self._codes)).tolist())
            terms = terms[terms["kind"] != ""]
            terms = terms.assign(event_ns=np.where(terms["event_ns"] > 0, terms["event_ns"], time.time_ns()))
            self.add("instruments", table("instruments").conform(terms))

    def _write(self, name: str) -> None:
        waiting, self._waiting[name] = self._waiting[name], []
        self._history.write(name, TABLES[name].concat(waiting))

    def flush(self) -> None:
        ordered: Sequence[str] = sorted(self._waiting, key=lambda name: name == "health")
        for name in ordered:
            if self._waiting[name]:
                self._write(name)
