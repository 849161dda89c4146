"""The Intake catalogue: entries read the store they are pointed to."""

from __future__ import annotations

import importlib
import os
import tomllib
from pathlib import Path

import intake
import pandas as pd
import pytest
from intake.readers.readers import BaseReader
from intake.readers.utils import subclasses

import workstation
from workstation.history import open_history
from workstation.market.errors import HistoryError, TableError, WorkstationError
from workstation.market.tables.derived import DERIVED
from workstation.market.tables.raw import RAW

CATALOG = Path(__file__).parents[3] / "catalogs" / "history.yaml"
STANDARD = [table.name for table in (*RAW, *DERIVED)]
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
                    "venue": ["here", "there", "here", "there"],
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
    with pytest.warns(UserWarning, match="holds no row of trades of the underlying 'DOGE'"):
        assert catalog.trades.read(underlying="DOGE").empty
    assert catalog.trades.read(venue="here", columns=["price"]).to_dict("list") == {"price": [4.0, 2.0]}
    assert catalog.candles.read(every="10s").empty and len(catalog.candles.read(every="10ns")) == 1


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
    with pytest.raises(HistoryError, match="neither underlyings nor instruments"):
        catalog.health.read(underlying="BTC")
    with pytest.raises(TableError, match="no such column"):
        catalog.trades.read(columns=["prize"])


def test_every_table_has_an_entry_and_every_entry_says_what_it_is(store):
    catalog = workstation.catalog()
    assert set(STANDARD) <= set(catalog)
    for name in catalog:
        assert catalog[name].metadata["description"]
        if name in STANDARD:
            assert catalog[name].data.table == name
            assert catalog[name].kwargs["defaults"].keys() <= {
                "start",
                "end",
                "instruments",
                "underlying",
                "venue",
            }


def test_a_table_comes_as_a_dataset_with_units_and_as_lazy_partitions(store):
    catalog = workstation.catalog(store)
    rows = catalog.trades.read()
    made = catalog.trades.to_reader("xarray").read(underlying="BTC")
    assert made["price"].values.tolist() == [4.0, 3.0, 2.0] and made["size"].attrs["units"]
    assert made["time"].values.astype("int64").tolist() == rows["event_ns"].tolist()[:3]
    lazy = catalog.trades.to_reader("dask").read(
        partition_rows=1, venue="there", columns=["price", "instrument"]
    )
    assert lazy.npartitions == 4
    found = lazy.compute(scheduler="sync")
    assert found["price"].tolist() == [3.0, 1.0] and found["instrument"].tolist() == [CALL, OTHER]
    assert len(catalog.quotes.to_reader("dask").read().compute(scheduler="sync")) == 0


def test_intake_is_told_of_the_readers_where_the_package_is_installed():
    project = tomllib.loads((CATALOG.parents[1] / "pyproject.toml").read_text())["project"]
    named = set(project["entry-points"]["intake.imports"].values())
    for name in named:
        importlib.import_module(name)
    ours = {one for one in subclasses(BaseReader) if one.__module__ in named}
    assert {one.__name__ for one in ours} == {
        "TableReader", "TableDatasetReader", "TableDaskReader", "QueryReader", "CubeReader", "SampleReader", "PlotReader",
    }  # fmt: skip


def test_a_picture_of_a_table(store):
    picture = workstation.catalog(store).plot_ticks.read(instruments=CALL, theme="dark")
    assert "price" in repr(picture)


def test_what_has_no_such_parameter_says_so(store, monkeypatch, tmp_path):
    catalog = workstation.catalog(store)
    with pytest.raises(HistoryError, match="trades has no every_ns to choose by; leave every out"):
        catalog.trades.read(every="1min")
    with pytest.raises(HistoryError, match=r"say which: read\(underlying="):
        catalog.exposure_by_strike.read()
    with pytest.raises(WorkstationError, match="set WORKSTATION_SAMPLE_DATA"):
        workstation.catalog(store, samples=str(tmp_path)).sample_deribit_chain.read()


@pytest.mark.recorded
def test_samples_are_read_where_there_are_any(store):
    folder = os.environ.get("WORKSTATION_SAMPLE_DATA")
    if not folder:
        pytest.skip("WORKSTATION_SAMPLE_DATA names no recorded market data")
    rows = workstation.catalog(store, samples=folder).sample_deribit_chain.read()
    assert len(rows) > 1_000 and rows["mark"].notna().mean() > 0.9 and rows.attrs["rejected"] == {}
