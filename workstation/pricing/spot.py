"""The spot of a chain, in step with its quotes: the index where it agrees with them, else what parity implies."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.market.tables import NO_TIME
from workstation.pricing.forward import PARITY, Forwards

Floats = npt.NDArray[np.float64]

OUT_OF_STEP_S: Final = 900.0
"""An index this much older or newer than the quotes is of another moment."""
OFF_PARITY: Final = 0.005
"""Share by which the index may be off the spot that parity implies, in addition to what the carry leaves open."""
CARRY: Final = 0.05
"""Rate less dividends of a year, one standard deviation where nothing is measured."""
DIVIDENDS: Final = 0.02
"""Least of the same where parity measures the rate, of which dividends take any part."""
_BEND: Final = 0.01
_FINEST: Final = 1e-4


class Spot(NamedTuple):
    """Spot in USD and where it is from; ``flag`` says why the index ``given`` is not taken, empty when it is."""

    value: float
    source: str
    flag: str
    given: float
    implied: float


def implied_spot(curve: Forwards, years: Floats) -> tuple[float, float]:
    """Spot that the parity forwards of a chain imply, and its relative standard error; NaN without one.

    The line of ln F over the years, at zero: the nearest expiries count most; the carry is that of the line, held near
    what the rate that parity measures allows.

    Parameters
    ----------
    curve
        Forwards of the expiries.
    years
        Their years, shape (m,).
    """
    at = np.flatnonzero(curve.source == PARITY)
    at = at[(curve.forward[at] > 0) & (years[at] > 0)] if at.size else at
    if not at.size:
        return float("nan"), float("nan")
    time, log_forward = years[at], np.log(curve.forward[at])
    error = np.nan_to_num(curve.forward_error[at]) / curve.forward[at]
    weight = 1.0 / (np.square(error) + _FINEST**2 + np.square(_BEND * time))
    carry, carry_error = _carry(curve, at, time)
    held = 1.0 / carry_error**2
    # the normal equations of [ln S, carry], the carry with its prior
    matrix = np.array([[weight.sum(), weight @ time], [weight @ time, weight @ time**2 + held]])
    right = np.array([weight @ log_forward, weight @ (time * log_forward) + held * carry])
    found, covariance = np.linalg.solve(matrix, right), np.linalg.inv(matrix)
    return float(np.exp(found[0])), float(np.sqrt(covariance[0, 0]))


def _carry(curve: Forwards, at: npt.NDArray[np.intp], time: Floats) -> tuple[float, float]:
    """Half the rate that the nearest measured discount tells, dividends may take none or all, and how far the carry may be off."""
    measured = np.isfinite(curve.discount_error[at])
    if not measured.any():
        return 0.0, CARRY
    row = int(np.argmax(measured))
    discount, error = curve.discount[at][row], curve.discount_error[at][row]
    half = 0.5 * float(-np.log(discount) / time[row])
    return half, float(np.hypot(max(abs(half), DIVIDENDS), error / discount / time[row]))


def spot_in_step(*, index: float, index_ns: int, quotes_ns: int, curve: Forwards, years: Floats) -> Spot:
    """The index where it is of the quotes' moment and agrees with parity; else what parity implies; else the nearest forward.

    Parameters
    ----------
    index, index_ns
        Newest index (NaN: none) and its time.
    quotes_ns
        Newest time of a price or vol; ``NO_TIME``: none.
    curve, years
        As for ``implied_spot``.
    """
    implied, error = implied_spot(curve, years)
    flag = _flag(index, index_ns, quotes_ns, implied, error)
    if index > 0 and not flag:
        return Spot(index, "index", "", index, implied)
    if implied > 0:
        return Spot(implied, "parity", flag, index, implied)
    positive = curve.forward[curve.forward > 0]
    if positive.size:
        return Spot(float(positive[0]), "forward of the nearest expiry", flag, index, implied)
    return (
        Spot(index, "index", flag, index, implied) if index > 0 else Spot(index, "none", "", index, implied)
    )


def _flag(index: float, index_ns: int, quotes_ns: int, implied: float, error: float) -> str:
    if not index > 0:
        return ""
    apart = (index_ns - quotes_ns) / 1e9 if quotes_ns > NO_TIME else 0.0
    if abs(apart) > OUT_OF_STEP_S:
        return f"index is {abs(apart):.0f} s {'newer' if apart > 0 else 'older'} than the quotes"
    off = np.log(index / implied) if implied > 0 else 0.0
    if abs(off) > OFF_PARITY + error:
        return f"index is {100 * off:+.2f} % off the spot implied by parity, {implied:.6g}"
    return ""
