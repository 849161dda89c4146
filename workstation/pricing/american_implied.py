"""Implied volatility of American options: secant steps on the early exercise premium, inside a bracket.

With V = E + p, the European value and the premium, a step solves E + p = price with E's own vega and the premium's slope
between the last two guesses. The European implied volatility of the price is the first guess and, because V >= E, an upper
end of the bracket; a step that leaves the bracket halves it in the logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workstation.pricing import black
from workstation.pricing.american_prices import prices_of, worth_without_vol
from workstation.pricing.implied import implied_vol

Floats = NDArray[np.float64]

_ROUNDINGS: Final = 4.0 * 2.0**-52
_MOST_STEPS: Final = 60
_CLOSE: Final = 1e-10
"""A step of this share of the vol is the last."""
_LOWEST, _HIGHEST = 1e-4, 50.0
"""Total volatility; outside no price of a market lies."""
_WIDE: Final = 0.3
"""First guess of total volatility where the price is above any of the European option."""


class AmericanReason(IntEnum):
    """Why a price has no implied volatility."""

    SOLVED = 0
    """It has one."""
    NOT_FINITE = 1
    """A NaN or an infinity among the arguments."""
    BAD_TERMS = 2
    """A spot or a strike that is not positive."""
    EXPIRED = 3
    """No time left."""
    BELOW_BOUND = 4
    """Under intrinsic value, or under the worth of the exercise at the best moment without volatility."""
    NO_TIME_VALUE = 5
    """Equal to it within rounding: the option is exercised, and any low volatility fits."""
    ABOVE_BOUND = 6
    """At or over the strike (put) or the spot (call), discounted where a negative rate makes that the more."""
    TWO_BOUNDARIES = 7
    """Rate and yield are negative such that two boundaries enclose the region of exercise: not priced."""


def reasons_of(
    spots: Any, strikes: Any, years: Any, prices: Any, rates: Any, yields: Any, is_call: Any
) -> NDArray[np.int8]:
    """The reason of each row."""
    own, other = np.where(is_call, yields, rates), np.where(is_call, rates, yields)
    with np.errstate(all="ignore"):
        lowest = worth_without_vol(spots, strikes, years, rates, yields, is_call)
        highest = np.where(is_call, spots, strikes) * np.maximum(1.0, np.exp(-own * years))
        noise = _ROUNDINGS * np.maximum(lowest, highest * 1e-3)
        found = np.where(
            prices >= highest * (1.0 - _ROUNDINGS), AmericanReason.ABOVE_BOUND, AmericanReason.SOLVED
        )
        found = np.where(prices <= lowest + noise, AmericanReason.NO_TIME_VALUE, found)
        found = np.where((prices < lowest - noise) | (prices < 0.0), AmericanReason.BELOW_BOUND, found)
        found = np.where((other < own) & (own < 0.0), AmericanReason.TWO_BOUNDARIES, found)
        found = np.where(years <= 0.0, AmericanReason.EXPIRED, found)
        found = np.where((spots > 0.0) & (strikes > 0.0), found, AmericanReason.BAD_TERMS)
        finite = np.isfinite(spots + strikes + years + prices + rates + yields)
    return np.where(finite, found, AmericanReason.NOT_FINITE).astype(np.int8)


@dataclass
class _Search:
    """Guesses of some rows: the bracket, the last guess and its premium."""

    low: Floats
    high: Floats
    guess: Floats
    last_guess: Floats
    last_premium: Floats

    def part(self, rows: Any) -> _Search:
        return _Search(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def implied_vols_of(
    spots: Any, strikes: Any, years: Any, prices: Any, rates: Any, yields: Any, is_call: Any, *, accuracy: str
) -> tuple[Floats, NDArray[np.int8]]:
    """Volatility of each row, and the reason where it is NaN."""
    reasons = reasons_of(spots, strikes, years, prices, rates, yields, is_call)
    found = np.full(spots.size, np.nan)
    rows = np.flatnonzero(reasons == AmericanReason.SOLVED)
    columns = [column[rows] for column in (spots, strikes, years, rates, yields, is_call, prices)]
    state = _first_guesses(*columns)
    for _ in range(_MOST_STEPS):
        if not rows.size:
            break
        after, close = _stepped(state, *columns, accuracy=accuracy)
        found[rows[close]] = after.guess[close]
        going = ~close
        rows, state = rows[going], after.part(going)
        columns = [column[going] for column in columns]
    found[rows] = state.guess
    return found, reasons


def _first_guesses(
    spots: Any, strikes: Any, years: Any, rates: Any, yields: Any, is_call: Any, prices: Any
) -> _Search:
    european = implied_vol(
        prices=prices,
        forwards=spots * np.exp((rates - yields) * years),
        strikes=strikes,
        years=years,
        is_call=is_call,
        discounts=np.exp(-rates * years),
    )
    root = np.sqrt(years)
    low, high = _LOWEST / root, _HIGHEST / root
    known = european > low
    guess = np.where(known, european, _WIDE / root)
    nothing = np.full(spots.size, np.nan)
    return _Search(low, np.where(known, european * (1.0 + 1e-12), high), guess, nothing, nothing.copy())


def _stepped(
    state: _Search,
    spots: Any,
    strikes: Any,
    years: Any,
    rates: Any,
    yields: Any,
    is_call: Any,
    prices: Any,
    *,
    accuracy: str,
) -> tuple[_Search, NDArray[np.bool_]]:
    """The next guesses, and which of them are the last ones."""
    guess = state.guess
    value = prices_of(spots, strikes, years, guess, rates, yields, is_call, accuracy=accuracy)
    european = black.greeks(
        forwards=spots * np.exp((rates - yields) * years),
        strikes=strikes,
        years=years,
        vols=guess,
        is_call=is_call,
        discounts=np.exp(-rates * years),
        names=("price", "vega"),
    )
    premium = value - european["price"]
    over = value - prices
    low = np.where(over < 0.0, guess, state.low)
    high = np.where(over > 0.0, guess, state.high)
    with np.errstate(all="ignore"):
        slope = (premium - state.last_premium) / (guess - state.last_guess)
        whole = european["vega"] + np.where(np.isfinite(slope), slope, 0.0)
        following = guess - over / whole
    inside = (following > low) & (following < high) & (whole > 0.0)
    following = np.where(inside, following, np.sqrt(low * high))
    following = np.where(over == 0.0, guess, following)
    close = np.abs(following - guess) <= _CLOSE * guess
    return _Search(low, high, following, guess, premium), close
