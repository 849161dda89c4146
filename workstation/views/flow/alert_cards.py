"""Alerts: strips of severity and direction over the last half hour, and a card for each, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import param
from panel.custom import JSComponent

from workstation.market.contract_words import CONTRACTS
from workstation.market.instants import MILLISECOND_NS, MINUTE_NS
from workstation.plots import formats
from workstation.views.flow.choice import FlowChoice
from workstation.views.flow.selection import newest, select_alerts
from workstation.views.state.source import Source
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Card, Key, Markup
from workstation.views.widgets.figure import TextView
from workstation.views.widgets.theme import stylesheet

STRIP_MINUTES = 30
SHOWN = 60
_ARROWS = {1: '<span class="up">▲ bullish</span>', -1: '<span class="down">▼ bearish</span>', 0: "– neutral"}
_RING = 2 * np.pi * 15
KEYS = (
    Key("bad", "high", "bar"),
    Key("warn", "medium", "bar"),
    Key("axis", "low", "bar"),
    Key("up", "bullish", "bar"),
    Key("down", "bearish", "bar"),
)


def strips(
    event_ns: np.ndarray, severity: np.ndarray, direction: np.ndarray, asof_ns: int
) -> dict[str, np.ndarray]:
    """Alerts a minute over the last half hour, by severity and by direction.

    Parameters
    ----------
    event_ns, severity, direction
        Of each alert that stands.
    asof_ns
        End of the last minute.

    Returns
    -------
    dict
        high, medium, low, up, down: counts, shape (30,), the oldest minute first.

    Examples
    --------
    >>> made = strips(np.array([5, 6]), np.array(["high", "low"]), np.array([1, -1]), asof_ns=10)
    >>> {name: int(counts[-1]) for name, counts in made.items()}
    {'high': 1, 'medium': 0, 'low': 1, 'up': 1, 'down': 1}
    """
    minutes = STRIP_MINUTES - 1 - (asof_ns - np.asarray(event_ns, dtype=np.int64)) // MINUTE_NS
    inside = (minutes >= 0) & (minutes < STRIP_MINUTES)

    def count(chosen: Any) -> np.ndarray:
        return np.bincount(minutes[inside & chosen], minlength=STRIP_MINUTES)

    by_severity = {name: count(np.asarray(severity) == name) for name in ("high", "medium", "low")}
    return {**by_severity, "up": count(np.asarray(direction) > 0), "down": count(np.asarray(direction) < 0)}


def strip_html(counts: dict[str, np.ndarray]) -> str:
    """The two strips as inline SVG, each minute with its counts in words."""
    total = counts["high"] + counts["medium"] + counts["low"]
    most, widest = max(int(total.max()), 1), max(int(counts["up"].max()), int(counts["down"].max()), 1)
    severe, leaning = "", ""
    for minute in range(STRIP_MINUTES):
        ago = STRIP_MINUTES - 1 - minute
        told = ", ".join(f"{counts[name][minute]} {name}" for name in ("high", "medium", "low"))
        top, bars = 26.0, ""
        for name in ("high", "medium", "low"):
            tall = 24.0 * counts[name][minute] / most
            top -= tall
            bars += (
                f'<rect class="{name}" x="{minute + 0.1:.1f}" y="{top:.2f}" width=".8" height="{tall:.2f}"/>'
            )
        severe += f"<g><title>{ago} min ago: {told}</title>{bars}</g>"
        up, down = 12.0 * counts["up"][minute] / widest, 12.0 * counts["down"][minute] / widest
        leaning += (
            f"<g><title>{ago} min ago: {counts['up'][minute]} bullish, {counts['down'][minute]} bearish</title>"
            f'<rect class="up" x="{minute + 0.1:.1f}" y="{13 - up:.2f}" width=".8" height="{up:.2f}"/>'
            f'<rect class="down" x="{minute + 0.1:.1f}" y="13" width=".8" height="{down:.2f}"/></g>'
        )
    frame = f'<svg viewBox="0 0 {STRIP_MINUTES} 26" preserveAspectRatio="none" role="img" aria-label="%s">%s</svg>'
    zero = f'<line class="zero" x1="0" x2="{STRIP_MINUTES}" y1="13" y2="13"/>'
    words = (
        f"{total.sum()} alerts in {STRIP_MINUTES} minutes: {counts['high'].sum()} high, {counts['medium'].sum()} medium, "
        f"{counts['low'].sum()} low"
    )
    sides = f"{counts['up'].sum()} bullish, {counts['down'].sum()} bearish"
    return (
        f'<div class="strips"><span>severity</span>{frame % (words, severe)}<span>direction</span>{frame % (sides, zero + leaning)}'
        f'<span class="ends"><span>{STRIP_MINUTES} min ago</span><span>at most {most} a minute</span><span>now</span></span></div>'
    )


def card_html(row: Mapping[Any, Any], open_id: str) -> str:
    """One alert: its score as a ring, contract, kind, direction, premium, time and the reason in words."""
    score, level = float(row["score"]), str(row["severity"])
    verdict = str(row["verdict"])
    words = row["explanation"].partition(": ")[2] or row["explanation"]
    classes = " ".join([f"is-{verdict}", *(["shown"] if row["alert_id"] == open_id else [])])
    told = "" if verdict == "open" else f" · {escape(verdict)}"
    return (
        f'<li><button class="{escape(classes)}" data-alert="{escape(row["alert_id"])}">'
        f'<svg class="ring" viewBox="0 0 34 34" role="img" aria-label="{escape(level)}, score {score:.0f} of 100"><circle cx="17" cy="17" r="15"/>'
        f'<circle class="part {escape(level)}" cx="17" cy="17" r="15" transform="rotate(-90 17 17)" '
        f'stroke-dasharray="{_RING * score / 100:.1f} {_RING:.1f}"/><text x="17" y="17">{score:.0f}</text></svg>'
        f'<span class="what"><b>{escape(row["contract"])}</b> <span class="kind">{escape(row["kind"].replace("_", " "))}{told}</span></span>'
        f'<span class="num">{_ARROWS[int(row["direction"])]} <b>{formats.usd(row["premium_usd"])}</b>'
        f'<time data-ms="{int(row["event_ns"]) // MILLISECOND_NS}"></time></span>'
        f'<span class="why" title="{escape(row["explanation"])}">{escape(words)}</span></button></li>'
    )


class AlertList(JSComponent):
    """Cards that tell which one was pressed."""

    cards = param.String()

    _esm = asset(__package__, "alert_cards.js")

    def __init__(self, pressed: Callable[[str], None]) -> None:
        super().__init__(
            sizing_mode="stretch_both",
            margin=0,
            stylesheets=[stylesheet(asset(__package__, "alert_cards.css"))],
        )
        self._pressed = pressed

    def _handle_msg(self, msg: Any) -> None:
        self._pressed(str(msg["alert"]))


class AlertCards(TextView):
    """The alerts that pass the filters."""

    inputs = ("alerts",)
    every_s = 0.3

    def __init__(self, choice: FlowChoice, pressed: Callable[[str], None]) -> None:
        self.choice = choice
        self.list = AlertList(pressed)
        self._strips = Markup(asset(__package__, "alert_strips.css"))
        body = pn.Column(self._strips.panel, self.list, sizing_mode="stretch_both", margin=0)
        self.card = Card("Alerts", body, area="alerts", keys=KEYS)

    def refresh(self, source: Source) -> None:
        """Show the newest alerts."""
        alerts = source.latest("alerts")
        chosen = alerts.iloc[newest(select_alerts(alerts, self.choice))]
        standing = chosen[chosen["verdict"].astype("str") != "retracted"]
        counts = strips(
            standing["event_ns"].to_numpy(),
            standing["severity"].astype("str").to_numpy(),
            standing["direction"].to_numpy(),
            source.asof_ns,
        )
        self._strips.show(strip_html(counts))
        self.list.cards = cards_html(chosen.iloc[:SHOWN], self.choice.alert)
        more = f" · the newest {SHOWN} shown" if len(chosen) > SHOWN else ""
        taken = len(chosen) - len(standing)
        self.card.say(
            f"{formats.number(len(standing))}{more}" + (f" · {taken} retracted by cancels" if taken else "")
        )


def cards_html(alerts: pd.DataFrame, open_id: str) -> str:
    """A list of cards."""
    if not len(alerts):
        return '<p class="none">No alert passes the filters.</p>'
    rows = alerts.assign(contract=CONTRACTS.words(alerts["instrument"].cat.codes.to_numpy())).to_dict(
        "records"
    )
    return f'<ul class="list">{"".join(card_html(row, open_id) for row in rows)}</ul>'
