"""What the feed asks OKX's REST for: instruments, the present state, prints that were missed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workstation.feeds.feed import Gap
from workstation.feeds.venue_kit.columns import MILLISECOND
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.rest_calls import RestCalls
from workstation.market.errors import FeedError
from workstation.market.symbology import venue_symbol

PAGE, PAGES = 100, 50
"""Prints of one answer, and answers asked for to fill one gap."""
_METHODS = {
    "public/instruments": "publicGetPublicInstruments",
    "public/option-trades": "publicGetPublicOptionTrades",
    "market/history-trades": "publicGetMarketHistoryTrades",
    "market/tickers": "publicGetMarketTickers",
    "market/ticker": "publicGetMarketTicker",
    "public/opt-summary": "publicGetPublicOptSummary",
    "public/mark-price": "publicGetPublicMarkPrice",
    "public/open-interest": "publicGetPublicOpenInterest",
    "market/index-tickers": "publicGetMarketIndexTickers",
}
SPOT_QUOTES = ("USDT", "USDC")


class _Past(msgspec.Struct):
    tradeId: int
    ts: int


class _PastAnswer(msgspec.Struct):
    data: list[_Past]


_PAST = msgspec.json.Decoder(_PastAnswer, strict=False)


async def ask(rest: RestCalls, call: str, **params: str | int) -> RawFrame:
    """One answer. Raises ``FeedError``."""
    return await rest.get(_METHODS[call], f"api/v5/{call}", **params)


async def listings(rest: RestCalls, kinds: Sequence[str], coins: Sequence[str]) -> list[RawFrame]:
    """Instruments: options by family, swaps and futures whole (liquidations name them all), spot by pair. Raises ``FeedError``."""
    answers = []
    for kind in kinds:
        if kind == "OPTION":
            answers += [
                await ask(rest, "public/instruments", instType=kind, instFamily=f"{coin}-USD")
                for coin in coins
            ]
        elif kind == "SPOT":
            pairs = [f"{coin}-{quote}" for coin in coins for quote in SPOT_QUOTES]
            answers += [await ask(rest, "public/instruments", instType=kind, instId=pair) for pair in pairs]
        else:
            answers.append(await ask(rest, "public/instruments", instType=kind))
    return answers


async def state(
    rest: RestCalls, kinds: Sequence[str], coins: Sequence[str], pairs: Sequence[str]
) -> list[RawFrame]:
    """Tickers, marks, open interest and vols, whole families at once; the indices. Raises ``FeedError``."""
    answers = []
    for kind in kinds:
        if kind == "SPOT":
            answers += [await ask(rest, "market/ticker", instId=pair) for pair in pairs]
            continue
        families = [f"{coin}-USD" for coin in coins]
        families += [f"{coin}-USDT" for coin in coins] if kind != "OPTION" else []
        for family in families:
            for call in ("market/tickers", "public/mark-price", "public/open-interest"):
                answers.append(await ask(rest, call, instType=kind, instFamily=family))
            if kind == "OPTION":
                answers.append(await ask(rest, "public/opt-summary", instFamily=family))
    return answers + [await ask(rest, "market/index-tickers", instId=f"{coin}-USD") for coin in coins]


async def missed(rest: RestCalls, gap: Gap, channels: Sequence[str]) -> tuple[list[RawFrame], int]:
    """Prints of a gap, newest first, page by page: by trade id when it names an instrument, else by time.

    Returns the answers, and since when (ns) they are whole; 0: from the start of the gap. Raises ``FeedError``.
    """
    if gap.instrument and gap.last_missing:
        symbol = venue_symbol(gap.instrument, "okx")
        return await _pages(rest, symbol, 1, gap.last_missing + 1, gap.first_missing)
    answers: list[RawFrame] = []
    whole_since_ns = 0
    for channel in channels:
        first, _, what = channel.partition("/")
        if first == "option-trades":
            answer = await ask(rest, "public/option-trades", instFamily=what)
            prints = _read(answer)
            since = min(each.ts for each in prints) * MILLISECOND if len(prints) >= PAGE else 0
            answers.append(answer)
        elif first in ("trades", "trades-all"):
            end_ms = -(-gap.end_ns // MILLISECOND) + 2_000
            found, since = await _pages(rest, what, 2, end_ms, gap.start_ns // MILLISECOND)
            answers += found
        else:
            continue
        whole_since_ns = max(whole_since_ns, since)
    return answers, whole_since_ns


async def _pages(rest: RestCalls, symbol: str, by: int, after: int, until: int) -> tuple[list[RawFrame], int]:
    """Answers from ``after`` (not included) back to ``until``; ``by`` 1 counts trade ids, 2 milliseconds."""
    answers: list[RawFrame] = []
    oldest_ms = 0
    for _ in range(PAGES):
        answer = await ask(rest, "market/history-trades", instId=symbol, type=by, after=after, limit=PAGE)
        prints = _read(answer)
        answers.append(answer)
        if not prints:
            return answers, 0
        oldest = min(each.tradeId if by == 1 else each.ts for each in prints)
        oldest_ms = min(each.ts for each in prints)
        if oldest <= until or len(prints) < PAGE:
            return answers, 0
        after = min(oldest, after - 1)
    return answers, oldest_ms * MILLISECOND


def _read(answer: RawFrame) -> list[_Past]:
    try:
        return _PAST.decode(answer.payload).data
    except msgspec.DecodeError as error:
        raise FeedError(f"okx: {answer.channel} cannot be read: {error}") from error
