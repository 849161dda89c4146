"""Accounts of several venues as one feed: polled, normalised, each fill once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from workstation.feeds.binance import account as binance
from workstation.feeds.bybit import account as bybit
from workstation.feeds.deribit import account as deribit
from workstation.feeds.feed import Batch, Capabilities, Feed, Reached, Subscription
from workstation.feeds.okx import account as okx
from workstation.feeds.venue_kit.account_calls import Account, Answer, Wire
from workstation.feeds.venue_kit.account_rows import Reading, Request, Row, Unread, Venue, answer_of, key_of
from workstation.feeds.venue_kit.venue_clock import reached
from workstation.market.errors import FeedError, FrameError, SymbolError, TableError
from workstation.market.instants import DAY_NS, MILLISECOND_NS
from workstation.market.symbology import unified
from workstation.market.tables import INSTRUMENTS, TABLES

VENUES: Mapping[str, Venue] = {
    "deribit": deribit.VENUE,
    "bybit": bybit.VENUE,
    "okx": okx.VENUE,
    "binance": binance.VENUE,
}
CHANNELS = ("positions", "fills", "balances")
PAGES = 50
"""Answers asked for in one poll of one call."""
OVERLAP_MS = 60_000
"""How far before the newest fill the next poll begins; repeats are taken out."""
TELL_AGAIN_S = 600.0
"""How long what cannot be read is not told again while it stays the same."""
WORDS = 300
"""Characters told of one item."""
NAMED = 5
"""Items named in one health row; the others are counted."""
_ORDER = ("frames", "positions", "fills", "balances", "health")
_NOTES = (
    "Not tried on the live venues: calls and answers follow the venues' public documentation and are proved against a local "
    "server. Less certain: the sign of Deribit's funding, the price of OKX's delivery bills and the sign of Binance's option fees. "
    "Bybit's executions tell the position's side only through closedSize, OKX's fills not the margin mode. Binance's futures trades and coin-margined futures are not read; Deribit's delivery fees neither."
)


class _Told(NamedTuple):
    """An answer that was understood as JSON."""

    request: Request
    seen_ns: int
    content: Any


class _Polled:
    """One account: its wire, what is known of it, and when it may be asked again."""

    def __init__(self, account: Account, timeout_s: float, since_ms: int) -> None:
        self.account, self.venue = account, VENUES[account.venue]
        urls = self.venue.urls(account.url) if account.url else None
        self.wire = Wire(account, urls, timeout_s)
        self.reading = Reading(account.venue, account.account)
        self.since_ms = since_ms
        self.not_before = 0.0
        self.held: set[tuple[str, ...]] = set()
        self.said: dict[str, tuple[str, float]] = {}
        """Channel -> what was last told of it, and when."""
        self.seen: set[tuple[Any, ...]] = set()

    @property
    def label(self) -> str:
        """Venue and account in words."""
        return f"{self.account.venue} {self.account.account}".strip()


class Accounts(Feed):
    """Positions, fills and balances of Bybit, Deribit, OKX and Binance accounts, by polling their private REST.

    Parameters
    ----------
    venues
        Venue -> options of ``Account``: ``{"okx": {"api_key": ..., "secret": ..., "password": ..., "account": "main"}}``. Keys need
        no right but reading.
    poll_s
        Between polls.
    lookback_days
        How far back fills are asked for at the start.
    timeout_s
        For each call.

    Raises
    ------
    FeedError
        ``fatal`` for unknown venues or options and refused credentials. A venue that fails otherwise is told in ``health`` and
        asked again, after its Retry-After; only when all fail the feed fails.

    Notes
    -----
    A first poll gives positions before fills: the positions are the start, fills from then on move them, older fills
    count for fees and funding (see ``workstation.portfolio.ledger``). Long and short of one contract, cross and isolated are rows
    of their own; one that is gone comes once more with quantity 0. What cannot be read, an answer or an item of one, costs nothing else:
    it is summed in one ``rejected`` health row per call, again when it changes or after ten minutes; its frame is kept. Not tried on the live venues: see
    ``capabilities.notes``.

    Examples
    --------
    >>> feed = Accounts(venues={"deribit": {"api_key": "key", "secret": "secret"}})
    >>> feed.name, sorted(feed.capabilities.tables)
    ('accounts', ['balances', 'fills', 'frames', 'health', 'positions'])
    """

    name = "accounts"
    capabilities = Capabilities(
        tables=frozenset({"frames", "positions", "fills", "balances", "health"}), notes=_NOTES
    )

    def __init__(
        self,
        venues: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        poll_s: float = 10.0,
        lookback_days: float = 6.0,
        timeout_s: float = 10.0,
    ) -> None:
        if not venues:
            raise FeedError("accounts: give venues={'deribit': {'api_key': ..., 'secret': ...}}", fatal=True)
        unknown = [name for name in venues if name not in VENUES]
        if unknown:
            raise FeedError(f"accounts: no venue {unknown[0]!r}; known are {', '.join(VENUES)}", fatal=True)
        self._accounts = [Account.of(name, options) for name, options in venues.items()]
        self._poll_s, self._timeout_s, self._lookback_days = poll_s, timeout_s, lookback_days
        self._polled: list[_Polled] = []
        self._wanted: set[str] = set()
        self._heard_ns = 0

    async def connect(self) -> None:
        """Make the sessions and prove the credentials with one call each. Raises ``FeedError``."""
        known = {each.label: each for each in self._polled}
        await self.close()
        since_ms = (time.time_ns() - int(self._lookback_days * DAY_NS)) // MILLISECOND_NS
        self._polled = [_Polled(account, self._timeout_s, since_ms) for account in self._accounts]
        for each in self._polled:
            before = known.get(each.label)
            if before is not None:
                each.since_ms, each.held, each.seen = before.since_ms, before.held, before.seen
                each.said = before.said
            first = next(call for call in self._calls(each) if call.channel == "balances")
            await each.wire.ask(first)
            self._heard_ns = time.monotonic_ns()

    async def reach(self) -> list[Reached]:
        """Each account's clock and keys, one private call each."""
        found = []
        for account in self._accounts:
            each = _Polled(account, self._timeout_s, time.time_ns() // 1_000_000)
            answered = await reached(each.label, each.wire.server_ms)
            if answered.ok:
                answered = await self._keys(each, answered)
            await each.wire.close()
            found.append(answered)
        return found

    async def _keys(self, each: _Polled, answered: Reached) -> Reached:
        try:
            await each.wire.ask(next(call for call in self._calls(each) if call.channel == "balances"))
        except FeedError as error:
            advice = "make a read-only key, and allow this address" if error.fatal else "try again"
            return Reached(each.label, False, f"{error}; {advice}")
        return answered._replace(detail=f"{answered.detail}; the key is accepted")

    async def instruments(self) -> pd.DataFrame:
        """None: terms are the market feeds' to tell."""
        return INSTRUMENTS.empty()

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Choose among ``positions``, ``fills`` and ``balances``; none: all."""
        wanted = channels or CHANNELS
        self._wanted |= {name for name in wanted if name in CHANNELS}
        rejected = {
            name: f"no such channel; there are {', '.join(CHANNELS)}"
            for name in wanted
            if name not in CHANNELS
        }
        return Subscription(tuple(name for name in wanted if name in CHANNELS), rejected)

    async def snapshot(self) -> list[Batch]:
        """The first poll. Raises ``FeedError``."""
        return await self._poll()

    async def batches(self) -> AsyncIterator[Batch]:
        """One poll after another. Raises ``FeedError`` when every venue fails, or one refuses the credentials."""
        while True:
            await asyncio.sleep(self._poll_s)
            for batch in await self._poll():
                yield batch

    def heard_ns(self) -> int:
        """When a venue last answered."""
        return self._heard_ns

    async def close(self) -> None:
        """Close all sessions; may be called at any time, more than once."""
        for each in self._polled:
            await each.wire.close()

    # -- inside -------------------------------------------------------------------------------------------

    def _calls(self, each: _Polled) -> list[Request]:
        currencies = each.account.currencies or each.venue.currencies
        return each.venue.requests(currencies, each.since_ms)

    async def _poll(self) -> list[Batch]:
        if not self._polled:
            raise FeedError("accounts are not connected; call connect() first")
        rows: dict[str, list[Row]] = {table: [] for table in _ORDER}
        failures: list[FeedError] = []
        for each in self._polled:
            if time.monotonic() < each.not_before:
                continue
            try:
                await self._poll_one(each, rows)
            except FeedError as error:
                if error.fatal:
                    raise
                each.not_before = time.monotonic() + (error.retry_after or 0.0)
                failures.append(error)
                rows["health"].append(_notice("failed", each.label, str(error)))
        if failures and len(failures) == len(self._polled):
            raise failures[0]
        return [Batch(name, TABLES[name].conform(pd.DataFrame(rows[name]))) for name in _ORDER if rows[name]]

    async def _poll_one(self, each: _Polled, rows: dict[str, list[Row]]) -> None:
        """All calls of one account; its rows are added only when every call was answered."""
        result: dict[str, list[Row]] = {table: [] for table in _ORDER}
        reported: list[_Told] = []
        unread: dict[str, list[Unread]] = {}
        for call in self._calls(each):
            if call.channel in self._wanted:
                await self._pages(each, call, result, reported, unread)
        # positions first: they tell which contracts are held on both sides, which some fills do not
        for answer in sorted(reported, key=lambda one: CHANNELS.index(one.request.channel)):
            self._read(each, answer, result, unread)
        result["fills"] = _fresh(each, result["fills"])
        if "positions" in self._wanted:
            result["positions"] += _gone(each, result["positions"], unread)
        result["health"] += _rejected(each, unread)
        for table, found in result.items():
            rows[table] += found

    async def _pages(
        self,
        each: _Polled,
        call: Request,
        made: dict[str, list[Row]],
        told: list[_Told],
        unread: dict[str, list[Unread]],
    ) -> None:
        """A call and the pages after it."""
        request: Request | None = call
        for _ in range(PAGES):
            if request is None:
                return
            answer = await self._ask(each, request, made)
            try:
                content = answer_of(answer.payload)
                told.append(_Told(request, answer.seen_ns, content))
                for terms in each.venue.terms(request.method, content, each.reading):
                    sizes = await self._ask(each, terms, made)
                    self._read(each, _Told(terms, sizes.seen_ns, answer_of(sizes.payload)), made, unread)
                params = each.venue.more(request.method, content, request.params)
            except FrameError as error:
                unread.setdefault(request.method, []).append(Unread("", str(error)))
                return
            request = None if params is None else request._replace(params=params)
        raise FeedError(f"{each.label}: {call.method} is longer than {PAGES} answers; shorten lookback_days")

    async def _ask(self, each: _Polled, request: Request, made: dict[str, list[Row]]) -> Answer:
        answer = await each.wire.ask(request)
        self._heard_ns = time.monotonic_ns()
        channel = f"{each.account.venue}/{request.method}"
        stamp = {"event_ns": answer.seen_ns, "seen_ns": answer.seen_ns, "feed": self.name}
        made["frames"].append({**stamp, "channel": channel, "payload": answer.payload})
        each.reading.seen_ns = answer.seen_ns
        return answer

    @staticmethod
    def _read(
        each: _Polled, answer: _Told, made: dict[str, list[Row]], unread: dict[str, list[Unread]]
    ) -> None:
        """Rows of an answer; what cannot be read of it goes to ``unread`` by its call."""
        method, reading, aside = (
            answer.request.method,
            each.reading,
            unread.setdefault(answer.request.method, []),
        )
        reading.seen_ns, reading.unread = answer.seen_ns, aside
        try:
            for table, found in each.venue.decoders[method](answer.content, reading).items():
                made[table] += _fitting(table, found, aside)
        except (FrameError, SymbolError) as error:
            aside.append(Unread("", str(error)))


def _fitting(table: str, rows: list[Row], aside: list[Unread]) -> list[Row]:
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
        return _fitting(table, rows[:middle], aside) + _fitting(table, rows[middle:], aside)
    return rows


def _rejected(each: _Polled, unread: Mapping[str, Sequence[Unread]]) -> list[Row]:
    """One health row per call with items that cannot be read, unless the same was reported a short while ago."""
    rows, now = [], time.monotonic()
    for method, items in unread.items():
        if not items:
            each.said.pop(method, None)
            continue
        kinds = list(dict.fromkeys(_in_words(item) for item in items))
        more = f"; and {len(kinds) - NAMED} more kinds" if len(kinds) > NAMED else ""
        detail = f"{len(items)} not read: " + "; ".join(kinds[:NAMED]) + more
        before, at = each.said.get(method, ("", 0.0))
        if before != detail or now - at >= TELL_AGAIN_S:
            each.said[method] = (detail, now)
            rows.append(_notice("rejected", f"{each.label} {method}", detail, len(items)))
    return rows


def _in_words(item: Unread) -> str:
    """What is wrong with an item, its name in front, cut to a length that fits a health row."""
    words = (
        item.problem if not item.symbol or item.symbol in item.problem else f"{item.symbol}: {item.problem}"
    )
    return words if len(words) <= WORDS else f"{words[:WORDS]}..."


def _notice(event: str, channel: str, detail: str, count: int = 1) -> Row:
    now = time.time_ns()
    return {
        "event_ns": now,
        "seen_ns": now,
        "feed": Accounts.name,
        "channel": channel,
        "event": event,
        "count": count,
        "detail": detail,
    }


def _fresh(each: _Polled, fills: list[Row]) -> list[Row]:
    """Fills not given before, by time; the next poll begins shortly before the newest."""
    kept = []
    for fill in sorted(fills, key=lambda row: row["event_ns"]):
        side, mode = fill.get("position_side", ""), fill.get("margin_mode", "")
        key = (fill["instrument"], fill["kind"], fill["side"], fill["fill_id"], side, mode)
        if key not in each.seen:
            each.seen.add(key)
            kept.append(fill)
    if kept:
        each.since_ms = max(each.since_ms, kept[-1]["event_ns"] // MILLISECOND_NS - OVERLAP_MS)
    return kept


def _gone(each: _Polled, positions: list[Row], unread: Mapping[str, Sequence[Unread]]) -> list[Row]:
    """Positions there were at the last poll and are no more, each with quantity 0; what was not read is not gone."""
    now = {key_of(row) for row in positions}
    currencies = each.account.currencies or each.venue.currencies
    asked = {call.method for call in each.venue.requests(currencies, 0) if call.channel == "positions"}
    aside = [item for method in asked for item in unread.get(method, ())]
    names = {_named(item, each.reading.venue) for item in aside}
    kept = {key for key in each.held - now if "" in names or key[0] in names}
    gone = sorted(each.held - now - kept)
    each.held = now | kept
    time_ns = each.reading.seen_ns
    return [
        each.reading.row(time_ns, name)
        | {"quantity": 0.0, "account": account, "position_side": side, "margin_mode": mode}
        for name, account, side, mode in gone
    ]


def _named(item: Unread, venue: str) -> str:
    """The instrument of an item that was not read: empty where it may be any, its own text where it is none of ours."""
    try:
        return unified(item.symbol, venue) if item.symbol else ""
    except SymbolError:
        return item.symbol
