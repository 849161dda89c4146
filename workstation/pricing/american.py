"""American options on a stock with a continuous yield: price, greeks, implied volatility and the exercise boundary.

Conventions
-----------
Black-Scholes-Merton: the spot drifts at ``rates - yields``, both continuous and of either sign; what the stock costs to
borrow counts as yield. Cash dividends: take their present value off the spot first. Greeks are
natural derivatives as in ``black``, but with respect to the spot, rate and yield held:

======== ============================= =============================================================
delta    dV/dS
gamma    d2V/dS2
vega     dV/dv                         per 1.00 of volatility
theta    dV/dt = -dV/dT                calendar time passing, per year; S, v, rate and yield held
rho      dV/dr                         per 1.00 of rate, S and yield held
vanna    d2V/dS dv
charm    d2V/dS dt
vomma    d2V/dv2
speed    d3V/dS3
color    d3V/dS2 dt
zomma    d3V/dS2 dv
ultima   d3V/dv3
======== ============================= =============================================================

``forward_greeks`` gives the same with respect to the expiry's forward, as ``black.greeks`` has them.

Accuracy, of the spot (thirty thousand options of 1 day to 5 years, 5 to 200 % vol, rates and yields of -5 to 15 %): ``fast``
1e-4 at worst and 6e-6 in 99 of 100, ``standard`` 1e-6, ``exact`` 2e-10. Derivatives by spot and time come from those of the
integral and the equation of Black and Scholes; by vol and rate from differences of the early exercise premium alone.

Limits: with no time or no volatility the option is worth its exercise at the best moment. Exercised at once, it is worth its
intrinsic value: delta is 1 or -1, the rest 0. Where two boundaries enclose the region of exercise (a put with
yield < rate < 0, a call with rate < yield < 0) nothing is priced: NaN, and ``has_two_boundaries`` says so. NaN for NaN,
a spot that is not positive, a negative strike, time or volatility.

Source: L. Andersen, M. Lake, D. Offengenden, High-performance American option pricing, J. Computational Finance 20(1), 2016;
M. Li, Rev. Derivatives Research 13, 2010 (QD+); the equations of all nodes are solved by Newton's method (``american_kernels``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workstation.pricing import black
from workstation.pricing.american_families import boundaries_of
from workstation.pricing.american_greeks import spot_greeks, to_forward
from workstation.pricing.american_implied import AmericanReason, implied_vols_of, reasons_of
from workstation.pricing.american_nodes import SIZES
from workstation.pricing.american_prices import prices_of
from workstation.pricing.american_terms import EARLY, EUROPEAN, LIMIT, kinds, put_terms
from workstation.pricing.arguments import Rows, flags, numbers

__all__ = [
    "AmericanReason",
    "boundary",
    "forward_greeks",
    "greeks",
    "has_two_boundaries",
    "implied_vol",
    "implied_vol_reason",
    "price",
]

GREEKS: Final = black.GREEKS


def price(
    *,
    spots: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    rates: ArrayLike,
    yields: ArrayLike,
    is_call: ArrayLike,
    accuracy: str = "standard",
) -> NDArray[np.float64]:
    """Price in the currency of the strike.

    Parameters
    ----------
    spots, strikes
        Spot and strike in the same currency.
    years
        ACT/365 years to expiry.
    vols
        Annual volatility as a decimal.
    rates, yields
        Continuous, annual, of either sign.
    is_call
        True for a call, False for a put.
    accuracy
        ``fast``, ``standard`` or ``exact``: see the module.

    All arguments broadcast against each other.

    Returns
    -------
    float64 array of the broadcast shape; NaN as the module says.

    Raises
    ------
    ValueError
        Shapes that do not broadcast; an unknown accuracy.
    TypeError
        An argument that does not hold real numbers (``is_call``: booleans).

    Examples
    --------
    >>> price(spots=36.0, strikes=40.0, years=1.0, vols=0.2, rates=0.06, yields=0.0, is_call=[False, True]).round(4)
    array([4.4867, 2.1737])
    """
    rows = _rows(accuracy, spots, strikes, years, vols, rates, yields, is_call)
    return _of_rows(rows, lambda *inputs: prices_of(*inputs, accuracy=accuracy))


def greeks(
    *,
    spots: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    rates: ArrayLike,
    yields: ArrayLike,
    is_call: ArrayLike,
    names: Iterable[str] | None = None,
    accuracy: str = "standard",
) -> dict[str, NDArray[np.float64]]:
    """Greeks in natural units with respect to the spot, as the module's table defines them.

    ``names``: which, of ``GREEKS`` and ``price``; all twelve when None. What is not asked for is not computed: vega, vanna,
    vomma and zomma take two more boundaries, rho two, ultima four. Other arguments, limits and errors as in ``price``.

    Examples
    --------
    >>> found = greeks(spots=36.0, strikes=40.0, years=1.0, vols=0.2, rates=0.06, yields=0.0, is_call=False,
    ...                names=("delta", "gamma", "vega"))
    >>> {name: float(value.round(4)) for name, value in found.items()}
    {'delta': -0.6968, 'gamma': 0.0867, 'vega': 10.9357}
    """
    wanted = _names(names)
    rows = _rows(accuracy, spots, strikes, years, vols, rates, yields, is_call)
    return _greeks_of_rows(
        rows, wanted, lambda *inputs: spot_greeks(*inputs, names=wanted, accuracy=accuracy)
    )  # fmt: skip


def forward_greeks(
    *,
    spots: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    rates: ArrayLike,
    yields: ArrayLike,
    is_call: ArrayLike,
    names: Iterable[str] | None = None,
    accuracy: str = "standard",
) -> dict[str, NDArray[np.float64]]:
    """Greeks with respect to the forward spot x exp((rate - yield) years), as ``black.greeks`` has them.

    Delta is dV/dF; theta and charm hold the forward, rho holds the forward and the yield. Arguments as in ``greeks``.

    Examples
    --------
    >>> found = forward_greeks(spots=36.0, strikes=40.0, years=1.0, vols=0.2, rates=0.06, yields=0.0, is_call=False)
    >>> float(found["delta"].round(4))
    -0.6562
    """
    wanted = _names(names)
    rows = _rows(accuracy, spots, strikes, years, vols, rates, yields, is_call)
    return _greeks_of_rows(
        rows, wanted, lambda *inputs: to_forward(spot_greeks(*inputs, names=wanted, accuracy=accuracy), *inputs)
    )  # fmt: skip


def boundary(
    *,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    rates: ArrayLike,
    yields: ArrayLike,
    is_call: ArrayLike,
    accuracy: str = "standard",
) -> NDArray[np.float64]:
    """The spot at which the option is exercised with this much time left: a put at and under it, a call at and over it.

    Returns
    -------
    float64 array of the broadcast shape: 0 (put) or inf (call) where it is never exercised before the expiry; the limit
    just before the expiry, strike x min(1, rate/yield) for a put, with no time; NaN as the module says.

    Examples
    --------
    >>> boundary(strikes=40.0, years=[1.0, 0.0], vols=0.2, rates=0.06, yields=0.0, is_call=False).round(3)
    array([32.915, 40.   ])
    """
    rows = _rows(accuracy, strikes, strikes, years, vols, rates, yields, is_call)
    return _of_rows(rows, lambda *inputs: _boundaries(*inputs, accuracy=accuracy))


def implied_vol(
    *,
    prices: ArrayLike,
    spots: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    rates: ArrayLike,
    yields: ArrayLike,
    is_call: ArrayLike,
    accuracy: str = "standard",
) -> NDArray[np.float64]:
    """Annual volatility at which the American option has the price; NaN where none does, never clamped.

    Other arguments, shapes and errors as in ``price``. ``implied_vol_reason`` tells why an element is NaN: an option at its
    intrinsic value, or at its worth without volatility, has none.

    Examples
    --------
    >>> implied_vol(prices=[4.4867, 4.0], spots=36.0, strikes=40.0, years=1.0, rates=0.06, yields=0.0, is_call=False).round(4)
    array([0.2, nan])
    """
    rows = _rows(accuracy, spots, strikes, years, prices, rates, yields, is_call, fourth="prices")
    return _of_rows(rows, lambda *inputs: implied_vols_of(*inputs, accuracy=accuracy)[0])


def implied_vol_reason(
    *,
    prices: ArrayLike,
    spots: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    rates: ArrayLike,
    yields: ArrayLike,
    is_call: ArrayLike,
) -> NDArray[np.int8]:
    """The ``AmericanReason`` code of each element of ``implied_vol`` with the same arguments.

    Examples
    --------
    >>> codes = implied_vol_reason(prices=[4.5, 4.0, 3.0], spots=36.0, strikes=40.0, years=1.0, rates=0.06, yields=0.0,
    ...                            is_call=False)
    >>> [AmericanReason(code).name for code in codes]
    ['SOLVED', 'NO_TIME_VALUE', 'BELOW_BOUND']
    """
    rows = _rows("fast", spots, strikes, years, prices, rates, yields, is_call, fourth="prices")
    return _of_rows(rows, reasons_of, np.int8)


def has_two_boundaries(*, rates: ArrayLike, yields: ArrayLike, is_call: ArrayLike) -> NDArray[np.bool_]:
    """Whether two boundaries enclose the region of exercise, so that nothing is priced: yield < rate < 0 of a put.

    Examples
    --------
    >>> has_two_boundaries(rates=-0.01, yields=[-0.02, 0.0], is_call=False)
    array([ True, False])
    """
    call = flags("is_call", is_call)
    rate, pays = numbers("rates", rates), numbers("yields", yields)
    own, other = np.where(call, pays, rate), np.where(call, rate, pays)
    return np.asarray((other < own) & (own < 0.0))


def compile_kernels() -> None:
    """Compile all kernels of American options, or read them from Numba's cache: one price and one set of greeks."""
    put: dict[str, Any] = {
        "spots": 1.0,
        "strikes": 1.0,
        "years": 1.0,
        "rates": 0.05,
        "yields": 0.0,
        "is_call": False,
    }
    implied_vol(prices=price(**put, vols=0.2, accuracy="fast"), **put, accuracy="fast")
    greeks(**put, vols=0.2, accuracy="fast")


