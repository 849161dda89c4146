"""Binance as a feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from workstation.feeds.binance import rest
from workstation.feeds.binance.decode import decode
from workstation.feeds.binance.wire import AGE_S, Wire, door_of
from workstation.feeds.feed import Capabilities, Gap
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.public_feed import PublicFeed, base_urls, each_ended
from workstation.feeds.venue_kit.rest_calls import RestCalls
from workstation.market.errors import FeedError, SymbolError
from workstation.market.symbology import parse, venue_symbol

_URLS = {
    "eapi": "https://eapi.binance.com/eapi/v1",
    "fapi": "https://fapi.binance.com/fapi/v1",
    "api": "https://api.binance.com/api/v3",
    "public": "wss://fstream.binance.com/public/stream",
    "market": "wss://fstream.binance.com/market/stream",
    "spot": "wss://stream.binance.com:9443/stream",
}
_KINDS = ("option", "future", "spot")
_TABLES = frozenset({"frames", "trades", "quotes", "marks", "instruments", "liquidations", "health"})
_NOTES = (
    "Not tried on the live venue: written after its documentation and recorded messages, and tested against a local server. "
    "Options' quotes come as marks (optionMarkPrice) without forwards; books deeper than the best level are kept raw only; open "
    "interest is asked for by REST. Coin-margined futures are not read. REST gives the newest 500 prints of an option: a longer hole is "
    "told as lost. Funding is kept raw: no table carries it."
)


class Binance(PublicFeed[RestCalls]):
    """Options, USD-margined perpetuals and dated futures, and spot of Binance: prints, marks, quotes, liquidations, open interest.

    Channels are ``door/stream``, streams as the venue writes them: ``public/btcusdt@optionTrade``, ``market/btcusdt@optionMarkPrice``,
    ``public/btcusdt@bookTicker`` (futures), ``spot/btcusdt@aggTrade``.

    Parameters
    ----------
    coins
        Base coins; contracts and pairs of USDT and USDC.
    kinds
        ``option``, ``future`` (perpetuals too), ``spot``.
    urls
        Addresses by name instead of the venue's: ``eapi``, ``fapi``, ``api`` (REST), ``public``, ``market``, ``spot`` (sockets).
    tickers
        Whether last and volume of options are subscribed, by expiry.
    interest_s
        How often open interest is asked for; 0 once only.
    keepalive_s
        Interval of pings; two unanswered ones end a socket.
    timeout_s
        For connecting and for each request.
    age_s
        When a socket is replaced; the venue closes it at 24 h.
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
    An option's contract is ``unit`` coins and its prices are the contract's: sizes leave in coins, prices per coin, by the units the venue's
    list tells. Every hole in an instrument's trade ids becomes a ``gap`` row and an open gap for ``backfill``. The venue grants streams of
    instruments that do not exist: these are refused here, by its list. Not tried on the live venue: see ``capabilities.notes``. Of the wire it
    assumes, from the documentation: trade ids without holes, five requests a second, ``closeTime`` of a day's statistics being that of the last print.

    Examples
    --------
    >>> feed = Binance(coins=("BTC",), kinds=("option",))
    >>> feed.name, feed.capabilities.backfill
    ('binance', True)
    """

    name = "binance"
    capabilities = Capabilities(tables=_TABLES, backfill=True, notes=_NOTES)
    sequence_key: ClassVar[str] = "trade id"

    def __init__(
        self,
        coins: Sequence[str] = ("BTC", "ETH"),
        urls: Mapping[str, str] | None = None,
        *,
        kinds: Sequence[str] = ("option", "future"),
        tickers: bool = True,
        interest_s: float = 60.0,
        keepalive_s: float = 10.0,
        timeout_s: float = 10.0,
        age_s: float = AGE_S,
        capacity: int = 20_000,
        pace_s: float = 0.02,
    ) -> None:
        unknown = [name for name in kinds if name not in _KINDS]
        if unknown:
            raise ValueError(f"kinds are of {', '.join(_KINDS)}, got {unknown[0]!r}")
        self._coins, self._kinds, self._tickers = tuple(coins), tuple(kinds), tickers
        self._interest_s, self._keepalive_s, self._age_s = interest_s, keepalive_s, age_s
        own = base_urls(urls, _URLS)
        self._doors = {door: own[door] for door in ("public", "market", "spot")}
        api = {"eapiPublic": own["eapi"], "fapiPublic": own["fapi"], "public": own["api"]}
        super().__init__(
            RestCalls("binance", api if urls else None, timeout_s), decode, is_print=_is_print, prints_in=_prints_in,
            capacity=capacity, pace_s=pace_s, timeout_s=timeout_s,
        )  # fmt: skip
        self._polls: list[asyncio.Task[None]] = []

    def _opened(self, on_lost: Callable[[str], None]) -> Wire:
        return Wire(
            self._doors, on_frame=self._put, on_lost=on_lost, keepalive_s=self._keepalive_s,
            timeout_s=self._timeout_s, age_s=self._age_s,
        )  # fmt: skip

    async def close(self) -> None:
        """Close sockets and sessions; may be called at any time, more than once."""
        polls, self._polls = self._polls, []
        await each_ended(polls)
        await super().close()

    async def _list(self) -> list[RawFrame]:
        return await rest.listings(self._rest, self._kinds, self._coins)

    def _listed_symbols(self) -> list[tuple[str, str]]:
        """Symbol and kind of the instruments of the coins asked for, quoted in USDT or USDC."""
        rows = self._instruments
        wanted = rows["underlying"].astype("str").isin(self._coins)
        wanted &= rows["settle_currency"].astype("str").isin(rest.QUOTES)
        return list(zip(rows["venue_symbol"][wanted], rows["kind"].astype("str")[wanted], strict=True))

    def _default_channels(self) -> list[str]:
        channels: dict[str, None] = {}
        for symbol, kind in self._listed_symbols():
            low = symbol.lower()
            if kind == "option":
                coin, expiry, *_ = low.split("-")
                found = [f"public/{coin}usdt@optionTrade", f"market/{coin}usdt@optionMarkPrice"]
                found += [f"public/{coin}usdt@optionTicker@{expiry}"] if self._tickers else []
            elif kind == "spot":
                found = [f"spot/{low}@aggTrade", f"spot/{low}@bookTicker"]
            else:
                found = [f"market/{low}@{each}" for each in ("aggTrade", "markPrice@1s", "forceOrder")]
                found.append(f"public/{low}@bookTicker")
            channels |= dict.fromkeys(found)
        return list(channels)

    async def _ask_for(self, channels: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        wire = self._connected
        assert isinstance(wire, Wire)
        if not len(self._instruments):
            await self.instruments()
        streams: dict[str, list[str]] = {}
        granted: list[str] = []
        refused: dict[str, str] = {}
        known = self._subjects()
        for channel in channels:
            try:
                door, stream = door_of(channel)
            except FeedError as error:
                refused[channel] = str(error)
                continue
            subject = stream.partition("@")[0]
            if subject.startswith("!") or (door == "spot", subject) in known:
                streams.setdefault(door, []).append(stream)
            else:
                refused[channel] = f"{subject} is not in the venue's list of instruments"
        for door, wanted in streams.items():
            took, left = await wire.subscribe_to(door, wanted)
            granted += [f"{door}/{stream}" for stream in took]
            refused |= {f"{door}/{stream}": reason for stream, reason in left.items()}
        if granted and not self._polls:
            self._polls.append(asyncio.create_task(self._poll()))
        return granted, refused

    def _subjects(self) -> set[tuple[bool, str]]:
        """Whether spot, and the symbol (of options also the underlying), of every instrument listed."""
        rows = self._instruments
        found = set()
        for symbol, kind in zip(rows["venue_symbol"], rows["kind"].astype("str"), strict=True):
            found.add((kind == "spot", symbol.lower()))
            if kind == "option":
                found.add((False, f"{symbol.partition('-')[0].lower()}usdt"))
        return found

    async def _state(self) -> list[RawFrame]:
        symbols = self._listed_symbols()
        return await rest.state(self._rest, symbols) + await rest.interests(self._rest, symbols)

    async def _missed(self, gap: Gap) -> tuple[list[RawFrame], int]:
        return await rest.missed(self._rest, gap, [gap.channel] if gap.channel else self._accepted)

    async def _poll(self) -> None:
        """Ask for open interest now and then; the answers are frames like others."""
        while self._interest_s > 0:
            await asyncio.sleep(self._interest_s)
            try:
                answers = await rest.interests(self._rest, self._listed_symbols())
            except FeedError as error:
                detail = f"open interest: {error}"
                self._told.append(self._health.row("refused", time_ns=time.time_ns(), detail=detail))
                self._queue.wake()
                continue
            for answer in answers:
                self._put(answer.channel, answer.payload, answer.seen_ns)

    def _channel_of(self, instrument: str) -> str:
        try:
            terms = parse(instrument)
            if terms.kind == "option":
                return f"public/{terms.root.lower()}usdt@optionTrade"
            grammar, door = ("binance_spot", "spot") if terms.kind == "spot" else ("binance", "market")
            return f"{door}/{venue_symbol(instrument, grammar).lower()}@aggTrade"
        except SymbolError:
            return "trades"


def _is_print(channel: str) -> bool:
    return channel.endswith(("@optionTrade", "@aggTrade", "@trade"))


def _prints_in(payload: bytes) -> int:
    return payload.count(b'"T":')
