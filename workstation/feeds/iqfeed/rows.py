"""Columns of tables from parsed fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.feeds.iqfeed import clock, scan
from workstation.feeds.iqfeed.fields import Fields, condition_text
from workstation.feeds.iqfeed.layout import Layout
from workstation.feeds.iqfeed.names import NAMES, OPTION
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TradeFlag, table
from workstation.market.tables.categories import categories, category, coded

FEED = "iqfeed"
_SIDES = np.array([0, 0, 1, -1, 0], dtype=np.int8)
"""By aggressor plus one: not told, invalid, buyer, seller, neither."""
_TOLD = 200


class Rejection(NamedTuple):
    """A row of ``health`` about one line."""

    seen_ns: int
    channel: str
    event: str
    detail: str


class Part(NamedTuple):
    """Rows of a table."""

    table: str
    frame: pd.DataFrame


class Lines(NamedTuple):
    """Scanned lines and the reads they came by."""

    data: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]
    symbol: npt.NDArray[np.int64]
    frame_seen_ns: npt.NDArray[np.int64]
    frame_ends: npt.NDArray[np.int64]

    def text(self, line: int) -> str:
        """A line as text, its beginning when it is long."""
        return self.data[self.start[line] : self.end[line]].tobytes()[:_TOLD].decode("latin-1")

    def seen_at(self, line: int) -> int:
        """When a line was seen."""
        return int(self.seen(np.array([line]))[0])

    def seen(self, at: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """When lines were seen."""
        frames = np.searchsorted(self.frame_ends, self.start[at], side="right")
        seen_ns: npt.NDArray[np.int64] = self.frame_seen_ns[frames]
        return seen_ns


def of_updates(
    lines: Lines, at: npt.NDArray[np.intp], fields: Fields, layout: Layout
) -> tuple[list[Part], npt.NDArray[np.intp]]:
    """Trades, quotes and marks of updates and summaries; and the lines of prints without price, size or time."""
    good = fields.bad < 0
    kind, contents = lines.kind[at], fields.whole["contents"]
    seen = lines.seen(at)
    codes = NAMES.code[lines.symbol[at]]
    printed = good & (kind == scan.PRINT)
    reported = ~(np.isnan(fields.numbers["price"]) | np.isnan(fields.numbers["size"])) & (
        fields.whole["time_us"] >= 0
    )
    parts: list[Part] = []
    if (rows := np.flatnonzero(printed & reported)).size:
        parts.append(Part("trades", trades(rows, codes, seen, fields, layout)))
    quoted = contents & (scan.BID | scan.ASK) != 0
    updated = good & (kind != scan.SUMMARY) & quoted
    summed = good & (kind == scan.SUMMARY)
    if (rows := np.flatnonzero(updated | summed)).size:
        parts.append(Part("quotes", quotes(rows, codes, seen, fields, summed)))
    options = (NAMES.traits[lines.symbol[at]] & OPTION) != 0
    if (rows := np.flatnonzero((updated | summed) & options)).size:
        parts.append(Part("marks", marks(rows, codes, seen, fields, summed)))
    return parts, at[printed & ~reported]


def trades(
    rows: npt.NDArray[np.intp], codes: npt.NDArray[np.int32], seen_ns: npt.NDArray[np.int64], fields: Fields,
    layout: Layout,
) -> pd.DataFrame:  # fmt: skip
    """Prints. The time is Eastern wall time of the print's own date; without a date the newest such time.

    The contents say what a print counts for: C is a qualified last, E a last of extended hours, O neither: it is volume alone.
    """
    whole = {name: values[rows] for name, values in fields.whole.items()}
    seen = seen_ns[rows]
    side = _SIDES[np.clip(whole["aggressor"], -1, 3) + 1]
    text, flags = _conditions(whole["conditions"], layout)
    flags[(whole["contents"] & scan.EXTENDED) != 0] |= int(TradeFlag.EXTENDED_HOURS)
    flags[(whole["contents"] & scan.TRADED) == scan.OTHER] |= int(TradeFlag.NO_PRICE)
    exchange, off = _markets(whole["market"], layout)
    flags[off] |= int(TradeFlag.OFF_EXCHANGE)
    event, day = _print_times(whole["day"], whole["time_us"], seen)
    columns: dict[str, Any] = {
        "event_ns": event,
        "seen_ns": seen,
        "instrument": REGISTRY.categorical(codes[rows]),
        "price": fields.numbers["price"][rows],
        "size": fields.numbers["size"][rows],
        "side": side,
        "side_source": coded((side != 0).astype(np.int8), categories("", "venue")),
        "flags": flags,
        "trade_id": _trade_ids(day, whole["id"]),
        "venue_seq": np.maximum(whole["count"], 0),
        "condition": text,
        "exchange": exchange,
        "venue": FEED,
    }
    return table("trades").batch(columns, len(rows))


def _print_times(
    day: npt.NDArray[np.int64], time_us: npt.NDArray[np.int64], seen_ns: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    dated = day >= 0
    event = clock.utc_ns(np.maximum(day, 0) * clock.DAY_US + time_us, seen_ns)
    if not dated.all():
        event = np.where(dated, event, clock.latest_ns(time_us, seen_ns))
        day = np.where(dated, day, clock.eastern_days(event))
    return event, day


def quotes(
    rows: npt.NDArray[np.intp], codes: npt.NDArray[np.int32], seen_ns: npt.NDArray[np.int64], fields: Fields,
    summed: npt.NDArray[np.bool_],
) -> pd.DataFrame:  # fmt: skip
    """Best bid and offer; the time is that of the side that changed, on the newest day it can be."""
    numbers = {name: values[rows] for name, values in fields.numbers.items()}
    columns: dict[str, Any] = {
        "event_ns": _times_of(rows, fields, seen_ns, summed),
        "seen_ns": seen_ns[rows],
        "instrument": REGISTRY.categorical(codes[rows]),
        **_best(numbers),
        "venue": FEED,
    }
    return table("quotes").batch(columns, len(rows))


def marks(
    rows: npt.NDArray[np.intp], codes: npt.NDArray[np.int32], seen_ns: npt.NDArray[np.int64], fields: Fields,
    summed: npt.NDArray[np.bool_],
) -> pd.DataFrame:  # fmt: skip
    """Options' quotes with last, volume and open interest, of the time of the quote; the venue sends no vol and no mark.

    Every line of an option carries all fields, an update of a quote as well as a summary. The open interest is not dated.
    """
    numbers = {name: values[rows] for name, values in fields.numbers.items()}
    columns: dict[str, Any] = {
        "event_ns": _times_of(rows, fields, seen_ns, summed),
        "seen_ns": seen_ns[rows],
        "instrument": REGISTRY.categorical(codes[rows]),
        **_best(numbers),
        "last": numbers["price"],
        "open_interest": numbers["open_interest"],
        "open_interest_ns": np.full(len(rows), NO_TIME),
        "volume_24h": numbers["volume"],
        "venue": FEED,
    }
    return table("marks").batch(columns, len(rows))


def _best(numbers: dict[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float64]]:
    """Both sides, NaN where nobody quotes: the venue prints a zero price or leaves it empty."""
    best: dict[str, npt.NDArray[np.float64]] = {}
    for side in ("bid", "ask"):
        price = numbers[side]
        nobody = np.isnan(price) | (price == 0.0)
        best[side] = np.where(nobody, np.nan, price)
        best[f"{side}_size"] = np.where(nobody, np.nan, numbers[f"{side}_size"])
    return best


def _times_of(
    rows: npt.NDArray[np.intp], fields: Fields, seen_ns: npt.NDArray[np.int64], summed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Times of the quotes of rows; a summary tells both sides."""
    whole = {name: fields.whole[name][rows] for name in ("contents", "bid_us", "ask_us")}
    whole["contents"] = np.where(summed[rows], scan.BID | scan.ASK, whole["contents"])
    return _quote_times(whole, seen_ns[rows])


