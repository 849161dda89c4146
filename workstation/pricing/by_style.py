"""Price, greeks and implied vol of contracts by their style: European by Black-76, American with early exercise.

The one place that decides by ``style``; everything that prices contracts of a chain or of a book asks here.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.pricing import american as american_option
from workstation.pricing import black, implied
from workstation.pricing.american_profile import cash_gamma_profile

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ACCURACY: Final = "fast"
"""Of a chain's contracts: its error is under a tenth of a tick of any listed name."""
VOL_POINT: Final = 0.01


class AmericanTerms(NamedTuple):
    """Rows of American contracts as ``american`` takes them; the spot is the one that goes with the forward."""

    spots: Floats
    strikes: Floats
    years: Floats
    rates: Floats
    yields: Floats
    is_call: npt.NDArray[np.bool_]


def american_terms(
    *,
    forward: Floats,
    discount: Floats,
    years: Floats,
    strike: Floats,
    is_call: npt.NDArray[np.bool_],
    yields: Floats,
) -> AmericanTerms:
    """Spot, rate and yield that go with forwards and discounts.

    An unknown yield is the rate: no carry. So it is where two boundaries would enclose the region of exercise: rates a little
    under 0 are mostly noise, and the forward stays what it is.
    """
    rates = -np.log(discount) / years
    pays = np.where(np.isfinite(yields), yields, rates)
    pays = np.where(
        american_option.has_two_boundaries(rates=rates, yields=pays, is_call=is_call), rates, pays
    )
    return AmericanTerms(forward * np.exp(-(rates - pays) * years), strike, years, rates, pays, is_call)


def price(
    *,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    is_call: Flags,
    discounts: Floats,
    american: Flags,
    yields: Floats,
) -> Floats:
    """Value of each contract by its style; all arrays of shape (n,).

    ``american``: which may be exercised before the expiry. ``yields``: continuous yield of those, NaN: as the rate (``american_terms``).
    Other arguments as in ``black.price``.

    Examples
    --------
    >>> one, flag = np.ones(2), np.array([False, True])
    >>> price(forwards=100.0 * one, strikes=120.0 * one, years=one, vols=0.2 * one, is_call=np.array([False, False]),
    ...       discounts=0.95 * one, american=flag, yields=np.array([np.nan, 0.0])).round(3).tolist()
    [21.04, 25.0]
    """
    found = black.price(
        forwards=forwards, strikes=strikes, years=years, vols=vols, is_call=is_call, discounts=discounts
    )  # fmt: skip
    rows, terms = _early(forwards, strikes, years, is_call, discounts, american, yields)
    if rows.size:
        found[rows] = american_option.price(vols=vols[rows], **terms, accuracy=ACCURACY)
    return found


def greeks(
    *,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    is_call: Flags,
    discounts: Floats,
    american: Flags,
    yields: Floats,
    names: tuple[str, ...],
) -> dict[str, Floats]:
    """Greeks of each contract by its style with respect to its forward; ``names`` as in ``black.greeks``, others as in ``price``."""
    found = black.greeks(
        forwards=forwards, strikes=strikes, years=years, vols=vols, is_call=is_call, discounts=discounts, names=names
    )  # fmt: skip
    rows, terms = _early(forwards, strikes, years, is_call, discounts, american, yields)
    if rows.size:
        made = american_option.forward_greeks(vols=vols[rows], **terms, names=names, accuracy=ACCURACY)
        for name, values in made.items():
            found[name][rows] = values
    return found


def implied_vol(
    *,
    prices: Floats,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    is_call: Flags,
    discounts: Floats,
    american: Flags,
    yields: Floats,
) -> Floats:
    """Vol of each price by the contract's style; NaN where it has none. Arguments as in ``price``."""
    found = implied.implied_vol(
        prices=prices, forwards=forwards, strikes=strikes, years=years, is_call=is_call, discounts=discounts
    )  # fmt: skip
    rows, terms = _early(forwards, strikes, years, is_call, discounts, american, yields)
    if rows.size:
        found[rows] = american_option.implied_vol(prices=prices[rows], **terms, accuracy=ACCURACY)
    return found


def american_cash_gamma_profile(
    *,
    shifts: Floats,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    is_call: Flags,
    discounts: Floats,
    yields: Floats,
    weights: Floats,
) -> Floats:
    """``american_profile.cash_gamma_profile`` of American contracts of a chain: the forwards move with spot. Shape (shifts,)."""
    terms = american_terms(
        forward=forwards, discount=discounts, years=years, strike=strikes, is_call=is_call, yields=yields
    )
    return cash_gamma_profile(shifts=shifts, vols=vols, weights=weights, **terms._asdict(), accuracy=ACCURACY)


def _early(
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    is_call: Flags,
    discounts: Floats,
    american: Flags,
    yields: Floats,
) -> tuple[npt.NDArray[np.int64], dict[str, Any]]:
    """Contracts that can be exercised before their expiry, and their terms by name; at the expiry both styles are the same."""
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(american & (years > 0.0) & (discounts > 0.0))
    terms = american_terms(
        forward=forwards[rows], discount=discounts[rows], years=years[rows], strike=strikes[rows],
        is_call=is_call[rows], yields=yields[rows],
    )  # fmt: skip
    return rows, terms._asdict()


def premiums(vols: Floats, terms: AmericanTerms) -> Floats:
    """What early exercise adds to European prices at vols; NaN for NaN."""
    european = black.price(
        forwards=terms.spots * np.exp((terms.rates - terms.yields) * terms.years), strikes=terms.strikes,
        years=terms.years, vols=vols, is_call=terms.is_call, discounts=np.exp(-terms.rates * terms.years),
    )  # fmt: skip
    return american_option.price(vols=vols, **terms._asdict(), accuracy=ACCURACY) - european


def off_a_vol_point(
    prices: Floats, vols: Floats, forward: Floats, discount: Floats, terms: AmericanTerms
) -> int:
    """How many contracts' vols differ by more than a vol point from what the price implies without early exercise."""
    european = implied.implied_vol(
        prices=prices, forwards=forward, strikes=terms.strikes, years=terms.years, is_call=terms.is_call,
        discounts=discount,
    )  # fmt: skip
    known = np.isfinite(prices) & np.isfinite(vols)
    return int(np.count_nonzero(known & ~(np.abs(european - vols) <= VOL_POINT)))
