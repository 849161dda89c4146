"""Kernels of the SVI smile: its curve, Durrleman's g, where its deltas are.

Raw SVI is w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)). Searched is the point
x = (ln v, left, right, m, ln sigma) with v the least total variance and left and right the logits of half the
wings' slopes, b (1 - rho) = 2 / (1 + exp(-left)) and b (1 + rho) = 2 / (1 + exp(-right)):

    w(k) = v + (R - L) / 2 (k - m) + (R + L) / 2 sqrt((k - m)^2 + sigma^2) - sigma sqrt(L R)

Every x is a smile of positive variance within Lee's bound b (1 + |rho|) <= 2, so the search needs no constraint for
these. Single letters are those of the cited formulas.

Sources: J. Gatheral, A. Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14 (2014); R. Lee, The
moment formula for implied volatility at extreme strikes, Mathematical Finance 14 (2004).
"""

from __future__ import annotations

from math import exp, log, sinh, sqrt
from typing import Any, Final

import numba
import numpy as np

PARAMETERS: Final = 5
STEEPEST: Final = 2.0
"""Lee's bound on the slope of total variance in the wings."""
_UNIFORM: Final = 161
_NEAR: Final = 80
_FAR: Final = 40

jit = numba.njit(cache=True, error_model="numpy")


@jit
def raw_of(x: Any, raw: Any) -> None:
    """(a, b, rho, m, sigma) of a point of the search."""
    left, right = STEEPEST / (1.0 + exp(-x[1])), STEEPEST / (1.0 + exp(-x[2]))
    sigma = exp(x[4])
    raw[0] = exp(x[0]) - sigma * sqrt(left * right)
    raw[1] = 0.5 * (left + right)
    raw[2] = (right - left) / (left + right)
    raw[3] = x[3]
    raw[4] = sigma


@jit
def point_of(raw: Any, x: Any) -> None:
    """The point of the search of (a, b, rho, m, sigma), moved into its bounds where it lies on or beyond them."""
    least = raw[0] + raw[1] * raw[4] * sqrt(max(1.0 - raw[2] * raw[2], 0.0))
    x[0] = log(max(least, 1e-12))
    for side in range(2):
        slope = raw[1] * (1.0 - raw[2] if side == 0 else 1.0 + raw[2])
        share = min(max(slope / STEEPEST, 1e-7), 1.0 - 1e-7)
        x[1 + side] = log(share / (1.0 - share))
    x[3] = raw[3]
    x[4] = log(max(raw[4], 1e-12))


@jit
def curve(raw: Any, k: float) -> tuple[float, float, float]:
    """Total variance and its two derivatives by k."""
    y = k - raw[3]
    root = sqrt(y * y + raw[4] * raw[4])
    # away from the vertex a and the rest nearly cancel; both parts are summed before a is added
    w = raw[0] + raw[1] * (raw[2] * y + root)
    slope = raw[1] * (raw[2] + y / root)
    return w, slope, raw[1] * raw[4] * raw[4] / (root * root * root)


@jit
def g_of(raw: Any, k: float) -> float:
    """Durrleman's g: the density of ln(S/F) has its sign. Minus infinity where variance is not positive."""
    w, slope, bend = curve(raw, k)
    if not w > 0.0:
        return -np.inf
    part = 1.0 - 0.5 * k * slope / w
    return float(part * part - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * bend)


@jit
def fill_total_variance(raw: Any, k: Any, out: Any) -> None:
    """Total variance at each k."""
    for i in range(k.size):
        out[i] = curve(raw, k[i])[0]


@jit
def fill_g(raw: Any, k: Any, out: Any) -> None:
    """g at each k."""
    for i in range(k.size):
        out[i] = g_of(raw, k[i])


@jit
def grid_of(raw: Any, low: float, high: float) -> Any:
    """Where g is looked at: the quoted range with half of it more on each side, the vertex closely, and far out."""
    grid = np.empty(_UNIFORM + _NEAR + 2 * _FAR)
    span = max(high - low, 1e-3)
    first, last = low - 0.5 * span, high + 0.5 * span
    for i in range(_UNIFORM):
        grid[i] = first + (last - first) * i / (_UNIFORM - 1)
    for i in range(_NEAR):
        grid[_UNIFORM + i] = raw[3] + raw[4] * sinh(-4.0 + 8.0 * (i + 0.5) / _NEAR)
    for i in range(_FAR):
        away = span * (exp(0.15 * (i + 1)) - 1.0)
        grid[_UNIFORM + _NEAR + i] = first - away
        grid[_UNIFORM + _NEAR + _FAR + i] = last + away
    return np.sort(grid)


@jit
def least_g(raw: Any, low: float, high: float) -> tuple[float, int]:
    """The least g over the grid, refined between its points, and how many points of the grid are under zero."""
    grid = grid_of(raw, low, high)
    least, under = np.inf, 0
    before, here = np.inf, g_of(raw, grid[0])
    for i in range(grid.size):
        after = g_of(raw, grid[i + 1]) if i + 1 < grid.size else np.inf
        under += here < -1e-10
        least = min(least, here)
        if here <= before and here <= after and 0 < i < grid.size - 1:
            least = min(least, _refined(raw, grid[i - 1], grid[i + 1]))
        before, here = here, after
    return least, under


@jit
def _refined(raw: Any, low: float, high: float) -> float:
    """Least g between two points, by golden section."""
    golden = 0.6180339887498949
    one, two = high - golden * (high - low), low + golden * (high - low)
    at_one, at_two = g_of(raw, one), g_of(raw, two)
    for _ in range(24):
        if at_one < at_two:
            high, two, at_two = two, one, at_one
            one = high - golden * (high - low)
            at_one = g_of(raw, one)
        else:
            low, one, at_one = one, two, at_two
            two = low + golden * (high - low)
            at_two = g_of(raw, two)
    return float(min(at_one, at_two))


@jit
def fill_log_moneyness(raw: Any, quantiles: Any, low: float, high: float, out: Any) -> None:
    """k in [low, high] at which d1 is each quantile, by bisection; NaN where it is not between them.

    d1 = -k / sqrt(w) + sqrt(w) / 2 falls with k where the smile is free of butterflies.
    """
    for i in range(quantiles.size):
        near, far = low, high
        out[i] = np.nan
        if not _d1(raw, near) >= quantiles[i] >= _d1(raw, far):
            continue
        for _ in range(60):
            middle = 0.5 * (near + far)
            if _d1(raw, middle) > quantiles[i]:
                near = middle
            else:
                far = middle
        out[i] = 0.5 * (near + far)


@jit
def _d1(raw: Any, k: float) -> float:
    root = sqrt(curve(raw, k)[0])
    return -k / root + 0.5 * root
