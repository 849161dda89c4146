"""Which packets of a batch may be legs of a package, as columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.flow.structure_kernels import RIGHTS
from workstation.flow.structure_names import Leg
from workstation.flow.structure_rows import LEANING
from workstation.market.tables import PACKETS, TradeFlag

_AT = PACKETS.places
_PACKAGED = int(TradeFlag.MULTI_LEG | TradeFlag.STOCK_TIED | TradeFlag.COMBO)
QUIET_PACKETS = 4
"""In a burst of more packets, single prints whose side is not known are taken for no legs: they are alike by chance."""


class LegColumns(NamedTuple):
    """Packets that may be legs (n,), in their order: row, last such row of their burst, whether the venue tells of a block, whether
    printed as part of a package, and what ``structure_kernels.Legs`` has of them."""

    row: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    of_block: npt.NDArray[np.bool_]
    of_package: npt.NDArray[np.bool_]
    right: npt.NDArray[np.int64]
    strike: npt.NDArray[np.float64]
    expiry_ns: npt.NDArray[np.int64]
    side: npt.NDArray[np.int64]
    size: npt.NDArray[np.float64]

    def without_blocks(self) -> LegColumns:
        """Those that are of no block."""
        if not self.of_block.any():
            return self
        of: list[Any] = [values[~self.of_block] for values in self]
        return LegColumns(*of)


def block_ids(arrays: list[Any]) -> dict[int, str]:
    """The venue's id of packets that are of a block or combo, by row."""
    flagged = np.flatnonzero((arrays[_AT["flags"]] & int(TradeFlag.COMBO | TradeFlag.BLOCK)) != 0)
    if not flagged.size:
        return {}
    told = {row: str(arrays[_AT["block_id"]][row]) for row in flagged.tolist()}
    return {row: block for row, block in told.items() if block}


def _sides(lean: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """+1 bought, -1 sold, 0 neither or not known."""
    return np.where(np.abs(lean) >= LEANING, np.sign(lean), 0).astype(np.int64)


def legs_of_interest(arrays: list[Any], least_size: float, blocks: dict[int, str]) -> LegColumns | None:
    """Packets that may be legs, of bursts with at least two of them; None where there are none.

    A leg is of a block, printed as part of a package, or of ``least_size`` contracts; in a burst of many packets single prints
    need a side.
    """
    size, packets = arrays[_AT["size"]], arrays[_AT["burst_packets"]]
    of_package = (arrays[_AT["flags"]] & _PACKAGED) != 0
    of_block = np.zeros(len(size), dtype=bool)
    of_block[list(blocks)] = True
    may = (of_package | of_block | (size >= least_size)) & (packets > 1) & (size > 0)
    rows = np.flatnonzero(may & (arrays[_AT["expiry_ns"]] > 0))
    side = _sides(arrays[_AT["lean"]][rows])
    told = (of_package | of_block)[rows] | (packets[rows] <= QUIET_PACKETS) | (side != 0)
    rows, side = rows[told], side[told]
    if rows.size < 2:
        return None
    burst = arrays[_AT["burst"]][rows]
    same = burst[1:] == burst[:-1]
    together = np.concatenate((same, [False])) | np.concatenate(([False], same))
    rows, side, burst = rows[together], side[together], burst[together]
    if not rows.size:
        return None
    ends = np.flatnonzero(np.append(burst[1:] != burst[:-1], True))
    last = np.repeat(rows[ends], np.diff(np.append(-1, ends)))
    right = arrays[_AT["right"]]
    numbers = np.array([*(RIGHTS.get(str(name), 0) for name in right.categories), 0])
    return LegColumns(
        rows, last, of_block[rows], of_package[rows], numbers[right.codes[rows]], arrays[_AT["strike"]][rows],
        arrays[_AT["expiry_ns"]][rows], side, size[rows],
    )  # fmt: skip


def legs_at(arrays: list[Any], rows: npt.NDArray[np.int64]) -> list[Leg]:
    """Legs at these rows."""
    size, side = arrays[_AT["size"]][rows], _sides(arrays[_AT["lean"]][rows])
    closes = arrays[_AT["open_interest"]][rows] >= size + np.nan_to_num(arrays[_AT["volume_before"]][rows])
    right = arrays[_AT["right"]]
    names = [*(str(name) for name in right.categories), ""]
    columns = (arrays[_AT["strike"]][rows], arrays[_AT["expiry_ns"]][rows], side, size, closes)
    made = zip(right.codes[rows].tolist(), *(column.tolist() for column in columns), strict=True)
    return [Leg(names[code], *leg) for code, *leg in made]
