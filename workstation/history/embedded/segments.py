"""Parquet segments: time-sorted, written once, never changed; each says in its footer which one it is."""

from __future__ import annotations

import json
import os
import time
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workstation.history.arrow_codec import ORDER, align, nulls_for_nan, numbers
from workstation.history.embedded.manifest_records import Draft, Extent, Segment
from workstation.market.errors import HistoryError
from workstation.market.tables import Table

ROW_GROUP = 65_536
_RISING = ("seq", "event_ns", "seen_ns", ORDER)
"""Whole numbers that rise by little from row to row: kept as differences they are written and read in less time and space."""


def extent(stored: pa.Table | pa.RecordBatch) -> Extent:
    """Rows, times and sequence numbers of some rows (at least one)."""
    event = stored.column("event_ns").to_numpy()
    seq = stored.column("seq").to_numpy()
    seq = seq[seq > 0]
    bounds = (int(seq.min()), int(seq.max())) if len(seq) else (0, 0)
    return Extent(stored.num_rows, int(event.min()), int(event.max()), *bounds)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Footer:
    """What a segment says of itself, so that a lost manifest can be made anew from the files.

    ``first_row`` and ``end_row`` bound the running numbers of its rows; ``replaces`` names files whose rows it holds.
    """

    id: str
    table: str
    first_row: int
    end_row: int
    rows: int
    first_ns: int
    last_ns: int
    first_seq: int
    last_seq: int
    created_ns: int
    replaces: tuple[str, ...] = ()


class WrongSegment(pa.ArrowInvalid):  # type: ignore[misc]
    """A file is a segment, but not the one the manifest means."""


def new_draft(
    table: Table, rows: pa.Table | pa.RecordBatch, first_row: int, end_row: int, replaces: Sequence[str] = ()
) -> Draft:
    """A segment to write for these time-sorted rows, under a name of its own."""
    first = int(rows.column("event_ns")[0].as_py())
    return Draft(f"{table.name}/{first}-{uuid.uuid4().hex}.parquet", first_row, end_row, tuple(replaces))


def id_of(file: str) -> str:
    """The id in a segment's file name."""
    return Path(file).stem.rpartition("-")[2]


def _without_empty_levels(rows: pa.Table) -> pa.Table:
    """Columns without a null are written as such: Parquet then keeps no level per value, and reading is faster."""
    fields = [
        field.with_nullable(column.null_count > 0)
        for field, column in zip(rows.schema, rows.columns, strict=True)
    ]
    return pa.Table.from_arrays(rows.columns, schema=pa.schema(fields))


def write_segment(
    folder: Path, table: Table, rows: pa.Table, draft: Draft,
    otherwise: str = "its rows stay in the log, nothing is lost",
) -> Segment:  # fmt: skip
    """Write rows as a durable Parquet file; returns what the manifest has to know of it.

    ``otherwise`` says what has become of the rows when it cannot be written.
    """
    final = folder / draft.file
    reach = extent(rows)
    footer = Footer(
        id_of(draft.file), table.name, draft.first_row, draft.end_row, reach.rows, reach.first_ns, reach.last_ns,
        reach.first_seq, reach.last_seq, time.time_ns(), draft.replaces,
    )  # fmt: skip
    told = {_FOOTER: json.dumps(asdict(footer)).encode(), _NULLS: b"1"}
    rows = _without_empty_levels(nulls_for_nan(rows)).replace_schema_metadata(told)
    unfinished = final.with_suffix(".tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            pq.write_table(
                rows,
                file,
                row_group_size=ROW_GROUP,
                compression="zstd",
                compression_level=1,
                use_dictionary=[f.name for f in rows.schema if not pa.types.is_primitive(f.type)],
                column_encoding={
                    name: "DELTA_BINARY_PACKED" for name in _RISING if name in rows.column_names
                },
                write_page_checksum=True,
            )
            file.flush()
            os.fsync(file.fileno())
        size, checksum = unfinished.stat().st_size, checksum_of(unfinished)
        unfinished.rename(final)
        sync_folder(final.parent)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise HistoryError(
            f"cannot write a segment of {table.name} in {final.parent}: {error}; {otherwise}"
        ) from error
    return Segment(
        0, table.name, draft.file, draft.first_row, reach.rows, reach.first_ns, reach.last_ns,
        reach.first_seq, reach.last_seq, size, checksum,
    )  # fmt: skip


