"""The value line: price, net gex, zero gamma and the walls, largest what matters most."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np
import pandas as pd

from workstation.market.instants import DAY_NS, MINUTE_NS
from workstation.market.instruments import REGISTRY
from workstation.market.venues import PUBLIC_DELAY_S
from workstation.views.exposure.snapshot import Snapshot, Snapshots
from workstation.views.state.choice import Choice, instruments
from workstation.views.state.session_cache import shared
from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.value_line import cell, value_line

_BEFORE_ALL = -(1 << 63)
"""A ``seq`` before that of every trade."""
_MOVE_CANDLE_NS = 5 * MINUTE_NS
"""Length of the candles from which the move of a day is read."""
OLD_S = 900.0
"""Marks so much older than the newest of anything are told as old."""


class Headline(View):
    """The value line of the chosen underlying."""

    inputs = ("trades", "priced_chain", "levels")
    every_s = 0.25

    def __init__(self, choice: Choice, snapshots: Snapshots) -> None:
        self.choice, self._snapshots = choice, snapshots
        self._line = value_line()
        self._failure = ""
        self.panel = self._line.panel

    def refresh(self, source: Source) -> None:
        """Write the newest numbers."""
        if not self.choice.underlying:
            self._line.show(
                '<dl class="line"><div class="cell first"><dt>waiting</dt><dd>for the first marks</dd></div></dl>'
            )
            return
        made = self._snapshots.newest(source)
        key = "price", self.choice.underlying, self.choice.instrument
        found = shared(source, key, lambda: self._traded(source), "trades", "candles")
        price, moved, since = found or self._spot(source, made)
        late, tag = _late(source), _tag(source, made)
        cells = [
            cell(
                f"{escape(self.choice.underlying)} price",
                formats.price(price),
                f'<span class="{_role(moved)}">{formats.percent(moved, 2, signed=True)}</span> <span class="by">{since}</span>',
                "first",
            ),
            cell(
                f"Net GEX{_between(made.net_gexes, formats.usd)}",
                formats.usd(made.net_gex, signed=True),
                f'<span class="by">per 1 %</span>{_regime(made)}',
                role="up" if made.net_gex >= 0 else "down",
            ),
            _level(
                f"Zero gamma{_between(made.zero_gammas, formats.number)}",
                made,
                made.zero_gamma,
                "zero",
                made.zero_gamma_reason,
            ),
            _level("Call wall", made, made.call_wall, "up"),
            _level("Put wall", made, made.put_wall, "down"),
            cell(
                "ATM vol",
                formats.percent(made.atm_iv),
                f'<span class="by">day ± {formats.percent(made.daily_sd)}</span>',
                role="axis",
            ),
        ]
        warning = (
            f'<div class="cell"><dt>feeds</dt><dd class="late">{escape(late)}</dd></div>' if late else ""
        )
        if tag:
            warning += f'<div class="note late" role="note">{escape(tag)}</div>'
        self._line.show(
            f'<dl class="line{" stale" if late else ""}">{"".join(cells)}{warning}{self._failure}</dl>'
        )

    def _traded(self, source: Source) -> tuple[float, float, str] | tuple[()]:
        """The newest traded price, its move and since when; nothing where nothing trades."""
        names = instruments(source, self.choice.underlying)
        name = self.choice.instrument or (names[0] if names else "")
        if not name:
            return ()
        _, trades = source.since("trades", name, _BEFORE_ALL, ("price", "event_ns"))
        if not trades["price"].size:
            return ()
        price, now = float(trades["price"][-1]), int(trades["event_ns"][-1])
        before = source.candles(name, _MOVE_CANDLE_NS)
        before = before[(before["event_ns"] > now - DAY_NS - _MOVE_CANDLE_NS) & before["closed"]]
        if not len(before):
            return price, float("nan"), ""
        first = before.iloc[0]
        span = now - int(first["event_ns"])
        since = "24 h" if span >= DAY_NS else f"since {pd.Timestamp(first['event_ns']).strftime('%H:%M')}"
        return price, price / float(first["open"]) - 1.0, since

    def _spot(self, source: Source, made: Snapshot) -> tuple[float, float, str]:
        """Where nothing trades: spot, and its move since the first recorded level of a day."""
        key = "first level of a day", self.choice.underlying
        first = shared(source, key, lambda: _first_level(source, self.choice.underlying), "levels")
        if not first:
            return made.spot, float("nan"), "spot, no trades"
        first_ns, first_spot, newest_spot = first
        spot = made.spot if np.isfinite(made.spot) else newest_spot
        since = f"spot, since {pd.Timestamp(first_ns).strftime('%d %b %H:%M')}"
        return spot, spot / first_spot - 1.0, since

    def show_failure(self, reason: str) -> None:
        """Say it at the end of the line."""
        self._failure = (
            f'<div class="cell"><dt>failed</dt><dd class="late">{escape(reason)}</dd></div>' if reason else ""
        )
        if reason:
            self._line.show(f'<dl class="line">{self._failure}</dl>')


def _first_level(source: Source, underlying: str) -> tuple[int, float, float] | tuple[()]:
    """Time and spot of the first recorded level of the last 24 h, and the newest spot; nothing without one."""
    rows = source.latest("levels")
    rows = rows[((rows["underlying"] == underlying) & np.isfinite(rows["spot"])).to_numpy()]
    if not len(rows):
        return ()
    times, spots = rows["event_ns"].to_numpy(), rows["spot"].to_numpy()
    first = int(np.searchsorted(times, times[-1] - DAY_NS))
    return int(times[first]), float(spots[first]), float(spots[-1])


def _level(name: str, made: Snapshot, level: float, role: str, reason: str = "") -> str:
    if not np.isfinite(level):
        return cell(name, formats.UNKNOWN, f'<span class="by">{escape(reason)}</span>', role=role)
    share, deviations = made.distance(level)
    by = f"{formats.percent(share, signed=True)} {formats.sd(deviations)}"
    return cell(name, formats.number(level), f'<span class="by">{by}</span>', role=role)


def _between(ends: tuple[float, float], write: Callable[[float], str]) -> str:
    """What the sign models together allow, beside a number's name; nothing where they agree."""
    low, high = ends
    if not (np.isfinite(low) and high - low > 1e-5 * abs(low)):
        return ""
    return f' <span class="band" title="lowest and highest over the sign models">{write(low)} … {write(high)}</span>'


