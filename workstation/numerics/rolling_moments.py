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

from workstation.numerics.simd import (
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
from workstation.numerics.state_arrays import Field

TOTAL, SQUARE, TAIL_PIVOT = range(3)
HEAD_FIELDS = 3
"""A head: sums of its whole groups and of their squares, about its first value; and about what the tails' sums are."""
MARGIN = LANES
"""Room before and after the values in what ``window_moments`` writes to: groups begin and end where values do not."""
_ONE, _TWO, _FOUR = forward_weights()
_BACK_ONE, _BACK_TWO, _BACK_FOUR = backward_weights()
_BUT_LAST = np.array([1.0] * (LANES - 1) + [0.0])
_FIRST = np.uint64(0)


class Span(NamedTuple):
    """A window's length and what depends on it alone, by values in the head.

    ``one_over``, ``one_over_tail``: 1 over those in the head and in the tail; ``tail_share``: the tail's share of the window;
    ``spread``: the weight of their means' squared distance. Shape (window and more,).
    """

    window: int
    one_over: npt.NDArray[np.float64]
    one_over_tail: npt.NDArray[np.float64]
    tail_share: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


@lru_cache(maxsize=64)
def span(window: int) -> Span:
    """The ``Span`` of a window.

    Examples
    --------
    >>> [column[:5].tolist() for column in span(4)[1:]]
    [[0.0, 1.0, 0.5, 0.3333333333333333, 0.25], [0.25, 0.3333333333333333, 0.5, 1.0, 0.0], [1.0, 0.75, 0.5, 0.25, 0.0], [0.0, 0.75, 1.0, 0.75, 0.0]]
    """
    head = np.arange(window + 1.0)
    tail = window - head
    one_over, one_over_tail, tail_share, spread = np.zeros((4, padded(window) + LANES))
    one_over[1 : window + 1] = 1.0 / head[1:]
    one_over_tail[:window] = 1.0 / tail[:-1]
    tail_share[: window + 1] = tail / window
    spread[: window + 1] = head * tail / window
    return Span(window, one_over, one_over_tail, tail_share, spread)


def padded(window: int) -> int:
    """How many values the ring of a window has room for: whole groups."""
    return -(-window // LANES) * LANES


def groups(window: int) -> int:
    """How many groups a window has, and one more, which is empty."""
    return padded(window) // LANES + 1


class WindowState(NamedTuple):
    """Windows of one length, one per row.

    ``heads``: shape (rows, HEAD_FIELDS); ``ring``: the block's values so far, then those of the block before, ``padded``;
    ``totals``, ``squares``: sums of the tail by group, ``groups``.
    """

    heads: Any
    ring: Any
    totals: Any
    squares: Any


def window_fields(window: int) -> dict[str, Field]:
    """The arrays of a ``WindowState``."""
    many = groups(window)
    return {
        "heads": Field(HEAD_FIELDS),
        "ring": Field(padded(window)),
        "totals": Field(many),
        "squares": Field(many),
    }


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fold_tails(state: WindowState, r: int, window: int) -> None:
    """A block is full: sums and sums of squares of all groups after each group, about the block's last value."""
    ring, heads = state.ring, state.heads
    pivot, size = ring[r, window - 1], ring.shape[1]
    for position in range(window, size):
        ring[r, position] = pivot
    heads[r, TOTAL], heads[r, SQUARE], heads[r, TAIL_PIVOT] = 0.0, 0.0, pivot
    below, total, square = in_all_lanes(-pivot), 0.0, 0.0
    for group in range(size // LANES - 1, 0, -1):
        above = lanes_at(ring, np.uint64(r * size + group * LANES)) + below
        total += lane(summed(above), 0)
        square += lane(summed(above * above), 0)
        state.totals[r, group - 1], state.squares[r, group - 1] = total, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def grow(
    values: Any, begin: int, at: int, until: int, state: WindowState, r: int, span: Span, wanted: Any, ask: int,
    mean_out: Any, square_out: Any, out: int,
) -> None:  # fmt: skip
    """Values from ``begin`` on become those ``at`` to ``until`` of the block; as ``window_moments``."""
    ring, heads, totals, squares = state.ring, state.heads, state.totals, state.squares
    f1, f2, f4 = lanes_at(_ONE, _FIRST), lanes_at(_TWO, _FIRST), lanes_at(_FOUR, _FIRST)
    b1, b2, b4 = lanes_at(_BACK_ONE, _FIRST), lanes_at(_BACK_TWO, _FIRST), lanes_at(_BACK_FOUR, _FIRST)
    but_last, minus, zero = lanes_at(_BUT_LAST, _FIRST), in_all_lanes(-1.0), in_all_lanes(0.0)
    pivot = values[begin] if at == 0 else ring[r, 0]
    total, square = heads[r, TOTAL], heads[r, SQUARE]
    pivots, below, tail_pivots = in_all_lanes(pivot), in_all_lanes(-pivot), in_all_lanes(heads[r, TAIL_PIVOT])
    row = r * ring.shape[1]
    for group in range(at // LANES, (until - 1) // LANES + 1):
        first = group * LANES
        position = np.uint64(row + first)
        tail = lanes_at(ring, position)
        whole = first + LANES <= until
        if whole and first >= at:
            own = lanes_at(values, np.uint64(begin + first - at))
            asked = any_of_eight(wanted, np.uint64(ask + first - at))
            put_lanes(ring, position, own)
        else:
            for k in range(max(at, first), min(until, first + LANES)):
                ring[r, k] = values[begin + k - at]
            own, asked = lanes_at(ring, position), True
        above = own + below
        sums = summed_forward(above, f1, f2, f4)
        sums_of_squares = summed_forward(above * above, f1, f2, f4)
        if asked:
            so_far, many = sums + in_all_lanes(total), np.uint64(first + 1)
            mean = so_far * lanes_at(span.one_over, many)
            spread = larger(multiply_add(so_far * minus, mean, sums_of_squares + in_all_lanes(square)), zero)
            mean = mean + pivots
            above = turned(multiply_add(tail_pivots, minus, tail), -1) * but_last
            left = summed_backward(above, b1, b2, b4) + in_all_lanes(totals[r, group])
            tail_mean = left * lanes_at(span.one_over_tail, many)
            squared = summed_backward(above * above, b1, b2, b4) + in_all_lanes(squares[r, group])
            tail_spread = larger(multiply_add(left * minus, tail_mean, squared), zero)
            apart = multiply_add(tail_mean + tail_pivots, minus, mean)
            to = np.uint64(out + first - at)
            put_lanes(mean_out, to, multiply_add(apart * minus, lanes_at(span.tail_share, many), mean))
            put_lanes(
                square_out, to, multiply_add(apart * apart, lanes_at(span.spread, many), spread + tail_spread)
            )
        if whole:
            total += lane(sums, 7)
            square += lane(sums_of_squares, 7)
    heads[r, TOTAL], heads[r, SQUARE] = total, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def window_moments(
    values: Any, begin: int, end: int, at: int, state: WindowState, r: int, span: Span, wanted: Any, ask: int,
    mean_out: Any, square_out: Any, out: int,
) -> int:  # fmt: skip
    """Add values ``begin`` to ``end`` to the window of row ``r``; write mean and squares over it after each, meaningless before it is full.

    Parameters
    ----------
    values
        Finite, contiguous.
    at
        Values in the head.
    wanted, ask
        Of which values the moments are wanted, the first of them at ``ask``; those of the others may be anything.
    mean_out, square_out, out
        Where they are written, those of the first value at ``out``; ``MARGIN`` before and after all of them may be overwritten.

    Returns
    -------
    Values in the head afterwards.
    """
    window = span.window
    while begin < end:
        many = min(end - begin, window - at)
        grow(values, begin, at, at + many, state, r, span, wanted, ask, mean_out, square_out, out)
        begin += many
        ask += many
        out += many
        at += many
        if at == window:
            fold_tails(state, r, window)
            at = 0
    return at
