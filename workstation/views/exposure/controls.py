"""The exposure page's choices: the bar above the cards."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from workstation.views.exposure.across_venues import venue_name
from workstation.views.state.choice import BASES, LENGTHS, MEASURES, REACHES, SCALES, SIGN_MODELS, Choice
from workstation.views.widgets.controls import BAR, buttons, underlying_buttons


def length_buttons(choice: Choice) -> pmui.RadioButtonGroup:
    """The candles' length."""
    return buttons(choice, "every_s", LENGTHS, "candle length")


def scale_buttons(choice: Choice) -> pmui.RadioButtonGroup:
    """What the price axis spans."""
    return buttons(choice, "scale", SCALES, "price axis")


def venue_buttons(choice: Choice) -> pmui.RadioButtonGroup:
    """Whose contracts; there where several venues list the underlying."""
    result = buttons(choice, "venue", _venue_labels(choice.param.venue.objects), "venue")

    def offered(event: Any) -> None:
        labels = _venue_labels(event.new)
        result.param.update(
            options={text: value for value, text in labels.items()},
            value=choice.venue,
            visible=len(labels) > 1,
        )

    result.visible = len(choice.param.venue.objects) > 1
    choice.param.watch(offered, "venue", what="objects")
    return result


def _venue_labels(names: list[str]) -> dict[str, str]:
    return {name: venue_name(name) if name else "All venues" for name in names}


def bar(choice: Choice, *more: Any) -> pn.Row:
    """The choices a desk changes all day, in one line; ``more`` stands at its end."""
    return pn.Row(
        underlying_buttons(choice),
        venue_buttons(choice),
        buttons(choice, "measure", MEASURES, "measure"),
        buttons(choice, "basis", BASES, "basis"),
        buttons(choice, "sign_model", SIGN_MODELS, "sign model"),
        buttons(choice, "reach", REACHES, "strikes shown"),
        *more,
        stylesheets=[BAR],
        sizing_mode="stretch_width",
        margin=0,
        styles={"grid-area": "bar"},
    )
