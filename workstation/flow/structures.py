"""Structures: packages of several contracts, found among the packets of one burst or told by the venue.

Legs of a package that the venue prints under one id (``block_id``) are a structure by fact. Other legs must be alike in size, within
0.8 to 1.25 of a small integer ratio, and of one kind of print: legs printed as multi-leg are never mixed with single prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.flow import structure_kernels as kernel
from workstation.flow.eligibility import KEEP_NS, forget_oldest
from workstation.flow.structure_names import (
    MOST_LEGS,
    MOST_RATIO,
    RATIOS,
    Leg,
    Named,
    named,
    places_of,
)
from workstation.flow.structure_rows import (
    LEANING,
    packet_columns,
    small_structure,
    structure_frame,
    structure_row,
)
from workstation.market.engine import Engine, conformed
from workstation.market.tables import NO_TIME, PACKETS, STRUCTURES, TradeFlag
from workstation.market.tables.frames import arrays_of

_AT = {name: place for place, name in enumerate(PACKETS.names)}
_PACKAGED = int(TradeFlag.MULTI_LEG | TradeFlag.STOCK_TIED | TradeFlag.COMBO)
KEPT_NS = 2 * KEEP_NS
"""How long a structure can be taken back."""
QUIET_PACKETS = 4
"""In a burst of more packets, single prints whose side is not known are taken for no legs: they are alike by chance."""
FARTHEST = RATIOS[-1] * MOST_RATIO
"""The largest leg of a package over its smallest, at most."""


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


class StructureFinder:
    """Whole bursts out of rows of ``packets``, and the structures among them.

    Of a structure of less premium than ``least_usd`` that the venue does not tell of, only ``small_structure`` is told.
    """

    def __init__(self, parameters: StructuresParameters, *, least_usd: float = 0.0) -> None:
        self._parameters, self._least_usd = parameters, least_usd
        self._waiting: list[pd.DataFrame] = []
        self._of_packet: dict[str, dict[str, Any]] = {}
        self._watermark_ns = NO_TIME

    def take(self, packets: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """Rows of whole bursts and amended ones, and rows of ``structures`` with the places of their packets (``rows``)."""
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
        blocks, least_size = _blocks(arrays), self._parameters.least_size
        groups: list[_Group] = []
        legs: dict[int, Leg] = {}
        for burst in _bursts_of_interest(arrays, least_size, blocks):
            found = _groups(burst, least_size, blocks)
            legs |= {row: burst[row].leg for group in found for row in group.rows}
            groups += found
        if not groups:
            return {}
        packages = _packages(groups, legs)
        if not packages:
            return {}
        columns = packet_columns(arrays, sorted({row for _, rows, _ in packages for row in rows}))
        told: dict[int, list[dict[str, Any]]] = {}
        for group, rows, what in packages:
            row = small_structure(columns, rows, group.by_fact)
            if group.by_fact or not row["premium_usd"] < self._least_usd:
                row |= structure_row(columns, rows, [legs[at] for at in rows], what)
            told.setdefault(group.burst, []).append(row)
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
        waiting = PACKETS.batch(state["waiting"], len(state["waiting"]["seq"]))
        self._waiting = [waiting] if len(waiting) else []
        self._watermark_ns = int(state["watermark_ns"])
        by_id: dict[str, dict[str, Any]] = {}
        for packet, row in state["structures"]:
            self._of_packet[packet] = by_id.setdefault(row["structure_id"], row)


class _MayBe(NamedTuple):
    """A packet that may be a leg: its leg, whether it was printed as part of a package, and the packets of its burst."""

    leg: Leg
    of_package: bool
    burst_packets: int


def _bursts_of_interest(
    arrays: list[Any], least_size: float, blocks: dict[int, str]
) -> list[dict[int, _MayBe]]:  # fmt: skip
    """Packets that may be legs by row, of each burst of at least two."""
    expiry, size = arrays[_AT["expiry_ns"]], arrays[_AT["size"]]
    of_package = (arrays[_AT["flags"]] & _PACKAGED) != 0
    may = of_package | (size >= least_size)
    may[list(blocks)] = True
    packets = arrays[_AT["burst_packets"]]
    told = of_package | (packets <= QUIET_PACKETS) | (_sides(arrays[_AT["lean"]]) != 0)
    told[list(blocks)] = True
    rows = np.flatnonzero(may & told & (packets > 1) & (expiry > 0) & (size > 0))
    if rows.size < 2:
        return []
    burst = arrays[_AT["burst"]][rows]
    same = burst[1:] == burst[:-1]
    together = np.concatenate((same, [False])) | np.concatenate(([False], same))
    rows, burst = rows[together], burst[together].tolist()
    known = zip(_legs(arrays, rows), of_package[rows].tolist(), packets[rows].tolist(), strict=True)
    found: dict[int, dict[int, _MayBe]] = {}
    for number, row, one in zip(burst, rows.tolist(), known, strict=True):
        found.setdefault(number, {})[row] = _MayBe(*one)
    return list(found.values())


def _blocks(arrays: list[Any]) -> dict[int, str]:
    """The venue's id of packets that are of a block or combo, by row."""
    flagged = np.flatnonzero((arrays[_AT["flags"]] & int(TradeFlag.COMBO | TradeFlag.BLOCK)) != 0)
    told = {row: str(arrays[_AT["block_id"]][row]) for row in flagged.tolist()}
    return {row: block for row, block in told.items() if block}


