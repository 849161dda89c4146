"""Batches survive the bus: every table, every kind of column, what is missing, and what another version wrote."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from workstation.bus.entries import Entry, batch_of, frame_of, own_layout
from workstation.bus.layout import Layout, layout_of
from workstation.bus.wire import Header, packed, unpacked
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES, TRADES, Table
from workstation.market.tables.frames import arrays_of

SAMPLES = {
    "int64": [1, 2**62, 5], "int32": [1, -2, 3], "int8": [1, 0, -1], "float64": [1.5, np.nan, 1e-9], "bool": [True, False, True],
    "instrument": ["BTC/USD:BTC", "ETH/USD:ETH", "BTC/USD:BTC"], "category": ["a", "", "b"], "str": ["x", "", "ü"],
    "bytes": [b"\x00\xff", b"", b"{}"],
}  # fmt: skip


def samples(table: Table) -> pd.DataFrame:
    columns = {column.name: SAMPLES[column.kind] for column in table.columns}
    columns |= {
        column.name: [1.0, 2.0, 3.0]
        for column in table.columns
        if column.kind == "float64" and (column.bounded or column.required)
    }
    return table.numbered(pd.DataFrame(columns | {"event_ns": [5, 6, 7]}), 10)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_comes_back_as_it_was(name: str) -> None:
    table = TABLES[name]
    whole = samples(table)
    # the whole batch, one row (every column of one value), a part, and rows whose numbers do not count up by one
    for rows in (slice(None), slice(1, 2), slice(1, 3), slice(None, None, 2)):
        frame = table.conform(whole.iloc[rows])
        found = unpacked(table, *packed(table, frame))
        assert table.made(found)
        pd.testing.assert_frame_equal(found.astype(object), frame.astype(object))
        for column, array in zip(table.columns, arrays_of(found), strict=True):
            if column.dtype is not None:  # kernels are compiled for arrays like these
                assert array.flags.c_contiguous and array.flags.aligned and array.flags.writeable
    assert unpacked(table, *packed(table, table.empty())).shape == (0, len(table.columns))


def test_many_instruments_and_many_categories() -> None:
    names = [f"BTC/USD:BTC-261225-{strike}-C" for strike in range(1_000, 1_300)]
    rows = {
        "event_ns": range(300),
        "instrument": names,
        "price": -0.0,
        "size": 1.0,
        "venue": [f"v{one % 40}" for one in range(300)],
    }
    frame = TRADES.numbered(pd.DataFrame(rows), 1)
    for part in (frame, frame.iloc[17:60]):
        header, body = packed(TRADES, part)
        found = unpacked(TRADES, header, body)
        assert (
            found["instrument"].tolist() == part["instrument"].tolist()
            and found["venue"].tolist() == part["venue"].tolist()
        )
        assert len(header.texts[TRADES.places["instrument"]]) == len(part)
        assert np.signbit(found["price"].to_numpy()).all()


def test_rows_without_an_instrument() -> None:
    table = TABLES["pnl"]
    for names in ([None, "BTC/USD:BTC"], [None, None]):
        frame = table.conform(pd.DataFrame({"event_ns": [1, 2], "instrument": names, "total": 1.0}))
        missing = unpacked(table, *packed(table, frame))["instrument"].isna().tolist()
        assert missing == [name is None for name in names]


def test_rows_of_another_version_are_brought_into_todays_columns() -> None:
    theirs = Table("trades", tuple(column for column in TRADES.columns if column.name != "venue"))
    frame = samples(theirs)
    header, body = packed(theirs, frame)
    assert not own_layout(header)
    with pytest.raises(FeedError, match="layout"):
        frame_of(header, body)
    found = frame_of(header, body, Layout.read(layout_of(theirs).message))
    assert found["price"].tolist() == frame["price"].tolist() and found["venue"].tolist() == ["", "", ""]
    assert found["seq"].tolist() == [10, 11, 12] and found["trade_id"].tolist() == ["x", "", "ü"]
    with pytest.raises(ValueError, match="no table has"):
        Layout(TRADES.arrow.append(TRADES.arrow.field(0).with_name("x").with_type(pa.date32())))


def test_several_batches_in_one_entry() -> None:
    health, trades = samples(TABLES["health"]), samples(TRADES)
    sent = [batch_of("health", health), batch_of("trades", trades), batch_of("health", health)]
    fields = Entry.made(7, 3, 100, sent).fields()
    entry = Entry.read({name.encode(): value for name, value in fields.items()})
    found = list(entry.batches())
    assert [(number, before, header.table) for number, before, header, _ in found] == [
        (3, 100, "health"), (4, 103, "trades"), (5, 106, "health"),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(frame_of(*found[1][2:]).astype(object), trades.astype(object))


def test_what_is_no_batch_is_told() -> None:
    header, body = batch_of("trades", samples(TRADES))
    for bad in (b"x" * 50, b"", bytes(body)[:40]):
        with pytest.raises(FeedError, match="cannot be read"):
            frame_of(header, bad)
    with pytest.raises(FeedError, match="cannot be read"):
        own_layout(Header("no_table", 1, "", 1, 0, {}, {}, 0))
    for fields in ({b"t": b"trades"}, {b"h": b"x", b"b": b""}):
        with pytest.raises(FeedError, match="cannot be read"):
            Entry.read(fields)
