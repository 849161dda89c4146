"""Kernels of the reversals: bursts followed tick by tick, candidates, crossings on candles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.indicators.ticks import kernels as ticks
from workstation.indicators.ticks import trend
from workstation.indicators.ticks.kernels import log_return
from workstation.indicators.ticks.trend import Frame, close_bar, fold, is_over
from workstation.market.tables import TradeFlag
from workstation.numerics.simd import LANES, any_of_eight

CANCEL = int(TradeFlag.CANCEL)
ARMED, DIRECTION, FIRED, START_NS, CANDIDATE, CANDIDATE_NS = range(6)
MARKS = 6
PEAK, EXTREME = range(2)
PRICE, STRENGTH = range(2)
SIDE, VERSION = range(2)
NUMBERS = 8
"""Numbers of evidence per signal; which they are is in ``reversals.EVIDENCE``."""


class Bursts(NamedTuple):
    """The burst under way of each instrument, and the candidate that came of one."""

    marks: Any
    levels: Any


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
    """Room for what fires; ``rows``: where in the batch; ``levels``: price and strength; ``kinds``: side and version."""

    rows: Any
    of: Any
    event_ns: Any
    levels: Any
    kinds: Any
    numbers: Any


@numba.njit(cache=True, nogil=True, error_model="numpy")
def find_bursts(owners: Any, edges: Any, path: Any, level: Any, marks: Any, bursting: Any) -> None:
    """Write for each measured tick whether a burst is under way, as ``follow`` will see it."""
    smooth, velocities = level[ticks.OUT_SMOOTHED], path[ticks.OUT_VELOCITY]
    means, buffers = level[ticks.OUT_MEAN], level[ticks.OUT_BUFFER]
    for run in range(owners.size):
        armed = marks[owners[run], ARMED] != 0
        for tick in range(edges[run], edges[run + 1]):
            armed |= smooth[tick] > means[tick] + buffers[tick] and velocities[tick] != 0.0
            bursting[tick] = armed
            armed &= not smooth[tick] <= means[tick]


@numba.njit(cache=True, nogil=True)
def fire(
    signals: Signals, done: int, row: int, of: int, event_ns: int, price: float, side: int, version: int, strength: float,
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float,
) -> int:  # fmt: skip
    """Write a signal with its evidence; returns how many there are."""
    signals.rows[done], signals.of[done], signals.event_ns[done] = row, of, event_ns
    signals.levels[PRICE, done], signals.levels[STRENGTH, done] = price, strength
    signals.kinds[SIDE, done], signals.kinds[VERSION, done] = side, version
    for place, number in enumerate((a, b, c, d, e, f, g, h)):
        signals.numbers[place, done] = number
    return done + 1


class Course(NamedTuple):
    """What v3 asks of the closed candles of an instrument: the slopes, the high EMA and how far from it is stretched."""

    known: bool
    low_slope: float
    high_slope: float
    high_ema: float
    reach: float
    atr: float
    usual: float


@numba.njit(cache=True, nogil=True, error_model="numpy")
def course_of(low: Frame, high: Frame, r: int, stretch: float) -> Course:
    """As the candles are now; ``known`` when both EMAs are full, ``reach`` beyond any price until the range is."""
    near, far = low.trend.levels, high.trend.levels
    near_candles, far_candles = low.trend.marks[r, trend.CANDLES], high.trend.marks[r, trend.CANDLES]
    known = near_candles >= low.lengths.fast and far_candles >= high.lengths.slow
    reach = stretch * far[r, trend.ATR] if far_candles >= high.lengths.atr else np.inf
    return Course(
        known, near[r, trend.FAST_SLOPE], far[r, trend.SLOW_SLOPE], far[r, trend.SLOW], reach, far[r, trend.ATR],
        near[r, trend.VOLUME_MEAN],
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, inline="always")
def agrees(course: Course, side: int, price: float) -> bool:
    """Whether the candles allow a signal of a side at a price."""
    return (
        course.known
        and course.low_slope * side > 0.0
        and (course.high_slope * side >= 0.0 or side * (course.high_ema - price) > course.reach)
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def confirm(
    course: Course, side: int, held_ns: int, volume: float, least: float, row: int, r: int, now: int, price: float,
    signals: Signals, done: int,
) -> int:  # fmt: skip
    """v3 fires at this tick."""
    return fire(
        signals, done, row, r, now, price, side, 3, volume / least if least > 0.0 else np.inf,
        max(held_ns, 0) * 1e-9, course.low_slope, course.high_slope, course.high_ema, -side * (price - course.high_ema),
        course.atr, volume, course.usual,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy")
def cross(low: Frame, r: int, newest: Any, rules: Rules, signals: Signals, done: int) -> int:
    """Close the low timeframe's candle of an instrument; v4. ``newest``: the watermark at each row of the batch."""
    levels, marks = low.trend.levels, low.trend.marks
    usual = levels[r, trend.VOLUME_MEAN] if marks[r, trend.CANDLES] >= low.lengths.volume else np.nan
    end, volume = (low.bars.marks[r, trend.NUMBER] + 1) * low.every, low.bars.sums[r, trend.VOLUME]
    side, least = close_bar(low, r), rules.volume_over * usual
    if not rules.v4 or side == 0 or not volume > least:
        return done
    chop = trend.choppiness_of(low.trend, r, low.lengths.choppiness)
    if chop < rules.choppiness_below:
        done = fire(
            signals, done, np.searchsorted(newest, end), r, end, levels[r, trend.CLOSE], side, 4,
            volume / least if least > 0.0 else np.inf,
            levels[r, trend.FAST], levels[r, trend.SLOW], chop, volume, usual, 0.0, 0.0, 0.0,
        )  # fmt: skip
    return done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def close_all(
    low: Frame, high: Frame, instruments: int, watermark: int, newest: Any, rules: Rules, signals: Signals, done: int
) -> int:  # fmt: skip
    """Close the candles of every instrument that the watermark has passed."""
    for r in range(instruments):
        if is_over(high, r, watermark):
            close_bar(high, r)
        if is_over(low, r, watermark):
            done = cross(low, r, newest, rules, signals, done)
    return done


