"""The SQLite file of the embedded history: how it is made and opened, and its transactions."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workstation.history.embedded.connections import read_only_connection
from workstation.history.embedded.manifest_schema import ADVICE, FORMAT, SCHEMA, WITNESS
from workstation.history.embedded.witness import Witness
from workstation.market.errors import HistoryError


class ManifestFile:
    """The SQLite file: made, opened, and its transactions. Thread-safe; any number of processes."""

    def __init__(self, path: Path, *, busy_seconds: float = 30.0, read_only: bool = False) -> None:
        self._path, self._busy, self.read_only = path, busy_seconds, read_only
        self._lock = threading.Lock()
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._closed = False
        self._witness = Witness(path.with_name(WITNESS))
        self._last_logged = 0
        with self._named("open"):
            self._writer = self._connect()
            if read_only:
                self._check_format()
            else:
                self._create()

    def _connect(self) -> sqlite3.Connection:
        if self.read_only:
            return read_only_connection(self._path, self._busy)
        connection = sqlite3.connect(
            self._path, timeout=self._busy, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 2000")
        connection.execute("PRAGMA cache_size = -32000")
        return connection

    def _create(self) -> None:
        mode = self._writer.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal":
            mode = self._writer.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise HistoryError(
                f"{self._path}: SQLite gives {mode!r} in place of WAL; the folder must be on a local disk"
            )
        result = self._writer.execute("SELECT count(*) FROM sqlite_master WHERE name = 'drafts'").fetchone()[
            0
        ]
        if not result:
            self._writer.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} INSERT INTO meta VALUES ('format', {FORMAT}), ('generation', 1) "
                "ON CONFLICT DO NOTHING; COMMIT;"
            )
        self._check_format()

    def _check_format(self) -> None:
        found = self._value(self._writer, "format")
        if found != FORMAT:
            raise HistoryError(
                f"{self._path} has format {found}, this version reads {FORMAT}; use another folder"
            )

    @contextmanager
    def _named(self, action: str) -> Iterator[None]:
        """SQLite's errors in words, with the file and what to do."""
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            advice = next((a for word, a in ADVICE.items() if word in text), "nothing of it was kept")
            raise HistoryError(f"cannot {action} in {self._path}: {text}; {advice}") from error
        except UnicodeDecodeError as error:
            raise HistoryError(f"cannot {action} in {self._path}: {error}; {ADVICE['malformed']}") from error

    @staticmethod
    def _value(connection: sqlite3.Connection, name: str) -> int:
        row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    @contextmanager
    def change(self, action: str) -> Iterator[sqlite3.Connection]:
        """One durable transaction, alone among all writers."""
        with self._lock, self._named(action):
            if self._closed:
                raise HistoryError(f"cannot {action}: the history {self._path.parent} is closed")
            if self.read_only:
                raise HistoryError(
                    f"cannot {action}: the history {self._path.parent} was opened to read only; open it with mode 'a' "
                    "where this user may write"
                )
            self._last_logged = 0
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.rollback()
                raise
            try:
                self._writer.execute("COMMIT")
            except sqlite3.Error:
                if self._writer.in_transaction:
                    self._writer.rollback()
                raise
            if self._last_logged:
                self._witness.write(self._last_logged)

    @contextmanager
    def reading(self, action: str = "read") -> Iterator[sqlite3.Connection]:
        """One read transaction: everything asked inside it is of one moment."""
        if self._closed:
            raise HistoryError(f"cannot {action}: the history {self._path.parent} is closed")
        with self._named(action):
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                connection = self._connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.rollback()
                if self._closed or self.read_only:
                    connection.close()  # the next reader looks anew whether a writer is at work
                else:
                    self._idle.put(connection)

    def generation(self) -> int:
        """How many times the set of segments has changed."""
        with self.reading() as connection:
            return self._value(connection, "generation")

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            while True:
                try:
                    self._idle.get_nowait().close()
                except queue.Empty:
                    break
            self._writer.close()
            self._witness.close()
