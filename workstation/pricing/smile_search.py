"""Least squares over SVI smiles: the search for a vertex and the descent, with penalties for arbitrage.

What is searched is the point x of ``smile_kernels``. Source of the linear part: S. De Marco, C. Martini,
Quasi-explicit calibration of Gatheral's SVI model (2009).
"""

from __future__ import annotations

from math import exp, isfinite, sqrt
from typing import Any, Final

import numpy as np

from workstation.pricing.smile_kernels import PARAMETERS, STEEPEST, curve, g_of, jit, point_of, raw_of

_STEP: Final = 1e-6
_MS: Final = 9
_SIGMAS: Final = 7
_STARTS: Final = 3


@jit
def _accumulate(row: Any, residual: float, square: Any, gradient: Any) -> None:
    for i in range(PARAMETERS):
        gradient[i] += row[i] * residual
        for j in range(i + 1):
            square[i, j] += row[i] * row[j]


@jit
def _slopes(x: Any, raw: Any, k: float, row: Any) -> None:
    """Derivatives of total variance at k by the five coordinates of the search."""
    left, right = raw[1] * (1.0 - raw[2]), raw[1] * (1.0 + raw[2])
    y = k - raw[3]
    root, sigma, mean = sqrt(y * y + raw[4] * raw[4]), raw[4], sqrt(left * right)
    row[0] = exp(x[0])
    row[1] = 0.5 * (1.0 - left / STEEPEST) * (left * (root - y) - sigma * mean)
    row[2] = 0.5 * (1.0 - right / STEEPEST) * (right * (root + y) - sigma * mean)
    row[3] = -raw[1] * (raw[2] + y / root)
    row[4] = sigma * (raw[1] * sigma / root - mean)


@jit
def _quotes_part(x: Any, raw: Any, data: Any, square: Any, gradient: Any) -> float:
    """Weighted squares of the misfit to the quotes."""
    k, w, scale = data
    row, cost = np.empty(PARAMETERS), 0.0
    for i in range(k.size):
        residual = scale[i] * (curve(raw, k[i])[0] - w[i])
        cost += residual * residual
        if square.size:
            _slopes(x, raw, k[i], row)
            row *= scale[i]
            _accumulate(row, residual, square, gradient)
    return cost


@jit
def _neighbours_part(x: Any, raw: Any, fence: Any, square: Any, gradient: Any) -> float:
    """Weighted squares of how far the smile goes under its floor or over its ceiling."""
    grid, floor, ceiling, scale = fence[3:]
    row, cost = np.empty(PARAMETERS), 0.0
    for i in range(grid.size):
        here = curve(raw, grid[i])[0]
        residual = scale[i] * (min(here - floor[i], 0.0) + max(here - ceiling[i], 0.0))
        if residual != 0.0:
            cost += residual * residual
            if square.size:
                _slopes(x, raw, grid[i], row)
                row *= scale[i]
                _accumulate(row, residual, square, gradient)
    return cost


@jit
def _butterflies_part(x: Any, raw: Any, fence: Any, square: Any, gradient: Any) -> float:
    """Weighted squares of how far g is under its margin."""
    grid, scale, margin = fence[:3]
    row, cost = np.empty(PARAMETERS), 0.0
    moved = _moved(x) if square.size and grid.size else np.empty((0, 0, 0))
    for i in range(grid.size):
        short = g_of(raw, grid[i]) - margin
        if short < 0.0:
            cost += scale * scale * short * short
            if square.size:
                for n in range(PARAMETERS):
                    row[n] = scale * (g_of(moved[0, n], grid[i]) - g_of(moved[1, n], grid[i])) / (2.0 * _STEP)
                _accumulate(row, scale * short, square, gradient)
    return cost


@jit
def _equations(x: Any, data: Any, fence: Any, square: Any, gradient: Any) -> float:
    """Sum of squares at x; the normal equations of its linearisation when ``square`` has room for them.

    ``data``: k, w, scale. ``fence``: grid of g, its scale and margin; grid of the neighbours, floor, ceiling, scale.
    """
    raw = np.empty(PARAMETERS)
    raw_of(x, raw)
    if square.size:
        square[:] = 0.0
        gradient[:] = 0.0
    cost = _quotes_part(x, raw, data, square, gradient)
    cost += _neighbours_part(x, raw, fence, square, gradient)
    return float(cost + _butterflies_part(x, raw, fence, square, gradient))


@jit
def _moved(x: Any) -> Any:
    """Raw parameters with each coordinate a step up, then a step down."""
    moved, raws = x.copy(), np.empty((2, PARAMETERS, PARAMETERS))
    for i in range(PARAMETERS):
        for side in range(2):
            moved[i] = x[i] + _STEP * (1.0 - 2.0 * side)
            raw_of(moved, raws[side, i])
        moved[i] = x[i]
    return raws


@jit
def _factor(square: Any, damping: float, free: Any, lower: Any) -> bool:
    """Cholesky factor of the damped normal equations over the free coordinates; False when not definite."""
    for i in range(PARAMETERS):
        for j in range(i + 1):
            total = square[i, j] if free[i] and free[j] else 0.0
            if i == j:
                total = total * (1.0 + damping) + 1e-14 if free[i] else 1.0
            for n in range(j):
                total -= lower[i, n] * lower[j, n]
            if i == j:
                if not total > 0.0:
                    return False
                lower[i, i] = sqrt(total)
            else:
                lower[i, j] = total / lower[j, j]
    return True


