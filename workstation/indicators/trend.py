"""Trend on the candles of one timeframe: EMAs, true range, choppiness and volume, per instrument.

The candles are those of ``candles``: the same kernels fold and close them. Here they are not amended by cancels, since what
was said on them is never taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators import candle_kernels
from workstation.indicators.rows import Field, RowArrays
from workstation.indicators.smoothing import ema_alpha, ema_step
from workstation.market.tables import NO_TIME

FAST, SLOW, FAST_SLOPE, SLOW_SLOPE, CLOSE, ATR, VOLUME_MEAN, CHOPPINESS = range(8)
LEVELS = 8
CANDLES, ABOVE = range(2)
FORMING_NUMBER, FORMING_VOLUME = range(2)


class Lengths(NamedTuple):
    """Candles in each average."""

    fast: int
    slow: int
    atr: int
    choppiness: int
    volume: int


class Trend(NamedTuple):
    """State per instrument: candles seen and whether fast was last above (+1) or below (-1) slow; levels; rings."""

    marks: Any
    levels: Any
    ranges: Any
    highs: Any
    lows: Any
    volumes: Any


class Closed(NamedTuple):
    """Candles that closed: row of the batch that closed them, state row (negative: nobody's), and their numbers."""

    rows: npt.NDArray[np.int64]
    of: npt.NDArray[np.int64]
    bars: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]


NOTHING_CLOSED = Closed(
    np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4), np.int64), np.empty((0, 9))
)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def choppiness_of(ranges: Any, highs: Any, lows: Any) -> float:
    """100 log10(sum of true ranges / (highest high - lowest low)) / log10 n; NaN where price stood still."""
    span = highs.max() - lows.min()
    return 100.0 * np.log10(ranges.sum() / span) / np.log10(ranges.size) if span > 0.0 else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def close_candle(
    trend: Trend, of: int, high: float, low: float, close: float, volume: float,
    lengths: Lengths, fast_alpha: float, slow_alpha: float,
) -> int:  # fmt: skip
    """Add a final candle; returns +1 or -1 when fast crosses above or below slow, both being full, else 0.

    ATR is Wilder's: the mean of the first n true ranges, then an average of weight 1 / n. ``VOLUME_MEAN`` is NaN until
    ``lengths.volume`` candles are known, ``CHOPPINESS`` likewise.
    """
    marks, levels = trend.marks[of], trend.levels[of]
    seen = marks[CANDLES]
    marks[CANDLES] = seen + 1
    true_range = high - low
    if seen:
        true_range = max(high, levels[CLOSE]) - min(low, levels[CLOSE])
    fast = ema_step(levels[FAST], close, fast_alpha) if seen else close
    slow = ema_step(levels[SLOW], close, slow_alpha) if seen else close
    levels[FAST_SLOPE], levels[SLOW_SLOPE] = (
        (fast - levels[FAST], slow - levels[SLOW]) if seen else (0.0, 0.0)
    )
    levels[FAST], levels[SLOW], levels[CLOSE] = fast, slow, close
    levels[ATR] = ema_step(levels[ATR], true_range, 1.0 / min(seen + 1, lengths.atr))
    at = seen % lengths.choppiness
    trend.ranges[of, at], trend.highs[of, at], trend.lows[of, at] = true_range, high, low
    trend.volumes[of, seen % lengths.volume] = volume
    levels[VOLUME_MEAN] = trend.volumes[of].mean() if seen + 1 >= lengths.volume else np.nan
    levels[CHOPPINESS] = np.nan
    if seen + 1 >= lengths.choppiness:
        levels[CHOPPINESS] = choppiness_of(trend.ranges[of], trend.highs[of], trend.lows[of])
    side = int(np.sign(fast - slow))
    if side == 0 or side == marks[ABOVE]:
        return 0
    crossed = marks[ABOVE] != 0 and seen + 1 >= max(lengths.fast, lengths.slow)
    marks[ABOVE] = side
    return side if crossed else 0


@numba.njit(cache=True, nogil=True)
def forming_volumes(
    of: Any, event_ns: Any, size: Any, watermark: int, every: int, numbers: Any, volumes: Any, out: Any
) -> None:
    """Volume of the instrument's candle in progress with each trade; late trades add nothing, as in ``fold_trades``."""
    number = begin = end = np.int64(0)
    for row in range(of.size):
        at, r = event_ns[row], np.int64(of[row])
        watermark = max(watermark, at)
        if r < 0:
            continue
        if not begin <= at < end:
            number = at // every
            begin = number * every
            end = begin + every
        if end > watermark:
            if number > numbers[r]:
                numbers[r], volumes[r] = number, 0.0
            if number == numbers[r]:
                volumes[r] += size[row]
        out[row] = volumes[r] if (numbers[r] + 1) * every > watermark else 0.0


class Bars(NamedTuple):
    """Candles in progress as ``candle_kernels`` keep them; the first row is nobody's, for trades that are not followed."""

    bars: Any
    sums: Any


