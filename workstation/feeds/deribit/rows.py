"""Deribit's structs -> columns of the tables, in the workstation's units.

Each function takes structs, the ids of their instruments (``names.NAMES``) and when each was seen, and gives the
columns of a table, ``instrument`` as registry codes. What is missing (null, and 0 where 0 means "none") is NaN. Sizes and open interest of
coin-settled futures and perpetuals come in USD and leave in coin (divided by the price they go with), so that every
size is in underlying units and price x size is USD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.deribit import messages
from workstation.feeds.deribit.names import COIN_PRICED, NAMES, OPTION, USD_SIZED, index_codes
from workstation.market.instants import MILLISECOND_NS, YEAR_DAYS
from workstation.market.symbology import parse
from workstation.market.tables import NO_TIME, TradeFlag

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.intp]
Times = npt.NDArray[np.int64]

DAYS, POINTS = float(YEAR_DAYS), 100.0
"""Days of a year (theta), vol or rate points of 1.00 (IV, vega, rho)."""
_NEVER = 9_000_000_000_000
"""Milliseconds; the venue writes the year 3000 for what does not expire."""
BLOCK, COMBO, FORCED = int(TradeFlag.BLOCK), int(TradeFlag.COMBO), int(TradeFlag.LIQUIDATION)


def fields(structs: Sequence[msgspec.Struct]) -> list[tuple[Any, ...]]:
    """Columns of structs, in field order."""
    return list(zip(*map(msgspec.structs.astuple, structs), strict=True))


def number(values: Sequence[Any]) -> Floats:
    """Numbers, null -> NaN."""
    return np.array(values, dtype=np.float64)


def present(values: Sequence[Any]) -> Floats:
    """Numbers of which 0 means none: prices of an empty side, IV without quote; null and 0 -> NaN."""
    numbers = number(values)
    numbers[numbers == 0.0] = np.nan
    return numbers


def _nanoseconds(milliseconds: Sequence[int]) -> Times:
    return np.array(milliseconds, dtype=np.int64) * MILLISECOND_NS


def _stamp(event_ns: Times, seen_ns: Times, ids: Ids) -> dict[str, Any]:
    return {
        "event_ns": event_ns,
        "seen_ns": seen_ns,
        "instrument": NAMES.code[ids],
        "venue": "deribit",
    }


def in_coin(amounts: Floats, prices: Floats, ids: Ids) -> Floats:
    """Amounts in underlying units: USD amounts of coin-settled futures over the price, the rest as they are."""
    usd = (NAMES.traits[ids] & USD_SIZED) != 0
    if not usd.any():
        return amounts
    return np.divide(amounts, prices, out=np.where(usd, np.nan, amounts), where=usd & (prices > 0))


def trades(structs: Sequence[messages.Trade], ids: Ids, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``trades``."""
    (times, _, price, amount, direction, seqs, trade_ids, iv, mark, index, liquidation, blocks, combo_trades,
     combos) = fields(structs)  # fmt: skip
    prices = number(price)
    liquidated = np.array(liquidation, dtype=object)
    in_block = np.array(blocks, dtype=object) != None  # noqa: E711 - elementwise
    in_combo = (np.array(combo_trades, dtype=object) != None) | (np.array(combos, dtype=object) != None)  # noqa: E711
    forced = (liquidated != None) & (liquidated != "none")  # noqa: E711
    flags = in_block * BLOCK | in_combo * COMBO | forced * FORCED
    columns = _stamp(_nanoseconds(times), seen_ns, ids) | {
        "price": prices,
        "size": in_coin(number(amount), prices, ids),
        "side": np.where(np.array(direction) == "buy", 1, -1).astype(np.int8),
        "side_source": "venue",
        "flags": flags.astype(np.int32),
        "trade_id": pd.array(trade_ids, dtype="str"),
        "venue_seq": np.array(seqs, dtype=np.int64),
        "iv": present(iv) / POINTS,
        "mark": number(mark),
        "index": present(index),
    }
    if in_block.any() or in_combo.any():
        parents = [
            str(block if block is not None else combo if combo is not None else "")
            for block, combo in zip(blocks, combo_trades, strict=True)
        ]
        columns["block_id"] = pd.array(parents, dtype="str")
    return columns


_FORCED_SIDES = {"T": (1,), "M": (-1,), "MT": (1, -1)}
"""Sides of the liquidated parties relative to the taker's."""


def liquidations(
    structs: Sequence[messages.Trade], ids: Ids, columns: dict[str, Any]
) -> tuple[Ids, dict[str, Any]]:
    """Rows of ``liquidations`` and the trade row each comes from: one per liquidated party of a print."""
    signs = [_FORCED_SIDES.get(trade.liquidation or "", ()) for trade in structs]
    at: Ids = np.repeat(np.arange(len(structs)), [len(sign) for sign in signs])
    sign = np.array([side for sides in signs for side in sides], dtype=np.int8)
    price, size = columns["price"][at], columns["size"][at]
    coin_priced = (NAMES.traits[ids[at]] & COIN_PRICED) != 0
    return at, {
        "event_ns": columns["event_ns"][at],
        "seen_ns": columns["seen_ns"][at],
        "instrument": NAMES.code[ids[at]],
        "side": (columns["side"][at] * sign).astype(np.int8),
        "price": price,
        "size": size,
        "usd": price * size * np.where(coin_priced, columns["index"][at], 1.0),
        "venue": "deribit",
    }


