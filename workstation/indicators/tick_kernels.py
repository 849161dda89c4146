"""Kernels of the tick windows: from price and time of each tick to smoothed intensity and its adaptive buffer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.indicators.rolling import fold_moments, fold_sums, grown, joined
from workstation.indicators.smoothing import ema_step

TICKS, TICK_AT, PATH_AT, SMOOTH_AT, RECENT_AT, BASE_AT, INPUTS, SMOOTHED, BASED, NEWEST_NS, VENUES = range(11)
"""Counters of an instrument: ticks since its reset, places in the rings, values
smoothed, in the recent part, in the baseline, newest time, venues (bits)."""
COUNTERS = 11
PRICE, PATH, AVERAGE, RECENT_MEAN, RECENT_SQUARE, BASE_MEAN, BASE_SQUARE = range(7)
HEADS = 7
(
    OUT_INTENSITY,
    OUT_VELOCITY,
    OUT_EFFICIENCY,
    OUT_SMOOTHED,
    OUT_MEAN,
    OUT_SD,
    OUT_BUFFER,
) = range(7)
OUTPUTS = 7
SMA, EMA, ZLMA = range(3)
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
    newest: Any
    recent_means: Any
    recent_squares: Any
    base_means: Any
    base_squares: Any


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
    return float(1e4 * np.log(price / before))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure(
    of: Any, event_ns: Any, price: Any, flags: Any, venue: Any, state: Paths, by: Measures,
    rows: Any, owners: Any, out: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Take ticks in row order; write intensity, velocity and efficiency of those whose window is full.

    Parameters
    ----------
    of
        State row of each tick's instrument, negative: not followed.
    venue
        Bit of each tick's venue.
    rows, owners, out
        Written: row in the batch, state row, and measures, shape (3, n), of each measured tick.

    Returns
    -------
    measured, late, unpriced
    """
    done = late = bad = 0
    counters, heads, prices, times, paths = (
        state.counters,
        state.heads,
        state.prices,
        state.times,
        state.paths,
    )
    for row in range(of.size):
        r = of[row]
        if r < 0 or flags[row] & by.unpriced:
            continue
        p, now = price[row], event_ns[row]
        if not 0.0 < p < np.inf:
            bad += 1
            continue
        seen = counters[r, TICKS]
        if seen > 0 and now < counters[r, NEWEST_NS]:
            if now < counters[r, NEWEST_NS] - by.lateness_ns:
                late += 1
                continue
            now = counters[r, NEWEST_NS]
        at = counters[r, TICK_AT]
        before, oldest_price, oldest_ns = heads[r, PRICE], prices[r, at], times[r, at]
        prices[r, at], times[r, at], heads[r, PRICE] = p, now, p
        counters[r, NEWEST_NS] = now
        counters[r, VENUES] |= venue[row]
        counters[r, TICKS] = seen + 1
        counters[r, TICK_AT] = at + 1 if at + 1 < by.ticks else 0
        if seen == 0:
            continue
        step = abs(log_return(p, before))
        at = counters[r, PATH_AT]
        paths[r, at] = step
        path = heads[r, PATH] + step
        heads[r, PATH] = path
        if at + 1 < by.ticks:
            counters[r, PATH_AT] = at + 1
            path += paths[r, at + 1]
        else:
            fold_sums(paths, r, by.ticks)
            counters[r, PATH_AT], heads[r, PATH] = 0, 0.0
        if seen >= by.ticks:
            move = log_return(p, oldest_price)
            rate = 1e9 / max(now - oldest_ns, by.least_ns)
            out[OUT_INTENSITY, done], out[OUT_VELOCITY, done] = path * rate, move * rate
            out[OUT_EFFICIENCY, done] = min(abs(move) / path, 1.0) if path > 0.0 else np.nan
            rows[done], owners[done] = row, r
            done += 1
    return done, late, bad


@numba.njit(cache=True, nogil=True, error_model="numpy")
def smooth_simple(owners: Any, state: Windows, by: Measures, out: Any) -> None:
    """Smooth the intensity of measured ticks by an SMA; NaN while it is not full."""
    counters, heads, ring = state.counters, state.heads, state.smoothing
    for tick in range(owners.size):
        r = owners[tick]
        at, seen = counters[r, SMOOTH_AT], counters[r, INPUTS] + 1
        counters[r, INPUTS] = seen
        ring[r, at] = out[OUT_INTENSITY, tick]
        total = heads[r, AVERAGE] + ring[r, at]
        heads[r, AVERAGE] = total
        if at + 1 < by.length:
            counters[r, SMOOTH_AT] = at + 1
            total += ring[r, at + 1]
        else:
            fold_sums(ring, r, by.length)
            counters[r, SMOOTH_AT], heads[r, AVERAGE] = 0, 0.0
        out[OUT_SMOOTHED, tick] = total / by.length if seen >= by.length else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def smooth_exponential(owners: Any, state: Windows, by: Measures, lag: int, out: Any) -> None:
    """Smooth the intensity of measured ticks by an EMA (``lag`` 0) or a ZLMA."""
    counters, heads, ring = state.counters, state.heads, state.smoothing
    for tick in range(owners.size):
        r = owners[tick]
        value, seen = out[OUT_INTENSITY, tick], counters[r, INPUTS]
        counters[r, INPUTS] = seen + 1
        if lag > 0:
            at = counters[r, SMOOTH_AT]
            before = ring[r, at]
            ring[r, at] = value
            counters[r, SMOOTH_AT] = at + 1 if at + 1 < lag else 0
            if seen >= lag:
                value = 2.0 * value - before
        smoothed = ema_step(heads[r, AVERAGE], value, by.alpha) if seen > 0 else value
        heads[r, AVERAGE] = out[OUT_SMOOTHED, tick] = smoothed