def _boundaries(
    spots: Any,
    strikes: Any,
    years: Any,
    vols: Any,
    rates: Any,
    yields: Any,
    is_call: Any,
    *,
    accuracy: str,
) -> NDArray[np.float64]:
    terms = put_terms(strikes, strikes, years, vols, rates, yields, is_call)
    kind = kinds(terms, strikes, strikes, years, vols)
    edge = np.where(kind == EUROPEAN, -np.inf, np.nan)
    own = np.where(is_call, yields, rates)
    other = np.where(is_call, rates, yields)
    limit = (kind == LIMIT) & (strikes > 0.0)
    exercised = limit & ~((own <= 0.0) & (own <= other)) & ~((own < 0.0) & (other < own))
    with np.errstate(all="ignore"):
        both = (own > 0.0) & (other > 0.0)
        top = np.where(both, np.log(np.minimum(own / other, 1.0)), 0.0)
    edge = np.where(exercised, top, np.where(limit & (own <= 0.0) & (own <= other), -np.inf, edge))
    early = np.flatnonzero(kind == EARLY)
    if early.size:
        part = terms.part(early)
        edge[early] = part.log_top + boundaries_of(part, accuracy).nodes(part.s)[-1]
    with np.errstate(over="ignore"):
        return np.asarray(strikes * np.exp(np.where(is_call, -edge, edge)))


