"""Rolling numbers: windows, what leaves, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from workstation.numerics.rolling import rolling_max, rolling_mean, rolling_min, rolling_sd, rolling_sum

ALL = (rolling_sum, rolling_mean, rolling_sd, rolling_max, rolling_min)


@pytest.mark.parametrize("window", [1, 2, 3, 7, 8, 9, 10, 16, 17, 24, 25, 32, 33, 50, 119, 120, 121])
def test_every_window_is_its_own_values(window: int) -> None:
    values = np.random.default_rng(window).normal(5.0, 2.0, 120)
    if window > values.size:
        assert all(np.isnan(function(values, window)).all() for function in ALL)
        return
    parts = np.lib.stride_tricks.sliding_window_view(values, window)
    for function, numpy in zip(ALL, (np.sum, np.mean, np.std, np.max, np.min), strict=True):
        got = function(values, window)
        assert np.isnan(got[: window - 1]).all()
        np.testing.assert_allclose(got[window - 1 :], numpy(parts, axis=1), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("place", [0, 3, 4, 5, 11])
def test_nan_leaves_with_its_window(function: object, place: int) -> None:
    values = np.arange(20.0)
    values[place] = np.nan
    got = function(values, 5)  # type: ignore[operator]
    assert np.isnan(got).tolist() == [row < 4 or place <= row <= place + 4 for row in range(20)]


@pytest.mark.parametrize("rows", [9, 16, 23, 24, 31, 40, 41, 100])
@pytest.mark.parametrize("window", [9, 11, 20, 24, 40])
def test_sums_of_any_number_of_values(rows: int, window: int) -> None:
    values = np.random.default_rng(rows).normal(5.0, 2.0, rows)
    wanted = [
        values[row - window + 1 : row + 1].sum() if row >= window - 1 else np.nan for row in range(rows)
    ]
    np.testing.assert_allclose(rolling_sum(values, window), wanted, rtol=1e-13)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 7, 8, 50, 98, 99])
@pytest.mark.parametrize("window", [3, 9, 20, 33])
def test_what_is_not_finite_is_in_its_own_windows_only(window: int, place: int, strange: float) -> None:
    values = np.random.default_rng(place).normal(5.0, 2.0, 100)
    values[place] = strange
    got = rolling_sum(values, window)
    wanted = [values[row - window + 1 : row + 1].sum() if row >= window - 1 else np.nan for row in range(100)]
    np.testing.assert_allclose(got, wanted, rtol=1e-13)


def test_a_giant_leaves_nothing_behind() -> None:
    values = np.array([0.1, 0.2, 1e300, 0.1, 0.2, 0.1, 0.2])
    assert rolling_sum(values, 2)[-1] == pytest.approx(0.3, rel=1e-15)
    long = np.r_[1e300, np.full(60, 0.1)]
    np.testing.assert_allclose(rolling_sum(long, 20)[20:], 2.0, rtol=1e-15)
    assert rolling_sd(values, 2)[-1] == pytest.approx(0.05, rel=1e-15)


def test_a_constant_has_no_deviation() -> None:
    assert not rolling_sd(np.full(500, 0.1), 37)[36:].any()


def test_short_and_empty_input() -> None:
    assert rolling_sum([], 3).size == 0
    assert np.isnan(rolling_sum([1.0, 2.0], 3)).all()


@pytest.mark.parametrize(
    ("values", "window", "said"), [([1.0], 0, "at least 1"), ([1.0], 1.5, "whole"), ([[1.0]], 1, "one-dim")]
)
def test_refusals_name_what_is_wrong(values: object, window: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rolling_sum(values, window)  # type: ignore[arg-type]
