"""Turnover: how much is traded if every signal's side is held over its horizon."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.market.instants import HOUR_NS
from workstation.research.evaluation.price_paths import Instants


class Turnover(NamedTuple):
    """Units traded per hour of traded time; share of that time with a position; the largest position."""

    per_hour: float
    held: float
    largest: float


def turnover(
    *, entry_ns: Instants, exit_ns: Instants, side: npt.NDArray[np.int8], traded_ns: int
) -> Turnover:
    """One unit of ``side`` from entry to exit per signal, netted.

    Parameters
    ----------
    entry_ns, exit_ns, side
        (n,) of one instrument's measured signals.
    traded_ns
        Time in which it has prices.

    Examples
    --------
    >>> hour = 3_600 * 10**9
    >>> turnover(entry_ns=np.array([0]), exit_ns=np.array([hour // 2]), side=np.array([1]), traded_ns=hour)
    Turnover(per_hour=2.0, held=0.5, largest=1.0)
    """
    if not entry_ns.size or traded_ns <= 0:
        return Turnover(0.0, 0.0, 0.0)
    moments, at = np.unique(np.concatenate((entry_ns, exit_ns)), return_inverse=True)
    change = np.bincount(at, np.concatenate((side, -side)).astype(np.float64), moments.size)
    position = np.cumsum(change)
    held = float(np.diff(moments)[position[:-1] != 0.0].sum()) / traded_ns
    return Turnover(
        float(np.abs(change).sum()) * HOUR_NS / traded_ns, min(held, 1.0), float(np.abs(position).max())
    )
