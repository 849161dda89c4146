"""Off-exchange prints over the price they were executed in, and the events inferred from them."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, Range1d

from workstation.market.contract_words import CONTRACTS
from workstation.market.instants import MILLISECOND_NS, MINUTE_NS
from workstation.plots import formats
from workstation.views.flow.choice import FlowChoice
from workstation.views.flow.selection import cancelled, off_exchange, print_sides
from workstation.views.state.source import Source
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Card, Key, Markup
from workstation.views.widgets.figure import FigureView, fit, pane, wheel_zoom
from workstation.views.widgets.formats import price_ticks
from workstation.views.widgets.theme import Palette, bare_figure

SPAN_NS = 30 * MINUTE_NS
LEAST_RADIUS, MOST_RADIUS = 2.0, 18.0
KEYS = (
    Key("muted", "middle of the quote"),
    Key("up", "off exchange at the ask or over", "bar"),
    Key("down", "at the bid or under", "bar"),
    Key("axis", "no side", "bar"),
)


def radii(sizes: np.ndarray) -> np.ndarray:
    """Radius of each print in pixels: its area goes with its size, the largest has 18.

    Examples
    --------
    >>> radii(np.array([100.0, 400.0])).round(1).tolist()
    [9.0, 18.0]
    """
    if not len(sizes):
        return np.empty(0)
    return np.maximum(MOST_RADIUS * np.sqrt(sizes / max(float(sizes.max()), 1e-12)), LEAST_RADIUS)


def equity_prints(prints: pd.DataFrame, ticker: str, asof_ns: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prints of a ticker's equity in the last half hour, in order of execution: all, and those off exchange."""
    codes = prints["instrument"].cat.codes.to_numpy()
    own = ~CONTRACTS.is_option(codes) & (CONTRACTS.underlyings(codes) == ticker)
    own &= prints["event_ns"].to_numpy() >= asof_ns - SPAN_NS
    own &= ~cancelled(prints)
    chosen = prints[own].sort_values("event_ns", kind="stable")
    return chosen, chosen[off_exchange(chosen)]


