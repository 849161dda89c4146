"""Tardis ``options_chain`` CSV: one row per option ticker update, of several venues.

``exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,last_price,bid_price,
bid_amount,bid_iv,...`` with times in microseconds, empty cells for "none" and IV as the venue sends it: percent
on Deribit, a fraction elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.reading import ROWS, Rejections, open_text
from workstation.market.errors import FrameError, SymbolError
from workstation.market.symbology import unified

GRAMMARS = {
    "deribit": "deribit", "okex-options": "okx", "bybit-options": "bybit", "binance-european-options": "binance",
}  # fmt: skip
_COLUMNS = {
    "open_interest": "open_interest", "last_price": "last", "bid_price": "bid", "bid_amount": "bid_size",
    "bid_iv": "bid_iv", "ask_price": "ask", "ask_amount": "ask_size", "ask_iv": "ask_iv", "mark_price": "mark",
    "mark_iv": "mark_iv", "underlying_price": "forward", "delta": "delta", "gamma": "gamma", "vega": "vega",
    "theta": "theta", "rho": "rho",
}  # fmt: skip
_VOLS = ["bid_iv", "ask_iv", "mark_iv"]
_NONE_AT_ZERO = ["last", "bid", "ask", "mark", *_VOLS]


def read(path: Path, rejections: Rejections) -> Iterator[Batch]:
    """Marks, in file order."""
    with open_text(path) as lines:
        for chunk in pd.read_csv(lines, chunksize=ROWS):
            missing = {"exchange", "symbol", "timestamp", *_COLUMNS} - set(chunk.columns)
            if missing:
                raise FrameError(
                    f"{path.name}: not an options_chain file; no column {', '.join(sorted(missing))}"
                )
            yield Batch("marks", _marks(chunk, path.name, rejections))


def _marks(chunk: pd.DataFrame, file: str, rejections: Rejections) -> pd.DataFrame:
    marks = chunk[list(_COLUMNS)].astype(float).rename(columns=_COLUMNS)
    marks["instrument"] = _names(chunk, file, rejections)
    marks["event_ns"] = chunk["timestamp"] * 1_000
    marks["seen_ns"] = chunk["local_timestamp"] * 1_000
    marks["venue"] = chunk["exchange"].map(GRAMMARS).astype("category")
    marks[_NONE_AT_ZERO] = marks[_NONE_AT_ZERO].where(marks[_NONE_AT_ZERO] > 0)
    deribit = chunk["exchange"] == "deribit"
    marks.loc[deribit, _VOLS] /= 100.0
    marks[["vega", "rho"]] *= 100.0
    marks["theta"] *= 365.0
    return marks[marks["instrument"].notna()]


def _names(chunk: pd.DataFrame, file: str, rejections: Rejections) -> pd.Series:
    names = pd.Series(index=chunk.index, dtype=object)
    for (exchange, symbol), rows in chunk.groupby(["exchange", "symbol"]).groups.items():
        if exchange not in GRAMMARS:
            rejections.add(f"exchange {exchange} has no symbol grammar", len(rows), f"{file}: {symbol}")
            continue
        try:
            names[rows] = unified(symbol, GRAMMARS[exchange])
        except SymbolError as error:
            rejections.add("symbol", len(rows), f"{file}: {error}")
    return names
