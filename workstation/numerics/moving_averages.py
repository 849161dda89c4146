"""Moving averages of arrays: SMA, EMA, ZLMA.

What the values are does not matter. NaN: an average that does not know a value goes on without it and is NaN there
(EMA, ZLMA), or is NaN while it is in the window (SMA).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from workstation.numerics.rolling import Floats, column, reach_of
from workstation.numerics.simd import (
    LANES,
    forward_weights,
    in_all_lanes,
    lane,
    lanes_at,
    multiply_add,
    put_lanes,
    summed_forward,
)
from workstation.numerics.window_sums import window_sums

STRETCH = 128 * LANES
"""Values averaged before a look whether all were finite."""


@numba.njit(cache=True, nogil=True)
def ema_step(average: float, value: float, alpha: float) -> float:
    """The EMA after one more value."""
    return average + alpha * (value - average)


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def ema_on(average: float, alpha: float, values: Any) -> float:
    """Replace values by the EMA after each, from ``average`` on; returns the last. Each waits for one multiply-add of the one before."""
    left = 1.0 - alpha
    for row in range(values.size):
        average = left * average + alpha * values[row]
        values[row] = average
    return average


def ema_alpha(length: int) -> float:
    """Weight of the newest value, 2 / (length + 1)."""
    return 2.0 / (length + 1)


def zlma_lag(length: int) -> int:
    """How many values back ZLMA looks, (length - 1) // 2."""
    return (length - 1) // 2


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _ahead(values: Any, row: int, lag: int) -> Any:
    """2 x - x[lag]; x itself for the first ``lag``, and without a lag."""
    return 2.0 * values[row] - values[row - lag] if row >= lag > 0 else values[row]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _step_by_step(
    values: Any, lag: int, alpha: float, start: int, stop: int, average: float, out: Any
) -> float:
    """The EMA one value after the other; NaN goes by and leaves the average as it is. Returns the last average."""
    for row in range(start, stop):
        value = _ahead(values, row, lag)
        out[row] = value
        if value == value:
            average = ema_step(average, value, alpha) if average == average else value
            out[row] = average
    return average


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _by_eight(
    values: Any, lag: int, alpha: float, weights: Any, powers: Any, start: int, stop: int, average: float, out: Any
) -> Any:  # fmt: skip
    """The EMA eight at a time: e[i + j] = b^(j + 1) e[i - 1] + (a weighted sum of eight), b = 1 - alpha, so that eight wait for
    one multiply-add of the eight before. Returns the last average: not finite if any value is not.

    ``weights`` are of ``summed_forward`` with ratio b, ``powers`` b to b^8; from ``start`` on no value lacks a lagged one.
    """
    first = np.uint64(0)
    one, two, four = lanes_at(weights[0], first), lanes_at(weights[1], first), lanes_at(weights[2], first)
    carried, last_carried = lanes_at(powers, first), powers[LANES - 1]
    alphas, twice, minus = in_all_lanes(alpha), in_all_lanes(2.0), in_all_lanes(-1.0)
    for row in range(start, stop, LANES):
        position = np.uint64(row)
        eight = lanes_at(values, position)
        if lag > 0:
            eight = multiply_add(eight, twice, lanes_at(values, np.uint64(row - lag)) * minus)
        sums = summed_forward(eight * alphas, one, two, four)
        put_lanes(out, position, multiply_add(carried, in_all_lanes(average), sums))
        average = lane(sums, 7) + last_carried * average
    return average


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _ema(values: Any, lag: int, alpha: float, weights: Any, powers: Any, out: Any) -> None:
    """EMA of 2 x - x[lag], stretch by stretch; a stretch with a NaN or an infinity again, its eights with one step by step."""
    start = min(lag, values.size)
    average = _step_by_step(values, lag, alpha, 0, start, np.nan, out)
    while start < values.size and average != average:
        average = _step_by_step(values, lag, alpha, start, start + 1, average, out)
        start += 1
    whole = start + (values.size - start) // LANES * LANES
    while start < whole:
        stop = min(start + STRETCH, whole)
        newest = _by_eight(values, lag, alpha, weights, powers, start, stop, average, out)
        if newest - newest != 0.0:
            newest = average
            for row in range(start, stop, LANES):
                average = newest
                newest = _by_eight(values, lag, alpha, weights, powers, row, row + LANES, average, out)
                if newest - newest != 0.0:
                    newest = _step_by_step(values, lag, alpha, row, row + LANES, average, out)
        average = newest
        start = stop
    _step_by_step(values, lag, alpha, whole, values.size, average, out)


