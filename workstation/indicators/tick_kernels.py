"""Kernels of the tick windows: from price and time of each tick to smoothed intensity and its adaptive buffer.

They take a batch in runs of one instrument (``runs``), each run many ticks at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.indicators.moments import MARGIN, Span, WindowState, window_moments
from workstation.indicators.rolling import fold_sums
from workstation.indicators.runs import copy_to, take_old
from workstation.indicators.smoothing import ema_on

TICKS, TICK_AT, PATH_AT, SMOOTH_AT, RECENT_AT, BASE_AT, INPUTS, SMOOTHED, BASED, NEWEST_NS, VENUES = range(11)
"""Counters of an instrument: ticks since its reset, places in the rings, values
smoothed, in the recent part, in the baseline, newest time, venues (bits)."""
COUNTERS = 11
PRICE, PATH, AVERAGE = range(3)
HEADS = 3
OUT_INTENSITY, OUT_VELOCITY, OUT_EFFICIENCY = range(3)
PATH_OUTPUTS = 3
OUT_SMOOTHED, OUT_MEAN, OUT_SD, OUT_BUFFER = range(4)
LEVEL_OUTPUTS = 4
SMA, EMA, ZLMA = range(3)
PIECE = 1024
"""Ticks taken at a time, so that what is made of them on the way stays in the nearest cache."""
CLOSE_PRICES = 1.0 / 64.0
"""Up to here (p - q) / (p + q) the series of ln(p / q) is exact to the last digit with five terms."""


class Paths(NamedTuple):
    """State of the paths, one row per instrument. Rings hold what is in the window, or tails (see ``rolling``)."""

    counters: Any
    heads: Any
    prices: Any
    times: Any
    paths: Any


class Windows(NamedTuple):
    """State of smoothing and buffer, one row per instrument."""

    counters: Any
    heads: Any
    smoothing: Any


class Measures(NamedTuple):
    """Numbers of ``TickWindowParameters`` as kernels take them."""

    ticks: int
    smoothing: int
    length: int
    alpha: float
    lag: int
    window: int
    recent: int
    k: float
    base_weight: float
    least_ns: int
    lateness_ns: int
    unpriced: int


@numba.njit(cache=True, nogil=True, error_model="numpy")
def log_return(price: float, before: float) -> float:
    """1e4 ln(price / before), bps; for neighbouring prices by 2 artanh((p - q) / (p + q)), exact where ln rounds."""
    s = (price - before) / (price + before)
    if -CLOSE_PRICES < s < CLOSE_PRICES:
        q = s * s
        return 2e4 * s * (1.0 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9)))))
    ratio = price / before
    if 0.0 < ratio < np.inf:
        return float(1e4 * np.log(ratio))
    return float(1e4 * (np.log(price) - np.log(before)))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def log_returns(prices: Any, before: Any, out: Any) -> None:
    """``log_return`` of many: all as of neighbouring prices, which the compiler vectorises, then those that are not."""
    apart = 0
    for tick in range(out.size):
        s = (prices[tick] - before[tick]) / (prices[tick] + before[tick])
        q = s * s
        out[tick] = 2e4 * s * (1.0 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9)))))
        apart += 0 if abs(s) < CLOSE_PRICES else 1
    if apart:
        for tick in range(out.size):
            out[tick] = log_return(prices[tick], before[tick])


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
def add_to_sums(
    values: Any, at: int, total: float, ring: Any, r: int, size: int, out: Any
) -> tuple[int, float]:
    """Values into a window of ``size`` in row ``r`` of a ring of tails (``rolling``); write its sum after each.

    ``total``: of the ``at`` values of the block so far. Returns both, after them.
    """
    done = 0
    while done < values.size:
        many = min(values.size - done, size - at)
        own, sums = values[done : done + many], out[done : done + many]
        held, tails = ring[r, at : at + many], ring[r, at + 1 : size]
        ends = at + many == size
        for place in range(many - 1 if ends else many):
            held[place] = own[place]
            total += own[place]
            sums[place] = total + tails[place]
        at += many
        done += many
        if ends:
            held[many - 1] = own[many - 1]
            out[done - 1] = total + own[many - 1]
            fold_sums(ring, r, size)
            at, total = 0, 0.0
    return at, total


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
    counters[r, TICK_AT] = take_old(state.prices[r], counters[r, TICK_AT], prices[1 : 1 + many], before[:many])
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


@numba.njit(cache=True, nogil=True, error_model="numpy")
def smooth_simple(values: Any, state: Windows, r: int, by: Measures, out: Any) -> int:
    """An SMA of values; returns how many are before it is full, which are NaN."""
    counters, heads, length = state.counters, state.heads, by.length
    counters[r, SMOOTH_AT], heads[r, AVERAGE] = add_to_sums(
        values, counters[r, SMOOTH_AT], heads[r, AVERAGE], state.smoothing, r, length, out
    )
    for tick in range(values.size):
        out[tick] /= length
    missing = min(max(length - 1 - counters[r, INPUTS], 0), values.size)
    for tick in range(missing):
        out[tick] = np.nan
    return int(missing)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def smooth(values: Any, state: Windows, r: int, by: Measures, out: Any) -> int:
    """Smooth values; returns how many are before the average is known."""
    if by.smoothing == SMA:
        return int(smooth_simple(values, state, r, by, out))
    smooth_exponential(values, state, r, by, by.lag if by.smoothing == ZLMA else 0, out)
    return 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def smooth_exponential(values: Any, state: Windows, r: int, by: Measures, lag: int, out: Any) -> None:
    """An EMA (``lag`` 0) or a ZLMA of values."""
    counters, heads = state.counters, state.heads
    seen = counters[r, INPUTS]
    if lag > 0:
        counters[r, SMOOTH_AT] = take_old(state.smoothing[r], counters[r, SMOOTH_AT], values, out)
        known = min(max(lag - seen, 0), values.size)
        copy_to(out, values[:known])
        for tick in range(known, values.size):
            out[tick] = 2.0 * values[tick] - out[tick]
    else:
        copy_to(out, values)
    heads[r, AVERAGE] = ema_on(heads[r, AVERAGE] if seen else out[0], by.alpha, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def weigh_parts(
    mean: Any, square: Any, recent_mean: Any, recent_square: Any, by: Measures, mean_out: Any, sd_out: Any, buffer_out: Any
) -> None:  # fmt: skip
    """Mean, sd and buffer of moments over a full window; no buffer where the mean of a part is not positive.

    The buffer is k mean_base (w sd_base / mean_base + (1 - w) sd_recent / mean_recent), multiplied out.
    """
    base_share, recent_share = 1.0 / (by.window - by.recent), 1.0 / by.recent
    base_weight, recent_weight = by.k * by.base_weight, by.k * (1.0 - by.base_weight)
    copy_to(mean_out, mean)
    for tick in range(sd_out.size):
        sd_out[tick] = np.sqrt(square[tick] * base_share)
    for tick in range(buffer_out.size):
        ratio = mean[tick] / recent_mean[tick]
        recent_sd = np.sqrt(recent_square[tick] * recent_share)
        buffer = base_weight * sd_out[tick] + recent_weight * (ratio * recent_sd)
        buffer_out[tick] = buffer if mean[tick] > 0.0 and recent_mean[tick] > 0.0 else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def leaving(
    recent: WindowState, r: int, at: int, window: int, new: Any, begin: int, end: int, old: Any
) -> None:
    """Write for each new value the one that came ``window`` values before it; ``at``: where the next one goes in the ring."""
    near = min(end - begin, window)
    first = min(near, window - at)
    ring = recent.ring[r]
    copy_to(old, ring[at : at + first])
    copy_to(old[first:], ring[: near - first])
    copy_to(old[near:], new[begin : end - near])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def buffer_piece(
    r: int, begin: int, end: int, path: Any, state: Windows, recent: WindowState, base: WindowState, by: Measures,
    recent_span: Span, base_span: Span, wanted: Any, every: bool, left: Any, room: Any, out: Any,
) -> None:  # fmt: skip
    """``buffer_ticks`` of some ticks of one instrument; ``left``, ``room``: room for what has left the recent part, and for moments."""
    counters, smoothed = state.counters, out[OUT_SMOOTHED]
    recent_mean, recent_square, base_mean, base_square = room[0], room[1], room[2], room[3]
    missing = smooth(path[OUT_INTENSITY, begin:end], state, r, by, smoothed[begin:end])
    counters[r, INPUTS] += end - begin
    first = begin + missing
    many, seen, at = end - first, counters[r, SMOOTHED], counters[r, RECENT_AT]
    leaving(recent, r, at, by.recent, smoothed, first, end, left)
    counters[r, RECENT_AT] = window_moments(
        smoothed, first, end, at, recent, r, recent_span, wanted, first, recent_mean, recent_square, MARGIN
    )
    counters[r, SMOOTHED] = seen + many
    gone = min(max(by.recent - seen, 0), many)
    counters[r, BASE_AT] = window_moments(
        left, gone, many, counters[r, BASE_AT], base, r, base_span, wanted, first + gone, base_mean, base_square,
        MARGIN + gone,
    )  # fmt: skip
    full = min(max(by.window - by.recent - 1 - counters[r, BASED], 0) + gone, many)
    counters[r, BASED] += many - gone
    for level in range(OUT_MEAN, OUT_BUFFER + 1):
        for tick in range(begin, first + full):
            out[level, tick] = np.nan
    tick = full
    while tick < many:
        stop = many if every else tick + 1
        if every or wanted[first + tick]:
            held, written = slice(tick + MARGIN, stop + MARGIN), slice(first + tick, first + stop)
            weigh_parts(
                base_mean[held], base_square[held], recent_mean[held], recent_square[held], by,
                out[OUT_MEAN, written], out[OUT_SD, written], out[OUT_BUFFER, written],
            )  # fmt: skip
        tick = stop


@numba.njit(cache=True, nogil=True, error_model="numpy")
def buffer_ticks(
    run_owners: Any, run_edges: Any, path: Any, state: Windows, recent: WindowState, base: WindowState, by: Measures,
    recent_span: Span, base_span: Span, wanted: Any, every: bool, out: Any,
) -> None:  # fmt: skip
    """Smoothing of the measured ticks of every run, and the adaptive buffer of those that are ``wanted`` (``every``: all of them)."""
    left, room = np.empty(PIECE), np.empty((4, PIECE + 2 * MARGIN))
    for run in range(run_owners.size):
        begin, end = run_edges[run], run_edges[run + 1]
        while begin < end:
            until = min(begin + PIECE, end)
            buffer_piece(
                run_owners[run], begin, until, path, state, recent, base, by, recent_span, base_span, wanted, every, left,
                room, out,
            )  # fmt: skip
            begin = until


@numba.njit(cache=True, nogil=True)
def forget(state: Any, of: Any) -> None:
    """Begin these instruments anew; their venues are kept."""
    for r in of:
        venues = state.counters[r, VENUES]
        state.counters[r, :] = 0
        state.counters[r, VENUES] = venues
        state.heads[r, :] = 0.0
