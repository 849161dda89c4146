"""The kernel that places prints: quote, bucket, side, the underlying at that moment, and whether a print repeats another.

``place_sorted`` is the same join for whole histories in order of time; ``place_rows`` is the engine's, print by print.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.flow.eligibility import EXCLUSION_CODE
from workstation.flow.quote_log import latest_at
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
_FOREVER = np.iinfo(np.int64).max


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
def put_spot(
    newest: Any, newest_ns: Any, seconds: Any, prices: Any, underlying: int, event_ns: int, price: float
) -> None:
    """Learn a price of an underlying; the arrays are those of ``Spots``."""
    if underlying < 0 or not price > 0.0:
        return
    second = event_ns // SECOND_NS
    slot = second % SPOT_SECONDS
    if second >= seconds[underlying, slot]:
        seconds[underlying, slot] = second
        prices[underlying, slot] = price
    if event_ns >= newest_ns[underlying]:
        newest_ns[underlying] = event_ns
        newest[underlying] = price


@numba.njit(cache=True)
def put_spots(spots: Spots, underlying: Any, event_ns: Any, price: Any) -> None:
    """Learn prices of underlyings in their order."""
    newest, newest_ns, seconds, prices = spots.newest, spots.newest_ns, spots.second, spots.price
    for i in range(underlying.size):
        put_spot(newest, newest_ns, seconds, prices, underlying[i], event_ns[i], price[i])


@numba.njit(cache=True)
def _move_before(seconds: Any, prices: Any, underlying: int, event_ns: int, now: float) -> float:
    """Return since five minutes before; NaN where no price of then is kept."""
    then = event_ns // SECOND_NS - PRE_MOVE_SECONDS
    for second in range(then, then - PRE_MOVE_REACH, -1):
        slot = second % SPOT_SECONDS
        if seconds[underlying, slot] == second:
            return float(now / prices[underlying, slot] - 1.0)
    return np.nan


@numba.njit(cache=True)
def _repeats(recent: Any, prints: Any, code: int, hashed: int) -> bool:
    if hashed == 0:
        return False
    for place in range(RECENT):
        if recent[code, place] == hashed:
            return True
    recent[code, prints[code] % RECENT] = hashed
    prints[code] += 1
    return False


@numba.njit(cache=True)
def _count_volume(days: Any, volume: Any, code: int, event_ns: int, size: float) -> float:
    """Add to the volume of the print's day; gives what it was before."""
    day = event_ns // DAY_NS
    if day > days[code]:
        days[code] = day
        volume[code] = 0.0
    if day < days[code]:
        return np.nan
    before = volume[code]
    volume[code] = max(before + size, 0.0)
    return float(before)


@numba.njit(cache=True)
def _with_quote(exclusion: int, bid: float, ask: float) -> int:
    """Why a print has no direction, once it has met a fresh quote; 0: it may have one."""
    if exclusion != 0 or not (bid > 0.0 and ask > 0.0 and bid >= ask):
        return exclusion
    return _LOCKED if bid == ask else _CROSSED


@numba.njit(cache=True)
def _without_quote(at: int, first_ns: int, now: int) -> int:
    """The bucket of a print without a fresh quote."""
    return STALE if at >= 0 or first_ns <= now else MISSING


@numba.njit(cache=True)
def _is_settled(exclusion: int) -> bool:
    """Whether a print counts as the last price: it has a direction, or only its quote gives none."""
    return exclusion == 0 or exclusion in (_LOCKED, _CROSSED)


@numba.njit(cache=True)
def _side(
    rules: Any, venue: int, neutral: bool, price: float, size: float, quote: Any, last: float, direction: int
) -> tuple[int, int]:
    """Side by the first rule that tells one, and the rule's number from 1; ``quote`` is NaN where none was met."""
    for place in range(rules.size):
        rule = rules[place]
        side = 0
        if rule == VENUE:
            side = venue
        elif not neutral:
            side = side_by_rule(rule, price, size, quote, last, direction)
        if side != 0:
            return side, rule + 1
    return 0, 0


@numba.njit(cache=True)
def _stands_aside(exclusion: int, recent: Any, prints: Any, code: int, hashed: int) -> bool:
    """Whether a print is a cancel, or repeats another."""
    return exclusion == _CANCEL or (exclusion != _VOID and _repeats(recent, prints, code, hashed))


@numba.njit(cache=True)
def _set_aside(exclusion: int, cancels: int, days: Any, volume: Any, code: int, now: int, size: float) -> int:
    """A cancel takes its print's volume back, one of no known print does nothing; what is no cancel repeats another print."""
    if exclusion != _CANCEL:
        return _DUPLICATE
    if cancels <= 0:
        return _UNKNOWN_CANCEL
    _count_volume(days, volume, code, now, -size)
    return _CANCEL


