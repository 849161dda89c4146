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
from workstation.pricing.forward import SOURCES, Forwards, filled_with_index, forwards, joined
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
from workstation.pricing.spot import spot_in_step

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
IV_SOURCES: tuple[str, ...] = ("none", "mark_iv", "implied from mark", "mid")
"""Where a vol is from; ``mid``: implied by the middle of a two-sided quote on the expiry's forward."""
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
    greeks
        Black-76 of the USD value per unit of underlying, with respect to the forward, by name (``GREEKS``):
        vega per 1.00 vol, theta and charm per year.
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
) -> ContractArrays:
    """Price what is known of an underlying's options at an instant; ``names``: which greeks.

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
    spot = spot_in_step(
        index=index,
        index_ns=index_ns,
        quotes_ns=int(priced_ns.max(initial=NO_TIME)),
        curve=curve,
        years=_first_of(group, years, curve.expiry_ns.size),
    )
    curve = filled_with_index(curve, spot.value if index > 0 else np.nan)
    forward, discount = curve.forward[group], curve.discount[group]
    vol, iv_source = _vols(latest, live, reported, forward, discount, years)
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
        forward_error=kept(curve.forward_error[group]),
        discount_error=kept(curve.discount_error[group]),
        forward_source=kept(curve.source[group]),
        iv_source=kept(iv_source),
        open_interest=open_interest,
        open_interest_ns=published_ns,
        volume_24h=latest.field("volume_24h")[slots],
        greeks=_greeks(terms, names),
        ledger=ledger,
        **terms,
    )


def _all(values: Any) -> Any:
    """The values of contracts when none is left out."""
    return values


def _greeks(terms: dict[str, Any], names: tuple[str, ...]) -> dict[str, Floats]:
    return greeks(
        forwards=terms["forward"],
        strikes=terms["strike"],
        years=terms["years"],
        vols=terms["vol"],
        is_call=terms["is_call"],
        discounts=terms["discount"],
        names=names,
    )


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
        found = implied > 0
        vol[rows[found]], source[rows[found]] = implied[found], at
    return vol, source


def _reasons(priced_ns: Times, limit_ns: int, forward: Floats, vol: Floats) -> npt.NDArray[np.int8]:
    """Index into ``REASONS`` of the first reason to leave a contract out, 0 to keep it."""
    reasons = np.zeros(vol.size, dtype=np.int8)
    reasons[~(vol > 0)] = 3
    reasons[~(forward > 0)] = 2
    reasons[(priced_ns > NO_TIME) & (priced_ns < limit_ns)] = 1
    return reasons
