"""What the kernels of the tick windows have in common: fields of the state, parameters, returns and sums over a window."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.numerics.rolling import fold_sums

TICKS, TICK_AT, PATH_AT, SMOOTH_AT, RECENT_AT, BASE_AT, INPUTS, SMOOTHED, BASED, NEWEST_NS, VENUES = range(11)
"""Counters of an instrument: ticks since its reset, positions in the rings, values
smoothed, in the recent part, in the baseline, newest time, venues (bits)."""
COUNTERS = 11
PRICE, PATH, AVERAGE = range(3)
HEADS = 3
OUT_INTENSITY, OUT_VELOCITY, OUT_EFFICIENCY = range(3)
PATH_OUTPUTS = 3
OUT_SMOOTHED, OUT_MEAN, OUT_SD, OUT_BUFFER = range(4)
LEVEL_OUTPUTS = 4
SMA, EMA, ZLMA = range(3)
CHUNK_TICKS = 1024
"""Ticks taken at a time, so that what is made of them on the way stays in the nearest cache."""
CLOSE_PRICES = 1.0 / 64.0
"""Up to here (p - q) / (p + q) the series of ln(p / q) is exact to the last digit with five terms."""


class WindowRules(NamedTuple):
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
        for tick in range(many - 1 if ends else many):
            held[tick] = own[tick]
            total += own[tick]
            sums[tick] = total + tails[tick]
        at += many
        done += many
        if ends:
            held[many - 1] = own[many - 1]
            out[done - 1] = total + own[many - 1]
            fold_sums(ring, r, size)
            at, total = 0, 0.0
    return at, total


@numba.njit(cache=True, nogil=True)
def forget(state: Any, of: Any) -> None:
    """Begin these instruments anew; their venues are kept."""
    for r in of:
        venues = state.counters[r, VENUES]
        state.counters[r, :] = 0
        state.counters[r, VENUES] = venues
        state.heads[r, :] = 0.0
