"""The forward of an expiry: the venue's, the listed future's, put-call parity's, else the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.pricing.cells import distinct

Floats = npt.NDArray[np.float64]

SOURCES: tuple[str, ...] = ("none", "venue", "future", "parity", "index")
"""Where a forward came from, by code; the first that is known in this order is taken."""
NEAR_STRIKES = 21
"""Parity looks at no more than this many strikes, those nearest the money."""
_NEVER = np.iinfo(np.int64).min
WIDEST = 2.0 + 1e-9
"""Widest spread of a liquid strike, in lower quartiles of the spread; the margin lets equal spreads be equal."""


class Parity(NamedTuple):
    """Forward and discount factor implied by put-call parity; NaN forward when nothing can be said."""

    forward: float
    discount: float


def parity(
    *,
    strikes: npt.ArrayLike,
    call_bids: npt.ArrayLike,
    call_asks: npt.ArrayLike,
    put_bids: npt.ArrayLike,
    put_asks: npt.ArrayLike,
    inverse: bool = False,
    discount: float | None = None,
) -> Parity:
    """Forward of one expiry from put-call parity, the median over its liquid strikes.

    A strike is liquid when call and put both have a two-sided, uncrossed quote, and the two spreads together are
    at most twice the lower quartile of the ``NEAR_STRIKES`` strikes with the smallest \\|call - put\\|. For premiums
    in cash, C - P = D (F - K): D is minus the median slope between pairs of liquid strikes (Theil-Sen), kept only when there are at least five
    strikes and 0.8 <= D <= 1.05, else 1; F is the median of K + (C - P) / D. For premiums in
    coin (``inverse``), c - p = 1 - K / F needs no discount.

    Parity holds for european options. For american ones it is an approximation near the money, and the slope says
    nothing about rates: give them ``discount`` 1.

    Parameters
    ----------
    strikes, call_bids, call_asks, put_bids, put_asks
        Shape (n,), one row per strike; quotes in premium currency, NaN where empty.
    inverse
        Whether premiums are in coin.
    discount
        Discount factor where it is known; None to measure it.

    Returns
    -------
    Parity
        NaN forward when no strike is liquid.

    Examples
    --------
    >>> quotes = dict(call_bids=[11.9, 4.9], call_asks=[12.1, 5.1], put_bids=[1.9, 4.9], put_asks=[2.1, 5.1])
    >>> parity(strikes=[90.0, 100.0], **quotes)
    Parity(forward=100.0, discount=1.0)
    """
    strike = np.asarray(strikes, dtype=np.float64)
    bid_call, ask_call, bid_put, ask_put = (
        np.asarray(quote, dtype=np.float64) for quote in (call_bids, call_asks, put_bids, put_asks)
    )
    with np.errstate(invalid="ignore"):
        liquid = (bid_call > 0) & (ask_call >= bid_call) & (bid_put > 0) & (ask_put >= bid_put)
    if not liquid.any():
        return Parity(float("nan"), 1.0)
    gap = (0.5 * (bid_call + ask_call - bid_put - ask_put))[liquid]
    strike = strike[liquid]
    width = (ask_call - bid_call + ask_put - bid_put)[liquid]
    near = np.argsort(np.abs(gap), kind="stable")[:NEAR_STRIKES]
    near = near[width[near] <= WIDEST * np.quantile(width[near], 0.25)]
    gap, strike = gap[near], strike[near]
    if inverse:
        return Parity(float(np.median(strike / (1.0 - gap))), 1.0)
    discount = _discount(strike, gap) if discount is None else discount
    return Parity(float(np.median(strike + gap / discount)), discount)


def _discount(strike: Floats, gap: Floats) -> float:
    if strike.size < 5:
        return 1.0
    left, right = np.triu_indices(strike.size, 1)
    apart = strike[right] != strike[left]
    slopes = (gap[right] - gap[left])[apart] / (strike[right] - strike[left])[apart]
    discount = -float(np.median(slopes)) if slopes.size else 1.0
    return discount if 0.8 <= discount <= 1.05 else 1.0


@dataclass(frozen=True)
class Forwards:
    """Forward of each of m expiries (``expiry_ns`` ascending) with its discount factor and source."""

    expiry_ns: npt.NDArray[np.int64]
    forward: Floats
    discount: Floats
    source: npt.NDArray[np.int8]


def newest_per_group(
    *, groups: npt.ArrayLike, times: npt.ArrayLike, values: npt.ArrayLike, count: int
) -> Floats:
    """The finite value with the latest time in each of ``count`` groups; NaN for a group without one.

    Of equal times it is the median, so that the order of rows plays no part.

    Examples
    --------
    >>> newest_per_group(groups=[0, 0, 0, 1], times=[2, 1, 2, 5], values=[7.0, 8.0, 9.0, np.nan], count=2).tolist()
    [8.0, nan]
    """
    group, time, value = np.asarray(groups), np.asarray(times), np.asarray(values, dtype=np.float64)
    newest, latest, differ = _newest(group, time, value, count)
    if not differ:
        return np.asarray(newest, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(value) & (time == latest[group]))
    order = known[np.lexsort((value[known], group[known]))]
    found, first, size = np.unique(group[order], return_index=True, return_counts=True)
    newest[found] = 0.5 * (value[order][first + (size - 1) // 2] + value[order][first + size // 2])
    return np.asarray(newest, dtype=np.float64)


@numba.njit(cache=True)
def _newest(group: Any, time: Any, value: Any, count: int) -> Any:
    """Newest value and its time of each group, and whether values of one time and group differ."""
    newest, latest = np.full(count, np.nan), np.full(count, _NEVER)
    differ = False
    for i in range(value.size):
        at = group[i]
        if np.isnan(value[i]) or time[i] < latest[at]:
            continue
        differ |= time[i] == latest[at] and value[i] != newest[at] and not np.isnan(newest[at])
        newest[at], latest[at] = value[i], time[i]
    return newest, latest, differ


def forwards(
    *,
    expiry_ns: npt.NDArray[np.int64],
    venue: Floats,
    venue_ns: npt.NDArray[np.int64],
    strike: Floats,
    is_call: npt.NDArray[np.bool_],
    inverse: npt.NDArray[np.bool_],
    american: npt.NDArray[np.bool_],
    bid: Floats,
    ask: Floats,
    futures: dict[int, float],
    index: float,
) -> Forwards:
    """One forward per expiry of the contracts given, the best source known.

    ``venue`` is the venue's own forward of each contract, the newest of an expiry counts; ``futures`` is the
    listed future's mark by expiry instant; then parity on ``bid`` and ``ask``; then ``index``. Discount factors
    are 1 except where parity on cash premiums of european options measures one.
    """
    expiries, group = distinct(expiry_ns)
    forward = newest_per_group(groups=group, times=venue_ns, values=venue, count=expiries.size)
    source = np.where(np.isnan(forward), 0, 1).astype(np.int8)
    discount = np.ones(expiries.size)
    for row in np.flatnonzero(source == 0):
        listed = futures.get(int(expiries[row]), float("nan"))
        if listed > 0:
            forward[row], source[row] = listed, 2
            continue
        at = group == row
        implied = _parity_of(strike[at], is_call[at], inverse[at], american[at], bid[at], ask[at])
        if implied.forward > 0:
            (forward[row], discount[row]), source[row] = implied, 3
        elif index > 0:
            forward[row], source[row] = index, 4
    return Forwards(expiries, forward, discount, source)


def _parity_of(strike: Floats, is_call: Any, inverse: Any, american: Any, bid: Floats, ask: Floats) -> Parity:
    coin = bool(inverse.mean() > 0.5) if inverse.size else False
    same = inverse == coin
    calls, puts = np.flatnonzero(is_call & same), np.flatnonzero(~is_call & same)
    strikes, call_rows, put_rows = np.intersect1d(strike[calls], strike[puts], return_indices=True)
    call, put = calls[call_rows], puts[put_rows]
    return parity(
        strikes=strikes,
        call_bids=bid[call],
        call_asks=ask[call],
        put_bids=bid[put],
        put_asks=ask[put],
        inverse=coin,
        discount=1.0 if american.any() else None,
    )
