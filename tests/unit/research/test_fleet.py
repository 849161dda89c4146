"""The same replay and evaluation over many spans and parameters: alike on one core and on threads, and never made twice."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from workstation.cli import app
from workstation.cli.answers import console
from workstation.history import open_history
from workstation.indicators.candles.engine import Candles
from workstation.indicators.ticks.reversals import Reversals
from workstation.market.digest import digest
from workstation.market.dividends import Dividend
from workstation.market.errors import HistoryError
from workstation.pricing.carry import CarryParameters
from workstation.research import fleet
from workstation.research.fleet_item import Item, standard
from workstation.research.fleet_results import Results
from workstation.research.replay import replay

START = pd.Timestamp("2026-03-20").value
HALF = 1_900_000_000_000


def engines(fail: bool = False, **parameters):
    """Candles and reversals of short windows."""
    if fail:
        raise ValueError("these engines cannot be made")
    return [Candles(every=parameters["candles"]), Reversals(ticks=4, window=40)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two instruments with bursts that turn, through an hour."""
    turn = [*[1, -1] * 40, *[9] * 12, -9, *[-1] * 12]
    steps = np.array([*turn, *(-step for step in turn)] * 18)
    at = np.arange(steps.size)
    rows = pd.DataFrame(
        {
            "seq": at + 1, "event_ns": START + at * (2 * HALF // at.size), "price": 100.0 * np.exp(np.cumsum(steps) * 1e-4), "size": 1.0,
            "instrument": np.where(at < at.size * 3 // 4, "AAA", "BBB"),
        }
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("fleet") / "store"
    with open_history(folder, upkeep=False) as history:
        history.write("trades", rows)
    return folder


def run(store, results, **options):
    spans = [(START, START + HALF), (START + HALF, START + 2 * HALF)]
    given = {
        "engines": engines,
        "parameters": [{"candles": "1min"}],
        "horizons": ["1min"],
        "options": {"draws": 5},
        "progress": False,
    }
    return fleet.run(store, spans, results, **given | options)


def test_threads_give_what_one_core_gives_and_what_a_replay_gives(store, tmp_path):
    one = run(store, tmp_path / "one", instruments=[None, "AAA"])
    two = run(store, tmp_path / "two", instruments=[None, "AAA"], scheduler="threads")
    assert len(one.frame) == 4 and not one.failures and not two.failures
    assert one.digests() == two.digests()
    with open_history(store, mode="r", upkeep=False) as history:
        alone = replay(history, START, START + HALF, engines(candles="1min"), progress=False)
    first = one.frame["item"].iloc[0]
    assert one.digests()[first] == {name: digest(rows) for name, rows in alone.items()}
    assert one.frame["rows"].iloc[0] == len(alone["reversals"]) > 0
    assert len(one.signals()) == one.frame["rows"].sum() == len(two.signals())
    np.testing.assert_array_equal(one.evaluation(first)["hit_rate"], two.evaluation(first)["hit_rate"])


def test_what_is_done_is_not_made_again_and_what_failed_is_tried_again(store, tmp_path, monkeypatch):
    made = run(store, tmp_path, parameters=[{"candles": "1min"}, {"fail": True}], signals="")
    assert made.frame["error"].tolist() == ["", "ValueError: these engines cannot be made"] * 2
    again = []
    real = fleet.work
    monkeypatch.setattr(fleet, "work", lambda item: again.append(item.parameters) or real(item))
    made = run(store, tmp_path, parameters=[{"candles": "1min"}, {"fail": True}], signals="")
    assert again == ['{"fail": true}'] * 2 and len(made.digests()) == 2
    with pytest.raises(HistoryError, match="has no evaluation"):
        made.evaluation(made.frame["item"].iloc[0])


def test_a_store_that_was_added_to_makes_other_items(store, tmp_path):
    item = Item("store", 0, 1, raw_rows=(("trades", 4),))
    same = Item("store", 0, 1, raw_rows=(("trades", 4),))
    more = Item("store", 0, 1, raw_rows=(("trades", 5),))
    assert item.digest == same.digest != more.digest
    assert not Results(tmp_path).has(item)


def test_what_cannot_be_is_said_before_anything_is_made(store, tmp_path):
    with pytest.raises(HistoryError, match=r"no table 'reversal'.*did you mean 'reversals'"):
        run(store, tmp_path, signals="reversal")
    with pytest.raises(HistoryError, match="no scheduler 'thread'"):
        run(store, tmp_path, scheduler="thread")
    with pytest.raises(HistoryError, match="no worker can import it"):
        run(store, tmp_path, scheduler="local", engines=lambda: [])
    with pytest.raises(HistoryError, match="needs a span"):
        fleet.run(store, [], tmp_path)


def test_the_command_says_what_became_of_each_day(store, tmp_path, monkeypatch):
    monkeypatch.setattr(console, "width", 200)
    arguments = [
        "fleet",
        "--from",
        "2026-03-20",
        "--to",
        "2026-03-20T00:05",
        "--history",
        str(store),
        "--results",
        str(tmp_path),
    ]
    done = CliRunner().invoke(app, [*arguments, "--horizons", "1min"])
    assert done.exit_code == 0, done.output
    assert "2026-03-20 00:05" in done.output and "done" in done.output


def test_a_worker_prices_american_chains_with_the_schedule_it_is_told():
    told = {"dividends": (Dividend("AAPL", START, 0.26),), "rates_of": "SPX"}
    item = Item("store", 0, 1, parameters=json.dumps(told))
    made = {type(engine).__name__: engine.parameters for engine in standard(**json.loads(item.parameters))}
    for name in ("ExposureBook", "Levels", "Cascade", "Surface", "PnlSnapshots"):
        assert made[name].carry == CarryParameters(**told), name
    other = Item("store", 0, 1, parameters=json.dumps(told | {"dividends": (Dividend("AAPL", START, 0.27),)}))
    assert item.digest != other.digest
