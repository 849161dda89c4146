"""The vol market: smiles per expiry with the bid and ask around the mark."""

from __future__ import annotations

import numpy as np
import xarray as xr
from bokeh.models import ColumnDataSource, HoverTool, Range1d, Span

from workstation.views.state.choice import Choice
from workstation.views.state.priced_chain import NO_MARKS, chain_of
from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import pane
from workstation.views.widgets.theme import Painter, Palette, bare_figure

SHOWN = 4
"""Smiles at once."""
_ROLES = ("up", "zero", "down", "muted")
_MARKERS = ("circle", "square", "triangle", "diamond")
_COLUMNS = ("moneyness", "strike", "iv", "bid", "ask")


def smile(chain: xr.Dataset, expiry_ns: int) -> dict[str, np.ndarray]:
    """Vol over moneyness K/F - 1 of one expiry, the out-of-the-money side of each strike.

    ``bid`` and ``ask`` are NaN where the venue gives none.
    """
    of = chain.isel(expiry=int(np.flatnonzero(chain["expiry_ns"].to_numpy() == expiry_ns)[0]))
    strikes, forward = of["strike"].to_numpy(), float(of["forward"])
    side = np.where(strikes >= forward, 0, 1)
    row = np.arange(strikes.size)
    iv, bid, ask = (
        of[name].transpose("strike", "right").to_numpy()[row, side]
        for name in ("mark_iv", "bid_iv", "ask_iv")
    )
    known = np.isfinite(iv)
    columns = {"moneyness": strikes / forward - 1.0, "strike": strikes, "iv": iv, "bid": bid, "ask": ask}
    return {name: values[known] for name, values in columns.items()}


class Smiles(View):
    """Mark vol per expiry over moneyness, bid to ask as whiskers."""

    inputs = ("priced_chain",)

    def __init__(self, choice: Choice, colours: Palette) -> None:
        self.choice = choice
        self._painter = Painter(colours)
        self._smiles = [ColumnDataSource(data={name: np.empty(0) for name in _COLUMNS}) for _ in range(SHOWN)]
        self.x_range, self.y_range = Range1d(-0.1, 0.1), Range1d(0, 1)
        result = bare_figure(self._painter, x_range=self.x_range, y_range=self.y_range, toolbar_location=None)
        result.xaxis.formatter = formats.percent_ticks()
        result.yaxis.formatter = formats.percent_ticks()
        result.xaxis.ticker.desired_num_ticks = 6
        result.yaxis.ticker.desired_num_ticks = 5
        result.add_layout(
            self._painter(
                Span(location=0, dimension="height", line_width=1, line_dash="dotted"), line_color="axis"
            )
        )
        dots = []
        for source, role, marker in zip(self._smiles, _ROLES, _MARKERS, strict=True):
            whiskers = result.segment(
                "moneyness", "bid", "moneyness", "ask", source=source, line_width=3, line_alpha=0.3
            )
            line = result.line("moneyness", "iv", source=source, line_width=1.3)
            mark = result.scatter("moneyness", "iv", source=source, size=4.5, marker=marker)
            for renderer in (whiskers, line, mark):
                self._painter(renderer.glyph, line_color=role)
            self._painter(mark.glyph, fill_color=role)
            dots.append(mark)
        result.add_tools(
            HoverTool(
                renderers=dots, visible=False,
                formatters=formats.hovers(strike="strike"),
                tooltips=[("strike", "@strike{custom}"), ("vol", "@iv{0.0%}"), ("bid", "@bid{0.0%}"), ("ask", "@ask{0.0%}")],
            )
        )  # fmt: skip
        self.figure = result
        self.card = Card(
            "IV smile",
            pane(result),
            unit="% a year over K/F − 1",
            area="smile",
        )

    def refresh(self, source: Source) -> None:
        """Draw the newest smiles."""
        chain = chain_of(source, self.choice.underlying, self.choice.venue)
        expiries = [] if chain is None else self._expiries(chain)
        keys, heights = [], []
        for at, data in enumerate(self._smiles):
            if chain is None or at >= len(expiries):
                data.data = {name: np.empty(0) for name in _COLUMNS}
                continue
            shown = smile(chain, expiries[at])
            inside = np.abs(shown["moneyness"]) <= self.choice.reach
            data.data = {name: values[inside] for name, values in shown.items()}
            heights.append(np.concatenate([data.data[name] for name in ("iv", "bid", "ask")]))
            keys.append(Key(_ROLES[at], formats.expiry(expiries[at])[:6]))
        self._fit(np.concatenate(heights) if heights else np.empty(0))
        self.card.say(keys=tuple(keys))
        self.card.empty("" if expiries else NO_MARKS)

    def _expiries(self, chain: xr.Dataset) -> list[int]:
        known = [int(value) for value in chain["expiry_ns"].to_numpy()]
        chosen = [expiry for expiry in known if expiry in self.choice.expiries]
        if chosen:
            return chosen[:SHOWN]
        step = max(len(known) / SHOWN, 1.0)
        return [known[int(at * step)] for at in range(min(SHOWN, len(known)))]

    def _fit(self, values: np.ndarray) -> None:
        self.x_range.update(start=-1.03 * self.choice.reach, end=1.03 * self.choice.reach)
        known = values[np.isfinite(values)]
        if not known.size:
            return
        low, high = float(known.min()), float(known.max())
        room = max(0.06 * (high - low), 0.002)
        if (
            low < self.y_range.start
            or high > self.y_range.end
            or high - low < 0.6 * (self.y_range.end - self.y_range.start)
        ):
            self.y_range.update(start=max(low - room, 0.0), end=high + room)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self._painter.repaint(colours)

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)
