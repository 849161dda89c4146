"""LEAN's zips: ticks and minute bars of equities, options, futures, index, forex and CFD.

What a zip holds is told by its path, ``.../{security}/{market}/{resolution}/{symbol}/{date}_{kind}[_{style}].zip``,
and by the names of the CSV files in it. Times are milliseconds since midnight in the exchange's zone (New York;
UTC for forex and CFD; the zone of futures is New York [not verified]). Prices of equities and their options are
scaled by 10 000.

Becomes: tick trade -> trades; tick quote -> quotes; minute quote -> quotes at the bar's end; minute trade ->
candles of 60 s; open interest -> marks.

In an equity quote file a side of 0 means "unchanged": it is carried forward per exchange. The sale condition is
kept as the bitmask printed. A tick the source marks suspicious is set aside.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.reading import ROWS, Rejections, nanoseconds
from workstation.market.errors import FrameError
from workstation.market.symbology import unified
from workstation.market.tables import TradeFlag

_PATH = re.compile(
    r"(?P<security>equity|option|index|indexoption|future|futureoption|forex|cfd)/(?P<market>[^/]+)/"
    r"(?P<resolution>tick|minute)/(?P<symbol>[^/]+)/(?:\d{6}/)?(?P<date>\d{8})_(?P<kind>trade|quote|openinterest)(?:_\w+)?\.zip$"
)
_OPTION = re.compile(r"_(?P<right>call|put)_(?P<strike>\d+)_(?P<expiry>\d{8})\.csv$")
_FUTURE = re.compile(r"_(?P<month>\d{6})(?:_(?P<expiry>\d{8}))?\.csv$")
_SCALED = {"equity", "option", "indexoption"}
_UTC = {"forex", "cfd"}
_MONTHS = "FGHJKMNQUVXZ"
MINUTE_NS = 60 * 10**9
GROUP_BYTES = 16 * 2**20
"""How much text is read as one."""


@dataclass(frozen=True)
class _Source:
    """One CSV in one zip."""

    file: str
    security: str
    resolution: str
    kind: str
    symbol: str
    midnight: pd.Timestamp
    names: tuple[str, ...]
    rows: tuple[int, ...] = ()
    """Rows of each name when the CSVs of several contracts are read as one."""

    def instruments(self, index: pd.Index[Any]) -> Any:
        """The name of each row."""
        if len(self.names) == 1:
            return self.names[0]
        return np.repeat(np.array(self.names, dtype=object), self.rows)[index.to_numpy()]

    @property
    def divisor(self) -> float:
        return 10_000.0 if self.security in _SCALED else 1.0

    def event_ns(self, milliseconds: pd.Series) -> Any:
        """Nanoseconds UTC; the day's zone offset may change within the day, so it is asked at each time."""
        if milliseconds.dtype.kind == "f":
            elapsed = np.round(milliseconds.to_numpy() * 1e6).astype("int64")
        else:
            elapsed = milliseconds.to_numpy() * 1_000_000
        wall = self.midnight.as_unit("ns").value + elapsed
        if self.security in _UTC:
            return wall
        local = pd.DatetimeIndex(wall.view("M8[ns]")).tz_localize(
            "America/New_York", ambiguous=True, nonexistent="shift_forward"
        )
        return nanoseconds(local)


def read(path: Path, rejections: Rejections) -> Iterator[Batch]:
    """Batches of every CSV in the zip, in the zip's order."""
    found = _PATH.search(path.as_posix())
    if found is None:
        raise FrameError(
            f"{path.name}: not a LEAN path; expected .../equity/usa/tick/spy/20131008_trade.zip or the like"
        )
    part = _READERS.get((found["resolution"], found["kind"]))
    if part is None:
        raise FrameError(f"{path.name}: LEAN has no {found['resolution']} {found['kind']} files")
    try:
        with zipfile.ZipFile(path) as archive:
            for entries in _groups(archive):
                source = _source(found, entries)
                if len(entries) == 1:
                    with archive.open(entries[0]) as file:
                        yield from part(source, file, rejections)
                else:
                    texts = [archive.read(entry).rstrip(b"\n") + b"\n" for entry in entries]
                    lines = tuple(text.count(b"\n") for text in texts)
                    yield from part(replace(source, rows=lines), io.BytesIO(b"".join(texts)), rejections)
    except zipfile.BadZipFile as error:
        raise FrameError(f"{path.name}: {error}") from error


