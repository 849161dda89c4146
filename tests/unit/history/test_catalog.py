"""The Intake catalogue: entries read the store they are pointed to."""

from __future__ import annotations

from pathlib import Path

import intake
import pandas as pd
import pytest

from workstation.history import open_history
from workstation.market.errors import HistoryError, TableError
from workstation.market.tables import TABLES

CATALOG = Path(__file__).parents[3] / "catalogs" / "history.yaml"
CALL, PUT, OTHER = "BTC/USD:BTC-261225-100000-C", "BTC/USD:BTC-261225-100000-P", "ETH/USD:ETH-261225-5000-C"


@pytest.fixture
def store(tmp_path, monkeypatch):
    folder = tmp_path / "store"
    minute = 60_000_000_000
    with open_history(folder, upkeep=False) as history:
        event = [0, minute // 2, minute, 3 * minute]
        history.write(
            "trades",
            pd.DataFrame(
                {
                    "seq": [1, 2, 3, 4],
                    "event_ns": event,
                    "instrument": [CALL, CALL, CALL, OTHER],
                    "price": [4.0, 3.0, 2.0, 1.0],
                    "size": 1.0,
                }
            ),
        )
        history.write(
            "marks", pd.DataFrame({"event_ns": 1, "instrument": [CALL, PUT, OTHER], "mark": [1.0, 2.0, 3.0]})
        )
        levels = {"sign_model": "calls_long", "basis": "open_interest"}
        history.write(
            "levels", pd.DataFrame({"event_ns": [1, 2], "underlying": ["BTC", "ETH"], "spot": 5.0, **levels})
        )
        history.write(
            "candles", pd.DataFrame({"event_ns": 1, "instrument": CALL, "every_ns": 10, "close": [1.0, 2.0]})
        )
        history.write(
            "exposures", pd.DataFrame({"event_ns": 1, "underlying": "BTC", "strike": [1.0, 2.0], **levels})
        )
    monkeypatch.setenv("WORKSTATION_HISTORY", str(folder))
    return folder


def test_the_catalogue_opens_from_a_notebooks_folder_and_reads(store, monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "catalogs").symlink_to(CATALOG.parent)
    monkeypatch.chdir(tmp_path / "notebooks")
    catalog = intake.open_catalog("../catalogs/history.yaml")
    assert {"trades", "candles", "exposures", "levels", "marks"} <= set(catalog)
    sizes = {
        name: len(catalog[name].read()) for name in ("trades", "candles", "exposures", "levels", "marks")
    }
    assert sizes == {"trades": 4, "candles": 1, "exposures": 2, "levels": 2, "marks": 3}
    with open_history(store, upkeep=False) as history:
        pd.testing.assert_frame_equal(catalog.trades.read(), history.read("trades"))


def test_parameters_choose_the_rows(store):
    catalog = intake.open_catalog(str(CATALOG))
    assert catalog.trades.read(start=1, end="1970-01-01 00:01:01")["price"].tolist() == [3.0, 2.0]
    assert catalog.trades.read(instruments=[OTHER])["price"].tolist() == [1.0]
    assert catalog.trades.read(underlying="BTC", columns=["price"]).to_dict("list") == {
        "price": [4.0, 3.0, 2.0]
    }
    assert catalog.marks.read(underlying="BTC")["mark"].tolist() == [1.0, 2.0]
    assert catalog.levels.read(underlying="ETH")["event_ns"].tolist() == [2]
    assert catalog.candles.read(revisions=True)["close"].tolist() == [1.0, 2.0]
    assert catalog.trades.read(underlying="DOGE").empty


def test_parameters_of_the_whole_catalogue(store):
    catalog = intake.open_catalog(str(CATALOG))
    late = catalog(start=1, underlying="BTC")
    assert late.trades.read()["price"].tolist() == [3.0, 2.0]
    assert len(late.levels.read()) == 1


def test_an_entry_made_of_a_query(store):
    got = intake.open_catalog(str(CATALOG)).minute_candles.read(instrument=CALL)
    assert got[["open", "high", "low", "close", "trades"]].values.tolist() == [
        [4, 4, 3, 3, 2],
        [2, 2, 2, 2, 1],
    ]


def test_discover_gives_the_newest_rows(store):
    assert intake.open_catalog(str(CATALOG)).trades.discover()["price"].tolist() == [2.0, 1.0]


def test_another_store_can_be_named(store, tmp_path, monkeypatch):
    monkeypatch.delenv("WORKSTATION_HISTORY")
    catalog = intake.open_catalog(str(CATALOG))
    assert len(catalog(store=str(store)).trades.read()) == 4
    with pytest.raises(HistoryError, match="WORKSTATION_HISTORY"):
        catalog(store=str(tmp_path / "nowhere")).trades.read()
    assert not (tmp_path / "nowhere").exists()


def test_a_bad_choice_is_a_clear_error(store):
    catalog = intake.open_catalog(str(CATALOG))
    with pytest.raises(HistoryError, match="neither an underlying nor an instrument"):
        catalog.health.read(underlying="BTC")
    with pytest.raises(TableError, match="no such column"):
        catalog.trades.read(columns=["prize"])


def test_every_entry_is_of_a_declared_table(store):
    catalog = intake.open_catalog(str(CATALOG))
    for name in catalog:
        if name in TABLES:
            assert catalog[name].data.table == name
            assert catalog[name].metadata["description"]
