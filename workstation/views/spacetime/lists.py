"""Signals and spikes of the instruments on screen, the newest first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import param
from panel.custom import JSComponent

from workstation.views.spacetime.chart_data import ChartData
from workstation.views.spacetime.intensity_bars import SPIKE_BEGINS
from workstation.views.spacetime.marker_data import Markers
from workstation.views.spacetime.signal_reasons import REASONS_CSS
from workstation.views.state.source import Source, View
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Card
from workstation.views.widgets.theme import stylesheet

SHOWN = 60
_CSS = asset(__package__, "lists.css")


class Rows(JSComponent):
    """A table that grows at its top: what is in it stays in the browser, only new rows are sent.

    ``frame`` is the whole as HTML, as it was when it was last begun; a page that draws it again asks for it anew.
    """

    frame = param.String()

    _esm = asset(__package__, "lists_click.js")

    def __init__(self) -> None:
        super().__init__(sizing_mode="stretch_both", margin=0, stylesheets=[stylesheet(_CSS + REASONS_CSS)])
        self.drawn_again: Callable[[], None] = lambda: None

    def _handle_msg(self, msg: Any) -> None:
        self.drawn_again()

    def add(self, rows: str, most: int) -> None:
        """Put rows on top, the newest first; so many stay."""
        self._send_msg({"rows": rows, "most": most})


class _Listing(View):
    """Markers of the charts on screen as an HTML table."""

    every_s = 1.0
    heads: tuple[tuple[str, str], ...] = ()
    nothing = ""

    def __init__(
        self, title: str, table: str, area: str, shown: Callable[[], list[ChartData]], unit: str = ""
    ) -> None:
        self.inputs = (table,)
        self._shown, self._area = shown, area
        self._begun: tuple[str, ...] = ()
        """Of which instruments rows are shown; none: of no rows yet."""
        self._last_seq = -1
        self._source: Source | None = None
        self.rows = Rows()
        self.rows.drawn_again = self._begin_again
        self.card = Card(title, self.rows, unit=unit, area=area)

    def refresh(self, source: Source) -> None:
        """Put what is new on top."""
        self._source = source
        each = {data.instrument: self._markers(data) for data in self._shown()}
        columns = {
            name: np.concatenate([markers.columns[name] for markers in each.values()])
            for name in (self._counted, "seq", "row")
            if each
        }
        self.card.say(self._count(columns[self._counted]) if each else "")
        newest = (
            np.argsort(columns["seq"], kind="stable")[: -SHOWN - 1 : -1] if each else np.empty(0, np.int64)
        )
        if not len(newest) or self._begun != tuple(each):
            self._begin(columns["row"][newest] if len(newest) else [])
            self._begun = tuple(each) if len(newest) else ()
        elif (new := newest[columns["seq"][newest] > self._last_seq]).size:
            self.rows.add("".join(columns["row"][new]), SHOWN)
        self._last_seq = int(columns["seq"][newest[0]]) if len(newest) else -1

    def _begin(self, rows: Any) -> None:
        """Show these rows and no others."""
        if not len(rows):
            self.rows.frame = f'<p class="none">{self.nothing}</p>'
            return
        head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in self.heads)
        self.rows.frame = (
            f'<div class="rows" tabindex="0" role="region" aria-label="{self.card.title}">'
            f'<table class="of-{self._area}"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        )

    def _begin_again(self) -> None:
        """The page has drawn the table as it was when it was begun: it is begun anew."""
        self._begun = ()
        if self._source is not None:
            self.refresh(self._source)

    _counted = "seq"

    @abstractmethod
    def _markers(self, data: ChartData) -> Markers:
        """What it lists of a chart."""

    def _count(self, values: np.ndarray) -> str:
        return f"{len(values)}" if len(values) else ""

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


class SignalList(_Listing):
    """Reversal signals with the numbers that fired them."""

    heads = (
        ("time UTC", ""),
        ("instrument", ""),
        ("version", ""),
        ("side", ""),
        ("price", "n"),
        ("strength", "n"),
        ("why", "why"),
    )
    nothing = "No signal yet. Windows need 1 000 ticks before they speak, and begin anew after every gap."
    _counted = "version"

    def __init__(self, shown: Callable[[], list[ChartData]]) -> None:
        super().__init__("Reversal signals", "reversals", "signals", shown, unit="never repainted")

    def _markers(self, data: ChartData) -> Markers:
        return data.signals

    def _count(self, values: np.ndarray) -> str:
        versions, counts = np.unique(values, return_counts=True)
        return " · ".join(f"v{version} {count}" for version, count in zip(versions, counts, strict=True))


class SpikeList(_Listing):
    """Bursts of intensity that have ended."""

    heads = (
        ("began UTC", ""),
        ("instrument", ""),
        ("move", ""),
        ("height", "n"),
        ("peak bps/s", "n"),
        ("lasted", "n"),
    )
    nothing = f"No spike yet: smoothed intensity has not left {SPIKE_BEGINS} of its baseline."

    def __init__(self, shown: Callable[[], list[ChartData]]) -> None:
        super().__init__("Spikes", "spikes", "spikes", shown)

    def _markers(self, data: ChartData) -> Markers:
        return data.spikes
