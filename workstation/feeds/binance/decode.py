"""Binance's raw frames -> batches of tables. Pure: the rows depend on the frames, and on the units of options the venue's lists told.

A frame's channel is ``door/stream`` (``market/btcusdt@optionMarkPrice``, ``spot/btcusdt@aggTrade``): a stream's name alone does not tell spot from futures.
Lists of instruments are frames of the same stream and come first; a print of an option whose unit none told is rejected, never guessed. What
cannot be read becomes a ``rejected`` row of ``health`` and costs no neighbour; an error of the venue a ``refused`` one; answers and streams of
``KEPT_RAW`` become no row.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import numpy as np
import pandas as pd

from workstation.feeds.binance import messages, rows
from workstation.feeds.binance.rows import FUTURES, OPTIONS, SPOT
from workstation.feeds.feed import Batch
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
from workstation.market.errors import FrameError

KEPT_RAW = {
    "depth": "incremental order book; `bookTicker` is decoded",
    "depth5": "order book; `bookTicker` is decoded",
    "depth10": "order book; `bookTicker` is decoded",
    "depth20": "order book; `bookTicker` is decoded",
    "kline": "the venue's candles; ours come from trades",
    "miniTicker": "statistics of a day, no table",
    "ticker": "statistics of a day, no table",
}
"""Streams (what follows the symbol) and why no row is made of them."""
DOORS = ("public", "market", "spot")
_ANSWER = msgspec.json.Decoder(messages.Answer)
_STREAM, _GET = b'"stream":"', "GET "
_SHUTDOWN = "serverShutdown"
Parts = tuple[list[Part], list[Rejection]]


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, rows in the order of the frames.

    Parameters
    ----------
    frames
        Needs ``payload``; ``seen_ns`` and ``channel`` where known. Without a channel only frames of options can be told. A REST
        answer is told by a channel that names its call (``GET eapi/v1/mark``).

    Raises
    ------
    Nothing for what the venue sends.

    Examples
    --------
    >>> payload = (b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15",'
    ...            b'"i":"11784.62","P":"11784.25","r":"0.00038167","T":1562306400000}}')
    >>> decode(pd.DataFrame({"payload": [payload], "channel": ["market/btcusdt@markPrice@1s"]}))[0].frame[
    ...     ["instrument", "mark", "index"]].values.tolist()
    [['BTC/USDT:USDT', 11794.15, 11784.62]]
    """
    return _DECODER.decode(frames)


def stream_of(payload: bytes) -> str:
    """The stream a frame names; empty for answers. Raises ``FrameError``, ``Refusal`` for an error of the venue.

    Examples
    --------
    >>> stream_of(b'{"stream":"btcusdt@optionTrade","data":{}}'), stream_of(b'{"result":null,"id":1}')
    ('btcusdt@optionTrade', '')
    """
    name = told_name(payload, _STREAM)
    if name is not None:
        return name
    said = answer_of(payload)
    failure = said.error or messages.Failure(said.code, said.msg)
    if failure.code or failure.msg:
        raise Refusal(f"venue error: {failure.code} {failure.msg}")
    if not said.stream and said.id is None and said.e != _SHUTDOWN:
        raise FrameError("frame: neither a stream nor an answer")
    return said.stream


def answer_of(payload: bytes) -> messages.Answer:
    """An answer. Raises ``FrameError``."""
    return message(_ANSWER, payload)


def _known(
    table: SymbolTable, group: Group, name: str, *, sized: bool = False
) -> tuple[Group, rows.Ids, list[Rejection]]:
    """Items of instruments that can be read, and where ``sized`` whose unit is known."""
    names = group.told[name]
    ids = table.ids(names)
    known = table.code[ids] >= 0
    good = known & np.isfinite(table.size[ids]) if sized else known
    if good.all():
        return group, ids, []

    def reason(row: int) -> str:
        if known[row]:
            return (
                f"size: the unit of {names[row]} is not known; decode the venue's list of instruments first"
            )
        return table.reasons[int(ids[row])]

    kept = np.flatnonzero(good)
    return group.take(kept), ids[kept], set_aside(group, good, reason)


