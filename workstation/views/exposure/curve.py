"""Net gex re-priced over spot: where dealers turn from damping moves to feeding them."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, Range1d, Span

from workstation.views.exposure.snapshot import Snapshots
from workstation.views.state.choice import SIGN_MODELS, Choice
from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import pane
from workstation.views.widgets.price_labels import Level, LevelLines
from workstation.views.widgets.theme import Painter, Palette, bare_figure

BAND = 2.0
"""The axis holds the chosen curve and as much of the band as fits into so many times its size."""


class Curve(View):
    """Net gex over spot for the chosen sign model, within the band of all of them."""

    inputs = ("priced_chain", "levels")

    def __init__(self, choice: Choice, snapshots: Snapshots, colours: Palette) -> None:
        self.choice, self._snapshots = choice, snapshots
        self._painter = Painter(colours)
        self._curve = ColumnDataSource(
            data={name: np.empty(0) for name in ("spot", "net", "above", "below", "low", "high")}
        )
        self.x_range, self.y_range = Range1d(0, 1), Range1d(-1, 1)
        result = bare_figure(self._painter, x_range=self.x_range, y_range=self.y_range, toolbar_location=None)
        result.xaxis.formatter = formats.price_ticks()
        result.xaxis.ticker.desired_num_ticks = 5
        result.yaxis.formatter = formats.si_ticks("$")
        result.yaxis.ticker.desired_num_ticks = 5
        band = result.varea("spot", "low", "high", source=self._curve, fill_alpha=0.10)
        self._painter(band.glyph, fill_color="muted")
        for column, role in (("above", "up"), ("below", "down")):
            area = result.varea("spot", 0, column, source=self._curve, fill_alpha=0.28)
            self._painter(area.glyph, fill_color=role)
        line = result.line("spot", "net", source=self._curve, line_width=1.8)
        self._painter(line.glyph, line_color="net")
        result.add_layout(self._painter(Span(location=0, dimension="width", line_width=1), line_color="axis"))
        result.add_tools(
            HoverTool(
                renderers=[line], mode="vline", visible=False, formatters=formats.hovers(spot="price", net="usd"),
                tooltips=[("spot", "@spot{custom}"), ("net gex", "@net{custom} per 1 %")],
            )
        )  # fmt: skip
        self.figure = result
        self._lines = LevelLines(result, self._painter, vertical=True)
        self.card = Card(
            "Net GEX over spot",
            pane(result),
            unit="$ per 1 %",
            area="curve",
            keys=(Key("muted", "all sign models", "bar"),),
        )

    def refresh(self, source: Source) -> None:
        """Draw the newest curve."""
        result = self._snapshots.newest(source)
        spot, net = result.curve_spot, result.curve
        low, high = result.band if result.band[0].size == spot.size else (net, net)
        self._curve.data = {
            "spot": spot, "net": net, "above": np.maximum(net, 0.0), "below": np.minimum(net, 0.0),
            "low": low, "high": high,
        }  # fmt: skip
        if spot.size:
            reach = max(
                self.choice.reach,
                1.15 * abs(result.zero_gamma / result.spot - 1) if np.isfinite(result.zero_gamma) else 0,
            )
            inside = np.abs(spot / result.spot - 1) <= reach
            self.x_range.update(start=float(spot[inside][0]), end=float(spot[inside][-1]))
            widest = BAND * float(np.abs(net[inside]).max()) or np.inf
            top = min(max(high[inside].max(), 0.0), widest)
            bottom = max(min(low[inside].min(), 0.0), -widest)
            room = 0.06 * (top - bottom) or 1.0
            self.y_range.update(start=bottom - room, end=top + 5 * room)
        self._lines.show(
            [Level(result.zero_gamma, f"0γ {formats.number(result.zero_gamma)}", "zero"), Level(result.spot, f"Spot {formats.number(result.spot)}", "text")]
        )  # fmt: skip
        words = f"{len(result.band_models)} sign models" if result.band_models else "all sign models"
        self.card.say(
            "" if np.isfinite(result.zero_gamma) or not spot.size else "no zero gamma",
            keys=(Key("net", SIGN_MODELS[self.choice.sign_model].lower()), Key("muted", words, "bar")),
        )
        self.card.empty("" if spot.size else result.unknown or result.zero_gamma_reason)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self._painter.repaint(colours)
        self._lines.repaint(colours)

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)
