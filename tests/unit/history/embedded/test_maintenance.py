"""Rolling, merging, forgetting, and several handles on one store: no reader ever sees less than a whole moment."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from tests.unit.history.store_rows import filled, trades
from workstation.history import open_history
from workstation.history.embedded import manifest


def test_compaction_keeps_every_row_and_deletes_the_old_files(lake):
    total = filled(lake)
    before = lake.read("trades")
    assert lake.compact() == 3
    pd.testing.assert_frame_equal(lake.read("trades"), before)
    assert lake.tables().set_index("name").loc["trades", ["rows", "segments"]].tolist() == [total, 1]
    assert len(list(lake.folder.glob("segments/trades/*"))) == 1
    assert lake.compact() == 0


def test_files_stay_while_another_reads_them(lake):
    filled(lake)
    with lake._pieces.hold(["trades"]) as view:
        lake.compact()
        paths = [lake.folder / "segments" / segment.file for segment in view.segments]
        assert all(path.exists() for path in paths)
        assert len(lake.read("trades")) == 500
    lake.compact()
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize("rolled", [0, 3, 5])
def test_retention_forgets_exactly_what_is_older(lake, rolled):
    filled(lake, rolled=rolled, logged=5 - rolled)
    assert lake.retain("trades", seconds=1000e-9, now=2500) == 150
    assert lake.read("trades")["event_ns"].tolist() == list(range(1500, 5000, 10))
    assert lake.retain("trades", seconds=100e-9) == 339
    assert lake.latest("trades")["seq"].tolist() == [498, 499, 500]
    assert lake.retain("trades", seconds=0, now=10**9) == 11
    assert lake.tables().empty
    assert lake.retain("trades", seconds=1) == 0
    assert not list(lake.folder.glob("segments/trades/*"))


def test_retention_does_not_bring_back_an_older_revision(lake):
    lake.write(
        "packets", pd.DataFrame({"event_ns": [10], "instrument": "AAA", "packet_id": "p", "size": 1.0})
    )
    lake.write(
        "packets", pd.DataFrame({"event_ns": [20], "instrument": "AAA", "packet_id": "p", "size": 2.0})
    )
    assert lake.read("packets")["size"].tolist() == [2.0]
    assert lake.read("packets", end=15)["size"].tolist() == [1.0], "what was known by the end"
    lake.retain("packets", seconds=5e-9)
    assert lake.read("packets")["size"].tolist() == [2.0]


def test_the_background_rolls_by_rows_and_by_age(tmp_path):
    with open_history(tmp_path, roll_rows=250, roll_seconds=0.2, merge_segments=100) as lake:
        lake.write("trades", trades(0, 260))
        wait_for(lambda: lake.tables()["segments"].tolist() == [1])
        lake.write("trades", trades(260, 10))
        wait_for(lambda: lake.tables()["segments"].tolist() == [2])
        assert lake.read("trades")["seq"].tolist() == list(range(1, 271))


def test_the_background_merges_small_segments(tmp_path):
    with open_history(tmp_path, roll_rows=100_000, roll_seconds=0.05, merge_segments=3) as lake:
        for number in range(6):
            lake.write("trades", trades(number * 10, 10))
            wait_for(lambda: lake.sql("SELECT 1 AS one")["one"][0] == 1 and not lake._manifest.log_state())
        wait_for(lambda: lake.tables()["segments"][0] < 3)
        assert lake.read("trades")["seq"].tolist() == list(range(1, 61))


def wait_for(condition, seconds: float = 20.0) -> None:
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def test_two_processes_worth_of_writers_share_a_store(tmp_path):
    with open_history(tmp_path, upkeep=False) as one, open_history(tmp_path, upkeep=False) as other:
        for number in range(10):
            (one if number % 2 else other).write("trades", trades(number * 10, 10))
            if number == 5:
                other.roll()
        assert one.read("trades")["seq"].tolist() == list(range(1, 101))
        pd.testing.assert_frame_equal(one.read("trades"), other.read("trades"))
        assert one.latest("trades")["seq"].tolist() == other.latest("trades")["seq"].tolist() == [98, 99, 100]


def test_many_may_open_a_new_store_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    def open_and_write(number: int) -> None:
        with open_history(tmp_path / "new", upkeep=False) as history:
            history.write("trades", trades(number * 10, 10))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_and_write, range(8)))
    with open_history(tmp_path / "new", upkeep=False) as history:
        assert history.read("trades")["seq"].tolist() == list(range(1, 81))


@pytest.mark.parametrize("ask", ["read", "sql"])
def test_a_roll_in_the_middle_of_a_read_changes_nothing(lake, monkeypatch, ask):
    filled(lake, rolled=2, logged=2)
    real, rolled = manifest.Segment, []

    def roll_first(*row):
        if not rolled:
            rolled.append(row)
            with open_history(lake.folder, upkeep=False) as other:
                assert other.roll() == 200
        return real(*row)

    monkeypatch.setattr(manifest, "Segment", roll_first)
    if ask == "read":
        got = lake.read("trades")["seq"].tolist()
    else:
        got = lake.sql("SELECT seq FROM trades ORDER BY seq")["seq"].tolist()
    assert rolled
    assert got == list(range(1, 401))


_WRITER = """
import sys
import numpy as np, pandas as pd
from workstation.history import open_history
first = int(sys.argv[2])
with open_history(sys.argv[1], roll_rows=400, roll_seconds=0.05, merge_segments=3) as history:
    for number in range(first, first + 30):
        seq = number * 50 + np.arange(50) + 1
        history.write("trades", pd.DataFrame({"seq": seq, "event_ns": seq % 700, "instrument": "AAA", "price": 1.0, "size": 1.0}))
        history.write("candles", pd.DataFrame({"event_ns": [number % 7], "instrument": sys.argv[2], "every_ns": 10, "close": float(number)}))
"""


def test_processes_that_write_one_table_at_once_lose_and_double_nothing(tmp_path):
    firsts = (0, 30, 60)
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), str(first)], stderr=subprocess.PIPE)
        for first in firsts
    ]
    for writer in writers:
        error = writer.communicate(timeout=120)[1]
        assert writer.returncode == 0, error.decode()
        assert b"damaged" not in error
    with open_history(tmp_path, upkeep=False) as lake:
        lake.roll()
        lake.compact()
        assert sorted(lake.read("trades")["seq"]) == list(range(1, 4501))
        assert lake.verify().empty
        candles = lake.read("candles")
        assert len(lake.read("candles", revisions=True)) == 90
        for first in firsts:
            mine = candles[candles["instrument"] == str(first)].set_index("event_ns")["close"]
            assert mine.to_dict() == {number % 7: float(number) for number in range(first + 23, first + 30)}
        assert len(list(tmp_path.glob("segments/*/*"))) == lake.tables()["segments"].sum()
