"""False alarms: why a signal that was no hit was none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from workstation.research.evaluation.forward_returns import MEASURED, Forward
from workstation.research.evaluation.price_paths import Floats, PricePath

REASONS = ("taken back", "no move", "came back", "went against it")
"""The first that holds: retracted or refuted later; ended where it began; was as far on its side as it ended against it; the rest."""
HIT, UNMEASURED = -1, -2
_BLOCK = 1024


def false_alarm_reasons(
    *,
    bps: Floats,
    forward: Forward,
    side: npt.NDArray[np.int8],
    taken_back: npt.NDArray[np.bool_],
    members: Mapping[str, npt.NDArray[np.intp]],
    paths: Mapping[str, PricePath],
) -> npt.NDArray[np.int8]:
    """Reason (index of REASONS) per signal and horizon (n, h); HIT where it was one, UNMEASURED where nothing is known.

    Parameters
    ----------
    bps
        (n, h) signed returns, costs taken off.
    forward, side, taken_back, members, paths
        As evaluated.
    """
    reason = np.full(bps.shape, UNMEASURED, dtype=np.int8)
    for at in range(bps.shape[1]):
        best = np.full(bps.shape[0], np.nan)
        lost = (forward.outcome[:, at] == MEASURED) & (bps[:, at] < 0.0)
        for name, rows in members.items():
            own = rows[lost[rows]]
            if own.size:
                best[own] = _best(paths[name], forward.entry[own], forward.last[own, at], side[own])
        told = forward.outcome[:, at] == MEASURED
        chosen = np.select(
            [bps[:, at] > 0.0, taken_back, bps[:, at] == 0.0, best >= -bps[:, at]], [HIT, 0, 1, 2], 3
        )
        reason[told, at] = chosen[told]
    return reason


def _best(
    path: PricePath, entry: npt.NDArray[np.intp], last: npt.NDArray[np.intp], side: npt.NDArray[np.int8]
) -> Floats:
    """The furthest price went to the signal's side, bps from the entry."""
    made = np.empty(entry.size)
    for sign, extreme in ((1, np.maximum), (-1, np.minimum)):
        own = side == sign
        if own.any():
            top = range_extreme(path.prices, entry[own], last[own] + 1, extreme)
            made[own] = sign * 1e4 * np.log(top / path.prices[entry[own]])
    return made


def range_extreme(
    values: Floats, start: npt.NDArray[np.intp], stop: npt.NDArray[np.intp], extreme: np.ufunc
) -> Floats:
    """Maximum or minimum of ``values[start:stop]`` for each pair; by blocks, so that long ranges cost little.

    Parameters
    ----------
    values
        (n,).
    start, stop
        (m,) with start < stop.
    extreme
        ``numpy.maximum`` or ``numpy.minimum``.

    Examples
    --------
    >>> range_extreme(np.array([1.0, 5.0, 2.0]), np.array([0, 2]), np.array([2, 3]), np.maximum).tolist()
    [5.0, 2.0]
    """
    blocks = extreme.reduceat(values, np.arange(0, values.size, _BLOCK))
    first, last = -(-start // _BLOCK), stop // _BLOCK
    long = last > first
    made = np.empty(start.size)
    made[~long] = _of_ranges(values, start[~long], stop[~long], extreme)
    if long.any():
        whole = _of_ranges(blocks, first[long], last[long], extreme)
        head = _of_ranges(values, start[long], np.maximum(first[long] * _BLOCK, start[long] + 1), extreme)
        tail = _of_ranges(values, np.minimum(last[long] * _BLOCK, stop[long] - 1), stop[long], extreme)
        made[long] = extreme(whole, extreme(head, tail))
    return made


def _of_ranges(
    values: Floats, start: npt.NDArray[np.intp], stop: npt.NDArray[np.intp], extreme: np.ufunc
) -> Floats:
    if not start.size:
        return np.empty(0)
    padded = np.append(values, values[-1])  # reduceat takes no bound past the last value
    bounds = np.column_stack((start, stop)).ravel()
    return np.asarray(extreme.reduceat(padded, bounds)[::2])