def _regime(made: Snapshot) -> str:
    if not np.isfinite(made.net_gex):
        return ""
    return (
        '<span class="tag up">▲ damps moves</span>'
        if made.net_gex >= 0
        else '<span class="tag down">▼ feeds moves</span>'
    )


def _role(value: float) -> str:
    return "up" if value > 0 else "down" if value < 0 else "by"


def _tag(source: Source, made: Snapshot) -> str:
    """What must be known of the data before the numbers are believed: delayed by its venue, or of another time."""
    venues: set[str] = shared(
        source, ("venues", made.underlying), lambda: _quoted_at(source, made.underlying), "quotes"
    )
    words = [
        f"{venue.capitalize()} quotes, {formats.age(late_s)} delayed"
        for venue, late_s in PUBLIC_DELAY_S.items()
        if venue in venues
    ]
    behind_s = (source.asof_ns - made.marks_ns) / 1e9
    if made.marks_ns and behind_s > OLD_S:
        words.append(
            f"marks of {pd.Timestamp(made.marks_ns).strftime('%d %b %Y %H:%M')} UTC, {formats.age(behind_s)} old"
        )
    return ", ".join(words)


def _quoted_at(source: Source, instrument: str) -> set[str]:
    """Venues of an instrument's newest quote."""
    quotes = source.latest("quotes")
    ours = quotes[quotes["instrument"].array.codes == REGISTRY.find(instrument)]
    newest = ours["event_ns"].to_numpy() == ours["event_ns"].max()
    return set(ours["venue"].to_numpy()[newest].tolist())


def _late(source: Source) -> str:
    """Feeds that are behind or gone, in words; made once of what the desk published."""
    feeds = source.feeds()
    _, told = shared(source, ("late", id(feeds)), lambda: (feeds, _told_late(feeds)))
    return str(told)


def _told_late(feeds: pd.DataFrame) -> str:
    feeds = feeds[feeds["state"] != "ended"]
    late = feeds[
        (feeds["age_s"] > feeds["stale_after_s"]) | feeds["state"].isin(["stale", "failed", "disconnected"])
    ]
    return ", ".join(
        f"{row['feed']} {row['state']} {formats.age(float(row['age_s']))}" for row in late.to_dict("records")
    )
