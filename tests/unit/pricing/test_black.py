"""Black-76 on its own: an arbitrary-precision oracle, the limits, what is refused, the profiles."""

from __future__ import annotations

import warnings

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from workstation.pricing.arguments import BLOCK
from workstation.pricing.black import (
    GREEKS,
    delta_profile,
    gamma_profile,
    greeks,
    premium_adjusted_delta,
    price,
)

EVERYTHING = (*GREEKS, "price")
#: name -> how often to differentiate V(F, t, v, r) by forward, calendar time, volatility, rate.
DERIVATIVES = {
    "price": (0, 0, 0, 0),
    "delta": (1, 0, 0, 0),
    "gamma": (2, 0, 0, 0),
    "vega": (0, 0, 1, 0),
    "theta": (0, 1, 0, 0),
    "rho": (0, 0, 0, 1),
    "vanna": (1, 0, 1, 0),
    "charm": (1, 1, 0, 0),
    "vomma": (0, 0, 2, 0),
    "speed": (3, 0, 0, 0),
    "color": (2, 1, 0, 0),
    "zomma": (2, 0, 1, 0),
    "ultima": (0, 0, 3, 0),
}


def value(forward, strike, years, vol, rate, call):
    """The textbook formula, in mpmath's working precision."""
    total = vol * mp.sqrt(years)
    d1 = mp.log(forward / strike) / total + total / 2
    d2 = d1 - total
    sign = 1 if call else -1

    def normal(z):
        return mp.erfc(-z / mp.sqrt(2)) / 2

    return sign * mp.exp(-rate * years) * (forward * normal(sign * d1) - strike * normal(sign * d2))


def true_greek(name, forward, strike, years, vol, rate, call):
    """By differentiating the price at a precision far over the step's cancellation."""
    forward, strike, years, vol, rate = (mp.mpf(number) for number in (forward, strike, years, vol, rate))

    def moved(f, t, v, r):
        return value(f, strike, years - t, v, r, call)

    orders = DERIVATIVES[name]
    with mp.workdps(130):
        return (
            mp.diff(moved, (forward, mp.mpf(0), vol, rate), orders)
            if any(orders)
            else moved(forward, 0, vol, rate)
        )


# forward, strike, years, vol, rate
OPTIONS = [
    (100.0, 100.0, 1.0, 0.2, 0.0),
    (100.0, 100.0, 1.0, 0.2, 0.05),
    (100.0, 100.0000001, 0.25, 0.6, 0.03),
    (64000.0, 150000.0, 30 / 365, 0.55, 0.0),
    (64000.0, 20000.0, 7 / 365, 0.8, 0.04),
    (64000.0, 64500.0, 300 / 31_536_000, 0.45, 0.0),
    (5900.0, 6000.0, 1 / 365, 0.11, 0.043),
    (5900.0, 3000.0, 2.5, 0.28, 0.043),
    (100.0, 250.0, 0.02, 0.35, -0.01),
    (1.0, 3.0, 5.0, 3.0, 0.02),
    (0.0004, 0.0005, 0.5, 1.5, 0.1),
]


@pytest.mark.parametrize("call", [True, False], ids=["call", "put"])
@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_everything_against_derivatives_of_the_price(option, call):
    forward, strike, years, vol, rate = option
    with mp.workdps(40):
        discount = float(mp.exp(-mp.mpf(rate) * mp.mpf(years)))
        exact_rate = -mp.log(mp.mpf(discount)) / mp.mpf(years)
        found = greeks(
            forwards=forward,
            strikes=strike,
            years=years,
            vols=vol,
            is_call=call,
            discounts=discount,
            names=EVERYTHING,
        )
        for name in EVERYTHING:
            wanted = float(true_greek(name, forward, strike, years, vol, exact_rate, call))
            tolerance = 1e-12 if name == "price" else 1e-10
            assert float(found[name]) == pytest.approx(wanted, rel=tolerance, abs=1e-290), name


