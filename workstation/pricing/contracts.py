"""The contracts of one underlying at one instant, as flat arrays: what engines compute on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.market.calendar import years as year_fractions
from workstation.market.tables import NO_TIME
from workstation.pricing.black import greeks
from workstation.pricing.cells import Cells
from workstation.pricing.contracts_ledger import (
    ages,
    counts_by_name,
    coverage,
    known_told,
    spot_told,
    venues_told,
)
from workstation.pricing.exercise import (
    RateCurve,
    american_greeks,
    american_terms,
    american_vols,
    off_a_vol_point,
    pairs_of,
    without_exercise,
)
from workstation.pricing.forward import PARITY, SOURCES, Forwards, filled_with_index, forwards, joined
from workstation.pricing.fresh import (
    STALE_AFTER_S,
    Codes,
    Floats,
    fresh_fields,
    fresh_quotes,
    limit_of,
    newest_index,
)
from workstation.pricing.implied import implied_vol
from workstation.pricing.latest import FUTURE, NO_TERMS, OPTION, LatestMarks
from workstation.pricing.spot import Spot, spot_in_step

__all__ = [
    "GREEKS",
    "IV_SOURCES",
    "STALE_AFTER_S",
    "ContractArrays",
    "Floats",
    "contracts",
    "fresh_quotes",
]

Times = npt.NDArray[np.int64]

DISCOUNTS = "measured by put-call parity, each drawn to the rate of the other expiries by precision"
IV_SOURCES: tuple[str, ...] = ("none", "mark_iv", "implied from mark", "mid", "other right")
"""Where a vol is from; ``mid``: implied by the middle of a two-sided quote on the expiry's forward; ``other right``: that of the
call or put of the same strike, where an American contract is worth no more than its exercise and so tells no vol."""
OTHER_RIGHT = IV_SOURCES.index("other right")
REASONS: tuple[str, ...] = ("", "stale", "no_forward", "no_iv")
GREEKS: tuple[str, ...] = ("delta", "gamma", "vega", "theta", "rho", "vanna", "charm", "vomma")


@dataclass(frozen=True, eq=False)
class ContractArrays:
    """Priced contracts of one underlying, arrays of shape (n,), sorted by expiry, strike, call before put.

    Attributes
    ----------
    underlying, asof_ns, spot
        Name, instant of the snapshot (UTC ns), index in USD.
    codes, venue_ids, venue_names
        Registry code of each contract, and which of the names is the venue whose row it is; the empty name: all venues share it.
    slots
        Where its newest state stands in ``LatestMarks``.
    event_ns
        When its newest price or vol happened.
    expiry_ns, years, strike, is_call, multiplier, inverse
        Terms; ``years`` is ACT/365 from ``asof_ns``, floored at five minutes.
    forward, discount, vol
        What it was priced with: USD, 1, annual decimal.
    forward_error, discount_error
        Standard errors of ``forward`` and ``discount``; NaN where they are not measured.
    forward_source, iv_source
        Indices into ``SOURCES`` and ``IV_SOURCES``.
    open_interest, open_interest_ns, volume_24h
        Contracts; NaN when not known.
    american, yields
        Whether it can be exercised before its expiry; the continuous yield (dividends, cost of borrowing) it is priced with,
        NaN of European ones.
    greeks
        Of the USD value per unit of underlying, with respect to the forward, by name (``GREEKS``): Black-76, of American
        contracts with early exercise; vega per 1.00 vol, theta and charm per year.
    ledger
        Sources, ages, coverage and what was left out, as plain numbers and strings.
    """

    underlying: str
    asof_ns: int
    spot: float
    codes: Codes
    venue_ids: npt.NDArray[np.int16]
    venue_names: tuple[str, ...]
    slots: Codes
    event_ns: Times
    expiry_ns: Times
    years: Floats
    strike: Floats
    is_call: npt.NDArray[np.bool_]
    multiplier: Floats
    inverse: npt.NDArray[np.bool_]
    american: npt.NDArray[np.bool_]
    yields: Floats
    forward: Floats
    discount: Floats
    vol: Floats
    forward_error: Floats
    discount_error: Floats
    forward_source: npt.NDArray[np.int8]
    iv_source: npt.NDArray[np.int8]
    open_interest: Floats
    open_interest_ns: Times
    volume_24h: Floats
    greeks: dict[str, Floats]
    ledger: dict[str, Any]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def venue(self) -> npt.NDArray[Any]:
        """Name of the venue of each contract."""
        return np.array(self.venue_names, dtype=object)[self.venue_ids]

    @cached_property
    def cells(self) -> Cells:
        """The contracts by expiry and strike."""
        return Cells(expiry_ns=self.expiry_ns, strike=self.strike, is_call=self.is_call)


def contracts(
    latest: LatestMarks,
    *,
    underlying: str,
    asof_ns: int,
    stale_after_s: float = STALE_AFTER_S,
    names: tuple[str, ...] = GREEKS,
    rates: RateCurve | None = None,
) -> ContractArrays:
    """Price what is known of an underlying's options at an instant; ``names``: which greeks, ``rates``: of American chains.

    Vols, prices, forwards and indices older than ``stale_after_s`` are as good as unknown. Left out, and counted in ``ledger["dropped"]`` under the first reason that holds: ``expired``
    (``expiry_ns <= asof_ns``), ``stale`` (newest price or vol older than ``stale_after_s``), ``no_forward``,
    ``no_iv`` (no mark_iv, and none implied by mark or mid); ``no_terms``: options whose terms are not known.
    """
    known = np.flatnonzero((latest.underlying == _id_of(latest, underlying)) & latest.seen)
    options = known[latest.kind[known] == OPTION]
    live = options[latest.expiry_ns[options] > asof_ns]
    live, (is_call, strike, expiry_ns) = _in_order(latest, live)
    limit_ns = limit_of(asof_ns, stale_after_s)
    reported = fresh_fields(latest, live, ("forward", "bid", "ask", "mark", "mark_iv"), limit_ns)
    index, index_ns = newest_index(latest, known, limit_ns)
    venues = latest.venue[live]
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
        curve, pays = _exercised(latest, live, early, group, by_expiry, curve, reported, spot, rates)
        spot, yields = spot_of(curve), np.where(early, pays[group], np.nan)
    curve = filled_with_index(curve, spot.value if index > 0 else np.nan)
    forward, discount = curve.forward[group], curve.discount[group]
    vol, iv_source = _vols(latest, live, reported, forward, discount, years, early, yields)
    reasons = _reasons(priced_ns, limit_ns, forward, vol)
    keep = np.flatnonzero(reasons == 0)
    kept = _all if keep.size == live.size else partial(np.take, indices=keep)
    slots = kept(live)
    dropped = np.bincount(reasons, minlength=len(REASONS)).tolist()
    open_interest, published_ns = latest.field("open_interest")[slots], latest.published_ns[slots]
    ledger = {
        **spot_told(spot, asof_ns, index_ns),
        "forward_source": counts_by_name(SOURCES, curve.source),
        "discount": DISCOUNTS if np.isfinite(curve.discount_error).any() else "1",
        "iv_source": counts_by_name(IV_SOURCES, kept(iv_source)),
        **ages(kept(priced_ns), published_ns, asof_ns),
        "coverage": coverage(latest, slots, live),
        **venues_told(latest.venues, kept(venues)),
        "contracts": len(slots),
        **known_told(open_interest),
        "dropped": {
            "expired": options.size - live.size,
            **dict(zip(REASONS[1:], dropped[1:], strict=True)),
            "no_terms": int(np.count_nonzero(latest.seen & (latest.kind == NO_TERMS))),
        },
        "stale_after_s": stale_after_s,
    }
    american = kept(early)
    if american.any():
        ledger |= _exercise_told(
            reported, live, keep, american, forward, discount, vol, years, yields, latest
        )
    terms = {
        "strike": kept(strike),
        "years": kept(years),
        "is_call": kept(is_call),
        "forward": kept(forward),
        "discount": kept(discount),
        "vol": kept(vol),
    }
    return ContractArrays(
        underlying=underlying,
        asof_ns=asof_ns,
        spot=spot.value,
        codes=latest.code[slots],
        venue_ids=kept(venues),
        venue_names=tuple(latest.venues),
        slots=slots,
        event_ns=kept(priced_ns),
        expiry_ns=kept(expiry_ns),
        multiplier=latest.multiplier[slots],
        inverse=latest.inverse[slots],
        american=american,
        yields=kept(yields),
        forward_error=kept(curve.forward_error[group]),
        discount_error=kept(curve.discount_error[group]),
        forward_source=kept(curve.source[group]),
        iv_source=kept(iv_source),
        open_interest=open_interest,
        open_interest_ns=published_ns,
        volume_24h=latest.field("volume_24h")[slots],
        greeks=contract_greeks(names=names, american=american, yields=kept(yields), **terms),
        ledger=ledger,
        **terms,
    )


def _all(values: Any) -> Any:
    """The values of contracts when none is left out."""
    return values


def contract_greeks(
    *,
    names: tuple[str, ...],
    strike: Floats,
    years: Floats,
    is_call: npt.NDArray[np.bool_],
    forward: Floats,
    discount: Floats,
    vol: Floats,
    american: npt.NDArray[np.bool_],
    yields: Floats,
) -> dict[str, Floats]:
    """Greeks of contracts with respect to the forward, each by its style; arguments as in ``ContractArrays``."""
    found = greeks(
        forwards=forward,
        strikes=strike,
        years=years,
        vols=vol,
        is_call=is_call,
        discounts=discount,
        names=names,
    )
    rows = np.flatnonzero(american)
    if rows.size:
        terms = american_terms(
            forward=forward[rows], discount=discount[rows], years=years[rows], strike=strike[rows],
            is_call=is_call[rows], yields=yields[rows],
        )  # fmt: skip
        for name, values in american_greeks(vol[rows], terms, names).items():
            found[name][rows] = values
    return found


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
) -> tuple[Forwards, Floats]:
    """The curve with early exercise taken out of the parity of American expiries, and their yields."""
    rows = np.unique(group[early])
    rows = rows[(curve.source[rows] == PARITY) & (years[rows] > 0)]
    at = spot.implied if spot.implied > 0 else spot.value
    if not rows.size or not at > 0:
        return curve, np.full(years.size, np.nan)
    pairs = pairs_of(
        np.where(early, group, -1),
        latest.strike[live],
        latest.is_call[live],
        reported["bid"],
        reported["ask"],
        rows,
    )
    return without_exercise(curve, years, at, pairs, rates)


def _exercise_told(
    reported: dict[str, Floats],
    live: Codes,
    keep: npt.NDArray[np.int64],
    american: npt.NDArray[np.bool_],
    forward: Floats,
    discount: Floats,
    vol: Floats,
    years: Floats,
    yields: Floats,
    latest: LatestMarks,
) -> dict[str, Any]:
    """What the ledger says of early exercise."""
    rows = keep[american]
    bid, ask = reported["bid"][rows], reported["ask"][rows]
    price = np.where(reported["mark"][rows] > 0, reported["mark"][rows], 0.5 * (bid + ask))
    terms = american_terms(
        forward=forward[rows], discount=discount[rows], years=years[rows], strike=latest.strike[live[rows]],
        is_call=latest.is_call[live[rows]], yields=yields[rows],
    )  # fmt: skip
    return {
        "exercise": "american" if american.all() else "european and american",
        "exercise_contracts": int(rows.size),
        "exercise_off_a_vol_point": off_a_vol_point(price, vol[rows], forward[rows], discount[rows], terms),
        "dividends": "continuous yield by expiry, implied by parity without early exercise",
    }


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


def _vols(
    latest: LatestMarks,
    live: Codes,
    told: dict[str, Floats],
    forward: Floats,
    discount: Floats,
    years: Floats,
    early: npt.NDArray[np.bool_],
    yields: Floats,
) -> tuple[Floats, npt.NDArray[np.int8]]:
    vol, bid, ask = told["mark_iv"], told["bid"], told["ask"]
    source = (vol > 0).astype(np.int8)
    if source.all():
        return vol, source
    mid = np.where(ask >= bid, 0.5 * (bid + ask), np.nan)
    for at, price in ((2, told["mark"]), (3, mid)):
        rows = np.flatnonzero((source == 0) & (price > 0) & (forward > 0))
        if not rows.size:
            continue
        codes = live[rows]
        implied = implied_vol(
            prices=price[rows] * np.where(latest.inverse[codes], forward[rows], 1.0),
            forwards=forward[rows],
            strikes=latest.strike[codes],
            years=years[rows],
            is_call=latest.is_call[codes],
            discounts=discount[rows],
        )
        own = np.flatnonzero(early[rows])
        if own.size:
            at_rows = rows[own]
            terms = american_terms(
                forward=forward[at_rows], discount=discount[at_rows], years=years[at_rows],
                strike=latest.strike[live[at_rows]], is_call=latest.is_call[live[at_rows]], yields=yields[at_rows],
            )  # fmt: skip
            implied[own] = american_vols(price[at_rows], terms)
        found = implied > 0
        vol[rows[found]], source[rows[found]] = implied[found], at
    return _of_other_right(latest, live, early & (forward > 0), vol, source, np.fmax(told["mark"], mid))


def _of_other_right(
    latest: LatestMarks,
    live: Codes,
    early: npt.NDArray[np.bool_],
    vol: Floats,
    source: npt.NDArray[np.int8],
    price: Floats,
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """American contracts that have a price and no vol take that of the other right of their strike.

    Contracts stand in the order of ``_order``: the call and the put of a strike are neighbours.
    """
    lacking = np.flatnonzero(early & (source == 0) & (price > 0))
    for step in (1, -1):
        other = lacking + step
        inside = (other >= 0) & (other < live.size)
        one, two = live[lacking[inside]], live[other[inside]]
        pair = (latest.expiry_ns[one] == latest.expiry_ns[two]) & (latest.strike[one] == latest.strike[two])
        pair &= (latest.is_call[one] != latest.is_call[two]) & (latest.venue[one] == latest.venue[two])
        rows, others = lacking[inside][pair], other[inside][pair]
        known = (vol[others] > 0) & (source[rows] == 0)
        vol[rows[known]], source[rows[known]] = vol[others[known]], OTHER_RIGHT
    return vol, source


def _reasons(priced_ns: Times, limit_ns: int, forward: Floats, vol: Floats) -> npt.NDArray[np.int8]:
    """Index into ``REASONS`` of the first reason to leave a contract out, 0 to keep it."""
    reasons = np.zeros(vol.size, dtype=np.int8)
    reasons[~(vol > 0)] = 3
    reasons[~(forward > 0)] = 2
    reasons[(priced_ns > NO_TIME) & (priced_ns < limit_ns)] = 1
    return reasons
