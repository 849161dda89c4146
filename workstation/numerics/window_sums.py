"""Sums over the last values, each of its own values alone, eight windows at a time.

The sums of 2, 4 and 8 values that end at eight neighbours are each one addition of the sums of half as many and of the same
ones that many places before. A window is some whole eights, a window over the sums of 8 (two folds per eight, as in
``rolling``), and before them a rest of at most seven. Nothing is ever subtracted: nothing drifts, and a NaN or an infinity
is in the windows that hold it and in no other.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from workstation.numerics.simd import LANES, in_all_lanes, lanes_at, put_lanes, shifted

_EIGHT, _ONE = np.uint64(LANES), np.uint64(1)


@numba.njit(cache=True, nogil=True, inline="always")
def _rest(rest: int, x: Any, x_before: Any, two: Any, two_before: Any, four: Any) -> Any:
    """Sums of ``rest`` values, 1 to 7, of those of 1, 2 and 4."""
    if rest == 1:
        return x
    if rest == 2:
        return two
    if rest == 3:
        return two + shifted(x, x_before, 2)
    if rest == 4:
        return four
    if rest == 5:
        return four + shifted(x, x_before, 4)
    six = four + shifted(two, two_before, 4)
    return six if rest == 6 else six + shifted(x, x_before, 6)


@numba.njit(cache=True, nogil=True)
def _one_by_one(values: Any, window: int, scale: float, start: int, stop: int, out: Any) -> None:
    """The windows that end at rows ``start`` to ``stop``, every value added anew."""
    for row in range(start, stop):
        total = 0.0
        for position in range(row - window + 1, row + 1):
            total += values[position]
        out[row] = total * scale


@numba.njit(cache=True, nogil=True)
def window_sums(values: Any, window: int, scale: float, out: Any) -> None:
    """Write ``scale`` times the sum of the last ``window`` values; NaN for the first ``window - 1``.

    Parameters
    ----------
    values, out
        Shape (n,), float64, contiguous, apart from one another.
    """
    eights, rest, blocks = window // LANES, window % LANES, values.size // LANES
    scales, zero = in_all_lanes(scale), in_all_lanes(0.0)
    x_before = two_before = four_before = head = zero
    tails, rests = np.zeros((eights + 1) * LANES), np.zeros(max(eights, 1) * LANES)
    at = end = np.uint64(0)
    beyond = np.uint64(max(eights, 1)) * _EIGHT
    for _ in range(blocks):
        x = lanes_at(values, end)
        two = x + shifted(x, x_before, 1)
        four = two + shifted(two, two_before, 2)
        total = zero
        if rest:
            total = _rest(rest, x, x_before, two, two_before, four)
        if eights:
            eight = four + shifted(four, four_before, 4)
            if rest:
                older = lanes_at(rests, at)
                put_lanes(rests, at, total)
                total = older
            head = head + eight
            total = total + (head + lanes_at(tails, at + _EIGHT))
            put_lanes(tails, at, eight)
            at += _EIGHT
            if at == beyond:
                head = zero
                while at > 0:
                    at -= _EIGHT
                    head = head + lanes_at(tails, at)
                    put_lanes(tails, at, head)
                head = zero
        put_lanes(out, end, total * scales)
        x_before, two_before, four_before = x, two, four
        end += _EIGHT
    begun = min(window - 1, values.size)
    out[:begun] = np.nan
    _one_by_one(values, window, scale, max(begun, blocks * LANES), values.size, out)
