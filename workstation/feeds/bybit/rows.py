"""Bybit's structs -> columns of the tables, in the workstation's units.

Amounts of inverse contracts come in USD and leave in coin, so that every size is in underlying units and the multiplier is 1.
What is missing, and 0 where 0 means none, is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.bybit import messages
from workstation.feeds.venue_kit.columns import (
    DAYS,
    MILLISECOND,
    POINTS,
    Floats,
    Times,
    counted,
    nanoseconds,
    number,
    present,
)
from workstation.feeds.venue_kit.symbol_table import COIN_PRICED, OPTION, USD_SIZED, SymbolTable
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import parse
from workstation.market.tables import NO_TIME, TradeFlag

Ids = npt.NDArray[np.intp]
Columns = Mapping[str, Any]
"""Fields of messages by name, a value a message."""
VENUE = "bybit"
OPTION_FIELDS = (
    "bidPrice", "bidSize", "bidIv", "askPrice", "askSize", "askIv", "lastPrice", "markPrice", "markPriceIv",
)  # fmt: skip
"""Fields of the ticker whose names differ by REST."""
STATE_FIELDS = (
    "bid1Price", "bid1Size", "bid1Iv", "ask1Price", "ask1Size", "ask1Iv", "lastPrice", "markPrice", "markIv",
)  # fmt: skip
TRADE_FIELDS = ("T", "S", "v", "p", "i", "BT")
PAST_FIELDS = ("time", "side", "size", "price", "execId", "isBlockTrade")


def stamp(table: SymbolTable, ids: Ids, event_ns: Times, seen_ns: Times) -> dict[str, Any]:
    """Columns every row has."""
    return {"event_ns": event_ns, "seen_ns": seen_ns, "instrument": table.code[ids], "venue": VENUE}


def in_coin(table: SymbolTable, ids: Ids, amounts: Floats, prices: Floats) -> Floats:
    """Amounts in underlying units: USD of inverse contracts over the price, the rest as they are."""
    usd = (table.traits[ids] & USD_SIZED) != 0
    if not usd.any():
        return amounts
    return np.divide(amounts, prices, out=np.where(usd, np.nan, amounts), where=usd & (prices > 0))


def trades(
    table: SymbolTable, ids: Ids, told: Columns, seen_ns: Times, names: Sequence[str]
) -> dict[str, Any]:
    """Columns of ``trades``."""
    time, side, size, price, trade_id, block = (told[name] for name in names)
    prices, option = number(price), (table.traits[ids] & OPTION) != 0
    columns = stamp(table, ids, nanoseconds(time), seen_ns) | {
        "price": prices,
        "size": in_coin(table, ids, number(size), prices),
        "side": np.where(np.array(side) == "Buy", 1, -1).astype(np.int8),
        "side_source": "venue",
        "trade_id": pd.array(trade_id, dtype="str"),
        "venue_seq": counted(told["seq"]),
    }
    if any(block):
        columns["flags"] = (np.array(block) * int(TradeFlag.BLOCK)).astype(np.int32)
    if option.any():
        columns |= {
            "iv": present(told["iv"]),
            "mark": present(told["mP"]),
            "index": present(told["iP"]),
        }
    return columns


def option_marks(
    table: SymbolTable, ids: Ids, told: Columns, seen_ns: Times, sent_ns: Times, names: Sequence[str]
) -> dict[str, Any]:
    """Columns of ``marks`` of options: whole in every message."""
    bid, bid_size, bid_iv, ask, ask_size, ask_iv, last, mark, mark_iv = (
        present(told[name]) for name in names
    )
    interest = number(told["openInterest"])
    return stamp(table, ids, sent_ns, seen_ns) | {
        "bid": bid,
        "ask": ask,
        "bid_size": bid_size,
        "ask_size": ask_size,
        "last": last,
        "mark": mark,
        "bid_iv": bid_iv,
        "ask_iv": ask_iv,
        "mark_iv": mark_iv,
        "delta": number(told["delta"]),
        "gamma": number(told["gamma"]),
        "vega": number(told["vega"]) * POINTS,
        "theta": number(told["theta"]) * DAYS,
        "open_interest": interest,
        "open_interest_ns": np.where(np.isnan(interest), NO_TIME, sent_ns),
        "volume_24h": number(told["volume24h"]),
        "forward": present(told["underlyingPrice"]),
        "index": present(told["indexPrice"]),
    }


def contract_marks(
    table: SymbolTable, ids: Ids, told: Columns, seen_ns: Times, sent_ns: Times
) -> dict[str, Any]:
    """Columns of ``marks`` of what is no option: the fields a message carries; bid and ask go to ``quotes``.

    The index of a spot pair is the venue's USD index of its coin. Open interest and volume of inverse contracts are taken from
    what is written in coin (``openInterestValue``, ``turnover24h``).
    """
    usd = (table.traits[ids] & USD_SIZED) != 0
    interest = np.where(usd, number(told["openInterestValue"]), number(told["openInterest"]))
    index = present(told["indexPrice"])
    volume = np.where(usd, number(told["turnover24h"]), number(told["volume24h"]))
    return stamp(table, ids, sent_ns, seen_ns) | {
        "last": present(told["lastPrice"]),
        "mark": present(told["markPrice"]),
        "open_interest": interest,
        "open_interest_ns": np.where(np.isnan(interest), NO_TIME, sent_ns),
        "volume_24h": volume,
        "index": np.where(np.isnan(index), present(told["usdIndexPrice"]), index),
    }


def quotes(
    table: SymbolTable, ids: Ids, levels: Sequence[Sequence[Any]], seen_ns: Times, event_ns: Times
) -> dict[str, Any]:
    """Columns of ``quotes`` from bid, bid size, ask and ask size."""
    bid, bid_size, ask, ask_size = (present(values) for values in levels)
    return stamp(table, ids, event_ns, seen_ns) | {
        "bid": bid,
        "bid_size": in_coin(table, ids, bid_size, bid),
        "ask": ask,
        "ask_size": in_coin(table, ids, ask_size, ask),
    }


def liquidations(table: SymbolTable, ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``liquidations``: a long that was liquidated (``Buy``) was sold out."""
    price = number(told["p"])
    size = in_coin(table, ids, number(told["v"]), price)
    return stamp(table, ids, nanoseconds(told["T"]), seen_ns) | {
        "side": np.where(np.array(told["S"]) == "Buy", -1, 1).astype(np.int8),
        "price": price,
        "size": size,
        "usd": size * price,
    }


