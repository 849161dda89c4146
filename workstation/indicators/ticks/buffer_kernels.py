"""Kernels of the levels: smoothed intensity and its adaptive buffer, run by run as those of the paths."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.indicators.batch.by_instrument import copy_to, take_old
from workstation.indicators.ticks.kernels import (
    AVERAGE,
    BASE_AT,
    BASED,
    INPUTS,
    OUT_BUFFER,
    OUT_INTENSITY,
    OUT_MEAN,
    OUT_SD,
    OUT_SMOOTHED,
    PIECE,
    RECENT_AT,
    SMA,
    SMOOTH_AT,
    SMOOTHED,
    ZLMA,
    Measures,
    add_to_sums,
)
from workstation.numerics.moving_averages import ema_on
from workstation.numerics.rolling_moments import MARGIN, Span, WindowState, window_moments


class Windows(NamedTuple):
    """State of smoothing and buffer, one row per instrument."""

    counters: Any
    heads: Any
    smoothing: Any


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
def smooth(values: Any, state: Windows, r: int, by: Measures, out: Any) -> int:
    """Smooth values; returns how many are before the average is known."""
    if by.smoothing == SMA:
        return int(smooth_simple(values, state, r, by, out))
    smooth_exponential(values, state, r, by, by.lag if by.smoothing == ZLMA else 0, out)
    return 0


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