def decode_option_trades(group: Group, name: str = "s") -> Parts:
    """Prints of ``optionTrade`` and ``eapi/v1/trades``.

    One raw message::

        {"stream":"btcusdt@optionTrade","data":{"e":"trade","E":1765983420778,"T":1765983420778,"s":"BTC-251219-89000-C","t":200,
         "p":"1420.000","q":"1.54","X":"MARKET","S":"BUY","m":false}}

    ``t`` goes up by one with each print of an instrument.
    """
    group, ids, aside = _known(OPTIONS, group, name, sized=True)
    if not len(group):
        return [], aside
    return [Part("trades", group.at, rows.option_trades(ids, group.told, group.seen_ns))], aside


def decode_option_marks(group: Group) -> Parts:
    """Marks of ``optionMarkPrice``: the whole chain of an underlying in one message.

    One raw message::

        {"stream":"xrpusdt@optionMarkPrice","data":[{"s":"XRP-251219-2.05-P","mp":"19.0314","E":1765983420260,"e":"markPrice",
         "i":"1.96239445","P":"0.0000","bo":"0.0000","ao":"0.0000","bq":"0.00","aq":"0.00","b":"-1.0","a":"-1.0","hl":"34.2565",
         "ll":"3.8062","vo":"2.6","rf":"0.0","d":"-0.56213899","t":"-0.04023754","g":"1.12832706","v":"0.00052941"}]}

    The mark is that of a contract, here of 100 XRP; greeks are per coin.
    """
    group, ids, aside = _known(OPTIONS, group, "s", sized=True)
    if not len(group):
        return [], aside
    return [Part("marks", group.at, rows.option_marks(ids, group.told, group.seen_ns))], aside


def _option_rows(group: Group, name: str, made: Any) -> Parts:
    group, ids, aside = _known(OPTIONS, group, name, sized=True)
    if not len(group):
        return [], aside
    return [Part("marks", group.at, made(ids, group.told, group.seen_ns))], aside


def decode_open_interests(group: Group, table: SymbolTable, names: tuple[str, str, str]) -> Parts:
    """Open interest of ``optionOpenInterest`` and by REST, in contracts (options) or coins.

    One raw message::

        {"stream":"btcusdt@optionOpenInterest@251219","data":[{"e":"openInterest","E":1765983420500,"s":"BTC-251219-89000-C","o":"123.45","h":"1.1"}]}
    """
    symbol, time, amount = names
    group, ids, aside = _known(table, group, symbol, sized=True)
    if not len(group):
        return [], aside
    times, amounts = (group.told[name] for name in (time, amount))
    columns = rows.open_interests(table, ids, times, amounts, group.seen_ns)
    return [Part("marks", group.at, columns)], aside


def decode_aggregate_trades(group: Group, table: SymbolTable, symbol: str = "") -> Parts:
    """Prints of ``aggTrade`` and of ``aggTrades`` by REST, which name no symbol.

    One raw message::

        {"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":123456789,"s":"BTCUSDT","a":5933014,"p":"0.001","q":"100","f":100,"l":105,
         "T":123456785,"m":true}}
    """
    if symbol:
        for each in group.items:
            each.s = symbol
    group, ids, aside = _known(table, group, "s")
    if not len(group):
        return [], aside
    return [Part("trades", group.at, rows.aggregate_trades(table, ids, group.told, group.seen_ns))], aside


def decode_mark_prices(group: Group, names: tuple[str, str, str, str] = ("s", "E", "p", "i")) -> Parts:
    """Marks of ``markPrice`` and ``fapi/v1/premiumIndex``.

    One raw message::

        {"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15","i":"11784.62",
         "P":"11784.25","r":"0.00038167","T":1562306400000}}
    """
    group, ids, aside = _known(FUTURES, group, names[0])
    if not len(group):
        return [], aside
    time, mark, index = (group.told[name] for name in names[1:])
    return [Part("marks", group.at, rows.mark_prices(ids, time, mark, index, group.seen_ns))], aside


