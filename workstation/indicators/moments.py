"""Mean and squared deviations of the last values, eight values at a time and only where they are wanted.

As in ``rolling`` the stream is cut into blocks as long as the window, and a window is the tail of the block before and the
head of the current one; nothing that has left is ever subtracted. A block is cut into groups of eight that begin where it
begins, whatever batches its values came in: what a group gives depends on its values alone. Of the groups before it a group
needs two sums of the head, of those after it two of the tail; within a group they are running sums of eight (``lanes``).

A head's sums are taken about its first value, a tail's about its last. Each is a value of its own set, so the sum of squares
about it is at most n + 1 times that about the mean: turning one into the other costs no more than log10(n + 1) digits, and of
equal values the squares are exactly 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.lanes import (
    LANES,
    any_of_eight,
    backward_weights,
    forward_weights,
    in_all_lanes,
    lane,
    lanes_at,
    larger,
    multiply_add,
    put_lanes,
    summed,
    summed_backward,
    summed_forward,
    turned,
)

TOTAL, SQUARE, TAIL_PIVOT = range(3)
HEAD_FIELDS = 3
"""A head: sums of its whole groups and of their squares, about its first value; and about what the tails' sums are."""
MARGIN = LANES
"""Room before and after the values in what ``window_moments`` writes to: groups begin and end where values do not."""
ONE_OVER, ONE_OVER_TAIL, TAIL_SHARE, SPREAD = range(4)
_FIRST = np.uint64(0)


class Span(NamedTuple):
    """A window's length and what depends on it alone.

    ``by``: shape (4, window and more), by values n in the head: 1 / n, 1 over those in the tail, the tail's share of the window,
    and the weight of their means' squared distance; ``forward``, ``backward``: of running sums; ``but_last``: 1 in all lanes but
    the last.
    """

    window: int
    by: npt.NDArray[np.float64]
    forward: npt.NDArray[np.float64]
    backward: npt.NDArray[np.float64]
    but_last: npt.NDArray[np.float64]


@lru_cache(maxsize=64)
def span(window: int) -> Span:
    """The ``Span`` of a window.

    Examples
    --------
    >>> span(4).by[:, :5].tolist()
    [[0.0, 1.0, 0.5, 0.3333333333333333, 0.25], [0.25, 0.3333333333333333, 0.5, 1.0, 0.0], [1.0, 0.75, 0.5, 0.25, 0.0], [0.0, 0.75, 1.0, 0.75, 0.0]]
    """
    head = np.arange(window + 1.0)
    tail = window - head
    by = np.zeros((4, padded(window) + LANES))
    by[ONE_OVER, 1 : window + 1] = 1.0 / head[1:]
    by[ONE_OVER_TAIL, :window] = 1.0 / tail[:-1]
    by[TAIL_SHARE, : window + 1] = tail / window
    by[SPREAD, : window + 1] = head * tail / window
    return Span(window, by, forward_weights(), backward_weights(), np.array([1.0] * (LANES - 1) + [0.0]))


