"""The portfolio in numbers: the value line, totals by underlying, positions, and how they were made."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models.widgets.tables import HTMLTemplateFormatter

from workstation.portfolio.greeks import UNITS
from workstation.views.portfolio.figures import short
from workstation.views.portfolio.holdings import (
    PERIODS,
    Holdings,
    PortfolioChoice,
    explained,
    holdings,
    of_book,
)
from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.assets import asset, table_css
from workstation.views.widgets.card import Card, Markup
from workstation.views.widgets.figure import TextView
from workstation.views.widgets.provenance import CSS as LEDGER_CSS
from workstation.views.widgets.theme import stylesheet
from workstation.views.widgets.value_line import cell, value_line

_CSS = table_css(__package__, "tables.css")
_TABULATOR = stylesheet(asset(__package__, "tables_tabulator.css"))
_SUMS = ("delta", "gamma", "vega", "theta", "vanna", "charm")
_HEADS = {
    "value_usd": "value, USD", "delta": "delta, USD", "pa_delta": "PA delta, coin", "gamma": "gamma, USD per 1 %",
    "vega": "vega, USD per pt", "theta": "theta, USD per day", "vanna": "vanna, USD per pt", "charm": "charm, USD per day",
    "unrealised_usd": "unrealised, USD",
}  # fmt: skip
_POSITION = {
    "leg": "instrument", "venue": "venue", "quantity": "qty", "entry": "entry", "mark": "mark", "iv": "IV %",
    "value": "value $", "unrealised": "unrealised $", "delta": "delta $", "pa": "PA delta", "gamma": "gamma $",
    "vega": "vega $", "theta": "theta $",
}  # fmt: skip
_WIDTHS = {
    "leg": 146, "venue": 50, "quantity": 50, "entry": 66, "mark": 66, "iv": 44, "value": 66, "unrealised": 80, "delta": 68,
    "pa": 62, "gamma": 70, "vega": 62, "theta": 62,
}  # fmt: skip
_ALIGNED = {name: "right" for name in _POSITION if name not in ("leg", "venue")}
_DECIMALS = {
    "quantity": (0, 4), "entry": (0, 4), "mark": (0, 4), "iv": (1, 1), "unrealised": (2, 2), "pa": (3, 3),
    **dict.fromkeys(("value", "delta", "gamma", "vega", "theta"), (0, 0)),
}  # fmt: skip
"""Fewest and most decimals of a column."""


def _formatters() -> dict[str, HTMLTemplateFormatter]:
    """A session's own: models shared by sessions would keep the documents of all."""
    return {name: formats.number_cells(*decimals) for name, decimals in _DECIMALS.items()}


def _signed(value: float, unit: str = "$") -> str:
    role = "up" if value > 0 else "down" if value < 0 else ""
    text = formats.usd(value, 3, signed=True) if unit == "$" else formats.number(value, 3, signed=True)
    return f'<span class="{role}">{text}</span>'


def left_out(made: Holdings) -> str:
    """How many legs the sums are without, and what is missing, as HTML; empty where all are known."""
    if not made.unpriced:
        return ""
    count = len(made.unpriced)
    words = f"{count} {'leg' if count == 1 else 'legs'} without a market left out"
    return f'<span style="color:var(--ws-warn)" title="{escape(_lacking(made), quote=True)}">{words}</span>'


def _lacking(made: Holdings) -> str:
    return ", ".join(f"{leg}: no {' and no '.join(names)}" for leg, names in made.unpriced.items())


