"""OKX's structs -> columns of the tables, in the workstation's units.

Contracts leave as underlying units: their number times ctVal x ctMult as the venue's list told it, of coin-settled futures and perpetuals (whose
size is in USD) over the price. So the multiplier of every row of ``instruments`` is 1. What is missing is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.okx import messages
from workstation.feeds.venue_kit.columns import (
    DAYS,
    MILLISECOND,
    POINTS,
    Floats,
    Times,
    nanoseconds,
    number,
    present,
)
from workstation.feeds.venue_kit.symbol_table import COIN_PRICED, OPTION, SPOT, USD_SIZED, SymbolTable
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import parse
from workstation.market.tables import NO_TIME

Ids = npt.NDArray[np.intp]
Columns = Mapping[str, Any]
"""Fields of messages by name, a value a message."""
VENUE = "okx"
SYMBOLS = SymbolTable("okx", sized=True)
"""The process's table; contract sizes are those of the newest list decoded."""


def stamp(ids: Ids, times: Sequence[int], seen_ns: Times) -> dict[str, Any]:
    """Columns every row has."""
    return {
        "event_ns": nanoseconds(times),
        "seen_ns": seen_ns,
        "instrument": SYMBOLS.code[ids],
        "venue": VENUE,
    }


def units(ids: Ids, contracts: Floats, prices: Floats) -> Floats:
    """Underlying units of a number of contracts; NaN where their size is not known."""
    sizes = contracts * SYMBOLS.size[ids]
    usd = (SYMBOLS.traits[ids] & USD_SIZED) != 0
    if not usd.any():
        return sizes
    return np.divide(sizes, prices, out=np.where(usd, np.nan, sizes), where=usd & (prices > 0))


def trades(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``trades``; ``venue_seq`` is the trade id, which counts an instrument's prints."""
    prices, trade_ids = number(told["px"]), list[str](told["tradeId"])
    columns = stamp(ids, told["ts"], seen_ns) | {
        "price": prices,
        "size": units(ids, number(told["sz"]), prices),
        "side": np.where(np.array(told["side"]) == "buy", 1, -1).astype(np.int8),
        "side_source": "venue",
        "trade_id": pd.array(trade_ids, dtype="str"),
        "venue_seq": np.array([_whole(trade_id) for trade_id in trade_ids], dtype=np.int64),
    }
    if np.any(SYMBOLS.traits[ids] & OPTION):
        columns |= {
            "iv": present(told["fillVol"]),
            "mark": present(told["markPx"]),
            "index": present(told["idxPx"]),
        }
    return columns


def _whole(trade_id: str) -> int:
    return int(trade_id) if trade_id.isdecimal() and len(trade_id) < 19 else 0


def ticker_marks(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` from tickers: bid and ask of options, last and volume of all."""
    option, spot = ((SYMBOLS.traits[ids] & trait) != 0 for trait in (OPTION, SPOT))
    bid, ask = present(told["bidPx"]), present(told["askPx"])
    volume = np.where(spot, number(told["vol24h"]), number(told["volCcy24h"]))
    return stamp(ids, told["ts"], seen_ns) | {
        "bid": np.where(option, bid, np.nan),
        "ask": np.where(option, ask, np.nan),
        "bid_size": np.where(option, units(ids, present(told["bidSz"]), bid), np.nan),
        "ask_size": np.where(option, units(ids, present(told["askSz"]), ask), np.nan),
        "last": present(told["last"]),
        "volume_24h": volume,
    }


def ticker_quotes(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``quotes`` from tickers of what is no option."""
    levels = [told[name] for name in ("bidPx", "bidSz", "askPx", "askSz")]
    return quotes(ids, told["ts"], levels, seen_ns)


def quotes(ids: Ids, times: Sequence[int], levels: Sequence[Sequence[Any]], seen_ns: Times) -> dict[str, Any]:
    """Columns of ``quotes`` from bid, bid size, ask and ask size."""
    bid, bid_size, ask, ask_size = (present(values) for values in levels)
    return stamp(ids, times, seen_ns) | {
        "bid": bid,
        "bid_size": units(ids, bid_size, bid),
        "ask": ask,
        "ask_size": units(ids, ask_size, ask),
    }


def summaries(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` from vols and Black-Scholes greeks."""

    def either(name: str) -> Floats:
        written = number(told[f"{name}BS"])
        return np.where(np.isnan(written), number(told[f"{name}Bs"]), written)

    return stamp(ids, told["ts"], seen_ns) | {
        "bid_iv": present(told["bidVol"]),
        "ask_iv": present(told["askVol"]),
        "mark_iv": present(told["markVol"]),
        "forward": present(told["fwdPx"]),
        "delta": either("delta"),
        "gamma": either("gamma"),
        "vega": either("vega") * POINTS,
        "theta": either("theta") * DAYS,
    }


def mark_prices(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks``: the mark alone."""
    return stamp(ids, told["ts"], seen_ns) | {"mark": present(told["markPx"])}


def open_interests(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks``: the open interest alone, in coins as the venue counts them."""
    return stamp(ids, told["ts"], seen_ns) | {
        "open_interest": number(told["oiCcy"]),
        "open_interest_ns": nanoseconds(told["ts"]),
    }


def index_prices(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks``: the row of the index (``BTC/USD``), with mark and index only."""
    value = number(told["idxPx"])
    return stamp(ids, told["ts"], seen_ns) | {"mark": value, "index": value}


def liquidations(ids: Ids, told: Columns, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``liquidations``."""
    price = number(told["bkPx"])
    size = units(ids, number(told["sz"]), price)
    return stamp(ids, told["ts"], seen_ns) | {
        "side": np.where(np.array(told["side"]) == "buy", 1, -1).astype(np.int8),
        "price": price,
        "size": size,
        "usd": size * price,
    }


def instruments(ids: Ids, listings: Sequence[messages.Listing], seen_ns: Times) -> dict[str, Any]:
    """Columns of ``instruments`` as of when they were seen; the multiplier is 1, since sizes leave in underlying units."""
    terms = [parse(name) for name in REGISTRY.names(SYMBOLS.code[ids]).tolist()]
    option = (SYMBOLS.traits[ids] & OPTION) != 0
    inverse = (SYMBOLS.traits[ids] & (COIN_PRICED | USD_SIZED)) != 0
    settle = [each.settle or each.quote for each in terms]
    return {
        "event_ns": seen_ns,
        "seen_ns": seen_ns,
        "instrument": SYMBOLS.code[ids],
        "venue": VENUE,
        "venue_symbol": [listing.instId for listing in listings],
        "kind": [each.kind for each in terms],
        "underlying": [each.underlying for each in terms],
        "root": [each.root for each in terms],
        "expiry_ns": np.array(
            [listing.expTime * MILLISECOND if listing.expTime else NO_TIME for listing in listings]
        ),
        "strike": number([each.strike for each in terms]),
        "right": [each.right for each in terms],
        "style": np.where(option, "european", ""),
        "multiplier": np.ones(len(terms)),
        "inverse": inverse,
        "premium_currency": np.where(option & inverse, settle, [each.quote for each in terms]),
        "settle_currency": settle,
        "tick_size": number([listing.tickSz for listing in listings]),
    }
