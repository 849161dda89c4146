"""Forward and discount factor of an expiry from put-call parity, with standard errors, and the rates of a chain pooled."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.pricing import parity_kernels

Floats = npt.NDArray[np.float64]

RATE_STEP: Final = 0.005
"""How far the rates of two maturities may be apart, per factor e between the maturities, one standard deviation."""


class Parity(NamedTuple):
    """Forward and discount factor implied by put-call parity, with standard errors.

    NaN forward when nothing can be said; a NaN ``discount_error`` says that the discount factor is assumed.
    """

    forward: float
    discount: float
    forward_error: float
    discount_error: float


UNKNOWN: Final = Parity(float("nan"), 1.0, float("nan"), float("nan"))


class Line(NamedTuple):
    """Call less put over strikes, fitted: ``level`` at the strike ``centre``, minus ``slope`` per unit of strike.

    ``slope`` is NaN where too few strikes measure it. The errors of level and slope are independent.
    """

    centre: float
    level: float
    level_error: float
    slope: float
    slope_error: float

    def parity(self, discount: float, discount_error: float) -> Parity:
        """Forward, the strike at which the line is zero, at a discount factor."""
        away = self.level / discount
        known = 0.0 if np.isnan(discount_error) else discount_error
        error = np.hypot(self.level_error, away * known) / discount
        return Parity(self.centre + away, discount, float(error), discount_error)


def parity(
    *,
    strikes: npt.ArrayLike,
    call_bids: npt.ArrayLike,
    call_asks: npt.ArrayLike,
    put_bids: npt.ArrayLike,
    put_asks: npt.ArrayLike,
    inverse: bool = False,
    discount: float | None = None,
) -> Parity:
    """Forward and discount factor of one expiry by least squares over its liquid strikes, weighted by 1 / spread^2.

    A strike is liquid when call and put both have a two-sided, uncrossed quote, and the two spreads together are
    at most twice the lower quartile of the ``NEAR_STRIKES`` strikes with the smallest \\|call - put\\|. For premiums
    in cash, C - P = D (F - K): D is minus the slope, F the strike at which the line is zero. For premiums in
    coin (``inverse``), c - p = 1 - K / F needs no discount. Quotes far off the line of the others are left out.

    Parity holds for european options. For american ones it is an approximation near the money, and the slope says
    nothing about rates: give them ``discount`` 1.

    Parameters
    ----------
    strikes, call_bids, call_asks, put_bids, put_asks
        Shape (n,), one row per strike; quotes in premium currency, NaN where empty.
    inverse
        Whether premiums are in coin.
    discount
        Discount factor where it is known; None to measure it.

    Returns
    -------
    Parity
        With standard errors from the residuals. NaN forward when no strike is liquid. Discount 1 with a NaN error where it is
        not measured: fewer than ``DISCOUNT_STRIKES`` liquid strikes, or a slope that is no discount factor.

    Examples
    --------
    >>> strikes = np.arange(90.0, 115.0, 5.0)
    >>> middle = np.maximum(0.99 * (101.0 - strikes), 0.0) + 2.0
    >>> other = middle - 0.99 * (101.0 - strikes)
    >>> found = parity(strikes=strikes, call_bids=middle - 0.1, call_asks=middle + 0.1, put_bids=other - 0.1, put_asks=other + 0.1)
    >>> round(found.forward, 6), round(found.discount, 6), found.discount_error < 0.01
    (101.0, 0.99, True)
    """
    strike, gap, width = liquid_strikes(
        strikes=strikes,
        call_bids=call_bids,
        call_asks=call_asks,
        put_bids=put_bids,
        put_asks=put_asks,
        near_only=discount is not None,
    )
    if not strike.size:
        return UNKNOWN
    if inverse:
        return _coin(strike, gap, width)
    if discount is not None:
        level = Line(*parity_kernels.level(strike, gap, width, discount))
        return level.parity(discount, 0.0)._replace(discount_error=float("nan"))
    found = line(strike, gap, width)
    if np.isnan(found.slope):
        return found.parity(1.0, float("nan"))
    return found.parity(found.slope, found.slope_error)


def liquid_strikes(
    *,
    strikes: npt.ArrayLike,
    call_bids: npt.ArrayLike,
    call_asks: npt.ArrayLike,
    put_bids: npt.ArrayLike,
    put_asks: npt.ArrayLike,
    near_only: bool = False,
) -> tuple[Floats, Floats, Floats]:
    """Strike, mid of call less put, and both spreads together of the liquid strikes, nearest the money first."""
    strike, call_bid, call_ask, put_bid, put_ask = (
        np.ascontiguousarray(column, dtype=np.float64)
        for column in (strikes, call_bids, call_asks, put_bids, put_asks)
    )
    return parity_kernels.liquid(strike, call_bid, call_ask, put_bid, put_ask, near_only)


def line(strike: Floats, gap: Floats, width: Floats) -> Line:
    """The weighted line through call less put of liquid strikes, nearest the money first; outliers left out."""
    return Line(*parity_kernels.line(strike, gap, width))


def _coin(strike: Floats, gap: Floats, width: Floats) -> Parity:
    """1 - (c - p) = K / F through the origin."""
    share = 1.0 - gap
    kept = np.flatnonzero(share > 0)
    if not kept.size:
        return UNKNOWN
    ratio = np.log(share[kept] / strike[kept])
    kept = kept[parity_kernels.inliers(ratio, width[kept] / share[kept])]
    strike, share, width = strike[kept], share[kept], width[kept]
    weight = 1.0 / np.square(width)
    leverage = float(weight @ np.square(strike))
    inverse = float(weight @ (strike * share)) / leverage
    variance = parity_kernels.variance(share - inverse * strike, width, 1)
    forward = 1.0 / inverse
    return Parity(forward, 1.0, forward * forward * float(np.sqrt(variance / leverage)), float("nan"))


def pooled_rates(*, years: Floats, rates: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """The rate at each maturity as the other maturities tell it, and its standard error.

    A maturity counts by its precision: its own error, and ``RATE_STEP`` per factor e between the maturities.

    Parameters
    ----------
    years, rates, errors
        Shape (n,): maturities, continuous rates measured there (NaN: not measured) and their standard errors.

    Returns
    -------
    Rates and errors, shape (n,); NaN where no other maturity is measured.

    Examples
    --------
    >>> rates, errors = pooled_rates(
    ...     years=np.array([0.02, 0.1, 0.11]), rates=np.array([0.3, 0.05, 0.052]), errors=np.array([0.4, 0.01, 0.01]))
    >>> rates[:1].round(3).tolist(), errors[:1].round(3).tolist()
    ([0.051], [0.009])
    """
    apart = np.log(years[:, None] / years[None, :]) * RATE_STEP
    measured = np.isfinite(rates) & np.isfinite(errors)
    weight = np.zeros(apart.shape)
    variance = np.square(errors[measured]) + np.square(apart[:, measured])
    weight[:, measured] = 1.0 / np.maximum(variance, 1e-18)
    np.fill_diagonal(weight, 0.0)
    total = weight.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = weight @ np.where(measured, rates, 0.0) / total
        off = np.square(np.where(measured, rates, 0.0)[None, :] - rate[:, None])
        others = np.maximum(np.count_nonzero(weight, axis=1) - 1, 1)
        scatter = np.maximum((weight * off).sum(axis=1) / others, 1.0)
        return np.where(total > 0, rate, np.nan), np.where(total > 0, np.sqrt(scatter / total), np.nan)


def drawn_to_pool(found: list[Line], years: Floats) -> list[Parity]:
    """Forward and discount of each expiry, each discount drawn to the rate that the other expiries tell.

    Both count by their precision: of a short expiry, where a tick is more than the interest, the pooled rate is what
    remains; of a long one its own.

    Parameters
    ----------
    found
        The line of each expiry.
    years
        Its years, shape (n,).
    """
    slope = np.array([each.slope for each in found])
    with np.errstate(invalid="ignore"):
        rates, errors = -np.log(slope) / years, np.array([each.slope_error for each in found]) / slope / years
    pooled, pooled_errors = pooled_rates(years=years, rates=rates, errors=errors)
    result = []
    for row, each in enumerate(found):
        rate, error = _weighed((rates[row], errors[row]), (pooled[row], pooled_errors[row]))
        if np.isnan(rate):
            result.append(each.parity(1.0, float("nan")))
            continue
        discount = float(np.exp(-rate * years[row]))
        result.append(each.parity(discount, discount * error * float(years[row])))
    return result


def _weighed(*told: tuple[float, float]) -> tuple[float, float]:
    """The mean of values weighted by precision, and its error; NaN values have no part."""
    known = [(value, max(error, 1e-9)) for value, error in told if np.isfinite(value) and np.isfinite(error)]
    if not known:
        return float("nan"), float("nan")
    weights = [1.0 / error**2 for _, error in known]
    value = sum(weight * each for weight, (each, _) in zip(weights, known, strict=True)) / sum(weights)
    return float(value), float(sum(weights) ** -0.5)
