"""A batch as an Arrow stream on the bus and back: uncompressed, on the calling thread, columns made without a second look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workstation.history.arrow_codec import align, to_arrow, to_frame
from workstation.market.instruments import REGISTRY
from workstation.market.tables import Column, Table
from workstation.market.tables.categories import categories, coded

_WRITING = pa.ipc.IpcWriteOptions(use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)


def packed(table: Table, frame: pd.DataFrame) -> bytes:
    """A conformed batch as an Arrow stream.

    Small batches are not compressed: handing them to other threads and back would cost more than sending them.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT
    >>> blob = packed(HEARTBEAT, HEARTBEAT.numbered(pd.DataFrame({"event_ns": [8], "feed": "x"}), 5))
    >>> unpacked(HEARTBEAT, blob)[["seq", "event_ns", "feed"]].values.tolist()
    [[5, 8, 'x']]
    """
    batch = to_arrow(table, frame)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_WRITING) as writer:
        writer.write_batch(batch)
    made: bytes = sink.getvalue().to_pybytes()
    return made


def unpacked(table: Table, blob: bytes) -> pd.DataFrame:
    """The batch, conformed; one that another version of the table wrote is brought into today's columns.

    Raises
    ------
    pyarrow.ArrowInvalid
        It is no Arrow stream.
    """
    with pa.ipc.open_stream(blob, options=_READING) as reader:
        batch = reader.read_next_batch()
    if tuple(batch.schema.names) != table.names or any(
        array.type != column.arrow for array, column in zip(batch.columns, table.columns, strict=True)
    ):
        return table.conform(to_frame(table, align(table, pa.Table.from_batches([batch]))))
    arrays = [_array(column, values) for column, values in zip(table.columns, batch.columns, strict=True)]
    return table.assembled(arrays, batch.num_rows)


def _array(column: Column, values: Any) -> Any:
    if column.kind in ("instrument", "category"):
        return _categorical(column, values)
    if column.kind == "str":
        return pd.array(values.cast(pa.large_string()), dtype="str")
    if column.kind in ("bytes", "bool"):
        return values.to_numpy(zero_copy_only=False)
    return values.to_numpy().copy()


def _categorical(column: Column, values: Any) -> pd.Categorical:
    indices = values.indices
    codes = indices.fill_null(-1).to_numpy() if indices.null_count else indices.to_numpy()
    texts = values.dictionary.to_pylist()
    if column.kind == "instrument":
        known = np.append(REGISTRY.codes(texts), np.int32(-1))
        return REGISTRY.categorical(known[codes])
    if len(set(texts)) != len(texts) or None in texts or indices.null_count:
        made = pd.Series(values.to_pandas()).astype("str").fillna("").array
        return pd.Categorical(made)
    return coded(codes, categories(*texts))
