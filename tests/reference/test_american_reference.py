"""American options against QuantLib and the published tables."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import QuantLib as ql

from tests.reference.quantlib_american import Options, QuantLibAmerican, high_precision, options
from workstation.pricing import american
from workstation.pricing.black import price as european_price

TABLES = Path(__file__).parent / "american_tables.csv"


@cache
def priced_by_quantlib() -> tuple[Options, np.ndarray]:
    cases = options(240, seed=20)
    return cases, QuantLibAmerican(high_precision()).prices(cases)


@pytest.mark.parametrize(
    ("accuracy", "worst", "usual"), [("fast", 1e-4, 1e-8), ("standard", 1e-6, 1e-10), ("exact", 2e-7, 1e-12)]
)
def test_prices_are_those_of_quantlib(accuracy, worst, usual):
    """The most precise scheme of QuantLib is itself 1e-7 off at worst: see ``test_where_we_differ_quantlib_comes_to_us``."""
    cases, theirs = priced_by_quantlib()
    ours = american.price(**cases.arguments(), accuracy=accuracy)
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    apart = np.abs(ours - theirs)[~np.isnan(theirs)] / 100.0
    assert apart.max() < worst
    assert np.median(apart) < usual


def test_where_we_differ_quantlib_comes_to_us():
    cases, theirs = priced_by_quantlib()
    ours = american.price(**cases.arguments(), accuracy="exact")
    widest = np.argsort(np.where(np.isnan(theirs), 0.0, np.abs(ours - theirs)))[-4:]
    part = Options(*(column[widest] for column in cases))
    finer = QuantLibAmerican(ql.QdFpTanhSinhIterationScheme(20, 60, 1e-12)).prices(part)
    before, after = np.abs(ours - theirs)[widest], np.abs(ours[widest] - finer)
    assert (after < before).all()
    assert after.max() < 0.2 * before.max()


@pytest.mark.parametrize(("accuracy", "worst"), [("fast", 1e-4), ("standard", 1e-6), ("exact", 1e-7)])
def test_low_carry_at_high_variance_is_solved_to_the_end(accuracy, worst):
    """Rate and yield next to 0 beside the variance: the QD+ start is several times the boundary off."""
    cases = Options(
        spots=np.full(5, 100.0),
        strikes=np.array([738.90561, 738.90561, 13.53353, 376.52372, 13.53353]),
        days=np.array([1357, 854, 1456, 696, 1201]),
        vols=np.array([1.97298, 1.87316, 1.67503, 1.84986, 1.6777]),
        rates=np.array([0.02505, 0.01875, -0.00274, 0.03153, 0.00027]),
        yields=np.array([-0.00216, -0.00908, 0.01751, -0.00216, 0.03435]),
        is_call=np.array([False, False, True, False, True]),
    )
    theirs = QuantLibAmerican(high_precision()).prices(cases)
    assert np.abs(american.price(**cases.arguments(), accuracy=accuracy) - theirs).max() / 100.0 < worst


def test_two_boundaries_are_told_where_quantlib_refuses():
    cases, theirs = priced_by_quantlib()
    told = american.has_two_boundaries(rates=cases.rates, yields=cases.yields, is_call=cases.is_call)
    assert np.array_equal(told, np.isnan(theirs))


def table(*kinds: str) -> dict[str, np.ndarray]:
    with TABLES.open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["kind"] in kinds]
    numbers = {
        name: np.array([float(row[name]) for row in rows])
        for name in ("strike", "spot", "yield", "rate", "years", "vol", "value")
    }
    return {**numbers, "call": np.array([row["type"] == "Call" for row in rows])}


def ours(of: dict[str, np.ndarray]) -> np.ndarray:
    return american.price(
        spots=of["spot"], strikes=of["strike"], years=of["years"], vols=of["vol"], rates=of["rate"],
        yields=of["yield"], is_call=of["call"],
    )  # fmt: skip


def test_values_of_a_fine_tree():
    of = table("value")
    assert len(of["value"]) == 27
    assert np.abs(ours(of) - of["value"]).max() < 1e-4


def test_published_premiums_of_andersen_lake_and_offengenden():
    of = table("premium")
    forward = of["spot"] * np.exp((of["rate"] - of["yield"]) * of["years"])
    european = european_price(
        forwards=forward, strikes=of["strike"], years=of["years"], vols=of["vol"], is_call=of["call"],
        discounts=np.exp(-of["rate"] * of["years"]),
    )  # fmt: skip
    assert np.abs(ours(of) - european - of["value"]).max() < 2e-7


def test_published_approximations_are_near():
    of = table("approximation")
    assert len(of["value"]) == 84
    assert np.abs(ours(of) - of["value"]).max() < 0.08
    near = of["years"] < 1.0
    assert np.abs(ours(of) - of["value"])[near].max() < 0.04


def test_published_lower_bounds_are_below():
    of = table("lower bound")
    found = ours(of)
    assert (found > of["value"]).all()
    assert (found < 1.01 * of["value"]).all()
