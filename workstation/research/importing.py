"""Recorded files into history, once each, with every rejected row counted by reason."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.files import FORMATS, Rejections, read
from workstation.history import History
from workstation.market.errors import FrameError, TableError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
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

    Notes
    -----
    An import that is cut off leaves the rows it had written. ``importing`` rows of ``health`` name the files they are
    of, and the next import of such a file writes only what is missing.
    """
    if format_name not in FORMATS:
        raise FrameError(f"no such format {format_name!r}; known are {', '.join(FORMATS)}")
    done = Imported()
    known = set() if again else _named(history, "imported")
    cut_off = _named(history, "importing") - _named(history, "imported")
    writer = _Writer(history, done)
    for path in expand(paths):
        digest = _digest(path)
        if digest in known:
            done.known += 1
            continue
        rejections, before = Rejections(), sum(done.rows.values())
        writer.begin(f"sha256:{digest} {path.name}", format_name)
        written_before = Written(history) if digest in cut_off else None
        try:
            for name, frame in read(format_name, path, rejections, **options):
                if written_before:
                    writer.write(name)
                    frame = written_before.missing(name, TABLES[name].conform(frame))
                writer.add(name, frame)
        except (FrameError, TableError, OSError, ValueError, BadZipFile) as error:
            done.failures[str(path)] = str(error)
            writer.health("rejected", format_name, 1, f"{path.name}: {error}")
            continue
        written = sum(done.rows.values()) - before
        for reason, count in rejections.counts.items():
            example = rejections.examples[reason]
            done.rejections.add(reason, count, example)
            writer.health("rejected", format_name, count, f"{path.name}: {reason}; first: {example}")
        for remark, count in rejections.notes.items():
            example = rejections.examples[remark]
            done.rejections.note(remark, count, example)
            writer.health("unknown", format_name, count, f"{path.name}: {remark}; first: {example}")
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


def _named(history: History, event: str) -> set[str]:
    """Digests that ``health`` rows of this event name."""
    if "health" not in set(history.tables()["name"]):
        return set()
    health = history.read("health", columns=["feed", "event", "detail"])
    rows = health[(health["feed"] == "import") & (health["event"] == event)]
    return {detail.split(" ")[0].removeprefix("sha256:") for detail in rows["detail"]}


class Written:
    """What of a file an import that was cut off had written, by content."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._met: dict[str, Counter[int]] = {}
        self._given: dict[str, Counter[int]] = {}

    def missing(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that were not in history, counting equal rows of the file one by one.

        What was given before must be written by now: it is told from what was there by its number.
        """
        if not len(frame):
            return frame
        there = self._there(name, frame["event_ns"].to_numpy())
        met, given = (counts.setdefault(name, Counter()) for counts in (self._met, self._given))
        there.subtract(given)
        wanted = np.ones(len(frame), dtype=np.bool_)
        contents = _contents(frame).tolist()
        for row, content in enumerate(contents):
            met[content] += 1
            wanted[row] = met[content] > there[content]
        given.update(content for content, new in zip(contents, wanted.tolist(), strict=True) if new)
        return frame[wanted].reset_index(drop=True)

    def _there(self, name: str, times: npt.NDArray[np.int64]) -> Counter[int]:
        """Rows of the span of these times that no hub numbered, as often as they are there."""
        if name not in set(self._history.tables()["name"]):
            return Counter()
        held = self._history.read(name, start=int(times.min()), end=int(times.max()) + 1, revisions=True)
        return Counter(_contents(held[held["seq"] == 0]).tolist())


def _contents(rows: pd.DataFrame) -> npt.NDArray[np.uint64]:
    """A hash per row of all it says."""
    plain = rows.drop(columns="seq")
    texts = {name: plain[name].astype("str") for name in plain if plain[name].dtype == "category"}
    return pd.util.hash_pandas_object(plain.assign(**texts), index=False).to_numpy()


class _Writer:
    """Writes rows in batches of a good size.

    They keep ``seq`` 0: no hub accepted them, so a replay puts them in the order of their ``event_ns``, whatever the
    order in which files were imported.
    """

    def __init__(self, history: History, done: Imported) -> None:
        self._history, self._done = history, done
        self._waiting: dict[str, list[pd.DataFrame]] = {}
        self._begun: list[tuple[str, str]] = []
        self._codes: set[int] = set()

    def begin(self, file: str, channel: str) -> None:
        """The rows that come are of this file."""
        self._begun.append((file, channel))

    def add(self, name: str, frame: pd.DataFrame) -> None:
        if "instrument" in frame.columns and name != "instruments":
            self._codes.update(np.unique(frame["instrument"].cat.codes).tolist())
        self._done.rows[name] = self._done.rows.get(name, 0) + len(frame)
        waiting = self._waiting.setdefault(name, [])
        waiting.append(frame)
        if sum(map(len, waiting)) >= WRITE_ROWS:
            self.write(name)

    def health(self, event: str, channel: str, count: int, detail: str) -> None:
        self._waiting.setdefault("health", []).append(self._told(event, channel, count, detail))

    @staticmethod
    def _told(event: str, channel: str, count: int, detail: str) -> pd.DataFrame:
        row = {
            "event_ns": [time.time_ns()],
            "feed": "import",
            "channel": channel,
            "event": event,
            "count": count,
            "detail": detail,
        }
        return table("health").conform(pd.DataFrame(row))

    def instruments(self) -> None:
        """The terms of every instrument met, so that the store explains itself."""
        self._codes.discard(-1)
        if self._codes:
            terms = INSTRUMENT_TERMS.describe(REGISTRY.names(sorted(self._codes)).tolist())
            terms = terms[terms["kind"] != ""]
            terms = terms.assign(event_ns=np.where(terms["event_ns"] > 0, terms["event_ns"], time.time_ns()))
            self.add("instruments", table("instruments").conform(terms))

    def write(self, name: str) -> None:
        """Make durable what waits of a table."""
        if not self._waiting.get(name):
            return
        if self._begun and name != "health":
            begun, self._begun = self._begun, []
            told = [self._told("importing", channel, 0, file) for file, channel in begun]
            self._history.write("health", TABLES["health"].concat(told))
        waiting, self._waiting[name] = self._waiting[name], []
        self._history.write(name, TABLES[name].concat(waiting))

    def flush(self) -> None:
        ordered: Sequence[str] = sorted(self._waiting, key=lambda name: name == "health")
        for name in ordered:
            self.write(name)
