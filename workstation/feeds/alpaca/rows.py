"""Alpaca's messages -> columns of the tables.

Times keep their nanoseconds: a msgpack timestamp has 4, 8 or 12 bytes, REST writes RFC 3339. Option sizes are contracts, stock sizes shares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec.msgpack import Ext

from workstation.feeds.alpaca import messages
from workstation.feeds.venue_kit.columns import DAYS, POINTS, Floats, Times, number, present
from workstation.feeds.venue_kit.symbol_table import OPTION, SymbolTable
from workstation.market.conditions import flags
from workstation.market.instants import DAY_NS, HOUR_NS, SECOND_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TradeFlag

VENUE = "alpaca"
SYMBOLS = SymbolTable("alpaca")
Ids = npt.NDArray[np.intp]
_DATA: Callable[[Ext], bytes] = attrgetter("data")
_CODE: Callable[[Ext], int] = attrgetter("code")
_TIMESTAMP = -1
"""Code of msgpack's timestamp extension."""
_LATEST_S = 4_102_444_800
"""2100-01-01: later instants are none."""
_RFC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EASTERN_NS = 5 * HOUR_NS
"""Behind UTC, or an hour less: the day of a print between 4:00 and 20:00 in New York comes out the same."""


def extension_ns(stamps: Sequence[Ext]) -> Times:
    """Nanoseconds of msgpack timestamps; 0 for what is none.

    Examples
    --------
    >>> seconds, fraction = 1_710_164_135, 133_122_560
    >>> extension_ns([Ext(-1, (fraction << 34 | seconds).to_bytes(8, "big")), Ext(5, b"")]).tolist()
    [1710164135133122560, 0]
    """
    data = list(map(_DATA, stamps))
    if set(map(len, data)) == {8} and set(map(_CODE, stamps)) == {_TIMESTAMP}:
        packed = np.frombuffer(b"".join(data), dtype=">u8")
        seconds, fraction = (packed & np.uint64(0x3FFFFFFFF)), (packed >> np.uint64(34))
        found = seconds.astype(np.int64) * SECOND_NS + fraction.astype(np.int64)
        sound: Times = np.where((seconds < _LATEST_S) & (fraction < SECOND_NS), found, 0)
        return sound
    return np.array([_one_ns(stamp) for stamp in stamps], dtype=np.int64)


def _one_ns(stamp: Ext) -> int:
    data = bytes(stamp.data)
    if stamp.code != _TIMESTAMP:
        return 0
    if len(data) == 4:
        seconds, fraction = int.from_bytes(data, "big"), 0
    elif len(data) == 8:
        packed = int.from_bytes(data, "big")
        seconds, fraction = packed & 0x3FFFFFFFF, packed >> 34
    elif len(data) == 12:
        fraction, seconds = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big", signed=True)
    else:
        return 0
    return seconds * SECOND_NS + fraction if 0 < seconds < _LATEST_S and fraction < SECOND_NS else 0


def text_ns(texts: Sequence[str]) -> Times:
    """Nanoseconds of RFC 3339 texts; 0 for what is none.

    Examples
    --------
    >>> text_ns(["2024-03-11T13:35:35.13312256Z", "2024-03-11T09:35:35-04:00", "soon"]).tolist()
    [1710164135133122560, 1710164135000000000, 0]
    """
    found = []
    for text in texts:
        match = _RFC.fullmatch(text)
        try:
            seconds = int(np.datetime64(match[1], "s").astype(np.int64)) if match else 0
        except ValueError:
            seconds = 0
        if not match or not 0 < seconds < _LATEST_S:
            found.append(0)
            continue
        zone = 0
        if match[3] != "Z":
            zone = (1 if match[3][0] == "+" else -1) * (int(match[3][1:3]) * 3600 + int(match[3][4:]) * 60)
        found.append((seconds - zone) * SECOND_NS + int((match[2] or ".0")[1:].ljust(9, "0")))
    return np.array(found, dtype=np.int64)


def joined(conditions: Sequence[messages.Conditions]) -> list[str]:
    """Conditions as one text a row: a stock's come as a list.

    Examples
    --------
    >>> joined(["S", ["@", "I"], None])
    ['S', '@I', '']
    """
    return [each if isinstance(each, str) else "".join(each or ()) for each in conditions]


def stamp(ids: Ids, event_ns: Times, seen_ns: Times) -> dict[str, Any]:
    """Columns every row has."""
    return {"event_ns": event_ns, "seen_ns": seen_ns, "instrument": SYMBOLS.code[ids], "venue": VENUE}


