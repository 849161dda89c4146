"""Small DBN files written with the vendor's own encoder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from workstation.feeds.files import Rejections, read

dbn = pytest.importorskip("databento_dbn", reason="the vendor's encoder is not installed: databento")

T = pd.Timestamp("2026-03-20T14:30Z").value
DAY = dt.date(2026, 3, 20)
NEXT = DAY + dt.timedelta(days=1)
CALL = "SPY   260320C00600000"
OPRA = {CALL: [(DAY, NEXT, 4242)]}
ES = {"ESM6": [(DAY, NEXT, 118)]}
UNDEFINED_TIME = 2**64 - 1
UNDEFINED_PRICE = 2**63 - 1

Spans = Mapping[str, list[tuple[dt.date, dt.date, int]]]


def header(dataset: str, names: Spans | None = None, **others: Any) -> bytes:
    """The metadata; without names and schema it is that of a file recorded live."""
    mappings = [
        SimpleNamespace(
            raw_symbol=symbol,
            intervals=[SimpleNamespace(start_date=a, end_date=b, symbol=str(i)) for a, b, i in spans],
        )
        for symbol, spans in (names or {}).items()
    ]
    words = {
        "schema": None, "stype_in": dbn.SType.RAW_SYMBOL if names else None, "stype_out": dbn.SType.INSTRUMENT_ID,
    } | others  # fmt: skip
    return bytes(
        dbn.Metadata(dataset=dataset, start=T, end=T + 10**9, symbols=[], mappings=mappings, **words)
    )


def write(path: Path, head: bytes, records: Iterable[Any]) -> Path:
    path.write_bytes(head + b"".join(bytes(record) for record in records))
    return path


def tables(path: Path, rejections: Rejections | None = None) -> dict[str, pd.DataFrame]:
    found: dict[str, list[pd.DataFrame]] = {}
    for name, frame in read("dbn", path, rejections if rejections is not None else Rejections()):
        found.setdefault(name, []).append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in found.items()}


def price(value: float) -> int:
    return round(value * 1e9)


def trade(publisher: int, instrument: int, at: int = T, value: float = 1.0, **others: Any) -> Any:
    words = {
        "publisher_id": publisher, "instrument_id": instrument, "ts_event": at, "price": price(value), "size": 3,
        "action": dbn.Action.TRADE, "side": dbn.Side.NONE, "depth": 0, "ts_recv": at + 100,
    } | others  # fmt: skip
    return dbn.TradeMsg(**words)


def _level(bid: float | None, ask: float | None, pair: Any) -> Any:
    undefined = UNDEFINED_PRICE
    return pair(
        undefined if bid is None else price(bid), undefined if ask is None else price(ask),
        0 if bid is None else 5, 0 if ask is None else 6,
    )  # fmt: skip


def top(publisher: int, instrument: int, bid: float | None, ask: float | None, **others: Any) -> Any:
    words = {
        "publisher_id": publisher, "instrument_id": instrument, "ts_event": T, "price": price(1.0), "size": 3,
        "action": dbn.Action.ADD, "side": dbn.Side.BID, "depth": 0, "ts_recv": T + 100,
        "levels": _level(bid, ask, dbn.BidAskPair),
    } | others  # fmt: skip
    return dbn.MBP1Msg(**words)


def consolidated(
    rtype: Any, publisher: int, instrument: int, bid: float | None, ask: float | None, **others: Any
) -> Any:
    words = {
        "rtype": rtype, "publisher_id": publisher, "instrument_id": instrument, "ts_event": T, "price": price(1.0), "size": 3,
        "action": dbn.Action.TRADE, "side": dbn.Side.NONE, "ts_recv": T + 100,
        "levels": _level(bid, ask, dbn.ConsolidatedBidAskPair),
    } | others  # fmt: skip
    return dbn.CMBP1Msg(**words)


def bar(publisher: int, instrument: int, *prices: float, volume: int, rtype: int = 33, at: int = T) -> Any:
    return dbn.OHLCVMsg(rtype, publisher, instrument, at, *map(price, prices), volume)


def mapping(instrument: int, symbol: str, start: int = 0, end: int = UNDEFINED_TIME) -> Any:
    raw = dbn.SType.RAW_SYMBOL
    return dbn.SymbolMappingMsg(0, instrument, T, raw, symbol, raw, symbol, start, end)


def statistic(
    publisher: int,
    instrument: int,
    quantity: int,
    kind: int = 9,
    at: int = T,
    ref: int = T,
    old: bool = False,
) -> Any:
    message = dbn.StatMsgV1 if old else dbn.StatMsg
    words = {
        "publisher_id": publisher, "instrument_id": instrument, "ts_event": at, "ts_recv": at + 100, "ts_ref": ref,
        "price": UNDEFINED_PRICE, "quantity": quantity, "stat_type": dbn.StatType(kind),
    }  # fmt: skip
    return message(**words)
