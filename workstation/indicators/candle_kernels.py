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
_, U_OPEN_NS, U_CLOSE_NS, U_TRADES = (np.uint64(field) for field in range(BAR_FIELDS))
(
    U_OPEN, U_HIGH, U_LOW, U_CLOSE, U_VOLUME, U_BUY_VOLUME, U_SELL_VOLUME, U_PRICED_SIZE, U_TURNOVER,
) = (np.uint64(field) for field in range(SUM_FIELDS))  # fmt: skip
"""The fields as unsigned places: a signed one may be negative and is asked each time."""


@numba.njit(cache=True, nogil=True)
def begin_bar(bars: Any, sums: Any, place: int, number: int) -> None:
    """An empty bar: no price yet, nothing traded."""
    bars[place, NUMBER], bars[place, OPEN_NS], bars[place, CLOSE_NS], bars[place, TRADES] = (
        number, NEVER, VACANT, 0,
    )  # fmt: skip
    for field in range(SUM_FIELDS):
        sums[place, field] = np.nan if field <= CLOSE else 0.0


@numba.njit(cache=True, nogil=True, inline="always")
def add_trade(
    bars: Any, sums: Any, place: int,
    event_ns: int, price: float, size: float, side: int, priced: bool, sided: bool,
) -> None:  # fmt: skip
    """Add a trade; open and close go by (event_ns, order of the rows)."""
    bars[place, TRADES] += 1
    sums[place, VOLUME] += size
    sums[place, BUY_VOLUME] += size if sided and side > 0 else 0.0
    sums[place, SELL_VOLUME] += size if sided and side < 0 else 0.0
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
def fold_among(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, row: int, stop: int,
    begin: int, limit: int, number: int, slots: int, unpriced: int, unsided: int, bars: Any, sums: Any,
) -> tuple[int, int]:  # fmt: skip
    """Fold rows of any instruments while their time is in ``[begin, limit)``, a part of one bar's span.

    ``add_trade`` written out on flat arrays with unsigned places, which is four times as quick. Returns the first row
    beyond, and the newest time.
    """
    slot = number % slots
    newest = event_ns[row]
    flat_bars, flat_sums = bars.reshape(-1), sums.reshape(-1)
    while row < stop:
        at = event_ns[row]
        if not begin <= at < limit:
            break
        newest = max(newest, at)
        place = np.int64(of[row]) * slots + slot
        bar, total = np.uint64(place * BAR_FIELDS), np.uint64(place * SUM_FIELDS)
        if flat_bars[bar] == VACANT:
            begin_bar(bars, sums, int(place), number)
        flag, amount, sign = flags[row], size[row], side[row]
        if flag & unsided:
            sign = np.int8(0)
        flat_bars[bar + U_TRADES] += 1
        flat_sums[total + U_VOLUME] += amount
        flat_sums[total + U_BUY_VOLUME] += amount if sign > 0 else 0.0
        flat_sums[total + U_SELL_VOLUME] += amount if sign < 0 else 0.0
        if flag & unpriced == 0:
            paid = price[row]
            flat_sums[total + U_PRICED_SIZE] += amount
            flat_sums[total + U_TURNOVER] += paid * amount
            if at < flat_bars[bar + U_OPEN_NS]:
                flat_bars[bar + U_OPEN_NS] = at
                flat_sums[total + U_OPEN] = paid
            if at >= flat_bars[bar + U_CLOSE_NS]:
                flat_bars[bar + U_CLOSE_NS] = at
                flat_sums[total + U_CLOSE] = paid
            if not paid <= flat_sums[total + U_HIGH]:
                flat_sums[total + U_HIGH] = paid
            if not paid >= flat_sums[total + U_LOW]:
                flat_sums[total + U_LOW] = paid
        row += 1
    return row, newest