def _groups(archive: zipfile.ZipFile) -> Iterator[list[str]]:
    """Entries to be read as one: thousands of contracts' little CSVs would cost more to open than to read."""
    group: list[str] = []
    size = 0
    for entry in archive.infolist():
        if group and size + entry.file_size > GROUP_BYTES:
            yield group
            group, size = [], 0
        if entry.file_size:
            group.append(entry.filename)
            size += entry.file_size
    if group:
        yield group


def _source(found: re.Match[str], entries: list[str]) -> _Source:
    security, symbol = found["security"], found["symbol"].upper()
    midnight = pd.Timestamp(dt.datetime.strptime(found["date"], "%Y%m%d"))
    if "option" in security:
        names = tuple(_option_name(entry) for entry in entries)
    elif security == "future":
        names = tuple(_future_name(symbol, entry) for entry in entries)
    else:
        names = (f"{symbol[:3]}/{symbol[3:]}" if security in _UTC else symbol,)
    return _Source(entries[0], security, found["resolution"], found["kind"], symbol, midnight, names)


def _option_name(entry: str) -> str:
    terms = _OPTION.search(entry)
    if terms is None:
        raise FrameError(f"{entry}: an option file without _{{call|put}}_{{strike}}_{{expiry}} in its name")
    root = entry.split("_")[1].upper()
    return unified(
        f"{root}{terms['expiry'][2:]}{terms['right'][0].upper()}{int(terms['strike']) // 10:08d}", "alpaca"
    )


def _future_name(root: str, entry: str) -> str:
    month = _FUTURE.search(entry)
    if month is None:
        raise FrameError(f"{entry}: a futures file without the contract month in its name")
    return f"{root}{_MONTHS[int(month['month'][4:]) - 1]}{month['month'][2:4]}"


def _chunks(file: IO[bytes], names: list[str], **types: Any) -> Iterator[pd.DataFrame]:
    yield from pd.read_csv(file, header=None, names=names, dtype=types, chunksize=ROWS)


def _not_suspicious(chunk: pd.DataFrame, source: _Source, rejections: Rejections) -> pd.DataFrame:
    bad = chunk["suspicious"].to_numpy() != 0
    rejections.add("marked suspicious by the source", int(bad.sum()), source.file)
    return chunk[~bad] if bad.any() else chunk


def _tick_trades(source: _Source, file: IO[bytes], rejections: Rejections) -> Iterator[Batch]:
    names = ["ms", "price", "size", "exchange", "condition", "suspicious"]
    for chunk in _chunks(file, names, exchange="str", condition="str"):
        rows = _not_suspicious(chunk, source, rejections)
        trades = pd.DataFrame(
            {
                "event_ns": source.event_ns(rows["ms"]),
                "instrument": source.instruments(rows.index),
                "price": rows["price"].to_numpy() / source.divisor,
                "size": rows["size"].to_numpy(dtype=float),
                "flags": np.where(rows["exchange"] == "D", int(TradeFlag.OFF_EXCHANGE), 0).astype("int32"),
                "condition": rows["condition"].to_numpy(),
                "exchange": rows["exchange"].to_numpy(),
            }
        )
        yield Batch("trades", trades)


