"""Black-76: the price of a European option on a forward, its greeks, and exposure profiles.

Conventions (definitions of the numbers everywhere in the workstation)
-----------------------------------------------------------------------
V is the value of one option in the currency of the strike, discounted by D = exp(-r T). Greeks are natural
derivatives: per 1.00 of volatility, per year, per 1.00 of rate, per 1 of the forward. Scaling to desk units (1 %,
a vol point, a day) is not done here.

======== ============================= =============================================================
name     definition                    held constant, and sign
======== ============================= =============================================================
delta    dV/dF                         discounted; put deltas are negative
gamma    d2V/dF2
vega     dV/dv                         per 1.00 of volatility
theta    dV/dt = -dV/dT                calendar time passing, per year; F, v and r held
rho      dV/dr = -T V                  per 1.00 of rate, F held
vanna    d2V/dF dv                     change of delta per 1.00 of volatility
charm    d2V/dF dt                     change of delta as calendar time passes, per year
vomma    d2V/dv2
speed    d3V/dF3
color    d3V/dF2 dt                    change of gamma as calendar time passes, per year
zomma    d3V/dF2 dv
ultima   d3V/dv3
======== ============================= =============================================================

Limits: NaN in gives NaN out; a forward or a discount that is not positive, a negative strike, time or
volatility, an infinite forward, strike or discount give NaN, in silence. With no time or no volatility the option
is worth its intrinsic value: delta is 0 or +-D (half of it at the money), the rest 0, and NaN where at the money
the limit is unbounded (gamma, speed, color, zomma; with no time also theta and charm). A strike of 0 is the
forward itself. Endless volatility gives a call D F and a put D K. Results under 1e-300 may be 0.

Source: F. Black, The pricing of commodity contracts, J. Financial Economics 3 (1976); E. G. Haug, The Complete
Guide to Option Pricing Formulas, 2nd ed., chapter 2, with a cost of carry of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workstation.pricing.arguments import BLOCK, Rows, flags, numbers
from workstation.pricing.black_kernels import (
    add_delta_profile,
    add_gamma_profile,
    fill_curvatures,
    fill_slopes,
    fill_values,
    logs,
)

__all__ = [
    "GREEKS",
    "delta_profile",
    "gamma_profile",
    "greeks",
    "premium_adjusted_delta",
    "price",
]

_KERNELS: Final[tuple[tuple[Callable[..., None], tuple[str, ...]], ...]] = (
    (fill_values, ("price", "rho")),
    (fill_slopes, ("delta", "gamma", "vega", "theta", "vanna", "charm")),
    (fill_curvatures, ("vomma", "speed", "color", "zomma", "ultima")),
)

#: The twelve greeks, in the order in which they are given back.
GREEKS: Final = (
    "delta",
    "gamma",
    "vega",
    "theta",
    "rho",
    "vanna",
    "charm",
    "vomma",
    "speed",
    "color",
    "zomma",
    "ultima",
)


def greeks(
    *,
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    is_call: ArrayLike,
    discounts: ArrayLike = 1.0,
    names: Iterable[str] | None = None,
    out: Mapping[str, NDArray[np.float64]] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Black-76 greeks in natural units, as the module's table defines them.

    Parameters
    ----------
    forwards, strikes
        Forward and strike in the same currency.
    years
        ACT/365 years to expiry.
    vols
        Annual volatility as a decimal.
    is_call
        True for a call, False for a put.
    discounts
        Discount factor to the expiry.
    names
        Which to compute, of ``GREEKS`` and ``price``; all twelve greeks when None (those of ``out``, if given).
    out
        Arrays to fill, by name, for callers that reprice often: fresh memory costs a quarter of the time of the greeks.

    All arguments broadcast against each other.

    Returns
    -------
    dict of name -> float64 array of the broadcast shape; those not given by ``out`` are rows of one block of memory.

    Raises
    ------
    ValueError
        Shapes that do not broadcast; an unknown name; an ``out`` that is not float64, contiguous and of that shape.
    TypeError
        An argument that does not hold real numbers (``is_call``: booleans).

    Examples
    --------
    >>> found = greeks(forwards=100.0, strikes=[90.0, 110.0], years=0.5, vols=0.4, is_call=[False, True])
    >>> {name: value.round(4).tolist() for name, value in found.items() if name in ("delta", "vanna")}
    {'delta': [-0.3037, 0.4225], 'vanna': [-0.202, 0.4681]}
    """
    wanted = tuple(names if names is not None else GREEKS if out is None else out)
    known = {*GREEKS, "price"}
    if not known.issuperset(wanted):
        raise ValueError(f"names: {sorted(set(wanted) - known)} unknown; choose of {sorted(known)}")
    discount = numbers("discounts", discounts)
    rows = Rows(
        {
            "forwards": numbers("forwards", forwards),
            "strikes": numbers("strikes", strikes),
            "years": numbers("years", years),
            "vols": numbers("vols", vols),
            "is_call": flags("is_call", is_call),
            "discounts": discount,
        }
    )
    given = {} if out is None else {name: _filled(name, out[name], rows.shape) for name in wanted}
    # one block: the system hands out large pages, and clears them in half the time of six arrays
    found = given or dict(zip(wanted, np.empty((len(wanted), rows.size)), strict=True))
    unwanted, log_discounts = np.empty((2, min(rows.size, BLOCK)))
    if discount.size == 1:
        log_discounts[:] = _logs(discount).item()
    kernels = [pair for pair in _KERNELS if not found.keys().isdisjoint(pair[1])]
    for block, inputs in rows.blocks():
        logarithms = log_discounts[: block.stop - block.start]
        if discount.size > 1:
            logs(inputs[-1], logarithms)
        for kernel, outputs in kernels:
            kernel(*inputs, logarithms, *(rows.part(found.get(name, unwanted), block) for name in outputs))
    return {name: values.reshape(rows.shape) for name, values in found.items()}


