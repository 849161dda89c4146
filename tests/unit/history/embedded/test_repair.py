"""Lost, damaged, emptied and older manifests: nothing is deleted, nothing is read twice, and repair gives every row back."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workstation.history import open_history
from workstation.history.embedded.repair import repair
from workstation.market.errors import HistoryError


def rows(first: int, count: int, numbered: bool = True) -> pd.DataFrame:
    number = np.arange(first, first + count)
    frame = pd.DataFrame(
        {
            "event_ns": number * 1000,
            "instrument": "AAA",
            "price": number * 1.0,
            "size": 1.0,
            "trade_id": number.astype(str),
        }
    )
    return frame.assign(seq=number + 1) if numbered else frame


def build(folder: Path, segments: int = 4, logged: int = 1, numbered: bool = True) -> list[int]:
    with open_history(folder, upkeep=False) as history:
        for part in range(segments + logged):
            history.write("trades", rows(part * 100, 100, numbered))
            if part < segments:
                history.roll()
    return list(range((segments + logged) * 100))


def prices(folder: Path) -> list[int]:
    with open_history(folder, upkeep=False) as history:
        return history.read("trades")["price"].astype(int).tolist()


def parquet(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("segments/*/*.parquet"))


def spoil(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(8000))


HARMS = {
    "deleted": os.unlink,
    "emptied": lambda path: os.truncate(path, 0),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "spoilt": spoil,
    "another file": lambda path: path.write_bytes(b"no database at all" * 2000),
}


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("harm", HARMS)
def test_no_writer_deletes_a_segment_its_manifest_does_not_know(tmp_path, harm, numbered):
    expected = build(tmp_path, numbered=numbered)
    before = parquet(tmp_path)
    HARMS[harm](tmp_path / "history.sqlite")
    try:
        with open_history(tmp_path, roll_rows=50, roll_seconds=0.05) as history:
            assert len(history.problems()) >= len(before)
            assert history.problems()["detail"].str.contains("workstation history repair").sum() >= len(
                before
            )
            history.write("trades", rows(1000, 10, numbered))
            until = time.monotonic() + 10
            while not history.tables()["segments"].sum() and time.monotonic() < until:
                time.sleep(0.02)
            history.roll()
            history.compact()
            history._upkeep.tidy()
            expected = [*expected, *range(1000, 1010)]
    except HistoryError as error:
        assert "workstation history repair" in str(error)
        assert "move it aside" not in str(error)
    assert set(before) <= set(parquet(tmp_path))

    report = repair(tmp_path)
    assert (report["what"] == "taken in").sum() == len(before)
    got = prices(tmp_path)
    assert len(got) == len(set(got))
    assert set(got) >= set(range(400)), "every row of a segment is back"
    assert set(got) <= set(expected)
    with open_history(tmp_path, upkeep=False) as history:
        assert not history.problems()["detail"].str.contains("not in the manifest").any()
        history.write("trades", rows(5000, 1, numbered=False))
        assert len(history.read("trades")) == len(got) + 1
    assert repair(tmp_path).empty or "taken in" not in set(repair(tmp_path)["what"])


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("compacted", [False, True])
def test_an_older_manifest_put_back_is_told_and_repaired(tmp_path, numbered, compacted):
    store = tmp_path / "store"
    with open_history(store, upkeep=False) as history:
        history.write("trades", rows(0, 100, numbered))
        history.roll()
        history.write("trades", rows(100, 100, numbered))
    shutil.copy(store / "history.sqlite", tmp_path / "old.sqlite")
    with open_history(store, upkeep=False) as history:
        for part in range(2, 5):
            history.write("trades", rows(part * 100, 100, numbered))
            history.roll()
        if compacted:
            history.compact()
        history.write("trades", rows(500, 100, numbered))
    shutil.copy(tmp_path / "old.sqlite", store / "history.sqlite")
    with open_history(store, upkeep=False) as history:
        assert history.problems()["detail"].str.contains("4 batches before the last").sum() == 1
        history.write("trades", rows(600, 100, numbered))
    report = repair(store)
    assert report.loc[report["what"] == "lost", "detail"].str.contains(
        "4 batches before the last"
    ).tolist() == [True]
    assert prices(store) == [*range(500), *range(600, 700)]
    with open_history(store, upkeep=False) as history:
        assert history.verify().empty


_KILLED = """
import os, sys, signal
import numpy as np, pandas as pd
sys.path.insert(0, sys.argv[2])
from tests.unit.history.embedded.test_repair import rows
from workstation.history import open_history
history = open_history(sys.argv[1], upkeep=False)
for part in range(5):
    history.write("trades", rows(part * 100, 100))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_lost_write_ahead_log_is_told_by_number(tmp_path):
    root = str(Path(__file__).parents[4])
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), root], check=False)
    assert done.returncode == -signal.SIGKILL
    (tmp_path / "history.sqlite-wal").unlink()
    with open_history(tmp_path, upkeep=False) as history:
        told = history.problems()
        assert told["channel"].tolist() == ["history.sqlite"]
        assert "5 batches" in told["detail"][0]
        history.write("trades", rows(900, 5))
    with open_history(tmp_path, upkeep=False) as history:
        assert len(history.problems()) == 1, "it stays told"


