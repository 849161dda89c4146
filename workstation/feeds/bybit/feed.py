"""Bybit as a feed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from workstation.feeds.bybit import rest
from workstation.feeds.bybit.books import Books
from workstation.feeds.bybit.decode import decode
from workstation.feeds.bybit.names import CATEGORIES
from workstation.feeds.bybit.wire import Wire, category_of
from workstation.feeds.feed import Batch, Capabilities, Gap
from workstation.feeds.venue_kit.frame_queue import Drained, RawFrame
from workstation.feeds.venue_kit.health_rows import Row
from workstation.feeds.venue_kit.missing_prints import MissingPrints
from workstation.feeds.venue_kit.order_book import OrderBook
from workstation.feeds.venue_kit.public_feed import PublicFeed, base_urls, each_ended
from workstation.feeds.venue_kit.rest_calls import RestCalls
from workstation.market.errors import FeedError

_URLS = {"rest": "https://api.bybit.com", "ws": "wss://stream.bybit.com/v5/public"}
_TABLES = frozenset({"frames", "trades", "quotes", "marks", "instruments", "liquidations", "health"})
_NOTES = (
    "Not tried on the live venue: written after its documentation and recorded messages, and tested against a local server. "
    "Options' quotes come as marks (tickers); books deeper than one level are followed (`book`) and make no rows. The venue numbers no print "
    "without holes: every audit_s the newest prints are asked for by REST and compared by trade id. Its REST gives the newest "
    "1 000 prints (60 of spot): a longer hole is told as lost. Funding is kept raw: no table carries it."
)


class Bybit(PublicFeed[RestCalls]):
    """Options, perpetuals, dated futures and spot of Bybit: prints, tickers, quotes and liquidations of whole chains.

    Channels are ``category/topic``, topics as the venue writes them: ``option/publicTrade.BTC``, ``linear/orderbook.1.BTCUSDT``.

    Parameters
    ----------
    coins
        Base coins.
    categories
        ``option``, ``linear`` (USDT and USDC contracts), ``inverse`` (coin-settled), ``spot``.
    urls
        ``{"rest": "http://127.0.0.1:1234", "ws": "ws://127.0.0.1:1234/v5/public"}``; none: the venue's.
    tickers
        Whether every option's ticker is subscribed; False: prints and one snapshot by REST.
    audit_s
        How often prints are compared with REST; 0 never.
    keepalive_s
        Interval of pings; two unanswered ones end a socket.
    timeout_s
        For connecting and for each request.
    capacity
        Frames of prints, and of states, that may wait for a slow consumer.
    pace_s
        How long frames gather into one batch.

    Raises
    ------
    FeedError
        From ``batches`` when a socket is lost, from the rest when the venue refuses.

    Notes
    -----
    Sizes are in underlying units: options and linear contracts are counted in coins, inverse ones in USD and divided by their
    price. Not tried on the live venue: see ``capabilities.notes``. Of the wire it assumes, from the documentation: 300 topics a request,
    options answering with ``failTopics``, ``allLiquidation`` telling the side of the position, ``orderbook.1`` always being whole.

    Examples
    --------
    >>> feed = Bybit(coins=("BTC",))
    >>> feed.name, feed.capabilities.backfill
    ('bybit', True)
    """

    name = "bybit"
    capabilities = Capabilities(tables=_TABLES, backfill=True, notes=_NOTES)

    def __init__(
        self,
        coins: Sequence[str] = ("BTC", "ETH"),
        urls: Mapping[str, str] | None = None,
        *,
        categories: Sequence[str] = ("option", "linear", "inverse"),
        tickers: bool = True,
        audit_s: float = 30.0,
        keepalive_s: float = 10.0,
        timeout_s: float = 10.0,
        capacity: int = 20_000,
        pace_s: float = 0.02,
    ) -> None:
        unknown = [name for name in categories if name not in CATEGORIES]
        if unknown:
            raise ValueError(f"categories are of {', '.join(CATEGORIES)}, got {unknown[0]!r}")
        self._coins, self._categories, self._tickers = tuple(coins), tuple(categories), tickers
        self._audit_s, self._keepalive_s = audit_s, keepalive_s
        own = base_urls(urls, _URLS)
        self._ws = own["ws"]
        calls = RestCalls(
            "bybit", {"public": own["rest"], "private": own["rest"]} if urls else None, timeout_s
        )
        super().__init__(
            calls, decode, is_print=_is_print, prints_in=_prints_in, capacity=capacity, pace_s=pace_s,
            timeout_s=timeout_s,
        )  # fmt: skip
        self._missing, self._books = MissingPrints(), Books()
        self._audits: list[asyncio.Task[None]] = []

    def _opened(self, on_lost: Callable[[str], None]) -> Wire:
        return Wire(self._ws, on_frame=self._put, on_lost=on_lost, keepalive_s=self._keepalive_s)

    async def close(self) -> None:
        """Close sockets and sessions; may be called at any time, more than once."""
        audits, self._audits = self._audits, []
        await each_ended(audits)
        await super().close()

    async def _list(self) -> list[RawFrame]:
        return await rest.listings(self._rest, self._categories, self._coins)

    def _default_channels(self) -> list[str]:
        channels = (
            [f"option/publicTrade.{coin}" for coin in self._coins] if "option" in self._categories else []
        )
        for symbol, category in self._symbols():
            if category == "option":
                channels += [f"option/tickers.{symbol}"] if self._tickers else []
                continue
            first = ["publicTrade", "tickers", "orderbook.1"]
            first += [] if category == "spot" else ["allLiquidation"]
            channels += [f"{category}/{each}.{symbol}" for each in first]
        return channels

    def _symbols(self) -> list[tuple[str, str]]:
        """Symbol and category of every instrument listed."""
        rows = self._instruments
        kinds, inverse = rows["kind"].astype("str"), rows["inverse"].to_numpy()
        return [
            (symbol, kind if kind in ("option", "spot") else "inverse" if coin else "linear")
            for symbol, kind, coin in zip(rows["venue_symbol"], kinds, inverse, strict=True)
        ]

    async def _ask_for(self, channels: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        wire = self._connected
        assert isinstance(wire, Wire)
        topics: dict[str, list[str]] = {}
        granted: list[str] = []
        refused: dict[str, str] = {}
        for channel in channels:
            try:
                category, topic = category_of(channel)
                topics.setdefault(category, []).append(topic)
            except FeedError as error:
                refused[channel] = str(error)
        for category, wanted in topics.items():
            took, left = await wire.subscribe_to(category, wanted, self._timeout_s)
            granted += [f"{category}/{topic}" for topic in took]
            refused |= {f"{category}/{topic}": reason for topic, reason in left.items()}
        prints = [channel for channel in granted if _is_print(channel)]
        self._missing.forget()
        self._books.forget()
        if self._audit_s > 0 and prints:
            self._audits.append(asyncio.create_task(self._audit(prints)))
        return granted, refused

    async def _state(self) -> list[RawFrame]:
        return await rest.state(self._rest, self._coins, self._symbols())

    async def _missed(self, gap: Gap) -> tuple[list[RawFrame], int]:
        channels = [gap.channel] if gap.channel else self._accepted
        answers = [await rest.newest(self._rest, channel) for channel in channels if _is_print(channel)]
        return answers, max((rest.whole_since_ns(answer) for answer in answers), default=0)

    def _read(self, drained: Drained) -> list[Batch]:
        for missed in self._books.follow(drained.frames):
            detail = f"u {missed.expected} did not come before {missed.came}: the book is asked for anew"
            gap = self._health.row(
                "gap", time_ns=missed.seen_ns, channel=missed.channel, count=1, detail=detail
            )
            self._told.append(gap)
            self._audits.append(asyncio.create_task(self._anew(missed.channel)))
        return super()._read(drained)

    async def _anew(self, channel: str) -> None:
        wire = self._connected
        assert isinstance(wire, Wire)
        try:
            await wire.anew(channel, self._timeout_s)
        except FeedError as error:
            self._tell(self._health.row("refused", time_ns=_now(), channel=channel, detail=str(error)))

    def book(self, channel: str) -> OrderBook:
        """The book of a subscribed channel ``category/orderbook.{depth}.{symbol}``, as far as its frames were read."""
        return self._books.of(channel)

    def _heed(self, trades: pd.DataFrame) -> list[Row]:
        if self._audit_s > 0:
            self._missing.take(trades)
        return []

    async def _audit(self, channels: Sequence[str]) -> None:
        """Ask for the newest prints now and then; those that were not pushed open a gap."""
        while True:
            await asyncio.sleep(self._audit_s)
            for channel in channels:
                try:
                    answer = await rest.newest(self._rest, channel)
                except FeedError as error:
                    self._tell(
                        self._health.row("refused", time_ns=_now(), channel=channel, detail=f"audit: {error}")
                    )
                    continue
                for table, frame in self._decode(self._health.frames([answer])):
                    if table == "trades":
                        self._announce(channel, self._missing.compared(channel, frame), answer.seen_ns)

    def _announce(self, channel: str, missing: pd.DataFrame, seen_ns: int) -> None:
        if not len(missing):
            return
        times = missing["event_ns"]
        gap = Gap(channel, "", 0, 0, int(times.min()), int(times.max()))
        self._gaps.append(gap)
        self._tell(self._health.gap(gap, seen_ns, lost=len(missing)))

    def _tell(self, row: Row) -> None:
        self._told.append(row)
        self._queue.wake()


def _now() -> int:
    return int(pd.Timestamp.now("UTC").value)


def _is_print(channel: str) -> bool:
    return "/publicTrade." in channel


def _prints_in(payload: bytes) -> int:
    return payload.count(b'"S":"')
