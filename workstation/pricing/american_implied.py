"""Implied volatility of American options: secant steps on what the European price must be, inside a bracket.

With V = E + p, the European value and the early exercise premium, the vol sought is the fixed point of vol -> E^-1(price - p(vol)),
and E^-1 is closed enough to be free. The premium bends little over vol, so secants of this map settle in three or four premiums. The European implied
volatility of the price is the first guess and, because V >= E, an upper end of the bracket; a step that leaves the bracket is one of the root
of the time value, which is straight where the option is nearly exercised, else halves the bracket in the logarithm.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workstation.pricing import black
from workstation.pricing.american_families import Boundaries, boundaries_of
from workstation.pricing.american_prices import held_or_exercised, worth_without_vol
from workstation.pricing.american_terms import PutTerms, is_still, put_terms
from workstation.pricing.implied import implied_vol

Floats = NDArray[np.float64]

_ROUNDINGS: Final = 4.0 * 2.0**-52
_MOST_STEPS: Final = 60
_CLOSE: Final = 1e-10
"""A step of this share of the vol is the last."""
_CLOSE_TWICE, _SHORT = 1e-11, 1e-4
"""So is a secant's whose length times that of the one before is the one, and which is shorter than the other."""
_FLATTEST: Final = -1e-3
"""The map less the vol falls, for V rises; a difference of two that are nearly equal may say otherwise."""
_LEAST_ROOT: Final = 0.5
"""Where a guess's root of the time value is under this share of the price's, the option is next to exercised and the map says nothing: by it
the search creeps, and ends at no vol of the price."""
_SLACK: Final = 1e-9
"""A step may leave the bracket by this share: without a premium the vol is the bracket's end."""
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


class _Quoted(NamedTuple):
    """Rows whose vol is sought: their terms, price, lowest value and kind with some volatility."""

    spots: Floats
    strikes: Floats
    years: Floats
    is_call: Any
    prices: Floats
    forwards: Floats
    discounts: Floats
    lowest: Floats
    early: Any

    def part(self, rows: Any) -> _Quoted:
        return _Quoted(*(column[rows] for column in self))

    def european(self, prices: Floats) -> Floats:
        """European implied vol of prices; NaN where there is none."""
        return implied_vol(
            prices=prices, forwards=self.forwards, strikes=self.strikes, years=self.years, is_call=self.is_call,
            discounts=self.discounts,
        )  # fmt: skip


class _Search(NamedTuple):
    """Guesses of some rows: the bracket and the root of the time value at its ends, the last guess, how far off the map was, the last step."""

    low: Floats
    high: Floats
    root_low: Floats
    root_high: Floats
    guess: Floats
    last_guess: Floats
    last_off: Floats
    step: Floats

    def part(self, rows: Any) -> _Search:
        return _Search(*(column[rows] for column in self))


def implied_vols_of(
    spots: Any, strikes: Any, years: Any, prices: Any, rates: Any, yields: Any, is_call: Any, *, accuracy: str
) -> tuple[Floats, NDArray[np.int8]]:
    """Volatility of each row, and the reason where it is NaN."""
    reasons = reasons_of(spots, strikes, years, prices, rates, yields, is_call)
    found = np.full(spots.size, np.nan)
    rows = np.flatnonzero(reasons == AmericanReason.SOLVED)
    if not rows.size:
        return found, reasons
    chosen = [column[rows] for column in (spots, strikes, years, rates, yields, is_call, prices)]
    quoted, boundaries = _quoted(*chosen, accuracy=accuracy)
    state, going = _first_guesses(quoted), np.arange(rows.size)
    for _ in range(_MOST_STEPS):
        state, close = _stepped(state, quoted, boundaries, going)
        found[rows[going]] = state.guess
        kept = np.flatnonzero(~close)
        if not kept.size:
            break
        going, state, quoted = going[kept], state.part(kept), quoted.part(kept)
    return found, reasons


