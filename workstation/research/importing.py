"""Recorded files into history: every row once, whatever files hold it, with every rejected row counted by reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from workstation.feeds.files import FORMATS, Rejections, read
from workstation.feeds.files.read_ahead import one_ahead
from workstation.history import History
from workstation.history.spill import Spill
from workstation.market.errors import FrameError, in_words
from workstation.market.markup import table as html_table
from workstation.market.tables import TABLES
from workstation.research.import_writer import ImportWriter
from workstation.research.known_rows import KnownRows
from workstation.research.progress import progress as progress_bar

FILES_BETWEEN_FLUSHES = 200
ROWS_IN_MEMORY = 2_000_000
"""Rows of a file that wait in memory until it has been read to its end; more of them wait on disk."""
_WAITING_BYTES = 1 << 50


@dataclass
class Imported:
    """What an import did.

    Attributes
    ----------
    files, known
        Files read to their end, and files not read because their content was imported the same way before.
    rows
        Rows written per table.
    known_rows
        Rows per table that were in history already, and were not written again.
    rejections
        Rows set aside, by reason.
    failures
        Files of which nothing was written, with the reason.
    """

    files: int = 0
    known: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    known_rows: dict[str, int] = field(default_factory=dict)
    rejections: Rejections = field(default_factory=Rejections)
    failures: dict[str, str] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        held = self.known_rows
        rows = [
            [name, self.rows.get(name, 0), held.get(name, 0)] for name in dict.fromkeys([*self.rows, *held])
        ]
        title = f"Imported {self.files} files" + (f", {self.known} more were known" if self.known else "")
        shown = html_table(title, ("table", "rows written", "rows known before"), rows)
        for said, counts in (
            ("set aside", self.rejections.counts),
            ("kept, not all known", self.rejections.notes),
        ):
            if counts:
                first = self.rejections.examples
                told = sorted(counts.items(), key=lambda item: -item[1])
                shown += html_table(
                    said, ("rows", "reason", "first of them"), [[n, why, first[why]] for why, n in told]
                )
        if self.failures:
            shown += html_table("not read", ("file", "reason"), list(self.failures.items()))
        return shown


def import_files(
    history: History,
    format_name: str,
    paths: Iterable[str | Path],
    progress: Callable[[Path, int], None] | bool | None = None,
    again: bool = False,
    **options: Any,
) -> Imported:
    """Read files of one format into history, every row once.

    Parameters
    ----------
    history
        The store.
    format_name
        One of ``workstation.feeds.files.FORMATS``.
    paths
        Files, or folders that are searched for files.
    progress
        Called with the file and the rows written of it, at each file's end. None: a bar with an estimate where somebody looks, a
        notebook or a terminal; False: no bar.
    again
        Read a file although its content was imported before, with the same format and options.
    options
        What the format needs beyond the file.

    Raises
    ------
    FrameError
        There is no such format, or no such file.
    HistoryError
        The store does not take the rows (a full disk); what it took stays, and the next import goes on from there.

    Returns
    -------
    Imported
        Counts; a file that cannot be read to its end, for whatever reason, is named in ``failures`` and leaves nothing, the
        others go on. What was imported and what was set aside also stands in the ``health`` table (feed ``import``).

    Notes
    -----
    A row is known by venue, instrument and trade id; without an id by all it says, counted: of three equal rows in a file
    two are known when history holds two. So overlapping, growing, repeated and recompressed files, and imports cut off at
    any moment, add nothing twice and lose nothing. Rows get a ``seq`` in the order of the file.
    """
    if format_name not in FORMATS:
        raise FrameError(f"no such format {format_name!r}; known are {', '.join(FORMATS)}")
    files = expand(paths)
    told = progress if callable(progress) else None
    shown = False if callable(progress) or progress is False else None
    with history.alone("import"), progress_bar(f"import {format_name}", len(files), shown=shown) as bar:
        run = _Import(history, format_name, options, again)
        return run.run(files, told, bar.tell)


class _Import:
    """One run over some files: the next one is read while the one before is compared and written."""

    def __init__(self, history: History, format_name: str, options: dict[str, Any], again: bool) -> None:
        self._format, self._options = format_name, options
        self._way = _way(format_name, options)
        self._met = set() if again else _imported(history)
        self._done = Imported()
        self._writer = ImportWriter(history, self._done.rows)
        self._known = KnownRows(history, self._writer.write)
        self._stopped = False
        self._newest: _Staged | None = None

    def run(
        self,
        files: Sequence[Path],
        progress: Callable[[Path, int], None] | None,
        tell: Callable[[float, str], None],
    ) -> Imported:
        """Import them one by one; what is complete is written, also when a later file is interrupted."""
        try:
            with closing(one_ahead(iter(files), self._read)) as coming:
                self._take(coming, progress, tell)
            self._writer.instruments()
        finally:
            if self._newest is not None:
                self._newest.close()
            self._writer.flush()
        return self._done

    def _take(
        self,
        files: Iterator[_Read],
        progress: Callable[[Path, int], None] | None,
        tell: Callable[[float, str], None],
    ) -> None:
        """Write what was read, file by file."""
        try:
            for number, file in enumerate(files, start=1):
                with closing(file.staged):
                    written = self._file(file)
                tell(number, file.path.name)
                if written is not None and progress:
                    progress(file.path, written)
                if number % FILES_BETWEEN_FLUSHES == 0:
                    self._writer.flush()
        finally:
            self._stopped = True

    def _read(self, path: Path) -> _Read:
        """A file read to its end, on the thread that reads ahead."""
        file = _Read(path)
        self._newest = file.staged
        try:
            file.name = f"sha256:{_digest(path)}+{self._way}"
            if file.name not in self._met:
                self._stage(file)
        except MemoryError:
            file.failure = "it needs more memory than there is; split it, or free some"
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a reader meets (a panic in Rust is no Exception)
            file.failure = in_words(error)
        return file

    def _file(self, file: _Read) -> int | None:
        """Rows written of a file; None when it is known or failed."""
        if file.failure:
            self._failed(file.path, file.failure)
            return None
        if file.name in self._met:
            self._done.known += 1
            return None
        written = self._write(file.path, file.staged)
        self._report(file.path, file.rejections)
        self._writer.health("imported", self._format, written, f"{file.name} {file.path.name}")
        self._met.add(file.name)
        self._done.files += 1
        return written

    def _stage(self, file: _Read) -> None:
        """Read a file to its end before anything of it is written."""
        path, before = file.path, _state(file.path)
        for name, frame in read(self._format, path, file.rejections, **self._options):
            if self._stopped:
                raise FrameError(f"{path.name}: the import was ended")
            file.staged.add(name, frame)
        if _state(path) != before:
            raise FrameError(f"{path.name} changed while it was read; import it when it is complete")

    def _failed(self, path: Path, reason: str) -> None:
        self._done.failures[str(path)] = reason
        self._writer.health("rejected", self._format, 1, f"{path.name}: {reason}")

    def _write(self, path: Path, staged: _Staged) -> int:
        """Write the rows that history does not hold."""
        written = 0
        for name in staged.tables():
            frames = staged.frames(name)
            verdict = self._known.judge(name, frames)
            at = 0
            for frame in frames:
                new = verdict.new[at : at + len(frame)]
                at += len(frame)
                kept = frame if new.all() else frame[new].reset_index(drop=True)
                if len(kept):
                    self._writer.add(name, kept)
                    written += len(kept)
            if verdict.known:
                self._done.known_rows[name] = self._done.known_rows.get(name, 0) + verdict.known
            if verdict.conflicts:
                again = Rejections()
                again.add(
                    f"the id of a stored row of {name}, with another price or size",
                    verdict.conflicts,
                    verdict.example,
                )
                self._report(path, again)
        return written

    def _report(self, path: Path, rejections: Rejections) -> None:
        for reason, count in rejections.counts.items():
            example = rejections.examples[reason]
            self._done.rejections.add(reason, count, example)
            self._writer.health("rejected", self._format, count, f"{path.name}: {reason}; first: {example}")
        for remark, count in rejections.notes.items():
            example = rejections.examples[remark]
            self._done.rejections.note(remark, count, example)
            self._writer.health("unknown", self._format, count, f"{path.name}: {remark}; first: {example}")


class _Staged:
    """All rows of one file, in file order, until it has been read to its end; many of them wait on disk."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._parts: dict[str, list[pd.DataFrame | Path]] = {}
        self._rows = 0
        self._spill: Spill | None = None

    def add(self, name: str, frame: pd.DataFrame) -> None:
        """Take the next rows of a table."""
        self._rows += len(frame)
        part: pd.DataFrame | Path = TABLES[name].conform(frame)
        if self._rows > ROWS_IN_MEMORY:
            if self._spill is None:
                self._folder = TemporaryDirectory(prefix="import-")
                self._spill = Spill(Path(self._folder.name), _WAITING_BYTES)
            part = self._spill.put(name, frame)
        self._parts.setdefault(name, []).append(part)

    def close(self) -> None:
        """Forget the rows."""
        self._parts = {}
        if self._folder is not None:
            self._folder.cleanup()

    def tables(self) -> list[str]:
        """Names of the tables the file gave rows of."""
        return list(self._parts)

    def frames(self, name: str) -> _Frames:
        """The rows of a table."""
        return _Frames(name, self._parts[name], self._spill)


