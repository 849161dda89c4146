"""How well flow is read: sides by rule and bucket, classifiers and packages against a truth, alerts a day.

The truth is a synthetic day's (``feeds.synthetic.options_day``) or, for sides, the taker side that crypto venues print.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd

from workstation.flow.alerts import alerts
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.classifiers import classify
from workstation.flow.packets import packets_of
from workstation.flow.sides import sides

RULES = ("quote", "tick", "lee_ready", "emo", "clnv")
PUBLISHED = {"quote": 0.83, "lee_ready": 0.80, "emo": 0.77, "tick": 0.59}
"""Share right of what each rule classifies: Savickas and Wilson, "On Inferring the Direction of Option Trades", Journal of Financial and
Quantitative Analysis 2003, options of the Cboe in 1995."""
EXPECTED: dict[str, tuple[str, ...]] = {
    "call_sweep": ("large_bullish_call_sweep",), "put_sweep": ("large_bearish_put_sweep",), "split": ("split_order",), "block": ("block",),
    "put_write": ("put_write",), "call_overwrite": ("call_overwrite",), "vertical": ("vertical_spread",), "straddle": ("straddle",),
    "strangle": ("strangle",), "iron_condor": ("package",), "butterfly": ("package",), "roll": ("roll", "package"),
    "zero_dte": ("zero_dte_gamma_punch",), "far_dated": ("far_dated_conviction",),
}  # fmt: skip
"""Kind of a synthetic parent -> classifiers of which one must recognise it."""
ALSO: dict[str, tuple[str, ...]] = {
    "zero_dte": ("large_bullish_call_sweep",), "far_dated": ("large_bullish_call_sweep", "large_bearish_put_sweep"),
}  # fmt: skip
"""What else a kind is in fact: the synthetic ones of these kinds are swept through the market as well."""


def side_accuracy(
    trades: pd.DataFrame, quotes: pd.DataFrame, truth: Any, *, rules: Sequence[str] = RULES, max_age_ms: float = 1000.0
) -> pd.DataFrame:  # fmt: skip
    """Sides by rule held against the truth.

    Parameters
    ----------
    trades, quotes
        Rows of those tables, trades in the order of ``truth``.
    truth
        Taker side of each trade (n,): +1, -1, 0 not known.
    rules
        Each is asked alone.
    max_age_ms
        Of the quotes.

    Returns
    -------
    pandas.DataFrame
        A row per rule and placement, and per rule over all (placement ''): prints with a known side, share classified, share of
        those that is right (NaN: none), and the published share.
    """
    known = np.asarray(truth, dtype=np.int64)
    rows = []
    for rule in rules:
        found = sides(trades, quotes, rules=(rule,), max_age_ms=max_age_ms)
        side, placement = found["side"].to_numpy(), found["placement"].astype("str").to_numpy()
        eligible = (known != 0) & (found["exclusion"].isin(("", "locked quote", "crossed quote"))).to_numpy()
        for bucket in ("", *dict.fromkeys(sorted(placement[eligible].tolist()))):
            chosen = eligible & ((placement == bucket) | (bucket == ""))
            told = chosen & (side != 0)
            rows.append({
                "rule": rule, "placement": bucket, "prints": int(chosen.sum()), "classified": told.sum() / max(int(chosen.sum()), 1),
                "right": float((side[told] == known[told]).mean()) if told.any() else np.nan,
                "published": PUBLISHED.get(rule, np.nan) if not bucket else np.nan,
            })  # fmt: skip
    return pd.DataFrame(rows)


def flow_accuracy(
    prints: pd.DataFrame, truth_prints: pd.DataFrame, truth_parents: pd.DataFrame, *,
    thresholds: ClassifierParameters | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Precision and recall of each classifier over parents whose kind is known.

    Parameters
    ----------
    prints
        Rows of ``prints``.
    truth_prints, truth_parents
        ``trade_id`` and ``parent_id``; ``parent_id`` and ``kind``.
    thresholds
        Of the classifiers.

    Returns
    -------
    pandas.DataFrame
        A row per kind: parents, found (a classifier of ``EXPECTED`` hit its prints), abstained (one did, without a verdict), recall
        over those with a verdict, hits of those classifiers with a verdict, right, precision. ``attrs``: share of hits that abstained, ``alerts`` told, how many of them stand on prints of a known parent
        (``alerts_of_parents``), and ``parents_alerted``.
    """
    hits = classify(packets_of(prints), thresholds)
    parent_of = dict(zip(truth_prints["trade_id"], truth_prints["parent_id"], strict=True))
    kind_of = dict(zip(truth_parents["parent_id"], truth_parents["kind"], strict=True))
    hits = hits[~hits["retracted"]]
    parents = [_parents(evidence, parent_of) for evidence in hits["evidence"]]
    classifiers = hits["classifier"].astype("str").tolist()
    abstained = hits["abstained"].tolist()
    found: dict[str, set[str]] = {}
    untold: dict[str, set[str]] = {}
    for classifier, owners, unsure in zip(classifiers, parents, abstained, strict=True):
        for owner in owners:
            (untold if unsure else found).setdefault(owner, set()).add(classifier)
    rows = []
    for kind, expected in EXPECTED.items():
        ours = [parent for parent, one in kind_of.items() if one == kind]
        seen = [parent for parent in ours if found.get(parent, set()) & set(expected)]
        unsure = {parent for parent in ours if untold.get(parent, set()) & set(expected)} - set(seen)
        told = [
            owners
            for classifier, owners, no_verdict in zip(classifiers, parents, abstained, strict=True)
            if classifier in expected and not no_verdict
        ]
        sharing = {
            other for other, names in EXPECTED.items() if {*names, *ALSO.get(other, ())} & set(expected)
        }
        right = [owners for owners in told if any(kind_of.get(owner) in sharing for owner in owners)]
        rows.append({
            "kind": kind, "classifiers": ", ".join(expected), "parents": len(ours), "found": len(seen), "abstained": len(unsure),
            "recall": len(seen) / (len(ours) - len(unsure)) if len(ours) > len(unsure) else np.nan, "hits": len(told), "right": len(right),
            "precision": len(right) / len(told) if told else np.nan,
        })  # fmt: skip
    table = pd.DataFrame(rows)
    table.attrs["abstained"] = float(hits["abstained"].mean()) if len(hits) else 0.0
    table.attrs |= _of_alerts(alerts(hits.assign(seq=0)), parent_of)
    return table