def marks(structs: Sequence[messages.Ticker], ids: Ids, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` from tickers of options, futures, perpetuals and spot pairs."""
    (times, _, bid, ask, bid_size, ask_size, last, mark, bid_iv, ask_iv, mark_iv, interest, forward, index, greeks,
     stats) = fields(structs)  # fmt: skip
    delta, gamma, vega, theta, rho = (number(column) for column in fields(greeks))
    event_ns, bids, asks, marked = _nanoseconds(times), present(bid), present(ask), number(mark)
    option = (NAMES.traits[ids] & OPTION) != 0
    return _stamp(event_ns, seen_ns, ids) | {
        "bid": bids,
        "ask": asks,
        "bid_size": in_coin(present(bid_size), bids, ids),
        "ask_size": in_coin(present(ask_size), asks, ids),
        "last": present(last),
        "mark": marked,
        "bid_iv": present(bid_iv) / POINTS,
        "ask_iv": present(ask_iv) / POINTS,
        "mark_iv": present(mark_iv) / POINTS,
        "delta": delta,
        "gamma": gamma,
        "vega": vega * POINTS,
        "theta": theta * DAYS,
        "rho": rho * POINTS,
        "open_interest": in_coin(number(interest), marked, ids),
        "open_interest_ns": np.where(np.isnan(number(interest)), NO_TIME, event_ns),
        "volume_24h": number(fields(stats)[0]),
        "forward": np.where(option, present(forward), np.nan),
        "index": present(index),
    }


def quotes(structs: Sequence[messages.Quote | messages.Ticker], ids: Ids, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``quotes``, from the fields tickers and quotes share."""
    times, _, bid, ask, bid_size, ask_size = fields(structs)[:6]
    bids, asks = present(bid), present(ask)
    return _stamp(_nanoseconds(times), seen_ns, ids) | {
        "bid": bids,
        "bid_size": in_coin(present(bid_size), bids, ids),
        "ask": asks,
        "ask_size": in_coin(present(ask_size), asks, ids),
    }


def best_levels(structs: Sequence[messages.Depth]) -> list[messages.Quote]:
    """Top of grouped books."""
    nothing = messages.Level(0.0, 0.0)
    tops = [
        (book.bids[0] if book.bids else nothing, book.asks[0] if book.asks else nothing) for book in structs
    ]
    return [
        messages.Quote(book.timestamp, book.instrument_name, bid.price, ask.price, bid.amount, ask.amount)
        for book, (bid, ask) in zip(structs, tops, strict=True)
    ]


def mark_prices(structs: Sequence[messages.MarkPrice], ids: Ids, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` from whole-chain mark prices: mark and IV only, the IV a fraction already."""
    times, _, mark, iv = fields(structs)
    return _stamp(_nanoseconds(times), seen_ns, ids) | {"mark": number(mark), "mark_iv": present(iv)}


def index_prices(structs: Sequence[messages.IndexPrice], seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` from index values: the row of ``BTC/USD`` with mark and index only."""
    times, price, names = fields(structs)
    return {
        "event_ns": _nanoseconds(times),
        "seen_ns": seen_ns,
        "instrument": index_codes(names),
        "mark": number(price),
        "index": number(price),
        "venue": "deribit",
    }


def summaries(structs: Sequence[messages.Summary], ids: Ids, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``marks`` from book summaries: no sizes, greeks or index.

    The venue's ``estimated_delivery_price`` is not taken for the index: it is an average in the last half hour.
    """
    times, _, bid, ask, last, mark, iv, interest, volume, forward = fields(structs)
    event_ns, marked = _nanoseconds(times), number(mark)
    return _stamp(event_ns, seen_ns, ids) | {
        "bid": present(bid),
        "ask": present(ask),
        "last": present(last),
        "mark": marked,
        "mark_iv": present(iv) / POINTS,
        "open_interest": in_coin(number(interest), marked, ids),
        "open_interest_ns": np.where(np.isnan(number(interest)), NO_TIME, event_ns),
        "volume_24h": number(volume),
        "forward": np.where((NAMES.traits[ids] & OPTION) != 0, present(forward), np.nan),
    }


def instruments(structs: Sequence[messages.Listing], ids: Ids, seen_ns: Times) -> dict[str, Any]:
    """Columns of ``instruments`` as of when they were seen; sizes are in underlying units, so the multiplier is 1."""
    terms = [parse(listing.instrument_name, "deribit") for listing in structs]
    option = (NAMES.traits[ids] & OPTION) != 0
    settle = [
        term.settle or listing.settlement_currency or term.quote
        for term, listing in zip(terms, structs, strict=True)
    ]
    inverse = np.array([term.inverse for term in terms], dtype=bool)
    created_ns = _nanoseconds([listing.creation_timestamp for listing in structs])
    expiries = [listing.expiration_timestamp or _NEVER for listing in structs]
    return _stamp(np.where(seen_ns > 0, seen_ns, created_ns), seen_ns, ids) | {
        "venue_symbol": [listing.instrument_name for listing in structs],
        "kind": [term.kind for term in terms],
        "underlying": [term.underlying for term in terms],
        "root": [term.root for term in terms],
        "expiry_ns": np.array([NO_TIME if time >= _NEVER else time * MILLISECOND_NS for time in expiries]),
        "strike": number([term.strike for term in terms]),
        "right": [term.right for term in terms],
        "style": np.where(option, "european", ""),
        "multiplier": np.ones(len(terms)),
        "inverse": inverse,
        "premium_currency": np.where(option & inverse, settle, [term.quote for term in terms]),
        "settle_currency": settle,
        "tick_size": number([listing.tick_size for listing in structs]),
    }