@numba.njit(cache=True)
def _remember_price(last_price: Any, direction: Any, code: int, price: float) -> None:
    last = last_price[code]
    if not np.isnan(last) and price != last:
        direction[code] = 1 if price > last else -1
    last_price[code] = price


@numba.njit(cache=True)
def _learn_until(
    now: int, update: int, updates_ns: Any, of: Any, price: Any, newest: Any, newest_ns: Any, seconds: Any, prices: Any
) -> int:  # fmt: skip
    """Learn what prices of underlyings held up to a time; gives the place of the next."""
    while update < updates_ns.size and updates_ns[update] <= now:
        put_spot(newest, newest_ns, seconds, prices, of[update], updates_ns[update], price[update])
        update += 1
    return update


@numba.njit(cache=True)
def _spot_at(
    newest: Any, newest_ns: Any, seconds: Any, prices: Any, under: int, now: int
) -> tuple[float, float]:
    """Price of the underlying and its return over five minutes; NaN where it is not known."""
    if under < 0 or newest_ns[under] <= -1:
        return np.nan, np.nan
    return newest[under], _move_before(seconds, prices, under, now, newest[under])


@numba.njit(cache=True)
def place_rows(
    rows: Rows, log: Any, newest: Any, contracts: Contracts, spots: Spots, updates: SpotUpdates, rules: Any, ages: Ages,
    placed: Placed,
) -> None:  # fmt: skip
    """Place prints one after the other.

    The records are taken apart before the loop: an array that is taken out of a record within it costs more than the join.
    """
    times, codes, unders, exclusion = rows.event_ns, rows.code, rows.underlying, rows.exclusion
    price, size, index, cent, oldest_ns = rows.price, rows.size, rows.index, rows.cent, rows.watermark_ns
    hashed, cancels, venue_side, is_underlying = rows.hashed, rows.cancels, rows.side, rows.is_underlying
    log_ns, log_quote, before = log.event_ns, log.quote, log.before
    newest_place, first_ns = newest.place, newest.first_ns
    last_price, direction, days, volume = (
        contracts.last_price,
        contracts.direction,
        contracts.day,
        contracts.volume,
    )
    recent, prints = contracts.recent, contracts.prints
    spot, spot_ns, seconds, prices = spots.newest, spots.newest_ns, spots.second, spots.price
    bucket, quotes, age_ms, side, source = (
        placed.bucket,
        placed.quote,
        placed.age_ms,
        placed.side,
        placed.source,
    )
    spot_then, pre_move, volume_before = placed.spot, placed.pre_move, placed.volume_before
    update_ns, update_of, update_price = updates.event_ns, updates.underlying, updates.price
    update, unknown = 0, (np.nan, np.nan, np.nan, np.nan)
    for i in range(times.size):
        code, under, now = codes[i], unders[i], times[i]
        update = _learn_until(now, update, update_ns, update_of, update_price, spot, spot_ns, seconds, prices)
        if _stands_aside(exclusion[i], recent, prints, code, hashed[i]):
            exclusion[i] = _set_aside(exclusion[i], cancels[i], days, volume, code, now, size[i])
            bucket[i] = MISSING
            continue
        put_spot(spot, spot_ns, seconds, prices, under, now, index[i])
        at, quote = -1, unknown
        if now >= oldest_ns[i] - ages.lookback:
            at = latest_at(log_ns, before, newest_place, code, now, now - ages.most)
        if at < 0 or now - log_ns[at] > ages.most:
            bucket[i] = _without_quote(at, first_ns[code], now)
        else:
            quote = (log_quote[at, 0], log_quote[at, 1], log_quote[at, 2], log_quote[at, 3])
            quotes[i, 0], quotes[i, 1], quotes[i, 2], quotes[i, 3] = quote
            age_ms[i] = (now - log_ns[at]) / 1e6
            bucket[i] = bucket_of(price[i], quote[0], quote[1], cent[i])
            exclusion[i] = _with_quote(exclusion[i], quote[0], quote[1])
        settled = _is_settled(exclusion[i])
        side[i], source[i] = _side(
            rules, venue_side[i], not settled, price[i], size[i], unknown if bucket[i] == MISSING else quote,
            last_price[code], direction[code],
        )  # fmt: skip
        if exclusion[i] != _VOID:
            volume_before[i] = _count_volume(days, volume, code, now, size[i])
        if settled:
            _remember_price(last_price, direction, code, price[i])
            put_spot(spot, spot_ns, seconds, prices, under if is_underlying[i] else -1, now, price[i])
        spot_then[i], pre_move[i] = _spot_at(spot, spot_ns, seconds, prices, under, now)
    _learn_until(_FOREVER, update, update_ns, update_of, update_price, spot, spot_ns, seconds, prices)


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
