from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.exposure.book import exposure
from workstation.market.dividends import Dividends
from workstation.pricing import american
from workstation.pricing.chain import chain
from workstation.pricing.exercise import RateCurve, pairs_of, rate_curve
from workstation.pricing.implied import implied_vol
from workstation.pricing.surface import surface

ASOF = pd.Timestamp("2026-03-02 15:30", tz="America/New_York")
EXPIRIES = ("260417", "260619", "270115")
SPOT, RATE, YIELD = 100.0, 0.045, 0.012
STRIKES = np.arange(70.0, 131.0, 2.5)


def true_vol(strike: np.ndarray) -> np.ndarray:
    return 0.25 - 0.15 * np.log(strike / SPOT)


@pytest.fixture(scope="module")
def marks() -> pd.DataFrame:
    """Quotes two cents wide around exact American prices of known vols, rate and yield."""
    rows = []
    for expiry in EXPIRIES:
        close = pd.Timestamp(f"20{expiry} 16:00", tz="America/New_York")
        years = (close - ASOF).total_seconds() / (365.0 * 86_400.0)
        for right in "CP":
            value = american.price(
                spots=SPOT, strikes=STRIKES, years=years, vols=true_vol(STRIKES), rates=RATE, yields=YIELD,
                is_call=right == "C", accuracy="exact",
            )  # fmt: skip
            rows += [
                {
                    "instrument": f"XYZ   {expiry}{right}{int(strike * 1000):08d}",
                    "bid": price - 0.01,
                    "ask": price + 0.01,
                }
                for strike, price in zip(STRIKES, value, strict=True)
                if price > 0.02
            ]
    return pd.DataFrame(rows).assign(event_ns=ASOF.value, index=SPOT, open_interest=100.0)


@pytest.fixture(scope="module")
def found(marks: pd.DataFrame):
    return chain(marks)


def test_forward_and_discount_come_out_of_american_quotes(found):
    years = found["years"].to_numpy()
    expected = SPOT * np.exp((RATE - YIELD) * years)
    assert np.abs(found["forward"].to_numpy() - expected).max() < 0.06
    rates = -np.log(found["discount"].to_numpy()) / years
    assert np.abs(rates - RATE).max() < 0.004
    assert (np.abs(rates - RATE) < 3.0 * found["discount_error"].to_numpy() / years + 1e-3).all()
    assert np.nanmax(np.abs(found["yields"].to_numpy() - YIELD)) < 0.004


def test_calls_and_puts_of_a_strike_have_one_vol_and_it_is_the_true_one(found):
    vols = found["mark_iv"].transpose("expiry", "strike", "right").to_numpy()
    near = np.abs(np.log(STRIKES / SPOT)) < 0.2
    apart = np.abs(vols[..., 0] - vols[..., 1])[:, near]
    assert np.nanmedian(apart) < 1e-3
    off = np.abs(vols - true_vol(STRIKES)[None, :, None])[:, near]
    assert np.nanmedian(off) < 2e-3
    european = chain_as_european(found)
    assert np.nanmedian(apart) < 0.3 * np.nanmedian(european)


def chain_as_european(found) -> np.ndarray:
    """How far vols of calls and puts are apart without early exercise, same forwards."""
    mid = 0.5 * (found["bid"] + found["ask"]).transpose("expiry", "strike", "right").to_numpy()
    vols = implied_vol(
        prices=mid, forwards=found["forward"].to_numpy()[:, None, None], strikes=STRIKES[None, :, None],
        years=found["years"].to_numpy()[:, None, None], is_call=np.array([True, False]),
        discounts=found["discount"].to_numpy()[:, None, None],
    )  # fmt: skip
    near = np.abs(np.log(STRIKES / SPOT)) < 0.2
    return np.abs(vols[..., 0] - vols[..., 1])[:, near]


