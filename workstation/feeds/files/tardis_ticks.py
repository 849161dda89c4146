"""Tardis CSVs of prints, quotes, tickers and liquidations.

=================== ==================================================== =====================================
data type           columns beside exchange,symbol,timestamp,...         table
=================== ==================================================== =====================================
trades              id,side,price,amount                                 trades
liquidations        id,side,price,amount                                 liquidations
quotes, book_ticker ask_amount,ask_price,bid_price,bid_amount            quotes
book_snapshot_N     asks[0].price,asks[0].amount,bids[0].price,...       quotes, of the first level
derivative_ticker   open_interest,last_price,index_price,mark_price,...  marks
=================== ==================================================== =====================================

Prints and liquidations have the same columns: which of them a file holds stands in its name. Amounts are as the venue
counts and become coins: USD of Deribit's and Bybit's inverse contracts by the price beside them, contracts of options by
their known size. Where contracts of a venue have a size that no shipped table knows (OKX swaps and futures, Binance's
coin-margined ones) the row is set aside, unless the instrument is registered with its multiplier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.cells import numbers, texts
from workstation.feeds.files.chunks import Chunk, chunks
from workstation.feeds.files.names import by_symbol
from workstation.feeds.files.reading import ROWS, Rejections, possible
from workstation.feeds.files.times import times
from workstation.market.contract_sizes import coins_per_contract
from workstation.market.errors import FrameError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, table

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Exchange(NamedTuple):
    """A Tardis exchange: our venue, its grammar of symbols, and in what it counts.

    ``counts``: coins; usd (of inverse contracts, else coins); contracts (of options, whose size is shipped); registered.
    """

    venue: str
    grammar: str
    counts: str


EXCHANGES: Mapping[str, Exchange] = {
    "deribit": Exchange("deribit", "deribit", "usd"),
    "bybit": Exchange("bybit", "bybit", "usd"),
    "bybit-spot": Exchange("bybit", "bybit_spot", "coins"),
    "bybit-options": Exchange("bybit", "bybit", "contracts"),
    "okex": Exchange("okx", "okx", "coins"),
    "okex-options": Exchange("okx", "okx", "contracts"),
    "okex-swap": Exchange("okx", "okx", "registered"),
    "okex-futures": Exchange("okx", "okx", "registered"),
    "binance": Exchange("binance", "binance_spot", "coins"),
    "binance-futures": Exchange("binance", "binance", "coins"),
    "binance-delivery": Exchange("binance", "binance", "registered"),
    "binance-european-options": Exchange("binance", "binance", "contracts"),
}
_STAMP = ("exchange", "symbol", "timestamp", "local_timestamp")
_SIDES = {"buy": 1, "sell": -1, "unknown": 0, "": 0}
_PRINTS = {"price": "price", "amount": "size"}
_QUOTES = {"bid_price": "bid", "bid_amount": "bid_size", "ask_price": "ask", "ask_amount": "ask_size"}
_LEVELS = {
    "bids[0].price": "bid", "bids[0].amount": "bid_size", "asks[0].price": "ask", "asks[0].amount": "ask_size",
}  # fmt: skip
_TICKER = {
    "open_interest": "open_interest",
    "last_price": "last",
    "index_price": "index",
    "mark_price": "mark",
}
_PRICE_OF = {"size": "price", "bid_size": "bid", "ask_size": "ask", "open_interest": "mark"}
"""By which price an amount in USD becomes coins."""


class Layout(NamedTuple):
    """Table and columns of a data type."""

    table: str
    numbers: Mapping[str, str]
    printed: bool = False


def layout_of(path: Path, header: list[str]) -> Layout | None:
    """What a file holds, by its columns and, for prints and liquidations, its name; None for an options_chain file.

    Raises
    ------
    FrameError
        It is of a data type that no table holds, or cannot be told.
    """
    columns, name = set(header), path.name.lower()
    if "underlying_price" in columns:
        return None
    if "is_snapshot" in columns:
        raise FrameError(
            f"{path.name}: changes of an order book; no table keeps them, take quotes or book_snapshot_5"
        )
    if {"id", "side", "price", "amount"} <= columns:
        said = [word for word in ("trades", "liquidations") if word in name]
        if len(said) != 1:
            raise FrameError(
                f"{path.name}: trades and liquidations have the same columns; leave the file the name that Tardis "
                "gave it, as in binance-futures_trades_2024-01-01_BTCUSDT.csv.gz"
            )
        return Layout(said[0], _PRINTS, printed=True)
    for table_name, theirs in (("quotes", _QUOTES), ("quotes", _LEVELS), ("marks", _TICKER)):
        if set(theirs) <= columns:
            return Layout(table_name, theirs)
    return None


def read_ticks(path: Path, layout: Layout, rejections: Rejections) -> Iterator[Batch]:
    """Batches of one table, in file order; a row that cannot be read is set aside and named."""
    wanted = (*_STAMP, *(("id", "side") if layout.printed else ()), *layout.numbers)
    for chunk in chunks(path, wanted, rejections, ROWS, who="not a file of Tardis; it has no"):
        rows = _Rows(chunk, rejections).read(layout)
        if len(rows):
            yield Batch(layout.table, rows)


class _Rows:
    """Rows of a chunk: what is kept of it, and where the rest is counted."""

    def __init__(self, chunk: Chunk, rejections: Rejections) -> None:
        self._chunk, self._rejections = chunk, rejections
        self._kept: Mask = np.ones(len(chunk), dtype=np.bool_)

    def _drop(self, bad: Mask, reason: str, words: str = "") -> None:
        bad = bad & self._kept
        if bad.any():
            told = f": {words}" if words else ""
            self._rejections.add(reason, int(bad.sum()), f"{self._chunk.where(int(bad.argmax()))}{told}")
            self._kept = self._kept & ~bad

    def _texts(self, name: str) -> npt.NDArray[np.object_]:
        return np.array(texts(self._chunk.columns[name], name).to_pylist(), dtype=object)

    def read(self, layout: Layout) -> pd.DataFrame:
        """Rows of the layout's table."""
        columns: dict[str, Any] = {}
        for theirs, ours in layout.numbers.items():
            columns[ours], bad = numbers(self._chunk.columns[theirs], theirs)
            self._drop(bad, f"no value for {ours}", f"{theirs} is not a number")
            if layout.printed:
                self._drop(np.isnan(columns[ours]), f"no value for {ours}", f"{theirs} is empty")
        for ours in set(columns) & {"bid", "ask", "last", "mark", "index"}:
            columns[ours] = np.where(columns[ours] == 0.0, np.nan, columns[ours])
        columns["event_ns"], columns["seen_ns"] = self._times("timestamp"), self._times("local_timestamp")
        venues, columns["instrument"] = self._named()
        if layout.printed:
            columns |= self._printed(layout.table)
        self._in_coins(columns)
        frame = pd.DataFrame(columns)[self._kept].assign(venue=pd.Categorical(venues[self._kept]))
        return possible(table(layout.table), frame, self._rejections, self._chunk.where)

    def _times(self, name: str) -> npt.NDArray[np.int64]:
        found = times(self._chunk.columns[name], name, "us")
        seen = name == "local_timestamp"
        for bad, reason in found.problems:
            if not (seen and reason.startswith("no time")):
                self._drop(bad, reason)
        return np.where(found.ns == NO_TIME, 0, found.ns)

    def _named(self) -> tuple[npt.NDArray[np.object_], pd.Categorical]:
        exchanges, symbols = self._texts("exchange"), self._texts("symbol")
        self._exchanges = exchanges
        venues, codes = np.full(exchanges.size, "", dtype=object), np.full(exchanges.size, -1, dtype=np.int32)
        for name in dict.fromkeys(exchanges.tolist()):
            rows = exchanges == name
            exchange = EXCHANGES.get(name)
            if exchange is None:
                self._drop(rows, f"exchange {name} has no symbol grammar" if name else "no exchange named")
                continue
            places, distinct = pd.factorize(symbols[rows])
            found, problems = by_symbol([str(symbol) for symbol in distinct], places, exchange.grammar)
            for bad, reason, words in problems:
                spread = np.zeros(exchanges.size, dtype=np.bool_)
                spread[rows] = bad
                self._drop(spread, reason, words)
            venues[rows], codes[rows] = exchange.venue, found.codes
        return venues, REGISTRY.categorical(codes)

    def _printed(self, table_name: str) -> dict[str, Any]:
        words = self._texts("side")
        side = np.array([_SIDES.get(str(word).strip().lower(), 9) for word in words], dtype=np.int8)
        for word in dict.fromkeys(words[side == 9].tolist()):
            self._drop(words == word, f"unknown word {str(word)[:40]!r} in side")
        if table_name == "liquidations":
            self._drop(side == 0, "a liquidation without its side")
            return {"side": side}
        source = np.where(side == 0, "", "venue")
        return {"side": side, "side_source": pd.Categorical(source), "trade_id": self._texts("id")}

    def _in_coins(self, columns: dict[str, Any]) -> None:
        """Amounts as the instrument's multiplier says, coins unless it is registered otherwise."""
        codes = np.asarray(columns["instrument"].codes)
        rows = np.flatnonzero(self._kept & (codes >= 0))
        distinct, places = np.unique(codes[rows], return_inverse=True)
        names = REGISTRY.names(distinct.tolist()).tolist()
        terms = INSTRUMENT_TERMS.describe(names)
        units, registrars = registered(names)
        inverse = (terms["inverse"].to_numpy(dtype=np.bool_) & (terms["kind"].astype("str") != "option"))[
            places
        ]
        underlying = terms["underlying"].astype("str").to_numpy(dtype=object)[places]
        factor, by_price = np.full(codes.size, np.nan), np.zeros(codes.size, dtype=np.bool_)
        for name in dict.fromkeys(self._exchanges[rows].tolist()):
            exchange, ours = EXCHANGES[name], self._exchanges[rows] == name
            mine = rows[ours]
            own = registrars[places[ours]] == exchange.venue
            found = _coins(exchange, underlying[ours], columns["event_ns"][mine])
            found = np.where(np.isnan(found) & own, units[places[ours]], found)
            factor[mine] = found / units[places[ours]]
            by_price[mine] = np.asarray(inverse)[ours] & (exchange.counts == "usd")
            self._drop(_spread(mine[np.isnan(found)], codes.size), f"contract size of {name} is not known")
        for size in (name for name in _PRICE_OF if name in columns):
            with np.errstate(divide="ignore", invalid="ignore"):
                columns[size] = columns[size] * factor / np.where(by_price, columns[_PRICE_OF[size]], 1.0)


