"""Rules that infer the taker's side of a print from its price, the quote before it and the prints before it.

Quote: over the mid a buy, under it a sale. Tick: over the last different price a buy, under it a sale. Lee-Ready (1991): quote, at
the mid tick. EMO (Ellis, Michaely, O'Hara 2000): at the ask a buy, at the bid a sale, else tick. CLNV (Chakrabarty, Li, Nguyen,
Van Ness 2007): within 30 % of the spread from ask or bid by quote, else tick. Depth: at the mid, the side with less size was
taken. Trade size (Grauer, Schuster, Uhrig-Homburg 2023): a print of exactly the bid's size filled a customer's bid and is a buy, of the ask's a sale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

RULES = ("venue", "quote", "tick", "lee_ready", "emo", "clnv", "depth", "trade_size", "reverse_tick")
"""Names of the rules; ``venue``: the side the venue prints; ``reverse_tick`` looks at the next price and is for research alone."""
VENUE, QUOTE, TICK, LEE_READY, EMO, CLNV, DEPTH, TRADE_SIZE, REVERSE_TICK = range(len(RULES))
CLNV_SHARE = 0.3
_CLOSE = 1e-9


def rule_codes(rules: Sequence[str], *, ahead: bool = False) -> npt.NDArray[np.int64]:
    """Places of rules in ``RULES``.

    Raises
    ------
    ValueError
        No such rule, none at all, or ``reverse_tick`` where nothing may look ahead.

    Examples
    --------
    >>> rule_codes(["quote", "tick"]).tolist()
    [1, 2]
    """
    for rule in rules:
        if rule not in RULES:
            raise ValueError(f"no side rule {rule!r}; known are {', '.join(RULES)}")
        if rule == "reverse_tick" and not ahead:
            raise ValueError(
                "reverse_tick looks at the next price: it is for flow.sides.sides, not for an engine"
            )
    if not rules:
        raise ValueError(f"name at least one side rule of {', '.join(RULES)}")
    return np.array([RULES.index(rule) for rule in rules], dtype=np.int64)


@numba.njit(cache=True)
def _is_close(one: float, other: float) -> bool:
    return abs(one - other) <= _CLOSE * max(abs(one), abs(other), 1.0)


@numba.njit(cache=True)
def usable_quote(bid: float, ask: float) -> bool:
    """Whether both sides are there and neither cross nor lock."""
    return bid > 0.0 and ask > bid


@numba.njit(cache=True)
def quote_side(price: float, bid: float, ask: float) -> int:
    """+1 over the mid, -1 under it, 0 at it or without a usable quote."""
    if not usable_quote(bid, ask):
        return 0
    mid = 0.5 * (bid + ask)
    return 0 if _is_close(price, mid) else 1 if price > mid else -1


@numba.njit(cache=True)
def tick_side(price: float, last: float, direction: int) -> int:
    """+1 over the last price, -1 under it, at it the direction of the last change; 0 before any change."""
    if np.isnan(last):
        return 0
    return direction if price == last else 1 if price > last else -1


@numba.njit(cache=True)
def emo_side(price: float, bid: float, ask: float, tick: int) -> int:
    """At the quote by the quote, elsewhere by the tick."""
    if usable_quote(bid, ask):
        if _is_close(price, ask):
            return 1
        if _is_close(price, bid):
            return -1
    return tick


@numba.njit(cache=True)
def clnv_side(price: float, bid: float, ask: float, tick: int) -> int:
    """Within 30 % of the spread from a side by the quote, in the middle and outside by the tick."""
    if usable_quote(bid, ask):
        near = CLNV_SHARE * (ask - bid)
        if ask - near < price <= ask:
            return 1
        if bid <= price < bid + near:
            return -1
    return tick


@numba.njit(cache=True)
def depth_side(price: float, quote: Any) -> int:
    """At the mid: +1 where the ask is the larger, -1 where the bid is; 0 elsewhere."""
    if not usable_quote(quote[0], quote[1]) or not _is_close(price, 0.5 * (quote[0] + quote[1])):
        return 0
    return 1 if quote[3] > quote[2] else -1 if quote[3] < quote[2] else 0


@numba.njit(cache=True)
def trade_size_side(size: float, quote: Any) -> int:
    """+1 where the size is the bid's and not the ask's, -1 the other way round; 0 elsewhere."""
    bid, ask = _is_close(size, quote[2]), _is_close(size, quote[3])
    return 0 if bid == ask else 1 if bid else -1


@numba.njit(cache=True)
def side_by_rule(rule: int, price: float, size: float, quote: Any, last: float, direction: int) -> int:
    """Side by one rule; ``quote`` is bid, ask, bid size, ask size, NaN where there is none."""
    bid, ask = quote[0], quote[1]
    if rule == QUOTE:
        return quote_side(price, bid, ask)
    if rule == DEPTH:
        return depth_side(price, quote)
    if rule == TRADE_SIZE:
        return trade_size_side(size, quote)
    tick = tick_side(price, last, direction)
    if rule == LEE_READY:
        by_quote = quote_side(price, bid, ask)
        return by_quote if by_quote != 0 else tick
    if rule == EMO:
        return emo_side(price, bid, ask, tick)
    return clnv_side(price, bid, ask, tick) if rule == CLNV else tick
