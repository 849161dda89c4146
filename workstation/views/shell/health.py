"""Whether to believe the rest: the state of every feed, on every page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import asdict
from html import escape
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.instants import SECOND_NS
from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.assets import asset, table_css
from workstation.views.widgets.card import Card, Markup
from workstation.views.widgets.theme import DARK

_STRIP = asset(__package__, "health_strip.css")
_TABLE = table_css(__package__, "health_table.css")
_CLOCK = Template(asset(__package__, "market_clock.css")).substitute(asdict(DARK))
BEHIND_S = 90.0
"""A market this much behind the wall clock, with rows arriving, is one of the past."""
_FAILED = ("failed", "refused", "disconnected", "closed")
_WORDS = {"live": "●", "quiet": "○", "stale": "■", "failed": "◆"}


def table_markup() -> Markup:
    """An empty table of the health page."""
    return Markup(_TABLE, sizing_mode="stretch_both")


def mood(state: str, age_s: float, stale_after_s: float) -> str:
    """live, quiet, stale or failed: quiet is a feed in good order from which little comes, stale also one that is not connected yet.

    Examples
    --------
    >>> mood("live", 0.2, 5.0), mood("quiet", 9.0, 5.0), mood("live", 9.0, 5.0), mood("failed", 0.1, 5.0)
    ('live', 'quiet', 'stale', 'failed')
    >>> mood("ended", 9.0, 5.0), mood("connecting", 0.1, 5.0)
    ('quiet', 'stale')
    """
    if state in _FAILED:
        return "failed"
    if state in ("stale", "quiet"):
        return state
    if state == "connecting":
        return "stale"
    if state == "ended":
        return "quiet"
    return "stale" if math.isfinite(age_s) and age_s > stale_after_s else "live"


class FeedStrip(View):
    """One line: each feed's state, age of its newest row, rate, gaps, drops, and how far the recorder is behind."""

    every_s = 1.0

    def __init__(self) -> None:
        self._strip = Markup(_STRIP)
        self.panel = self._strip.panel

    def refresh(self, source: Source) -> None:
        """Write the newest states."""
        feeds = source.feeds()
        parts = [_feed(row) for row in feeds.to_dict("records")]
        lag = feeds["recorder_lag_s"].dropna()
        if len(lag):
            late = ' class="bad"' if lag.max() > 5 else ""
            parts.append(f"<span{late}>recorder {formats.age(float(lag.max()))} behind</span>")
        parts.append(f"<span>newest {_time(source.asof_ns)} UTC</span>")
        self._strip.show(f'<div class="strip" role="status" aria-label="feeds">{"".join(parts)}</div>')

    def show_failure(self, reason: str) -> None:
        """Say it in the strip."""
        if reason:
            self._strip.show(f'<div class="strip failed"><b>{escape(reason)}</b></div>')


def replayed(feeds: pd.DataFrame, asof_ns: int, now_ns: int) -> bool:
    """Whether the market shown is one of the past: rows arrive (or have ended), but what they tell of is long gone.

    Examples
    --------
    >>> feeds = pd.DataFrame({"state": ["live"], "age_s": [0.2], "stale_after_s": [5.0]})
    >>> replayed(feeds, 10**9, 10**15), replayed(feeds, 10**15, 10**15), replayed(feeds.assign(age_s=99.0), 10**9, 10**15)
    (True, False, False)
    """
    if asof_ns <= 0 or now_ns - asof_ns < BEHIND_S * SECOND_NS:
        return False
    arriving = (feeds["age_s"] <= feeds["stale_after_s"]) | (feeds["state"] == "ended")
    return bool((arriving & (feeds["state"] != "connecting")).any())


class MarketClock(View):
    """The market's own time where it is replayed; empty where it is the wall clock's.

    ``told`` is called with whether it is replayed whenever that changes.
    """

    every_s = 0.5

    def __init__(self, told: Callable[[bool], None]) -> None:
        self._told, self.replayed = told, False
        self._clock = Markup(_CLOCK, sizing_mode=None, height=24)
        self.panel = self._clock.panel
        self.panel.visible = False

    def refresh(self, source: Source) -> None:
        """Write the market's time."""
        steered = getattr(source, "replay", None) is not None  # then also while it is paused
        now = steered or replayed(source.feeds(), source.asof_ns, time.time_ns())
        if now != self.replayed:
            self.replayed = now
            self.panel.visible = now
            self._told(now)
        if now:
            moment = pd.Timestamp(source.asof_ns, unit="ns").strftime(
                '%d %b <span class="long">%Y </span><b>%H:%M<span class="long">:%S</span></b>'
            )
            over = source.feeds()["state"].eq("ended").all()
            reported = "replay, ended" if over else "replay"
            self._clock.show(
                f'<span class="market" role="timer">{moment} <span class="long">UTC · </span>{reported}</span>'
            )

    def show_failure(self, reason: str) -> None:
        """Say it in place of the time."""
        if reason:
            self._clock.show(f'<span class="market">{escape(reason)}</span>')


def _time(event_ns: int) -> str:
    return pd.Timestamp(event_ns, unit="ns").strftime("%H:%M:%S") if event_ns > 0 else formats.UNKNOWN


