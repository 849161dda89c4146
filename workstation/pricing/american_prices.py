"""Prices of American options in checked columns of one length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workstation.pricing import black
from workstation.pricing.american_families import boundaries_of
from workstation.pricing.american_terms import (
    DOUBLE,
    EARLY,
    INVALID,
    LIMIT,
    PutTerms,
    kinds,
    premiums,
    put_terms,
    still_value,
)

Floats = NDArray[np.float64]


def prices_of(
    spots: Any,
    strikes: Any,
    years: Any,
    vols: Any,
    rates: Any,
    yields: Any,
    is_call: Any,
    *,
    accuracy: str,
) -> Floats:
    """Price of each row; NaN where an argument is none or two boundaries enclose the region of exercise."""
    terms = put_terms(spots, strikes, years, vols, rates, yields, is_call)
    kind = kinds(terms, strikes, spots, years, vols)
    unit = np.where(is_call, spots, strikes)
    found = black.price(
        forwards=np.where(kind == INVALID, np.nan, spots * np.exp((rates - yields) * years)),
        strikes=strikes,
        years=years,
        vols=vols,
        is_call=is_call,
        discounts=np.exp(-rates * years),
    )
    found[kind == DOUBLE] = np.nan
    limit = np.flatnonzero(kind == LIMIT)
    if limit.size:
        found[limit] = worth_without_vol(
            spots[limit], strikes[limit], years[limit], rates[limit], yields[limit], is_call[limit]
        )
    early = np.flatnonzero(kind == EARLY)
    if early.size:
        part = terms.part(early)
        nodes = boundaries_of(part, accuracy).nodes(part.s)
        found[early] = unit[early] * held_or_exercised(found[early] / unit[early], part, nodes, accuracy)
    return found


def held_or_exercised(european: Floats, terms: PutTerms, nodes: Floats, accuracy: str) -> Floats:
    """Value of rows with one boundary, strike 1, given the European value and the boundary at the grid's nodes."""
    gain = premiums(terms, nodes, accuracy)[0]
    intrinsic = -np.expm1(terms.x)
    held = np.maximum(european + gain, np.maximum(intrinsic, 0.0))
    return np.asarray(np.where(terms.x > terms.log_top + nodes[-1], held, intrinsic))


def worth_without_vol(spots: Any, strikes: Any, years: Any, rates: Any, yields: Any, is_call: Any) -> Floats:
    """What the option is worth without volatility, exercised at the best moment: no volatility makes it worth less."""
    terms = put_terms(spots, strikes, years, np.zeros_like(years), rates, yields, is_call)
    worth = np.where(is_call, spots, strikes) * still_value(terms)
    free = np.where(is_call, spots * np.maximum(1.0, np.exp(-yields * years)), 0.0)
    return np.where(strikes == 0.0, free, worth)
