"""The contracts of one underlying at one instant, as flat arrays: what engines compute on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.market.dividends import Dividends
from workstation.market.tables import NO_TIME
from workstation.pricing import by_style
from workstation.pricing.cells import Cells
from workstation.pricing.contracts_ledger import (
    ages,
    counts_by_name,
    coverage,
    exercise_told,
    known_told,
    spot_told,
    venues_told,
)
from workstation.pricing.curves import Curves, curves_of
from workstation.pricing.exercise import RateCurve
from workstation.pricing.forward import SOURCES
from workstation.pricing.fresh import (
    STALE_AFTER_S,
    Codes,
    Floats,
    fresh_quotes,
)
from workstation.pricing.latest import NO_TERMS, LatestMarks

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
call or put of the same strike, where an American contract is worth, or bid, no more than its exercise and so tells no vol."""
MID = IV_SOURCES.index("mid")
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
    dividends: Dividends | None = None,
) -> ContractArrays:
    """Price what is known of an underlying's options at an instant; ``names``: which greeks, ``rates`` and ``dividends``: of American chains.

    Vols, prices, forwards and indices older than ``stale_after_s`` are as good as unknown. Left out, and counted in ``ledger["dropped"]`` under the first reason that holds: ``expired``
    (``expiry_ns <= asof_ns``), ``stale`` (newest price or vol older than ``stale_after_s``), ``no_forward``,
    ``no_iv`` (no mark_iv, and none implied by mark or mid); ``no_terms``: options whose terms are not known.
    """
    of = curves_of(
        latest,
        underlying=underlying,
        asof_ns=asof_ns,
        stale_after_s=stale_after_s,
        rates=rates,
        dividends=dividends,
    )
    live, curve, group, spot, years = of.live, of.curve, of.group, of.spot, of.years
    forward, discount = curve.forward[group], curve.discount[group]
    vol, iv_source = _vols(latest, of, forward, discount)
    reasons = _reasons(of.priced_ns, of.limit_ns, forward, vol)
    keep = np.flatnonzero(reasons == 0)
    kept = _all if keep.size == live.size else partial(np.take, indices=keep)
    slots = kept(live)
    dropped = np.bincount(reasons, minlength=len(REASONS)).tolist()
    open_interest, published_ns = latest.field("open_interest")[slots], latest.published_ns[slots]
    ledger = {
        **spot_told(spot, asof_ns, of.index_ns),
        "forward_source": counts_by_name(SOURCES, curve.source),
        "discount": DISCOUNTS if np.isfinite(curve.discount_error).any() else "1",
        "iv_source": counts_by_name(IV_SOURCES, kept(iv_source)),
        **ages(kept(of.priced_ns), published_ns, asof_ns),
        "coverage": coverage(latest, slots, live),
        **venues_told(latest.venues, kept(latest.venue[live])),
        "contracts": len(slots),
        **known_told(open_interest),
        "dropped": {
            "expired": of.expired,
            **dict(zip(REASONS[1:], dropped[1:], strict=True)),
            "no_terms": int(np.count_nonzero(latest.seen & (latest.kind == NO_TERMS))),
        },
        "stale_after_s": stale_after_s,
    }
    american = kept(of.early)
    if american.any():
        ledger |= exercise_told(of, keep[american], forward, discount, vol, dividends, rates)
        ledger["exercise"] = "american" if american.all() else "european and american"
    terms = {
        "strike": kept(of.strike),
        "years": kept(years),
        "is_call": kept(of.is_call),
        "forward": kept(forward),
        "discount": kept(discount),
        "vol": kept(vol),
    }
    return ContractArrays(
        underlying=underlying,
        asof_ns=asof_ns,
        spot=spot.value,
        codes=latest.code[slots],
        venue_ids=kept(latest.venue[live]),
        venue_names=tuple(latest.venues),
        slots=slots,
        event_ns=kept(of.priced_ns),
        expiry_ns=kept(of.expiry_ns),
        multiplier=latest.multiplier[slots],
        inverse=latest.inverse[slots],
        american=american,
        yields=kept(of.yields),
        forward_error=kept(curve.forward_error[group]),
        discount_error=kept(curve.discount_error[group]),
        forward_source=kept(curve.source[group]),
        iv_source=kept(iv_source),
        open_interest=open_interest,
        open_interest_ns=published_ns,
        volume_24h=latest.field("volume_24h")[slots],
        greeks=by_style.greeks(
            forwards=terms["forward"],
            strikes=terms["strike"],
            years=terms["years"],
            vols=terms["vol"],
            is_call=terms["is_call"],
            discounts=terms["discount"],
            american=american,
            yields=kept(of.yields),
            names=names,
        ),
        ledger=ledger,
        **terms,
    )