def test_deep_wings_keep_their_digits():
    strikes = 100.0 * np.exp(np.array([-6.0, -4.0, -2.0, 2.0, 4.0, 6.0]))
    vols, years = 0.5, 0.25
    found = price(forwards=100.0, strikes=strikes, years=years, vols=vols, is_call=strikes > 100.0)
    with mp.workdps(400):
        wanted = [
            float(value(mp.mpf(100), mp.mpf(k), mp.mpf(years), mp.mpf(vols), mp.mpf(0), k > 100))
            for k in strikes
        ]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert found.min() < 1e-120


def test_tiny_total_volatility_keeps_its_digits():
    total = np.array([1e-7, 1e-5, 1e-3, 0.03, 0.0999, 0.1001])
    distance = np.array([0.0, 0.5, 3.0, 9.9, 20.0, 35.0])[:, None]
    strikes = 100.0 * np.exp(distance * total)
    found = price(forwards=100.0, strikes=strikes, years=1.0, vols=total, is_call=True)
    with mp.workdps(400):
        wanted = np.array(
            [
                [
                    float(value(mp.mpf(100), mp.mpf(k), mp.mpf(1), mp.mpf(v), mp.mpf(0), True))
                    for k, v in zip(row, total, strict=True)
                ]
                for row in strikes
            ]
        )
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


ODD = np.array([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-300, 1e-10, 1.0, 100.0, 1e10, 1e300])


def test_no_input_raises_or_warns():
    forward, strike, years, vol = np.meshgrid(ODD, ODD, ODD, ODD, indexing="ij")
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for discount in (1.0, 0.9, 0.0, -1.0, np.nan, np.inf):
            for call in (True, False):
                found = greeks(
                    forwards=forward,
                    strikes=strike,
                    years=years,
                    vols=vol,
                    is_call=call,
                    discounts=discount,
                    names=EVERYTHING,
                )
                valid = (forward > 0) & (forward < np.inf) & (strike >= 0) & (strike < np.inf)
                valid &= (years >= 0) & (vol >= 0) & (0 < discount < np.inf)
                for name in EVERYTHING:
                    assert np.isnan(found[name][~valid]).all(), name
                sane = valid & (forward < 1e100) & (strike < 1e100) & (forward > 1e-100)
                if not sane.any():
                    continue
                bound = discount * np.where(sane, forward if call else strike, 0.0)
                assert np.isfinite(found["price"][sane]).all()
                assert (found["price"][sane] <= bound[sane] * (1 + 1e-15)).all()
                assert (np.abs(found["delta"][sane]) <= discount).all()


def exercised(**changes):
    arguments = {"forwards": 100.0, "strikes": [80.0, 120.0], "years": 0.5, "vols": 0.3, "discounts": 0.9}
    return arguments | changes


@pytest.mark.parametrize("nothing", [{"years": 0.0}, {"vols": 0.0}], ids=["no time", "no volatility"])
@pytest.mark.parametrize("call", [True, False], ids=["call", "put"])
def test_without_time_or_volatility_an_option_is_its_exercise(nothing, call):
    arguments = exercised(**nothing, is_call=call)
    found = greeks(**arguments, names=EVERYTHING)
    exercise = [20.0, 0.0] if call else [0.0, 20.0]
    np.testing.assert_allclose(found["price"], 0.9 * np.array(exercise), rtol=1e-15)
    np.testing.assert_array_equal(found["delta"], [0.9, 0.0] if call else [0.0, -0.9])
    for name in ("gamma", "vega", "vanna", "vomma", "speed", "color", "zomma", "ultima"):
        np.testing.assert_array_equal(found[name], 0.0, err_msg=name)
    rate = 0.0 if "years" in nothing else -np.log(0.9) / 0.5
    np.testing.assert_allclose(found["theta"], rate * found["price"], atol=1e-15)
    np.testing.assert_allclose(found["charm"], rate * found["delta"], atol=1e-15)


