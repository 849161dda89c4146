"""Batches as lines of the InfluxDB line protocol, from columns."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.history.arrow_codec import ORDER, identity_columns
from workstation.history.influx import names
from workstation.history.influx.line_columns import LineColumn, Write, joined
from workstation.history.influx.line_kernel import NUMBER_BYTES, SLACK, close, open_lines
from workstation.history.newest_rows import groups_of
from workstation.history.written_times import in_nanoseconds
from workstation.market.errors import HistoryError, TableError
from workstation.market.tables import NO_TIME, Column, Table
from workstation.market.tables import table as declared
from workstation.market.tables.frames import arrays_of

_BLOCK = 4_096
"""Rows that are put together at a time."""


@dataclass(frozen=True)
class Lines:
    """Lines of a block of rows, one per row.

    Attributes
    ----------
    text
        The lines.
    ends
        Where each line ends, its line break included; shape (rows,).
    """

    text: bytes
    ends: npt.NDArray[np.int64]


def tag_columns(table: Table) -> tuple[str, ...]:
    """Columns that are tags: with the time they are the key, so they name a row wholly; rows are chosen and grouped by them.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> tag_columns(TRADES)
    ('instrument', 'seq')
    """
    names = {*identity_columns(table), *groups_of(table)} - {"event_ns"}
    return tuple(sorted(name for name in names if name in table.by_name))


def line_protocol(table: str, frame: pd.DataFrame) -> bytes:
    r"""A batch as line protocol: one line per row, in order, times in nanoseconds.

    Tags are ``tag_columns`` (``seq`` is one: two rows of one nanosecond stay two), all other columns are fields; both sorted
    by name. NaN, None, an unknown time and an empty tag are left out.

    Parameters
    ----------
    table
        Name of a declared table.
    frame
        A batch of it.

    Raises
    ------
    TableError
        The batch does not fit the table, or holds what the protocol cannot say: an infinity, a tag with a line break or
        ending in a backslash, a text above 64 KiB. Names column and row.
    HistoryError
        The table holds bytes, which InfluxDB 3 has no type for.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 1], "instrument": "BTC USD", "price": [0.5, 3.0], "size": 1.0, "seq": [7, 8]})
    >>> line_protocol("trades", rows).splitlines()[1][:72]
    b'trades,instrument=BTC\\ USD,seq=8 block_id="",condition="",exchange="",fl'
    """
    schema = declared(table)
    batch = schema.conform(in_nanoseconds(schema, frame))
    return b"".join(block.text for block in blocks(schema, batch))


def blocks(table: Table, batch: pd.DataFrame, order: npt.NDArray[np.int64] | None = None) -> Iterator[Lines]:
    """Lines of a conformed batch, some ten thousand rows at a time; ``order`` is written as the field ``_order``."""
    unkept = [column.name for column in table.columns if column.kind == "bytes"]
    if unkept:
        raise HistoryError(
            f"{table.name}.{unkept[0]} holds bytes, which InfluxDB 3 has no type for; keep {table.name} in an embedded history"
        )
    tags = tag_columns(table)
    names.column_names(table.name, list(table.names))
    values = {
        column.name: _values(column, array)
        for column, array in zip(table.columns, arrays_of(batch), strict=True)
    }
    if order is not None:
        values[ORDER] = order
    absent = {c.name: NO_TIME for c in table.columns if c.kind == "int64" and c.unknown == NO_TIME}
    times = values.pop("event_ns")
    return encode(
        table.name,
        times,
        {name: values[name] for name in tags},
        {name: column for name, column in values.items() if name not in tags},
        absent,
    )


def encode(
    measurement: str,
    times: npt.NDArray[np.int64],
    tags: Mapping[str, Any],
    fields: Mapping[str, Any],
    absent: Mapping[str, int] | None = None,
) -> Iterator[Lines]:
    """Lines of any columns, some thousand rows at a time; everything is checked before the first.

    Parameters
    ----------
    measurement
        Name of the table.
    times
        Nanoseconds since 1970 in UTC, shape (n,).
    tags, fields
        Values by name, shape (n,) each: int64, float64 or bool in NumPy, ``pd.Categorical`` of text, or text in Arrow.
    absent
        Per integer column the value that stands for a missing one.

    Raises
    ------
    TableError
        A value cannot be written, or a row has no field.

    Examples
    --------
    >>> (made,) = encode("m", np.array([5]), {"t": pd.Categorical(["a b"])}, {"f": np.array([0.25]), "n": np.array([3])})
    >>> made.text
    b'm,t=a\\\\ b f=0.25,n=3i 5\\n'
    """
    gaps = absent or {}
    name = names.escaped(measurement, measurement=True).encode()
    slot = len(name) + NUMBER_BYTES + SLACK
    writers: list[list[Write]] = [[], []]
    for place, columns in enumerate((tags, fields)):
        for key, values in sorted(columns.items()):
            room, write = LineColumn(measurement, key, tag=place == 0, absent=gaps.get(key)).prepared(values)
            slot += room
            writers[place].append(write)
    for first in range(0, len(times), _BLOCK):
        rows = slice(first, min(first + _BLOCK, len(times)))
        yield _block(name, slot, rows, writers[0], writers[1], times[rows])


def _block(
    name: bytes, slot: int, rows: slice, tags: list[Write], fields: list[Write], times: npt.NDArray[np.int64]
) -> Lines:  # fmt: skip
    out, text = _room(len(times) * slot)
    at = np.empty(len(times), dtype=np.int64)
    open_lines(out, slot, joined([name])[0], len(name), at)
    for write in tags:
        write(out, at, rows)
    begin = at.copy()
    for write in fields:
        write(out, at, rows)
    fieldless = close(out, slot, begin, at, np.ascontiguousarray(times, dtype=np.int64), text)
    if fieldless >= 0:
        row = rows.start + fieldless
        raise TableError(name.decode(), "", row, "no value; InfluxDB 3 keeps no row without a field")
    return Lines(text[: at[-1]].tobytes(), at)


_ROOM = threading.local()


def _room(size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Two arrays of at least so many bytes, those of the thread's last block where they are large enough."""
    held: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = getattr(_ROOM, "arrays", None)
    if held is None or len(held[0]) < size + SLACK:
        held = (np.empty(size + SLACK, dtype=np.uint8), np.empty(size + SLACK, dtype=np.uint8))
        _ROOM.arrays = held
    return held


def _values(column: Column, array: Any) -> Any:
    """A conformed column as the encoder takes it."""
    if column.kind in ("instrument", "category"):
        return array
    if column.kind == "str":
        return array.__arrow_array__()
    return array
