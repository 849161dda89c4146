"""Laws of smiles and surfaces on random ones: recovery, freedom from arbitrage after repair, positive vols."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.pricing.smile import SVI, calibrate
from workstation.pricing.smile_arbitrage import common_grid, without_arbitrage
from workstation.pricing.svi_fit import fit_smile


def g_of(k: np.ndarray, svi: SVI) -> np.ndarray:
    """Durrleman's g, written out for this test."""
    a, b, rho, m, sigma = svi.a, svi.b, svi.rho, svi.m, svi.sigma
    root = np.sqrt((k - m) ** 2 + sigma**2)
    w = a + b * (rho * (k - m) + root)
    first, second = b * (rho + (k - m) / root), b * sigma**2 / root**3
    return (1 - k * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + 0.25) + second / 2


@st.composite
def smiles(draw: st.DrawFn) -> tuple[SVI, np.ndarray, float]:
    """A smile with its vertex among its strikes, log-moneyness of the strikes, years."""
    width = draw(st.floats(0.05, 0.5))
    k = width * np.linspace(-2.5, 2.5, draw(st.integers(9, 40)))
    sigma, m = width * draw(st.floats(0.3, 1.5)), width * draw(st.floats(-0.8, 0.8))
    b, rho = width * draw(st.floats(0.1, 1.2)), draw(st.floats(-0.85, 0.85))
    least = width * width * draw(st.floats(0.2, 1.5))
    a = least - b * sigma * np.sqrt(1 - rho * rho)
    return SVI(a=a, b=b, rho=rho, m=m, sigma=sigma), k, draw(st.floats(0.005, 2.0))


@effort(120)
@given(smiles())
def test_a_free_smile_is_recovered_from_its_own_quotes(case: tuple[SVI, np.ndarray, float]) -> None:
    true, k, years = case
    assume(true.least_g(k.min(), k.max()) > 1e-3)
    found = fit_smile(log_moneyness=k, vols=true.vol(k, years=years), years=years)
    assert np.abs(found.vol(k, years=years) - true.vol(k, years=years)).max() < 1e-6
    size = np.array([true.a + true.b, true.b, 1.0, true.sigma, true.sigma])
    assert (np.abs(found.raw - true.raw) <= 2e-3 * np.abs(size)).all()


@effort(60)
@given(smiles(), st.integers(0, 2**31), st.floats(0.0, 0.15))
def test_a_fitted_smile_is_free_positive_and_within_lees_bound(
    case: tuple[SVI, np.ndarray, float], seed: int, noise: float
) -> None:
    true, k, years = case
    vols = true.vol(k, years=years) * np.exp(noise * np.random.default_rng(seed).standard_normal(k.size))
    found = fit_smile(log_moneyness=k, vols=vols, years=years)
    assert found.b * (1 + abs(found.rho)) <= 2.0 and found.sigma > 0 and abs(found.rho) <= 1.0
    dense = np.concatenate(
        [np.linspace(8 * k.min(), 8 * k.max(), 4001), found.m + found.sigma * np.linspace(-5, 5, 1001)]
    )
    assert g_of(dense, found).min() >= -1e-10
    assert found.total_variance(dense).min() > 0


@effort(30)
@given(smiles(), st.lists(st.floats(0.8, 1.3), min_size=2, max_size=5), st.integers(0, 2**31))
def test_repaired_smiles_do_not_cross(
    case: tuple[SVI, np.ndarray, float], growth: list[float], seed: int
) -> None:
    """Smiles of one shape whose variance falls from some expiries to the next, with noise."""
    true, k, years = case
    random = np.random.default_rng(seed)
    plain: list[Any] = []
    level = 1.0
    for place, factor in enumerate(growth):
        level *= factor
        later = years * (1 + 0.1 * place)
        w = (
            level
            * true.total_variance(k * random.uniform(0.7, 1.3))
            * np.exp(0.05 * random.standard_normal(k.size))
        )
        plain.append(calibrate(log_moneyness=k, vols=np.sqrt(w / later), years=later))
    repaired = without_arbitrage(plain)
    grid = common_grid(plain)
    variance = np.array([one.svi.total_variance(grid) for one in repaired])
    assert np.diff(variance, axis=0).min() >= -1e-10
    for one in repaired:
        assert g_of(np.linspace(4 * k.min(), 4 * k.max(), 2001), one.svi).min() >= -1e-10
        assert (one.svi.total_variance(grid) > 0).all()


@effort(20)
@given(smiles(), st.integers(0, 2**31))
def test_the_order_of_quotes_plays_no_part(case: tuple[SVI, np.ndarray, float], seed: int) -> None:
    true, k, years = case
    vols = true.vol(k, years=years)
    order = np.random.default_rng(seed).permutation(k.size)
    one = fit_smile(log_moneyness=k, vols=vols, years=years)
    two = fit_smile(log_moneyness=k[order], vols=vols[order], years=years)
    assert np.abs(one.vol(k, years=years) - two.vol(k, years=years)).max() < 1e-6