@numba.njit(cache=True, nogil=True, error_model="numpy")
def recent_moments(owners: Any, state: Windows, by: Measures, inverse: Any, out: Any) -> None:
    """Smoothed values into the recent part: what leaves it goes to ``OUT_MEAN``, its variation to ``OUT_BUFFER``.

    NaN while it is not full; the variation also where the mean is not positive. ``inverse``: 1 / n up to the window.
    """
    counters, heads, newest = state.counters, state.heads, state.newest
    means, squares, window = state.recent_means, state.recent_squares, by.recent
    for tick in range(owners.size):
        r, value = owners[tick], out[OUT_SMOOTHED, tick]
        out[OUT_MEAN, tick] = out[OUT_BUFFER, tick] = np.nan
        if value != value:
            continue
        at, seen = counters[r, RECENT_AT], counters[r, SMOOTHED] + 1
        counters[r, SMOOTHED] = seen
        if seen > window:
            out[OUT_MEAN, tick] = newest[r, at]
        newest[r, at] = means[r, at] = value
        at += 1
        mean, square = grown(heads[r, RECENT_MEAN], heads[r, RECENT_SQUARE], inverse[at], value)
        heads[r, RECENT_MEAN], heads[r, RECENT_SQUARE] = mean, square
        if at < window:
            counters[r, RECENT_AT] = at
            mean, square = joined(
                means[r, at], squares[r, at], mean, square, at * inverse[window], window - at
            )
        else:
            fold_moments(means, squares, r, window, inverse)
            heads[r, RECENT_MEAN] = heads[r, RECENT_SQUARE] = 0.0
            counters[r, RECENT_AT] = 0
        if seen >= window and mean > 0.0:
            out[OUT_BUFFER, tick] = np.sqrt(square * inverse[window]) / mean


@numba.njit(cache=True, nogil=True, error_model="numpy")
def base_moments(owners: Any, state: Windows, by: Measures, inverse: Any, out: Any) -> None:
    """What left the recent part into the baseline: mean, sd and buffer, NaN before the whole window is full."""
    counters, heads = state.counters, state.heads
    means, squares, window = state.base_means, state.base_squares, by.window - by.recent
    for tick in range(owners.size):
        value, recent_cv = out[OUT_MEAN, tick], out[OUT_BUFFER, tick]
        out[OUT_MEAN, tick] = out[OUT_SD, tick] = out[OUT_BUFFER, tick] = np.nan
        if value != value:
            continue
        r = owners[tick]
        at, seen = counters[r, BASE_AT], counters[r, BASED] + 1
        counters[r, BASED] = seen
        means[r, at] = value
        at += 1
        mean, square = grown(heads[r, BASE_MEAN], heads[r, BASE_SQUARE], inverse[at], value)
        heads[r, BASE_MEAN], heads[r, BASE_SQUARE] = mean, square
        if at < window:
            counters[r, BASE_AT] = at
            mean, square = joined(
                means[r, at], squares[r, at], mean, square, at * inverse[window], window - at
            )
        else:
            fold_moments(means, squares, r, window, inverse)
            heads[r, BASE_MEAN] = heads[r, BASE_SQUARE] = 0.0
            counters[r, BASE_AT] = 0
        if seen >= window:
            sd = np.sqrt(square * inverse[window])
            out[OUT_MEAN, tick], out[OUT_SD, tick] = mean, sd
            if mean > 0.0:
                variation = by.base_weight * sd / mean + (1.0 - by.base_weight) * recent_cv
                out[OUT_BUFFER, tick] = by.k * mean * variation


@numba.njit(cache=True, nogil=True, error_model="numpy")
def buffer_ticks(owners: Any, state: Windows, by: Measures, inverse: Any, out: Any) -> None:
    """Smoothing and adaptive buffer of measured ticks."""
    if by.smoothing == SMA:
        smooth_simple(owners, state, by, out)
    else:
        smooth_exponential(owners, state, by, by.lag if by.smoothing == ZLMA else 0, out)
    recent_moments(owners, state, by, inverse, out)
    base_moments(owners, state, by, inverse, out)


@numba.njit(cache=True, nogil=True)
def forget(state: Any, of: Any) -> None:
    """Begin these instruments anew; their venues are kept."""
    for r in of:
        venues = state.counters[r, VENUES]
        state.counters[r, :] = 0
        state.counters[r, VENUES] = venues
        state.heads[r, :] = 0.0
