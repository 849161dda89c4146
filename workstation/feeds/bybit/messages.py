"""Bybit's v5 messages as structs, field names as the venue writes them.

Numbers come as text. Options: IV a fraction, vega per vol point, theta per day, sizes in coins. Linear contracts: sizes in coins; inverse ones: in USD.
Fields that no table carries are not named.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct, field

from workstation.feeds.venue_kit.columns import Amount, Milliseconds, Name, Number, Positive


class Trade(Struct, gc=False):
    """One print of ``publicTrade``: ``{"T":1680652922081,"s":"BTC-28APR23-29500-C","S":"Sell","v":"0.01","p":"985","i":"0404c393-...","BT":false}``."""

    T: Milliseconds
    s: Name
    S: Literal["Buy", "Sell"]
    v: Positive
    p: Positive
    i: Name
    BT: bool = False
    seq: int | None = None
    iv: Amount | None = None
    mP: Number | None = None
    iP: Number | None = None


class PastTrade(Struct, gc=False):
    """One print of ``v5/market/recent-trade``: the same under other names."""

    time: Milliseconds
    symbol: Name
    side: Literal["Buy", "Sell"]
    size: Positive
    price: Positive
    execId: Name
    isBlockTrade: bool = False
    seq: int | None = None
    iv: Amount | None = None
    mP: Number | None = None
    iP: Number | None = None


class OptionTicker(Struct, gc=False):
    """Whole state of an option, by ``tickers.{symbol}``."""

    symbol: Name
    bidPrice: Number | None = None
    bidSize: Amount | None = None
    bidIv: Amount | None = None
    askPrice: Number | None = None
    askSize: Amount | None = None
    askIv: Amount | None = None
    lastPrice: Number | None = None
    markPrice: Number | None = None
    markPriceIv: Amount | None = None
    indexPrice: Number | None = None
    underlyingPrice: Number | None = None
    openInterest: Amount | None = None
    volume24h: Amount | None = None
    delta: Number | None = None
    gamma: Number | None = None
    vega: Number | None = None
    theta: Number | None = None


class OptionState(Struct, gc=False):
    """Whole state of an option, by REST: the same under other names."""

    symbol: Name
    bid1Price: Number | None = None
    bid1Size: Amount | None = None
    bid1Iv: Amount | None = None
    ask1Price: Number | None = None
    ask1Size: Amount | None = None
    ask1Iv: Amount | None = None
    lastPrice: Number | None = None
    markPrice: Number | None = None
    markIv: Amount | None = None
    indexPrice: Number | None = None
    underlyingPrice: Number | None = None
    openInterest: Amount | None = None
    volume24h: Amount | None = None
    delta: Number | None = None
    gamma: Number | None = None
    vega: Number | None = None
    theta: Number | None = None


class Ticker(Struct, gc=False):
    """State of a contract or pair; pushed as changes, where a field that is not there has not changed."""

    symbol: Name
    lastPrice: Number | None = None
    markPrice: Number | None = None
    indexPrice: Number | None = None
    usdIndexPrice: Number | None = None
    openInterest: Amount | None = None
    openInterestValue: Amount | None = None
    volume24h: Amount | None = None
    turnover24h: Amount | None = None
    fundingRate: Number | None = None
    nextFundingTime: int | None = None
    bid1Price: Number | None = None
    bid1Size: Amount | None = None
    ask1Price: Number | None = None
    ask1Size: Amount | None = None


class Level(Struct, array_like=True, gc=False):
    """Price and size of a level."""

    price: Positive
    size: Amount


class Book(Struct, gc=False):
    """Levels of ``orderbook.{depth}``; of depth 1 always the whole of it."""

    s: Name
    b: list[Level]
    a: list[Level]
    u: int
    seq: int = 0


class Liquidation(Struct, gc=False):
    """One of ``allLiquidation``: ``S`` is the side of the position that was liquidated, ``Buy`` a long; ``p`` its bankruptcy price."""

    T: Milliseconds
    s: Name
    S: Literal["Buy", "Sell"]
    v: Positive
    p: Positive


class PriceFilter(Struct, gc=False, frozen=True):
    """Prices an instrument may have."""

    tickSize: Number | None = None


NO_PRICES = PriceFilter()


class Listing(Struct, gc=False):
    """One of ``v5/market/instruments-info``; coins and right are read from the symbol."""

    symbol: Name
    deliveryTime: int | None = None
    priceFilter: PriceFilter = NO_PRICES


class Topics(Struct, gc=False):
    """Per topic what became of a request, for options."""

    failTopics: list[str] = []
    successTopics: list[str] = []


class Reply(Struct, gc=False):
    """An answer over the socket."""

    topic: str = ""
    op: str = ""
    type: str = ""
    ret_msg: str = ""
    req_id: str = ""
    success: bool | None = None
    data: Topics | None = None


class Answered(Struct, gc=False):
    """The outer part of a REST answer."""

    retCode: int = 0
    retMsg: str = ""


class Page(Struct, gc=False):
    """A page of a list."""

    listings: list[Raw] = field(name="list")
    nextPageCursor: str | None = None


class Listed(Struct, gc=False):
    """A page of instruments."""

    result: Page
