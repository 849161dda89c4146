"""Classifiers: what packets and structures look like, with a confidence, a direction and the reason in words.

The gates run over columns; only what passes one is put into words. A directional hit needs a quote for at least half of the prints
and its side's share of the size; without them it is neutral, or abstains, and says why and what it could not tell apart.
Confidences add up from a base and named parts, as ``hit_words`` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from workstation.flow.absorption import Absorption
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.gates import CLASSIFIERS, NO_VERDICT, gate
from workstation.flow.hit_words import RULE_VERSION, hit_frame, packet_hit, read_packets, structure_hits
from workstation.flow.structure_finder import KEPT_NS, StructureFinder, StructuresParameters
from workstation.market.engine import Engine, conformed
from workstation.market.tables import HITS, NO_TIME, PACKETS
from workstation.market.tables.frames import arrays_of

_AT = {name: place for place, name in enumerate(PACKETS.names)}
FIXED = ("follow", "follow_move", "least_size")
"""Parameters that hold for the life of an engine: what waits was taken in by them."""


class Classifiers(Engine):
    """Rows of ``hits``; those that a cancel undoes come again with ``retracted``.

    With ``finder``, one that is shared with ``Structures``, structures are found once for both, and ``Structures`` restores it.

    Examples
    --------
    >>> Classifiers().update(PACKETS.empty()).empty
    True
    """

    inputs: ClassVar[tuple[str, ...]] = ("packets",)
    output: ClassVar[str] = "hits"

    def __init__(
        self, parameters: ClassifierParameters | None = None, *, finder: StructureFinder | None = None, **changes: Any
    ) -> None:  # fmt: skip
        self.parameters = own = replace(parameters or ClassifierParameters(), **changes)
        self._finder = finder or StructureFinder(
            StructuresParameters(least_size=own.least_size), least_usd=own.structure_usd
        )
        if self._finder.parameters.least_size != own.least_size:
            raise ValueError(
                f"least_size is {own.least_size!r}, that of the finder {self._finder.parameters.least_size!r}"
            )
        self._reset()

    def _reset(self) -> None:
        self._told: dict[str, list[dict[str, Any]]] = {}
        self._watermark_ns = NO_TIME
        self._absorption = Absorption(self.parameters)

    def adopt(self, thresholds: ClassifierParameters) -> None:
        """Follow other thresholds from the next batch on; what was told before can still be taken back by cancels.

        Raises
        ------
        ValueError
            One of ``FIXED`` differs: hits already wait by it.
        """
        changed = [name for name in FIXED if getattr(thresholds, name) != getattr(self.parameters, name)]
        if changed:
            raise ValueError(
                f"{', '.join(changed)} cannot change while the classifiers run: set it in the settings (flow.classifiers) and "
                "start again"
            )
        self.parameters = thresholds
        if not self._finder.shared:
            self._finder.least_usd = thresholds.structure_usd

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of ``packets`` and give the hits of whole bursts."""
        if not len(batch):
            return _EMPTY.copy(deep=False)
        packets, structures = self._finder.take(batch, self)
        if not len(packets):
            return _EMPTY.copy(deep=False)
        arrays = arrays_of(packets)
        leg = np.zeros(len(packets), dtype=bool)
        for one in structures:
            leg[list(one["rows"])] = True
        rows = self._hits(arrays, leg, structures)
        self._forget(self._watermark_ns)
        return hit_frame(rows)

    def _hits(self, arrays: list[Any], leg: Any, structures: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = gate(arrays, leg, self.parameters.gates)
        passing = np.flatnonzero(found.any).tolist()
        told = [
            (row, 2, packet_hit(packet, bits, self.parameters))
            for row, bits, packet in zip(
                passing, found.bits[passing].tolist(), read_packets(arrays, passing), strict=True
            )
        ]
        told += [(one["rows"][-1], 0, structure_hits(one, self.parameters)) for one in structures]
        told += [(int(row), 1, []) for row in np.flatnonzero(arrays[_AT["burst_packets"]] == 0)]
        told += self._absorption.due(arrays, [hit for _, _, hits in told for hit in hits])
        rows: list[dict[str, Any]] = []
        watermark = np.maximum(np.maximum.accumulate(arrays[_AT["end_ns"]]), self._watermark_ns)
        self._watermark_ns = int(watermark[-1])
        for row, kind, hits in sorted(told, key=lambda one: one[:2]):
            if kind == 1:
                hits = self._undone(arrays, row, int(watermark[row]))
            elif kind == 3:
                hits = [hit for hit in hits if self._held(hit["parent_id"], int(watermark[row]))]
            for hit in hits:
                hit["parent_hits"] = len(hits)
            rows += self._remembered(hits) if kind in (0, 2) else hits
        return rows

    def _remembered(self, hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for hit in hits:
            if not hit["retracted"]:
                self._told.setdefault(hit["parent_id"], []).append(hit)
        return hits

    def _held(self, parent: str, now_ns: int) -> list[dict[str, Any]]:
        """The hits told of a parent that can still be taken back."""
        hits = self._told.get(parent, [])
        return hits if hits and hits[0]["event_ns"] >= now_ns - KEPT_NS else []

    def _undone(self, arrays: list[Any], row: int, now_ns: int) -> list[dict[str, Any]]:
        """Hits that an amended packet raised before: they are taken back, what still holds is told anew after them."""
        packet = str(arrays[_AT["packet_id"]][row])
        undone = []
        held = self._held(packet, now_ns)
        self._told.pop(packet, None)
        for hit in held:
            words = f"retracted, a print was cancelled; it was: {hit['explanation']}"
            undone.append({
                **hit, "retracted": True, "revision": int(arrays[_AT["revision"]][row]), "explanation": words,
                "event_ns": int(arrays[_AT["event_ns"]][row]),
            })  # fmt: skip
        return undone

    def _forget(self, now_ns: int) -> None:
        oldest = now_ns - KEPT_NS
        for parent in list(takewhile(lambda parent: self._told[parent][0]["event_ns"] < oldest, self._told)):
            del self._told[parent]

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return {
            "watermark_ns": self._watermark_ns, "finder": self._finder.snapshot(), "told": list(self._told.values()), "absorption": self._absorption.snapshot(),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._reset()
        self._watermark_ns = int(state["watermark_ns"])
        if not self._finder.shared:
            self._finder.restore(state["finder"])
        self._told = {hits[0]["parent_id"]: list(hits) for hits in state["told"]}
        self._absorption.restore(state["absorption"])


_EMPTY = HITS.empty()


def classify(
    packets: pd.DataFrame, thresholds: Mapping[str, Any] | ClassifierParameters | None = None
) -> pd.DataFrame:
    """Hits of the classifiers on packets and on the structures among them.

    Parameters
    ----------
    packets
        Rows of ``packets``, the packets of a burst together.
    thresholds
        Of ``ClassifierParameters``, all or those that differ.

    Returns
    -------
    pandas.DataFrame
        Rows of ``hits``: classifier, confidence, direction, whether it abstained and why, and the words.

    Examples
    --------
    >>> len(classify(PACKETS.empty())), list(CLASSIFIERS)[:3], NO_VERDICT
    (0, ['large_bullish_call_sweep', 'large_bearish_put_sweep', 'block'], 'abstained')
    """
    if isinstance(thresholds, ClassifierParameters):
        engine = Classifiers(thresholds)
    else:
        engine = Classifiers(**dict(thresholds or {}))
    return engine.update(conformed(PACKETS, packets), "packets")  # fmt: skip


__all__ = ["CLASSIFIERS", "FIXED", "NO_VERDICT", "RULE_VERSION", "Classifiers", "classify"]
