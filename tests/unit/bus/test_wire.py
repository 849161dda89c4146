"""Batches survive the bus: every table, every kind of column, what is missing, and what another version wrote."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from workstation.bus.entries import Entry
from workstation.bus.wire import packed, unpacked
from workstation.history.arrow_codec import to_arrow
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES, TRADES

SAMPLES = {
    "int64": [1, 2**62, 5], "int32": [1, -2, 3], "int8": [1, 0, -1], "float64": [1.5, np.nan, 1e-9], "bool": [True, False, True],
    "instrument": ["BTC/USD:BTC", "ETH/USD:ETH", "BTC/USD:BTC"], "category": ["a", "", "b"], "str": ["x", "", "ü"],
    "bytes": [b"\x00\xff", b"", b"{}"],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_comes_back_as_it_was(name: str) -> None:
    table = TABLES[name]
    columns = {column.name: SAMPLES[column.kind] for column in table.columns}
    columns |= {
        column.name: [1.0, 2.0, 3.0]
        for column in table.columns
        if column.kind == "float64" and (column.bounded or column.required)
    }
    frame = table.numbered(pd.DataFrame(columns | {"event_ns": [5, 6, 7]}), 10)
    found = unpacked(table, packed(table, frame))
    assert table.made(found)
    pd.testing.assert_frame_equal(found.astype(object), frame.astype(object))
    for column in table.columns:
        if column.kind in ("int64", "float64"):
            found[column.name].to_numpy()  # readable
    assert unpacked(table, packed(table, table.empty())).shape == (0, len(table.columns))


def test_rows_without_an_instrument_and_rows_of_another_version() -> None:
    table = TABLES["pnl"]
    frame = table.conform(
        pd.DataFrame({"event_ns": [1, 2], "instrument": [None, "BTC/USD:BTC"], "total": 1.0})
    )
    assert unpacked(table, packed(table, frame))["instrument"].isna().tolist() == [True, False]
    rows = {
        "event_ns": [1, 2],
        "instrument": "BTC/USD:BTC",
        "price": [1.0, 2.0],
        "size": 1.0,
        "venue": "deribit",
    }
    whole = pa.Table.from_batches([to_arrow(TRADES, TRADES.conform(pd.DataFrame(rows)))])
    older = whole.drop_columns(["venue"]).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, older.schema) as writer:
        writer.write_table(older)
    found = unpacked(TRADES, sink.getvalue().to_pybytes())
    assert found["price"].tolist() == [1.0, 2.0] and found["venue"].tolist() == ["", ""]


@pytest.mark.parametrize(("table", "blob"), [("trades", b"x" * 50), ("trades", b""), ("no_table", b"x")])
def test_what_is_no_batch_is_told(table: str, blob: bytes) -> None:
    with pytest.raises(FeedError, match="cannot be read"):
        Entry(table, blob, 1, 1, 1, 0).frame()
    with pytest.raises(FeedError, match="cannot be read"):
        Entry.read({b"t": b"trades"})