def _sides(lean: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """+1 bought, -1 sold, 0 neither or not known."""
    return np.where(np.abs(lean) >= LEANING, np.sign(lean), 0).astype(np.int64)


def _legs(arrays: list[Any], rows: npt.NDArray[np.int64]) -> list[Leg]:
    """Legs at these rows."""
    size, side = arrays[_AT["size"]][rows], _sides(arrays[_AT["lean"]][rows])
    closes = arrays[_AT["open_interest"]][rows] >= size + np.nan_to_num(arrays[_AT["volume_before"]][rows])
    right = arrays[_AT["right"]]
    names = [*(str(name) for name in right.categories), ""]
    columns = (arrays[_AT["strike"]][rows], arrays[_AT["expiry_ns"]][rows], side, size, closes)
    made = zip(right.codes[rows].tolist(), *(column.tolist() for column in columns), strict=True)
    return [Leg(names[code], *leg) for code, *leg in made]


class _Group(NamedTuple):
    """Rows that may be of one package, whether the venue says so, and the last row of their burst that may be a leg."""

    rows: list[int]
    by_fact: bool
    burst: int


def _groups(burst: dict[int, _MayBe], least_size: float, blocks: dict[int, str]) -> list[_Group]:
    """Rows of a burst that may be of one package."""
    by_block: dict[str, list[int]] = {}
    loose: dict[bool, list[int]] = {True: [], False: []}
    for row, (leg, of_package, packets) in burst.items():
        if row in blocks:
            by_block.setdefault(blocks[row], []).append(row)
        elif of_package or (leg.size >= least_size and (packets <= QUIET_PACKETS or leg.side)):
            loose[of_package].append(row)
    last = next(reversed(burst))
    told = [_Group(group, True, last) for group in by_block.values() if len(group) > 1]
    return told + [
        _Group(one, False, last) for group in loose.values() if len(group) > 1 for one in _alike(group, burst)
    ]


def _packages(groups: list[_Group], legs: dict[int, Leg]) -> list[tuple[_Group, list[int], Named]]:
    """Packages of groups in their order: the group, the rows of the package and its name."""
    loose = [group for group in groups if not group.by_fact]
    subsets = iter(_subsets(loose, legs))
    told = []
    for group in groups:
        if group.by_fact:
            of = [legs[row] for row in group.rows]
            what = named(of) or ("package", f"package of {len(of)} legs")
            told.append((group, group.rows, Named(tuple(range(len(of))), *what)))
            continue
        for places in next(subsets):
            rows = [group.rows[at] for at in places]
            found = named([legs[row] for row in rows])
            if found is not None:
                told.append((group, rows, Named(places, *found)))
    return told


def _subsets(groups: list[_Group], legs: dict[int, Leg]) -> list[list[tuple[int, ...]]]:
    """Places of the legs of each package, by group."""
    if not groups:
        return []
    held = [legs[row] for group in groups for row in group.rows]
    columns = kernel.Legs(
        np.array([kernel.RIGHTS.get(leg.right, 0) for leg in held], np.int64), np.array([leg.strike for leg in held]),
        np.array([leg.expiry_ns for leg in held], np.int64), np.array([leg.side for leg in held], np.int64),
        np.array([leg.size for leg in held]),
    )  # fmt: skip
    offsets = np.cumsum([0, *(len(group.rows) for group in groups)])
    chosen, found = np.zeros((len(groups), MOST_LEGS), np.int64), np.zeros(len(groups), np.int64)
    kernel.packages_of_groups(columns, offsets, chosen, found)
    return [
        [places_of(subset) for subset in subsets[:count]]
        for subsets, count in zip(chosen.tolist(), found.tolist(), strict=True)
    ]


def _alike(rows: list[int], burst: dict[int, _MayBe]) -> list[list[int]]:
    """Rows split where sizes, in order, are too far apart for any ratio; groups of more than ``MOST_LEGS`` say nothing."""
    groups: list[list[int]] = []
    for row in sorted(rows, key=lambda row: (burst[row].leg.size, row)):
        if groups and burst[row].leg.size <= FARTHEST * burst[groups[-1][0]].leg.size:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [sorted(group) for group in groups if 1 < len(group) <= MOST_LEGS]


class Structures(Engine):
    """Rows of ``structures``; one that loses a leg to a cancel comes again with ``retracted``.

    Examples
    --------
    >>> Structures().update(PACKETS.empty()).empty
    True
    """

    inputs: ClassVar[tuple[str, ...]] = ("packets",)
    output: ClassVar[str] = "structures"

    def __init__(self, parameters: StructuresParameters | None = None, **changes: Any) -> None:
        self.parameters = replace(parameters or StructuresParameters(), **changes)
        self._finder = StructureFinder(self.parameters)

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of ``packets`` and give the structures of whole bursts."""
        return structure_frame(self._finder.take(batch)[1]) if len(batch) else _EMPTY.copy(deep=False)

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return self._finder.snapshot()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._finder = StructureFinder(self.parameters)
        self._finder.restore(state)


_EMPTY = STRUCTURES.empty()


def structures(packets: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Structures among packets.

    Parameters
    ----------
    packets
        Rows of ``packets`` as ``flow.packets`` gives them: the packets of a burst stand together.
    parameters
        Of ``StructuresParameters``.

    Returns
    -------
    pandas.DataFrame
        Rows of ``structures``, in order of their bursts.

    Examples
    --------
    >>> from workstation.market.tables import QUOTES, TRADES
    >>> from workstation.flow.packets import packets as packets_of_trades
    >>> names = ["SPY   261218C00450000", "SPY   261218P00450000"]
    >>> trades = TRADES.batch({"event_ns": [10, 15], "instrument": names, "price": [2.0, 1.5], "size": [20.0, 20.0]})
    >>> structures(packets_of_trades(trades, QUOTES.empty()))[["kind", "legs", "size", "premium_usd"]].values.tolist()
    [['straddle', 2, 40.0, 7000.0]]
    """
    return Structures(**parameters).update(conformed(PACKETS, packets))
