"""Lines of LEAN's layouts as rows of the workstation's tables.

Tick trade -> trades; tick quote -> quotes; quote bar -> quotes at the bar's end; trade bar -> candles; open interest
-> marks. A side of a quote without a price is NaN, with its size; a line of an
equity's tick quotes with one side only tells that side of the national best quote, at the exchange that has it: the other side
is the one told last, and the quote is no single exchange's. A trade without size is set aside; an index's values have none
and become marks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.feeds.feed import Batch
from workstation.feeds.files.lean.conditions import condition_flags, exchange_flags, printed_as
from workstation.feeds.files.lean.contracts import venue_of
from workstation.feeds.files.lean.layouts import SCALED, SIGNED, TICKS_OF
from workstation.feeds.files.lean.lines import Floats, Lines, Words
from workstation.feeds.files.lean.members import Block
from workstation.feeds.files.lean.paths import LeanFile
from workstation.feeds.files.lean.sieve import Sieve, numbers_or_refuse
from workstation.feeds.files.lean.times import begin_of, end_of, wall_times
from workstation.feeds.files.reading import Rejections
from workstation.market.instruments import REGISTRY
from workstation.market.tables import table
from workstation.market.tables.categories import category, constant

SUSPICIOUS = "marked suspicious by the source"
UNREAD = "sale condition that no table reads: the trade is kept without its flags"
_NOT_SUSPICIOUS = frozenset({"", "0"})
_PRICES = ("open", "high", "low", "close")
_SIDES = ("bid", "bid_size", "ask", "ask_size")
Sides = tuple[float, float, float, float]
_NOTHING: Sides = (np.nan, np.nan, np.nan, np.nan)


@dataclass
class LeanReading:
    """One zip being read: what its path says, its zone, and what goes on from block to block.

    Attributes
    ----------
    file, zone, rejections
        The zip, the zone of its times, what is set aside.
    tape
        Table of its sale conditions; None until conditions are met.
    best
        Bid, bid size, ask and ask size that an equity's tick quotes told last.
    """

    file: LeanFile
    zone: dt.tzinfo
    rejections: Rejections
    tape: str | None = None
    best: Sides = _NOTHING

    @property
    def divisor(self) -> float:
        """What a printed price is divided by."""
        return 10_000.0 if self.file.security in SCALED else 1.0


def batches_of(reading: LeanReading, block: Block, lines: Lines) -> list[Batch]:
    """The rows of a block's lines; no batch without rows."""
    sieve = Sieve(block, lines.rows, len(lines), reading.rejections)
    if "suspicious" in lines.words:
        _refuse_suspicious(lines.words["suspicious"], sieve)
    wall = wall_times(reading.file, lines, sieve)
    build = _BUILDERS[reading.file.resolution == "tick", reading.file.kind]
    batches = build(reading, block, lines, sieve, wall)
    return [batch for batch in batches if len(batch.frame)]


def _refuse_suspicious(words: Words, sieve: Sieve) -> None:
    marks = [text.strip() for text in words.texts]
    if set(marks) <= _NOT_SUSPICIOUS:
        return
    if words.codes.size and marks[1:] == ["1"] and not words.codes.max():
        return
    sieve.refuse(np.array([mark == "1" for mark in marks])[words.codes], SUSPICIOUS)
    odd = np.array([mark != "1" and mark not in _NOT_SUSPICIOUS for mark in marks])
    sieve.refuse(odd[words.codes], "neither 0 nor 1 in the column that marks suspicious ticks")