def _of_rows(rows: Rows, function: Callable[..., NDArray[Any]], dtype: Any = np.float64) -> NDArray[Any]:
    """A function of the rows, block by block, in their shape."""
    found = np.empty(rows.size, dtype=dtype)
    for block, inputs in rows.blocks():
        found[block] = function(*inputs)
    return found.reshape(rows.shape)


def _greeks_of_rows(
    rows: Rows, names: tuple[str, ...], function: Callable[..., dict[str, NDArray[np.float64]]]
) -> dict[str, NDArray[np.float64]]:
    found = {name: np.empty(rows.size) for name in names}
    for block, inputs in rows.blocks():
        part = function(*inputs)
        for name in names:
            found[name][block] = part[name]
    return {name: values.reshape(rows.shape) for name, values in found.items()}


def _names(names: Iterable[str] | None) -> tuple[str, ...]:
    wanted = tuple(GREEKS if names is None else names)
    known = {*GREEKS, "price"}
    if not known.issuperset(wanted):
        raise ValueError(f"names: {sorted(set(wanted) - known)} unknown; choose of {sorted(known)}")
    return wanted


def _rows(
    accuracy: str,
    spots: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    rates: ArrayLike,
    yields: ArrayLike,
    is_call: ArrayLike,
    *,
    fourth: str = "vols",
) -> Rows:
    check_accuracy(accuracy)
    arguments: dict[str, NDArray[Any]] = {
        "spots": numbers("spots", spots),
        "strikes": numbers("strikes", strikes),
        "years": numbers("years", years),
        fourth: numbers(fourth, vols),
        "rates": numbers("rates", rates),
        "yields": numbers("yields", yields),
        "is_call": flags("is_call", is_call),
    }
    return Rows(arguments)


def check_accuracy(accuracy: str) -> None:
    """A ValueError for an accuracy that is none."""
    if accuracy not in SIZES:
        raise ValueError(f"accuracy: {accuracy!r} unknown; choose of {', '.join(SIZES)}")
