"""Exposure by strike: calls and puts as bars from the middle, their sum as a line, levels across."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, PanTool, Range1d, Span

from workstation.plots.strike_bars import bars
from workstation.views.exposure.snapshot import Snapshot, Snapshots
from workstation.views.state.choice import MEASURES, UNITS, Choice
from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import pane, reset_on_double_click, wheel_zoom
from workstation.views.widgets.price_labels import Level, LevelLines
from workstation.views.widgets.theme import Painter, Palette, bare_figure

_COLUMNS = (
    "strike", "height", "call_left", "call_right", "put_left", "put_right", "net", "call", "put", "cumulative", "drawn",
)  # fmt: skip

DOTS = 60
"""With more strikes than this the net is a line without dots."""


def key_levels(made: Snapshot, with_spot: bool = True) -> list[Level]:
    """The levels every price axis shows."""
    found = [
        Level(made.zero_gamma, f"Zero gamma {formats.strike(round(made.zero_gamma) if np.isfinite(made.zero_gamma) else made.zero_gamma)}", "zero"),
        Level(made.call_wall, f"Call wall {formats.strike(made.call_wall)}", "up"),
        Level(made.put_wall, f"Put wall {formats.strike(made.put_wall)}", "down"),
    ]  # fmt: skip
    return [*found, Level(made.spot, f"Spot {formats.price(made.spot)}", "text")] if with_spot else found


class ByStrike(View):
    """The chosen measure by strike; its price axis is that of the chart when that spans strikes."""

    inputs = ("priced_chain", "levels")

    def __init__(self, choice: Choice, snapshots: Snapshots, colours: Palette) -> None:
        self.choice, self._snapshots = choice, snapshots
        self._painter = Painter(colours)
        self._bars = ColumnDataSource(data={name: np.empty(0) for name in _COLUMNS})
        self.x_range, self.y_range = Range1d(-1, 1), Range1d(0, 1, bounds=(0, None))
        self.figure = self._build()
        self._lines = LevelLines(self.figure, self._painter)
        self._window: tuple[str, float] = ("", 0.0)
        self._shown: Snapshot | None = None
        reset_on_double_click(self.figure, self._reset)
        self.card = Card(
            "GEX by strike",
            pane(self.figure, min_height=200),
            unit=UNITS["gex"],
            area="strikes",
            keys=(
                Key("up", "calls", "bar"),
                Key("down", "puts", "bar"),
                Key("net", "net"),
                Key("zero", "cumulative, own scale", "dashed"),
            ),
        )

    def _build(self) -> object:
        wheel = wheel_zoom("height")
        made = bare_figure(
            self._painter, x_range=self.x_range, y_range=self.y_range, tools=[PanTool(dimensions="height"), wheel],
            active_scroll=wheel,
        )  # fmt: skip
        made.yaxis.formatter = formats.price_ticks()
        made.yaxis.ticker.desired_num_ticks = 10
        made.xaxis.formatter = formats.si_ticks("$")
        made.xaxis.ticker.desired_num_ticks = 6
        renderers = []
        for right, role in (("call", "up"), ("put", "down")):
            bar = made.hbar(
                "strike", "height", f"{right}_right", f"{right}_left", source=self._bars, line_color=None,
                fill_alpha=0.85,
            )  # fmt: skip
            self._painter(bar.glyph, fill_color=role)
            renderers.append(bar)
        running = made.line("drawn", "strike", source=self._bars, line_width=1.6, line_dash=[5, 3])
        self._painter(running.glyph, line_color="zero")
        line = made.line("net", "strike", source=self._bars, line_width=1.6)
        dots = made.scatter("net", "strike", source=self._bars, size=5)
        self._painter(line.glyph, line_color="net")
        self._painter(dots.glyph, fill_color="card", line_color="net")
        self._dots = dots
        made.add_layout(self._painter(Span(location=0, dimension="height", line_width=1), line_color="axis"))
        made.add_tools(
            HoverTool(
                renderers=renderers,
                visible=False,
                mode="hline",
                attachment="right",
                formatters=formats.hovers(
                    strike="strike", **dict.fromkeys(("call", "put", "net", "cumulative"), "usd")
                ),
                tooltips=[
                    ("strike", "@strike{custom}"),
                    ("calls", "@call{custom}"),
                    ("puts", "@put{custom}"),
                    ("net", "@net{custom}"),
                    ("cumulative", "@cumulative{custom}"),
                ],
            )
        )
        return made

    def refresh(self, source: Source) -> None:
        """Draw the newest snapshot."""
        made = self._snapshots.newest(source)
        shown = np.abs(made.strikes / made.spot - 1.0) <= 1.3 * self.choice.reach
        columns = bars(made.strikes[shown], made.call[shown], made.put[shown])
        columns["cumulative"] = np.cumsum(made.call + made.put)[shown]
        self._bars.data = columns
        self._dots.visible = columns["strike"].size <= DOTS
        self._shown = made
        self._fit(made)
        self._scale_running()
        self._lines.show(key_levels(made))
        net = float(np.nansum(made.call + made.put)) if made.strikes.size else float("nan")
        self.card.empty("" if made.strikes.size else made.unknown)
        measure = self.choice.measure
        self.card.say(
            f"net {formats.usd(net, signed=True)}", UNITS[measure], f"{MEASURES[measure]} by strike"
        )

    def _scale_running(self) -> None:
        """The cumulative curve is drawn to the width of the bars: its shape and its zero matter, its size is told on hover."""
        data = dict(self._bars.data)
        largest = float(np.abs(data["cumulative"]).max(initial=0.0))
        width = min(abs(self.x_range.start) or abs(self.x_range.end), abs(self.x_range.end)) / 1.1
        if abs(self.x_range.start) < 0.1 * self.x_range.end:
            width = self.x_range.end / 1.55
        data["drawn"] = data["cumulative"] * (width / largest if largest else 0.0)
        self._bars.data = data

    def _reset(self) -> None:
        """Show the strikes around spot again."""
        self._window = ("", 0.0)
        if self._shown is not None:
            self._fit(self._shown)

    def _fit(self, made: Snapshot) -> None:
        if not np.isfinite(made.spot):
            return
        name, centre = self._window
        if (
            name != f"{made.underlying} {self.choice.reach}"
            or abs(made.spot / centre - 1.0) > 0.25 * self.choice.reach
        ):
            self._window = (f"{made.underlying} {self.choice.reach}", made.spot)
            reach = self.choice.reach
            self.y_range.update(start=made.spot * (1 - reach), end=made.spot * (1 + reach))
        data = self._bars.data
        ends = np.concatenate(
            [data[name] for name in ("call_left", "call_right", "put_left", "put_right", "net")]
        )
        widest = float(np.abs(ends).max(initial=0.0))
        held = max(abs(self.x_range.start), 1e-9)
        if widest > 0.98 * held or widest < 0.5 * held:
            left = widest * 1.08 if ends.min(initial=0.0) < 0 else widest * 0.05
            self.x_range.update(start=-left, end=widest * 1.55)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self._painter.repaint(colours)
        self._lines.repaint(colours)

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)
