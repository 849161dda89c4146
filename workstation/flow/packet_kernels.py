"""Prints gathered into packets, packets into bursts: the kernel, on records of numbers.

A packet is a row of ``ints`` and ``floats`` whose columns are named here. Its burst is told when the watermark has passed twice
the window after the burst's start: no packet of it can grow any more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.flow.packet_baselines import MEASURES, Baselines, Ranks, compare, rank
from workstation.flow.placement import AA, BB, MISSING, STALE, A, B
from workstation.market.tables import NBBO_BUCKETS, TradeFlag

_ISO = int(TradeFlag.ISO)
_OF_PACKAGES = int(TradeFlag.MULTI_LEG | TradeFlag.STOCK_TIED | TradeFlag.COMBO)
"""Legs of packages are ranked, but nothing is ranked against them: what a leg costs says nothing of an order in one contract."""
BUCKETS = len(NBBO_BUCKETS)
(
    CODE, UNDERLYING, PARENT, START, END, PRINTS, ISO, FLAGS, EXCHANGES, FRESH, BURST, BURST_PACKETS, NEXT, ORDINAL, SAMPLES, COUNTS,
) = range(16)  # fmt: skip
INTS = COUNTS + BUCKETS
(
    SIZE, NOTIONAL, PREMIUM, LARGEST, FIRST, LAST, BUY, SELL, INSIDE, DIRECTIONAL, LEAN, SPREADS, SPREAD_PRINTS, AGE, SPOT, PRE_MOVE,
    IV, IV_SIZE, EDGE, EDGE_SIZE, DELTA, GAMMA, VEGA, GEX, OPEN_INTEREST, VOLUME_BEFORE, MULTIPLIER, RANK, SIZES,
) = range(29)  # fmt: skip
Z = SIZES + BUCKETS
FLOATS = Z + 2 * len(MEASURES)
P_TIME, P_CODE, P_UNDERLYING, P_PARENT, P_BUCKET, P_FLAGS, P_NEUTRAL, P_VENUE_SIDE, P_EXCHANGE, P_SKIP = (
    range(10)
)
PRINT_INTS = 10
(
    P_PRICE, P_SIZE, P_PREMIUM, P_BID, P_ASK, P_AGE, P_SPOT, P_PRE_MOVE, P_IV, P_EDGE, P_DELTA, P_GAMMA, P_VEGA, P_OPEN_INTEREST,
    P_VOLUME, P_MULTIPLIER,
) = range(16)  # fmt: skip
PRINT_FLOATS = 16


class Pool(NamedTuple):
    """Open packets (rows), which rows are free, the open packet of each contract and the burst of each underlying."""

    ints: Any
    floats: Any
    free: Any
    of_contract: Any
    of_underlying: Any


class Bursts(NamedTuple):
    """Open bursts, a ring in the order in which they began: start, underlying, first and last packet, packets, number."""

    start_ns: Any
    first: Any
    last: Any
    packets: Any
    number: Any
    underlying: Any


class Counters(NamedTuple):
    """Numbers that go on, one array each: see ``_C_*``."""

    values: Any


C_FREE, C_HEAD, C_TAIL, C_ORDINAL, C_BURST, C_WATERMARK = range(6)


class Limits(NamedTuple):
    """Window and life of a sample in ns, samples that a z and a rank need."""

    window: int
    ttl: int
    samples: int
    rank_samples: int


@numba.njit(cache=True)
def begin_packet(ints: Any, floats: Any, prints: Any, numbers: Any) -> None:
    """A packet's record before its first print."""
    ints[:] = 0
    floats[:] = 0.0
    ints[CODE], ints[UNDERLYING], ints[PARENT] = prints[P_CODE], prints[P_UNDERLYING], prints[P_PARENT]
    ints[START] = ints[END] = prints[P_TIME]
    floats[FIRST] = numbers[P_PRICE]
    floats[AGE] = np.nan
    floats[PRE_MOVE], floats[OPEN_INTEREST] = numbers[P_PRE_MOVE], numbers[P_OPEN_INTEREST]
    floats[VOLUME_BEFORE], floats[MULTIPLIER] = numbers[P_VOLUME], numbers[P_MULTIPLIER]


@numba.njit(cache=True)
def _side_of(prints: Any) -> int:
    """The taker's side: the venue's, else by the quote."""
    if prints[P_VENUE_SIDE] != 0:
        return int(prints[P_VENUE_SIDE])
    bucket = prints[P_BUCKET]
    return 1 if bucket in (A, AA) else -1 if bucket in (B, BB) else 0