def price_line(equity: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Times (ns) and middle of the quote that stood at each equity print, in order of execution; prints without one are left out."""
    middle = 0.5 * (equity["bid"].to_numpy(dtype=float) + equity["ask"].to_numpy(dtype=float))
    known = np.isfinite(middle)
    return equity["event_ns"].to_numpy()[known], middle[known]


class OffExchangeCard(FigureView):
    """The price with prints off exchange, their radius by size, and the inferred events below."""

    inputs = ("prints", "offexchange")
    every_s = 0.5

    def __init__(self, choice: FlowChoice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        self.price = ColumnDataSource({"x": np.empty(0), "y": np.empty(0)})
        self.dots = ColumnDataSource({name: np.empty(0, dtype=object if name in ("colour", "words") else float) for name in ("x", "y", "r", "colour", "words")})  # fmt: skip
        self._source: Source | None = None
        self.figure = bare_figure(
            self._painter, x_axis_type="datetime", x_range=Range1d(0, 1), y_range=Range1d(0, 1)
        )
        self.figure.add_tools(wheel_zoom("width"))
        self.figure.xaxis.formatter = DatetimeTickFormatter(
            minutes="%H:%M", seconds="%H:%M:%S", hours="%H:%M", hourmin="%H:%M", minsec="%H:%M:%S"
        )
        self.figure.yaxis.formatter = price_ticks()
        self.figure.yaxis.ticker.desired_num_ticks = 5
        self._painter(self.figure.line("x", "y", source=self.price, line_width=1.2).glyph, line_color="muted")
        dots = self.figure.scatter(
            "x", "y", size="r", fill_color="colour", line_color="colour", fill_alpha=0.45, source=self.dots
        )
        self.figure.add_tools(HoverTool(renderers=[dots], tooltips="@words"))
        self._events = Markup(
            asset(__package__, "inferred_events.css"), sizing_mode="stretch_width", height=112
        )
        self.card = Card(
            "Off exchange",
            pn.Column(
                pane(self.figure, min_height=120), self._events.panel, sizing_mode="stretch_both", margin=0
            ),
            unit="radius: size",
            area="off",
            keys=KEYS,
        )

    def refresh(self, source: Source) -> None:
        """Draw the last half hour of the chosen ticker, of the one with the most prints when none is chosen."""
        self._source = source
        prints, events = source.latest("prints"), source.latest("offexchange")
        ticker = self.choice.ticker or busiest(prints)
        equity, outside = equity_prints(prints, ticker, source.asof_ns)
        times, price = price_line(equity)
        self.price.data = {"x": times / MILLISECOND_NS, "y": price}
        sides, sizes = print_sides(outside), outside["size"].to_numpy(dtype=float)
        colours = self._painter.colours
        paid = outside["price"].to_numpy(dtype=float)
        self.dots.data = {
            "x": outside["event_ns"].to_numpy() / MILLISECOND_NS, "y": paid, "r": 2 * radii(sizes),
            "colour": np.array([colours.down, colours.axis, colours.up], dtype=object)[sides + 1],
            "words": _words(outside, sides),
        }  # fmt: skip
        fit(self.figure.y_range, np.concatenate([price, paid]))
        if len(times):
            self.figure.x_range.update(
                start=float(times[0] / MILLISECOND_NS), end=float(times[-1] / MILLISECOND_NS) + 15e3
            )
        self.card.empty("" if len(times) else "No equity print has come yet.")
        self.card.say(
            f"{formats.number(len(outside))} prints, {formats.si(float(sizes.sum()))} shares"
            if len(outside)
            else "",
            title=f"Off exchange · {ticker}" if ticker else "Off exchange",
        )
        self._events.show(events_html(events, self.choice.ticker))

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        super().repaint(colours)
        if self._source is not None:
            self.refresh(self._source)


def busiest(prints: pd.DataFrame) -> str:
    """The underlying with the most equity prints; '' of none."""
    codes = prints["instrument"].cat.codes.to_numpy()
    codes = codes[~CONTRACTS.is_option(codes)]
    if not len(codes):
        return ""
    return str(CONTRACTS.underlyings([int(np.bincount(codes[codes >= 0]).argmax())])[0])


def events_html(events: pd.DataFrame, ticker: str) -> str:
    """Inferred events, the newest first; one that lost a member to a cancel is struck out."""
    newest = events[~events["event_id"].duplicated(keep="last").to_numpy()].iloc[::-1]
    if ticker:
        newest = newest[(newest["instrument"].astype("str") == ticker).to_numpy()]
    if not len(newest):
        return '<p class="none">No event inferred yet: most prints off exchange let one infer nothing.</p>'
    items = ""
    for one in newest.iloc[:20].to_dict("records"):
        direction = int(one["direction"])
        kind, mark = {1: ("up", "▲"), -1: ("down", "▼"), 0: ("", "–")}[direction]
        gone = " gone" if one["retracted"] else ""
        words = str(one["explanation"]).partition(": ")[2]
        when = pd.Timestamp(int(one["event_ns"])).strftime("%H:%M:%S")
        items += (
            f'<li class="{gone}" title="{escape(str(one["explanation"]))}"><time>{when}</time> <span class="{kind}">{mark} '
            f"{escape(str(one['kind']).replace('_', ' '))}</span> <b>{escape(str(one['instrument']))}</b> {formats.usd(float(one['premium_usd']))} · "
            f"{formats.percent(float(one['confidence']), 0)} sure · {escape(words)}</li>"
        )
    return f'<h3>Inferred events, UTC</h3><div class="list" tabindex="0" role="region" aria-label="inferred events"><ul>{items}</ul></div>'


def _words(prints: pd.DataFrame, sides: np.ndarray) -> np.ndarray:
    said = np.array(["sold", "no side", "bought"])[sides + 1]
    late = (prints["seen_ns"].to_numpy() - prints["event_ns"].to_numpy()) / 1e9
    rows = zip(prints["size"], said, prints["price"], late, prints["exclusion"].astype("str"), strict=True)
    return np.array(
        [
            f"{size:,.0f} shares, {side}, at {price:.4f}, reported after {age:.1f} s{f', {why}' if why else ''}"
            for size, side, price, age, why in rows
        ],
        dtype=object,
    )


__all__ = ["OffExchangeCard", "busiest", "equity_prints", "events_html", "price_line", "radii"]
