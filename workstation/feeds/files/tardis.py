"""Tardis CSVs: ``options_chain`` here, prints, quotes, tickers and liquidations in ``tardis_ticks``.

An ``options_chain`` file has one row per option ticker update, of several venues:

``exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,last_price,bid_price,
bid_amount,bid_iv,...`` with times in microseconds, empty cells for "none" and IV as the venue sends it: percent
on Deribit, a fraction elsewhere.

Sizes and open interest are contracts of the venue and become coins (OKX: 0.01 BTC, 0.1 ETH); a row whose contract size
nobody knows is set aside. ``underlying_price`` is the expiry's future on Deribit where ``underlying_index`` names one, and
on Bybit; else, and on OKX and Binance always, it is the index.

OKX's greeks in these files are those of the coin premium: delta = Black-Scholes delta - premium in coin, which is undone
here; gamma, vega and theta in coin are left out (no shipped field says at which price they were converted).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.cells import numbers, texts
from workstation.feeds.files.chunks import Chunk, chunks
from workstation.feeds.files.names import by_symbol
from workstation.feeds.files.reading import ROWS, Rejections, open_text, possible
from workstation.feeds.files.tardis_ticks import layout_of, read_ticks, registered
from workstation.feeds.files.times import times
from workstation.market.contract_sizes import coins_per_contract
from workstation.market.instants import YEAR_DAYS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, table

GRAMMARS = {
    "deribit": "deribit", "okex-options": "okx", "bybit-options": "bybit", "binance-european-options": "binance",
}  # fmt: skip
_COLUMNS = {
    "open_interest": "open_interest", "last_price": "last", "bid_price": "bid", "bid_amount": "bid_size",
    "bid_iv": "bid_iv", "ask_price": "ask", "ask_amount": "ask_size", "ask_iv": "ask_iv", "mark_price": "mark",
    "mark_iv": "mark_iv", "underlying_price": "forward", "delta": "delta", "gamma": "gamma", "vega": "vega",
    "theta": "theta", "rho": "rho",
}  # fmt: skip
_WANTED = ("exchange", "symbol", "timestamp", "local_timestamp", "underlying_index", *_COLUMNS)
_VOLS = ["bid_iv", "ask_iv", "mark_iv"]
_NONE_AT_ZERO = ["last", "bid", "ask", "mark", "forward", *_VOLS]
_SIZES = ["open_interest", "bid_size", "ask_size"]
_OF_COIN = ["gamma", "vega", "theta", "rho"]
_FUTURE = r"(?:SYN\.)?[A-Z0-9_]+-\d{1,2}[A-Z]{3}\d{2}"
Mask = npt.NDArray[np.bool_]


def read(path: Path, rejections: Rejections) -> Iterator[Batch]:
    """Marks, prints or quotes, in file order; a row that cannot be read is set aside and named."""
    with open_text(path) as text:
        header = [name.strip() for name in text.readline(1 << 16).strip().split(",")]
    if layout := layout_of(path, header):
        yield from read_ticks(path, layout, rejections)
        return
    for chunk in chunks(path, _WANTED, rejections, ROWS, who="not an options_chain file; it has no"):
        yield Batch("marks", _marks(chunk, rejections))


def _marks(chunk: Chunk, rejections: Rejections) -> pd.DataFrame:
    kept = np.ones(len(chunk), dtype=np.bool_)

    def drop(bad: Mask, reason: str, words: str = "") -> None:
        nonlocal kept
        bad = bad & kept
        if bad.any():
            told = f": {words}" if words else ""
            rejections.add(reason, int(bad.sum()), f"{chunk.where(int(bad.argmax()))}{told}")
            kept = kept & ~bad

    columns: dict[str, Any] = {}
    for theirs, ours in _COLUMNS.items():
        columns[ours], bad = numbers(chunk.columns[theirs], theirs)
        drop(bad, f"no value for {ours}", f"{theirs} is not a number")
    for theirs, ours in (("timestamp", "event_ns"), ("local_timestamp", "seen_ns")):
        found = times(chunk.columns[theirs], theirs, "us")
        columns[ours] = found.ns
        for bad, reason in found.problems:
            if ours == "event_ns" or not reason.startswith("no time"):
                drop(bad, reason)
    columns["seen_ns"] = np.where(columns["seen_ns"] == NO_TIME, 0, columns["seen_ns"])
    venues = _texts(chunk, "exchange").map(GRAMMARS)
    columns["instrument"] = _names(chunk, drop)
    marks = pd.DataFrame(columns)[kept]
    if not len(marks):
        return marks.assign(venue="")
    marks["venue"] = venues[kept].astype("category")
    marks = _in_coins(marks, chunk, rejections)
    marks = _in_our_units(marks, _texts(chunk, "underlying_index"), chunk, rejections)
    return possible(table("marks"), marks, rejections, chunk.where)


def _texts(chunk: Chunk, name: str) -> pd.Series[Any]:
    return pd.Series(texts(chunk.columns[name], name).to_pylist(), dtype="str")


def _names(chunk: Chunk, drop: Any) -> pd.Categorical:
    """Instrument of each row; symbols are read once each, by their exchange's grammar."""
    exchanges, symbols = _texts(chunk, "exchange"), _texts(chunk, "symbol")
    found = np.full(len(chunk), -1, dtype=np.int32)
    for exchange in exchanges.unique().tolist():
        rows = (exchanges == exchange).to_numpy()
        if exchange not in GRAMMARS:
            first = symbols[rows].iloc[0]
            drop(
                rows, f"exchange {exchange} has no symbol grammar" if exchange else "no exchange named", first
            )
            continue
        places, distinct = pd.factorize(symbols[rows])
        names, problems = by_symbol(list(distinct), places, GRAMMARS[exchange])
        for bad, reason, words in problems:
            spread = np.zeros(len(chunk), dtype=np.bool_)
            spread[rows] = bad
            drop(spread, reason, words)
        found[rows] = names.codes
    return REGISTRY.categorical(found)


