"""Nodes and weights of the American collocation scheme, and the accuracies they are made for."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workstation.pricing.american_kernels import LANES

Floats = NDArray[np.float64]
Accuracy = Literal["fast", "standard", "exact"]

#: Nodes of the boundary, angles of its integrals, angles of the value's, Newton steps of QD+ and of the collocation.
SIZES: Final[dict[str, tuple[int, int, int, int, int]]] = {
    "fast": (6, 8, 16, 4, 2),
    "standard": (12, 16, 64, 4, 3),
    "exact": (48, 72, 161, 4, 6),
}
SETTLED: Final[dict[str, float]] = {"fast": 3e-2, "standard": 3e-3, "exact": 1e-4}
"""A last Newton step under this leaves an error, its square, under the accuracy's own."""
MOST_STEPS: Final = 30
"""Newton steps where the usual number did not settle: each may go a tenth of the way."""
_CROWDING: Final = 1.5
"""sqrt(tau) is this power of the Chebyshev points: H goes as tau ln(1/tau) where the boundary leaves the strike."""
_MOST_GAUSSIAN: Final = 100
"""More angles than this are the double exponential rule's, which resolves a spot within 1e-6 of the boundary."""
_FARTHEST_STEP: Final = 3.2


class Grid(NamedTuple):
    """What does not depend on the option: n nodes, q angles of the boundary's integrals, p angles of the value's.

    ``weights[i, m]`` takes H at the nodes to H at angle m of node i, padded with zeros to a multiple of four nodes.
    """

    roots: Floats
    sines: Floats
    cosines: Floats
    angle_weights: Floats
    weights: Floats
    value_sines: Floats
    value_cosines: Floats
    value_angle_weights: Floats
    value_weights: Floats
    start_steps: int
    newton_steps: int


class Work(NamedTuple):
    """Memory of a Newton step of ``LANES`` options."""

    matrix: Floats
    rest: Floats
    by_upper: Floats
    by_lower: Floats
    bent: Floats
    own: Floats
    residual: Floats
    upper: Floats
    lower: Floats
    square: Floats
    share: Floats


@cache
def grid(accuracy: str) -> Grid:
    """The grid of one of ``SIZES``."""
    nodes, angles, value_angles, start_steps, newton_steps = SIZES[accuracy]
    return make_grid(nodes, angles, value_angles, start_steps, newton_steps)


def make_grid(nodes: int, angles: int, value_angles: int, start_steps: int, newton_steps: int) -> Grid:
    """Chebyshev-Lobatto points, crowded towards the expiry, and Gauss-Legendre or double exponential angles."""
    points = 0.5 - 0.5 * np.cos(np.arange(nodes + 1) * np.pi / nodes)
    roots = points[1:] ** _CROWDING
    sines, cosines, weights = _angles(angles)
    value_sines, value_cosines, value_weights = _angles(value_angles)
    return Grid(
        roots,
        sines,
        cosines,
        weights,
        _interpolation(points, roots[:, None] * sines),
        value_sines,
        value_cosines,
        value_weights,
        _interpolation(points, value_sines),
        start_steps,
        newton_steps,
    )


def workspace(grid: Grid) -> Work:
    """Memory for ``newton_step``."""
    nodes, angles = grid.roots.size, grid.sines.size
    by_angle = [np.empty((angles, LANES)) for _ in range(3)]
    by_lane = [np.empty(LANES) for _ in range(6)]
    return Work(np.empty((nodes, nodes, LANES)), np.empty((nodes, LANES)), *by_angle, *by_lane)


def _angles(count: int) -> tuple[Floats, Floats, Floats]:
    """Sine, cosine and weight of a rule's angles in (0, pi/2)."""
    if count <= _MOST_GAUSSIAN:
        at, weight = np.polynomial.legendre.leggauss(count)
        angle = 0.25 * np.pi * (at + 1.0)
        return np.sin(angle), np.cos(angle), 0.25 * np.pi * weight
    step = np.linspace(-_FARTHEST_STEP, _FARTHEST_STEP, count)
    steep = np.pi * np.sinh(step)
    share, rest = 1.0 / (1.0 + np.exp(-steep)), 1.0 / (1.0 + np.exp(steep))
    weight = 0.5 * np.pi * (step[1] - step[0]) * np.pi * np.cosh(step) * share * rest
    return np.sin(0.5 * np.pi * share), np.sin(0.5 * np.pi * rest), weight


def _interpolation(points: Floats, at: Floats) -> Floats:
    """Weights by which H at the points, 0 at the first one, gives H at roots of time ``at``.

    Barycentric, and before the second point as the asymptotics have it: H/tau is a straight line in ln tau.
    """
    place = at ** (1.0 / _CROWDING)
    sign = np.where(np.arange(points.size) % 2 == 0, 1.0, -1.0)
    sign[[0, -1]] *= 0.5
    apart = place[..., None] - points
    equal = np.abs(apart) < 1e-15
    share = sign / np.where(equal, 1.0, apart)
    share = np.where(equal.any(axis=-1, keepdims=True), equal, share / share.sum(axis=-1, keepdims=True))
    padded = np.zeros((*at.shape, -(-(points.size - 1) // 4) * 4))
    padded[..., : points.size - 1] = share[..., 1:]
    early = place < points[1] * (1.0 - 1e-12)
    roots = points[1:3] ** _CROWDING
    steps = np.log(at[early] / roots[0]) / np.log(roots[0] / roots[1])
    padded[early] = 0.0
    padded[early, 0] = (1.0 + steps) * np.square(at[early] / roots[0])
    padded[early, 1] = -steps * np.square(at[early] / roots[1])
    return padded
