"""Which prints may have a direction, and which print a cancel takes back.

What OPRA's trade types and the equity tapes' conditions say of a print ships with ``market.conditions`` and arrives here as
``trades.flags``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workstation.market.instruments import REGISTRY
from workstation.market.tables import EXCLUSIONS, TradeFlag

KEEP_NS = 600_000_000_000
"""Prints can be taken back for ten minutes."""
_REASONS: tuple[tuple[TradeFlag, str], ...] = (
    (TradeFlag.VOID, "void"),
    (TradeFlag.CANCEL, "cancel"),
    (TradeFlag.OUT_OF_SEQUENCE, "out of sequence"),
    (TradeFlag.LATE, "late"),
    (TradeFlag.COMPRESSION, "compression"),
    (TradeFlag.STOCK_TIED, "stock-tied"),
    (TradeFlag.MULTI_LEG, "multi-leg"),
    (TradeFlag.COMBO, "combo"),
    (TradeFlag.AVERAGE_PRICE, "average price"),
    (TradeFlag.AUCTION, "auction"),
    (TradeFlag.CROSS, "cross"),
    (TradeFlag.FLOOR, "floor"),
)
EXCLUSION_CODE: Mapping[str, int] = {reason: code for code, reason in enumerate(EXCLUSIONS)}
NO_PART = tuple(EXCLUSION_CODE[reason] for reason in (
    "cancel", "unknown cancel", "duplicate", "void", "late", "out of sequence", "unusable",
))  # fmt: skip
"""Prints that are no part of a packet: volume at most."""
_CANCELS_LAST, _CANCELS_FIRST, _CANCELS_ONE = frozenset("C"), frozenset("E"), frozenset("AG")


def exclusions(flags: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Why each print has no direction, by its flags: places in ``EXCLUSIONS`` (n,), 0 for those that may have one.

    Examples
    --------
    >>> [EXCLUSIONS[code] for code in exclusions([0, TradeFlag.ISO, TradeFlag.LATE, TradeFlag.MULTI_LEG | TradeFlag.AUCTION])]
    ['', '', 'late', 'multi-leg']
    """
    held = np.asarray(flags, dtype=np.int64)
    found = np.zeros(held.shape, dtype=np.int8)
    for flag, reason in reversed(_REASONS):
        found[(held & int(flag)) != 0] = EXCLUSION_CODE[reason]
    return found


@numba.njit(cache=True)
def _hash_rows(offsets: Any, content: Any, out: Any) -> None:
    """FNV-1a of each text; 0 for an empty one."""
    for i in range(out.size):
        if offsets[i] == offsets[i + 1]:
            out[i] = 0
            continue
        hashed = np.uint64(14695981039346656037)
        for at in range(offsets[i], offsets[i + 1]):
            hashed = (hashed ^ np.uint64(content[at])) * np.uint64(1099511628211)
        out[i] = np.int64(hashed >> np.uint64(1)) | 1


def text_hashes(texts: Any) -> npt.NDArray[np.int64]:
    """A 63-bit number of each text of a string column (n,), 0 for an empty one; the same in every process.

    Examples
    --------
    >>> first, empty, again = text_hashes(["a", "", "a"]).tolist()
    >>> first == again, empty
    (True, 0)
    """
    column = pa.array(texts, type=pa.large_string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    out = np.empty(len(column), dtype=np.int64)
    if not out.size:
        return out
    _, offsets, content = column.buffers()
    start = np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + out.size + 1]
    letters = np.frombuffer(content, dtype=np.uint8) if content else np.zeros(0, dtype=np.uint8)
    _hash_rows(np.array(start), letters.copy() if not letters.flags.writeable else letters, out)
    return out


def forget_oldest(held: dict[str, Any], oldest_ns: int, time: str) -> None:
    """Drop rows kept by id that are older, from the first put in on; one that is younger ends the search.

    Examples
    --------
    >>> held = {"a": {"event_ns": 1}, "b": {"event_ns": 5}}
    >>> forget_oldest(held, 3, "event_ns")
    >>> list(held)
    ['b']
    """
    gone = list(takewhile(lambda item: item[1][time] < oldest_ns, held.items()))
    for name, _ in gone:
        del held[name]


