"""Net gex over a grid of spots, and where it crosses zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workstation.market.public_face import make_callable
from workstation.pricing import by_style
from workstation.pricing.black import gamma_profile
from workstation.pricing.contracts import ContractArrays, Floats

STEP = 0.0025
REACH = 0.20
WIDE_REACH = 0.50
NO_CONTRACT = "no contract is priced"
UNKNOWN = "the position in no contract is known"
NO_EXPOSURE = "net gex is zero over the whole grid"
NO_CROSSING = "net gex does not change sign within 50 % of spot"
DUST = 1e-12
"""Net gex below this share of the curve's largest counts as zero."""


@dataclass(frozen=True, eq=False)
class ZeroGamma:
    """The curve and its crossings.

    Attributes
    ----------
    spots, net_gex
        Grid (USD, ascending) and net gex re-priced there, USD per 1 % move.
    crossings
        Every spot where net gex changes sign, ascending.
    nearest
        The crossing nearest to spot; NaN when there is none, and then ``reason`` says why.
    """

    spots: Floats
    net_gex: Floats
    crossings: Floats
    nearest: float
    reason: str


def crossings(*, spots: npt.ArrayLike, values: npt.ArrayLike) -> Floats:
    """Where a curve given on an ascending grid changes sign, by linear interpolation.

    Between values of opposite sign with zeros between them the crossing is the middle of the zeros. Touching
    zero is not crossing it.

    Examples
    --------
    >>> crossings(spots=[1.0, 2.0, 3.0, 4.0], values=[-1.0, 3.0, 0.0, -2.0]).tolist()
    [1.25, 3.0]
    """
    grid, curve = np.asarray(spots, dtype=np.float64), np.asarray(values, dtype=np.float64)
    largest = float(np.abs(curve).max(initial=0.0))
    solid = np.flatnonzero(np.abs(curve) > DUST * largest)
    left, right = solid[:-1], solid[1:]
    change = np.signbit(curve[left]) != np.signbit(curve[right])
    left, right = left[change], right[change]
    adjacent = right == left + 1
    rise = curve[right] - curve[left]
    crossed: Floats = np.where(
        adjacent,
        grid[left] - curve[left] * ((grid[right] - grid[left]) / rise),
        0.5 * (grid[np.minimum(left + 1, grid.size - 1)] + grid[right - 1]),
    )
    return crossed


def zero_gamma(contracts: ContractArrays, *, position: Floats, net_gex: float) -> ZeroGamma:
    """Net gex re-priced on a spot grid, and its zero nearest to spot.

    The vol of each contract stays fixed (sticky strike), each forward moves in proportion to spot, time stands
    still. The grid is spot +-20 % in steps of 0.25 % of spot, widened to +-50 % when there is no crossing. At
    spot the curve is ``net_gex`` itself.
    """
    if not len(contracts) or not contracts.spot > 0 or np.isnan(net_gex):
        empty = np.empty(0)
        reason = UNKNOWN if len(contracts) and np.isnan(net_gex) else NO_CONTRACT
        return ZeroGamma(empty, empty, empty, float("nan"), reason)
    inner, outer = round(REACH / STEP), round(WIDE_REACH / STEP)
    steps = np.arange(-inner, inner + 1)
    curve = net_gex_curve(contracts, position=position, steps=steps)
    curve[inner] = net_gex
    found = crossings(spots=_spots(contracts, steps), values=curve)
    if not found.size:
        wings = np.concatenate((np.arange(-outer, -inner), np.arange(inner + 1, outer + 1)))
        wing = net_gex_curve(contracts, position=position, steps=wings)
        steps = np.arange(-outer, outer + 1)
        curve = np.concatenate((wing[: outer - inner], curve, wing[outer - inner :]))
        found = crossings(spots=_spots(contracts, steps), values=curve)
    spots = _spots(contracts, steps)
    if found.size:
        nearest = float(found[np.argmin(np.abs(found - contracts.spot))])
        return ZeroGamma(spots, curve, found, nearest, "")
    return ZeroGamma(spots, curve, found, float("nan"), NO_CROSSING if curve.any() else NO_EXPOSURE)


def _spots(contracts: ContractArrays, steps: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(contracts.spot * (1.0 + STEP * steps), dtype=np.float64)


def net_gex_curve(contracts: ContractArrays, *, position: Floats, steps: npt.NDArray[np.int64]) -> Floats:
    """Net gex re-priced at spot times 1 + ``STEP`` each step, USD per 1 % move; vols and time stand still.

    A contract whose position is unknown (NaN) has no part.
    """
    moves = np.asarray(STEP * steps, dtype=np.float64)
    held = np.nan_to_num(position)
    early = contracts.american
    profile = np.zeros(steps.size)
    if not early.all():
        weights = held * contracts.discount * np.square(contracts.forward)
        columns = (contracts.forward, contracts.strike, contracts.years, contracts.vol, weights)
        forward, strike, years, vol, weight = (
            column[~early] if early.any() else column for column in columns
        )
        found = gamma_profile(
            shifts=moves, forwards=forward, strikes=strike, years=years, vols=vol, weights=weight
        )
        profile += found * np.square(1.0 + moves)
    if early.any():
        profile += by_style.american_cash_gamma_profile(
            shifts=moves, forwards=contracts.forward[early], strikes=contracts.strike[early], years=contracts.years[early],
            vols=contracts.vol[early], is_call=contracts.is_call[early], discounts=contracts.discount[early],
            yields=contracts.yields[early], weights=held[early],
        )  # fmt: skip
    return np.asarray(profile * 0.01, dtype=np.float64)


make_callable(__name__)
