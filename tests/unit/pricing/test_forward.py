"""Forwards by source: parity's own arithmetic, and which source wins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from workstation.pricing.forward import SOURCES, filled_with_index, forwards, newest_per_group
from workstation.pricing.parity import parity, pooled_rates

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
    assert parity(strikes=STRIKES, **coin, inverse=True)[:2] == pytest.approx((101.3, 1.0), abs=1e-9)


def test_a_wrong_quote_does_not_move_the_fit() -> None:
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
    assert parity(strikes=STRIKES, **quotes)[:2] == pytest.approx((101.3, 0.97), abs=1e-9)


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
        "years": np.full(rows, 0.5),
        "venue": np.full(rows, 102.0),
        "venue_ns": np.arange(rows),
        "strike": np.tile(STRIKES, 2),
        "is_call": np.repeat([True, False], STRIKES.size),
        "inverse": np.zeros(rows, dtype=bool),
        "american": np.zeros(rows, dtype=bool),
        "bid": np.concatenate([quotes["call_bids"], quotes["put_bids"]]),
        "ask": np.concatenate([quotes["call_asks"], quotes["put_asks"]]),
        "futures": {10: 103.0},
    }
    index = float(changed.pop("index", 104.0))  # type: ignore[arg-type]
    found = filled_with_index(forwards(**(given | changed)), index)  # type: ignore[arg-type]
    return [SOURCES[row] for row in found.source], found.forward.round(6).tolist()


def test_order_of_the_sources() -> None:
    none = np.full(2 * STRIKES.size, np.nan)
    assert sources() == (["venue"], [102.0])
    assert sources(venue=none) == (["future"], [103.0])
    assert sources(venue=none, futures={}) == (["parity"], [101.3])
    assert sources(venue=none, futures={11: 103.0}, bid=none) == (["index"], [104.0])
    source, forward = sources(venue=none, futures={}, bid=none, index=float("nan"))
    assert source == ["none"] and np.isnan(forward[0])


YEARS = np.array([2.0, 5.0, 9.0, 16.0, 30.0, 60.0, 120.0, 365.0]) / 365.0


def ticked_chain(rate: float, dividends: float, seed: int) -> dict[str, object]:
    """European quotes of an index at 2000 in ticks of 0.05, spreads of a few ticks, mids off by up to a tick."""
    draw = np.random.default_rng(seed)
    strikes = np.arange(1800.0, 2205.0, 5.0)
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("expiry_ns", "years", "strike", "is_call", "bid", "ask")
    }
    for number, years in enumerate(YEARS):
        forward, discount = 2000.0 * np.exp((rate - dividends) * years), float(np.exp(-rate * years))
        for call in (True, False):
            value = black(forward, strikes, years, 0.2, call, discount)
            half = 0.05 * np.ceil(2.0 + 0.02 * value / 0.2)
            middle = value + draw.uniform(-0.05, 0.05, strikes.size)
            columns["bid"].append(np.round((middle - half) / 0.05) * 0.05)
            columns["ask"].append(np.round((middle + half) / 0.05) * 0.05)
            columns["strike"].append(strikes)
            columns["expiry_ns"].append(np.full(strikes.size, number))
            columns["years"].append(np.full(strikes.size, years))
            columns["is_call"].append(np.full(strikes.size, call))
    given: dict[str, object] = {name: np.concatenate(parts) for name, parts in columns.items()}
    size = len(YEARS) * 2 * strikes.size
    never = np.zeros(size, dtype=bool)
    return given | {
        "venue": np.full(size, np.nan), "venue_ns": np.zeros(size, dtype=np.int64), "inverse": never, "american": never,
        "futures": {},
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("rate", "dividends"), [(0.053, 0.015), (0.0, 0.02), (-0.004, 0.03)])
def test_a_chain_of_ticks_gives_the_rate_at_every_maturity(rate: float, dividends: float, seed: int) -> None:
    found = forwards(**ticked_chain(rate, dividends, seed))  # type: ignore[arg-type]
    true_forward = 2000.0 * np.exp((rate - dividends) * YEARS)
    true_discount = np.exp(-rate * YEARS)
    assert (np.abs(found.forward - true_forward) < 5 * found.forward_error + 0.01).all()
    assert (np.abs(found.discount - true_discount) < 5 * found.discount_error).all()
    rates = -np.log(found.discount) / YEARS
    np.testing.assert_allclose(rates, rate, atol=0.012)


def test_a_short_expiry_is_drawn_and_a_long_one_keeps_its_own() -> None:
    chain = ticked_chain(0.053, 0.015, 3)
    together = forwards(**chain)  # type: ignore[arg-type]
    own = []
    for number in range(len(YEARS)):
        at = chain["expiry_ns"] == number
        alone = {name: value[at] if isinstance(value, np.ndarray) else value for name, value in chain.items()}
        own.append(forwards(**alone))  # type: ignore[arg-type]
    own_error = np.array([each.discount_error[0] for each in own]) / YEARS
    assert own_error[0] > 0.053 > own_error[-1] * 20, "a tick is more than the interest of two days"
    assert abs(together.discount[0] - np.exp(-0.053 * YEARS[0])) < 1e-4
    assert together.discount_error[0] < 0.2 * own[0].discount_error[0]
    assert together.discount[-1] == pytest.approx(own[-1].discount[0], abs=2 * own[-1].discount_error[0])


def test_standard_errors_are_those_of_repeated_draws() -> None:
    draws = [
        parity(**each)
        for seed in range(60)
        for each in [_half_year(np.random.default_rng(seed))]
    ]  # fmt: skip
    for name in ("forward", "discount"):
        spread = np.std([getattr(each, name) for each in draws])
        told = np.mean([getattr(each, f"{name}_error") for each in draws])
        assert 0.6 < told / spread < 1.7


def _half_year(draw: np.random.Generator) -> dict[str, np.ndarray]:
    quotes = quoted(101.3, 0.97, width=0.2)
    moved = {side: draw.normal(0.0, 0.04, STRIKES.size) for side in ("call", "put")}
    return {"strikes": STRIKES} | {
        name: price + moved[name.partition("_")[0]] for name, price in quotes.items()
    }


def test_pooled_rates_trust_near_and_precise_maturities() -> None:
    years = np.array([0.05, 0.055, 2.0])
    rates, errors = pooled_rates(
        years=years, rates=np.array([np.nan, 0.05, 0.03]), errors=np.array([np.nan, 0.002, 1e-4])
    )
    assert 0.045 < rates[0] < 0.0501
    assert rates[1] == pytest.approx(0.03) and errors[1] > 0.01, "the far one is all there is, and not much"
    alone, error = pooled_rates(years=years[:1], rates=np.array([0.05]), errors=np.array([0.01]))
    assert np.isnan(alone[0]) and np.isnan(error[0])


def test_few_strikes_measure_a_forward_and_take_the_discount_of_the_others() -> None:
    chain = ticked_chain(0.053, 0.015, 1)
    keep = (chain["expiry_ns"] != 4) | np.isin(chain["strike"], (1990.0, 2000.0, 2010.0))
    few = {name: value[keep] if isinstance(value, np.ndarray) else value for name, value in chain.items()}
    found = forwards(**few)  # type: ignore[arg-type]
    assert found.discount[4] == pytest.approx(np.exp(-0.053 * YEARS[4]), abs=5e-4)
    assert np.isfinite(found.discount_error[4])
    alone = {
        name: value[few["expiry_ns"] == 4] if isinstance(value, np.ndarray) else value
        for name, value in few.items()
    }
    only = forwards(**alone)  # type: ignore[arg-type]
    assert only.discount.tolist() == [1.0] and np.isnan(only.discount_error[0]) and only.forward_error[0] > 0
