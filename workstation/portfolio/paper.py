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
position_side optional: long or short where both sides of one contract are held apart
margin_mode   optional: cross or isolated
============= ==============================================================================================

A line that cannot be read is set aside and told with its number; the others count.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import FrameError, SymbolError
from workstation.market.symbology import GRAMMARS, parse, unified
from workstation.market.tables import FILLS
from workstation.portfolio.ledger import KINDS, LEG, REMOVAL, Floats

REQUIRED = ("time", "venue", "instrument", "side", "size", "price")
OPTIONAL = (
    "fee", "fee_currency", "kind", "account", "index", "fill_id", "position_side", "margin_mode",
)  # fmt: skip
MOST_BYTES, MOST_ROWS = 64 * 2**20, 200_000
"""What a paper book may have."""
SHOWN = 60
"""Characters of a value shown in a message."""
_SIDES = {"buy": 1, "sell": -1}
_WORDS = {"position_side": ("", "long", "short"), "margin_mode": ("", "cross", "isolated")}
_EARLIEST, _LATEST = pd.Timestamp("1990-01-01", tz="UTC"), pd.Timestamp("2100-01-01", tz="UTC")
_TRADES = ("trade", "liquidation")


def paper_fills(path: Path | str) -> pd.DataFrame:
    """Rows of the ``fills`` table from a paper book, by time (equal times in file order).

    Returns
    -------
    pandas.DataFrame
        attrs["set_aside"]: what was wrong with each line set aside, in words, in the order of the file.

    Raises
    ------
    FrameError
        The file is no paper book, too large, or none of its lines can be read: names file, line and column, what stands there
        and what is expected.

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
    lines = _lines(path)
    rows = _Columns(path.name, lines).fills()
    aside = [lines.wrong[line] for line in sorted(lines.wrong)]
    if aside and rows.empty:
        raise FrameError(aside[0] if len(aside) == 1 else f"{aside[0]} (and {len(aside) - 1} more lines)")
    fills = FILLS.conform(rows.sort_values("event_ns", kind="stable")) if len(rows) else FILLS.empty()
    fills.attrs["set_aside"] = aside
    return fills


def without(fills: pd.DataFrame, fill_ids: Sequence[str]) -> pd.DataFrame:
    """The fills but for those named.

    Raises
    ------
    KeyError
        A ``fill_id`` no fill has.

    Examples
    --------
    >>> fills = pd.DataFrame({"fill_id": ["book.csv:2", "book.csv:3"], "size": [1.0, 2.0]})
    >>> without(fills, ["book.csv:2"])["size"].tolist()
    [2.0]
    """
    missing = sorted(set(fill_ids) - set(fills["fill_id"]))
    if missing:
        raise KeyError(f"no fill has the fill_id {missing[0]!r}")
    return fills[~fills["fill_id"].isin(list(fill_ids))].reset_index(drop=True)


def removal(fills: pd.DataFrame, *, event_ns: int) -> pd.DataFrame:
    """Rows of ``fills`` that take back all these fills: one of kind ``removal`` for every position they made.

    Parameters
    ----------
    fills
        Rows of the ``fills`` table, as they came.
    event_ns
        When they are taken back.

    Examples
    --------
    >>> fills = FILLS.conform(pd.DataFrame(
    ...     {"event_ns": [1, 2], "instrument": "BTC/USDC:USDC", "side": 1, "price": 100.0, "size": [2.0, 1.0]}))
    >>> removal(fills, event_ns=5)[["event_ns", "kind"]].astype(object).values.tolist()
    [[5, 'removal']]
    >>> len(removal(FILLS.concat([fills, removal(fills, event_ns=5)]), event_ns=6))
    0
    """
    last = fills.drop_duplicates(LEG, keep="last")
    legs = last[(last["kind"].astype("str") != REMOVAL).to_numpy()]
    if not len(legs):
        return FILLS.empty()
    nothing: dict[str, Any] = {"event_ns": event_ns, "side": 0, "price": 0.0, "size": 0.0, "kind": REMOVAL}
    return FILLS.conform(legs[LEG].assign(**nothing).reset_index(drop=True))


def replaced(fills: pd.DataFrame, book: pd.DataFrame) -> pd.DataFrame:
    """The fills with those of every venue and account that ``book`` holds exchanged for its own, by time.

    Examples
    --------
    >>> perp = {"instrument": "BTC/USDT:USDT", "venue": "paper", "side": 1, "price": 1.0}
    >>> old = FILLS.conform(pd.DataFrame([{**perp, "event_ns": 1, "size": 1.0}, {**perp, "event_ns": 2, "size": 2.0, "venue": "okx"}]))
    >>> new = FILLS.conform(pd.DataFrame([{**perp, "event_ns": 3, "size": 5.0}]))
    >>> replaced(old, new)["size"].tolist()
    [2.0, 5.0]
    """
    own = set(_owners(book))
    kept = fills[[owner not in own for owner in _owners(fills)]]
    both = FILLS.concat([FILLS.conform(kept), FILLS.conform(book)])
    return both.sort_values("event_ns", kind="stable").reset_index(drop=True)


def _owners(fills: pd.DataFrame) -> list[tuple[str, str]]:
    venue, account = (
        fills[name].astype("str") if name in fills else [""] * len(fills) for name in ("venue", "account")
    )
    return list(zip(venue, account, strict=True))


@dataclass
class _Lines:
    """A file's lines by column, and what is wrong with some."""

    columns: dict[str, npt.NDArray[np.object_]]
    number: npt.NDArray[np.int64]
    wrong: dict[int, str] = field(default_factory=dict)


