"""Accounts of several venues as one feed: polled, normalised, each fill once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pandas as pd

from workstation.feeds.binance import account as binance
from workstation.feeds.bybit import account as bybit
from workstation.feeds.deribit import account as deribit
from workstation.feeds.feed import Batch, Capabilities, Feed, Subscription
from workstation.feeds.okx import account as okx
from workstation.feeds.venue_kit.account_calls import Account, Answer, Wire
from workstation.feeds.venue_kit.account_rows import Reading, Request, Row, Venue, answer_of
from workstation.market.errors import FeedError, FrameError, SymbolError
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
_ORDER = ("frames", "positions", "fills", "balances", "health")
_NOTES = (
    "Not tried on the live venues: calls and answers follow the venues' public documentation and are proved against a local "
    "server. Less certain: the sign of Deribit's funding, the price of OKX's delivery bills and the sign of Binance's option fees. "
    "Binance's futures trades and coin-margined futures are not read; Deribit's delivery fees neither."
)


class _Polled:
    """One account: its wire, what is known of it, and when it may be asked again."""

    def __init__(self, account: Account, timeout_s: float, since_ms: int) -> None:
        self.account, self.venue = account, VENUES[account.venue]
        urls = self.venue.urls(account.url) if account.url else None
        self.wire = Wire(account, urls, timeout_s)
        self.reading = Reading(account.venue, account.account)
        self.since_ms = since_ms
        self.not_before = 0.0
        self.held: set[str] = set()
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
    count for fees and funding (see ``workstation.portfolio.ledger``). A position that is gone comes once more with quantity
    0. An answer that cannot be read is a ``rejected`` health row; its frame is kept. Not tried on the live venues: see
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
        since_ms = time.time_ns() // 1_000_000 - int(self._lookback_days * 86_400_000)
        self._polled = [_Polled(account, self._timeout_s, since_ms) for account in self._accounts]
        for each in self._polled:
            before = known.get(each.label)
            if before is not None:
                each.since_ms, each.held, each.seen = before.since_ms, before.held, before.seen
            first = next(call for call in self._calls(each) if call.channel == "balances")
            await each.wire.ask(first)
            self._heard_ns = time.monotonic_ns()

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
        made: dict[str, list[Row]] = {table: [] for table in _ORDER}
        told_all = True
        for call in self._calls(each):
            if call.channel in self._wanted:
                told_all &= await self._pages(each, call, made)
        made["fills"] = _fresh(each, made["fills"])
        if "positions" in self._wanted and told_all:
            made["positions"] += _gone(each, made["positions"])
        for table, found in made.items():
            rows[table] += found

    async def _pages(self, each: _Polled, call: Request, made: dict[str, list[Row]]) -> bool:
        """A call and the pages after it; whether all of it could be read."""
        request: Request | None = call
        for _ in range(PAGES):
            if request is None:
                return True
            answer = await self._ask(each, request, made)
            try:
                told = answer_of(answer.payload)
                for terms in each.venue.terms(request.method, told, each.reading):
                    self._read(each, terms, answer_of((await self._ask(each, terms, made)).payload), made)
                self._read(each, request, told, made)
                params = each.venue.more(request.method, told, request.params)
            except (FrameError, SymbolError, KeyError, TypeError, AttributeError, IndexError) as error:
                made["health"].append(
                    _notice("rejected", f"{each.label} {request.method}", f"{type(error).__name__}: {error}")
                )
                return False
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
    def _read(each: _Polled, request: Request, told: Any, made: dict[str, list[Row]]) -> None:
        for table, found in each.venue.decoders[request.method](told, each.reading).items():
            made[table] += found


def _notice(event: str, channel: str, detail: str) -> Row:
    now = time.time_ns()
    return {
        "event_ns": now,
        "seen_ns": now,
        "feed": Accounts.name,
        "channel": channel,
        "event": event,
        "count": 1,
        "detail": detail,
    }


def _fresh(each: _Polled, fills: list[Row]) -> list[Row]:
    """Fills not given before, by time; the next poll begins shortly before the newest."""
    kept = []
    for fill in sorted(fills, key=lambda row: row["event_ns"]):
        key = (fill["instrument"], fill["kind"], fill["side"], fill["fill_id"])
        if key not in each.seen:
            each.seen.add(key)
            kept.append(fill)
    if kept:
        each.since_ms = max(each.since_ms, kept[-1]["event_ns"] // 1_000_000 - OVERLAP_MS)
    return kept


def _gone(each: _Polled, positions: list[Row]) -> list[Row]:
    """Positions there were at the last poll and are no more, with quantity 0."""
    now = {row["instrument"] for row in positions}
    gone = sorted(each.held - now)
    each.held = now
    time_ns = each.reading.seen_ns
    return [each.reading.row(time_ns, name) | {"quantity": 0.0} for name in gone]