def _feed(row: dict[Hashable, Any]) -> str:
    how = mood(str(row["state"]), float(row["age_s"]), float(row["stale_after_s"]))
    counts = "".join(
        f"<span{' class=bad' if row[name] > 0 else ''}>{row[name]:.0f} {name[:-1] if row[name] == 1 else name}</span>"
        for name in ("gaps", "drops")
    )
    detail = f"<span>{escape(str(row['detail']))}</span>" if row["detail"] and how != "live" else ""
    word = _state_word(str(row["state"]), how)
    return (
        f'<span class="feed {how}"><span class="dot"></span><b>{escape(str(row["feed"]))} '
        f'<span class="now">{escape(word)}</span></b>{_age(float(row["age_s"]))}'
        f"<span>{formats.si(float(row['rows_per_s']))} rows/s</span>"
        f"{counts}{detail}</span>"
    )


def _state_word(state: str, how: str) -> str:
    """What a feed says of itself, unless its rows tell otherwise.

    >>> _state_word("live", "stale"), _state_word("live", "live"), _state_word("connecting", "stale")
    ('stale', 'live', 'connecting')
    """
    return how if state == "live" else state


def _age(age_s: float) -> str:
    """An age that the style sheet counts on when the page has lost its server."""
    if not math.isfinite(age_s):
        return f"<span>{formats.age(age_s)} old</span>"
    return f'<span class="age" style="--age: {round(age_s)}"><span class="now">{formats.age(age_s)} old</span></span>'


class FeedTable(View):
    """Every feed with all that is known of it."""

    every_s = 1.0

    def __init__(self) -> None:
        self._table = table_markup()
        self.card = Card("Feeds", self._table.panel, area="feeds")

    def refresh(self, source: Source) -> None:
        """Write the newest states."""
        head = "".join(
            f'<th scope="col"{kind}>{name}</th>'
            for name, kind in (
                ("feed", ""), ("state", ""), ("newest row UTC", ""), ("age", " class=n"), ("stale after", " class=n"), ("rows/s", " class=n"),
                ("gaps", " class=n"), ("newest gap UTC", " class=n"), ("drops", " class=n"), ("recorder behind", " class=n"), ("detail", ""),
            )
        )  # fmt: skip
        gaps = _newest_gaps(source.latest("health"))
        rows = "".join(
            _feed_row(row, gaps.get(str(row["feed"]), 0)) for row in source.feeds().to_dict("records")
        )
        self._table.show(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


def _newest_gaps(health: pd.DataFrame) -> dict[str, int]:
    """When each feed last told of a gap, ns, as far as the events kept go back."""
    gaps = health[(health["event"] == "gap").to_numpy()]
    return dict(zip(gaps["feed"].astype("str"), gaps["event_ns"].to_numpy().tolist(), strict=True))


def _feed_row(row: dict[Hashable, Any], newest_gap_ns: int) -> str:
    how = mood(str(row["state"]), float(row["age_s"]), float(row["stale_after_s"]))
    numbers = (
        formats.age(float(row["age_s"])), formats.age(float(row["stale_after_s"])), formats.si(float(row["rows_per_s"])),
        f"{row['gaps']:.0f}", _time(newest_gap_ns), f"{row['drops']:.0f}", formats.age(float(row["recorder_lag_s"])),
    )  # fmt: skip
    return (
        f'<tr><td class="event">{escape(str(row["feed"]))}</td><td class="{how} state">{_WORDS[how]} {escape(_state_word(str(row["state"]), how))}</td>'
        f"<td>{_time(int(row['newest_ns']))}</td>"
        + "".join(f'<td class="n">{value}</td>' for value in numbers)
        + f"<td>{escape(str(row['detail']))}</td></tr>"
    )


class HealthEvents(View):
    """What was reported: gaps, staleness, drops, failures; the newest first."""

    inputs = ("health",)
    every_s = 0.5
    shown = 100

    def __init__(self) -> None:
        self._table = table_markup()
        self.card = Card("Events", self._table.panel, unit="newest first, 100 at most", area="events")

    def refresh(self, source: Source) -> None:
        """Write the newest events."""
        rows = source.latest("health").iloc[::-1].head(self.shown)
        if not len(rows):
            self._table.show('<p class="none">Nothing reported yet.</p>')
            return
        body = "".join(_event_row(row) for row in rows.to_dict("records"))
        head = "".join(
            f'<th scope="col">{name}</th>'
            for name in ("time UTC", "event", "feed", "channel", "how many", "detail")
        )
        self._table.show(f'<table class="told"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
        bad = int(
            np.isin(rows["event"].astype("str"), ("failed", "gap", "dropped", "stale", "rejected")).sum()
        )
        self.card.say(f"{bad} of {len(rows)} want a look" if bad else "all in order")

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


def _event_row(row: dict[Hashable, Any]) -> str:
    event = str(row["event"])
    how = (
        "failed"
        if event in ("failed", "refused", "rejected")
        else "warn"
        if event in ("gap", "stale", "dropped", "late", "disconnected")
        else ""
    )
    cells = (
        str(row["feed"]),
        str(row["channel"]),
        f"{formats.number(row['count'])} rows" if row["count"] else "",
        str(row["detail"]),
    )
    return (
        f'<tr><td>{_time(int(row["event_ns"]))}</td><td class="event {how}">{escape(event)}</td>'
        + "".join(f"<td>{escape(value)}</td>" for value in cells)
        + "</tr>"
    )
