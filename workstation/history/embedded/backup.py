"""Backup of a store that is being written to, restore, and the proof that either holds every row."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from workstation.history.embedded.manifest_schema import MANIFEST, WITNESS
from workstation.history.embedded.snapshot_reader import SnapshotReader
from workstation.history.embedded.store import EmbeddedHistory
from workstation.history.options import EmbeddedOptions
from workstation.history.recordings import RECORDINGS
from workstation.market.errors import HistoryError

TOLD = "backup.json"
FORMAT = "workstation history backup 1"


def backup(store: Path, target: Path) -> dict[str, int]:
    """Copy one consistent moment of a store into a new folder; writers go on meanwhile.

    Parameters
    ----------
    store
        Folder of the store.
    target
        Folder that is not there yet. It appears whole, after every segment and batch of it has been read, or not at all.

    Returns
    -------
    dict
        Rows by table.

    Raises
    ------
    HistoryError
        There is no store, the target is taken, a segment is damaged, or the disk is full.
    """
    with _new_folder(target) as folder:
        _copy_of_moment(store, folder)
        rows = _verified(folder)
        told = {"format": FORMAT, "made_ns": time.time_ns(), "rows": rows}
        (folder / TOLD).write_text(json.dumps(told, indent=1))
    return rows


def restore(kept: Path, target: Path) -> dict[str, int]:
    """A store from a backup, in a new folder: rows by table, which are those the backup was made with.

    Raises
    ------
    HistoryError
        It is no backup, rows of it are missing or damaged, or the target is taken.
    """
    try:
        told: Any = json.loads((kept / TOLD).read_text())
    except (OSError, ValueError) as error:
        raise HistoryError(f"{kept} is no backup: {error}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise HistoryError(f"{kept} is no backup of the format {FORMAT!r}")
    with _new_folder(target) as folder:
        _copy_of_moment(kept, folder)
        rows = _verified(folder)
        if rows != told["rows"]:
            raise HistoryError(f"{kept} holds {rows}, and was made with {told['rows']}; take another backup")
    return rows


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its name when all went well, and goes when not."""
    target = target.expanduser().absolute()
    if target.exists():
        raise HistoryError(f"{target} is there already; name a folder that is not")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        (partial / "segments").mkdir(parents=True)
        yield partial
        _sync(partial)
        partial.rename(target)
    except OSError as error:
        raise HistoryError(f"{target} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_of_moment(store: Path, folder: Path) -> None:
    if not (store / MANIFEST).exists():
        raise HistoryError(f"there is no history in {store}")
    reader = SnapshotReader(store, EmbeddedOptions(mode="r", upkeep=False))
    try:
        with reader.leases.hold(reader.manifest.generation()):
            _copy_manifest(store / MANIFEST, folder / MANIFEST)
            for file in _live_segments(folder / MANIFEST):
                _copy_segment(store / "segments", folder / "segments", file)
    finally:
        reader.manifest.close()
    with suppress(FileNotFoundError):
        shutil.copy2(store / RECORDINGS, folder / RECORDINGS)
    (folder / WITNESS).unlink(missing_ok=True)


def _copy_segment(source: Path, target: Path, file: str) -> None:
    """One file; a manifest that names one elsewhere is refused."""
    if not (source / file).resolve().is_relative_to(source.resolve()):
        raise HistoryError(f"the manifest in {source.parent} names a file that is not in it")
    (target / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / file, target / file)


def _copy_manifest(source: Path, target: Path) -> None:
    """SQLite's own backup in one step: one transaction's view, with what is in the write-ahead log."""
    try:
        with closing(sqlite3.connect(source, timeout=30.0)) as held, closing(sqlite3.connect(target)) as copy:
            held.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise HistoryError(f"the manifest of {source.parent} cannot be copied: {error}") from error


def _live_segments(manifest: Path) -> list[str]:
    with closing(sqlite3.connect(manifest)) as copy:
        copy.execute("DELETE FROM segments WHERE retired IS NOT NULL")
        copy.execute("DELETE FROM drafts")
        copy.commit()
        return [str(file) for (file,) in copy.execute("SELECT file FROM segments ORDER BY id")]


def _verified(folder: Path) -> dict[str, int]:
    """Rows by table after every page of every segment and batch has been read; ``HistoryError`` for what is damaged."""
    with closing(EmbeddedHistory(folder, upkeep=False)) as copy:
        found = copy.verify()
        if len(found):
            raise HistoryError(f"the copy is not sound: {'; '.join(found['detail'].head(3))}")
        held = copy.tables()
    return {str(name): int(rows) for name, rows in zip(held["name"], held["rows"], strict=True)}


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
