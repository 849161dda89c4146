"""The elementary functions against 50-digit arithmetic, and their coefficients derived anew."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath as mp
import numba as nb
import numpy as np
import pytest

from workstation.numerics import vectormath as vm

DIGITS = 50
# as the product compiles them, but not from a cache that does not see a change in vectormath
compiled = nb.njit(fastmath=set(vm.FASTMATH), error_model="numpy")


@compiled
def each_exp(x, out):
    for i in range(x.size):
        out[i] = vm.exp(x[i])


@compiled
def each_exp_of_negative(x, out):
    for i in range(x.size):
        out[i] = vm.exp_of_negative(x[i])


@compiled
def each_log(x, out):
    for i in range(x.size):
        out[i] = vm.log(x[i])


@compiled
def each_erfcx(x, out):
    for i in range(x.size):
        out[i] = vm.erfcx(x[i])


@compiled
def each_erfcx_pair(x, y, first, second):
    for i in range(x.size):
        first[i], second[i] = vm.erfcx_pair(x[i], y[i])


@compiled
def each_log_ratio(a, b, out):
    for i in range(a.size):
        out[i] = vm.log_ratio(a[i], b[i])


@compiled
def each_log_ratio_and_inverse(a, b, out, inverse):
    for i in range(a.size):
        out[i], inverse[i] = vm.log_ratio_and_inverse(a[i], b[i])


def mapped(kernel, *columns):
    out = np.empty(columns[0].size)
    kernel(*columns, out)
    return out


def true_erfcx(x):
    if x < 60:
        return mp.exp(x * x) * mp.erfc(x)
    term, total = 1 / (x * mp.sqrt(mp.pi)), mp.mpf(0)
    for j in range(25):  # the asymptotic series: its 25th term is under 1e-60 here
        total += term
        term *= -(2 * j + 1) / (2 * x * x)
    return total


def worst(found, wanted):
    return float(max(abs(mp.mpf(float(f)) / w - 1) for f, w in zip(found, wanted, strict=True)))


@pytest.fixture(autouse=True)
def precise():
    with mp.workdps(DIGITS):
        yield


def points(low, high, count=2000, seed=7):
    return np.random.default_rng(seed).uniform(low, high, count)


def test_exp_is_within_its_bound():
    x = np.concatenate([points(-708, 709), points(-1, 1), points(-1e-9, 1e-9, 50), [-708.0, 709.0]])
    wanted = [mp.exp(mp.mpf(v)) for v in x]
    assert worst(mapped(each_exp, x), wanted) < 4e-16
    below = x[x <= 0]
    assert worst(mapped(each_exp_of_negative, below), [mp.exp(mp.mpf(v)) for v in below]) < 4e-16


def test_log_is_within_its_bound():
    x = np.concatenate(
        [np.exp(points(-708, 709)), points(0.5, 2.0), 1 + points(-1e-6, 1e-6), [2.0**-1022, 1.7e308]]
    )
    x = x[x != 1.0]
    assert worst(mapped(each_log, x), [mp.log(mp.mpf(v)) for v in x]) < 4e-16


def test_log_ratio_keeps_its_digits_near_one():
    b = np.exp(points(-20, 20))
    apart = np.concatenate([points(-1e-12, 1e-12, 700), points(-1e-3, 1e-3, 600), points(-0.9, 5, 700)])
    a = b * (1 + apart)
    different = a != b
    a, b = a[different], b[different]
    wanted = [mp.log(mp.mpf(p) / mp.mpf(q)) for p, q in zip(a, b, strict=True)]
    assert worst(mapped(each_log_ratio, a, b), wanted) < 4e-16
    ratio, inverse = np.empty(a.size), np.empty(a.size)
    each_log_ratio_and_inverse(a, b, ratio, inverse)
    assert worst(ratio, wanted) < 4e-16
    assert worst(inverse, [1 / mp.mpf(v) for v in a]) < 4e-16


def test_erfcx_is_within_its_bound():
    x = np.concatenate(
        [points(0, 10), points(10, 60, 500), np.exp(points(math.log(60), math.log(1e15), 500)), [0.0]]
    )
    wanted = [true_erfcx(mp.mpf(v)) for v in x]
    assert worst(mapped(each_erfcx, x), wanted) < 2e-15
    first, second = np.empty(x.size), np.empty(x.size)
    each_erfcx_pair(x, x[::-1].copy(), first, second)
    assert worst(first, wanted) < 2e-15
    assert worst(second, wanted[::-1]) < 2e-15


def test_values_outside_the_domains():
    x = np.array([-np.inf, -1e4, -1.0, -0.0, 0.0, 1e-320, np.inf, np.nan])
    np.testing.assert_array_equal(mapped(each_exp, x)[[0, 1, 3, 4, 6, 7]], [0, 0, 1, 1, np.inf, np.nan])
    nan = np.nan
    np.testing.assert_array_equal(
        mapped(each_log, x), [nan, nan, nan, -np.inf, -np.inf, -np.inf, np.inf, nan]
    )


def chebyshev_monomials(function: Callable[[mp.mpf], mp.mpf], degree: int) -> list[mp.mpf]:
    """Coefficients, in powers of t on [-1, 1], of the Chebyshev series cut after the degree."""
    nodes = 4 * degree
    angles = [mp.pi * (k + mp.mpf("0.5")) / nodes for k in range(nodes)]
    values = [function(mp.cos(angle)) for angle in angles]
    series = [
        sum(v * mp.cos(j * angle) for v, angle in zip(values, angles, strict=True)) * 2 / nodes
        for j in range(degree + 1)
    ]
    series[0] /= 2
    powers = [mp.mpf(0)] * (degree + 1)
    before, now = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
    for j, coefficient in enumerate(series):
        if j >= 2:
            after = [mp.mpf(0), *(2 * c for c in now)]
            for i, c in enumerate(before):
                after[i] -= c
            before, now = now, after
        for i, c in enumerate(before if j == 0 else now):
            powers[i] += coefficient * c
    return powers


def test_the_coefficients_of_erfcx():
    shift = mp.mpf(vm._ERFCX_SHIFT)

    def scaled(t):
        x = shift * (1 + t) / (1 - t)
        return (x + shift) * true_erfcx(x)

    derived = chebyshev_monomials(scaled, len(vm._ERFCX_POLYNOMIAL) - 1)
    assert [float(c) for c in derived] == list(vm._ERFCX_POLYNOMIAL)


def test_the_coefficients_of_log():
    largest = (3 - 2 * mp.sqrt(2)) ** 2
    degree = len(vm._LOG_POLYNOMIAL) - 1

    def remainder(t):
        z = largest * (t + 1) / 2
        s = mp.sqrt(z)
        return (mp.log((1 + s) / (1 - s)) / s - 2) / z

    in_t = chebyshev_monomials(remainder, degree)
    derived = [
        sum(in_t[i] * mp.binomial(i, k) * (2 / largest) ** k * (-1) ** (i - k) for i in range(k, degree + 1))
        for k in range(degree + 1)
    ]
    assert [float(c) for c in derived] == pytest.approx(list(vm._LOG_POLYNOMIAL), rel=1e-15)


def test_the_split_of_ln2_is_exact_times_an_exponent():
    high, low = mp.mpf(vm._LN2_HIGH), mp.mpf(vm._LN2_LOW)
    assert abs(high + low - mp.log(2)) < 1e-29
    assert (vm._LN2_HIGH * 2**42).is_integer()  # 11 bits of exponent times 42 fit in 53
    assert float(1 / mp.log(2)) == vm._INVERSE_LN2
