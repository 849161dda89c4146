"""Boundaries interpolated over vol are those that are solved."""

from __future__ import annotations

import numpy as np
import pytest

from workstation.pricing import american, american_families
from workstation.pricing.american_families import Boundaries, SharedBoundaries, boundaries_of
from workstation.pricing.american_terms import put_terms

YEARS = np.repeat([0.02, 0.3, 1.5], 120)
STRIKES = np.tile(100.0 * np.exp(np.linspace(-0.4, 0.4, 60)).repeat(2), 3)
CALLS = np.tile([True, False], 180)
CHAIN = {
    "spots": np.full(360, 100.0),
    "strikes": STRIKES,
    "years": YEARS,
    "vols": np.clip(0.25 - 0.5 * np.log(STRIKES / 100.0), 0.1, 0.9),
    "rates": np.full(360, 0.045),
    "yields": np.full(360, 0.012),
    "is_call": CALLS,
}


def solved(monkeypatch: pytest.MonkeyPatch, function, **more):
    """The same with every boundary solved by itself."""
    with monkeypatch.context() as patch:
        patch.setattr(american_families, "POINTS", {})
        return function(**CHAIN, **more)


def test_a_chain_shares_its_boundaries_and_few_options_do_not():
    terms = put_terms(**CHAIN)
    assert isinstance(boundaries_of(terms, "fast"), SharedBoundaries)
    assert type(boundaries_of(terms.part(slice(0, 30)), "fast")) is Boundaries
    assert type(boundaries_of(terms, "exact")) is Boundaries


@pytest.mark.parametrize(("accuracy", "worst", "off"), [("fast", 1e-8, 1e-4), ("standard", 1e-10, 1e-5)])
def test_prices_and_boundaries_are_those_that_are_solved(monkeypatch, accuracy, worst, off):
    shared = american.price(**CHAIN, accuracy=accuracy)
    assert np.abs(shared - solved(monkeypatch, american.price, accuracy=accuracy)).max() < 100.0 * worst
    held = {name: CHAIN[name] for name in CHAIN if name != "spots"}
    edge = american.boundary(**held, accuracy=accuracy)
    with monkeypatch.context() as patch:
        patch.setattr(american_families, "POINTS", {})
        alone = american.boundary(**held, accuracy=accuracy)
    assert np.abs(edge / alone - 1.0).max() < off


def test_greeks_are_those_that_are_solved(monkeypatch):
    names = ("delta", "gamma", "vega", "theta", "rho", "vanna", "charm", "vomma")
    shared = american.greeks(**CHAIN, names=names, accuracy="standard")
    alone = solved(monkeypatch, american.greeks, names=names, accuracy="standard")
    for name in names:
        assert np.abs(shared[name] - alone[name]).max() < 2e-3 * np.abs(alone[name]).max(), name


@pytest.mark.parametrize("vol", [1e-7, 0.004, 0.02, 60.0, 1e6])
def test_a_row_off_the_panels_is_solved_by_itself_and_costs_the_others_nothing(vol):
    odd = CHAIN["vols"].copy()
    odd[7] = vol
    found = american.price(**{**CHAIN, "vols": odd}, accuracy="fast")
    others = np.arange(found.size) != 7
    assert np.array_equal(found[others], american.price(**CHAIN, accuracy="fast")[others])
    one = {name: column[7:8] for name, column in {**CHAIN, "vols": odd}.items()}
    assert found[7] == pytest.approx(american.price(**one, accuracy="fast")[0], abs=1e-4)


def test_vols_of_a_chain_come_back():
    price = american.price(**CHAIN, accuracy="fast")
    held = {name: CHAIN[name] for name in CHAIN if name != "vols"}
    vols = american.implied_vol(prices=price, **held, accuracy="fast")
    vega = american.greeks(**CHAIN, names=("vega",), accuracy="fast")["vega"]
    determined = vega > 1e-3
    assert determined.sum() > 200
    assert np.abs(vols - CHAIN["vols"])[determined].max() < 1e-7
