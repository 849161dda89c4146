"""The embedded history through its public face."""

from __future__ import annotations

import pickle
import sqlite3

import numpy as np
import pandas as pd
import pytest

from tests.unit.history.store_rows import filled, trades
from workstation.history import open_history
from workstation.market.errors import HistoryError, QueryError, TableError
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TABLES


@pytest.mark.parametrize("url", ["influx://h/x", "duckdb:///tmp/x", "lake://"])
def test_an_address_it_does_not_know_is_refused_with_what_it_knows(url):
    with pytest.raises(HistoryError, match="lake://"):
        open_history(url)


def test_addresses_of_one_store_are_the_same_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_history("lake://store") as history:
        history.write("trades", trades(0, 3))
    for url in ("store", tmp_path / "store", f"lake://{tmp_path}/store"):
        with open_history(url) as history:
            assert len(history.read("trades")) == 3


def test_an_unknown_option_is_refused(tmp_path):
    with pytest.raises(HistoryError, match="roll_rows"):
        open_history(tmp_path, rows=3)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(HistoryError, match="cannot keep a history"):
        open_history(tmp_path / "file")


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_comes_back_as_it_was_written(lake, name):
    table = TABLES[name]
    values = {
        "int64": [5, 7], "int32": [1, 2], "int8": [-1, 1], "float64": [1.5, np.nan], "bool": [True, False],
        "instrument": ["AAA", "BBB"], "category": ["x", ""], "str": ["some", "ünïcode"], "bytes": [b"\x00a", b""],
    }  # fmt: skip
    frame = pd.DataFrame(
        {
            c.name: values[c.kind] if not c.required or c.kind != "float64" else [1.5, 2.5]
            for c in table.columns
        }
    )
    written = table.conform(frame.assign(seq=[1, 2]))
    lake.write(name, written)
    from_log = lake.read(name)
    lake.roll(name)
    from_segment = lake.read(name)
    for got in (from_log, from_segment):
        pd.testing.assert_frame_equal(
            got.astype({c: "str" for c in got.columns if got[c].dtype == "category"}),
            written.astype({c: "str" for c in written.columns if written[c].dtype == "category"}),
        )
        assert table.conform(got).dtypes.tolist() == got.dtypes.tolist()
    assert lake.tables().set_index("name").loc[name, "segments"] == 1


def test_reads_are_half_open_sorted_and_over_the_registry(lake):
    total = filled(lake)
    got = lake.read("trades", start=500, end=4500)
    assert got["event_ns"].tolist() == list(range(500, 4500, 10))
    assert got["instrument"].cat.categories is REGISTRY.dtype.categories
    assert len(lake.read("trades")) == total
    assert lake.read("trades", start="1970-01-01", end=pd.Timestamp(0, tz="UTC")).empty
    assert len(lake.read("trades", start=np.datetime64(4990, "ns"))) == 1


def test_out_of_order_batches_come_back_in_order(lake):
    for start in (300, 0, 200, 100):
        lake.write("trades", trades(start, 100).sample(frac=1, random_state=3))
        if start == 0:
            lake.roll()
    assert lake.read("trades")["seq"].tolist() == list(range(1, 401))


def test_instruments_and_columns_are_chosen(lake):
    filled(lake)
    got = lake.read("trades", instruments=["BBB", "unheard of"], columns=["price", "instrument"])
    assert got.columns.tolist() == ["price", "instrument"]
    assert set(got["instrument"]) == {"BBB"}
    assert got["price"].tolist() == [n / 4 for n in range(500) if n % 3 == 1]
    assert lake.read("trades", instruments="BBB").equals(lake.read("trades", instruments=["BBB"]))
    assert lake.read("trades", instruments=[]).empty
    with pytest.raises(TableError, match="no such column"):
        lake.read("trades", columns=["prize"])
    with pytest.raises(HistoryError, match="no instrument column"):
        lake.read("levels", instruments="AAA")
    with pytest.raises(HistoryError, match="is no time"):
        lake.read("trades", start="half past")


def test_a_bad_batch_is_refused_and_nothing_is_kept(lake):
    with pytest.raises(TableError, match="price"):
        lake.write("trades", trades(0, 3).drop(columns="price"))
    with pytest.raises(TableError, match="no such table"):
        lake.write("tirades", trades(0, 3))
    assert lake.tables().empty
    assert lake.read("trades").empty
    assert lake.read("trades").dtypes.equals(TABLES["trades"].empty().dtypes)


