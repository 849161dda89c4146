"""What the feed asks Binance's REST for: instruments, the present state, prints that were missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from workstation.feeds.binance import messages
from workstation.feeds.feed import Gap
from workstation.feeds.venue_kit.columns import MILLISECOND
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.rest_calls import RestCalls
from workstation.market.errors import FeedError
from workstation.market.symbology import parse, venue_symbol

PAGE, PAGES, OPTION_PAGE = 1_000, 50, 500
"""Prints of one answer, answers asked for to fill one gap, prints of one answer about an option."""
QUOTES = ("USDT", "USDC")
_METHODS = {
    "eapi/v1/exchangeInfo": "eapiPublicGetExchangeInfo",
    "eapi/v1/mark": "eapiPublicGetMark",
    "eapi/v1/ticker": "eapiPublicGetTicker",
    "eapi/v1/openInterest": "eapiPublicGetOpenInterest",
    "eapi/v1/trades": "eapiPublicGetTrades",
    "fapi/v1/exchangeInfo": "fapiPublicGetExchangeInfo",
    "fapi/v1/premiumIndex": "fapiPublicGetPremiumIndex",
    "fapi/v1/openInterest": "fapiPublicGetOpenInterest",
    "fapi/v1/ticker/bookTicker": "fapiPublicGetTickerBookTicker",
    "fapi/v1/aggTrades": "fapiPublicGetAggTrades",
    "api/v3/exchangeInfo": "publicGetExchangeInfo",
    "api/v3/ticker/bookTicker": "publicGetTickerBookTicker",
    "api/v3/aggTrades": "publicGetAggTrades",
}
_PAST = msgspec.json.Decoder(list[messages.AggregateTrade], strict=False)
_PAST_OPTIONS = msgspec.json.Decoder(list[messages.PastOptionTrade], strict=False)
_DAYS = msgspec.json.Decoder(list[messages.OptionDay], strict=False)
_TRADES = {"market": "fapi/v1/aggTrades", "spot": "api/v3/aggTrades"}


async def ask(rest: RestCalls, call: str, **params: str | int) -> RawFrame:
    """One answer. Raises ``FeedError``."""
    return await rest.get(_METHODS[call], call, **params)


async def listings(rest: RestCalls, kinds: Sequence[str], coins: Sequence[str]) -> list[RawFrame]:
    """Instruments: options and futures whole, spot by pair. Raises ``FeedError``."""
    answers = []
    if "option" in kinds:
        answers.append(await ask(rest, "eapi/v1/exchangeInfo"))
    if "future" in kinds:
        answers.append(await ask(rest, "fapi/v1/exchangeInfo"))
    if "spot" in kinds:
        answers += [
            await ask(rest, "api/v3/exchangeInfo", symbol=f"{coin}{quote}")
            for coin in coins
            for quote in QUOTES
        ]
    return answers


async def state(rest: RestCalls, symbols: Iterable[tuple[str, str]]) -> list[RawFrame]:
    """Marks and tickers of all options at once, mark and best bid and offer of each other symbol. Raises ``FeedError``."""
    kinds = dict(symbols)
    answers = []
    if "option" in kinds.values():
        answers += [await ask(rest, call) for call in ("eapi/v1/mark", "eapi/v1/ticker")]
    for symbol, kind in kinds.items():
        if kind == "spot":
            answers.append(await ask(rest, "api/v3/ticker/bookTicker", symbol=symbol))
        elif kind != "option":
            answers += [
                await ask(rest, call, symbol=symbol)
                for call in ("fapi/v1/premiumIndex", "fapi/v1/ticker/bookTicker")
            ]
    return answers


async def interests(rest: RestCalls, symbols: Iterable[tuple[str, str]]) -> list[RawFrame]:
    """Open interest: one answer per coin and expiry of options, one per future. Raises ``FeedError``."""
    wanted: dict[tuple[str, str], None] = {}
    answers = []
    for symbol, kind in symbols:
        if kind == "option":
            coin, expiry, *_ = symbol.split("-")
            wanted[coin, expiry] = None
        elif kind != "spot":
            answers.append(await ask(rest, "fapi/v1/openInterest", symbol=symbol))
    return answers + [
        await ask(rest, "eapi/v1/openInterest", underlyingAsset=coin, expiration=expiry)
        for coin, expiry in wanted
    ]


async def missed(rest: RestCalls, gap: Gap, channels: Sequence[str]) -> tuple[list[RawFrame], int]:
    """Prints of a gap: by number when it names an instrument, else by time.

    Returns the answers, and since when (ns) they are whole; 0: from the start of the gap. Raises ``FeedError``.
    """
    if gap.instrument and gap.last_missing:
        kind = parse(gap.instrument).kind
        if kind == "option":
            return await _option(rest, venue_symbol(gap.instrument, "binance"), gap.first_missing, 0)
        symbol = venue_symbol(gap.instrument, "binance_spot" if kind == "spot" else "binance")
        call = _TRADES["spot" if kind == "spot" else "market"]
        return await _pages(rest, call, symbol, gap.last_missing, fromId=gap.first_missing), 0
    answers: list[RawFrame] = []
    whole_since_ns = 0
    for channel in channels:
        door, _, stream = channel.partition("/")
        symbol, _, what = stream.partition("@")
        if what == "optionTrade":
            found, since = await _options(rest, symbol.upper(), gap.start_ns // MILLISECOND)
            answers += found
            whole_since_ns = max(whole_since_ns, since)
        elif what == "aggTrade" and door in _TRADES:
            start, end = gap.start_ns // MILLISECOND, -(-gap.end_ns // MILLISECOND) + 2_000
            answers += await _pages(rest, _TRADES[door], symbol.upper(), end, startTime=start, endTime=end)
    return answers, whole_since_ns


async def _options(rest: RestCalls, underlying: str, start_ms: int) -> tuple[list[RawFrame], int]:
    """Prints of the options of an underlying that have printed since: the day's statistics tell which."""
    days = await ask(rest, "eapi/v1/ticker")
    try:
        told = _DAYS.decode(days.payload)
    except msgspec.DecodeError as error:
        raise FeedError(f"binance: {days.channel} cannot be read: {error}") from error
    coin = underlying.removesuffix("USDT")
    answers: list[RawFrame] = []
    whole_since_ns = 0
    for day in told:
        if day.tradeCount and day.closeTime >= start_ms and day.symbol.startswith(f"{coin}-"):
            found, since = await _option(rest, day.symbol, 0, start_ms)
            answers += found
            whole_since_ns = max(whole_since_ns, since)
    return answers, whole_since_ns


