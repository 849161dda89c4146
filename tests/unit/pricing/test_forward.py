"""Forwards by source: parity's own arithmetic, and which source wins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from workstation.pricing.forward import SOURCES, forwards, newest_per_group, parity

STRIKES = np.arange(80.0, 121.0, 2.0)


def black(
    forward: float, strikes: np.ndarray, years: float, vol: float, call: bool, discount: float
) -> np.ndarray:
    spread = vol * np.sqrt(years)
    d1 = np.log(forward / strikes) / spread + spread / 2
    sign = 1.0 if call else -1.0
    return discount * sign * (forward * norm.cdf(sign * d1) - strikes * norm.cdf(sign * (d1 - spread)))


def quoted(forward: float, discount: float, width: float = 0.1) -> dict[str, np.ndarray]:
    call = black(forward, STRIKES, 0.5, 0.3, True, discount)
    put = black(forward, STRIKES, 0.5, 0.3, False, discount)
    half = width / 2
    return {
        "call_bids": call - half,
        "call_asks": call + half,
        "put_bids": put - half,
        "put_asks": put + half,
    }


@pytest.mark.parametrize("discount", [1.0, 0.97, 1.01, 0.85])
def test_parity_recovers_forward_and_discount(discount: float) -> None:
    found = parity(strikes=STRIKES, **quoted(101.3, discount))
    assert found.forward == pytest.approx(101.3, abs=1e-9)
    assert found.discount == pytest.approx(discount, abs=1e-9)


def test_parity_of_coin_premiums_needs_no_discount() -> None:
    coin = {name: price / 101.3 for name, price in quoted(101.3, 1.0, width=0.0).items()}
    assert parity(strikes=STRIKES, **coin, inverse=True) == pytest.approx((101.3, 1.0), abs=1e-9)


def test_a_wrong_quote_does_not_move_the_median() -> None:
    quotes = quoted(101.3, 0.97)
    quotes["call_bids"][10] += 9.0
    quotes["call_asks"][10] += 9.0
    found = parity(strikes=STRIKES, **quotes)
    assert found.forward == pytest.approx(101.3, abs=1e-6)


def test_empty_one_sided_and_crossed_quotes_are_not_liquid() -> None:
    quotes = quoted(101.3, 1.0)
    quotes["call_bids"][:] = np.nan
    assert np.isnan(parity(strikes=STRIKES, **quotes).forward)
    quotes = quoted(101.3, 1.0)
    quotes["put_bids"][:] = 0.0
    assert np.isnan(parity(strikes=STRIKES, **quotes).forward)
    quotes = quoted(101.3, 1.0)
    quotes["put_bids"], quotes["put_asks"] = quotes["put_asks"], quotes["put_bids"]
    assert np.isnan(parity(strikes=STRIKES, **quotes).forward)
    assert np.isnan(parity(strikes=[], call_bids=[], call_asks=[], put_bids=[], put_asks=[]).forward)


def test_wide_quotes_do_not_count() -> None:
    quotes = quoted(101.3, 0.97, width=0.02)
    quotes["call_asks"][STRIKES < 96] += 4.0
    quotes["put_asks"][STRIKES > 106] += 3.0
    assert parity(strikes=STRIKES, **quotes) == pytest.approx((101.3, 0.97), abs=1e-9)


def test_an_absurd_slope_means_no_discount() -> None:
    quotes = quoted(101.3, 0.5)
    assert parity(strikes=STRIKES, **quotes).discount == 1.0


def test_a_discount_that_is_given_is_not_measured() -> None:
    assert parity(strikes=STRIKES, **quoted(100.0, 0.97), discount=1.0).discount == 1.0
    assert parity(strikes=STRIKES, **quoted(100.0, 0.97), discount=0.97).forward == pytest.approx(
        100.0, abs=1e-9
    )


def test_newest_per_group_takes_the_latest_and_of_equals_the_median() -> None:
    found = newest_per_group(groups=[0, 0, 0, 2], times=[5, 5, 1, 0], values=[1.0, 2.0, 3.0, 4.0], count=3)
    np.testing.assert_array_equal(found, [1.5, np.nan, 4.0])


def sources(**changed: object) -> tuple[list[str], list[float]]:
    quotes = quoted(101.3, 1.0)
    rows = 2 * STRIKES.size
    given: dict[str, object] = {
        "expiry_ns": np.full(rows, 10),
        "venue": np.full(rows, 102.0),
        "venue_ns": np.arange(rows),
        "strike": np.tile(STRIKES, 2),
        "is_call": np.repeat([True, False], STRIKES.size),
        "inverse": np.zeros(rows, dtype=bool),
        "american": np.zeros(rows, dtype=bool),
        "bid": np.concatenate([quotes["call_bids"], quotes["put_bids"]]),
        "ask": np.concatenate([quotes["call_asks"], quotes["put_asks"]]),
        "futures": {10: 103.0},
        "index": 104.0,
    }
    found = forwards(**(given | changed))  # type: ignore[arg-type]
    return [SOURCES[row] for row in found.source], found.forward.round(6).tolist()


def test_order_of_the_sources() -> None:
    none = np.full(2 * STRIKES.size, np.nan)
    assert sources() == (["venue"], [102.0])
    assert sources(venue=none) == (["future"], [103.0])
    assert sources(venue=none, futures={}) == (["parity"], [101.3])
    assert sources(venue=none, futures={11: 103.0}, bid=none) == (["index"], [104.0])
    source, forward = sources(venue=none, futures={}, bid=none, index=float("nan"))
    assert source == ["none"] and np.isnan(forward[0])
