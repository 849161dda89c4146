"""A manifest made anew, or completed, from the segments' footers: nothing is deleted, nothing comes in twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.history.arrow_codec import ORDER, decode, encode, numbers, stored_schema, to_frame
from workstation.history.embedded.leases import exclusive
from workstation.history.embedded.manifest import Manifest
from workstation.history.embedded.manifest_records import Segment
from workstation.history.embedded.manifest_schema import MANIFEST
from workstation.history.embedded.salvage import Salvaged, salvage, set_aside_manifest
from workstation.history.embedded.segments import (
    Footer,
    checksum_of,
    extent,
    footer_of,
    id_of,
    new_draft,
    read_segment,
    write_segment,
)
from workstation.history.row_identity import HashArray, beyond, contents
from workstation.market.errors import HistoryError
from workstation.market.tables import TABLES, Table


@dataclass(frozen=True)
class Found:
    """A sound segment file and what its footer, or its rows where an earlier version wrote it, say."""

    path: Path
    footer: Footer
    told: bool
    """Whether the footer says its running numbers."""

    @property
    def file(self) -> str:
        """The name under which the manifest holds it."""
        return f"{self.footer.table}/{self.path.name}" if self.path.suffix == ".parquet" else ""


class Repair:
    """One run over a store, alone among all that roll and merge.

    Parameters
    ----------
    folder
        The store's folder; it must hold a manifest or segments.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()
        self._segments, self._quarantine = self._folder / "segments", self._folder / "quarantine"
        self._report: list[tuple[str, str, int, str]] = []

    def run(self) -> pd.DataFrame:
        """Repair; returns one row per thing done: what, piece, rows, detail.

        Raises
        ------
        HistoryError
            There is no history in the folder, or the disk is full or not writable.
        """
        if not (self._folder / MANIFEST).exists() and not any(self._segments.glob("*/*.parquet")):
            raise HistoryError(f"there is no history in {self._folder}")
        for path in (self._segments, self._quarantine, self._folder / "readers"):
            path.mkdir(parents=True, exist_ok=True)
        with exclusive(self._folder / "upkeep.lock", wait=True):
            saved = self._replace_unreadable()
            self._manifest = Manifest(self._folder / MANIFEST)
            try:
                self._retire_missing()
                for table, found in self._unknown().items():
                    self._adopt_table(TABLES[table], found)
                for batch in saved:
                    self._append_saved(batch)
                self._settle_lost_log()
            finally:
                self._manifest.close()
        return pd.DataFrame(self._report, columns=["what", "piece", "rows", "detail"])

    def _say(self, what: str, piece: str, rows: int, detail: str) -> None:
        self._report.append((what, piece, rows, detail))

    # -- the manifest -------------------------------------------------------------------------------------

    def _replace_unreadable(self) -> list[Salvaged]:
        """Keep a manifest that cannot be read aside; returns what its log still gives."""
        path = self._folder / MANIFEST
        reason = _unreadable(path)
        if not reason:
            return []
        kept = set_aside_manifest(path, self._quarantine)
        saved = list(salvage(kept))
        rows = sum(batch.rows.num_rows for batch in saved)
        self._say(
            "set aside",
            MANIFEST,
            rows,
            f"{reason}; kept as {kept.name}, {len(saved)} batches of its log read",
        )
        return saved

    def _retire_missing(self) -> None:
        """Segments of the manifest whose file is gone: what replaced them is taken in, else they are reported as lost."""
        for segment in self._live():
            if not (self._segments / segment.file).exists():
                bounds = (segment.rows, segment.first_ns, segment.last_ns)
                with self._manifest.change("repair") as connection:
                    connection.execute("DELETE FROM segments WHERE id = ?", (segment.id,))
                    self._manifest.quarantine(
                        connection, segment.table, segment.file, bounds, "the file is missing"
                    )
                self._say("missing", segment.file, segment.rows, "its file is gone")

    def _live(self, table: str | None = None) -> Sequence[Segment]:
        return self._manifest.moment([table] if table else list(TABLES), with_log=False).segments

    def _settle_lost_log(self) -> None:
        """That batches were lost stands in the report from now on, no more among the store's problems."""
        for _, piece, rows, _, _, _, reason in self._manifest.quarantined():
            if piece == MANIFEST:
                self._say("lost", MANIFEST, rows, reason.partition(". `")[0])
        with self._manifest.change("repair") as connection:
            connection.execute("DELETE FROM quarantine WHERE piece = ?", (MANIFEST,))

    # -- segments -----------------------------------------------------------------------------------------

    def _unknown(self) -> dict[str, list[Found]]:
        """Sound segments outside the manifest by table, oldest first, without those whose rows others hold by name."""
        known = self._manifest.files()
        found = []
        for path in (
            *sorted(self._segments.glob("*/*.parquet")),
            *sorted(self._quarantine.glob("*.parquet")),
        ):
            inside = path.parent.parent == self._segments
            if inside and f"{path.parent.name}/{path.name}" in known:
                continue
            one = self._look(path)
            if one is not None:
                found.append(one)
        live = [self._segments / segment.file for segment in self._live()]
        replaced = {name for one in found for name in one.footer.replaces}
        for path in live:
            footer = _footer_or_none(path)
            replaced.update(footer.replaces if footer else ())
        tables: dict[str, list[Found]] = {}
        for one in sorted(found, key=lambda one: one.footer.created_ns):
            if _file_name(one) in replaced:
                self._leave(one, "its rows are in a segment that replaced it")
            else:
                tables.setdefault(one.footer.table, []).append(one)
        self._forget_replaced(found)
        return tables

    def _look(self, path: Path) -> Found | None:
        """Read every page; a file that cannot be read is moved to quarantine."""
        try:
            footer = footer_of(path)
            table = footer.table if footer else path.parent.name
            if table not in TABLES:
                self._say("left", path.name, 0, "of no table this version knows")
                return None
            rows = read_segment(path, TABLES[table], stored_schema(TABLES[table]).names)
            if footer is not None and rows.num_rows == footer.rows:
                return Found(path, footer, True)
            if footer is not None:
                raise pa.ArrowInvalid(f"it holds {rows.num_rows} rows in place of {footer.rows}")
            return Found(path, _footer_of_rows(path, table, rows), False)
        except (pa.ArrowException, OSError) as error:
            if path.parent != self._quarantine:
                path.rename(self._quarantine / path.name)
                self._say("set aside", path.name, 0, f"cannot be read: {error}")
            return None

    def _forget_replaced(self, found: Sequence[Found]) -> None:
        """Segments of the manifest whose rows one of these holds leave it; their files go to quarantine."""
        by = {name: one for one in found for name in one.footer.replaces}
        for segment in self._live():
            if segment.file in by:
                with self._manifest.change("repair") as connection:
                    connection.execute("DELETE FROM segments WHERE id = ?", (segment.id,))
                path = self._segments / segment.file
                if path.exists():
                    path.rename(self._quarantine / path.name)
                self._say(
                    "replaced", segment.file, segment.rows, f"its rows are in {by[segment.file].path.name}"
                )

    def _leave(self, one: Found, why: str) -> None:
        if one.path.parent != self._quarantine:
            one.path.rename(self._quarantine / one.path.name)
        self._say("left out", one.path.name, one.footer.rows, f"{why}; kept in quarantine")

    def _adopt_table(self, table: Table, found: Sequence[Found]) -> None:
        for one in found:
            rows = read_segment(one.path, table, stored_schema(table).names)
            others = [other for other in self._live(table.name) if _may_share(one, other)]
            known = self._contents_of(table, others)
            new = beyond(contents(to_frame(table, rows)), known)
            if not one.told and new.any():
                new[:] = True  # without running numbers equal rows may be other rows: all or nothing
            if not new.any():
                self._leave(one, "its rows are in other segments")
                continue
            self._take_in(table, one, rows.filter(pa.array(new)) if not new.all() else rows)
            self._drop_from_log(table, one, rows)

    def _contents_of(self, table: Table, segments: Sequence[Segment]) -> HashArray:
        names = stored_schema(table).names
        parts = [
            contents(to_frame(table, read_segment(self._segments / segment.file, table, names)))
            for segment in segments
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)

    def _take_in(self, table: Table, one: Found, rows: pa.Table) -> None:
        """The segment as it is, or a new one of the rows that others do not hold."""
        footer = one.footer
        if rows.num_rows < footer.rows or _wrong_name(one):
            draft = new_draft(
                table, rows, footer.first_row, footer.end_row, [_file_name(one), *footer.replaces]
            )
            segment = write_segment(self._segments, table, rows, draft)
            if one.path.parent != self._quarantine:
                one.path.rename(self._quarantine / one.path.name)
        else:
            home = self._segments / table.name / one.path.name
            if one.path != home:
                home.parent.mkdir(exist_ok=True)
                one.path.rename(home)
            segment = Segment(
                0, table.name, f"{table.name}/{home.name}", footer.first_row, footer.rows, footer.first_ns,
                footer.last_ns, footer.first_seq, footer.last_seq, home.stat().st_size, checksum_of(home),
            )  # fmt: skip
        with self._manifest.change("repair") as connection:
            self._manifest.swap(connection, add=[segment])
            self._manifest.reserve(connection, table.name, footer.end_row, footer.last_seq)
            for name in (_file_name(one), *footer.replaces):
                connection.execute("DELETE FROM quarantine WHERE piece = ?", (name,))
        self._say("taken in", segment.file, rows.num_rows, "")

    # -- the log ------------------------------------------------------------------------------------------

    def _drop_from_log(self, table: Table, one: Found, rows: pa.Table) -> None:
        """Take out of the log what this segment holds: the manifest is from before the batches were rolled."""
        if not one.told:
            return
        moment = self._manifest.moment([table.name])
        held = contents(to_frame(table, rows)) if moment.log else None
        for logged in moment.log:
            first, end = logged.first_row, logged.first_row + logged.rows
            if held is None or logged.damaged or end <= one.footer.first_row or first >= one.footer.end_row:
                continue
            stored = decode(table, logged.batch)
            new = beyond(contents(to_frame(table, stored)), held)
            if new.all():
                continue
            with self._manifest.change("repair") as connection:
                if not new.any():
                    self._manifest.forget_batches(connection, [logged.id])
                else:
                    kept = stored.filter(pa.array(new)).combine_chunks().to_batches()[0]
                    self._manifest.replace_batch(connection, logged.id, extent(kept), encode(kept))
            self._say("in a segment", f"log/{logged.id}", int((~new).sum()), "rolled before; not kept twice")

    def _append_saved(self, batch: Salvaged) -> None:
        """Put a batch of the unreadable manifest back into the log, without the rows segments hold."""
        table = TABLES[batch.table]
        end = batch.first_row + batch.rows.num_rows
        others = []
        for segment in self._live(table.name):
            footer = _footer_or_none(self._segments / segment.file)
            if footer is not None and footer.first_row < end and footer.end_row > batch.first_row:
                others.append(segment)
        new: npt.NDArray[np.bool_] = beyond(
            contents(to_frame(table, batch.rows)), self._contents_of(table, others)
        )
        if not new.any():
            return
        kept = batch.rows.filter(pa.array(new)).combine_chunks().to_batches()[0]
        with self._manifest.change("repair") as connection:
            self._manifest.append(connection, table.name, extent(kept), encode(kept))
        self._say("saved", f"log/{batch.id} of {table.name}", kept.num_rows, "from the manifest set aside")


