"""Records of DBN as NumPy sees them: which bytes are which field, by record type and length.

Every record begins with 16 bytes: its length in words of 4 bytes, record type, publisher (u16), instrument id (u32) and
``ts_event`` (u64, nanoseconds). Versions 1, 2 and 3 differ only in the lengths of some records, so the length tells the
layout. A stream with ``ts_out`` has 8 more bytes at the end of each record. Only fields that are read stand here.

Source: the DBN specification and the record structs of https://github.com/databento/dbn (0.70), Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from workstation.market.instants import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

UNDEFINED_PRICE = np.iinfo(np.int64).max
UNDEFINED_TIME = np.iinfo(np.uint64).max
UNDEFINED_SIZE = np.iinfo(np.uint32).max
PRICE_SCALE = 1e9
HEADER_BYTES = 16
TS_OUT_BYTES = 8
BAD_RECEIVE_TIME, BAD_BOOK = 8, 4
"""Bits of ``flags``: the receive time is not to be relied on; a gap was met that the book has not recovered from."""
TRADED = ord("T")
"""``action`` of a print; ``F`` is the resting order's side of it."""

SYMBOL_MAPPING, SYSTEM, ERROR = 0x16, 0x17, 0x15
DEFINITION, STATISTICS, MBO = 0x13, 0x18, 0xA0
TRADES, MBP_1 = 0x00, 0x01
CMBP_1, CBBO_1S, CBBO_1M, TCBBO, BBO_1S, BBO_1M = 0xB1, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4
BARS: Mapping[int, int] = {0x20: SECOND_NS, 0x21: MINUTE_NS, 0x22: HOUR_NS, 0x23: DAY_NS}
"""Record type of bars of one length -> nanoseconds."""
SCHEMAS: Mapping[int, str] = {
    TRADES: "trades", MBP_1: "mbp-1", 0x0A: "mbp-10", 0x11: "ohlcv", 0x12: "status", DEFINITION: "definition",
    0x14: "imbalance", ERROR: "error", SYMBOL_MAPPING: "symbol mapping", SYSTEM: "system", STATISTICS: "statistics",
    0x20: "ohlcv-1s", 0x21: "ohlcv-1m", 0x22: "ohlcv-1h", 0x23: "ohlcv-1d", 0x24: "ohlcv-eod", MBO: "mbo", CMBP_1: "cmbp-1",
    CBBO_1S: "cbbo-1s", CBBO_1M: "cbbo-1m", TCBBO: "tcbbo", BBO_1S: "bbo-1s", BBO_1M: "bbo-1m",
}  # fmt: skip
"""Record type -> schema, in the vendor's words."""

