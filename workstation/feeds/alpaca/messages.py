"""Messages of Alpaca's streams and REST: decoded and validated once, here.

Field names are the venue's: ``T`` type, ``S`` symbol, ``t`` time, ``p`` price, ``s`` size, ``x`` exchange, ``c`` conditions, ``z`` tape,
``bp bs bx`` and ``ap as ax`` the two sides of a quote.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.msgpack import Ext

from workstation.feeds.venue_kit.columns import Amount, Name, Number, Positive

Conditions = str | list[str] | None


class Print(msgspec.Struct, tag_field="T", tag="t", gc=False):
    """A trade, of an option ``{"T":"t","S":"AAPL240315C00172500","t":...,"p":2.84,"s":1,"x":"N","c":"S"}``.

    Of a stock it has an id ``i``, a list of conditions and a tape ``z`` (A, B: CTA; C: UTP).
    """

    S: Name
    t: Ext
    p: Positive
    s: Positive
    x: str = ""
    c: Conditions = None
    i: int | None = None
    z: str = ""


class Quote(msgspec.Struct, tag_field="T", tag="q", gc=False):
    """``{"T":"q","S":"SPXW240327P04925000","t":...,"bx":"C","bp":9.46,"bs":53,"ax":"A","ap":9.66,"as":38,"c":"A"}``"""

    S: Name
    t: Ext
    bp: Number | None = None
    bs: Amount | None = None
    ap: Number | None = None
    ask_size: Amount | None = msgspec.field(default=None, name="as")
    bx: str = ""
    ax: str = ""
    c: Conditions = None


class Cancel(msgspec.Struct, tag_field="T", tag="x", gc=False):
    """A stock's print is taken back: ``{"T":"x","S":"GOOGL","i":465,"x":"D","p":158.31,"s":1,"a":"C","z":"C","t":...}``"""

    S: Name
    t: Ext
    p: Positive
    s: Positive
    i: int
    x: str = ""


class Correction(msgspec.Struct, tag_field="T", tag="c", gc=False):
    """A stock's print is replaced: ``oi op os oc`` the original, ``ci cp cs cc`` what stands for it."""

    S: Name
    t: Ext
    oi: int
    op: Positive
    os: Positive
    ci: int
    cp: Positive
    cs: Positive
    x: str = ""
    cc: Conditions = None
    z: str = ""


class Refused(msgspec.Struct, tag_field="T", tag="error", gc=False):
    """``{"T":"error","code":406,"msg":"connection limit exceeded"}``"""

    code: int = 0
    msg: str = ""


class Success(msgspec.Struct, tag_field="T", tag="success", gc=False):
    """``{"T":"success","msg":"authenticated"}``"""

    msg: str = ""


class Subscribed(msgspec.Struct, tag_field="T", tag="subscription", gc=False):
    """All that is subscribed now: ``{"T":"subscription","trades":["AAPL240315C00172500"],"quotes":[]}``"""

    trades: list[str] = []
    quotes: list[str] = []


class Candle(msgspec.Struct, tag_field="T", tag="b", gc=False):
    """A minute's candle; kept raw."""


class UpdatedCandle(msgspec.Struct, tag_field="T", tag="u", gc=False):
    """A corrected minute's candle; kept raw."""


class DailyCandle(msgspec.Struct, tag_field="T", tag="d", gc=False):
    """A day's candle; kept raw."""


class Status(msgspec.Struct, tag_field="T", tag="s", gc=False):
    """A halt or resumption; kept raw."""


class Band(msgspec.Struct, tag_field="T", tag="l", gc=False):
    """Limits up and down; kept raw."""


Message = (
    Print
    | Quote
    | Cancel
    | Correction
    | Refused
    | Success
    | Subscribed
    | Candle
    | UpdatedCandle
    | DailyCandle
    | Status
    | Band
)


class Contract(msgspec.Struct, gc=False):
    """One of ``v2/options/contracts``; numbers are written as text, open interest carries its date."""

    symbol: Name
    underlying_symbol: str
    root_symbol: str
    type: str
    style: str = ""
    size: Positive | None = None
    open_interest: Amount | None = None
    open_interest_date: str | None = None
    tradable: bool = True


class RestPrint(msgspec.Struct, gc=False):
    """A trade in an answer of ``options/trades`` and ``stocks/trades``; the time is RFC 3339 with nanoseconds."""

    t: str
    p: Positive
    s: Positive
    x: str = ""
    c: Conditions = None
    i: int | None = None
    z: str = ""


class RestQuote(msgspec.Struct, gc=False):
    """``latestQuote`` of a snapshot."""

    t: str
    bp: Number | None = None
    bs: Amount | None = None
    ap: Number | None = None
    ask_size: Amount | None = msgspec.field(default=None, name="as")
    bx: str = ""
    ax: str = ""
    c: Conditions = None


class Greeks(msgspec.Struct, gc=False):
    """The venue's own Black-Scholes greeks, per share: vega per vol point, theta a day, rho per point of rate."""

    delta: Number | None = None
    gamma: Number | None = None
    theta: Number | None = None
    vega: Number | None = None
    rho: Number | None = None


class DailyBar(msgspec.Struct, gc=False):
    """``dailyBar`` of a snapshot."""

    v: Amount | None = None


class Snapshot(msgspec.Struct, gc=False):
    """One symbol of ``options/snapshots/SPY`` or ``stocks/snapshots``; ``impliedVolatility`` is kept raw."""

    latestQuote: RestQuote | None = None
    latestTrade: RestPrint | None = None
    greeks: Greeks | None = None
    dailyBar: DailyBar | None = None


class BySymbol(msgspec.Struct, gc=False):
    """An answer by symbol and page: ``{"trades":{"AAPL...":[...]},"next_page_token":null}``"""

    trades: dict[str, Any] | None = None
    snapshots: dict[str, Any] | None = None
    next_page_token: str | None = None
