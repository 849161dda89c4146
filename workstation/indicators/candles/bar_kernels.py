"""Kernels of the candles: bars, and closing them when the watermark passes them.

State of one bar is a row of two arrays, ``bars`` (int64) and ``sums`` (float64), at position ``instrument * slots + bar number
modulo slots``. A bar's number is ``event_ns // every``.
What is summed is summed in eight partial sums, the n-th trade of a bar in that of n modulo eight, and these are added when the bar
comes out: it does not depend on how trades came in batches, and eight trades can be added at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

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


class OpenBars(NamedTuple):
    """Open bars of one length.

    ``bars``: shape (instruments * slots or more, BAR_FIELDS); ``sums``: (the same, SUM_FIELDS); ``slots``: bars of one
    instrument that may be open at once; ``every``, ``lateness``: ns; ``instruments``: how many have state.
    """

    bars: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]
    slots: int
    every: int
    lateness: int
    instruments: int


class ClosedBars(NamedTuple):
    """Bars that come out, as columns: ``numbers`` (DONE_NUMBERS, n) and ``values`` (DONE_VALUES, n)."""

    numbers: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def begin_bar(bars: Any, sums: Any, position: int, number: int) -> None:
    """An empty bar: no price yet, nothing traded."""
    bars[position, NUMBER], bars[position, OPEN_NS] = number, NEVER
    bars[position, CLOSE_NS], bars[position, TRADES] = VACANT, 0
    for field in range(SUM_FIELDS):
        sums[position, field] = np.nan if field <= CLOSE else 0.0


@numba.njit(cache=True, nogil=True)
def total(sums: Any, position: Any, first: int) -> float:
    """What eight partial sums add up to."""
    s = sums[position, first : first + LANES]
    return float(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def put_bar(open_bars: OpenBars, position: Any, of: Any, at: int, closed: ClosedBars, done: int) -> None:
    """Write the bar at a position, of instrument ``of``, as row ``done`` of the output; ``at``: the row that made it final."""
    bars, sums, every = open_bars.bars, open_bars.sums, open_bars.every
    numbers, values = closed.numbers, closed.values
    numbers[DONE_SEQ, done] = numbers[DONE_SEEN, done] = numbers[DONE_REVISION, done] = 0
    numbers[DONE_BEGIN, done], numbers[DONE_EVERY, done] = bars[position, NUMBER] * every, every
    numbers[DONE_OF, done], numbers[DONE_AT, done] = of, at
    numbers[DONE_TRADES, done] = bars[position, TRADES]
    for field in range(DONE_VOLUME):
        values[field, done] = sums[position, field]
    values[DONE_VOLUME, done] = total(sums, position, VOLUME)
    values[DONE_BUY_VOLUME, done] = sums[position, BUY_VOLUME]
    values[DONE_SELL_VOLUME, done] = sums[position, SELL_VOLUME]
    size = total(sums, position, PRICED_SIZE)
    values[DONE_VWAP, done] = total(sums, position, TURNOVER) / size if size > 0.0 else np.nan


@numba.njit(cache=True, nogil=True)
def copy_open_bars(bars: Any, sums: Any) -> tuple[Any, Any, Any]:
    """Positions of the bars that are not final, and copies of their rows."""
    positions = np.flatnonzero(bars[:, NUMBER] != VACANT)
    bars_out, sums_out = (
        np.empty((positions.size, BAR_FIELDS), np.int64),
        np.empty((positions.size, SUM_FIELDS)),
    )
    for done in range(positions.size):
        for field in range(BAR_FIELDS):
            bars_out[done, field] = bars[positions[done], field]
        for field in range(SUM_FIELDS):
            sums_out[done, field] = sums[positions[done], field]
    return positions, bars_out, sums_out


@numba.njit(cache=True, nogil=True)
def put_open_bars(open_bars: OpenBars, closed: ClosedBars, done: int) -> int:
    """Write the bars that are not final to the output, by (begin, instrument); returns how many rows it holds."""
    bars, slots = open_bars.bars, open_bars.slots
    positions = np.flatnonzero(bars[: open_bars.instruments * slots, NUMBER] != VACANT)
    for position in positions[np.argsort(bars[positions, NUMBER], kind="mergesort")]:
        put_bar(open_bars, position, position // slots, 0, closed, done)
        done += 1
    return done


@numba.njit(cache=True, nogil=True)
def take_bar(open_bars: OpenBars, position: Any, at: int, closed: ClosedBars, done: int) -> int:
    """Move a bar to the output; returns how many rows it holds."""
    put_bar(open_bars, position, position // open_bars.slots, at, closed, done)
    open_bars.bars[position, NUMBER] = VACANT
    return done + 1


@numba.njit(cache=True, nogil=True)
def close_bars(
    open_bars: OpenBars, watermark: int, at: int, closed: ClosedBars, done: int
) -> tuple[int, int]:
    """Move the bars the watermark has passed to the output, by (begin, instrument); ``at``: the row that moved it.

    Returns how many rows the output holds, and the watermark that closes the next bar.
    """
    bars, every, lateness = open_bars.bars, open_bars.every, open_bars.lateness
    last = open_bars.instruments * open_bars.slots
    earliest, latest, next_close, first = NEVER, VACANT, NEVER, -1
    for position in range(last):
        number = bars[position, NUMBER]
        if number == VACANT:
            continue
        final = (number + 1) * every + lateness
        if final <= watermark:
            first = position if first < 0 else first
            earliest, latest = min(earliest, number), max(latest, number)
        elif final < next_close:
            next_close = final
    if earliest == latest:  # as a rule
        for position in range(first, last):
            if bars[position, NUMBER] == latest:
                done = take_bar(open_bars, position, at, closed, done)
        return done, next_close
    numbers = bars[:last, NUMBER]
    positions = np.flatnonzero((numbers != VACANT) & (numbers <= latest))
    for closing in positions[np.argsort(numbers[positions], kind="mergesort")]:
        done = take_bar(open_bars, closing, at, closed, done)
    return done, next_close


@numba.njit(cache=True, nogil=True)
def put_in_order(
    closed: ClosedBars, order: Any, codes: Any, out: ClosedBars, revisions: Any, instruments: Any
) -> None:
    """Write the rows of the output in an order, as columns of a candle.

    Parameters
    ----------
    closed
        As ``put_bar`` writes it.
    codes
        Registry code of each row of the state.
    out, revisions, instruments
        Written: of ``numbers`` the first DONE_COLUMNS, ``values``, and (n,) each.
    """
    numbers, values, numbers_out, values_out = closed.numbers, closed.values, out.numbers, out.values
    for column in range(DONE_COLUMNS):
        for row in range(order.size):
            numbers_out[column, row] = numbers[column, order[row]]
    for column in range(DONE_VALUES):
        for row in range(order.size):
            values_out[column, row] = values[column, order[row]]
    for row in range(order.size):
        revisions[row] = numbers[DONE_REVISION, order[row]]
        instruments[row] = codes[numbers[DONE_OF, order[row]]]
