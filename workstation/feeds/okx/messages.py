"""OKX's v5 messages as structs, field names as the venue writes them; pushed and answered items are alike.

Numbers come as text, an empty text is none. Sizes count contracts (ctVal x ctMult each), ``oiCcy`` and ``volCcy24h`` coins; vols are fractions;
``...BS`` greeks are Black-Scholes, in USD, vega per vol point, theta per day; the others are in coin and are not read.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from workstation.feeds.venue_kit.columns import Amount, Milliseconds, Name, Number, Positive


class Trade(Struct, gc=False):
    """One print of ``trades``, ``trades-all`` and ``option-trades``; of the last with vol, mark and index."""

    instId: Name
    tradeId: Name
    px: Positive
    sz: Positive
    side: Literal["buy", "sell"]
    ts: Milliseconds
    fillVol: Amount | None = None
    markPx: Number | None = None
    idxPx: Number | None = None


class Ticker(Struct, gc=False):
    """Best bid and offer, last and volume of ``tickers``."""

    instId: Name
    ts: Milliseconds
    last: Number | None = None
    bidPx: Number | None = None
    bidSz: Amount | None = None
    askPx: Number | None = None
    askSz: Amount | None = None
    vol24h: Amount | None = None
    volCcy24h: Amount | None = None


class Summary(Struct, gc=False):
    """Vols and greeks of ``opt-summary``; the spelling of the Black-Scholes ones varies."""

    instId: Name
    ts: Milliseconds
    markVol: Amount | None = None
    bidVol: Amount | None = None
    askVol: Amount | None = None
    fwdPx: Number | None = None
    deltaBS: Number | None = None
    gammaBS: Number | None = None
    vegaBS: Number | None = None
    thetaBS: Number | None = None
    deltaBs: Number | None = None
    gammaBs: Number | None = None
    vegaBs: Number | None = None
    thetaBs: Number | None = None


class MarkPrice(Struct, gc=False):
    """``mark-price``."""

    instId: Name
    ts: Milliseconds
    markPx: Number


class OpenInterest(Struct, gc=False):
    """``open-interest``: ``oi`` contracts, ``oiCcy`` coins."""

    instId: Name
    ts: Milliseconds
    oiCcy: Amount


class IndexPrice(Struct, gc=False):
    """``index-tickers``."""

    instId: Name
    ts: Milliseconds
    idxPx: Positive


class Level(Struct, array_like=True, gc=False):
    """Price and size of a level."""

    price: Positive
    size: Amount


class Book(Struct, gc=False):
    """Levels of ``bbo-tbt``; its ``checksum`` is always 0 and is not read."""

    ts: Milliseconds
    bids: list[Level]
    asks: list[Level]


class Argument(Struct, gc=False):
    """What a frame is about."""

    channel: str = ""
    instId: str = ""
    instFamily: str = ""
    uly: str = ""
    instType: str = ""


class BestBook(Struct, gc=False):
    """A frame of ``bbo-tbt``: the instrument stands in the argument alone."""

    arg: Argument
    data: list[Book]


class ForcedOrder(Struct, gc=False):
    """One order of a liquidation."""

    side: Literal["buy", "sell"]
    bkPx: Positive
    sz: Positive
    ts: Milliseconds


class Liquidation(Struct, gc=False):
    """Orders of one instrument of ``liquidation-orders``; ``side`` is that of the order: ``buy``, a short is bought in."""

    instId: Name
    details: list[ForcedOrder]


class Listing(Struct, gc=False):
    """One of ``public/instruments``."""

    instId: Name
    instType: Name
    ctVal: Number | None = None
    ctMult: Number | None = None
    ctValCcy: str | None = None
    settleCcy: str | None = None
    expTime: int | None = None
    tickSz: Number | None = None
    state: str | None = None


class Event(Struct, gc=False):
    """An answer, error or notice over the socket."""

    event: str = ""
    code: str = ""
    msg: str = ""
    id: str = ""
    arg: Argument | None = None


class Answered(Struct, gc=False):
    """The outer part of a REST answer."""

    code: str = "0"
    msg: str = ""
