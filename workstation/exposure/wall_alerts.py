"""Walls of open interest that change, as alerts with their evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import Any, ClassVar

import pandas as pd

from workstation.exposure.wall_changes import WallReport, WallWatch
from workstation.flow.alert_rows import RARITY_POINTS, alert_row, alerts, size_points
from workstation.pricing.timer import ChainTimer, ChainTimerParameters


@dataclass(frozen=True)
class WallAlertsParameters(ChainTimerParameters):
    """Parameters of ``WallAlerts``; the timer's are ``ChainTimerParameters``'s.

    Attributes
    ----------
    walls
        Strikes watched on each side.
    share, usd
        The change of a strike's open interest that raises an alert: as a share of the larger of before and now, and in
        USD at spot. Both are needed.
    """

    every: str = "1min"
    walls: int = 5
    share: float = 0.1
    usd: float = 1_000_000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("walls", "share", "usd"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value!r}")


class WallAlerts(ChainTimer[list[WallReport]]):
    """Alerts of kind ``oi_wall_change``: the largest strikes of calls and of puts whose open interest changed.

    An underlying is looked at on the event-time timer of ``ChainTimer``. The first look is what later ones are measured
    against; small changes add up until they raise an alert.

    Examples
    --------
    >>> len(WallAlerts().update(pd.DataFrame({"event_ns": []}), "heartbeat"))
    0
    """

    inputs: ClassVar[tuple[str, ...]] = ("marks", "heartbeat", "trades", "instruments")
    output: ClassVar[str] = "alerts"

    def __init__(self, parameters: WallAlertsParameters | None = None, **changes: Any) -> None:
        self.parameters = replace(parameters or WallAlertsParameters(), **changes)
        super().__init__(self.parameters)

    def _reset(self) -> None:
        super()._reset()
        own = self.parameters
        self._watch = WallWatch(walls=own.walls, share=own.share, usd=own.usd)

    def _look(self, underlying: str, tick_ns: int) -> list[WallReport]:
        return self._watch.look(self._latest, underlying, tick_ns)

    def _joined(self, looks: list[list[WallReport]]) -> pd.DataFrame:
        floor_usd = self.parameters.usd
        return alerts([_wall_row(report, floor_usd=floor_usd) for reports in looks for report in reports])

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return {**super().snapshot(), "watch": self._watch.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        super().restore(state)
        self._watch.restore(state["watch"])


def _wall_row(report: WallReport, *, floor_usd: float) -> dict[str, Any]:
    """An alert about walls of open interest that changed."""
    first = report.changes[0]
    moved = abs(first.now - first.before)
    components = {
        "size": size_points(moved * report.spot, floor_usd),
        "change": RARITY_POINTS * min(moved / max(first.before, first.now), 1.0),
    }
    side = "put" if report.right == "P" else "call"
    words = f"{report.underlying} {side} open interest: " + "; ".join(
        f"{change.strike:,.10g} {'up' if change.now > change.before else 'down'} from {_amount(change.before)} to {_amount(change.now)}"
        + (
            f", now the {_ordinal(change.rank_now)} largest"
            if change.rank_now
            else ", no longer among the largest"
        )
        + (" (new)" if change.rank_now and not change.rank_before else "")
        for change in report.changes
    )
    words += _walls_words(report)
    evidence = {
        **report._asdict(),
        "units": "underlying units",
        "walls_before": [{"strike": strike, "open_interest": held} for strike, held in report.walls_before],
        "walls_now": [{"strike": strike, "open_interest": held} for strike, held in report.walls_now],
        "changes": [change._asdict() for change in report.changes],
    }
    alert_id = f"oi_wall_change:{report.underlying}:{report.right}:{report.asof_ns}"
    return alert_row("oi_wall_change", None, alert_id, "", nan, components, 0, words, evidence) | {
        "event_ns": report.asof_ns
    }


def _walls_words(report: WallReport) -> str:
    """Where the largest strikes are: put walls support at or below spot, call walls resist at or above; others are walls alone."""
    role, side, sign, other = (
        ("support", "put", 1.0, "above") if report.right == "P" else ("resistance", "call", -1.0, "below")
    )
    strikes = [strike for strike, _ in report.walls_now]
    holding = [strike for strike in strikes if sign * (report.spot - strike) >= 0.0]
    behind = [strike for strike in strikes if strike not in holding]
    parts = ((f"{role} now", holding), (f"{side} walls {other} spot", behind))
    return "".join(
        f"; {name} {', '.join(f'{strike:,.10g}' for strike in found)}" for name, found in parts if found
    )


def _amount(units: float) -> str:
    return f"{units:,.0f}" if abs(units) >= 1e6 else f"{units:,.6g}"


def _ordinal(rank: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th")