class PortfolioLine(View):
    """PnL of the period and since the start, and the book's greeks."""

    inputs = ("pnl", "fills", "positions", "marks")
    every_s = 0.5

    def __init__(self, choice: PortfolioChoice) -> None:
        self.choice = choice
        self._line = value_line()
        self.panel = self._line.panel

    def refresh(self, source: Source) -> None:
        """Write the newest numbers."""
        result = holdings(source)
        if result is None:
            self._line.show(
                '<dl class="line"><div class="cell first"><dt>nothing held</dt><dd>load a paper book, or connect an account</dd></div></dl>'
            )
            return
        result = result.of(self.choice.underlying)
        rows = of_book(source, self.choice.underlying)
        parts = explained(rows, self.choice.period)
        newest = rows.iloc[-1] if len(rows) else None
        gained = float("nan") if parts is None else float(parts["total"])
        sums = {name: float(result.totals[name].sum(min_count=1)) for name in (*_SUMS, "unrealised_usd")}
        open_legs = f"USD, {len(result.held)} legs open" + (
            f", {left_out(result)}" if result.unpriced else ""
        )

        def since(name: str) -> float:
            return float("nan") if newest is None else float(newest[name])

        cells = [
            cell(
                f"PnL {PERIODS[self.choice.period].lower()}", _signed(gained), f'<span class="by">{open_legs}</span>',
                "first",
            ),
            cell("Since start", _signed(since("total")), '<span class="by">all told</span>'),
            cell("Unrealised", _signed(sums["unrealised_usd"]), '<span class="by">at the index</span>'),
            cell("Realised", _signed(since("realised")), f'<span class="by">fees {formats.usd(since("fees"), signed=True)}, funding {formats.usd(since("funding"), signed=True)}</span>'),
            cell("Delta", _signed(sums["delta"]), '<span class="by">USD, Black–Scholes</span>', role="up" if sums["delta"] > 0 else "down"),
            cell("Gamma", _signed(sums["gamma"]), '<span class="by">per 1 %</span>', role="axis"),
            cell("Vega", _signed(sums["vega"]), '<span class="by">per vol point</span>', role="axis"),
            cell("Theta", _signed(sums["theta"]), '<span class="by">per day</span>', role="axis"),
        ]  # fmt: skip
        self._line.show(f'<dl class="line">{"".join(cells)}</dl>')

    def show_failure(self, reason: str) -> None:
        """Say it in the line."""
        if reason:
            self._line.show(
                f'<dl class="line"><div class="cell"><dt>failed</dt><dd class="late">{escape(reason)}</dd></div></dl>'
            )


