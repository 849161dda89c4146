"""Binance's structs -> columns of the tables, in the workstation's units.

A contract of an option is ``unit`` coins, and its price is that of the whole contract: sizes leave times the unit, prices over it, so that the
multiplier of every row of ``instruments`` is 1. What is missing, and 0 or -1 where they mean none, is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.venue_kit.columns import (
    DAYS,
    MILLISECOND,
    POINTS,
    Times,
    nanoseconds,
    number,
    positive,
    present,
)
from workstation.feeds.venue_kit.symbol_table import OPTION, SymbolTable
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import parse
from workstation.market.tables import NO_TIME, TradeFlag

Ids = npt.NDArray[np.intp]
Columns = Mapping[str, Any]
"""Fields of messages by name, a value a message."""
VENUE = "binance"
OPTIONS = SymbolTable("binance", sized=True)
"""Options; units are those of the newest list decoded."""
FUTURES, SPOT = SymbolTable("binance"), SymbolTable("binance_spot")
_FOREVER = 4_102_444_800_000
"""Milliseconds; the venue writes the year 2100 for what does not expire."""


def stamp(table: SymbolTable, ids: Ids, event_ns: Times, seen_ns: Times) -> dict[str, Any]:
    """Columns every row has."""
    return {"event_ns": event_ns, "seen_ns": seen_ns, "instrument": table.code[ids], "venue": VENUE}


def option_trades(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``trades`` of options, pushed or by REST."""
    unit = OPTIONS.size[ids]
    pushed = "T" in told
    sides = np.array(told["S"]) == "BUY" if pushed else np.array(told["side"]) > 0
    columns = stamp(OPTIONS, ids, nanoseconds(told["T" if pushed else "time"]), seen_ns) | {
        "price": number(told["p" if pushed else "price"]) / unit,
        "size": np.abs(number(told["q" if pushed else "qty"])) * unit,
        **_printed(told["t" if pushed else "id"], sides),
    }
    if pushed and "BLOCK" in told["X"]:
        columns["flags"] = ((np.array(told["X"]) == "BLOCK") * int(TradeFlag.BLOCK)).astype(np.int32)
    return columns


