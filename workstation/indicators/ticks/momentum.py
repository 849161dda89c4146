"""The move over the last ticks, and how far such moves are from their mean: what reversals v2 measures a pull-back with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.indicators.batch.by_instrument import take_old
from workstation.indicators.ticks.kernels import PIECE, log_returns
from workstation.numerics.rolling_moments import MARGIN, Span, WindowState, window_moments

TICK_AT, TICKS, MOVE_AT, MOVES = range(4)
COUNTERS = 4


class Momentum(NamedTuple):
    """Prices of the last ticks, and how far the windows of the moves over them are."""

    counters: Any
    prices: Any


@numba.njit(cache=True, nogil=True, error_model="numpy")
def move_piece(
    r: int, begin: int, end: int, places: Any, price: Any, state: Momentum, window_state: WindowState, window: Span,
    bursting: Any, own: Any, before: Any, room: Any, moves: Any, deviations: Any,
) -> None:  # fmt: skip
    """``measure_moves`` of some ticks of one instrument; ``own``, ``before``, ``room``: room for prices and moments."""
    counters, span = state.counters, state.prices.shape[1]
    means, squares = room[0], room[1]
    many, seen, known = end - begin, counters[r, TICKS], counters[r, MOVES]
    for tick in range(many):
        own[tick] = price[places[begin + tick]]
    counters[r, TICK_AT] = take_old(state.prices[r], counters[r, TICK_AT], own[:many], before)
    counters[r, TICKS] = seen + many
    first = begin + min(max(span - seen, 0), many)
    for tick in range(begin, first):
        moves[tick] = np.nan
    log_returns(own[first - begin : many], before[first - begin : many], moves[first:end])
    counters[r, MOVE_AT] = window_moments(
        moves,
        first,
        end,
        counters[r, MOVE_AT],
        window_state,
        r,
        window,
        bursting,
        first,
        means,
        squares,
        MARGIN,
    )
    counters[r, MOVES] = known + end - first
    full = first + min(max(window.window - 1 - known, 0), end - first)
    for tick in range(begin, full):
        deviations[tick] = np.nan
    for tick in range(full, end):
        if bursting[tick]:
            deviations[tick] = np.sqrt(squares[MARGIN + tick - first] / window.window)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure_moves(
    places: Any, owners: Any, edges: Any, price: Any, state: Momentum, window_state: WindowState, window: Span,
    bursting: Any, moves: Any, deviations: Any,
) -> None:  # fmt: skip
    """Move of each measured tick over the span of ``prices`` (bps), NaN until that is full; of those in a burst its population
    sd over the window, NaN until that is full.
    """
    own, before, room = np.empty(PIECE), np.empty(PIECE), np.empty((2, PIECE + 2 * MARGIN))
    for run in range(owners.size):
        begin, end = edges[run], edges[run + 1]
        while begin < end:
            until = min(begin + PIECE, end)
            move_piece(
                owners[run], begin, until, places, price, state, window_state, window, bursting, own, before, room, moves,
                deviations,
            )  # fmt: skip
            begin = until
