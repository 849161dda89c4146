"""Laws of American options, and a binomial tree that knows nothing of boundaries."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.pricing import american
from workstation.pricing.black import price as european_price

RATES = st.floats(-0.05, 0.15)
TERMS = {"years": st.floats(0.003, 5.0), "vols": st.floats(0.05, 2.0), "rates": RATES, "yields": RATES}
STRIKES = 100.0 * np.exp(np.linspace(-1.0, 1.0, 21))
BOTH = np.array([[True], [False]])
ERROR = 3e-5
"""Of the standard accuracy, in units of a spot of 100; differences of prices have twice that."""


def prices(**terms):
    return american.price(spots=100.0, **{"strikes": STRIKES, "is_call": BOTH, **terms})


def tree(*, spots, strikes, years, vols, rates, yields, is_call, steps=400):
    """Cox, Ross and Rubinstein's tree."""
    up = np.exp(vols * np.sqrt(years / steps))
    grown = np.exp((rates - yields) * years / steps)
    chance = (grown - 1.0 / up) / (up - 1.0 / up)
    kept = np.exp(-rates * years / steps)
    sign = 1.0 if is_call else -1.0
    at = spots * up ** np.arange(-steps, steps + 1.0)
    value = np.maximum(sign * (at[::2] - strikes), 0.0)
    for step in range(steps - 1, -1, -1):
        value = kept * (chance * value[1:] + (1.0 - chance) * value[:-1])
        value = np.maximum(value, sign * (at[steps - step : steps + step + 1 : 2] - strikes))
    return value[0]


@effort(25)
@given(**TERMS)
def test_worth_at_least_the_european_option_and_its_exercise(years, vols, rates, yields):
    found = prices(years=years, vols=vols, rates=rates, yields=yields)
    european = european_price(
        forwards=100.0 * np.exp((rates - yields) * years), strikes=STRIKES, years=years, vols=vols, is_call=BOTH,
        discounts=np.exp(-rates * years),
    )  # fmt: skip
    told = np.isnan(found)
    assert np.array_equal(
        told[:, 0], american.has_two_boundaries(rates=rates, yields=yields, is_call=BOTH)[:, 0]
    )
    sign = np.where(BOTH, 1.0, -1.0)
    assert (told | (found >= european - ERROR)).all()
    assert (told | (found >= sign * (100.0 - STRIKES) - 1e-12)).all()
    assert (told | (found >= 0.0)).all()


@effort(25)
@given(**TERMS)
def test_convex_and_monotone_in_the_strike(years, vols, rates, yields):
    found = prices(years=years, vols=vols, rates=rates, yields=yields)
    slopes = np.diff(found) / np.diff(STRIKES)
    width = 2.0 * ERROR / np.diff(STRIKES).min()
    assert not (np.diff(slopes) < -2.0 * width).any()
    assert not (slopes[0] > width).any()
    assert not (slopes[1] < -width).any()
    assert not (np.abs(slopes) > max(1.0, np.exp(-rates * years)) + width).any()


@effort(25)
@given(**TERMS, more=st.floats(1.001, 3.0))
def test_more_time_and_more_volatility_are_worth_no_less(years, vols, rates, yields, more):
    found = prices(years=years, vols=vols, rates=rates, yields=yields)
    assert not (prices(years=more * years, vols=vols, rates=rates, yields=yields) < found - 2.0 * ERROR).any()
    assert not (prices(years=years, vols=more * vols, rates=rates, yields=yields) < found - 2.0 * ERROR).any()


@effort(15)
@given(**TERMS)
def test_a_call_is_the_put_with_spot_and_strike_rate_and_yield_exchanged(years, vols, rates, yields):
    call = prices(years=years, vols=vols, rates=rates, yields=yields, is_call=True)
    put = american.price(
        spots=STRIKES, strikes=100.0, years=years, vols=vols, rates=yields, yields=rates, is_call=False
    )
    assert np.array_equal(np.isnan(call), np.isnan(put))
    assert np.allclose(call, put, rtol=0.0, atol=1e-9, equal_nan=True)


@effort(15)
@given(**TERMS, call=st.booleans(), away=st.floats(-1.0, 1.0))
def test_a_tree_agrees(years, vols, rates, yields, call, away):
    strike = 100.0 * np.exp(np.clip(away * vols * np.sqrt(years), -1.5, 1.5))
    terms = {
        "spots": 100.0,
        "strikes": strike,
        "years": years,
        "vols": vols,
        "rates": rates,
        "yields": yields,
    }
    found = american.price(**terms, is_call=call)
    if np.isnan(found):
        return
    width = vols * np.sqrt(years) * 100.0
    assert abs(found - tree(**terms, is_call=call)) < 0.01 * width + 1e-3
