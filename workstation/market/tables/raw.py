"""The raw tables: what feeds bring."""

from __future__ import annotations

from enum import IntFlag

from workstation.market.tables.columns import Column
from workstation.market.tables.schema import Table

SEQ = Column(
    "seq",
    "int64",
    "",
    doc="order in which the hub accepted the row; strictly increasing; 0 = not yet accepted",
)
EVENT = Column("event_ns", "int64", "ns", required=True, doc="UTC time at which it happened at the venue")
SEEN = Column("seen_ns", "int64", "ns", doc="UTC time at which this machine received it; 0 = not known")
INSTRUMENT = Column(
    "instrument", "instrument", required=True, doc="unified name, a category of the instrument registry"
)
VENUE = Column("venue", "category", doc="deribit, bybit, okx, binance, opra, ...")
STAMP = (SEQ, EVENT, SEEN)


class TradeFlag(IntFlag):
    """Bits of ``trades.flags``; which of them keep a print from setting a price is said in ``market.conditions``.

    ``NO_PRICE``: the source says that the print counts as volume and sets neither open, high, low nor last. ``VOID``: it
    counts for nothing, neither price, volume nor number of trades: withdrawn or corrected by its source, or an official
    value and no trade.
    """

    BLOCK = 1 << 0
    COMBO = 1 << 1
    LIQUIDATION = 1 << 2
    OFF_EXCHANGE = 1 << 3
    ISO = 1 << 4
    AUCTION = 1 << 5
    CROSS = 1 << 6
    FLOOR = 1 << 7
    MULTI_LEG = 1 << 8
    STOCK_TIED = 1 << 9
    COMPRESSION = 1 << 10
    LATE = 1 << 11
    OUT_OF_SEQUENCE = 1 << 12
    CANCEL = 1 << 13
    AVERAGE_PRICE = 1 << 14
    ODD_LOT = 1 << 15
    EXTENDED_HOURS = 1 << 16
    NO_PRICE = 1 << 17
    VOID = 1 << 18


