"""Terms of instruments from DBN definitions.

Contract size, strike, right, expiry instant, underlying and style are the record's own. OPRA's definitions state only the
expiry's date and no contract size: those of its options, which OSI symbols name, come from the calendar and the symbol.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workstation.feeds.feed import Batch
from workstation.feeds.files.dbn_layout import PRICE_SCALE, UNDEFINED_PRICE, UNDEFINED_TIME, prices, texts
from workstation.feeds.files.dbn_publishers import publisher
from workstation.feeds.files.dbn_rows import END_NS, FIRST_NS, Records, Source, received
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import INSTRUMENTS, NO_TIME

_KINDS = {"C": "option", "P": "option", "F": "future", "K": "equity", "X": "spot", "Y": "spot", "I": "index"}
"""``instrument_class`` of what has a kind; bonds and spreads have none."""
_STYLES = {"A": "american", "E": "european"}
"""Third letter of an option's CFI code (ISO 10962)."""
_NO_MULTIPLIER = np.iinfo(np.int32).max
_DATED_ONLY = "OPRA.PILLAR"


def definitions(source: Source, records: Records) -> Batch:
    """Rows of the ``instruments`` table; classes without a kind are counted."""
    time = np.where(records["ts_event"] == UNDEFINED_TIME, records["ts_recv"], records["ts_event"])
    symbols = np.array(texts(records["raw_symbol"]), dtype=object)
    classes = np.array(texts(records["instrument_class"]), dtype=object)
    outside = (time < FIRST_NS) | (time >= END_NS)
    nameless = ~outside & (symbols == "")
    kindless = ~outside & ~nameless & ~np.isin(classes, list(_KINDS))
    source.reject("time outside 1990-2100", outside, records)
    source.reject("definition without a symbol", nameless, records)
    source.reject("instrument class without a kind", kindless, records)
    kept = ~(outside | nameless | kindless)
    records, names, classes = records[kept], symbols[kept].tolist(), classes[kept]
    times = time[kept].astype(np.int64)
    given = np.where(received(records) == UNDEFINED_TIME, time[kept], received(records)).astype(np.int64)
    source.names.add_definitions(records["instrument_id"], given, names)
    columns = _columns(records, classes) | {"event_ns": times, "venue_symbol": names}
    spelled = _complete(columns, names, records)
    columns["instrument"] = REGISTRY.categorical(REGISTRY.codes(names))
    rows = INSTRUMENTS.batch(columns, len(records))
    if not spelled.all():  # the terms of the others are nowhere but here
        INSTRUMENT_TERMS.register(rows[~spelled])
    return Batch("instruments", rows)


def _columns(records: Records, classes: Any) -> dict[str, Any]:
    """Terms as the records state them."""
    options = np.isin(classes, ("C", "P"))
    currency = texts(records["currency"])
    settled = [own or quoted for own, quoted in zip(texts(records["settl_currency"]), currency, strict=True)]
    styles = [_STYLES.get(code[2:3], "") for code in texts(records["cfi"])]
    expiry = records["expiration"]
    return {
        "venue": _venues(records),
        "kind": _objects([_KINDS[letter] for letter in classes]),
        "underlying": _objects(texts(records["underlying"])),
        "root": texts(records["asset"]),
        "expiry_ns": np.where(expiry >= np.uint64(END_NS), NO_TIME, expiry.astype(np.int64)),
        "strike": np.where(options, prices(records["strike_price"]), np.nan),
        "right": np.where(options, classes, "").tolist(),
        "style": np.where(options, _objects(styles), ""),
        "multiplier": _multipliers(records),
        "premium_currency": currency,
        "settle_currency": settled,
        "tick_size": _positive(records["min_price_increment"]),
    }


def _objects(values: list[str]) -> Any:
    return np.array(values, dtype=object)


def _venues(records: Records) -> list[str]:
    """The exchange the record names, else the publisher's venue."""
    by = {number: publisher(number).name for number in np.unique(records["publisher_id"]).tolist()}
    exchanges = texts(records["exchange"])
    numbers = records["publisher_id"].tolist()
    return [exchange.lower() or by[number] for exchange, number in zip(exchanges, numbers, strict=True)]


def _positive(values: Any) -> Any:
    """Fixed-point numbers above zero; NaN for the others."""
    return np.where((values == UNDEFINED_PRICE) | (values <= 0), np.nan, values / PRICE_SCALE)


def _multipliers(records: Records) -> Any:
    """Units of the underlying per contract: the contract's size, times the number of deliverables where there are several."""
    size = _positive(records["unit_of_measure_qty"])
    count = records["contract_multiplier"]
    several = (count > 0) & (count != _NO_MULTIPLIER)
    times = np.where(several, count, 1)
    return np.where(np.isnan(size) & several, 1.0, size) * times


def _complete(columns: dict[str, Any], names: list[str], records: Records) -> Any:
    """Fill in what OPRA leaves to the option's symbol, and say which rows these are; what the record states stays."""
    numbers = records["publisher_id"]
    opra = [number for number in np.unique(numbers).tolist() if publisher(number).dataset == _DATED_ONLY]
    dated = np.flatnonzero((columns["kind"] == "option") & np.isin(numbers, opra))
    columns["expiry_ns"][dated] = NO_TIME
    terms = INSTRUMENT_TERMS.describe([names[row] for row in dated.tolist()])
    spelled = (terms["kind"] == "option").to_numpy()
    dated, terms = dated[spelled], terms[spelled]
    for column in ("expiry_ns", "style", "underlying"):
        columns[column][dated] = terms[column].to_numpy()
    stated = columns["multiplier"][dated]
    columns["multiplier"][dated] = np.where(np.isnan(stated), terms["multiplier"].to_numpy(), stated)
    return np.isin(np.arange(len(names)), dated)
