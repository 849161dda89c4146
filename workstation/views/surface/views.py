"""All views of the surface page, wired to one choice."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import panel as pn

from workstation.board.priced_chain import ChainPending
from workstation.views.shell.session import Live
from workstation.views.state.address import keep_in_address
from workstation.views.state.source import Source, View
from workstation.views.surface.choice import GREEKS, GRIDS, MATURITIES, REACHES, SurfaceChoice
from workstation.views.surface.fits import Fits, SurfaceLedger, SurfaceLine
from workstation.views.surface.fitted import surface_of
from workstation.views.surface.map import SurfaceMap
from workstation.views.surface.smiles import Smiles
from workstation.views.surface.term import SkewHistory, TermStructure
from workstation.views.widgets.controls import (
    BAR,
    ExpiryChoice,
    buttons,
    expiries_of_chain,
    underlying_buttons,
)
from workstation.views.widgets.theme import Palette

LATER = {"map": "map", "term": "term", "skew": "skew", "fits": "fits"}
"""Views that are made after the first paint: their names and their areas of the page."""
_ADDRESS = ("underlying", "expiries", "greek", "grid", "days", "reach")


def _fitted_expiries(source: Source, underlying: str) -> list[int]:
    try:
        found = surface_of(source, underlying)
    except ChainPending:
        return expiries_of_chain(source, underlying)
    return [] if found is None else [int(value) for value in found["expiry_ns"].to_numpy()]


class SurfaceViews:
    """Everything the surface page shows.

    Parameters
    ----------
    source
        What is shown; its underlyings become the choices.
    choice
        The session's choices; every change is shown at once.
    colours
        Of the first paint.
    """

    def __init__(self, source: Source, choice: SurfaceChoice, colours: Palette) -> None:
        self.choice = choice
        choice.offer(source)
        self._source = source
        self.line = SurfaceLine(choice)
        self.smiles = Smiles(choice, colours)
        self.expiries = ExpiryChoice(choice, _fitted_expiries, "Smiles shown (four at most)", "Smiles: four")
        self.ledger = SurfaceLedger(choice)
        self._colours = colours

    @cached_property
    def map(self) -> SurfaceMap:
        """Vol or a greek by expiry and moneyness or delta."""
        return SurfaceMap(self.choice, self._colours)

    @cached_property
    def term(self) -> TermStructure:
        """At-the-money vol and skew by maturity."""
        return TermStructure(self.choice, self._colours)

    @cached_property
    def skew(self) -> SkewHistory:
        """Vol and skew of a constant maturity through time."""
        return SkewHistory(self.choice, self._colours)

    @cached_property
    def fits(self) -> Fits:
        """Each expiry's fit with its arbitrage flags."""
        return Fits(self.choice)

    @property
    def first(self) -> tuple[View, ...]:
        """What the first paint shows, in the order of refreshing."""
        return self.expiries, self.line, self.smiles, self.ledger

    @property
    def all(self) -> tuple[View, ...]:
        """All views."""
        return (*self.first, *(getattr(self, name) for name in LATER))

    def bar(self, *more: Any) -> pn.Row:
        """The choices in one line; ``more`` stands at its end."""
        choice = self.choice
        return pn.Row(
            underlying_buttons(choice),
            buttons(choice, "greek", GREEKS, "greek"),
            buttons(choice, "grid", GRIDS, "surface over"),
            buttons(choice, "reach", REACHES, "moneyness shown"),
            buttons(choice, "days", MATURITIES, "maturity"),
            *more,
            stylesheets=[BAR], sizing_mode="stretch_width", margin=0, styles={"grid-area": "bar"},
        )  # fmt: skip

    def follow_choices(self, live: Live) -> None:
        """Show every change of a choice at once, and keep the choices in the page's address."""
        keep_in_address(self.choice, _ADDRESS)
        self.choice.param.watch(lambda *events: self._changed(live, events), list(_ADDRESS))

    def _changed(self, live: Live, events: tuple[Any, ...]) -> None:
        changed = {event.name for event in events}
        # what comes with the underlying, from an entry of the browser's history, stays
        if "expiries" not in changed and any(event.name == "underlying" and event.old for event in events):
            self.choice.param.update(expiries=[])
        live.touch()
