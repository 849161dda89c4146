"""Walls of open interest, of puts and of calls, watched from one publication to the next."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.exposure.open_interest import largest
from workstation.market.instruments import REGISTRY
from workstation.numerics.state_arrays import extended
from workstation.pricing.contracts import Floats
from workstation.pricing.latest import OPTION, LatestMarks, spot_of

Wall = tuple[float, float]
"""Strike and open interest in underlying units."""


class WallChange(NamedTuple):
    """A strike among the largest, then or now, whose open interest changed (underlying units)."""

    strike: float
    before: float
    now: float
    rank_before: int
    """1 = the largest; 0 = not among them."""
    rank_now: int


class WallReport(NamedTuple):
    """What changed on one side of an underlying between two looks at it."""

    underlying: str
    right: str
    asof_ns: int
    since_ns: int
    spot: float
    walls_before: list[Wall]
    walls_now: list[Wall]
    changes: list[WallChange]


class WallWatch:
    """The largest strikes of each side, against how they were when they were last told of.

    A contract counts from the first open interest that is known of it, and until it expires, so that neither a chain
    that arrives piece by piece nor an expiry looks like a change. Small changes add up until they are reported.
    """

    def __init__(self, *, walls: int, share: float, usd: float) -> None:
        self._walls, self._share, self._usd = walls, share, usd
        self._before: Floats = np.zeros(0)
        self._since: dict[tuple[str, str], int] = {}

    def look(self, latest: LatestMarks, underlying: str, asof_ns: int) -> list[WallReport]:
        """Reports, puts first; empty when nothing changed enough or no spot is known."""
        self._grow(latest.kind.size)
        place = latest.underlyings.index(underlying)
        held = latest.field("open_interest")
        alive = (
            (latest.underlying == place)
            & (latest.kind == OPTION)
            & (latest.expiry_ns > asof_ns)
            & ~np.isnan(held)
        )
        codes = np.flatnonzero(alive)
        units = held[codes] * latest.multiplier[codes]
        new = np.isnan(self._before[codes])
        self._before[codes[new]] = units[new]
        spot = spot_of(latest, underlying)
        if not codes.size or not spot > 0:
            return []
        reports = []
        for right in ("P", "C"):
            side = latest.is_call[codes] == (right == "C")
            since = self._since.setdefault((underlying, right), asof_ns)
            before, now = self._before[codes[side]], units[side]
            strikes, before_sum, now_sum = _by_strike(latest.strike[codes[side]], before, now)
            found = self._changes(strikes, before_sum, now_sum, spot)
            if found is None:
                continue
            reports.append(WallReport(underlying, right, asof_ns, since, spot, *found))
            self._before[codes[side]] = now
            self._since[underlying, right] = asof_ns
        return reports

    def _changes(
        self, strikes: Floats, before: Floats, now: Floats, spot: float
    ) -> tuple[list[Wall], list[Wall], list[WallChange]] | None:
        then, today = (
            largest(strikes=strikes, amounts=amounts, count=self._walls, spot=spot)
            for amounts in (before, now)
        )
        moved = np.abs(now - before)
        reported = (
            (moved >= self._share * np.maximum(now, before)) & (moved * spot >= self._usd) & (moved > 0)
        )
        reported &= np.isin(strikes, np.concatenate((then[0], today[0])))
        if not reported.any():
            return None
        ranks = [
            {strike: rank for rank, strike in enumerate(walls[0].tolist(), 1)} for walls in (then, today)
        ]
        changes = [
            WallChange(strike, was, is_now, ranks[0].get(strike, 0), ranks[1].get(strike, 0))
            for strike, was, is_now in zip(
                strikes[reported].tolist(), before[reported].tolist(), now[reported].tolist(), strict=True
            )
        ]
        changes.sort(key=lambda change: (-abs(change.now - change.before), change.strike))
        return _walls(then), _walls(today), changes

    def _grow(self, needed: int) -> None:
        self._before = extended(self._before, needed, np.nan)

    def snapshot(self) -> dict[str, Any]:
        """What was last told of, by instrument name."""
        known = np.flatnonzero(~np.isnan(self._before))
        names = [str(name) for name in REGISTRY.names(known)]
        return {"instruments": names, "before": self._before[known], "since": dict(self._since)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        codes = REGISTRY.codes(state["instruments"])
        self._before = np.full(int(codes.max(initial=-1)) + 1, np.nan)
        self._before[codes] = state["before"]
        self._since = dict(state["since"])


def _by_strike(strike: Floats, before: Floats, now: Floats) -> tuple[Floats, Floats, Floats]:
    """Sums by strike, in an order that the registry has no part in."""
    order = np.lexsort((now, before, strike))
    strikes, row = np.unique(strike[order], return_inverse=True)
    sums: list[npt.NDArray[Any]] = [
        np.bincount(row, weights=amounts[order], minlength=strikes.size) for amounts in (before, now)
    ]
    return strikes, sums[0], sums[1]


def _walls(found: tuple[Floats, Floats]) -> list[Wall]:
    return list(zip(found[0].tolist(), found[1].tolist(), strict=True))
