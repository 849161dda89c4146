"""A batch by instrument, and moments over windows of many values at a time."""

from __future__ import annotations

import numpy as np
import pytest

from workstation.indicators.moments import HEAD_FIELDS, window_moments
from workstation.indicators.rolling import reciprocals
from workstation.indicators.runs import in_row_order, take_old


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("pieces", [[20], [1] * 20, [2, 7, 3, 8], [13, 7]])
def test_what_came_a_window_before_whatever_the_pieces(size: int, pieces: list[int]) -> None:
    values = np.arange(1.0, 21.0)
    ring, at, got = np.zeros(size), 0, np.empty(20)
    done = 0
    for many in pieces:
        at = take_old(ring, at, values[done : done + many], got[done : done + many])
        done += many
    assert got.tolist() == [0.0] * size + values[:-size].tolist()


def moments(values: np.ndarray, window: int, pieces: list[int]) -> tuple[np.ndarray, np.ndarray]:
    head, means, squares, inverse = (
        np.zeros(HEAD_FIELDS),
        np.zeros(window),
        np.zeros(window),
        reciprocals(window),
    )
    mean, square = np.empty(values.size), np.empty(values.size)
    at = done = 0
    for many in pieces:
        part = slice(done, done + many)
        at = window_moments(values[part], at, head, means, squares, inverse, mean[part], square[part])
        done += many
    return mean[window - 1 :], square[window - 1 :]


@pytest.mark.parametrize("window", [1, 2, 25, 200])
def test_moments_are_those_of_two_passes_and_of_any_pieces(window: int) -> None:
    rng = np.random.default_rng(3)
    values = 1e6 + np.cumsum(rng.normal(0.0, 1.0, 1_000)) + np.repeat([0.0, 1e4], 500)
    mean, square = moments(values, window, [1_000])
    views = np.lib.stride_tricks.sliding_window_view(values, window)
    np.testing.assert_allclose(mean, views.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(square, views.var(axis=1) * window, rtol=1e-9, atol=1e-9)
    split = moments(values, window, [1, 99, 3, 397, 250, 250])
    assert np.array_equal(mean, split[0])
    assert np.array_equal(square, split[1])


def test_of_equal_values_the_squares_are_zero_even_after_others() -> None:
    values = np.concatenate((np.random.default_rng(4).normal(1e6, 1e5, 30), np.full(70, 0.1)))
    mean, square = moments(values, 20, [100])
    assert (mean[30:] == 0.1).all()
    assert (square[30:] == 0.0).all()


def test_places_in_row_order() -> None:
    rows = np.array([7, 2, 9, 0])
    assert rows[in_row_order(rows, 10)].tolist() == [0, 2, 7, 9]
