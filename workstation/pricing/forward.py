"""The forward of an expiry: the venue's, the listed future's, put-call parity's, else the index."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from workstation.pricing.cells import distinct
from workstation.pricing.parity import UNKNOWN, Line, Parity, drawn_to_pool, line, liquid_strikes, parity

Floats = npt.NDArray[np.float64]

SOURCES: tuple[str, ...] = ("none", "venue", "future", "parity", "index")
"""Where a forward came from, by code; the first that is known in this order is taken."""
PARITY = SOURCES.index("parity")
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Forwards:
    """Forward of each of m expiries (``expiry_ns`` ascending) with its discount factor, their standard errors and the source.

    An error is NaN where the number is not measured: the venue's, a listed future's, the index, a discount of 1.
    """

    expiry_ns: npt.NDArray[np.int64]
    forward: Floats
    discount: Floats
    forward_error: Floats
    discount_error: Floats
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
    years: Floats,
    venue: Floats,
    venue_ns: npt.NDArray[np.int64],
    strike: Floats,
    is_call: npt.NDArray[np.bool_],
    inverse: npt.NDArray[np.bool_],
    american: npt.NDArray[np.bool_],
    bid: Floats,
    ask: Floats,
    futures: dict[int, float],
) -> Forwards:
    """One forward per expiry of the contracts given, the best source known.

    ``venue`` is the venue's own forward of each contract, the newest of an expiry counts; ``futures`` is the
    listed future's mark by expiry instant; then parity on ``bid`` and ``ask``; then none. Discount factors
    are 1 except where parity on cash premiums of european options measures them: each is drawn to the rate that the other
    expiries tell, by precision (``parity.drawn_to_pool``).
    """
    expiries, group = distinct(expiry_ns)
    forward = newest_per_group(groups=group, times=venue_ns, values=venue, count=expiries.size)
    source = np.where(np.isnan(forward), 0, 1).astype(np.int8)
    numbers = np.column_stack((np.ones(expiries.size), np.full((expiries.size, 2), np.nan)))
    lines: dict[int, Line] = {}
    for row in np.flatnonzero(source == 0).tolist():
        listed = futures.get(int(expiries[row]), float("nan"))
        if listed > 0:
            forward[row], source[row] = listed, 2
            continue
        at = group == row
        implied = _implied(strike[at], is_call[at], inverse[at], american[at], bid[at], ask[at])
        if isinstance(implied, Line):
            lines[row] = implied
        elif implied.forward > 0:
            forward[row], source[row], numbers[row] = implied.forward, 3, implied[1:]
    if lines:
        _draw(lines, _years_of(group, years, expiries.size), forward, source, numbers)
    discount, forward_error, discount_error = numbers[:, 0], numbers[:, 1], numbers[:, 2]
    return Forwards(expiries, forward, discount, forward_error, discount_error, source)


def joined(parts: list[Forwards]) -> Forwards:
    """Forwards of several venues one after the other."""
    names = [field.name for field in fields(Forwards)]
    return Forwards(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def filled_with_index(curve: Forwards, index: float) -> Forwards:
    """The same, with the index as the forward of expiries that have none."""
    missing = (curve.source == 0) & (index > 0)
    if not missing.any():
        return curve
    source = np.where(missing, SOURCES.index("index"), curve.source).astype(np.int8)
    return replace(curve, forward=np.where(missing, index, curve.forward), source=source)


def _years_of(group: npt.NDArray[Any], years: Floats, count: int) -> Floats:
    found = np.full(count, np.nan)
    found[group] = years
    return found


def _draw(lines: dict[int, Line], years: Floats, forward: Floats, source: Any, numbers: Floats) -> None:
    """Put the forwards of the expiries whose lines are known into their rows."""
    rows = list(lines)
    for row, implied in zip(rows, drawn_to_pool(list(lines.values()), years[rows]), strict=True):
        if implied.forward > 0:
            forward[row], source[row], numbers[row] = implied.forward, 3, implied[1:]


def _implied(
    strike: Floats, is_call: Any, inverse: Any, american: Any, bid: Floats, ask: Floats
) -> Line | Parity:
    """What parity says of an expiry: the line of its quotes where the discount is to be measured."""
    coin = bool(inverse.mean() > 0.5) if inverse.size else False
    same = inverse == coin
    calls, puts = np.flatnonzero(is_call & same), np.flatnonzero(~is_call & same)
    strikes, call_rows, put_rows = np.intersect1d(strike[calls], strike[puts], return_indices=True)
    call, put = calls[call_rows], puts[put_rows]
    quotes: dict[str, Any] = {
        "strikes": strikes,
        "call_bids": bid[call],
        "call_asks": ask[call],
        "put_bids": bid[put],
        "put_asks": ask[put],
    }
    if coin or american.any():
        return parity(**quotes, inverse=coin, discount=1.0 if american.any() else None)
    liquid = liquid_strikes(**quotes)
    return line(*liquid) if liquid[0].size else UNKNOWN
