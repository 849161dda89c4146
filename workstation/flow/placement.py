"""The kernel that places prints: quote, bucket, side, the underlying at that moment, and whether a print repeats another.

``place_sorted`` is the same join for whole histories in order of time; ``place_rows`` is the engine's, print by print.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.flow.eligibility import EXCLUSION_CODE
from workstation.flow.quote_log import quote_as_of
from workstation.flow.side_rules import VENUE, side_by_rule
from workstation.market.instants import DAY_NS, SECOND_NS
from workstation.market.tables import NBBO_BUCKETS

AA, A, MID, B, BB, STALE, MISSING = range(len(NBBO_BUCKETS))
EPSILON, EPSILON_SHARE = 0.01, 0.05
ROUNDING = 1e-12
"""A print is at a side of the quote within the larger of a cent and 5 % of the spread."""
RECENT = 8
"""Prints of a contract among which a repetition is looked for."""
SPOT_SECONDS = 1024
PRE_MOVE_SECONDS = 300
PRE_MOVE_REACH = 120
"""How many seconds farther back a price of the underlying may lie to stand for that of five minutes ago."""
_DUPLICATE, _LOCKED, _CROSSED = (
    EXCLUSION_CODE["duplicate"],
    EXCLUSION_CODE["locked quote"],
    EXCLUSION_CODE["crossed quote"],
)
_CANCEL, _UNKNOWN_CANCEL, _VOID = (
    EXCLUSION_CODE["cancel"],
    EXCLUSION_CODE["unknown cancel"],
    EXCLUSION_CODE["void"],
)


class Rows(NamedTuple):
    """Prints of one batch as arrays (n,)."""

    event_ns: Any
    watermark_ns: Any
    code: Any
    underlying: Any
    hashed: Any
    cancels: Any
    side: Any
    exclusion: Any
    price: Any
    size: Any
    index: Any
    cent: Any
    is_underlying: Any


class Placed(NamedTuple):
    """What is found of them: (n,), quotes (n, 4)."""

    bucket: Any
    quote: Any
    age_ms: Any
    side: Any
    source: Any
    spot: Any
    pre_move: Any
    volume_before: Any


class Contracts(NamedTuple):
    """State by contract."""

    last_price: Any
    direction: Any
    day: Any
    volume: Any
    recent: Any
    prints: Any


class Spots(NamedTuple):
    """State by underlying: its newest price and when, and its last price of each second."""

    newest: Any
    newest_ns: Any
    second: Any
    price: Any


class SpotUpdates(NamedTuple):
    """Prices of underlyings that hold from their time on, in order (n,)."""

    event_ns: Any
    underlying: Any
    price: Any


class Ages(NamedTuple):
    """Limits in ns."""

    most: int
    lookback: int


@numba.njit(cache=True)
def bucket_of(price: float, bid: float, ask: float, cent: float) -> int:
    """Where a price lies against a fresh quote: AA, A, MID, B, BB; locked and crossed quotes are MID, a missing side MISSING.

    ``cent`` is the least width of a side. Where the sides overlap, in a market one or two cents wide, the nearer counts.
    """
    if not (bid > 0.0 and ask > 0.0):
        return MISSING
    if bid >= ask:
        return MID
    near = max(cent, EPSILON_SHARE * (ask - bid)) + ROUNDING * ask
    if price - bid > ask - price:
        return AA if price > ask + near else A if price >= ask - near else MID
    if price - bid < ask - price:
        return BB if price < bid - near else B if price <= bid + near else MID
    return MID


@numba.njit(cache=True)
def put_spot(spots: Spots, underlying: int, event_ns: int, price: float) -> None:
    """Learn a price of an underlying."""
    if underlying < 0 or not price > 0.0:
        return
    second = event_ns // SECOND_NS
    slot = second % SPOT_SECONDS
    if second >= spots.second[underlying, slot]:
        spots.second[underlying, slot] = second
        spots.price[underlying, slot] = price
    if event_ns >= spots.newest_ns[underlying]:
        spots.newest_ns[underlying] = event_ns
        spots.newest[underlying] = price


@numba.njit(cache=True)
def put_spots(spots: Spots, underlying: Any, event_ns: Any, price: Any) -> None:
    """Learn prices of underlyings in their order."""
    for i in range(underlying.size):
        put_spot(spots, underlying[i], event_ns[i], price[i])


@numba.njit(cache=True)
def _move_before(spots: Spots, underlying: int, event_ns: int, now: float) -> float:
    """Return since five minutes before; NaN where no price of then is kept."""
    then = event_ns // SECOND_NS - PRE_MOVE_SECONDS
    for second in range(then, then - PRE_MOVE_REACH, -1):
        slot = second % SPOT_SECONDS
        if spots.second[underlying, slot] == second:
            return float(now / spots.price[underlying, slot] - 1.0)
    return np.nan


@numba.njit(cache=True)
def _repeats(contracts: Contracts, code: int, hashed: int) -> bool:
    if hashed == 0:
        return False
    for place in range(RECENT):
        if contracts.recent[code, place] == hashed:
            return True
    contracts.recent[code, contracts.prints[code] % RECENT] = hashed
    contracts.prints[code] += 1
    return False


@numba.njit(cache=True)
def _count_volume(contracts: Contracts, code: int, event_ns: int, size: float) -> float:
    """Add to the volume of the print's day; gives what it was before."""
    day = event_ns // DAY_NS
    if day > contracts.day[code]:
        contracts.day[code] = day
        contracts.volume[code] = 0.0
    if day < contracts.day[code]:
        return np.nan
    before = contracts.volume[code]
    contracts.volume[code] = max(before + size, 0.0)
    return float(before)


