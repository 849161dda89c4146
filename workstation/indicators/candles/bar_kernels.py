"""Kernels of the candles: bars, and closing them when the watermark passes them.

State of one bar is a row of two arrays, ``bars`` (int64) and ``sums`` (float64), at ``instrument * slots + bar number modulo slots``. A bar's number is ``event_ns // every``.
What is summed is summed in eight partial sums, the n-th trade of a bar in that of n modulo eight, and these are added when the bar
comes out: it does not depend on how trades came in batches, and eight trades can be added at once.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from workstation.numerics.simd import LANES

NUMBER, OPEN_NS, CLOSE_NS, TRADES = range(4)
OPEN, HIGH, LOW, CLOSE, BUY_VOLUME, SELL_VOLUME = range(6)
VOLUME, PRICED_SIZE, TURNOVER = (6 + LANES * total for total in range(3))
"""The first of the partial sums of each."""
BAR_FIELDS, SUM_FIELDS = 4, 6 + 3 * LANES
BAR_BYTES = 8 * (BAR_FIELDS + SUM_FIELDS)
VACANT = np.iinfo(np.int64).min
"""Bar number of a slot that holds none."""
NEVER = np.iinfo(np.int64).max
DONE_SEQ, DONE_BEGIN, DONE_SEEN, DONE_EVERY, DONE_TRADES, DONE_OF, DONE_AT, DONE_REVISION = range(8)
DONE_VOLUME, DONE_BUY_VOLUME, DONE_SELL_VOLUME, DONE_VWAP = range(4, 8)
DONE_NUMBERS, DONE_VALUES = 8, 8
"""What comes out: the ``int64`` columns of a candle, then state row, row of the batch that made it final, revision; the ``float64`` columns, ``OPEN`` to ``CLOSE`` first."""
DONE_COLUMNS = DONE_TRADES + 1
"""Of the numbers so many are columns of a candle."""


@numba.njit(cache=True, nogil=True)
def begin_bar(bars: Any, sums: Any, place: int, number: int) -> None:
    """An empty bar: no price yet, nothing traded."""
    bars[place, NUMBER], bars[place, OPEN_NS], bars[place, CLOSE_NS], bars[place, TRADES] = (
        number, NEVER, VACANT, 0,
    )  # fmt: skip
    for field in range(SUM_FIELDS):
        sums[place, field] = np.nan if field <= CLOSE else 0.0


@numba.njit(cache=True, nogil=True)
def total(sums: Any, place: Any, first: int) -> float:
    """What eight partial sums add up to."""
    s = sums[place, first : first + LANES]
    return float(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def put_bar(
    bars: Any, sums: Any, place: Any, of: Any, every: int, at: int, done_numbers: Any, done_values: Any, done: int
) -> None:  # fmt: skip
    """Write a bar to the output."""
    done_numbers[DONE_SEQ, done] = done_numbers[DONE_SEEN, done] = done_numbers[DONE_REVISION, done] = 0
    done_numbers[DONE_BEGIN, done], done_numbers[DONE_EVERY, done] = bars[place, NUMBER] * every, every
    done_numbers[DONE_OF, done], done_numbers[DONE_AT, done] = of, at
    done_numbers[DONE_TRADES, done] = bars[place, TRADES]
    for field in range(DONE_VOLUME):
        done_values[field, done] = sums[place, field]
    done_values[DONE_VOLUME, done] = total(sums, place, VOLUME)
    done_values[DONE_BUY_VOLUME, done] = sums[place, BUY_VOLUME]
    done_values[DONE_SELL_VOLUME, done] = sums[place, SELL_VOLUME]
    size = total(sums, place, PRICED_SIZE)
    done_values[DONE_VWAP, done] = total(sums, place, TURNOVER) / size if size > 0.0 else np.nan


@numba.njit(cache=True, nogil=True)
def open_bars(bars: Any, sums: Any) -> tuple[Any, Any, Any]:
    """Places of the bars that are not final, and copies of their rows."""
    places = np.flatnonzero(bars[:, NUMBER] != VACANT)
    bars_out, sums_out = np.empty((places.size, BAR_FIELDS), np.int64), np.empty((places.size, SUM_FIELDS))
    for done in range(places.size):
        for field in range(BAR_FIELDS):
            bars_out[done, field] = bars[places[done], field]
        for field in range(SUM_FIELDS):
            sums_out[done, field] = sums[places[done], field]
    return places, bars_out, sums_out


@numba.njit(cache=True, nogil=True)
def put_open_bars(
    bars: Any, sums: Any, slots: int, instruments: int, every: int, done_numbers: Any, done_values: Any, done: int
) -> int:  # fmt: skip
    """Write the bars that are not final to the output, by (begin, instrument); returns how many rows it holds."""
    places = np.flatnonzero(bars[: instruments * slots, NUMBER] != VACANT)
    for place in places[np.argsort(bars[places, NUMBER], kind="mergesort")]:
        put_bar(bars, sums, place, place // slots, every, 0, done_numbers, done_values, done)
        done += 1
    return done


@numba.njit(cache=True, nogil=True)
def take_bar(
    bars: Any, sums: Any, place: Any, slots: int, every: int, at: int, done_numbers: Any, done_values: Any, done: int
) -> int:  # fmt: skip
    """Move a bar to the output; returns how many rows it holds."""
    put_bar(bars, sums, place, place // slots, every, at, done_numbers, done_values, done)
    bars[place, NUMBER] = VACANT
    return done + 1


@numba.njit(cache=True, nogil=True)
def close_bars(
    bars: Any, sums: Any, slots: int, instruments: int, every: int, lateness: int, watermark: int,
    at: int, done_numbers: Any, done_values: Any, done: int,
) -> tuple[int, int]:  # fmt: skip
    """Move the bars the watermark has passed to the output, by (begin, instrument); ``at``: the row that moved it.

    Returns how many rows the output holds, and the watermark that closes the next bar.
    """
    earliest, latest, next_close, first = NEVER, VACANT, NEVER, -1
    for place in range(instruments * slots):
        number = bars[place, NUMBER]
        if number == VACANT:
            continue
        final = (number + 1) * every + lateness
        if final <= watermark:
            first = place if first < 0 else first
            earliest, latest = min(earliest, number), max(latest, number)
        elif final < next_close:
            next_close = final
    if earliest == latest:  # as a rule
        for place in range(first, instruments * slots):
            if bars[place, NUMBER] == latest:
                done = take_bar(bars, sums, place, slots, every, at, done_numbers, done_values, done)
        return done, next_close
    numbers = bars[: instruments * slots, NUMBER]
    places = np.flatnonzero((numbers != VACANT) & (numbers <= latest))
    for closing in places[np.argsort(numbers[places], kind="mergesort")]:
        done = take_bar(bars, sums, closing, slots, every, at, done_numbers, done_values, done)
    return done, next_close


@numba.njit(cache=True, nogil=True)
def put_in_order(
    numbers: Any, values: Any, order: Any, codes: Any, numbers_out: Any, values_out: Any, revisions: Any, instruments: Any
) -> None:  # fmt: skip
    """Write the rows of the output in an order, as columns of a candle.

    Parameters
    ----------
    numbers, values
        As ``put_bar`` writes them.
    codes
        Registry code of each row of the state.
    numbers_out, values_out, revisions, instruments
        Written: the ``int64`` columns, shape (DONE_COLUMNS, n), the ``float64`` ones, (DONE_VALUES, n), and (n,) each.
    """
    for column in range(DONE_COLUMNS):
        for place in range(order.size):
            numbers_out[column, place] = numbers[column, order[place]]
    for column in range(DONE_VALUES):
        for place in range(order.size):
            values_out[column, place] = values[column, order[place]]
    for place in range(order.size):
        revisions[place] = numbers[DONE_REVISION, order[place]]
        instruments[place] = codes[numbers[DONE_OF, order[place]]]