@dataclass
class _Read:
    """A file as it was read: its rows, what was set aside of it, or why it cannot be taken."""

    path: Path
    staged: _Staged = field(default_factory=_Staged)
    rejections: Rejections = field(default_factory=Rejections)
    name: str = ""
    """Its content and the way of importing it."""
    failure: str = ""


class _Frames:
    """Frames of one table in file order, read from disk where they wait there; can be iterated again."""

    def __init__(self, name: str, parts: Sequence[pd.DataFrame | Path], spill: Spill | None) -> None:
        self._name, self._parts, self._spill = name, parts, spill

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for part in self._parts:
            if isinstance(part, pd.DataFrame):
                yield part
            else:
                assert self._spill is not None
                yield self._spill.get(self._name, part)


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


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _way(format_name: str, options: Mapping[str, Any]) -> str:
    """Format and options of an import in short: what a mapping file says counts, not where it lies."""
    said = {name: _said(value) for name, value in options.items()}
    text = json.dumps([format_name, said], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _said(value: Any) -> Any:
    if isinstance(value, str | Path) and str(value) and Path(value).is_file():
        return _digest(Path(value))
    return value


def _imported(history: History) -> set[str]:
    """Names, by content and way of importing, of the files that were imported to their end."""
    if "health" not in set(history.tables()["name"]):
        return set()
    health = history.read("health", columns=["feed", "event", "detail"])
    rows = health[(health["feed"] == "import") & (health["event"] == "imported")]
    return {detail.split(" ")[0] for detail in rows["detail"]}