def repair(folder: Path) -> pd.DataFrame:
    """Make a store's manifest agree with its segments; returns what was done, one row each.

    A manifest that cannot be read is kept aside and made anew from the segments' footers and what its log still gives;
    segments the manifest does not know are taken in, without rows that others hold. Nothing is deleted: what is left
    out is moved to ``quarantine``.

    Raises
    ------
    HistoryError
        There is no history in the folder, or it cannot be written to.
    """
    return Repair(folder).run()


def _unreadable(path: Path) -> str:
    """Why a manifest cannot be used, empty when it can or when there is none."""
    if not path.exists():
        return ""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            connection.execute("SELECT * FROM sqlite_master").fetchall()
            connection.execute("SELECT * FROM segments").fetchall()
            connection.execute("SELECT * FROM quarantine").fetchall()
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error)
    return "" if found == "ok" else str(found)


def _footer_or_none(path: Path) -> Footer | None:
    try:
        return footer_of(path)
    except (pa.ArrowException, OSError):
        return None


def _footer_of_rows(path: Path, table: str, rows: pa.Table) -> Footer:
    """What an earlier version did not write: from the rows and the file."""
    reach = extent(rows)
    first_row = 0
    if ORDER in rows.column_names:
        first_row = int(numbers(rows, ORDER).min())
    created = path.stat().st_mtime_ns
    return Footer(
        id_of(path.name), table, first_row, first_row + reach.rows, reach.rows, reach.first_ns, reach.last_ns,
        reach.first_seq, reach.last_seq, created,
    )  # fmt: skip


def _file_name(one: Found) -> str:
    """The name under which the segment was written."""
    return f"{one.footer.table}/{one.footer.first_ns}-{one.footer.id}.parquet"


def _wrong_name(one: Found) -> bool:
    return one.told and id_of(one.path.name) != one.footer.id


def _may_share(one: Found, other: Segment) -> bool:
    """Whether a segment and one of the manifest can hold the same row."""
    footer = one.footer
    if other.first_ns > footer.last_ns or other.last_ns < footer.first_ns:
        return False
    if not one.told:
        return True
    return other.first_row < footer.end_row