def test_what_a_cut_off_writer_repeats_is_stored_once(lake):
    lake.write("trades", trades(0, 100))
    lake.roll()
    lake.write("trades", trades(100, 100))
    assert lake.write("trades", trades(50, 100)) == 0
    assert lake.write("trades", trades(150, 100)) == 50
    assert lake.read("trades")["seq"].tolist() == list(range(1, 251))
    assert lake.write("trades", pd.concat([trades(250, 2), trades(250, 2)])) == 2


def test_rows_not_numbered_or_of_a_new_numbering_are_all_kept(lake):
    unnumbered = trades(0, 5).drop(columns="seq")
    assert lake.write("trades", unnumbered) + lake.write("trades", unnumbered) == 10
    lake.write("trades", trades(100, 50))
    assert lake.write("trades", trades(1000, 50, seq=1)) == 50, "same numbers at other times are other rows"
    assert len(lake.read("trades")) == 110


def candle(event_ns: int, close: float, revision: int = 0, every_ns: int = 10) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "event_ns": [event_ns],
            "instrument": "AAA",
            "every_ns": every_ns,
            "close": close,
            "revision": revision,
        }
    )


@pytest.mark.parametrize("rolls", [(), (0,), (0, 1), (0, 1, 2), (1,)])
def test_of_keyed_rows_the_last_written_counts_wherever_it_lies(lake, rolls):
    for number, row in enumerate(
        [candle(0, 1.0), candle(10, 2.0), candle(0, 3.0, 1), candle(0, 9.0, every_ns=60)]
    ):
        lake.write("candles", row)
        if number in rolls:
            lake.roll()
    got = lake.read("candles")
    assert sorted(zip(got["every_ns"], got["event_ns"], got["close"], strict=True)) == [
        (10, 0, 3.0), (10, 10, 2.0), (60, 0, 9.0),
    ]  # fmt: skip
    assert len(lake.read("candles", revisions=True)) == 4
    by_sql = lake.sql("SELECT every_ns, event_ns, close FROM candles ORDER BY 1, 2")
    assert [tuple(row) for row in by_sql.itertuples(index=False)] == [
        (10, 0, 3.0),
        (10, 10, 2.0),
        (60, 0, 9.0),
    ]
    assert lake.sql("SELECT count(*) AS n FROM candles_revisions")["n"].tolist() == [4]
    latest = lake.latest("candles").set_index("every_ns")["close"]
    assert latest.to_dict() == {10: 2.0, 60: 9.0}
    lake.compact()
    assert len(lake.read("candles", columns=["close"])) == 3


def test_latest_is_the_newest_of_every_group(lake):
    filled(lake)
    assert sorted(lake.latest("trades")["seq"]) == [498, 499, 500]
    lake.write("trades", trades(10, 1, seq=900).assign(instrument="BBB"))
    assert sorted(lake.latest("trades")["seq"]) == [498, 499, 500], "a late row is not the newest"
    rows = {"underlying": "BTC", "expiry_ns": 1, "sign_model": "calls_long", "basis": "open_interest"}
    for when, strikes in ((1, [1.0, 2.0, 3.0]), (2, [2.0, 3.0])):
        lake.write(
            "exposures", pd.DataFrame({"event_ns": when, "strike": strikes, "gex": float(when), **rows})
        )
    lake.write("exposures", pd.DataFrame({"event_ns": 1, "strike": [7.0], **rows, "underlying": "ETH"}))
    assert lake.latest("exposures")[["underlying", "event_ns", "strike"]].values.tolist() == [
        ["ETH", 1, 7.0], ["BTC", 2, 2.0], ["BTC", 2, 3.0],
    ]  # fmt: skip
    assert lake.latest("levels").empty


def test_sql_speaks_of_all_tables_at_one_moment(lake):
    filled(lake)
    lake.write("marks", pd.DataFrame({"event_ns": [5, 25], "instrument": ["AAA", "BBB"], "mark": [7.0, 8.0]}))
    got = lake.sql(
        """
        SELECT t.instrument, date_bin(INTERVAL '1 microsecond', t.time) AS begin, count(*) AS n,
               first_value(t.price ORDER BY t.event_ns, t.seq) AS open,
               last_value(t.price ORDER BY t.event_ns, t.seq) AS close, max(m.mark) AS mark
        FROM trades t JOIN marks m ON t.instrument = m.instrument
        WHERE t.event_ns >= $start AND t.time < to_timestamp_nanos($end) AND t.venue = $venue
        GROUP BY 1, 2 ORDER BY 1, 2
        """,
        start=pd.Timestamp(1000),
        end=3000,
        venue="here",
    )
    expected = trades(0, 500).query("1000 <= event_ns < 3000 and instrument in ('AAA', 'BBB')")
    grouped = expected.groupby(["instrument", expected["event_ns"] // 1000])["price"]
    assert got["n"].tolist() == grouped.count().tolist()
    assert got["open"].tolist() == grouped.first().tolist()
    assert got["close"].tolist() == grouped.last().tolist()
    assert got["mark"].tolist() == [7.0, 7.0, 8.0, 8.0]
    assert got["begin"].dtype == "datetime64[ns]"
    assert got["instrument"].cat.categories is REGISTRY.dtype.categories


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE trades",
        "INSERT INTO trades SELECT * FROM trades",
        "DELETE FROM trades",
        "COPY trades TO 'x.csv'",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT prize FROM trades",
        "SELECT * FROM tirades",
        "SELECT * FROM '/etc/passwd'",
        "SELEC",
        "SELECT count(*) FROM trades WHERE price > $above",
    ],
)
def test_what_is_no_select_is_refused(lake, query):
    lake.write("trades", trades(0, 3))
    with pytest.raises(QueryError):
        lake.sql(query)
    assert len(lake.read("trades")) == 3


