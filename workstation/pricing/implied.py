"""Implied volatility under Black-76, and why there is none.

Method: see ``implied_kernels``. The error is that of the price itself, carried over: about eps P/vega, plus a few
roundings of the volatility. So deep in the money, where P is all intrinsic value, fewer digits are there to find;
quote the out-of-the-money side where there is a choice.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workstation.pricing import implied_kernels as kernels
from workstation.pricing.arguments import Rows, flags, numbers

_ROWS_IN_CACHE: Final = 512
_WORKSPACE_ROWS: Final = 7


class ImpliedReason(IntEnum):
    """Why a price has no implied volatility."""

    SOLVED = kernels.SOLVED
    """It has one."""
    NOT_FINITE = kernels.NOT_FINITE
    """A NaN or an infinity among the arguments."""
    BAD_TERMS = kernels.BAD_TERMS
    """A forward, strike or discount that is not positive."""
    EXPIRED = kernels.EXPIRED
    """No time left."""
    BELOW_INTRINSIC = kernels.BELOW_INTRINSIC
    """Under the discounted intrinsic value, or negative."""
    NO_TIME_VALUE = kernels.NO_TIME_VALUE
    """Equal to the discounted intrinsic value within the rounding of the price: any low volatility fits."""
    ABOVE_BOUND = kernels.ABOVE_BOUND
    """At or over the bound: discounted forward (call) or strike (put)."""


def implied_vol(
    *,
    prices: ArrayLike,
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
    discounts: ArrayLike = 1.0,
) -> NDArray[np.float64]:
    """Annual volatility at which Black-76 gives the price; NaN where none does, never clamped.

    Parameters
    ----------
    prices
        Discounted option prices in the currency of the strike.
    forwards, strikes, years, is_call, discounts
        As in ``black.greeks``; all broadcast.

    Returns
    -------
    float64 array of the broadcast shape. ``implied_vol_reason`` tells why an element is NaN.

    Raises
    ------
    ValueError, TypeError
        As ``black.greeks``.

    Examples
    --------
    >>> implied_vol(prices=[7.965567, 100.0], forwards=100.0, strikes=100.0, years=1.0, is_call=True).round(6)
    array([0.2, nan])
    """
    rows = _rows(prices, forwards, strikes, years, is_call, discounts)
    found = np.empty(rows.size)
    workspace = np.empty((_WORKSPACE_ROWS, _ROWS_IN_CACHE))
    for block, inputs in rows.blocks():
        kernels.fill_implied(_guesses(), workspace, found[block], *inputs)
    return found.reshape(rows.shape)


def implied_vol_reason(
    *,
    prices: ArrayLike,
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
    discounts: ArrayLike = 1.0,
) -> NDArray[np.int8]:
    """The ``ImpliedReason`` code of each element of ``implied_vol`` with the same arguments.

    Examples
    --------
    >>> codes = implied_vol_reason(prices=[8.0, 100.0], forwards=100.0, strikes=100.0, years=1.0, is_call=True)
    >>> [ImpliedReason(code).name for code in codes]
    ['SOLVED', 'ABOVE_BOUND']
    """
    rows = _rows(prices, forwards, strikes, years, is_call, discounts)
    found = np.empty(rows.size, dtype=np.int8)
    for block, inputs in rows.blocks():
        kernels.fill_reasons(found[block], *inputs)
    return found.reshape(rows.shape)


def _rows(
    prices: ArrayLike,
    forwards: ArrayLike,
    strikes: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
    discounts: ArrayLike,
) -> Rows:
    arguments: dict[str, NDArray[Any]] = {
        "prices": numbers("prices", prices),
        "forwards": numbers("forwards", forwards),
        "strikes": numbers("strikes", strikes),
        "years": numbers("years", years),
        "is_call": flags("is_call", is_call),
        "discounts": numbers("discounts", discounts),
    }
    return Rows(arguments)


@cache
def _guesses() -> NDArray[np.float64]:
    return kernels.guess_table()
