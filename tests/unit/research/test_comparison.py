"""A replay against what was recorded: equal rows, and the first difference of those that are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from workstation import open_history
from workstation.cli import app
from workstation.indicators.candles.engine import Candles
from workstation.indicators.ticks.reversals import Reversals
from workstation.market.engine import Engine
from workstation.research.comparison import compare, comparison, first_difference, recorded_rows
from workstation.research.replay import replay
from workstation.streams.hub import Hub

START = "2026-03-03"


def rows(seed: int = 4) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    steps = random.standard_normal(4_000) * np.where(np.arange(4_000) % 500 < 60, 6e-4, 5e-5)
    return pd.DataFrame(
        {
            "event_ns": int(pd.Timestamp(START).value) + np.arange(4_000) * 250_000_000,
            "instrument": "BTC/USD",
            "price": 100.0 * np.exp(np.cumsum(steps)),
            "size": 1.0 + np.arange(4_000) % 3,
            "side": np.where(steps > 0, 1, -1),
        }
    )


def engines(k: float = 2.0) -> list[Engine]:
    return [Candles(every="10s"), Reversals(window=200, ticks=30, moves=100, momentum=20, k=k)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a live desk would have recorded: trades and what its engines made of them."""
    folder = tmp_path_factory.mktemp("recorded") / "store"
    hub, trades = Hub(), rows()
    with open_history(folder) as history:
        for engine in engines():
            hub.add_engine(engine)
        hub.attach(
            "keep",
            ["trades", "candles", "reversals"],
            lambda table, frame: history.write(table, frame) and None,
        )
        for begin in range(0, len(trades), 311):
            hub.publish("trades", trades.iloc[begin : begin + 311])
    yield folder


def test_a_replay_is_what_was_recorded(store: Path) -> None:
    with open_history(store, mode="r") as history:
        tables = comparison(history, START, engines=engines())
    assert {one.table for one in tables} == {"candles", "reversals"}
    assert all(one.equal and one.recorded_rows == one.replayed_rows > 5 for one in tables), tables


def test_a_changed_rule_is_found_and_shown(store: Path) -> None:
    with open_history(store, mode="r") as history:
        tables = {one.table: one for one in comparison(history, START, engines=engines(k=1.5))}
    assert tables["candles"].equal
    assert not tables["reversals"].equal
    assert tables["reversals"].recorded_digest != tables["reversals"].replayed_digest
    assert "BTC/USD, 2026-03-03 00:" in tables["reversals"].difference


def test_a_stretch_leaves_out_what_lies_outside(store: Path) -> None:
    until = "2026-03-03 00:08"
    with open_history(store, mode="r") as history:
        tables = {one.table: one for one in comparison(history, START, until, engines=engines())}
        recorded = recorded_rows(history, START, until, ["candles"])["candles"]
    assert len(recorded) == 48
    assert (
        tables["candles"].recorded_rows == 48 and tables["candles"].replayed_rows == 47
    )  # the last one is not over yet
    assert (
        tables["candles"].difference
        == "row 48 of 48 (BTC/USD, 2026-03-03 00:07:50) is recorded and not replayed"
    )


def test_the_first_difference_in_words() -> None:
    one = pd.DataFrame(
        {
            "seq": [1, 2, 3],
            "event_ns": [1, 2, 3],
            "instrument": "X",
            "price": [1.0, np.nan, 3.0],
            "kind": ["a", "b", None],
        }
    )
    assert first_difference(one, one.assign(seq=[7, 8, 9])) == ""
    two = one.assign(price=[1.0, 2.0, 4.0], kind=["a", "c", None])
    said = first_difference(one, two)
    assert said.startswith(
        "row 2 of 3 (X, 1970-01-01 00:00:00.000000002): price is nan recorded, 2.0 replayed; kind is 'b'"
    )
    assert said.endswith("2 rows differ")
    assert "X, 1970-01-01 00:00:00.000000001) is recorded and not replayed" in first_difference(
        one, one.iloc[1:]
    )
    assert "X, 1970-01-01 00:00:00.000000001) is replayed and not recorded" in first_difference(
        one.iloc[1:], one
    )


def test_rows_of_one_run_alone() -> None:
    made = replay({"trades": rows()}, engines=engines())
    lone = compare({}, made)
    assert [one.recorded_rows for one in lone] == [0, 0] and all(
        "replayed and not recorded" in one.difference for one in lone
    )
    assert compare({}, {}) == []


def test_commands_of_comparing_and_evaluating(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    runner = CliRunner()
    compared = runner.invoke(
        app, ["replay", "--from", START, "--to", "2026-03-04", "--history", str(store), "--compare"]
    )
    assert compared.exit_code == 1, (
        compared.output
    )  # the standard engines have other parameters than those that recorded
    assert "differs" in compared.output and "candles:" in compared.output
    page = tmp_path / "report.html"
    arguments = [
        "evaluate",
        "reversals",
        "--history",
        str(store),
        "--horizons",
        "30s,2min",
        "--draws",
        "5",
        "--report",
        str(page),
    ]
    evaluated = runner.invoke(app, arguments)
    assert evaluated.exit_code == 0, evaluated.output
    assert (
        "Evaluation of reversals" in evaluated.output
        and "2min" in evaluated.output
        and "close" in evaluated.output
    )
    assert "<h2>Reversals</h2>" in page.read_text()
    for wrong, said in (
        (["evaluate", "reversal"], "did you mean 'reversals'"),
        (["evaluate", "reversals", "--prices", "marks"], "no table of prices 'marks'"),
        (["evaluate", "spikes"], "holds no row of spikes"),
        (["evaluate", "candles"], "no column side or direction"),
    ):
        refused = runner.invoke(app, [*wrong, "--history", str(store)])
        assert refused.exit_code == 1 and said in refused.output, refused.output
