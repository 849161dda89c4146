"""PnL in pictures: cumulative curves, the explain as a waterfall, and the what-if grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, FixedTicker, HoverTool, Range1d

from workstation.plots.formats import TIME_TICKS
from workstation.portfolio.curves import curves
from workstation.portfolio.explain import PARTS
from workstation.portfolio.what_if import what_if
from workstation.views.portfolio.holdings import (
    ALL,
    PERIODS,
    PortfolioChoice,
    explained,
    holdings,
    of_book,
    of_contracts,
    priced_legs,
)
from workstation.views.state.source import Source
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import FigureView, fit, pane, rule
from workstation.views.widgets.heatmap import Grid, HeatMap
from workstation.views.widgets.theme import FONT, Palette, bare_figure

_LINES = (("total", "net", "solid"), ("unrealised", "up", [5, 3]), ("realised", "down", [2, 2]))
_LEGS = 5
_LEG_ROLES = ("up", "down", "zero", "good", "muted")
_SPOTS = (-0.2, -0.1, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.2)
_VOLS = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2)
MOST = 1_500


class PnlCurves(FigureView):
    """Cumulative PnL since the first fill: the book's total with what is realised and not, or leg by leg."""

    inputs = ("pnl",)
    every_s = 1.0

    def __init__(self, choice: PortfolioChoice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        empty = {name: np.empty(0) for name in ("x", *(name for name, *_ in _LINES))}
        self.rows = ColumnDataSource(data=empty)
        self.legs = [ColumnDataSource(data={"x": np.empty(0), "y": np.empty(0)}) for _ in range(_LEGS)]
        self.x_range, self.y_range = Range1d(0, 1), Range1d(-1, 1)
        made = bare_figure(
            self._painter,
            x_axis_type="datetime",
            x_range=self.x_range,
            y_range=self.y_range,
            toolbar_location=None,
        )
        made.xaxis.formatter = DatetimeTickFormatter(**TIME_TICKS)
        made.xaxis.ticker.desired_num_ticks = 6
        made.yaxis.formatter = formats.si_ticks("$")
        made.yaxis.ticker.desired_num_ticks = 6
        rule(made, self._painter)
        self._parts = []
        for name, role, dash in _LINES:
            line = made.line(
                "x", name, source=self.rows, line_width=2.2 if name == "total" else 1.3, line_dash=dash
            )
            self._painter(line.glyph, line_color=role)
            self._parts.append(line)
        self._leg_lines = []
        for source, role in zip(self.legs, _LEG_ROLES, strict=True):
            line = made.line("x", "y", source=source, line_width=1.4)
            self._painter(line.glyph, line_color=role)
            self._leg_lines.append(line)
        made.add_tools(
            HoverTool(
                renderers=[self._parts[0]], mode="vline", visible=False, formatters={"@x": "datetime"},
                tooltips=[("", "@x{%d %b %H:%M:%S}"), ("total", "@total{$0,0.00}"), ("unrealised", "@unrealised{$0,0.00}"), ("realised", "@realised{$0,0.00}")],
            )
        )  # fmt: skip
        self.figure = made
        self.card = Card(
            "Cumulative PnL",
            pane(made),
            unit="USD",
            area="curves",
        )

    def refresh(self, source: Source) -> None:
        """Draw the published curves."""
        rows = of_book(source, self.choice.underlying)
        step = max(-(-len(rows) // MOST), 1)
        rows = rows.iloc[::-step].iloc[::-1]
        x = rows["event_ns"].to_numpy() / 1e6
        self.rows.data = {"x": x, **{name: rows[name].to_numpy() for name, *_ in _LINES}}
        by_leg = self.choice.curves == "legs"
        keys = self._draw_legs(source) if by_leg else tuple(
            Key(role, name, "line" if dash == "solid" else "dashed") for name, role, dash in _LINES
        )  # fmt: skip
        for line in self._parts[1:]:
            line.visible = not by_leg
        for line in self._leg_lines:
            line.visible = by_leg
        shown = self.legs if by_leg else []
        heights = [self.rows.data[name] for name, *_ in (_LINES[:1] if by_leg else _LINES)]
        heights += [source_.data["y"] for source_ in shown]
        if x.size:
            self.x_range.update(start=x[0] - 1e3, end=max(x[-1], x[0] + 60e3))
            fit(self.y_range, np.concatenate([*heights, [0.0]]))
        newest = float(rows["total"].iloc[-1]) if len(rows) else float("nan")
        self.card.say(formats.usd(newest, signed=True) if x.size else "no PnL yet", keys=keys)

    def _draw_legs(self, source: Source) -> tuple[Key, ...]:
        wide = curves(of_contracts(source.latest("pnl"), self.choice.underlying))
        names = [name for name in wide.columns if name != "book"]
        order = sorted(names, key=lambda name: -abs(float(np.nan_to_num(wide[name].iloc[-1]))))[:_LEGS]
        x = wide.index.to_numpy().astype("datetime64[ns]").astype(np.int64) / 1e6
        keys = [Key("net", "book")]
        for at, data in enumerate(self.legs):
            known = at < len(order)
            data.data = (
                {"x": x, "y": wide[order[at]].to_numpy()} if known else {"x": np.empty(0), "y": np.empty(0)}
            )
            if known:
                keys.append(Key(_LEG_ROLES[at], short(order[at].split(" ")[-1])))
        return tuple(keys)


def short(instrument: str) -> str:
    """An instrument's name without what every leg shares.

    Examples
    --------
    >>> short("BTC/USD:BTC-261225-100000-C"), short("BTC/USD:BTC")
    ('BTC-261225-100000-C', 'BTC perp')
    """
    if ":" not in instrument:
        return instrument
    tail = instrument.split(":", 1)[1]
    return tail if "-" in tail else f"{instrument.split('/', 1)[0]} perp"


def stopped(rows: pd.DataFrame) -> str:
    """From when the newest known PnL of the book is, where a later row has none because a leg has no mark.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [0, 90 * 10**9], "total": [5.0, float("nan")]})
    >>> stopped(rows).replace(formats.THIN, ' ')
    '; as of 00:00:00 UTC, a leg has had no mark for 2 min'
    >>> stopped(rows.iloc[:1])
    ''
    """
    known = np.isfinite(rows["total"].to_numpy(dtype=np.float64))
    if not len(rows) or known[-1] or not known.any():
        return ""
    times = rows["event_ns"].to_numpy()
    last = int(times[known][-1])
    age = formats.age((int(times[-1]) - last) / 1e9)
    return f"; as of {pd.Timestamp(last):%H:%M:%S} UTC, a leg has had no mark for {age}"


class Waterfall(FigureView):
    """Where the PnL of the period comes from: the parts add up to the total, to the cent."""

    inputs = ("pnl",)
    every_s = 1.0

    def __init__(self, choice: PortfolioChoice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        names = ("x", "bottom", "top", "colour", "text", "y", "part", "amount")
        self.bars = ColumnDataSource(data={name: [] for name in names})
        self.shown: Any = None
        self.y_range = Range1d(-1, 1)
        labels = [part.replace("_", " ") for part in (*PARTS, "total")]
        made = bare_figure(
            self._painter,
            x_range=Range1d(-0.6, len(labels) - 0.4),
            y_range=self.y_range,
            toolbar_location=None,
        )
        made.xgrid.visible = False
        made.xaxis.update(
            ticker=FixedTicker(ticks=list(range(len(labels)))), major_label_overrides=dict(enumerate(labels)),
            major_label_orientation=0.6,
        )  # fmt: skip
        made.yaxis.formatter = formats.si_ticks("$")
        made.yaxis.ticker.desired_num_ticks = 6
        rule(made, self._painter)
        bars = made.vbar("x", 0.72, "top", "bottom", source=self.bars, fill_color="colour", line_color=None)
        words = made.text(
            "x", "y", "text", source=self.bars, text_align="center", text_baseline="bottom", y_offset=-3,
            text_font=value(FONT), text_font_size="10.5px",
        )  # fmt: skip
        self._painter(words.glyph, text_color="text")
        made.add_tools(HoverTool(renderers=[bars], visible=False, tooltips=[("@part", "@amount")]))
        self.figure = made
        self.card = Card(
            "PnL explain", pane(made, min_height=170), unit="USD", area="explain",
            keys=(Key("up", "▲ gain", "bar"), Key("down", "▼ loss", "bar")),
        )  # fmt: skip

    def refresh(self, source: Source) -> None:
        """Draw the newest explain."""
        rows = of_book(source, self.choice.underlying)
        self.shown = explained(rows, self.choice.period)
        if self.shown is None or not np.isfinite(self.shown.to_numpy(dtype=np.float64)).all():
            self.bars.data = {name: [] for name in self.bars.data}
            self.card.say(
                "no PnL yet" if self.shown is None else "a leg has no mark",
                f"USD, {PERIODS[self.choice.period].lower()}",
            )
            return
        self._draw()
        parts = sum(round(100 * float(self.shown[part])) for part in PARTS)
        total = round(100 * float(self.shown["total"]))
        adds = "adds up to the cent" if parts == total else f"parts are off by {(parts - total) / 100:.2f}"
        since = stopped(rows)
        self.card.say(
            f"{_money(float(self.shown['total']))} <span style='font-weight:400'>{adds}</span>",
            f"USD, {PERIODS[self.choice.period].lower()}{since}",
        )

    def _draw(self) -> None:
        amounts = np.array([float(self.shown[part]) for part in PARTS])
        ends = np.cumsum(amounts)
        starts = np.concatenate([[0.0], ends[:-1]])
        total = float(self.shown["total"])
        bottom = np.append(np.minimum(starts, ends), min(total, 0.0))
        top = np.append(np.maximum(starts, ends), max(total, 0.0))
        values = np.append(amounts, total)
        colours = self._painter.colours
        roles = [colours.up if amount > 0 else colours.down for amount in amounts] + [colours.net]
        self.bars.data = {
            "x": np.arange(values.size), "bottom": bottom, "top": top, "y": top, "colour": roles,
            "text": ["" if not amount else formats.usd(amount, 3, signed=True) for amount in values.tolist()],
            "part": [part.replace("_", " ") for part in (*PARTS, "total")],
            "amount": [_money(amount) for amount in values.tolist()],
        }  # fmt: skip
        fit(self.y_range, np.concatenate([bottom, top, [0.0]]), room=0.14)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        super().repaint(colours)
        if len(self.bars.data["x"]):
            self._draw()


def _money(amount: float) -> str:
    """Dollars and cents with their sign.

    Examples
    --------
    >>> _money(-1234.5).replace(formats.THIN, " ")
    '−$1 234.50'
    """
    text = formats.number(abs(amount), 2)
    return f"{formats.MINUS if amount < 0 else '+' if amount > 0 else ''}${text}"


class WhatIf(FigureView):
    """The book re-priced under moves of spot and vol after some time."""

    inputs = ("fills", "positions", "marks")
    every_s = 2.0

    def __init__(self, choice: PortfolioChoice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        self.map = HeatMap(
            self._painter,
            signed=True,
            names=("spot", "vol", "USD"),
            numbers=True,
            ticks=(11, 7),
            font_size="11px",
        )
        self.map.figure.yaxis.axis_label = "vol, points"
        self.card = Card("What if", pane(self.map.figure), area="what")

    def refresh(self, source: Source) -> None:
        """Re-price the book."""
        choice, made = self.choice, holdings(source)
        across = [formats.percent(move, 0, signed=True) for move in _SPOTS]
        up = [formats.number(100 * move, 0, signed=True) for move in _VOLS]
        legs = None if made is None else priced_legs(made, choice.underlying)
        if made is None or legs is None or not len(legs):
            self.map.show(Grid(across, up, np.full((len(_VOLS), len(_SPOTS)), np.nan)))
            self.card.say("nothing held")
            return
        found = what_if(legs, _SPOTS, _VOLS, [choice.days])[choice.shown].sum("underlying").isel(days=0)
        cells = found.transpose("vol", "spot").to_numpy()
        texts = np.array(
            [formats.usd(cell, 2, signed=True).replace("$", "") for cell in cells.ravel()], dtype=object
        )
        told = np.array([_money(cell) for cell in cells.ravel()], dtype=object)
        self.map.show(Grid(across, up, cells, texts.reshape(cells.shape), told.reshape(cells.shape)))
        left = len(made.held) - len(priced_legs(made, ALL))
        when = "now" if not choice.days else f"after {choice.days:g} d"
        self.card.say(
            f"{left} legs without a market left out" if left else "",
            f"{'delta after' if choice.shown == 'delta' else 'change'}, USD; spot × vol {when}",
        )

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        super().repaint(colours)
        self.map.repaint(colours)
