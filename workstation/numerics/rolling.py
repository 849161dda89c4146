"""Rolling sums, means, deviations and extremes that do not drift.

The stream is cut into blocks as long as the window. A window then is the tail of the previous block and the head of
the current one: tails are folded once, backwards, when a block is full; the head grows by one value a tick. Nothing
that has left is ever subtracted, so no rounding error outlives its window, a spread is never the difference of two
large sums, and a NaN or an infinity is gone once it has left. Cost: two folds per value, whatever the window.

Kernels that keep such windows per instrument use the same steps: values go into a ring, row ``of`` of a two-dimensional
array; when the block is full its tails replace them (``fold_*``), so that a window costs one array (two for moments).
Steps take numbers, not arrays: an array handed to a function once per tick costs more than the step.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from workstation.numerics.window_sums import window_sums

Floats = npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fold_sums(ring: Any, of: int, window: int) -> None:
    """Replace the values of a full block by the sums from each to the block's end."""
    total = 0.0
    for position in range(window - 1, -1, -1):
        total += ring[of, position]
        ring[of, position] = total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fold_largest(ring: Any, of: int, window: int) -> None:
    """Replace the values of a full block by the largest from each to the block's end."""
    most = -np.inf
    for position in range(window - 1, -1, -1):
        most = larger(most, ring[of, position])
        ring[of, position] = most


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fold_moments(means: Any, squares: Any, of: int, window: int, inverse: Any) -> None:
    """Replace the values of a full block (in ``means``) by mean and squares from each to the block's end."""
    mean = square = 0.0
    for position in range(window - 1, -1, -1):
        mean, square = grown(mean, square, inverse[window - position], means[of, position])
        means[of, position], squares[of, position] = mean, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def larger(one: float, other: float) -> float:
    """The larger of two; NaN if either is."""
    return one if one > other or one != one else other


@numba.njit(cache=True, nogil=True, error_model="numpy")
def grown(mean: float, square: float, share: float, value: float) -> tuple[float, float]:
    """Mean and sum of squared deviations after one more value, ``share`` one over their number (Welford 1962)."""
    change = value - mean
    mean += change * share
    return mean, square + change * (value - mean)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def joined(
    tail_mean: float, tail_square: float, mean: float, square: float, share: float, tail: int
) -> tuple[float, float]:
    """Moments of a tail of ``tail`` values and a head that is ``share`` of the whole (Chan, Golub, LeVeque 1983)."""
    apart = mean - tail_mean
    return tail_mean + apart * share, square + tail_square + apart * apart * share * tail


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _moments(values: Any, window: int, inverse: Any, means: Any, deviations: Any) -> None:
    tails, squares = np.zeros((1, window)), np.zeros((1, window))
    mean, square, at = 0.0, 0.0, 0
    for row in range(values.size):
        tails[0, at] = values[row]
        at += 1
        mean, square = grown(mean, square, inverse[at], values[row])
        whole, spread = mean, square
        if at < window:
            whole, spread = joined(
                tails[0, at], squares[0, at], mean, square, at * inverse[window], window - at
            )
        else:
            fold_moments(tails, squares, 0, window, inverse)
            mean, square, at = 0.0, 0.0, 0
        defined = row >= window - 1
        means[row] = whole if defined else np.nan
        deviations[row] = np.sqrt(spread * inverse[window]) if defined else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _largest(values: Any, window: int, sign: float, out: Any) -> None:
    ring = np.zeros((1, window))
    head, at = -np.inf, 0
    for row in range(values.size):
        ring[0, at] = sign * values[row]
        head = larger(head, ring[0, at])
        at += 1
        if at < window:
            out[row] = sign * larger(head, ring[0, at]) if row >= window else np.nan
        else:
            out[row] = sign * head
            fold_largest(ring, 0, window)
            head, at = -np.inf, 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def reciprocals(window: int) -> Any:
    """1 / n for n = 0 (held as 0) to ``window``."""
    inverse = np.zeros(window + 1)
    for n in range(1, window + 1):
        inverse[n] = 1.0 / n
    return inverse


def column(values: npt.ArrayLike, window: int, name: str = "window") -> Floats:
    """One-dimensional float64 values, contiguous, NaN where masked; ``ValueError`` for anything else or a window below 1."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    kind = getattr(getattr(values, "dtype", None), "kind", "f")
    if kind in "mM":
        raise ValueError("values are times or spans, not numbers")
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"values must be one-dimensional, got shape {array.shape}")
    if int(window) != window or window < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {window!r}")
    return array


def reach_of(array: Floats, window: int) -> int:
    """The window, no longer than it takes to hold more values than there are: then every result is NaN."""
    return min(int(window), array.size + 1)


def rolling_sum(values: npt.ArrayLike, window: int) -> Floats:
    """Sum over the last ``window`` values.

    Parameters
    ----------
    values
        Shape (n,).
    window
        At least 1.

    Returns
    -------
    numpy.ndarray
        Shape (n,); NaN for the first ``window - 1``, and where the window holds a NaN.

    Examples
    --------
    >>> rolling_sum([1.0, 1e17, 2.0, 3.0, 4.0], 2).tolist()[-2:]
    [5.0, 7.0]
    """
    array = column(values, window)
    out = np.empty(array.size)
    window_sums(array, reach_of(array, window), 1.0, out)
    return out


def rolling_mean(values: npt.ArrayLike, window: int) -> Floats:
    """Mean over the last ``window`` values; NaN as in :func:`rolling_sum`.

    Examples
    --------
    >>> rolling_mean([1.0, 2.0, 4.0], 2).tolist()
    [nan, 1.5, 3.0]
    """
    return rolling_moments(values, window)[0]


def rolling_sd(values: npt.ArrayLike, window: int) -> Floats:
    """Population standard deviation over the last ``window`` values; NaN as in :func:`rolling_sum`.

    Examples
    --------
    >>> rolling_sd([1e9 + 1.0, 1e9 + 3.0, 1e9 + 3.0], 2).tolist()
    [nan, 1.0, 0.0]
    """
    return rolling_moments(values, window)[1]


def rolling_moments(values: npt.ArrayLike, window: int) -> tuple[Floats, Floats]:
    """Mean and population standard deviation in one pass."""
    array = column(values, window)
    means, deviations = np.empty(array.size), np.empty(array.size)
    reach = reach_of(array, window)
    _moments(array, reach, reciprocals(reach), means, deviations)
    return means, deviations


def rolling_max(values: npt.ArrayLike, window: int) -> Floats:
    """Largest of the last ``window`` values; NaN as in :func:`rolling_sum`.

    Examples
    --------
    >>> rolling_max([3.0, 1.0, 2.0], 2).tolist()
    [nan, 3.0, 2.0]
    """
    return _extreme(values, window, 1.0)


def rolling_min(values: npt.ArrayLike, window: int) -> Floats:
    """Smallest of the last ``window`` values; NaN as in :func:`rolling_sum`.

    Examples
    --------
    >>> rolling_min([3.0, 1.0, 2.0], 2).tolist()
    [nan, 1.0, 1.0]
    """
    return _extreme(values, window, -1.0)


def _extreme(values: npt.ArrayLike, window: int, sign: float) -> Floats:
    array = column(values, window)
    out = np.empty(array.size)
    _largest(array, reach_of(array, window), sign, out)
    return out
