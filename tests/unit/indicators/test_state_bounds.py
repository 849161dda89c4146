"""Sizes are bounded before they are allocated, and told in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from workstation.indicators import Candles, Intensity, Reversals, Spikes, TickWindowSet
from workstation.indicators.candles.bar_kernels import BAR_BYTES
from workstation.indicators.candles.open_bars import BarStore
from workstation.numerics import ema, rolling_max, rolling_mean, rolling_sd, rolling_sum, sma, zlma
from workstation.numerics.state_arrays import MOST_STATE_BYTES, Field, RowArrays, StateSizeError, extended


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Intensity(ticks=10**9), r"ticks=1000000000 would take 24\.0 GB of memory per instrument"),
        (lambda: Intensity(length=10**8), r"length=100000000 would take 0\.8 GB"),
        (lambda: Spikes(window=10**9), r"window=1000000000 would take 50\.0 GB"),
        (lambda: Reversals(moves=10**9), r"moves=1000000000 would take"),
        (lambda: Reversals(momentum=10**9), r"momentum=1000000000 would take"),
        (lambda: Reversals(choppiness=10**9), r"choppiness=1000000000 would take"),
        (lambda: Reversals(volume=10**9), r"volume=1000000000 would take"),
        (lambda: Candles(every="1s", lateness="3650d"), r"lateness='3650d' would take 8\d\.\d GB"),
    ],
)
def test_a_parameter_that_asks_for_too_much_is_refused_with_what_it_would_take(
    make: Callable[[], Any], told: str
) -> None:
    with pytest.raises(StateSizeError, match=told):
        make()


def test_windows_of_a_million_ticks_are_given() -> None:
    assert Intensity(ticks=1_000_000, windows=TickWindowSet()).parameters.ticks == 1_000_000


class Totals(NamedTuple):
    values: Any


def test_a_state_of_too_many_rows_is_refused_before_it_is_made() -> None:
    state = RowArrays(Totals, {"values": Field(1000)})
    assert state.make_room(3).values.shape == (3, 1000)
    with pytest.raises(
        StateSizeError,
        match=r"the state of 10000000 instruments would take 80\.0 GB of memory, 0\.01 MB each",
    ):
        state.make_room(10_000_000)
    assert state.make_room(4).values.shape == (6, 1000)
    store = BarStore((10**9,), 3600 * 10**9)
    many = MOST_STATE_BYTES // (BAR_BYTES * 3602) + 1
    with pytest.raises(StateSizeError, match=f"the state of {many} instruments"):
        store.make_room(many)


def test_arrays_are_extended_and_kept() -> None:
    values = np.array([5, 6])
    assert extended(values, 2, -1) is values
    assert extended(values, 4, -1).tolist() == [5, 6, -1, -1]


@pytest.mark.parametrize("function", [sma, rolling_sum, rolling_mean, rolling_sd, rolling_max])
@pytest.mark.parametrize("window", [4, 10**9])
def test_a_window_longer_than_the_values_is_nan_and_costs_nothing(
    function: Callable[..., Any], window: int
) -> None:
    assert np.isnan(function(np.arange(3.0), window)).tolist() == [True] * 3


@pytest.mark.parametrize("function", [sma, ema, zlma, rolling_sum, rolling_mean, rolling_sd, rolling_max])
def test_what_is_masked_is_not_known(function: Callable[..., Any]) -> None:
    values = np.array([1.0, 2.0, 50.0, 3.0, 5.0, 4.0])
    masked = np.ma.masked_array(values, mask=values == 50.0)
    unknown = np.where(values == 50.0, np.nan, values)
    np.testing.assert_array_equal(function(masked, 2), function(unknown, 2))
    np.testing.assert_array_equal(function(np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]), 1)[1:2], [np.nan])
