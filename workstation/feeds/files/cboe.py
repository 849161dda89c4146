"""Cboe's delayed quotes: the quote-table CSV of the web page and the JSON of the content network.

CSV: three lines of title (``Standard & Poors 500 Index,Last: 4505.1001,Change: ...`` and
``"Date: September 14, 2023 at 4:31 PM EDT",Bid: ...``), then one row per expiry and strike with the call on the
left and the put on the right of ``Strike``. JSON: ``{"timestamp": "2026-07-25 03:44:38" (UTC), "data":
{"options": [{"option": "AAPL260724C00110000", "iv": 0.29, ...}], "current_price": ...}}``.

Zero bid, ask, IV or greeks mean "none" in these files and become NaN. Open interest is the previous session's;
its publication time is not stated. JSON vega is per vol point and theta per day [not documented by the vendor].
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
from workstation.feeds.files.reading import Rejections, nanoseconds, open_bytes, open_text
from workstation.market.errors import FrameError, SymbolError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.symbology import unified

NEW_YORK = "America/New_York"
_TITLE_LINES = 4
_SIDE = ("symbol", "last", "net", "bid", "ask", "volume_24h", "mark_iv", "delta", "gamma", "open_interest")
_NONE_AT_ZERO = ("last", "bid", "ask", "mark_iv", "mark")
_GREEKS = ("delta", "gamma", "vega", "theta", "rho")


def read(path: Path, rejections: Rejections) -> Iterator[Batch]:
    """Marks of the chain and a quote of the underlying, all at the file's as-of time."""
    name = path.name.removesuffix(".gz")
    marks, spot = _read_json(path) if name.endswith(".json") else _read_csv(path)
    names = {}
    for symbol in marks["symbol"].unique():
        try:
            names[symbol] = unified(symbol, "alpaca")
        except SymbolError as error:
            rejections.add("symbol", int((marks["symbol"] == symbol).sum()), f"{path.name}: {error}")
    marks["instrument"] = marks.pop("symbol").map(names)
    marks = marks[marks["instrument"].notna()]
    for column in _NONE_AT_ZERO:
        if column in marks:
            marks[column] = marks[column].where(marks[column] > 0)
    greeks = [column for column in _GREEKS if column in marks]
    marks.loc[marks["mark_iv"].isna(), greeks] = np.nan
    marks["mark"] = marks["mark"] if "mark" in marks else (marks["bid"].fillna(0) + marks["ask"]) / 2
    yield Batch("marks", marks.assign(venue="opra"))
    yield Batch("quotes", spot.assign(venue="cboe"))


def _read_csv(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    with open_text(path) as lines:
        title = [next(lines, "") for _ in range(_TITLE_LINES)]
        index, asof_ns = _last(path, title[1]), _asof(path, title[2])
        table = pd.read_csv(
            lines,
            header=None,
            names=["expiry", *(f"c_{n}" for n in _SIDE), "strike", *(f"p_{n}" for n in _SIDE)],
        )
    if not title[3].startswith("Expiration Date,Calls"):
        raise FrameError(
            f"{path.name}, line 4: expected the header 'Expiration Date,Calls,...', found {title[3][:60]!r}"
        )
    sides = [table[[f"{side}_{n}" for n in _SIDE]].set_axis(list(_SIDE), axis=1) for side in "cp"]
    marks = pd.concat(sides, ignore_index=True).drop(columns="net")
    marks = marks[marks["symbol"].notna()].assign(event_ns=asof_ns, index=index)
    underlying = _underlying(unified(str(marks["symbol"].iloc[0]), "alpaca"))
    quote = [float(_number(path, title[2], what)) for what in ("Bid", "Ask")]
    return marks, _spot(underlying, asof_ns, *quote)


def _read_json(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    with open_bytes(path) as file:
        try:
            page = msgspec.json.decode(file.read(), type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise FrameError(f"{path.name}: not JSON: {error}") from error
    try:
        data, asof = page["data"], pd.Timestamp(page["timestamp"], tz="UTC")
        options, index = pd.DataFrame(data["options"]), float(data["current_price"])
    except (KeyError, ValueError, TypeError) as error:
        raise FrameError(
            f"{path.name}: not a delayed-quotes page: {error!r} is missing or malformed"
        ) from error
    known = {
        "option": "symbol", "last_trade_price": "last", "iv": "mark_iv", "volume": "volume_24h", "theo": "mark",
    }  # fmt: skip
    columns = [*known.values(), "bid", "ask", "bid_size", "ask_size", "open_interest", *_GREEKS]
    marks = options.rename(columns=known)[columns].astype({c: float for c in columns if c != "symbol"})
    marks = marks.assign(event_ns=asof.as_unit("ns").value, index=index)
    marks[["vega", "rho"]] *= 100.0
    marks["theta"] *= 365.0
    underlying = str(data.get("symbol", "")).lstrip("^_") or _underlying(
        unified(str(marks["symbol"].iloc[0]), "alpaca")
    )
    return marks, _spot(underlying, asof.as_unit("ns").value, float(data["bid"]), float(data["ask"]))


def _spot(underlying: str, asof_ns: int, bid: float, ask: float) -> pd.DataFrame:
    return pd.DataFrame({"event_ns": [asof_ns], "instrument": [underlying], "bid": [bid], "ask": [ask]})


def _underlying(name: str) -> str:

    return str(INSTRUMENT_TERMS.describe([name])["underlying"].iloc[0])


def _number(path: Path, line: str, what: str) -> str:
    found = re.search(rf"{what}:\s*([-\d.,]+)", line)
    if found is None:
        raise FrameError(f"{path.name}: no '{what}:' in the title line {line.strip()!r}")
    return found[1].rstrip(",").replace(",", "")


def _last(path: Path, line: str) -> float:
    return float(_number(path, line, "Last"))


def _asof(path: Path, line: str) -> int:
    found = re.search(r"Date:\s*(\w+ \d+, \d{4})(?: at|,) (\d+:\d+ [AP]M)", line)
    if found is None:
        raise FrameError(
            f"{path.name}: no 'Date: Month D, YYYY at H:MM PM' in the title line {line.strip()!r}"
        )
    moment = pd.to_datetime(f"{found[1]} {found[2]}", format="%B %d, %Y %I:%M %p").tz_localize(NEW_YORK)
    return int(nanoseconds([moment])[0])
