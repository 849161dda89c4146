"""Kernels of the paths: from price and time of each tick to intensity, velocity and efficiency over the last N ticks.

They take a batch in runs of one instrument (``runs``), each run many ticks at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.indicators.batch.by_instrument import copy_to, take_old
from workstation.indicators.ticks.kernels import (
    NEWEST_NS,
    OUT_EFFICIENCY,
    OUT_INTENSITY,
    OUT_VELOCITY,
    PATH,
    PATH_AT,
    PIECE,
    PRICE,
    TICK_AT,
    TICKS,
    VENUES,
    Measures,
    add_to_sums,
    log_returns,
)


class Paths(NamedTuple):
    """State of the paths, one row per instrument. Rings hold what is in the window, or tails (see ``rolling``)."""

    counters: Any
    heads: Any
    prices: Any
    times: Any
    paths: Any


@numba.njit(cache=True, nogil=True)
def all_ticks(
    begin: int, end: int, event_ns: Any, price: Any, newest: int, taken: Any, times: Any, prices: Any
) -> bool:
    """As ``take_ticks`` of a run without flags whose trades are in the order of their times, if all of them are ticks."""
    if event_ns[begin] < newest:
        return False
    paid = price[begin:end]
    copy_to(prices, paid)
    copy_to(times, event_ns[begin:end])
    for place in range(paid.size):
        taken[place] = begin + place
    bad = 0
    for place in range(paid.size):
        bad += 0 if 0.0 < paid[place] < np.inf else 1
    return bad == 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def take_ticks(
    begin: int, end: int, event_ns: Any, price: Any, flags: Any, plain: bool, newest: int, by: Measures, taken: Any,
    times: Any, prices: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Of a run those that are ticks: their places, times (none before the one before it) and prices.

    ``plain``: no trade has a flag, all are in the order of their times. Returns how many, how many were late, and how many
    had no price.
    """
    if plain and all_ticks(begin, end, event_ns, price, newest, taken, times, prices):
        return end - begin, 0, 0
    done = late = bad = 0
    for place in range(begin, end):
        p, now = price[place], event_ns[place]
        if flags[place] & by.unpriced:
            continue
        if not 0.0 < p < np.inf:
            bad += 1
            continue
        if now < newest:
            if now < newest - by.lateness_ns:
                late += 1
                continue
            now = newest
        newest = now
        taken[done], times[done], prices[done] = place, now, p
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
        efficiency[tick] = 1e9 / max(times[tick] - before_ns[tick], least_ns)
    for tick in range(intensity.size):
        intensity[tick] = path[tick] * efficiency[tick]
    for tick in range(velocity.size):
        velocity[tick] = move[tick] * efficiency[tick]
    for tick in range(efficiency.size):
        share = abs(move[tick]) / path[tick]
        efficiency[tick] = (share if share < 1.0 else 1.0) if path[tick] > 0.0 else np.nan


class PathRoom(NamedTuple):
    """Room for what is made of a piece: of its ticks place, time and price, those of a window before, path and move."""

    taken: Any
    times: Any
    before_ns: Any
    prices: Any
    before: Any
    path: Any
    move: Any


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure_piece(
    r: int, begin: int, end: int, run_rows: Any, event_ns: Any, price: Any, flags: Any, plain: bool, venue: Any, bits: Any,
    state: Paths, by: Measures, room: PathRoom, places: Any, rows: Any, out: Any, done: int,
) -> tuple[int, int, int]:  # fmt: skip
    """``measure`` of some trades of one instrument, after ``done`` ticks; returns the ticks measured then, late, unpriced."""
    counters, heads = state.counters, state.heads
    taken, times, before_ns, prices, before, path, move = room
    seen = counters[r, TICKS]
    prices[0] = heads[r, PRICE]
    many, late, bad = take_ticks(
        begin, end, event_ns, price, flags, plain, counters[r, NEWEST_NS] if seen else np.iinfo(np.int64).min, by,
        taken, times, prices[1:],
    )  # fmt: skip
    if many == 0:
        return done, late, bad
    if bits.size == 1:
        counters[r, VENUES] |= bits[0]
    else:
        for tick in range(many):
            counters[r, VENUES] |= bits[venue[run_rows[taken[tick]]]]
    counters[r, TICKS], counters[r, NEWEST_NS], heads[r, PRICE] = seen + many, times[many - 1], prices[many]
    first = 0 if seen else 1  # before the first tick there is no price to come from
    log_returns(prices[1 + first : 1 + many], prices[first:many], path[first:many])
    for tick in range(first, many):
        path[tick] = abs(path[tick])
    counters[r, PATH_AT], heads[r, PATH] = add_to_sums(
        path[first:many], counters[r, PATH_AT], heads[r, PATH], state.paths, r, by.ticks, path[first:many]
    )
    take_old(state.times[r], counters[r, TICK_AT], times[:many], before_ns[:many])
    counters[r, TICK_AT] = take_old(
        state.prices[r], counters[r, TICK_AT], prices[1 : 1 + many], before[:many]
    )
    full = max(by.ticks - seen, 0)
    if full >= many:
        return done, late, bad
    until = done + many - full
    log_returns(prices[1 + full : 1 + many], before[full:many], move[full:many])
    rate_paths(
        path[full:many], move[full:many], times[full:many], before_ns[full:many], by.least_ns,
        out[OUT_INTENSITY, done:until], out[OUT_VELOCITY, done:until], out[OUT_EFFICIENCY, done:until],
    )  # fmt: skip
    copy_to(places[done:until], taken[full:many])
    for tick in range(done, until):
        rows[tick] = run_rows[places[tick]]
    return until, late, bad


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure(
    run_rows: Any, run_owners: Any, run_edges: Any, event_ns: Any, price: Any, size: Any, flags: Any,
    plain: bool, venue: Any, bits: Any, state: Paths, by: Measures, places: Any, rows: Any, owners: Any, edges: Any, out: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Take the ticks of every run; write intensity, velocity and efficiency of those whose window is full.

    Parameters
    ----------
    run_rows, run_edges, event_ns, price, size, flags
        ``Runs``.
    run_owners
        State row of each run, negative where it is not followed.
    plain
        Whether all trades are in the order of their times, without flags.
    venue, bits
        Code of the venue of each row of the batch, and the bit of each code.
    places, rows, owners, edges, out
        Written: ``Ticks``, and measures, shape (3, n).

    Returns
    -------
    measured runs, late, unpriced
    """
    runs = done = late = bad = 0
    edges[0] = 0
    room = PathRoom(
        np.empty(PIECE, np.int64), np.empty(PIECE, np.int64), np.empty(PIECE, np.int64), np.empty(PIECE + 1), np.empty(PIECE),
        np.empty(PIECE), np.empty(PIECE),
    )  # fmt: skip
    for run in range(run_owners.size):
        r, begin, end = run_owners[run], run_edges[run], run_edges[run + 1]
        while r >= 0 and begin < end:
            until = min(begin + PIECE, end)
            done, piece_late, piece_bad = measure_piece(
                r, begin, until, run_rows, event_ns, price, flags, plain, venue, bits, state, by, room, places, rows, out, done
            )  # fmt: skip
            late += piece_late
            bad += piece_bad
            begin = until
        if done > edges[runs]:
            owners[runs], edges[runs + 1] = r, done
            runs += 1
    return runs, late, bad