FRAMES = Table(
    "frames",
    (
        *STAMP,
        Column("feed", "category", required=True, doc="name of the feed that received it"),
        Column("channel", "category", doc="channel or path it came by"),
        Column("payload", "bytes", required=True, doc="the bytes as received"),
    ),
    doc="The record of truth: raw frames as received.",
)
TRADES = Table(
    "trades",
    (
        *STAMP,
        INSTRUMENT,
        Column(
            "price",
            "float64",
            "quote or premium currency",
            required=True,
            price=True,
            doc="price of the print",
        ),
        Column(
            "size",
            "float64",
            "underlying units or contracts as the instrument's multiplier says",
            required=True,
            least=0.0,
            doc="how much was traded",
        ),
        Column("side", "int8", doc="+1 taker buy, -1 taker sell, 0 unknown", least=-1, most=1),
        Column("side_source", "category", doc="venue, quote-rule, depth, tick"),
        Column("flags", "int32", doc="bits of TradeFlag"),
        Column("trade_id", "str", doc="the venue's id"),
        Column("venue_seq", "int64", doc="the venue's own sequence number (Deribit trade_seq); 0 = none"),
        Column("block_id", "str", doc="block or combo trade id; legs of one parent share it"),
        Column("condition", "category", doc="sale condition as the venue prints it"),
        Column("exchange", "category", doc="exchange or participant code as printed"),
        Column(
            "iv", "float64", "annual decimal", doc="implied vol the venue prints with the trade", least=0.0
        ),
        Column("mark", "float64", "as price", doc="mark price at the trade", price=True),
        Column("index", "float64", "USD", doc="index price at the trade", price=True),
        VENUE,
    ),
    doc="Prints.",
)
QUOTES = Table(
    "quotes",
    (
        *STAMP,
        INSTRUMENT,
        Column("bid", "float64", "as price", price=True, doc="best bid; NaN without one"),
        Column("bid_size", "float64", "as trades.size", least=0.0, doc="size at the bid"),
        Column("ask", "float64", "as price", price=True, doc="best offer; NaN without one"),
        Column("ask_size", "float64", "as trades.size", least=0.0, doc="size at the offer"),
        Column("condition", "category", doc="quote condition as the venue writes it"),
        Column("exchange", "category", doc="exchange code of a venue quote; empty for a consolidated one"),
        VENUE,
    ),
    doc="Best bid and offer; NaN on a side that is empty.",
)
MARKS = Table(
    "marks",
    (
        *STAMP,
        INSTRUMENT,
        Column("bid", "float64", "premium currency", price=True, doc="best bid; NaN without one"),
        Column("ask", "float64", "premium currency", price=True, doc="best offer; NaN without one"),
        Column("bid_size", "float64", "as trades.size", least=0.0, doc="size at the bid"),
        Column("ask_size", "float64", "as trades.size", least=0.0, doc="size at the offer"),
        Column("last", "float64", "premium currency", price=True, doc="price of the last print"),
        Column("mark", "float64", "premium currency", price=True, doc="the venue's mark"),
        Column("bid_iv", "float64", "annual decimal", least=0.0, doc="vol of the bid"),
        Column("ask_iv", "float64", "annual decimal", least=0.0, doc="vol of the offer"),
        Column("mark_iv", "float64", "annual decimal", least=0.0, doc="vol of the mark"),
        Column("delta", "float64", "1", doc="delta as the venue gives it"),
        Column("gamma", "float64", "1/USD", doc="gamma as the venue gives it"),
        Column("vega", "float64", "USD per 1.00 vol", doc="vega as the venue gives it"),
        Column("theta", "float64", "USD per year", doc="theta as the venue gives it"),
        Column("rho", "float64", "USD per 1.00 rate", doc="rho as the venue gives it"),
        Column(
            "open_interest",
            "float64",
            "contracts; contracts x multiplier = underlying units",
            least=0.0,
            doc="contracts open",
        ),
        Column("open_interest_ns", "int64", "ns", doc="when the open interest was published"),
        Column(
            "volume_24h",
            "float64",
            "contracts",
            doc="traded over 24 h, or today where the venue says so",
            least=0.0,
        ),
        Column("forward", "float64", "USD", doc="the expiry's forward as the venue gives it", price=True),
        Column("index", "float64", "USD", doc="the underlying's index or spot", price=True),
        VENUE,
    ),
    doc="Option tickers.",
)
INSTRUMENTS = Table(
    "instruments",
    (
        *STAMP,
        INSTRUMENT,
        Column("venue_symbol", "str", doc="the venue's raw id"),
        VENUE,
        Column("kind", "category", doc="spot, perpetual, future, option, equity, index", required=True),
        Column("underlying", "category", doc="kept apart from the trading root: SPXW -> SPX"),
        Column("root", "category", doc="trading root"),
        Column("expiry_ns", "int64", "ns", doc="expiry instant"),
        Column("strike", "float64", "USD", doc="strike"),
        Column("right", "category", doc="C or P"),
        Column("style", "category", doc="european or american"),
        Column("multiplier", "float64", "underlying units per contract", doc="underlying units per contract"),
        Column("inverse", "bool", doc="premium and settlement in coin"),
        Column("premium_currency", "category", doc="currency of prices"),
        Column("settle_currency", "category", doc="currency in which gains are paid"),
        Column("tick_size", "float64", "as price", doc="smallest step of a price"),
    ),
    key=("instrument", "event_ns"),
    doc="Terms; a later row for the same instrument replaces an earlier one.",
)
POSITIONS = Table(
    "positions",
    (
        *STAMP,
        INSTRUMENT,
        VENUE,
        Column("account", "category", doc="account at the venue; empty where there is one"),
        Column(
            "quantity",
            "float64",
            "underlying units, signed",
            required=True,
            doc="what is held; negative when short",
        ),
        Column("entry", "float64", "as price", doc="average cost"),
        Column("mark", "float64", "as price", doc="the venue's mark of it"),
        Column("index", "float64", "USD", doc="USD price of the underlying or coin"),
        Column("unrealised", "float64", "settle currency", doc="gain of what is open, in settle currency"),
        Column("settle_currency", "category", doc="currency in which gains are paid"),
        Column(
            "position_side",
            "category",
            doc="long or short where the venue keeps both sides of one contract; else empty",
        ),
        Column("margin_mode", "category", doc="cross or isolated where the venue says it; else empty"),
    ),
    doc="Positions of all venues. One position is named by venue, account, instrument, position_side and margin_mode.",
)
FILLS = Table(
    "fills",
    (
        *STAMP,
        INSTRUMENT,
        VENUE,
        Column("account", "category", doc="account at the venue; empty where there is one"),
        Column("side", "int8", required=True, doc="+1 bought, -1 sold", least=-1, most=1),
        Column("price", "float64", "as price", required=True, doc="price of the fill"),
        Column("size", "float64", "underlying units", required=True, doc="how much was traded"),
        Column("fee", "float64", "fee currency; positive = paid", doc="fee of the fill"),
        Column("fee_currency", "category", doc="currency of the fee; empty: the settle currency"),
        Column(
            "kind",
            "category",
            doc="trade, settlement, funding, liquidation; removal takes back all fills of its position before it",
        ),
        Column("index", "float64", "USD", doc="USD price of the underlying or coin at that moment"),
        Column("fill_id", "str", doc="the venue's id, or file:line; a fill seen before changes nothing"),
        Column("block_id", "str", doc="block trade it was a leg of"),
        Column(
            "position_side",
            "category",
            doc="long or short where the venue keeps both sides of one contract; else empty",
        ),
        Column("margin_mode", "category", doc="cross or isolated where the venue says it; else empty"),
    ),
    doc="Own executions, settlements and funding payments.",
)
BALANCES = Table(
    "balances",
    (
        *STAMP,
        VENUE,
        Column("account", "category", doc="account at the venue; empty where there is one"),
        Column("currency", "category", required=True, doc="currency of the amounts"),
        Column(
            "total",
            "float64",
            "currency",
            doc="what is owned, less what is borrowed; negative when more is owed",
        ),
        Column("available", "float64", "currency", doc="what may be withdrawn or used"),
    ),
    doc="Account balances.",
)
LIQUIDATIONS = Table(
    "liquidations",
    (
        *STAMP,
        INSTRUMENT,
        Column("side", "int8", doc="+1 a short was bought in, -1 a long was sold out", least=-1, most=1),
        Column("price", "float64", "as price", required=True, price=True, doc="price it was closed at"),
        Column(
            "size",
            "float64",
            "underlying units",
            required=True,
            least=0.0,
            doc="size that was closed by force",
        ),
        Column("usd", "float64", "USD", doc="value at the index"),
        VENUE,
    ),
    doc="Forced executions.",
)
HEARTBEAT = Table(
    "heartbeat",
    (*STAMP, Column("feed", "category", doc="whose clock it is; empty for the hub's own")),
    doc="Moves the watermark when the market is quiet.",
)
HEALTH = Table(
    "health",
    (
        *STAMP,
        Column("feed", "category", doc="which feed speaks"),
        Column("channel", "category", doc="which of its channels; empty: all"),
        Column(
            "event",
            "category",
            required=True,
            doc="connecting, connected, disconnected, gap, quiet, stale, fresh, resubscribed, refused, backfilled, "
            "duplicate, dropped, late, rejected, clock_skew, failed, ended, stopped, conflated, spilled, importing, imported, unknown",
        ),
        Column("start_ns", "int64", "ns", doc="begin of what the row is about"),
        Column("end_ns", "int64", "ns", doc="when the hole ends, where it is known"),
        Column("count", "int64", "rows", doc="how many rows it concerns"),
        Column("recoverable", "bool", doc="whether a backfill can mend it"),
        Column("instruments", "str", doc="names concerned, separated by blanks; empty = all of the channel"),
        Column("detail", "str", doc="in words, with the numbers"),
    ),
    doc="What is connected, missing, stale, dropped, rejected or failed.",
)
RAW = (
    FRAMES,
    TRADES,
    QUOTES,
    MARKS,
    INSTRUMENTS,
    POSITIONS,
    FILLS,
    BALANCES,
    LIQUIDATIONS,
    HEARTBEAT,
    HEALTH,
)
