"""The synthetic vol surface: SSVI over a mean-reverting term structure."""

from __future__ import annotations

import numpy as np

REVERSION_PER_YEAR = 5.0


def atm_variance(*, years: np.ndarray, variance: float, long_run: float) -> np.ndarray:
    """Total at-the-money variance to each of ``years`` (non-decreasing): the mean variance of a reverting one."""
    decay = REVERSION_PER_YEAR * years
    return long_run * years + (variance - long_run) * -np.expm1(-decay) / REVERSION_PER_YEAR


def vols(
    *, log_moneyness: np.ndarray, years: np.ndarray, variance: float, long_run: float, rho: float, eta: float
) -> np.ndarray:
    """Implied vol (annual decimal) at ln(K/F) and years, both shape (n,).

    Source: Gatheral and Jacquier (2014), SSVI with phi = eta / sqrt(theta (1 + theta)): free of butterfly and
    calendar arbitrage when eta (1 + |rho|) <= 2 and theta does not fall with time.

    Examples
    --------
    >>> vols(log_moneyness=np.zeros(1), years=np.ones(1), variance=0.04, long_run=0.04, rho=-0.5, eta=1.0).round(6)
    array([0.2])
    """
    theta = atm_variance(years=years, variance=variance, long_run=long_run)
    scaled = eta / np.sqrt(theta * (1.0 + theta)) * log_moneyness
    total = 0.5 * theta * (1.0 + rho * scaled + np.sqrt((scaled + rho) ** 2 + 1.0 - rho * rho))
    vol: np.ndarray = np.sqrt(total / years)
    return vol