@numba.njit(cache=True)
def add_print(ints: Any, floats: Any, prints: Any, numbers: Any) -> None:
    """Add a print to a packet's record."""
    size, bucket, side = numbers[P_SIZE], prints[P_BUCKET], _side_of(prints)
    ints[START], ints[END] = min(ints[START], prints[P_TIME]), max(ints[END], prints[P_TIME])
    ints[PRINTS] += 1
    ints[FLAGS] |= prints[P_FLAGS]
    ints[ISO] += (prints[P_FLAGS] & _ISO) != 0
    if prints[P_EXCHANGE] > 0:
        ints[EXCHANGES] |= np.int64(1) << np.int64(prints[P_EXCHANGE] - 1)
    ints[COUNTS + bucket] += 1
    floats[SIZES + bucket] += size
    floats[SIZE] += size
    floats[NOTIONAL] += numbers[P_PRICE] * size
    floats[PREMIUM] += numbers[P_PREMIUM]
    floats[LARGEST] = max(floats[LARGEST], numbers[P_PREMIUM])
    floats[LAST] = numbers[P_PRICE]
    floats[LEAN] += side * size
    fresh = (bucket != STALE and bucket != MISSING) or prints[P_VENUE_SIDE] != 0
    ints[FRESH] += fresh
    if prints[P_NEUTRAL] == 0:
        floats[DIRECTIONAL] += size
        floats[BUY] += size if side > 0 else 0.0
        floats[SELL] += size if side < 0 else 0.0
        floats[INSIDE] += size if fresh and side == 0 else 0.0
    if numbers[P_ASK] >= numbers[P_BID]:
        floats[SPREADS] += numbers[P_ASK] - numbers[P_BID]
        floats[SPREAD_PRINTS] += 1.0
    if not numbers[P_AGE] <= floats[AGE] and not np.isnan(numbers[P_AGE]):
        floats[AGE] = numbers[P_AGE]
    _add_market(floats, numbers, size, side)


@numba.njit(cache=True)
def _add_market(floats: Any, numbers: Any, size: float, side: int) -> None:
    floats[SPOT] = numbers[P_SPOT]
    floats[DELTA], floats[GAMMA], floats[VEGA] = numbers[P_DELTA], numbers[P_GAMMA], numbers[P_VEGA]
    if numbers[P_IV] > 0.0:
        floats[IV] += size * numbers[P_IV]
        floats[IV_SIZE] += size
    if not np.isnan(numbers[P_EDGE]):
        floats[EDGE] += size * numbers[P_EDGE]
        floats[EDGE_SIZE] += size
    if side != 0:
        spot = numbers[P_SPOT]
        floats[GEX] += side * size * numbers[P_MULTIPLIER] * numbers[P_GAMMA] * spot * spot * 0.01


@numba.njit(cache=True)
def _measure(ints: Any, floats: Any, row: int, baselines: Baselines, ranks: Ranks, limits: Limits) -> None:
    """Compare a finished packet with those before it; one whose prints were all cancelled is no packet."""
    if ints[PRINTS] == 0:
        floats[Z:] = np.nan
        floats[RANK] = np.nan
        return
    spread = floats[SPREADS] / floats[SPREAD_PRINTS] if floats[SPREAD_PRINTS] > 0 else np.nan
    for measure in range(len(MEASURES)):
        value = floats[PREMIUM] if measure == 0 else floats[SIZE] if measure == 1 else spread
        held = compare(
            baselines, row, measure, value, ints[END], limits.ttl, limits.samples, floats, Z + 2 * measure
        )  # fmt: skip
        if measure == 1:
            ints[SAMPLES] = held
    floats[RANK] = np.nan
    if ints[UNDERLYING] >= 0:
        counts = ints[FLAGS] & _OF_PACKAGES == 0
        floats[RANK] = rank(ranks, ints[UNDERLYING], floats[PREMIUM], limits.rank_samples, counts)


