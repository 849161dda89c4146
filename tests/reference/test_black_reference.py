"""Black-76 against published and 50-digit tables.

The tables are of Black-Scholes-Merton options on a spot S with yield q; with F = S exp((r - q) T) and D = exp(-r T)
the chain rule takes derivatives to F over to derivatives to S.
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workstation.pricing.black import greeks, price
from workstation.pricing.implied import implied_vol

pytestmark = pytest.mark.recorded

# The table was computed with 50 digits: values that came out of a cancellation below this stand as 0 in it.
TABLE_FLOOR = 1e-45


def table(path: Path) -> dict[str, np.ndarray]:
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    columns = {}
    for name in rows[0]:
        texts = [row[name] for row in rows]
        try:
            columns[name] = np.array([float(text) for text in texts])
        except ValueError:
            columns[name] = np.array(texts)
    return columns


def on_spot(spot: Any, strike: Any, q: Any, r: Any, t: Any, vol: Any, call: Any) -> dict[str, np.ndarray]:
    """Our numbers as derivatives to the spot, with the spot, r and q held as the tables hold them."""
    carry = np.exp((r - q) * t)
    forward, discount = spot * carry, np.exp(-r * t)
    names = ("delta", "gamma", "vega", "theta", "rho", "vanna", "charm", "vomma", "speed", "color", "zomma")
    g = greeks(
        forwards=forward,
        strikes=strike,
        years=t,
        vols=vol,
        is_call=call,
        discounts=discount,
        names=(*names, "price"),
    )
    b = r - q
    return {
        "price": g["price"],
        "delta": g["delta"] * carry,
        "gamma": g["gamma"] * carry**2,
        "vega": g["vega"],
        "theta": g["theta"] - b * forward * g["delta"],
        "rho": g["rho"] + t * forward * g["delta"],
        "vanna": g["vanna"] * carry,
        "charm": carry * (g["charm"] - b * g["delta"] - b * forward * g["gamma"]),
        "vomma": g["vomma"],
        "speed": g["speed"] * carry**3,
        "zomma": g["zomma"] * carry**2,
        "color": carry**2 * (g["color"] - 2 * b * g["gamma"] - b * forward * g["speed"]),
    }


MPMATH_COLUMNS = {
    "delta": "delta",
    "gamma": "gamma",
    "vega": "vega",
    "theta": "theta_per_year(-dP/dT)",
    "rho": "rho",
    "vanna": "vanna(d2P/dSdv)",
    "charm": "charm_per_year(-d2P/dSdT)",
    "vomma": "vomma",
    "speed": "speed",
    "zomma": "zomma",
    "color": "color_per_year(-d3P/dS2dT)",
}


@pytest.fixture(scope="module")
def fifty_digits(sample_data):
    return table(sample_data / "reference" / "bsm_greeks_mpmath_A.csv")


@pytest.fixture(scope="module")
def ours(fifty_digits):
    t = fifty_digits
    return on_spot(t["spot"], t["strike"], t["q"], t["r"], t["t_years"], t["vol"], t["type"] == "call")


def test_price_to_fifty_digits(fifty_digits, ours):
    np.testing.assert_allclose(ours["price"], fifty_digits["price"], rtol=1e-12, atol=TABLE_FLOOR)


@pytest.mark.parametrize("name", MPMATH_COLUMNS)
def test_greeks_to_fifty_digits(fifty_digits, ours, name):
    np.testing.assert_allclose(ours[name], fifty_digits[MPMATH_COLUMNS[name]], rtol=1e-10, atol=TABLE_FLOOR)


def test_haug_prices(sample_data):
    t = table(sample_data / "reference" / "haug_european_prices.csv")
    found = on_spot(t["spot"], t["strike"], t["q"], t["r"], t["t"], t["vol"], t["type"] == "Call")["price"]
    np.testing.assert_array_less(np.abs(found - t["haug_value"]), t["tol"])
    np.testing.assert_allclose(found, t["mpmath_value"], rtol=1e-12)


def test_haug_greeks(sample_data):
    t = table(sample_data / "reference" / "haug_european_greeks.csv")
    found = on_spot(t["spot"], t["strike"], t["q"], t["r"], t["t"], t["vol"], t["type"] == "Call")
    found["elasticity"] = found["delta"] * t["spot"] / found["price"]
    found["thetaPerDay"] = found["theta"] / 365
    found["dividendRho"] = -t["t"] * t["spot"] * found["delta"]
    named = {name.lower(): values for name, values in found.items()}
    compared = 0
    for row, name in enumerate(t["greek"]):
        values = named[name.lower().replace("_", "")]
        assert values[row] == pytest.approx(t["mpmath_value"][row], rel=1e-10), name
        compared += 1
    assert compared == t["greek"].size >= 11


def test_quantlib_black_calculator(sample_data):
    rows = dict(
        csv.reader(
            (sample_data / "reference" / "quantlib_blackcalculator_greeks.csv").read_text().splitlines()[1:]
        )
    )
    forward, strike, deviation, discount, spot, t = (
        float(rows[f"input_{name}"])
        for name in ("forward", "strike", "stdDev", "discount", "spot", "maturity")
    )
    found = greeks(
        forwards=forward,
        strikes=strike,
        years=t,
        vols=deviation / math.sqrt(t),
        is_call=rows["input_type"] == "Call",
        discounts=discount,
    )
    carry = forward / spot
    assert found["delta"] == pytest.approx(float(rows["DeltaFwd"]), rel=1e-12)
    assert found["gamma"] == pytest.approx(float(rows["GammaFwd"]), rel=1e-12)
    assert found["delta"] * carry == pytest.approx(float(rows["Delta"]), rel=1e-12)
    assert found["vega"] == pytest.approx(float(rows["Vega"]), rel=1e-12)
    assert found["vomma"] == pytest.approx(float(rows["Volga"]), rel=1e-12)
    assert found["vanna"] * carry == pytest.approx(float(rows["Vanna"]), rel=1e-12)
    assert found["rho"] + t * forward * found["delta"] == pytest.approx(float(rows["Rho"]), rel=1e-12)


def test_py_vollib_table(sample_data):
    content = json.loads((sample_data / "reference" / "py_vollib_bs_101pts.json").read_text())
    t = dict(zip(content["columns"], np.array(content["data"], dtype=float).T, strict=True))
    zero = np.zeros_like(t["S"])
    for call, left in ((True, "C"), (False, "P")):
        found = on_spot(t["S"], t["K"], zero, t["R"], t["t"], t["v"], np.full(zero.shape, call))
        np.testing.assert_allclose(found["price"], t["bs_call" if call else "bs_put"], rtol=1e-5, atol=1e-9)
        for name, right in (("delta", "D"), ("gamma", "G"), ("theta", "T"), ("vega", "V"), ("rho", "R")):
            np.testing.assert_allclose(found[name], t[left + right], rtol=1e-5, atol=1e-9)


def test_extreme_implied_volatilities(sample_data):
    t = table(sample_data / "reference" / "black_iv_extremes_A.csv")
    x, total_vol = t["x=ln(F/K)"], t["s=sigma*sqrt(T)"]
    forward, strike = np.exp(x / 2), np.exp(-x / 2)
    otm = implied_vol(
        prices=t["normalised_otm_value"], forwards=forward, strikes=strike, years=1.0, is_call=x <= 0
    )
    np.testing.assert_allclose(otm, total_vol, rtol=1e-9)
    call = implied_vol(
        prices=t["normalised_call=C/sqrt(FK)"], forwards=forward, strikes=strike, years=1.0, is_call=True
    )
    # the last digit of the price moves the volatility by this much
    vega = np.exp(-0.5 * (x / total_vol + total_vol / 2) ** 2) * forward / math.sqrt(2 * math.pi)
    blur = np.spacing(t["normalised_call=C/sqrt(FK)"]) / vega
    determined = blur < 1e-10
    assert determined.sum() > 40
    np.testing.assert_allclose(call[determined], total_vol[determined], rtol=1e-9)
    prices = price(forwards=forward, strikes=strike, years=1.0, vols=total_vol, is_call=x <= 0)
    np.testing.assert_allclose(prices, t["normalised_otm_value"], rtol=1e-12)
