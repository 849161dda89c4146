"""What holds for every option, whatever the formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.pricing.black import (
    GREEKS,
    delta_profile,
    gamma_profile,
    greeks,
    premium_adjusted_delta,
    price,
)
from workstation.pricing.implied import implied_vol

forwards = st.floats(1e-3, 1e6)
distances = st.floats(-8.0, 8.0)  # of the strike from the forward, in total volatilities
years = st.floats(1e-5, 5.0)
vols = st.floats(0.02, 3.0)
rates = st.floats(-0.05, 0.2)
options = st.fixed_dictionaries(
    {
        "forwards": forwards,
        "distance": distances,
        "years": years,
        "vols": vols,
        "rate": rates,
        "is_call": st.booleans(),
    }
)
several = effort(150)


def terms(option):
    total = option["vols"] * math.sqrt(option["years"])
    return {
        "forwards": option["forwards"],
        "strikes": option["forwards"] * math.exp(option["distance"] * total),
        "years": option["years"],
        "vols": option["vols"],
        "is_call": option["is_call"],
        "discounts": math.exp(-option["rate"] * option["years"]),
    }


@several
@given(options)
def test_put_call_parity(option):
    arguments = terms(option)
    both = greeks(**arguments | {"is_call": [True, False]}, names=(*GREEKS, "price"))
    forward, strike, discount = arguments["forwards"], arguments["strikes"], arguments["discounts"]
    call, put = both["price"]
    assert call - put == pytest.approx(
        discount * (forward - strike), rel=1e-12, abs=1e-13 * discount * (forward + strike)
    )
    call, put = both["delta"]
    assert call - put == pytest.approx(discount, rel=1e-14)
    for name in ("gamma", "vega", "vanna", "vomma", "speed", "color", "zomma", "ultima"):
        assert both[name][0] == both[name][1], name


@several
@given(options, st.floats(1.0001, 2.0))
def test_price_rises_with_volatility_and_stays_in_its_bounds(option, factor):
    arguments = terms(option)
    dear = arguments | {"vols": arguments["vols"] * factor}
    low, high = float(price(**arguments)), float(price(**dear))
    forward, strike = arguments["forwards"], arguments["strikes"]
    limit = arguments["discounts"] * (forward if arguments["is_call"] else strike)
    intrinsic = arguments["discounts"] * max(
        forward - strike if arguments["is_call"] else strike - forward, 0.0
    )
    assert intrinsic <= low <= high * (1 + 1e-15)
    assert high <= limit * (1 + 1e-15)
    if abs(option["distance"]) < 2:
        assert low < high


@several
@given(options, st.floats(0.01, 100.0))
def test_homogeneous_in_forward_and_strike(option, scale):
    arguments = terms(option)
    larger = arguments | {"forwards": arguments["forwards"] * scale, "strikes": arguments["strikes"] * scale}
    before = greeks(**arguments, names=(*GREEKS, "price"))
    after = greeks(**larger, names=(*GREEKS, "price"))
    degrees = {"delta": 0, "vanna": 0, "charm": 0, "gamma": -1, "color": -1, "zomma": -1, "speed": -2}
    # scaling rounds the strike by half a digit, which the moneyness feels as 1e-16/s
    blur = 1e-13 / (arguments["vols"] * math.sqrt(arguments["years"]))
    for name, value in after.items():
        wanted = float(before[name]) * scale ** degrees.get(name, 1)
        assert float(value) == pytest.approx(
            wanted, rel=1e-10 + 1e2 * blur, abs=1e-9 * abs(wanted) + 1e-12 * scale_of(after, name)
        )


def scale_of(found, name):
    """A size for a greek that can pass through 0: that of its neighbour without the zero."""
    return (
        abs(float(found[name]))
        if name in ("price", "gamma", "vega", "delta")
        else 1e3 * abs(float(found["vega"]))
    )


def central(function, at, step):
    """First derivative by Richardson's extrapolation of the central difference: error step**4."""

    def difference(h):
        return (function(at + h) - function(at - h)) / (2 * h)

    return (4 * difference(step / 2) - difference(step)) / 3