@numba.njit(cache=True)
def _join(log: Any, newest: Any, rows: Rows, i: int, ages: Ages, placed: Placed) -> None:
    """Quote and age at the print; NaN where there is none, or where it is too old to be surely kept."""
    code, now = rows.code[i], rows.event_ns[i]
    at = -1
    if now >= rows.watermark_ns[i] - ages.lookback:
        at = quote_as_of(log, newest, code, now, now - ages.most)
    if at < 0:
        placed.bucket[i] = STALE if newest.first_ns[code] <= now else MISSING
        return
    age = now - log.event_ns[at]
    if age > ages.most:
        placed.bucket[i] = STALE
        return
    for field in range(4):  # a slice would cost more than the join
        placed.quote[i, field] = log.quote[at, field]
    placed.age_ms[i] = age / 1e6
    placed.bucket[i] = bucket_of(rows.price[i], placed.quote[i, 0], placed.quote[i, 1], rows.cent[i])


@numba.njit(cache=True)
def _quote_reason(placed: Placed, i: int) -> int:
    """Why the quote it met gives no direction; 0: it may."""
    if placed.bucket[i] != MID or not placed.quote[i, 0] >= placed.quote[i, 1]:
        return 0
    return _LOCKED if placed.quote[i, 0] == placed.quote[i, 1] else _CROSSED


@numba.njit(cache=True)
def _is_settled(exclusion: int) -> bool:
    """Whether a print counts as the last price: it has a direction, or only its quote gives none."""
    return exclusion == 0 or exclusion in (_LOCKED, _CROSSED)


@numba.njit(cache=True)
def _give_side(rows: Rows, placed: Placed, contracts: Contracts, i: int, rules: Any) -> None:
    """``placed.quote`` is NaN where the print met no fresh quote."""
    code = rows.code[i]
    neutral = not _is_settled(rows.exclusion[i])
    quote = (placed.quote[i, 0], placed.quote[i, 1], placed.quote[i, 2], placed.quote[i, 3])
    last, direction = contracts.last_price[code], contracts.direction[code]
    for rule in rules:
        if rule == VENUE:
            side = rows.side[i]
        elif neutral:
            side = 0
        else:
            side = side_by_rule(rule, rows.price[i], rows.size[i], quote, last, direction)
        if side != 0:
            placed.side[i] = side
            placed.source[i] = rule + 1
            return


@numba.njit(cache=True)
def _remember_price(contracts: Contracts, code: int, price: float) -> None:
    last = contracts.last_price[code]
    if not np.isnan(last) and price != last:
        contracts.direction[code] = 1 if price > last else -1
    contracts.last_price[code] = price


@numba.njit(cache=True)
def _set_aside(rows: Rows, contracts: Contracts, i: int) -> None:
    """A cancel takes its print's volume back, one of no known print does nothing; what is no cancel repeats another print."""
    if rows.exclusion[i] != _CANCEL:
        rows.exclusion[i] = _DUPLICATE
    elif rows.cancels[i] > 0:
        _count_volume(contracts, rows.code[i], rows.event_ns[i], -rows.size[i])
    else:
        rows.exclusion[i] = _UNKNOWN_CANCEL


