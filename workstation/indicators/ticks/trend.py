"""Trend on the candles of one timeframe: EMAs, true range, choppiness and volume, per instrument.

The candles are those of ``candles`` without lateness. Here they are not amended by cancels, since what was said on them is
never taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.batch.by_instrument import TradeArrays
from workstation.numerics.moving_averages import ema_alpha, ema_step
from workstation.numerics.simd import LANES, lanes_at, larger, largest, smaller, smallest
from workstation.numerics.state_arrays import Field, RowArrays

FAST, SLOW, FAST_SLOPE, SLOW_SLOPE, CLOSE, ATR, VOLUME_MEAN = range(7)
LEVELS = 7
CANDLES, ABOVE = range(2)
NUMBER, NEWEST_NS = range(2)
HIGH, LOW, BAR_CLOSE, VOLUME = range(4)
_LANES, _ONE = np.uint64(LANES), np.uint64(1)
VACANT = np.iinfo(np.int64).min
"""Number of a candle in progress that is none."""


class Lengths(NamedTuple):
    """Candles in each average."""

    fast: int
    slow: int
    atr: int
    choppiness: int
    volume: int


class Trend(NamedTuple):
    """State per instrument: candles seen and whether fast was last above (+1) or below (-1) slow; levels; rings."""

    marks: npt.NDArray[np.int64]
    levels: npt.NDArray[np.float64]
    ranges: npt.NDArray[np.float64]
    highs: npt.NDArray[np.float64]
    lows: npt.NDArray[np.float64]
    volumes: npt.NDArray[np.float64]


class Bars(NamedTuple):
    """The candle in progress of each instrument: number and time of its newest price, then high, low, close and volume."""

    marks: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]


class Frame(NamedTuple):
    """One timeframe as kernels take it."""

    every: int
    bars: Bars
    trend: Trend
    lengths: Lengths
    fast_alpha: float
    slow_alpha: float
    volume_only: int


@numba.njit(cache=True, nogil=True, error_model="numpy")
def choppiness_of(trend: Trend, of: int, length: int) -> float:
    """100 log10(sum of true ranges / (highest high - lowest low)) / log10 n over the last ``length`` candles.

    NaN until so many are known, and where price stood still.
    """
    if trend.marks[of, CANDLES] < length:
        return np.nan
    ranges, highs, lows = trend.ranges[of], trend.highs[of], trend.lows[of]
    span = highs.max() - lows.min()
    return 100.0 * np.log10(ranges.sum() / span) / np.log10(ranges.size) if span > 0.0 else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def close_candle(frame: Frame, of: int, high: float, low: float, close: float, volume: float) -> int:
    """Add a final candle; returns +1 or -1 when fast crosses above or below slow, both being full, else 0.

    ATR is Wilder's: the mean of the first n true ranges, then an average of weight 1 / n. ``VOLUME_MEAN`` is NaN until
    ``lengths.volume`` candles are known.
    """
    trend, lengths = frame.trend, frame.lengths
    marks, levels = trend.marks[of], trend.levels[of]
    seen = marks[CANDLES]
    marks[CANDLES] = seen + 1
    true_range = high - low
    if seen:
        true_range = max(high, levels[CLOSE]) - min(low, levels[CLOSE])
    fast = ema_step(levels[FAST], close, frame.fast_alpha) if seen else close
    slow = ema_step(levels[SLOW], close, frame.slow_alpha) if seen else close
    levels[FAST_SLOPE], levels[SLOW_SLOPE] = (
        (fast - levels[FAST], slow - levels[SLOW]) if seen else (0.0, 0.0)
    )
    levels[FAST], levels[SLOW], levels[CLOSE] = fast, slow, close
    levels[ATR] = ema_step(levels[ATR], true_range, 1.0 / min(seen + 1, lengths.atr))
    at = seen % lengths.choppiness
    trend.ranges[of, at], trend.highs[of, at], trend.lows[of, at] = true_range, high, low
    trend.volumes[of, seen % lengths.volume] = volume
    levels[VOLUME_MEAN] = trend.volumes[of].mean() if seen + 1 >= lengths.volume else np.nan
    side = int(np.sign(fast - slow))
    if side == 0 or side == marks[ABOVE]:
        return 0
    crossed = marks[ABOVE] != 0 and seen + 1 >= max(lengths.fast, lengths.slow)
    marks[ABOVE] = side
    return side if crossed else 0


@numba.njit(cache=True, nogil=True)
def fold_bar(
    frame: Frame, r: int, watermark: int, begin: int, end: int, trades: TradeArrays, cancel: int, volumes: Any
) -> None:  # fmt: skip
    """Trades ``begin`` to ``end`` of one instrument, in which none of its candles closes, into its candle in progress.

    A trade that is too late for it adds nothing, nor does one with the flag ``cancel``. Writes the candle's volume with each
    trade to ``volumes``, 0 where a trade was taken back; the candle has no volume where there is no room for it.
    """
    event_ns, price, size, flags = trades.event_ns, trades.price, trades.size, trades.flags
    marks, sums, volume_only = frame.bars.marks, frame.bars.sums, frame.volume_only
    with_volume = volumes.size > 0
    number = watermark // frame.every
    begin_ns = number * frame.every
    held, newest, top, bottom, close, volume = marks[r, NUMBER], VACANT, np.nan, np.nan, np.nan, 0.0
    if held != VACANT:
        newest, top, bottom = marks[r, NEWEST_NS], sums[r, HIGH], sums[r, LOW]
        close, volume = sums[r, BAR_CLOSE], sums[r, VOLUME]
    for trade in range(begin, end):
        now, paid, flag = event_ns[trade], price[trade], flags[trade]
        if flag & cancel:
            if with_volume:
                volumes[trade] = 0.0
            continue
        if now >= begin_ns:
            held = number
            volume += size[trade]
            if flag & volume_only == 0:
                if now >= newest:
                    newest, close = now, paid
                top = top if paid <= top else paid
                bottom = bottom if paid >= bottom else paid
        if with_volume:
            volumes[trade] = volume
    marks[r, NUMBER], marks[r, NEWEST_NS] = held, newest
    sums[r, HIGH], sums[r, LOW], sums[r, BAR_CLOSE], sums[r, VOLUME] = top, bottom, close, volume


@numba.njit(cache=True, nogil=True)
def fold_plain_bar(
    frame: Frame, r: int, watermark: int, begin: int, end: int, trades: TradeArrays, volumes: Any
) -> None:  # fmt: skip
    """As ``fold_bar`` for trades ``begin`` to ``end`` that come in the order of their times, without flags, eight at a time."""
    event_ns, price, size = trades.event_ns, trades.price, trades.size
    marks, sums = frame.bars.marks, frame.bars.sums
    volume, top, bottom = 0.0, np.nan, np.nan
    if marks[r, NUMBER] != VACANT:
        top, bottom, volume = sums[r, HIGH], sums[r, LOW], sums[r, VOLUME]
    at, beyond = np.uint64(begin), np.uint64(end)
    if volumes.size:
        for trade in range(at, beyond):
            volume += size[trade]
            volumes[trade] = volume
    if beyond - at >= _LANES:
        highs = lows = lanes_at(price, at)
        at += _LANES
        while beyond - at >= _LANES:
            paid = lanes_at(price, at)
            highs, lows = larger(paid, highs), smaller(paid, lows)
            at += _LANES
        most, least = largest(highs), smallest(lows)
        top = top if most <= top else most
        bottom = bottom if least >= bottom else least
    while at < beyond:
        top = top if price[at] <= top else price[at]
        bottom = bottom if price[at] >= bottom else price[at]
        at += _ONE
    marks[r, NUMBER], marks[r, NEWEST_NS] = watermark // frame.every, event_ns[end - 1]
    sums[r, HIGH], sums[r, LOW], sums[r, BAR_CLOSE], sums[r, VOLUME] = top, bottom, price[end - 1], volume


@numba.njit(cache=True, nogil=True)
def fold(
    frame: Frame, r: int, watermark: int, begin: int, end: int, trades: TradeArrays, in_time: bool, cancel: int, volumes: Any
) -> None:  # fmt: skip
    """``fold_bar`` of any trades, ``fold_plain_bar`` of those that may be taken so."""
    if in_time:
        fold_plain_bar(frame, r, watermark, begin, end, trades, volumes)
    else:
        fold_bar(frame, r, watermark, begin, end, trades, cancel, volumes)


@numba.njit(cache=True, nogil=True)
def is_over(frame: Frame, r: int, watermark: int) -> bool:
    """Whether an instrument has a candle in progress that the watermark closes."""
    number = frame.bars.marks[r, NUMBER]
    return bool(number != VACANT and (number + 1) * frame.every <= watermark)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def close_bar(frame: Frame, r: int) -> int:
    """The candle in progress of an instrument is final: add it, unless it has no price; returns as ``close_candle``."""
    sums = frame.bars.sums
    frame.bars.marks[r, NUMBER] = VACANT
    close = sums[r, BAR_CLOSE]
    if close != close:
        return 0
    return close_candle(frame, r, sums[r, HIGH], sums[r, LOW], close, sums[r, VOLUME])


class Timeframe:
    """Candles of one length and the trend on them, for every instrument.

    Parameters
    ----------
    every_ns
        Length of the candles.
    lengths
        Candles in each average.
    volume_only
        Bits of ``TradeFlag`` of trades that set no price.
    """

    def __init__(self, every_ns: int, lengths: Lengths, volume_only: int) -> None:
        self.every_ns, self._lengths, self._volume_only = every_ns, lengths, volume_only
        self._alphas = ema_alpha(lengths.fast), ema_alpha(lengths.slow)
        chop = Field(lengths.choppiness)
        self._trend = RowArrays(
            Trend,
            {
                "marks": Field(2, "int64"), "levels": Field(LEVELS), "ranges": chop, "highs": chop, "lows": chop,
                "volumes": Field(lengths.volume),
            },
        )  # fmt: skip
        self._bars = RowArrays(Bars, {"marks": Field(2, "int64", int(VACANT)), "sums": Field(4)})
        self._frame: Frame | None = None

    def make_room(self, instruments: int) -> Frame:
        """The timeframe with state for so many instruments."""
        bars, trend = self._bars.make_room(instruments), self._trend.make_room(instruments)
        if self._frame is None or self._frame.bars is not bars or self._frame.trend is not trend:
            self._frame = Frame(self.every_ns, bars, trend, self._lengths, *self._alphas, self._volume_only)
        return self._frame

    def forget(self, rows: npt.NDArray[np.int64]) -> None:
        """Begin these instruments anew, with their next trade."""
        self._trend.forget(rows)
        self._bars.forget(rows)

    def snapshot(self, instruments: int) -> dict[str, Any]:
        """The whole state, by row."""
        self.make_room(instruments)
        return {"trend": self._trend.snapshot(instruments), "bars": self._bars.snapshot(instruments)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._trend.restore(state["trend"])
        self._bars.restore(state["bars"])
