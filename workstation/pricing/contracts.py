"""The contracts of one underlying at one instant, as flat arrays: what engines compute on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.market.calendar import years as year_fractions
from workstation.market.tables import NO_TIME
from workstation.pricing.black import greeks
from workstation.pricing.forward import SOURCES, Forwards, forwards, newest_per_group
from workstation.pricing.implied import implied_vol
from workstation.pricing.latest import FUTURE, GROUP_OF, NO_TERMS, OPTION, LatestMarks

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int64]

STALE_AFTER_S = 900.0
_LONGEST_S = 1e9
"""Older than thirty years is older than any mark."""
IV_SOURCES: tuple[str, ...] = ("none", "mark_iv", "implied from mark", "implied from mid")
REASONS: tuple[str, ...] = ("", "stale", "no_forward", "no_iv")
GREEKS: tuple[str, ...] = ("delta", "gamma", "vega", "theta", "rho", "vanna", "charm", "vomma")


@dataclass(frozen=True, eq=False)
class ContractArrays:
    """Priced contracts of one underlying, arrays of shape (n,), sorted by expiry, strike, call before put.

    Attributes
    ----------
    underlying, asof_ns, spot
        Name, instant of the snapshot (UTC ns), index in USD.
    codes
        Registry code of each contract.
    event_ns
        When its newest price or vol happened.
    expiry_ns, years, strike, is_call, multiplier, inverse
        Terms; ``years`` is ACT/365 from ``asof_ns``, floored at five minutes.
    forward, discount, vol
        What it was priced with: USD, 1, annual decimal.
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
    forward_source: npt.NDArray[np.int8]
    iv_source: npt.NDArray[np.int8]
    open_interest: Floats
    open_interest_ns: Times
    volume_24h: Floats
    greeks: dict[str, Floats]
    ledger: dict[str, Any]

    def __len__(self) -> int:
        return len(self.codes)


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
    ours = latest.underlying == _id_of(latest, underlying)
    seen = (latest.times > NO_TIME).any(axis=0)
    known = np.flatnonzero(ours & seen)
    options = known[latest.kind[known] == OPTION]
    expired = latest.expiry_ns[options] <= asof_ns
    live = options[~expired]
    live = live[_order(latest, live)]
    limit_ns = asof_ns - round(min(stale_after_s, _LONGEST_S) * 1e9)
    index, index_ns = _newest_index(latest, known, limit_ns)
    curve = _forwards(latest, live, known[latest.kind[known] == FUTURE], index, limit_ns)
    group = np.searchsorted(curve.expiry_ns, latest.expiry_ns[live])
    forward, discount = curve.forward[group], curve.discount[group]
    years = np.asarray(year_fractions(asof_ns=asof_ns, expiry_ns=latest.expiry_ns[live]), dtype=np.float64)
    vol, iv_source = _vols(latest, live, forward, discount, years, limit_ns)
    reasons = _reasons(latest.priced_ns()[live], limit_ns, forward, vol)
    keep = np.flatnonzero(reasons == 0)
    codes = live[keep]
    spot, spot_source = _spot(index, curve)
    ledger = {
        "spot_source": spot_source,
        "spot_age_s": _age_s(asof_ns, index_ns) if spot_source == "index" else None,
        "forward_source": _counts(SOURCES, curve.source),
        "discount": "measured by put-call parity" if (curve.discount != 1.0).any() else "1",
        "iv_source": _counts(IV_SOURCES, iv_source[keep]),
        **_ages(latest, codes, asof_ns),
        "coverage": _coverage(latest, codes, live),
        "contracts": len(codes),
        "open_interest_unknown": int(np.isnan(latest.field("open_interest")[codes]).sum()),
        "dropped": {
            "expired": int(expired.sum()),
            **{reason: int((reasons == at).sum()) for at, reason in enumerate(REASONS) if at},
            "no_terms": int((seen & (latest.kind == NO_TERMS)).sum()),
        },
        "stale_after_s": stale_after_s,
    }
    found = greeks(
        forwards=forward[keep],
        strikes=latest.strike[codes],
        years=years[keep],
        vols=vol[keep],
        is_call=latest.is_call[codes],
        discounts=discount[keep],
        names=names,
    )
    return ContractArrays(
        underlying=underlying,
        asof_ns=asof_ns,
        spot=spot,
        codes=codes,
        event_ns=latest.priced_ns()[codes],
        expiry_ns=latest.expiry_ns[codes],
        years=years[keep],
        strike=latest.strike[codes],
        is_call=latest.is_call[codes],
        multiplier=latest.multiplier[codes],
        inverse=latest.inverse[codes],
        forward=forward[keep],
        discount=discount[keep],
        vol=vol[keep],
        forward_source=curve.source[group][keep],
        iv_source=iv_source[keep],
        open_interest=latest.field("open_interest")[codes],
        open_interest_ns=latest.published_ns[codes],
        volume_24h=latest.field("volume_24h")[codes],
        greeks=found,
        ledger=ledger,
    )


def _id_of(latest: LatestMarks, underlying: str) -> int:
    if underlying not in latest.underlyings:
        names = ", ".join(sorted(filter(None, latest.underlyings))) or "none"
        raise ValueError(f"nothing is known of underlying {underlying!r}; known underlyings: {names}")
    return latest.underlyings.index(underlying)


