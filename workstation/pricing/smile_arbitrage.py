"""Static arbitrage of SVI smiles: found, counted and repaired.

A smile is free of butterfly arbitrage where Durrleman's g >= 0; smiles are free of calendar arbitrage where total
variance at the same k does not fall from one expiry to the next (Gatheral, Jacquier 2014, sections 2 and 4).

Repair is a refit of the same quotes with rising penalties on g < 0 and on crossings, so the smile moves no further
from its quotes than it must. What a penalty leaves is taken away for good by going, in the coordinates of the search,
towards a smile that is free by theorem, just as far as needed: for butterflies the SSVI slice with the same
at-the-money variance, skew and put wing (section 5.1, its curvature lowered until theorem 4.2 holds), for
calendars the smile before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from workstation.pricing.smile import Calibration
from workstation.pricing.smile_kernels import (
    PARAMETERS,
    fill_total_variance,
    grid_of,
    least_g,
    point_of,
    raw_of,
)
from workstation.pricing.smile_search import descend

__all__ = ["CROSSING", "butterflies", "common_grid", "crossings", "without_arbitrage", "without_butterflies"]

Floats = npt.NDArray[np.float64]

CROSSING: Final = 1e-10
"""Total variance that falls by less is rounding."""
_NOTHING: Final = np.empty(0)
_MARGINS: Final = (1e-4, 1e-3, 1e-2, 3e-2, 0.1)
"""The refit aims at g a little over zero, and higher where it still ends under it."""
_G_SCALES: Final = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Weight of a shortfall of g, rising, when an equal residual of volatility weighs 1."""
_W_SCALES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Weight of a crossing, rising, when an equal residual of volatility weighs 1."""
_LIFTS: Final = (3.0, 30.0, 300.0, 3000.0)
_OVER: Final = 1e-6
"""The last refit aims at a little more total variance than the smile before has, so that it seldom ends just under it."""
_LITTLE: Final = 1e-3
"""A smile that lies under the one before by a smaller share of its least variance is simply raised."""
_GRID: Final = 241
_FINE: Final = 1921
"""Points at which the last lift looks, so that next to nothing is left between those of the grid."""
_HALVINGS: Final = 40
_RHOS: Final = tuple(float(rho) for rho in np.linspace(-0.96, 0.96, 25))
_ETAS: Final = np.geomspace(0.02, 1.0, 12)
_NO_CALENDAR: Final = (_NOTHING, _NOTHING, _NOTHING, _NOTHING)


def butterflies(calibration: Calibration) -> int:
    """At how many points of the dense grid g < -1e-10; at least 1 where it is so only between them."""
    least, under = _least(calibration.point, calibration)
    return max(under, int(least < -1e-10))


def common_grid(calibrations: Sequence[Calibration], points: int = _GRID) -> Floats:
    """Log-moneyness at which smiles are compared: all that is quoted of any of them, densest at the money."""
    if not calibrations:
        return np.zeros(1)
    low = min(float(one.log_moneyness.min()) for one in calibrations)
    high = max(float(one.log_moneyness.max()) for one in calibrations)
    narrowest = min(sqrt(float(np.median(one.total_variance))) for one in calibrations)
    first, last = np.arcsinh(low / narrowest), np.arcsinh(high / narrowest)
    grid = narrowest * np.sinh(np.linspace(first, last, points))
    return np.unique(np.concatenate(([low, 0.0, high], grid[1:-1])))


def crossings(calibrations: Sequence[Calibration], grid: Floats) -> npt.NDArray[np.int64]:
    """At how many points of the grid each smile has less total variance than the one before it."""
    w = np.array([_variance(one.point, grid) for one in calibrations]).reshape(-1, grid.size)
    found = np.zeros(len(calibrations), dtype=np.int64)
    found[1:] = (np.diff(w, axis=0) < -CROSSING).sum(axis=1)
    return found


def without_butterflies(calibration: Calibration) -> Calibration:
    """The calibration itself where g >= 0, else the nearest found that is so."""
    if _least(calibration.point, calibration)[0] >= 0.0:
        return calibration
    free = _free(calibration)
    point = calibration.point.copy()
    for g_scale in _G_SCALES:
        _refit(point, calibration, g_scale, _MARGINS[0], _NO_CALENDAR)
    anchor = point
    for margin in _MARGINS[1:]:
        if free(anchor):
            break
        anchor = anchor.copy()
        _refit(anchor, calibration, _G_SCALES[-1], margin, _NO_CALENDAR)
    if free(anchor):
        return replace(calibration, point=_towards(point, anchor, free, calibration))
    anchor = _free_slice(calibration)
    near = anchor.copy()
    _refit(near, calibration, _G_SCALES[-1], _MARGINS[1], _NO_CALENDAR)
    found = (_towards(start, anchor, free, calibration) for start in (point, near))
    return replace(calibration, point=min(found, key=lambda at: _misfit(at, calibration)))


def without_arbitrage(calibrations: Sequence[Calibration]) -> list[Calibration]:
    """Smiles of ascending expiries without butterflies and without crossings on their common grid.

    First each smile alone; then, where neighbours cross, both are refitted in turn with the other as floor or
    ceiling, so that the one held less firmly by its quotes gives way; last, from the nearest expiry on, what
    still lies under the one before is lifted over it.
    """
    points = [without_butterflies(one).point for one in calibrations]
    grid = common_grid(calibrations)
    w = [_variance(point, grid) for point in points]
    for w_scale in _W_SCALES:
        crossed = {row for row in range(1, len(w)) if (w[row] < w[row - 1] - CROSSING).any()}
        if not crossed:
            break
        for row in sorted(crossed | {row - 1 for row in crossed}):
            floor = w[row - 1] if row else np.full(grid.size, -np.inf)
            ceiling = w[row + 1] if row + 1 < len(w) else np.full(grid.size, np.inf)
            share = sqrt(calibrations[row].log_moneyness.size / grid.size)
            in_vols = 0.5 * w_scale * share / np.sqrt(w[row] * calibrations[row].years)
            _refit(
                points[row], calibrations[row], _G_SCALES[-1], _MARGINS[1], (grid, floor, ceiling, in_vols)
            )
            w[row] = _variance(points[row], grid)
    fine = common_grid(calibrations, _FINE)
    for row in range(len(w)):
        points[row] = _lifted(points[row], points[row - 1] if row else None, calibrations[row], grid, fine)
    return [replace(one, point=point) for one, point in zip(calibrations, points, strict=True)]


def _lifted(
    point: Floats, before: Floats | None, calibration: Calibration, grid: Floats, fine: Floats
) -> Floats:
    """The smile over the one before it, without butterflies, as near to the point as can be had."""
    if before is None:
        return without_butterflies(replace(calibration, point=point)).point
    point, under, floor = point.copy(), _variance(before, grid), _variance(before, fine)
    no_butterfly = _free(calibration)

    def free(at: Floats) -> bool:
        return bool((_variance(at, fine) >= floor).all()) and no_butterfly(at)

    def raised() -> Floats:
        gap = float((floor - _variance(point, fine)).max())
        higher = point.copy()
        if gap > 0.0:
            higher[0] = np.log(np.exp(point[0]) + gap * (1.0 + 1e-9) + 1e-15)
        return higher

    if (floor - _variance(point, fine)).max() < _LITTLE * floor.min() and free(raised()):
        return raised()
    calendar = (under * (1.0 + _OVER), np.full(grid.size, np.inf))
    in_vols = 0.5 / np.sqrt(under * calibration.years)
    for margin in _MARGINS:
        for w_scale in _LIFTS:
            _refit(point, calibration, _G_SCALES[-1], margin, (grid, *calendar, w_scale * in_vols))
        if free(raised()):
            return raised()
    return _towards(point, before, free, calibration)


def _towards(
    point: Floats, anchor: Floats, free: Callable[[Floats], bool], calibration: Calibration
) -> Floats:
    """The point itself where it is free, else the first free one found on the way to the anchor, which is free.

    The way bends in total variance: where the anchor is nearer to the quotes than what is found on it, the anchor.
    """
    if free(point):
        return point
    near, far = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (near + far)
        if free(point + middle * (anchor - point)):
            far = middle
        else:
            near = middle
    found = point + far * (anchor - point)
    nearer = far == 1.0 or _misfit(anchor, calibration) < _misfit(found, calibration)
    return anchor.copy() if nearer else found


def _free(calibration: Calibration) -> Callable[[Floats], bool]:
    return lambda at: _least(at, calibration)[0] >= 0.0


def _free_slice(calibration: Calibration) -> Floats:
    """The nearest SSVI slice of a coarse search with the smile's variance at the money, free by theorem 4.2.

    theta phi (1 + |rho|) < 4 and theta phi^2 (1 + |rho|) <= 4, with eta = sqrt(theta) phi.
    """
    theta = float(calibration.svi.total_variance(0.0))
    best, least = np.empty(PARAMETERS), np.inf
    for rho in _RHOS:
        most = min(1.99 / sqrt(1.0 + abs(rho)), 3.9 / (sqrt(theta) * (1.0 + abs(rho))))
        for eta in most * _ETAS:
            phi, root = eta / sqrt(theta), sqrt(1.0 - rho * rho)
            point = np.empty(PARAMETERS)
            raw = [0.5 * theta * root * root, 0.5 * theta * phi, rho, -rho / phi, root / phi]
            point_of(np.array(raw), point)
            misfit = _misfit(point, calibration)
            if misfit < least:
                best, least = point, misfit
    return best


def _refit(
    point: Floats,
    calibration: Calibration,
    g_scale: float,
    margin: float,
    calendar: tuple[Floats, Floats, Floats, Floats],
) -> None:
    raw = np.empty(PARAMETERS)
    raw_of(point, raw)
    k = calibration.log_moneyness
    grid = grid_of(raw, k.min(), k.max())
    fence = (grid, g_scale * sqrt(k.size / grid.size), margin, *calendar)
    descend(point, calibration.bounds, calibration.data, fence, 30, 1e-7)


def _misfit(point: Floats, calibration: Calibration) -> float:
    k, w, scale = calibration.data
    return float((np.square(scale * (_variance(point, k) - w))).sum())


def _variance(point: Floats, grid: Floats) -> Floats:
    raw, out = np.empty(PARAMETERS), np.empty(grid.size)
    raw_of(point, raw)
    fill_total_variance(raw, grid, out)
    return out


def _least(point: Floats, calibration: Calibration) -> tuple[float, int]:
    raw = np.empty(PARAMETERS)
    raw_of(point, raw)
    least, under = least_g(raw, calibration.log_moneyness.min(), calibration.log_moneyness.max())
    return float(least), int(under)
