"""Kernels of the paths: from price and time of each tick to intensity, velocity and efficiency over the last N ticks.

They take a batch grouped by instrument, each group many ticks at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.batch.by_instrument import TradeArrays, TradeGroups, copy_to, take_old
from workstation.indicators.ticks.kernels import (
    CHUNK_TICKS,
    NEWEST_NS,
    OUT_EFFICIENCY,
    OUT_INTENSITY,
    OUT_VELOCITY,
    PATH,
    PATH_AT,
    PRICE,
    TICK_AT,
    TICKS,
    VENUES,
    WindowRules,
    add_to_sums,
    log_returns,
)
from workstation.market.instants import SECOND_NS


class PathState(NamedTuple):
    """State of the paths, one row per instrument. Rings hold what is in the window, or tails (see ``rolling``)."""

    counters: npt.NDArray[np.int64]
    heads: npt.NDArray[np.float64]
    prices: npt.NDArray[np.float64]
    times: npt.NDArray[np.int64]
    paths: npt.NDArray[np.float64]


class VenueBits(NamedTuple):
    """Code of the venue of each row of the batch (none where there is one code), and the bit of each code."""

    codes: npt.NDArray[np.int32]
    bits: npt.NDArray[np.int64]


class PathOutput(NamedTuple):
    """Scratch for what is measured: ``TickGroups``, and intensity, velocity and efficiency, shape (3, n)."""

    positions: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    state_rows: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


class ChunkScratch(NamedTuple):
    """Scratch for a chunk of ticks: their positions, times and prices, those of a window before, path and move."""

    taken: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    times_before: npt.NDArray[np.int64]
    prices: npt.NDArray[np.float64]
    prices_before: npt.NDArray[np.float64]
    path: npt.NDArray[np.float64]
    move: npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def all_ticks(
    begin: int, end: int, trades: TradeArrays, newest: int, taken: Any, times: Any, prices: Any
) -> bool:
    """As ``take_ticks`` of trades without flags that are in the order of their times, if all of them are ticks."""
    if trades.event_ns[begin] < newest:
        return False
    paid = trades.price[begin:end]
    copy_to(prices, paid)
    copy_to(times, trades.event_ns[begin:end])
    for tick in range(paid.size):
        taken[tick] = begin + tick
    bad = 0
    for tick in range(paid.size):
        bad += 0 if 0.0 < paid[tick] < np.inf else 1
    return bad == 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def take_ticks(
    begin: int, end: int, trades: TradeArrays, plain: bool, newest: int, by: WindowRules, taken: Any, times: Any, prices: Any
) -> tuple[int, int, int]:  # fmt: skip
    """Of trades of one instrument those that are ticks: their positions, times (none before the one before it) and prices.

    ``plain``: no trade has a flag, all are in the order of their times. Returns how many, how many were late, and how many
    had no price.
    """
    if plain and all_ticks(begin, end, trades, newest, taken, times, prices):
        return end - begin, 0, 0
    done = late = bad = 0
    for position in range(begin, end):
        paid, now = trades.price[position], trades.event_ns[position]
        if trades.flags[position] & by.unpriced:
            continue
        if not 0.0 < paid < np.inf:
            bad += 1
            continue
        if now < newest:
            if now < newest - by.lateness_ns:
                late += 1
                continue
            now = newest
        newest = now
        taken[done], times[done], prices[done] = position, now, paid
        done += 1
    return done, late, bad


@numba.njit(cache=True, nogil=True, error_model="numpy")
def rate_paths(
    path: Any, move: Any, times: Any, before_ns: Any, least_ns: int, intensity: Any, velocity: Any, efficiency: Any
) -> None:  # fmt: skip
    """Intensity, velocity and efficiency of path and move over a time."""
    for tick in range(
        efficiency.size
    ):  # a loop per result: one loop of many arrays the compiler does not vectorise
        efficiency[tick] = SECOND_NS / max(times[tick] - before_ns[tick], least_ns)
    for tick in range(intensity.size):
        intensity[tick] = path[tick] * efficiency[tick]
    for tick in range(velocity.size):
        velocity[tick] = move[tick] * efficiency[tick]
    for tick in range(efficiency.size):
        share = abs(move[tick]) / path[tick]
        efficiency[tick] = (share if share < 1.0 else 1.0) if path[tick] > 0.0 else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure_chunk(
    r: int, begin: int, end: int, groups: TradeGroups, plain: bool, venues: VenueBits, state: PathState, by: WindowRules,
    scratch: ChunkScratch, out: PathOutput, done: int,
) -> tuple[int, int, int]:  # fmt: skip
    """``measure`` of some trades of one instrument, after ``done`` ticks; returns the ticks measured then, late, unpriced."""
    counters, heads = state.counters, state.heads
    taken, times, times_before, prices, prices_before, path, move = scratch
    seen = counters[r, TICKS]
    prices[0] = heads[r, PRICE]
    many, late, bad = take_ticks(
        begin, end, groups.trades, plain, counters[r, NEWEST_NS] if seen else np.iinfo(np.int64).min, by, taken, times,
        prices[1:],
    )  # fmt: skip
    if many == 0:
        return done, late, bad
    if venues.bits.size == 1:
        counters[r, VENUES] |= venues.bits[0]
    else:
        for tick in range(many):
            counters[r, VENUES] |= venues.bits[venues.codes[groups.rows[taken[tick]]]]
    counters[r, TICKS], counters[r, NEWEST_NS], heads[r, PRICE] = seen + many, times[many - 1], prices[many]
    first = 0 if seen else 1  # before the first tick there is no price to come from
    log_returns(prices[1 + first : 1 + many], prices[first:many], path[first:many])
    for tick in range(first, many):
        path[tick] = abs(path[tick])
    counters[r, PATH_AT], heads[r, PATH] = add_to_sums(
        path[first:many], counters[r, PATH_AT], heads[r, PATH], state.paths, r, by.ticks, path[first:many]
    )
    take_old(state.times[r], counters[r, TICK_AT], times[:many], times_before[:many])
    counters[r, TICK_AT] = take_old(
        state.prices[r], counters[r, TICK_AT], prices[1 : 1 + many], prices_before[:many]
    )
    full = max(by.ticks - seen, 0)
    if full >= many:
        return done, late, bad
    until = done + many - full
    log_returns(prices[1 + full : 1 + many], prices_before[full:many], move[full:many])
    rate_paths(
        path[full:many], move[full:many], times[full:many], times_before[full:many], by.least_ns,
        out.values[OUT_INTENSITY, done:until], out.values[OUT_VELOCITY, done:until], out.values[OUT_EFFICIENCY, done:until],
    )  # fmt: skip
    copy_to(out.positions[done:until], taken[full:many])
    for tick in range(done, until):
        out.rows[tick] = groups.rows[out.positions[tick]]
    return until, late, bad


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure(
    groups: TradeGroups, state_rows: Any, plain: bool, venues: VenueBits, state: PathState, by: WindowRules, out: PathOutput
) -> tuple[int, int, int]:  # fmt: skip
    """Take the ticks of every group; write intensity, velocity and efficiency of those whose window is full.

    Parameters
    ----------
    state_rows
        State row of each group, negative where it is not followed.
    plain
        Whether all trades are in the order of their times, without flags.

    Returns
    -------
    measured groups, late, unpriced
    """
    measured = done = late = bad = 0
    out.offsets[0] = 0
    scratch = ChunkScratch(
        np.empty(CHUNK_TICKS, np.int64), np.empty(CHUNK_TICKS, np.int64), np.empty(CHUNK_TICKS, np.int64),
        np.empty(CHUNK_TICKS + 1), np.empty(CHUNK_TICKS), np.empty(CHUNK_TICKS), np.empty(CHUNK_TICKS),
    )  # fmt: skip
    for group in range(state_rows.size):
        r, begin, end = state_rows[group], groups.offsets[group], groups.offsets[group + 1]
        while r >= 0 and begin < end:
            until = min(begin + CHUNK_TICKS, end)
            done, chunk_late, chunk_bad = measure_chunk(
                r, begin, until, groups, plain, venues, state, by, scratch, out, done
            )
            late += chunk_late
            bad += chunk_bad
            begin = until
        if done > out.offsets[measured]:
            out.state_rows[measured], out.offsets[measured + 1] = r, done
            measured += 1
    return measured, late, bad
