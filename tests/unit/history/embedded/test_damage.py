"""Damage and refusal: what is broken is named and set aside, the rest is readable, nothing acknowledged is lost."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

from workstation.history import open_history
from workstation.history.embedded import maintenance as upkeep
from workstation.market.errors import HistoryError, QueryError


def trades(start: int, rows: int) -> pd.DataFrame:
    number = np.arange(start, start + rows)
    noise = np.random.default_rng(start).normal(size=rows)
    return pd.DataFrame(
        {
            "seq": number + 1,
            "event_ns": number * 10,
            "instrument": "AAA",
            "price": noise,
            "size": number + 1.0,
        }
    )


@pytest.fixture
def lake(tmp_path):
    """Three segments of 1000 rows, and two batches of 100 in the log."""
    with open_history(tmp_path / "store", upkeep=False) as history:
        for number in range(3):
            history.write("trades", trades(number * 1000, 1000))
            history.roll()
        for number in range(2):
            history.write("trades", trades(3000 + number * 100, 100))
        yield history


def files(lake):
    return sorted(
        (lake.folder / "segments/trades").iterdir(), key=lambda path: int(path.name.partition("-")[0])
    )


def flip(path, place: float = 0.5) -> None:
    """Turn a few bytes in the middle of a page."""
    data = bytearray(path.read_bytes())
    at = int(len(data) * place)
    for offset in range(8):
        data[at + offset] ^= 0xFF
    path.write_bytes(data)


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [flip, cut, empty, os.unlink])
@pytest.mark.parametrize("ask", ["read", "sql", "latest", "verify", "compact", "retain"])
def test_a_damaged_segment_is_set_aside_and_the_rest_is_readable(lake, harm, ask):
    victim = files(lake)[1]
    harm(victim)
    if ask == "sql":
        assert len(lake.sql("SELECT * FROM trades")) == 2200
    elif ask == "retain":
        lake.retain("trades", seconds=11_995e-9, now=30_000 - 5)
    else:
        getattr(lake, ask)(*(() if ask in ("verify", "compact") else ("trades",)))
    got = lake.read("trades")
    assert got["seq"].tolist() == [
        n for n in range(1, 3201) if (n - 1) // 1000 != 1 and (ask != "retain" or n > 1800)
    ]
    problems = lake.problems()
    assert problems["channel"].tolist() == ["trades"]
    assert problems["event"].tolist() == ["failed"]
    assert problems["count"].tolist() == [1000]
    assert problems[["start_ns", "end_ns"]].values.tolist() == [[10_000, 19_990]]
    assert victim.name in problems["detail"][0]
    assert not victim.exists()
    if harm is not os.unlink:
        assert (lake.folder / "quarantine" / victim.name).exists()
    with open_history(lake.folder, upkeep=False) as other:
        pd.testing.assert_frame_equal(other.problems(), problems)
        assert other.tables()["rows"].tolist() == [len(got)]


@pytest.mark.parametrize("blob", [b"nonsense", None])
def test_a_damaged_batch_of_the_log_is_set_aside(lake, blob):
    with sqlite3.connect(lake.folder / "history.sqlite") as connection:
        if blob is None:
            (held,) = connection.execute("SELECT batch FROM log ORDER BY id LIMIT 1").fetchone()
            blob = held[:-40] + bytes(40)
        connection.execute("UPDATE log SET batch = ? WHERE id = (SELECT min(id) FROM log)", (blob,))
    connection.close()
    assert lake.sql("SELECT count(*) AS n FROM trades")["n"][0] == 3100
    assert lake.read("trades")["seq"].tolist() == [*range(1, 3001), *range(3101, 3201)]
    assert lake.problems()["detail"].str.contains("checksum").tolist() == [True]
    assert [path.read_bytes() for path in (lake.folder / "quarantine").glob("*.arrow")] == [blob]
    lake.roll()
    assert len(lake.read("trades")) == 3100


def test_verify_finds_what_no_read_has_touched(lake):
    assert lake.verify().empty
    flip(files(lake)[0], 0.3)
    flip(files(lake)[2], 0.6)
    assert len(lake.verify()) == 2
    assert len(lake.read("trades")) == 1200


def test_a_segment_that_cannot_be_opened_now_is_no_damage(lake, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("workstation.history.embedded.segments.pq.ParquetFile", refuse)
    with pytest.raises(HistoryError, match="nothing is set aside"):
        lake.read("trades")
    monkeypatch.undo()
    assert lake.problems().empty
    assert len(lake.read("trades")) == 3200


def test_a_wrong_query_sets_nothing_aside(lake):
    with pytest.raises(QueryError):
        lake.sql("SELECT price / 'x' FROM trades")
    assert lake.problems().empty


def test_a_full_disk_refuses_the_batch_and_keeps_the_rest(lake):
    pages = lake._manifest._writer.execute("PRAGMA page_count").fetchone()[0]
    lake._manifest._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(HistoryError, match=r"write trades.*full.*acknowledged is safe"):
        for number in range(50):
            lake.write("trades", trades(10_000 + number * 5000, 5000))
    kept = len(lake.read("trades"))
    lake._manifest._writer.execute("PRAGMA max_page_count = 1073741823")
    lake.write("trades", trades(900_000, 10))
    assert len(lake.read("trades")) == kept + 10


def test_a_full_disk_while_rolling_loses_nothing(lake, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("workstation.history.embedded.segments.pq.write_table", full)
    with pytest.raises(HistoryError, match=r"No space left on device.*nothing is lost"):
        lake.roll()
    monkeypatch.undo()
    assert len(lake.read("trades")) == 3200
    assert not list(lake.folder.glob("segments/*/*.tmp"))
    lake.roll()
    assert len(lake.read("trades")) == 3200


_LIMITED = """
import resource, sys
import numpy as np, pandas as pd
from workstation.history import open_history
from workstation.market.errors import HistoryError
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
history = open_history(sys.argv[1], upkeep=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
number = 0
try:
    while True:
        rows = pd.DataFrame({"seq": np.arange(5000) + number * 5000 + 1, "event_ns": np.arange(5000),
            "instrument": "AAA", "price": np.random.default_rng(number).normal(size=5000), "size": 1.0})
        history.write("trades", rows)
        number += 1
except HistoryError as error:
    print(number, "|", error)
"""


def test_a_real_limit_of_the_system_refuses_clearly(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    number, _, message = done.stdout.partition("|")
    assert "cannot write trades" in message
    with open_history(tmp_path, upkeep=False) as history:
        assert history.read("trades")["seq"].nunique() == int(number) * 5000


@pytest.mark.parametrize("error", [HistoryError("cannot write a segment: pretended"), KeyError("unforeseen")])
def test_the_background_survives_a_failure_and_tries_again(tmp_path, monkeypatch, error):
    real, failed = upkeep.write_segment, threading.Event()

    def fail_once(*args):
        if not failed.is_set():
            failed.set()
            raise error
        return real(*args)

    monkeypatch.setattr(upkeep, "write_segment", fail_once)
    with open_history(tmp_path, roll_rows=100) as lake:
        lake.write("trades", trades(0, 100))

        end = time.monotonic() + 20
        while lake.tables()["segments"][0] == 0:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert failed.is_set()
        assert len(lake.read("trades")) == 100


def test_a_locked_store_says_so(lake):
    other = sqlite3.connect(lake.folder / "history.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with (
            open_history(lake.folder, upkeep=False, busy_seconds=0.05) as impatient,
            pytest.raises(HistoryError, match="another process"),
        ):
            impatient.write("trades", trades(9000, 1))
        assert len(lake.read("trades")) == 3200, "reading does not wait for a writer"
    finally:
        other.rollback()
        other.close()


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "history.sqlite").write_bytes(b"this is not SQLite at all" * 100)
    with pytest.raises(HistoryError, match=r"not a database.*not a history"):
        open_history(tmp_path)


def test_reading_threads_and_a_writer_share_one_handle(lake):
    problems: list[BaseException] = []
    done = threading.Event()

    def look():
        try:
            while not done.is_set():
                seq = lake.read("trades", columns=["seq"])["seq"]
                assert seq.tolist() == list(range(1, len(seq) + 1))
                assert len(seq) % 100 == 0
                assert lake.sql("SELECT count(*) - max(seq) AS d FROM trades")["d"][0] == 0
        except BaseException as error:  # noqa: BLE001 -- handed to the test's thread
            problems.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(32, 60):
        lake.write("trades", trades(number * 100, 100))
        if number % 5 == 0:
            lake.roll()
        if number % 11 == 0:
            lake.compact()
    done.set()
    for thread in threads:
        thread.join()
    assert not problems, problems[0]


def test_a_failing_background_is_told_as_a_problem_until_it_works_again(tmp_path, monkeypatch):
    working = threading.Event()
    real = upkeep.write_segment

    def fail_for_now(*args):
        if not working.is_set():
            raise HistoryError("no space left, pretended")
        return real(*args)

    monkeypatch.setattr(upkeep, "write_segment", fail_for_now)
    with open_history(tmp_path, roll_rows=100) as lake:
        lake.write("trades", trades(0, 100))
        wait_for(lambda: len(lake.problems()) == 1)
        told = lake.problems().iloc[0]
        assert (told["channel"], told["event"], bool(told["recoverable"])) == ("upkeep", "failed", True)
        assert "pretended" in told["detail"]
        working.set()
        wait_for(lambda: lake.problems().empty)
        assert lake.tables()["segments"].tolist() == [1]


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)
