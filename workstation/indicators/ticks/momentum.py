"""The move over the last ticks, and how far such moves are from their mean: what reversals v2 measures a pull-back with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.batch.by_instrument import TickGroups, take_old
from workstation.indicators.ticks.kernels import CHUNK_TICKS, log_returns
from workstation.numerics.rolling_moments import MARGIN, Span, WindowState, window_moments

TICK_AT, TICKS, MOVE_AT, MOVES = range(4)
COUNTERS = 4


class MomentumState(NamedTuple):
    """Prices of the last ticks, and how far the windows of the moves over them are."""

    counters: npt.NDArray[np.int64]
    prices: npt.NDArray[np.float64]


class MoveScratch(NamedTuple):
    """Scratch for a chunk of ticks: their prices, those before them, and moments, shape (2, n)."""

    prices: npt.NDArray[np.float64]
    before: npt.NDArray[np.float64]
    moments: npt.NDArray[np.float64]


class Moves(NamedTuple):
    """Of each measured tick whether a burst is under way, the move up to it, and in a burst the deviation of such moves."""

    bursting: npt.NDArray[np.bool_]
    moves: npt.NDArray[np.float64]
    deviations: npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def move_chunk(
    r: int, begin: int, end: int, ticks: TickGroups, price: Any, state: MomentumState, window_state: WindowState, window: Span,
    scratch: MoveScratch, out: Moves,
) -> None:  # fmt: skip
    """``measure_moves`` of some ticks of one instrument."""
    counters, span, moves, deviations = state.counters, state.prices.shape[1], out.moves, out.deviations
    own, before, means, squares = scratch.prices, scratch.before, scratch.moments[0], scratch.moments[1]
    many, seen, known = end - begin, counters[r, TICKS], counters[r, MOVES]
    for tick in range(many):
        own[tick] = price[ticks.positions[begin + tick]]
    counters[r, TICK_AT] = take_old(state.prices[r], counters[r, TICK_AT], own[:many], before)
    counters[r, TICKS] = seen + many
    first = begin + min(max(span - seen, 0), many)
    for tick in range(begin, first):
        moves[tick] = np.nan
    log_returns(own[first - begin : many], before[first - begin : many], moves[first:end])
    counters[r, MOVE_AT] = window_moments(
        moves, first, end, counters[r, MOVE_AT], window_state, r, window, out.bursting, first, means, squares, MARGIN
    )  # fmt: skip
    counters[r, MOVES] = known + end - first
    full = first + min(max(window.window - 1 - known, 0), end - first)
    for tick in range(begin, full):
        deviations[tick] = np.nan
    for tick in range(full, end):
        if out.bursting[tick]:
            deviations[tick] = np.sqrt(squares[MARGIN + tick - first] / window.window)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure_moves(
    ticks: TickGroups, price: Any, state: MomentumState, window_state: WindowState, window: Span, out: Moves
) -> None:  # fmt: skip
    """Move of each measured tick over the span of ``prices`` (bps), NaN until that is full; of those in a burst its population
    sd over the window, NaN until that is full.
    """
    scratch = MoveScratch(
        np.empty(CHUNK_TICKS), np.empty(CHUNK_TICKS), np.empty((2, CHUNK_TICKS + 2 * MARGIN))
    )
    for group in range(ticks.state_rows.size):
        begin, end = ticks.offsets[group], ticks.offsets[group + 1]
        while begin < end:
            until = min(begin + CHUNK_TICKS, end)
            move_chunk(
                ticks.state_rows[group], begin, until, ticks, price, state, window_state, window, scratch, out
            )
            begin = until
