"""Calibration: does a higher score come with a better outcome?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from workstation.research.evaluation.errors import EvaluationError
from workstation.research.evaluation.price_paths import Floats


class Buckets(NamedTuple):
    """Score buckets: ``edges`` (k + 1,); ``of`` (n,) the bucket of each signal, -1: none."""

    edges: Floats
    of: npt.NDArray[np.intp]


def score_buckets(scores: Floats, buckets: int | Sequence[float] = 5) -> Buckets:
    """Buckets of a score: so many of equal counts, or between given edges; the last one holds its upper edge.

    Parameters
    ----------
    scores
        (n,); NaN is in no bucket.
    buckets
        Number, or ascending edges. Scores that come in few values give fewer buckets.

    Examples
    --------
    >>> made = score_buckets(np.array([0.1, 0.2, 0.8, 0.9, np.nan]), 2)
    >>> made.edges.tolist(), made.of.tolist()
    ([0.1, 0.5, 0.9], [0, 0, 1, 1, -1])
    """
    told = scores[np.isfinite(scores)]
    if isinstance(buckets, int):
        if buckets < 1:
            raise EvaluationError(f"buckets: at least one is needed, got {buckets}")
        if not told.size:
            return Buckets(np.empty(0), np.full(scores.size, -1))
        edges = np.unique(np.quantile(told, np.linspace(0.0, 1.0, buckets + 1)))
        edges = np.append(edges, edges) if edges.size == 1 else edges
    else:
        edges = np.asarray(buckets, dtype=np.float64)
        if edges.size < 2 or (np.diff(edges) <= 0.0).any():
            raise EvaluationError(f"buckets: ascending edges are needed, got {list(buckets)}")
    count = edges.size - 1
    of = np.searchsorted(edges, scores, side="right") - 1
    of = np.where(scores == edges[-1], count - 1, of)
    return Buckets(edges, np.where(np.isfinite(scores) & (of >= 0) & (of < count), of, -1))


def rank_correlation(scores: Floats, bps: Floats) -> tuple[float, float]:
    """Spearman's correlation of score and signed return, and its two-sided p-value; NaN below 3 pairs or without spread.

    The p-value takes the pairs as independent: overlapping windows make it too small.

    Examples
    --------
    >>> round(rank_correlation(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 9.0]))[0], 6)
    0.8
    """
    told = np.isfinite(scores) & np.isfinite(bps)
    if told.sum() < 3 or np.ptp(scores[told]) == 0.0 or np.ptp(bps[told]) == 0.0:
        return np.nan, np.nan
    made = stats.spearmanr(scores[told], bps[told])
    return float(made.statistic), float(made.pvalue)
