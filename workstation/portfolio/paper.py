"""A paper book from CSV: a portfolio for whoever has no keys.

Columns, in any order, the first line names them::

    time,venue,instrument,side,size,price,fee,fee_currency,kind
    2026-03-20T05:00:00Z,deribit,BTC-27MAR26-70000-C,buy,2,0.0310,0.0006,BTC,trade
    2026-03-20T08:00:00Z,bybit,BTCUSDT,,,,-12.5,USDT,funding

============= ==============================================================================================
time          ISO 8601, UTC unless it says otherwise
venue         deribit, bybit, okx, binance, or any word when ``instrument`` is a unified name
instrument    unified name (``BTC/USD:BTC-260327-70000-C``) or the venue's own symbol
side          buy or sell; may be empty for funding and settlement
size          underlying units (coins, shares), positive; of inverse perpetuals and futures the USD value of the contracts;
              may be empty for funding and settlement (a settlement closes the whole position)
price         per unit in premium currency (coin for inverse options); of a settlement the settlement price
fee           positive = paid; of funding the payment; empty = none
fee_currency  empty: the settle currency
kind          trade (also when empty), liquidation, settlement, funding
account       optional
index         optional: USD index at the moment; without it coin amounts turn into USD at the newest index known before
fill_id       optional; without it ``file:line``, so that a file loaded twice counts once
============= ==============================================================================================
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workstation.market.errors import FrameError, SymbolError
from workstation.market.symbology import GRAMMARS, parse, unified
from workstation.market.tables import FILLS
from workstation.portfolio.ledger import KINDS

REQUIRED = ("time", "venue", "instrument", "side", "size", "price")
OPTIONAL = ("fee", "fee_currency", "kind", "account", "index", "fill_id")
_SIDES = {"buy": 1, "sell": -1}


def paper_fills(path: Path | str) -> pd.DataFrame:
    """Rows of the ``fills`` table from a paper book, by time (equal times in file order).

    Raises
    ------
    FrameError
        Names file, line and column, what stands there and what is expected.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "book.csv"
    ...     lines = ["time,venue,instrument,side,size,price", "2026-03-20T05:00:00Z,deribit,BTC-PERPETUAL,sell,7000,70000"]
    ...     _ = file.write_text("\\n".join(lines))
    ...     paper_fills(file)[["instrument", "side", "size"]].values.tolist()
    [['BTC/USD:BTC', -1, 0.1]]
    """
    path = Path(path)
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, strict=True)
        _check_columns(path, reader.fieldnames)
        try:
            rows = [_Line(path.name, reader.line_num, row).fill() for row in reader]
        except csv.Error as error:
            raise FrameError(f"{path.name}, line {reader.line_num}: {error}") from error
    if not rows:
        return FILLS.empty()
    return FILLS.conform(pd.DataFrame(rows).sort_values("event_ns", kind="stable"))


def _check_columns(path: Path, names: Any) -> None:
    found = list(names or ())
    missing = [name for name in REQUIRED if name not in found]
    unknown = [name for name in found if name not in (*REQUIRED, *OPTIONAL)]
    if missing:
        raise FrameError(
            f"{path.name}, line 1: column {', '.join(missing)} is missing; found {', '.join(found)}"
        )
    if unknown:
        known = ", ".join((*REQUIRED, *OPTIONAL))
        raise FrameError(f"{path.name}, line 1: no such column {unknown[0]!r}; known are {known}")


class _Line:
    """One line of a paper book."""

    def __init__(self, file: str, line: int, row: Mapping[str | None, Any]) -> None:
        self._place = f"{file}, line {line}"
        self._default_id = f"{file}:{line}"
        if None in row:
            raise FrameError(f"{self._place}: {len(row[None])} values more than columns")
        self._row = {str(name): (value or "").strip() for name, value in row.items()}

    def _wrong(self, column: str, expected: str) -> FrameError:
        return FrameError(f"{self._place}, column {column}: {self._row.get(column, '')!r} is not {expected}")

    def fill(self) -> dict[str, Any]:
        """The line as a row of ``fills``."""
        kind = self._row.get("kind", "") or "trade"
        if kind not in KINDS:
            raise self._wrong("kind", f"one of {', '.join(filter(None, KINDS))}")
        flows = kind in ("funding", "settlement")
        instrument = self._instrument()
        price = self._number(
            "price", 0.0 if kind == "funding" else None, positive=kind in ("trade", "liquidation")
        )
        size = self._number("size", 0.0 if flows else None, positive=not flows)
        terms = parse(instrument)
        if terms.inverse and terms.kind in ("perpetual", "future") and price > 0.0:
            size /= price
        return {
            "event_ns": self._time(), "instrument": instrument, "venue": self._row["venue"], "account": self._row.get("account", ""),
            "side": self._side(flows), "size": size, "price": price, "kind": kind, "fee": self._number("fee", 0.0, signed=True),
            "fee_currency": self._row.get("fee_currency", "") or terms.settle or terms.quote,
            "index": self._number("index", float("nan"), positive=True),
            "fill_id": self._row.get("fill_id", "") or self._default_id,
        }  # fmt: skip

    def _time(self) -> int:
        time = pd.to_datetime(pd.Series([self._row["time"]]), errors="coerce", utc=True, format="ISO8601")
        if time.isna().any():
            raise self._wrong("time", "a time as in 2026-03-20T05:00:00Z")
        return int(time.dt.as_unit("ns").astype("int64").iloc[0])

    def _instrument(self) -> str:
        name, venue = self._row["instrument"], self._row["venue"]
        if not venue:
            raise self._wrong("venue", "a venue")
        try:
            if "/" in name or venue not in GRAMMARS:
                parse(name)
                return name
            return unified(name, venue)
        except SymbolError as error:
            raise FrameError(f"{self._place}, column instrument: {error}") from error

    def _side(self, may_be_empty: bool) -> int:
        side = self._row["side"].lower()
        if not side and may_be_empty:
            return 0
        if side not in _SIDES:
            raise self._wrong("side", "buy or sell")
        return _SIDES[side]

    def _number(
        self, column: str, default: float | None, *, positive: bool = False, signed: bool = False
    ) -> float:
        text = self._row.get(column, "")
        if not text and default is not None:
            return default
        expected = "a positive number" if positive else "a number" if signed else "a number of at least 0"
        try:
            value = float(text)
        except ValueError:
            raise self._wrong(column, expected) from None
        if (
            value != value
            or abs(value) == float("inf")
            or (not signed and value < 0.0)
            or (positive and value == 0.0)
        ):
            raise self._wrong(column, expected)
        return value
