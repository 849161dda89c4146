"""What a damaged manifest still gives: the batches of its log whose checksums hold."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from workstation.history.arrow_codec import decode
from workstation.market.tables import TABLES


@dataclass(frozen=True)
class Salvaged:
    """A batch read from a damaged manifest."""

    id: int
    table: str
    first_row: int
    rows: pa.Table


def set_aside_manifest(path: Path, quarantine: Path) -> Path:
    """Move a manifest and what SQLite keeps next to it into a folder; returns where it is now."""
    kept = quarantine / f"{path.name}.{time.time_ns()}"
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept


def salvage(path: Path) -> Iterator[Salvaged]:
    """Batches of the log that can be read and whose checksum holds, in order; stops at what SQLite cannot pass.

    The file is read as a copy would be: nothing is written to it beyond what SQLite itself recovers.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        with suppress(sqlite3.Error, UnicodeDecodeError):
            connection.execute("PRAGMA writable_schema = ON")  # a damaged schema of one table hides no other
        for id in _ids(connection):
            try:
                row = connection.execute(
                    "SELECT table_name, first_row, checksum, batch FROM log WHERE id = ?", (id,)
                ).fetchone()
            except (sqlite3.Error, UnicodeDecodeError):
                continue
            if row is None or row[0] not in TABLES or zlib.crc32(row[3]) != row[2]:
                continue
            try:
                yield Salvaged(id, row[0], row[1], decode(TABLES[row[0]], row[3]))
            except pa.ArrowException:
                continue
    finally:
        connection.close()


def _ids(connection: sqlite3.Connection) -> list[int]:
    ids: list[int] = []
    try:
        for row in connection.execute("SELECT id FROM log ORDER BY id"):
            ids.append(row[0])  # noqa: PERF401 - what was read before an error counts
    except (sqlite3.Error, UnicodeDecodeError):
        return ids
    return ids
