"""Databento's binary files (DBN, any version, plain or zstd), through the vendor's own reader.

Becomes: trades, tbbo, tcbbo, mbp-1, cmbp-1 -> trades (action T) and quotes; cbbo-*, bbo-* -> quotes at the
interval's end; ohlcv-* -> candles; definition -> instruments; statistics of type 9 -> marks' open interest;
mbo -> trades. Depth, status and imbalance records have no table and are counted as set aside.

Prices are int64 x 1e-9, undefined = 2^63 - 1. ``ts_event`` of OPRA records is the consolidator's; OPRA records
carry no sale condition. Listed options are named by OSI symbol; others keep the venue's raw symbol.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.reading import ROWS, Rejections
from workstation.market.errors import FrameError, SymbolError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.symbology import unified
from workstation.market.tables import NO_TIME

UNDEFINED_PRICE = np.iinfo(np.int64).max
UNDEFINED_TIME = np.iinfo(np.uint64).max
OPEN_INTEREST = 9
"""``stat_type`` of open interest."""
_BARS = {"ohlcv-1s": 10**9, "ohlcv-1m": 60 * 10**9, "ohlcv-1h": 3_600 * 10**9, "ohlcv-1d": 86_400 * 10**9}
_KINDS = {"C": "option", "P": "option", "F": "future", "K": "equity", "X": "spot", "I": "index"}
_SIDES = {b"B": 1, b"A": -1}
"""DBN's side of a trade is the aggressor's."""

Records = Any
Names = pd.Series


def read(path: Path, rejections: Rejections) -> Iterator[Batch]:
    """Batches in record order."""
    try:
        import databento
        from databento.common.symbology import InstrumentMap
    except ImportError as error:
        raise FrameError("the dbn format needs the extra: pip install 'workstation[databento]'") from error
    try:
        store = databento.DBNStore.from_file(path)
    except (databento.BentoError, ValueError, RuntimeError) as error:
        raise FrameError(f"{path.name}: not a DBN file: {error}") from error
    schema = str(store.schema)
    part = _part(schema)
    if part is None:
        rejections.add(f"schema {schema} has no table", len(store.to_ndarray()), path.name)
        return
    if schema == "definition":
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The inplace keyword", module="databento")
            table = store.to_df()
        yield Batch("instruments", _definitions(table, rejections, path.name))
        return
    symbols = InstrumentMap()
    symbols.insert_metadata(store.metadata)
    for records in store.to_ndarray(count=ROWS):
        names = _names(records, symbols, rejections, path.name)
        known = names.notna().to_numpy()
        yield from part(records[known], names[known].reset_index(drop=True), rejections, path.name, schema)


def _part(schema: str) -> Callable[..., Iterator[Batch]] | None:
    if schema in _BARS:
        return _bars
    return {
        "trades": _ticks, "tbbo": _ticks, "tcbbo": _ticks, "mbp-1": _ticks, "cmbp-1": _ticks, "mbo": _ticks,
        "cbbo-1s": _intervals, "cbbo-1m": _intervals, "bbo-1s": _intervals, "bbo-1m": _intervals,
        "statistics": _statistics, "definition": _ticks,
    }.get(schema)  # fmt: skip


def _names(records: Records, symbols: Any, rejections: Rejections, file: str) -> Names:
    days = _received(records) // np.uint64(86_400 * 10**9)
    keys = pd.DataFrame({"id": records["instrument_id"], "day": days})
    found: dict[tuple[int, int], str | None] = {}
    for (identity, day), rows in keys.groupby(["id", "day"]).groups.items():
        date = dt.date(1970, 1, 1) + dt.timedelta(days=int(day))
        symbol = symbols.resolve(int(identity), date)
        if not symbol:
            rejections.add(
                "no symbol for the instrument id in the file's metadata", len(rows), f"{file}: {identity}"
            )
        found[(identity, day)] = _unified(symbol) if symbol else None
    return pd.Series([found[key] for key in zip(keys["id"], keys["day"], strict=True)], dtype=object)


def _received(records: Records) -> Any:
    return records["ts_recv"] if "ts_recv" in records.dtype.names else records["ts_event"]


def _unified(symbol: str) -> str:
    try:
        return unified(symbol, "osi")
    except SymbolError:
        return symbol


def _stamp(records: Records, names: Names, time: str = "ts_event") -> pd.DataFrame:
    seen = _received(records).astype("int64")
    return pd.DataFrame(
        {"event_ns": records[time].astype("int64"), "seen_ns": seen, "instrument": names.to_numpy()}
    )


def _price(values: Any) -> Any:
    return np.where(values == UNDEFINED_PRICE, np.nan, values / 1e9)


def _ticks(records: Records, names: Names, rejections: Rejections, file: str, schema: str) -> Iterator[Batch]:
    traded = records["action"] == b"T"
    trades = _stamp(records[traded], names[traded]).assign(
        price=_price(records["price"][traded]),
        size=records["size"][traded].astype("float64"),
        side=pd.Series(records["side"][traded]).map(_SIDES).fillna(0).astype("int8").to_numpy(),
        side_source="venue",
    )
    if "sequence" in records.dtype.names:
        trades["venue_seq"] = records["sequence"][traded].astype("int64")
    yield Batch("trades", trades)
    if schema == "mbo":
        rejections.add("order-book event (no table keeps orders)", int((~traded).sum()), file)
    elif schema != "trades":
        yield Batch("quotes", _quotes(records, _stamp(records, names)))


def _intervals(
    records: Records, names: Names, rejections: Rejections, file: str, schema: str
) -> Iterator[Batch]:
    yield Batch("quotes", _quotes(records, _stamp(records, names, "ts_recv")))


def _quotes(records: Records, stamp: pd.DataFrame) -> pd.DataFrame:
    return stamp.assign(
        bid=_price(records["bid_px_00"]),
        ask=_price(records["ask_px_00"]),
        bid_size=records["bid_sz_00"].astype("float64"),
        ask_size=records["ask_sz_00"].astype("float64"),
    )


def _bars(records: Records, names: Names, rejections: Rejections, file: str, schema: str) -> Iterator[Batch]:
    columns = {column: _price(records[column]) for column in ("open", "high", "low", "close")}
    candles = _stamp(records, names).assign(**columns, volume=records["volume"].astype("float64"))
    yield Batch("candles", candles.assign(every_ns=_BARS[schema], closed=True))


def _statistics(
    records: Records, names: Names, rejections: Rejections, file: str, schema: str
) -> Iterator[Batch]:
    wanted = records["stat_type"] == OPEN_INTEREST
    rejections.add("statistic other than open interest", int((~wanted).sum()), file)
    kept = records[wanted]
    published = np.where(kept["ts_ref"] == UNDEFINED_TIME, NO_TIME, kept["ts_ref"].astype("int64"))
    marks = _stamp(kept, names[wanted], "ts_recv").assign(
        open_interest=kept["quantity"].astype("float64"), open_interest_ns=published, venue="opra"
    )
    yield Batch("marks", marks)


def _definitions(table: pd.DataFrame, rejections: Rejections, file: str) -> pd.DataFrame:
    kinds = table["instrument_class"].astype("str").map(_KINDS)
    rejections.add("instrument class without a kind", int(kinds.isna().sum()), file)
    rows = table[kinds.notna()]
    kinds = kinds[kinds.notna()]
    times = pd.DatetimeIndex(rows["ts_event"]).as_unit("ns").asi8
    options = (kinds == "option").to_numpy()
    classes = rows["instrument_class"].astype("str").to_numpy()
    names = [_unified(symbol) for symbol in rows["raw_symbol"]]
    multiplier = rows["unit_of_measure_qty"].astype("float64").to_numpy()
    listed = np.array(
        [name != raw or len(raw) == 21 for name, raw in zip(names, rows["raw_symbol"], strict=True)]
    )
    instruments = pd.DataFrame(
        {
            "event_ns": times,
            "instrument": names,
            "venue_symbol": rows["raw_symbol"].to_numpy(),
            "venue": rows["exchange"].astype("str").str.lower().to_numpy(),
            "kind": kinds.to_numpy(),
            "underlying": rows["underlying"].to_numpy(),
            "root": rows["asset"].to_numpy(),
            "expiry_ns": pd.DatetimeIndex(rows["expiration"]).as_unit("ns").asi8,
            "strike": rows["strike_price"].astype("float64").to_numpy(),
            "right": np.where(options, classes, ""),
            "multiplier": np.where(options & listed & np.isnan(multiplier), 100.0, multiplier),
            "premium_currency": rows["currency"].to_numpy(),
            "settle_currency": rows["currency"].to_numpy(),
            "tick_size": rows["min_price_increment"].astype("float64").to_numpy(),
        }
    )
    return _listed_expiry(instruments, options & listed)


def _listed_expiry(instruments: pd.DataFrame, listed: Any) -> pd.DataFrame:
    """OPRA definitions state only the expiry's date: the instant comes from the calendar, by the OSI symbol."""
    if listed.any():
        terms = INSTRUMENT_TERMS.describe(instruments.loc[listed, "instrument"].tolist())
        for column in ("expiry_ns", "style", "underlying"):
            instruments.loc[listed, column] = terms[column].to_numpy()
    return instruments