class _Kept(NamedTuple):
    """Prints of one batch that can be taken back."""

    number: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]
    event_ns: npt.NDArray[np.int64]
    hashed: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]


class PrintsKept:
    """The prints of the last ten minutes, to find the one a cancel names.

    A cancel names its print by trade id. An OPRA cancel without such an id names it by contract, price and size: C the last
    print of the contract, E and G the first and the only of the day, A any other.
    """

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()
        self._cancelled: dict[int, int] = {}

    def add(
        self,
        *,
        number: npt.NDArray[np.int64],
        code: npt.NDArray[np.int64],
        event_ns: npt.NDArray[np.int64],
        hashed: npt.NDArray[np.int64],
        price: npt.NDArray[np.float64],
        size: npt.NDArray[np.float64],
    ) -> None:
        """Keep prints, in their order; cancels are none."""
        self._kept.append(_Kept(number, code, event_ns, hashed, price, size))

    def forget(self, before_ns: int) -> None:
        """Drop batches all of whose prints are older."""
        while self._kept and (
            not self._kept[0].event_ns.size or int(self._kept[0].event_ns.max()) < before_ns
        ):
            self._kept.popleft()
        if self._cancelled:
            self._cancelled = {number: at for number, at in self._cancelled.items() if at >= before_ns}

    def named(
        self, *, number: int, code: int, hashed: int, price: float, size: float, letter: str, now_ns: int
    ) -> int:
        """Number of the print that a cancel names, which then is cancelled; -1 when there is none."""
        found: list[tuple[int, int, bool]] = []
        for kept in self._kept:
            rows = np.flatnonzero(
                (kept.code == code) & (kept.number < number) & (kept.event_ns >= now_ns - KEEP_NS)
            )
            same = (kept.price[rows] == price) & (kept.size[rows] == size)
            found += zip(kept.number[rows].tolist(), kept.hashed[rows].tolist(), same.tolist(), strict=True)
        open_ = [row for row in found if row[0] not in self._cancelled]
        chosen = next((row[0] for row in reversed(open_) if hashed and row[1] == hashed), -1)
        if chosen < 0 and letter and not any(hashed and row[1] == hashed for row in found):
            chosen = _by_letter(letter, open_)
        if chosen > 0:
            self._cancelled[chosen] = now_ns
        return chosen

    def snapshot(self) -> dict[str, Any]:
        """Prints by contract's name."""
        parts = list(self._kept)
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0)])
            for name in _Kept._fields
        }
        codes = joined.pop("code").astype(np.int64)
        joined["instrument"] = np.array([str(name) for name in REGISTRY.names(codes)], dtype=object)
        return {**joined, "cancelled": dict(self._cancelled)}  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        codes = REGISTRY.codes([str(name) for name in state["instrument"]]).astype(np.int64)
        self._kept = deque()
        self.add(
            number=np.array(state["number"], dtype=np.int64), code=codes,
            event_ns=np.array(state["event_ns"], dtype=np.int64), hashed=np.array(state["hashed"], dtype=np.int64),
            price=np.array(state["price"], dtype=np.float64), size=np.array(state["size"], dtype=np.float64),
        )  # fmt: skip
        self._cancelled = {int(number): int(at) for number, at in state["cancelled"].items()}


def _by_letter(letter: str, prints: list[tuple[int, int, bool]]) -> int:
    """The print that an OPRA cancel of this type names: (number, hash, same price and size) in their order."""
    if not prints:
        return -1
    if letter in _CANCELS_LAST:
        return prints[-1][0] if prints[-1][2] else -1
    if letter in _CANCELS_FIRST:
        return prints[0][0] if prints[0][2] else -1
    if letter in _CANCELS_ONE:
        return next((number for number, _, same in reversed(prints) if same), -1)
    return -1