def _in_coins(marks: pd.DataFrame, chunk: Chunk, rejections: Rejections) -> pd.DataFrame:
    """Sizes in contracts of the instrument as the workstation names it: coins, unless it is registered otherwise."""
    codes, distinct = pd.factorize(np.asarray(marks["instrument"].cat.codes))
    names = REGISTRY.names(distinct.tolist()).tolist()
    underlying = INSTRUMENT_TERMS.describe(names)["underlying"].astype("str").to_numpy()[codes]
    at = marks["event_ns"].to_numpy()
    venues = marks["venue"].astype("str").to_numpy()
    coins = np.full(len(marks), np.nan)
    for venue, coin in set(zip(venues, underlying, strict=True)):
        rows = (venues == venue) & (underlying == coin)
        coins[rows] = coins_per_contract(venue, coin, at[rows])
    units, registrars = registered(names)
    coins = np.where(np.isnan(coins) & (registrars[codes] == venues), units[codes], coins)
    unknown = np.isnan(coins)
    for venue, coin in set(zip(venues[unknown], underlying[unknown], strict=True)):
        rows = unknown & (venues == venue) & (underlying == coin)
        where = chunk.where(int(marks.index[rows][0]))
        rejections.add(f"contract size of {venue} {coin} is not known at that time", int(rows.sum()), where)
    factor = coins / units[codes]
    known: pd.DataFrame = marks.assign(**{name: marks[name] * factor for name in _SIZES})[~unknown]
    return known


def _in_our_units(
    marks: pd.DataFrame, indices: pd.Series[Any], chunk: Chunk, rejections: Rejections
) -> pd.DataFrame:
    if not len(marks):
        return marks
    marks[_NONE_AT_ZERO] = marks[_NONE_AT_ZERO].where(marks[_NONE_AT_ZERO] != 0)
    venue = marks["venue"].astype("str")
    deribit, okx = venue == "deribit", venue == "okx"
    marks.loc[deribit, _VOLS] /= 100.0
    marks[["vega", "rho"]] *= 100.0
    marks["theta"] *= YEAR_DAYS
    if okx.any():
        left_out = okx & marks[_OF_COIN].notna().any(axis=1)
        if left_out.any():
            where = chunk.where(int(marks.index[left_out][0]))
            rejections.note("gamma, vega and theta of okx are in coin: left out", int(left_out.sum()), where)
        marks.loc[okx, "delta"] += marks.loc[okx, "mark"]
        marks.loc[okx, _OF_COIN] = np.nan
    future = (venue == "bybit") | (deribit & indices[marks.index].str.fullmatch(_FUTURE))
    marks["index"] = marks["forward"].where(~future)
    marks["forward"] = marks["forward"].where(future)
    return marks
