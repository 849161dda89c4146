"""Lines against two oracles: the client's own serializer, and a parser of the protocol that is not ours."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from influxdb_client_3.write_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client_3.write_client.client.write_api import PointSettings
from line_protocol_parser import parse_line

from workstation.history.influx import line_protocol
from workstation.history.influx.decimal_text import decimals, texts
from workstation.history.influx.line_encoder import encode, tag_columns
from workstation.market.errors import HistoryError, TableError
from workstation.market.tables import NO_TIME, QUOTES, TABLES, TRADES

NS = 1_700_000_000_000_000_000


def by_the_client(table, frame):
    rows = frame.assign(event_ns=pd.to_datetime(frame["event_ns"]))
    lines = data_frame_to_list_of_points(
        rows,
        PointSettings(),
        "ns",
        data_frame_measurement_name=table.name,
        data_frame_tag_columns=list(tag_columns(table)),
        data_frame_timestamp_column="event_ns",
    )
    return ("\n".join(lines) + "\n").encode()


def quotes(rows=5_000):
    chance = np.random.default_rng(3)
    bid = 100 + np.round(chance.normal(size=rows), 2)
    bid[chance.random(rows) < 0.1] = np.nan
    return QUOTES.conform(
        pd.DataFrame(
            {
                "seq": np.arange(rows) + 1,
                "event_ns": NS + np.arange(rows) // 3,
                "instrument": np.array(["SPY 260320C500", "A=B", "C,D", "plain"])[np.arange(rows) % 4],
                "bid": bid,
                "ask": bid + chance.random(rows),
                "bid_size": chance.integers(0, 10**9, rows) * 1.0,
                "ask_size": chance.random(rows) * 1e-6,
                "condition": np.array(['say "so"', "back\\slash", "ü"])[np.arange(rows) % 3],
                "exchange": np.array(["N", "Q"])[np.arange(rows) % 2],
                "venue": "sip",
            }
        )
    )


def test_lines_are_those_of_the_client():
    frame = quotes()
    assert line_protocol("quotes", frame) == by_the_client(QUOTES, frame)


def test_two_prints_of_one_nanosecond_are_two_rows():
    frame = pd.DataFrame({"seq": [8, 9], "event_ns": NS, "instrument": "X", "price": 1.0, "size": 2.0})
    keys = {line.split(b" ")[0] for line in line_protocol("trades", frame).splitlines()}
    assert keys == {
        b"trades,instrument=X,seq=8,venue=".removesuffix(b",venue="),
        b"trades,instrument=X,seq=9",
    }


def test_an_independent_parser_reads_back_every_value():
    frame = TRADES.conform(
        pd.DataFrame(
            {
                "seq": [-5, 6],
                "event_ns": [-7, NS],
                "instrument": ["SPY 260320C500", "A=B,C"],
                "price": [1 / 3, 1e22],
                "size": [0.5, 2.0],
                "iv": [0.5, np.nan],
                "side": np.array([-1, 1], dtype=np.int8),
                "trade_id": ['a "b"', "line\nbreak, = comma"],
                "venue_seq": [np.iinfo(np.int64).max, np.iinfo(np.int64).min + 1],
            }
        )
    )
    first, rest = line_protocol("trades", frame).split(b"\ntrades,", 1)
    one, two = parse_line(first.decode()), parse_line("trades," + rest.decode().removesuffix("\n"))
    assert (one["time"], two["time"]) == (-7, NS)
    assert one["tags"] == {"instrument": "SPY 260320C500", "seq": "-5"}
    assert two["tags"] == {"instrument": "A=B,C", "seq": "6"}
    assert one["fields"]["price"] == 1 / 3 and two["fields"]["price"] == 1e22
    assert one["fields"]["iv"] == 0.5 and "iv" not in two["fields"]
    assert one["fields"]["trade_id"] == 'a "b"' and two["fields"]["trade_id"] == "line\nbreak, = comma"
    assert one["fields"]["venue_seq"] == np.iinfo(np.int64).max
    assert one["fields"]["side"] == -1


def test_doubles_are_written_as_python_writes_them():
    chance = np.random.default_rng(11)
    values = np.concatenate(
        [
            chance.integers(0, 2**63, 3_000, dtype=np.int64).view(np.float64),
            np.round(chance.normal(size=3_000) * 1e4, 3),
            chance.normal(size=3_000),
            10.0 ** np.arange(-20, 20),
            np.array(
                [
                    0.0,
                    -0.0,
                    999999999999999.0,
                    1e15,
                    123456789012345.6,
                    0.0001,
                    0.00009,
                    5e-324,
                    -1.5,
                    0.1 + 0.2,
                ]
            ),
        ]
    )
    values = values[np.isfinite(values)]
    (made,) = list(encode("m", np.zeros(100, dtype=np.int64), {}, {"f": values[-100:]}))
    whole = b"".join(
        block.text for block in encode("m", np.zeros(len(values), dtype=np.int64), {}, {"f": values})
    )
    assert [line[4:-2].decode() for line in whole.splitlines()] == [repr(value) for value in values.tolist()]
    assert whole.endswith(made.text)


def test_the_kernels_of_doubles_agree_with_their_python_twins():
    values = np.array([1.5, np.nan, 1e-9, 0.1 + 0.2, 7.0, -0.0])
    found = [(np.empty(6, dtype=np.int64), np.empty(6, dtype=np.int8)) for _ in range(2)]
    assert decimals(values, *found[0]) == decimals.py_func(values, *found[1]) == -1
    known = found[0][1] != -1
    assert (found[0][0][known] == found[1][0][known]).all() and (found[0][1] == found[1][1]).all()
    assert texts(values, found[0][1]) == ([b"0.30000000000000004", b"-0.0"], [b"1e-09"])


def test_missing_values_are_left_out_and_a_marker_of_none_is_missing():
    tags = {"t": pd.Categorical(["a", None, ""]), "n": np.array([1, NO_TIME, 3])}
    fields = {
        "text": pa.array(["", None, "x"]),
        "word": pd.Categorical([None, "", "w"]),
        "yes": np.array([True, False, True]),
        "f": np.array([math.nan, 1.0, math.nan]),
    }
    (made,) = encode("a b", np.arange(3), tags, fields, {"n": NO_TIME})
    assert made.text.decode().splitlines() == [
        'a\\ b,n=1,t=a text="",yes=True 0',
        'a\\ b f=1.0,word="",yes=False 1',
        'a\\ b,n=3 text="x",word="w",yes=True 2',
    ]
    assert made.ends.tolist() == np.cumsum([len(one) + 1 for one in made.text.splitlines()]).tolist()


@pytest.mark.parametrize("name", [name for name in TABLES if name != "frames"])
def test_every_table_but_raw_frames_can_be_written(name):
    table = TABLES[name]
    values = {"int64": 5, "int32": 1, "int8": 1, "float64": 0.5, "bool": True}
    row = {c.name: values.get(c.kind, "X" if c.kind != "str" else "text") for c in table.columns}
    frame = table.conform(pd.DataFrame([row]))
    line = parse_line(line_protocol(name, frame).decode().strip())
    assert line["measurement"] == name
    assert set(line["tags"]) | set(line["fields"]) | {"event_ns"} == set(table.names)


@pytest.mark.parametrize(
    ("tags", "fields", "column", "row"),
    [
        ({}, {"f": np.array([1.0, math.inf])}, "f", 1),
        ({"t": pd.Categorical(["a", "b\\"])}, {"f": np.ones(2)}, "t", 1),
        ({"t": pd.Categorical(["a\nb", "b"])}, {"f": np.ones(2)}, "t", 0),
        ({"t": pa.array(["a", "b\\"])}, {"f": np.ones(2)}, "t", 1),
        ({}, {"f": pa.array(["a", "b" * 65_537])}, "f", 1),
        ({}, {"f": pd.Categorical(["a", "b" * 65_537])}, "f", 1),
        ({"t": pd.Categorical(["a", "b"])}, {"f": np.array([1.0, math.nan])}, "", 1),
    ],
)
def test_what_the_protocol_cannot_say_is_refused_by_column_and_row(tags, fields, column, row):
    with pytest.raises(TableError) as told:
        list(encode("m", np.arange(2), tags, fields))
    assert (told.value.column, told.value.row) == (column, row)


def test_raw_frames_are_refused():
    rows = pd.DataFrame({"event_ns": [1], "seq": [1], "feed": "f", "channel": "c", "payload": [b"\x00"]})
    with pytest.raises(HistoryError, match="payload holds bytes"):
        line_protocol("frames", rows)
