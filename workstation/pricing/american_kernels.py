"""Kernels of American options: the exercise boundary by collocation, and the value over European given the boundary.

One option is a put in units of its strike and its time: a = rT, b = qT, s = v sqrt(T), x = ln(S/K), tau in [0, 1]; a call is
the put with spot and strike, rate and yield exchanged. The boundary is B(tau) = X exp(-sqrt(H(tau))), X = min(1, a/b) its
value just before the expiry; H is a polynomial in sqrt(tau) through Chebyshev nodes (L. Andersen, M. Lake, D. Offengenden,
High-performance American option pricing, J. Computational Finance 20(1), 2016). At a node, smooth pasting says

    ln B = ln N - ln D - (a - b) tau,
    N = phi(d-)/(s sqrt tau) + a int exp(a u) phi(d-)/(s sqrt(tau - u)) du
    D = phi(d+)/(s sqrt tau) + Phi(d+) + b int exp(b u) (Phi(d+) + phi(d+)/(s sqrt(tau - u))) du

with d+- of B(tau)/B(u) over tau - u inside the integrals and of B(tau)/K over tau outside. Their fixed-point iteration on
these equations diverges where |r - q| is large against v**2; here the equations of all nodes are solved by Newton's method,
whose matrix costs a share of the integrals. It starts from the QD+ boundary (M. Li, Analytical approximations for the
critical stock prices of American options, Rev. Derivatives Research 13, 2010) and squares its error at each step.

Integrals run over the angle: u = tau sin(z)**2, so that both ends, sqrt(u) and sqrt(tau - u), are smooth.
``LANES`` options are done side by side: the innermost loops are SIMD code.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workstation.numerics.vectormath import (
    array_kernel,
    erfcx,
    exp,
    exp_of_negative,
    log,
    scalar_kernel,
    use_widest_registers,
)

Floats = NDArray[np.float64]

LANES: Final = 16
_SQRT_HALF: Final = math.sqrt(0.5)
_ROOT_HALF_PI: Final = math.sqrt(0.5 * math.pi)
_DENSITY_AT_ZERO: Final = 1.0 / math.sqrt(2.0 * math.pi)
_FARTHEST: Final = 37.0
_TINY: Final = 1e-290
_FARTHEST_MOVE: Final = 0.1
"""A Newton step moves the logarithm of the boundary by this share at most: the start is that near nearly everywhere."""
LOWEST_SHARE: Final = 0.5
"""Before the first node H is at least this share of the straight line to it: the polynomial may dip below 0 there."""


@scalar_kernel
def within(z: float) -> float:
    return min(max(z, -_FARTHEST), _FARTHEST)


@scalar_kernel
def bell_of(z: float) -> float:
    return _DENSITY_AT_ZERO * exp_of_negative(-0.5 * z * z)


@scalar_kernel
def above(z: float, bell: float) -> float:
    """Phi(-z) from phi(z)."""
    tail = bell * _ROOT_HALF_PI * erfcx(abs(z) * _SQRT_HALF)
    return tail if z >= 0.0 else 1.0 - tail


@array_kernel
def start_boundary(
    roots: Floats, steps: int, a: Floats, b: Floats, s: Floats, log_top: Floats, y: Floats
) -> None:
    """ln(B/X) at the nodes by QD+: Newton's steps on Li's equation, each node from the one before."""
    use_widest_registers()
    slope, level, decay = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    growth, drift, spread = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for i in range(roots.size):
        root_time = roots[i]
        time = root_time * root_time
        for k in range(LANES):
            per_variance = 2.0 / (s[k] * s[k])
            at = a[k] * time
            decay[k], growth[k] = exp(-at), exp(-b[k] * time)
            one_less = 1.0 - decay[k] if abs(at) > 1e-5 else at * (1.0 - at * (0.5 - at * (1.0 / 6.0)))
            g = per_variance / time * (at / one_less if abs(at) > 1e-290 else 1.0)
            omega = per_variance * (a[k] - b[k]) - 1.0
            root = math.sqrt(omega * omega + 4.0 * g)
            share = decay[k] * g / root
            slope[k] = -0.5 * (omega + root) + share - share * g / (root * root)
            level[k] = per_variance / root
            spread[k] = s[k] * root_time
            drift[k] = log_top[k] + (a[k] - b[k]) * time
            y[i, k] = -spread[k] if i == 0 else y[i - 1, k] * (1.0 + 0.6 * (root_time / roots[i - 1] - 1.0))
        for _ in range(steps):
            for k in range(LANES):
                v = spread[k]
                middle = (drift[k] + y[i, k]) / v
                plus, minus = within(middle + 0.5 * v), within(middle - 0.5 * v)
                bell = bell_of(plus)
                held = growth[k] * above(plus, bell)
                spot = exp(log_top[k] + y[i, k])
                owed = decay[k] * above(minus, bell_of(minus))
                bell *= growth[k]
                gain = 1.0 - spot - (owed - spot * held)
                theta = a[k] * owed - b[k] * spot * held - 0.5 * s[k] / root_time * spot * bell
                tilt = (
                    (b[k] - a[k]) * bell / v - b[k] * held - 0.5 * s[k] / root_time * bell * (1.0 - plus / v)
                )
                value = (1.0 - held) * spot + slope[k] * gain - level[k] * theta
                change = (1.0 - held) * (1.0 - slope[k]) + bell / v - level[k] * tilt
                step = value / (change * spot)
                step = step if step == step else 0.0
                y[i, k] = min(y[i, k] - min(max(step, -0.5), 0.5), -1e-9 * v)
    _leave_the_top(roots, a, b, s, log_top, y)


@array_kernel
def _leave_the_top(roots: Floats, a: Floats, b: Floats, s: Floats, log_top: Floats, y: Floats) -> None:
    """Where little time is left, the asymptotic boundary if that is lower: QD+ is up to a third off there.

    With a net gain n = a - b B per unit of time at the boundary, ln(B/strike)**2 = s**2 tau ln(s**2/(8 pi tau n**2)).
    """
    use_widest_registers()
    for i in range(roots.size):
        time = roots[i] * roots[i]
        for k in range(LANES):
            net = max(a[k] - b[k] + max(b[k], 0.0) * 3.0 * s[k] * roots[i], 1e-100)
            short = log(s[k] * s[k] / (8.0 * math.pi * time * net * net))
            early = -s[k] * roots[i] * math.sqrt(min(max(short, 0.0), 100.0)) - log_top[k]
            y[i, k] = min(y[i, k], early) if (short > 4.0) & (short < 100.0) else y[i, k]


@array_kernel
def interpolate(weights: Floats, squares: Floats, out: Floats) -> None:
    """Sum of weights[j] squares[j, lane] over j; the rows are a multiple of four."""
    use_widest_registers()
    for k in range(LANES):
        out[k] = 0.0
    for j in range(0, weights.size, 4):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        for k in range(LANES):
            out[k] += (w0 * squares[j, k] + w1 * squares[j + 1, k]) + (
                w2 * squares[j + 2, k] + w3 * squares[j + 3, k]
            )


@array_kernel
def newton_step(
    grid: Any,
    a: Floats,
    b: Floats,
    s: Floats,
    log_top: Floats,
    y: Floats,
    squares: Floats,
    matrix: Floats,
    work: Any,
    moved: Floats,
) -> None:
    """One Newton step of the equations of all nodes; ``moved``: how far it went, relative to the boundary."""
    count = grid.roots.size
    for i in range(count):
        _residual(grid, i, a, b, s, log_top, y, squares, work)
        _matrix_row(grid, i, y, matrix, work)
    _eliminate(matrix, work.rest, work.share, count)
    _substitute(matrix, work.rest, count)
    _move(work.rest, s, y, squares, moved)


@array_kernel
def _matrix_row(grid: Any, i: int, y: Floats, matrix: Floats, work: Any) -> None:
    """Derivatives of the equation of node i by y at every node, and its right side."""
    use_widest_registers()
    square = work.square
    for j in range(grid.roots.size):
        for k in range(LANES):
            square[k] = 0.0
        for m in range(grid.sines.size):
            weight = grid.weights[i, m, j]
            for k in range(LANES):
                square[k] += weight * work.bent[m, k]
        for k in range(LANES):
            matrix[i, j, k] = square[k] * 2.0 * y[j, k]
    for k in range(LANES):
        matrix[i, i, k] += work.own[k]
        work.rest[i, k] = work.residual[k]


@array_kernel
def _move(rest: Floats, s: Floats, y: Floats, squares: Floats, moved: Floats) -> None:
    """Take the step, no further than ``_FARTHEST_MOVE``."""
    use_widest_registers()
    for k in range(LANES):
        moved[k] = 0.0
    for i in range(y.shape[0]):
        for k in range(LANES):
            old, step = y[i, k], rest[i, k]
            step = step if step == step else 0.0
            new = min(
                max(old - step, (1.0 + _FARTHEST_MOVE) * old - 1e-3 * s[k]), (1.0 - _FARTHEST_MOVE) * old
            )
            y[i, k] = new
            squares[i, k] = new * new
            moved[k] = max(moved[k], abs(new - old))


@array_kernel
def _residual(
    grid: Any, i: int, a: Floats, b: Floats, s: Floats, log_top: Floats, y: Floats, squares: Floats, work: Any
) -> None:
    """The equation of node i, and its derivatives by y there (``own``) and by H under the integral (``bent``)."""
    use_widest_registers()
    upper, lower, own, square = work.upper, work.lower, work.own, work.square
    root_time = grid.roots[i]
    time = root_time * root_time
    first = grid.roots[0] * grid.roots[0]
    for k in range(LANES):
        upper[k], lower[k] = 0.0, 0.0
    for m in range(grid.sines.size):
        interpolate(grid.weights[i, m], squares, square)
        sine, cosine = grid.sines[m], grid.cosines[m]
        since, left = time * sine * sine, time * cosine * cosine
        weight = 2.0 * grid.angle_weights[m] * time * sine * cosine
        root_left = root_time * cosine
        lowest = LOWEST_SHARE * min(since / first, 1.0)
        for k in range(LANES):
            floor = lowest * squares[0, k]
            held = square[k] < floor
            root = math.sqrt(max(square[k], floor))
            v = s[k] * root_left
            both = 1.0 / (v * root)
            inverse, inverse_root = both * root, both * v
            middle = (y[i, k] + root + (a[k] - b[k]) * left) * inverse
            plus, minus = within(middle + 0.5 * v), within(middle - 0.5 * v)
            at_minus = exp(a[k] * since - 0.5 * minus * minus) * (_DENSITY_AT_ZERO * weight) * a[k] * inverse
            bell = bell_of(plus)
            grown = exp(b[k] * since) * weight * b[k]
            upper[k] += at_minus
            lower[k] += grown * ((1.0 - above(plus, bell)) + bell * inverse)
            work.by_upper[m, k] = -minus * inverse * at_minus
            work.by_lower[m, k] = grown * bell * inverse * (1.0 - plus * inverse)
            work.bent[m, k] = 0.0 if held else 0.5 * inverse_root
    for k in range(LANES):
        inverse = 1.0 / (s[k] * root_time)
        middle = (log_top[k] + y[i, k] + (a[k] - b[k]) * time) * inverse
        half = 0.5 * s[k] * root_time
        plus, minus = within(middle + half), within(middle - half)
        at_plus, at_minus = bell_of(plus), bell_of(minus)
        whole_upper = max(upper[k] + at_minus * inverse, _TINY)
        whole_lower = max(lower[k] + at_plus * inverse + 1.0 - above(plus, at_plus), _TINY)
        work.residual[k] = log(whole_upper / whole_lower) - (a[k] - b[k]) * time - log_top[k] - y[i, k]
        upper[k], lower[k] = 1.0 / whole_upper, 1.0 / whole_lower
        own[k] = (
            -minus * at_minus * inverse * inverse * upper[k]
            - at_plus * inverse * (1.0 - plus * inverse) * lower[k]
            - 1.0
        )
    for m in range(grid.sines.size):
        for k in range(LANES):
            change = work.by_upper[m, k] * upper[k] - work.by_lower[m, k] * lower[k]
            own[k] += change
            work.bent[m, k] *= change


@array_kernel
def _eliminate(matrix: Floats, right: Floats, share: Floats, count: int) -> None:
    """Make the matrix upper triangular, its diagonal inverted; without exchanges, for the diagonal leads."""
    use_widest_registers()
    for c in range(count):
        for k in range(LANES):
            matrix[c, c, k] = 1.0 / matrix[c, c, k]
        for i in range(c + 1, count):
            for k in range(LANES):
                share[k] = matrix[i, c, k] * matrix[c, c, k]
                right[i, k] -= share[k] * right[c, k]
            for j in range(c + 1, count):
                for k in range(LANES):
                    matrix[i, j, k] -= share[k] * matrix[c, j, k]


@array_kernel
def _substitute(matrix: Floats, right: Floats, count: int) -> None:
    """``right`` becomes the solution."""
    use_widest_registers()
    for c in range(count - 1, -1, -1):
        for j in range(c + 1, count):
            for k in range(LANES):
                right[c, k] -= matrix[c, j, k] * right[j, k]
        for k in range(LANES):
            right[c, k] *= matrix[c, c, k]


@array_kernel
def fill_boundary(
    grid: Any, work: Any, a: Floats, b: Floats, s: Floats, log_top: Floats, y: Floats, moved: Floats
) -> None:
    """ln(B/X) at the nodes of each row, shape (nodes, rows), and the length of the last Newton step.

    The number of rows is a multiple of ``LANES``.
    """
    squares = np.zeros((grid.weights.shape[2], LANES))
    local = np.empty((grid.roots.size, LANES))
    for start in range(0, a.size, LANES):
        stop = start + LANES
        rows = a[start:stop], b[start:stop], s[start:stop], log_top[start:stop]
        start_boundary(grid.roots, grid.start_steps, rows[0], rows[1], rows[2], rows[3], local)
        for i in range(grid.roots.size):
            for k in range(LANES):
                squares[i, k] = local[i, k] * local[i, k]
        for _ in range(grid.newton_steps):
            newton_step(
                grid, rows[0], rows[1], rows[2], rows[3], local, squares, work.matrix, work, moved[start:stop]
            )
        y[:, start:stop] = local
