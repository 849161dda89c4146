"""An evaluation as an xarray Dataset: dims, units and meanings of its variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.research.evaluation.false_alarms import REASONS
from workstation.research.evaluation.forward_returns import OUTCOMES, Horizons
from workstation.research.evaluation.signals import Signals

_GROUPED = ("group", "horizon")
_BUCKETED = ("bucket", "horizon")
_DESCRIBED: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "event_ns": (("signal",), "ns", "when the signal was told"),
    "instrument": (("signal",), "", "what it is about"),
    "priced_by": (("signal",), "", "whose prices judge it"),
    "rule": (("signal",), "", "classifier, version or kind"),
    "side": (("signal",), "1", "+1, -1; 0: it took none"),
    "score": (("signal",), "as in its table", "NaN: none"),
    "score_bucket": (("signal",), "1", "-1: none"),
    "entry_ns": (("signal",), "ns", "when the first price strictly after it was"),
    "open_interest": (("signal",), "contracts", "as published before it"),
    "forward_bps": (("signal", "horizon"), "bps", "return to the horizon against its side, costs taken off"),
    "outcome": (("signal", "horizon"), "1", "index of outcome_name"),
    "signals": (("group",), "1", "rows"),
    "abstained": (("group",), "1", "rows that take no side"),
    "abstention_rate": (("group",), "1", "abstained over signals"),
    "abstentions": (("group", "abstention_reason"), "1", "rows that take no side, by reason"),
    "measured": (_GROUPED, "1", "signals with a return"),
    "hits": (_GROUPED, "1", "returns above 0"),
    "ties": (_GROUPED, "1", "returns of exactly 0"),
    "effective": (_GROUPED, "1", "independent windows they are worth"),
    "hit_rate": (_GROUPED, "1", "hits over those that are no ties"),
    "hit_low": (_GROUPED, "1", "lower bound of the hit rate"),
    "hit_high": (_GROUPED, "1", "upper bound of the hit rate"),
    "mean_bps": (_GROUPED, "bps", "mean return"),
    "mean_low": (_GROUPED, "bps", "lower bound of the mean"),
    "mean_high": (_GROUPED, "bps", "upper bound of the mean"),
    "baseline_hit_rate": (_GROUPED, "1", "of as many random times with the same sides"),
    "baseline_bps": (_GROUPED, "bps", "of as many random times with the same sides"),
    "p_value": (_GROUPED, "1", "one-sided, of a mean no better than at random times"),
    "p_adjusted": (_GROUPED, "1", "Benjamini-Hochberg over all rules and horizons"),
    "rotation_p_value": (_GROUPED, "1", "share of rotations of all times with a mean as high"),
    "precision": (_GROUPED, "1", "hits over measured, ties included"),
    "turnover": (_GROUPED, "1/h", "units traded per hour of traded time, one held per signal, netted"),
    "time_held": (_GROUPED, "1", "share of the traded time with a position"),
    "largest_position": (_GROUPED, "1", "units"),
    "outcomes": ((*_GROUPED, "outcome_name"), "1", "signals with a side, by what became of them"),
    "false_alarms": ((*_GROUPED, "false_alarm"), "1", "measured signals that were no hit, by reason"),
    "bucket_score": (("bucket",), "as in its table", "mean score"),
    "bucket_measured": (_BUCKETED, "1", "signals with a return"),
    "bucket_effective": (_BUCKETED, "1", "independent windows they are worth"),
    "bucket_hit_rate": (_BUCKETED, "1", "hits over those that are no ties"),
    "bucket_hit_low": (_BUCKETED, "1", "lower bound"),
    "bucket_hit_high": (_BUCKETED, "1", "upper bound"),
    "bucket_mean_bps": (_BUCKETED, "bps", "mean return"),
    "bucket_mean_low": (_BUCKETED, "bps", "lower bound"),
    "bucket_mean_high": (_BUCKETED, "bps", "upper bound"),
    "rank_correlation": (("horizon",), "1", "Spearman's, of score and return"),
    "rank_p_value": (("horizon",), "1", "two-sided, pairs taken as independent"),
}


def dataset(
    variables: Mapping[str, Any],
    *,
    read: Signals,
    horizons: Horizons,
    groups: Sequence[str],
    edges: npt.NDArray[np.float64],
    attrs: Mapping[str, str],
) -> xr.Dataset:
    """Assemble the variables of an evaluation; each carries its unit and what it means.

    Parameters
    ----------
    variables
        Arrays by name, in the shapes the module lists; ``abstention_reason`` becomes a coordinate.
    edges
        (k + 1,) of the score buckets.
    """
    coords = {
        "horizon": np.array(horizons.labels, dtype=object),
        "group": np.array(groups, dtype=object),
        "bucket": np.arange(max(edges.size - 1, 0)),
        "score_from": ("bucket", edges[:-1]),
        "score_to": ("bucket", edges[1:]),
        "outcome_name": np.array(OUTCOMES, dtype=object),
        "false_alarm": np.array(REASONS, dtype=object),
        "abstention_reason": variables["abstention_reason"],
        "signal": np.arange(len(read)),
    }
    data = {}
    for name, (dims, unit, meaning) in _DESCRIBED.items():
        if name in variables:
            data[name] = (dims, variables[name], {"units": unit, "long_name": meaning})
    return xr.Dataset(data, coords=coords, attrs=dict(attrs))