def _all(values: Any) -> Any:
    """The values of contracts when none is left out."""
    return values


def _vols(
    latest: LatestMarks, of: Curves, forward: Floats, discount: Floats
) -> tuple[Floats, npt.NDArray[np.int8]]:
    live, told = of.live, of.reported
    vol, bid, ask = told["mark_iv"], told["bid"], told["ask"]
    source = (vol > 0).astype(np.int8)
    if source.all():
        return vol, source
    mid = np.where(ask >= bid, 0.5 * (bid + ask), np.nan)
    for at, price in ((2, told["mark"]), (MID, mid)):
        rows = np.flatnonzero((source == 0) & (price > 0) & (forward > 0))
        if not rows.size:
            continue
        implied = by_style.implied_vol(
            prices=price[rows] * np.where(latest.inverse[live[rows]], forward[rows], 1.0),
            forwards=forward[rows],
            strikes=of.strike[rows],
            years=of.years[rows],
            is_call=of.is_call[rows],
            discounts=discount[rows],
            american=of.early[rows],
            yields=of.yields[rows],
        )
        found = implied > 0
        vol[rows[found]], source[rows[found]] = implied[found], at
    silent = of.early & (forward > 0) & (np.fmax(told["mark"], mid) > 0)
    silent &= (source == 0) | ((source == MID) & _bid_for_exercise(of, forward, discount))
    return _of_other_right(latest, live, silent, vol, source)


def _bid_for_exercise(of: Curves, forward: Floats, discount: Floats) -> npt.NDArray[np.bool_]:
    """Which contracts are bid no higher than their exercise, on the spot or on the spot less dividends: half the spread is no time value."""
    with np.errstate(invalid="ignore", divide="ignore"):
        left = by_style.american_terms(
            forward=forward,
            discount=discount,
            years=of.years,
            strike=of.strike,
            is_call=of.is_call,
            yields=of.yields,
        ).spots
        spot = of.spot.value
        worth = np.where(of.is_call, np.fmax(spot, left) - of.strike, of.strike - np.fmin(spot, left))
        return np.asarray(of.reported["bid"] <= worth)


def _of_other_right(
    latest: LatestMarks,
    live: Codes,
    silent: npt.NDArray[np.bool_],
    vol: Floats,
    source: npt.NDArray[np.int8],
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """``silent`` contracts, whose price tells no vol, take that of the other right of their strike where that tells one.

    Contracts stand in the order of ``_order``: the call and the put of a strike are neighbours.
    """
    lacking = np.flatnonzero(silent)
    for step in (1, -1):
        other = lacking + step
        inside = (other >= 0) & (other < live.size)
        one, two = live[lacking[inside]], live[other[inside]]
        pair = (latest.expiry_ns[one] == latest.expiry_ns[two]) & (latest.strike[one] == latest.strike[two])
        pair &= (latest.is_call[one] != latest.is_call[two]) & (latest.venue[one] == latest.venue[two])
        rows, others = lacking[inside][pair], other[inside][pair]
        known = (vol[others] > 0) & ~silent[others] & (source[rows] != OTHER_RIGHT)
        vol[rows[known]], source[rows[known]] = vol[others[known]], OTHER_RIGHT
    return vol, source


def _reasons(priced_ns: Times, limit_ns: int, forward: Floats, vol: Floats) -> npt.NDArray[np.int8]:
    """Index into ``REASONS`` of the first reason to leave a contract out, 0 to keep it."""
    reasons = np.zeros(vol.size, dtype=np.int8)
    reasons[~(vol > 0)] = 3
    reasons[~(forward > 0)] = 2
    reasons[(priced_ns > NO_TIME) & (priced_ns < limit_ns)] = 1
    return reasons
