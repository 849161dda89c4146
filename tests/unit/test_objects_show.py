"""Objects show themselves in a notebook, and reads are for people when that is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import panel as pn
import pytest

import workstation
from workstation.engines import standard_engines
from workstation.history import History, open_history
from workstation.market.errors import HistoryError, TableError
from workstation.market.instants import NO_TIME
from workstation.market.tables import MARKS, TABLES
from workstation.market.tables.readable import free_name, readable
from workstation.settings import Settings

AT = pd.Timestamp("2026-11-20 14:00").value
NAMES = ("BTC/USD:BTC", "BTC/USD:BTC-261225-100000-C", "ETH/USD:ETH")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with open_history(tmp_path_factory.mktemp("shown") / "store") as history:
        history.note_recording(1, ["deribit"], invented=False)
        history.note_recording(3, ["synthetic"], invented=True)
        rows = {
            "event_ns": AT + np.arange(6),
            "seq": np.arange(1, 7),
            "instrument": NAMES * 2,
            "price": 1.0,
            "size": 2.0,
        }
        history.write("trades", pd.DataFrame(rows))
        levels = {
            "event_ns": [AT, AT + 1],
            "underlying": ["BTC", "ETH"],
            "sign_model": "calls_long",
            "basis": "volume",
            "spot": 1.0,
        }
        history.write("levels", pd.DataFrame(levels))
        yield history


def test_rows_of_an_underlying_by_the_terms_of_their_instruments(store: History) -> None:
    assert set(store.read("trades", underlying="BTC")["instrument"]) == set(NAMES[:2])
    only = store.read(
        "trades", underlying="BTC", instruments=[NAMES[0], NAMES[2]], columns=["price", "instrument"]
    )
    assert only["instrument"].tolist() == [NAMES[0]] * 2 and list(only) == ["price", "instrument"]


def test_rows_of_an_underlying_by_the_tables_own_column(store: History) -> None:
    rows = store.read("levels", underlying="ETH", columns=["spot"])
    assert rows.to_dict("list") == {"spot": [1.0]}
    with pytest.raises(HistoryError, match="neither underlyings nor instruments"):
        store.read("health", underlying="BTC")


@pytest.mark.parametrize("table", ["trades", "levels"])
def test_an_unknown_underlying_is_told_with_those_there_are(store: History, table: str) -> None:
    with pytest.warns(UserWarning, match="no row of .* 'XRP'; it has BTC, ETH"):
        assert not len(store.read(table, underlying="XRP"))


def test_an_unknown_table_is_told_with_the_one_near_it(store: History) -> None:
    with pytest.raises(TableError, match="did you mean 'trades'"):
        store.read("trade")


def test_a_time_index_and_no_sentinel(store: History) -> None:
    rows = store.read("trades", time_index=True)
    assert str(rows.index.dtype) == "datetime64[ns, UTC]" and rows.index[0] == pd.Timestamp(AT, tz="UTC")
    assert rows.seen.isna().all() and rows.size_.tolist() == [2.0] * 6
    marks = MARKS.conform(
        pd.DataFrame({"event_ns": [AT], "instrument": NAMES[1], "mark": 0.1, "open_interest": 3.0})
    )
    seen = readable(MARKS, marks)
    assert marks["open_interest_ns"].tolist() == [NO_TIME]
    assert seen.open_interest.tolist() == [3.0] and seen.open_interest_time.isna().all()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_no_column_hides_behind_an_attribute_of_pandas(name: str) -> None:
    shown = readable(TABLES[name], TABLES[name].empty())
    assert len(set(shown.columns)) == len(TABLES[name].columns) - 1
    assert not [column for column in shown.columns if hasattr(pd.DataFrame, column)]
    assert free_name("index") == "index_"


def test_a_store_knows_which_rows_are_invented(store: History) -> None:
    assert store.read("trades", invented=False)["event_ns"].tolist() == [AT, AT + 1]
    assert store.recordings()[["first_seq", "feeds", "invented"]].values.tolist() == [
        [1, ["deribit"], False], [3, ["synthetic"], True],
    ]  # fmt: skip


def test_a_cut_off_line_of_the_recordings_is_passed_over(tmp_path: Path) -> None:
    with open_history(tmp_path / "store") as history:
        history.note_recording(1, ["synthetic"], invented=True)
        path = tmp_path / "store" / "recordings.jsonl"
        path.write_text(path.read_text() + '{"first_seq": 9')
        assert history.recordings()["first_seq"].tolist() == [1]
        path.write_text('{"first\n' + path.read_text())
        with pytest.raises(HistoryError, match="line 1"):
            history.recordings()


def test_an_invented_market_is_kept_out_of_the_default_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("WORKSTATION_HISTORY", "WORKSTATION_RECORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert Settings().store(invented=True) is None
    assert Settings().store(invented=False) == Settings().history
    monkeypatch.setenv("WORKSTATION_RECORD", "true")
    assert Settings().store(invented=True) == Settings().history
    monkeypatch.setenv("WORKSTATION_RECORD", "false")
    assert Settings().store(invented=False) is None


def test_a_history_shows_its_tables_with_spans_and_sizes(store: History) -> None:
    shown = store._repr_html_()
    assert ("trades" in shown and "2026-11-20T14:00:00Z" in shown and " MB" in shown) or " kB" in shown
    assert "invented by a synthetic market: seq 3 and after" in shown
    assert pn.panel(store).object == shown


def test_a_replay_shows_spans_and_digests() -> None:
    rows = {"event_ns": [AT, AT + 2 * 10**9], "instrument": NAMES[0], "price": [1.0, 2.0], "size": 1.0}
    replayed = workstation.replay(
        {"trades": pd.DataFrame(rows)}, engines=standard_engines(["1s"], lateness="0s")
    )
    shown = replayed._repr_html_()
    assert "candles" in shown and "2026-11-20T14:00:00" in shown


def test_an_import_shows_what_was_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "chain.csv"
    file.write_text(
        "timestamp,instrument_name,bid_price,ask_price,mark_price,implied_volatility,delta,vega,open_interest,volume,"
        "futures_price,index_price\n2026-11-20T14:00:00Z,NONSENSE,1,1,1,1,1,1,1,1,1,1\n"
    )
    with open_history(tmp_path / "store") as history:
        done = workstation.import_files(history, "table", [file], mapping="deribit_snapshots")
    shown = done._repr_html_()
    assert "set aside" in shown and "NONSENSE" in shown


def test_signals_and_alerts_say_why() -> None:
    evidence = (
        '{"ema_fast": 101.5, "ema_slow": 101.2, "choppiness": 40.0, "volume": 50.0, "volume_mean": 20.0}'
    )
    rows = {
        "event_ns": [AT],
        "instrument": NAMES[0],
        "version": 4,
        "side": 1,
        "strength": 0.5,
        "evidence": evidence,
    }
    told = workstation.views.spacetime.reason_table(pd.DataFrame(rows))
    assert told.index[0] == pd.Timestamp(AT, tz="UTC") and "40 < 61.8" in told["why"].iloc[0]
    alert = {
        "event_ns": [AT],
        "underlying": "BTC",
        "kind": "block",
        "direction": -1,
        "score": 3.0,
        "explanation": "large",
    }
    assert workstation.views.spacetime.reason_table(pd.DataFrame(alert))[
        ["rule", "way", "why"]
    ].values.tolist() == [["block", "▼ down", "large"]]
    with pytest.raises(TableError, match="neither signals nor alerts"):
        workstation.views.spacetime.reason_table(pd.DataFrame({"event_ns": [AT]}))


@pytest.mark.parametrize("every", ["7", 60, "7.5", "soon", None])
def test_a_length_without_a_unit_is_refused_in_words(every: object) -> None:
    rows = pd.DataFrame({"event_ns": [AT], "instrument": NAMES[0], "price": 1.0, "size": 1.0})
    with pytest.raises((ValueError, TypeError), match="unit"):
        workstation.candles(rows, every=every)


def test_names_at_the_top_are_few_and_load_at_the_first_use() -> None:
    assert len(workstation.__all__) <= 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in workstation.__all__:
            assert getattr(workstation, name) is not None
    with pytest.raises(AttributeError, match="it has"):
        _ = workstation.nothing
