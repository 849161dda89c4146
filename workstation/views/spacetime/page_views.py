"""All views of the space-time page: one, two or four charts side by side, and what they found."""

from __future__ import annotations

from contextlib import nullcontext
from string import Template
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import Span
from panel.custom import JSComponent

from workstation.views.shell.session import Live
from workstation.views.spacetime.chart_data import ChartData, offered
from workstation.views.spacetime.chart_view import ChartView
from workstation.views.spacetime.choice import LAYOUTS, SpacetimeChoice
from workstation.views.spacetime.history_loader import Ask, HistoryLoader
from workstation.views.spacetime.intensity_bars import SPIKE_BEGINS
from workstation.views.spacetime.lists import SignalList, SpikeList
from workstation.views.spacetime.render_pacing import PaintTurns, RenderPacing
from workstation.views.state.address import keep_in_address
from workstation.views.state.source import Source, View
from workstation.views.widgets.assets import asset
from workstation.views.widgets.controls import buttons
from workstation.views.widgets.theme import Palette, stylesheet

_ADDRESS = ("underlying", "layout", "linked", "chart1", "chart2", "chart3", "chart4")
_CHARTS = stylesheet(asset(__package__, "page_views_charts.css"))
_BAR = stylesheet(asset(__package__, "page_views_bar.css"))
_LEGEND = asset(__package__, "page_views_legend.css")
_LEGEND_HTML = Template(asset(__package__, "page_views_legend.html")).substitute(spike_begins=SPIKE_BEGINS)


class Keys(JSComponent):
    """Listens for the key that leads every chart back to live: L or End, outside of text fields."""

    _esm = asset(__package__, "page_views_click.js")

    def __init__(self, on_live: Any) -> None:
        super().__init__(width=0, height=0, margin=0, sizing_mode="fixed")
        self._on_live = on_live

    def _handle_msg(self, msg: Any) -> None:
        self._on_live()


class LayoutUpdater(View):
    """Makes the charts of the layout one after the other, and lets each choose among the instruments that have come."""

    def __init__(self, views: SpacetimeViews) -> None:
        self._views = views

    def refresh(self, source: Source) -> None:
        """Make one chart that is still to be made, offer what has candles now, and count the picture."""
        self._views.offer(source)
        if self._views.pace.turn():
            self._views.turns.begin()
            self._views.make_next()
            for chart in self._views.on_screen:
                if chart.behind:
                    chart.refresh(source)

    def show_failure(self, reason: str) -> None:
        """Say it where the instruments are chosen."""
        for chart in self._views.built:
            chart.show_failure(reason)