@numba.njit(cache=True)
def _settle(rows: Rows, contracts: Contracts, spots: Spots, i: int, rules: Any, placed: Placed) -> None:
    """Side, volume, last price and the underlying of a print that has been placed."""
    code, under, now = rows.code[i], rows.underlying[i], rows.event_ns[i]
    if rows.exclusion[i] == 0:
        rows.exclusion[i] = _quote_reason(placed, i)
    _give_side(rows, placed, contracts, i, rules)
    if rows.exclusion[i] != _VOID:
        placed.volume_before[i] = _count_volume(contracts, code, now, rows.size[i])
    if _is_settled(rows.exclusion[i]):
        _remember_price(contracts, code, rows.price[i])
        if rows.is_underlying[i]:
            put_spot(spots, under, now, rows.price[i])
    if under >= 0 and spots.newest_ns[under] > -1:
        placed.spot[i] = spots.newest[under]
        placed.pre_move[i] = _move_before(spots, under, now, spots.newest[under])


@numba.njit(cache=True)
def place_rows(
    rows: Rows, log: Any, newest: Any, contracts: Contracts, spots: Spots, updates: SpotUpdates, rules: Any, ages: Ages,
    placed: Placed,
) -> None:  # fmt: skip
    """Place prints one after the other."""
    update = 0
    for i in range(rows.event_ns.size):
        code, under, now = rows.code[i], rows.underlying[i], rows.event_ns[i]
        while update < updates.event_ns.size and updates.event_ns[update] <= now:
            put_spot(spots, updates.underlying[update], updates.event_ns[update], updates.price[update])
            update += 1
        if rows.exclusion[i] == _CANCEL or (
            rows.exclusion[i] != _VOID and _repeats(contracts, code, rows.hashed[i])
        ):
            _set_aside(rows, contracts, i)
            placed.bucket[i] = MISSING
            continue
        put_spot(spots, under, now, rows.index[i])
        _join(log, newest, rows, i, ages, placed)
        _settle(rows, contracts, spots, i, rules, placed)
    for i in range(update, updates.event_ns.size):
        put_spot(spots, updates.underlying[i], updates.event_ns[i], updates.price[i])


@numba.njit(cache=True)
def place_sorted(
    trade_ns: Any, trade_code: Any, trade_seq: Any, price: Any, cents: Any, quote_ns: Any, quote_code: Any, quote_seq: Any,
    numbered: bool, bids: Any, asks: Any, most: int, newest_ns: Any, newest: Any, bucket: Any, bid: Any, ask: Any, age_ms: Any,
) -> bool:  # fmt: skip
    """Trades against quotes, both in order of time and of ``seq`` where ``numbered``; False when they are not in order.

    One walk through both: each contract's newest quote is copied to ``newest_ns`` (contracts + 1,), which is -1, and ``newest``
    (contracts + 1, 2), so that no trade looks back into the quotes. Their last place takes quotes of no contract; ``cents``
    (contracts,) is the least width of a side. Times are joined as ``flow.quote_log`` does.
    """
    j, before_ns, before_seq = 0, np.int64(-(1 << 62)), np.int64(0)
    last_ns, count = np.int64(-(1 << 62)), quote_ns.size
    for i in range(trade_ns.size):
        now = trade_ns[i]
        if now < last_ns:
            return False
        last_ns = now
        while j < count:
            at = quote_ns[j]
            if at > now or (numbered and trade_seq[i] > 0 and quote_seq[j] >= trade_seq[i]):
                break
            if at < before_ns:
                return False
            before_ns = at
            if numbered:
                if quote_seq[j] < before_seq:
                    return False
                before_seq = quote_seq[j]
            code = quote_code[j]
            newest_ns[code] = at
            newest[code, 0], newest[code, 1] = bids[j], asks[j]
            j += 1
        code = trade_code[i]
        age = now - newest_ns[code]
        if newest_ns[code] < 0 or age > most:
            bid[i], ask[i], age_ms[i] = np.nan, np.nan, np.nan
            bucket[i] = MISSING if newest_ns[code] < 0 else STALE
            continue
        bid[i], ask[i], age_ms[i] = newest[code, 0], newest[code, 1], age / 1e6
        bucket[i] = bucket_of(price[i], newest[code, 0], newest[code, 1], cents[code])
    return True
