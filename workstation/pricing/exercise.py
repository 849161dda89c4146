"""American contracts of a chain: forwards from parity without early exercise, their carry, vols and greeks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.pricing.by_style import AmericanTerms, premiums
from workstation.pricing.forward import PARITY, Forwards
from workstation.pricing.implied import implied_vol
from workstation.pricing.parity import Line, drawn_to_pool, line, liquid_strikes

Floats = npt.NDArray[np.float64]

ROUNDS: Final = 6
"""Most of them; they end when the rate is settled."""
SETTLED: Final = 5e-4
STRIKES_USED: Final = 41
"""Strikes of an expiry that parity is fitted to: those nearest the money, where little exercise is taken out."""
START_RATE: Final = 0.05
"""Where the rounds begin without a curve. Not 0 or less: there no put is exercised, and the raw slope would confirm itself."""
LOWEST_RATE, HIGHEST_RATE = 0.0, 0.25
"""Of the one rate that early exercise is taken out with."""
RATE_ERROR: Final = 0.003
"""How far the rates of maturities are apart: no expiry tells the mean better than this."""
DOUBT: Final = 0.25
"""Share of what early exercise changed of a slope that is held for its error."""
_SPOT_ERROR: Final = 2e-4
"""Relative error of the spot implied by a chain, beside that of each forward: what a yield of a short expiry cannot tell."""


class RateCurve(NamedTuple):
    """Continuous rates by maturity, with standard errors: what an index chain of the same moment measures.

    ``years`` ascend; between them the rate is a straight line, beyond them it stands still.
    """

    years: Floats
    rates: Floats
    errors: Floats
    source: str = ""
    """Whose chain measured them."""

    def at(self, years: Floats) -> tuple[Floats, Floats]:
        """Rate and standard error at maturities."""
        return np.interp(years, self.years, self.rates), np.interp(years, self.years, self.errors)


def rate_curve(chain: xr.Dataset) -> RateCurve:
    """The rates that parity measures on a chain of European options, such as SPX.

    Raises
    ------
    ValueError
        No expiry of the chain has a discount factor with an error.
    """
    years, discount, error = (chain[name].to_numpy() for name in ("years", "discount", "discount_error"))
    found = measured_rates(years, discount, error, str(chain.attrs.get("underlying", "")))
    if found is None:
        raise ValueError(
            "rates: no expiry of the chain measures a discount factor; give a chain of European options"
        )
    return found


def measured_rates(years: Floats, discount: Floats, error: Floats, source: str = "") -> RateCurve | None:
    """The rates of expiries whose discount factors have an error; None where none has."""
    known = np.isfinite(error) & (discount > 0) & (years > 0)
    if not known.any():
        return None
    order = np.argsort(years[known])
    years, discount, error = (values[known][order] for values in (years, discount, error))
    return RateCurve(years, -np.log(discount) / years, error / discount / years, source)


class Pairs(NamedTuple):
    """Calls and puts of one expiry and strike: expiry row, strike, and the four quotes, shape (n,)."""

    row: npt.NDArray[np.int64]
    strike: Floats
    call_bid: Floats
    call_ask: Floats
    put_bid: Floats
    put_ask: Floats

    def part(self, rows: Any) -> Pairs:
        """Some of them."""
        return Pairs(*(values[rows] for values in self))


def pairs_of(
    group: npt.NDArray[Any],
    strike: Floats,
    is_call: npt.NDArray[np.bool_],
    bid: Floats,
    ask: Floats,
    rows: Any,
    spot: float,
) -> Pairs:
    """The strikes of the expiries ``rows`` whose call and put are both quoted on both sides, nearest the money first.

    Without those of which one right is bid no higher than its exercise at ``spot``: it is held for its exercise, such as a call
    before a dividend, and its price says nothing of parity.
    """
    found = []
    for row in rows:
        at = np.flatnonzero(group == row)
        calls, puts = at[is_call[at]], at[~is_call[at]]
        common, of_call, of_put = np.intersect1d(strike[calls], strike[puts], return_indices=True)
        call, put = calls[of_call], puts[of_put]
        with np.errstate(invalid="ignore"):
            good = (bid[call] > 0) & (ask[call] >= bid[call]) & (bid[put] > 0) & (ask[put] >= bid[put])
            good &= (bid[call] > spot - common) & (bid[put] > common - spot)
        common, call, put = common[good], call[good], put[good]
        near = np.argsort(np.abs(bid[call] + ask[call] - bid[put] - ask[put]), kind="stable")[:STRIKES_USED]
        call, put = call[near], put[near]
        found.append(Pairs(np.full(near.size, row), common[near], bid[call], ask[call], bid[put], ask[put]))
    return Pairs(*(np.concatenate(columns) for columns in zip(*found, strict=True)))


def without_exercise(
    curve: Forwards,
    years: Floats,
    spot: float,
    pairs: Pairs,
    rates: RateCurve | None = None,
    paid: Callable[[npt.NDArray[np.int64], Floats], Floats] | None = None,
) -> tuple[Forwards, Floats]:
    """Forwards and discounts of American expiries by parity on prices less their early exercise, and yields by expiry.

    The vol of each strike, by its out-of-the-money side, tells what exercise adds to call and put at a rate and a yield; that is
    taken out, and parity fitted again, ``ROUNDS`` times. What is taken out depends on one rate for all expiries, found by
    secants, for the slope of a single short expiry is mostly noise and exercise; a quarter of what was taken out of a slope
    counts as its error. With a curve of ``rates`` only the forwards are fitted.

    One yield is that of the stock between dividends and of its borrowing: the mean of the expiries, which the long ones
    dominate. What the forward of an expiry is off that is taken for dividends at their dates: off the spot, not spread over time.

    Parameters
    ----------
    curve
        Forwards of the expiries, of which those in ``pairs`` are replaced.
    years, spot
        Years of each expiry; spot that goes with the quotes.
    pairs
        Quotes of American calls and puts.
    rates
        Rates known from elsewhere; None to measure them.
    paid
        Present value of the cash dividends known to be paid until expiries, given their instants and rates: off the spot.

    Returns
    -------
    Forwards, and the yield of each expiry (continuous): NaN where none is fitted.
    """
    rows = np.unique(pairs.row)
    own, time = np.searchsorted(rows, pairs.row), years[rows]
    raw = _lines(pairs, np.zeros((2, pairs.strike.size)), rows)
    lines, tried, taken = raw, [], None
    rate = np.full(rows.size, START_RATE) if rates is None else rates.at(time)[0]
    for _ in range(ROUNDS if rates is None else ROUNDS // 2):
        forward = np.array(
            [each.parity(float(d), np.nan)[:3:2] for each, d in zip(lines, np.exp(-rate * time), strict=True)]
        )
        pays = _mean_yield(forward, rate, time, _escrowed(spot, curve.expiry_ns[rows], rate, paid))
        taken = _premiums(pairs, forward[own, 0], rate[own], pays, time[own], taken)
        lines = [_doubted(*both) for both in zip(_lines(pairs, taken, rows), raw, strict=True)]
        if rates is None:
            tried.append((float(rate[0]), _mean_rate(lines, time)))
            if abs(tried[-1][1] - tried[-1][0]) < SETTLED:
                break
            rate = np.full(rows.size, _next_rate(tried))
    if rates is None:
        fitted = np.array(drawn_to_pool(lines, time)).reshape(-1, 4)
    else:
        rate, off = rates.at(time)
        discount = np.exp(-rate * time)
        told = zip(lines, discount, discount * off * time, strict=True)
        fitted = np.array([each.parity(float(value), float(error)) for each, value, error in told])
    good = fitted[:, 0] > 0
    yields = np.full(years.size, np.nan)
    rate = -np.log(fitted[:, 1]) / time
    yields[rows[good]] = _mean_yield(
        fitted[:, :3:2], rate, time, _escrowed(spot, curve.expiry_ns[rows], rate, paid)
    )
    return _replaced(curve, rows[good], fitted[good]), yields


def _escrowed(
    spot: float,
    expiry_ns: npt.NDArray[np.int64],
    rate: Floats,
    paid: Callable[[npt.NDArray[np.int64], Floats], Floats] | None,
) -> Floats:
    """The spot less the dividends of each expiry."""
    return np.full(rate.size, spot) if paid is None else spot - paid(expiry_ns, rate)


def _replaced(curve: Forwards, rows: npt.NDArray[np.int64], fitted: Floats) -> Forwards:
    names = ("forward", "discount", "forward_error", "discount_error")
    columns = {name: getattr(curve, name).copy() for name in names}
    for name, values in zip(names, fitted.T, strict=True):
        columns[name][rows] = values
    source = curve.source.copy()
    source[rows] = PARITY
    return replace(curve, **columns, source=source)


def _lines(pairs: Pairs, taken: Floats, rows: npt.NDArray[np.int64]) -> list[Line]:
    """The parity line of each expiry, from quotes less what exercise adds to calls and puts, shape (2, n)."""
    found = []
    for row in rows:
        at = np.flatnonzero(pairs.row == row)
        own, calls, puts = pairs.part(at), taken[0, at], taken[1, at]
        liquid = liquid_strikes(
            strikes=own.strike,
            call_bids=np.maximum(own.call_bid - calls, 1e-9),
            call_asks=np.maximum(own.call_ask - calls, 1e-9),
            put_bids=np.maximum(own.put_bid - puts, 1e-9),
            put_asks=np.maximum(own.put_ask - puts, 1e-9),
        )
        found.append(line(*liquid) if liquid[0].size else Line(*(np.nan,) * 5))
    return found


def _doubted(fitted: Line, raw: Line) -> Line:
    """A line whose slope is also off by a share of what early exercise changed of it."""
    changed = abs(fitted.slope - raw.slope) if np.isfinite(raw.slope) else abs(1.0 - fitted.slope)
    return fitted._replace(slope_error=float(np.hypot(fitted.slope_error, DOUBT * changed)))


def _mean_rate(lines: list[Line], years: Floats) -> float:
    """The rate of all expiries' slopes, by precision; NaN where none is measured."""
    slope, error = (np.array([getattr(each, name) for each in lines]) for name in ("slope", "slope_error"))
    known = np.isfinite(slope) & np.isfinite(error)
    if not known.any():
        return float("nan")
    slope, error, years = slope[known], error[known], years[known]
    weight = 1.0 / (np.square(error / slope / years) + RATE_ERROR**2)
    return float(weight @ (-np.log(slope) / years) / weight.sum())


