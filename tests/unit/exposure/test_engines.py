"""The live engines: when a snapshot is taken, from what, and that it is the batch functions' numbers."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workstation.exposure.book import ExposureBook, ExposureBookParameters, exposure
from workstation.exposure.cascade_engine import Cascade
from workstation.exposure.levels import Levels, LevelsParameters, levels
from workstation.market.tables import EXPOSURES, HEARTBEAT, INSTRUMENTS, LEVELS, MARKS, TRADES, TradeFlag
from workstation.pricing.chain import chain

Make = Callable[..., pd.DataFrame]
SECOND = 1_000_000_000
START = pd.Timestamp("2026-11-01 00:00", tz="UTC").value


def marks_at(make_marks: Make, second: float, **columns: object) -> pd.DataFrame:
    return MARKS.conform(make_marks(event_ns=START + round(second * SECOND), **columns))


def beat(*seconds: float) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [START + round(s * SECOND) for s in seconds]}))


def seconds(rows: pd.DataFrame) -> list[float]:
    return ((rows["event_ns"].drop_duplicates() - START) / SECOND).tolist()


def test_exposures_are_those_of_the_chain_at_the_tick(make_marks: Make) -> None:
    engine = ExposureBook(every="10s")
    frame = make_marks(event_ns=START + 3 * SECOND)
    assert engine.update(MARKS.conform(frame), "marks").empty
    rows = engine.update(beat(10), "heartbeat")
    want = exposure(chain(frame, asof_ns=START + 10 * SECOND))
    assert list(rows.columns) == list(EXPOSURES.names) and (rows["seq"] == 0).all()
    assert rows["underlying"].unique().tolist() == ["BTC"]
    for name in (
        "gex",
        "call_gex",
        "put_gex",
        "dex",
        "vanna_exposure",
        "charm_exposure",
        "call_open_interest",
    ):
        np.testing.assert_allclose(rows[name], want[name].values.ravel(), rtol=1e-12)
    assert seconds(rows) == [10.0]


def test_levels_are_those_of_the_chain_at_the_tick(make_marks: Make) -> None:
    engine = Levels(every="10s", basis="volume")
    frame = make_marks(event_ns=START + 3 * SECOND)
    engine.update(MARKS.conform(frame), "marks")
    row = engine.update(beat(10), "heartbeat")
    want = levels(chain(frame, asof_ns=START + 10 * SECOND), basis="volume")
    assert list(row.columns) == list(LEVELS.names) and len(row) == 1
    for name in ("spot", "net_gex", "zero_gamma", "call_wall", "put_wall", "absolute_wall", "atm_iv"):
        np.testing.assert_allclose(row[name].item(), want[name].item(), rtol=1e-12)
    told = json.loads(row["ledger"].item())
    assert told["basis"] == "volume" and told["forward_source"] == {"venue": 2}
    assert (row["coverage"].item(), row["contracts"].item(), row["dropped"].item()) == (1.0, 20, 0)


def test_the_row_that_crosses_is_not_in_the_snapshot(make_marks: Make) -> None:
    engine = ExposureBook(every="10s")
    first, second = marks_at(make_marks, 3), marks_at(make_marks, 10, open_interest=7.0)
    both = pd.concat([first, second], ignore_index=True)
    rows = engine.update(MARKS.conform(both), "marks")
    assert seconds(rows) == [10.0]
    assert rows["call_open_interest"].sum() > 7.0 * 10
    rows = engine.update(beat(20), "heartbeat")
    assert rows["call_open_interest"].sum() == 7.0 * 10


def test_a_gap_is_shown_once_right_after_its_data(make_marks: Make) -> None:
    engine = Levels(every="10s")
    engine.update(marks_at(make_marks, 3), "marks")
    rows = engine.update(marks_at(make_marks, 6 * 3600 + 4), "marks")
    assert seconds(rows) == [10.0]
    assert rows["contracts"].tolist() == [20]
    assert seconds(engine.update(beat(6 * 3600 + 3600), "heartbeat")) == [6 * 3600 + 10.0]
    assert engine.update(beat(6 * 3600 + 7200), "heartbeat").empty


def test_no_new_marks_no_new_snapshot(make_marks: Make) -> None:
    engine = Levels(every="10s")
    engine.update(marks_at(make_marks, 3), "marks")
    assert seconds(engine.update(beat(*range(4, 60)), "heartbeat")) == [10.0]
    engine.update(marks_at(make_marks, 61), "marks")
    assert seconds(engine.update(beat(*range(62, 90)), "heartbeat")) == [70.0]


def expiring(make_marks: Make, before_s: float) -> tuple[pd.DataFrame, int]:
    expiry = pd.Timestamp("2026-11-27 08:00", tz="UTC").value
    return MARKS.conform(make_marks(event_ns=expiry - round(before_s * SECOND))), expiry


def beat_ns(*times: int) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": list(times)}))


def test_expired_contracts_leave_exactly_at_expiry_without_new_marks(make_marks: Make) -> None:
    rows, expiry = expiring(make_marks, 35)
    engine = Levels(every="10s")
    engine.update(rows, "marks")
    shown = engine.update(beat_ns(*(expiry + s * SECOND for s in range(-35, 60))), "heartbeat")
    assert shown["event_ns"].tolist() == [expiry - 30 * SECOND, expiry]
    assert shown["contracts"].tolist() == [20, 10]
    assert json.loads(shown["ledger"].iloc[1])["dropped"]["expired"] == 10
    again = engine.update(MARKS.conform(make_marks(event_ns=expiry + 61 * SECOND)[10:]), "marks")
    again = engine.update(beat_ns(expiry + 80 * SECOND), "heartbeat")
    assert json.loads(again["ledger"].item())["dropped"]["expired"] == 0


def test_an_expiry_in_a_long_gap_is_not_shown_from_stale_marks(make_marks: Make) -> None:
    rows, expiry = expiring(make_marks, 7200)
    engine = Levels(every="10s")
    engine.update(rows, "marks")
    assert engine.update(beat_ns(expiry + 3600 * SECOND), "heartbeat")["event_ns"].tolist() == [
        expiry - 7190 * SECOND
    ]


def test_the_last_expiry_gives_a_row_of_nan_that_says_so(make_marks: Make) -> None:
    rows, expiry = expiring(make_marks, 5)
    engine, book = Levels(every="10s"), ExposureBook(every="10s")
    for one in (engine, book):
        one.update(rows[:10], "marks")
    shown = engine.update(beat_ns(expiry), "heartbeat")
    assert shown["contracts"].tolist() == [0] and np.isnan(shown["net_gex"].item())
    assert shown["zero_gamma_reason"].tolist() == ["no contract is priced"]
    assert book.update(beat_ns(expiry), "heartbeat").empty


def test_stale_contracts_are_dropped_with_their_count(make_marks: Make) -> None:
    engine = Levels(every="10s")
    engine.update(marks_at(make_marks, 3), "marks")
    engine.update(marks_at(make_marks, 1000)[:4], "marks")
    row = engine.update(beat(1010), "heartbeat")
    assert row["contracts"].item() == 4 and row["dropped"].item() == 16
    assert json.loads(row["ledger"].item())["dropped"]["stale"] == 16


def test_several_underlyings_at_once(make_marks: Make) -> None:
    engine = ExposureBook(every="10s")
    ether = make_marks(event_ns=START + 4 * SECOND, index=4000.0, forward=4000.0)
    ether["instrument"] = ether["instrument"].str.replace("BTC", "ETH").str.replace("0000-", "00-")
    engine.update(marks_at(make_marks, 3), "marks")
    engine.update(MARKS.conform(ether), "marks")
    rows = engine.update(beat(10), "heartbeat")
    assert rows.groupby("underlying", observed=True).size().to_dict() == {"BTC": 10, "ETH": 10}
    engine.update(MARKS.conform(ether.assign(event_ns=START + 11 * SECOND)), "marks")
    assert engine.update(beat(20), "heartbeat")["underlying"].unique().tolist() == ["ETH"]
    chosen = ExposureBook(every="10s", underlyings=("ETH",))
    chosen.update(marks_at(make_marks, 3), "marks")
    assert chosen.update(beat(10), "heartbeat").empty


def test_changes_over_minutes(make_marks: Make) -> None:
    engine = Levels(every="10s")
    rows = []
    for minute in range(7):
        more = np.where(np.arange(20) == 5, minute + 1.0, 1.0)
        rows.append(engine.update(marks_at(make_marks, 60 * minute + 5, open_interest=100 * more), "marks"))
    rows.append(engine.update(beat(60 * 6 + 10), "heartbeat"))
    found = pd.concat(rows, ignore_index=True)
    net = found["net_gex"].to_numpy()
    np.testing.assert_allclose(found["change_1m"], [np.nan, *np.diff(net)], rtol=1e-9)
    np.testing.assert_allclose(
        found["change_5m"], [np.nan] * 5 + [net[5] - net[0], net[6] - net[1]], rtol=1e-9
    )
    assert found["change_strike_1m"].iloc[1:].unique().tolist() == [100_000.0]
    assert found["change_10m"].isna().all()
    told = json.loads(found["ledger"].iloc[-1])
    assert told["change_since_ns"]["1"] == found["event_ns"].iloc[-2]
    assert told["change_reason"] == {m: f"no snapshot is {m} min old" for m in ("10", "15", "30")}


def test_a_change_never_spans_a_gap(make_marks: Make) -> None:
    engine = Levels(every="10s")
    engine.update(marks_at(make_marks, 5), "marks")
    engine.update(marks_at(make_marks, 4.8 * 3600, open_interest=7.0), "marks")
    found = engine.update(beat(4.8 * 3600 + 10), "heartbeat")
    assert found[[f"change_{m}m" for m in (1, 5, 10, 15, 30)]].isna().all(axis=None)
    told = json.loads(found["ledger"].iloc[0])
    assert told["change_reason"]["1"] == "the latest snapshot 1 min ago or before is 288.0 min old"


def test_live_levels_of_unknown_open_interest_are_nan(make_marks: Make) -> None:
    engines = Levels(every="10s"), ExposureBook(every="10s"), Cascade(every="10s")
    for engine in engines:
        engine.update(marks_at(make_marks, 5, open_interest=np.nan), "marks")
    row, book, risk = (engine.update(beat(10), "heartbeat") for engine in engines)
    assert np.isnan(row["net_gex"].item()) and "open interest of no contract" in row["ledger"].item()
    assert book["gex"].isna().all() and book["call_open_interest"].isna().all()
    assert "below_zero_gamma: the open interest of no contract is known" in risk["missing"].item()


def test_flow_counts_takers_since_the_open_interest_of_the_day(make_marks: Make) -> None:
    engine = ExposureBook(every="10s", sign_model="flow")
    names = make_marks()["instrument"]
    published = START - 86_400 * SECOND
    trades = TRADES.conform(
        pd.DataFrame(
            {
                "event_ns": START + 2 * SECOND,
                "instrument": names.iloc[[4, 4, 4, 5, 5]],
                "price": 0.1,
                "size": [5.0, 2.0, 9.0, 1.0, 1.0],
                "side": [1, -1, 0, -1, -1],
                "flags": [0, 0, 0, 0, int(TradeFlag.CANCEL)],
            }
        )
    )
    engine.update(marks_at(make_marks, 1, open_interest_ns=published), "marks")
    engine.update(trades, "trades")
    rows = engine.update(beat(10), "heartbeat")
    held = rows.loc[rows["gex"] != 0]
    assert held["strike"].tolist() == [100_000.0]
    gamma = chain(make_marks(event_ns=START + SECOND), asof_ns=START + 10 * SECOND)["gamma"]
    want = -3.0 * float(gamma.isel(expiry=0).sel(strike=1e5, right="C")) * 100_800.0**2 * 0.01
    assert held["call_gex"].item() == pytest.approx(want, rel=1e-12) and held["put_gex"].item() == 0.0
    engine.update(marks_at(make_marks, 11, open_interest_ns=published + 3600 * SECOND), "marks")
    assert (engine.update(beat(20), "heartbeat")["gex"] != 0).any()
    engine.update(marks_at(make_marks, 21, open_interest_ns=START + 21 * SECOND), "marks")
    assert (engine.update(beat(30), "heartbeat")["gex"] == 0).all()


def test_registered_terms_that_come_later_are_taken(make_marks: Make) -> None:
    engine = ExposureBook(every="10s")
    name = "exposure-test unparseable"
    marks = {
        "event_ns": START + SECOND,
        "instrument": [name],
        "mark_iv": 0.5,
        "open_interest": 2.0,
        "index": 100.0,
    }
    engine.update(MARKS.conform(pd.DataFrame(marks)), "marks")
    assert engine.update(beat(10), "heartbeat").empty
    terms = {
        "event_ns": START + 11 * SECOND,
        "instrument": [name],
        "kind": "option",
        "underlying": "XYZ",
        "right": "C",
    }
    terms |= {"expiry_ns": START + 86_400 * 10 * SECOND, "strike": 100.0, "multiplier": 0.01}
    engine.update(INSTRUMENTS.conform(pd.DataFrame(terms)), "instruments")
    engine.update(MARKS.conform(pd.DataFrame(marks | {"event_ns": START + 12 * SECOND})), "marks")
    rows = engine.update(beat(20), "heartbeat")
    assert rows["underlying"].tolist() == ["XYZ"] and rows["gex"].item() > 0


def test_engine_sums_the_venues_of_one_strike(make_marks: Make) -> None:
    names = ["exposure-test a", "exposure-test b"]
    terms = {"event_ns": START, "instrument": names, "kind": "option", "underlying": "TWO", "right": "C"}
    terms |= {"expiry_ns": START + 86_400 * 10 * SECOND, "strike": 100.0, "multiplier": [1.0, 0.1]}
    engine = ExposureBook(every="10s")
    engine.update(INSTRUMENTS.conform(pd.DataFrame(terms)), "instruments")
    marks = {
        "event_ns": START,
        "instrument": names,
        "mark_iv": 0.5,
        "open_interest": [2.0, 10.0],
        "index": 100.0,
    }
    engine.update(MARKS.conform(pd.DataFrame(marks)), "marks")
    both = engine.update(beat(10), "heartbeat")["gex"].item()
    single = {"event_ns": START + 11 * SECOND, "instrument": names[1:], "open_interest": [0.0]}
    engine.update(MARKS.conform(pd.DataFrame(single)), "marks")
    one = engine.update(beat(20), "heartbeat")["gex"].item()
    assert both == pytest.approx(1.5 * one, rel=1e-4)


def test_parameters() -> None:
    assert ExposureBook(every="30s").parameters == ExposureBookParameters(every="30s")
    assert Levels(LevelsParameters(basis="volume"), every="1min").parameters.every_ns == 60 * SECOND
    with pytest.raises(ValueError, match="no sign model"):
        Levels(sign_model="x")
    with pytest.raises(ValueError, match="positive time"):
        Levels(every="-1s")
    with pytest.raises(ValueError, match="stale_after_s"):
        Levels(stale_after_s=0.0)
    with pytest.raises(ValueError, match="reads marks, heartbeat, quotes, trades, instruments, not 'fills'"):
        Levels().update(beat(1), "fills")


def test_inputs_are_not_changed(make_marks: Make) -> None:
    rows = marks_at(make_marks, 3)
    before = rows.copy(deep=True)
    engine = Levels()
    engine.update(rows, "marks")
    engine.update(beat(60), "heartbeat")
    pd.testing.assert_frame_equal(rows, before)


@pytest.mark.parametrize("stale_hours", [1.0, 20.0, 25.0, 26.0, 48.0])
@pytest.mark.parametrize("priced_last", ["261102", "261103"])
def test_two_expiries_in_one_jump_are_shown_as_step_by_step(priced_last: str, stale_hours: float) -> None:
    hour = 3_600 * SECOND
    names = {day: f"BTC/USD:BTC-{day}-100000-C" for day in ("261102", "261103", "261225")}
    looks = []
    for steps in ([80.0], [31.9, 32.0, 32.1, 56.0, 80.0], list(np.arange(32.0, 80.5, 0.5))):
        engine = Levels(every="10s", stale_after_s=stale_hours * 3600)
        for day, at in sorted(
            {"261102": 29.0, "261103": 29.0, priced_last: 31.9}.items(), key=lambda one: one[1]
        ):
            row = {
                "event_ns": START + round(at * hour),
                "instrument": names[day],
                "mark_iv": 0.5,
                "open_interest": 1.0,
            }
            engine.update(MARKS.conform(pd.DataFrame([row | {"index": 1e5, "forward": 1e5}])), "marks")
        rows = [engine.update(beat(hours * 3600), "heartbeat") for hours in steps]
        looks.append(seconds(pd.concat(rows)))
    assert looks[0] == looks[1] == looks[2] and looks[0]
