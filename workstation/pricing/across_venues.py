"""One contract on several venues: its vol and its price on each, and where they are furthest apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.pricing import by_style
from workstation.pricing.chain import priced_contracts
from workstation.pricing.contracts import ContractArrays
from workstation.pricing.fresh import STALE_AFTER_S

KEYS = ("expiry_ns", "strike", "right")
WIDEST = ("low_venue", "low_iv", "high_venue", "high_iv", "iv_difference", "usd_difference")


def compare_venues(
    marks: pd.DataFrame,
    asof_ns: int | str | pd.Timestamp | None = None,
    underlying: str | None = None,
    *,
    quotes: pd.DataFrame | None = None,
    stale_after_s: float = STALE_AFTER_S,
) -> pd.DataFrame:
    """The contracts that several venues list, each priced from each venue's own rows, the widest difference of vol first.

    Parameters
    ----------
    marks, asof_ns, underlying, quotes, stale_after_s
        As of ``chain``.

    Returns
    -------
    pandas.DataFrame
        As of ``across_venues``.

    Raises
    ------
    ValueError, TableError
        As of ``chain``.

    Examples
    --------
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": [0.50, 0.52], "forward": [1e5, 1e5], "venue": ["deribit", "okx"],
    ...     "instrument": "BTC/USD:BTC-261225-100000-C"})
    >>> found = compare_venues(marks)
    >>> found[["low_venue", "high_venue", "iv_difference"]].round(6).values.tolist()
    [['deribit', 'okx', 0.02]]
    """
    priced = priced_contracts(
        marks, asof_ns, underlying, quotes=quotes, stale_after_s=stale_after_s
    )[1]  # fmt: skip
    return across_venues(priced)


def across_venues(priced: ContractArrays) -> pd.DataFrame:
    """The contracts of a chain that several venues list, the widest difference of vol first.

    Parameters
    ----------
    priced
        Contracts of all venues; of several of one venue with the same expiry, strike and right the one with the most open interest counts.

    Returns
    -------
    pandas.DataFrame
        ``expiry_ns`` (UTC ns), ``strike`` (USD), ``right``; ``low_venue, low_iv, high_venue, high_iv``; ``iv_difference`` (annual decimal) and
        ``usd_difference`` (largest less smallest value of an option on one unit, USD); and for each venue ``iv_{venue}`` and ``usd_{venue}``, NaN where
        it lists none. Values are those of the vol and forward each venue's contract is priced with, so that coin and cash premiums compare.
    """
    venues = sorted(name for name in set(priced.venue.tolist()) if name)
    columns = [*KEYS, *WIDEST, *(f"{what}_{name}" for what in ("iv", "usd") for name in venues)]
    if len(venues) < 2:
        return pd.DataFrame({name: [] for name in columns})
    cell = np.stack((priced.expiry_ns.astype(np.float64), priced.strike, priced.is_call.astype(np.float64)))
    _, first, place = np.unique(cell, axis=1, return_index=True, return_inverse=True)
    iv, usd = (np.full((first.size, len(venues)), np.nan) for _ in range(2))
    value = by_style.price(
        forwards=priced.forward, strikes=priced.strike, years=priced.years, vols=priced.vol, is_call=priced.is_call,
        discounts=priced.discount, american=priced.american, yields=priced.yields,
    )  # fmt: skip
    interest = np.nan_to_num(priced.open_interest * priced.multiplier)
    order = np.argsort(interest, kind="stable")  # the largest is written last
    order = order[np.isin(priced.venue[order], venues)]
    at = place.reshape(-1)[order], np.searchsorted(venues, priced.venue[order].astype(str))
    iv[at], usd[at] = priced.vol[order], value[order]
    several = np.flatnonzero(np.isfinite(iv).sum(axis=1) > 1)
    iv, usd, first = iv[several], usd[several], first[several]
    low, high = np.nanargmin(iv, axis=1), np.nanargmax(iv, axis=1)
    row, names = np.arange(several.size), np.array(venues, dtype=object)
    found = {
        "expiry_ns": priced.expiry_ns[first], "strike": priced.strike[first], "right": np.where(priced.is_call[first], "C", "P"),
        "low_venue": names[low], "low_iv": iv[row, low], "high_venue": names[high], "high_iv": iv[row, high],
        "iv_difference": iv[row, high] - iv[row, low], "usd_difference": np.nanmax(usd, axis=1) - np.nanmin(usd, axis=1),
    }  # fmt: skip
    for what, values in (("iv", iv), ("usd", usd)):
        found |= {f"{what}_{name}": values[:, at] for at, name in enumerate(venues)}
    ordered = pd.DataFrame(found).sort_values(
        ["iv_difference", "expiry_ns", "strike"], ascending=[False, True, True]
    )
    return ordered.reset_index(drop=True)
