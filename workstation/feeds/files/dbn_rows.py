"""Rows of trades, quotes, bars and open interest from DBN records.

A file is read record type by record type; ``Source`` holds what the rows of one file share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.dbn_layout import (
    BAD_BOOK,
    BAD_RECEIVE_TIME,
    BARS,
    TRADED,
    UNDEFINED_PRICE,
    UNDEFINED_SIZE,
    UNDEFINED_TIME,
    fields_of,
    prices,
)
from workstation.feeds.files.dbn_names import Names
from workstation.feeds.files.dbn_publishers import Published, dataset_name
from workstation.feeds.files.reading import Rejections
from workstation.market.instants import DAY_NS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import CANDLES, MARKS, NO_TIME, QUOTES, TRADES, TradeFlag
from workstation.market.tables.categories import categories, coded

FIRST_NS = pd.Timestamp("1990-01-01", tz="UTC").value
END_NS = pd.Timestamp("2101-01-01", tz="UTC").value
"""Times of recorded markets: from 1990 to the end of 2100."""
OPEN_INTEREST = 9
"""``stat_type`` of open interest."""
DELETED = 2
"""``update_action`` of a statistic that is taken back."""
_NO_QUANTITY = (np.iinfo(np.int32).max, np.iinfo(np.int64).max)
"""An undefined quantity, as versions 1 and 2 and as version 3 write it."""
_BAR_PRICES = ("open", "high", "low", "close")
_SIDED = categories("", "venue")
_BOOK = categories("", "maybe bad book")

Records = npt.NDArray[Any]


@dataclass
class Source:
    """One file: its dataset, the names of its instruments, and where what is set aside is counted."""

    file: str
    dataset: str
    names: Names
    rejections: Rejections
    open_interest: set[tuple[int, int, float]] = field(default_factory=set)
    """Instrument code, day and value of what was given."""

    def reject(self, reason: str, mask: npt.NDArray[np.bool_], records: Records) -> None:
        """Count the records of the mask, with their ids and the time of the first."""
        if mask.any():
            first = records[int(mask.argmax())]
            ids = pd.unique(records["instrument_id"][mask])
            more = f" and {ids.size - 5} more" if ids.size > 5 else ""
            named = ", ".join(map(str, ids[:5].tolist()))
            reported = f"{self.file}: instrument id {named}{more}; ts_event {first['ts_event']}"
            self.rejections.add(reason, int(mask.sum()), reported)

    def named(self, records: Records, *, by_receive: bool = False) -> tuple[Records, dict[str, Any]]:
        """Records that have a time and a name, and their ``event_ns``, ``seen_ns`` and ``instrument`` columns.

        Parameters
        ----------
        records
            Shape (n,).
        by_receive
            The event is what ``ts_recv`` says: the end of an interval, the publication of a statistic.
        """
        event = records["ts_event"]
        has_receive = "ts_recv" in fields_of(records)
        receive = received(records) if has_receive else event
        first, second = (receive, event) if by_receive else (event, receive)
        time = np.where(first == UNDEFINED_TIME, second, first)
        untimed = time == UNDEFINED_TIME
        outside = ~untimed & ((time < FIRST_NS) | (time >= END_NS))
        self.reject("no time", untimed, records)
        self.reject("time outside 1990-2100", outside, records)
        known = np.where(receive == UNDEFINED_TIME, time, receive)
        sound = ~untimed & ~outside
        codes = np.full(len(records), -1, dtype=np.int32)
        if sound.any():
            codes[sound] = self.names.codes(records["instrument_id"][sound], known[sound].astype(np.int64))
        nameless = sound & (codes < 0)
        self.reject("no symbol for the instrument id in the file's metadata", nameless, records)
        kept = codes >= 0
        if not kept.all():
            records, time, codes, receive = records[kept], time[kept], codes[kept], receive[kept]
        stamp = {
            "event_ns": time.astype(np.int64),
            "seen_ns": _seen(records, receive) if has_receive else np.zeros(len(records), dtype=np.int64),
            "instrument": REGISTRY.categorical(codes),
        }
        return records, stamp


def received(records: Records) -> Any:
    """``ts_recv``, undefined where it is outside the times of recorded markets."""
    receive = records["ts_recv"]
    return np.where((receive < FIRST_NS) | (receive >= END_NS), np.uint64(UNDEFINED_TIME), receive)


def _seen(records: Records, receive: Any) -> npt.NDArray[np.int64]:
    """When it was received (``received``); 0 where that is undefined or marked as not to be relied on."""
    unknown = receive == UNDEFINED_TIME
    if "flags" in fields_of(records):
        unknown |= (records["flags"] & BAD_RECEIVE_TIME) != 0
    return np.where(unknown, 0, receive).astype(np.int64)


def _subset(stamp: dict[str, Any], rows: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return stamp if rows.all() else {name: values[rows] for name, values in stamp.items()}


def trades(source: Source, records: Records, stamp: dict[str, Any]) -> Batch:
    """Prints among named records: those of action T that have a price and a size."""
    printed = records["action"] == TRADED
    priceless = printed & (records["price"] == UNDEFINED_PRICE)
    empty = printed & ~priceless & (records["size"] == 0)
    sizeless = printed & ~priceless & (records["size"] == UNDEFINED_SIZE)
    source.reject("trade without a price", priceless, records)
    source.reject("a trade of size 0", empty, records)
    source.reject("trade without a size", sizeless, records)
    kept = printed & ~priceless & ~empty & ~sizeless
    stamp = _subset(stamp, kept)
    records = records if kept.all() else records[kept]
    by = Published(records["publisher_id"])
    side = (records["side"] == ord("B")).astype(np.int8) - (records["side"] == ord("A")).astype(np.int8)
    columns = {
        "price": prices(records["price"]),
        "size": records["size"].astype(np.float64),
        "side": side,
        "side_source": coded(np.abs(side), _SIDED),
        "flags": by.off_exchange * np.int32(TradeFlag.OFF_EXCHANGE),
        "exchange": by.code,
        "venue": by.venue,
    }
    if "sequence" in fields_of(records):
        columns["venue_seq"] = records["sequence"].astype(np.int64)
    return Batch("trades", TRADES.batch({**stamp, **columns}, len(records)))


def quotes(source: Source, records: Records, stamp: dict[str, Any], *, consolidated: bool) -> Batch:
    """Best bids and offers of named records; a side without a price has no size either."""
    bid, ask = prices(records["bid"]), prices(records["ask"])
    by = Published(records["publisher_id"])
    columns = {
        "bid": bid,
        "ask": ask,
        "bid_size": _sizes(records["bid_size"], bid),
        "ask_size": _sizes(records["ask_size"], ask),
        "condition": coded((records["flags"] & BAD_BOOK != 0).astype(np.int8), _BOOK),
        "exchange": "" if consolidated else by.quoting,
        "venue": dataset_name(source.dataset) if consolidated and source.dataset else by.venue,
    }
    return Batch("quotes", QUOTES.batch({**stamp, **columns}, len(records)))


def _sizes(sizes: Any, price: Any) -> Any:
    return np.where(np.isnan(price) | (sizes == UNDEFINED_SIZE), np.nan, sizes)


def ticks(source: Source, records: Records, *, consolidated: bool = False) -> Iterator[Batch]:
    """trades, mbp-1, tbbo, cmbp-1, tcbbo: quotes where the records carry them, then the prints among them."""
    kept, stamp = source.named(records)
    if "bid" in fields_of(kept):
        yield quotes(source, kept, stamp, consolidated=consolidated)
    else:
        source.reject("record of schema trades that is no trade", kept["action"] != TRADED, kept)
    yield trades(source, kept, stamp)


def orders(source: Source, records: Records) -> Iterator[Batch]:
    """mbo: the prints. A fill (F) is the resting order's side of a print, not another one."""
    kept, stamp = source.named(records)
    printed = kept["action"] == TRADED
    source.reject("order-book event (no table keeps orders)", ~printed, kept)
    yield trades(source, kept[printed], _subset(stamp, printed))


