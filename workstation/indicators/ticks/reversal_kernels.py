"""Kernels of the reversals: bursts followed tick by tick, candidates, crossings on candles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.batch.by_instrument import TickGroups, TradeGroups
from workstation.indicators.ticks import trend
from workstation.indicators.ticks.kernels import OUT_BUFFER, OUT_MEAN, OUT_SMOOTHED, OUT_VELOCITY, log_return
from workstation.indicators.ticks.momentum import Moves
from workstation.indicators.ticks.reversal_rules import (
    CandleTrend,
    ReversalRules,
    begins_burst,
    confirmed_fade,
    ema_cross,
    intensity_fade,
    pullback,
    strength,
)
from workstation.indicators.ticks.trend import Frame, close_bar, fold, is_over
from workstation.market.instants import SECOND_NS
from workstation.market.tables import TradeFlag
from workstation.numerics.simd import LANES, any_of_eight

CANCEL = int(TradeFlag.CANCEL)
ARMED, DIRECTION, FIRED, START_NS, CANDIDATE, CANDIDATE_NS = range(6)
MARKS = 6
PEAK, EXTREME = range(2)
PRICE, STRENGTH, THRESHOLD = range(3)
LEVELS = 3
SIDE, VERSION = range(2)
NUMBERS = 8
"""Numbers of evidence per signal; which they are is in ``reversals.EVIDENCE``."""


class Bursts(NamedTuple):
    """The burst under way of each instrument, and the candidate that came of one."""

    marks: npt.NDArray[np.int64]
    levels: npt.NDArray[np.float64]


class MeasuredTicks(NamedTuple):
    """The measured ticks of a batch with what is known of each: see ``windows.Measured`` and ``Moves``."""

    groups: TickGroups
    path: npt.NDArray[np.float64]
    level: npt.NDArray[np.float64]
    moves: Moves


class Watermarks(NamedTuple):
    """The watermark at each row of the batch, and at each position of its groups."""

    of_rows: npt.NDArray[np.int64]
    of_groups: npt.NDArray[np.int64]


class Frames(NamedTuple):
    """The two timeframes."""

    low: Frame
    high: Frame


class Signals(NamedTuple):
    """Scratch for what fires.

    ``rows``: where in the batch; ``levels``: price, strength and threshold; ``kinds``: side and version; ``numbers``: evidence.
    """

    rows: npt.NDArray[np.int64]
    of: npt.NDArray[np.int64]
    event_ns: npt.NDArray[np.int64]
    levels: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.int8]
    numbers: npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def find_bursts(ticks: TickGroups, path: Any, level: Any, bursts: Bursts, bursting: Any) -> None:
    """Write for each measured tick whether a burst is under way, as ``follow`` will see it."""
    smooth, velocities = level[OUT_SMOOTHED], path[OUT_VELOCITY]
    means, buffers = level[OUT_MEAN], level[OUT_BUFFER]
    for group in range(ticks.state_rows.size):
        armed = bursts.marks[ticks.state_rows[group], ARMED] != 0
        for tick in range(ticks.offsets[group], ticks.offsets[group + 1]):
            armed |= begins_burst(smooth[tick], means[tick], buffers[tick], velocities[tick])
            bursting[tick] = armed
            armed &= not smooth[tick] <= means[tick]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fire(
    signals: Signals, done: int, at: tuple[int, int, int], price: float, side: int, version: int, measured: float,
    threshold: float, evidence: tuple[float, ...],
) -> int:  # fmt: skip
    """Write a signal with its evidence; ``at``: row of the batch, instrument and time. Returns how many there are."""
    signals.rows[done], signals.of[done], signals.event_ns[done] = at
    signals.levels[PRICE, done], signals.levels[THRESHOLD, done] = price, threshold
    signals.levels[STRENGTH, done] = measured
    signals.kinds[SIDE, done], signals.kinds[VERSION, done] = side, version
    for number in range(NUMBERS):
        signals.numbers[number, done] = evidence[number]
    return done + 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def trend_of(frames: Frames, r: int, stretch: float) -> CandleTrend:
    """The trend of an instrument's candles as they are now."""
    low, high = frames.low, frames.high
    near, far = low.trend.levels, high.trend.levels
    near_candles, far_candles = low.trend.marks[r, trend.CANDLES], high.trend.marks[r, trend.CANDLES]
    known = near_candles >= low.lengths.fast and far_candles >= high.lengths.slow
    reach = stretch * far[r, trend.ATR] if far_candles >= high.lengths.atr else np.inf
    return CandleTrend(
        known, near[r, trend.FAST_SLOPE], far[r, trend.SLOW_SLOPE], far[r, trend.SLOW], reach, far[r, trend.ATR],
        near[r, trend.VOLUME_MEAN],
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy")
def confirm(
    now: CandleTrend, side: int, held_ns: int, volume: float, least: float, at: tuple[int, int, int], price: float,
    signals: Signals, done: int,
) -> int:  # fmt: skip
    """The confirmed fade fires at this tick."""
    return fire(
        signals, done, at, price, side, 3, strength(volume, least), least,
        (
            max(held_ns, 0) / SECOND_NS, now.low_slope, now.high_slope, now.high_ema, -side * (price - now.high_ema), now.atr,
            volume, now.volume_mean,
        ),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy")
def close_low(low: Frame, r: int, of_rows: Any, rules: ReversalRules, signals: Signals, done: int) -> int:
    """Close the low timeframe's candle of an instrument, which the EMA cross asks; ``of_rows``: of ``Watermarks``."""
    levels, marks = low.trend.levels, low.trend.marks
    usual = levels[r, trend.VOLUME_MEAN] if marks[r, trend.CANDLES] >= low.lengths.volume else np.nan
    end, volume = (low.bars.marks[r, trend.NUMBER] + 1) * low.every, low.bars.sums[r, trend.VOLUME]
    side, least = close_bar(low, r), rules.volume_over * usual
    if not rules.v4 or side == 0 or not volume > least:
        return done
    chop = trend.choppiness_of(low.trend, r, low.lengths.choppiness)
    if ema_cross(side, volume, least, chop, rules.choppiness_below):
        done = fire(
            signals, done, (np.searchsorted(of_rows, end), r, end), levels[r, trend.CLOSE], side, 4,
            strength(volume, least), least,
            (levels[r, trend.FAST], levels[r, trend.SLOW], chop, volume, usual, 0.0, 0.0, 0.0),
        )  # fmt: skip
    return done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def close_all(
    frames: Frames, instruments: int, watermark: int, of_rows: Any, rules: ReversalRules, signals: Signals, done: int
) -> int:  # fmt: skip
    """Close the candles of every instrument that the watermark has passed."""
    for r in range(instruments):
        if is_over(frames.high, r, watermark):
            close_bar(frames.high, r)
        if is_over(frames.low, r, watermark):
            done = close_low(frames.low, r, of_rows, rules, signals, done)
    return done


@numba.njit(cache=True, nogil=True)
def watermarks(event_ns: Any, before: int, rows: Any, out: Watermarks) -> None:
    """Write the watermark at each row of the batch, and at each position of its groups."""
    for row in range(event_ns.size):
        before = max(before, event_ns[row])
        out.of_rows[row] = before
    for position in range(out.of_groups.size):
        out.of_groups[position] = out.of_rows[rows[position]]


@numba.njit(cache=True, nogil=True)
def first_at_least(rising: Any, begin: int, end: int, limit: int) -> int:
    """The first position from ``begin`` on at which what rises has reached a limit; ``end`` if none."""
    if begin == end or rising[end - 1] < limit:
        return end
    while begin < end:
        middle = (begin + end) // 2
        begin, end = (middle + 1, end) if rising[middle] < limit else (begin, middle)
    return begin


@numba.njit(cache=True, nogil=True, error_model="numpy")
def follow(  # noqa: C901 -- the burst stays in registers from tick to tick; handing arrays on costs more than a tick
    begin: int, end: int, r: int, groups: TradeGroups, ticks: MeasuredTicks, volumes: Any, bursts: Bursts,
    rules: ReversalRules, now: CandleTrend, signals: Signals, done: int,
) -> int:  # fmt: skip
    """Measured ticks of one instrument in which none of its candles closes: v1, v2 and v3. Returns how many fired.

    Parameters
    ----------
    begin, end
        The ticks. Those outside a burst are looked at only while a candidate is held.
    volumes
        Volume of the low candle in progress with each trade.
    now
        The trend of the closed candles.
    """
    event_ns, price, positions, run_rows = (
        groups.trades.event_ns,
        groups.trades.price,
        ticks.groups.positions,
        groups.rows,
    )
    bursting, moves, deviations = ticks.moves.bursting, ticks.moves.moves, ticks.moves.deviations
    marks, levels = bursts.marks, bursts.levels
    smooth, velocities = ticks.level[OUT_SMOOTHED], ticks.path[OUT_VELOCITY]
    means, buffers = ticks.level[OUT_MEAN], ticks.level[OUT_BUFFER]
    armed, d, fired, start_ns = marks[r, ARMED] != 0, marks[r, DIRECTION], marks[r, FIRED], marks[r, START_NS]
    side, candidate_ns = marks[r, CANDIDATE], marks[r, CANDIDATE_NS]
    peak, extreme = levels[r, PEAK], levels[r, EXTREME]
    least = rules.volume_factor * now.volume_mean
    upcoming = begin
    while upcoming < end:
        tick = upcoming
        if side == 0 and not bursting[tick]:
            upcoming += LANES if tick + LANES <= end and not any_of_eight(bursting, np.uint64(tick)) else 1
            continue
        upcoming += 1
        position = positions[tick]
        at_ns, paid, row = event_ns[position], price[position], run_rows[position]
        if bursting[tick]:
            smoothed, mean, buffer, velocity = smooth[tick], means[tick], buffers[tick], velocities[tick]
            if not armed:
                armed, fired, start_ns = True, 0, at_ns
                d = 1 if velocity > 0.0 else -1
                peak, extreme = smoothed, paid
            seconds = max(at_ns - start_ns, 0) / SECOND_NS
            peak = max(peak, smoothed)
            extreme = max(extreme * d, paid * d) * d
            if not fired & 1 and intensity_fade(smoothed, peak - buffer, velocity, d):
                fired |= 1
                side, candidate_ns = -d, at_ns
                if rules.v1:
                    done = fire(
                        signals, done, (row, r, at_ns), paid, -d, 1, (peak - smoothed) / buffer, peak - buffer,
                        (smoothed, peak, mean, buffer, velocity, seconds, 0.0, 0.0),
                    )  # fmt: skip
            if rules.v2 and not fired & 2 and moves[tick] * d < 0.0:
                pull_back, deviation = d * log_return(extreme, paid), deviations[tick]
                if pullback(pull_back, deviation, moves[tick], d):
                    fired |= 2
                    done = fire(
                        signals, done, (row, r, at_ns), paid, -d, 2, strength(pull_back, deviation), deviation,
                        (extreme, pull_back, deviation, moves[tick], peak, mean, buffer, seconds),
                    )  # fmt: skip
            armed = not smoothed <= mean  # else the burst is over
        if side == 0 or not rules.v3:
            continue
        volume, held_for = volumes[position], at_ns - candidate_ns
        if held_for > rules.hold_ns:
            side = 0
        elif confirmed_fade(now, side, paid, volume, least):
            done = confirm(now, side, held_for, volume, least, (row, r, at_ns), paid, signals, done)
            side = 0
    marks[r, ARMED], marks[r, DIRECTION], marks[r, FIRED], marks[r, START_NS] = armed, d, fired, start_ns
    marks[r, CANDIDATE], marks[r, CANDIDATE_NS] = side if rules.v3 else 0, candidate_ns
    levels[r, PEAK], levels[r, EXTREME] = peak, extreme
    return done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def find_reversals(
    groups: TradeGroups, state_rows: Any, plain: bool, ticks: MeasuredTicks, marks: Watermarks, bursts: Bursts,
    rules: ReversalRules, frames: Frames, signals: Signals, volumes: Any,
) -> int:  # fmt: skip
    """Trades and measured ticks of every group, a stretch at a time in which no candle of the instrument closes.

    The high candle in progress takes all its trades at once, since nothing is asked of it before it closes, and has no volume.

    Parameters
    ----------
    state_rows
        State row of each group, negative where it is not followed.
    plain
        Whether all trades are in the order of their times, without flags.
    marks
        The watermarks.
    volumes
        Scratch for a number per trade.
    """
    done = measured = 0
    low, high, trades, of_groups, measured_groups = (
        frames.low,
        frames.high,
        groups.trades,
        marks.of_groups,
        ticks.groups,
    )
    candles, both = rules.v3 or rules.v4, rules.v3
    for group in range(state_rows.size):
        r = state_rows[group]
        if r < 0:
            continue
        tick = ticks_end = 0
        if measured < measured_groups.state_rows.size and measured_groups.state_rows[measured] == r:
            tick, ticks_end = measured_groups.offsets[measured], measured_groups.offsets[measured + 1]
            measured += 1
        begin, end = groups.offsets[group], groups.offsets[group + 1]
        beyond = begin  # the trades before it are in the high candle in progress
        while begin < end:
            watermark = of_groups[begin]
            in_time = plain and trades.event_ns[begin] >= watermark
            if candles and is_over(low, r, watermark):
                done = close_low(low, r, marks.of_rows, rules, signals, done)
            if both and begin == beyond:
                if is_over(high, r, watermark):
                    close_bar(high, r)
                beyond = first_at_least(
                    of_groups, begin, end, watermark // high.every * high.every + high.every
                )
                fold(high, r, watermark, begin, beyond, trades, in_time, CANCEL, volumes[:0])
            until = first_at_least(of_groups, begin, end, watermark // low.every * low.every + low.every)
            if both:
                until = min(until, beyond)
            if candles:
                fold(low, r, watermark, begin, until, trades, in_time, CANCEL, volumes)
            upto = first_at_least(measured_groups.positions, tick, ticks_end, until)
            done = follow(
                tick, upto, r, groups, ticks, volumes, bursts, rules, trend_of(frames, r, rules.stretch), signals, done
            )  # fmt: skip
            tick, begin = upto, until
    return done
