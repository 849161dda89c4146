"""Confidence intervals of hit rates and mean returns of windows that overlap.

Returns over windows that share time are correlated: n of them tell less than n. Two variances are taken, and the larger one
counts. Newey-West (heteroskedasticity and autocorrelation consistent, Bartlett weights by the share of time two windows
have in common, as Conley's in one dimension) reads the correlation from the data. The other is that of a random walk, where
two windows correlate by the time they share and their sides; it needs no data and holds when there are few windows. The
effective sample size is n over the ratio of that variance to the one of independent windows, at most n. The hit rate's
interval is Wilson's at the effective size, the mean's Student's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from workstation.research.evaluation.price_paths import Floats, Instants

METHOD = (
    "overlapping windows: effective sample size by the larger of the Newey-West (Bartlett, by shared time) and the random-walk "
    "variance; Wilson interval of the hit rate, Student interval of the mean"
)


class Statistics(NamedTuple):
    """What windows of one horizon came to; NaN where nothing was measured."""

    measured: int
    hits: int
    ties: int
    effective: float
    hit_rate: float
    hit_low: float
    hit_high: float
    mean_bps: float
    mean_low: float
    mean_high: float
    standard_error: float
    degrees: float


class Windows(NamedTuple):
    """Windows of one horizon in order of time: begin and end (n,), ns; ``same_end`` for those to a close."""

    begin_ns: Instants
    end_ns: Instants
    same_end: bool


def shared_time(windows: Windows, values: Floats) -> Floats:
    """For every window the sum of all windows' values, weighted by how two returns of a random walk correlate.

    Windows of one length weigh by the share of time they have in common; those to one close, of lengths a < b, by sqrt(a / b).

    Examples
    --------
    >>> windows = Windows(np.array([0, 5, 20]), np.array([10, 15, 30]), False)
    >>> shared_time(windows, np.ones(3)).tolist()
    [1.5, 1.5, 1.0]
    """
    if not values.size:
        return np.empty(0)
    return _to_closes(windows, values) if windows.same_end else _of_one_length(windows, values)


def _of_one_length(windows: Windows, values: Floats) -> Floats:
    length = windows.end_ns[0] - windows.begin_ns[0]
    begin = (windows.begin_ns - windows.begin_ns[0]) / length
    first = np.searchsorted(windows.begin_ns, windows.begin_ns - length, side="right")
    stop = np.searchsorted(windows.begin_ns, windows.begin_ns + length, side="left")
    here = np.arange(values.size)
    plain, timed = _running(values), _running(values * begin)
    before = (1.0 - begin) * (plain[here] - plain[first]) + timed[here] - timed[first]
    after = (1.0 + begin) * (plain[stop] - plain[here]) - (timed[stop] - timed[here])
    return np.asarray(before + after)


def _to_closes(windows: Windows, values: Floats) -> Floats:
    order = np.lexsort((windows.begin_ns, windows.end_ns))  # session by session, the longest first
    end, told = windows.end_ns[order], values[order]
    root = np.sqrt((end - windows.begin_ns[order]).astype(np.float64))
    first, stop = np.searchsorted(end, end, side="left"), np.searchsorted(end, end, side="right")
    here = np.arange(told.size)
    shorter, longer = _running(told * root), _running(told / root)
    made = np.empty(told.size)
    made[order] = (shorter[stop] - shorter[here]) / root + (longer[here] - longer[first]) * root
    return made


def _running(values: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(values)))


def effective_size(windows: Windows, values: Floats, signs: npt.NDArray[np.int8]) -> float:
    """Effective number of independent windows for the mean of ``values`` (n,), of windows with sides ``signs``.

    Examples
    --------
    >>> windows = Windows(np.array([0, 0, 100, 100]), np.array([10, 10, 110, 110]), False)
    >>> effective_size(windows, np.array([1.0, 1.0, -1.0, -1.0]), np.ones(4, dtype=np.int8))
    2.0
    """
    count = values.size
    if count < 2:
        return float(count)
    sides = signs.astype(np.float64)
    walk = count**2 / max(float(sides @ shared_time(windows, sides)), float(count))
    deviations = values - values.mean()
    alone = float(deviations @ deviations)
    if alone <= 0.0:
        return walk
    read = count * alone / max(float(deviations @ shared_time(windows, deviations)), alone)
    return float(max(min(walk, read), 1.0))


def statistics(
    *, bps: Floats, windows: Windows, signs: npt.NDArray[np.int8], confidence: float = 0.95
) -> Statistics:
    """Hit rate and mean of signed returns with their intervals.

    Parameters
    ----------
    bps
        (n,) signed returns in order of the windows' begin, all finite. Above 0 is a hit, 0 a tie: ties are left out of the hit rate.
    windows, signs
        (n,) their time and side.
    confidence
        Of the intervals.

    Examples
    --------
    >>> apart = Windows(np.arange(4) * 100, np.arange(4) * 100 + 10, False)
    >>> made = statistics(bps=np.array([1.0, 2.0, -1.0, 0.0]), windows=apart, signs=np.ones(4, dtype=np.int8))
    >>> made.hits, made.ties, round(made.hit_rate, 4), made.effective
    (2, 1, 0.6667, 4.0)
    """
    count = bps.size
    if not count:
        return Statistics(0, 0, 0, 0.0, *[np.nan] * 8)
    told = bps != 0.0
    hits = int((bps > 0.0).sum())
    ties = count - int(told.sum())
    rate, low, high = np.nan, np.nan, np.nan
    if told.any():
        part = Windows(windows.begin_ns[told], windows.end_ns[told], windows.same_end)
        rate = hits / int(told.sum())
        low, high = wilson(
            rate=rate,
            count=effective_size(part, (bps[told] > 0.0).astype(np.float64), signs[told]),
            confidence=confidence,
        )
    effective = effective_size(windows, bps, signs)
    mean = float(bps.mean())
    degrees = max(effective - 1.0, 1.0)
    error = float(np.sqrt(bps.var(ddof=1) / effective)) if count > 1 else np.nan
    half = float(stats.t.ppf(0.5 + confidence / 2.0, degrees)) * error
    return Statistics(
        count, hits, ties, effective, rate, low, high, mean, mean - half, mean + half, error, degrees
    )


def wilson(*, rate: float, count: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share ``rate`` seen in ``count`` trials, which need not be whole.

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson(rate=0.6, count=100.0)]
    [0.502, 0.6906]
    """
    z = float(stats.norm.ppf(0.5 + confidence / 2.0))
    shrink = 1.0 + z * z / count
    centre = (rate + z * z / (2.0 * count)) / shrink
    half = z * float(np.sqrt(rate * (1.0 - rate) / count + z * z / (4.0 * count * count))) / shrink
    return max(centre - half, 0.0), min(centre + half, 1.0)


def exceedance(*, mean: float, against: float, standard_error: float, degrees: float) -> float:
    """One-sided p-value of a mean as high as this if ``against`` were the truth; 1 without any spread to judge by.

    >>> round(exceedance(mean=2.0, against=0.0, standard_error=1.0, degrees=1e6), 4)
    0.0228
    """
    if not np.isfinite(standard_error) or standard_error <= 0.0 or not np.isfinite(against):
        return 1.0 if np.isfinite(mean) else np.nan
    return float(stats.t.sf((mean - against) / standard_error, degrees))


def adjusted(p_values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Benjamini-Hochberg p-values over all that are not NaN, in their shape.

    Examples
    --------
    >>> adjusted(np.array([[0.01, np.nan], [0.04, 0.03]])).tolist()
    [[0.03, nan], [0.04, 0.04]]
    """
    made = np.full(p_values.shape, np.nan)
    told = np.isfinite(p_values)
    if told.any():
        made[told] = stats.false_discovery_control(p_values[told], method="bh")
    return made
