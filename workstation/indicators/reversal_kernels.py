"""Kernels of the reversals: bursts followed tick by tick, candidates, crossings on candles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.indicators import candle_kernels, trend
from workstation.indicators import tick_kernels as ticks
from workstation.indicators.rolling import fold_moments, grown, joined
from workstation.indicators.tick_kernels import log_return
from workstation.indicators.trend import Lengths, Trend, close_candle

ARMED, DIRECTION, FIRED, START_NS, CANDIDATE, CANDIDATE_NS = range(6)
MARKS = 6
PEAK, EXTREME = range(2)
TICK_AT, TICKS, MOVE_AT, MOVES = range(4)
NUMBERS = 8
"""Numbers of evidence per signal; which they are is in ``reversals.EVIDENCE``."""


class Bursts(NamedTuple):
    """The burst under way of each instrument, and the candidate that came of one."""

    marks: Any
    levels: Any


class Momentum(NamedTuple):
    """Prices of the last ticks, and the moments of the moves over them."""

    counters: Any
    heads: Any
    prices: Any
    means: Any
    squares: Any


class Rules(NamedTuple):
    """Numbers of ``ReversalsParameters`` as kernels take them."""

    v1: bool
    v2: bool
    v3: bool
    v4: bool
    hold_ns: int
    stretch: float
    volume_factor: float
    choppiness_below: float
    volume_over: float


class Signals(NamedTuple):
    """Room for what fires."""

    of: Any
    event_ns: Any
    price: Any
    side: Any
    version: Any
    strength: Any
    numbers: Any


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure_moves(
    owners: Any,
    rows: Any,
    price: Any,
    state: Momentum,
    span: int,
    window: int,
    inverse: Any,
    moves: Any,
    deviations: Any,
) -> None:
    """Move over the last ``span`` ticks (bps) and its population sd over the last ``window`` ticks; NaN until full."""
    counters, heads, prices, means, squares = (
        state.counters, state.heads, state.prices, state.means, state.squares,
    )  # fmt: skip
    for tick in range(owners.size):
        r, p = owners[tick], price[rows[tick]]
        at, seen = counters[r, TICK_AT], counters[r, TICKS]
        before = prices[r, at]
        prices[r, at] = p
        counters[r, TICK_AT] = at + 1 if at + 1 < span else 0
        counters[r, TICKS] = seen + 1
        moves[tick] = deviations[tick] = np.nan
        if seen < span:
            continue
        move = moves[tick] = log_return(p, before)
        at, known = counters[r, MOVE_AT], counters[r, MOVES] + 1
        counters[r, MOVES] = known
        means[r, at] = move
        at += 1
        mean, square = grown(heads[r, 0], heads[r, 1], inverse[at], move)
        heads[r, 0], heads[r, 1] = mean, square
        if at < window:
            counters[r, MOVE_AT] = at
            mean, square = joined(
                means[r, at], squares[r, at], mean, square, at * inverse[window], window - at
            )
        else:
            fold_moments(means, squares, r, window, inverse)
            heads[r, 0] = heads[r, 1] = 0.0
            counters[r, MOVE_AT] = 0
        if known >= window:
            deviations[tick] = np.sqrt(square * inverse[window])


@numba.njit(cache=True, nogil=True)
def fire(
    signals: Signals, done: int, of: int, event_ns: int, price: float, side: int, version: int, strength: float,
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float,
) -> int:  # fmt: skip
    """Write a signal with its evidence; returns how many there are."""
    signals.of[done], signals.event_ns[done], signals.price[done] = of, event_ns, price
    signals.side[done], signals.version[done], signals.strength[done] = side, version, strength
    signals.numbers[done, :] = (a, b, c, d, e, f, g, h)
    return done + 1


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def follow(
    bursts: Bursts, r: int, now: int, price: float, values: Any, tick: int, move: float, deviation: float,
    rules: Rules, signals: Signals, done: int,
) -> int:  # fmt: skip
    """One tick of an armed burst: v1, v2, and its end (smoothed intensity back at the baseline's mean)."""
    marks, levels = bursts.marks, bursts.levels
    smoothed, mean = values[ticks.OUT_SMOOTHED, tick], values[ticks.OUT_MEAN, tick]
    buffer, velocity = values[ticks.OUT_BUFFER, tick], values[ticks.OUT_VELOCITY, tick]
    d = marks[r, DIRECTION]
    seconds = max(now - marks[r, START_NS], 0) * 1e-9
    levels[r, PEAK] = max(levels[r, PEAK], smoothed)
    levels[r, EXTREME] = max(levels[r, EXTREME] * d, price * d) * d
    peak, extreme = levels[r, PEAK], levels[r, EXTREME]
    if not marks[r, FIRED] & 1 and smoothed < peak - buffer and velocity * d <= 0.0:
        marks[r, FIRED] |= 1
        marks[r, CANDIDATE], marks[r, CANDIDATE_NS] = -d, now
        if rules.v1:
            done = fire(
                signals, done, r, now, price, -d, 1, (peak - smoothed) / buffer,
                smoothed, peak, mean, buffer, velocity, seconds, 0.0, 0.0,
            )  # fmt: skip
    pull_back = d * log_return(extreme, price)
    if rules.v2 and not marks[r, FIRED] & 2 and pull_back > deviation and move * d < 0.0:
        marks[r, FIRED] |= 2
        strength = pull_back / deviation if deviation > 0.0 else np.inf
        done = fire(
            signals, done, r, now, price, -d, 2, strength,
            extreme, pull_back, deviation, move, peak, mean, buffer, seconds,
        )  # fmt: skip
    if smoothed <= mean:
        marks[r, ARMED] = 0
    return done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def confirm(
    bursts: Bursts, r: int, now: int, price: float, volume: float, low: Trend, high: Trend,
    low_lengths: Lengths, high_lengths: Lengths, rules: Rules, signals: Signals, done: int,
) -> int:  # fmt: skip
    """v3: whether the candidate fires at this tick, or is too old."""
    marks, near, far = bursts.marks, low.levels, high.levels
    side, held_ns = marks[r, CANDIDATE], now - marks[r, CANDIDATE_NS]
    if held_ns > rules.hold_ns:
        marks[r, CANDIDATE] = 0
        return done
    known = (
        low.marks[r, trend.CANDLES] >= low_lengths.fast and high.marks[r, trend.CANDLES] >= high_lengths.slow
    )
    beyond = -side * (price - far[r, trend.SLOW])
    stretched = (
        beyond > rules.stretch * far[r, trend.ATR] and high.marks[r, trend.CANDLES] >= high_lengths.atr
    )
    agreed = far[r, trend.SLOW_SLOPE] * side >= 0.0 or stretched
    least = rules.volume_factor * near[r, trend.VOLUME_MEAN]
    if known and near[r, trend.FAST_SLOPE] * side > 0.0 and agreed and volume >= least:
        marks[r, CANDIDATE] = 0
        done = fire(
            signals, done, r, now, price, side, 3, volume / least if least > 0.0 else np.inf,
            max(held_ns, 0) * 1e-9, near[r, trend.FAST_SLOPE], far[r, trend.SLOW_SLOPE], far[r, trend.SLOW], beyond,
            far[r, trend.ATR], volume, near[r, trend.VOLUME_MEAN],
        )  # fmt: skip
    return done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def close_candles(
    begin: int, until: int, rows: Any, of: Any, bars: Any, sums: Any, state: Trend, lengths: Lengths,
    fast_alpha: float, slow_alpha: float, every: int, crossing: bool, rules: Rules, signals: Signals, done: int,
) -> tuple[int, int]:  # fmt: skip
    """Add the candles closed by rows up to ``until``; v4 with ``crossing``. Returns the next candle, and signals."""
    while begin < rows.size and rows[begin] <= until:
        r, price = of[begin], sums[begin, candle_kernels.CLOSE]
        if r >= 0 and price == price:
            volume = sums[begin, candle_kernels.VOLUME]
            usual = (
                state.levels[r, trend.VOLUME_MEAN]
                if state.marks[r, trend.CANDLES] >= lengths.volume
                else np.nan
            )
            side = close_candle(
                state, r, sums[begin, candle_kernels.HIGH], sums[begin, candle_kernels.LOW], price, volume,
                lengths, fast_alpha, slow_alpha,
            )  # fmt: skip
            chop, least = state.levels[r, trend.CHOPPINESS], rules.volume_over * usual
            if crossing and side != 0 and chop < rules.choppiness_below and volume > least:
                at = (bars[begin, candle_kernels.NUMBER] + 1) * every
                done = fire(
                    signals, done, r, at, price, side, 4, volume / least if least > 0.0 else np.inf,
                    state.levels[r, trend.FAST], state.levels[r, trend.SLOW], chop, volume, usual, 0.0, 0.0, 0.0,
                )  # fmt: skip
        begin += 1
    return begin, done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def find_reversals(
    owners: Any, rows: Any, event_ns: Any, price: Any, values: Any, moves: Any, deviations: Any, volumes: Any,
    bursts: Bursts, rules: Rules,
    low_rows: Any, low_of: Any, low_bars: Any, low_sums: Any, low: Trend, low_lengths: Lengths,
    high_rows: Any, high_of: Any, high_bars: Any, high_sums: Any, high: Trend, high_lengths: Lengths,
    fast_alpha: float, slow_alpha: float, every: int, signals: Signals,
) -> int:  # fmt: skip
    """Measured ticks and closed candles in row order: a row's candles close before its tick is taken."""
    done = low_at = high_at = 0
    marks, levels, near = bursts.marks, bursts.levels, low.levels
    hold_ns, factor = rules.hold_ns, rules.volume_factor
    last = np.iinfo(np.int64).max
    for tick in range(owners.size):
        r, row = owners[tick], rows[tick]
        if high_at < high_rows.size and high_rows[high_at] <= row:
            high_at, done = close_candles(
                high_at, row, high_rows, high_of, high_bars, high_sums, high, high_lengths,
                fast_alpha, slow_alpha, 0, False, rules, signals, done,
            )  # fmt: skip
        if low_at < low_rows.size and low_rows[low_at] <= row:
            low_at, done = close_candles(
                low_at, row, low_rows, low_of, low_bars, low_sums, low, low_lengths,
                fast_alpha, slow_alpha, every, rules.v4, rules, signals, done,
            )  # fmt: skip
        smoothed, velocity = values[ticks.OUT_SMOOTHED, tick], values[ticks.OUT_VELOCITY, tick]
        threshold = values[ticks.OUT_MEAN, tick] + values[ticks.OUT_BUFFER, tick]
        if marks[r, ARMED] == 0 and velocity != 0.0 and smoothed > threshold:
            marks[r, ARMED], marks[r, FIRED], marks[r, START_NS] = 1, 0, event_ns[row]
            marks[r, DIRECTION] = 1 if velocity > 0.0 else -1
            levels[r, PEAK], levels[r, EXTREME] = smoothed, price[row]
        if marks[r, ARMED]:
            done = follow(
                bursts, r, event_ns[row], price[row], values, tick, moves[tick], deviations[tick],
                rules, signals, done,
            )  # fmt: skip
        side = marks[r, CANDIDATE] if rules.v3 else 0
        if (
            side != 0
            and (  # what confirm asks first, here because handing it arrays costs more than the question
                event_ns[row] - marks[r, CANDIDATE_NS] > hold_ns
                or (
                    near[r, trend.FAST_SLOPE] * side > 0.0
                    and volumes[row] >= factor * near[r, trend.VOLUME_MEAN]
                )
            )
        ):
            done = confirm(
                bursts, r, event_ns[row], price[row], volumes[row], low, high, low_lengths, high_lengths,
                rules, signals, done,
            )  # fmt: skip
    high_at, done = close_candles(
        high_at, last, high_rows, high_of, high_bars, high_sums, high, high_lengths,
        fast_alpha, slow_alpha, 0, False, rules, signals, done,
    )  # fmt: skip
    low_at, done = close_candles(
        low_at, last, low_rows, low_of, low_bars, low_sums, low, low_lengths,
        fast_alpha, slow_alpha, every, rules.v4, rules, signals, done,
    )  # fmt: skip
    return done
