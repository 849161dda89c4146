"""Controls that pages share: rows of small buttons, the choice of underlying and of expiries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.assets import asset
from workstation.views.widgets.theme import stylesheet

BAR = stylesheet(asset(__package__, "button_bar.css"))
_SMALL = {"margin": 0, "size": "small"}
_BUTTONS_SX = {
    "& .MuiToggleButton-root": {
        "py": "2px",
        "color": "var(--mui-palette-text-secondary)",
        "&.Mui-selected": {"color": "var(--mui-palette-primary-contrastText) !important"},
        "px": "9px",
        "fontSize": "12px",
        "textTransform": "none",
        "lineHeight": "20px",
        "whiteSpace": "nowrap",
        "@media (max-width: 900px)": {"py": "7px", "px": "11px"},
    }
}

_CHOICE_SX = {
    "py": 0,
    "px": "9px",
    "height": "26px",
    "fontSize": "12px",
    "lineHeight": "20px",
    "textTransform": "none",
    "whiteSpace": "nowrap",
    "minWidth": 0,
    "@media (max-width: 900px)": {"height": "36px", "px": "11px"},
}


def buttons(choice: Any, name: str, labels: dict[Any, str], what: str) -> pmui.RadioButtonGroup:
    """One choice of few as a row of small buttons. ``labels``: value -> text."""
    return pmui.RadioButtonGroup.from_param(
        choice.param[name],
        name=what,
        label="",
        options={text: value for value, text in labels.items()},
        sx=_BUTTONS_SX,
        **_SMALL,
    )


def underlying_buttons(choice: Any) -> pmui.RadioButtonGroup:
    """Whose options; offers what the choice offers."""
    result = buttons(
        choice, "underlying", {name: name or "…" for name in choice.param.underlying.objects}, "underlying"
    )

    def offered(event: Any) -> None:
        result.param.update(options=list(event.new), value=choice.underlying)

    choice.param.watch(offered, "underlying", what="objects")
    return result


def expiries_of_chain(source: Source, underlying: str) -> list[int]:
    """Expiries of the newest chain."""
    chain = source.priced_chain(underlying)
    return [] if chain is None else chain.expiries


def labels_of(expiries: list[int]) -> dict[str, int]:
    """Text -> expiry: its date, and its time too where two are of one day.

    Examples
    --------
    >>> morning, evening = pd.Timestamp("2026-12-18 14:30").value, pd.Timestamp("2026-12-18 21:00").value
    >>> list(labels_of([morning, evening]))
    ['18 Dec 26', '18 Dec 26, 21:00']
    """
    found: dict[str, int] = {}
    for value in expiries:
        date = formats.expiry(value)
        found[date if date not in found else f"{date}, {pd.Timestamp(value):%H:%M}"] = value
    return found


class ExpiryChoice(View):
    """Boxes to tick expiries; none ticked means what the page takes then.

    Parameters
    ----------
    choice
        Has ``expiries``, and ``offer`` for what a source has.
    expiries
        Expiries to tick of a source and an underlying.
    label, none
        Words above the boxes, and on the button where none is ticked.

    Attributes
    ----------
    button
        Says beside the other choices how many are ticked; a page opens the boxes by it.
    """

    inputs = ("priced_chain",)
    every_s = 1.0

    def __init__(
        self,
        choice: Any,
        expiries: Callable[[Source, str], list[int]] = expiries_of_chain,
        label: str = "Expiries",
        none: str = "All expiries",
    ) -> None:
        self.choice = choice
        self._expiries, self._label, self._none = expiries, label, none
        self._boxes = pmui.CheckBoxGroup(options={}, value=[], label=label, size="small", margin=(0, 12))
        self._boxes.param.watch(self._ticked, "value")
        choice.param.watch(lambda _: self._tick(), "expiries")
        self.panel = pn.Column(self._boxes, sizing_mode="stretch_width", margin=0)
        self.button = pmui.Button(label="", variant="outlined", sx=_CHOICE_SX, **_SMALL)
        choice.param.watch(lambda _: self._count(), "expiries")
        self._count()

    def _count(self) -> None:
        """Say how many expiries are ticked."""
        ticked, offered = len(self.choice.expiries), len(self._boxes.options)
        of = f" of {offered}" if offered else ""
        words = f"{ticked}{of} expiries" if ticked else self._none
        self.button.param.update(label=f"{words} ▾", variant="contained" if ticked else "outlined")

    def refresh(self, source: Source) -> None:
        """Offer the underlyings the source has and the expiries there are."""
        self.choice.offer(source)
        known = self._expiries(source, self.choice.underlying)
        options = labels_of(known)
        if options != self._boxes.options:
            kept = [value for value in self.choice.expiries if value in known]
            self._boxes.param.update(options=options, value=kept)
            self.choice.expiries = kept
            self._count()

    def _ticked(self, event: Any) -> None:
        self.choice.expiries = sorted(event.new)

    def _tick(self) -> None:
        """Show as ticked what was chosen elsewhere: by the address, or with another underlying."""
        chosen = [value for value in self._boxes.options.values() if value in self.choice.expiries]
        if sorted(chosen) == sorted(self.choice.expiries) != sorted(self._boxes.value):
            self._boxes.value = chosen

    def show_failure(self, reason: str) -> None:
        """Say it in place of the label."""
        self._boxes.label = reason or self._label
