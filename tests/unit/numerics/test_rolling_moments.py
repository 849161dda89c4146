"""Moments over windows, eight values at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from workstation.numerics.rolling_moments import MARGIN, WindowState, span, window_fields, window_moments
from workstation.numerics.state_arrays import RowArrays

ROW = 1
"""The window is one of several."""


def moments(
    values: np.ndarray, window: int, pieces: list[int], wanted: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Means and squared deviations of all full windows, of values that come in pieces."""
    state = RowArrays(WindowState, window_fields(window)).make_room(3)
    wanted = np.ones(values.size, dtype=np.bool_) if wanted is None else wanted
    mean, square = np.empty(values.size), np.empty(values.size)
    at = done = 0
    for many in pieces:
        room = np.full((2, many + 2 * MARGIN), np.nan)
        at = window_moments(
            values, done, done + many, at, state, ROW, span(window), wanted, done, room[0], room[1], MARGIN
        )
        mean[done : done + many], square[done : done + many] = room[:, MARGIN : MARGIN + many]
        done += many
    assert not any(array[[0, 2]].any() for array in state), "written to another row"
    return mean[window - 1 :], square[window - 1 :]


@pytest.mark.parametrize("window", [1, 2, 7, 8, 9, 25, 200])
def test_moments_are_those_of_two_passes_and_of_any_pieces(window: int) -> None:
    rng = np.random.default_rng(3)
    values = 1e6 + np.cumsum(rng.normal(0.0, 1.0, 1_000)) + np.repeat([0.0, 1e4], 500)
    mean, square = moments(values, window, [1_000])
    views = np.lib.stride_tricks.sliding_window_view(values, window)
    np.testing.assert_allclose(mean, views.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(square, views.var(axis=1) * window, rtol=1e-9, atol=1e-9)
    for pieces in ([1, 99, 3, 397, 250, 250], [1] * 1_000, [13] * 76 + [12]):
        split = moments(values, window, pieces)
        assert np.array_equal(mean, split[0]) and np.array_equal(square, split[1])


def test_what_is_wanted_is_the_same_when_the_rest_is_not() -> None:
    rng = np.random.default_rng(5)
    values, wanted = rng.gamma(2.0, 1.0, 1_000), rng.random(1_000) < 0.05
    whole, few = moments(values, 50, [1_000]), moments(values, 50, [333, 667], wanted)
    of = wanted[49:]
    assert np.array_equal(whole[0][of], few[0][of]) and np.array_equal(whole[1][of], few[1][of])


@pytest.mark.parametrize("at", [0, 1, 63, 64, 127, 128])
def test_a_value_far_off_costs_no_more_than_the_digits_promised(at: int) -> None:
    """At a block's begin or end it is what the sums are taken about."""
    window = 64
    values = np.random.default_rng(6).normal(1.0, 1e-3, 300)
    values[at] = 1e7
    mean, square = moments(values, window, [300])
    for end in range(window, 301):
        exact = [Fraction(value) for value in values[end - window : end]]
        middle = sum(exact) / window
        spread = float(sum((value - middle) ** 2 for value in exact))
        assert mean[end - window] == pytest.approx(float(middle), rel=4 * window * 2**-52)
        assert square[end - window] == pytest.approx(spread, rel=1e-12)


def test_of_equal_values_the_squares_are_zero_even_after_others() -> None:
    values = np.concatenate((np.random.default_rng(4).normal(1e6, 1e5, 30), np.full(70, 0.1)))
    mean, square = moments(values, 20, [100])
    assert (mean[30:] == 0.1).all()
    assert (square[30:] == 0.0).all()
