"""A packet against the packets before it: of its contract (mean/sd and median/MAD z), and of its underlying (rank of the premium).

Each contract keeps its last packets' premium, size and spread, in order of time and sorted, so that median and MAD cost no sort.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

MEASURES = ("premium", "size", "spread")
MAD_SCALE = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""


class Baselines(NamedTuple):
    """State: by contract's row and measure values (rows, 3, kept) in time order, their times, sorted, first and how many."""

    values: Any
    times: Any
    ordered: Any
    first: Any
    count: Any


class Ranks(NamedTuple):
    """State by underlying: its last packets' premiums (underlyings, kept) and how many were ever put there."""

    premium: Any
    count: Any


@numba.njit(cache=True)
def z_score(value: float, values: Any) -> float:
    """(value - mean) / population sd; 0 without values or spread.

    Examples
    --------
    >>> round(z_score(15.0, np.array([10.0, 12.0, 14.0])), 2)
    1.84
    """
    if values.size == 0:
        return 0.0
    mean, square = 0.0, 0.0
    for place in range(values.size):
        mean += values[place]
    mean /= values.size
    for place in range(values.size):
        square += (values[place] - mean) * (values[place] - mean)
    sd = np.sqrt(square / values.size)
    return (value - mean) / sd if sd > 1e-12 * abs(mean) else 0.0


@numba.njit(cache=True)
def _median(ordered: Any) -> float:
    count = ordered.size
    middle = count // 2
    return float(ordered[middle]) if count % 2 else 0.5 * (ordered[middle - 1] + ordered[middle])


@numba.njit(cache=True)
def _deviation(ordered: Any, median: float) -> float:
    """Median absolute deviation of sorted values: deviations grow outwards, so that they are merged from the middle."""
    count = ordered.size
    left = np.searchsorted(ordered, median) - 1
    right = left + 1
    before, now = 0.0, 0.0
    for _ in range(count // 2 + 1):
        before = now
        if left >= 0 and (right >= count or median - ordered[left] <= ordered[right] - median):
            now = median - ordered[left]
            left -= 1
        else:
            now = ordered[right] - median
            right += 1
    return now if count % 2 else 0.5 * (before + now)


@numba.njit(cache=True)
def mad_z_score(value: float, ordered: Any) -> float:
    """(value - median) / (1.4826 MAD) against sorted values; 0 without values or spread.

    Examples
    --------
    >>> round(mad_z_score(15.0, np.array([10.0, 12.0, 14.0])), 3)
    1.012
    """
    if ordered.size == 0:
        return 0.0
    median = _median(ordered)
    deviation = _deviation(ordered, median)
    return (value - median) / (MAD_SCALE * deviation) if deviation > 0.0 else 0.0


@numba.njit(cache=True)
def _remove(ordered: Any, count: int, value: float) -> None:
    at = np.searchsorted(ordered[:count], value)
    for place in range(at, count - 1):
        ordered[place] = ordered[place + 1]


@numba.njit(cache=True)
def _insert(ordered: Any, count: int, value: float) -> None:
    at = count
    while at > 0 and ordered[at - 1] > value:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = value


@numba.njit(cache=True)
def _replace(ordered: Any, count: int, old: float, new: float) -> None:
    """Put a value in the place of another, and keep the order."""
    at = np.searchsorted(ordered[:count], old)
    while at + 1 < count and ordered[at + 1] < new:
        ordered[at] = ordered[at + 1]
        at += 1
    while at > 0 and ordered[at - 1] > new:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = new


@numba.njit(cache=True)
def compare(
    state: Baselines, row: int, measure: int, value: float, now_ns: int, ttl_ns: int, samples: int, out: Any, at: int
) -> int:  # fmt: skip
    """z and robust z into ``out[at]`` and the place after it, then take the value in; gives how many it was compared with.

    NaN is neither compared nor taken in.
    """
    values, times = state.values[row, measure], state.times[row, measure]
    ordered, firsts, counts = state.ordered[row, measure], state.first, state.count
    kept, first, held = values.size, firsts[row, measure], counts[row, measure]
    while held > 0 and times[first] < now_ns - ttl_ns:  # the oldest goes
        _remove(ordered, held, values[first])
        first, held = (first + 1) % kept, held - 1
    out[at], out[at + 1] = np.nan, np.nan
    compared = held
    if not np.isnan(value):
        if held >= samples:
            out[at] = z_score(value, ordered[:held])
            out[at + 1] = mad_z_score(value, ordered[:held])
        place = (first + held) % kept
        if held == kept:
            _replace(ordered, held, values[place], value)
            first = (place + 1) % kept
        else:
            _insert(ordered, held, value)
            held += 1
        values[place], times[place] = value, now_ns
    firsts[row, measure], counts[row, measure] = first, held
    return int(compared)


@numba.njit(cache=True)
def rank(state: Ranks, underlying: int, premium: float, samples: int, counts: bool) -> float:
    """Share of the underlying's last packets with a smaller premium, NaN below ``samples``; then take it in where it ``counts``."""
    if np.isnan(premium):
        return np.nan
    kept = state.premium.shape[1]
    held = min(state.count[underlying], kept)
    share = np.nan
    if held >= samples:
        under = 0
        ring = state.premium[underlying]
        for place in range(held):
            under += ring[place] < premium
        share = under / held
    if counts:
        state.premium[underlying, state.count[underlying] % kept] = premium
        state.count[underlying] += 1
    return share
