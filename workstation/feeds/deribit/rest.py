"""What the feed asks Deribit's REST for: instruments, the present state, prints that were missed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from workstation.feeds.deribit import messages
from workstation.feeds.deribit.wire import Wire
from workstation.feeds.feed import Gap
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.market.errors import FeedError
from workstation.market.instants import MILLISECOND_NS
from workstation.market.symbology import venue_symbol

PAGE = 1_000
"""Prints of one answer, the most the venue gives."""
PAGES = 100
"""Answers asked for to fill one gap."""
_PAST = msgspec.json.Decoder(messages.PastTrades)
_LISTED = msgspec.json.Decoder(messages.Listings)


async def ask(wire: Wire, method: str, **params: Any) -> RawFrame:
    """One answer. Raises ``FeedError``."""
    path, payload = await wire.answer(method, params)
    return RawFrame(time.time_ns(), path, payload)


async def listings(
    wire: Wire, currencies: Sequence[str], kinds: Sequence[str]
) -> tuple[list[RawFrame], list[messages.Listing]]:
    """Instruments of every currency and kind, as answered and read. Raises ``FeedError``."""
    answers: list[RawFrame] = []
    found: list[messages.Listing] = []
    for currency in currencies:
        for kind in kinds:
            answer = await ask(wire, "get_instruments", currency=currency, kind=kind, expired="false")
            try:
                found += _LISTED.decode(answer.payload).result
            except msgspec.DecodeError as error:
                raise FeedError(f"deribit: {answer.channel} cannot be read: {error}") from error
            answers.append(answer)
    return answers, found


async def state(
    wire: Wire, currencies: Sequence[str], kinds: Sequence[str], tickers: Sequence[str]
) -> list[RawFrame]:
    """Book summaries of every currency and kind, and the tickers named. Raises ``FeedError``."""
    answers = [
        await ask(wire, "get_book_summary_by_currency", currency=currency, kind=kind)
        for currency in currencies
        for kind in kinds
    ]
    return answers + [await ask(wire, "ticker", instrument_name=name) for name in tickers]


async def missed(
    wire: Wire, gap: Gap, currencies: Sequence[str], kinds: Sequence[str]
) -> AsyncIterator[RawFrame]:
    """Prints of a gap, oldest first, page by page: by trade_seq when it names an instrument, else by time.

    Raises ``FeedError`` when the venue refuses, or when the gap is longer than ``PAGES`` answers.
    """
    if gap.instrument and gap.last_missing:
        name = venue_symbol(gap.instrument, "deribit")
        by_seq = {"instrument_name": name, "start_seq": gap.first_missing, "end_seq": gap.last_missing}
        async for answer in _pages(wire, "get_last_trades_by_instrument", by_seq, "start_seq"):
            yield answer
        return
    times = {
        "start_timestamp": gap.start_ns // MILLISECOND_NS,
        "end_timestamp": -(-gap.end_ns // MILLISECOND_NS),
    }
    name = venue_symbol(gap.instrument, "deribit") if gap.instrument else ""
    for method, params in _streams(name, gap.channel, currencies, kinds):
        async for answer in _pages(wire, method, {**params, **times}, "start_timestamp"):
            yield answer


def _streams(
    name: str, channel: str, currencies: Sequence[str], kinds: Sequence[str]
) -> list[tuple[str, dict[str, str]]]:
    """Method and parameters that give the prints of an instrument or a channel; none for channels of no prints."""
    first, *parts = channel.split(".")
    if not name and first == "trades" and len(parts) == 2:
        name = parts[0]
    if name:
        return [("get_last_trades_by_instrument_and_time", {"instrument_name": name})]
    chains = [(kind, currency) for currency in currencies for kind in kinds]
    if channel:
        chains = [(parts[0], parts[1])] if first == "trades" and len(parts) == 3 else []
    return [
        ("get_last_trades_by_currency_and_time", {"currency": currency, "kind": kind})
        for kind, currency in chains
    ]


async def _pages(wire: Wire, method: str, params: Mapping[str, Any], start: str) -> AsyncIterator[RawFrame]:
    asked = dict(params)
    for _ in range(PAGES):
        answer = await ask(wire, method, **asked, count=PAGE, sorting="asc")
        yield answer
        try:
            page = _PAST.decode(answer.payload).result
        except msgspec.DecodeError as error:
            raise FeedError(f"deribit: {answer.channel} cannot be read: {error}") from error
        if not page.has_more or not page.trades:
            return
        newest = page.trades[-1]
        after = newest.trade_seq + 1 if start == "start_seq" else newest.timestamp
        if after <= asked[start]:
            after = asked[start] + 1
        asked[start] = after
    raise FeedError(f"deribit: {method} from {params[start]} is longer than {PAGES} answers of {PAGE} prints")
