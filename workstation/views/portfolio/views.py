"""All views of the portfolio page, wired to one choice."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import pandas as pd
import panel as pn

from workstation.views.portfolio.figures import PnlCurves, Waterfall, WhatIf
from workstation.views.portfolio.holdings import CURVES, DAYS, PERIODS, SHOWN, PortfolioChoice, holdings
from workstation.views.portfolio.loading import BookLoader
from workstation.views.portfolio.tables import PortfolioLedger, PortfolioLine, Positions, Totals
from workstation.views.shell.session import Live
from workstation.views.state.address import keep_in_address
from workstation.views.state.source import Source, View
from workstation.views.widgets.controls import BAR, buttons, underlying_buttons
from workstation.views.widgets.theme import Palette

LATER = {"explain": "explain", "positions": "positions", "what_if": "what"}
"""Views that are made after the first paint: their names and their areas of the page."""
_ADDRESS = ("underlying", "period", "curves", "days", "shown")


class PortfolioViews:
    """Everything the portfolio page shows.

    Parameters
    ----------
    source
        What is shown.
    choice
        The session's choices; every change is shown at once.
    colours
        Of the first paint.
    publish
        Takes the fills of a paper book.
    """

    def __init__(
        self,
        source: Source,
        choice: PortfolioChoice,
        colours: Palette,
        publish: Callable[[pd.DataFrame], Any],
    ) -> None:
        self.choice = choice
        if (made := holdings(source)) is not None:
            choice.offer([str(name) for name in made.totals.index])
        self.line = PortfolioLine(choice)
        self.totals = Totals(choice)
        self.curves = PnlCurves(choice, colours)
        self.ledger = PortfolioLedger(choice)
        self.loader = BookLoader(source, publish)
        self._colours = colours

    @cached_property
    def explain(self) -> Waterfall:
        """What made the PnL of a period."""
        return Waterfall(self.choice, self._colours)

    @cached_property
    def positions(self) -> Positions:
        """Every leg at the market."""
        return Positions(self.choice)

    @cached_property
    def what_if(self) -> WhatIf:
        """The book if spot, vol and time moved."""
        return WhatIf(self.choice, self._colours)

    @property
    def first(self) -> tuple[View, ...]:
        """What the first paint shows, in the order of refreshing."""
        return self.totals, self.line, self.curves, self.ledger

    @property
    def all(self) -> tuple[View, ...]:
        """All views."""
        return (*self.first, *(getattr(self, name) for name in LATER))

    def bar(self, *more: Any) -> pn.Column:
        """The choices in one line, ``more`` at its end; below it what became of a book."""
        choice = self.choice
        line = pn.Row(
            buttons(choice, "period", PERIODS, "period of the explain"),
            buttons(choice, "curves", CURVES, "curves"),
            underlying_buttons(choice),
            buttons(choice, "shown", SHOWN, "what-if shows"),
            buttons(choice, "days", DAYS, "time passed in the what-if"),
            *more,
            self.loader.panel,
            stylesheets=[BAR], sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return pn.Column(
            line, self.loader.told, sizing_mode="stretch_width", margin=0, styles={"grid-area": "bar"}
        )

    def follow_choices(self, live: Live) -> None:
        """Show every change of a choice at once, and keep the choices in the page's address."""
        keep_in_address(self.choice, _ADDRESS)
        self.choice.param.watch(lambda *_: live.touch(), list(_ADDRESS))
