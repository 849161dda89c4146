"""Chains priced from quotes alone, and one contract on several venues."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from workstation.exposure.book import ExposureBook, exposure
from workstation.exposure.cascade_engine import Cascade
from workstation.exposure.levels import Levels, levels
from workstation.market.digest import digest
from workstation.market.tables import HEARTBEAT, INSTRUMENTS, LEVELS, MARKS, QUOTES
from workstation.pricing.chain import chain
from workstation.pricing.surface_engine import Surface

SECOND = 10**9
START = pd.Timestamp("2026-03-18T14:30Z").value
EXPIRY = pd.Timestamp("2026-04-17T20:00Z").value
STRIKES = np.arange(560.0, 645.0, 5.0)
CONTRACTS = [(strike, right) for strike in STRIKES for right in "CP"]
NAMES = [f"SPY   260417{right}{strike * 1000:08.0f}" for strike, right in CONTRACTS]


def values(at_ns: int, vol: float = 0.2, forward: float = 600.0) -> np.ndarray:
    spread = vol * np.sqrt((EXPIRY - at_ns) / (365 * 86_400e9))
    made = []
    for strike, right in CONTRACTS:
        sign, d1 = (1.0 if right == "C" else -1.0), np.log(forward / strike) / spread + spread / 2
        made.append(sign * (forward * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - spread))))
    return np.array(made)


def quotes(second: float, venue: str = "opra", **columns: object) -> pd.DataFrame:
    at = START + round(second * SECOND)
    price = values(at)
    given = {"event_ns": at, "instrument": NAMES, "bid": price - 0.05, "ask": price + 0.05, "venue": venue}
    return QUOTES.conform(pd.DataFrame(given | columns))


def interest(second: float = 0.0, **columns: object) -> pd.DataFrame:
    given = {
        "event_ns": START + round(second * SECOND),
        "instrument": NAMES,
        "open_interest": 1000.0,
        "venue": "opra",
    }
    return MARKS.conform(pd.DataFrame(given | columns))


def beats(*seconds: float) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [START + round(s * SECOND) for s in seconds]}))


def test_quotes_and_open_interest_make_a_chain() -> None:
    found = chain(interest(), quotes=quotes(60.0))
    assert found.attrs["contracts"] == 34 and found.attrs["iv_source"] == {"mid": 34}
    assert set(np.unique(found["iv_source"].values)) == {"mid"}
    assert found.attrs["asof_ns"] == START + 60 * SECOND and found["quote_ns"].min() == START + 60 * SECOND
    np.testing.assert_allclose(found["mark_iv"], 0.2, atol=2e-3)
    assert found["forward"].item() == pytest.approx(600.0, abs=0.02)
    assert found["open_interest"].values.ravel().tolist() == [1000.0] * 34
    assert np.isfinite(levels(found)["net_gex"].item())


def test_open_interest_is_not_needed_to_price() -> None:
    found = chain(MARKS.empty(), quotes=quotes(60.0))
    assert found.attrs["contracts"] == 34 and found.attrs["open_interest_known"] == 0.0
    assert np.isnan(levels(found)["net_gex"].item())


def test_one_sided_quotes_have_no_mid_and_no_vol() -> None:
    rows = quotes(60.0)
    rows.loc[[0, 1], "bid"] = np.nan
    rows.loc[[2, 3], "ask"] = np.nan
    rows.loc[[4], "bid"] = 0.0
    found = chain(interest(), quotes=QUOTES.conform(rows))
    assert found.attrs["contracts"] == 29 and found.attrs["dropped"]["no_iv"] == 5


@pytest.mark.parametrize("kind", [ExposureBook, Levels, Cascade, Surface])
def test_live_engines_price_every_snapshot_of_half_an_hour(kind: type) -> None:
    engine = kind(every="10s")
    engine.update(interest(), "marks")
    rows = []
    for minute in range(31):
        rows.append(engine.update(quotes(60.0 * minute + 1), "quotes"))
        rows.append(engine.update(beats(60.0 * minute + 10), "heartbeat"))
    found = pd.concat(rows, ignore_index=True)
    times = sorted(found["event_ns"].unique().tolist())
    assert times == [START + (60 * minute + 10) * SECOND for minute in range(31)]
    if kind is Levels:
        assert (found["contracts"] == 34).all() and found["net_gex"].notna().all()
        assert json.loads(found["ledger"].iloc[-1])["iv_source"] == {"mid": 34}
    if kind is ExposureBook:
        assert (found.groupby("event_ns")["call_open_interest"].sum() == 17_000.0).all()


def test_a_venue_that_sends_marks_is_not_priced_from_quotes() -> None:
    own = interest(0.0, mark_iv=0.25, forward=600.0)
    found = chain(own, quotes=quotes(60.0))
    assert found.attrs["iv_source"] == {"mark_iv": 34} and found.attrs["asof_ns"] == START
    assert found["bid"].isnull().all()
    engine = Levels(every="10s")
    engine.update(own, "marks")
    engine.update(quotes(1.0), "quotes")
    row = engine.update(beats(10.0), "heartbeat")
    assert json.loads(row["ledger"].item())["iv_source"] == {"mark_iv": 34}
    engine.update(quotes(11.0), "quotes")
    assert engine.update(beats(20.0), "heartbeat").empty, "quotes beside marks are no news"


def test_quotes_of_other_instruments_do_nothing() -> None:
    engine = Levels(every="10s")
    rows = QUOTES.conform(
        pd.DataFrame({"event_ns": START, "instrument": ["SPY", "BTC/USD"], "bid": 1.0, "ask": 2.0})
    )
    engine.update(rows, "quotes")
    assert engine.update(beats(10.0), "heartbeat").empty
    assert engine._latest.underlyings == []


def test_a_consolidated_quote_is_not_replaced_by_an_exchanges() -> None:
    wide = quotes(5.0, venue="xcbo", exchange="C", bid=0.01, ask=900.0)
    for order in ([quotes(1.0), wide], [wide.assign(event_ns=START), quotes(1.0)]):
        found = chain(interest(), quotes=QUOTES.concat(order))
        np.testing.assert_allclose(found["mark_iv"], 0.2, atol=2e-3)
    one, other = (
        quotes(1.0, venue="xcbo", exchange="C"),
        quotes(2.0, venue="xbox", exchange="B", bid=0.01, ask=900.0),
    )
    found = chain(interest(), quotes=QUOTES.concat([one, other]))
    np.testing.assert_allclose(found["mark_iv"], 0.2, atol=2e-3)


def test_how_quotes_fall_into_batches_changes_nothing() -> None:
    rows = QUOTES.concat([quotes(float(s)) for s in range(1, 60, 7)])
    whole, parts, restored = (Levels(every="10s") for _ in range(3))
    for engine in (whole, parts, restored):
        engine.update(interest(), "marks")
    want = [whole.update(rows, "quotes"), whole.update(beats(70.0), "heartbeat")]
    made = [parts.update(rows.iloc[at : at + 11], "quotes") for at in range(0, len(rows), 11)]
    again = [restored.update(rows.iloc[:100], "quotes")]
    second = Levels(every="10s")
    second.restore(pickle.loads(pickle.dumps(restored.snapshot())))
    again += [second.update(rows.iloc[100:], "quotes"), second.update(beats(70.0), "heartbeat")]
    made.append(parts.update(beats(70.0), "heartbeat"))
    expected = LEVELS.concat(want)
    assert len(expected) == 6
    for others in (made, again):
        assert digest(LEVELS.concat(others)) == digest(expected)


CALL, PUT = "BTC/USD:BTC-261225-100000-C", "BTC/USD:BTC-261225-100000-P"
ASOF = pd.Timestamp("2026-11-01").value


def two_venues(**columns: object) -> pd.DataFrame:
    """100 BTC of open interest in each right on each venue: coins on one, hundredths on the other."""
    rows = {
        "event_ns": [ASOF, ASOF, ASOF + 1, ASOF + 1],
        "instrument": [CALL, PUT, CALL, PUT],
        "venue": ["deribit", "deribit", "okx", "okx"],
        "mark_iv": [0.5, 0.5, 0.55, 0.55],
        "open_interest": [100.0, 40.0, 10_000.0, 4_000.0],
        "multiplier": [1.0, 1.0, 0.01, 0.01],
        "forward": [100_500.0, 100_500.0, 100_600.0, 100_600.0],
        "index": [100_000.0, 100_000.0, 100_020.0, 100_020.0],
    }
    return pd.DataFrame(rows | columns)


def test_a_contract_on_two_venues_is_two_rows_and_their_sum() -> None:
    frame = two_venues()
    both, one, other = chain(frame), chain(frame, venue="deribit"), chain(frame, venue="okx")
    assert both.attrs["contracts"] == 4 and both.attrs["venues"] == {"deribit": 2, "okx": 2}
    assert "open interest of all venues in underlying units" in both.attrs["combined"]
    assert one.attrs["venues"] == {"deribit": 2} and "combined" not in one.attrs
    coins = (both["open_interest"] * both["multiplier"]).values.ravel()
    np.testing.assert_allclose(coins, [200.0, 80.0])
    assert one["mark_iv"].values.ravel().tolist() == [0.5, 0.5] and other[
        "mark_iv"
    ].values.ravel().tolist() == [0.55, 0.55]
    assert (one["forward"].item(), other["forward"].item()) == (100_500.0, 100_600.0)
    parts = [float(exposure(each)["gex"].sum()) for each in (one, other)]
    assert parts[1] / parts[0] == pytest.approx(1.0, rel=0.15), "the same coins, whatever a contract counts"
    assert float(exposure(both)["gex"].sum()) == pytest.approx(sum(parts), rel=0.05)


def test_the_order_of_venues_plays_no_part() -> None:
    frame = two_venues()
    for name in ("open_interest", "mark_iv", "forward", "spot"):
        np.testing.assert_array_equal(chain(frame)[name], chain(frame.iloc[::-1])[name])
    late = two_venues(event_ns=[ASOF + 1, ASOF + 1, ASOF, ASOF])
    assert chain(late)["spot"].item() == chain(frame)["spot"].item() == 100_010.0
    with pytest.raises(ValueError, match="no row of venue 'bybit'; there are deribit, okx"):
        chain(frame, venue="bybit")


def test_live_engines_keep_venues_apart_and_sum_them() -> None:
    frame = two_venues()
    terms = INSTRUMENTS.conform(
        pd.DataFrame({"event_ns": ASOF, "instrument": frame["instrument"], "venue": frame["venue"], "kind": "option",
                      "multiplier": frame["multiplier"]})
    )  # fmt: skip
    rows = MARKS.conform(frame.drop(columns="multiplier"))
    want = sum(float(exposure(chain(frame, venue=name))["gex"].sum()) for name in ("deribit", "okx"))
    for order in (["instruments", "marks"], ["marks", "instruments"]):
        book, key = ExposureBook(every="10s"), Levels(every="10s")
        for table in order:
            for engine in (book, key):
                engine.update(terms if table == "instruments" else rows, table)
        beat = HEARTBEAT.conform(pd.DataFrame({"event_ns": [ASOF + 10 * SECOND]}))
        for engine in (book, key):
            again = type(engine)(every="10s")
            again.restore(pickle.loads(pickle.dumps(engine.snapshot())))
            found, same = engine.update(beat, "heartbeat"), again.update(beat, "heartbeat")
            pd.testing.assert_frame_equal(found, same)
            total = found["gex"].sum() if engine is book else found["net_gex"].item()
            assert total == pytest.approx(want, rel=1e-3)


def test_listed_options_are_one_contract_whoever_speaks() -> None:
    rows = MARKS.concat([interest(venue="xcbo"), interest(1.0, venue="xbox"), interest(2.0, venue="opra")])
    found = chain(rows, quotes=quotes(3.0, venue="iqfeed"))
    assert found.attrs["contracts"] == 34 and found["open_interest"].values.ravel().tolist() == [1000.0] * 34


@pytest.mark.parametrize("kind", [ExposureBook, Levels, Cascade, Surface])
def test_a_snapshot_of_other_parameters_is_refused(kind: type) -> None:
    state = pickle.loads(pickle.dumps(kind(every="10s").snapshot()))
    kind(every="10s").restore(state)
    with pytest.raises(
        ValueError,
        match=f"{kind.__name__}: the snapshot was made with other parameters: every was '10s', here",
    ):
        kind(every="1min").restore(state)
    with pytest.raises(ValueError, match="stale_after_s"):
        kind(every="10s", stale_after_s=60.0).restore(state)