def _quoted(
    spots: Any, strikes: Any, years: Any, rates: Any, yields: Any, is_call: Any, prices: Any, *, accuracy: str
) -> tuple[_Quoted, Boundaries]:
    terms = put_terms(spots, strikes, years, np.ones_like(years), rates, yields, is_call)
    quoted = _Quoted(
        spots,
        strikes,
        years,
        is_call,
        prices,
        spots * np.exp((rates - yields) * years),
        np.exp(-rates * years),
        worth_without_vol(spots, strikes, years, rates, yields, is_call),
        ~((terms.a <= 0.0) & (terms.a <= terms.b)),
    )
    return quoted, boundaries_of(terms, accuracy)


def _first_guesses(quoted: _Quoted) -> _Search:
    european = quoted.european(quoted.prices)
    root = np.sqrt(quoted.years)
    low, high = _LOWEST / root, _HIGHEST / root
    known = european > low
    guess = np.where(known, european, _WIDE / root)
    nothing = np.full(guess.size, np.nan)
    high = np.where(known, european * (1.0 + 1e-12), high)
    return _Search(low, high, np.zeros(guess.size), nothing, guess, nothing, nothing, nothing)


def _values(quoted: _Quoted, boundaries: Boundaries, rows: Any, vols: Floats) -> tuple[Floats, Floats]:
    """European and American value at vols."""
    european = black.price(
        forwards=quoted.forwards, strikes=quoted.strikes, years=quoted.years, vols=vols, is_call=quoted.is_call,
        discounts=quoted.discounts,
    )  # fmt: skip
    s = vols * np.sqrt(quoted.years)
    still = is_still(boundaries.terms.part(rows), s)
    early = np.flatnonzero(quoted.early & ~still)
    value = np.where(still, quoted.lowest, european)
    if early.size:
        part = boundaries.terms.part(rows[early])
        part = PutTerms(part.a, part.b, s[early], part.x)
        nodes = boundaries.nodes(part.s, rows[early])
        unit = np.where(quoted.is_call, quoted.spots, quoted.strikes)[early]
        value[early] = unit * held_or_exercised(european[early] / unit, part, nodes, boundaries.accuracy)
    return european, value


def _stepped(
    state: _Search, quoted: _Quoted, boundaries: Boundaries, rows: Any
) -> tuple[_Search, NDArray[np.bool_]]:
    """The next guesses, and which of them are the last ones."""
    guess = state.guess
    european, value = _values(quoted, boundaries, rows, guess)
    over = value - quoted.prices
    with np.errstate(all="ignore"):
        off = quoted.european(quoted.prices - (value - european)) - guess
        slope = (off - state.last_off) / (guess - state.last_guess)
        following = guess - off / np.where(slope < _FLATTEST, slope, -1.0)
        root = np.sqrt(np.fmax(value - quoted.lowest, 0.0))
        below, above = over < 0.0, over > 0.0
        low, high = np.where(below, guess, state.low), np.where(above, guess, state.high)
        root_low, root_high = np.where(below, root, state.root_low), np.where(above, root, state.root_high)
        good = (following > low * (1.0 - _SLACK)) & (following < high * (1.0 + _SLACK))
        good &= root > _LEAST_ROOT * np.sqrt(quoted.prices - quoted.lowest)
        inside = np.where(good, following, _inside(low, high, root_low, root_high, quoted))
        met = np.abs(over) <= _ROUNDINGS * quoted.prices
        inside = np.where(met, guess, inside)
    step = np.abs(inside - guess) / guess
    close = (step <= _CLOSE) | (good & (step * state.step <= _CLOSE_TWICE) & (step <= _SHORT))
    close |= met | (high - low <= _CLOSE * guess)
    return _Search(low, high, root_low, root_high, inside, guess, off, np.where(good, step, np.nan)), close


def _inside(low: Floats, high: Floats, root_low: Floats, root_high: Floats, quoted: _Quoted) -> Floats:
    """A vol inside the bracket: where the line of the root of the time value has that of the price, else the geometric middle."""
    wanted = np.sqrt(quoted.prices - quoted.lowest)
    share = (wanted - root_low) / (root_high - root_low)
    return np.where((share > 0.05) & (share < 0.95), low + share * (high - low), np.sqrt(low * high))