@numba.njit(cache=True, nogil=True)
def watermarks(event_ns: Any, before: int, rows: Any, of_batch: Any, of_runs: Any) -> None:
    """The watermark at each row of the batch, and at each place of its runs."""
    for row in range(event_ns.size):
        before = max(before, event_ns[row])
        of_batch[row] = before
    for place in range(of_runs.size):
        of_runs[place] = of_batch[rows[place]]


@numba.njit(cache=True, nogil=True)
def first_at_least(rising: Any, begin: int, end: int, limit: int) -> int:
    """The first place from ``begin`` on at which what rises has reached a limit; ``end`` if none."""
    if begin == end or rising[end - 1] < limit:
        return end
    while begin < end:
        middle = (begin + end) // 2
        begin, end = (middle + 1, end) if rising[middle] < limit else (begin, middle)
    return begin


@numba.njit(cache=True, nogil=True, error_model="numpy")
def follow(  # noqa: C901 -- the burst stays in registers from tick to tick; handing arrays on costs more than a tick
    begin: int, end: int, r: int, forming: Any, run_rows: Any, event_ns: Any, price: Any, places: Any, path: Any, level: Any,
    bursting: Any, moves: Any, deviations: Any, bursts: Bursts, rules: Rules, course: Course, signals: Signals, done: int,
) -> int:  # fmt: skip
    """Measured ticks of one instrument in which none of its candles closes: v1, v2 and v3. Returns how many fired.

    Parameters
    ----------
    begin, end
        The ticks.
    forming
        Volume of the low candle in progress with each trade.
    bursting
        Of ``find_bursts``: the other ticks are looked at only while a candidate is held.
    """
    marks, levels = bursts.marks, bursts.levels
    smooth, velocities = level[ticks.OUT_SMOOTHED], path[ticks.OUT_VELOCITY]
    means, buffers = level[ticks.OUT_MEAN], level[ticks.OUT_BUFFER]
    armed, d, fired, start_ns = marks[r, ARMED] != 0, marks[r, DIRECTION], marks[r, FIRED], marks[r, START_NS]
    side, candidate_ns = marks[r, CANDIDATE], marks[r, CANDIDATE_NS]
    peak, extreme = levels[r, PEAK], levels[r, EXTREME]
    least = rules.volume_factor * course.usual
    upcoming = begin
    while upcoming < end:
        tick = upcoming
        if side == 0 and not bursting[tick]:
            upcoming += LANES if tick + LANES <= end and not any_of_eight(bursting, np.uint64(tick)) else 1
            continue
        upcoming += 1
        place = places[tick]
        now, paid, row = event_ns[place], price[place], run_rows[place]
        if bursting[tick]:
            smoothed, mean, buffer, velocity = smooth[tick], means[tick], buffers[tick], velocities[tick]
            if not armed:
                armed, fired, start_ns = True, 0, now
                d = 1 if velocity > 0.0 else -1
                peak, extreme = smoothed, paid
            seconds = max(now - start_ns, 0) * 1e-9
            peak = max(peak, smoothed)
            extreme = max(extreme * d, paid * d) * d
            if not fired & 1 and smoothed < peak - buffer and velocity * d <= 0.0:
                fired |= 1
                side, candidate_ns = -d, now
                if rules.v1:
                    done = fire(
                        signals, done, row, r, now, paid, -d, 1, (peak - smoothed) / buffer,
                        smoothed, peak, mean, buffer, velocity, seconds, 0.0, 0.0,
                    )  # fmt: skip
            if rules.v2 and not fired & 2 and moves[tick] * d < 0.0:
                pull_back, deviation = d * log_return(extreme, paid), deviations[tick]
                if pull_back > deviation:
                    fired |= 2
                    done = fire(
                        signals, done, row, r, now, paid, -d, 2, pull_back / deviation if deviation > 0.0 else np.inf,
                        extreme, pull_back, deviation, moves[tick], peak, mean, buffer, seconds,
                    )  # fmt: skip
            armed = not smoothed <= mean  # else the burst is over
        if side == 0 or not rules.v3:
            continue
        volume, held_for = forming[place], now - candidate_ns
        if held_for > rules.hold_ns:
            side = 0
        elif volume >= least and agrees(course, side, paid):
            done = confirm(course, side, held_for, volume, least, row, r, now, paid, signals, done)
            side = 0
    marks[r, ARMED], marks[r, DIRECTION], marks[r, FIRED], marks[r, START_NS] = armed, d, fired, start_ns
    marks[r, CANDIDATE], marks[r, CANDIDATE_NS] = side if rules.v3 else 0, candidate_ns
    levels[r, PEAK], levels[r, EXTREME] = peak, extreme
    return done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def find_reversals(
    run_rows: Any, run_owners: Any, run_edges: Any, event_ns: Any, price: Any, size: Any, flags: Any,
    plain: bool, places: Any, owners: Any, edges: Any, of_batch: Any, of_runs: Any, path: Any, level: Any, bursting: Any, moves: Any,
    deviations: Any, bursts: Bursts, rules: Rules, low: Frame, high: Frame, signals: Signals,
    forming: Any,
) -> int:  # fmt: skip
    """Trades and measured ticks of every run, a stretch at a time in which no candle of the instrument closes.

    The high candle in progress takes all its trades at once, since nothing is asked of it before it closes, and has no volume.

    Parameters
    ----------
    run_rows, run_edges, event_ns, price, size, flags
        ``Runs``.
    run_owners
        State row of each run, negative where it is not followed.
    plain
        Whether all trades are in the order of their times, without flags.
    places, owners, edges
        Of ``Ticks``.
    of_batch, of_runs
        The watermark at each row of the batch and each place of its runs.
    forming
        Room for a number per trade.
    """
    done = at_run = 0
    candles, both = rules.v3 or rules.v4, rules.v3
    for run in range(run_owners.size):
        r = run_owners[run]
        if r < 0:
            continue
        tick = ticks_end = 0
        if at_run < owners.size and owners[at_run] == r:
            tick, ticks_end = edges[at_run], edges[at_run + 1]
            at_run += 1
        begin, end = run_edges[run], run_edges[run + 1]
        beyond = begin  # the trades before it are in the high candle in progress
        while begin < end:
            watermark = of_runs[begin]
            in_time = plain and event_ns[begin] >= watermark
            if candles and is_over(low, r, watermark):
                done = cross(low, r, of_batch, rules, signals, done)
            if both and begin == beyond:
                if is_over(high, r, watermark):
                    close_bar(high, r)
                beyond = first_at_least(
                    of_runs, begin, end, watermark // high.every * high.every + high.every
                )
                fold(
                    high,
                    r,
                    watermark,
                    begin,
                    beyond,
                    event_ns,
                    price,
                    size,
                    flags,
                    in_time,
                    CANCEL,
                    forming[:0],
                )
            until = first_at_least(of_runs, begin, end, watermark // low.every * low.every + low.every)
            if both:
                until = min(until, beyond)
            if candles:
                fold(low, r, watermark, begin, until, event_ns, price, size, flags, in_time, CANCEL, forming)
            upto = first_at_least(places, tick, ticks_end, until)
            done = follow(
                tick, upto, r, forming, run_rows, event_ns, price, places, path, level, bursting, moves, deviations,
                bursts, rules, course_of(low, high, r, rules.stretch), signals, done,
            )  # fmt: skip
            tick, begin = upto, until
    return done