class Totals(TextView):
    """Greeks by underlying: Black-Scholes in USD, the premium-adjusted delta next to it and never added to it."""

    inputs = ("fills", "positions", "marks")
    every_s = 0.5

    def __init__(self, choice: PortfolioChoice) -> None:
        self.choice = choice
        self._table = Markup(_CSS, sizing_mode="stretch_both")
        self.card = Card(
            "Totals by underlying",
            self._table.panel,
            unit="PA delta stands beside the delta, never in it",
            area="totals",
        )

    def refresh(self, source: Source) -> None:
        """Write the newest totals."""
        result = holdings(source)
        if result is None:
            self.choice.offer([])
            self._table.show(
                '<p class="none">Nothing is held. Load a paper book (CSV) or the sample book above.</p>'
            )
            return
        self.choice.offer([str(name) for name in result.totals.index])
        head = "".join(f'<th scope="col">{text}</th>' for text in ("", *_HEADS.values()))
        rows = [self._row(str(name), row) for name, row in result.totals.iterrows()]
        if len(result.totals) > 1:
            whole = result.totals.sum(min_count=1)
            whole["pa_delta"] = np.nan
            rows.append(self._row("All", whole, "sum"))
        body = "".join(rows)
        self._table.show(
            f'<table tabindex="0" aria-label="totals by underlying"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        )
        self.card.say(left_out(result))

    @staticmethod
    def _row(name: str, row: pd.Series, kind: str = "") -> str:
        cells = []
        for column in _HEADS:
            amount = float(row[column])
            if column == "pa_delta":
                text = (
                    ""
                    if kind
                    else f'<span class="beside">{formats.number(amount, 3, signed=True)} {escape(name)}</span>'
                )
            else:
                text = _signed(amount)
            cells.append(f"<td>{text}</td>")
        return f'<tr class="{kind}"><td>{escape(name)}</td>{"".join(cells)}</tr>'


class Positions(TextView):
    """Every open leg; sortable, the instrument stays in view."""

    inputs = ("fills", "positions", "marks")
    every_s = 1.0

    def __init__(self, choice: PortfolioChoice) -> None:
        self.choice = choice
        self.table = pn.widgets.Tabulator(
            pd.DataFrame(columns=list(_POSITION), dtype=object), titles=_POSITION, show_index=False, disabled=True,
            selectable=False, layout="fit_data_stretch", sizing_mode="stretch_both", min_height=120, theme="simple",
            stylesheets=[_TABULATOR], frozen_columns=["leg"], formatters=_formatters(), widths=_WIDTHS, margin=0, label="positions",
            text_align=_ALIGNED, header_align=_ALIGNED,
            configuration={"columnDefaults": {"headerSortTristate": True}},
        )  # fmt: skip
        self.card = Card(
            "Positions",
            self.table,
            unit="qty in underlying units, prices in premium currency, PA delta in coin, gamma per 1 %, vega per point, theta per day",
            area="positions",
        )

    def refresh(self, source: Source) -> None:
        """Write the newest positions."""
        result = holdings(source)
        wanted = (
            positions_frame(result.of(self.choice.underlying))
            if result is not None
            else pd.DataFrame(columns=list(_POSITION), dtype=object)
        )
        if not wanted.equals(self.table.value):
            self.table.value = wanted
        self.card.say(f"{len(wanted)} legs" if len(wanted) else "nothing held")


def positions_frame(made: Holdings) -> pd.DataFrame:
    """Open legs as the table shows them: rounded as they are read, largest value first."""
    held = made.held.sort_values("value_usd", key=np.abs, ascending=False, kind="stable")

    def rounded(name: str, decimals: int, scale: float = 1.0) -> Any:
        return (held[name].astype(np.float64) * scale).round(decimals).to_numpy()

    prices = {
        name: [_price(value) for value in held[name].to_numpy(dtype=np.float64).tolist()]
        for name in ("entry", "mark")
    }
    return pd.DataFrame(
        {
            "leg": [short(name) for name in held["instrument"].astype("str")], "venue": held["venue"].astype("str").to_numpy(),
            "quantity": rounded("quantity", 4), **prices, "iv": rounded("iv", 1, 100.0), "value": rounded("value_usd", 0),
            "unrealised": rounded("unrealised_usd", 2), "delta": rounded("delta", 0), "pa": rounded("pa_delta", 3),
            "gamma": rounded("gamma", 0), "vega": rounded("vega", 0), "theta": rounded("theta", 0),
        }
    ).reset_index(drop=True)  # fmt: skip


def _price(value: float) -> float:
    size = abs(value)
    return round(value, 1 if size >= 10_000 else 2 if size >= 20 else 4 if size < 1 else 3)


class PortfolioLedger(View):
    """How the portfolio's numbers are made."""

    inputs = ("fills", "positions", "marks", "pnl")
    every_s = 2.0

    def __init__(self, choice: PortfolioChoice) -> None:
        self.choice = choice
        self._page = Markup(LEDGER_CSS)
        self.panel = self._page.panel

    def refresh(self, source: Source) -> None:
        """Write the newest ledger."""
        result = holdings(source)
        rows = of_book(source)
        newest = (
            formats.UNKNOWN
            if not len(rows)
            else f"{pd.Timestamp(int(rows['event_ns'].iloc[-1])):%Y-%m-%d %H:%M:%S UTC}"
        )
        reported = {
            "Positions": "average cost from fills; legs that only a venue tells of as it tells them",
            "Marks": "the venue's mark, else the middle of its quotes, else the newest print",
            "Greeks": "Black-76 on each expiry's forward, " + ", ".join(f"{name} in {unit}" for name, unit in UNITS.items()),
            "PA delta": "of the coin value of coin-margined legs; beside the Black–Scholes delta, never added to it",
            "Explain": "greeks at the start times moves; the residual is what the second order leaves, so the parts add up to the total",
            "Fills": str(len(source.latest("fills"))),
            "PnL as of": newest,
            "Left out of the sums": _lacking(result) if result and result.unpriced else "none",
        }  # fmt: skip
        body = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in reported.items()
        )
        self._page.show(
            f"<h2>How this was made</h2><p>Fills to positions to marks to greeks to PnL.</p><table><tbody>{body}</tbody></table>"
        )

    def show_failure(self, reason: str) -> None:
        """Say it in place of the ledger."""
        if reason:
            self._page.show(f"<h2>How this was made</h2><p role='alert'>{escape(reason)}</p>")
