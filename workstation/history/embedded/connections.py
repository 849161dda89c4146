"""SQLite connections that change nothing, also where nothing may be written."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote

from workstation.market.errors import HistoryError


def _open(path: Path, seconds: float, *options: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?{'&'.join(('mode=ro', *options))}"
    connection = sqlite3.connect(
        address, timeout=seconds, isolation_level=None, check_same_thread=False, uri=True
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def read_only_connection(path: Path, seconds: float) -> sqlite3.Connection:
    """A connection that reads a store's manifest and creates nothing next to it.

    A store with a write-ahead log that this user may not open is read through a copy.

    Raises
    ------
    HistoryError
        There is no such file.
    sqlite3.Error
        It cannot be read.
    """
    if not path.exists():
        raise HistoryError(f"there is no history in {path.parent}")
    wal, shared = path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
    if not wal.exists() or wal.stat().st_size == 0:
        return _open(path, seconds, "immutable=1")
    if shared.exists():
        try:
            return _open(path, seconds)
        except sqlite3.OperationalError as error:
            if "unable to open" not in str(error) and "readonly" not in str(error):
                raise
    return _copied(path, wal)


def _copied(path: Path, wal: Path) -> sqlite3.Connection:
    """The manifest with its log as they are now, in memory."""
    with tempfile.TemporaryDirectory(prefix="history-") as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(wal, copy.with_name(wal.name))
        source = sqlite3.connect(copy, isolation_level=None)
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        try:
            source.backup(memory)
        finally:
            source.close()
    return memory
