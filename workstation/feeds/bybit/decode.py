"""Bybit's raw frames -> batches of tables. Pure: the rows depend on the frames alone.

A frame's channel is ``category/topic`` (``option/publicTrade.BTC``): the topic alone does not tell spot from linear contracts. What cannot
be read becomes a ``rejected`` row of ``health`` and costs no neighbour; an error of the venue a ``refused`` one; answers, pongs
and topics of ``KEPT_RAW`` become no row.
"""

from __future__ import annotations

from functools import lru_cache, partial

import msgspec
import numpy as np
import pandas as pd

from workstation.feeds.bybit import messages, rows
from workstation.feeds.bybit.names import CATEGORIES, DERIVATIVES, check_delivery, table_of
from workstation.feeds.feed import Batch
from workstation.feeds.venue_kit.columns import nanoseconds
from workstation.feeds.venue_kit.frame_decoding import (
    FrameDecoder,
    Group,
    Kind,
    Part,
    Refusal,
    Rejection,
    set_aside,
)
from workstation.feeds.venue_kit.frame_reading import message, told_name
from workstation.feeds.venue_kit.symbol_table import SymbolTable
from workstation.market.errors import FrameError, SymbolError

KEPT_RAW = {
    "kline": "the venue's candles; ours come from trades",
    "insurance": "insurance pools, no table",
    "priceLimit": "order limits, no table",
    "adlAlert": "alerts of deleveraging, no table",
}
"""Topics (first part) and why no row is made of them."""
_REPLY = msgspec.json.Decoder(messages.Reply)
_ANSWERED = msgspec.json.Decoder(messages.Answered)
_TOPIC = b'"topic":"'
_GET = "GET v5/market/"
Parts = tuple[list[Part], list[Rejection]]


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, rows in the order of the frames.

    Parameters
    ----------
    frames
        Needs ``payload``; ``seen_ns`` and ``channel`` where known. A pushed frame without a channel is taken for one of an
        option; a REST answer is told by a channel that names its call (``GET v5/market/tickers?category=option``).

    Raises
    ------
    Nothing for what the venue sends.

    Examples
    --------
    >>> payload = (b'{"topic":"publicTrade.BTC","type":"snapshot","ts":1709891679010,"data":[{"T":1709891679000,"s":"BTC-29MAR24-'
    ...            b'70000-C","S":"Buy","v":"0.010","p":"2745.00","i":"a-1","BT":false}]}')
    >>> decode(pd.DataFrame({"payload": [payload], "channel": ["option/publicTrade.BTC"]}))[0].frame[
    ...     ["instrument", "price", "size", "side", "event_ns"]].values.tolist()
    [['BTC/USDC:USDC-240329-70000-C', 2745.0, 0.01, 1, 1709891679000000000]]
    """
    return _DECODER.decode(frames)


def topic_of(payload: bytes) -> str:
    """The topic a frame names; empty for answers and pongs. Raises ``FrameError``, ``Refusal`` for an error of the venue.

    Examples
    --------
    >>> topic_of(b'{"topic":"tickers.BTCUSDT","ts":1}'), topic_of(b'{"success":true,"op":"subscribe"}')
    ('tickers.BTCUSDT', '')
    """
    name = told_name(payload, _TOPIC)
    if name is not None:
        return name
    said = reply_of(payload)
    if said.success is False:
        raise Refusal(f"venue error: {said.ret_msg or 'refused without a reason'}")
    if not said.topic and said.success is None and not said.op and not said.type:
        raise FrameError("frame: neither a topic, nor an answer, nor a pong")
    return said.topic


def reply_of(payload: bytes) -> messages.Reply:
    """An answer. Raises ``FrameError``."""
    return message(_REPLY, payload)


def _known(table: SymbolTable, group: Group, name: str) -> tuple[Group, rows.Ids, list[Rejection]]:
    ids = table.ids(group.told[name])
    known = table.code[ids] >= 0
    if known.all():
        return group, ids, []
    aside = set_aside(group, known, lambda row: table.reasons[int(ids[row])])
    kept = np.flatnonzero(known)
    return group.take(kept), ids[kept], aside


def decode_trades(group: Group, table: SymbolTable, names: tuple[str, ...] = rows.TRADE_FIELDS) -> Parts:
    """Prints of ``publicTrade.{coin}`` and ``publicTrade.{symbol}``.

    One raw message::

        {"id":"publicTrade.BTC-3414637898-1680652922102","topic":"publicTrade.BTC","ts":1680652922102,"data":[
         {"p":"985","v":"0.01","i":"0404c393-8419-5bac-95c3-5fea28404754","T":1680652922081,"BT":false,
          "s":"BTC-28APR23-29500-C","S":"Sell","mP":"981.2","iP":"28000","iv":"0.61"}],"type":"snapshot"}

    The event time is the print's ``T``, not the message's ``ts``.
    """
    group, ids, aside = _known(table, group, "s" if names[0] == "T" else "symbol")
    if not len(group):
        return [], aside
    return [Part("trades", group.at, rows.trades(table, ids, group.told, group.seen_ns, names))], aside


def decode_option_tickers(group: Group, names: tuple[str, ...] = rows.OPTION_FIELDS) -> Parts:
    """Marks of ``tickers.{symbol}`` of options: IV as a fraction, vega per vol point, theta per day, an empty side 0.

    One raw message::

        {"id":"tickers.BTC-6JAN23-17500-C-2480334983-1672917511074","topic":"tickers.BTC-6JAN23-17500-C","ts":1672917511074,"data":{
         "symbol":"BTC-6JAN23-17500-C","bidPrice":"0","bidSize":"0","bidIv":"0","askPrice":"10","askSize":"5.1","askIv":"0.514",
         "lastPrice":"10","markPrice":"7.86976724","indexPrice":"16823.73","markPriceIv":"0.4896","underlyingPrice":"16815.1",
         "openInterest":"49.85","volume24h":"26.55","delta":"0.047831","gamma":"0.00021453","vega":"0.81351067","theta":"-19.9115368"},
         "type":"snapshot"}
    """
    group, ids, aside = _known(DERIVATIVES, group, "symbol")
    if not len(group):
        return [], aside
    sent_ns = nanoseconds(group.sent_ms)
    columns = rows.option_marks(DERIVATIVES, ids, group.told, group.seen_ns, sent_ns, names)
    return [Part("marks", group.at, columns)], aside


def decode_tickers(group: Group, table: SymbolTable, *, quoted: bool = False) -> Parts:
    """Marks of ``tickers.{symbol}`` of contracts and pairs: the fields that changed. By REST, where all are there, quotes besides.

    One raw message::

        {"topic":"tickers.BTCUSDT","type":"delta","ts":1673853746003,"cs":2532239,"data":{"symbol":"BTCUSDT","bid1Price":"21109.77",
         "markPrice":"21109.5","indexPrice":"21110.2","openInterest":"60200.1","fundingRate":"0.0001","nextFundingTime":"1673884800000"}}
    """
    group, ids, aside = _known(table, group, "symbol")
    if not len(group):
        return [], aside
    sent_ns = nanoseconds(group.sent_ms)
    parts = [Part("marks", group.at, rows.contract_marks(table, ids, group.told, group.seen_ns, sent_ns))]
    if quoted:
        levels = [group.told[name] for name in ("bid1Price", "bid1Size", "ask1Price", "ask1Size")]
        parts.append(Part("quotes", group.at, rows.quotes(table, ids, levels, group.seen_ns, sent_ns)))
    return parts, aside


def decode_books(group: Group, table: SymbolTable) -> Parts:
    """Quotes of ``orderbook.1.{symbol}``, whose every message is the whole level.

    One raw message::

        {"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT","b":[["16493.50","0.006"]],
         "a":[["16611.00","0.029"]],"u":18521288,"seq":7961638724},"cts":1672304484976}
    """
    group, ids, aside = _known(table, group, "s")
    if not len(group):
        return [], aside
    nothing = messages.Level(0.0, 0.0)
    tops = [(book.b[0] if book.b else nothing, book.a[0] if book.a else nothing) for book in group.items]
    levels = [
        [bid.price for bid, _ in tops], [bid.size for bid, _ in tops],
        [ask.price for _, ask in tops], [ask.size for _, ask in tops],
    ]  # fmt: skip
    sent_ns = nanoseconds(group.sent_ms)
    return [Part("quotes", group.at, rows.quotes(table, ids, levels, group.seen_ns, sent_ns))], aside


def decode_liquidations(group: Group) -> Parts:
    """Liquidations of ``allLiquidation.{symbol}``.

    One raw message::

        {"topic":"allLiquidation.ROSEUSDT","type":"snapshot","ts":1739502303204,"data":[
         {"T":1739502302929,"s":"ROSEUSDT","S":"Sell","v":"20000","p":"0.04499"}]}

    ``S`` is the side of the position: ``Sell``, a short was liquidated and bought in.
    """
    group, ids, aside = _known(DERIVATIVES, group, "s")
    if not len(group):
        return [], aside
    columns = rows.liquidations(DERIVATIVES, ids, group.told, group.seen_ns)
    return [Part("liquidations", group.at, columns)], aside


def decode_listings(group: Group, table: SymbolTable) -> Parts:
    """Instruments of ``v5/market/instruments-info``.

    One raw line of the answer::

        {"symbol":"ETH-26JUN26-1600-P","status":"Trading","baseCoin":"ETH","quoteCoin":"USDC","settleCoin":"USDC","optionsType":"Put",
         "launchTime":"1700005000000","deliveryTime":"1782460800000","priceFilter":{"tickSize":"0.1"},"lotSizeFilter":{"qtyStep":"0.1"}}
    """
    group, ids, aside = _known(table, group, "symbol")
    reasons: dict[int, str] = {}
    if table is DERIVATIVES:
        for row, listing in enumerate(group.items):
            try:
                check_delivery(listing.symbol, listing.deliveryTime)
            except SymbolError as error:
                reasons[row] = f"symbol: {error}"
    if reasons:
        good = np.array([row not in reasons for row in range(len(group.items))])
        aside += set_aside(group, good, reasons.__getitem__)
        kept = np.flatnonzero(good)
        group, ids = group.take(kept), ids[kept]
    if not len(group):
        return [], aside
    columns = rows.instruments(table, ids, group.items, group.seen_ns, nanoseconds(group.sent_ms))
    return [Part("instruments", group.at, columns)], aside


def _kinds(category: str) -> dict[str, Kind]:
    """Kinds of a category, by the topic's first part and by the REST call."""
    table, option = table_of(category), category == "option"
    past = partial(decode_trades, table=table, names=rows.PAST_FIELDS)
    found = {
        "publicTrade": Kind(messages.Trade, partial(decode_trades, table=table), sent="ts"),
        "recent-trade": Kind(messages.PastTrade, past, path=("result", "list"), sent="time"),
        "instruments-info": Kind(
            messages.Listing, partial(decode_listings, table=table), path=("result", "list"), sent="time"
        ),
    }
    if option:
        state = partial(decode_option_tickers, names=rows.STATE_FIELDS)
        return found | {
            "tickers": Kind(messages.OptionTicker, decode_option_tickers, many=False, sent="ts"),
            "GET tickers": Kind(messages.OptionState, state, path=("result", "list"), sent="time"),
        }
    tickers = partial(decode_tickers, table=table)
    found |= {
        "tickers": Kind(messages.Ticker, tickers, many=False, sent="ts"),
        "GET tickers": Kind(
            messages.Ticker, partial(tickers, quoted=True), path=("result", "list"), sent="time"
        ),
        "orderbook": Kind(messages.Book, partial(decode_books, table=table), many=False, sent="ts"),
    }
    if category != "spot":
        found["allLiquidation"] = Kind(messages.Liquidation, decode_liquidations, sent="ts")
    return found


_KINDS = {category: _kinds(category) for category in CATEGORIES}


@lru_cache(maxsize=65_536)
def _pushed(channel: str) -> Kind | None:
    category, slash, topic = channel.partition("/")
    if not slash:
        category, topic = "option", channel
    first, _, rest = topic.partition(".")
    if category not in _KINDS:
        raise FrameError(f"channel: {channel[:80]!r} is of no category of {', '.join(CATEGORIES)}")
    if first in KEPT_RAW or (first == "orderbook" and not rest.startswith("1.")):
        return None
    if first not in _KINDS[category]:
        raise FrameError(f"channel: {channel[:80]!r} is not known")
    return _KINDS[category][first]


def _answered(channel: str, payload: bytes) -> Kind | None:
    said = message(_ANSWERED, payload)
    if said.retCode:
        raise Refusal(f"venue error: {said.retCode} {said.retMsg}")
    method, _, query = channel.removeprefix(_GET).partition("?")
    category = next((part.partition("=")[2] for part in query.split("&") if part.startswith("category=")), "")
    kinds = _KINDS.get(category, {})
    return kinds.get("GET tickers" if method == "tickers" else method)


_DECODER = FrameDecoder("bybit", pushed=_pushed, answered=_answered, channel_of=topic_of)
