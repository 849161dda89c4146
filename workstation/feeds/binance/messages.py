"""Binance's messages as structs, field names as the venue writes them; one letter over the sockets, words by REST.

Numbers come as text. Options: prices are per contract of ``unit`` coins, greeks per coin, theta per day, vega per vol point, IV a fraction and -1 for none.
USD-margined futures and spot count coins. ``m``: the buyer was the maker, so the taker sold.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from workstation.feeds.venue_kit.columns import Amount, Milliseconds, Name, Number, Positive


class OptionTrade(Struct, gc=False):
    """One print of ``optionTrade``; ``X`` is ``BLOCK`` for a block."""

    s: Name
    T: Milliseconds
    t: int
    p: Positive
    q: Positive
    S: Literal["BUY", "SELL"]
    X: str = ""


class PastOptionTrade(Struct, gc=False):
    """One print of ``eapi/v1/trades``; sold ones carry a negative ``qty``."""

    symbol: Name
    time: Milliseconds
    id: int
    price: Positive
    qty: Number
    side: Literal[1, -1]


class OptionMark(Struct, gc=False):
    """One option of ``optionMarkPrice``."""

    s: Name
    E: Milliseconds
    mp: Number | None = None
    bo: Number | None = None
    ao: Number | None = None
    bq: Amount | None = None
    aq: Amount | None = None
    b: Number | None = None
    a: Number | None = None
    vo: Number | None = None
    i: Number | None = None
    d: Number | None = None
    g: Number | None = None
    v: Number | None = None
    t: Number | None = None


class OptionState(Struct, gc=False):
    """One option of ``eapi/v1/mark``."""

    symbol: Name
    markPrice: Number | None = None
    bidIV: Number | None = None
    askIV: Number | None = None
    markIV: Number | None = None
    delta: Number | None = None
    gamma: Number | None = None
    vega: Number | None = None
    theta: Number | None = None


class OptionTicker(Struct, gc=False):
    """Last and volume of ``optionTicker``."""

    s: Name
    E: Milliseconds
    c: Number | None = None
    v: Amount | None = None


class OptionDay(Struct, gc=False):
    """One option of ``eapi/v1/ticker``: ``closeTime`` is that of its last print."""

    symbol: Name
    closeTime: int = 0
    tradeCount: int = 0
    lastPrice: Number | None = None
    bidPrice: Number | None = None
    askPrice: Number | None = None
    volume: Amount | None = None


class OptionInterest(Struct, gc=False):
    """Open interest in contracts of ``optionOpenInterest``."""

    s: Name
    E: Milliseconds
    o: Amount


class PastOptionInterest(Struct, gc=False):
    """Open interest in contracts of ``eapi/v1/openInterest``."""

    symbol: Name
    timestamp: Milliseconds
    sumOpenInterest: Amount


class BookTicker(Struct, gc=False):
    """Best bid and offer; that of spot carries no time."""

    s: Name
    b: Number
    B: Amount
    a: Number
    A: Amount
    T: int = 0


class AggregateTrade(Struct, gc=False):
    """Prints of one order at one price; by REST without ``s``."""

    a: int
    p: Positive
    q: Positive
    T: Milliseconds
    m: bool
    s: str = ""


class MarkPrice(Struct, gc=False):
    """Mark, index and funding of ``markPrice``."""

    s: Name
    E: Milliseconds
    p: Number
    i: Number | None = None


class Premium(Struct, gc=False):
    """The same of ``fapi/v1/premiumIndex``."""

    symbol: Name
    time: Milliseconds
    markPrice: Number
    indexPrice: Number | None = None


class Interest(Struct, gc=False):
    """Open interest in coins of ``fapi/v1/openInterest``."""

    symbol: Name
    time: Milliseconds
    openInterest: Amount


class BestBook(Struct, gc=False):
    """Best bid and offer by REST."""

    symbol: Name
    bidPrice: Number
    bidQty: Amount
    askPrice: Number
    askQty: Amount
    time: int = 0


class Forced(Struct, gc=False):
    """The order of a liquidation: ``SELL``, a long is sold out; ``z`` is what was filled at ``ap``."""

    s: Name
    S: Literal["BUY", "SELL"]
    q: Positive
    p: Positive
    T: Milliseconds
    ap: Number | None = None
    z: Amount | None = None


class ForcedOrder(Struct, gc=False):
    """One ``forceOrder``."""

    o: Forced


class Filter(Struct, gc=False, frozen=True):
    """A rule of an instrument."""

    filterType: str = ""
    tickSize: Number | None = None


class OptionListing(Struct, gc=False):
    """One of ``eapi/v1/exchangeInfo``: a contract is ``unit`` coins."""

    symbol: Name
    unit: Positive
    expiryDate: Milliseconds
    underlying: str = ""
    filters: list[Filter] = []


class Listing(Struct, gc=False):
    """One of ``exchangeInfo`` of futures or spot."""

    symbol: Name
    baseAsset: str
    quoteAsset: str
    contractType: str = ""
    deliveryDate: int = 0
    filters: list[Filter] = []


class Failure(Struct, gc=False):
    """An error, over the socket or by REST."""

    code: int = 0
    msg: str = ""


class Answer(Struct, gc=False):
    """What every frame may hold beside its data."""

    stream: str = ""
    id: int | None = None
    e: str = ""
    code: int = 0
    msg: str = ""
    error: Failure | None = None