def test_at_the_money_without_time_or_volatility():
    expired = greeks(
        forwards=100.0, strikes=100.0, years=0.0, vols=0.3, is_call=[True, False], names=EVERYTHING
    )
    np.testing.assert_array_equal(expired["delta"], [0.5, -0.5])
    np.testing.assert_allclose(expired["price"], 0.0, atol=1e-40)
    for name in ("gamma", "theta", "charm", "speed", "color", "zomma"):
        assert np.isnan(expired[name]).all(), name
    still = greeks(forwards=100.0, strikes=100.0, years=4.0, vols=0.0, is_call=True)
    assert still["vega"] == pytest.approx(100.0 * 2.0 / np.sqrt(2 * np.pi), rel=1e-15)
    assert still["vanna"] == pytest.approx(1.0 / np.sqrt(2 * np.pi), rel=1e-15)
    assert np.isnan(still["gamma"])


def test_endless_volatility_and_a_strike_of_zero():
    for vol in (1e3, 1e200, np.inf):
        found = price(**exercised(vols=vol, is_call=[True, False]))
        np.testing.assert_allclose(found, [90.0, 108.0], rtol=1e-15)
    zero = greeks(**exercised(strikes=0.0, is_call=[True, False]), names=EVERYTHING)
    np.testing.assert_array_equal(zero["price"], [90.0, 0.0])
    np.testing.assert_array_equal(zero["delta"], [0.9, 0.0])


def test_shapes_broadcast_and_blocks_join():
    strikes = np.linspace(50, 150, BLOCK + 3)
    calls = np.arange(strikes.size) % 2 == 0
    found = greeks(forwards=100.0, strikes=strikes, years=0.5, vols=0.4, is_call=calls, names=EVERYTHING)
    for place in (0, BLOCK - 1, BLOCK, BLOCK + 2):
        one = greeks(
            forwards=100.0,
            strikes=strikes[place],
            years=0.5,
            vols=0.4,
            is_call=bool(calls[place]),
            names=EVERYTHING,
        )
        for name in EVERYTHING:
            assert one[name].shape == ()
            assert float(one[name]) == pytest.approx(found[name][place], rel=1e-13), name
    grid = price(forwards=[[100.0], [101.0]], strikes=[90.0, 100.0, 110.0], years=0.5, vols=0.4, is_call=True)
    assert grid.shape == (2, 3)
    assert price(forwards=[], strikes=100.0, years=0.5, vols=0.4, is_call=True).shape == (0,)


def test_dataframe_columns_and_strided_views_are_taken():
    frame = pd.DataFrame(
        {"strike": [90.0, 100.0, 110.0], "call": [True, False, True], "whole": [90, 100, 110]}
    )
    found = price(forwards=100.0, strikes=frame["strike"], years=0.5, vols=0.4, is_call=frame["call"])
    whole = price(forwards=100.0, strikes=frame["whole"], years=0.5, vols=0.4, is_call=frame["call"])
    np.testing.assert_array_equal(found, whole)
    wide = np.column_stack([frame["strike"], frame["strike"]])
    np.testing.assert_array_equal(
        price(forwards=100.0, strikes=wide[:, 1], years=0.5, vols=0.4, is_call=frame["call"].to_numpy()),
        found,
    )


def test_given_arrays_are_filled():
    arguments = {
        "forwards": 100.0,
        "strikes": [[90.0, 100.0], [110.0, 120.0]],
        "years": 0.5,
        "vols": 0.4,
        "is_call": True,
    }
    out = {"vega": np.full((2, 2), np.nan), "delta": np.full((2, 2), np.nan)}
    found = greeks(**arguments, out=out)
    assert list(found) == ["vega", "delta"]
    for name, fresh in greeks(**arguments, names=("vega", "delta")).items():
        assert np.shares_memory(found[name], out[name])
        np.testing.assert_array_equal(out[name], fresh)
    for wrong in (np.empty(4), np.empty((2, 2), np.float32), np.empty((2, 4))[:, ::2]):
        with pytest.raises(
            ValueError, match=r"out\['vega'\]: expected a C-contiguous float64 array of shape \(2, 2\)"
        ):
            greeks(**arguments, out={"vega": wrong})


