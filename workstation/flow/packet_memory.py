"""Prints and packets of the last ten minutes: the trade ids that a packet stands on, and what a cancel leaves of it."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workstation.flow import packet_kernels as k
from workstation.flow.eligibility import KEEP_NS
from workstation.flow.packet_state import PacketState
from workstation.flow.packet_texts import Texts, arrow_texts, prints_json, texts_of
from workstation.market.instruments import REGISTRY

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Told(NamedTuple):
    """Records of packets (n, columns of ``packet_kernels``) and how often each was amended."""

    ints: Ints
    floats: Floats
    revision: npt.NDArray[np.int32]


class _Prints(NamedTuple):
    """Prints of one batch: records, ordinals of their packets (0: of none), their numbers and trade ids, packets opened so far (1,)."""

    ints: Ints
    floats: Floats
    member: Ints
    numbers: Ints
    ids: Texts
    opened: Ints


@numba.njit(cache=True)
def _rebuild(prints: Any, numbers: Any, ints: Any, floats: Any) -> None:
    k.begin_packet(ints, floats, prints[0], numbers[0])
    for i in range(len(prints)):
        k.add_print(ints, floats, prints[i], numbers[i])


class PacketMemory:
    """What happened in the last ten minutes, batch by batch."""

    def __init__(self) -> None:
        self._prints: deque[_Prints] = deque()
        self._told: deque[Told] = deque()
        self._revisions: dict[int, int] = {}
        self._gone: set[int] = set()

    def add(
        self, *, ints: Ints, floats: Floats, member: Ints, numbers: Ints, ids: Any, now_ns: int, opened: Ints
    ) -> None:
        """Keep a batch of prints; ``member`` and ``opened`` are filled in later."""
        oldest = now_ns - KEEP_NS
        while self._prints and int(self._prints[0].ints[:, k.P_TIME].max()) < oldest:
            self._prints.popleft()
        while self._told and int(self._told[0].ints[:, k.END].max()) < oldest:
            self._told.popleft()
        self._prints.append(_Prints(ints, floats, member, numbers, texts_of(ids), opened))

    def remember(self, told: Told) -> None:
        """Keep packets that were given out."""
        if told.revision.size:
            self._told.append(told)

    # -- trade ids ----------------------------------------------------------------------------------------

    def evidence(self, ordinals: Ints) -> Any:
        """JSON of the trade ids of packets, a text each; prints without an id go by ``#`` and their number."""
        wanted, places_of = np.unique(ordinals, return_inverse=True)
        least, base = int(wanted[0]), 0
        found: list[tuple[Ints, Ints, Ints, Ints]] = []
        contents = []
        for part in reversed(self._prints):
            places = np.minimum(np.searchsorted(wanted, part.member), wanted.size - 1)
            hit = (wanted[places] == part.member) & (part.member > 0)
            if self._gone:
                hit &= ~np.isin(part.numbers, list(self._gone))
            rows = np.flatnonzero(hit)
            offsets, content = part.ids
            found.append((places[rows], base + offsets[rows], base + offsets[rows + 1], part.numbers[rows]))
            contents.append(content)
            base += content.size
            if int(part.opened[0]) < least:
                break
        if not found:
            none = np.zeros(0, np.int64)
            return prints_json(ordinals.size, none, none, none, none, np.zeros(0, np.uint8))
        packet, first, last, numbers = (np.concatenate(column[::-1]) for column in zip(*found, strict=True))
        told = prints_json(wanted.size, packet, first, last, numbers, np.concatenate(contents))
        in_order = wanted.size == ordinals.size and (places_of[1:] > places_of[:-1]).all()
        return told if in_order else told.take(pa.array(places_of))

    # -- cancels ------------------------------------------------------------------------------------------

    def cancel(self, number: int, state: PacketState) -> list[Told]:
        """Take a print out of its packet: an open one is changed in place, one that was told is given again."""
        ordinal, event_ns = self._ordinal(number)
        if ordinal <= 0 or number in self._gone or event_ns < state.counters[k.C_WATERMARK] - KEEP_NS:
            return []
        self._gone.add(number)
        prints, numbers = self._left(ordinal)
        slots = np.flatnonzero(state.pool.ints[:, k.ORDINAL] == ordinal)
        free = set(state.pool.free[: int(state.counters[k.C_FREE])].tolist())
        held = [int(slot) for slot in slots if int(slot) not in free]
        if held:
            self._rewrite(state.pool.ints[held[0]], state.pool.floats[held[0]], prints, numbers)
            return []
        return self._amended(ordinal, prints, numbers)

    def _amended(self, ordinal: int, prints: Ints, numbers: Floats) -> list[Told]:
        for told in reversed(self._told):
            rows = np.flatnonzero(told.ints[:, k.ORDINAL] == ordinal)
            if rows.size:
                ints, floats = told.ints[rows[0]].copy(), told.floats[rows[0]].copy()
                self._rewrite(ints, floats, prints, numbers)
                revision = self._revisions[ordinal] = self._revisions.get(ordinal, 0) + 1
                return [Told(ints[None], floats[None], np.array([revision], np.int32))]
        return []

    @staticmethod
    def _rewrite(ints: Ints, floats: Floats, prints: Ints, numbers: Floats) -> None:
        """The record of the prints that are left; its times, place and what it was compared with stay."""
        kept_ints, kept_floats = ints.copy(), floats.copy()
        if len(prints):
            _rebuild(prints, numbers, ints, floats)
        else:
            ints[:], floats[:] = 0, 0.0
            floats[k.AGE] = np.nan
        for column in (
            k.CODE, k.UNDERLYING, k.PARENT, k.START, k.END, k.BURST, k.BURST_PACKETS, k.NEXT, k.ORDINAL, k.SAMPLES,
        ):  # fmt: skip
            ints[column] = kept_ints[column]
        floats[k.Z :], floats[k.RANK] = kept_floats[k.Z :], kept_floats[k.RANK]

    def _ordinal(self, number: int) -> tuple[int, int]:
        """Packet and time of a print."""
        for part in reversed(self._prints):
            place = int(np.searchsorted(part.numbers, number))
            if place < part.numbers.size and part.numbers[place] == number:
                return int(part.member[place]), int(part.ints[place, k.P_TIME])
        return 0, 0

    def _left(self, ordinal: int) -> tuple[Ints, Floats]:
        ints, floats = [np.zeros((0, k.PRINT_INTS), np.int64)], [np.zeros((0, k.PRINT_FLOATS))]
        for part in self._prints:
            rows = np.flatnonzero(part.member == ordinal)
            rows = np.array(
                [row for row in rows.tolist() if int(part.numbers[row]) not in self._gone], np.int64
            )
            ints.append(part.ints[rows])
            floats.append(part.floats[rows])
        return np.concatenate(ints), np.concatenate(floats)

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Prints and packets; contracts by name."""
        prints = [
            {"ints": part.ints.copy(), "floats": part.floats.copy(), "member": part.member.copy(), "numbers": part.numbers.copy(),
             "ids": arrow_texts(*part.ids).to_pylist(), "opened": part.opened.copy(), "names": _names(part.ints[:, k.P_CODE])} for part in self._prints
        ]  # fmt: skip
        told = [
            {
                "ints": part.ints.copy(),
                "floats": part.floats.copy(),
                "revision": part.revision.copy(),
                "names": _names(part.ints[:, k.CODE]),
            }
            for part in self._told
        ]
        revisions = {str(key): number for key, number in self._revisions.items()}
        return {"prints": prints, "told": told, "revisions": revisions, "gone": sorted(self._gone)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.__init__()  # type: ignore[misc]
        for part in state["prints"]:
            ints = np.array(part["ints"])
            ints[:, k.P_CODE] = REGISTRY.codes(part["names"])
            ids = texts_of(part["ids"])
            self._prints.append(
                _Prints(ints, np.array(part["floats"]), np.array(part["member"]), np.array(part["numbers"]), ids, np.array(part["opened"]))
            )  # fmt: skip
        for part in state["told"]:
            ints = np.array(part["ints"])
            ints[:, k.CODE] = REGISTRY.codes(part["names"])
            self._told.append(Told(ints, np.array(part["floats"]), np.array(part["revision"], np.int32)))
        self._revisions = {int(key): int(number) for key, number in state["revisions"].items()}
        self._gone = {int(number) for number in state["gone"]}


def _names(codes: Ints) -> list[str]:
    return [str(name) for name in REGISTRY.names(codes)]
