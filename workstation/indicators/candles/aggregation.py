"""Kernels of the candles: folding trades into bars."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.batch.by_instrument import TradeArrays, TradeGroups, stretch
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
    ClosedBars,
    OpenBars,
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
"""The fields as unsigned positions: a signed one may be negative and is asked each time."""
_ONE, _LANES, _LANE = np.uint64(1), np.uint64(LANES), np.uint64(LANES - 1)


class PrintRules(NamedTuple):
    """Masks of ``TradeFlag``: prints that have no say in prices, and none in buy and sell volume."""

    unpriced: int
    unsided: int


class CandleBatch(NamedTuple):
    """A batch of trades as the candles take it.

    ``of``: the state row of each trade's instrument, one for all when they are of one instrument; ``groups``: the trades by
    instrument, of no groups where that does not pay, with ``state_rows``; ``ordered``: all rows are in the order of their
    times; ``plain``: no row has a flag or a side.
    """

    of: npt.NDArray[np.int32]
    trades: TradeArrays
    groups: TradeGroups
    state_rows: npt.NDArray[np.int32]
    ordered: bool
    plain: bool


class BarBank(NamedTuple):
    """Open bars of all lengths one after the other; those of length i are ``offsets[i]`` to ``offsets[i + 1]``."""

    bars: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]
    every: npt.NDArray[np.int64]
    lateness: int
    instruments: int


NO_GROUPS = TradeGroups(
    np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(1, np.int64),
    TradeArrays(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int8), np.empty(0, np.int32)),
)  # fmt: skip
NO_STATE_ROWS = np.empty(0, np.int32)


@numba.njit(cache=True, nogil=True)
def fold_among(
    batch: CandleBatch, row: int, last: int, number: int, open_bars: OpenBars, rules: PrintRules
) -> None:
    """Fold rows of any instruments, all in one bar's span.

    Flat arrays with unsigned positions are four times as quick as two indices.
    """
    of, trades = batch.of, batch.trades
    event_ns, price, size, side, flags = trades.event_ns, trades.price, trades.size, trades.side, trades.flags
    bars, sums, plain, unpriced, unsided = (
        open_bars.bars,
        open_bars.sums,
        batch.plain,
        rules.unpriced,
        rules.unsided,
    )
    slot, all_slots = np.uint64(number % open_bars.slots), np.uint64(open_bars.slots)
    bar_fields, sum_fields = np.uint64(BAR_FIELDS), np.uint64(SUM_FIELDS)
    flat_bars, flat_sums = bars.reshape(-1), sums.reshape(-1)
    at_row = np.uint64(row)
    for _ in range(last - row):
        at, amount = event_ns[at_row], size[at_row]
        position = np.uint64(of[at_row]) * all_slots + slot
        bar, sum_of = position * bar_fields, position * sum_fields
        if flat_bars[bar] == VACANT:
            begin_bar(bars, sums, int(position), number)
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
    trades: TradeArrays, row: int, last: int, position: int, bars: Any, sums: Any, rules: PrintRules
) -> None:  # fmt: skip
    """Fold rows into the one bar at a position; its prices stay in registers."""
    event_ns, price, size, side, flags = trades.event_ns, trades.price, trades.size, trades.side, trades.flags
    unpriced, unsided = rules.unpriced, rules.unsided
    open_ns, close_ns = bars[position, OPEN_NS], bars[position, CLOSE_NS]
    first, high = sums[position, OPEN], sums[position, HIGH]
    low, final = sums[position, LOW], sums[position, CLOSE]
    bought, sold = sums[position, BUY_VOLUME], sums[position, SELL_VOLUME]
    flat, sum_of = sums.reshape(-1), np.uint64(position) * np.uint64(SUM_FIELDS)
    count, at_row = np.uint64(bars[position, TRADES]), np.uint64(row)
    for _ in range(last - row):
        flag, amount, sign = flags[at_row], size[at_row], side[at_row]
        part = sum_of + (count & _LANE)
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
        count += _ONE
    bars[position, OPEN_NS], bars[position, CLOSE_NS], bars[position, TRADES] = (
        open_ns,
        close_ns,
        np.int64(count),
    )
    sums[position, OPEN], sums[position, HIGH] = first, high
    sums[position, LOW], sums[position, CLOSE] = low, final
    sums[position, BUY_VOLUME], sums[position, SELL_VOLUME] = bought, sold


@numba.njit(cache=True, nogil=True)
def fold_some(
    price: Any, size: Any, row: Any, last: Any, flat: Any, sum_of: Any, count: Any, high: float, low: float
) -> tuple[float, float]:  # fmt: skip
    """Fold rows into the partial sums one by one; ``count``: trades in the bar before them. Returns its high and low."""
    while row < last:
        paid, amount = price[row], size[row]
        part = sum_of + (count & _LANE)
        flat[part + U_VOLUME] += amount
        flat[part + U_PRICED_SIZE] += amount
        flat[part + U_TURNOVER] += paid * amount
        high = paid if paid > high else high
        low = paid if paid < low else low
        row += _ONE
        count += _ONE
    return high, low


@numba.njit(cache=True, nogil=True)
def fold_plain(trades: TradeArrays, row: int, last: int, position: int, bars: Any, sums: Any) -> None:
    """As ``fold_alone`` for rows in the order of their times without flags and sides, eight at a time."""
    event_ns, price, size = trades.event_ns, trades.price, trades.size
    if event_ns[row] < bars[position, OPEN_NS]:
        bars[position, OPEN_NS], sums[position, OPEN] = event_ns[row], price[row]
    if event_ns[last - 1] >= bars[position, CLOSE_NS]:
        bars[position, CLOSE_NS], sums[position, CLOSE] = event_ns[last - 1], price[last - 1]
    high, low = sums[position, HIGH], sums[position, LOW]
    high = high if price[row] <= high else price[row]
    low = low if price[row] >= low else price[row]
    count, at, beyond = np.uint64(bars[position, TRADES]), np.uint64(row), np.uint64(last)
    bars[position, TRADES] += last - row
    flat, sum_of = sums.reshape(-1), np.uint64(position) * np.uint64(SUM_FIELDS)
    until = min(at + (_LANES - (count & _LANE)) % _LANES, beyond)
    high, low = fold_some(price, size, at, until, flat, sum_of, count, high, low)
    count, at = count + (until - at), until
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
    high, low = fold_some(price, size, at, beyond, flat, sum_of, count, high, low)
    sums[position, HIGH], sums[position, LOW] = high, low


@numba.njit(cache=True, nogil=True)
def fold_one(
    trades: TradeArrays, row: int, last: int, of: int, number: int, plain: bool, open_bars: OpenBars, rules: PrintRules
) -> None:  # fmt: skip
    """Fold rows of one instrument into its bar of a number, begun where there is none; ``plain``: in order of time, too."""
    bars, sums = open_bars.bars, open_bars.sums
    position = of * open_bars.slots + number % open_bars.slots
    if bars[position, NUMBER] == VACANT:
        begin_bar(bars, sums, position, number)
    if plain:
        fold_plain(trades, row, last, position, bars, sums)
    else:
        fold_alone(trades, row, last, position, bars, sums, rules)


@numba.njit(cache=True, nogil=True)
def fold_groups(
    batch: CandleBatch, at: Any, last: int, number: int, open_bars: OpenBars, rules: PrintRules
) -> None:  # fmt: skip
    """Fold the trades before row ``last`` of the batch, all in one bar's span, group by group; ``at``: the next trade of each."""
    groups = batch.groups
    for group in range(batch.state_rows.size):
        begin, stop = at[group], groups.offsets[group + 1]
        if begin == stop or groups.rows[begin] >= last:
            continue
        end, _ = stretch(groups.rows, begin, stop, 0, last, True)
        at[group] = end
        fold_one(groups.trades, begin, end, batch.state_rows[group], number, batch.plain, open_bars, rules)


