"""Follow-through: whether the underlying moved with a directional packet in the minutes after it, or absorbed it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
import orjson
import pandas as pd

from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.gates import ABSORBED, CLASSIFIERS
from workstation.market.tables import PACKETS

_AT = {name: place for place, name in enumerate(PACKETS.names)}
NAME = CLASSIFIERS[ABSORBED]


class Absorption:
    """Directional hits of packets, judged by the first packet of their underlying that ends ``follow`` later."""

    def __init__(self, parameters: ClassifierParameters) -> None:
        self._follow_ns = int(pd.Timedelta(parameters.follow).as_unit("ns").value)
        self._move = parameters.follow_move
        self._waiting: dict[str, dict[str, Any]] = {}

    def due(
        self, arrays: list[Any], hits: list[dict[str, Any]]
    ) -> list[tuple[int, int, list[dict[str, Any]]]]:
        """Hits of kind ``absorbed`` with the rows that bring them about; takes new ``hits`` in."""
        for hit in hits:
            spot = orjson.loads(hit["evidence"]).get("features", {}).get("spot")
            if hit["direction"] and hit["parent_kind"] == "packet" and spot and not hit["retracted"]:
                self._waiting.setdefault(hit["parent_id"], {**hit, "spot": float(spot)})
        if not self._waiting:
            return []
        names = arrays[_AT["underlying"]]
        told = []
        for place, name in enumerate(names.categories):
            waiting = [hit for hit in self._waiting.values() if hit["underlying"] == str(name)]
            if waiting:
                rows = np.flatnonzero((names.codes == place) & np.isfinite(arrays[_AT["spot"]]))
                told += self._judged(arrays, rows, waiting)
        return told

    def _judged(
        self, arrays: list[Any], rows: Any, waiting: list[dict[str, Any]]
    ) -> list[tuple[int, int, list[dict[str, Any]]]]:
        told = []
        reached = np.maximum.accumulate(arrays[_AT["end_ns"]][rows]) if rows.size else rows
        for hit in waiting:
            at = int(np.searchsorted(reached, hit["event_ns"] + self._follow_ns))
            if at >= rows.size:
                continue
            del self._waiting[hit["parent_id"]]
            row = int(rows[at])
            spot = float(arrays[_AT["spot"]][row])
            move = (spot / hit["spot"] - 1.0) * hit["direction"]
            if isfinite(move) and move < self._move:
                told.append((row, 3, [self._hit(hit, int(arrays[_AT["end_ns"]][row]), spot, move)]))
        return told

    def _hit(self, hit: dict[str, Any], event_ns: int, spot: float, move: float) -> dict[str, Any]:
        words = (
            f"absorbed: {(event_ns - hit['event_ns']) / 60e9:.0f} min after the packet the underlying is at {spot:,.6g}, "
            f"{move:+.2%} with its side from {hit['spot']:,.6g}; less than {self._move:.2%} is no follow-through"
        )
        evidence = {
            "packet": hit["parent_id"],
            "features": {"spot": spot, "spot_then": hit["spot"], "move": move},
            "confidence": {"base": 0.5},
        }
        kept = {name: value for name, value in hit.items() if name != "spot"}
        return {
            **kept, "event_ns": event_ns, "classifier": NAME, "confidence": 0.5, "direction": 0, "explanation": words,
            "evidence": orjson.dumps(evidence).decode(), "reason": "no follow-through", "alternatives": "", "abstained": False,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """The hits that wait."""
        return {"waiting": [dict(hit) for hit in self._waiting.values()]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._waiting = {hit["parent_id"]: dict(hit) for hit in state["waiting"]}
