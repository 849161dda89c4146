"""A backup of a store in use holds one moment of it, whole; a restored one answers as the first did."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from workstation.cli import app
from workstation.history import open_history
from workstation.history.embedded.backup import TOLD, backup, restore
from workstation.market.digest import digest
from workstation.market.errors import HistoryError


def rows(first: int, count: int) -> pd.DataFrame:
    numbers = range(first, first + count)
    return pd.DataFrame(
        {
            "seq": numbers,
            "event_ns": [10**18 + one for one in numbers],
            "instrument": "BTC/USD:BTC",
            "price": 1.0,
            "size": 1.0,
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with open_history(str(tmp_path / "store")) as history:
        history.write("trades", rows(1, 500))
        history.roll()  # type: ignore[attr-defined]
        history.write("trades", rows(501, 100))
        history.note_recording(1, ["synthetic"], invented=True)
    return tmp_path / "store"


def contents(folder: Path) -> tuple[str, list[list[object]]]:
    with open_history(str(folder), mode="r", upkeep=False) as history:
        return digest([history.read("trades")]), history.recordings().to_numpy().tolist()


def test_backup_and_restore_give_the_same_rows(store: Path, tmp_path: Path) -> None:
    assert backup(store, tmp_path / "kept") == {"trades": 600}
    assert restore(tmp_path / "kept", tmp_path / "again") == {"trades": 600}
    assert contents(tmp_path / "again") == contents(tmp_path / "kept") == contents(store)
    with open_history(str(tmp_path / "again")) as history:
        assert history.write("trades", rows(601, 5)) == 5 and history.last_seq() == 605
        assert not len(history.problems())


def test_a_writer_goes_on_and_the_backup_is_one_moment(store: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with open_history(str(store)) as history:
            first = 601
            while not stop.is_set():
                history.write("trades", rows(first, 10))
                first += 10
                if first % 50 == 1:
                    history.roll()  # type: ignore[attr-defined]
                    history.compact()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [backup(store, tmp_path / f"kept{one}")["trades"] for one in range(3)]
    finally:
        stop.set()
        writer.join()
    assert made == sorted(made) and made[0] >= 600
    for one, count in enumerate(made):
        with open_history(str(tmp_path / f"kept{one}"), mode="r", upkeep=False) as history:
            assert history.read("trades")["seq"].tolist() == list(range(1, count + 1))


def test_a_damaged_backup_is_not_restored_and_leaves_nothing(store: Path, tmp_path: Path) -> None:
    backup(store, tmp_path / "kept")
    segment = next((tmp_path / "kept" / "segments").rglob("*.parquet"))
    held = bytearray(segment.read_bytes())
    held[len(held) // 3] ^= 0xFF
    segment.write_bytes(held)
    with pytest.raises(HistoryError, match=r"not sound|made with"):
        restore(tmp_path / "kept", tmp_path / "again")
    segment.unlink()
    with pytest.raises(HistoryError):
        restore(tmp_path / "kept", tmp_path / "again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "store"]


def test_what_cannot_be_done_is_said(store: Path, tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="is there already"):
        backup(store, store)
    with pytest.raises(HistoryError, match="no history in"):
        backup(tmp_path / "nowhere", tmp_path / "kept")
    with pytest.raises(HistoryError, match="is no backup"):
        restore(store, tmp_path / "again")
    backup(store, tmp_path / "kept")
    told = tmp_path / "kept" / TOLD
    told.write_text(told.read_text().replace("600", "601"))
    with pytest.raises(HistoryError, match="was made with"):
        restore(tmp_path / "kept", tmp_path / "again")


def test_the_commands(store: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    made = runner.invoke(
        app, ["history", "backup", str(tmp_path / "kept"), str(store)], env={"COLUMNS": "300"}
    )
    assert made.exit_code == 0 and "600 rows of 1 tables" in made.output
    again = runner.invoke(
        app, ["history", "restore", str(tmp_path / "kept"), str(tmp_path / "again")], env={"COLUMNS": "300"}
    )
    assert again.exit_code == 0 and "verified" in again.output
    refused = runner.invoke(
        app, ["history", "backup", str(tmp_path / "kept"), str(store)], env={"COLUMNS": "300"}
    )
    assert refused.exit_code == 1 and "is there already" in refused.output