@jit
def _solve(lower: Any, gradient: Any, free: Any, step: Any) -> None:
    """Step of the factored equations."""
    for i in range(PARAMETERS):
        total = -gradient[i] if free[i] else 0.0
        for n in range(i):
            total -= lower[i, n] * step[n]
        step[i] = total / lower[i, i]
    for i in range(PARAMETERS - 1, -1, -1):
        total = step[i]
        for n in range(i + 1, PARAMETERS):
            total -= lower[n, i] * step[n]
        step[i] = total / lower[i, i]


@jit
def descend(x: Any, bounds: Any, data: Any, fence: Any, most: int, enough: float) -> float:
    """Levenberg-Marquardt within bounds, in place, until a step gains less than a share; gives the sum of squares."""
    square, gradient, step = np.empty((PARAMETERS, PARAMETERS)), np.empty(PARAMETERS), np.empty(PARAMETERS)
    free, nothing, lower = (
        np.ones(PARAMETERS, dtype=np.bool_),
        np.empty((0, 0)),
        np.empty((PARAMETERS, PARAMETERS)),
    )
    for i in range(PARAMETERS):
        x[i] = min(max(x[i], bounds[0, i]), bounds[1, i])
    damping, cost = 1e-3, _equations(x, data, fence, square, gradient)
    for _ in range(most):
        for i in range(PARAMETERS):
            free[i] = not (
                (x[i] <= bounds[0, i] and gradient[i] > 0.0) or (x[i] >= bounds[1, i] and gradient[i] < 0.0)
            )
        tried, found = x.copy(), False
        while damping < 1e12 and not found:
            if _factor(square, damping, free, lower):
                _solve(lower, gradient, free, step)
                for i in range(PARAMETERS):
                    tried[i] = min(max(x[i] + step[i], bounds[0, i]), bounds[1, i])
                reached = _equations(tried, data, fence, nothing, gradient)
                found = isfinite(reached) and reached < cost
            damping = max(damping * 0.2, 1e-15) if found else damping * 4.0
        if not found:
            break
        gained = cost - reached
        x[:] = tried
        cost = _equations(x, data, fence, square, gradient)
        if gained <= enough * cost or cost < 1e-28:
            break
    return float(cost)


@jit
def _linear(data: Any, m: float, sigma: float, raw: Any) -> float:
    """Best a, b, rho for a vertex (De Marco, Martini), moved into their bounds; gives the sum of squares."""
    k, w, scale = data
    sums, right = np.zeros((3, 3)), np.zeros(3)
    for i in range(k.size):
        y = (k[i] - m) / sigma
        row = (scale[i], scale[i] * y, scale[i] * sqrt(y * y + 1.0))
        for p in range(3):
            right[p] += row[p] * scale[i] * w[i]
            for q in range(3):
                sums[p, q] += row[p] * row[q]
    for p in range(3):
        sums[p, p] *= 1.0 + 1e-10
    solved = np.linalg.solve(sums, right) if abs(np.linalg.det(sums)) > 1e-300 else np.zeros(3)
    bend = min(max(solved[2], 1e-6 * sigma), STEEPEST * sigma)
    most = min(bend, STEEPEST * sigma - bend) * 0.999999
    tilt = min(max(solved[1], -most), most)
    up = 0.0
    for i in range(k.size):
        y = (k[i] - m) / sigma
        up += scale[i] * scale[i] * (w[i] - tilt * y - bend * sqrt(y * y + 1.0))
    up /= np.sum(scale * scale)
    raw[0] = max(up, -sqrt(bend * bend - tilt * tilt) * 0.999)
    raw[1], raw[2], raw[3], raw[4] = bend / sigma, tilt / bend, m, sigma
    cost = 0.0
    for i in range(k.size):
        residual = scale[i] * (curve(raw, k[i])[0] - w[i])
        cost += residual * residual
    return float(cost)


@jit
def search(bounds: Any, data: Any, fence: Any) -> Any:
    """The best smile from the best vertices of a coarse search."""
    k, w, _ = data
    costs, raws = np.full(_STARTS, np.inf), np.empty((_STARTS, PARAMETERS))
    raw = np.empty(PARAMETERS)
    low, high = k.min(), k.max()
    width = sqrt(np.median(w))
    for i in range(_MS):
        m = low + (high - low) * (i - 0.5) / (_MS - 2.0)
        for j in range(_SIGMAS):
            cost = _linear(data, m, width * 0.05 * 2.2**j, raw)
            for position in range(_STARTS):
                if cost < costs[position]:
                    for later in range(_STARTS - 1, position, -1):
                        costs[later] = costs[later - 1]
                        raws[later] = raws[later - 1]
                    costs[position] = cost
                    raws[position] = raw
                    break
    best, least = np.empty(PARAMETERS), np.inf
    for position in range(_STARTS):
        if not isfinite(costs[position]):
            continue
        x = np.empty(PARAMETERS)
        point_of(raws[position], x)
        reached = descend(x, bounds, data, fence, 60, 1e-13)
        if reached < least:
            least = reached
            best[:] = x
    return best