@pytest.mark.parametrize("how", ["schema", "page"])
def test_what_a_damaged_manifest_still_holds_of_the_log_is_saved(tmp_path, how):
    build(tmp_path, segments=2, logged=3)
    path = tmp_path / "history.sqlite"
    with sqlite3.connect(path) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'segments'").fetchone()[0]
        if how == "schema":
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("UPDATE sqlite_master SET rootpage = 999 WHERE name = 'segments_by_time'")
    connection.close()
    if how == "page":
        with path.open("r+b") as file:
            file.seek((page - 1) * 16384)
            file.write(os.urandom(16384))
    repair(tmp_path)
    assert prices(tmp_path) == list(range(500))
    assert list((tmp_path / "quarantine").glob("history.sqlite.*"))


def test_rows_merged_before_the_manifest_was_lost_come_back_once(tmp_path):
    expected = build(tmp_path, segments=4, logged=0, numbered=False)
    with open_history(tmp_path, upkeep=False) as history, history._pieces.hold(["trades"]):
        history.compact()  # the old files stay, as one reads them
        assert len(parquet(tmp_path)) == 5
    (tmp_path / "history.sqlite").unlink()
    repair(tmp_path)
    assert prices(tmp_path) == expected


def test_segments_of_an_earlier_version_are_taken_in_by_their_rows(tmp_path, monkeypatch):
    import workstation.history.embedded.segments as segments

    real = segments.pq.write_table
    monkeypatch.setattr(
        segments.pq, "write_table", lambda rows, *a, **k: real(rows.replace_schema_metadata(None), *a, **k)
    )
    expected = build(tmp_path, logged=0, numbered=False)
    monkeypatch.undo()
    assert prices(tmp_path) == expected
    (tmp_path / "history.sqlite").unlink()
    assert (repair(tmp_path)["what"] == "taken in").sum() == 4
    assert prices(tmp_path) == expected


def test_swapped_files_are_told_and_not_read_and_repair_puts_them_back(tmp_path):
    expected = build(tmp_path, segments=3, logged=0)
    one, two = (tmp_path / "segments/trades" / name for name in parquet(tmp_path)[:2])
    spare = tmp_path / "spare"
    one.rename(spare), two.rename(one), spare.rename(two)
    with open_history(tmp_path, upkeep=False) as history:
        assert history.sql("SELECT count(*) AS n FROM trades")["n"][0] == 100
        assert len(history.read("trades")) == 100
        assert (
            history.problems()["detail"].str.contains("another file under this name").tolist() == [True] * 2
        )
    repair(tmp_path)
    assert prices(tmp_path) == expected
    with open_history(tmp_path, upkeep=False) as history:
        assert history.problems().empty


def test_a_truly_damaged_segment_stays_set_aside(tmp_path):
    build(tmp_path, segments=2, logged=0)
    victim = tmp_path / "segments/trades" / parquet(tmp_path)[0]
    victim.write_bytes(victim.read_bytes()[:-50])
    (tmp_path / "history.sqlite").unlink()
    report = repair(tmp_path)
    assert sorted(report["what"]) == ["lost", "set aside", "taken in"]
    assert (tmp_path / "quarantine" / victim.name).exists()
    assert len(prices(tmp_path)) == 100


def test_a_folder_without_a_history_is_refused(tmp_path):
    with pytest.raises(HistoryError, match="there is no history"):
        repair(tmp_path)