def _order(latest: LatestMarks, codes: Codes) -> npt.NDArray[np.int64]:
    """By expiry, strike, call before put; of equals by values, so that the registry's order plays no part."""
    terms = ~latest.is_call[codes], latest.strike[codes], latest.expiry_ns[codes]
    order = np.lexsort(terms)
    again = np.ones(max(order.size - 1, 0), dtype=bool)
    for term in terms:
        again &= term[order[1:]] == term[order[:-1]]
    if not again.any():
        return order
    values = latest.field("open_interest")[codes], latest.field("mark_iv")[codes]
    return np.lexsort((*values, *terms))


def _fresh(latest: LatestMarks, field: str, codes: Codes, limit_ns: int) -> Floats:
    """A field's newest values where they are positive and not older than the limit, else NaN."""
    values = latest.field(field)[codes]
    return np.where((values > 0) & (latest.time(GROUP_OF[field])[codes] >= limit_ns), values, np.nan)


def fresh_quotes(
    latest: LatestMarks, codes: Codes, *, asof_ns: int, stale_after_s: float = STALE_AFTER_S
) -> dict[str, Floats]:
    """Bid, ask and their vols as the venue says them, by name; NaN where older than ``stale_after_s``."""
    limit_ns = asof_ns - round(min(stale_after_s, _LONGEST_S) * 1e9)
    return {name: _fresh(latest, name, codes, limit_ns) for name in ("bid", "ask", "bid_iv", "ask_iv")}


def _newest_index(latest: LatestMarks, codes: Codes, limit_ns: int) -> tuple[float, int]:
    index, index_ns = _fresh(latest, "index", codes, limit_ns), latest.time("index")[codes]
    value = newest_per_group(
        groups=np.zeros(codes.size, dtype=np.int64),
        times=index_ns,
        values=index,
        count=1,
    )
    return float(value[0]), int(index_ns[index > 0].max(initial=NO_TIME))


def _spot(index: float, curve: Forwards) -> tuple[float, str]:
    if index > 0:
        return index, "index"
    positive = curve.forward[curve.forward > 0]
    return (float(positive[0]), "forward of the nearest expiry") if positive.size else (float("nan"), "none")


def _forwards(latest: LatestMarks, live: Codes, listed: Codes, index: float, limit_ns: int) -> Forwards:
    mark = _fresh(latest, "mark", listed, limit_ns)
    order = np.argsort(latest.time("model")[listed], kind="stable")
    futures = {int(latest.expiry_ns[listed[row]]): float(mark[row]) for row in order if mark[row] > 0}
    return forwards(
        expiry_ns=latest.expiry_ns[live],
        venue=_fresh(latest, "forward", live, limit_ns),
        venue_ns=latest.time("forward")[live],
        strike=latest.strike[live],
        is_call=latest.is_call[live],
        inverse=latest.inverse[live],
        american=latest.american[live],
        bid=_fresh(latest, "bid", live, limit_ns),
        ask=_fresh(latest, "ask", live, limit_ns),
        futures=futures,
        index=index,
    )


def _vols(
    latest: LatestMarks, live: Codes, forward: Floats, discount: Floats, years: Floats, limit_ns: int
) -> tuple[Floats, npt.NDArray[np.int8]]:
    vol = _fresh(latest, "mark_iv", live, limit_ns)
    source = np.where(vol > 0, 1, 0).astype(np.int8)
    bid, ask = _fresh(latest, "bid", live, limit_ns), _fresh(latest, "ask", live, limit_ns)
    mid = np.where(ask >= bid, 0.5 * (bid + ask), np.nan)
    for at, price in ((2, _fresh(latest, "mark", live, limit_ns)), (3, mid)):
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
    stale = (priced_ns > NO_TIME) & (priced_ns < limit_ns)
    reasons = np.select([stale, ~(forward > 0), ~(vol > 0)], [1, 2, 3], 0)
    return reasons.astype(np.int8)


def _coverage(latest: LatestMarks, kept: Codes, live: Codes) -> float:
    units = latest.field("open_interest") * latest.multiplier
    total = float(np.nansum(units[live]))
    return float(np.nansum(units[kept])) / total if total > 0 else float("nan")


def _ages(latest: LatestMarks, codes: Codes, asof_ns: int) -> dict[str, Any]:
    priced, published = latest.priced_ns()[codes], latest.published_ns[codes]
    published = published[published > NO_TIME]
    oldest = int(priced.min()) if codes.size else NO_TIME
    return {
        "oldest_input_ns": oldest if codes.size else None,
        "oldest_input_age_s": _age_s(asof_ns, oldest),
        "open_interest_age_s": _age_s(asof_ns, int(published.min()) if published.size else NO_TIME),
    }


def _age_s(asof_ns: int, then_ns: int) -> float | None:
    return None if then_ns == NO_TIME else (asof_ns - then_ns) / 1e9


def _counts(names: tuple[str, ...], source: npt.NDArray[np.int8]) -> dict[str, int]:
    counts = np.bincount(source, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}