def _lines(path: Path) -> _Lines:
    if path.stat().st_size > MOST_BYTES:
        size = path.stat().st_size / 2**20
        raise FrameError(
            f"{path.name} has {size:.0f} MiB; a paper book may have {MOST_BYTES // 2**20}: split it"
        )
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FrameError(
            f"{path.name} is not UTF-8: byte {error.start} cannot be read; save it as UTF-8"
        ) from error
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise FrameError(f"{path.name}, line 1: {error}") from error
    _check_columns(path, names)
    rows: list[list[str]] = []
    numbers: list[int] = []
    wrong: dict[int, str] = {}
    while True:
        begun = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            where = f"line {begun}" if reader.line_num <= begun else f"lines {begun} to {reader.line_num}"
            wrong[begun] = f"{path.name}, {where}: {error}"
            continue
        if not row:
            continue
        if len(row) > len(names):
            wrong[begun] = f"{path.name}, line {begun}: {len(row) - len(names)} values more than columns"
            continue
        rows.append(row if len(row) == len(names) else row + [""] * (len(names) - len(row)))
        numbers.append(begun)
        if len(rows) + len(wrong) > MOST_ROWS:
            raise FrameError(
                f"{path.name} has more than {MOST_ROWS:,} lines, the most a paper book may have: split it"
            )
    table = zip(*rows, strict=True) if rows else ((),) * len(names)
    columns = {name: _stripped(values) for name, values in zip(names, table, strict=True)}
    return _Lines(columns, np.array(numbers, dtype=np.int64), wrong)


def _stripped(values: Sequence[str]) -> npt.NDArray[np.object_]:
    found = np.empty(len(values), dtype=object)
    found[:] = [value.strip() for value in values]
    return found


def _check_columns(path: Path, found: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in found]
    unknown = [name for name in found if name not in (*REQUIRED, *OPTIONAL)]
    twice = [name for name in found if found.count(name) > 1]
    if missing:
        raise FrameError(
            f"{path.name}, line 1: column {', '.join(missing)} is missing; found {', '.join(found)[:500]}"
        )
    if unknown:
        known = ", ".join((*REQUIRED, *OPTIONAL))
        raise FrameError(f"{path.name}, line 1: no such column {_cut(unknown[0])}; known are {known}")
    if twice:
        raise FrameError(f"{path.name}, line 1: column {twice[0]!r} stands there twice")


def _cut(value: str) -> str:
    return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}...")


