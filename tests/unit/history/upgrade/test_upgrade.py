"""A store that an earlier version wrote (``write_store.py``, run at the commit in the archive's name) opens, reads and goes on today."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from workstation.history import open_history
from workstation.market.tables import TABLES

ARCHIVES = sorted(Path(__file__).parent.glob("store_of_*.zip"))
BEGIN = 1_767_225_600_000_000_000


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path / "store")
    return tmp_path / "store"


def test_there_is_a_store_to_open() -> None:
    assert ARCHIVES


def test_all_rows_are_read_from_segments_and_manifest(folder: Path) -> None:
    with open_history(folder, mode="r", upkeep=False) as history:
        trades = history.read("trades")
        assert trades["seq"].tolist() == list(range(1, 101))
        assert trades["event_ns"].tolist() == [BEGIN + n * 10**9 for n in range(100)]
        assert trades["price"].tolist() == [100.0 + n / 7 for n in range(100)]
        assert trades["instrument"].astype("str").tolist() == ["ETH/USD:ETH", "BTC/USD:BTC"] * 50
        assert trades["venue"].astype("str").eq("deribit").all()
        assert tuple(trades) == TABLES["trades"].names, "today's columns"
        assert history.read("health")["detail"].tolist() == ["a hole"]
        counted = history.sql("SELECT count(*) AS n, sum(size) AS size FROM trades WHERE event_ns >= $start", start=BEGIN + 50 * 10**9)  # fmt: skip
        assert counted["n"].tolist() == [50] and counted["size"].tolist() == [sum(range(51, 101))]


def test_recording_goes_on_where_it_ended(folder: Path) -> None:
    table = TABLES["heartbeat"]
    with open_history(folder) as history:
        assert history.last_seq() == 101
        history.write("heartbeat", table.numbered(pd.DataFrame({"event_ns": [BEGIN], "feed": "x"}), 102))
        history.roll()
        history.compact()
        assert not len(history.problems())
    with open_history(folder, mode="r", upkeep=False) as history:
        assert history.last_seq() == 102 and len(history.read("trades")) == 100
