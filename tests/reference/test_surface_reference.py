"""SVI against published numbers: the Vogt smile, its jump wings, and smiles free by theorem."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from workstation.pricing.smile import SVI, calibrate
from workstation.pricing.smile_arbitrage import butterflies, common_grid, crossings, without_arbitrage
from workstation.pricing.svi_fit import fit_smile

VOGT = {"a": -0.0410, "b": 0.1331, "m": 0.3586, "rho": 0.3060, "sigma": 0.4153}
"""Axel Vogt's smile of one year (Gatheral, Jacquier 2014, example 3.1): positive variance, and arbitrage."""
VOGT_JUMP_WINGS = {
    "variance": 0.01742625,
    "skew": -0.1752111,
    "put": 0.6997381,
    "call": 1.316798,
    "least": 0.0116249,
}
"""The same, example 5.1."""


def variance(k: np.ndarray, *, a: float, b: float, rho: float, m: float, sigma: float) -> np.ndarray:
    return a + b * (rho * (k - m) + np.sqrt((k - m) ** 2 + sigma**2))


def durrleman(k: np.ndarray, **raw: float) -> np.ndarray:
    """g with derivatives by central differences in extended precision."""
    k, step = k.astype(np.longdouble), np.longdouble(1e-5)
    down, here, up = (variance(k + shift * step, **raw) for shift in (-1, 0, 1))
    slope, bend = (up - down) / (2 * step), (up - 2 * here + down) / step**2
    return (1 - k * slope / (2 * here)) ** 2 - slope**2 / 4 * (1 / here + 0.25) + bend / 2


def butterfly_prices(k: np.ndarray, **raw: float) -> np.ndarray:
    """Prices of narrow butterflies over the forward 1: second differences of Black's calls, over the squared strike step."""

    def call(strike: np.ndarray) -> np.ndarray:
        root = np.sqrt(variance(np.log(strike), **raw))
        d1 = -np.log(strike) / root + root / 2
        return norm.cdf(d1) - strike * norm.cdf(d1 - root)

    strike, step = np.exp(k), 1e-3 * np.exp(k)
    return (call(strike - step) - 2 * call(strike) + call(strike + step)) / step**2


def parameters(smile: SVI) -> dict[str, float]:
    return {name: getattr(smile, name) for name in VOGT}


def test_jump_wings_are_the_published_ones() -> None:
    found = SVI(**VOGT).jump_wings(years=1.0)
    for name, value in VOGT_JUMP_WINGS.items():
        assert getattr(found, name) == pytest.approx(value, rel=2e-6), name


def test_g_is_durrlemans() -> None:
    k = np.linspace(-1.5, 1.5, 601)
    assert np.allclose(SVI(**VOGT).g(k), durrleman(k, **VOGT).astype(float), atol=1e-7)


def test_the_vogt_smile_has_a_butterfly_of_negative_price_and_its_repair_has_none() -> None:
    k = np.linspace(-1.5, 1.5, 61)
    dense = np.linspace(-3.0, 3.0, 6001)
    assert durrleman(dense, **VOGT).min() < -0.03
    assert butterfly_prices(dense, **VOGT).min() < 0
    vols = np.sqrt(variance(k, **VOGT))
    plain = calibrate(log_moneyness=k, vols=vols, years=1.0)
    assert butterflies(plain) > 0
    assert plain.svi.raw == pytest.approx(
        np.array([VOGT[n] for n in ("a", "b", "rho", "m", "sigma")]), rel=1e-6
    )
    repaired = fit_smile(log_moneyness=k, vols=vols, years=1.0)
    assert durrleman(dense, **parameters(repaired)).min() > -1e-9
    assert butterfly_prices(dense, **parameters(repaired)).min() > -1e-9
    assert np.abs(repaired.vol(k, years=1.0) - vols).max() < 0.02
    assert np.sqrt(np.mean((repaired.vol(k, years=1.0) - vols) ** 2)) < 0.008


def test_the_repair_is_nearer_to_the_quotes_than_the_published_ones() -> None:
    """Example 5.1 keeps variance, skew and put wing and moves the call wing to 0.8564763: we may move all."""
    k = np.linspace(-1.5, 1.5, 61)
    w = variance(k, **VOGT)
    root = np.sqrt(VOGT_JUMP_WINGS["variance"])
    put, call, skew = VOGT_JUMP_WINGS["put"], 0.8564763, VOGT_JUMP_WINGS["skew"]
    b, rho = root * (call + put) / 2, 1 - 2 * put / (call + put)
    beta = rho - 2 * skew * root / b
    alpha = np.sign(beta) * np.sqrt(1 / beta**2 - 1)
    m = (VOGT_JUMP_WINGS["variance"] - VOGT_JUMP_WINGS["least"]) / (
        b * (-rho + np.sign(alpha) * np.sqrt(1 + alpha**2) - alpha * np.sqrt(1 - rho**2))
    )
    sigma = alpha * m
    published = {
        "a": VOGT_JUMP_WINGS["least"] - b * sigma * np.sqrt(1 - rho**2),
        "b": b,
        "rho": rho,
        "m": m,
        "sigma": sigma,
    }
    assert durrleman(np.linspace(-3, 3, 3001), **published).min() > -1e-3
    theirs = np.sqrt(np.mean((np.sqrt(variance(k, **published)) - np.sqrt(w)) ** 2))
    ours = fit_smile(log_moneyness=k, vols=np.sqrt(w), years=1.0)
    assert np.sqrt(np.mean((ours.vol(k, years=1.0) - np.sqrt(w)) ** 2)) < theirs


@pytest.mark.parametrize("rho", [-0.7, 0.0, 0.4])
def test_a_surface_free_by_theorem_is_left_alone(rho: float) -> None:
    """SSVI with the power law: theta phi (1 + |rho|) <= 4 and phi falling in theta (theorems 4.1, 4.2)."""
    k = np.linspace(-0.6, 0.6, 25)
    smiles = []
    for theta, years in ((0.01, 0.1), (0.04, 0.5), (0.09, 1.2)):
        phi = 0.8 / np.sqrt(theta)
        w = theta / 2 * (1 + rho * phi * k + np.sqrt((phi * k + rho) ** 2 + 1 - rho**2))
        smiles.append(calibrate(log_moneyness=k, vols=np.sqrt(w / years), years=years))
    assert [butterflies(one) for one in smiles] == [0, 0, 0]
    assert crossings(smiles, common_grid(smiles)).sum() == 0
    for before, after in zip(smiles, without_arbitrage(smiles), strict=True):
        assert np.array_equal(before.svi.raw, after.svi.raw)
