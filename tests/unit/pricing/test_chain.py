"""Marks to a chain: terms, newest rows, what leaves, what it is priced with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm

from workstation.market.errors import TableError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.pricing.chain import UNITS, chain, contracts_of
from workstation.pricing.latest import NO_TERMS, OPTION, LatestMarks

ASOF = pd.Timestamp("2026-11-01 00:00", tz="UTC").value
EXPIRY = pd.Timestamp("2026-12-25 08:00", tz="UTC").value
YEARS = (EXPIRY - ASOF) / (365 * 86_400e9)
SECOND = 1_000_000_000


def marks(**columns: object) -> pd.DataFrame:
    given: dict[str, object] = {
        "event_ns": ASOF,
        "instrument": [f"BTC/USD:BTC-261225-{k}-{r}" for k in (90000, 100000, 110000) for r in "CP"],
        "mark_iv": 0.5,
        "open_interest": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "forward": 101_000.0,
        "index": 100_000.0,
    }
    return pd.DataFrame(given | columns)


def terms_given(**columns: object) -> pd.DataFrame:
    given: dict[str, object] = {
        "event_ns": ASOF,
        "instrument": ["hand-a", "hand-b", "hand-c", "hand-d"],
        "mark_iv": 0.3,
        "forward": 100.0,
        "expiry_ns": EXPIRY,
        "strike": [90.0, 90.0, 110.0, 110.0],
        "right": ["C", "P", "C", "P"],
    }
    return pd.DataFrame(given | columns)


def oracle_delta(strike: float, call: bool, vol: float = 0.5, forward: float = 101_000.0) -> float:
    spread = vol * np.sqrt(YEARS)
    d1 = np.log(forward / strike) / spread + spread / 2
    return float(norm.cdf(d1) if call else norm.cdf(d1) - 1)


def at(found: xr.Dataset, name: str, strike: float, right: str) -> float:
    return float(found[name].sel(strike=strike, right=right).isel(expiry=0))


def test_shape_prices_and_units() -> None:
    found = chain(marks())
    assert dict(found.sizes) == {"expiry": 1, "strike": 3, "right": 2}
    assert at(found, "delta", 110_000.0, "C") == pytest.approx(oracle_delta(110_000.0, True), abs=1e-12)
    assert at(found, "delta", 90_000.0, "P") == pytest.approx(oracle_delta(90_000.0, False), abs=1e-12)
    assert at(found, "open_interest", 100_000.0, "P") == 4.0
    assert found["years"].item() == pytest.approx(YEARS, rel=1e-12)
    assert found["expiry"].values[0] == np.datetime64("2026-12-25T08:00")
    assert all("units" in found[name].attrs or name == "expiry" for name in found.variables)
    assert set(found.data_vars) <= set(UNITS)


def test_ledger_says_what_it_was_made_of() -> None:
    told = chain(marks()).attrs
    assert told["underlying"] == "BTC" and told["asof_ns"] == ASOF
    assert told["forward_source"] == {"venue": 1}
    assert told["iv_source"] == {"mark_iv": 6}
    assert told["spot_source"] == "index"
    assert told["coverage"] == 1.0
    assert told["dropped"] == {"expired": 0, "stale": 0, "no_forward": 0, "no_iv": 0, "no_terms": 0}


def test_the_newest_row_at_or_before_asof_counts_whatever_the_order_of_rows() -> None:
    later = marks(event_ns=ASOF + 2 * SECOND, mark_iv=0.9)
    newer = marks(event_ns=ASOF + SECOND, mark_iv=0.7)
    frame = pd.concat([later, newer, marks()], ignore_index=True)
    found = chain(frame, asof_ns=ASOF + SECOND)
    assert np.unique(found["mark_iv"]).tolist() == [0.7]
    assert found.attrs["asof_ns"] == ASOF + SECOND
    assert np.unique(chain(frame)["mark_iv"]).tolist() == [0.9]


def test_a_row_replaces_only_the_fields_it_carries() -> None:
    update = marks(event_ns=ASOF + SECOND, mark_iv=np.nan, forward=np.nan, index=np.nan, open_interest=70.0)
    found = chain(pd.concat([marks(), update], ignore_index=True))
    assert np.unique(found["mark_iv"]).tolist() == [0.5]
    assert np.unique(found["open_interest"]).tolist() == [70.0]


def test_one_forward_per_expiry_the_newest() -> None:
    frame = marks(event_ns=ASOF + np.arange(6), forward=101_000.0 + np.arange(6))
    assert chain(frame)["forward"].values.tolist() == [101_005.0]


def test_expired_contracts_leave_at_the_instant_of_expiry() -> None:
    frame = pd.concat([marks(), marks(instrument=[f"BTC/USD:BTC-261127-{k}-C" for k in range(1, 7)])])
    frame["event_ns"] = pd.Timestamp("2026-11-27 07:59:59", tz="UTC").value
    expiry = pd.Timestamp("2026-11-27 08:00", tz="UTC").value
    before, after = chain(frame, asof_ns=expiry - 1), chain(frame, asof_ns=expiry)
    assert before.sizes["expiry"] == 2 and before.attrs["dropped"]["expired"] == 0
    assert after.sizes["expiry"] == 1 and after.attrs["dropped"]["expired"] == 6


def test_stale_rows_are_dropped_and_their_open_interest_is_not_covered() -> None:
    frame = marks(event_ns=[ASOF, *[ASOF + 901 * SECOND] * 5])
    found = chain(frame)
    assert found.attrs["dropped"]["stale"] == 1
    assert found.attrs["coverage"] == pytest.approx(20 / 21)
    assert np.isnan(at(found, "gamma", 90_000.0, "C"))
    assert chain(frame, stale_after_s=1000.0).attrs["dropped"]["stale"] == 0
    assert chain(frame, stale_after_s=1000.0).attrs["oldest_input_age_s"] == 901.0


def test_exactly_at_the_limit_is_not_stale() -> None:
    assert chain(marks(), asof_ns=ASOF + 900 * SECOND).attrs["dropped"]["stale"] == 0
    assert chain(marks(), asof_ns=ASOF + 900 * SECOND + 1).attrs["dropped"]["stale"] == 6


def coin_price(strike: float, call: bool, vol: float, forward: float = 101_000.0) -> float:
    spread = vol * np.sqrt(YEARS)
    d1 = np.log(forward / strike) / spread + spread / 2
    sign = 1.0 if call else -1.0
    usd = sign * (forward * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - spread)))
    return float(usd / forward)


def test_missing_iv_is_implied_from_mark_then_mid_and_the_source_is_counted() -> None:
    price = [coin_price(k, c, 0.6) for k in (90_000.0, 100_000.0, 110_000.0) for c in (True, False)]
    nan = float("nan")
    frame = marks(
        mark_iv=[0.5, 0.0, nan, nan, nan, nan],
        mark=[nan, price[1], price[2], nan, nan, nan],
        bid=[nan, nan, nan, price[3] - 1e-4, nan, price[5]],
        ask=[nan, nan, nan, price[3] + 1e-4, price[4], nan],
    )
    found = chain(frame)
    assert found.attrs["iv_source"] == {"mark_iv": 1, "implied from mark": 2, "mid": 1}
    assert found.attrs["dropped"]["no_iv"] == 2
    for strike, right in ((90_000.0, "P"), (100_000.0, "C"), (100_000.0, "P")):
        assert at(found, "mark_iv", strike, right) == pytest.approx(0.6, abs=1e-9)


def test_cash_premiums_and_parity_for_us_options() -> None:
    names = [f"SPXW  261218{r}{k * 1000:08d}" for k in (580, 590, 600, 610, 620) for r in "CP"]
    expiry = int(INSTRUMENT_TERMS.describe(names)["expiry_ns"].iloc[0])
    years = (expiry - ASOF) / (365 * 86_400e9)
    spread = 0.2 * np.sqrt(years)
    rows = []
    for name in names:
        strike, sign = float(name[-8:]) / 1000, 1.0 if name[-9] == "C" else -1.0
        d1 = np.log(603.0 / strike) / spread + spread / 2
        price = 0.98 * sign * (603.0 * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - spread)))
        rows.append({"instrument": name, "event_ns": ASOF, "bid": price - 0.01, "ask": price + 0.01})
    found = chain(pd.DataFrame(rows).assign(index=600.0, open_interest=1.0))
    assert found["forward"].item() == pytest.approx(603.0, abs=1e-6)
    assert found["discount"].item() == pytest.approx(0.98, abs=1e-8)
    assert found.attrs["forward_source"] == {"parity": 1}
    assert np.unique(found["multiplier"]).tolist() == [100.0]
    np.testing.assert_allclose(found["mark_iv"], 0.2, atol=1e-6)
    assert found["spot"].item() == 600.0
    gap = found["delta"].sel(right="C") - found["delta"].sel(right="P")
    np.testing.assert_allclose(gap, 0.98, atol=1e-8)


def test_american_options_are_not_asked_for_a_discount() -> None:
    quotes = {"bid": [22.9, 0.9, 12.9, 0.9], "ask": [23.1, 1.1, 13.1, 1.1], "mark_iv": 0.2, "index": 100.0}
    names = [f"AAPL  261218{r}{k * 1000:08d}" for k in (80, 90) for r in "CP"]
    found = chain(pd.DataFrame({"event_ns": ASOF, "instrument": names} | quotes))
    assert found.attrs["forward_source"] == {"parity": 1} and found["discount"].item() == 1.0


def test_a_listed_future_gives_the_forward() -> None:
    future = pd.DataFrame({"event_ns": [ASOF], "instrument": ["BTC/USD:BTC-261225"], "mark": [101_500.0]})
    found = chain(pd.concat([marks(forward=np.nan), future], ignore_index=True))
    assert found["forward"].values.tolist() == [101_500.0]
    assert found.attrs["forward_source"] == {"future": 1}


def test_no_index_means_the_nearest_forward_is_spot_and_says_so() -> None:
    found = chain(marks(index=np.nan))
    assert found["spot"].item() == 101_000.0
    assert found.attrs["spot_source"] == "forward of the nearest expiry"


def test_terms_as_extra_columns() -> None:
    found = chain(terms_given())
    assert found.attrs["underlying"] == "unnamed"
    assert np.unique(found["multiplier"]).tolist() == [1.0]
    named = chain(terms_given(underlying="GOLD", multiplier=100.0))
    assert named.attrs["underlying"] == "GOLD" and np.unique(named["multiplier"]).tolist() == [100.0]


def test_terms_from_the_symbol_stay_where_the_frame_only_overrides_one() -> None:
    found = chain(marks(multiplier=0.01))
    assert np.unique(found["multiplier"]).tolist() == [0.01]
    assert found["strike"].values.tolist() == [90_000.0, 100_000.0, 110_000.0]


def test_several_underlyings_need_a_name() -> None:
    both = pd.concat([marks(), marks(instrument=[f"ETH/USD:ETH-261225-{k}-C" for k in range(4000, 4006)])])
    with pytest.raises(ValueError, match=r"several underlyings \(BTC, ETH\)"):
        chain(both)
    assert chain(both, underlying="ETH").attrs["underlying"] == "ETH"
    with pytest.raises(ValueError, match=r"no option of underlying 'SOL'.*BTC, ETH"):
        chain(both, underlying="SOL")


def test_bad_input_is_a_typed_error() -> None:
    with pytest.raises(TableError, match="no rows"):
        chain(marks().iloc[:0])
    with pytest.raises(TableError, match=r"marks\.nonsense"):
        chain(marks(nonsense=1.0))
    with pytest.raises(TableError, match="no option whose terms are known"):
        chain(marks(instrument="no option at all"))


def test_bad_terms_name_the_column() -> None:
    with pytest.raises(TableError, match=r"marks\.right, row 1: expected C or P, got 'put'"):
        chain(terms_given(right=["C", "put", "C", "P"]))
    with pytest.raises(TableError, match=r"instruments\.strike, row 2"):
        chain(terms_given(strike=[90.0, 90.0, "many", 110.0]))


def test_a_forward_or_index_that_stands_still_is_not_used() -> None:
    later = marks(event_ns=ASOF + 901 * SECOND, forward=np.nan, index=np.nan)
    future = pd.DataFrame(
        {"event_ns": [ASOF + 800 * SECOND], "instrument": ["BTC/USD:BTC-261225"], "mark": [101_500.0]}
    )
    found = chain(pd.concat([marks(), later, future], ignore_index=True))
    assert found.attrs["forward_source"] == {"future": 1}
    assert found.attrs["spot_source"] == "forward of the nearest expiry"
    alone = chain(pd.concat([marks(), later], ignore_index=True))
    assert alone.attrs["dropped"]["no_forward"] == 6 and alone.attrs["contracts"] == 0


def test_a_vol_that_stands_still_gives_way_to_a_fresh_quote() -> None:
    price = [coin_price(k, c, 0.6) for k in (90_000.0, 100_000.0, 110_000.0) for c in (True, False)]
    quotes = marks(event_ns=ASOF + 901 * SECOND, mark_iv=np.nan, bid=price, ask=price)
    assert chain(pd.concat([marks(), quotes], ignore_index=True)).attrs["iv_source"] == {"mid": 6}


def test_stale_limit_may_be_infinite() -> None:
    found = chain(marks(), asof_ns=ASOF + 10**15, stale_after_s=float("inf"))
    assert found.attrs["contracts"] == 6


def test_unknown_terms_are_counted() -> None:
    frame = pd.concat([marks(), marks(instrument="chain-test what is this?").iloc[:1]])
    assert chain(frame).attrs["dropped"]["no_terms"] == 1


def test_venue_greeks_stand_beside_ours() -> None:
    found = chain(marks(delta=0.25, gamma=1e-5, vega=100.0, theta=-1.0))
    assert np.unique(found["venue_delta"]).tolist() == [0.25]
    assert at(found, "delta", 110_000.0, "C") != 0.25
    assert found["venue_vega"].attrs["units"] == "USD per 1.00 vol"


def test_same_terms_on_two_venues_are_merged_and_counted() -> None:
    frame = terms_given(
        strike=90.0, right="C", multiplier=[1.0, 1.0, 0.1, 1.0], open_interest=[3.0, 5.0, 20.0, np.nan]
    )
    frame["mark_iv"] = [0.3, 0.4, 0.5, 0.6]
    found = chain(frame)
    assert found.attrs["merged"] == 3
    assert at(found, "mark_iv", 90.0, "C") == 0.4
    assert at(found, "open_interest", 90.0, "C") == pytest.approx(3.0 + 5.0 + 2.0)


def test_input_is_not_changed() -> None:
    frame = terms_given()
    before = frame.copy(deep=True)
    chain(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_flat_again() -> None:
    found = chain(marks())
    flat = contracts_of(found)
    assert len(flat) == 6 and flat.strike.tolist() == [9e4, 9e4, 1e5, 1e5, 1.1e5, 1.1e5]
    assert flat.is_call.tolist() == [True, False] * 3
    np.testing.assert_array_equal(flat.greeks["delta"], found["delta"].values.ravel())
    with pytest.raises(ValueError, match="not a chain"):
        contracts_of(xr.Dataset())


@pytest.mark.parametrize("unit", [10**9, 10**6, 1000])
def test_an_instant_before_the_first_row_is_refused_with_both_times(unit: int) -> None:
    with pytest.raises(ValueError, match=r"asof_ns: at 1970-.* there is no row yet, the first is of 20"):
        chain(marks(), asof_ns=ASOF // unit)


def test_an_option_whose_underlying_is_missing_belongs_to_none() -> None:
    described = LatestMarks()
    described.describe(
        pd.DataFrame(
            {
                "instrument": ["of-none-a", "of-none-b"], "kind": "option", "underlying": pd.Categorical(["XYZ", None]), "right": "C",
                "style": "european", "expiry_ns": EXPIRY, "strike": 90.0, "multiplier": 1.0, "inverse": False,
            }
        )
    )  # fmt: skip
    assert described.kind[REGISTRY.codes(["of-none-a", "of-none-b"])].tolist() == [OPTION, NO_TERMS]
    assert "nan" not in described.underlyings
