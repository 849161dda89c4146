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
        self._waiting: dict[str, dict[str, dict[str, Any]]] = {}
        """Hits by underlying and parent."""
        self._first_due: dict[str, int] = {}

    def due(
        self, arrays: list[Any], hits: list[dict[str, Any]]
    ) -> list[tuple[int, int, list[dict[str, Any]]]]:
        """Hits of kind ``absorbed`` with the rows that bring them about; takes new ``hits`` in."""
        for hit in hits:
            if hit["direction"] and hit["parent_kind"] == "packet" and not hit["retracted"]:
                self._wait(hit)
        names = arrays[_AT["underlying"]]
        newest = int(arrays[_AT["end_ns"]].max())
        told = []
        for name in [name for name, due_ns in self._first_due.items() if due_ns <= newest]:
            place = names.categories.get_indexer([name])[0]
            rows = np.flatnonzero((names.codes == place) & np.isfinite(arrays[_AT["spot"]]))
            if place >= 0 and rows.size:
                told += self._judged(arrays, rows, name)
        return told

    def _wait(self, hit: dict[str, Any]) -> None:
        spot = orjson.loads(hit["evidence"]).get("features", {}).get("spot")
        if not spot:
            return
        underlying, due_ns = hit["underlying"], hit["event_ns"] + self._follow_ns
        self._waiting.setdefault(underlying, {}).setdefault(hit["parent_id"], {**hit, "spot": float(spot)})
        self._first_due[underlying] = min(self._first_due.get(underlying, due_ns), due_ns)

    def _judged(
        self, arrays: list[Any], rows: Any, underlying: str
    ) -> list[tuple[int, int, list[dict[str, Any]]]]:
        told = []
        waiting = self._waiting[underlying]
        reached = np.maximum.accumulate(arrays[_AT["end_ns"]][rows])
        newest = int(reached[-1]) - self._follow_ns
        for hit in [hit for hit in waiting.values() if hit["event_ns"] <= newest]:
            del waiting[hit["parent_id"]]
            row = int(rows[np.searchsorted(reached, hit["event_ns"] + self._follow_ns)])
            spot = float(arrays[_AT["spot"]][row])
            move = (spot / hit["spot"] - 1.0) * hit["direction"]
            if isfinite(move) and move < self._move:
                told.append((row, 3, [self._hit(hit, int(arrays[_AT["end_ns"]][row]), spot, move)]))
        self._count_first(underlying)
        return told

    def _count_first(self, underlying: str) -> None:
        """When the next hit of an underlying falls due."""
        times = [hit["event_ns"] for hit in self._waiting[underlying].values()]
        if times:
            self._first_due[underlying] = min(times) + self._follow_ns
        else:
            del self._waiting[underlying], self._first_due[underlying]

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
        return {"waiting": [dict(hit) for waiting in self._waiting.values() for hit in waiting.values()]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._waiting, self._first_due = {}, {}
        for hit in state["waiting"]:
            self._waiting.setdefault(hit["underlying"], {})[hit["parent_id"]] = dict(hit)
        for underlying in list(self._waiting):
            self._count_first(underlying)
