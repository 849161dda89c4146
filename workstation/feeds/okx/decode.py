"""OKX's raw frames -> batches of tables. Pure: the rows depend on the frames, and on the contract sizes the venue's lists told.

A frame's channel is ``channel/what`` (``option-trades/BTC-USD``). Lists of instruments are frames of the same stream and come first; a print
or quote of a contract whose size none told is rejected, never guessed. What cannot be read becomes a ``rejected`` row of ``health`` and costs no
neighbour; an error of the venue a ``refused`` one; answers, pongs and channels of ``KEPT_RAW`` become no row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.okx import messages, rows
from workstation.feeds.okx.rows import SYMBOLS
from workstation.feeds.venue_kit.columns import columns_of
from workstation.feeds.venue_kit.frame_decoding import (
    FrameDecoder,
    Group,
    Kind,
    Part,
    Refusal,
    Rejection,
    set_aside,
)
from workstation.feeds.venue_kit.frame_reading import message
from workstation.feeds.venue_kit.symbol_table import OPTION, USD_SIZED
from workstation.market.errors import FrameError
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import parse

KEPT_RAW = {
    "books": "incremental order book; `bbo-tbt` is decoded",
    "books5": "order book; `bbo-tbt` is decoded",
    "books-l2-tbt": "incremental order book; `bbo-tbt` is decoded",
    "books50-l2-tbt": "incremental order book; `bbo-tbt` is decoded",
    "funding-rate": "funding of a swap, no table",
    "price-limit": "order limits, no table",
    "estimated-price": "settlement estimate, no table",
    "instruments": "changes of the list, no table",
    "status": "state of the platform, no table",
    "adl-warning": "alerts of deleveraging, no table",
}
"""Channels and why no row is made of them."""
UNKNOWN_SIZE = "size: the contract size of {} is not known; decode the venue's list of instruments first"
_ANSWERED = msgspec.json.Decoder(messages.Answered)
_EVENT = msgspec.json.Decoder(messages.Event)
_ARGUMENT = msgspec.json.Decoder(messages.Argument)
_ARG, _GET = b'{"arg":', "GET api/v5/"
Parts = tuple[list[Part], list[Rejection]]
RowsOf = Callable[[rows.Ids, Any, Any], dict[str, Any]]


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, rows in the order of the frames.

    Parameters
    ----------
    frames
        Needs ``payload``; ``seen_ns`` and ``channel`` where known. A REST answer is told by a channel that names its call
        (``GET api/v5/public/opt-summary?instFamily=BTC-USD``).

    Raises
    ------
    Nothing for what the venue sends.

    Examples
    --------
    >>> payload = (b'{"arg":{"channel":"open-interest","instId":"ETH-USD-211231-9600-C"},"data":[{"instId":"ETH-USD-211231-9600-C",'
    ...            b'"instType":"OPTION","oi":"36","oiCcy":"3.6","ts":"1640183217591"}]}')
    >>> decode(pd.DataFrame({"payload": [payload]}))[0].frame[["instrument", "open_interest"]].values.tolist()
    [['ETH/USD:ETH-211231-9600-C', 3.6]]
    """
    return _DECODER.decode(frames)


def channel_of(payload: bytes) -> str:
    """The channel a frame names; empty for answers and pongs. Raises ``FrameError``, ``Refusal`` for an error of the venue.

    Examples
    --------
    >>> channel_of(b'{"arg":{"channel":"opt-summary","instFamily":"BTC-USD"},"data":[]}'), channel_of(b"pong")
    ('opt-summary/BTC-USD', '')
    """
    if payload.startswith(_ARG):
        end = payload.find(b"}", len(_ARG))
        found = _argument(payload[len(_ARG) : end + 1])
        if found:
            return found
    if payload == b"pong":
        return ""
    event = event_of(payload)
    if event.arg is not None and not event.event:
        return named(event.arg)
    if event.event == "error":
        raise Refusal(f"venue error: {event.code} {event.msg}")
    if not event.event:
        raise FrameError("frame: neither data with an argument, nor an event")
    return ""


