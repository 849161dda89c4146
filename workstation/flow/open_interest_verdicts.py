"""Did a packet open or close positions: likely at the print, known when the next session's open interest is published.

Open interest stamped on day D was computed after the close of D - 1. A print of D is judged against OI(D); the verdict is
OI(D+1) - OI(D). What expires on D never reaches the next day's open interest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from workstation.market.engine import Engine
from workstation.market.instants import DAY_NS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, OPEN_INTEREST_VERDICTS

PENDING, OPENING, CLOSING, UNDECIDED, NEVER = (
    "pending", "opening confirmed", "closing", "undecided", "never",
)  # fmt: skip


class Verdict(NamedTuple):
    """Verdict, change of open interest over the size, and contracts that surely opened."""

    verdict: str
    share: float
    certain: float


def verdict(
    *, size: float, open_interest: float, next_open_interest: float, volume_before: float = 0.0, expires_today: bool = False
) -> Verdict:  # fmt: skip
    """What the open interest of the print's day and of the next session say of ``size`` contracts.

    Parameters
    ----------
    size
        Contracts, positive.
    open_interest, next_open_interest
        OI(D) and OI(D+1); NaN: not known (yet).
    volume_before
        Traded earlier on the day.
    expires_today
        Whether the contract expires on the print's day.

    Examples
    --------
    >>> verdict(size=100, open_interest=50, next_open_interest=160)
    Verdict(verdict='opening confirmed', share=1.1, certain=50.0)
    >>> verdict(size=100, open_interest=500, next_open_interest=540).verdict
    'undecided'
    """
    before = volume_before if isfinite(volume_before) else 0.0
    certain = max(size - open_interest - before, 0.0) if isfinite(open_interest) else nan
    if expires_today:
        return Verdict(NEVER, nan, certain)
    change = next_open_interest - open_interest
    if not isfinite(change):
        return Verdict(PENDING, nan, certain)
    told = OPENING if change >= size else CLOSING if change <= -size else UNDECIDED
    return Verdict(told, change / size, certain)


def opening_likelihood(*, size: float, open_interest: float, volume_before: float = 0.0) -> float:
    """How likely a packet opens before the next day is known: 1 where it must, else by its share of what is open; NaN without OI.

    Ours: 0.5 + 0.5 x size / (open interest + volume before), at most 1.

    Examples
    --------
    >>> opening_likelihood(size=100, open_interest=50), opening_likelihood(size=100, open_interest=1000)
    (1.0, 0.55)
    """
    if not isfinite(open_interest):
        return nan
    held = open_interest + (volume_before if isfinite(volume_before) else 0.0)
    return 1.0 if size > held else 0.5 + 0.5 * size / held


@dataclass(frozen=True)
class OpenInterestVerdictsParameters:
    """Parameters of ``OpenInterestVerdicts``.

    Attributes
    ----------
    least_usd
        Premium of the packets that are judged.
    """

    least_usd: float = 20_000.0

    def __post_init__(self) -> None:
        if not self.least_usd >= 0:
            raise ValueError(f"least_usd must be at least 0, got {self.least_usd!r}")


class OpenInterestVerdicts(Engine):
    """Rows of ``open_interest_verdicts``: pending at the packet, judged at the first open interest of a later day.

    Examples
    --------
    >>> from workstation.market.tables import PACKETS
    >>> OpenInterestVerdicts().update(PACKETS.empty()).empty
    True
    """

    inputs: ClassVar[tuple[str, ...]] = ("packets", "marks")
    output: ClassVar[str] = "open_interest_verdicts"

    def __init__(self, parameters: OpenInterestVerdictsParameters | None = None, **changes: Any) -> None:
        self.parameters = replace(parameters or OpenInterestVerdictsParameters(), **changes)
        self._waiting: dict[str, dict[str, dict[str, Any]]] = {}

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take packets or marks and give the verdicts they bring."""
        if not len(batch):
            return _EMPTY.copy(deep=False)
        return _frame(self._of_packets(batch) if table != "marks" else self._of_marks(batch))

    def _of_packets(self, packets: pd.DataFrame) -> list[dict[str, Any]]:
        known = packets["revision"].to_numpy() > 0
        chosen = (packets["premium_usd"].to_numpy() >= self.parameters.least_usd) & (
            packets["expiry_ns"].to_numpy() > 0
        )
        rows = []
        for row in np.flatnonzero(chosen | known).tolist():
            at = packets.iloc[row]
            name, packet = str(at["instrument"]), str(at["packet_id"])
            held = self._waiting.get(name, {})
            if at["revision"] > 0 and packet not in held:
                continue
            held.pop(packet, None)
            if not at["size"] > 0:
                continue
            one: dict[str, Any] = {
                "event_ns": int(at["event_ns"]), "instrument": name, "packet_id": packet, "size": float(at["size"]),
                "open_interest": float(at["open_interest"]), "volume_before": float(at["volume_before"]),
                "day": int(at["start_ns"]) // DAY_NS, "expiry_ns": int(at["expiry_ns"]),
            }  # fmt: skip
            if one["expiry_ns"] // DAY_NS > one["day"]:
                self._waiting.setdefault(name, {})[packet] = one
            rows.append(_row(one, one["event_ns"], nan))
        return rows

    def _of_marks(self, marks: pd.DataFrame) -> list[dict[str, Any]]:
        if not self._waiting:
            return []
        interest = marks["open_interest"].to_numpy()
        published = marks["open_interest_ns"].to_numpy()
        event_ns = marks["event_ns"].to_numpy()
        stamped = np.where(published == NO_TIME, event_ns, published) // DAY_NS
        instruments: Any = marks["instrument"].array
        wanted = np.isin(
            instruments.codes, [REGISTRY.find(name) for name, held in self._waiting.items() if held]
        )
        rows = []
        for row in np.flatnonzero(wanted & np.isfinite(interest)).tolist():
            name = str(instruments[row])
            held = self._waiting.get(name, {})
            due = [key for key, one in held.items() if one["day"] < stamped[row]]
            rows += [_row(held.pop(key), int(event_ns[row]), float(interest[row])) for key in due]
            if not held:
                self._waiting.pop(name, None)
        return rows

    def snapshot(self) -> dict[str, Any]:
        """The packets that wait."""
        return {"waiting": [dict(one) for held in self._waiting.values() for one in held.values()]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._waiting = {}
        for one in state["waiting"]:
            self._waiting.setdefault(one["instrument"], {})[one["packet_id"]] = dict(one)


def _row(one: dict[str, Any], event_ns: int, after: float) -> dict[str, Any]:
    told = verdict(
        size=one["size"], open_interest=one["open_interest"], next_open_interest=after, volume_before=one["volume_before"],
        expires_today=one["expiry_ns"] // DAY_NS <= one["day"],
    )  # fmt: skip
    likely = opening_likelihood(
        size=one["size"], open_interest=one["open_interest"], volume_before=one["volume_before"]
    )
    words = {
        PENDING: "the next session's open interest is not known yet", NEVER: "it expires today and never reaches the next day's open interest",
    }.get(told.verdict, f"open interest went from {one['open_interest']:,.6g} to {after:,.6g}, {told.share:+.0%} of the size")  # fmt: skip
    if told.certain > 0:
        words += f"; at least {told.certain:,.6g} opened"
    return {
        "event_ns": event_ns, "instrument": one["instrument"], "packet_id": one["packet_id"], "size": one["size"],
        "open_interest": one["open_interest"], "next_open_interest": after, "certain_opening": told.certain, "likelihood": likely,
        "verdict": told.verdict, "share": told.share, "explanation": words,
    }  # fmt: skip


_EMPTY = OPEN_INTEREST_VERDICTS.empty()


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    if not rows:
        return _EMPTY.copy(deep=False)
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["instrument"] = REGISTRY.categorical(REGISTRY.codes(columns["instrument"]))
    return OPEN_INTEREST_VERDICTS.batch(columns, len(rows))