def _next_rate(tried: list[tuple[float, float]]) -> float:
    """The rate at which the slopes, less exercise at that rate, say that rate: by the secant of what was tried."""
    used, told = tried[-1]
    if not np.isfinite(told):
        return used
    following = told
    if len(tried) > 1:
        before, said = tried[-2]
        bend = (told - used) - (said - before)
        following = used - (told - used) * (used - before) / bend if bend != 0.0 else told
    return float(np.clip(following, LOWEST_RATE, HIGHEST_RATE))


def _mean_yield(forward: Floats, rate: Floats, years: Floats, spot: Floats) -> float:
    """The yield of all expiries' forwards (with their errors, shape (n, 2)), by precision; 0 where none is known."""
    value, error = forward.T
    known = (value > 0) & (years > 0) & (spot > 0)
    if not known.any():
        return 0.0
    value, error, rate, years, spot = (column[known] for column in (value, error, rate, years, spot))
    weight = np.square(years) / (np.square(np.nan_to_num(error) / value) + _SPOT_ERROR**2)
    return float(weight @ (rate - np.log(value / spot) / years) / weight.sum())


def _premiums(
    pairs: Pairs, forward: Floats, rate: Floats, pays: float, years: Floats, before: Floats | None
) -> Floats:
    """What early exercise adds to the call and the put of each strike, shape (2, n), given the same of the round ``before``.

    The vol of a strike is that of its out-of-the-money side, whose price less what exercise adds is European. That part is small there
    and moves little from round to round, so the last one does; the first round makes its own.
    """
    otm_call = pairs.strike >= forward
    mid = 0.5 * np.where(otm_call, pairs.call_bid + pairs.call_ask, pairs.put_bid + pairs.put_ask)
    discount = np.exp(-rate * years)

    def of_european(prices: Floats) -> Floats:
        return implied_vol(
            prices=prices, forwards=forward, strikes=pairs.strike, years=years, is_call=otm_call, discounts=discount
        )  # fmt: skip

    def added(vols: Floats) -> Floats:
        terms = AmericanTerms(
            np.tile(forward * np.exp(-(rate - pays) * years), 2), np.tile(pairs.strike, 2), np.tile(years, 2),
            np.tile(rate, 2), np.full(2 * rate.size, pays), np.repeat([True, False], rate.size),
        )  # fmt: skip
        return np.nan_to_num(premiums(np.tile(vols, 2), terms)).reshape(2, -1)

    taken = np.zeros((2, rate.size)) if before is None else before
    for _ in range(2 if before is None else 1):
        taken = added(of_european(mid - np.where(otm_call, taken[0], taken[1])))
    return taken
