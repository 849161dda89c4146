"""Batches as Arrow and back: what a row looks like inside the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.market.instruments import REGISTRY
from workstation.market.tables import Column, Table
from workstation.market.tables.frames import arrays_of

ORDER = "_order"
"""Hidden int64 column of keyed tables: the running number of the row in its table, in order of writing."""

_IPC = pa.ipc.IpcWriteOptions(compression="lz4")


def is_keyed(table: Table) -> bool:
    """Whether a later row of the table can replace an earlier one."""
    return table.key != ("seq",)


def identity_columns(table: Table) -> list[str]:
    """Columns of which a hub gives no two rows the same values: what is written again has them all."""
    instrument = ("instrument",) if "instrument" in table.names else ()
    return list(dict.fromkeys(("seq", "event_ns", *instrument, *table.key)))


def stored_schema(table: Table) -> pa.Schema:
    """Arrow schema of a segment: the table's, and ``_order`` when rows can be replaced."""
    schema = table.arrow
    return schema.append(pa.field(ORDER, pa.int64())) if is_keyed(table) else schema


def _dictionary(values: Any) -> pa.DictionaryArray:
    """A categorical with only the categories it uses, so that a batch does not carry the whole registry."""
    codes, names = values.codes, pa.array(values.categories.array)
    if isinstance(names, pa.ChunkedArray):
        names = names.combine_chunks()
    missing = codes < 0 if len(codes) and codes.min() < 0 else None
    if len(names) > 8:
        seen = np.zeros(len(names) + 1, dtype=bool)
        seen[codes] = True
        seen[-1] = False
        used = np.flatnonzero(seen)
        mapped = np.zeros(len(names) + 1, dtype=np.int32)
        mapped[used] = np.arange(len(used), dtype=np.int32)
        codes, names = mapped[codes], names.take(pa.array(used))
    indices = pa.array(codes.astype(np.int32, copy=False), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, names.cast(pa.string()))


def _array(column: Column, values: Any) -> pa.Array:
    if column.kind in ("instrument", "category"):
        return _dictionary(values)
    if column.kind == "str":
        values = values.__arrow_array__()
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        return values.cast(pa.string())
    return pa.array(values, type=column.arrow)


def to_arrow(table: Table, frame: pd.DataFrame) -> pa.RecordBatch:
    """A conformed batch as one Arrow record batch of ``table.arrow``."""
    arrays = [_array(column, values) for column, values in zip(table.columns, arrays_of(frame), strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=table.arrow)


def encode(batch: pa.RecordBatch) -> pa.Buffer:
    """The batch as a compressed Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_IPC) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def decode(table: Table, blob: Any) -> pa.Table:
    """The batch an IPC stream holds, aligned to the table as it is declared today."""
    return nulls_for_nan(decode_as_written(table, blob))


def decode_as_written(table: Table, blob: Any) -> pa.Table:
    """As ``decode``; an unknown number is NaN, as it was written."""
    return align(table, pa.ipc.open_stream(pa.py_buffer(blob)).read_all())


def nulls_for_nan(stored: pa.Table) -> pa.Table:
    """The rows with null in place of NaN: an unknown number is NULL to SQL, wherever the row lies."""
    for place, field in enumerate(stored.schema):
        if not pa.types.is_floating(field.type):
            continue
        values = stored.column(place)
        if not any(map(_holds_nan, values.chunks)):
            continue
        unknown = pc.is_nan(values)
        if pc.any(unknown).as_py():
            stored = stored.set_column(place, field, pc.if_else(unknown, pa.scalar(None, field.type), values))
    return stored


def _holds_nan(values: pa.Array) -> bool:
    """Whether a value may be NaN; where none is null the smallest one tells, NaN being smaller than any to NumPy."""
    return len(values) > 0 and (values.null_count > 0 or bool(np.isnan(values.to_numpy().min())))


def _filler(table: Table, name: str, rows: int) -> pa.Array:
    column = table.by_name[name]
    if column.kind == "instrument":
        return pa.nulls(rows, column.arrow)
    values = pa.array([column.unknown], type=column.arrow if column.kind != "category" else pa.string())
    if column.kind == "category":
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), values)
    return values.take(pa.array(np.zeros(rows, dtype=np.int64)))


def align(table: Table, stored: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Columns of an older or newer store in the order and types of today's table; what is missing is unknown."""
    wanted = columns if columns is not None else table.names
    held = set(stored.column_names)
    arrays = []
    for name in wanted:
        kind = pa.int64() if name == ORDER else table.by_name[name].arrow
        if name not in held:
            arrays.append(pa.chunked_array([_filler(table, name, stored.num_rows)], type=kind))
        else:
            values = stored.column(name)
            arrays.append(values if values.type == kind else values.cast(kind))
    return pa.table(arrays, names=list(wanted))


def with_order(stored: pa.Table, first_row: int) -> pa.Table:
    """The rows with their running numbers."""
    order = np.arange(first_row, first_row + stored.num_rows, dtype=np.int64)
    return stored.append_column(ORDER, pa.array(order))


def numbers(stored: pa.Table, name: str) -> np.ndarray[Any, Any]:
    """A numeric column as one NumPy array."""
    values: np.ndarray[Any, Any] = stored.column(name).to_numpy()
    return values


def time_sorted(stored: pa.Table) -> pa.Table:
    """Rows by (event_ns, seq); equal ones stay in the order in which they were written."""
    event, seq = numbers(stored, "event_ns"), numbers(stored, "seq")
    if len(event) < 2:
        return stored
    step = np.diff(event)
    if (step >= 0).all() and ((step > 0) | (np.diff(seq) >= 0)).all():
        return stored
    return stored.take(pa.array(np.lexsort((seq, event))))


def categorical(values: pa.ChunkedArray) -> pd.Categorical:
    """A dictionary column as a categorical; dictionaries may differ by chunk, hold a name twice, or a null."""
    if values.num_chunks == 1:
        combined = values.chunk(0)
    elif values.num_chunks == 0:
        combined = pa.array([], values.type)
    else:
        combined = values.unify_dictionaries().combine_chunks()
        combined = combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
    codes = combined.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    places, known = pd.factorize(np.asarray(combined.dictionary.to_pylist(), dtype=object))
    if len(known) != len(places):
        codes = np.append(places.astype(np.int32), np.int32(-1))[codes]
    return pd.Categorical.from_codes(codes, categories=pd.Index(known, dtype="str"))


def _values(column: Column | None, values: pa.ChunkedArray) -> Any:
    if column is None or column.kind in ("int64", "int32", "int8", "float64", "bool"):
        array = values.to_numpy()
        return array if array.flags.writeable else array.copy()
    if column.kind == "instrument":
        return REGISTRY.conform(pd.Series(categorical(values), copy=False))
    if column.kind == "category":
        return categorical(values)
    if column.kind == "str":
        return values.to_pandas(types_mapper=None).astype("str").array
    return values.to_numpy()


def to_frame(table: Table, stored: pa.Table) -> pd.DataFrame:
    """Stored rows as a pandas batch: instruments over the registry, every column in the table's dtype."""
    columns = {
        name: _values(table.by_name.get(name), stored.column(name))
        for name in stored.column_names
        if name != ORDER
    }
    return pd.DataFrame(columns, copy=False)
