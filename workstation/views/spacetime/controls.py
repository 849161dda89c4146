"""The choices of a chart, in place: instrument, candle length, layers, and the way back to live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workstation.views.spacetime.choice import LAYERS, LENGTHS, ChartChoice
from workstation.views.widgets.assets import asset
from workstation.views.widgets.controls import buttons

_CHIP_SX = {
    "py": "1px",
    "px": "6px",
    "minWidth": "64px",
    "fontSize": "12px",
    "whiteSpace": "nowrap",
    "lineHeight": "22px",
}
_MENU_SX = {"py": "1px", "px": "6px", "fontSize": "12px", "textTransform": "none"}
_SELECT_CSS = asset(__package__, "controls_select.css")
_FIRST = {"order": "-1"}


class ChartControls:
    """Widgets of one chart.

    Parameters
    ----------
    choice
        What they change.
    go_live
        Called when the chip is pressed.
    """

    def __init__(self, choice: ChartChoice, go_live: Callable[[], None]) -> None:
        self.choice = choice
        self.instrument = pmui.Select(
            value=choice.instrument, options=[choice.instrument], size="small", margin=0, width=158, label="Instrument",
            stylesheets=[_SELECT_CSS], styles=_FIRST,
        )  # fmt: skip
        self.lengths = buttons(choice, "every_s", LENGTHS, "candle length")
        self.lengths.styles = _FIRST
        self.layers = pmui.MenuToggle(
            label="Layers",
            items=self._items(),
            size="small",
            margin=0,
            variant="text",
            sx=_MENU_SX,
            styles=_FIRST,
        )
        self.chip = pmui.Button(size="small", margin=0, sx=_CHIP_SX)
        self.instrument.param.watch(self._picked, "value")
        self.layers.param.watch(self._toggled, "toggled")
        self.chip.on_click(lambda _: go_live())
        choice.param.watch(lambda _: self._show_instrument(), "instrument")
        choice.param.watch(lambda _: self._show_layers(), "layers")
        self.mark(not choice.window)

    @property
    def actions(self) -> tuple[Any, ...]:
        """The widgets in order."""
        return (self.instrument, self.lengths, self.layers, self.chip)

    def offer(self, names: list[str]) -> None:
        """Let these instruments be chosen."""
        chosen = self.choice.instrument
        options = names if chosen in names else [chosen, *names]
        if options != self.instrument.options:
            self.instrument.param.update(options=options, value=chosen)

    def mark(self, live: bool) -> None:
        """Say whether the chart follows the market."""
        self.chip.param.update(
            label="● live" if live else "▶ go live", variant="text" if live else "contained"
        )

    def _picked(self, event: Any) -> None:
        if event.new and event.new != self.choice.instrument:
            self.choice.instrument = event.new

    def _show_instrument(self) -> None:
        self.offer(list(self.instrument.options))
        self.instrument.value = self.choice.instrument

    def _items(self) -> list[dict[str, Any]]:
        return [
            {"label": words, "icon": "check_box_outline_blank", "active_icon": "check_box", "toggled": name in self.choice.layers}
            for name, words in LAYERS.items()
        ]  # fmt: skip

    def _toggled(self, event: Any) -> None:
        names = [name for index, name in enumerate(LAYERS) if index in event.new]
        if names != self.choice.layers:
            self.choice.layers = names

    def _show_layers(self) -> None:
        wanted = [index for index, name in enumerate(LAYERS) if name in self.choice.layers]
        if sorted(self.layers.toggled) != wanted:
            with pn.io.hold():
                self.layers.items = self._items()
