"""What a caller hands in is right or refused; what is unknown is unknown to SQL; who may only read only reads."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tests.unit.history.store_rows import filled, trades
from workstation.history import folder_of, open_history
from workstation.history.embedded import maintenance as upkeep
from workstation.market.errors import HistoryError, QueryError, TableError
from workstation.market.tables import NO_TIME

DAY = 86_400 * 10**9
MOMENT = 1_774_000_020_123_456_000


def prints(times, **columns) -> pd.DataFrame:
    return pd.DataFrame({"event_ns": times, "instrument": "AAA", "price": 1.0, "size": 1.0} | columns)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_datetimes_are_converted_by_their_unit_and_zone(lake, unit, zone):
    times = pd.Series(pd.to_datetime([MOMENT, MOMENT + 5 * 10**9])).dt.tz_localize("UTC")
    times = times.dt.tz_convert(zone) if zone else times.dt.tz_localize(None)
    kind = f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]"
    lake.write("trades", prints(times.astype(kind), seen_ns=times.astype(kind)))
    size = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    expected = [MOMENT // size * size, (MOMENT + 5 * 10**9) // size * size]
    got = lake.read("trades")
    assert got["event_ns"].tolist() == got["seen_ns"].tolist() == expected


def test_moments_as_objects_are_converted(lake):
    stamp = pd.Timestamp(MOMENT, tz="UTC")
    lake.write("trades", prints(pd.Series([stamp, stamp.to_pydatetime()], dtype=object)))
    assert lake.read("trades")["event_ns"].tolist() == [MOMENT, MOMENT]


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime(["2026-03-20", None]),
        pd.Series([pd.Timestamp("2026-03-20"), pd.NaT], dtype=object),
        np.array([MOMENT, NO_TIME]),
    ],
)
def test_a_row_without_a_time_is_refused_by_name(lake, times):
    with pytest.raises(TableError, match=r"event_ns, row 1.*NaT"):
        lake.write("trades", prints(times))
    assert lake.tables().empty


@pytest.mark.parametrize(
    "times",
    [
        pd.Series(np.array(["1989-12-31", "2026-01-01"], dtype="datetime64[s]")),
        pd.Series(np.array(["2100-01-01"], dtype="datetime64[us]")),
        pd.Series(np.array(["9999-01-01"], dtype="datetime64[s]")),
        np.array([MOMENT * 4]),
        ["2026-03-20"],
        [1.5],
        [np.nan],
        pd.to_timedelta([5], unit="s"),
    ],
)
def test_what_is_no_time_of_1990_to_2100_is_refused(lake, times):
    with pytest.raises(TableError, match="event_ns"):
        lake.write("trades", prints(times))
    assert lake.tables().empty


def test_unknown_numbers_are_null_wherever_the_row_lies(lake):
    vols = [0.4, np.nan, 0.6, np.nan, 0.8]
    lake.write("marks", pd.DataFrame({"event_ns": range(5), "instrument": "AAA", "mark_iv": vols}))
    query = (
        "SELECT max(mark_iv) AS high, avg(mark_iv) AS mean, count(mark_iv) AS n, count(*) AS every FROM marks"
    )
    for _ in range(2):
        assert lake.sql("SELECT mark_iv FROM marks WHERE mark_iv > 0.5")["mark_iv"].tolist() == [0.6, 0.8]
        answer = lake.sql(query).iloc[0]
        assert (answer["high"], answer["n"], answer["every"]) == (0.8, 3, 5)
        assert answer["mean"] == pytest.approx(0.6)
        np.testing.assert_array_equal(lake.read("marks")["mark_iv"], vols)
        lake.roll()


def test_segments_of_an_earlier_version_hide_no_nan(lake, monkeypatch):
    from workstation.history.embedded import segments

    monkeypatch.setattr(segments, "nulls_for_nan", lambda rows: rows)
    monkeypatch.setattr(segments, "_NULLS", b"something.else")
    monkeypatch.setattr("workstation.history.arrow_codec.nulls_for_nan", lambda rows: rows)
    lake.write("marks", pd.DataFrame({"event_ns": [1, 2], "instrument": "AAA", "mark_iv": [0.4, np.nan]}))
    lake.roll()
    monkeypatch.undo()
    assert lake.sql("SELECT count(mark_iv) AS n, max(mark_iv) AS high FROM marks").values.tolist() == [
        [1, 0.4]
    ]


def test_a_wrong_query_is_answered_in_full_with_what_to_do(lake):
    lake.write("trades", trades(0, 3))
    with pytest.raises(QueryError, match=r"(?s)Cannot infer common argument.*to_timestamp_nanos"):
        lake.sql("SELECT count(*) FROM trades WHERE time > $start", start=pd.Timestamp("2026-01-01"))
    with pytest.raises(QueryError, match=r"(?s)prize.*Valid fields.*describe"):
        lake.sql("SELECT prize FROM trades")


def test_an_instrument_never_heard_of_is_told_once(lake):
    filled(lake)
    with pytest.warns(UserWarning, match="holds no row of 'AAB' in trades; near it: AAA"):
        assert lake.read("trades", instruments="AAB").empty
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lake.read("trades", instruments="AAB").empty
        assert lake.read("trades", start=10**9, instruments="AAA").empty


# -- rolls ----------------------------------------------------------------------------------------------------


def test_a_roll_that_fails_fails_no_write(tmp_path, monkeypatch):
    def full(*_):
        raise HistoryError("No space left on device, pretended")

    monkeypatch.setattr(upkeep, "write_segment", full)
    with open_history(tmp_path, roll_rows=10) as history:
        for part in range(8):
            assert history.write("trades", trades(part * 20, 20)) == 20
        assert len(history.read("trades")) == 160
        wait_for(lambda: history.problems()["detail"].str.contains("pretended").any())
        monkeypatch.undo()
        wait_for(lambda: history.problems().empty)
        assert len(history.read("trades")) == 160


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


# -- retention ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_days", [0.05, 30, 3_650, 20_000])
@pytest.mark.parametrize("rolled", [False, True])
def test_one_print_ahead_of_the_clock_makes_retention_forget_nothing_more(lake, ahead_days, rolled):
    newest = time.time_ns() - 10 * DAY
    lake.write("trades", prints(newest - np.arange(361) * DAY // 24))
    lake.write("trades", prints([time.time_ns() + int(ahead_days * DAY)]))
    if rolled:
        lake.roll()
    assert lake.retain("trades", 10 * 86_400) == 361 - 240 - 1
    assert len(lake.read("trades")) == 242
    assert lake.problems()["detail"].str.contains("ahead of the clock").tolist() == [True]


def test_a_print_far_after_all_others_is_no_measure_either(lake):
    newest = pd.Timestamp("2013-10-08").value
    lake.write("trades", prints(newest - np.arange(361) * DAY // 24))
    lake.write("trades", prints([pd.Timestamp("2020-01-01").value]))
    assert lake.retain("trades", 10 * 86_400) == 361 - 240 - 1
    assert len(lake.problems()) == 1


def test_retention_refuses_a_now_ahead_of_the_clock(lake):
    lake.write("trades", prints([time.time_ns()]))
    with pytest.raises(HistoryError, match="ahead of the clock"):
        lake.retain("trades", 86_400, now=time.time_ns() + DAY)
    for seconds in (-1.0, float("nan")):
        with pytest.raises(HistoryError, match="give 0 or more"):
            lake.retain("trades", seconds)
    assert len(lake.read("trades")) == 1


# -- reading only ---------------------------------------------------------------------------------------------

_PREPARED = """
import os, signal, sys
from workstation.history import open_history
sys.path.insert(0, sys.argv[2])
from tests.unit.history.store_rows import filled
history = open_history(sys.argv[1], upkeep=False)
filled(history)
if sys.argv[3] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
history.close()
"""


@pytest.fixture(params=["closed", "killed", "killed without shm"])
def kept(request, tmp_path):
    """A store that was closed, or whose writer was killed so that its write-ahead log is still there."""
    root = __file__.rsplit("/tests/", 1)[0]
    subprocess.run(
        [sys.executable, "-c", _PREPARED, str(tmp_path / "kept"), root, request.param.split()[0]], check=False
    )
    if "shm" in request.param:
        (tmp_path / "kept" / "history.sqlite-shm").unlink()
    return tmp_path / "kept"


def test_a_store_is_read_without_a_trace(kept):
    shutil.rmtree(kept / "readers")
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*") if "-shm" not in path.name}
    with open_history(kept, mode="r") as history:
        assert len(history.read("trades")) == 500
        assert history.sql("SELECT count(*) AS n FROM trades")["n"][0] == 500
        assert len(history.latest("trades")) == 3
        assert history.problems().empty
        for change in (
            lambda: history.write("trades", trades(900, 1)),
            history.roll,
            lambda: history.retain("trades", 1),
        ):
            with pytest.raises(HistoryError, match="read only"):
                change()
    after = {path: path.stat().st_mtime_ns for path in kept.rglob("*") if "-shm" not in path.name}
    assert after == before


def test_a_damaged_segment_is_told_and_not_moved_by_a_reader(kept):
    victim = next((kept / "segments/trades").iterdir())
    victim.write_bytes(victim.read_bytes()[:-40])
    with open_history(kept, mode="r") as history:
        assert history.sql("SELECT count(*) AS n FROM trades")["n"][0] == 400
        assert len(history.read("trades")) == 400
        assert len(history.problems()) == 1
    assert victim.exists()


def test_a_reader_sees_what_a_writer_adds(tmp_path):
    with open_history(tmp_path, upkeep=False) as writer:
        filled(writer)
        with open_history(tmp_path, mode="r") as reader:
            assert len(reader.read("trades")) == 500
            writer.write("trades", trades(500, 10))
            assert len(reader.read("trades")) == 510
            writer.roll()
            writer.compact()
            assert len(reader.read("trades")) == 510


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_store_that_must_be_there_is_not_made(tmp_path, mode):
    with pytest.raises(HistoryError, match="there is no history"):
        open_history(tmp_path / "none", mode=mode)
    assert not (tmp_path / "none").exists()


def test_an_unknown_mode_is_refused(tmp_path):
    with pytest.raises(HistoryError, match="mode 'w'"):
        open_history(tmp_path, mode="w")


def test_a_manifest_missing_beside_segments_is_told_to_a_reader(kept):
    for path in kept.glob("history.sqlite*"):
        path.unlink()
    with pytest.raises(HistoryError, match="workstation history repair"):
        open_history(kept, mode="r")


def test_addresses_know_their_folder(tmp_path):
    assert (
        folder_of(f"embedded://{tmp_path}")
        == folder_of(f"lake://{tmp_path}")
        == folder_of(tmp_path)
        == tmp_path
    )
    with pytest.raises(HistoryError, match="speaks 'postgres'"):
        folder_of("postgres://x")


# -- what comes in again --------------------------------------------------------------------------------------


def test_rows_that_differ_in_their_key_are_no_repeats(lake):
    rows = pd.DataFrame({"seq": 7, "event_ns": 10, "instrument": "AAA", "every_ns": [10, 60], "close": 1.0})
    assert lake.write("candles", rows) == 2
    assert lake.write("candles", rows.assign(every_ns=[300, 60])) == 1
    assert sorted(lake.read("candles")["every_ns"]) == [10, 60, 300]


def test_rows_no_hub_numbered_count_up_in_order_of_writing(lake):
    for first in (0, 3, 6):
        lake.write("trades", prints([5, 5, 5], price=[first, first + 1.0, first + 2.0]))
        if first == 3:
            lake.roll()
    got = lake.read("trades")
    assert got["price"].tolist() == list(range(9))
    assert (np.diff(got["seq"]) == 1).all()
    assert got["seq"].max() < 0
    assert lake.last_seq() == 0
    answer = lake.sql("SELECT last_value(price ORDER BY event_ns, seq) AS close FROM trades")
    assert answer["close"].tolist() == [8.0]


def test_terms_of_a_store_are_known_to_who_opens_it(tmp_path):
    from workstation.market.instrument_terms import INSTRUMENT_TERMS

    name = "ODD/USD:USD-301227-5-C"
    with open_history(tmp_path, upkeep=False) as history:
        history.write(
            "instruments",
            pd.DataFrame(
                {"event_ns": [5, 9], "instrument": name, "kind": "option", "multiplier": [1.0, 0.01]}
            ),
        )
        assert INSTRUMENT_TERMS.registered(name) is None
    with open_history(tmp_path, mode="r"):
        assert INSTRUMENT_TERMS.describe([name])["multiplier"].tolist() == [0.01]
    newer = INSTRUMENT_TERMS.registered(name) | {"event_ns": 50, "multiplier": 7.0}
    INSTRUMENT_TERMS.register(pd.DataFrame([newer]))
    with open_history(tmp_path, mode="r"):
        assert INSTRUMENT_TERMS.describe([name])["multiplier"].tolist() == [7.0]


def test_a_manifest_of_before_gets_what_it_lacks(tmp_path):
    with open_history(tmp_path, upkeep=False) as history:
        filled(history)
    with sqlite3.connect(tmp_path / "history.sqlite") as connection:
        connection.execute("DROP TABLE drafts")
    connection.close()
    with open_history(tmp_path, mode="r") as history:
        assert history.problems().empty
    with open_history(tmp_path, upkeep=False) as history:
        history.write("trades", trades(500, 5))
        history.roll()
        assert len(history.read("trades")) == 505


def test_folders_taken_away_cost_what_was_in_them_and_no_more(lake):
    filled(lake)
    shutil.rmtree(lake.folder / "segments")
    shutil.rmtree(lake.folder / "readers")
    shutil.rmtree(lake.folder / "quarantine")
    assert len(lake.read("trades")) == 200
    assert len(lake.problems()) == 3
    assert lake.roll() == 200
    assert len(lake.read("trades")) == 200


def test_files_of_others_in_the_folder_are_left(lake):
    filled(lake)
    strange = [lake.folder / "segments/trades" / name for name in ("notes.txt", "note.tmp", "1-ab.parquet")]
    for path in strange:
        path.write_text("mine")
    lake.compact()
    lake._upkeep.tidy()
    assert all(path.exists() for path in strange)
    assert lake.problems()["detail"].str.contains("1-ab.parquet").tolist() == [True]


def test_what_a_killed_roll_left_unfinished_is_cleared(lake):
    filled(lake)
    unfinished = lake.folder / "segments/trades" / f"5-{'a' * 32}.tmp"
    unfinished.write_text("half")
    lake._upkeep.tidy()
    assert not unfinished.exists()
