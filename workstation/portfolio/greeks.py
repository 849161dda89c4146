"""Greeks of positions: Black-Scholes ones in USD, the premium-adjusted delta in coin next to them, never added."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.market.instants import YEAR_DAYS
from workstation.portfolio.valuation import Floats, Quoted, Terms
from workstation.pricing import by_style

SLOPES = ("delta", "gamma", "vega", "theta", "vanna", "charm")
UNITS: dict[str, str] = {
    "delta": "USD",
    "gamma": "USD of delta per 1 % move",
    "vega": "USD per vol point",
    "theta": "USD per day",
    "vanna": "USD of delta per vol point",
    "charm": "USD of delta per day",
    "pa_delta": "coin",
}
"""Greeks of a book and their units."""


def slopes(terms: Terms, market: Quoted) -> dict[str, Floats]:
    """Natural greeks of one unit with respect to the forward, by leg and style; what is no option has delta 1 and no other."""
    found = by_style.greeks(
        forwards=market.forward,
        strikes=terms.strike,
        years=market.years,
        vols=market.iv,
        is_call=terms.is_call,
        discounts=market.discounts,
        american=terms.american,
        yields=market.yields,
        names=SLOPES,
    )
    option = terms.is_option
    return {name: np.where(option, values, 1.0 if name == "delta" else 0.0) for name, values in found.items()}


def usd_greeks(terms: Terms, quantity: Floats, entry: Floats, market: Quoted) -> dict[str, Floats]:
    """Greeks of positions by leg, in ``UNITS``.

    The scaling is that of the exposures: delta S, gamma S^2 / 100, vega / 100, theta / 365, vanna S / 100, charm S / 365,
    with S the index (the mark where a leg that is no option has none). ``pa_delta`` is the derivative of the
    coin value with respect to ln F: delta less the coin price for inverse options, USD contracts over the mark for
    inverse futures, NaN for what is not coin-margined.

    Parameters
    ----------
    terms, market
        The legs, shape (n,).
    quantity, entry
        Signed underlying units and average entry, shape (n,).
    """
    natural = slopes(terms, market)
    spot = np.where(np.isnan(market.index) & ~terms.is_option, market.mark, market.index)
    scale: dict[str, Floats | float] = {
        "delta": spot,
        "gamma": spot * spot * 0.01,
        "vega": 0.01,
        "theta": 1.0 / YEAR_DAYS,
        "vanna": spot * 0.01,
        "charm": spot / YEAR_DAYS,
    }
    nothing = quantity == 0.0
    found = {name: np.where(nothing, 0.0, natural[name] * quantity * scale[name]) for name in SLOPES}
    with np.errstate(invalid="ignore", divide="ignore"):
        per_unit = np.where(terms.is_option, natural["delta"] - market.mark, entry / market.mark)
    adjusted = np.where(nothing, 0.0, quantity * per_unit)
    return found | {"pa_delta": np.where(terms.inverse, adjusted, np.nan)}


def totals(book: pd.DataFrame) -> pd.DataFrame:
    """Sums of a book by underlying, in USD at the index (``pa_delta`` in the underlying's coin, coin-margined legs only).

    What is known is summed, and what is not is counted and named; NaN where no leg of an underlying is known.

    Parameters
    ----------
    book
        From ``workstation.portfolio.book.book``.

    Returns
    -------
    pandas.DataFrame
        One row per underlying: the greeks of ``UNITS``, value_usd, unrealised_usd; ``legs`` held, how many of them are ``unpriced`` (a
        number of theirs is missing in a sum) and their names, ``missing``.
    """
    columns = [name for name in UNITS if name != "pa_delta"] + ["value_usd", "unrealised_usd"]
    held = book[book["quantity"] != 0.0]
    by_name = held["underlying"].astype("str")
    found = _sums(held[columns], by_name)
    coin = held["inverse"].to_numpy(dtype=bool)
    adjusted = _sums(held.loc[coin, ["pa_delta"]], by_name[coin])["pa_delta"]
    unknown = held[columns].isna().any(axis=1) | (held["pa_delta"].isna() & held["inverse"].astype(bool))
    names = held["instrument"].astype("str")[unknown].groupby(by_name[unknown]).agg(", ".join)
    return found.assign(
        pa_delta=adjusted.reindex(found.index).to_numpy(),
        legs=by_name.value_counts().reindex(found.index).to_numpy(dtype=np.int64),
        unpriced=unknown.groupby(by_name).sum().reindex(found.index).to_numpy(dtype=np.int64),
        missing=names.reindex(found.index).fillna("").astype("str").to_numpy(),
    )


def _sums(columns: pd.DataFrame, by_name: pd.Series[str]) -> pd.DataFrame:
    return columns.groupby(by_name).sum(min_count=1)
