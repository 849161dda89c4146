"""Large batches that no hub numbered become segments at once: the log would only hold them until the next roll."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from workstation.history.arrow_codec import ORDER, is_keyed, numbers
from workstation.history.embedded.manifest import Manifest
from workstation.history.embedded.manifest_records import Segment
from workstation.history.embedded.segments import checksum_of, footer_of, new_draft, write_segment
from workstation.history.numbering import running_seq, with_seq
from workstation.market.errors import HistoryError
from workstation.market.tables import Table


def write_at_once(manifest: Manifest, folder: Path, table: Table, batch: pa.RecordBatch) -> None:
    """Make the rows of a batch durable as one segment; alone among all who change which segments there are.

    Parameters
    ----------
    manifest, folder
        Of the store: its manifest and its segments.
    table, batch
        Rows of which none has a number of a hub, at least one.

    Raises
    ------
    HistoryError
        The disk is full or not writable; nothing of the batch was kept.
    """
    event = numbers(batch, "event_ns")
    order = None if (event[1:] >= event[:-1]).all() else np.argsort(event, kind="stable")
    rows = batch if order is None else batch.take(pa.array(order))
    with manifest.change("begin a segment") as connection:
        first_row = manifest.next_row(connection, table.name)
        manifest.reserve(connection, table.name, first_row + batch.num_rows, 0)
        draft = new_draft(table, rows, first_row, first_row + batch.num_rows)
        manifest.begin(connection, draft)
    seq = running_seq(first_row, batch.num_rows)
    stored = pa.Table.from_batches([with_seq(rows, seq if order is None else seq[order])])
    if is_keyed(table):
        places = np.arange(batch.num_rows) if order is None else order
        stored = stored.append_column(ORDER, pa.array(first_row + places))
    try:
        added = write_segment(folder, table, stored, draft, "nothing of this write was kept")
        with manifest.change(f"write {table.name}") as connection:
            manifest.swap(connection, add=[added])
    except BaseException:
        with suppress(HistoryError, OSError):
            if draft.file not in manifest.live_files():
                (folder / draft.file).unlink(missing_ok=True)
        raise


def finish(manifest: Manifest, folder: Path, file: str) -> None:
    """Take a segment in that was written at once, when only the last step is missing; its rows are nowhere else.

    A file that is not whole is left as it is, and is no draft any more: ``problems`` tells of it.
    """
    path = folder / file
    try:
        footer = footer_of(path)
    except (FileNotFoundError, pa.ArrowException):
        return
    if footer is None:
        return
    segment = Segment(
        0, footer.table, file, footer.first_row, footer.rows, footer.first_ns, footer.last_ns, footer.first_seq,
        footer.last_seq, path.stat().st_size, checksum_of(path),
    )  # fmt: skip
    with manifest.change("finish a segment") as connection:
        manifest.swap(connection, add=[segment])