_PUSHED_BOOK = ("s", "T", "b", "B", "a", "A")
_ANSWERED_BOOK = ("symbol", "time", "bidPrice", "bidQty", "askPrice", "askQty")


def decode_books(group: Group, table: SymbolTable, names: tuple[str, ...] = _PUSHED_BOOK) -> Parts:
    """Quotes of ``bookTicker``.

    One raw message::

        {"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","b":"25.35190000",
         "B":"31.21000000","a":"25.36520000","A":"40.66000000"}}
    """
    group, ids, aside = _known(table, group, names[0], sized=True)
    if not len(group):
        return [], aside
    time, *levels = (group.told[name] for name in names[1:])
    return [Part("quotes", group.at, rows.quotes(table, ids, levels, time, group.seen_ns))], aside


def decode_liquidations(group: Group) -> Parts:
    """Liquidations of ``forceOrder``.

    One raw message::

        {"stream":"btcusdt@forceOrder","data":{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014",
         "p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014","T":1568014460893}}}
    """
    group = group.of([each.o for each in group.items])
    group, ids, aside = _known(FUTURES, group, "s")
    if not len(group):
        return [], aside
    return [Part("liquidations", group.at, rows.liquidations(ids, group.told, group.seen_ns))], aside


def decode_option_listings(group: Group) -> Parts:
    """Options of ``eapi/v1/exchangeInfo``, and the units they tell.

    One raw line of the answer::

        {"expiryDate":1660521600000,"filters":[{"filterType":"PRICE_FILTER","minPrice":"0.02","maxPrice":"80000.01","tickSize":"0.01"}],
         "symbol":"BTC-220815-50000-C","side":"CALL","strikePrice":"50000","underlying":"BTCUSDT","unit":1,"quoteAsset":"USDT"}
    """
    group, ids, aside = _known(OPTIONS, group, "symbol")
    if not len(group):
        return [], aside
    OPTIONS.told({listing.symbol: listing.unit for listing in group.items})
    expiries = [listing.expiryDate for listing in group.items]
    return [
        Part("instruments", group.at, rows.instruments(OPTIONS, ids, group.items, expiries, group.seen_ns))
    ], aside


def decode_listings(group: Group, table: SymbolTable) -> Parts:
    """Instruments of ``exchangeInfo`` of futures and spot.

    One raw line of the answer::

        {"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","deliveryDate":4133404800000,"status":"TRADING","baseAsset":"BTC",
         "quoteAsset":"USDT","marginAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.10"}]}
    """
    group, ids, aside = _known(table, group, "symbol")
    if not len(group):
        return [], aside
    expiries = [listing.deliveryDate for listing in group.items]
    return [
        Part("instruments", group.at, rows.instruments(table, ids, group.items, expiries, group.seen_ns))
    ], aside