def _spread(places: npt.NDArray[np.int64], size: int) -> Mask:
    mask = np.zeros(size, dtype=np.bool_)
    mask[places] = True
    return mask


def _coins(exchange: Exchange, underlying: Any, event_ns: npt.NDArray[np.int64]) -> Floats:
    """Coins (of contracts counted in USD: USD) per unit of an exchange's amounts; NaN where it is not known."""
    if exchange.counts in ("coins", "usd"):
        return np.ones(event_ns.size)
    found = np.full(event_ns.size, np.nan)
    if exchange.counts == "contracts":
        for coin in dict.fromkeys(underlying.tolist()):
            rows = underlying == coin
            found[rows] = coins_per_contract(exchange.venue, coin, event_ns[rows])
    return found


def registered(names: list[str]) -> tuple[Floats, npt.NDArray[np.object_]]:
    """Underlying units of each name's contract (1 unless registered otherwise), and the venue that registered them."""
    terms = [INSTRUMENT_TERMS.registered(name) or {} for name in names]
    units = np.array([float(row.get("multiplier", np.nan)) for row in terms])
    venues = [
        str(row.get("venue", "")) if known else "" for row, known in zip(terms, ~np.isnan(units), strict=True)
    ]
    return np.where(np.isnan(units), 1.0, units), np.array(venues, dtype=object)
