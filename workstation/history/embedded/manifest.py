"""The manifest: newest batches as Arrow blobs, and which Parquet segments hold the rest."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workstation.history.embedded.manifest_file import ManifestFile
from workstation.history.embedded.manifest_records import Draft, Extent, Logged, Moment, Segment
from workstation.history.embedded.manifest_schema import MANIFEST
from workstation.market.instants import NO_TIME

_LOGGED = "id, table_name, first_row, rows, first_ns, last_ns, written_ns, checksum, bytes"
_SEGMENT = "id, table_name, file, first_row, rows, first_ns, last_ns, first_seq, last_seq, bytes, checksum"
_WITHIN = "table_name = ? AND last_ns >= ? AND first_ns < ?"
_FIRST, _LAST = -(1 << 63), (1 << 63) - 1


def _between(start: int | None, end: int | None) -> tuple[int, int]:
    return (_FIRST if start is None else start, _LAST if end is None else end)


class Manifest(ManifestFile):
    """What the SQLite file records: the log of batches, the segments, and what was damaged."""

    def __init__(self, path: Path, *, busy_seconds: float = 30.0, read_only: bool = False) -> None:
        super().__init__(path, busy_seconds=busy_seconds, read_only=read_only)
        self.behind = self._batches_lost()
        """Batches that were committed and that this manifest does not know."""

    def _batches_lost(self) -> int:
        """How far the manifest is behind the witness; told once for good, then the count goes on after the lost ones."""
        witnessed = self._witness.read()
        with self.reading("open") as connection:
            lost = witnessed - _last_logged(connection)
        if lost <= 0 or self.read_only:
            return max(lost, 0)
        reason = (
            f"it ends {lost} batches before the last one written: its write-ahead log ({MANIFEST}-wal) was lost, or an "
            "older file was put in its place; what those batches held is lost where no segment holds it. "
            f"`workstation history repair {self._path.parent}` takes in the segments it does not know"
        )
        with self.change("tell of a lost log") as connection:
            if _last_logged(connection) >= witnessed:
                return 0
            connection.execute("DELETE FROM sqlite_sequence WHERE name = 'log'")
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('log', ?)", (witnessed,))
            self.quarantine(connection, MANIFEST, MANIFEST, (0, NO_TIME, NO_TIME), reason)
        return lost

    # -- the log ------------------------------------------------------------------------------------------

    def next_row(self, connection: sqlite3.Connection, table: str) -> int:
        """Running number of the next row of a table."""
        head = connection.execute("SELECT next_row FROM heads WHERE table_name = ?", (table,)).fetchone()
        return int(head[0]) if head else 0

    def reserve(self, connection: sqlite3.Connection, table: str, next_row: int, last_seq: int) -> None:
        """Let a table's running and sequence numbers go on no earlier than here (inside ``change``)."""
        connection.execute(
            "INSERT INTO heads VALUES (?, ?, ?) ON CONFLICT (table_name) DO UPDATE SET "
            "next_row = max(next_row, excluded.next_row), last_seq = max(last_seq, excluded.last_seq)",
            (table, next_row, last_seq),
        )

    def append(self, connection: sqlite3.Connection, table: str, extent: Extent, batch: Any) -> None:
        """Put a batch at the end of a table's log (inside ``change``)."""
        first_row = self.next_row(connection, table)
        view = memoryview(batch)
        added = connection.execute(
            "INSERT INTO log (table_name, first_row, rows, first_ns, last_ns, first_seq, last_seq, written_ns, "
            "checksum, bytes, batch) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (table, first_row, extent.rows, extent.first_ns, extent.last_ns, extent.first_seq, extent.last_seq,
             time.time_ns(), zlib.crc32(view), view.nbytes, view),
        )  # fmt: skip
        self._last_logged = int(added.lastrowid or 0)
        self.reserve(connection, table, first_row + extent.rows, extent.last_seq)

    def replace_batch(self, connection: sqlite3.Connection, id: int, extent: Extent, batch: Any) -> None:
        """Give a logged batch fewer rows (inside ``change``)."""
        view = memoryview(batch)
        connection.execute(
            "UPDATE log SET rows = ?, first_ns = ?, last_ns = ?, first_seq = ?, last_seq = ?, checksum = ?, "
            "bytes = ?, batch = ? WHERE id = ?",
            (extent.rows, extent.first_ns, extent.last_ns, extent.first_seq, extent.last_seq,
             zlib.crc32(view), view.nbytes, view, id),
        )  # fmt: skip

    def forget_batches(self, connection: sqlite3.Connection, ids: Iterable[int]) -> int:
        """Take batches out of the log (inside ``change``); returns how many were there."""
        return sum(connection.execute("DELETE FROM log WHERE id = ?", (id,)).rowcount for id in ids)

    def seq_overlap(self, connection: sqlite3.Connection, table: str, extent: Extent) -> Moment:
        """SnapshotReader that may hold a row with the sequence number and time of a row in this extent."""
        head = connection.execute("SELECT last_seq FROM heads WHERE table_name = ?", (table,)).fetchone()
        if head is None or extent.last_seq == 0 or extent.first_seq > head[0]:
            return Moment((), ())
        where = "table_name = ? AND last_ns >= ? AND first_ns <= ? AND last_seq >= ? AND first_seq <= ?"
        bounds = (table, extent.first_ns, extent.last_ns, extent.first_seq, extent.last_seq)
        segments = connection.execute(
            f"SELECT {_SEGMENT} FROM segments WHERE retired IS NULL AND {where}", bounds
        )
        log = connection.execute(f"SELECT {_LOGGED}, batch FROM log WHERE {where}", bounds)
        return Moment(tuple(Segment(*row) for row in segments), tuple(Logged(*row) for row in log))

    # -- reading ------------------------------------------------------------------------------------------

    def moment(
        self,
        tables: Sequence[str],
        start: int | None = None,
        end: int | None = None,
        held: Iterable[Any] = (),
        *,
        with_log: bool = True,
    ) -> Moment:
        """Segments and, unless ``with_log`` is False, log of the tables that reach into [start, end); batches in ``held`` come
        without bytes.
        """
        known = frozenset(held)
        segments: list[Segment] = []
        logged: list[Logged] = []
        with self.reading() as connection:
            for table in tables:
                bounds = (table, *_between(start, end))
                segments.extend(
                    Segment(*row)
                    for row in connection.execute(
                        f"SELECT {_SEGMENT} FROM segments WHERE retired IS NULL AND {_WITHIN} ORDER BY first_row",
                        bounds,
                    )
                )
                if with_log:
                    logged.extend(_logged(connection, bounds, known))
        return Moment(tuple(segments), tuple(logged))

    def log_state(self) -> list[tuple[str, int, int]]:
        """(table, rows in the log, when its oldest batch was written) of every table with a log."""
        with self.reading() as connection:
            return connection.execute(
                "SELECT table_name, sum(rows), min(written_ns) FROM log GROUP BY table_name"
            ).fetchall()

    def sizes(self) -> list[tuple[Any, ...]]:
        """(table, rows, first_ns, last_ns, bytes, segments) of every table that holds rows."""
        with self.reading() as connection:
            return connection.execute(
                "SELECT table_name, sum(rows), min(first_ns), max(last_ns), sum(bytes), sum(segment) FROM ("
                "SELECT table_name, rows, first_ns, last_ns, bytes, 1 AS segment FROM segments WHERE retired IS NULL "
                "UNION ALL SELECT table_name, rows, first_ns, last_ns, bytes, 0 FROM log) "
                "GROUP BY table_name ORDER BY table_name"
            ).fetchall()

    def last_seq(self) -> int:
        """Highest sequence number ever kept, 0 when none."""
        with self.reading() as connection:
            return int(connection.execute("SELECT coalesce(max(last_seq), 0) FROM heads").fetchone()[0])

    # -- segments -----------------------------------------------------------------------------------------

    def swap(
        self,
        connection: sqlite3.Connection,
        *,
        add: Sequence[Segment] = (),
        retire: Sequence[int] = (),
    ) -> bool:
        """Bring segments in and others out (inside ``change``); False when one to retire is gone already.

        The ``id`` of a segment to add is not looked at; it is a draft no longer.
        """
        connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")
        generation = self._value(connection, "generation")
        for id in retire:
            gone = connection.execute(
                "UPDATE segments SET retired = ? WHERE id = ? AND retired IS NULL", (generation, id)
            )
            if gone.rowcount != 1:
                return False
        for new in add:
            connection.execute(
                "INSERT INTO segments (table_name, file, first_row, rows, first_ns, last_ns, first_seq, last_seq, "
                "bytes, checksum) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (new.table, new.file, new.first_row, new.rows, new.first_ns, new.last_ns, new.first_seq,
                 new.last_seq, new.bytes, new.checksum),
            )  # fmt: skip
            connection.execute("DELETE FROM drafts WHERE file = ?", (new.file,))
        return True

    def plan(self, draft: Draft, *, batches: Sequence[int] = (), segments: Sequence[int] = ()) -> None:
        """Record a segment before its file is written, and the batches and segments that hold its rows meanwhile."""
        with self.change("begin a segment") as connection:
            self.begin(connection, draft, batches, segments)

    def begin(
        self, connection: sqlite3.Connection, draft: Draft, batches: Sequence[int] = (), segments: Sequence[int] = ()
    ) -> None:  # fmt: skip
        """As ``plan``, inside ``change``."""
        sources = json.dumps({"batches": list(batches), "segments": list(segments)})
        connection.execute("INSERT INTO drafts VALUES (?, ?)", (draft.file, sources))

    def drafts(self) -> list[tuple[str, bool | None]]:
        """(file, whether everything it is made of is still in the manifest) of every segment that was begun.

        None for one that is made of nothing in the manifest.
        """
        with self.reading() as connection:
            found = connection.execute("SELECT file, sources FROM drafts").fetchall()
            made_of = [(file, json.loads(sources)) for file, sources in found]
            return [
                (file, _all_held(connection, sources) if any(sources.values()) else None)
                for file, sources in made_of
            ]

    def forget_drafts(self, files: Iterable[str]) -> None:
        """Take drafts out of the manifest."""
        with self.change("tidy") as connection:
            connection.executemany("DELETE FROM drafts WHERE file = ?", [(file,) for file in files])

    def holds(self, id: int) -> bool:
        """Whether a segment is in the manifest and has not left."""
        with self.reading() as connection:
            found = connection.execute("SELECT 1 FROM segments WHERE id = ? AND retired IS NULL", (id,))
            return found.fetchone() is not None

    def retired(self) -> list[tuple[int, str, int]]:
        """(id, file, generation) of the segments that left."""
        with self.reading() as connection:
            return connection.execute(
                "SELECT id, file, retired FROM segments WHERE retired IS NOT NULL"
            ).fetchall()

    def live_files(self) -> set[str]:
        """Files of the segments that have not left."""
        with self.reading() as connection:
            return {row[0] for row in connection.execute("SELECT file FROM segments WHERE retired IS NULL")}

    def files(self) -> set[str]:
        """Every file the manifest knows: those that left and those begun included."""
        with self.reading() as connection:
            known = {row[0] for row in connection.execute("SELECT file FROM segments")}
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'drafts'").fetchone():
                known.update(row[0] for row in connection.execute("SELECT file FROM drafts"))
            return known

    def erase(self, ids: Sequence[int]) -> None:
        """Forget segments whose files are deleted."""
        with self.change("tidy") as connection:
            connection.executemany("DELETE FROM segments WHERE id = ?", [(id,) for id in ids])

    def quarantine(
        self,
        connection: sqlite3.Connection,
        table: str,
        piece: str,
        extent: tuple[int, int, int],
        reason: str,
    ) -> None:
        """Record a damaged piece (inside ``change``); ``extent`` is rows, first_ns, last_ns."""
        connection.execute(
            "INSERT INTO quarantine (table_name, piece, rows, first_ns, last_ns, found_ns, reason) "
            "VALUES (?,?,?,?,?,?,?)",
            (table, piece, *extent, time.time_ns(), reason),
        )

    def quarantined(self) -> list[tuple[Any, ...]]:
        """(table, piece, rows, first_ns, last_ns, found_ns, reason) of every damaged piece."""
        with self.reading() as connection:
            return connection.execute(
                "SELECT table_name, piece, rows, first_ns, last_ns, found_ns, reason FROM quarantine ORDER BY id"
            ).fetchall()


def _logged(
    connection: sqlite3.Connection, bounds: tuple[Any, ...], known: frozenset[tuple[int, int]]
) -> Iterator[Logged]:
    """Batches of a table's log within bounds; those that are known come without bytes."""
    rows = connection.execute(f"SELECT {_LOGGED} FROM log WHERE {_WITHIN} ORDER BY id", bounds).fetchall()
    for row in rows:
        logged = Logged(*row)
        if (logged.id, logged.checksum) not in known:
            blob = connection.execute("SELECT batch FROM log WHERE id = ?", (logged.id,)).fetchone()
            logged = replace(logged, batch=blob[0])
        yield logged


def _last_logged(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
    return int(row[0]) if row else 0


def _all_held(connection: sqlite3.Connection, sources: dict[str, list[int]]) -> bool:
    def held(query: str, ids: list[int]) -> bool:
        return all(connection.execute(query, (id,)).fetchone() for id in ids)

    return held("SELECT 1 FROM log WHERE id = ?", sources["batches"]) and held(
        "SELECT 1 FROM segments WHERE id = ? AND retired IS NULL", sources["segments"]
    )
