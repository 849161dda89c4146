"""All views of the flow page and how a choice moves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.views.flow import choice as choices
from workstation.views.flow.alert_cards import AlertCards
from workstation.views.flow.choice import ADDRESS, FlowChoice
from workstation.views.flow.classifier_settings import ClassifierSettings
from workstation.views.flow.evidence_drawer import EvidenceDrawer
from workstation.views.flow.net_premium import NetPremium
from workstation.views.flow.off_exchange import OffExchangeCard
from workstation.views.flow.quality import Quality
from workstation.views.flow.tapes import Tape
from workstation.views.shell.session import Live
from workstation.views.state.source import Source, View
from workstation.views.widgets.controls import BAR, buttons
from workstation.views.widgets.theme import Palette

_SELECT = {
    "size": "small",
    "margin": (9, 0, 2, 0),
    "width": None,
    "styles": {"width": "124px", "flex": "none"},
}
"""A width that Panel knew of would make the row, and with it the page, at least as wide as all lists together."""


class FlowViews:
    """Everything the flow page shows.

    Parameters
    ----------
    source
        What is shown.
    choice
        The session's choices.
    colours
        Of the first paint.
    open_evidence
        Opens the drawer that holds the evidence.
    applied, apply
        Thresholds of the classifiers that hold, and what makes others hold; see ``ClassifierSettings``.
    """

    def __init__(
        self,
        source: Source,
        choice: FlowChoice,
        colours: Palette,
        open_evidence: Callable[[], None] = lambda: None,
        applied: Callable[[], ClassifierParameters] = ClassifierParameters,
        apply: Callable[[ClassifierParameters], None] | None = None,
    ) -> None:
        self.choice, self._open = choice, open_evidence
        self._live: Live | None = None
        choice.offer(source)
        self.quality, self.tape = Quality(), Tape(choice)
        self.alerts = AlertCards(choice, self._pressed)
        self.premium = NetPremium(choice)
        self.off = OffExchangeCard(choice, colours)
        self.evidence = EvidenceDrawer(choice, colours, lambda: self.tape.table.zone)
        self.settings = ClassifierSettings(source, applied, apply)

    @property
    def all(self) -> tuple[View, ...]:
        """Every view, the first needed first."""
        return (self.quality, self.alerts, self.tape, self.premium, self.off, self.evidence)

    def start(self, live: Live) -> None:
        """Keep everything live, follow every choice, and keep the choices in the page's address."""
        if pn.state.location is not None:
            pn.state.location.sync(self.choice, list(ADDRESS))
        for view in self.all:
            live.add(view)
        self.follow_choices(live)

    def follow_choices(self, live: Live) -> None:
        """Show every change of a choice at once."""
        self._live = live
        filters = [name for name in ADDRESS if name != "alert"]
        self.choice.param.watch(self._filtered, filters)
        self.choice.param.watch(lambda _: live.touch(self.alerts, self.evidence), "alert")

    def _filtered(self, *_: Any) -> None:
        if self._live is not None:
            with pn.io.hold():
                self.tape.chosen()
                self._live.touch(self.alerts, self.premium, self.off)

    def _pressed(self, alert_id: str) -> None:
        self.choice.alert = alert_id
        self._open()

    def bar(self, *more: Any) -> pn.Row:
        """The tapes, the filters and the pause, in one row."""
        pause = pmui.Switch(label="Pause", value=False, size="small", margin=0, description="")
        pause.param.watch(lambda event: self.tape.pause(bool(event.new)), "value")
        return pn.Row(
            buttons(self.choice, "tape", choices.TAPES, "tape"),
            self._select("ticker", {}, "ticker"),
            self._select("side", choices.SIDES, "side"),
            self._select("premium", choices.PREMIUMS, "least premium"),
            self._select("dte", choices.DTES, "days to expiry"),
            self._select("condition", choices.CONDITIONS, "condition"),
            self._select(
                "classifier",
                {
                    name: name.replace("_", " ") or "Any classifier"
                    for name in self.choice.param.classifier.objects
                },
                "classifier",
            ),
            self._select("severity", choices.SEVERITIES, "severity"),
            pause,
            *more,
            stylesheets=[BAR],
            sizing_mode="stretch_width",
            margin=0,
            styles={"grid-area": "bar"},
        )

    def _select(self, name: str, words: dict[Any, str], what: str) -> pmui.Select:
        """A filter as a small list; the ticker offers what has printed."""

        def options() -> dict[str, Any]:
            named = words or {one: one or "All tickers" for one in self.choice.param[name].objects}
            return {text: value for value, text in named.items()}

        made = pmui.Select(options=options(), value=getattr(self.choice, name), label=what, **_SELECT)
        made.param.watch(lambda event: setattr(self.choice, name, event.new), "value")
        self.choice.param.watch(lambda event: setattr(made, "value", event.new), name)
        self.choice.param.watch(
            lambda _: made.param.update(options=options(), value=getattr(self.choice, name)),
            name,
            what="objects",
        )
        return made
