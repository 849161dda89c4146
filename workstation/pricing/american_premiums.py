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


_SAMPLES: Final = 0.15
"""Standard deviations between samples of what exercise adds to gamma."""


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
def _premium_gammas(
    grid: Any, a: float, b: float, s: float, log_top: float, y: Floats, at: Floats, count: int, out: Floats
) -> None:
    """What exercise adds to S**2 gamma of one row, strike 1, at the first ``count`` of ``at``: an integral of densities alone."""
    use_widest_registers()
    first = grid.roots[0] * grid.roots[0]
    for k in range(count):
        out[k] = 0.0
    for m in range(grid.value_sines.size):
        square = 0.0
        for j in range(grid.roots.size):
            square += grid.value_weights[m, j] * y[j] * y[j]
        sine, cosine = grid.value_sines[m], grid.value_cosines[m]
        left = cosine * cosine
        root = math.sqrt(max(square, LOWEST_SHARE * min(sine * sine / first, 1.0) * y[0] * y[0]))
        v = s * cosine
        w = 1.0 / v
        constant = (root - log_top + (a - b) * left) * w - 0.5 * v
        yielded = b * exp(log_top - root)
        net = yielded - a
        share = 2.0 * grid.value_angle_weights[m] * sine * cosine * w * exp(-a * left)
        for k in range(count):
            minus = within(at[k] * w + constant)
            out[k] += share * bell_of(minus) * (yielded - net * (1.0 + minus * w))


@array_kernel
def _between(samples: Floats, count: int, low: float, gap: float, at: float) -> Any:
    """Cubic through the four samples around a place; the samples are ``gap`` apart."""
    place = (at - low) / gap
    left = min(max(int(place) - 1, 0), count - 4)
    t = place - left
    one, two, three = t - 1.0, t - 2.0, t - 3.0
    return (
        -samples[left] * one * two * three / 6.0
        + samples[left + 1] * t * two * three / 2.0
        - samples[left + 2] * t * one * three / 2.0
        + samples[left + 3] * t * one * two / 6.0
    )


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

    ``y``: boundary of the rows, (rows, nodes); ``turns``: 1 of puts, -1 of calls, whose x falls where spot rises; ``units``: strikes of
    puts, spots of calls; ``log_moves``: ascending. In money of a unit the European S**2 gamma is exp(-a) phi(d-)/s. What exercise adds is
    smooth between the boundary and ``_FARTHEST_SPOT``: of dense moves it is a cubic between samples ``_SAMPLES`` of a deviation apart.
    """
    use_widest_registers()
    moves = log_moves.size
    gamma, at, inside = np.empty(moves), np.empty(moves), np.empty(moves)
    places, samples = np.empty(moves), np.empty(moves)
    for row in range(a.size):
        inverse, half = 1.0 / s[row], 0.5 * s[row]
        edge = log_top[row] + y[row, -1]
        far = edge + _FARTHEST_SPOT * s[row]
        owed = exp(-a[row]) * inverse
        for k in range(moves):
            at[k] = x[row] + turns[row] * log_moves[k]
            minus = within((at[k] + a[row] - b[row]) * inverse - half)
            gamma[k] = owed * bell_of(minus)
        count, low, high = 0, far, edge
        for k in range(moves):
            if edge < at[k] < far:
                inside[count] = at[k]
                low, high = min(low, at[k]), max(high, at[k])
                count += 1
        sampled = int((high - low) / (_SAMPLES * s[row])) + 4 if count else 0
        direct, gap = sampled >= count, 1.0
        if direct:
            _premium_gammas(grid, a[row], b[row], s[row], log_top[row], y[row], inside, count, samples)
        else:
            gap = (high - low) / (sampled - 1)
            for k in range(sampled):
                places[k] = low + gap * k
            _premium_gammas(grid, a[row], b[row], s[row], log_top[row], y[row], places, sampled, samples)
        weight, met = weights[row] * units[row], 0
        for k in range(moves):
            if at[k] > edge:
                whole = gamma[k]
                if at[k] < far:
                    whole += samples[met] if direct else _between(samples, sampled, low, gap, at[k])
                    met += 1
                profile[k] += weight * whole * (exp(log_moves[k]) if turns[row] < 0.0 else 1.0)
