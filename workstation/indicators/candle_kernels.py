"""Kernels of the candles: folding trades into bars, closing bars when the watermark passes them.

State of one bar is a row of two arrays, ``bars`` (int64) and ``sums`` (float64), at ``instrument * slots + bar number modulo slots``. A bar's number is ``event_ns // every``.
What is summed is summed in eight partial sums, the n-th trade of a bar in that of n modulo eight, and these are added when the bar
comes out: it does not depend on how trades came in batches, and eight trades can be added at once.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from workstation.indicators.lanes import (
    LANES,
    in_all_lanes,
    lanes_at,
    larger,
    largest,
    put_lanes,
    smaller,
    smallest,
)  # fmt: skip

NUMBER, OPEN_NS, CLOSE_NS, TRADES = range(4)
OPEN, HIGH, LOW, CLOSE, BUY_VOLUME, SELL_VOLUME = range(6)
VOLUME, PRICED_SIZE, TURNOVER = (6 + LANES * total for total in range(3))
"""The first of the partial sums of each."""
BAR_FIELDS, SUM_FIELDS = 4, 6 + 3 * LANES
VACANT = np.iinfo(np.int64).min
"""Bar number of a slot that holds none."""
NEVER = np.iinfo(np.int64).max
DONE_OF, DONE_NUMBER, DONE_TRADES = range(3)
DONE_VOLUME, DONE_VWAP = 6, 7
DONE_NUMBERS, DONE_VALUES = 3, 8
"""Columns of what comes out: state row, bar number, trades; ``OPEN`` to ``SELL_VOLUME``, the volume and the vwap."""
_, U_OPEN_NS, U_CLOSE_NS, U_TRADES = (np.uint64(field) for field in range(BAR_FIELDS))
U_OPEN, U_HIGH, U_LOW, U_CLOSE, U_BUY_VOLUME, U_SELL_VOLUME = (np.uint64(field) for field in range(6))
U_VOLUME, U_PRICED_SIZE, U_TURNOVER = (np.uint64(field) for field in (VOLUME, PRICED_SIZE, TURNOVER))
"""The fields as unsigned places: a signed one may be negative and is asked each time."""
_ONE, _LANES, _LANE = np.uint64(1), np.uint64(LANES), np.uint64(LANES - 1)


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
    bars: Any, sums: Any, place: Any, of: Any, done_numbers: Any, done_values: Any, done: int
) -> None:  # fmt: skip
    """Write a bar to the output."""
    done_numbers[DONE_OF, done], done_numbers[DONE_NUMBER, done] = of, bars[place, NUMBER]
    done_numbers[DONE_TRADES, done] = bars[place, TRADES]
    for field in range(DONE_VOLUME):
        done_values[field, done] = sums[place, field]
    done_values[DONE_VOLUME, done] = total(sums, place, VOLUME)
    size = total(sums, place, PRICED_SIZE)
    done_values[DONE_VWAP, done] = total(sums, place, TURNOVER) / size if size > 0.0 else np.nan


@numba.njit(cache=True, nogil=True)
def put_open_bars(bars: Any, sums: Any, slots: int, instruments: int, done_numbers: Any, done_values: Any, done: int) -> int:  # fmt: skip
    """Write the bars that are not final to the output, by (begin, instrument); returns how many rows it holds."""
    places = np.flatnonzero(bars[: instruments * slots, NUMBER] != VACANT)
    for place in places[np.argsort(bars[places, NUMBER], kind="mergesort")]:
        put_bar(bars, sums, place, place // slots, done_numbers, done_values, done)
        done += 1
    return done


@numba.njit(cache=True, nogil=True)
def close_bars(
    bars: Any, sums: Any, slots: int, instruments: int, every: int, lateness: int, watermark: int,
    done_numbers: Any, done_values: Any, done: int,
) -> tuple[int, int]:  # fmt: skip
    """Move the bars the watermark has passed to the output, by (begin, instrument).

    Returns how many rows the output holds, and the watermark that closes the next bar.
    """
    due, earliest, latest, next_close = 0, NEVER, VACANT, NEVER
    for place in range(instruments * slots):
        number = bars[place, NUMBER]
        if number == VACANT:
            continue
        final = (number + 1) * every + lateness
        if final <= watermark:
            due += 1
            earliest, latest = min(earliest, number), max(latest, number)
        elif final < next_close:
            next_close = final
    places = np.empty(due, dtype=np.int64)
    found = 0
    for place in range(instruments * slots):
        number = bars[place, NUMBER]
        if number != VACANT and number <= latest:
            places[found] = place
            found += 1
    if earliest < latest:
        places = places[np.argsort(bars[:, NUMBER][places], kind="mergesort")]
    for closing in places:
        put_bar(bars, sums, closing, closing // slots, done_numbers, done_values, done)
        bars[closing, NUMBER] = VACANT
        done += 1
    return done, next_close


@numba.njit(cache=True, nogil=True)
def stretch(event_ns: Any, row: int, stop: int, begin: int, limit: int, ordered: bool) -> tuple[int, int]:
    """The first row from ``row`` on whose time is not in ``[begin, limit)``, and the newest time before it.

    Of ordered rows by steps that double until they are beyond, then by halves.
    """
    if not ordered:
        newest = event_ns[row]
        while row < stop and begin <= event_ns[row] < limit:
            newest = max(newest, event_ns[row])
            row += 1
        return row, newest
    inside, step = row, 1
    while inside + step < stop and event_ns[inside + step] < limit:
        inside += step
        step *= 2
    beyond = min(inside + step, stop)
    while beyond - inside > 1:
        middle = (inside + beyond) // 2
        if event_ns[middle] < limit:
            inside = middle
        else:
            beyond = middle
    return beyond, event_ns[inside]


@numba.njit(cache=True, nogil=True)
def fold_among(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, row: int, last: int,
    number: int, slots: int, plain: bool, unpriced: int, unsided: int, bars: Any, sums: Any,
) -> None:  # fmt: skip
    """Fold rows of any instruments, all in one bar's span.

    Flat arrays with unsigned places are four times as quick as two indices.
    """
    slot, all_slots = np.uint64(number % slots), np.uint64(slots)
    bar_fields, sum_fields = np.uint64(BAR_FIELDS), np.uint64(SUM_FIELDS)
    flat_bars, flat_sums = bars.reshape(-1), sums.reshape(-1)
    at_row = np.uint64(row)
    for _ in range(last - row):
        at, amount = event_ns[at_row], size[at_row]
        place = np.uint64(of[at_row]) * all_slots + slot
        bar, sum_of = place * bar_fields, place * sum_fields
        if flat_bars[bar] == VACANT:
            begin_bar(bars, sums, int(place), number)
        part = sum_of + (np.uint64(flat_bars[bar + U_TRADES]) & _LANE)
        flat_bars[bar + U_TRADES] += 1
        flat_sums[part + U_VOLUME] += amount
        priced = True
        if not plain:
            flag, sign = flags[at_row], side[at_row]
            priced = flag & unpriced == 0
            if sign != 0 and flag & unsided == 0:
                flat_sums[sum_of + (U_BUY_VOLUME if sign > 0 else U_SELL_VOLUME)] += amount
        if priced:
            paid = price[at_row]
            flat_sums[part + U_PRICED_SIZE] += amount
            flat_sums[part + U_TURNOVER] += paid * amount
            if at < flat_bars[bar + U_OPEN_NS]:
                flat_bars[bar + U_OPEN_NS] = at
                flat_sums[sum_of + U_OPEN] = paid
            if at >= flat_bars[bar + U_CLOSE_NS]:
                flat_bars[bar + U_CLOSE_NS] = at
                flat_sums[sum_of + U_CLOSE] = paid
            if not paid <= flat_sums[sum_of + U_HIGH]:
                flat_sums[sum_of + U_HIGH] = paid
            if not paid >= flat_sums[sum_of + U_LOW]:
                flat_sums[sum_of + U_LOW] = paid
        at_row += _ONE


@numba.njit(cache=True, nogil=True)
def fold_alone(
    event_ns: Any, price: Any, size: Any, side: Any, flags: Any, row: int, last: int, place: int,
    unpriced: int, unsided: int, bars: Any, sums: Any,
) -> None:  # fmt: skip
    """Fold rows into the one bar at a place, which stays in registers."""
    open_ns, close_ns = bars[place, OPEN_NS], bars[place, CLOSE_NS]
    first, high, low, final = sums[place, OPEN], sums[place, HIGH], sums[place, LOW], sums[place, CLOSE]
    bought, sold = sums[place, BUY_VOLUME], sums[place, SELL_VOLUME]
    flat, sum_of = sums.reshape(-1), np.uint64(place) * np.uint64(SUM_FIELDS)
    trades, at_row = np.uint64(bars[place, TRADES]), np.uint64(row)
    for _ in range(last - row):
        flag, amount, sign = flags[at_row], size[at_row], side[at_row]
        part = sum_of + (trades & _LANE)
        flat[part + U_VOLUME] += amount
        if flag & unsided:
            sign = np.int8(0)
        bought += amount if sign > 0 else 0.0
        sold += amount if sign < 0 else 0.0
        if flag & unpriced == 0:
            at, paid = event_ns[at_row], price[at_row]
            flat[part + U_PRICED_SIZE] += amount
            flat[part + U_TURNOVER] += paid * amount
            if at < open_ns:
                open_ns, first = at, paid
            if at >= close_ns:
                close_ns, final = at, paid
            high = high if paid <= high else paid
            low = low if paid >= low else paid
        at_row += _ONE
        trades += _ONE
    bars[place, OPEN_NS], bars[place, CLOSE_NS], bars[place, TRADES] = open_ns, close_ns, np.int64(trades)
    sums[place, OPEN], sums[place, HIGH], sums[place, LOW], sums[place, CLOSE] = first, high, low, final
    sums[place, BUY_VOLUME], sums[place, SELL_VOLUME] = bought, sold


@numba.njit(cache=True, nogil=True)
def fold_some(
    price: Any, size: Any, row: Any, last: Any, flat: Any, sum_of: Any, trades: Any, high: float, low: float
) -> tuple[float, float]:  # fmt: skip
    """Fold rows into the partial sums one by one; ``trades``: in the bar before them. Returns its high and low."""
    while row < last:
        paid, amount = price[row], size[row]
        part = sum_of + (trades & _LANE)
        flat[part + U_VOLUME] += amount
        flat[part + U_PRICED_SIZE] += amount
        flat[part + U_TURNOVER] += paid * amount
        high = paid if paid > high else high
        low = paid if paid < low else low
        row += _ONE
        trades += _ONE
    return high, low


@numba.njit(cache=True, nogil=True)
def fold_plain(
    event_ns: Any, price: Any, size: Any, row: int, last: int, place: int, bars: Any, sums: Any
) -> None:  # fmt: skip
    """As ``fold_alone`` for rows in the order of their times without flags and sides, eight at a time."""
    if event_ns[row] < bars[place, OPEN_NS]:
        bars[place, OPEN_NS], sums[place, OPEN] = event_ns[row], price[row]
    if event_ns[last - 1] >= bars[place, CLOSE_NS]:
        bars[place, CLOSE_NS], sums[place, CLOSE] = event_ns[last - 1], price[last - 1]
    high, low = sums[place, HIGH], sums[place, LOW]
    high = high if price[row] <= high else price[row]
    low = low if price[row] >= low else price[row]
    trades, at, beyond = np.uint64(bars[place, TRADES]), np.uint64(row), np.uint64(last)
    bars[place, TRADES] += last - row
    flat, sum_of = sums.reshape(-1), np.uint64(place) * np.uint64(SUM_FIELDS)
    until = min(at + (_LANES - (trades & _LANE)) % _LANES, beyond)
    high, low = fold_some(price, size, at, until, flat, sum_of, trades, high, low)
    trades, at = trades + (until - at), until
    if beyond - at >= _LANES:
        volume, priced = lanes_at(flat, sum_of + U_VOLUME), lanes_at(flat, sum_of + U_PRICED_SIZE)
        turnover = lanes_at(flat, sum_of + U_TURNOVER)
        highs, lows = in_all_lanes(high), in_all_lanes(low)
        while beyond - at >= _LANES:
            paid, amount = lanes_at(price, at), lanes_at(size, at)
            volume, priced, turnover = volume + amount, priced + amount, turnover + paid * amount
            highs, lows = larger(paid, highs), smaller(paid, lows)
            at += _LANES
        put_lanes(flat, sum_of + U_VOLUME, volume)
        put_lanes(flat, sum_of + U_PRICED_SIZE, priced)
        put_lanes(flat, sum_of + U_TURNOVER, turnover)
        high, low = largest(highs), smallest(lows)
    sums[place, HIGH], sums[place, LOW] = fold_some(price, size, at, beyond, flat, sum_of, trades, high, low)


@numba.njit(cache=True, nogil=True)
def fold_trades(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, start: int, stop: int,
    ordered: bool, plain: bool, every: int, lateness: int, unpriced: int, unsided: int,
    bars: Any, sums: Any, slots: int, instruments: int, watermark: int, next_close: int,
    done_numbers: Any, done_values: Any, done: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Fold rows ``start`` to ``stop`` in order; what a row's time closes comes out before the row is added.

    Rows are taken in stretches within one bar's span in which nothing closes, so that what depends on the span is asked once.

    Parameters
    ----------
    of
        Row of the state of each trade's instrument; one for all when they are of one instrument.
    ordered, plain
        Whether all rows are in the order of their times; without flags and sides.
    unpriced, unsided
        Flag masks: no say in prices; no say in buy and sell volume.

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
                    bars, sums, slots, instruments, every, lateness, watermark, done_numbers, done_values, done
                )  # fmt: skip
        number = at // every
        begin = number * every
        final = begin + every + lateness
        if final <= watermark:
            last, _ = stretch(event_ns, row, stop, begin, begin + every, ordered)
            late += last - row
            row = last
            continue
        limit = min(begin + every, next_close)
        next_close = min(next_close, final)
        place = of[0] * slots + number % slots
        if of.size == 1 and bars[place, NUMBER] == VACANT:
            begin_bar(bars, sums, place, number)
        last, newest = stretch(event_ns, row, stop, begin, limit, ordered)
        if of.size == 1 and ordered and plain:
            fold_plain(event_ns, price, size, row, last, place, bars, sums)
        elif of.size == 1:
            fold_alone(
                event_ns, price, size, side, flags, row, last, place, unpriced, unsided, bars, sums
            )  # fmt: skip
        else:
            fold_among(
                of, event_ns, price, size, side, flags, row, last, number, slots, plain, unpriced, unsided, bars, sums
            )  # fmt: skip
        row = last
        watermark = max(watermark, newest)
    return watermark, next_close, done, late


@numba.njit(cache=True, nogil=True)
def are_in_time(
    event_ns: Any, start: int, stop: int, every: int, lateness: int, watermark: int, counted: Any
) -> None:  # fmt: skip
    """Write for each row whether it came before its bar was final; ``watermark`` is what it was before them."""
    for row in range(start, stop):
        watermark = max(watermark, event_ns[row])
        counted[row] = (event_ns[row] // every + 1) * every + lateness > watermark