async def _option(rest: RestCalls, symbol: str, first: int, start_ms: int) -> tuple[list[RawFrame], int]:
    """The newest prints of one option; since when they are whole where they do not reach back to a number or a time."""
    answer = await ask(rest, "eapi/v1/trades", symbol=symbol, limit=OPTION_PAGE)
    try:
        prints = _PAST_OPTIONS.decode(answer.payload)
    except msgspec.DecodeError as error:
        raise FeedError(f"binance: {answer.channel} cannot be read: {error}") from error
    oldest = min(prints, key=lambda each: each.id, default=None)
    reached = (
        oldest is None
        or len(prints) < OPTION_PAGE
        or (oldest.id <= first if first else oldest.time <= start_ms)
    )
    return [answer], 0 if reached or oldest is None else oldest.time * MILLISECOND


async def _pages(rest: RestCalls, call: str, symbol: str, until: int, **since: int) -> list[RawFrame]:
    """Prints from a number or a time on, oldest first, until a number or a time."""
    answers: list[RawFrame] = []
    params = dict(since)
    by_time = "startTime" in since
    for _ in range(PAGES):
        answer = await ask(rest, call, symbol=symbol, **params, limit=PAGE)
        answers.append(answer)
        try:
            prints = _PAST.decode(answer.payload)
        except msgspec.DecodeError as error:
            raise FeedError(f"binance: {answer.channel} cannot be read: {error}") from error
        if len(prints) < PAGE or (prints[-1].T if by_time else prints[-1].a) >= until:
            return answers
        params = {"fromId": prints[-1].a + 1}
    raise FeedError(f"binance: {call} of {symbol} is longer than {PAGES} answers of {PAGE} prints")
