"""One contract over every store: the embedded one, the stand-in of InfluxDB 3, and a real server where one is named.

``WORKSTATION_INFLUX_URL`` names a real server (``influxdb3://host:port/database?token=...``); it should be an empty database.
"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from tests.unit.history.store_rows import trades
from tests.wire.influx_server import InfluxServer
from workstation.history import open_history
from workstation.market.errors import HistoryError, QueryError, TableError

NS = 1_700_000_000_000_000_000
REAL = os.environ.get("WORKSTATION_INFLUX_URL", "")
STORES = ["embedded", "influxdb3 stand-in", *(["influxdb3 server"] if REAL else [])]


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    if request.param == "embedded":
        with open_history(tmp_path / "store", upkeep=False) as one:
            yield one
    elif request.param == "influxdb3 server":
        with open_history(REAL, queue_folder=tmp_path / "queue") as one:
            yield one
    else:
        with InfluxServer() as server, open_history(server.url, queue_folder=tmp_path / "queue") as one:
            yield one


def of(rows, **columns):
    return trades(0, rows).assign(event_ns=NS + np.arange(rows) * 10, **columns)


def test_rows_come_back_as_they_were_written_sorted(store):
    frame = of(40).sample(frac=1.0, random_state=1).reset_index(drop=True)
    assert store.write("trades", frame) == 40
    found = store.read("trades")
    wanted = frame.sort_values(["event_ns", "seq"])
    for name in ("seq", "event_ns", "price", "size", "side", "trade_id"):
        assert found[name].tolist() == wanted[name].tolist()
    assert found["instrument"].astype("str").tolist() == wanted["instrument"].tolist()
    assert found["iv"].isna().all() and (found["condition"] == "").all()
    assert (
        found.dtypes.astype("str").tolist()
        == store.read("trades", start=NS * 2).dtypes.astype("str").tolist()
    )


def test_reads_are_half_open_by_time_and_by_instrument_and_column(store):
    store.write("trades", of(30))
    found = store.read("trades", NS + 50, pd.Timestamp(NS + 120), "BBB", ["price", "seq"])
    assert list(found.columns) == ["price", "seq"]
    assert found["seq"].tolist() == [8, 11]
    assert store.read("trades", NS + 5_000).empty


def test_two_rows_of_one_nanosecond_both_live_in_order_of_seq(store):
    store.write("trades", of(6).assign(event_ns=NS, instrument="AAA"))
    assert store.read("trades")["seq"].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_row_written_again_is_no_other_row(store):
    store.write("trades", of(5))
    store.write("trades", of(5))
    assert store.read("trades")["seq"].tolist() == [1, 2, 3, 4, 5]


def test_rows_that_nobody_numbered_keep_their_order_of_writing(store):
    for price in (1.0, 2.0):
        frame = pd.DataFrame(
            {"event_ns": NS, "instrument": "AAA", "price": price + np.arange(3) / 10, "size": 1.0}
        )
        assert store.write("trades", frame) == 3
    assert store.read("trades")["price"].tolist() == [1.0, 1.1, 1.2, 2.0, 2.1, 2.2]
    assert store.last_seq() == 0


def candles(close, *, seq, revision=0):
    return pd.DataFrame(
        {
            "seq": seq, "event_ns": [NS, NS + 60], "instrument": "AAA", "every_ns": 60, "open": 1.0, "high": 9.0, "low": 1.0,
            "close": close, "volume": 2.0, "revision": np.int32(revision), "closed": True, "venue": "here",
        }
    )  # fmt: skip


def test_the_row_of_a_key_is_the_one_written_last_and_revisions_stay(store):
    store.write("candles", candles([2.0, 3.0], seq=[7, 8]))
    store.write("candles", candles([4.0, 5.0], seq=[5, 6], revision=1))
    assert store.read("candles")["close"].tolist() == [4.0, 5.0]
    assert sorted(store.read("candles", revisions=True)["close"]) == [2.0, 3.0, 4.0, 5.0]
    assert store.sql("SELECT close FROM candles ORDER BY event_ns")["close"].tolist() == [4.0, 5.0]
    assert store.sql("SELECT count(*) AS n FROM candles_revisions")["n"].tolist() == [4]
    assert store.latest("candles")["close"].tolist() == [5.0]
    assert store.last_seq() == 8


def test_the_newest_row_of_every_instrument(store):
    store.write("trades", of(20))
    newest = store.latest("trades").sort_values("seq")
    assert newest["seq"].tolist() == [18, 19, 20]


def test_the_same_sql_is_answered_alike(store):
    store.write("trades", of(60))
    query = """
    WITH busy AS (SELECT * FROM trades WHERE event_ns >= $start AND venue = 'here')
    SELECT instrument, date_bin(INTERVAL '1 second', time) AS begin, count(*) AS n, max(price) AS high, min(condition) AS condition,
           first_value(seq ORDER BY event_ns, seq) AS first, last_value(seq ORDER BY event_ns, seq) AS last
    FROM busy WHERE iv IS NULL GROUP BY 1, 2 ORDER BY 1
    """
    found = store.sql(query, start=pd.Timestamp(NS + 50))
    assert found["instrument"].astype("str").tolist() == ["AAA", "BBB", "CCC"]
    assert found["n"].tolist() == [18, 18, 19]
    assert found["first"].tolist() == [7, 8, 6] and found["last"].tolist() == [58, 59, 60]
    assert (
        found["high"].tolist() == [14.25, 14.5, 14.75]
        and found["condition"].astype("str").tolist() == [""] * 3
    )


def test_sql_reads_and_does_nothing_else(store):
    store.write("trades", of(2))
    for query in (
        "DROP TABLE trades",
        "INSERT INTO trades VALUES (1)",
        "SELECT nothing_here FROM trades",
        "SELECT FROM WHERE",
    ):
        with pytest.raises(QueryError):
            store.sql(query)


def test_a_table_never_written_is_empty(store):
    store.write("trades", of(2))
    assert store.read("quotes").empty and store.latest("marks").empty
    assert store.sql("SELECT count(*) AS n FROM quotes")["n"].tolist() == [0]
    assert set(store.tables()["name"]) == {"trades"} == set(store.table_names())
    assert store.tables()[["rows", "first_event_ns", "last_event_ns"]].iloc[0].tolist() == [2, NS, NS + 10]


def test_what_is_no_batch_is_refused_by_table_and_column(store):
    with pytest.raises(TableError, match=r"trades\.price"):
        store.write("trades", of(3).drop(columns="price"))
    with pytest.raises(TableError):
        store.read("trades", columns=["nothing"])
    with pytest.raises(HistoryError, match="no time"):
        store.read("trades", start="yesterday noon")
    assert store.last_seq() == 0