def _tick_quotes(source: _Source, file: IO[bytes], rejections: Rejections) -> Iterator[Batch]:
    if source.security in _UTC:
        for chunk in _chunks(file, ["ms", "bid", "ask"]):
            yield Batch("quotes", _quotes(source, chunk["ms"], chunk["bid"], chunk["ask"]))
        return
    names = ["ms", "bid", "bid_size", "ask", "ask_size", "exchange", "condition", "suspicious"]
    carried: dict[str, pd.DataFrame] = {}
    sides = ["bid", "bid_size", "ask", "ask_size"]
    for chunk in _chunks(file, names, exchange="str", condition="str", **dict.fromkeys(sides, "float64")):
        rows = _not_suspicious(chunk, source, rejections)
        filled = pd.concat([carried["last"], rows]) if carried else rows
        for price, size in (("bid", "bid_size"), ("ask", "ask_size")):
            filled.loc[filled[price] == 0, [price, size]] = np.nan
        filled[sides] = filled.groupby("exchange")[sides].ffill()
        carried["last"] = filled.groupby("exchange").tail(1)
        filled = filled.iloc[len(filled) - len(rows) :]
        quotes = _quotes(source, filled["ms"], filled["bid"] / source.divisor, filled["ask"] / source.divisor)
        for column in ("bid_size", "ask_size", "exchange", "condition"):
            quotes[column] = filled[column].to_numpy()
        yield Batch("quotes", quotes)


def _quotes(source: _Source, milliseconds: pd.Series, bid: pd.Series, ask: pd.Series) -> pd.DataFrame:
    columns = {"bid": bid.to_numpy(dtype=float), "ask": ask.to_numpy(dtype=float)}
    return pd.DataFrame(
        {
            "event_ns": source.event_ns(milliseconds),
            "instrument": source.instruments(milliseconds.index),
            **columns,
        }
    )


def _minute_quotes(source: _Source, file: IO[bytes], rejections: Rejections) -> Iterator[Batch]:
    bid = ["bid_open", "bid_high", "bid_low", "bid", "bid_size"]
    ask = ["ask_open", "ask_high", "ask_low", "ask", "ask_size"]
    for chunk in _chunks(file, ["ms", *bid, *ask]):
        quotes = _quotes(
            source, chunk["ms"], _empty(chunk["bid"]) / source.divisor, _empty(chunk["ask"]) / source.divisor
        )
        quotes["event_ns"] += MINUTE_NS
        for column in ("bid_size", "ask_size"):
            quotes[column] = chunk[column].to_numpy(dtype=float)
        yield Batch("quotes", quotes)


def _empty(prices: pd.Series) -> pd.Series:
    return prices.astype(float).where(prices > 0)


def _minute_trades(source: _Source, file: IO[bytes], rejections: Rejections) -> Iterator[Batch]:
    for chunk in _chunks(file, ["ms", "open", "high", "low", "close", "volume"]):
        candles = pd.DataFrame(
            {"event_ns": source.event_ns(chunk["ms"]), "instrument": source.instruments(chunk.index)}
        )
        for column in ("open", "high", "low", "close"):
            candles[column] = chunk[column].to_numpy(dtype=float) / source.divisor
        candles["volume"] = chunk["volume"].to_numpy(dtype=float)
        yield Batch("candles", candles.assign(every_ns=MINUTE_NS, closed=True))


def _open_interest(source: _Source, file: IO[bytes], rejections: Rejections) -> Iterator[Batch]:
    for chunk in _chunks(file, ["ms", "open_interest"]):
        times = source.event_ns(chunk["ms"])
        marks = pd.DataFrame(
            {"event_ns": times, "open_interest_ns": times, "instrument": source.instruments(chunk.index)}
        )
        yield Batch(
            "marks", marks.assign(open_interest=chunk["open_interest"].to_numpy(dtype=float), venue="opra")
        )


_READERS: dict[tuple[str, str], Callable[[_Source, IO[bytes], Rejections], Iterator[Batch]]] = {
    ("tick", "trade"): _tick_trades,
    ("tick", "quote"): _tick_quotes,
    ("minute", "quote"): _minute_quotes,
    ("minute", "trade"): _minute_trades,
    ("minute", "openinterest"): _open_interest,
}