def _of_alerts(told: pd.DataFrame, parent_of: dict[str, str]) -> dict[str, int]:
    """How many alerts were told, how many of them of prints of a known parent, and of how many parents."""
    first = told.drop_duplicates("alert_id")
    owners = [
        _parents(orjson.dumps(orjson.loads(text)["ids"]).decode(), parent_of) for text in first["evidence"]
    ]
    return {
        "alerts": len(first),
        "alerts_of_parents": sum(bool(one) for one in owners),
        "parents_alerted": len(set().union(*owners)),
    }


def _parents(evidence: str, parent_of: dict[str, str]) -> set[str]:
    told = orjson.loads(evidence)
    ids = list(told.get("prints", [])) + [
        one for leg in told.get("legs", []) for one in leg.get("prints", [])
    ]
    return {parent_of[one] for one in ids if parent_of.get(one)}


def placement_counts(prints: pd.DataFrame) -> pd.DataFrame:
    """Prints by placement and by the reason that excludes them, with their shares.

    Examples
    --------
    >>> from workstation.market.tables import PRINTS
    >>> placement_counts(PRINTS.empty()).columns.tolist()
    ['what', 'value', 'prints', 'share']
    """
    rows = []
    for what in ("placement", "exclusion"):
        counts = prints[what].astype("str").value_counts()
        rows += [
            {
                "what": what,
                "value": value or "none",
                "prints": int(count),
                "share": count / max(len(prints), 1),
            }
            for value, count in counts.items()
        ]
    return pd.DataFrame(rows, columns=["what", "value", "prints", "share"])