# greek -> (the one it is the derivative of, by what, sign)
LADDER = {
    "delta": ("price", "forwards", 1),
    "gamma": ("delta", "forwards", 1),
    "speed": ("gamma", "forwards", 1),
    "vega": ("price", "vols", 1),
    "vanna": ("delta", "vols", 1),
    "vomma": ("vega", "vols", 1),
    "zomma": ("gamma", "vols", 1),
    "ultima": ("vomma", "vols", 1),
    "theta": ("price", "years", -1),
    "charm": ("delta", "years", -1),
    "color": ("gamma", "years", -1),
    "rho": ("price", "rate", 1),
}


def test_every_greek_is_on_the_ladder():
    assert set(LADDER) == set(GREEKS) and len(LADDER) == 12


@pytest.mark.parametrize("name", LADDER)
@effort(40)
@given(option=options)
def test_greeks_are_finite_differences_of_each_other(name, option):
    assume(abs(option["distance"]) < 4 and option["years"] > 1e-3 and option["vols"] > 0.05)
    arguments = terms(option)
    source, by, sign = LADDER[name]
    total = arguments["vols"] * math.sqrt(arguments["years"])
    scale = {
        "forwards": arguments["forwards"] * min(total, 0.5),
        "vols": arguments["vols"],
        "years": arguments["years"],
        "rate": 1.0 / arguments["years"],
    }[by]
    at = option["rate"] if by == "rate" else arguments[by]

    def of(value):
        moved = arguments if by == "rate" else arguments | {by: value}
        rate = value if by == "rate" else option["rate"]
        moved = moved | {"discounts": math.exp(-rate * moved["years"])}
        return float(greeks(**moved, names=(source,))[source])

    step = 2e-3 * scale
    found = float(greeks(**arguments, names=(name,))[name])
    values = [abs(of(at + k * step)) for k in (-1, 0, 1)]
    tolerance = 1e-5 * abs(found) + 2e-8 * max(values) / scale + 1e-300
    assert sign * central(of, at, step) == pytest.approx(found, rel=0, abs=tolerance)


@effort(300)
@given(options)
def test_implied_volatility_comes_back(option):
    option["is_call"] = option["distance"] >= 0  # out of the money, where the price holds the digits
    arguments = terms(option)
    quoted = price(**arguments)
    vol = arguments.pop("vols")
    assert float(implied_vol(prices=quoted, **arguments)) == pytest.approx(vol, rel=1e-10)


@several
@given(options)
def test_implied_volatility_in_the_money_is_as_good_as_its_price(option):
    option["is_call"] = option["distance"] < 0
    arguments = terms(option)
    found = greeks(**arguments, names=("price", "vega"))
    vol = arguments.pop("vols")
    assume(found["vega"] > 1e-200)
    blur = 16 * np.spacing(found["price"]) / found["vega"]
    assume(blur < 1e-3 * vol)
    assert float(implied_vol(prices=found["price"], **arguments)) == pytest.approx(
        vol, rel=1e-10, abs=float(blur)
    )


@several
@given(options)
def test_premium_adjusted_delta_is_delta_less_the_premium(option):
    arguments = terms(option)
    found = greeks(**arguments, names=("delta", "price"))
    wanted = float(found["delta"]) - float(found["price"]) / arguments["forwards"]
    assert float(premium_adjusted_delta(**arguments)) == pytest.approx(wanted, rel=1e-15, abs=1e-15)


@several
@given(options, st.lists(st.floats(-0.9, 3.0), min_size=1, max_size=9), st.floats(-1e6, 1e6))
def test_profiles_re_price_the_contract(option, shifts, weight):
    arguments = terms(option)
    del arguments["discounts"]
    moved = arguments | {"forwards": arguments["forwards"] * (1 + np.array(shifts))}
    wanted = greeks(**moved, names=("gamma", "delta"))
    call = arguments.pop("is_call")
    gamma = gamma_profile(shifts=shifts, weights=weight, **arguments)
    delta = delta_profile(shifts=shifts, weights=weight, is_call=call, **arguments)
    total = arguments["vols"] * math.sqrt(arguments["years"])
    # a moved forward is rounded, and d1 feels that as 1e-16/s, the density d1 times as much
    blur = 1e-12 + 40 * 4e-16 / total
    largest = abs(weight) / (arguments["forwards"] * total)
    np.testing.assert_allclose(gamma, weight * wanted["gamma"], rtol=blur, atol=blur * largest)
    np.testing.assert_allclose(delta, weight * wanted["delta"], rtol=blur, atol=blur * abs(weight))
