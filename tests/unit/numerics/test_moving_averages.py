"""Moving averages: begin, NaN, lengths, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from workstation.numerics.moving_averages import SMOOTHINGS, ema, sma, zlma


def plain_ema(values: np.ndarray, alpha: float) -> list[float]:
    out, average = [], np.nan
    for value in values:
        if not np.isnan(value):
            average = value if np.isnan(average) else average + alpha * (value - average)
        out.append(average if not np.isnan(value) else np.nan)
    return out


@pytest.mark.parametrize("holes", [(), (0,), (0, 1, 2), (5,), (8, 9, 17), (30,), tuple(range(31))])
def test_ema_goes_on_without_what_is_missing(holes: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).normal(10.0, 1.0, 31)
    values[list(holes)] = np.nan
    np.testing.assert_allclose(ema(values, 9), plain_ema(values, 0.2), rtol=1e-13)


@pytest.mark.parametrize(
    "holes", [(0,), (8,), (9, 10), (3, 12, 20), (30,), tuple(range(20)), tuple(range(31))]
)
def test_zlma_goes_on_without_what_is_missing(holes: tuple[int, ...]) -> None:
    values = np.random.default_rng(4).normal(10.0, 1.0, 31)
    values[list(holes)] = np.nan
    ahead = np.r_[values[:4], 2 * values[4:] - values[:-4]]
    np.testing.assert_allclose(zlma(values, 9), plain_ema(ahead, 0.2), rtol=1e-13)


def test_ema_of_an_infinity_is_what_the_recursion_says() -> None:
    values = np.random.default_rng(6).normal(10.0, 1.0, 40)
    values[13] = np.inf
    with np.errstate(invalid="ignore"):
        wanted = plain_ema(values, 0.2)
    np.testing.assert_allclose(ema(values, 9), wanted, rtol=1e-13)


@pytest.mark.parametrize("function", SMOOTHINGS.values())
@pytest.mark.parametrize("rows", [0, 5, 100, 1_000])
def test_averages_are_written_where_they_are_wanted(function: object, rows: int) -> None:
    values = np.random.default_rng(rows).normal(10.0, 1.0, rows)
    wanted, out = function(values, 12), np.zeros(rows)  # type: ignore[operator]
    assert function(values, 12, out=out) is out  # type: ignore[operator]
    np.testing.assert_array_equal(out, wanted)
    assert function(values, 12, out=values) is values  # type: ignore[operator]
    np.testing.assert_array_equal(values, wanted)


@pytest.mark.parametrize(
    "out", [np.zeros(4), np.zeros(3, dtype=np.float32), np.zeros(6)[::2], np.zeros((3, 1))]
)
def test_a_place_that_does_not_fit_is_refused(out: np.ndarray) -> None:
    for function in SMOOTHINGS.values():
        with pytest.raises(ValueError, match="out must be"):
            function([1.0, 2.0, 3.0], 2, out=out)


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 16, 100])
def test_ema_of_any_number_of_values(rows: int) -> None:
    values = np.random.default_rng(rows).normal(10.0, 1.0, rows)
    np.testing.assert_allclose(ema(values, 20), plain_ema(values, 2 / 21), rtol=1e-13)


def test_zlma_is_the_ema_of_what_is_ahead() -> None:
    values = np.random.default_rng(3).normal(10.0, 1.0, 60)
    ahead = np.r_[values[:9], 2 * values[9:] - values[:-9]]
    np.testing.assert_allclose(zlma(values, 20), plain_ema(ahead, 2 / 21), rtol=1e-13)


def test_sma_forgets_a_nan_with_its_window() -> None:
    values = np.arange(3_000.0)
    values[1_500] = np.nan
    missing = np.isnan(sma(values, 20))
    assert missing[:19].all() and missing[1_500:1_520].all() and missing.sum() == 39


def test_length_one_is_the_values_themselves() -> None:
    values = np.random.default_rng(5).normal(size=100)
    for function in SMOOTHINGS.values():
        np.testing.assert_allclose(function(values, 1), values, rtol=1e-15)


def test_inputs_are_not_changed() -> None:
    values = np.arange(50.0)
    for function in SMOOTHINGS.values():
        function(values)
    assert values.tolist() == list(range(50))


@pytest.mark.parametrize("function", SMOOTHINGS.values())
def test_refusals_name_what_is_wrong(function: object) -> None:
    with pytest.raises(ValueError, match="length must be a whole number"):
        function([1.0], 0)  # type: ignore[operator]
    with pytest.raises(ValueError, match="one-dimensional"):
        function(np.ones((2, 2)))  # type: ignore[operator]
