"""What a desk begins with: gex by strike of the last minutes, and the day's taker flow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workstation.desk import open_desk
from workstation.history import History, open_history
from workstation.history.newest_rows import groups_of
from workstation.history.warm_start import candles, exposures_by_minute, flow_of_the_day
from workstation.market.tables import TABLES, TradeFlag
from workstation.settings import Settings

START = pd.Timestamp("2026-11-20 23:50").value
SECOND = 10**9
CALL, PUT = "BTC/USD:BTC-261225-100000-C", "BTC/USD:BTC-261225-100000-P"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    store = open_history(tmp_path)
    yield store
    store.close()


def write_exposures(history: History) -> None:
    frames = [
        pd.DataFrame(
            {
                "event_ns": START + 10 * SECOND * step, "underlying": "BTC", "sign_model": "calls_long", "basis": "open_interest",
                "expiry_ns": [1, 2, 1], "strike": [1e5, 1e5, 1.1e5], "call_gex": [5.0 + step, 2.0, 1.0],
                "put_gex": [-1.0, -1.0, -3.0], "gex": [4.0 + step, 1.0, -2.0],
            }
        )
        for step in range(30)
    ]  # fmt: skip
    history.write("exposures", pd.concat(frames, ignore_index=True))


def test_the_past_is_the_first_snapshot_of_each_minute_summed_over_expiries(history: History) -> None:
    write_exposures(history)
    past = exposures_by_minute(history, 60)
    times = past["event_ns"].unique()
    assert times.tolist() == [START + 60 * SECOND * minute for minute in range(5)]
    at = past[past["strike"] == 1e5]
    np.testing.assert_allclose(at["gex"], 5.0 + 6 * np.arange(5))
    np.testing.assert_allclose(at["call_gex"], 7.0 + 6 * np.arange(5))
    np.testing.assert_allclose(at["put_gex"], -2.0)


def test_the_past_reaches_back_as_far_as_asked(history: History) -> None:
    write_exposures(history)
    newest = START + 290 * SECOND
    past = exposures_by_minute(history, 2)
    assert past["event_ns"].min() >= newest - 120 * SECOND
    assert past["event_ns"].nunique() == 3


def test_the_flow_is_that_of_the_newest_utc_day_with_cancels_taken_back(history: History) -> None:
    midnight = pd.Timestamp("2026-11-21").value
    rows = pd.DataFrame(
        {
            "event_ns": [midnight - 1, midnight + 1, midnight + 2, midnight + 3, midnight + 4],
            "instrument": [CALL, CALL, CALL, CALL, PUT], "price": 0.05, "size": [100.0, 3.0, 1.0, 1.0, 8.0],
            "side": [1, 1, -1, -1, 0], "flags": [0, 0, 0, int(TradeFlag.CANCEL), 0],
        }
    )  # fmt: skip
    history.write("trades", rows)
    flow = flow_of_the_day(history)
    assert flow is not None
    assert flow.since_ns == midnight + 1
    told = flow.rows.set_index("instrument")
    assert told.loc[CALL, ["signed", "prints", "unsided"]].tolist() == [3.0, 3, 0]
    assert told.loc[PUT, ["signed", "prints", "unsided"]].tolist() == [0.0, 1, 1]


def test_an_empty_store_has_no_past(history: History) -> None:
    assert exposures_by_minute(history, 60).empty
    assert flow_of_the_day(history) is None


@pytest.mark.parametrize("table", sorted(set(TABLES)))
def test_every_table_knows_what_it_has_one_newest_row_of(table: str) -> None:
    assert set(groups_of(TABLES[table])) <= set(TABLES[table].names)


def test_candles_are_as_many_as_are_kept_of_each_length_and_none_of_options(history: History) -> None:
    assert candles(history, 10**15, 5, ("spot", "")).empty
    rows = [
        pd.DataFrame(
            {"event_ns": START + np.arange(50) * every * SECOND, "instrument": name, "every_ns": every * SECOND, "seq": 1 + np.arange(50)}
        )
        for name in ("BTC/USD", CALL)
        for every in (1, 10)
    ]  # fmt: skip
    history.write("candles", pd.concat(rows, ignore_index=True))
    newest = START + 49 * 10 * SECOND
    seeded = candles(history, 10**15, 5, ("spot", ""))
    assert seeded["instrument"].unique().tolist() == ["BTC/USD"]
    assert seeded["event_ns"].tolist() == [newest - at * 10 * SECOND for at in (4, 3, 2, 1, 0)]
    assert len(candles(history, 20 * SECOND, 5, ("spot", ""))) == 2


def test_a_desk_that_starts_again_shows_gex_by_strike_through_time(history: History) -> None:
    write_exposures(history)
    row = {"event_ns": [START], "instrument": CALL, "price": 0.05, "size": 3.0, "side": 1}
    history.write("trades", pd.DataFrame(row))
    desk = open_desk([], history, settings=Settings(_env_file=None))
    with desk:
        past = desk.board.exposure_history("BTC", "calls_long", "open_interest")
        assert past["event_ns"].nunique() == 5
        assert desk.board.taker_flow([CALL]).signed.tolist() == [3.0]