@numba.njit(cache=True)
def tell_due(
    watermark: int, pool: Pool, bursts: Bursts, counters: Any, baselines: Baselines, rows: Any, ranks: Ranks, limits: Limits,
    out_ints: Any, out_floats: Any, told: int,
) -> int:  # fmt: skip
    """Give out the packets of bursts that are over, in the order in which they began; gives the packets told in all."""
    starts, ring = bursts.start_ns, bursts.start_ns.size
    if (
        counters[C_HEAD] == counters[C_TAIL]
        or watermark <= starts[counters[C_HEAD] % ring] + 2 * limits.window
    ):
        return told
    firsts, sizes, numbers, unders = bursts.first, bursts.packets, bursts.number, bursts.underlying
    all_ints, all_floats, free = pool.ints, pool.floats, pool.free
    of_contract, of_underlying = pool.of_contract, pool.of_underlying
    while counters[C_HEAD] < counters[C_TAIL]:
        at = counters[C_HEAD] % ring
        if watermark <= starts[at] + 2 * limits.window:
            break
        packet = firsts[at]
        while packet >= 0:
            ints, floats = all_ints[packet], all_floats[packet]
            code = ints[CODE]
            if of_contract[code] == packet:
                of_contract[code] = -1
            following = ints[NEXT]
            ints[BURST], ints[BURST_PACKETS] = numbers[at], sizes[at]
            _measure(ints, floats, rows[code], baselines, ranks, limits)
            for column in range(INTS):  # slices would cost more than the copy
                out_ints[told, column] = ints[column]
            for column in range(FLOATS):
                out_floats[told, column] = floats[column]
            told += 1
            free[counters[C_FREE]] = packet
            counters[C_FREE] += 1
            packet = following
        under = unders[at]
        if under >= 0 and of_underlying[under] == at:
            of_underlying[under] = -1
        counters[C_HEAD] += 1
    return told


@numba.njit(cache=True)
def _burst_for(
    under: int, now: int, of_underlying: Any, bursts: Bursts, counters: Any, limits: Limits
) -> int:
    """The burst a new packet belongs to; a packet of an earlier time than its underlying's burst stands in one of its own."""
    starts = bursts.start_ns
    held = of_underlying[under] if under >= 0 else -1
    if held >= 0 and abs(now - starts[held]) <= limits.window:
        return int(held)
    at = counters[C_TAIL] % starts.size
    counters[C_TAIL] += 1
    counters[C_BURST] += 1
    later = under >= 0 and (held < 0 or now > starts[held])
    starts[at], bursts.first[at], bursts.last[at] = now, -1, -1
    bursts.packets[at], bursts.number[at], bursts.underlying[at] = 0, counters[C_BURST], under
    if later:
        of_underlying[under] = at
    return int(at)


@numba.njit(cache=True)
def _open_packet(prints: Any, numbers: Any, pool: Pool, bursts: Bursts, counters: Any, limits: Limits) -> int:
    all_ints, last = pool.ints, bursts.last
    counters[C_FREE] -= 1
    packet = pool.free[counters[C_FREE]]
    begin_packet(all_ints[packet], pool.floats[packet], prints, numbers)
    counters[C_ORDINAL] += 1
    all_ints[packet, ORDINAL], all_ints[packet, NEXT] = counters[C_ORDINAL], -1
    at = _burst_for(prints[P_UNDERLYING], prints[P_TIME], pool.of_underlying, bursts, counters, limits)
    if last[at] >= 0:
        all_ints[last[at], NEXT] = packet
    else:
        bursts.first[at] = packet
    last[at] = packet
    bursts.packets[at] += 1
    pool.of_contract[prints[P_CODE]] = packet
    return int(packet)


@numba.njit(cache=True)
def gather(
    ints: Any, floats: Any, start: int, stop: int, pool: Pool, bursts: Bursts, counters: Any, baselines: Baselines, rows: Any,
    ranks: Ranks, limits: Limits, member: Any, out_ints: Any, out_floats: Any, told: int,
) -> int:  # fmt: skip
    """Prints [start, stop) into packets; ``member`` gets the ordinal of each print's packet. Gives the packets told in all."""
    of_contract, all_ints, all_floats = pool.of_contract, pool.ints, pool.floats
    for i in range(start, stop):
        now, code = ints[i, P_TIME], ints[i, P_CODE]
        if now > counters[C_WATERMARK]:
            counters[C_WATERMARK] = now
            told = tell_due(
                now, pool, bursts, counters, baselines, rows, ranks, limits, out_ints, out_floats, told
            )
        if ints[i, P_SKIP] != 0:
            continue
        packet = of_contract[code]
        if (
            packet < 0
            or all_ints[packet, PARENT] != ints[i, P_PARENT]
            or abs(now - all_ints[packet, START]) > limits.window
        ):
            packet = _open_packet(ints[i], floats[i], pool, bursts, counters, limits)
        add_print(all_ints[packet], all_floats[packet], ints[i], floats[i])
        member[i] = all_ints[packet, ORDINAL]
    return told
