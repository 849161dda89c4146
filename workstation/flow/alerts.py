"""Alerts: one per parent, with a score that is the sum of its listed components.

Alerts of one contract and direction are told once in a while, and of one name the strongest of the last hour; the others are
counted, and the next one says how many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import orjson
import pandas as pd

from workstation.flow.absorption import NAME as ABSORBED
from workstation.flow.alert_rows import HIGH, MEDIUM
from workstation.flow.alert_throttle import AlertThrottle, Candidate
from workstation.flow.eligibility import KEEP_NS, forget_oldest
from workstation.flow.row_frames import RowFrames
from workstation.market.engine import Engine, conformed
from workstation.market.tables import ALERTS, HITS, NO_TIME
from workstation.market.tables.frames import arrays_of
from workstation.market.tables.texts import text_list

PREMIUM_POINTS, CONFIDENCE_POINTS, HIT_POINTS, MOST_HIT_POINTS, MOST_SCORE = 70.0, 20.0, 5.0, 20.0, 100.0
USD_PER_POINT = 1_000.0
KEPT_NS = 2 * KEEP_NS
"""How long an alert can be taken back or amended."""
_FEW = ("classifier", "confidence", "direction", "abstained", "reason", "alternatives", "explanation")


def severity(score: float) -> str:
    """high from 80, medium from 45, else low.

    Examples
    --------
    >>> severity(44.0), severity(45.0), severity(80.0)
    ('low', 'medium', 'high')
    """
    return "high" if score >= HIGH else "medium" if score >= MEDIUM else "low"


def score_components(*, premium_usd: float, confidences: list[float]) -> dict[str, float]:
    """Components of an alert's score, which is their sum, 0 to 100.

    Parameters
    ----------
    premium_usd
        Premium of the parent, USD; NaN gives no points.
    confidences
        Of its hits that carry a verdict.

    Examples
    --------
    >>> score_components(premium_usd=64_000.0, confidences=[0.5])
    {'premium': 64.0, 'confidence': 10.0, 'hits': 5.0}
    >>> sum(score_components(premium_usd=300_000.0, confidences=[1.0] * 6).values())
    100.0
    """
    usd = premium_usd if np.isfinite(premium_usd) else 0.0
    parts = {
        "premium": min(max(usd, 0.0) / USD_PER_POINT, PREMIUM_POINTS),
        "confidence": CONFIDENCE_POINTS * max(confidences, default=0.0),
        "hits": min(HIT_POINTS * len(confidences), MOST_HIT_POINTS),
    }
    total = sum(parts.values())
    if total > MOST_SCORE:
        parts["cap"] = MOST_SCORE - total
    return parts


@dataclass(frozen=True)
class AlertsParameters:
    """Parameters of ``Alerts``.

    Attributes
    ----------
    throttle
        A contract raises alerts of one direction once in so much time.
    higher
        Points by which an alert must exceed the one told to be told at once.
    least_score
        Alerts below it are not told.
    per_name, name_window
        An alert is told when fewer than ``per_name`` of its underlying's in the last ``name_window`` were as strong: six an hour
        are some forty a session.
    """

    throttle: str = "60s"
    higher: float = 20.0
    least_score: float = 25.0
    per_name: int = 6
    name_window: str = "1h"

    def __post_init__(self) -> None:
        for name in ("throttle", "name_window"):
            if not pd.Timedelta(getattr(self, name)).value > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        if self.per_name < 1:
            raise ValueError(f"per_name must be at least 1, got {self.per_name!r}")
        if not 0 < self.higher <= 100 or not 0 <= self.least_score <= 100:
            raise ValueError(
                f"higher and least_score are points of 100, got {self.higher!r} and {self.least_score!r}"
            )


class Alerts(Engine):
    """Rows of ``alerts`` from ``hits``: told, amended, retracted by a cancel, or refuted where the market absorbed them.

    Examples
    --------
    >>> Alerts().update(HITS.empty()).empty
    True
    """

    inputs: ClassVar[tuple[str, ...]] = ("hits",)
    output: ClassVar[str] = "alerts"

    def __init__(self, parameters: AlertsParameters | None = None, **changes: Any) -> None:
        self.parameters = replace(parameters or AlertsParameters(), **changes)
        self._reset()

    def _reset(self) -> None:
        self._waiting: list[dict[str, Any]] = []
        self._told: dict[str, dict[str, Any]] = {}
        own = self.parameters
        self._throttle = AlertThrottle(
            quiet_ns=_ns(own.throttle), higher=own.higher, most=own.per_name, window_ns=_ns(own.name_window)
        )
        self._watermark_ns = NO_TIME

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of ``hits`` and give the alerts of parents whose hits are all there."""
        if not len(batch):
            return _EMPTY.copy(deep=False)
        rows: list[dict[str, Any]] = []
        for hit in _records(batch):
            self._watermark_ns = max(self._watermark_ns, hit["event_ns"])
            self._waiting.append(hit)
            if len(self._waiting) >= hit["parent_hits"]:
                group, self._waiting = self._waiting, []
                rows += self._of_parent(group)
        self._forget(self._watermark_ns)
        return _FRAMES.frame(rows)

    def _of_parent(self, hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lead = hits[0]
        told = self._told.get(lead["parent_id"])
        if told and told["event_ns"] < self._watermark_ns - KEPT_NS:
            told = None
        if lead["retracted"]:
            return [self._changed(told, lead, "retracted", lead["explanation"])] if told else []
        if lead["classifier"] == ABSORBED:
            if not told or told["verdict"] == "retracted":
                return []
            return [
                self._changed(told, lead, "refuted", f"{lead['explanation']}; it was: {told['explanation']}")
            ]
        sure = [hit for hit in hits if not hit["abstained"]]
        if not sure:
            return []
        row = self._row(hits, sure)
        candidate = Candidate(
            row["event_ns"], row["instrument"], lead["underlying"], row["direction"], row["score"], row["premium_usd"]
        )  # fmt: skip
        if row["score"] < self.parameters.least_score or (
            told is None and self._throttle.suppresses(candidate)
        ):
            return []
        suppressed = self._throttle.told(candidate)
        row["evidence"] = orjson.dumps(row.pop("found") | {"suppressed": suppressed}).decode()
        if suppressed["alerts"]:
            row["explanation"] += (
                f"; {suppressed['alerts']} more of its contract since the last were not told"
            )
        if suppressed["of_name"]:
            row["explanation"] += (
                f"; {suppressed['of_name']} weaker ones of {lead['underlying']} were not told"
            )
        self._told[lead["parent_id"]] = row
        return [row]  # fmt: skip

    def _changed(self, told: dict[str, Any], hit: dict[str, Any], verdict: str, words: str) -> dict[str, Any]:
        row = {**told, "verdict": verdict, "event_ns": hit["event_ns"], "explanation": words}
        self._told[hit["parent_id"]] = row
        return row

    def _row(self, hits: list[dict[str, Any]], sure: list[dict[str, Any]]) -> dict[str, Any]:
        best = max(sure, key=lambda hit: hit["confidence"])
        parts = score_components(
            premium_usd=best["premium_usd"], confidences=[hit["confidence"] for hit in sure]
        )
        score = sum(parts.values())
        lean = sum(hit["confidence"] * hit["direction"] for hit in sure)
        details = orjson.loads(best["evidence"])
        found = {
            "ids": {name: details[name] for name in ("packet", "structure", "prints", "legs") if name in details},
            "score_components": parts, "hits": [{name: hit[name] for name in _FEW} for hit in hits],
            "features": details.get("features", {}), "confidence": details.get("confidence", {}),
            "down_weighted": details.get("down_weighted", []),
        }  # fmt: skip
        return {
            "event_ns": best["event_ns"], "instrument": best["instrument"], "alert_id": f"flow:{best['parent_id']}",
            "parent_id": best["parent_id"], "kind": best["classifier"], "severity": severity(score), "score": score,
            "direction": 1 if lean > 0 else -1 if lean < 0 else 0, "premium_usd": best["premium_usd"],
            "explanation": best["explanation"], "rule_version": best["rule_version"], "verdict": "open", "found": found,
        }  # fmt: skip

    def _forget(self, now_ns: int) -> None:
        oldest = now_ns - KEPT_NS
        forget_oldest(self._told, oldest, "event_ns")
        self._throttle.forget(oldest)

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return {
            "watermark_ns": self._watermark_ns,
            "waiting": [dict(hit) for hit in self._waiting],
            "told": [dict(row) for row in self._told.values()],
            "throttle": self._throttle.snapshot(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._watermark_ns = int(state["watermark_ns"])
        self._waiting = [dict(hit) for hit in state["waiting"]]
        self._told = {row["parent_id"]: dict(row) for row in state["told"]}
        self._throttle.restore(state["throttle"])


def _ns(span: str) -> int:
    return int(pd.Timedelta(span).as_unit("ns").value)


_EMPTY = ALERTS.empty()
_FRAMES = RowFrames(ALERTS)
_READ = (
    "event_ns", "instrument", "underlying", "classifier", "parent_id", "retracted", "parent_hits", "confidence", "direction", "abstained", "reason",
    "alternatives", "premium_usd", "explanation", "rule_version", "evidence",
)  # fmt: skip


def _records(hits: pd.DataFrame) -> list[dict[str, Any]]:
    arrays = arrays_of(hits)
    columns = [
        text_list(values) if HITS.by_name[name].dtype is None else values.tolist()
        for name in _READ
        for values in (arrays[HITS.places[name]],)
    ]
    return [dict(zip(_READ, row, strict=True)) for row in zip(*columns, strict=True)]


def alerts(hits: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Alerts from hits.

    Parameters
    ----------
    hits
        Rows of ``hits``, the hits of a parent together, as ``flow.classifiers`` gives them.
    parameters
        Of ``AlertsParameters``.

    Returns
    -------
    pandas.DataFrame
        Rows of ``alerts``; of one ``alert_id`` the newest row counts.

    Examples
    --------
    >>> alerts(HITS.empty()).empty
    True
    """
    return Alerts(**parameters).update(conformed(HITS, hits))