def test_greeks_are_those_of_american_options(found):
    at = found.isel(expiry=2).sel(strike=110.0, right="P")
    vol, years = float(at["mark_iv"]), float(at["years"])
    spot = float(at["forward"]) * np.exp(
        -(-np.log(float(at["discount"])) / years - float(at["yields"])) * years
    )
    expected = american.forward_greeks(
        spots=spot, strikes=110.0, years=years, vols=vol, rates=-np.log(float(at["discount"])) / years,
        yields=float(at["yields"]), is_call=False,
    )  # fmt: skip
    for name in ("delta", "gamma", "vega", "theta", "rho", "vanna", "charm", "vomma"):
        assert float(at[name]) == pytest.approx(float(expected[name]), rel=2e-3), name


def test_the_ledger_says_how_many_vols_exercise_moves(found):
    attrs = found.attrs
    assert attrs["exercise"] == "american"
    assert attrs["exercise_contracts"] == attrs["contracts"]
    assert 0 < attrs["exercise_off_a_vol_point"] < attrs["contracts"]


def test_an_option_worth_its_exercise_takes_the_vol_of_the_other_right(marks, found):
    strike = marks["instrument"].str[-8:].astype(float) / 1000.0
    deep = marks[(strike == 130.0) & marks["instrument"].str.contains("260417P")].index
    moved = marks.copy()
    moved.loc[deep, ["bid", "ask"]] = [29.99, 30.01]
    told = chain(moved).isel(expiry=0).sel(strike=130.0)
    assert float(told["delta"].sel(right="P")) < -0.95


def test_a_bid_no_higher_than_the_exercise_tells_no_vol(marks, found):
    """Half a spread is no time value: without a bid over it the option's vol is that of the other right, which is bid for its own."""
    strike = marks["instrument"].str[-8:].astype(float) / 1000.0
    put = marks[(strike == 110.0) & marks["instrument"].str.contains("260417P")].index
    moved = marks.copy()
    moved.loc[put, ["bid", "ask"]] = [9.9, 12.9]
    told = chain(moved).isel(expiry=0).sel(strike=110.0)
    assert str(told["iv_source"].sel(right="P").item()) == "other right"
    assert float(told["mark_iv"].sel(right="P")) == float(told["mark_iv"].sel(right="C"))
    before = found.isel(expiry=0).sel(strike=110.0)
    assert str(before["iv_source"].sel(right="P").item()) == "mid"
    assert float(told["forward"]) == pytest.approx(float(before["forward"]), abs=0.02)


def test_a_right_bid_for_its_exercise_alone_is_no_pair_of_parity():
    """At spot 100: the call of 90 is bid at its exercise, the put of 110 under it."""
    strike = np.repeat([90.0, 100.0, 110.0], 2)
    found = pairs_of(
        np.zeros(6, np.int64), strike, np.tile([True, False], 3), np.array([10.0, 1.0, 3.0, 3.0, 1.0, 9.9]),
        np.array([10.4, 1.1, 3.1, 3.1, 1.1, 10.4]), [0], 100.0,
    )  # fmt: skip
    assert found.strike.tolist() == [100.0]
    assert found.call_bid.tolist() == [3.0]


def test_a_curve_of_rates_is_taken_as_it_is(marks):
    curve = RateCurve(np.array([0.1, 1.0]), np.array([0.045, 0.045]), np.array([1e-4, 1e-4]))
    told = chain(marks, rates=curve)
    assert -np.log(told["discount"].to_numpy()) / told["years"].to_numpy() == pytest.approx(0.045)
    assert (
        np.abs(told["forward"].to_numpy() - SPOT * np.exp((RATE - YIELD) * told["years"].to_numpy())).max()
        < 0.02
    )


def test_a_curve_needs_european_options(found):
    bare = found.assign(discount_error=found["discount_error"] * np.nan)
    with pytest.raises(ValueError, match="give a chain of European options"):
        rate_curve(bare)
    curve = rate_curve(found)
    assert curve.at(np.array([0.3]))[0][0] == pytest.approx(RATE, abs=0.004)