def _stamp(reading: LeanReading, block: Block, sieve: Sieve, times: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Columns that the rows of every table have."""
    codes = REGISTRY.codes(piece.contract.name for piece in block.pieces)
    rows = sieve.block_rows()
    if len(codes) == 1:
        codes = np.full(block.lines if rows is None else len(rows), codes[0])
    else:
        codes = np.repeat(codes, block.counts())
        codes = codes if rows is None else codes[rows]
    return {
        "event_ns": sieve.pick(times),
        "instrument": REGISTRY.categorical(codes),
        "venue": constant(venue_of(reading.file), len(codes)),
    }


def _priced(reading: LeanReading, values: Floats, name: str, sieve: Sieve) -> Floats:
    """Prices in currency units; one that cannot be is refused. Missing ones stay NaN."""
    numbers_or_refuse(sieve, values, name, required=False)
    if reading.file.security not in SIGNED and values.size and not np.nanmin(values, initial=0.0) >= 0:
        sieve.refuse(values < 0, f"negative {name}")
    return values / reading.divisor if reading.divisor != 1.0 else values


def _sized(values: Floats, name: str, sieve: Sieve) -> Floats:
    numbers_or_refuse(sieve, values, name, required=False)
    if values.size and not np.nanmin(values, initial=0.0) >= 0:
        sieve.refuse(values < 0, f"negative {name}")
    return values


def _trades(
    reading: LeanReading, block: Block, lines: Lines, sieve: Sieve, wall: npt.NDArray[np.int64]
) -> list[Batch]:
    security, market = reading.file.security, reading.file.market
    times = begin_of(wall, reading.zone, sieve)
    price = _priced(reading, lines.numbers["price"], "price", sieve)
    size = _sized(lines.numbers["size"], "size", sieve)
    numbers_or_refuse(sieve, price, "price", required=True)
    numbers_or_refuse(sieve, size, "size", required=True)
    if security not in SIGNED:
        sieve.refuse(price == 0, "trade without a price (0)")
    if security == "index":
        return _index_values(reading, block, sieve, times, price, size)
    sieve.refuse(size == 0, "a trade of size 0")
    columns = _stamp(reading, block, sieve, times)
    columns |= {"price": sieve.pick(price), "size": sieve.pick(size)}
    bits = np.zeros(len(columns["event_ns"]), dtype=np.int32)
    if "condition" in lines.words:
        words = lines.words["condition"]
        codes = sieve.pick(words.codes)
        bits = bits | _condition_bits(reading, words, codes, sieve)
        columns["condition"] = category(words.texts, codes)
    if "exchange" in lines.words:
        words = lines.words["exchange"]
        codes = sieve.pick(words.codes)
        bits = bits | exchange_flags(words.texts, security, market)[codes]
        columns["exchange"] = category(words.texts, codes)
    return [Batch("trades", table("trades").batch(columns | {"flags": bits}))]


def _index_values(
    reading: LeanReading,
    block: Block,
    sieve: Sieve,
    times: npt.NDArray[np.int64],
    price: Floats,
    size: Floats,
) -> list[Batch]:
    """An index's values: marks where LEAN writes size 0, as it does; trades where there is a size."""
    columns = _stamp(reading, block, sieve, times) | {"price": sieve.pick(price), "size": sieve.pick(size)}
    flat = columns["size"] == 0
    values = {name: columns[name][flat] for name in ("event_ns", "instrument", "venue")}
    level = columns["price"][flat]
    prints = {name: column[~flat] for name, column in columns.items()}
    return [
        Batch("marks", table("marks").batch(values | {"last": level, "index": level.copy()})),
        Batch("trades", table("trades").batch(prints)),
    ]


def _condition_bits(
    reading: LeanReading, words: Words, codes: npt.NDArray[np.int32], sieve: Sieve
) -> npt.NDArray[np.int32]:
    printed = [text for text in words.texts if text not in ("", "0")]
    if reading.tape is None and printed:
        reading.tape = printed_as(printed, reading.file.security, reading.file.market)
    bits, unread = condition_flags(words.texts, reading.tape or "")
    if unread:
        untold = np.array([text in unread for text in words.texts])[codes]
        if untold.any():
            kept = sieve.kept()
            first = int(untold.argmax())
            line = sieve.where(first if kept is None else int(kept[first]))
            example = f"{line}: {words.texts[codes[first]]!r}"
            reading.rejections.note(UNREAD, int(untold.sum()), example)
    return bits[codes]


def _quotes(
    reading: LeanReading, block: Block, lines: Lines, sieve: Sieve, wall: npt.NDArray[np.int64]
) -> list[Batch]:
    every = TICKS_OF.get(reading.file.resolution, 0)
    times = end_of(wall, every, reading.zone, sieve)
    numbers = dict(lines.numbers)
    for side in ("bid", "ask"):
        numbers[side] = _priced(reading, numbers[side], side, sieve)
        size = numbers.get(f"{side}_size")
        numbers[f"{side}_size"] = (
            np.full(len(lines), np.nan) if size is None else _sized(size, f"{side}_size", sieve)
        )
    columns = _stamp(reading, block, sieve, times)
    sides = {name: sieve.pick(numbers[name]) for name in _SIDES}
    for name in ("exchange", "condition"):
        if name in lines.words:
            columns[name] = category(lines.words[name].texts, sieve.pick(lines.words[name].codes))
    if reading.file.resolution == "tick" and reading.file.security == "equity":
        words = lines.words["exchange"]
        codes = np.where(_one_sided(sides), 0, sieve.pick(words.codes) + 1)
        columns["exchange"] = category(("", *words.texts), codes)
        columns |= _whole(reading, sides)
    else:
        for side in ("bid", "ask"):
            missing = sides[side] == 0
            columns[side] = np.where(missing, np.nan, sides[side])
            empty = missing | np.isnan(sides[side])
            columns[f"{side}_size"] = np.where(empty, np.nan, sides[f"{side}_size"])
    return [Batch("quotes", table("quotes").batch(columns))]


def _told(price: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray((price != 0) & (price == price))


def _one_sided(sides: dict[str, Floats]) -> npt.NDArray[np.bool_]:
    """Which lines tell one side only."""
    return np.asarray(_told(sides["bid"]) != _told(sides["ask"]))


def _whole(reading: LeanReading, sides: dict[str, Floats]) -> dict[str, Floats]:
    """Each line's quote with the side told last where it tells none."""
    filled: dict[str, Floats] = {}
    for position, side in ((0, "bid"), (2, "ask")):
        lines = np.where(_told(sides[side]), np.arange(1, len(sides[side]) + 1), 0)
        newest = np.maximum.accumulate(lines)
        for name, before in ((side, reading.best[position]), (f"{side}_size", reading.best[position + 1])):
            filled[name] = np.concatenate(([before], sides[name]))[newest]
    if len(sides["bid"]):
        bid, bid_size, ask, ask_size = (float(filled[name][-1]) for name in _SIDES)
        reading.best = (bid, bid_size, ask, ask_size)
    return filled


def _candles(
    reading: LeanReading, block: Block, lines: Lines, sieve: Sieve, wall: npt.NDArray[np.int64]
) -> list[Batch]:
    times = begin_of(wall, reading.zone, sieve)
    prices = {name: _priced(reading, lines.numbers[name], name, sieve) for name in _PRICES}
    for name, values in prices.items():
        numbers_or_refuse(sieve, values, name, required=True)
        if reading.file.security not in SIGNED:
            sieve.refuse(values == 0, f"bar without {name} (0)")
    volume = _sized(lines.numbers["volume"], "volume", sieve)
    numbers_or_refuse(sieve, volume, "volume", required=True)
    columns = _stamp(reading, block, sieve, times)
    del columns["venue"]
    columns |= {name: sieve.pick(values) for name, values in prices.items()}
    rows = len(columns["event_ns"])
    columns |= {
        "volume": sieve.pick(volume),
        "every_ns": np.full(rows, TICKS_OF[reading.file.resolution]),
        "closed": np.ones(rows, dtype=np.bool_),
    }
    return [Batch("candles", table("candles").batch(columns))]


def _open_interest(
    reading: LeanReading, block: Block, lines: Lines, sieve: Sieve, wall: npt.NDArray[np.int64]
) -> list[Batch]:
    times = begin_of(wall, reading.zone, sieve)
    interest = _sized(lines.numbers["open_interest"], "open interest", sieve)
    numbers_or_refuse(sieve, interest, "open interest", required=True)
    columns = _stamp(reading, block, sieve, times)
    columns |= {"open_interest": sieve.pick(interest), "open_interest_ns": columns["event_ns"].copy()}
    return [Batch("marks", table("marks").batch(columns))]


_BUILDERS: dict[tuple[bool, str], Callable[..., list[Batch]]] = {
    (True, "trade"): _trades,
    (True, "quote"): _quotes,
    (True, "openinterest"): _open_interest,
    (False, "trade"): _candles,
    (False, "quote"): _quotes,
    (False, "openinterest"): _open_interest,
}
