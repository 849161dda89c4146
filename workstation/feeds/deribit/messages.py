"""Deribit's messages as structs: what a frame must hold, checked once.

Fields that no table carries are not named, so that msgspec skips them. Amounts, prices and times are as the venue
sends them: IV in percent, vega per vol point, theta per day, amounts of coin-settled futures in USD.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Milliseconds = Annotated[int, Meta(gt=0, lt=9_000_000_000_000)]
Positive = Annotated[float, Meta(gt=0)]
Amount = Annotated[float, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Identifier = str | int | None


class Trade(Struct, gc=False):
    """One print; a combo's own print carries ``legs`` and no ``trade_id``."""

    timestamp: Milliseconds
    instrument_name: Name
    price: float
    amount: Positive
    direction: Literal["buy", "sell"]
    trade_seq: Annotated[int, Meta(gt=0, lt=9_000_000_000_000_000_000)]
    trade_id: str = ""
    iv: float | None = None
    mark_price: float | None = None
    index_price: float | None = None
    liquidation: Literal["M", "T", "MT", "none"] | None = None
    block_trade_id: Identifier = None
    combo_trade_id: Identifier = None
    combo_id: Identifier = None


class Greeks(Struct, gc=False, frozen=True):
    """Greeks of a ticker."""

    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    rho: float | None = None


class Stats(Struct, gc=False, frozen=True):
    """Statistics of 24 h; the volume is in the base coin."""

    volume: float | None = None


NO_GREEKS, NO_STATS = Greeks(), Stats()


class Ticker(Struct, gc=False):
    """One ticker, of any kind of instrument; an answer of ``get_order_book`` has the same fields."""

    timestamp: Milliseconds
    instrument_name: Name
    best_bid_price: float | None = None
    best_ask_price: float | None = None
    best_bid_amount: Amount | None = None
    best_ask_amount: Amount | None = None
    last_price: float | None = None
    mark_price: float | None = None
    bid_iv: float | None = None
    ask_iv: float | None = None
    mark_iv: float | None = None
    open_interest: float | None = None
    underlying_price: float | None = None
    index_price: float | None = None
    greeks: Greeks = NO_GREEKS
    stats: Stats = NO_STATS


class Quote(Struct, gc=False):
    """Best bid and offer."""

    timestamp: Milliseconds
    instrument_name: Name
    best_bid_price: float | None
    best_ask_price: float | None
    best_bid_amount: Amount | None
    best_ask_amount: Amount | None


class Level(Struct, array_like=True, gc=False):
    """A level of a grouped book."""

    price: float
    amount: Amount


class Depth(Struct, gc=False):
    """A grouped book: whole levels, best first, in every message."""

    timestamp: Milliseconds
    instrument_name: Name
    bids: list[Level]
    asks: list[Level]


class MarkPrice(Struct, gc=False):
    """Mark of one option in a whole-chain message; its ``iv`` is a fraction, unlike everywhere else."""

    timestamp: Milliseconds
    instrument_name: Name
    mark_price: float
    iv: float | None = None


class IndexPrice(Struct, gc=False):
    """Value of an index."""

    timestamp: Milliseconds
    price: Positive
    index_name: Name


class Summary(Struct, gc=False):
    """One instrument's line of ``get_book_summary_by_currency``."""

    creation_timestamp: Milliseconds
    instrument_name: Name
    bid_price: float | None = None
    ask_price: float | None = None
    last: float | None = None
    mark_price: float | None = None
    mark_iv: float | None = None
    open_interest: float | None = None
    volume: float | None = None
    underlying_price: float | None = None


class Listing(Struct, gc=False):
    """One instrument of ``get_instruments``."""

    instrument_name: Name
    kind: Name
    base_currency: str
    tick_size: float
    creation_timestamp: Milliseconds
    expiration_timestamp: int | None = None
    strike: float | None = None
    settlement_currency: str = ""
    price_index: str = ""
    state: str = ""
    is_active: bool = True

    @property
    def tradable(self) -> bool:
        """Whether orders are taken: listed is not open. ``is_active`` alone is not enough where the venue tells a ``state``."""
        return self.is_active and self.state in ("", "open")


class Trades(Struct, gc=False):
    """Answer of ``get_last_trades_by_*``."""

    trades: list[Trade]
    has_more: bool = False


class PastTrades(Struct):
    """A page of past prints over JSON-RPC."""

    result: Trades


class Listings(Struct):
    """Instruments over JSON-RPC."""

    result: list[Listing]


class Result(Struct):
    """A JSON-RPC answer whose result is read elsewhere."""

    result: object = None


class Channel(Struct, gc=False):
    """The part of a notification that says what it is about."""

    channel: str = ""


class Failure(Struct, gc=False):
    """A JSON-RPC error."""

    code: int
    message: str
    data: object = None


class Envelope(Struct, gc=False):
    """What every JSON-RPC frame may hold."""

    id: object = None
    method: str = ""
    params: Channel | None = None
    error: Failure | None = None
