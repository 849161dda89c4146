"""Implied volatility: round trips to the last digits the price holds, and a reason for every NaN."""

from __future__ import annotations

import warnings

import mpmath as mp
import numpy as np
import pytest

from workstation.pricing.implied import ImpliedReason, implied_vol, implied_vol_reason


def normalised(moneyness, total):
    """Undiscounted call at F = 1, K = exp(moneyness) >= 1, in mpmath."""
    h, t = moneyness / total, total / 2
    return mp.erfc((h - t) / mp.sqrt(2)) / 2 - mp.exp(moneyness) * mp.erfc((h + t) / mp.sqrt(2)) / 2


TOTALS = [1e-6, 1e-4, 0.003, 0.02, 0.1, 0.3, 1.0, 3.0, 8.0]
DISTANCES = [0.0, 1e-6, 0.01, 0.5, 2.0, 6.0, 12.0, 25.0, 36.0]


def test_wings_against_fifty_digits():
    strikes, prices, vols = [], [], []
    with mp.workdps(700):
        for total in TOTALS:
            for distance in DISTANCES:
                strike = float(mp.exp(mp.mpf(distance) * mp.mpf(total)))
                found = normalised(mp.log(mp.mpf(strike)), mp.mpf(total))
                if found > mp.mpf(10) ** -300 and found < 1 - mp.mpf(10) ** -6:
                    strikes.append(strike)
                    prices.append(float(found))
                    vols.append(total)
    assert len(vols) > 60
    found = implied_vol(prices=prices, forwards=1.0, strikes=strikes, years=1.0, is_call=True)
    np.testing.assert_allclose(found, vols, rtol=1e-9, atol=1e-12)
    # the same options as puts, by the symmetry P(F, K) = C(K, F)
    puts = implied_vol(prices=prices, forwards=strikes, strikes=1.0, years=1.0, is_call=False)
    np.testing.assert_allclose(puts, vols, rtol=1e-9, atol=1e-12)


def test_years_and_discount_are_taken_into_account():
    with mp.workdps(40):
        total = mp.mpf("0.35") * mp.sqrt(mp.mpf("0.125"))
        undiscounted = 64000 * normalised(mp.log(mp.mpf(70000) / 64000), total)
        quoted = float(undiscounted * mp.mpf("0.97"))
    found = implied_vol(
        prices=quoted, forwards=64000.0, strikes=70000.0, years=0.125, is_call=True, discounts=0.97
    )
    assert float(found) == pytest.approx(0.35, rel=1e-13)
    in_the_money = quoted + 0.97 * 6000.0
    found = implied_vol(
        prices=in_the_money, forwards=64000.0, strikes=70000.0, years=0.125, is_call=False, discounts=0.97
    )
    assert float(found) == pytest.approx(0.35, rel=1e-11)


OK = {"prices": 8.0, "forwards": 100.0, "strikes": 100.0, "years": 1.0, "is_call": True, "discounts": 1.0}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "SOLVED"),
        ({"prices": np.nan}, "NOT_FINITE"),
        ({"strikes": np.nan}, "NOT_FINITE"),
        ({"years": np.nan}, "NOT_FINITE"),
        ({"forwards": np.inf}, "NOT_FINITE"),
        ({"discounts": np.inf}, "NOT_FINITE"),
        ({"strikes": -np.inf}, "NOT_FINITE"),
        ({"forwards": 0.0}, "BAD_TERMS"),
        ({"strikes": -1.0}, "BAD_TERMS"),
        ({"discounts": 0.0}, "BAD_TERMS"),
        ({"years": 0.0}, "EXPIRED"),
        ({"years": -0.1}, "EXPIRED"),
        ({"prices": -1.0}, "BELOW_INTRINSIC"),
        ({"prices": 9.999, "strikes": 90.0}, "BELOW_INTRINSIC"),
        ({"prices": 9.4, "strikes": 90.0, "discounts": 0.95}, "BELOW_INTRINSIC"),
        ({"prices": 9.999, "strikes": 110.0, "is_call": False}, "BELOW_INTRINSIC"),
        ({"prices": 0.0}, "NO_TIME_VALUE"),
        ({"prices": 10.0, "strikes": 90.0}, "NO_TIME_VALUE"),
        ({"prices": 10.000000000000002, "strikes": 90.0}, "NO_TIME_VALUE"),
        ({"prices": 100.0}, "ABOVE_BOUND"),
        ({"prices": 1e300}, "ABOVE_BOUND"),
        ({"prices": 95.5, "discounts": 0.95}, "ABOVE_BOUND"),
        ({"prices": 90.0, "strikes": 90.0, "is_call": False}, "ABOVE_BOUND"),
    ],
)
def test_every_nan_has_its_reason(changes, reason):
    arguments = OK | changes
    code = ImpliedReason(int(implied_vol_reason(**arguments)))
    assert code.name == reason
    assert np.isnan(implied_vol(**arguments)) == (code is not ImpliedReason.SOLVED)


def test_no_input_raises_or_warns_and_codes_agree_with_nans():
    odd = np.array([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-300, 1e-5, 1.0, 99.0, 1e10, 1e300])
    prices, forwards, strikes, years = np.meshgrid(odd, odd, odd, odd, indexing="ij")
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for call in (True, False):
            arguments = {
                "prices": prices,
                "forwards": forwards,
                "strikes": strikes,
                "years": years,
                "is_call": call,
            }
            vols, codes = implied_vol(**arguments), implied_vol_reason(**arguments)
            np.testing.assert_array_equal(np.isnan(vols), codes != ImpliedReason.SOLVED)
            assert (vols[codes == ImpliedReason.SOLVED] > 0).all()


def test_shapes_and_refusals():
    assert implied_vol(**OK | {"prices": [[8.0], [9.0]], "strikes": [90.0, 100.0, 110.0]}).shape == (2, 3)
    assert implied_vol(**OK).shape == ()
    assert implied_vol_reason(**OK | {"prices": []}).shape == (0,)
    with pytest.raises(TypeError, match="prices: expected real numbers"):
        implied_vol(**OK | {"prices": "8"})
    with pytest.raises(ValueError, match="do not broadcast"):
        implied_vol(**OK | {"prices": [1.0, 2.0], "strikes": [1.0, 2.0, 3.0]})
