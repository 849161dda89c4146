"""Sums over the last values, each of its own values alone, eight windows at a time.

The windows that end at eight neighbours have everything in common but their ends: each is a tail of the eight values
where they begin, all that lies between, and a head of the eight where they end. Tails and heads are running sums of eight
(``lanes``); what lies between is whole blocks, a window over the blocks' totals (two folds per block, as in ``rolling``),
and a rest of at most seven. Nothing is ever subtracted: nothing drifts, and a NaN or an infinity is gone once it has left.
Where there is one, it would spoil its neighbours in their block of eight: such arrays are summed one value at a time.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from workstation.indicators.lanes import (
    LANES,
    backward_weights,
    forward_weights,
    in_all_lanes,
    lane,
    lanes_at,
    put_lanes,
    summed,
    summed_backward,
    summed_forward,
)

_FORWARD, _BACKWARD = forward_weights(), backward_weights()
_AMONG_REST = np.tri(LANES, LANES, -1)
"""Row n: 1 for the first n lanes, 0 for the others."""
_BLOCK = np.uint64(LANES)
_FIRST = np.uint64(0)


def window_sums(values: Any, window: int, scale: float, out: Any) -> None:
    """Write ``scale`` times the sum of the last ``window`` values; NaN for the first ``window - 1``.

    Parameters
    ----------
    values, out
        Shape (n,), float64, contiguous, apart from one another.
    """
    if window <= LANES:
        _narrow(values, window, scale, out)
    elif not _wide(values, window, scale, _FORWARD, _BACKWARD, _AMONG_REST[(window - 1) % LANES], out):
        _plain(values, window, scale, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _narrow(values: Any, window: int, scale: float, out: Any) -> None:
    """Windows of at most eight: every value is added anew."""
    first = min(window - 1, values.size)
    out[:first] = np.nan
    blocks = (values.size - first) // LANES
    place = np.uint64(first)
    scales = in_all_lanes(scale)
    for _ in range(blocks):
        total = lanes_at(values, place)
        for back in range(1, window):
            total = total + lanes_at(values, place - np.uint64(back))
        put_lanes(out, place, total * scales)
        place += _BLOCK
    _one_by_one(values, window, scale, first + blocks * LANES, values.size, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _one_by_one(values: Any, window: int, scale: float, start: int, stop: int, out: Any) -> None:
    """The windows that end at rows ``start`` to ``stop``, every value added anew."""
    for row in range(start, stop):
        total = 0.0
        for place in range(row - window + 1, row + 1):
            total += values[place]
        out[row] = total * scale


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _wide(
    values: Any, window: int, scale: float, forward: Any, backward: Any, among_rest: Any, out: Any
) -> bool:
    """Windows of more than eight; False, and nothing to be used in ``out``, when a value is not finite."""
    f1, f2, f4 = lanes_at(forward[0], _FIRST), lanes_at(forward[1], _FIRST), lanes_at(forward[2], _FIRST)
    b1, b2, b4 = lanes_at(backward[0], _FIRST), lanes_at(backward[1], _FIRST), lanes_at(backward[2], _FIRST)
    scales, of_rest = in_all_lanes(scale), lanes_at(among_rest, _FIRST)
    whole, rest = (window - 1 - LANES) // LANES, (window - 1) % LANES
    totals = np.zeros(max(whole, 1))
    at, newer, inner, everything = 0, 0.0, 0.0, 0.0
    first, blocks = (window - 1 + LANES - 1) // LANES, values.size // LANES
    for block in range(blocks):
        end = np.uint64(block * LANES)
        heads = summed_forward(lanes_at(values, end), f1, f2, f4)
        total = lane(heads, 7)
        everything += total
        if block >= first:
            begin = np.uint64(block * LANES - window + 1)
            tails = summed_backward(lanes_at(values, begin), b1, b2, b4)
            between = in_all_lanes(inner)
            if rest:
                between = between + summed(lanes_at(values, begin + _BLOCK) * of_rest)
            put_lanes(out, end, (heads + (tails + between)) * scales)
        if whole == 1:
            inner = total
        elif whole > 1:
            totals[at] = total
            newer += total
            at += 1
            inner = newer
            if at < whole:
                inner += totals[at]
            else:
                older = 0.0
                for place in range(whole - 1, -1, -1):
                    older += totals[place]
                    totals[place] = older
                at, newer = 0, 0.0
    begun = min(window - 1, values.size)
    out[:begun] = np.nan
    _one_by_one(values, window, scale, begun, min(first * LANES, values.size), out)
    _one_by_one(values, window, scale, max(begun, blocks * LANES), values.size, out)
    return everything - everything == 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _plain(values: Any, window: int, scale: float, out: Any) -> None:
    """A tail of the block before, folded once, and a growing head; see ``rolling``."""
    tails = np.zeros(window + 1)
    for begin in range(0, values.size, window):
        stop = min(begin + window, values.size)
        head = 0.0
        for row in range(begin, stop):
            head += values[row]
            out[row] = (head + tails[row - begin + 1]) * scale
        tail = 0.0
        for row in range(stop - 1, begin, -1):
            tail += values[row]
            tails[row - begin] = tail
    out[: min(window - 1, values.size)] = np.nan
