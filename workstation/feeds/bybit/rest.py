"""What the feed asks Bybit's REST for: instruments, the present state, the newest prints."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workstation.feeds.bybit import messages
from workstation.feeds.bybit.wire import category_of
from workstation.feeds.venue_kit.columns import MILLISECOND
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.rest_calls import RestCalls
from workstation.market.errors import FeedError

INSTRUMENTS, TICKERS, TRADES = "instruments-info", "tickers", "recent-trade"
_METHODS = {
    INSTRUMENTS: "publicGetV5MarketInstrumentsInfo",
    TICKERS: "publicGetV5MarketTickers",
    TRADES: "publicGetV5MarketRecentTrade",
}
PAGE, PAGES = 1_000, 20
NEWEST = {"spot": 60}
"""Prints the venue gives at most; 1 000 of the other categories."""
SPOT_QUOTES = ("USDT", "USDC")
_LISTED = msgspec.json.Decoder(messages.Listed, strict=False)


class _Past(msgspec.Struct):
    time: int


class _PastList(msgspec.Struct):
    prints: list[_Past] = msgspec.field(name="list")


class _PastAnswer(msgspec.Struct):
    result: _PastList


_PAST = msgspec.json.Decoder(_PastAnswer, strict=False)


async def ask(rest: RestCalls, call: str, **params: str | int) -> RawFrame:
    """One answer. Raises ``FeedError``."""
    return await rest.get(_METHODS[call], f"v5/market/{call}", **params)


async def listings(rest: RestCalls, categories: Sequence[str], coins: Sequence[str]) -> list[RawFrame]:
    """Instruments of every category and coin, page by page. Raises ``FeedError``."""
    answers: list[RawFrame] = []
    for category in categories:
        for coin in coins:
            if category == "spot":
                answers += [
                    await ask(rest, INSTRUMENTS, category=category, symbol=f"{coin}{quote}")
                    for quote in SPOT_QUOTES
                ]
            else:
                answers += await _pages(rest, category, coin)
    return answers


async def _pages(rest: RestCalls, category: str, coin: str) -> list[RawFrame]:
    answers: list[RawFrame] = []
    params: dict[str, str | int] = {"category": category, "baseCoin": coin, "limit": PAGE}
    for _ in range(PAGES):
        answer = await ask(rest, INSTRUMENTS, **params)
        answers.append(answer)
        try:
            page = _LISTED.decode(answer.payload.replace(b':""', b":null")).result
        except msgspec.DecodeError as error:
            raise FeedError(f"bybit: {answer.channel} cannot be read: {error}") from error
        if not page.nextPageCursor or not page.listings or page.nextPageCursor == params.get("cursor"):
            return answers
        params["cursor"] = page.nextPageCursor
    raise FeedError(f"bybit: the list of {category} {coin} is longer than {PAGES} answers of {PAGE}")


async def state(rest: RestCalls, coins: Sequence[str], symbols: Sequence[tuple[str, str]]) -> list[RawFrame]:
    """Tickers: one answer per coin's options, one per other symbol. Raises ``FeedError``."""
    answers = []
    if any(category == "option" for _, category in symbols):
        answers += [await ask(rest, TICKERS, category="option", baseCoin=coin) for coin in coins]
    answers += [
        await ask(rest, TICKERS, category=category, symbol=symbol)
        for symbol, category in symbols
        if category != "option"
    ]
    return answers


async def newest(rest: RestCalls, channel: str) -> RawFrame:
    """The newest prints of a channel of prints. Raises ``FeedError``."""
    category, topic = category_of(channel)
    what = topic.removeprefix("publicTrade.")
    key = "baseCoin" if category == "option" else "symbol"
    return await ask(rest, TRADES, category=category, **{key: what}, limit=NEWEST.get(category, PAGE))


def whole_since_ns(answer: RawFrame) -> int:
    """Since when an answer holds every print, ns; 0 when it is not full, so that nothing older was cut off."""
    most = NEWEST["spot"] if "category=spot" in answer.channel else PAGE
    try:
        prints = _PAST.decode(answer.payload).result.prints
    except msgspec.DecodeError as error:
        raise FeedError(f"bybit: {answer.channel} cannot be read: {error}") from error
    return min(each.time for each in prints) * MILLISECOND if len(prints) >= most else 0