def price(
    *,
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    is_call: ArrayLike,
    discounts: ArrayLike = 1.0,
) -> NDArray[np.float64]:
    """Black-76 price in the currency of the strike; arguments, limits and errors as in ``greeks``.

    Examples
    --------
    >>> float(price(forwards=100.0, strikes=100.0, years=1.0, vols=0.2, is_call=True).round(6))
    7.965567
    """
    return greeks(
        forwards=forwards,
        strikes=strikes,
        years=years,
        vols=vols,
        is_call=is_call,
        discounts=discounts,
        names=("price",),
    )["price"]


def premium_adjusted_delta(
    *,
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    is_call: ArrayLike,
    discounts: ArrayLike = 1.0,
) -> NDArray[np.float64]:
    """Delta, in coin, of an inverse (coin-margined) option: delta - V/F with V the value in USD.

    The premium of such an option is paid in coin, so its holder is short V/F coin from the start. It is the
    derivative of the coin value V/F with respect to ln F, and what Deribit's account totals add up. Hedge with
    it; do not add it to Black deltas. For a call it equals D (N(d1) - N(d1) + K/F N(d2)) = D K/F N(d2), for a
    put -D K/F N(-d2). Arguments and limits as in ``greeks``.

    Examples
    --------
    >>> float(premium_adjusted_delta(forwards=1e5, strikes=1e5, years=0.25, vols=0.5, is_call=True).round(6))
    0.450262
    """
    found = greeks(
        forwards=forwards,
        strikes=strikes,
        years=years,
        vols=vols,
        is_call=is_call,
        discounts=discounts,
        names=("delta", "price"),
    )
    return found["delta"] - found["price"] / numbers("forwards", forwards)


def gamma_profile(
    *,
    shifts: ArrayLike,
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    weights: ArrayLike,
) -> NDArray[np.float64]:
    """Weighted sum of the contracts' gammas with every forward moved by the same share.

    Parameters
    ----------
    shifts
        One-dimensional, each over -1: 0.01 moves every forward up by 1 %. NaN at -1 and under.
    forwards, strikes, years, vols, weights
        The contracts; they broadcast against each other. Weights carry open interest, multiplier, sign and, if
        wanted, discount factors.

    Returns
    -------
    float64 array (shifts): sum over i of weights_i gamma_i(forward_i (1 + shift)), volatility held.

    Notes
    -----
    Contracts without time, volatility or weight add nothing. Any other NaN, weights included, makes the whole profile
    NaN: leave such contracts out first.

    Examples
    --------
    >>> profile = gamma_profile(shifts=[-0.1, 0.0, 0.1], forwards=100.0, strikes=[90.0, 110.0], years=0.1,
    ...                         vols=0.5, weights=[-1.0, 1.0])
    >>> profile.round(4).tolist()
    [-0.0141, 0.0029, 0.0136]
    """
    factors = _factors(shifts)
    rows = _contracts(forwards, strikes, years, vols, None, weights)
    profile = np.zeros(factors.size)
    shift_logs = _logs(factors)
    for _, contracts in rows.blocks():
        add_gamma_profile(shift_logs, profile, *contracts)
    return profile / factors


def delta_profile(
    *,
    shifts: ArrayLike,
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    is_call: ArrayLike,
    weights: ArrayLike,
) -> NDArray[np.float64]:
    """Weighted sum of the contracts' deltas with every forward moved by the same share.

    Arguments as in ``gamma_profile``; contracts without time or volatility count with their exercise.

    Examples
    --------
    >>> delta_profile(shifts=[-0.5, 0.0, 0.5], forwards=100.0, strikes=100.0, years=0.1, vols=0.5, is_call=True,
    ...               weights=10.0).round(3).tolist()
    [0.0, 5.315, 9.959]
    """
    factors = _factors(shifts)
    rows = _contracts(forwards, strikes, years, vols, is_call, weights)
    profile = np.zeros(factors.size)
    shift_logs = _logs(factors)
    for _, contracts in rows.blocks():
        add_delta_profile(shift_logs, profile, *contracts)
    return profile


def _filled(name: str, array: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if array.shape != shape or array.dtype != np.float64 or not array.flags.c_contiguous:
        raise ValueError(
            f"out[{name!r}]: expected a C-contiguous float64 array of shape {shape}, "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array.reshape(-1)


def _logs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.empty(values.size)
    for block, (column,) in Rows({"values": values}).blocks():
        logs(column, found[block])
    return found.reshape(values.shape)


def _factors(shifts: ArrayLike) -> NDArray[np.float64]:
    moves = numbers("shifts", shifts)
    if moves.ndim != 1:
        raise ValueError(f"shifts: expected one dimension, got shape {moves.shape}")
    return np.where(moves > -1.0, 1.0 + moves, np.nan)


def _contracts(
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    vols: ArrayLike,
    is_call: ArrayLike | None,
    weights: ArrayLike,
) -> Rows:
    arguments: dict[str, NDArray[Any]] = {
        "forwards": numbers("forwards", forwards),
        "strikes": numbers("strikes", strikes),
        "years": numbers("years", years),
        "vols": numbers("vols", vols),
    }
    if is_call is not None:
        arguments["is_call"] = flags("is_call", is_call)
    return Rows({**arguments, "weights": numbers("weights", weights)})
