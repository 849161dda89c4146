"""Which field stands where: the layout of level 1 lines, told by the venue and carried by every frame's channel.

A frame's channel names its layout and what its condition codes mean, so that each frame can be read without any
other: ``level1?fields=symbol.contents.price&flags=3D:16.87:16384&off=57``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from workstation.market.errors import FrameError

FIELDS: Mapping[str, str] = {
    "Symbol": "symbol", "Message Contents": "contents", "Most Recent Trade": "price", "Most Recent Trade Size": "size",
    "Most Recent Trade Date": "date", "Most Recent Trade Time": "time", "Most Recent Trade Market Center": "market",
    "Most Recent Trade Conditions": "conditions", "Most Recent Trade Aggressor": "aggressor", "TickID": "id",
    "Number of Trades Today": "count", "Bid": "bid", "Bid Size": "bid_size", "Bid Time": "bid_time", "Ask": "ask",
    "Ask Size": "ask_size", "Ask Time": "ask_time", "Open Interest": "open_interest", "Total Volume": "volume",
}  # fmt: skip
"""The venue's name of each field asked for -> its role here."""
ROLES = (*FIELDS.values(), "stamp")
"""Roles by number, as the kernels know them; ``stamp`` is date and time in one field (history)."""
NEEDED = ("symbol", "contents", "price", "size", "date", "time")
TICK_FIELDS = (
    "", "stamp", "price", "size", "volume", "bid", "ask", "id", "contents", "market", "conditions", "aggressor",
)  # fmt: skip
"""Fields of a history tick after the request's id: ``LH``, the time, and so on."""
LEVEL1, LOOKUP = "level1", "lookup"
_NAMES = "S,CURRENT UPDATE FIELDNAMES,"


@dataclass(frozen=True)
class Layout:
    """Roles of the fields of a line, and what its codes mean.

    Attributes
    ----------
    fields
        Role of each field after the first (the message's type); empty for one that is not read.
    flags
        Condition code -> bits of ``TradeFlag``, for those that have any.
    off
        Market centers that are facilities for prints made off exchange.

    Examples
    --------
    >>> layout = Layout(("symbol", "", "price"), {0x3D: 16}, frozenset({57}))
    >>> layout.channel
    'level1?fields=symbol..price&flags=3D:16&off=57'
    >>> layout_of(layout.channel) == layout
    True
    """

    fields: tuple[str, ...]
    flags: Mapping[int, int] = field(default_factory=dict)
    off: frozenset[int] = frozenset()

    @cached_property
    def channel(self) -> str:
        """The channel of frames in this layout."""
        return f"{LEVEL1}?fields={'.'.join(self.fields)}{self.meanings}"

    @property
    def meanings(self) -> str:
        """The part of a channel that tells what codes mean."""
        flags = ".".join(f"{code:02X}:{bits}" for code, bits in sorted(self.flags.items()))
        off = ".".join(map(str, sorted(self.off)))
        return (f"&flags={flags}" if flags else "") + (f"&off={off}" if off else "")

    @cached_property
    def roles(self) -> npt.NDArray[np.int64]:
        """Number of the role of each field of a line, -1 for one that is not read."""
        return np.array([-1, *(ROLES.index(role) if role else -1 for role in self.fields)], dtype=np.int64)

    def place(self, role: str) -> int:
        """Which field of a line has a role; -1 when none has."""
        return self.fields.index(role) + 1 if role in self.fields else -1

    def with_fields(self, line: str) -> Layout:
        """This layout with the fields of the venue's ``S,CURRENT UPDATE FIELDNAMES`` answer.

        Raises
        ------
        FrameError
            When a field without which no print can be read is missing.

        Examples
        --------
        >>> NOTHING.with_fields("S,CURRENT UPDATE FIELDNAMES,Symbol,Message Contents,7 Day Yield,Most Recent Trade,"
        ...     "Most Recent Trade Size,Most Recent Trade Date,Most Recent Trade Time,").fields[:4]
        ('symbol', 'contents', '', 'price')
        """
        names = line.removeprefix(_NAMES).rstrip(",").split(",")
        return Layout(self._checked(names), self.flags, self.off)

    @staticmethod
    def _checked(names: Sequence[str]) -> tuple[str, ...]:
        fields = tuple(FIELDS.get(name.strip(), "") for name in names)
        venue = {role: name for name, role in FIELDS.items()}
        missing = [venue[role] for role in NEEDED if role not in fields]
        if missing:
            raise FrameError(f"fields: the venue leaves out {', '.join(missing)}")
        repeated = sorted({role for role in fields if role and fields.count(role) > 1})
        if repeated:
            raise FrameError(f"fields: the venue names {', '.join(venue[role] for role in repeated)} twice")
        return fields


NOTHING = Layout(())
"""Before the venue named its fields."""


@lru_cache(maxsize=256)
def layout_of(channel: str) -> Layout:
    """The layout a channel names. Raises ``FrameError`` for a channel that names none.

    Examples
    --------
    >>> layout_of("level1?fields=symbol.contents.price").place("price")
    3
    """
    path, _, query = channel.partition("?")
    parts = dict(part.partition("=")[::2] for part in query.split("&") if part)
    if not path.startswith((LEVEL1, LOOKUP)):
        raise FrameError(f"channel: {channel[:80]!r} is neither {LEVEL1} nor {LOOKUP}")
    fields = tuple(parts["fields"].split(".")) if parts.get("fields") else ()
    try:
        flags = {
            int(code, 16): int(bits)
            for code, _, bits in (each.partition(":") for each in parts.get("flags", "").split(".") if each)
        }
        off = frozenset(int(each) for each in parts.get("off", "").split(".") if each)
    except ValueError as error:
        raise FrameError(f"channel: {channel[:80]!r}: {error}") from error
    unknown = [role for role in fields if role and role not in ROLES]
    if unknown:
        raise FrameError(f"channel: no field is called {unknown[0]!r}")
    return Layout(fields, flags, off)


def tick_layout(channel: str) -> Layout:
    """The layout of history ticks whose channel says what codes mean."""
    return Layout(TICK_FIELDS, layout_of(channel).flags, layout_of(channel).off)
