"""The surface as a map: vol or a greek over expiry and moneyness, or expiry and delta."""

from __future__ import annotations

import numpy as np
import panel as pn
import xarray as xr

from workstation.board.priced_chain import PricedChain
from workstation.views.state.source import Source
from workstation.views.surface.choice import GREEKS, SCALES, UNITS, SurfaceChoice
from workstation.views.surface.fitted import fitted_chain
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card
from workstation.views.widgets.figure import FigureView, pane
from workstation.views.widgets.heatmap import Grid, HeatMap, between
from workstation.views.widgets.theme import Palette

_SIGNED = ("delta", "vanna", "charm", "theta")


def delta_label(delta: float) -> str:
    """A delta as desks say it: puts below the money, calls above.

    Examples
    --------
    >>> delta_label(0.75), delta_label(0.5), delta_label(0.25)
    ('25P', 'ATM', '25C')
    """
    if abs(delta - 0.5) < 1e-9:
        return "ATM"
    return f"{100 * (1 - delta):.0f}P" if delta > 0.5 else f"{100 * delta:.0f}C"


def shown(chain: PricedChain, choice: SurfaceChoice) -> tuple[xr.DataArray, list[str]]:
    """Values in the units shown over (expiry, columns), low strikes to high ones, and the columns' labels."""
    if choice.greek == "implied_vol":
        values = chain.surface["implied_vol" if choice.grid == "moneyness" else "implied_vol_by_delta"]
    else:
        values = chain.greek_surface(choice.greek, choice.grid) * SCALES.get(choice.greek, 1.0)
    if choice.grid == "delta":
        values = values.isel(delta=slice(None, None, -1))
        return values, [delta_label(float(delta)) for delta in values["delta"].to_numpy()]
    inside = np.abs(values["moneyness"].to_numpy() - 1.0) <= choice.reach + 1e-9
    values = values.isel(moneyness=inside)
    labels = [formats.percent(float(ratio) - 1.0, 1, signed=True) for ratio in values["moneyness"].to_numpy()]
    return values, labels


class SurfaceMap(FigureView):
    """Vol or a greek by expiry and moneyness or delta."""

    inputs = ("surfaces", "priced_chain")
    every_s = 1.0

    def __init__(self, choice: SurfaceChoice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        names = ("strike", "expiry", "value")
        self.plain = HeatMap(
            self._painter, signed=False, names=names, numbers=True, ticks=(9, 14), font_size="10px"
        )
        self.signed = HeatMap(
            self._painter, signed=True, names=names, numbers=True, ticks=(9, 14), font_size="10px"
        )
        self._panes = [
            pn.Column(
                pane(each.figure),
                sizing_mode="stretch_both",
                margin=0,
            )
            for each in (self.plain, self.signed)
        ]
        self._panes[1].visible = False
        self.card = Card("Surface", pn.Column(*self._panes, sizing_mode="stretch_both", margin=0), area="map")

    def refresh(self, source: Source) -> None:
        """Draw the newest surface."""
        chain = fitted_chain(source, self.choice.underlying)
        signed = self.choice.greek in _SIGNED
        heat = self.signed if signed else self.plain
        for column, wanted in zip(self._panes, (not signed, signed), strict=True):
            if column.visible != wanted:
                column.visible = wanted
        title = f"{GREEKS[self.choice.greek]} surface"
        if chain is None:
            heat.show(Grid([], [], np.empty((0, 0))))
            self.card.say("no marks", UNITS[self.choice.greek], title)
            return
        values, across = shown(chain, self.choice)
        table = values.to_numpy()
        rows = [formats.expiry(int(value)) for value in chain.surface["expiry_ns"].to_numpy()]
        short, reported = self._texts(table)
        centre = (
            between(values["moneyness"].to_numpy(), 1.0)
            if self.choice.grid == "moneyness"
            else float(across.index("ATM"))
        )
        texts = short if len(across) <= 17 else np.full(table.shape, "", dtype=object)
        heat.show(
            Grid(
                across,
                rows,
                table,
                texts,
                reported,
                marks=((centre, True, "text"),) if len(across) > 17 else (),
            )
        )
        low, high = heat.limits
        self.card.say(heat.scale(self._number(low), self._number(high)), UNITS[self.choice.greek], title)

    def _number(self, value: float) -> str:
        if self.choice.greek == "implied_vol":
            return formats.percent(value)
        small = 0 < abs(value) < 1e-3
        return f"{value:.1e}".replace("-", formats.MINUS) if small else formats.si(value)

    def _texts(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What cells say (vol in percent without the sign) and what hovering says."""
        flat = table.ravel().tolist()
        reported = [self._number(value) for value in flat]
        if self.choice.greek == "implied_vol":
            short = ["" if value != value else f"{100 * value:.1f}" for value in flat]
        else:
            short = ["" if value != value else text for value, text in zip(flat, reported, strict=True)]
        return tuple(np.array(each, dtype=object).reshape(table.shape) for each in (short, reported))  # type: ignore[return-value]

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        super().repaint(colours)
        self.plain.repaint(colours)
        self.signed.repaint(colours)