def test_the_surface_and_the_book_are_made_of_the_same_vols(found):
    fitted = surface(found)
    assert np.abs(fitted["atm_iv"].to_numpy() - 0.25).max() < 0.01
    book = exposure(found)
    assert np.isfinite(float(book["gex"].sum()))


def test_scheduled_dividends_are_off_the_spot_and_leave_no_yield():
    """Quotes around American prices on a spot less two dividends, nothing else paid."""
    ex_ns = np.array([pd.Timestamp(day, tz="America/New_York").value for day in ("2026-05-15", "2026-11-13")])
    paid = Dividends(ex_ns, np.array([0.8, 0.8]))
    rows = []
    for expiry in EXPIRIES:
        close = pd.Timestamp(f"20{expiry} 16:00", tz="America/New_York")
        years = (close - ASOF).total_seconds() / (365.0 * 86_400.0)
        worth = paid.worth(asof_ns=ASOF.value, expiry_ns=np.array([close.value]), rate=np.array([RATE]))
        for right in "CP":
            value = american.price(
                spots=SPOT - worth, strikes=STRIKES, years=years, vols=true_vol(STRIKES), rates=RATE, yields=0.0,
                is_call=right == "C",
            )  # fmt: skip
            rows += [(f"XYZ   {expiry}{right}{int(1000 * strike):08d}", price)
                     for strike, price in zip(STRIKES, value, strict=True) if price > 0.02]  # fmt: skip
    names, prices = zip(*rows, strict=True)
    given = pd.DataFrame(
        {"instrument": names, "bid": np.array(prices) - 0.01, "ask": np.array(prices) + 0.01}
    )
    given = given.assign(event_ns=ASOF.value, index=SPOT, open_interest=100.0)
    without, scheduled = chain(given), chain(given, dividends={"XYZ": paid})
    true = np.array(
        [
            (SPOT - paid.worth(asof_ns=ASOF.value, expiry_ns=np.array([expiry]), rate=np.array([RATE]))[0])
            * np.exp(RATE * year)
            for expiry, year in zip(
                scheduled["expiry_ns"].to_numpy(), scheduled["years"].to_numpy(), strict=True
            )
        ]
    )
    assert np.abs(scheduled["forward"].to_numpy() - true).max() < 0.06
    assert np.abs(without["forward"].to_numpy() - true).max() > 0.5
    assert np.abs(np.nanmean(scheduled["yields"].to_numpy())) < 0.003
    assert "schedule" in scheduled.attrs["dividends"]
    assert "schedule" not in without.attrs["dividends"]


def test_a_forward_that_is_told_implies_the_yield_given_the_discount(marks):
    strike = marks["instrument"].str[-8:].astype(float) / 1000.0
    years = chain(marks)["years"].to_numpy()[0]
    given = marks[marks["instrument"].str.contains("260417") & (strike.sub(SPOT).abs() < 6.0)]
    given = given.assign(forward=SPOT * np.exp((RATE - YIELD) * years))
    curve = RateCurve(np.array([1.0]), np.array([RATE]), np.array([1e-4]), "SPX")
    told = chain(given, rates=curve)
    assert told["yields"].to_numpy().ravel() == pytest.approx(YIELD, abs=1e-9)
    assert -np.log(told["discount"].to_numpy()) / years == pytest.approx(RATE)
    vols = told["mark_iv"].transpose("expiry", "strike", "right").to_numpy()[0]
    assert np.abs(vols - true_vol(told["strike"].to_numpy())[:, None]).max() < 1e-3
    assert told.attrs["rates"] == "of the index chain SPX"
    assert "implied by the forward told" in told.attrs["dividends"]


def test_the_ledger_says_that_no_yield_is_implied_without_parity_or_index(marks):
    told = chain(marks.assign(forward=SPOT, index=np.nan)).attrs["dividends"]
    assert told == (
        "none implied where neither parity nor a forward beside an index tells it: the yield is taken as the rate"
    )