def trades(ids: Ids, event_ns: Times, seen_ns: Times, told: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Columns of ``trades``; an option's print has no id, the venue gives none."""
    option = (SYMBOLS.traits[ids] & OPTION) != 0
    texts, exchange = joined(told["c"]), list(told["x"])
    return stamp(ids, event_ns, seen_ns) | {
        "price": number(told["p"]),
        "size": number(told["s"]),
        "flags": _flags(option, texts, exchange, told["z"]),
        "trade_id": trade_ids(event_ns, exchange, told["i"]),
        "condition": texts,
        "exchange": exchange,
    }


def taken_back(
    ids: Ids, event_ns: Times, seen_ns: Times, told: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """Rows of ``trades`` that cancel a print, under its id."""
    exchange = list(told["x"])
    return stamp(ids, event_ns, seen_ns) | {
        "price": number(told["p"]),
        "size": number(told["s"]),
        "flags": np.full(len(ids), int(TradeFlag.CANCEL), dtype=np.int32),
        "trade_id": trade_ids(event_ns, exchange, told["i"]),
        "exchange": exchange,
    }


def trade_ids(event_ns: Times, exchange: Sequence[str], numbers: Sequence[int | None]) -> list[str]:
    """``20240311-V-52983``: day, exchange and the venue's number, which is counted per exchange and day; empty without one."""
    days = (event_ns - _EASTERN_NS) // DAY_NS
    names = {day: str(np.datetime64(day, "D")).replace("-", "") for day in np.unique(days).tolist()}
    return [
        "" if number is None else f"{names[day]}-{where}-{number}"
        for day, where, number in zip(days.tolist(), exchange, numbers, strict=True)
    ]


def _flags(
    option: npt.NDArray[np.bool_], texts: list[str], exchange: list[str], tapes: Sequence[str]
) -> npt.NDArray[np.int32]:
    if option.all():
        return flags(texts, "opra")
    found = np.zeros(len(texts), dtype=np.int32)
    utp = np.array([tape == "C" for tape in tapes])
    for rows, tape in ((option, "opra"), (~option & utp, "utp"), (~option & ~utp, "cta")):
        at = np.flatnonzero(rows).tolist()
        if at:
            where = None if tape == "opra" else [exchange[row] for row in at]
            found[at] = flags([texts[row] for row in at], tape, where)
    return found


def quotes(ids: Ids, event_ns: Times, seen_ns: Times, told: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Columns of ``quotes``: best of all exchanges, so that ``exchange`` is empty; a side of price 0 is empty."""
    return stamp(ids, event_ns, seen_ns) | best(told) | {"condition": joined(told["c"])}


def best(told: Mapping[str, Sequence[Any]]) -> dict[str, Floats]:
    """Both sides, NaN where nobody quotes."""
    bid, ask = present(told["bp"]), present(told["ap"])
    return {
        "bid": bid,
        "bid_size": np.where(np.isnan(bid), np.nan, number(told["bs"])),
        "ask": ask,
        "ask_size": np.where(np.isnan(ask), np.nan, number(told["ask_size"])),
    }


def interest(ids: Ids, seen_ns: Times, contracts: Sequence[messages.Contract]) -> dict[str, Any]:
    """Columns of ``marks`` that carry open interest and its date, at 0:00 UTC."""
    return stamp(ids, seen_ns, seen_ns) | {
        "open_interest": number([each.open_interest for each in contracts]),
        "open_interest_ns": dates_ns([each.open_interest_date for each in contracts]),
    }


def dates_ns(dates: Sequence[str | None]) -> Times:
    """0:00 UTC of ``2024-03-08``; NO_TIME for what is none."""
    found = np.full(len(dates), NO_TIME, dtype=np.int64)
    for row, date in enumerate(dates):
        try:
            if date and _DATE.fullmatch(date):
                found[row] = np.datetime64(date, "D").astype("datetime64[ns]").astype(np.int64)
        except ValueError:
            continue
    return found


def marks(
    ids: Ids, seen_ns: Times, snapshots: Sequence[messages.Snapshot], event_ns: Times
) -> dict[str, Any]:
    """Columns of ``marks`` of a chain's snapshot: quote, last, volume and the venue's greeks; its vol is left to the raw frame.

    The chain is priced from quotes: a vendor's vol of an earlier quote would stand in their way.
    """
    nothing = messages.RestQuote("")
    told = [each.latestQuote or nothing for each in snapshots]
    sides: dict[str, Sequence[Any]] = {
        name: [getattr(each, name) for each in told] for name in ("bp", "bs", "ap", "ask_size")
    }
    greeks = [each.greeks or messages.Greeks() for each in snapshots]
    return stamp(ids, event_ns, seen_ns) | best(sides) | {
        "last": number([each.latestTrade.p if each.latestTrade else None for each in snapshots]),
        "volume_24h": number([each.dailyBar.v if each.dailyBar else None for each in snapshots]),
        "delta": number([each.delta for each in greeks]),
        "gamma": number([each.gamma for each in greeks]),
        "vega": number([each.vega for each in greeks]) * POINTS,
        "theta": number([each.theta for each in greeks]) * DAYS,
        "rho": number([each.rho for each in greeks]) * POINTS,
    }  # fmt: skip


def instruments(
    ids: Ids, seen_ns: Times, contracts: Sequence[messages.Contract] | None, symbols: Sequence[str]
) -> dict[str, Any]:
    """Columns of ``instruments``: terms of the symbols; size and style as the list of contracts says."""
    terms = INSTRUMENT_TERMS.describe(REGISTRY.names(SYMBOLS.code[ids]).tolist())
    kept = ("kind", "underlying", "root", "expiry_ns", "strike", "right", "style", "multiplier")
    columns = stamp(ids, seen_ns, seen_ns) | {name: terms[name].to_numpy() for name in kept}
    columns |= {"venue_symbol": list(symbols), "premium_currency": "USD", "settle_currency": "USD"}
    for name in ("kind", "underlying", "root", "right", "style"):
        columns[name] = list(map(str, columns[name]))
    if contracts is not None:
        sizes = number([each.size for each in contracts])
        columns["multiplier"] = np.where(np.isnan(sizes), columns["multiplier"], sizes)
        told = [each.style for each in contracts]
        columns["style"] = [own or known for own, known in zip(told, columns["style"], strict=True)]
    return columns
