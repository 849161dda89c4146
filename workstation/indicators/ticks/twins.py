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


class CandleTwin(NamedTuple):
    """A candle of one timeframe: its number since the epoch, prices, volume, and the time of its newest price."""

    number: int
    high: float
    low: float
    close: float
    volume: float
    newest_ns: int

    def with_trade(self, event_ns: int, price: float, size: float) -> CandleTwin:
        """The candle with one more trade; the close is that of the latest time, of equal times the last."""
        newer = event_ns >= self.newest_ns
        return CandleTwin(
            self.number, max(self.high, price), min(self.low, price), price if newer else self.close, self.volume + size,
            max(event_ns, self.newest_ns),
        )  # fmt: skip


class TrendTwin:
    """One timeframe of one instrument: the closed candles and the one in progress; every average anew."""

    def __init__(self, every_ns: int) -> None:
        self.every_ns = every_ns
        self.closed: list[CandleTwin] = []
        self.open: CandleTwin | None = None

    def is_over(self, watermark: int) -> bool:
        """Whether the watermark closes the candle in progress."""
        return self.open is not None and (self.open.number + 1) * self.every_ns <= watermark

    def close(self) -> None:
        """The candle in progress is final."""
        assert self.open is not None
        self.closed.append(self.open)
        self.open = None

    def add(self, event_ns: int, watermark: int, price: float, size: float) -> None:
        """A trade; one that is too late for the candle in progress adds nothing."""
        number = watermark // self.every_ns
        if event_ns < number * self.every_ns:
            return
        candle = self.open or CandleTwin(number, price, price, price, 0.0, event_ns)
        self.open = candle.with_trade(event_ns, price, size)

    def ema(self, length: int) -> list[float]:
        """EMA of the closes after each closed candle."""
        out: list[float] = []
        for candle in self.closed:
            out.append(out[-1] + 2.0 / (length + 1) * (candle.close - out[-1]) if out else candle.close)
        return out

    def slope(self, length: int) -> float:
        """Change of the EMA over the last closed candle."""
        average = self.ema(length)
        return average[-1] - average[-2] if len(average) > 1 else 0.0

    def true_ranges(self) -> list[float]:
        """True range of each closed candle; of the first its range."""
        closes = [None, *(candle.close for candle in self.closed)]
        return [
            candle.high - candle.low if before is None else max(candle.high, before) - min(candle.low, before)
            for candle, before in zip(self.closed, closes, strict=False)
        ]

    def atr(self, length: int) -> float:
        """Wilder's average true range; NaN until ``length`` candles are closed."""
        ranges = self.true_ranges()
        if len(ranges) < length:
            return NAN
        value = fmean(ranges[:length])
        for true_range in ranges[length:]:
            value += (true_range - value) / length
        return value

    def choppiness(self, length: int) -> float:
        """Choppiness index; NaN until ``length`` candles are closed, and where price stood still."""
        last = self.closed[-length:]
        if len(last) < length:
            return NAN
        span = max(candle.high for candle in last) - min(candle.low for candle in last)
        return (
            100 * math.log10(sum(self.true_ranges()[-length:]) / span) / math.log10(length) if span else NAN
        )

    def usual_volume(self, length: int) -> float:
        """Mean volume of the last closed candles; NaN until there are so many."""
        last = self.closed[-length:]
        return fmean(candle.volume for candle in last) if len(last) == length else NAN


class CandleSignal(NamedTuple):
    """A signal of v3 or v4, at the place of the trade it came with."""

    trade: int
    event_ns: int
    version: int
    side: int
    price: float
    threshold: float
    strength: float


def trend_twin(low: TrendTwin, high: TrendTwin, by: Any) -> CandleTrend:
    """What v3 asks of the closed candles; ``by``: ``ReversalsParameters``."""
    known = len(low.closed) >= by.fast and len(high.closed) >= by.slow
    far, atr = high.ema(by.slow), high.atr(by.atr)
    reach = math.inf if math.isnan(atr) else by.stretch * atr
    return CandleTrend(
        known, low.slope(by.fast), high.slope(by.slow), far[-1] if far else 0.0, reach, atr,
        low.usual_volume(by.volume),
    )  # fmt: skip


def close_twin(low: TrendTwin, trade: int, by: Any) -> list[CandleSignal]:
    """Close the low timeframe's candle; the signal of v4 that comes with it."""
    usual = low.usual_volume(by.volume)
    low.close()
    candle = low.closed[-1]
    if len(low.closed) < max(by.fast, by.slow):
        return []
    pairs = list(zip(low.ema(by.fast), low.ema(by.slow), strict=True))
    apart = [pair for pair in pairs[:-1] if pair[0] != pair[1]]
    if not apart:
        return []
    side = ema_cross_twin(apart[-1], pairs[-1], candle.volume, usual, low.choppiness(by.choppiness), by)
    least = by.volume_over * usual
    end_ns = (candle.number + 1) * low.every_ns
    return [CandleSignal(trade, end_ns, 4, side, candle.close, least, candle.volume / least)] if side else []


def candle_reversals_twin(
    trades: Sequence[tuple[int, float, float]], fades: Sequence[BurstSignal], by: Any, every_ns: tuple[int, int], hold_ns: int
) -> list[CandleSignal]:  # fmt: skip
    """Signals of v3 and v4 of one instrument, trade by trade.

    Parameters
    ----------
    trades
        (event_ns, price, size), without flags, in the order in which they came.
    fades
        Signals of v1 (``bursts_twin``): each is held until it is confirmed, too old, or followed by another.
    by
        ``ReversalsParameters``.
    every_ns, hold_ns
        Lengths of the low and the high timeframe, and how long a fade is held.
    """
    low, high = (TrendTwin(every) for every in every_ns)
    sides = {fade.tick: fade.side for fade in fades if fade.version == 1}
    found: list[CandleSignal] = []
    watermark, side, held_ns = -(2**63), 0, 0
    for trade, (event_ns, price, size) in enumerate(trades):
        watermark = max(watermark, event_ns)
        if low.is_over(watermark):
            found += close_twin(low, trade, by)
        if high.is_over(watermark):
            high.close()
        for timeframe in (low, high):
            timeframe.add(event_ns, watermark, price, size)
        if trade in sides:
            side, held_ns = sides[trade], event_ns
        if not side:
            continue
        if event_ns - held_ns > hold_ns:
            side = 0
            continue
        trend, volume = trend_twin(low, high, by), low.open.volume if low.open else 0.0
        if confirmed_fade_twin(trend, side, price, volume, by.volume_factor):
            least = by.volume_factor * trend.volume_mean
            strength = volume / least if least > 0 else math.inf
            found.append(CandleSignal(trade, event_ns, 3, side, price, least, strength))
            side = 0
    return found
