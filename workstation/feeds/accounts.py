"""Accounts of several venues as one feed: followed by their private sockets and polled by REST, each fill once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from workstation.feeds.binance import account as binance
from workstation.feeds.binance import private as binance_private
from workstation.feeds.bybit import account as bybit
from workstation.feeds.bybit import private as bybit_private
from workstation.feeds.deribit import account as deribit
from workstation.feeds.deribit import private as deribit_private
from workstation.feeds.feed import Batch, Capabilities, Feed, Reached, Subscription
from workstation.feeds.okx import account as okx
from workstation.feeds.okx import private as okx_private
from workstation.feeds.venue_kit.account_calls import Account, Answer, Wire
from workstation.feeds.venue_kit.account_rows import Reading, Request, Rows, Unread, Venue, answer_of
from workstation.feeds.venue_kit.account_state import AccountState, fitting, notice
from workstation.feeds.venue_kit.private_socket import Stream
from workstation.feeds.venue_kit.private_stream import Frame, PrivateStream, Turn
from workstation.feeds.venue_kit.venue_clock import reached
from workstation.market.errors import FeedError, FrameError, SymbolError
from workstation.market.instants import DAY_NS, MILLISECOND_NS
from workstation.market.tables import INSTRUMENTS, TABLES

VENUES: Mapping[str, Venue] = {
    "deribit": deribit.VENUE,
    "bybit": bybit.VENUE,
    "okx": okx.VENUE,
    "binance": binance.VENUE,
}
STREAMS: Mapping[str, Stream] = {
    "deribit": deribit_private.STREAM,
    "bybit": bybit_private.STREAM,
    "okx": okx_private.STREAM,
    "binance": binance_private.STREAM,
}
CHANNELS = ("positions", "fills", "balances")
PAGES = 50
"""Answers asked for in one poll of one call."""
AGAIN_S = 1.0
"""Least time between two polls of an account that messages ask for."""
KEEPALIVE_S = 15.0
"""Between two pings of a private socket."""
_ORDER = ("frames", "positions", "fills", "balances", "health")
_NOTES = (
    "Not tried on the live venues: calls, logins and messages follow the venues' public documentation and are proved against a local "
    "server. Less certain: the sign of Deribit's funding, the price of OKX's delivery bills, the sign of Binance's option fees and the fields of its "
    "options' BALANCE_POSITION_UPDATE. Bybit's executions tell the position's side only through closedSize, OKX's fills not the margin mode. "
    "Binance's coin-margined futures are not read; Deribit's delivery fees neither."
)


class _Told(NamedTuple):
    """An answer that was understood as JSON."""

    request: Request
    seen_ns: int
    content: Any


class _Polled:
    """One account: its wire, its private stream, what is known of it, and when it may be asked again."""

    def __init__(self, account: Account, timeout_s: float, since_ms: int) -> None:
        self.account, self.venue = account, VENUES[account.venue]
        self.label = f"{account.venue} {account.account}".strip()
        urls = self.venue.urls(account.url) if account.url else None
        self.wire = Wire(account, urls, timeout_s)
        self.reading = Reading(account.venue, account.account)
        self.state = AccountState(Accounts.name, self.label, self.reading, since_ms)
        self.stream: PrivateStream | None = None
        self.not_before = 0.0
        self.due = False
        """Whether something happened that REST has to tell."""

    def followed(self, timeout_s: float, wake: Callable[[], None]) -> PrivateStream:
        """Its private stream, not begun yet."""
        make = partial(
            STREAMS[self.account.venue].socket,
            self.account,
            self.wire,
            timeout_s=timeout_s,
            keepalive_s=KEEPALIVE_S,
        )
        self.stream = PrivateStream(make, wake)
        return self.stream


class Accounts(Feed):
    """Positions, fills and balances of Bybit, Deribit, OKX and Binance accounts, by their private sockets and REST.

    Parameters
    ----------
    venues
        Venue -> options of ``Account``: ``{"okx": {"api_key": ..., "secret": ..., "password": ..., "account": "main"}}``. Keys need
        no right but reading.
    poll_s
        Between polls.
    live
        Whether the private sockets are opened too; False: the accounts are polled alone.
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
    A socket tells at once what changed; every login, and what a message does not tell whole, is followed by a poll, so that nothing of a
    gap is missing, and the poll on its timer holds both together. A fill is known by the venue's trade id, whichever way it came. A socket that
    is refused or lost is told in ``health`` and opened again with a growing wait; three that were ended right after their login are told
    as another session of the same key. Secrets, listen keys and tokens are in no row, error or repr.
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
        live: bool = True,
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
        self._live = live
        self._polled: list[_Polled] = []
        self._wanted: set[str] = set()
        self._heard_ns = 0
        self._woken, self._due = asyncio.Event(), asyncio.Event()

    async def connect(self) -> None:
        """Make the sessions and prove the credentials with one call each. Raises ``FeedError``."""
        known = {each.label: each for each in self._polled}
        await self.close()
        since_ms = (time.time_ns() - int(self._lookback_days * DAY_NS)) // MILLISECOND_NS
        self._polled = [_Polled(account, self._timeout_s, since_ms) for account in self._accounts]
        for each in self._polled:
            before = known.get(each.label)
            if before is not None:
                each.state, each.reading = before.state, before.reading
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
        return await self._poll(self._polled)

    async def batches(self) -> AsyncIterator[Batch]:
        """What is pushed, and one poll after another. Raises ``FeedError`` when every venue fails, or one refuses the credentials."""
        polls: asyncio.Queue[list[Batch]] = asyncio.Queue(maxsize=1)
        polling = asyncio.create_task(self._polling(polls))
        polling.add_done_callback(lambda _: self._woken.set())
        if self._live:
            for each in self._polled:
                each.followed(self._timeout_s, self._woken.set).begin()
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                for batch in self._pushed():
                    yield batch
                while not polls.empty():
                    for batch in polls.get_nowait():
                        yield batch
                if polling.done():
                    polling.result()
        finally:
            polling.cancel()
            await asyncio.wait([polling])
            await self._unfollow()

    def heard_ns(self) -> int:
        """When a venue last answered."""
        return self._heard_ns

    async def close(self) -> None:
        """Close all sessions; may be called at any time, more than once."""
        await self._unfollow()
        for each in self._polled:
            await each.wire.close()

    # -- private sockets ------------------------------------------------------------------------------------

    async def _unfollow(self) -> None:
        for each in self._polled:
            if each.stream is not None:
                await each.stream.end()

    def _pushed(self) -> list[Batch]:
        """Rows of what the private sockets brought."""
        rows: Rows = {table: [] for table in _ORDER}
        for each in self._polled:
            stream = each.stream
            while stream is not None and stream.items:
                item = stream.items.popleft()
                if isinstance(item, Turn):
                    rows["health"].append(notice(self.name, item.event, f"{each.label} private", item.detail))
                    each.due |= item.event in ("connected", "resubscribed")
                else:
                    self._heard_ns = time.monotonic_ns()
                    self._change(each, item, rows)
            if stream is not None and stream.dropped:
                lost, stream.dropped, each.due = stream.dropped, 0, True
                detail = f"slow consumer: {lost} messages found no place; the account is read again by REST"
                rows["health"].append(notice(self.name, "dropped", f"{each.label} private", detail, lost))
        if any(each.due for each in self._polled):
            self._due.set()
        return _batches(rows)

    def _change(self, each: _Polled, frame: Frame, rows: Rows) -> None:
        """Rows of one pushed frame; what cannot be read of it is told and read again by REST."""
        stamp = {"event_ns": frame.seen_ns, "seen_ns": frame.seen_ns, "feed": self.name}
        channel = f"{each.account.venue}/private/{frame.topic}"
        rows["frames"].append({**stamp, "channel": channel, "payload": frame.payload})
        aside: list[Unread] = []
        each.reading.seen_ns, each.reading.unread = frame.seen_ns, aside
        try:
            message = answer_of(frame.payload)
            changes = STREAMS[each.account.venue].decode(frame.topic, message, each.reading)
            each.due |= changes.again
            wanted = {
                table: fitting(table, found, aside)
                for table, found in changes.rows.items()
                if table in self._wanted
            }
            for table, found in each.state.pushed(wanted).items():
                rows[table] += found
        except (FrameError, SymbolError) as error:
            aside.append(Unread("", str(error)))
        each.due |= bool(aside)
        if aside:
            rows["health"] += each.state.rejected({f"private/{frame.topic}": aside})

    # -- REST -----------------------------------------------------------------------------------------------

    async def _polling(self, polls: asyncio.Queue[list[Batch]]) -> None:
        """Poll on the timer, and an account at once that is due. Raises ``FeedError``."""
        next_s, last_s = time.monotonic() + self._poll_s, 0.0
        while True:
            try:
                await asyncio.wait_for(self._due.wait(), max(0.0, next_s - time.monotonic()))
            except TimeoutError:
                asked, next_s = self._polled, time.monotonic() + self._poll_s
            else:
                asked = [each for each in self._polled if each.due]
                await asyncio.sleep(max(0.0, last_s + AGAIN_S - time.monotonic()))
                last_s = time.monotonic()
            self._due.clear()
            await polls.put(await self._poll(asked))
            self._woken.set()

    def _calls(self, each: _Polled) -> list[Request]:
        currencies = each.account.currencies or each.venue.currencies
        return each.venue.requests(currencies, each.state.since_ms)

    async def _poll(self, asked: Sequence[_Polled]) -> list[Batch]:
        if not self._polled:
            raise FeedError("accounts are not connected; call connect() first")
        rows: Rows = {table: [] for table in _ORDER}
        failures: list[FeedError] = []
        for each in asked:
            if time.monotonic() < each.not_before:
                continue
            try:
                await self._poll_one(each, rows)
            except FeedError as error:
                if error.fatal:
                    raise
                each.not_before = time.monotonic() + (error.retry_after or 0.0)
                failures.append(error)
                rows["health"].append(notice(self.name, "failed", each.label, str(error)))
        if failures and len(failures) == len(self._polled):
            raise failures[0]
        return _batches(rows)

    async def _poll_one(self, each: _Polled, rows: Rows) -> None:
        """All calls of one account; its rows are added only when every call was answered."""
        result: Rows = {table: [] for table in _ORDER}
        answers: list[_Told] = []
        unread: dict[str, list[Unread]] = {}
        each.due = False
        each.state.begin_poll()
        calls = self._calls(each)
        for call in calls:
            if call.channel in self._wanted:
                await self._pages(each, call, result, answers, unread)
        # positions first: they tell which contracts are held on both sides, which some fills do not
        for answer in sorted(answers, key=lambda one: CHANNELS.index(one.request.channel)):
            self._read(each, answer, result, unread)
        methods = {call.method for call in calls if call.channel == "positions"}
        each.state.polled(result, unread, methods if "positions" in self._wanted else None)
        for table, found in result.items():
            rows[table] += found

    async def _pages(
        self,
        each: _Polled,
        call: Request,
        made: Rows,
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
                    if terms.channel != "terms":
                        await self._pages(each, terms, made, told, unread)
                        continue
                    sizes = await self._ask(each, terms, made)
                    self._read(each, _Told(terms, sizes.seen_ns, answer_of(sizes.payload)), made, unread)
                params = each.venue.more(request.method, content, request.params)
            except FrameError as error:
                unread.setdefault(request.method, []).append(Unread("", str(error)))
                return
            request = None if params is None else request._replace(params=params)
        raise FeedError(f"{each.label}: {call.method} is longer than {PAGES} answers; shorten lookback_days")

    async def _ask(self, each: _Polled, request: Request, made: Rows) -> Answer:
        answer = await each.wire.ask(request)
        self._heard_ns = time.monotonic_ns()
        channel = f"{each.account.venue}/{request.method}"
        stamp = {"event_ns": answer.seen_ns, "seen_ns": answer.seen_ns, "feed": self.name}
        made["frames"].append({**stamp, "channel": channel, "payload": answer.payload})
        each.reading.seen_ns = answer.seen_ns
        return answer

    @staticmethod
    def _read(each: _Polled, answer: _Told, made: Rows, unread: dict[str, list[Unread]]) -> None:
        """Rows of an answer; what cannot be read of it goes to ``unread`` by its call."""
        method, reading, aside = (
            answer.request.method,
            each.reading,
            unread.setdefault(answer.request.method, []),
        )
        reading.seen_ns, reading.unread = answer.seen_ns, aside
        try:
            for table, found in each.venue.decoders[method](answer.content, reading).items():
                made[table] += fitting(table, found, aside)
        except (FrameError, SymbolError) as error:
            aside.append(Unread("", str(error)))


def _batches(rows: Rows) -> list[Batch]:
    return [Batch(name, TABLES[name].conform(pd.DataFrame(rows[name]))) for name in _ORDER if rows[name]]
