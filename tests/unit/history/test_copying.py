"""A copy of one embedded history into another: every row once, in its order, however often it is cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.unit.history.store_rows import filled, trades
from workstation.cli import app
from workstation.cli.answers import console
from workstation.history import open_history
from workstation.history.copying import copy_history
from workstation.market.digest import digest
from workstation.market.errors import HistoryError, TableError

KILLED = """
import os, signal, sys
from workstation.history import open_history
from workstation.history.copying import copy_history

source, target = (open_history(folder, upkeep=False) for folder in sys.argv[1:3])
left, write = [int(sys.argv[3])], target.write

def dying(table, frame):
    rows = write(table, frame)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows

target.write = dying
copy_history(source, target, piece_rows=60)
"""


@pytest.fixture
def stores(tmp_path):
    with (
        open_history(tmp_path / "source", upkeep=False) as source,
        open_history(tmp_path / "target", upkeep=False) as target,
    ):
        yield source, target


def every_row(history, table="trades"):
    return history.read(table, revisions=True)


def unnumbered(rows):
    """Prints of few moments that nobody numbered, every third said twice."""
    place = np.arange(rows) // 3 * 3
    return pd.DataFrame(
        {"event_ns": place // 9, "instrument": "AAA", "price": 1.0 + place % 5, "size": 1.0, "venue": "file"}
    )


def alerts(number, told):
    """Revisions of two alerts at several moments; the one written last is not the latest in time."""
    return pd.DataFrame(
        {
            "seq": [number, number + 1], "event_ns": [1_000 - number, 2_000 - number], "alert_id": ["a", "b"], "kind": "test",
            "instrument": "X", "score": told, "severity": "high", "explanation": "t",
        }
    )  # fmt: skip


def test_every_row_comes_once_with_its_number_and_in_its_order(stores):
    source, target = stores
    filled(source)
    source.write("trades", unnumbered(40))
    made = copy_history(source, target, piece_rows=70)
    (one,) = made.tables
    assert made.equal and (one.rows, one.written, one.known) == (540, 540, 0)
    assert one.source_digest == one.target_digest == digest(every_row(source)) == digest(every_row(target))
    ours, theirs = every_row(source), every_row(target)
    assert np.maximum(ours["seq"], 0).tolist() == np.maximum(theirs["seq"], 0).tolist()
    again = copy_history(source, target, piece_rows=110)
    assert again.equal and (again.tables[0].written, again.tables[0].known) == (0, 540)
    assert len(every_row(target)) == 540


def test_of_revisions_the_newest_stays_the_newest(stores):
    source, target = stores
    for number, told in ((7, 1.0), (3, 2.0), (5, 3.0)):
        source.write("alerts", alerts(number, told))
    candle = {
        "instrument": "A",
        "every_ns": 60,
        "open": 1.0,
        "high": 9.0,
        "low": 1.0,
        "volume": 1.0,
        "venue": "x",
    }
    for seq, close in ((20, 2.0), (10, 4.0)):
        source.write("candles", pd.DataFrame([candle | {"seq": seq, "event_ns": 60, "close": close}]))
    assert copy_history(source, target, piece_rows=1).equal
    assert target.read("alerts")["score"].tolist() == source.read("alerts")["score"].tolist() == [3.0, 3.0]
    assert target.read("candles")["close"].tolist() == source.read("candles")["close"].tolist() == [4.0]
    assert len(every_row(target, "alerts")) == 6 and len(every_row(target, "candles")) == 2


def test_a_copy_that_was_killed_goes_on_and_adds_nothing_twice(tmp_path):
    with open_history(tmp_path / "source", upkeep=False) as source:
        source.write("trades", trades(0, 300))
        source.write(
            "quotes", pd.DataFrame({"event_ns": np.arange(90), "instrument": "AAA", "bid": 1.0, "ask": 2.0})
        )
    command = [sys.executable, "-c", KILLED, str(tmp_path / "source"), str(tmp_path / "target"), "4"]
    killed = subprocess.run(command, env=os.environ, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with (
        open_history(tmp_path / "source", mode="r", upkeep=False) as source,
        open_history(tmp_path / "target", upkeep=False) as target,
    ):
        made = copy_history(source, target)
        assert made.equal
        assert sum(one.known for one in made.tables) > 0
        assert {one.table: one.written + one.known for one in made.tables} == {"trades": 300, "quotes": 90}
        for name in ("trades", "quotes"):
            assert digest(every_row(source, name)) == digest(every_row(target, name))


def test_a_target_may_hold_rows_of_its_own_and_one_that_clashes_is_told(stores):
    source, target = stores
    source.write("trades", trades(0, 30))
    target.write("trades", trades(1_000, 50))
    target.write("trades", trades(4, 1).assign(price=99.0))
    made = copy_history(source, target)
    (one,) = made.tables
    assert not made.equal and one.written == 29
    assert "1 rows are not in the target" in one.difference and "seq 5 of 1970-01-01" in one.difference
    assert (every_row(target)["price"] == 99.0).sum() == 1 and len(every_row(target)) == 80


def test_only_what_was_asked_for(stores):
    source, target = stores
    source.write("trades", trades(0, 100))
    source.write("quotes", pd.DataFrame({"event_ns": [1], "instrument": "AAA", "bid": 1.0, "ask": 2.0}))
    made = copy_history(source, target, ["trades", "marks"], start=200, end=400)
    assert [(one.table, one.rows) for one in made.tables] == [("trades", 20)]
    assert every_row(target)["event_ns"].tolist() == list(range(200, 400, 10))
    with pytest.raises(TableError, match="did you mean 'trades'"):
        copy_history(source, target, ["trade"])
    with pytest.raises(HistoryError, match="into itself"):
        copy_history(source, source)


def test_who_recorded_goes_along_and_what_is_invented_is_never_mixed(stores, tmp_path):
    source, target = stores
    source.note_recording(1, ["synthetic"], invented=True, began_ns=5)
    source.note_recording(11, ["deribit"], invented=False)
    source.write("trades", trades(0, 20))
    for _ in range(2):
        assert copy_history(source, target).equal
        pd.testing.assert_frame_equal(source.recordings(), target.recordings())
    assert target.read("trades", invented=False)["seq"].tolist() == list(range(11, 21))
    with open_history(tmp_path / "real", upkeep=False) as real:
        real.note_recording(1, ["deribit"], invented=False)
        real.write("trades", trades(500, 20, seq=1))
        with pytest.raises(HistoryError, match="rows from seq 1 on are invented in one"):
            copy_history(source, real)


def test_the_command_prints_digests_and_fails_when_stores_differ(stores, tmp_path, monkeypatch):
    monkeypatch.setattr(console, "width", 240)
    source, target = stores
    source.write("trades", trades(0, 30))
    arguments = ["history", "copy", str(tmp_path / "source"), str(tmp_path / "target")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.count(digest(every_row(source))[:16]) == 2 and "equal" in done.output
    source.write("trades", trades(40, 1))
    target.write("trades", trades(40, 1).assign(price=7.5))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1 and "differs" in done.output and "other rows of their seq" in done.output
