"""Kernels of the levels: smoothed intensity and its adaptive buffer, group by group as those of the paths."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.batch.by_instrument import TickGroups, copy_to, take_old
from workstation.indicators.ticks.kernels import (
    AVERAGE,
    BASE_AT,
    BASED,
    CHUNK_TICKS,
    INPUTS,
    OUT_BUFFER,
    OUT_INTENSITY,
    OUT_MEAN,
    OUT_SD,
    OUT_SMOOTHED,
    RECENT_AT,
    SMA,
    SMOOTH_AT,
    SMOOTHED,
    ZLMA,
    WindowRules,
    add_to_sums,
)
from workstation.numerics.moving_averages import ema_on
from workstation.numerics.rolling_moments import MARGIN, Span, WindowState, window_moments


class SmoothingState(NamedTuple):
    """State of the smoothing, one row per instrument."""

    counters: npt.NDArray[np.int64]
    heads: npt.NDArray[np.float64]
    smoothing: npt.NDArray[np.float64]


class LevelState(NamedTuple):
    """State of smoothing and buffer: the windows of the recent part and of the baseline."""

    smoothing: SmoothingState
    recent: WindowState
    base: WindowState


class LevelSpans(NamedTuple):
    """Lengths of the recent part and of the baseline."""

    recent: Span
    base: Span


@numba.njit(cache=True, nogil=True, error_model="numpy")
def smooth_simple(values: Any, state: SmoothingState, r: int, by: WindowRules, out: Any) -> int:
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
def smooth_exponential(
    values: Any, state: SmoothingState, r: int, by: WindowRules, lag: int, out: Any
) -> None:
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
def smooth(values: Any, state: SmoothingState, r: int, by: WindowRules, out: Any) -> int:
    """Smooth values; returns how many are before the average is known."""
    if by.smoothing == SMA:
        return int(smooth_simple(values, state, r, by, out))
    smooth_exponential(values, state, r, by, by.lag if by.smoothing == ZLMA else 0, out)
    return 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def weigh_parts(
    mean: Any, square: Any, recent_mean: Any, recent_square: Any, by: WindowRules, mean_out: Any, sd_out: Any, buffer_out: Any
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
def buffer_chunk(
    r: int, begin: int, end: int, path: Any, state: LevelState, by: WindowRules, spans: LevelSpans, wanted: Any, every: bool,
    left: Any, moments: Any, out: Any,
) -> None:  # fmt: skip
    """``buffer_ticks`` of some ticks of one instrument; ``left``, ``moments``: scratch for what has left the recent part, and for moments."""
    counters, smoothed = state.smoothing.counters, out[OUT_SMOOTHED]
    recent_mean, recent_square, base_mean, base_square = moments[0], moments[1], moments[2], moments[3]
    missing = smooth(path[OUT_INTENSITY, begin:end], state.smoothing, r, by, smoothed[begin:end])
    counters[r, INPUTS] += end - begin
    first = begin + missing
    many, seen, at = end - first, counters[r, SMOOTHED], counters[r, RECENT_AT]
    leaving(state.recent, r, at, by.recent, smoothed, first, end, left)
    counters[r, RECENT_AT] = window_moments(
        smoothed,
        first,
        end,
        at,
        state.recent,
        r,
        spans.recent,
        wanted,
        first,
        recent_mean,
        recent_square,
        MARGIN,
    )
    counters[r, SMOOTHED] = seen + many
    gone = min(max(by.recent - seen, 0), many)
    counters[r, BASE_AT] = window_moments(
        left, gone, many, counters[r, BASE_AT], state.base, r, spans.base, wanted, first + gone, base_mean, base_square,
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
    ticks: TickGroups, path: Any, state: LevelState, by: WindowRules, spans: LevelSpans, wanted: Any, every: bool, out: Any
) -> None:  # fmt: skip
    """Smoothing of the measured ticks of every group, and the adaptive buffer of those that are ``wanted`` (``every``: all of them)."""
    left, moments = np.empty(CHUNK_TICKS), np.empty((4, CHUNK_TICKS + 2 * MARGIN))
    for group in range(ticks.state_rows.size):
        begin, end = ticks.offsets[group], ticks.offsets[group + 1]
        while begin < end:
            until = min(begin + CHUNK_TICKS, end)
            buffer_chunk(
                ticks.state_rows[group],
                begin,
                until,
                path,
                state,
                by,
                spans,
                wanted,
                every,
                left,
                moments,
                out,
            )
            begin = until
