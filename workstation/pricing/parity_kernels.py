"""Kernels of put-call parity: the liquid strikes of an expiry, and the weighted line through call less put."""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

NEAR_STRIKES: Final = 21
"""The strikes nearest the money say what a narrow spread is and where the fit starts."""
DISCOUNT_STRIKES: Final = 5
"""Liquid strikes that a discount factor takes."""
WIDEST: Final = 2.0 + 1e-9
"""Widest spread of a liquid strike, in lower quartiles of the spread; the margin lets equal spreads be equal."""
LOWEST_DISCOUNT, HIGHEST_DISCOUNT = 0.6, 1.05
"""A slope outside is no discount factor."""
PRIOR_VARIANCE: Final = 1.0 / 12.0
"""Of a mid's error in squared spreads before any residual is seen: anywhere within the spread."""
OUTLIER: Final = 5.0
"""Residuals beyond this many robust standard deviations are left out."""


@numba.njit(cache=True)
def liquid(
    strike: Any, call_bid: Any, call_ask: Any, put_bid: Any, put_ask: Any, near_only: bool
) -> tuple[Any, Any, Any]:
    """Strike, mid of call less put and both spreads together of liquid strikes, nearest the money first."""
    good = (call_bid > 0.0) & (call_ask >= call_bid) & (put_bid > 0.0) & (put_ask >= put_bid)
    held = np.flatnonzero(good)
    if held.size == 0:
        return np.empty(0), np.empty(0), np.empty(0)
    gap = 0.5 * (call_bid[held] + call_ask[held] - put_bid[held] - put_ask[held])
    at, width = strike[held], call_ask[held] - call_bid[held] + put_ask[held] - put_bid[held]
    order = np.argsort(np.abs(gap), kind="mergesort")
    if near_only:
        order = order[:NEAR_STRIKES]
    narrow = np.quantile(width[order[:NEAR_STRIKES]], 0.25)
    order = order[width[order] <= WIDEST * narrow]
    floor = max(narrow, 1e-9 * at.max()) * 1e-3
    return at[order], gap[order], np.maximum(width[order], floor)


@numba.njit(cache=True)
def first_slope(strike: Any, gap: Any) -> float:
    """Minus the median slope between pairs of strikes (Theil-Sen): wrong quotes do not move it. NaN of too few."""
    if strike.size < DISCOUNT_STRIKES:
        return np.nan
    slopes = np.empty(strike.size * (strike.size - 1) // 2)
    count = 0
    for left in range(strike.size):
        for right in range(left + 1, strike.size):
            if strike[right] != strike[left]:
                slopes[count] = (gap[right] - gap[left]) / (strike[right] - strike[left])
                count += 1
    return -np.median(slopes[:count]) if count else np.nan


@numba.njit(cache=True)
def inliers(values: Any, width: Any) -> Any:
    """Which values are near the median of the first ones, for their spreads."""
    off = np.abs(values - np.median(values[:NEAR_STRIKES])) / width
    scale = max(1.4826 * np.median(off[:NEAR_STRIKES]), np.sqrt(PRIOR_VARIANCE))
    return np.flatnonzero(off <= OUTLIER * scale)


@numba.njit(cache=True)
def variance(residual: Any, width: Any, used: int) -> Any:
    """Variance of a mid in squared spreads, from the residuals and one draw of the prior."""
    squares = np.sum(np.square(residual / width))
    return (squares + PRIOR_VARIANCE) / (max(residual.size - used, 0) + 1)


@numba.njit(cache=True)
def level(strike: Any, gap: Any, width: Any, discount: float) -> tuple[float, float, float, float, float]:
    """Centre, level and its error of the line of a given slope; slope and its error NaN."""
    kept = inliers(gap + discount * strike, width)
    at, value, spread = strike[kept], gap[kept], width[kept]
    weight = 1.0 / np.square(spread)
    total = weight.sum()
    centre, height = np.sum(weight * at) / total, np.sum(weight * value) / total
    noise = variance(value - height + discount * (at - centre), spread, 1)
    return centre, height, np.sqrt(noise / total), np.nan, np.nan


@numba.njit(cache=True)
def line(strike: Any, gap: Any, width: Any) -> tuple[float, float, float, float, float]:
    """Centre, level, its error, slope and its error of the weighted line, outliers left out; NaN slope where none is measured."""
    slope = first_slope(strike[:NEAR_STRIKES], gap[:NEAR_STRIKES])
    if np.isnan(slope):
        return level(strike, gap, width, 1.0)
    kept = inliers(gap + slope * strike, width)
    if np.unique(strike[kept]).size < DISCOUNT_STRIKES:
        return level(strike, gap, width, 1.0)
    at, value, spread = strike[kept], gap[kept], width[kept]
    weight = 1.0 / np.square(spread)
    total = weight.sum()
    centre, height = np.sum(weight * at) / total, np.sum(weight * value) / total
    across = at - centre
    leverage = np.sum(weight * np.square(across))
    slope = -np.sum(weight * across * value) / leverage
    noise = variance(value - height + slope * across, spread, 2)
    if not (LOWEST_DISCOUNT <= slope <= HIGHEST_DISCOUNT):
        return level(strike, gap, width, 1.0)
    return centre, height, np.sqrt(noise / total), slope, np.sqrt(noise / leverage)
