"""Parquet segments: time-sorted, written once, never changed."""

from __future__ import annotations

import os
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workstation.history.arrow_codec import align, numbers
from workstation.history.manifest_records import Extent, Segment
from workstation.market.errors import HistoryError
from workstation.market.tables import Table

ROW_GROUP = 65_536


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


def write_segment(folder: Path, table: Table, rows: pa.Table, first_row: int) -> Segment:
    """Write rows as a durable Parquet file; returns what the manifest has to know of it."""
    home = folder / table.name
    home.mkdir(exist_ok=True)
    first = int(rows.column("event_ns")[0].as_py())
    final = home / f"{first}-{uuid.uuid4().hex}.parquet"
    draft = final.with_suffix(".tmp")
    try:
        with draft.open("wb") as file:
            pq.write_table(
                rows,
                file,
                row_group_size=ROW_GROUP,
                compression="zstd",
                compression_level=1,
                use_dictionary=[f.name for f in rows.schema if not pa.types.is_primitive(f.type)],
                write_page_checksum=True,
            )
            file.flush()
            os.fsync(file.fileno())
        size, checksum = draft.stat().st_size, _checksum(draft)
        draft.rename(final)
        sync_folder(home)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise HistoryError(
            f"cannot write a segment of {table.name} in {home}: {error}; its rows stay in the log, nothing is lost"
        ) from error
    reach = extent(rows)
    return Segment(
        0, table.name, f"{table.name}/{final.name}", first_row, reach.rows, reach.first_ns, reach.last_ns,
        reach.first_seq, reach.last_seq, size, checksum,
    )  # fmt: skip


def _checksum(path: Path) -> int:
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
    path: Path, table: Table, columns: Sequence[str], start: int | None = None, end: int | None = None
) -> pa.Table:
    """Columns of the rows in [start, end); row groups outside are not read, page checksums are verified."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
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
        return "" if _checksum(path) == segment.checksum else "its checksum does not match"
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
