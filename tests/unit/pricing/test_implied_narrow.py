"""Vols at the money so low that the general formula cancels, against many digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpmath import erfc, mp, mpf, sqrt
from mpmath import log as exact_log

from workstation.pricing.implied import ImpliedReason, implied_vol, implied_vol_reason

mp.dps = 60


def put(forward: float, strike: float, total: float) -> float:
    """Black's put to full precision."""
    high, low, spread = mpf(forward), mpf(strike), mpf(total)
    first = exact_log(high / low) / spread + spread / 2
    second = first - spread
    return float((low * erfc(second / sqrt(mpf(2))) - high * erfc(first / sqrt(mpf(2)))) / 2)


@pytest.mark.parametrize("total", [1e-4, 1e-6, 9e-7, 1e-7, 3e-8, 2e-8, 1e-8, 1e-9, 1e-12, 1e-15, 1e-40])
@pytest.mark.parametrize("years", [1.0, 0.01])
def test_at_the_money(total: float, years: float) -> None:
    price = put(100.0, 100.0, total)
    for is_call in (True, False):
        found = implied_vol(prices=price, forwards=100.0, strikes=100.0, years=years, is_call=is_call)
        assert float(found) == pytest.approx(total / math.sqrt(years), rel=1e-9)


@pytest.mark.parametrize("away", [0.1, 0.7, 1.0, 3.0, 8.0, 20.0])
@pytest.mark.parametrize("total", [8e-7, 1e-7, 1e-8, 1e-9])
def test_beside_the_money(away: float, total: float) -> None:
    """Forward ``away`` total vols over the strike; what the forward's own rounding allows."""
    forward = 100.0 * math.exp(away * total)
    price = put(forward, 100.0, total)
    found = float(implied_vol(prices=price, forwards=forward, strikes=100.0, years=1.0, is_call=False))
    assert found == pytest.approx(total, rel=1e-8 + 4e-16 * max(away, 1.0) / total)


def test_solved_is_never_the_bracket() -> None:
    prices = np.logspace(-300, 1, 400)
    found = implied_vol(prices=prices, forwards=100.0, strikes=100.0, years=1.0, is_call=True)
    reasons = implied_vol_reason(prices=prices, forwards=100.0, strikes=100.0, years=1.0, is_call=True)
    assert (np.diff(found) > 0).all() and (reasons == ImpliedReason.SOLVED).all()