def padded(window: int) -> int:
    """How many values the ring of a window has room for: whole groups."""
    return -(-window // LANES) * LANES


def groups(window: int) -> int:
    """How many groups a window has, and one more, which is empty."""
    return padded(window) // LANES + 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fold_tails(head: Any, ring: Any, totals: Any, squares: Any, window: int) -> None:
    """A block is full: sums and sums of squares of all groups after each group, about the block's last value."""
    pivot = ring[window - 1]
    ring[window:] = pivot
    head[TOTAL], head[SQUARE], head[TAIL_PIVOT] = 0.0, 0.0, pivot
    below, total, square = in_all_lanes(-pivot), 0.0, 0.0
    for group in range(totals.size - 2, 0, -1):
        above = lanes_at(ring, np.uint64(group * LANES)) + below
        total += lane(summed(above), 0)
        square += lane(summed(above * above), 0)
        totals[group - 1], squares[group - 1] = total, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def grow(
    values: Any, done: int, at: int, until: int, head: Any, ring: Any, totals: Any, squares: Any, span: Span,
    wanted: Any, mean_out: Any, square_out: Any,
) -> None:  # fmt: skip
    """Values from ``done`` on become those ``at`` to ``until`` of the block; as ``window_moments``."""
    f1, f2, f4 = (
        lanes_at(span.forward[0], _FIRST),
        lanes_at(span.forward[1], _FIRST),
        lanes_at(span.forward[2], _FIRST),
    )
    b1, b2, b4 = (
        lanes_at(span.backward[0], _FIRST),
        lanes_at(span.backward[1], _FIRST),
        lanes_at(span.backward[2], _FIRST),
    )
    but_last, minus, zero = lanes_at(span.but_last, _FIRST), in_all_lanes(-1.0), in_all_lanes(0.0)
    one_over, one_over_tail = span.by[ONE_OVER], span.by[ONE_OVER_TAIL]
    tail_share, weight, one = span.by[TAIL_SHARE], span.by[SPREAD], np.uint64(1)
    pivot = values[done] if at == 0 else ring[0]
    total, square = head[TOTAL], head[SQUARE]
    pivots, below, tail_pivots = in_all_lanes(pivot), in_all_lanes(-pivot), in_all_lanes(head[TAIL_PIVOT])
    offset = done - at
    for group in range(at // LANES, (until - 1) // LANES + 1):
        first = group * LANES
        place = np.uint64(first)
        begin, end = max(at, first), min(until, first + LANES)
        tail = lanes_at(ring, place)
        if end - begin == LANES:
            own = lanes_at(values, np.uint64(first + offset))
            asked = any_of_eight(wanted, np.uint64(first + offset))
            put_lanes(ring, place, own)
        else:
            ring[begin:end] = values[begin + offset : end + offset]
            own, asked = lanes_at(ring, place), True
        above = own + below
        sums = summed_forward(above, f1, f2, f4)
        sums_of_squares = summed_forward(above * above, f1, f2, f4)
        if asked:
            so_far, many = sums + in_all_lanes(total), place + one
            mean = so_far * lanes_at(one_over, many)
            spread = larger(multiply_add(so_far * minus, mean, sums_of_squares + in_all_lanes(square)), zero)
            mean = mean + pivots
            above = turned(multiply_add(tail_pivots, minus, tail), -1) * but_last
            left = summed_backward(above, b1, b2, b4) + in_all_lanes(totals[group])
            tail_mean = left * lanes_at(one_over_tail, many)
            squared = summed_backward(above * above, b1, b2, b4) + in_all_lanes(squares[group])
            tail_spread = larger(multiply_add(left * minus, tail_mean, squared), zero)
            apart = multiply_add(tail_mean + tail_pivots, minus, mean)
            to = np.uint64(first + offset + MARGIN)
            put_lanes(mean_out, to, multiply_add(apart * minus, lanes_at(tail_share, many), mean))
            put_lanes(
                square_out, to, multiply_add(apart * apart, lanes_at(weight, many), spread + tail_spread)
            )
        if end == first + LANES:
            total += lane(sums, 7)
            square += lane(sums_of_squares, 7)
    head[TOTAL], head[SQUARE] = total, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def window_moments(
    values: Any, at: int, head: Any, ring: Any, totals: Any, squares: Any, span: Span, wanted: Any, mean_out: Any,
    square_out: Any,
) -> int:  # fmt: skip
    """Add values to a window; write mean and squares over the window after each, meaningless before it is full.

    Parameters
    ----------
    values
        Finite, contiguous.
    at
        Values in the head.
    head, ring, totals, squares
        State: the head; the block's values, those from ``at`` on of the block before (``padded``); sums of the tail by group
        (``groups``).
    wanted
        Of which values the moments are wanted; those of the others may be anything.
    mean_out, square_out
        What follows value i is at ``MARGIN + i``; ``MARGIN`` longer at either end.

    Returns
    -------
    Values in the head afterwards.
    """
    window = span.window
    done = 0
    while done < values.size:
        many = min(values.size - done, window - at)
        grow(values, done, at, at + many, head, ring, totals, squares, span, wanted, mean_out, square_out)
        done += many
        at += many
        if at == window:
            fold_tails(head, ring, totals, squares, window)
            at = 0
    return at
