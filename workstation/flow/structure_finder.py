"""Structures among packets: whole bursts out of batches, the packages among them, and those that a cancel undoes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workstation.flow import structure_kernels as kernel
from workstation.flow.eligibility import KEEP_NS, forget_oldest
from workstation.flow.structure_legs import LegColumns, block_ids, legs_at, legs_of_interest
from workstation.flow.structure_names import MOST_LEGS, Leg, named, places_of
from workstation.flow.structure_rows import packet_columns, small_structure, structure_row
from workstation.market.tables import NO_TIME, PACKETS
from workstation.market.tables.frames import arrays_of

_AT = PACKETS.places
KEPT_NS = 2 * KEEP_NS
"""How long a structure can be taken back."""


@dataclass(frozen=True)
class StructuresParameters:
    """Parameters of ``Structures``.

    Attributes
    ----------
    least_size
        Contracts that a leg not printed as multi-leg needs: small prints of an active name are alike by chance.
    """

    least_size: float = 10.0

    def __post_init__(self) -> None:
        if not self.least_size > 0:
            raise ValueError(f"least_size must be positive, got {self.least_size!r}")


class _Taken(NamedTuple):
    """What a batch gave to the first of two readers."""

    packets: pd.DataFrame
    reader: object
    whole: pd.DataFrame
    found: list[dict[str, Any]]


class _Package(NamedTuple):
    """Rows of a package, whether the venue tells of it, and the last row of its burst that may be a leg."""

    rows: list[int]
    by_fact: bool
    burst: int


def _by_fact(legs: LegColumns, blocks: dict[int, str]) -> list[_Package]:
    """Packets of one burst and one block or combo of the venue."""
    groups: dict[tuple[int, str], list[int]] = {}
    last_of = {}
    for row, last in zip(legs.row.tolist(), legs.last.tolist(), strict=True) if blocks else ():
        if row in blocks:
            groups.setdefault((last, blocks[row]), []).append(row)
            last_of[row] = last
    return [_Package(rows, True, last_of[rows[0]]) for rows in groups.values() if len(rows) > 1]


def _by_size(legs: LegColumns) -> list[_Package]:
    """Packages of packets that are alike in size."""
    loose = legs.without_blocks()
    order = np.lexsort((loose.size, ~loose.of_package, loose.last))
    places, offsets = np.empty(order.size, np.int64), np.zeros(order.size + 1, np.int64)
    groups = kernel.alike(
        order, loose.last, loose.of_package, loose.size, kernel.FARTHEST, MOST_LEGS, places, offsets
    )
    if not groups:
        return []
    places, offsets = places[: offsets[groups]], offsets[: groups + 1]
    columns = kernel.Legs(
        loose.right[places],
        loose.strike[places],
        loose.expiry_ns[places],
        loose.side[places],
        loose.size[places],
    )
    chosen, found = np.zeros((groups, MOST_LEGS), np.int64), np.zeros(groups, np.int64)
    kernel.packages_of_groups(columns, offsets, chosen, found)
    rows, last = loose.row[places].tolist(), loose.last[places].tolist()
    starts = offsets.tolist()
    return [
        _Package([rows[starts[group] + at] for at in places_of(subset)], False, last[starts[group]])
        for group in np.flatnonzero(found).tolist()
        for subset in chosen[group, : found[group]].tolist()
    ]


def _named(one: _Package, legs: list[Leg]) -> tuple[str, str] | None:
    """Kind and name of a package; one by fact always has them."""
    return named(legs) or (("package", f"package of {len(legs)} legs") if one.by_fact else None)


class StructureFinder:
    """Whole bursts out of rows of ``packets``, and the structures among them.

    Of a structure of less premium than ``least_usd`` that the venue does not tell of, only ``small_structure`` is told.

    Parameters
    ----------
    parameters
        Which packets may be legs.
    shared
        Two engines take the same batches one after the other: what the first had found is handed to the second.
    """

    def __init__(
        self, parameters: StructuresParameters, *, least_usd: float = 0.0, shared: bool = False
    ) -> None:
        self.parameters, self.least_usd, self.shared = parameters, least_usd, shared
        self._reset()

    def _reset(self) -> None:
        self._waiting: list[pd.DataFrame] = []
        self._of_packet: dict[str, dict[str, Any]] = {}
        self._watermark_ns = NO_TIME
        self._taken: _Taken | None = None

    def take(self, packets: pd.DataFrame, reader: object = None) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """Rows of whole bursts and amended ones, and rows of ``structures`` with the places of their packets (``rows``).

        ``reader``: which of the engines that share the finder asks. Neither the rows nor the structures are the reader's to change.
        """
        taken, self._taken = self._taken, None
        if taken is not None and taken.packets is packets and taken.reader is not reader:
            return taken.whole, taken.found
        whole, found = self._take(packets)
        if self.shared:
            self._taken = _Taken(packets, reader, whole, found)
        return whole, found

    def _take(self, packets: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        batch = PACKETS.concat([*self._waiting, packets]) if self._waiting else packets
        arrays = arrays_of(batch)
        burst, of = arrays[_AT["burst"]], arrays[_AT["burst_packets"]]
        whole = len(batch)
        if whole and of[-1] > 0:
            start = whole - 1
            while start > 0 and of[start - 1] > 0 and burst[start - 1] == burst[-1]:
                start -= 1
            if whole - start < of[-1]:
                whole = start
        self._waiting = [PACKETS.take(batch, np.arange(whole, len(batch)))] if whole < len(batch) else []
        if whole < len(batch):
            batch = PACKETS.take(batch, np.arange(whole))
            arrays = arrays_of(batch)
        return batch, self._found(arrays) if whole else []

    def _found(self, arrays: list[Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        watermark = np.maximum(np.maximum.accumulate(arrays[_AT["end_ns"]]), self._watermark_ns)
        amended = np.flatnonzero(arrays[_AT["burst_packets"]] == 0).tolist()
        told = self._told(arrays)
        for row in sorted([*told, *amended]):
            if row in told:
                for one in told[row]:
                    found.append(one)
                    self._of_packet.update(dict.fromkeys(one["packets"], one))
            else:
                found += self._retracted(arrays, row, int(watermark[row]))
        self._watermark_ns = int(watermark[-1])
        forget_oldest(self._of_packet, self._watermark_ns - KEPT_NS, "end_ns")
        return found

    def _told(self, arrays: list[Any]) -> dict[int, list[dict[str, Any]]]:
        """Rows of structures by the last row of their burst that may be a leg."""
        blocks = block_ids(arrays)
        legs = legs_of_interest(arrays, self.parameters.least_size, blocks)
        if legs is None:
            return {}
        packages = _by_fact(legs, blocks) + _by_size(legs)
        if not packages:
            return {}
        columns = packet_columns(arrays, sorted({row for one in packages for row in one.rows}))
        rows = [small_structure(columns, one.rows, one.by_fact) for one in packages]
        whole = [
            one.by_fact or not row["premium_usd"] < self.least_usd
            for one, row in zip(packages, rows, strict=True)
        ]
        wanted = [
            row for one, all_of_it in zip(packages, whole, strict=True) if all_of_it for row in one.rows
        ]
        every = iter(legs_at(arrays, np.array(wanted, np.int64)))
        told: dict[int, list[dict[str, Any]]] = {}
        for one, row, all_of_it in zip(packages, rows, whole, strict=True):
            if all_of_it:
                of = [next(every) for _ in one.rows]
                what = _named(one, of)
                if what is None:
                    continue
                row |= structure_row(columns, one.rows, of, *what)
            told.setdefault(one.burst, []).append(row)
        return told

    def _retracted(self, arrays: list[Any], row: int, now_ns: int) -> list[dict[str, Any]]:
        """The structure that stood on an amended packet, once."""
        packet = str(arrays[_AT["packet_id"]][row])
        held = self._of_packet.get(packet)
        if held is None or held["end_ns"] < now_ns - KEPT_NS:
            return []
        for other in held["packets"]:
            self._of_packet.pop(other, None)
        return [
            {
                **held,
                "retracted": True,
                "revision": 1,
                "event_ns": int(arrays[_AT["event_ns"]][row]),
                "rows": (row,),
            }
        ]

    def snapshot(self) -> dict[str, Any]:
        """Waiting packets and the structures of the last minutes."""
        waiting = PACKETS.concat(self._waiting)
        columns: dict[str, Any] = {
            name: waiting[name].tolist() for name in PACKETS.names if waiting[name].dtype.kind not in "fib"
        }
        columns |= {name: waiting[name].to_numpy().copy() for name in PACKETS.names if name not in columns}
        return {
            "watermark_ns": self._watermark_ns,
            "waiting": columns,
            "structures": [[packet, row] for packet, row in self._of_packet.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._reset()
        waiting = PACKETS.batch(state["waiting"], len(state["waiting"]["seq"]))
        self._waiting = [waiting] if len(waiting) else []
        self._watermark_ns = int(state["watermark_ns"])
        by_id: dict[str, dict[str, Any]] = {}
        for packet, row in state["structures"]:
            self._of_packet[packet] = by_id.setdefault(row["structure_id"], row)
