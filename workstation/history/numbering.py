"""Numbers of rows that no hub gave one: below 0, in order of writing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workstation.history.arrow_codec import numbers

FIRST_UNNUMBERED = -(1 << 62)
"""``seq`` of a table's first row when no hub numbered it; the next ones count up from here."""


def running_seq(first_row: int, rows: int) -> npt.NDArray[np.int64]:
    """``seq`` of so many rows that are written one after the other; shape (rows,)."""
    return FIRST_UNNUMBERED + first_row + np.arange(rows, dtype=np.int64)


def numbered(batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
    """The batch with a negative ``seq`` in order of writing where no hub gave one."""
    seq = numbers(batch, "seq")
    return with_seq(batch, np.where(seq > 0, seq, running_seq(first_row, len(seq))))


def with_seq(batch: pa.RecordBatch, seq: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """The batch with these sequence numbers."""
    place = batch.schema.get_field_index("seq")
    return batch.set_column(place, batch.schema.field(place), pa.array(seq))