def aggregate_trades(table: SymbolTable, ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``trades`` of futures and spot."""
    return stamp(table, ids, nanoseconds(told["T"]), seen_ns) | {
        "price": number(told["p"]),
        "size": number(told["q"]),
        **_printed(told["a"], ~np.array(told["m"])),
    }


def _printed(numbers: Sequence[int], bought: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Side, id and number of prints; the venue counts an instrument's prints, and its count is the id."""
    counts = np.array(numbers, dtype=np.int64)
    return {
        "side": np.where(bought, 1, -1).astype(np.int8),
        "side_source": "venue",
        "trade_id": pd.array(list(map(str, counts.tolist())), dtype="str"),
        "venue_seq": counts,
    }


def option_marks(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` of ``optionMarkPrice``."""
    unit = OPTIONS.size[ids]
    return stamp(OPTIONS, ids, nanoseconds(told["E"]), seen_ns) | {
        "bid": present(told["bo"]) / unit,
        "ask": present(told["ao"]) / unit,
        "bid_size": present(told["bq"]) * unit,
        "ask_size": present(told["aq"]) * unit,
        "mark": present(told["mp"]) / unit,
        "bid_iv": positive(told["b"]),
        "ask_iv": positive(told["a"]),
        "mark_iv": positive(told["vo"]),
        **_greeks(told["d"], told["g"], told["v"], told["t"]),
        "index": present(told["i"]),
    }


def option_states(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` of ``eapi/v1/mark``, as of when they were seen: it tells no time."""
    unit = OPTIONS.size[ids]
    return stamp(OPTIONS, ids, seen_ns, seen_ns) | {
        "mark": present(told["markPrice"]) / unit,
        "bid_iv": positive(told["bidIV"]),
        "ask_iv": positive(told["askIV"]),
        "mark_iv": positive(told["markIV"]),
        **_greeks(told["delta"], told["gamma"], told["vega"], told["theta"]),
    }


def _greeks(
    delta: Sequence[Any], gamma: Sequence[Any], vega: Sequence[Any], theta: Sequence[Any]
) -> dict[str, Any]:
    return {
        "delta": number(delta),
        "gamma": number(gamma),
        "vega": number(vega) * POINTS,
        "theta": number(theta) * DAYS,
    }


def option_tickers(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks``: last and volume."""
    unit = OPTIONS.size[ids]
    return stamp(OPTIONS, ids, nanoseconds(told["E"]), seen_ns) | {
        "last": present(told["c"]) / unit,
        "volume_24h": number(told["v"]) * unit,
    }


def option_days(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` of ``eapi/v1/ticker``, as of when they were seen."""
    unit = OPTIONS.size[ids]
    return stamp(OPTIONS, ids, seen_ns, seen_ns) | {
        "bid": present(told["bidPrice"]) / unit,
        "ask": present(told["askPrice"]) / unit,
        "last": present(told["lastPrice"]) / unit,
        "volume_24h": number(told["volume"]) * unit,
    }


def open_interests(
    table: SymbolTable, ids: Ids, times: Sequence[int], amounts: Sequence[Any], seen_ns: Times
) -> dict[str, Any]:
    """Columns of ``marks``: the open interest alone, in coins."""
    event_ns = nanoseconds(times)
    return stamp(table, ids, event_ns, seen_ns) | {
        "open_interest": number(amounts) * table.size[ids],
        "open_interest_ns": event_ns,
    }


def mark_prices(
    ids: Ids, times: Sequence[int], marks: Sequence[Any], index: Sequence[Any], seen_ns: Times
) -> dict[str, Any]:
    """Columns of ``marks`` of futures."""
    return stamp(FUTURES, ids, nanoseconds(times), seen_ns) | {
        "mark": present(marks),
        "index": present(index),
    }


def quotes(
    table: SymbolTable, ids: Ids, levels: Sequence[Sequence[Any]], times: Sequence[int], seen_ns: Times
) -> dict[str, Any]:
    """Columns of ``quotes``; where the venue tells no time, as of when they were seen. Options' prices are per contract."""
    bid, bid_size, ask, ask_size = (present(values) for values in levels)
    unit, told_ns = table.size[ids], nanoseconds(times)
    return stamp(table, ids, np.where(told_ns > 0, told_ns, seen_ns), seen_ns) | {
        "bid": bid / unit,
        "bid_size": bid_size * unit,
        "ask": ask / unit,
        "ask_size": ask_size * unit,
    }


def liquidations(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``liquidations``: what was filled at its average, else what was ordered at its price."""
    average, filled = positive(told["ap"]), positive(told["z"])
    price = np.where(np.isnan(average), number(told["p"]), average)
    size = np.where(np.isnan(filled), number(told["q"]), filled)
    return stamp(FUTURES, ids, nanoseconds(told["T"]), seen_ns) | {
        "side": np.where(np.array(told["S"]) == "BUY", 1, -1).astype(np.int8),
        "price": price,
        "size": size,
        "usd": size * price,
    }


def instruments(
    table: SymbolTable, ids: Ids, listings: Sequence[Any], expiries: Sequence[int], seen_ns: Times
) -> dict[str, Any]:
    """Columns of ``instruments`` as of when they were seen."""
    terms = [parse(name) for name in REGISTRY.names(table.code[ids]).tolist()]
    option = (table.traits[ids] & OPTION) != 0
    ticks = [
        next((each.tickSize for each in listing.filters if each.filterType == "PRICE_FILTER"), None)
        for listing in listings
    ]
    return stamp(table, ids, seen_ns, seen_ns) | {
        "venue_symbol": [listing.symbol for listing in listings],
        "kind": [each.kind for each in terms],
        "underlying": [each.underlying for each in terms],
        "root": [each.root for each in terms],
        "expiry_ns": np.array(
            [time * MILLISECOND if 0 < time < _FOREVER else NO_TIME for time in expiries], dtype=np.int64
        ),
        "strike": number([each.strike for each in terms]),
        "right": [each.right for each in terms],
        "style": np.where(option, "european", ""),
        "multiplier": np.ones(len(terms)),
        "inverse": np.zeros(len(terms), dtype=bool),
        "premium_currency": [each.quote for each in terms],
        "settle_currency": [each.settle or each.quote for each in terms],
        "tick_size": number(ticks) / (table.size[ids] if option.any() else 1.0),
    }