class SpacetimeViews:
    """Everything the space-time page shows.

    Parameters
    ----------
    source
        What is shown.
    choice
        The session's choices; every change is shown at once.
    colours
        Of the first paint.
    ask
        A history's ``sql`` to read history with; none: only what the source holds can be seen.
    """

    def __init__(
        self, source: Source, choice: SpacetimeChoice, colours: Palette, ask: Ask | None = None
    ) -> None:
        self.choice, self._source, self._colours = choice, source, colours
        self._history = HistoryLoader(ask) if ask is not None else None
        self._live: Live | None = None
        self._crosshair = Span(dimension="height", line_width=1, line_dash="dotted")
        self.built: list[ChartView] = []
        self._names: list[str] = []
        self._leading = False
        self.signals, self.spikes = SignalList(self.charts_data), SpikeList(self.charts_data)
        self._slots = [
            pn.Column(css_classes=["ws-slot"], sizing_mode="stretch_both", margin=0, visible=False)
            for _ in choice.charts
        ]
        self.charts = pn.Column(*self._slots, stylesheets=[_CHARTS], sizing_mode="stretch_both", margin=0)
        self.keys = Keys(self.go_live)
        self.pace, self.turns = RenderPacing(), PaintTurns()

    @property
    def on_screen(self) -> list[ChartView]:
        """The charts of the layout that are made."""
        return self.built[: self.choice.layout]

    def charts_data(self) -> list[ChartData]:
        """What the charts on screen show."""
        return [chart.data for chart in self.on_screen if chart.data is not None]

    def start(self, live: Live) -> None:
        """Keep everything live and the choices in the page's address."""
        self._live = live
        keep_in_address(self.choice, _ADDRESS)
        self.offer(self._source)
        self.choice.param.watch(lambda _: self._lay_out(), "layout")
        for chart in self.choice.charts:
            chart.param.watch(lambda _: live.touch(self.signals, self.spikes), "instrument")
        live.add(LayoutUpdater(self))
        self._lay_out()
        for view in (self.signals, self.spikes):
            live.add(view)

    def offer(self, source: Source) -> None:
        """Let every chart choose among the instruments the source has candles of."""
        names = offered(source)
        if names is self._names:
            return
        self._names = names
        self.choice.fill(names)
        for chart in self.built:
            chart.controls.offer(names)

    def _lay_out(self) -> None:
        """Make room for as many charts as chosen: those that are made are shown or hidden, others follow one by one."""
        layout = self.choice.layout
        with pn.io.hold():
            self.charts.css_classes = ["ws-charts", f"of-{layout}"]
            for index, slot in enumerate(self._slots):
                slot.visible = index < layout
            for index, chart in enumerate(self.built):
                chart.on_screen = index < layout
                chart.chart.make_compact(layout == max(LAYOUTS))
            if not self.built:
                self.make_next()
        if self._live is not None:
            self._live.touch(*self.on_screen, self.signals, self.spikes)

    def make_next(self) -> None:
        """Make one more chart of the layout, if one is missing: other sessions are served between two."""
        if len(self.built) >= self.choice.layout:
            return
        document = pn.state.curdoc
        # the crosshair they share is on the page: each change of a chart's models would have all of the page's looked through
        with document.models.freeze() if document is not None else nullcontext():
            self._make(len(self.built))

    def _make(self, index: int) -> None:
        made = ChartView(
            self.choice.charts[index],
            self._colours,
            index + 1,
            self._crosshair,
            self._history,
            self._lead,
            self.pace,
            self.turns,
        )
        made.controls.offer(self._names)
        made.chart.make_compact(self.choice.layout == max(LAYOUTS))
        self.built.append(made)
        self._slots[index].append(made.card.panel)
        if self._live is not None:
            self._live.add(made)
            self._live.touch(self.signals, self.spikes)

    def _lead(self, leader: ChartView, settled: bool) -> None:
        """Let the other charts go where a hand leads one, when they are linked."""
        if self._leading or not self.choice.linked:
            return
        self._leading = True
        try:
            for chart in self.on_screen:
                if chart is not leader:
                    chart.follow_other(leader, settled)
        finally:
            self._leading = False

    def go_live(self) -> None:
        """Every chart back to the newest candle."""
        for chart in self.on_screen:
            chart.go_live()

    def repaint(self, colours: Palette) -> None:
        """Charts made from now on take these colours; those there are repainted by the bridge."""
        self._colours = colours

    def bar(self) -> pn.Row:
        """How many charts, and what the colours mean."""
        layouts = buttons(self.choice, "layout", LAYOUTS, "charts")
        layouts.css_classes = ["ws-layout"]
        return pn.Row(
            pmui.Typography("Charts", margin=0, sx={"fontSize": "12px"}, css_classes=["ws-layout"]),
            layouts,
            pmui.Switch.from_param(
                self.choice.param.linked,
                name="Linked in time",
                size="small",
                margin=0,
                css_classes=["ws-layout"],
                description="",
            ),
            pn.pane.HTML(_LEGEND_HTML, stylesheets=[stylesheet(_LEGEND)], margin=0),
            self.keys,
            self.pace.panel,
            stylesheets=[_BAR],
            sizing_mode="stretch_width",
            margin=0,
            styles={"grid-area": "bar"},
        )
