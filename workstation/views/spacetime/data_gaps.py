"""Stretches of time in which nothing was heard: no signal speaks across them, and the screen says so."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workstation.market.tables import NO_TIME
from workstation.views.widgets import formats

_BREAKS = ("gap", "stale", "disconnected")
_MENDED = ("connected", "fresh", "resubscribed", "backfilled")


class DataGap(NamedTuple):
    """One stretch, and why."""

    start_ns: int
    end_ns: int
    words: str
    detail: str
    open: bool = False
    """Whether it goes on."""


def data_gaps(health: pd.DataFrame, instrument: str, venues: frozenset[str], newest_ns: int) -> list[DataGap]:
    """Stretches that concern the trades of one instrument, oldest first.

    Parameters
    ----------
    health
        Rows of the ``health`` table.
    instrument
        Its name.
    venues
        Where it was seen traded: a feed of another venue does not concern it; none known, every feed does.
    newest_ns
        Where a stretch that has not ended is drawn to.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [10**9, 4 * 10**9], "feed": "deribit", "channel": "", "instruments": "",
    ...     "event": ["disconnected", "connected"], "start_ns": NO_TIME, "end_ns": NO_TIME, "detail": "reset by peer"})
    >>> [(made.start_ns // 10**9, made.end_ns // 10**9) for made in data_gaps(rows, "X", frozenset(), 0)]
    [(1, 4)]
    """
    events = health["event"].astype("str").to_numpy()
    if not np.isin(events, _BREAKS).any():
        return []
    rows = health.to_dict("records")
    found = []
    for place in np.flatnonzero(np.isin(events, _BREAKS)).tolist():
        row = rows[place]
        if _concerns(row, instrument, venues):
            start = row["start_ns"] if row["start_ns"] != NO_TIME else row["event_ns"]
            mended = row["end_ns"] if row["end_ns"] != NO_TIME else _end(rows, place)
            end = newest_ns if mended is None else mended
            found.append(_silence(row, int(start), int(max(end, start)), mended is None))
    return _apart(sorted(found))


def _apart(found: list[DataGap]) -> list[DataGap]:
    """Stretches that overlap become one, told in the words of the longest: a venue that is gone is told of again and again."""
    apart: list[DataGap] = []
    for made in found:
        if not apart or made.start_ns > apart[-1].end_ns:
            apart.append(made)
            continue
        last = apart[-1]
        longest = max(last, made, key=lambda one: one.end_ns - one.start_ns)
        apart[-1] = longest._replace(
            start_ns=last.start_ns, end_ns=max(last.end_ns, made.end_ns), open=last.open or made.open
        )
    return apart


def _concerns(row: Mapping[Hashable, Any], instrument: str, venues: frozenset[str]) -> bool:
    channel, feed = str(row["channel"] or "").lower(), str(row["feed"] or "")
    if channel and channel != "nan" and "trade" not in channel:
        return False
    named = str(row["instruments"] or "").strip()
    if named:
        return f" {instrument} " in f" {named} "
    return not venues or not feed or feed in venues


def _end(rows: Sequence[Mapping[Hashable, Any]], place: int) -> int | None:
    """When the feed was heard again, as the hole it tells of ends or it says itself; none: it has not been."""
    if rows[place]["event"] == "gap":
        return int(rows[place]["event_ns"])
    for later in rows[place + 1 :]:
        if later["feed"] != rows[place]["feed"]:
            continue
        if later["event"] == "gap" and later["end_ns"] != NO_TIME:
            return int(later["end_ns"])
        if later["event"] in _MENDED:
            return int(later["event_ns"])
    return None


def _silence(row: Mapping[Hashable, Any], start_ns: int, end_ns: int, goes_on: bool) -> DataGap:
    span = formats.age((end_ns - start_ns) / 1e9) if end_ns > start_ns else ""
    feed, detail = str(row["feed"]), str(row["detail"])
    named = detail if detail.startswith(feed) else f"{feed}: {detail}"
    return DataGap(start_ns, end_ns, f"{row['event']} {span}".strip(), named, goes_on)
