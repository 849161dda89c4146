"""Cards: a title, the value that matters, one row of actions, and what is shown; failures are said on the card."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import panel as pn

from workstation.views.widgets.assets import asset
from workstation.views.widgets.theme import stylesheet

_CARD = stylesheet(asset(__package__, "card.css"))
_HEAD = stylesheet(asset(__package__, "card_head.css"))

_ACTIONS = asset(__package__, "card_actions.css")


class Key(NamedTuple):
    """A colour's meaning: the palette role, in words, and how it is drawn (``line``, ``bar``, ``dashed``)."""

    role: str
    words: str
    shape: str = "line"


class Card:
    """A titled card.

    Parameters
    ----------
    title, unit
        What is shown and in which unit.
    body
        Anything Panel can show.
    actions
        Widgets right of the title.
    area
        Name of the card's area in the page's grid.
    keys
        What the colours mean.
    """

    def __init__(
        self,
        title: str,
        body: Any,
        unit: str = "",
        actions: tuple[Any, ...] = (),
        area: str = "",
        keys: tuple[Key, ...] = (),
    ) -> None:
        self.title, self.unit, self.value, self.failure, self.keys = title, unit, "", "", keys
        self.reason, self.body = "", body
        self._head = pn.pane.HTML(
            "", sizing_mode="stretch_width", stylesheets=[_HEAD], margin=0, css_classes=["ws-head"]
        )
        self._draw()
        head = (
            pn.Row(self._head, *actions, sizing_mode="stretch_width", margin=0, stylesheets=[_ACTIONS])
            if actions
            else self._head
        )
        self.panel = pn.Column(
            head,
            body,
            sizing_mode="stretch_both",
            margin=0,
            css_classes=["ws-card"],
            stylesheets=[_CARD],
            styles={"grid-area": area} if area else {},
        )

    def say(
        self,
        value: str = "",
        unit: str | None = None,
        title: str | None = None,
        keys: tuple[Key, ...] | None = None,
    ) -> None:
        """Set the value line (HTML) and, where given, the unit, the title and the keys."""
        wanted = (
            value,
            self.unit if unit is None else unit,
            self.title if title is None else title,
            self.keys if keys is None else keys,
        )
        if wanted != (self.value, self.unit, self.title, self.keys):
            self.value, self.unit, self.title, self.keys = wanted
            self._draw()

    def empty(self, reason: str = "") -> None:
        """Say in place of the body why there is nothing to show; an empty reason shows the body again."""
        if reason != self.reason:
            self.reason = reason
            self._draw()

    def fail(self, reason: str) -> None:
        """Say why the card could not be brought up to date; an empty reason clears it."""
        if reason != self.failure:
            self.failure = reason
            self._draw()

    def _draw(self) -> None:
        failure = f'<div class="failure" role="alert">{escape(self.failure)}</div>' if self.failure else ""
        empty = f'<div class="empty" role="note"><p>{escape(self.reason)}</p></div>' if self.reason else ""
        keys = "".join(
            f'<span class="key"><i class="{key.shape}" style="--c: var(--ws-{key.role})"></i>{escape(key.words)}</span>'
            for key in self.keys
        )
        self._head.object = (
            f'<div class="head"><h2>{escape(self.title)}</h2><span class="unit">{escape(self.unit)}</span>'
            f'{keys}<span class="value">{self.value}</span></div>{failure}{empty}'
        )


class Markup:
    """A pane of HTML that is only sent when it has changed."""

    def __init__(self, css: str = "", **options: Any) -> None:
        self.panel = pn.pane.HTML(
            "", **{"sizing_mode": "stretch_width", "margin": 0, "stylesheets": [stylesheet(css)], **options}
        )

    def show(self, html: str) -> None:
        """Show this."""
        if html != self.panel.object:
            self.panel.object = html