def instruments(
    table: SymbolTable, ids: Ids, listings: Sequence[messages.Listing], seen_ns: Times, sent_ns: Times
) -> dict[str, Any]:
    """Columns of ``instruments`` as of when they were seen; sizes leave in underlying units, so the multiplier is 1."""
    terms = [parse(name) for name in REGISTRY.names(table.code[ids]).tolist()]
    option = (table.traits[ids] & OPTION) != 0
    inverse = (table.traits[ids] & (COIN_PRICED | USD_SIZED)) != 0
    delivery = [listing.deliveryTime or 0 for listing in listings]
    return stamp(table, ids, np.where(seen_ns > 0, seen_ns, sent_ns), seen_ns) | {
        "venue_symbol": [listing.symbol for listing in listings],
        "kind": [each.kind for each in terms],
        "underlying": [each.underlying for each in terms],
        "root": [each.root for each in terms],
        "expiry_ns": np.array([time * MILLISECOND if time > 0 else NO_TIME for time in delivery]),
        "strike": number([each.strike for each in terms]),
        "right": [each.right for each in terms],
        "style": np.where(option, "european", ""),
        "multiplier": np.ones(len(terms)),
        "inverse": inverse,
        "premium_currency": [each.quote for each in terms],
        "settle_currency": [each.settle or each.quote for each in terms],
        "tick_size": number([listing.priceFilter.tickSize for listing in listings]),
    }
