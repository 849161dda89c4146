"""Open interest and volume by strike, with max pain and where support and resistance lie."""

from __future__ import annotations

import numpy as np
import xarray as xr
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from workstation.views.state.choice import Choice
from workstation.views.state.priced_chain import NO_MARKS
from workstation.views.state.source import Source
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import FigureView, pane, rule
from workstation.views.widgets.price_labels import Level, LevelLines
from workstation.views.widgets.theme import Palette, bare_figure

_COLUMNS = ("strike", "width", "call", "put")
WALLS = 3
"""Strikes of support and of resistance that are named."""


def pain_of(found: xr.Dataset) -> tuple[float, str]:
    """Max pain of the nearest expiry that has one, and the expiry's name; it is never of several expiries together."""
    pain = found["max_pain"].to_numpy()
    known = np.flatnonzero(np.isfinite(pain))
    if not known.size:
        return float("nan"), ""
    expiry = found["expiry"].to_numpy().astype("datetime64[ns]").astype(np.int64)[known[0]]
    return float(pain[known[0]]), formats.expiry(int(expiry))[:6]


class OpenInterest(FigureView):
    """Calls up and puts down by strike: open interest, or volume when that is the basis."""

    inputs = ("priced_chain",)
    every_s = 1.0

    def __init__(self, choice: Choice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        self.bars = ColumnDataSource(data={name: np.empty(0) for name in _COLUMNS})
        self.x_range, self.y_range = Range1d(0, 1), Range1d(-1, 1)
        result = bare_figure(self._painter, x_range=self.x_range, y_range=self.y_range, toolbar_location=None)
        result.xaxis.formatter = formats.price_ticks()
        result.xaxis.ticker.desired_num_ticks = 4
        result.yaxis.formatter = formats.si_ticks()
        result.yaxis.ticker.desired_num_ticks = 5
        drawn = []
        for name, role in (("call", "up"), ("put", "down")):
            bar = result.vbar("strike", "width", name, 0, source=self.bars, line_color=None, fill_alpha=0.85)
            self._painter(bar.glyph, fill_color=role)
            drawn.append(bar)
        rule(result, self._painter)
        reported = [("strike", "@strike{0,0.##}"), ("calls", "@call{0,0}"), ("puts (down)", "@put{0,0}")]
        result.add_tools(HoverTool(renderers=drawn[:1], mode="vline", visible=False, tooltips=reported))
        self.figure = result
        self._lines = LevelLines(result, self._painter, vertical=True)
        self.card = Card(
            "OI by strike",
            pane(result),
            area="interest",
            keys=(Key("up", "calls", "bar"), Key("down", "puts", "bar")),
        )

    def refresh(self, source: Source) -> None:
        """Draw the newest distribution."""
        choice = self.choice
        chain = source.priced_chain(choice.underlying)
        volume = choice.basis == "volume"
        title = "Volume 24 h by strike" if volume else "OI by strike"
        self.card.empty(NO_MARKS if chain is None else "")
        if chain is None:
            self.card.say("", "contracts", title)
            return
        found = chain.of(choice.expiries, choice.venue).open_interest(WALLS)
        spot, strikes = chain.spot, found["strike"].to_numpy()
        name = "volume" if volume else "open_interest"
        call, put = (found[f"{side}_{name}_by_strike"].to_numpy() for side in ("call", "put"))
        inside = np.abs(strikes / spot - 1.0) <= 1.5 * choice.reach
        strikes, call, put = strikes[inside], call[inside], put[inside]
        gap = float(np.diff(strikes).min()) if strikes.size > 1 else 0.01 * spot
        self.bars.data = {
            "strike": strikes,
            "width": np.full(strikes.size, 0.7 * gap),
            "call": call,
            "put": -put,
        }
        self.x_range.update(start=spot * (1 - 1.5 * choice.reach), end=spot * (1 + 1.5 * choice.reach))
        top, bottom = float(call.max(initial=0.0)), float(put.max(initial=0.0))
        self.y_range.update(start=-1.1 * bottom or -1.0, end=max(1.45 * top, 0.4 * bottom) or 1.0)
        pain, when = pain_of(found)
        self._lines.show(
            [
                Level(pain, f"Max pain {when} {formats.strike(pain)}", "zero"),
                Level(spot, f"Spot {formats.number(spot)}", "text"),
            ]
        )
        ratio = float(found["total_volume_put_call_ratio" if volume else "total_put_call_ratio"])
        self.card.say(f"P/C {formats.number(ratio, 2)}", "contracts", title)
        if not (top or bottom):
            known = "volume" if volume else "open interest"
            self.card.empty(
                f"No {known} of these options within ±{150 * choice.reach:.0f} % of spot is known."
            )

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        super().repaint(colours)
        self._lines.repaint(colours)