@numba.njit(cache=True, nogil=True)
def skip_groups(groups: TradeGroups, at: Any, last: int) -> None:
    """Leave out the trades before row ``last`` of the batch."""
    for group in range(at.size):
        while at[group] < groups.offsets[group + 1] and groups.rows[at[group]] < last:
            at[group] += 1


@numba.njit(cache=True, nogil=True)
def fold_trades(
    batch: CandleBatch, at: Any, start: int, stop: int, open_bars: OpenBars, rules: PrintRules, watermark: int,
    next_close: int, closed: ClosedBars, done: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Fold rows ``start`` to ``stop`` in order; what a row's time closes comes out before the row is added.

    Rows are taken in stretches within one bar's span in which nothing closes, so that what depends on the span is asked once.

    Parameters
    ----------
    at
        The next trade of each of the batch's groups; of none: by row.
    watermark, next_close
        The newest time so far, and the one that closes the next bar.

    Returns
    -------
    watermark, next_close, done, late
    """
    event_ns, every, late, row = batch.trades.event_ns, open_bars.every, 0, start
    while row < stop:
        now = event_ns[row]
        if now > watermark:
            watermark = now
            if watermark >= next_close:
                done, next_close = close_bars(open_bars, watermark, row, closed, done)
        number = now // every
        begin = number * every
        final = begin + every + open_bars.lateness
        if final <= watermark:
            last, _ = stretch(event_ns, row, stop, begin, begin + every, batch.ordered)
            late += last - row
            row = last
            skip_groups(batch.groups, at, last)
            continue
        limit = min(begin + every, next_close)
        next_close = min(next_close, final)
        last, newest = stretch(event_ns, row, stop, begin, limit, batch.ordered)
        if at.size:
            fold_groups(batch, at, last, number, open_bars, rules)
        elif batch.of.size > 1:
            fold_among(batch, row, last, number, open_bars, rules)
        else:
            fold_one(
                batch.trades, row, last, batch.of[0], number, batch.ordered and batch.plain, open_bars, rules
            )  # fmt: skip
        row = last
        watermark = max(watermark, newest)
    return watermark, next_close, done, late


@numba.njit(cache=True, nogil=True)
def fold_lengths(
    batch: CandleBatch, by_group: Any, start: int, stop: int, bank: BarBank, rules: PrintRules, watermark: int,
    next_close: Any, late: Any, closed: ClosedBars, done: int,
) -> tuple[int, int]:  # fmt: skip
    """``fold_trades`` into the bars of every length.

    Parameters
    ----------
    by_group
        Of which lengths the trades are taken by group.
    next_close, late
        Written, by length: the watermark that closes the next bar, and how many rows were late.

    Returns
    -------
    watermark, done
    """
    newest = watermark
    offsets = batch.groups.offsets
    for length in range(bank.every.size):
        begin, end = bank.offsets[length], bank.offsets[length + 1]
        at = offsets[:-1].copy() if by_group[length] else offsets[:0].copy()
        open_bars = OpenBars(
            bank.bars[begin:end], bank.sums[begin:end], bank.slots[length], bank.every[length], bank.lateness,
            bank.instruments,
        )  # fmt: skip
        newest, next_close[length], done, late[length] = fold_trades(
            batch, at, start, stop, open_bars, rules, watermark, next_close[length], closed, done
        )
    return newest, done


@numba.njit(cache=True, nogil=True)
def are_in_time(
    event_ns: Any, start: int, stop: int, every: int, lateness: int, watermark: int, counted: Any
) -> None:  # fmt: skip
    """Write for each row whether it came before its bar was final; ``watermark`` is what it was before them."""
    for row in range(start, stop):
        watermark = max(watermark, event_ns[row])
        counted[row] = (event_ns[row] // every + 1) * every + lateness > watermark
