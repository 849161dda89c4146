"""All views of the exposure page, wired to one choice."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workstation.views.exposure.across_venues import AcrossVenues
from workstation.views.exposure.change import ChangeTable
from workstation.views.exposure.controls import length_buttons, scale_buttons
from workstation.views.exposure.curve import Curve
from workstation.views.exposure.headline import Headline
from workstation.views.exposure.key_levels import LevelsHistory, LevelsTable
from workstation.views.exposure.ledger import Ledger
from workstation.views.exposure.maps import ByExpiry, ByTime, Scenario
from workstation.views.exposure.net_gex_history import NetGexHistory
from workstation.views.exposure.open_interest import OpenInterest
from workstation.views.exposure.profile import ByStrike, key_levels
from workstation.views.exposure.risk import CascadeRisk, SmartMoneyList
from workstation.views.exposure.smile_card import Smiles
from workstation.views.exposure.snapshot import Snapshots
from workstation.views.shell.session import Live
from workstation.views.state.address import keep_in_address
from workstation.views.state.choice import Choice, instruments
from workstation.views.state.source import Source, View
from workstation.views.widgets.candle_chart import CandleChart
from workstation.views.widgets.card import Card
from workstation.views.widgets.controls import ExpiryChoice
from workstation.views.widgets.theme import Palette

_ADDRESS = (
    "underlying", "instrument", "measure", "basis", "sign_model", "expiries", "venue", "every_s", "reach", "scale", "window",
)  # fmt: skip

LATER = (
    "change", "curve", "by_expiry", "cascade", "smart", "interest", "scenario", "by_time", "history", "levels", "net_history", "smile",
    "across",
)  # fmt: skip
"""Names of the views that are made once the first paint is there, in the order of the page: until they are asked for there
are none of them."""


class PriceCard(View):
    """The candle chart with its levels, its actions and the chip that leads back to live."""

    inputs = ("candles", "trades", "levels", "priced_chain")

    def __init__(self, choice: Choice, snapshots: Snapshots, by_strike: ByStrike, colours: Palette) -> None:
        self.choice, self._snapshots, self._by_strike = choice, snapshots, by_strike
        self.chart = CandleChart(choice, colours)
        self.chip = pmui.Button(
            label="live",
            size="small",
            margin=0,
            sx={
                "py": "1px",
                "lineHeight": "20px",
                "textTransform": "none",
                "minWidth": "58px",
                "fontSize": "12px",
            },
        )
        self.chip.on_click(lambda _: self.chart.follow())
        self._colours = colours
        self.spot: LevelsHistory | None = None
        """Made where nothing trades."""
        self._body = pn.Column(self.chart.panel, sizing_mode="stretch_both", margin=0)
        self._actions = (scale_buttons(choice), length_buttons(choice), self.chip)
        self._mark_chip()
        choice.param.watch(lambda _: self._mark_chip(), "window")
        self.card = Card(
            "Price",
            self._body,
            unit="USD",
            actions=self._actions,
            area="price",
        )

    def _mark_chip(self) -> None:
        live = self.chart.following
        self.chip.param.update(
            label="● live" if live else "▶ go live",
            variant="text" if live else "contained",
        )

    def refresh(self, source: Source) -> None:
        """Show the newest candles and levels; where nothing trades, spot as the levels had it."""
        traded = bool(instruments(source, self.choice.underlying))
        if self.chart.panel.visible != traded:
            self.chart.panel.visible = traded
            for action in self._actions:
                action.visible = traded
        if not traded:
            self._show_spot(source)
            return
        if self.spot is not None:
            self._body.objects, self.spot = [self.chart.panel], None
            self.card.empty()
        made = self._snapshots.newest(source)
        self.chart.levels = key_levels(made, with_spot=False)
        self.chart.span_strikes(self._by_strike.y_range.start, self._by_strike.y_range.end)
        self.chart.refresh(source)
        self.card.say("", f"{self.chart.shown_instrument}, USD")

    def _show_spot(self, source: Source) -> None:
        """Where nothing trades: spot and levels as they were published."""
        if self.spot is None:
            self.spot = LevelsHistory(self.choice, self._colours)
            self._body.append(self.spot.card.body)
        self.spot.refresh(source)
        rows = len(self.spot.rows.data["x"])
        self.card.say("", f"nothing trades here: spot and levels of {rows} snapshots, USD" if rows else "USD")
        why = self.spot.card.reason
        self.card.empty(
            f"No trades of {self.choice.underlying} itself, only its options' marks. {why}" if why else ""
        )

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self._colours = colours
        self.chart.repaint(colours)
        if self.spot is not None:
            self.spot.repaint(colours)

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


class ExposureViews:
    """Everything the exposure page shows.

    Parameters
    ----------
    source
        What is shown; its underlyings and instruments become the choices.
    choice
        The session's choices; every change is shown at once.
    colours
        Of the first paint.
    """

    def __init__(self, source: Source, choice: Choice, colours: Palette) -> None:
        self.choice = choice
        choice.offer(source)
        self._source = source
        snapshots = Snapshots(choice)
        self.headline = Headline(choice, snapshots)
        self.strikes = ByStrike(choice, snapshots, colours)
        self.price = PriceCard(choice, snapshots, self.strikes, colours)
        self.expiries = ExpiryChoice(choice)
        self.ledger = Ledger(choice, snapshots)
        self._snapshots, self._colours = snapshots, colours

    @cached_property
    def change(self) -> ChangeTable:
        """What moved in the last minutes."""
        return ChangeTable(self.choice, self._snapshots)

    @cached_property
    def curve(self) -> Curve:
        """Net exposure over spot."""
        return Curve(self.choice, self._snapshots, self._colours)

    @cached_property
    def by_expiry(self) -> ByExpiry:
        """Strike by expiry."""
        return ByExpiry(self.choice, self._snapshots, self._colours)

    @cached_property
    def cascade(self) -> CascadeRisk:
        """Cascade risk with its parts."""
        return CascadeRisk(self.choice)

    @cached_property
    def smart(self) -> SmartMoneyList:
        """Blocks, large prints and walls."""
        return SmartMoneyList(self.choice)

    @cached_property
    def interest(self) -> OpenInterest:
        """Open interest and volume."""
        return OpenInterest(self.choice, self._colours)

    @cached_property
    def scenario(self) -> Scenario:
        """What must be hedged when spot, vol and time move."""
        return Scenario(self.choice, self._snapshots, self._colours)

    @cached_property
    def by_time(self) -> ByTime:
        """Strike by time."""
        return ByTime(self.choice, self._snapshots, self._colours)

    @cached_property
    def history(self) -> LevelsHistory:
        """Spot and levels through time."""
        return LevelsHistory(self.choice, self._colours)

    @cached_property
    def levels(self) -> LevelsTable:
        """Key levels."""
        return LevelsTable(self.choice, self._snapshots)

    @cached_property
    def net_history(self) -> NetGexHistory:
        """Net exposure through time."""
        return NetGexHistory(self.choice, self._colours)

    @cached_property
    def smile(self) -> Smiles:
        """The smile of each chosen expiry."""
        return Smiles(self.choice, self._colours)

    @cached_property
    def across(self) -> AcrossVenues:
        """The same contract on each venue."""
        return AcrossVenues(self.choice)

    @property
    def first(self) -> tuple[View, ...]:
        """What the first paint shows, in the order of refreshing."""
        return self.expiries, self.headline, self.strikes, self.price, self.ledger

    @property
    def all(self) -> tuple[View, ...]:
        """All views."""
        return (*self.first, *(getattr(self, name) for name in LATER))

    def follow_choices(self, live: Live) -> None:
        """Show every change of a choice at once, and keep the choices in the page's address."""
        keep_in_address(self.choice, _ADDRESS)
        names = [name for name in _ADDRESS if name != "window"]
        self.choice.param.watch(lambda *events: self._changed(live, events), names)

    def _changed(self, live: Live, events: tuple[Any, ...]) -> None:
        changed = {event.name for event in events}
        if any(event.name == "underlying" and event.old for event in events):
            # what comes with the underlying, from an entry of the browser's history, stays
            anew = {"instrument": "", "venue": "", "expiries": [], "window": []}
            self.choice.param.update(**{name: value for name, value in anew.items() if name not in changed})
            self.choice.offer(self._source)
        if changed & {"every_s", "scale"}:
            self.price.chart.follow()
        live.touch()