def intervals(source: Source, records: Records, *, consolidated: bool = False) -> Iterator[Batch]:
    """bbo-1s, bbo-1m, cbbo-1s, cbbo-1m: quotes at the interval's end, which is ``ts_recv``."""
    kept, stamp = source.named(records, by_receive=True)
    yield quotes(source, kept, stamp, consolidated=consolidated)


def bars(source: Source, records: Records, rtype: int) -> Iterator[Batch]:
    """ohlcv-1s, 1m, 1h, 1d: one candle per venue; when they were received is not in the record."""
    kept, stamp = source.named(records)
    unpriced = np.logical_and.reduce([np.isnan(prices(kept[name])) for name in _BAR_PRICES])
    source.reject("bar without any price", unpriced, kept)
    kept, stamp = kept[~unpriced], _subset(stamp, ~unpriced)
    columns = {column: prices(kept[column]) for column in _BAR_PRICES}
    volume = np.where(kept["volume"] == np.iinfo(np.uint64).max, np.nan, kept["volume"])
    venue = Published(kept["publisher_id"]).venue
    whole = {**stamp, **columns, "volume": volume, "every_ns": BARS[rtype], "closed": True, "venue": venue}
    yield Batch("candles", CANDLES.batch(whole, len(kept)))


def statistics(source: Source, records: Records) -> Iterator[Batch]:
    """Open interest, once per instrument, day and value: each exchange publishes the clearing house's one number."""
    kept, stamp = source.named(records, by_receive=True)
    wanted = kept["stat_type"] == OPEN_INTEREST
    deleted = wanted & (kept["update_action"] == DELETED)
    unknown = wanted & ~deleted & np.isin(kept["quantity"], _NO_QUANTITY)
    source.reject("statistic other than open interest", ~wanted, kept)
    source.reject("open interest taken back by its publisher", deleted, kept)
    source.reject("open interest without a quantity", unknown, kept)
    reported = wanted & ~deleted & ~unknown
    kept, stamp = kept[reported], _subset(stamp, reported)
    reference = kept["ts_ref"]
    published = np.where(reference >= np.uint64(END_NS), NO_TIME, reference.astype(np.int64))
    value = kept["quantity"].astype(np.float64)
    day = np.where(published == NO_TIME, stamp["event_ns"], published) // DAY_NS
    new = _first_of_each(source.open_interest, stamp["instrument"].codes, day, value)
    source.reject("open interest that another exchange or message gave already", ~new, kept)
    venue = dataset_name(source.dataset) if source.dataset else Published(kept["publisher_id"][new]).venue
    columns = {"open_interest": value[new], "open_interest_ns": published[new], "venue": venue}
    yield Batch("marks", MARKS.batch({**_subset(stamp, new), **columns}, int(new.sum())))


def _first_of_each(given: set[tuple[int, int, float]], codes: Any, days: Any, values: Any) -> Any:
    """Whether each row says something that was not given before."""
    new = ~pd.DataFrame({"code": codes, "day": days, "value": values}).duplicated().to_numpy()
    rows = np.flatnonzero(new)
    said = list(zip(codes[rows].tolist(), days[rows].tolist(), values[rows].tolist(), strict=True))
    new[rows] = [one not in given for one in said]
    given.update(said)
    return new