class Forming(NamedTuple):
    """Number and volume of each instrument's candle in progress."""

    numbers: Any
    volumes: Any


_SLOTS = 2


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
        self.every_ns, self.lengths, self._volume_only = every_ns, lengths, volume_only
        self.alphas = ema_alpha(lengths.fast), ema_alpha(lengths.slow)
        self._watermark_ns, self._next_close = int(NO_TIME), int(candle_kernels.NEVER)
        chop = Field(lengths.choppiness)
        self._trend = RowArrays(
            Trend,
            {
                "marks": Field(2, "int64"), "levels": Field(LEVELS), "ranges": chop, "highs": chop, "lows": chop,
                "volumes": Field(lengths.volume),
            },
        )  # fmt: skip
        self._bars = RowArrays(
            Bars,
            {
                "bars": Field(_SLOTS * candle_kernels.BAR_FIELDS, "int64", int(candle_kernels.VACANT)),
                "sums": Field(_SLOTS * candle_kernels.SUM_FIELDS),
            },
        )
        self._forming = RowArrays(
            Forming, {"numbers": Field(0, "int64", int(candle_kernels.VACANT)), "volumes": Field(0)}
        )
        self.make_room(0)

    def make_room(self, instruments: int) -> Trend:
        """State for so many instruments; the trend's arrays."""
        self._instruments = instruments
        self._bars.make_room(instruments + 1)
        self._forming.make_room(instruments)
        trend: Trend = self._trend.make_room(instruments)
        return trend

    def fold(self, of: Any, event_ns: Any, price: Any, size: Any, flags: Any) -> tuple[Closed, Any]:
        """Add trades in row order (``of`` negative: only their time counts); closed candles, volume in progress."""
        before = self._watermark_ns
        volumes = np.zeros(of.size)
        forming = self._forming.arrays
        forming_volumes(of, event_ns, size, before, self.every_ns, forming.numbers, forming.volumes, volumes)
        of_out, bars_out, sums_out = self._room(of.size)
        bars, sums = self._flat()
        self._watermark_ns, self._next_close, done, _ = candle_kernels.fold_trades(
            np.maximum(of + 1, 0).astype(np.int32), event_ns, price, size, np.zeros(of.size, np.int8), flags, 0, of.size, False,
            self.every_ns, 0, self._volume_only, 0, bars, sums, _SLOTS, self._instruments + 1,
            before, self._next_close, np.empty(of.size, np.bool_), of_out, bars_out, sums_out, 0,
        )  # fmt: skip
        if not done:
            return NOTHING_CLOSED, volumes
        newest = np.maximum.accumulate(np.maximum(event_ns, before))
        finals = (bars_out[:done, candle_kernels.NUMBER] + 1) * self.every_ns
        rows = np.searchsorted(newest, finals)
        return Closed(rows, of_out[:done] - 1, bars_out[:done], sums_out[:done]), volumes

    def beat(self, event_ns: int) -> Closed:
        """Candles that a heartbeat closes."""
        self._watermark_ns = max(self._watermark_ns, event_ns)
        of_out, bars_out, sums_out = self._room(0)
        done = 0
        if self._watermark_ns >= self._next_close:
            bars, sums = self._flat()
            done, self._next_close = candle_kernels.close_bars(
                bars, sums, _SLOTS, self._instruments + 1, self.every_ns, 0, self._watermark_ns,
                of_out, bars_out, sums_out, 0,
            )  # fmt: skip
        return Closed(np.zeros(done, np.int64), of_out[:done] - 1, bars_out[:done], sums_out[:done])

    def _flat(self) -> tuple[Any, Any]:
        held = self._bars.arrays
        return held.bars.reshape(-1, candle_kernels.BAR_FIELDS), held.sums.reshape(
            -1, candle_kernels.SUM_FIELDS
        )

    def _room(self, rows: int) -> tuple[Any, Any, Any]:
        room = rows + (self._instruments + 1) * _SLOTS
        return (
            np.empty(room, np.int64),
            np.empty((room, candle_kernels.BAR_FIELDS), np.int64),
            np.empty((room, candle_kernels.SUM_FIELDS)),
        )

    def forget(self, rows: npt.NDArray[np.int64]) -> None:
        """Begin these instruments anew, with their next trade."""
        self._trend.forget(rows)
        self._bars.forget(rows + 1)
        self._forming.forget(rows)

    def snapshot(self) -> dict[str, Any]:
        """The whole state, by row."""
        return {
            "watermark_ns": self._watermark_ns,
            "next_close": self._next_close,
            "trend": self._trend.snapshot(self._instruments),
            "bars": self._bars.snapshot(self._instruments + 1),
            "forming": self._forming.snapshot(self._instruments),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._watermark_ns, self._next_close = int(state["watermark_ns"]), int(state["next_close"])
        self._trend.restore(state["trend"])
        self._bars.restore(state["bars"])
        self._forming.restore(state["forming"])
        self._instruments = len(self._trend.arrays.marks)