@lru_cache(maxsize=65_536)
def _argument(text: bytes) -> str:
    try:
        return named(_ARGUMENT.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def named(argument: messages.Argument) -> str:
    """A channel's name: ``channel/what``."""
    what = argument.instId or argument.instFamily or argument.uly or argument.instType
    return f"{argument.channel}/{what}" if argument.channel else ""


def event_of(payload: bytes) -> messages.Event:
    """An event, or what a frame of data says of itself. Raises ``FrameError``."""
    return message(_EVENT, payload)


def _known(group: Group, *, sized: bool = False) -> tuple[Group, rows.Ids, list[Rejection]]:
    """Items of instruments that can be read, and where ``sized`` whose contract size is known."""
    names = group.told["instId"]
    ids = SYMBOLS.ids(names)
    known = SYMBOLS.code[ids] >= 0
    good: npt.NDArray[np.bool_] = known & np.isfinite(SYMBOLS.size[ids]) if sized else known
    if good.all():
        return group, ids, []

    def reason(row: int) -> str:
        return UNKNOWN_SIZE.format(names[row]) if known[row] else SYMBOLS.reasons[int(ids[row])]

    kept = np.flatnonzero(good)
    return group.take(kept), ids[kept], set_aside(group, good, reason)


def _one_table(group: Group, table: str, made: RowsOf, *, sized: bool = False) -> Parts:
    group, ids, aside = _known(group, sized=sized)
    if not len(group):
        return [], aside
    return [Part(table, group.at, made(ids, group.told, group.seen_ns))], aside


def decode_trades(group: Group) -> Parts:
    """Prints of ``trades-all``, ``trades`` and ``option-trades``, and of their REST calls.

    One raw message::

        {"arg":{"channel":"option-trades","instType":"OPTION","instFamily":"BTC-USD"},"data":[{"fillVol":"0.5066","fwdPx":"16469.7",
         "idxPx":"16537.2","instFamily":"BTC-USD","instId":"BTC-USD-230224-18000-C","markPx":"0.0469","optType":"C","px":"0.045",
         "side":"sell","sz":"2","tradeId":"38","ts":"1672286551080"}]}

    ``sz`` counts contracts; ``tradeId`` goes up by one with each print of an instrument.
    """
    return _one_table(group, "trades", rows.trades, sized=True)


def decode_tickers(group: Group) -> Parts:
    """Marks of ``tickers``: bid and ask of options; quotes besides of what is no option.

    One raw message::

        {"arg":{"channel":"tickers","instId":"BTC-USD-220527"},"data":[{"instType":"FUTURES","instId":"BTC-USD-220527","last":"30218.8",
         "lastSz":"1","askPx":"30220.1","askSz":"3","bidPx":"30210.4","bidSz":"4","volCcy24h":"2620.289","vol24h":"779573","ts":"1652459223003"}]}
    """
    group, ids, aside = _known(group, sized=True)
    if not len(group):
        return [], aside
    parts = [Part("marks", group.at, rows.ticker_marks(ids, group.told, group.seen_ns))]
    linear = np.flatnonzero((SYMBOLS.traits[ids] & OPTION) == 0)
    if linear.size:
        others = group.take(linear)
        columns = rows.ticker_quotes(ids[linear], others.told, others.seen_ns)
        parts.append(Part("quotes", others.at, columns))
    return parts, aside


def decode_summaries(group: Group) -> Parts:
    """Marks of ``opt-summary``: vols as fractions and the Black-Scholes greeks; those in coin are not read.

    One raw message::

        {"arg":{"channel":"opt-summary","uly":"ETH-USD"},"data":[{"instType":"OPTION","instId":"ETH-USD-211222-4000-C","uly":"ETH-USD",
         "delta":"0.19757","gamma":"4.729","vega":"0.0002","theta":"-0.00426","markVol":"0.7794","bidVol":"0.7421","askVol":"0.8203",
         "deltaBS":"0.2038","gammaBS":"0.00134","thetaBS":"-16.48","vegaBS":"0.7647","fwdPx":"3815.1","ts":"1640001659301"}]}
    """
    return _one_table(group, "marks", rows.summaries)


def decode_books(group: Group) -> Parts:
    """Quotes of ``bbo-tbt``; ``checksum`` is 0 since June 2026 and is not looked at.

    One raw message::

        {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["8446","95","0","3"]],"bids":[["8445.9","29","0","2"]],
         "ts":"1597026383085","checksum":0,"seqId":363996337}]}
    """
    books = [(frame.arg, book) for frame in group.items for book in frame.data]
    if not books:
        return [], []
    rows_of = np.repeat(np.arange(len(group.items)), [len(frame.data) for frame in group.items])
    group, ids, aside = _known(
        Group([arg for arg, _ in books], group.at[rows_of], group.seen_ns[rows_of], group.sent_ms[rows_of]),
        sized=True,
    )
    if not len(group):
        return [], aside
    kept = {id(arg) for arg in group.items}
    held = [book for arg, book in books if id(arg) in kept]
    nothing = messages.Level(0.0, 0.0)
    tops = [(book.bids[0] if book.bids else nothing, book.asks[0] if book.asks else nothing) for book in held]
    levels = [
        [bid.price for bid, _ in tops], [bid.size for bid, _ in tops],
        [ask.price for _, ask in tops], [ask.size for _, ask in tops],
    ]  # fmt: skip
    columns = rows.quotes(ids, [book.ts for book in held], levels, group.seen_ns)
    return [Part("quotes", group.at, columns)], aside


def decode_liquidations(group: Group) -> Parts:
    """Liquidations of ``liquidation-orders``.

    One raw message::

        {"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"0.007831","ccy":"",
         "posSide":"short","side":"buy","sz":"13","ts":"1692266434010"}],"instFamily":"IOST-USDT","instId":"IOST-USDT-SWAP","instType":"SWAP"}]}
    """
    group, ids, aside = _known(group, sized=True)
    orders = [order for each in group.items for order in each.details]
    if not orders:
        return [], aside
    at = np.repeat(np.arange(len(group.items)), [len(each.details) for each in group.items])
    columns = rows.liquidations(ids[at], columns_of(orders), group.seen_ns[at])
    return [Part("liquidations", group.at[at], columns)], aside


def decode_listings(group: Group) -> Parts:
    """Instruments of ``public/instruments``, and the contract sizes they tell.

    One raw line of the answer::

        {"ctMult":"0.01","ctVal":"1","ctValCcy":"BTC","expTime":"1734422400000","instFamily":"BTC-USD","instId":"BTC-USD-241217-92000-C",
         "instType":"OPTION","lotSz":"1","optType":"C","settleCcy":"BTC","state":"live","stk":"92000","tickSz":"0.0001","uly":"BTC-USD"}
    """
    group, ids, aside = _known(group)
    sizes = [_size(listing, int(instrument)) for listing, instrument in zip(group.items, ids, strict=True)]
    good = np.array([isinstance(size, float) for size in sizes], dtype=bool)
    aside += set_aside(group, good, lambda row: str(sizes[row]))
    kept = np.flatnonzero(good)
    group, ids = group.take(kept), ids[kept]
    if not len(group):
        return [], aside
    SYMBOLS.told(
        {listing.instId: float(sizes[row]) for listing, row in zip(group.items, kept.tolist(), strict=True)}
    )
    return [Part("instruments", group.at, rows.instruments(ids, group.items, group.seen_ns))], aside


def _size(listing: messages.Listing, instrument: int) -> float | str:
    """Units (USD of what is settled in coin) per contract, or why they are not understood."""
    if listing.instType in ("SPOT", "MARGIN"):
        return 1.0
    terms = parse(str(REGISTRY.names([SYMBOLS.code[instrument]])[0]))
    counted = terms.quote if SYMBOLS.traits[instrument] & USD_SIZED else terms.root
    size = (listing.ctVal or 0.0) * (listing.ctMult or 0.0)
    if size <= 0.0:
        return f"size: ctVal x ctMult of {listing.instId} is {size:g}, no contract size"
    if listing.ctValCcy not in (None, counted):
        return f"size: {listing.instId} counts in {listing.ctValCcy}, expected {counted}"
    return size


_TRADES = Kind(messages.Trade, decode_trades)
_TICKERS = Kind(messages.Ticker, decode_tickers)
_SUMMARIES = Kind(messages.Summary, decode_summaries)
_MARK_PRICES = Kind(messages.MarkPrice, partial(_one_table, table="marks", made=rows.mark_prices))
_INTERESTS = Kind(messages.OpenInterest, partial(_one_table, table="marks", made=rows.open_interests))
_INDEX_PRICES = Kind(messages.IndexPrice, partial(_one_table, table="marks", made=rows.index_prices))
_PUSHED = {
    "trades": _TRADES,
    "trades-all": _TRADES,
    "option-trades": _TRADES,
    "tickers": _TICKERS,
    "opt-summary": _SUMMARIES,
    "mark-price": _MARK_PRICES,
    "open-interest": _INTERESTS,
    "index-tickers": _INDEX_PRICES,
    "bbo-tbt": Kind(messages.BestBook, decode_books, path=(), many=False),
    "liquidation-orders": Kind(messages.Liquidation, decode_liquidations),
}
_ANSWERS = {
    "public/instruments": Kind(messages.Listing, decode_listings, first=True),
    "public/option-trades": _TRADES,
    "market/history-trades": _TRADES,
    "market/trades": _TRADES,
    "market/tickers": _TICKERS,
    "market/ticker": _TICKERS,
    "public/opt-summary": _SUMMARIES,
    "public/mark-price": _MARK_PRICES,
    "public/open-interest": _INTERESTS,
    "market/index-tickers": _INDEX_PRICES,
}


@lru_cache(maxsize=65_536)
def _pushed(channel: str) -> Kind | None:
    first = channel.partition("/")[0]
    if first in KEPT_RAW or first.startswith("candle"):
        return None
    if first not in _PUSHED:
        raise FrameError(f"channel: {channel[:80]!r} is not known")
    return _PUSHED[first]


def _answered(channel: str, payload: bytes) -> Kind | None:
    said = message(_ANSWERED, payload)
    if said.code not in ("", "0"):
        raise Refusal(f"venue error: {said.code} {said.msg}")
    return _ANSWERS.get(channel.removeprefix(_GET).partition("?")[0])


_DECODER = FrameDecoder("okx", pushed=_pushed, answered=_answered, channel_of=channel_of)
