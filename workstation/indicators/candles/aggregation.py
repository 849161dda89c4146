"""Kernels of the candles: folding trades into bars."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.indicators.batch.by_instrument import stretch
from workstation.indicators.candles.bar_kernels import (
    BAR_FIELDS,
    BUY_VOLUME,
    CLOSE,
    CLOSE_NS,
    HIGH,
    LOW,
    NUMBER,
    OPEN,
    OPEN_NS,
    PRICED_SIZE,
    SELL_VOLUME,
    SUM_FIELDS,
    TRADES,
    TURNOVER,
    VACANT,
    VOLUME,
    begin_bar,
    close_bars,
)
from workstation.numerics.simd import (
    LANES,
    in_all_lanes,
    lanes_at,
    larger,
    largest,
    put_lanes,
    smaller,
    smallest,
)

_, U_OPEN_NS, U_CLOSE_NS, U_TRADES = (np.uint64(field) for field in range(BAR_FIELDS))
U_OPEN, U_HIGH, U_LOW, U_CLOSE, U_BUY_VOLUME, U_SELL_VOLUME = (np.uint64(field) for field in range(6))
U_VOLUME, U_PRICED_SIZE, U_TURNOVER = (np.uint64(field) for field in (VOLUME, PRICED_SIZE, TURNOVER))
"""The fields as unsigned places: a signed one may be negative and is asked each time."""
_ONE, _LANES, _LANE = np.uint64(1), np.uint64(LANES), np.uint64(LANES - 1)


class TradeRuns(NamedTuple):
    """Trades of a batch by instrument, as ``runs.Runs``, with their sides and the state row of each run."""

    rows: Any
    owners: Any
    edges: Any
    event_ns: Any
    price: Any
    size: Any
    flags: Any
    side: Any


NO_RUNS = TradeRuns(
    np.empty(0, np.int64), np.empty(0, np.int32), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0),
    np.empty(0, np.int32), np.empty(0, np.int8),
)  # fmt: skip


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
    """Fold rows into the one bar at a place; its prices stay in registers."""
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
def fold_one(
    event_ns: Any, price: Any, size: Any, side: Any, flags: Any, row: int, last: int, place: int, number: int,
    plain: bool, unpriced: int, unsided: int, bars: Any, sums: Any,
) -> None:  # fmt: skip
    """Fold rows of one instrument into the bar at a place, begun where there is none; ``plain``: in order of time, too."""
    if bars[place, NUMBER] == VACANT:
        begin_bar(bars, sums, place, number)
    if plain:
        fold_plain(event_ns, price, size, row, last, place, bars, sums)
    else:
        fold_alone(event_ns, price, size, side, flags, row, last, place, unpriced, unsided, bars, sums)


@numba.njit(cache=True, nogil=True)
def fold_runs(
    runs: TradeRuns, at: Any, last: int, number: int, slots: int, plain: bool, unpriced: int, unsided: int,
    bars: Any, sums: Any,
) -> None:  # fmt: skip
    """Fold the trades before row ``last`` of the batch, all in one bar's span, run by run; ``at``: the next trade of each run."""
    for run in range(runs.owners.size):
        begin, stop = at[run], runs.edges[run + 1]
        if begin == stop or runs.rows[begin] >= last:
            continue
        end, _ = stretch(runs.rows, begin, stop, 0, last, True)
        at[run] = end
        fold_one(
            runs.event_ns, runs.price, runs.size, runs.side, runs.flags, begin, end,
            runs.owners[run] * slots + number % slots, number, plain, unpriced, unsided, bars, sums,
        )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def skip_runs(runs: TradeRuns, at: Any, last: int) -> None:
    """Leave out the trades before row ``last`` of the batch."""
    for run in range(at.size):
        while at[run] < runs.edges[run + 1] and runs.rows[at[run]] < last:
            at[run] += 1


@numba.njit(cache=True, nogil=True)
def fold_trades(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, runs: TradeRuns, at: Any, start: int, stop: int,
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
    runs, at
        The same trades by instrument, and the next one of each run; of no runs: by row.
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
        now = event_ns[row]
        if now > watermark:
            watermark = now
            if watermark >= next_close:
                done, next_close = close_bars(
                    bars, sums, slots, instruments, every, lateness, watermark, row, done_numbers, done_values, done
                )  # fmt: skip
        number = now // every
        begin = number * every
        final = begin + every + lateness
        if final <= watermark:
            last, _ = stretch(event_ns, row, stop, begin, begin + every, ordered)
            late += last - row
            row = last
            skip_runs(runs, at, last)
            continue
        limit = min(begin + every, next_close)
        next_close = min(next_close, final)
        last, newest = stretch(event_ns, row, stop, begin, limit, ordered)
        if at.size:
            fold_runs(runs, at, last, number, slots, plain, unpriced, unsided, bars, sums)
        elif of.size > 1:
            fold_among(
                of, event_ns, price, size, side, flags, row, last, number, slots, plain, unpriced, unsided, bars, sums
            )  # fmt: skip
        else:
            fold_one(
                event_ns, price, size, side, flags, row, last, of[0] * slots + number % slots, number,
                ordered and plain, unpriced, unsided, bars, sums,
            )  # fmt: skip
        row = last
        watermark = max(watermark, newest)
    return watermark, next_close, done, late


@numba.njit(cache=True, nogil=True)
def fold_lengths(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, runs: TradeRuns, by_run: Any, start: int, stop: int,
    ordered: bool, plain: bool, every: Any, lateness: int, unpriced: int, unsided: int,
    bars: Any, sums: Any, edges: Any, slots: Any, instruments: int, watermark: int, next_close: Any, lost: Any,
    done_numbers: Any, done_values: Any, done: int,
) -> tuple[int, int]:  # fmt: skip
    """``fold_trades`` into the bars of every length; see ``candle_bank``.

    Parameters
    ----------
    by_run
        Of which lengths the trades are taken by run.
    next_close, lost
        Written, by length: the watermark that closes the next bar, and how many rows were late.

    Returns
    -------
    watermark, done
    """
    newest = watermark
    for length in range(every.size):
        begin, end = edges[length], edges[length + 1]
        at = runs.edges[:-1].copy() if by_run[length] else runs.edges[:0].copy()
        newest, next_close[length], done, lost[length] = fold_trades(
            of, event_ns, price, size, side, flags, runs, at, start, stop, ordered, plain, every[length], lateness,
            unpriced, unsided, bars[begin:end], sums[begin:end], slots[length], instruments, watermark,
            next_close[length], done_numbers, done_values, done,
        )  # fmt: skip
    return newest, done


@numba.njit(cache=True, nogil=True)
def are_in_time(
    event_ns: Any, start: int, stop: int, every: int, lateness: int, watermark: int, counted: Any
) -> None:  # fmt: skip
    """Write for each row whether it came before its bar was final; ``watermark`` is what it was before them."""
    for row in range(start, stop):
        watermark = max(watermark, event_ns[row])
        counted[row] = (event_ns[row] // every + 1) * every + lateness > watermark
