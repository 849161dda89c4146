"""Plain-Python twins of the tick kernels: one tick after the other, every window anew. Slow; tests hold the kernels to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from workstation.indicators.ticks.kernels import EMA, SMA, WindowRules
from workstation.indicators.ticks.reversal_rules import CandleTrend

NAN = math.nan


class TickTwin(NamedTuple):
    """A measured tick: its place among all ticks, and its measures (NaN: not known yet)."""

    tick: int
    intensity: float
    velocity: float
    efficiency: float
    smoothed: float = NAN
    mean: float = NAN
    sd: float = NAN
    buffer: float = NAN


class SpikeTwin(NamedTuple):
    """A spike that has ended, by the places of its ticks."""

    start: int
    peak: int
    end: int
    direction: int
    level: float
    height_sd: float
    threshold: float


class BurstSignal(NamedTuple):
    """A signal of v1 or v2 at a tick."""

    tick: int
    version: int
    side: int
    threshold: float
    strength: float


def measure_twin(times: Sequence[int], prices: Sequence[float], by: WindowRules) -> list[TickTwin]:
    """Path and level of the ticks of one instrument, from the first with a full window on."""
    rows = []
    for tick in range(by.ticks, len(prices)):
        first = tick - by.ticks
        returns = [1e4 * math.log(prices[i + 1] / prices[i]) for i in range(first, tick)]
        path, move = sum(abs(step) for step in returns), 1e4 * math.log(prices[tick] / prices[first])
        seconds = max(times[tick] - times[first], by.least_ns) / 1e9
        efficiency = min(abs(move) / path, 1.0) if path > 0 else NAN
        rows.append(TickTwin(tick, path / seconds, move / seconds, efficiency))
    levels = buffer_twin([row.intensity for row in rows], by)
    return [
        row._replace(smoothed=smoothed, mean=mean, sd=sd, buffer=buffer)
        for row, (smoothed, mean, sd, buffer) in zip(rows, levels, strict=True)
    ]


def smooth_twin(values: Sequence[float], by: WindowRules) -> list[float]:
    """SMA, EMA or ZLMA of values; an SMA is NaN until it is full."""
    if by.smoothing == SMA:
        return [
            fmean(values[i + 1 - by.length : i + 1]) if i + 1 >= by.length else NAN
            for i in range(len(values))
        ]
    lag = 0 if by.smoothing == EMA else by.lag
    out: list[float] = []
    for i, value in enumerate(values):
        ahead = 2.0 * value - values[i - lag] if i >= lag > 0 else value
        out.append(ahead if not out else out[-1] + by.alpha * (ahead - out[-1]))
    return out


def buffer_twin(values: Sequence[float], by: WindowRules) -> list[tuple[float, float, float, float]]:
    """Smoothed values, mean and deviation of the baseline, and the buffer after each."""
    rows, seen = [], []
    for value in smooth_twin(values, by):
        mean = sd = buffer = NAN
        if not math.isnan(value):
            seen.append(value)
        older, recent = seen[-by.window : -by.recent], seen[-by.recent :]
        if len(older) == by.window - by.recent and not math.isnan(value):
            mean, sd = fmean(older), pstdev(older)
            recent_mean = fmean(recent)
            if mean > 0 and recent_mean > 0:
                spread = by.base_weight * sd / mean + (1.0 - by.base_weight) * pstdev(recent) / recent_mean
                buffer = by.k * mean * spread
        rows.append((value, mean, sd, buffer))
    return rows


def find_spikes_twin(rows: Sequence[TickTwin], start_sd: float, end_sd: float) -> list[SpikeTwin]:
    """Spikes of one instrument that have ended."""
    found: list[SpikeTwin] = []
    under_way: SpikeTwin | None = None
    for row in rows:
        threshold = row.mean + start_sd * row.sd
        if under_way is None:
            if not (row.sd > 0 and row.smoothed > threshold):
                continue
            under_way = SpikeTwin(row.tick, row.tick, row.tick, 0, -math.inf, NAN, threshold)
        elif row.smoothed < row.mean + end_sd * row.sd:
            found.append(under_way._replace(end=row.tick))
            under_way = None
            continue
        if row.smoothed > under_way.level:
            height = (row.smoothed - row.mean) / row.sd if row.sd > 0 else math.inf
            direction = (row.velocity > 0) - (row.velocity < 0)
            under_way = under_way._replace(
                peak=row.tick, level=row.smoothed, height_sd=height, direction=direction
            )
    return found


def moves_twin(prices: Sequence[float], span: int, window: int) -> list[tuple[float, float]]:
    """Move over the last ``span`` of these ticks after each (bps), and the deviation of the last ``window`` of such moves."""
    moves = [1e4 * math.log(prices[i] / prices[i - span]) if i >= span else NAN for i in range(len(prices))]
    known = [moves[max(i + 1 - window, 0) : i + 1] for i in range(len(moves))]
    return [
        (move, pstdev(last) if len(last) == window and not math.isnan(last[0]) else NAN)
        for move, last in zip(moves, known, strict=True)
    ]


def intensity_fade_twin(smoothed: float, peak: float, buffer: float, velocity: float, direction: int) -> bool:
    """v1."""
    return peak - smoothed > buffer and not velocity * direction > 0


def pullback_twin(extreme: float, price: float, deviation: float, move: float, direction: int) -> bool:
    """v2."""
    return direction * 1e4 * math.log(extreme / price) > deviation and move * direction < 0


def confirmed_fade_twin(trend: CandleTrend, side: int, price: float, volume: float, factor: float) -> bool:
    """v3, at a tick at which a fade of ``side`` is held."""
    if not trend.known or not volume >= factor * trend.volume_mean or not trend.low_slope * side > 0:
        return False
    return trend.high_slope * side >= 0 or (trend.high_ema - price) * side > trend.reach


def ema_cross_twin(
    before: tuple[float, float],
    after: tuple[float, float],
    volume: float,
    usual: float,
    choppiness: float,
    rules: Any,
) -> int:
    """v4: +1 or -1 where the fast EMA (first of each pair) crosses the slow one, 0 where nothing fires."""
    above, was_above = after[0] > after[1], before[0] > before[1]
    if after[0] == after[1] or above == was_above:
        return 0
    return (
        (1 if above else -1)
        if volume > rules.volume_over * usual and choppiness < rules.choppiness_below
        else 0
    )


def bursts_twin(
    rows: Sequence[TickTwin], prices: Sequence[float], moves: Sequence[tuple[float, float]]
) -> list[BurstSignal]:
    """Signals of v1 and v2 of one instrument; ``prices`` and ``moves`` are of the measured ticks ``rows``."""
    found: list[BurstSignal] = []
    direction, fired, peak, extreme = 0, set[int](), NAN, NAN
    for row, price, (move, deviation) in zip(rows, prices, moves, strict=True):
        if direction == 0:
            if not (row.smoothed > row.mean + row.buffer and row.velocity != 0):
                continue
            direction, fired, peak, extreme = (1 if row.velocity > 0 else -1), set(), row.smoothed, price
        peak = max(peak, row.smoothed)
        extreme = max(extreme, price) if direction > 0 else min(extreme, price)
        if 1 not in fired and intensity_fade_twin(row.smoothed, peak, row.buffer, row.velocity, direction):
            fired.add(1)
            found.append(
                BurstSignal(row.tick, 1, -direction, peak - row.buffer, (peak - row.smoothed) / row.buffer)
            )
        if 2 not in fired and pullback_twin(extreme, price, deviation, move, direction):
            fired.add(2)
            back = direction * 1e4 * math.log(extreme / price)
            found.append(
                BurstSignal(
                    row.tick, 2, -direction, deviation, back / deviation if deviation > 0 else math.inf
                )
            )
        if row.smoothed <= row.mean:
            direction = 0
    return found