class _Columns:
    """Columns of a paper book as those of ``fills``; each line's first problem is kept in ``lines.wrong``."""

    def __init__(self, file: str, lines: _Lines) -> None:
        self._file, self._lines = file, lines
        self._rows = lines.number.size
        self._good = np.ones(self._rows, dtype=bool)

    def _text(self, name: str) -> npt.NDArray[np.object_]:
        values = self._lines.columns.get(name)
        return np.full(self._rows, "", dtype=object) if values is None else values

    def _refuse(self, column: str, bad: npt.NDArray[np.bool_], expected: str) -> None:
        values = self._text(column)
        self._tell(column, bad, lambda row: f"{_cut(values[row])} is not {expected}")

    def _tell(self, column: str, bad: npt.NDArray[np.bool_], words: Callable[[int], str]) -> None:
        for row in np.flatnonzero(bad & self._good):
            line = int(self._lines.number[row])
            self._lines.wrong[line] = f"{self._file}, line {line}, column {column}: {words(int(row))}"
        self._good &= ~bad

    def fills(self) -> pd.DataFrame:
        """Rows of the lines that can be read, in the order of the file."""
        kind = self._text("kind")
        kind = np.where(kind == "", "trade", kind)
        self._refuse("kind", ~np.isin(kind, list(KINDS)), f"one of {', '.join(filter(None, KINDS))}")
        trade = np.isin(kind, _TRADES)
        instrument, harmonic, currency = self._instruments()
        price = self._number("price", empty=np.where(kind == "funding", 0.0, np.nan), positive=trade)
        size = self._number("size", empty=np.where(trade, np.nan, 0.0), positive=trade)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.where(harmonic & (price > 0.0), size / price, size)
        fee_currency, own = self._text("fee_currency"), self._text("fill_id")
        result = [f"{self._file}:{line}" for line in self._lines.number]
        columns: dict[str, Any] = {
            "event_ns": self._times(), "instrument": instrument, "venue": self._text("venue"),
            "account": self._text("account"), "side": self._side(trade), "size": size, "price": price, "kind": kind,
            "fee": self._number("fee", empty=np.zeros(self._rows), signed=True),
            "fee_currency": np.where(fee_currency == "", currency, fee_currency),
            "index": self._index(), "fill_id": np.where(own == "", np.array(result, dtype=object), own),
        }  # fmt: skip
        for name, words in _WORDS.items():
            columns[name] = self._text(name)
            self._refuse(name, ~np.isin(columns[name], words), f"{words[1]}, {words[2]} or empty")
        return pd.DataFrame(columns)[self._good]

    def _times(self) -> npt.NDArray[np.int64]:
        found = pd.to_datetime(pd.Series(self._text("time")), errors="coerce", utc=True, format="ISO8601")
        known = ((found >= _EARLIEST) & (found < _LATEST)).to_numpy(dtype=bool)
        self._refuse("time", ~known, "a time as in 2026-03-20T05:00:00Z, from 1990 to 2100")
        return (
            found.where(known, _EARLIEST).dt.as_unit("ns").to_numpy(dtype="datetime64[ns]").astype(np.int64)
        )

    def _instruments(self) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_], npt.NDArray[np.object_]]:
        """Unified name, whether sizes are USD contracts, and settle currency; each symbol is read once."""
        venue, symbol = self._text("venue"), self._text("instrument")
        self._refuse("venue", venue == "", "a venue")
        pairs = pd.MultiIndex.from_arrays([venue, symbol])
        codes, distinct = pairs.factorize()
        read = [_instrument(*pair) for pair in distinct]
        problems = [problem for *_, problem in read]
        bad = (
            np.array([bool(problem) for problem in problems], dtype=bool)[codes]
            if read
            else self._good.copy()
        )
        self._tell("instrument", bad, lambda row: problems[codes[row]])
        columns = [np.array([each[place] for each in read], dtype=object) for place in range(3)]
        name, harmonic, settle = (column[codes] if read else self._text("venue") for column in columns)
        return name, harmonic.astype(bool), settle

    def _side(self, required: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
        words = pd.Series(self._text("side"), dtype="object").str.lower()
        side: npt.NDArray[np.int8] = words.map(_SIDES).fillna(0).to_numpy(dtype=np.float64).astype(np.int8)
        self._refuse("side", (side == 0) & ((words != "").to_numpy(dtype=bool) | required), "buy or sell")
        return side

    def _index(self) -> Floats:
        unknown = np.full(self._rows, np.nan)
        given = self._text("index") != ""
        return self._number("index", empty=unknown, positive=given, may_be_unknown=True)

    def _number(
        self,
        column: str,
        *,
        empty: Floats,
        positive: npt.NDArray[np.bool_] | None = None,
        signed: bool = False,
        may_be_unknown: bool = False,
    ) -> Floats:
        """A column of numbers; ``empty`` stands where nothing does, NaN where something must."""
        values = self._text(column)
        given = values != ""
        reported = pd.to_numeric(pd.Series(values, dtype="object"), errors="coerce").to_numpy(
            dtype=np.float64
        )
        found = np.where(given, reported, empty)
        must = np.zeros(self._rows, dtype=bool) if positive is None else positive
        bad = ~np.isfinite(found) & (given | (not may_be_unknown))
        bad |= (found < 0.0) & (not signed)
        bad |= must & (found == 0.0)
        self._refuse(column, bad & must, "a positive number")
        self._refuse(column, bad & ~must, "a number" if signed else "a number of at least 0")
        return found


def _instrument(venue: str, symbol: str) -> tuple[str, bool, str, str]:
    """Name, whether sizes are USD contracts, settle currency, and what is wrong."""
    try:
        name = symbol if "/" in symbol or venue not in GRAMMARS else unified(symbol, venue)
        terms = parse(name)
    except SymbolError as error:
        return "", False, "", str(error) or "no symbol"
    harmonic = terms.inverse and terms.kind in ("perpetual", "future")
    return name, harmonic, terms.settle or terms.quote, ""