_Fields = Mapping[str, tuple[str, int]]
"""Field -> NumPy format and offset in bytes."""
_HEADER: _Fields = {"publisher_id": ("<u2", 2), "instrument_id": ("<u4", 4), "ts_event": ("<u8", 8)}
_TRADE: _Fields = {
    "price": ("<i8", 16), "size": ("<u4", 24), "action": ("u1", 28), "side": ("u1", 29), "flags": ("u1", 30),
    "ts_recv": ("<u8", 32), "sequence": ("<u4", 44),
}  # fmt: skip
_CONSOLIDATED: _Fields = {name: place for name, place in _TRADE.items() if name != "sequence"}
_TOP: _Fields = {"bid": ("<i8", 48), "ask": ("<i8", 56), "bid_size": ("<u4", 64), "ask_size": ("<u4", 68)}
_INTERVAL: _Fields = {"flags": ("u1", 30), "ts_recv": ("<u8", 32), **_TOP}
_BAR: _Fields = {
    "open": ("<i8", 16), "high": ("<i8", 24), "low": ("<i8", 32), "close": ("<i8", 40), "volume": ("<u8", 48),
}  # fmt: skip
_ORDER: _Fields = {
    "price": ("<i8", 24), "size": ("<u4", 32), "flags": ("u1", 36), "action": ("u1", 38), "side": ("u1", 39),
    "ts_recv": ("<u8", 40), "sequence": ("<u4", 52),
}  # fmt: skip
_STATISTIC: _Fields = {"ts_recv": ("<u8", 16), "ts_ref": ("<u8", 24), "price": ("<i8", 32)}
_TERMS: _Fields = {
    "ts_recv": ("<u8", 16), "min_price_increment": ("<i8", 24), "expiration": ("<u8", 40), "currency": ("S4", 186),
    "settl_currency": ("S4", 190),
}  # fmt: skip
_LAYOUTS: Mapping[int, Mapping[int, _Fields]] = {
    TRADES: {48: _TRADE},
    MBP_1: {80: {**_TRADE, **_TOP}},
    CMBP_1: {80: {**_CONSOLIDATED, **_TOP}},
    TCBBO: {80: {**_CONSOLIDATED, **_TOP}},
    CBBO_1S: {80: _INTERVAL},
    CBBO_1M: {80: _INTERVAL},
    BBO_1S: {80: _INTERVAL},
    BBO_1M: {80: _INTERVAL},
    **{rtype: {56: _BAR} for rtype in BARS},
    MBO: {56: _ORDER},
    STATISTICS: {
        64: {**_STATISTIC, "quantity": ("<i4", 40), "stat_type": ("<u2", 52), "update_action": ("u1", 56)},
        80: {**_STATISTIC, "quantity": ("<i8", 40), "stat_type": ("<u2", 56), "update_action": ("u1", 60)},
    },
    DEFINITION: {
        360: {
            **_TERMS, "unit_of_measure_qty": ("<i8", 88), "strike_price": ("<i8", 328), "contract_multiplier": ("<i4", 160),
            "raw_symbol": ("S22", 200), "exchange": ("S5", 243), "asset": ("S7", 248), "cfi": ("S7", 255),
            "underlying": ("S21", 300), "instrument_class": ("S1", 325),
        },
        400: {
            **_TERMS, "unit_of_measure_qty": ("<i8", 88), "strike_price": ("<i8", 112), "contract_multiplier": ("<i4", 164),
            "raw_symbol": ("S71", 200), "exchange": ("S5", 292), "asset": ("S7", 297), "cfi": ("S7", 304),
            "underlying": ("S21", 349), "instrument_class": ("S1", 374),
        },
        520: {
            **_TERMS, "unit_of_measure_qty": ("<i8", 80), "strike_price": ("<i8", 104), "contract_multiplier": ("<i4", 176),
            "currency": ("S4", 224), "settl_currency": ("S4", 228), "raw_symbol": ("S71", 238), "exchange": ("S5", 330),
            "asset": ("S11", 335), "cfi": ("S7", 346), "underlying": ("S21", 391), "instrument_class": ("S1", 487),
        },
    },
    SYMBOL_MAPPING: {
        80: {"symbol": ("S22", 38), "start_ts": ("<u8", 64), "end_ts": ("<u8", 72)},
        176: {"symbol": ("S71", 89), "start_ts": ("<u8", 160), "end_ts": ("<u8", 168)},
    },
    ERROR: {80: {"text": ("S64", 16)}, 320: {"text": ("S302", 16), "code": ("u1", 318)}},
    SYSTEM: {80: {"text": ("S64", 16)}, 320: {"text": ("S303", 16), "code": ("u1", 319)}},
}  # fmt: skip


@lru_cache(maxsize=256)
def layout(rtype: int, length: int) -> np.dtype[Any] | None:
    """The fields of a record; None when no layout of this type has that length, with or without ``ts_out``.

    Examples
    --------
    >>> layout(TRADES, 48).itemsize, layout(TRADES, 56).itemsize, layout(TRADES, 64)
    (48, 56, None)
    """
    known = _LAYOUTS[rtype]
    fields = known.get(length, known.get(length - TS_OUT_BYTES))
    if fields is None:
        return None
    whole = {**_HEADER, **fields}
    return np.dtype(
        {
            "names": list(whole),
            "formats": [place[0] for place in whole.values()],
            "offsets": [place[1] for place in whole.values()],
            "itemsize": length,
        }
    )


def is_read(rtype: int) -> bool:
    """Whether records of this type are read; the others are counted."""
    return rtype in _LAYOUTS


def fields_of(records: Any) -> tuple[str, ...]:
    """Names of the fields that records have."""
    return records.dtype.names or ()


def prices(values: Any) -> Any:
    """float64 of fixed-point prices; NaN where undefined.

    Examples
    --------
    >>> prices(np.array([5300_250_000_000, UNDEFINED_PRICE])).tolist()
    [5300.25, nan]
    """
    undefined = values == UNDEFINED_PRICE
    scaled = values / PRICE_SCALE
    if undefined.any():
        scaled[undefined] = np.nan
    return scaled


def texts(values: Any) -> list[str]:
    """Strings of a field of C characters."""
    return [text.split(b"\0", 1)[0].decode("utf-8", "replace") for text in values.tolist()]