def _quote_times(
    whole: dict[str, npt.NDArray[np.int64]], seen_ns: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Newest of the changed sides' times; when it was seen, where the venue gives none."""
    event = np.full(len(seen_ns), NO_TIME)
    for bit, name in ((scan.BID, "bid_us"), (scan.ASK, "ask_us")):
        timed = ((whole["contents"] & bit) != 0) & (whole[name] >= 0)
        at = clock.latest_ns(np.maximum(whole[name], 0), seen_ns)
        event = np.where(timed, np.maximum(event, at), event)
    return np.where((event == NO_TIME) | (seen_ns == 0), seen_ns, event)


def _conditions(keys: npt.NDArray[np.int64], layout: Layout) -> tuple[pd.Categorical, npt.NDArray[np.int32]]:
    """Condition codes as printed, and the flags they stand for."""
    places, distinct = pd.factorize(keys)
    texts = [condition_text(int(key)) if key > 0 else "" for key in distinct]
    bits = np.zeros(len(texts), dtype=np.int32)
    for at, text in enumerate(texts):
        for digit in range(0, len(text), 2):
            bits[at] |= layout.flags.get(int(text[digit : digit + 2], 16), 0)
    return category(texts, places), bits[places]


def _markets(markets: npt.NDArray[np.int64], layout: Layout) -> tuple[pd.Categorical, npt.NDArray[np.bool_]]:
    """Market centers as printed, and which of them are off exchange."""
    places, distinct = pd.factorize(markets)
    off = np.array([int(each) in layout.off for each in distinct], dtype=bool)
    return category([str(each) if each >= 0 else "" for each in distinct], places), off[places]


_DASH = pa.scalar("-", pa.large_string())


def _trade_ids(day: npt.NDArray[np.int64], ids: npt.NDArray[np.int64]) -> Any:
    """``20261120-4377589``: the venue's tick id starts anew some day, the date keeps it apart; empty without one."""
    places, distinct = pd.factorize(day)
    dates = pa.array(
        [str(np.datetime64(int(each), "D")).replace("-", "") for each in distinct], pa.large_string()
    )
    date = dates[0] if len(distinct) == 1 else dates.take(pa.array(places))
    text = pc.binary_join_element_wise(date, pc.cast(pa.array(ids), pa.large_string()), _DASH)
    if (ids < 0).any():
        text = pc.if_else(pa.array(ids < 0), pa.scalar("", pa.large_string()), text)
    return pd.array(text, dtype="str")


def health(aside: Sequence[Rejection]) -> pd.DataFrame:
    """Rows of ``health`` about lines."""
    times = [each.seen_ns for each in aside]
    columns = {
        "event_ns": times, "seen_ns": times, "start_ns": times, "end_ns": times, "feed": FEED, "count": 1,
        "channel": [each.channel for each in aside], "event": [each.event for each in aside],
        "detail": [each.detail for each in aside],
    }  # fmt: skip
    return table("health").batch(columns, len(times))