_OPTION_TRADES = Kind(messages.OptionTrade, decode_option_trades, either=True)
_OPTIONS = {
    "optionTrade": _OPTION_TRADES,
    "trade": _OPTION_TRADES,
    "optionMarkPrice": Kind(messages.OptionMark, decode_option_marks, either=True),
    "optionTicker": Kind(
        messages.OptionTicker, partial(_option_rows, name="s", made=rows.option_tickers), either=True
    ),
    "optionOpenInterest": Kind(
        messages.OptionInterest,
        partial(decode_open_interests, table=OPTIONS, names=("s", "E", "o")),
        either=True,
    ),
    "bookTicker": Kind(messages.BookTicker, partial(decode_books, table=OPTIONS), either=True),
}
_FUTURES = {
    "aggTrade": Kind(messages.AggregateTrade, partial(decode_aggregate_trades, table=FUTURES), either=True),
    "markPrice": Kind(messages.MarkPrice, decode_mark_prices, either=True),
    "bookTicker": Kind(messages.BookTicker, partial(decode_books, table=FUTURES), either=True),
    "forceOrder": Kind(messages.ForcedOrder, decode_liquidations, either=True),
}
_SPOT = {
    "aggTrade": Kind(messages.AggregateTrade, partial(decode_aggregate_trades, table=SPOT), either=True),
    "bookTicker": Kind(messages.BookTicker, partial(decode_books, table=SPOT), either=True),
}
_INTERESTS = ("symbol", "timestamp", "sumOpenInterest")
_ANSWERS = {
    "eapi/v1/exchangeInfo": Kind(
        messages.OptionListing, decode_option_listings, path=("optionSymbols",), first=True
    ),
    "eapi/v1/mark": Kind(
        messages.OptionState, partial(_option_rows, name="symbol", made=rows.option_states), path=()
    ),
    "eapi/v1/ticker": Kind(
        messages.OptionDay, partial(_option_rows, name="symbol", made=rows.option_days), path=()
    ),
    "eapi/v1/openInterest": Kind(
        messages.PastOptionInterest, partial(decode_open_interests, table=OPTIONS, names=_INTERESTS), path=()
    ),
    "eapi/v1/trades": Kind(messages.PastOptionTrade, partial(decode_option_trades, name="symbol"), path=()),
    "fapi/v1/exchangeInfo": Kind(
        messages.Listing, partial(decode_listings, table=FUTURES), path=("symbols",), first=True
    ),
    "fapi/v1/premiumIndex": Kind(
        messages.Premium, partial(decode_mark_prices, names=("symbol", "time", "markPrice", "indexPrice")),
        path=(), either=True,
    ),
    "fapi/v1/openInterest": Kind(
        messages.Interest,
        partial(decode_open_interests, table=FUTURES, names=("symbol", "time", "openInterest")),
        path=(), either=True,
    ),
    "fapi/v1/ticker/bookTicker": Kind(
        messages.BestBook, partial(decode_books, table=FUTURES, names=_ANSWERED_BOOK), path=(), either=True
    ),
    "api/v3/exchangeInfo": Kind(
        messages.Listing, partial(decode_listings, table=SPOT), path=("symbols",), first=True
    ),
    "api/v3/ticker/bookTicker": Kind(
        messages.BestBook, partial(decode_books, table=SPOT, names=_ANSWERED_BOOK), path=(), either=True
    ),
}  # fmt: skip
_PAST = {"fapi/v1/aggTrades": FUTURES, "api/v3/aggTrades": SPOT}


@lru_cache(maxsize=65_536)
def _pushed(channel: str) -> Kind | None:
    door, slash, stream = channel.partition("/")
    if not slash or door not in DOORS:
        door, stream = "", channel
    symbol, _, what = stream.partition("@")
    first = symbol[1:] if symbol.startswith("!") else what.partition("@")[0]
    if first in KEPT_RAW or first.startswith(("kline", "depth")):
        return None
    if first.startswith("option") or symbol.count("-") == 3:
        kinds = _OPTIONS
    elif not door:
        raise FrameError(f"channel: {channel[:80]!r} does not tell spot from futures: name it door/stream")
    else:
        kinds = _SPOT if door == "spot" else _FUTURES
    if first not in kinds:
        raise FrameError(f"channel: {channel[:80]!r} is not known")
    return kinds[first]


@lru_cache(maxsize=1_024)
def _past(path: str, symbol: str) -> Kind:
    made = partial(decode_aggregate_trades, table=_PAST[path], symbol=symbol)
    return Kind(messages.AggregateTrade, made, path=())


def _answered(channel: str, payload: bytes) -> Kind | None:
    path, _, query = channel.removeprefix(_GET).partition("?")
    if payload.lstrip()[:1] == b"{":
        try:
            said = answer_of(payload)
        except FrameError:
            said = messages.Answer()
        if said.code:
            raise Refusal(f"venue error: {said.code} {said.msg}")
    if path in _PAST:
        return _past(path, dict(parse_qsl(query)).get("symbol", ""))
    return _ANSWERS.get(path)


_DECODER = FrameDecoder("binance", pushed=_pushed, answered=_answered, channel_of=stream_of)
