"""Kernels of numbers give what their plain-Python twins give, on any values."""

from __future__ import annotations

import math
from collections.abc import Callable

import numba
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.numerics import twins, vectormath
from workstation.numerics.moving_averages import ema, sma, zlma, zlma_lag
from workstation.numerics.rolling import rolling_max, rolling_min, rolling_moments, rolling_sum
from workstation.numerics.rolling_moments import MARGIN, WindowState, span, window_fields, window_moments
from workstation.numerics.simd import forward_weights, lanes_at, put_lanes, summed_forward
from workstation.numerics.state_arrays import RowArrays

numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
known = st.lists(numbers, max_size=50)
with_holes = st.lists(st.one_of(numbers, numbers, numbers, st.just(math.nan)), max_size=50)
lengths = st.integers(1, 20)


@effort(60)
@given(with_holes, lengths)
def test_rolling_windows(values: list[float], window: int) -> None:
    close = {"rtol": 1e-12, "atol": 1e-8}
    np.testing.assert_allclose(rolling_sum(values, window), twins.sums_twin(values, window), **close)
    np.testing.assert_allclose(
        sma(values, window), twins.sums_twin(values, window, 1.0 / window), rtol=1e-12, atol=1e-9
    )
    np.testing.assert_array_equal(rolling_max(values, window), twins.extremes_twin(values, window, max))
    np.testing.assert_array_equal(rolling_min(values, window), twins.extremes_twin(values, window, min))
    mean, deviation = rolling_moments(values, window)
    wanted = np.array(twins.moments_twin(values, window)).reshape(-1, 2)
    np.testing.assert_allclose(mean, wanted[:, 0], rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(deviation, np.sqrt(wanted[:, 1] / window), rtol=1e-9, atol=1e-7)


@effort(60)
@given(known, lengths, st.data())
def test_moments_of_values_that_come_in_parts(values: list[float], window: int, data: st.DataObject) -> None:
    array, state = np.array(values), RowArrays(WindowState, window_fields(window)).make_room(1)
    cut = data.draw(st.integers(0, array.size))
    asked, at, parts = np.ones(array.size, dtype=np.bool_), 0, []
    for begin, end in ((0, cut), (cut, array.size)):
        mean, square = np.zeros((2, end - begin + 2 * MARGIN))
        at = window_moments(array, begin, end, at, state, 0, span(window), asked, begin, mean, square, MARGIN)
        parts.append((mean[MARGIN:-MARGIN], square[MARGIN:-MARGIN]))
    means, squares = (np.concatenate(part)[window - 1 :] for part in zip(*parts, strict=True))
    full = np.array(twins.moments_twin(values, window)).reshape(-1, 2)[window - 1 :]
    np.testing.assert_allclose(means, full[:, 0], rtol=1e-11, atol=1e-8)
    np.testing.assert_allclose(squares, full[:, 1], rtol=1e-9, atol=1e-2)


@effort(60)
@given(with_holes, lengths)
def test_averages_value_by_value(values: list[float], length: int) -> None:
    np.testing.assert_allclose(ema(values, length), twins.ema_twin(values, length), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(
        zlma(values, length), twins.ema_twin(values, length, zlma_lag(length)), rtol=1e-9, atol=1e-6
    )


@numba.njit
def _running(values, weights, out):
    first = np.uint64(0)
    one, two, four = lanes_at(weights[0], first), lanes_at(weights[1], first), lanes_at(weights[2], first)
    put_lanes(out, first, summed_forward(lanes_at(values, first), one, two, four))


@effort(30)
@given(st.lists(numbers, min_size=8, max_size=8), st.floats(0.0, 1.0))
def test_running_sums_of_eight(values: list[float], ratio: float) -> None:
    out = np.empty(8)
    _running(np.array(values), forward_weights(ratio), out)
    np.testing.assert_allclose(out, twins.summed_forward_twin(values, ratio), rtol=1e-9, atol=1e-6)


@numba.njit(fastmath=set(vectormath.FASTMATH), error_model="numpy")
def _elementary(x, a, b, positive, out):
    out[0], out[1], out[2] = vectormath.exp(x), vectormath.log(x), vectormath.erfcx(positive)
    out[3] = vectormath.log_ratio(a, b)
    out[4], out[5] = vectormath.log_ratio_and_inverse(a, b)


@effort(150)
@given(
    st.floats(-800.0, 800.0), st.floats(1e-12, 1e12), st.one_of(st.floats(1e-12, 1e12), st.floats(0.999, 1.001)),
    st.one_of(st.floats(0.0, 30.0), st.floats(0.0, 1e12)),
)  # fmt: skip
def test_elementary_functions(x: float, b: float, factor: float, positive: float) -> None:
    a = b * factor
    assume(1e-24 < a < 1e24)
    out = np.empty(6)
    _elementary(x, a, b, positive, out)
    ratio = twins.log_ratio_twin(a, b)
    wanted = [twins.exp_twin(x), twins.log_twin(x), twins.erfcx_twin(positive), ratio, ratio, 1.0 / a]
    np.testing.assert_allclose(out, wanted, rtol=3e-13, atol=0.0)


@pytest.mark.parametrize("x", [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-320, -1.0, 709.0, 709.5, -708.5])
@pytest.mark.parametrize("function", ["exp", "log"])
def test_elementary_functions_at_the_ends(x: float, function: str) -> None:
    out = np.empty(6)
    _elementary(x, 1.0, 1.0, 1.0, out)
    twin: Callable[[float], float] = getattr(twins, f"{function}_twin")
    np.testing.assert_allclose(out[("exp", "log").index(function)], twin(x), rtol=1e-15)
