"""Cboe's delayed quotes: the quote-table CSV of the web page and the JSON of the content network.

CSV: three lines of title (``Standard & Poors 500 Index,Last: 4505.1001,Change: ...`` and
``"Date: September 14, 2023 at 4:31 PM EDT",Bid: ...``), then one row per expiry and strike with the call on the
left and the put on the right of ``Strike``. JSON: ``{"timestamp": "2026-07-25 03:44:38" (UTC), "data":
{"options": [{"option": "AAPL260724C00110000", "iv": 0.29, ...}], "current_price": ...}}``.

A page says when it was saved, not when its quotes were: saved after hours, on a Sunday or a holiday it holds the close of
the last session, and that is its time here. In JSON the last trade tells the session too.

Zero bid, ask, last or IV mean "none" in these files and become NaN. Greeks are the vendor's; a row whose IV and greeks
are all zero has none. A missing bid or ask gives no mid. Open interest is the previous session's; its publication time is
not stated. JSON vega is per vol point and theta per day [not documented by the vendor].
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.cells import numbers, texts
from workstation.feeds.files.chunks import Chunk, parsed
from workstation.feeds.files.names import by_symbol, named
from workstation.feeds.files.reading import Rejections, nanoseconds, unpacked_name, whole
from workstation.market.calendar import sessions
from workstation.market.errors import FrameError
from workstation.market.instants import MINUTE_NS, YEAR_DAYS
from workstation.market.instrument_terms import INSTRUMENT_TERMS

NEW_YORK = "America/New_York"
HELD_NS = 45 * MINUTE_NS
"""So long after the close a page may still show the roots that trade 15 minutes longer, 15 minutes late."""
_TITLE_LINES = 4
_SIDE = ("symbol", "last", "net", "bid", "ask", "volume_24h", "mark_iv", "delta", "gamma", "open_interest")
_KEYS = {
    "option": "symbol", "last_trade_price": "last", "iv": "mark_iv", "volume": "volume_24h", "theo": "mark",
    "bid": "bid", "ask": "ask", "bid_size": "bid_size", "ask_size": "ask_size", "open_interest": "open_interest",
    "delta": "delta", "gamma": "gamma", "vega": "vega", "theta": "theta", "rho": "rho",
}  # fmt: skip
_NONE_AT_ZERO = ("last", "bid", "ask", "mark_iv", "mark")
_GREEKS = ("delta", "gamma", "vega", "theta", "rho")
_RIGHTS = {"c": "call", "p": "put"}
_ROW = "_row"
"""Where a row stands in the file: a line of the CSV, an option of the JSON."""


def read(path: Path, rejections: Rejections) -> Iterator[Batch]:
    """Marks of the chain and a quote of the underlying, at the time of the quotes."""
    name = unpacked_name(path).lower()
    marks, spot = (_read_json if name.endswith(".json") else _read_csv)(path, rejections)
    marks = _named(marks, path.name, rejections)
    for column in _NONE_AT_ZERO:
        if column in marks:
            marks[column] = marks[column].where(marks[column] != 0)
    greeks = [column for column in _GREEKS if column in marks]
    nothing = marks["mark_iv"].isna() & (marks[greeks].fillna(0) == 0).all(axis=1)
    marks.loc[nothing, greeks] = np.nan
    if "mark" not in marks:
        marks["mark"] = (marks["bid"] + marks["ask"]) / 2
    yield Batch("marks", marks.assign(venue="opra"))
    yield Batch("quotes", spot.assign(venue="cboe"))


def _named(marks: pd.DataFrame, file: str, rejections: Rejections) -> pd.DataFrame:
    """The rows of options, named; the others are counted."""
    places, symbols = pd.factorize(marks["symbol"])
    instruments, problems = by_symbol([str(symbol) for symbol in symbols], places, "alpaca")
    codes = np.asarray(instruments.codes)
    known = np.unique(codes[codes >= 0])
    others = [
        code for code, kind in zip(known, INSTRUMENT_TERMS.kinds(known), strict=True) if kind != "option"
    ]
    if others:
        problems.append((np.isin(codes, others), "symbol", "of something else than an option"))
    kept = np.ones(len(marks), dtype=np.bool_)
    for bad, reason, words in problems:
        first = marks.iloc[int(bad.argmax())]
        rejections.add(reason, int(bad.sum()), f"{file}, {first[_ROW]}: {first['symbol']!r}: {words}")
        kept &= ~bad
    return marks.assign(instrument=instruments)[kept].drop(columns=[_ROW, "symbol"])


def _read_csv(path: Path, rejections: Rejections) -> tuple[pd.DataFrame, pd.DataFrame]:
    lines = whole(path).splitlines(keepends=True)
    title = [line.decode("utf-8-sig", "replace") for line in lines[:_TITLE_LINES]]
    title += [""] * (_TITLE_LINES - len(title))
    index, saved_ns = float(_number(path, title[1], "Last")), _saved(path, title[2])
    if not title[3].startswith("Expiration Date,Calls"):
        raise FrameError(
            f"{path.name}, line 4: expected the header 'Expiration Date,Calls,...', found {title[3][:60]!r}"
        )
    header = ["expiry", *(f"c_{n}" for n in _SIDE), "strike", *(f"p_{n}" for n in _SIDE)]
    wanted = [name for name in header if name not in ("expiry", "strike", "c_net", "p_net")]
    chunk = parsed(path.name, header, wanted, _TITLE_LINES + 1, b"".join(lines[_TITLE_LINES:]), rejections)
    sides = [_side(chunk, side, rejections) for side in "cp"] if len(chunk) else []
    if not any(len(side) for side in sides):
        raise FrameError(f"{path.name}: no row of quotes below the header")
    asof_ns = _quoted(path, saved_ns)
    marks = pd.concat(sides, ignore_index=True).assign(event_ns=asof_ns, index=index)
    quote = [float(_number(path, title[2], what)) for what in ("Bid", "Ask")]
    return marks, _spot(_underlying(path, marks["symbol"]), asof_ns, *quote)


def _side(chunk: Chunk, side: str, rejections: Rejections) -> pd.DataFrame:
    """The calls (``c``) or puts (``p``) of the lines; one with a cell that is no number is counted and left out, the other stays."""
    columns: dict[str, Any] = {}
    kept = np.ones(len(chunk), dtype=np.bool_)
    for name in (name for name in _SIDE if name != "net"):
        cells = chunk.columns[f"{side}_{name}"]
        if name == "symbol":
            columns[name] = texts(cells, name).to_pylist()
            continue
        columns[name], bad = numbers(cells, name)
        bad &= kept
        if bad.any():
            where = chunk.where(int(bad.argmax()))
            rejections.add("not a number", int(bad.sum()), f"{where}, column {name} of the {_RIGHTS[side]}")
            kept &= ~bad
    columns[_ROW] = [f"line {place}" for place in chunk.places]
    return pd.DataFrame(columns)[kept]


def _read_json(path: Path, rejections: Rejections) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        page = msgspec.json.decode(whole(path), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrameError(f"{path.name}: not JSON: {error}") from error
    try:
        data, saved = page["data"], pd.Timestamp(page["timestamp"], tz="UTC")
        options, index = data["options"], float(data["current_price"])
        saved_ns = int(saved.as_unit("ns").value)
        if not isinstance(options, list) or not options:
            raise ValueError("options is not a list of some")
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise FrameError(
            f"{path.name}: not a delayed-quotes page: {error!r} is missing or malformed"
        ) from error
    marks = _options(path, options, rejections)
    asof_ns = _quoted(path, saved_ns, _last_trade(options))
    marks = marks.assign(event_ns=asof_ns, index=index)
    marks[["vega", "rho"]] *= 100.0
    marks["theta"] *= YEAR_DAYS
    underlying = str(data.get("symbol") or "").lstrip("^_") or _underlying(path, marks["symbol"])
    return marks, _spot(underlying, asof_ns, _value(data.get("bid")), _value(data.get("ask")))


def _options(path: Path, options: list[Any], rejections: Rejections) -> pd.DataFrame:
    """The options of a page; one that is none is set aside."""
    rows = []
    for number, option in enumerate(options, 1):
        where = f"option {number}"
        if not isinstance(option, dict) or not isinstance(option.get("option"), str):
            rejections.add("an option without a symbol", 1, f"{path.name}, {where}: {str(option)[:60]}")
            continue
        odd = [
            key for key in _KEYS if key != "option" and not isinstance(option.get(key), int | float | None)
        ]
        if odd:
            rejections.add(
                "not a number", 1, f"{path.name}, {where}: {odd[0]} is {str(option[odd[0]])[:40]!r}"
            )
            continue
        rows.append([where, option["option"], *(_value(option.get(key)) for key in list(_KEYS)[1:])])
    if not rows:
        raise FrameError(f"{path.name}: not a delayed-quotes page: none of its options can be read")
    return pd.DataFrame(rows, columns=[_ROW, *_KEYS.values()])


def _value(number: Any) -> float:
    return float(number) if isinstance(number, int | float) else np.nan


def _spot(underlying: str, asof_ns: int, bid: float, ask: float) -> pd.DataFrame:
    quote = {"event_ns": [asof_ns], "instrument": [underlying], "bid": [bid], "ask": [ask]}
    return pd.DataFrame(quote).replace({"bid": {0.0: np.nan}, "ask": {0.0: np.nan}})


def _underlying(path: Path, symbols: pd.Series[Any]) -> str:
    """What the options are on, by the first symbol that can be read."""
    for symbol in symbols.astype("str"):
        name, problem = named(symbol, "alpaca") if symbol.strip() else ("", "empty")
        if not problem:
            return str(INSTRUMENT_TERMS.describe([name])["underlying"].iloc[0])
    raise FrameError(f"{path.name}: none of its symbols is that of an option")


def _number(path: Path, line: str, what: str) -> str:
    found = re.search(rf"{what}:\s*(-?[\d,]*\.?\d+)", line)
    if found is None:
        raise FrameError(f"{path.name}: no '{what}:' in the title line {line.strip()[:80]!r}")
    return found[1].rstrip(",").replace(",", "")


def _saved(path: Path, line: str) -> int:
    """When the page was saved."""
    found = re.search(r"Date:\s*(\w+ \d+, \d{4})(?: at|,) (\d+:\d+ [AP]M)(?: (\w+))?", line)
    if found is None:
        raise FrameError(
            f"{path.name}: no 'Date: Month D, YYYY at H:MM PM' in the title line {line.strip()[:80]!r}"
        )
    if found[3] not in (None, "EDT", "EST", "ET"):
        raise FrameError(
            f"{path.name}: the title line says time zone {found[3]}; these pages are in Eastern time"
        )
    try:
        moment = pd.to_datetime(f"{found[1]} {found[2]}", format="%B %d, %Y %I:%M %p")
    except ValueError as error:
        raise FrameError(f"{path.name}: {found[1]} {found[2]} in the title line is no time") from error
    summer = found[3] != "EST"
    return int(nanoseconds([moment.tz_localize(NEW_YORK, ambiguous=summer, nonexistent="shift_forward")])[0])


def _last_trade(options: list[Any]) -> str:
    """The newest ``last_trade_time`` of a page, New York; '' where none is told."""
    told = [option.get("last_trade_time") for option in options if isinstance(option, dict)]
    return max(
        (text for text in told if isinstance(text, str) and re.match(r"\d{4}-\d\d-\d\dT", text)), default=""
    )


def _quoted(path: Path, saved_ns: int, last_trade: str = "") -> int:
    """The time of a page's quotes: when it was saved in a session or soon after it, else the last session's close."""
    nyse = sessions("XNYS")
    if not nyse.open_ns[0] <= saved_ns < nyse.close_ns[-1]:
        raise FrameError(
            f"{path.name}: saved {pd.Timestamp(saved_ns)}, when no calendar of sessions is known"
        )
    at = int(np.searchsorted(nyse.open_ns, saved_ns, side="right")) - 1
    if last_trade:
        day = np.datetime64(last_trade[:10], "D")
        at = min(at, int(np.searchsorted(nyse.days, day, side="right")) - 1)
    close_ns = int(nyse.close_ns[at])
    return saved_ns if saved_ns <= close_ns + HELD_NS else close_ns
