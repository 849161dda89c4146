"""What changed: net gex against 1, 5, 10, 15 and 30 minutes ago, and the strike that changed most."""

from __future__ import annotations

import numpy as np

from workstation.market.instants import MINUTE_NS
from workstation.views.exposure.recorded import MINUTES, changes, level_rows, why_none
from workstation.views.exposure.snapshot import Snapshot, Snapshots
from workstation.views.state.choice import Choice
from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Card, Markup

_CSS = asset(__package__, "change.css")


class ChangeTable(View):
    """The change table with a line of the last 30 minutes."""

    inputs = ("levels", "exposures", "priced_chain")

    def __init__(self, choice: Choice, snapshots: Snapshots) -> None:
        self.choice, self._snapshots = choice, snapshots
        self._table = Markup(_CSS)
        self.card = Card("Change of net GEX", self._table.panel, unit="USD per 1 %", area="change")

    def refresh(self, source: Source) -> None:
        """Write the newest changes."""
        result, found = self._snapshots.newest(source), changes(source, self.choice)
        self.card.empty("" if found else why_none(self.choice))
        if not found:
            self._table.show("")
            return
        largest = max((abs(change) for change, _ in found.values() if np.isfinite(change)), default=0.0)
        rows = "".join(_row(minutes, *found[minutes], largest) for minutes in MINUTES)
        self._table.show(
            '<table><thead><tr><th scope="col">over</th><th scope="col">change</th><th scope="col" class="bar">'
            '<span aria-hidden="true">−&nbsp;&nbsp;&nbsp;+</span></th><th scope="col">strike changed most</th></tr></thead>'
            f"<tbody>{rows}</tbody></table>{self._trend(source, result)}"
        )

    def _trend(self, source: Source, made: Snapshot) -> str:
        rows = level_rows(source, self.choice)
        times, net = rows["event_ns"].to_numpy(), rows["net_gex"].to_numpy()
        recent = (times >= made.asof_ns - 30 * MINUTE_NS) & np.isfinite(net)
        if recent.sum() < 2:
            return ""
        x = (times[recent] - times[recent][0]) / max(times[recent][-1] - times[recent][0], 1) * 300
        low, high = net[recent].min(), net[recent].max()
        y = 36 - 32 * (net[recent] - low) / (high - low or 1.0)
        step = max(len(x) // 180, 1)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[::step], y[::step], strict=True))
        minutes = (times[recent][-1] - times[recent][0]) / 60e9
        return (
            f'<svg class="trend" viewBox="0 0 300 40" preserveAspectRatio="none" role="img" '
            f'aria-label="net gex over the last {minutes:.0f} minutes"><polyline points="{points}"/></svg>'
            f'<div class="caption">last {minutes:.0f} min: {formats.usd(float(low), signed=True)} to '
            f"{formats.usd(float(high), signed=True)}</div>"
        )

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


def _row(minutes: int, change: float, strike: float, largest: float) -> str:
    role = "up" if change > 0 else "down" if change < 0 else ""
    return (
        f'<tr><td>{minutes} min</td><td class="value {role}">{formats.usd(change, signed=True)}</td>'
        f'<td class="bar">{_bar(change, largest, role)}</td><td>{formats.strike(strike)}</td></tr>'
    )


def _bar(change: float, largest: float, role: str) -> str:
    length = 48 * abs(change) / largest if largest and np.isfinite(change) else 0.0
    start = 50 if change > 0 else 50 - length
    return (
        '<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{role}" x="{start:.1f}" y="2" width="{length:.1f}" height="8"/><line class="mid" x1="50" x2="50" y1="0" y2="12"/></svg>'
    )
