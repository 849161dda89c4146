"""Kernels of the candles: folding trades into bars, closing bars when the watermark passes them.

State of one bar is a row of two arrays, ``bars`` (int64) and ``sums`` (float64); ``[instrument, bar number modulo slots]``
finds it. A bar's number is ``event_ns // every``.
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
def begin_bar(bar: Any, sums: Any, number: int) -> None:
    """An empty bar: no price yet, nothing traded."""
    bar[NUMBER], bar[OPEN_NS], bar[CLOSE_NS], bar[TRADES] = number, NEVER, VACANT, 0
    sums[: CLOSE + 1] = np.nan
    sums[VOLUME:] = 0.0


@numba.njit(cache=True, nogil=True)
def add_trade(
    bar: Any, sums: Any, event_ns: int, price: float, size: float, side: int, priced: bool, sided: bool
) -> None:
    """Add a trade; open and close go by (event_ns, order of the rows)."""
    bar[TRADES] += 1
    sums[VOLUME] += size
    if sided and side > 0:
        sums[BUY_VOLUME] += size
    elif sided and side < 0:
        sums[SELL_VOLUME] += size
    if not priced:
        return
    sums[PRICED_SIZE] += size
    sums[TURNOVER] += price * size
    if event_ns < bar[OPEN_NS]:
        bar[OPEN_NS], sums[OPEN] = event_ns, price
    if event_ns >= bar[CLOSE_NS]:
        bar[CLOSE_NS], sums[CLOSE] = event_ns, price
    if not price <= sums[HIGH]:
        sums[HIGH] = price
    if not price >= sums[LOW]:
        sums[LOW] = price


@numba.njit(cache=True, nogil=True)
def close_bars(
    bars: Any, sums: Any, instruments: int, every: int, lateness: int, watermark: int,
    done_of: Any, done_bars: Any, done_sums: Any, done: int,
) -> tuple[int, int]:  # fmt: skip
    """Move the bars the watermark has passed to the output, by (begin, instrument).

    Returns how many rows the output holds, and the watermark that closes the next bar.
    """
    slots = bars.shape[1]
    due = 0
    next_close = NEVER
    for instrument in range(instruments):
        for slot in range(slots):
            number = bars[instrument, slot, NUMBER]
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
    for instrument in range(instruments):
        for slot in range(slots):
            number = bars[instrument, slot, NUMBER]
            if number != VACANT and (number + 1) * every + lateness <= watermark:
                numbers[found], places[found] = number, instrument * slots + slot
                found += 1
    for place in places[np.argsort(numbers, kind="mergesort")]:
        instrument, slot = place // slots, place % slots
        done_of[done] = instrument
        done_bars[done] = bars[instrument, slot]
        done_sums[done] = sums[instrument, slot]
        bars[instrument, slot, NUMBER] = VACANT
        done += 1
    return done, next_close


@numba.njit(cache=True, nogil=True)
def fold_trades(
    of: Any, event_ns: Any, price: Any, size: Any, side: Any, flags: Any, start: int, stop: int,
    every: int, lateness: int, unpriced: int, unsided: int,
    bars: Any, sums: Any, instruments: int, watermark: int, next_close: int,
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
    slots = bars.shape[1]
    late = 0
    for row in range(start, stop):
        at = event_ns[row]
        if at > watermark:
            watermark = at
            if watermark >= next_close:
                done, next_close = close_bars(
                    bars, sums, instruments, every, lateness, watermark, done_of, done_bars, done_sums, done
                )
        number = at // every
        final = (number + 1) * every + lateness
        if final <= watermark:
            late += 1
            counted[row] = False
            continue
        counted[row] = True
        instrument, slot = of[row], number % slots
        if bars[instrument, slot, NUMBER] == VACANT:
            begin_bar(bars[instrument, slot], sums[instrument, slot], number)
            next_close = min(next_close, final)
        add_trade(
            bars[instrument, slot], sums[instrument, slot], at, price[row], size[row], side[row],
            flags[row] & unpriced == 0, flags[row] & unsided == 0,
        )  # fmt: skip
    return watermark, next_close, done, late


@numba.njit(cache=True, nogil=True)
def fold_bar(
    event_ns: Any, price: Any, size: Any, side: Any, flags: Any, number: int, unpriced: int, unsided: int,
    bar: Any, sums: Any,
) -> None:  # fmt: skip
    """One bar anew from its trades in row order."""
    begin_bar(bar, sums, number)
    for row in range(event_ns.size):
        add_trade(
            bar, sums, event_ns[row], price[row], size[row], side[row],
            flags[row] & unpriced == 0, flags[row] & unsided == 0,
        )  # fmt: skip