def test_what_cannot_be_meant_is_refused_by_name():
    good = exercised(is_call=True)
    with pytest.raises(ValueError, match=r"strikes \(2,\).*years \(3,\)"):
        price(**good | {"years": [0.1, 0.2, 0.3]})
    with pytest.raises(TypeError, match="vols: expected real numbers"):
        price(**good | {"vols": ["a", "b"]})
    with pytest.raises(TypeError, match="is_call: expected booleans"):
        price(**good | {"is_call": ["C", "P"]})
    with pytest.raises(ValueError, match=r"names: \['volga'\] unknown"):
        greeks(**good, names=["delta", "volga"])
    with pytest.raises(ValueError, match="shifts: expected one dimension"):
        gamma_profile(shifts=0.1, forwards=1.0, strikes=1.0, years=1.0, vols=1.0, weights=1.0)


def test_premium_adjusted_delta_is_the_coin_value_by_log_forward():
    forward, strike, years, vol = 64000.0, np.array([40000.0, 64000.0, 90000.0]), 0.2, 0.6
    for call in (True, False):
        found = premium_adjusted_delta(forwards=forward, strikes=strike, years=years, vols=vol, is_call=call)
        with mp.workdps(60):
            wanted = [
                float(
                    mp.diff(
                        lambda y, k=k, call=call: (
                            value(mp.exp(y), mp.mpf(k), mp.mpf(years), mp.mpf(vol), mp.mpf(0), call)
                            / mp.exp(y)
                        ),
                        mp.log(forward),
                    )
                )
                for k in strike
            ]
        np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.fixture
def book():
    random = np.random.default_rng(3)
    size = 300
    forwards = 64000.0 * np.exp(random.normal(0, 0.01, size))
    return {
        "forwards": forwards,
        "strikes": forwards * np.exp(random.normal(0, 0.4, size)),
        "years": random.uniform(1e-3, 1.0, size),
        "vols": random.uniform(0.2, 1.5, size),
        "weights": random.normal(0, 100, size),
    }


def test_profiles_are_sums_of_greeks(book):
    shifts = np.array([-0.999, -0.5, -0.2, 0.0, 0.0025, 0.2, 3.0])
    calls = np.arange(book["years"].size) % 3 == 0
    weights = book.pop("weights")
    moved = {**book, "forwards": book["forwards"] * (1 + shifts[:, None])}
    each = greeks(**moved, is_call=calls, names=("gamma", "delta"))
    gamma = gamma_profile(shifts=shifts, weights=weights, **book)
    delta = delta_profile(shifts=shifts, weights=weights, is_call=calls, **book)
    for found, one in ((gamma, each["gamma"]), (delta, each["delta"])):
        size = np.abs(weights * one).sum(axis=1)
        np.testing.assert_allclose(found, (weights * one).sum(axis=1), rtol=0, atol=1e-12 * size.max())
        np.testing.assert_array_less(np.abs(found - (weights * one).sum(axis=1)), 1e-11 * size + 1e-280)


def test_a_contract_without_time_adds_no_gamma_and_a_nan_is_not_hidden(book):
    shifts = np.linspace(-0.2, 0.2, 161)
    before = gamma_profile(shifts=shifts, **book)
    expired = {name: np.append(column, column[0]) for name, column in book.items()}
    expired["years"][-1] = 0.0
    np.testing.assert_array_equal(gamma_profile(shifts=shifts, **expired), before)
    idle = {name: np.append(column, np.nan) for name, column in book.items()}
    idle["weights"][-1] = 0.0
    np.testing.assert_array_equal(gamma_profile(shifts=shifts, **idle), before)
    expired["weights"][-2] = np.nan
    assert np.isnan(gamma_profile(shifts=shifts, **expired)).all()
    assert np.isnan(gamma_profile(shifts=[-1.0, -2.0], **book)).all()