def _smoothed(values: npt.ArrayLike, length: int, lag: int, out: Floats | None) -> Floats:
    array, written = _in_and_out(values, length, out)
    _ema(array, lag, ema_alpha(int(length)), *_ema_weights(int(length)), written)
    return written


@lru_cache(maxsize=64)
def _ema_weights(length: int) -> tuple[Floats, Floats]:
    left = 1.0 - ema_alpha(length)
    return forward_weights(left), left ** np.arange(1.0, LANES + 1)


def _in_and_out(values: npt.ArrayLike, length: int, out: Floats | None) -> tuple[Floats, Floats]:
    """The values, and where the averages go, apart from one another."""
    array = column(values, length, "length")
    if out is None:
        return array, np.empty(array.size)
    if out.shape != array.shape or out.dtype != np.float64 or not out.flags.carray:
        raise ValueError(
            f"out must be contiguous, writeable float64 of shape {array.shape}, got {out.dtype} of shape {out.shape}"
        )
    return (array.copy() if np.may_share_memory(array, out) else array), out


def sma(values: npt.ArrayLike, length: int = 20, *, out: Floats | None = None) -> Floats:
    """Simple moving average: the mean of the last ``length`` values.

    Parameters
    ----------
    values
        Shape (n,).
    length
        At least 1.
    out
        Where the averages go, shape (n,), contiguous float64; a new array when None. Of millions of values a new array
        costs as much as the averages: the system clears every page of it.

    Returns
    -------
    numpy.ndarray
        Shape (n,), ``out`` if given; NaN for the first ``length - 1`` and while a NaN is in the window. Every window is
        summed of its own values alone, so nothing drifts.

    Raises
    ------
    ValueError
        ``values`` are not one-dimensional, ``length`` is not a whole number of at least 1, ``out`` does not fit.

    Examples
    --------
    >>> sma([1.0, 2.0, 3.0, 5.0], 2).tolist()
    [nan, 1.5, 2.5, 4.0]
    """
    array, written = _in_and_out(values, length, out)
    window_sums(array, reach_of(array, length), 1.0 / length, written)
    return written


def ema(values: npt.ArrayLike, length: int = 20, *, out: Floats | None = None) -> Floats:
    """Exponential moving average, alpha = 2 / (length + 1), seeded with the first value.

    Parameters
    ----------
    values
        Shape (n,).
    length
        At least 1.
    out
        As in :func:`sma`.

    Returns
    -------
    numpy.ndarray
        Shape (n,), ``out`` if given. NaN where the value is NaN; the average goes on from the one before it. Equal to the
        recursion value by value but for rounding: eight values are averaged at a time.

    Raises
    ------
    ValueError
        As in :func:`sma`.

    Examples
    --------
    >>> ema([1.0, 2.0, float("nan"), 3.0], 3).tolist()
    [1.0, 1.5, nan, 2.25]
    >>> kept = np.empty(3)
    >>> ema([1.0, 2.0, 4.0], 3, out=kept) is kept, kept.tolist()
    (True, [1.0, 1.5, 2.75])
    """
    return _smoothed(values, length, 0, out)


def zlma(values: npt.ArrayLike, length: int = 20, *, out: Floats | None = None) -> Floats:
    """Zero-lag moving average: the EMA of 2 x - x[lag], lag = (length - 1) // 2; of x itself for the first ``lag``.

    Parameters
    ----------
    values
        Shape (n,).
    length
        At least 1.
    out
        As in :func:`sma`.

    Returns
    -------
    numpy.ndarray
        Shape (n,), ``out`` if given. NaN where the value or the one ``lag`` before it is NaN. Overshoots: it can leave the
        range of the values.

    Raises
    ------
    ValueError
        As in :func:`sma`.

    Examples
    --------
    >>> zlma([1.0, 2.0, 4.0], 3).tolist()
    [1.0, 2.0, 4.0]
    """
    return _smoothed(values, length, zlma_lag(int(length)), out)


SMOOTHINGS: Mapping[str, Callable[..., Floats]] = {"sma": sma, "ema": ema, "zlma": zlma}
"""The averages by name, each ``(values, length=20)``."""
