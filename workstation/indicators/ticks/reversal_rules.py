"""The four reversal rules: what each asks of the market, as a function of numbers, and the threshold it is measured against.

All are compiled; each takes numbers (never arrays) and tells whether the rule fires. ``direction`` is the burst's, +1 up and
-1 down; a signal's ``side`` is the opposite.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np


class ReversalRules(NamedTuple):
    """Numbers of ``ReversalsParameters`` as kernels take them."""

    v1: bool
    v2: bool
    v3: bool
    v4: bool
    hold_ns: int
    stretch: float
    volume_factor: float
    choppiness_below: float
    volume_over: float


class CandleTrend(NamedTuple):
    """What the confirmed fade asks of the closed candles of an instrument.

    ``known``: both EMAs are full; ``reach``: how far from the high EMA a price is stretched, beyond any price until the range
    is known; ``volume_mean``: of the last closed low candles.
    """

    known: bool
    low_slope: float
    high_slope: float
    high_ema: float
    reach: float
    atr: float
    volume_mean: float


@numba.njit(cache=True, nogil=True, inline="always")
def begins_burst(smoothed: float, mean: float, buffer: float, velocity: float) -> bool:
    """A burst begins when smoothed intensity exceeds the baseline by the buffer while price moves."""
    return smoothed > mean + buffer and velocity != 0.0


@numba.njit(cache=True, nogil=True, inline="always")
def intensity_fade(smoothed: float, fade_level: float, velocity: float, direction: int) -> bool:
    """v1: intensity has fallen from the burst's peak by more than the buffer (``fade_level``), and price no longer moves with the burst."""
    return smoothed < fade_level and velocity * direction <= 0.0


@numba.njit(cache=True, nogil=True, inline="always")
def pullback(pull_back: float, deviation: float, move: float, direction: int) -> bool:
    """v2: price is back from the burst's extreme by more than a deviation of its moves, and the last move is against the burst."""
    return move * direction < 0.0 and pull_back > deviation


@numba.njit(cache=True, nogil=True, inline="always")
def confirmed_fade(trend: CandleTrend, side: int, price: float, volume: float, least_volume: float) -> bool:
    """v3: a fade that is held is confirmed: the candle in progress has volume, the low trend is with the side and the high
    one not against it, unless price is stretched beyond its EMA.
    """
    return (
        volume >= least_volume
        and trend.known
        and trend.low_slope * side > 0.0
        and (trend.high_slope * side >= 0.0 or side * (trend.high_ema - price) > trend.reach)
    )


@numba.njit(cache=True, nogil=True, inline="always")
def ema_cross(
    crossed: int, volume: float, least_volume: float, choppiness: float, choppiness_below: float
) -> bool:
    """v4: the EMAs of closed candles cross (``crossed``, +1 or -1) on a candle with volume in a market that is not choppy."""
    return crossed != 0 and volume > least_volume and choppiness < choppiness_below


@numba.njit(cache=True, nogil=True, inline="always")
def strength(measured: float, threshold: float) -> float:
    """What was measured over the threshold it crossed, 1 = just enough; infinite for a threshold of 0."""
    return measured / threshold if threshold > 0.0 else np.inf
