"""What is known of one account: positions held, fills given, what was told; from polls and from pushed changes alike."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pandas as pd

from workstation.feeds.venue_kit.account_rows import Reading, Row, Rows, Unread, key_of
from workstation.market.errors import SymbolError, TableError
from workstation.market.instants import MILLISECOND_NS
from workstation.market.symbology import unified
from workstation.market.tables import TABLES

OVERLAP_MS = 60_000
"""How far before the newest fill the next poll begins; repeats are taken out."""
TELL_AGAIN_S = 600.0
"""How long what cannot be read is not told again while it stays the same."""
WORDS = 300
"""Characters told of one item."""
NAMED = 5
"""Items named in one health row; the others are counted."""
_PRINTS = ("trade", "liquidation")

Key = tuple[str, ...]


class AccountState:
    """One account's state.

    Parameters
    ----------
    feed, label
        Named in health rows.
    reading
        The account's decoding state.
    since_ms
        From when on fills are asked for.
    """

    def __init__(self, feed: str, label: str, reading: Reading, since_ms: int) -> None:
        self.reading, self.label, self.since_ms = reading, label, since_ms
        self._feed = feed
        self._held: set[Key] = set()
        self._seen: set[Key] = set()
        self._said: dict[str, tuple[str, float]] = {}
        self._pushed: set[Key] = set()

    def fresh(self, fills: Sequence[Row]) -> list[Row]:
        """Fills not given before, by time, each known by the venue's trade id."""
        kept = []
        for fill in sorted(fills, key=lambda row: row["event_ns"]):
            key = _fill_key(fill)
            if key not in self._seen:
                self._seen.add(key)
                kept.append(fill)
        return kept

    def polled(self, rows: Rows, unread: Mapping[str, Sequence[Unread]], methods: set[str] | None) -> None:
        """Take a poll's rows, changed in place: fills once, positions less what was pushed since, and those that are gone.

        Parameters
        ----------
        rows
            By table.
        unread
            Method -> items that could not be read.
        methods
            The calls that tell positions; None: they were not asked for.
        """
        rows["fills"] = self.fresh(rows["fills"])
        if rows["fills"]:
            newest = rows["fills"][-1]["event_ns"] // MILLISECOND_NS - OVERLAP_MS
            self.since_ms = max(self.since_ms, newest)
        rows["balances"] = [row for row in rows["balances"] if _balance_key(row) not in self._pushed]
        rows["positions"] = [row for row in rows["positions"] if key_of(row) not in self._pushed]
        if methods is not None:
            rows["positions"] += self._gone(rows["positions"], unread, methods)
        rows["health"] += self.rejected(unread)

    def begin_poll(self) -> None:
        """From now on pushed positions and balances are newer than what the poll will say of them."""
        self._pushed.clear()

    def pushed(self, rows: Rows) -> Rows:
        """Take pushed changes; the rows that are new."""
        rows = {table: found for table, found in rows.items() if found}
        if "fills" in rows:
            rows["fills"] = self.fresh(rows["fills"])
        for row in rows.get("positions", ()):
            (self._held.add if row["quantity"] else self._held.discard)(key_of(row))
            self._pushed.add(key_of(row))
        self._pushed |= {_balance_key(row) for row in rows.get("balances", ())}
        return rows

    def rejected(self, unread: Mapping[str, Sequence[Unread]]) -> list[Row]:
        """One health row per call with items that cannot be read, unless the same was reported a short while ago."""
        rows, now = [], time.monotonic()
        for method, items in unread.items():
            if not items:
                self._said.pop(method, None)
                continue
            kinds = list(dict.fromkeys(_in_words(item) for item in items))
            more = f"; and {len(kinds) - NAMED} more kinds" if len(kinds) > NAMED else ""
            detail = f"{len(items)} not read: " + "; ".join(kinds[:NAMED]) + more
            before, at = self._said.get(method, ("", 0.0))
            if before != detail or now - at >= TELL_AGAIN_S:
                self._said[method] = (detail, now)
                rows.append(notice(self._feed, "rejected", f"{self.label} {method}", detail, len(items)))
        return rows

    def _gone(
        self, positions: Sequence[Row], unread: Mapping[str, Sequence[Unread]], methods: set[str]
    ) -> list[Row]:
        """Positions there were before and are no more, each with quantity 0; what was not read is not gone."""
        now = {key_of(row) for row in positions}
        aside = [item for method in methods for item in unread.get(method, ())]
        names = {_named(item, self.reading.venue) for item in aside}
        kept = {key for key in self._held - now if "" in names or key[0] in names or key in self._pushed}
        gone = sorted(self._held - now - kept)
        self._held = now | kept
        return [
            self.reading.row(self.reading.seen_ns, name)
            | {"quantity": 0.0, "account": account, "position_side": side, "margin_mode": mode}
            for name, account, side, mode in gone
        ]


def fitting(table: str, rows: list[Row], aside: list[Unread]) -> list[Row]:
    """Rows the table takes; each of the others is set aside."""
    if not rows:
        return rows
    try:
        TABLES[table].conform(pd.DataFrame(rows))
    except TableError as error:
        if len(rows) == 1:
            aside.append(Unread(str(rows[0].get("instrument", "")), str(error)))
            return []
        middle = len(rows) // 2
        return fitting(table, rows[:middle], aside) + fitting(table, rows[middle:], aside)
    return rows


def notice(feed: str, event: str, channel: str, detail: str, count: int = 1) -> Row:
    """A row of ``health``."""
    now = time.time_ns()
    return {
        "event_ns": now, "seen_ns": now, "feed": feed, "channel": channel, "event": event, "count": count, "detail": detail,
    }  # fmt: skip


def _fill_key(fill: Row) -> Key:
    """What names a fill: a print by the venue's trade id, whether or not it was told with its side and margin mode."""
    kind = fill["kind"]
    if kind in _PRINTS:
        return (fill["instrument"], "print", fill["side"], fill["fill_id"])
    side, mode = fill.get("position_side", ""), fill.get("margin_mode", "")
    return (fill["instrument"], kind, fill["side"], fill["fill_id"], side, mode)


def _balance_key(row: Row) -> Key:
    return ("", row["account"], row["currency"])


def _in_words(item: Unread) -> str:
    """What is wrong with an item, its name in front, cut to a length that fits a health row."""
    words = (
        item.problem if not item.symbol or item.symbol in item.problem else f"{item.symbol}: {item.problem}"
    )
    return words if len(words) <= WORDS else f"{words[:WORDS]}..."


def _named(item: Unread, venue: str) -> str:
    """The instrument of an item that was not read: empty where it may be any, its own text where it is none of ours."""
    try:
        return unified(item.symbol, venue) if item.symbol else ""
    except SymbolError:
        return item.symbol