def test_a_parameter_of_a_strange_type_is_refused(lake):
    with pytest.raises(QueryError, match=r"\$names is a list"):
        lake.sql("SELECT count(*) FROM trades WHERE instrument IN ($names)", names=["AAA"])


def test_an_empty_table_can_be_queried(lake):
    assert lake.sql("SELECT count(*) AS n FROM trades")["n"].tolist() == [0]
    assert lake.sql("SELECT count(*) AS n FROM alerts")["n"].tolist() == [0]


def test_tables_tell_what_there_is(lake):
    filled(lake)
    lake.write("marks", pd.DataFrame({"event_ns": [5], "instrument": "AAA"}))
    sizes = lake.tables().set_index("name")
    assert sizes.loc["trades", ["rows", "first_event_ns", "last_event_ns", "segments"]].tolist() == [
        500,
        0,
        4990,
        3,
    ]
    assert sizes.loc["marks", ["rows", "segments"]].tolist() == [1, 0]
    assert (sizes["bytes"] > 0).all()
    assert lake.last_seq() == 500


def test_a_history_travels_to_another_process_by_its_address(lake):
    lake.write("trades", trades(0, 3))
    with pickle.loads(pickle.dumps(lake)) as copy:
        assert copy.folder == lake.folder
        assert copy.options == lake.options
        assert len(copy.read("trades")) == 3


def test_after_close_everything_is_refused(lake):
    lake.write("trades", trades(0, 3))
    lake.close()
    lake.close()
    for act in (lambda: lake.write("trades", trades(3, 3)), lambda: lake.read("trades"), lake.tables):
        with pytest.raises(HistoryError, match="closed"):
            act()


def test_columns_added_later_are_unknown_in_older_rows(lake, monkeypatch):
    filled(lake, rolled=1, logged=1)
    import workstation.market.tables as tables
    from workstation.market.tables import Column, Table

    old = TABLES["trades"]
    new = Table("trades", (*old.columns[:5], Column("settle_ns", "int64", "ns"), Column("tape", "category"),
                           *old.columns[5:], Column("note", "str")), doc=old.doc)  # fmt: skip
    monkeypatch.setitem(tables.TABLES, "trades", new)
    with open_history(lake.folder, upkeep=False) as later:
        got = later.read("trades")
        assert got.columns.tolist() == list(new.names)
        assert (got["settle_ns"] == NO_TIME).all()
        assert (got["note"] == "").all()
        assert (got["tape"] == "").all()
        assert got["seq"].tolist() == list(range(1, 201))


def test_a_store_of_another_format_is_refused(tmp_path):
    open_history(tmp_path).close()
    with sqlite3.connect(tmp_path / "history.sqlite") as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE name = 'format'")
    connection.close()
    with pytest.raises(HistoryError, match="format 99"):
        open_history(tmp_path)


def test_names_of_many_pieces_come_out_of_sql_as_one_category(lake):
    for number in range(4):
        lake.write("trades", trades(number * 90, 90).assign(venue=["x", "y", "z", "w"][number]))
        if number % 2:
            lake.roll()
    got = lake.sql("SELECT instrument, venue, count(*) AS n FROM trades GROUP BY 1, 2 ORDER BY 1, 2")
    assert got["n"].tolist() == [30] * 12
    assert got["venue"].tolist() == ["w", "x", "y", "z"] * 3
    assert lake.sql("SELECT venue FROM trades WHERE price < 0")["venue"].tolist() == []
    empty = lake.sql("SELECT max(instrument) AS instrument FROM trades WHERE price < 0")
    assert empty["instrument"].isna().tolist() == [True]