@numba.njit(cache=True, nogil=True)
def fold_alone(
    event_ns: Any, price: Any, size: Any, side: Any, flags: Any, row: int, stop: int,
    begin: int, limit: int, place: int, unpriced: int, unsided: int, bars: Any, sums: Any,
) -> tuple[int, int]:  # fmt: skip
    """As ``fold_among`` where all rows are of one instrument: its bar stays in registers. Sums keep the rows' order."""
    trades, open_ns, close_ns = bars[place, TRADES], bars[place, OPEN_NS], bars[place, CLOSE_NS]
    first, high, low, last = sums[place, OPEN], sums[place, HIGH], sums[place, LOW], sums[place, CLOSE]
    volume, bought, sold = sums[place, VOLUME], sums[place, BUY_VOLUME], sums[place, SELL_VOLUME]
    priced, turnover = sums[place, PRICED_SIZE], sums[place, TURNOVER]
    newest = event_ns[row]
    start = row
    while row < stop:
        at = event_ns[row]
        if not begin <= at < limit:
            break
        newest = max(newest, at)
        flag, amount, sign = flags[row], size[row], side[row]
        volume += amount
        if flag & unsided:
            sign = np.int8(0)
        bought += amount if sign > 0 else 0.0
        sold += amount if sign < 0 else 0.0
        if flag & unpriced == 0:
            paid = price[row]
            priced += amount
            turnover += paid * amount
            if at < open_ns:
                open_ns, first = at, paid
            if at >= close_ns:
                close_ns, last = at, paid
            if not paid <= high:
                high = paid
            if not paid >= low:
                low = paid
        row += 1
    bars[place, TRADES], bars[place, OPEN_NS], bars[place, CLOSE_NS] = trades + row - start, open_ns, close_ns
    sums[place, OPEN], sums[place, HIGH], sums[place, LOW], sums[place, CLOSE] = first, high, low, last
    sums[place, VOLUME], sums[place, BUY_VOLUME], sums[place, SELL_VOLUME] = volume, bought, sold
    sums[place, PRICED_SIZE], sums[place, TURNOVER] = priced, turnover
    return row, newest


@numba.njit(cache=True, nogil=True)
def fold_trades(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, start: int, stop: int, alone: bool,
    every: int, lateness: int, unpriced: int, unsided: int,
    bars: Any, sums: Any, slots: int, instruments: int, watermark: int, next_close: int,
    counted: Any, done_of: Any, done_bars: Any, done_sums: Any, done: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Fold rows ``start`` to ``stop`` in order; what a row's time closes comes out before the row is added.

    Rows are taken in stretches within one bar's span in which nothing closes, so that what depends on the span is asked once.

    Parameters
    ----------
    of
        Row of the state of each trade's instrument.
    alone
        Whether all rows are of one instrument.
    unpriced, unsided
        Flag masks: no say in prices; no say in buy and sell volume.
    counted
        True throughout; written False where a row came too late to be in a bar.

    Returns
    -------
    watermark, next_close, done, late
    """
    late = 0
    row = start
    while row < stop:
        at = event_ns[row]
        if at > watermark:
            watermark = at
            if watermark >= next_close:
                done, next_close = close_bars(
                    bars, sums, slots, instruments, every, lateness, watermark, done_of, done_bars, done_sums, done
                )  # fmt: skip
        number = at // every
        begin = number * every
        final = begin + every + lateness
        limit = min(begin + every, next_close)
        if final <= watermark:
            while row < stop and begin <= event_ns[row] < begin + every:
                counted[row] = False
                late += 1
                row += 1
            continue
        if alone:
            place = of[row] * slots + number % slots
            if bars[place, NUMBER] == VACANT:
                begin_bar(bars, sums, place, number)
            row, newest = fold_alone(
                event_ns, price, size, side, flags, row, stop, begin, limit, place, unpriced, unsided, bars, sums
            )  # fmt: skip
        else:
            row, newest = fold_among(
                of, event_ns, price, size, side, flags, row, stop, begin, limit, number, slots,
                unpriced, unsided, bars, sums,
            )  # fmt: skip
        watermark = max(watermark, newest)
        next_close = min(next_close, final)
    return watermark, next_close, done, late


@numba.njit(cache=True, nogil=True)
def fold_bar(
    event_ns: Any, price: Any, size: Any, side: Any, flags: Any, unpriced: int, unsided: int, bars: Any, sums: Any
) -> None:  # fmt: skip
    """Add trades in row order to the one bar at place 0."""
    for row in range(event_ns.size):
        add_trade(
            bars, sums, 0, event_ns[row], price[row], size[row], side[row],
            flags[row] & unpriced == 0, flags[row] & unsided == 0,
        )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def freeze_rows(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, counted: Any,
    every: int, unpriced: int, unsided: int, bars: Any, sums: Any,
) -> None:  # fmt: skip
    """Fold trades that no cancel can reach any more into the begun part of their instrument's newest such bar.

    One bar per instrument, at place ``of``: a bar before it cannot be amended any more.
    """
    for row in range(of.size):
        place, number = of[row], event_ns[row] // every
        if not counted[row] or number < bars[place, NUMBER]:
            continue
        if number > bars[place, NUMBER]:
            begin_bar(bars, sums, place, number)
        add_trade(
            bars, sums, place, event_ns[row], price[row], size[row], side[row],
            flags[row] & unpriced == 0, flags[row] & unsided == 0,
        )  # fmt: skip
