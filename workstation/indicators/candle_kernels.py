"""Kernels of the candles: folding trades into bars, closing bars when the watermark passes them.

State of one bar is a row of two arrays, ``bars`` (int64) and ``sums`` (float64), at ``instrument * slots + bar number modulo slots``. A bar's number is ``event_ns // every``.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

NUMBER, OPEN_NS, CLOSE_NS, TRADES = range(4)
OPEN, HIGH, LOW, CLOSE, VOLUME, BUY_VOLUME, SELL_VOLUME, PRICED_SIZE, TURNOVER = range(9)
BAR_FIELDS, SUM_FIELDS = 4, 9
VACANT = np.iinfo(np.int64).min
"""Bar number of a slot that holds none."""
NEVER = np.iinfo(np.int64).max


@numba.njit(cache=True, nogil=True)
def begin_bar(bars: Any, sums: Any, place: int, number: int) -> None:
    """An empty bar: no price yet, nothing traded."""
    bars[place, NUMBER], bars[place, OPEN_NS], bars[place, CLOSE_NS], bars[place, TRADES] = (
        number, NEVER, VACANT, 0,
    )  # fmt: skip
    for field in range(SUM_FIELDS):
        sums[place, field] = np.nan if field <= CLOSE else 0.0


@numba.njit(cache=True, nogil=True)
def add_trade(
    bars: Any, sums: Any, place: int,
    event_ns: int, price: float, size: float, side: int, priced: bool, sided: bool,
) -> None:  # fmt: skip
    """Add a trade; open and close go by (event_ns, order of the rows)."""
    bars[place, TRADES] += 1
    sums[place, VOLUME] += size
    if sided and side > 0:
        sums[place, BUY_VOLUME] += size
    elif sided and side < 0:
        sums[place, SELL_VOLUME] += size
    if not priced:
        return
    sums[place, PRICED_SIZE] += size
    sums[place, TURNOVER] += price * size
    if event_ns < bars[place, OPEN_NS]:
        bars[place, OPEN_NS], sums[place, OPEN] = event_ns, price
    if event_ns >= bars[place, CLOSE_NS]:
        bars[place, CLOSE_NS], sums[place, CLOSE] = event_ns, price
    if not price <= sums[place, HIGH]:
        sums[place, HIGH] = price
    if not price >= sums[place, LOW]:
        sums[place, LOW] = price


@numba.njit(cache=True, nogil=True)
def close_bars(
    bars: Any, sums: Any, slots: int, instruments: int, every: int, lateness: int, watermark: int,
    done_of: Any, done_bars: Any, done_sums: Any, done: int,
) -> tuple[int, int]:  # fmt: skip
    """Move the bars the watermark has passed to the output, by (begin, instrument).

    Returns how many rows the output holds, and the watermark that closes the next bar.
    """
    due = 0
    next_close = NEVER
    for place in range(instruments * slots):
        number = bars[place, NUMBER]
        if number == VACANT:
            continue
        final = (number + 1) * every + lateness
        if final <= watermark:
            due += 1
        elif final < next_close:
            next_close = final
    numbers = np.empty(due, dtype=np.int64)
    places = np.empty(due, dtype=np.int64)
    found = 0
    for place in range(instruments * slots):
        number = bars[place, NUMBER]
        if number != VACANT and (number + 1) * every + lateness <= watermark:
            numbers[found], places[found] = number, place
            found += 1
    for place in places[np.argsort(numbers, kind="mergesort")]:
        done_of[done] = place // slots
        done_bars[done] = bars[place]
        done_sums[done] = sums[place]
        bars[place, NUMBER] = VACANT
        done += 1
    return done, next_close


@numba.njit(cache=True, nogil=True)
def fold_trades(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, start: int, stop: int,
    every: int, lateness: int, unpriced: int, unsided: int,
    bars: Any, sums: Any, slots: int, instruments: int, watermark: int, next_close: int,
    counted: Any, done_of: Any, done_bars: Any, done_sums: Any, done: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Fold rows ``start`` to ``stop`` in order; what a row's time closes comes out before the row is added.

    Parameters
    ----------
    of
        Row of the state of each trade's instrument.
    unpriced, unsided
        Flag masks: no say in prices; no say in buy and sell volume.
    counted
        Written: whether the row is in a bar (False: it came too late).

    Returns
    -------
    watermark, next_close, done, late
    """
    late = 0
    number, final = VACANT, VACANT
    for row in range(start, stop):
        at = event_ns[row]
        if at > watermark:
            watermark = at
            if watermark >= next_close:
                done, next_close = close_bars(
                    bars,
                    sums,
                    slots,
                    instruments,
                    every,
                    lateness,
                    watermark,
                    done_of,
                    done_bars,
                    done_sums,
                    done,
                )
        if number == VACANT or not (number * every <= at < final - lateness):
            number = at // every
            final = (number + 1) * every + lateness
        if final <= watermark:
            late += 1
            counted[row] = False
            continue
        counted[row] = True
        place = of[row] * slots + number % slots
        if bars[place, NUMBER] == VACANT:
            begin_bar(bars, sums, place, number)
            next_close = min(next_close, final)
        add_trade(
            bars, sums, place, at, price[row], size[row], side[row],
            flags[row] & unpriced == 0, flags[row] & unsided == 0,
        )  # fmt: skip
    return watermark, next_close, done, late


@numba.njit(cache=True, nogil=True)
def fold_bar(
    event_ns: Any, price: Any, size: Any, side: Any, flags: Any, number: int, unpriced: int, unsided: int,
    bars: Any, sums: Any,
) -> None:  # fmt: skip
    """One bar anew, at place 0, from its trades in row order."""
    begin_bar(bars, sums, 0, number)
    for row in range(event_ns.size):
        add_trade(
            bars, sums, 0, event_ns[row], price[row], size[row], side[row],
            flags[row] & unpriced == 0, flags[row] & unsided == 0,
        )  # fmt: skip