_FOOTER, _NULLS = b"workstation.segment", b"workstation.nulls"


def footer_of(path: Path) -> Footer | None:
    """What a segment says of itself; None for one that an earlier version wrote.

    Raises
    ------
    pyarrow.ArrowException, OSError
        The file is no Parquet file.
    """
    return _footer(pq.read_metadata(path).metadata or {})


def _footer(metadata: dict[bytes, bytes]) -> Footer | None:
    told = metadata.get(_FOOTER)
    if told is None:
        return None
    fields = json.loads(told)
    return Footer(**{**fields, "replaces": tuple(fields["replaces"])})


@dataclass(frozen=True)
class Identity:
    """What a look at a file's footer gave: why it is not the manifest's segment, and whether unknown numbers are null in it."""

    problem: str
    nulls: bool


def identify(path: Path, segment: Segment) -> Identity:
    """Compare a file's footer with what the manifest says of the segment.

    Raises
    ------
    pyarrow.ArrowException, OSError
        The file is no Parquet file.
    """
    with pq.ParquetFile(path) as file:
        return Identity(_difference(file, segment), _NULLS in (file.metadata.metadata or {}))


def _difference(file: pq.ParquetFile, segment: Segment) -> str:
    footer = _footer(file.metadata.metadata or {})
    if footer is None:
        found = file.metadata.num_rows
        return (
            "" if found == segment.rows else f"it holds {found} rows in place of {segment.rows}: another file"
        )
    if (footer.id, footer.table) != (id_of(segment.file), segment.table):
        return f"it is segment {footer.id} of {footer.table}, another file under this name"
    return ""


def checksum_of(path: Path) -> int:
    """CRC-32 of a file's bytes."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _groups(file: pq.ParquetFile, start: int | None, end: int | None) -> list[int]:
    place = file.schema_arrow.get_field_index("event_ns")
    kept = []
    for group in range(file.num_row_groups):
        bounds = file.metadata.row_group(group).column(place).statistics
        outside = (
            bounds is not None
            and bounds.has_min_max
            and ((end is not None and bounds.min >= end) or (start is not None and bounds.max < start))
        )
        if not outside:
            kept.append(group)
    return kept


def read_segment(
    path: Path,
    table: Table,
    columns: Sequence[str],
    start: int | None = None,
    end: int | None = None,
    segment: Segment | None = None,
) -> pa.Table:
    """Columns of the rows in [start, end); row groups outside are not read, page checksums are verified.

    Raises
    ------
    WrongSegment
        The file is not the ``segment`` of the manifest.
    """
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        if segment is not None and (difference := _difference(file, segment)):
            raise WrongSegment(difference)
        held = [name for name in columns if name in file.schema_arrow.names]
        groups = _groups(file, start, end)
        rows = align(table, file.read_row_groups(groups, columns=held), columns)
    event = numbers(rows, "event_ns")
    first = 0 if start is None else int(np.searchsorted(event, start))
    last = len(event) if end is None else int(np.searchsorted(event, end))
    return rows.slice(first, last - first)


def damage(path: Path, segment: Segment) -> str:
    """What is wrong with a segment's file, empty when its bytes are those that were written."""
    try:
        size = path.stat().st_size
        if size != segment.bytes:
            return f"it has {size} bytes in place of {segment.bytes}"
        return "" if checksum_of(path) == segment.checksum else "its checksum does not match"
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        raise HistoryError(f"cannot read {path}: {error}; nothing is set aside, try again") from error


def of_instruments(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """The rows of these instruments."""
    column = rows.column("instrument")
    wanted = pa.array(list(names), pa.string())
    masks = []
    for chunk in column.chunks:
        hits = pc.is_in(chunk.dictionary, value_set=wanted).to_numpy(zero_copy_only=False)
        codes = chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        masks.append(np.append(hits, False)[codes])
    mask = np.concatenate(masks) if masks else np.zeros(0, dtype=bool)
    return rows if mask.all() else rows.filter(pa.array(mask))
