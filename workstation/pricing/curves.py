"""The expiry curves of an underlying's options: forward, discount and yield of each expiry, and the spot in step with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.market.calendar import years as year_fractions
from workstation.market.dividends import Dividends
from workstation.market.tables import NO_TIME
from workstation.pricing.exercise import RateCurve, pairs_of, without_exercise
from workstation.pricing.forward import PARITY, SOURCES, Forwards, filled_with_index, forwards, joined
from workstation.pricing.fresh import STALE_AFTER_S, Codes, Floats, fresh_fields, limit_of, newest_index
from workstation.pricing.latest import FUTURE, OPTION, LatestMarks
from workstation.pricing.spot import Spot, spot_in_step

Times = npt.NDArray[np.int64]
_TOLD: Final = (SOURCES.index("venue"), SOURCES.index("future"))


class Curves(NamedTuple):
    """Live options of an underlying, shape (n,), and the curves of their expiries.

    ``group`` is the place in ``curve`` of each option, ``yields`` the yield of each, NaN of European ones and where none is
    implied; ``reported`` holds fresh fields by name; ``expired`` counts the options that are left out.
    """

    live: Codes
    is_call: npt.NDArray[np.bool_]
    strike: Floats
    expiry_ns: Times
    years: Floats
    early: npt.NDArray[np.bool_]
    yields: Floats
    reported: dict[str, Floats]
    priced_ns: Times
    limit_ns: int
    curve: Forwards
    group: npt.NDArray[np.intp]
    spot: Spot
    index_ns: int
    expired: int

    def of_expiries(self, expiry_ns: Times) -> tuple[Floats, Floats, Floats]:
        """Forward, discount and yield of expiries, as their first American option has them; NaN of expiries without one."""
        found = np.full((3, expiry_ns.size), np.nan)
        known, first = np.unique(np.where(self.early, self.expiry_ns, NO_TIME), return_index=True)
        at = np.minimum(np.searchsorted(known, expiry_ns), max(known.size - 1, 0))
        hit = (
            np.flatnonzero((known[at] == expiry_ns) & (expiry_ns != NO_TIME))
            if known.size
            else np.empty(0, np.int64)
        )
        rows = first[at[hit]] if known.size else hit
        group = self.group[rows]
        found[:, hit] = self.curve.forward[group], self.curve.discount[group], self.yields[rows]
        return found[0], found[1], found[2]


def curves_of(
    latest: LatestMarks,
    *,
    underlying: str,
    asof_ns: int,
    stale_after_s: float = STALE_AFTER_S,
    rates: RateCurve | None = None,
    dividends: Dividends | None = None,
) -> Curves:
    """The curves of an underlying at an instant; arguments as for ``contracts``."""
    known = np.flatnonzero((latest.underlying == _id_of(latest, underlying)) & latest.seen)
    options = known[latest.kind[known] == OPTION]
    live = options[latest.expiry_ns[options] > asof_ns]
    live, (is_call, strike, expiry_ns) = _in_order(latest, live)
    limit_ns = limit_of(asof_ns, stale_after_s)
    reported = fresh_fields(latest, live, ("forward", "bid", "ask", "mark", "mark_iv"), limit_ns)
    index, index_ns = newest_index(latest, known, limit_ns)
    years = np.asarray(year_fractions(asof_ns=asof_ns, expiry_ns=expiry_ns), dtype=np.float64)
    curve, group = _curve(latest, live, years, reported, known[latest.kind[known] == FUTURE], limit_ns)
    priced_ns = latest.priced_ns()[live]
    by_expiry = _first_of(group, years, curve.expiry_ns.size)
    quotes_ns = int(priced_ns.max(initial=NO_TIME))

    def spot_of(of: Forwards) -> Spot:
        return spot_in_step(index=index, index_ns=index_ns, quotes_ns=quotes_ns, curve=of, years=by_expiry)

    spot = spot_of(curve)
    early = latest.american[live] & ~latest.inverse[live]
    yields = np.full(live.size, np.nan)
    if early.any():
        curve, pays = _exercised(
            latest, live, early, group, by_expiry, curve, reported, spot, rates, _paid(dividends, asof_ns)
        )
        spot = spot_of(curve)
        curve, pays = _told(
            curve, pays, np.unique(group[early]), by_expiry, spot, rates, _paid(dividends, asof_ns)
        )
        yields = np.where(early, pays[group], np.nan)
    curve = filled_with_index(curve, spot.value if index > 0 else np.nan)
    return Curves(
        live, is_call, strike, expiry_ns, years, early, yields, reported, priced_ns, limit_ns, curve, group, spot, index_ns,
        options.size - live.size,
    )  # fmt: skip


def _exercised(
    latest: LatestMarks,
    live: Codes,
    early: npt.NDArray[np.bool_],
    group: npt.NDArray[Any],
    years: Floats,
    curve: Forwards,
    reported: dict[str, Floats],
    spot: Spot,
    rates: RateCurve | None,
    paid: Callable[[Times, Floats], Floats] | None,
) -> tuple[Forwards, Floats]:
    """The curve with early exercise taken out of the parity of American expiries, and their yields."""
    rows = np.unique(group[early])
    rows = rows[(curve.source[rows] == PARITY) & (years[rows] > 0)]
    at = spot.implied if spot.implied > 0 and (paid is None or spot.source != "index") else spot.value
    if not rows.size or not at > 0:
        return curve, np.full(years.size, np.nan)
    pairs = pairs_of(
        np.where(early, group, -1),
        latest.strike[live],
        latest.is_call[live],
        reported["bid"],
        reported["ask"],
        rows,
        spot.value,
    )
    return without_exercise(curve, years, at, pairs, rates, paid)


def _told(
    curve: Forwards,
    pays: Floats,
    american: npt.NDArray[np.intp],
    years: Floats,
    spot: Spot,
    rates: RateCurve | None,
    paid: Callable[[Times, Floats], Floats] | None,
) -> tuple[Forwards, Floats]:
    """Yields of American expiries whose forward a venue or a future tells: what takes the spot to it, given the discount.

    The discount is that of ``rates``, else the curve's. Without an index in step nothing is implied.
    """
    rows = american[np.isin(curve.source[american], _TOLD) & (years[american] > 0)]
    if not rows.size or spot.source != "index" or spot.flag:
        return curve, pays
    time = years[rows]
    if rates is not None:
        rate, off = rates.at(time)
        discount, error = curve.discount.copy(), curve.discount_error.copy()
        discount[rows] = np.exp(-rate * time)
        error[rows] = discount[rows] * off * time
        curve = replace(curve, discount=discount, discount_error=error)
    rate = -np.log(curve.discount[rows]) / time
    left = spot.value - (0.0 if paid is None else paid(curve.expiry_ns[rows], rate))
    found = pays.copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        found[rows] = rate - np.log(curve.forward[rows] / left) / time
    return curve, found


def _paid(dividends: Dividends | None, asof_ns: int) -> Callable[[Times, Floats], Floats] | None:
    if dividends is None:
        return None
    return lambda expiry_ns, rate: dividends.worth(asof_ns=asof_ns, expiry_ns=expiry_ns, rate=rate)


def _id_of(latest: LatestMarks, underlying: str) -> int:
    if underlying not in latest.underlyings:
        names = ", ".join(sorted(filter(None, latest.underlyings))) or "none"
        raise ValueError(f"nothing is known of underlying {underlying!r}; known underlyings: {names}")
    return latest.underlyings.index(underlying)


def _in_order(latest: LatestMarks, codes: Codes) -> tuple[Codes, tuple[npt.NDArray[Any], ...]]:
    """By expiry, strike, call before put; of equals by values, so that the registry's order plays no part.

    Returns the codes, and of each whether it is a call, its strike and its expiry.
    """
    puts, strike, expiry_ns = ~latest.is_call[codes], latest.strike[codes], latest.expiry_ns[codes]
    order = np.lexsort((puts, strike, expiry_ns))
    terms = puts[order], strike[order], expiry_ns[order]
    again = terms[1][1:] == terms[1][:-1]
    again &= (terms[2][1:] == terms[2][:-1]) & (terms[0][1:] == terms[0][:-1])
    if again.any():
        values = latest.field("open_interest")[codes], latest.field("mark_iv")[codes]
        order = np.lexsort((*values, puts, strike, expiry_ns))
    return codes[order], (~terms[0], terms[1], terms[2])


def _curve(
    latest: LatestMarks, live: Codes, years: Floats, told: dict[str, Floats], listed: Codes, limit_ns: int
) -> tuple[Forwards, npt.NDArray[np.intp]]:
    """Forwards of every expiry of every venue, each from its own venue's rows, and the place of each contract's."""
    planes = latest.venue[live]
    if not planes.size or (planes == planes[0]).all():
        curve = _forwards(latest, live, years, told, listed, limit_ns)
        return curve, np.searchsorted(curve.expiry_ns, latest.expiry_ns[live])
    parts: list[Forwards] = []
    group = np.zeros(live.size, dtype=np.intp)
    for plane in np.unique(planes):
        at = np.flatnonzero(planes == plane)
        own = {name: values[at] for name, values in told.items()}
        futures = listed[latest.venue[listed] == plane]
        curve = _forwards(latest, live[at], years[at], own, futures, limit_ns)
        group[at] = sum(part.expiry_ns.size for part in parts) + np.searchsorted(
            curve.expiry_ns, latest.expiry_ns[live[at]]
        )
        parts.append(curve)
    return joined(parts), group


def _first_of(group: npt.NDArray[Any], values: Floats, count: int) -> Floats:
    """A value of each group; those of one group are equal."""
    found = np.full(count, np.nan)
    found[group] = values
    return found


def _forwards(
    latest: LatestMarks,
    live: Codes,
    years: Floats,
    told: dict[str, Floats],
    listed: Codes,
    limit_ns: int,
) -> Forwards:
    mark = fresh_fields(latest, listed, ("mark",), limit_ns)["mark"]
    order = np.argsort(latest.time("model")[listed], kind="stable")
    futures = {int(latest.expiry_ns[listed[row]]): float(mark[row]) for row in order if mark[row] > 0}
    return forwards(
        expiry_ns=latest.expiry_ns[live],
        years=years,
        venue=told["forward"],
        venue_ns=latest.time("forward")[live],
        strike=latest.strike[live],
        is_call=latest.is_call[live],
        inverse=latest.inverse[live],
        american=latest.american[live],
        bid=told["bid"],
        ask=told["ask"],
        futures=futures,
    )
