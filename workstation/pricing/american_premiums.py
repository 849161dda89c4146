"""Kernels of what early exercise adds to a European option, given the boundary: the value, its slopes, and gammas over many spots.

Units and ``LANES`` as in ``american_kernels``.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from workstation.numerics.vectormath import array_kernel, exp, use_widest_registers
from workstation.pricing.american_kernels import (
    LANES,
    LOWEST_SHARE,
    Floats,
    above,
    bell_of,
    interpolate,
    within,
)

_FARTHEST_SPOT: Final = 6.0
"""Standard deviations from the boundary beyond which exercise adds under 1e-8 of the European gamma at the money."""


@array_kernel
def _add_premiums(
    grid: Any, a: Floats, b: Floats, s: Floats, log_top: Floats, x: Floats, squares: Floats, out: Floats
) -> None:
    """Add to ``out``, shape (LANES,), the value of exercising early: what is earned on the strike less what the stock pays."""
    use_widest_registers()
    square = np.empty(LANES)
    first = grid.roots[0] * grid.roots[0]
    for m in range(grid.value_sines.size):
        interpolate(grid.value_weights[m], squares, square)
        sine, cosine = grid.value_sines[m], grid.value_cosines[m]
        left = cosine * cosine
        weight = 2.0 * grid.value_angle_weights[m] * sine * cosine
        lowest = LOWEST_SHARE * min(sine * sine / first, 1.0)
        for k in range(LANES):
            root = math.sqrt(max(square[k], lowest * squares[0, k]))
            v = s[k] * cosine
            middle = (x[k] - log_top[k] + root + (a[k] - b[k]) * left) / v
            plus, minus = within(middle + 0.5 * v), within(middle - 0.5 * v)
            paid = a[k] * exp(-a[k] * left) * above(minus, bell_of(minus))
            lost = b[k] * exp(x[k] - b[k] * left) * above(plus, bell_of(plus))
            out[k] += weight * (paid - lost)


@array_kernel
def _add_slopes(
    grid: Any, a: Floats, b: Floats, s: Floats, log_top: Floats, x: Floats, squares: Floats, out: Floats
) -> None:
    """Add to ``out``, shape (5, LANES), the same and its first four derivatives by x."""
    use_widest_registers()
    square = np.empty(LANES)
    first = grid.roots[0] * grid.roots[0]
    for m in range(grid.value_sines.size):
        interpolate(grid.value_weights[m], squares, square)
        sine, cosine = grid.value_sines[m], grid.value_cosines[m]
        left = cosine * cosine
        weight = 2.0 * grid.value_angle_weights[m] * sine * cosine
        lowest = LOWEST_SHARE * min(sine * sine / first, 1.0)
        for k in range(LANES):
            root = math.sqrt(max(square[k], lowest * squares[0, k]))
            v = s[k] * cosine
            w = 1.0 / v
            middle = (x[k] - log_top[k] + root + (a[k] - b[k]) * left) * w
            plus, minus = within(middle + 0.5 * v), within(middle - 0.5 * v)
            owed = exp(-a[k] * left)
            bell = bell_of(minus)
            paid = a[k] * owed * above(minus, bell)
            lost = b[k] * exp(x[k] - b[k] * left) * above(plus, bell_of(plus))
            density = owed * bell * w * weight
            yielded = b[k] * exp(log_top[k] - root) * density
            net = yielded - a[k] * density
            lost *= weight
            mu = minus * w
            square_mu, square_w = mu * mu, w * w
            out[0, k] += weight * paid - lost
            out[1, k] += net - lost
            bend = yielded - lost
            out[2, k] += bend - mu * net
            bend -= mu * yielded
            out[3, k] += bend + (square_mu - square_w) * net
            bend += (square_mu - square_w) * yielded
            out[4, k] += bend - mu * (square_mu - 3.0 * square_w) * net


@array_kernel
def fill_premiums(
    grid: Any, a: Floats, b: Floats, s: Floats, log_top: Floats, x: Floats, y: Floats, out: Floats
) -> None:
    """What early exercise adds to the European value: ``out`` of shape (1, rows), or (5, rows) with four derivatives by x.

    The strike is 1; where the option is exercised at once the numbers mean nothing.
    """
    squares = np.zeros((grid.value_weights.shape[1], LANES))
    value = np.empty((5, LANES))
    for start in range(0, a.size, LANES):
        stop = start + LANES
        for i in range(grid.roots.size):
            for k in range(LANES):
                squares[i, k] = y[i, start + k] * y[i, start + k]
        value[:] = 0.0
        rows = a[start:stop], b[start:stop], s[start:stop], log_top[start:stop], x[start:stop]
        if out.shape[0] == 1:
            _add_premiums(grid, rows[0], rows[1], rows[2], rows[3], rows[4], squares, value[0])
        else:
            _add_slopes(grid, rows[0], rows[1], rows[2], rows[3], rows[4], squares, value)
        out[:, start:stop] = value[: out.shape[0]]


@array_kernel
def add_gamma_profiles(
    grid: Any,
    a: Floats,
    b: Floats,
    s: Floats,
    log_top: Floats,
    x: Floats,
    y: Floats,
    units: Floats,
    turns: Floats,
    weights: Floats,
    log_moves: Floats,
    profile: Floats,
) -> None:
    """Add the rows' weights times S**2 gamma, early exercise included, at every move of spot to ``profile``, shape (moves,).

    ``y``: boundary of the rows, (nodes, rows); ``turns``: 1 of puts, -1 of calls, whose x falls where spot rises; ``units``: strikes of
    puts, spots of calls. The number of moves is a multiple of ``LANES``. In money of a unit the European S**2 gamma is exp(-a) phi(d-)/s,
    and that of the premium an integral of densities alone.
    """
    use_widest_registers()
    moves, angles = log_moves.size, grid.value_sines.size
    gamma, at = np.empty(moves), np.empty(moves)
    first = grid.roots[0] * grid.roots[0]
    for row in range(a.size):
        inverse, half = 1.0 / s[row], 0.5 * s[row]
        edge = log_top[row] + y[-1, row]
        far = edge + _FARTHEST_SPOT * s[row]
        start, stop = moves, 0
        owed = weights[row] * units[row] * math.exp(-a[row]) * inverse
        for k in range(moves):
            at[k] = x[row] + turns[row] * log_moves[k]
            minus = within((at[k] + a[row] - b[row]) * inverse - half)
            gamma[k] = owed * bell_of(minus)
        for k in range(moves):
            if edge < at[k] < far:
                start, stop = min(start, k), k + 1
        for m in range(angles):
            square = 0.0
            for j in range(grid.roots.size):
                square += grid.value_weights[m, j] * y[j, row] * y[j, row]
            sine, cosine = grid.value_sines[m], grid.value_cosines[m]
            left = cosine * cosine
            lowest = LOWEST_SHARE * min(sine * sine / first, 1.0) * y[0, row] * y[0, row]
            root = math.sqrt(max(square, lowest))
            v = s[row] * cosine
            w = 1.0 / v
            constant = (root - log_top[row] + (a[row] - b[row]) * left) * w - 0.5 * v
            yielded = b[row] * math.exp(log_top[row] - root)
            net = yielded - a[row]
            share = (
                weights[row]
                * units[row]
                * 2.0
                * grid.value_angle_weights[m]
                * sine
                * cosine
                * w
                * math.exp(-a[row] * left)
            )
            for k in range(start, stop):
                minus = within(at[k] * w + constant)
                gamma[k] += share * bell_of(minus) * (yielded - net * (1.0 + minus * w))
        for k in range(moves):
            held = gamma[k] if at[k] > edge else 0.0
            profile[k] += held * (exp(log_moves[k]) if turns[row] < 0.0 else 1.0)
