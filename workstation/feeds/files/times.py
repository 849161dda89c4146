"""Times of a file's column as UTC nanoseconds: by unit, as ISO text, as typed columns, in local zones.

Nothing wraps: a time outside 1990-2100 is told with the unit it would make sense in. A local time that happens twice
(or never) is told unless the mapping says which one is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.feeds.files.cells import MISSING, numbers, plain, text_at
from workstation.feeds.files.reading import END_NS, FIRST_NS
from workstation.market.instants import DAY_NS, HOUR_NS, MICROSECOND_NS, MILLISECOND_NS, SECOND_NS
from workstation.market.tables import NO_TIME

SCALES = {"s": SECOND_NS, "ms": MILLISECOND_NS, "us": MICROSECOND_NS, "ns": 1}
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_ZONED = re.compile(r"\d.*[T ].*(Z|z|[+-]\d{2}(:?\d{2})?)")
EXCEL_1970 = 25_569
"""The spreadsheet's day number of 1 January 1970."""
Mask = npt.NDArray[np.bool_]
Nanoseconds = npt.NDArray[np.int64]


@dataclass
class Order:
    """How far the file's order has told the two passes of an hour that happens twice; kept from chunk to chunk."""

    wall_ns: int = -1
    passes: dict[int, int] = field(default_factory=dict)
    """Local day, in days since 1970 -> backward steps met in its doubled hour."""


@dataclass
class Times:
    """UTC nanoseconds (``NO_TIME`` where there are none) and why there are none, by reason."""

    ns: Nanoseconds
    problems: list[tuple[Mask, str]] = field(default_factory=list)

    def without(self, mask: Mask, reason: str) -> None:
        """Set times aside for a reason."""
        if mask.any():
            self.problems.append((mask, reason))
            self.ns = np.where(mask, NO_TIME, self.ns)


def times(
    array: Any, name: str, form: str, zone: str = "UTC", ambiguous: str = "", order: Order | None = None
) -> Times:
    """Times of a column.

    Parameters
    ----------
    array
        Arrow array: text, numbers, dates or timestamps; a timestamp is converted by its own unit and zone.
    name
        Of the column, for the reasons.
    form
        ``iso``, a unit (``s``, ``ms``, ``us``, ``ns``), ``excel`` (a spreadsheet's day numbers), or a ``strptime`` pattern.
    zone
        Of times that say none.
    ambiguous
        Which of the two a local time means that happens twice: ``first``, ``second``, ``by order``; else none.
    order
        What the file's order has told so far, for ``by order``.
    """
    array = plain(array)
    local = _Local(zone, ambiguous, order if order is not None else Order())
    if pa.types.is_timestamp(array.type):
        return _typed(array, name, local)
    if pa.types.is_date(array.type):
        return _typed(array.cast(pa.timestamp("ms")), name, local)
    reason = _no_time(array.type)
    if reason is not None:
        return _none(array, f"no time in {name}{reason}")
    if form == "excel":
        return _serials(array, name, local)
    return _counted(array, name, form) if form in SCALES else _written(array, name, form, local)


def _no_time(kind: Any) -> str | None:
    """Why a column of a type holds no times; None where it may."""
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return f": {kind} is a time of day or a span, not a date"
    if pa.types.is_floating(kind) and kind.bit_width < 64:
        return f": {kind} carries no more than 7 digits; write it as double"
    return "" if pa.types.is_null(kind) else None


def _none(array: Any, reason: str) -> Times:
    return Times(np.full(len(array), NO_TIME), [(np.ones(len(array), dtype=np.bool_), reason)])


def _serials(array: Any, name: str, local: _Local) -> Times:
    """Wall times from days since 30 December 1899, to the millisecond, which is what a spreadsheet keeps."""
    days, bad = numbers(array, name)
    low, high = (edge / DAY_NS + EXCEL_1970 for edge in (FIRST_NS, END_NS))
    missing = np.isnan(days) & ~bad
    with np.errstate(invalid="ignore"):
        outside = ~missing & ~bad & ~((days >= low) & (days < high))
    kept = ~(missing | bad | outside)
    wall = np.rint((np.where(kept, days, EXCEL_1970) - EXCEL_1970) * 86_400_000.0).astype(np.int64) * 10**6
    found = Times(np.where(kept, wall, NO_TIME))
    found.without(missing | bad, f"no time in {name}")
    found.without(
        outside, f"time outside 1990-2100 in {name}: taken as a spreadsheet's days since 1899-12-30"
    )
    told = local.utc(found.ns, name)
    return Times(told.ns, found.problems + told.problems)


@dataclass(frozen=True)
class _Local:
    zone: str
    ambiguous: str
    order: Order

    def utc(self, wall: Nanoseconds, name: str) -> Times:
        """UTC of wall-clock nanoseconds (``NO_TIME`` passes)."""
        found = Times(wall)
        known = wall != NO_TIME
        if self.zone == "UTC" or not known.any():
            return found
        naive = pd.DatetimeIndex(np.where(known, wall, 0).view("M8[ns]"))
        first, second = (
            naive.tz_localize(self.zone, ambiguous=np.full(len(wall), summer), nonexistent="NaT")
            .as_unit("ns")
            .asi8
            for summer in (True, False)
        )
        never, twice = known & (first == NO_TIME), known & (first != second)
        found.ns = np.where(known, first, NO_TIME)
        if self.ambiguous == "second":
            found.ns = np.where(twice, second, found.ns)
        elif self.ambiguous == "by order":
            passes = self._passes(wall, known, twice)
            found.ns = np.where(twice & (passes == 1), second, found.ns)
            found.without(
                twice & (passes > 1),
                f"the clock of {self.zone} runs back more than once in {name}: the order does not tell which hour it is",
            )
        elif not self.ambiguous:
            found.without(
                twice,
                f"local time in {name} happens twice in {self.zone} (clocks went back); which one cannot be told: "
                "say ambiguous: first, second or by order in the mapping",
            )
        found.without(
            never, f"local time in {name} does not exist in {self.zone} (clocks went forward over it)"
        )
        return found

    def _passes(self, wall: Nanoseconds, known: Mask, twice: Mask) -> npt.NDArray[np.int64]:
        """How often the clock has gone back within its doubled hour, at each time."""
        passes = np.zeros(len(wall), dtype=np.int64)
        places = np.flatnonzero(known)
        before = np.r_[self.order.wall_ns, wall[places][:-1]]
        for place, previous in zip(places[twice[places]], before[twice[places]], strict=True):
            now = int(wall[place])
            day = now // DAY_NS
            steps = self.order.passes.get(day, 0)
            if 0 < now < previous < now + 2 * HOUR_NS:
                steps += 1
            passes[place] = self.order.passes[day] = steps
        if len(places):
            self.order.wall_ns = int(wall[places[-1]])
        return passes


def _typed(array: Any, name: str, local: _Local) -> Times:
    unit, zoned = array.type.unit, array.type.tz is not None
    counts = pc.cast(array, pa.int64())
    found = _scaled(counts, name, unit, f"its own unit, {_WORDS[unit]}")
    if zoned:
        return found
    told = local.utc(found.ns, name)
    return Times(told.ns, found.problems + told.problems)


def _counted(array: Any, name: str, unit: str) -> Times:
    if pa.types.is_integer(array.type):
        return _scaled(array, name, unit, _WORDS[unit])
    if pa.types.is_floating(array.type):
        return _floats(array.to_numpy(zero_copy_only=False).astype(np.float64), name, unit)
    if pa.types.is_decimal(array.type):
        array = pc.cast(array, pa.string())
    elif not pa.types.is_string(array.type) and not pa.types.is_large_string(array.type):
        return _none(array, f"no time in {name}")
    try:
        return _scaled(pc.cast(array, pa.int64()), name, unit, _WORDS[unit])
    except pa.ArrowInvalid:
        return _exact(array, name, unit)


def _scaled(counts: Any, name: str, unit: str, words: str) -> Times:
    missing = pc.is_null(counts).to_numpy(zero_copy_only=False)
    values = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False)
    low, high = FIRST_NS // SCALES[unit], END_NS // SCALES[unit]
    outside = ~missing & ((values < low) | (values >= high))
    kept = ~missing & ~outside
    ns = np.where(kept, values, 0).astype(np.int64) * SCALES[unit]
    found = Times(np.where(kept, ns, NO_TIME))
    _report(found, missing, outside, values, name, words)
    return found


def _floats(values: npt.NDArray[np.float64], name: str, unit: str) -> Times:
    """Times from binary fractions, which carry no more than microseconds."""
    missing = np.isnan(values)
    with np.errstate(invalid="ignore", over="ignore"):
        outside = ~missing & ~((values >= FIRST_NS / SCALES[unit]) & (values < END_NS / SCALES[unit]))
    safe = np.where(missing | outside, 0.0, values)
    if SCALES[unit] > 1000:
        ns = np.rint(safe * (SCALES[unit] // 1000)).astype(np.int64) * 1000
    else:
        whole = np.floor(safe)
        ns = whole.astype(np.int64) * SCALES[unit] + np.rint((safe - whole) * SCALES[unit]).astype(np.int64)
    found = Times(np.where(missing | outside, NO_TIME, ns))
    _report(found, missing, outside, values, name, _WORDS[unit])
    return found


def _exact(array: Any, name: str, unit: str) -> Times:
    """Times from decimals in text, digit by digit."""
    encoded = array.dictionary_encode()
    ns, kind = [], []
    for text in encoded.dictionary.to_pylist():
        count, what = _count(text, SCALES[unit])
        ns.append(count)
        kind.append(what)
    if pc.any(pc.is_null(encoded.indices)).as_py():
        ns, kind = [*ns, NO_TIME], [*kind, "missing"]
    places = pc.fill_null(encoded.indices, len(ns) - 1).to_numpy(zero_copy_only=False)
    kinds = np.array(kind, dtype=object)[places] if len(ns) else np.empty(0, dtype=object)
    found = Times(np.array(ns, dtype=np.int64)[places])
    outside = kinds == "outside"
    values = np.zeros(len(array))
    for place in np.flatnonzero(outside):
        values[place] = float(array[int(place)].as_py())
    _report(found, kinds == "missing", outside, values, name, _WORDS[unit], array)
    return found


_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)


def _count(text: str | None, scale: int) -> tuple[int, str]:
    if text is None or not _NUMBER.fullmatch(text):
        return NO_TIME, "missing"
    try:
        count = Decimal(text.strip()) * scale
    except InvalidOperation:
        return NO_TIME, "missing"
    if not FIRST_NS <= count < END_NS:
        return NO_TIME, "outside"
    return int(count.to_integral_value()), "kept"


def _report(
    found: Times, missing: Mask, outside: Mask, values: Any, name: str, words: str, source: Any = None
) -> None:
    found.without(missing, f"no time in {name}")
    for mask, likely in _likely(outside, values):
        first = int(mask.argmax())
        value = values[first] if source is None else source[first].as_py()
        serial = FIRST_NS / DAY_NS + EXCEL_1970 <= values[first] < END_NS / DAY_NS + EXCEL_1970
        hint = (
            f"{likely} would give {_moment(values[first], likely)}"
            if likely
            else "excel (a spreadsheet's day number) would give one"
            if serial
            else "no unit makes it one"
        )
        found.without(mask, f"time outside 1990-2100 in {name}: {value} taken as {words}; {hint}")


def _likely(outside: Mask, values: Any) -> Iterator[tuple[Mask, str]]:
    """Times outside, by the unit in which they would be inside ('' for none)."""
    left = outside.copy()
    for unit, scale in SCALES.items():
        inside = left & (values >= FIRST_NS // scale) & (values < END_NS // scale)
        if inside.any():
            yield inside, _WORDS[unit]
            left &= ~inside
    if left.any():
        yield left, ""


def _moment(value: Any, words: str) -> str:
    scale = next(SCALES[unit] for unit, word in _WORDS.items() if word == words)
    return str(pd.Timestamp(int(value) * scale).strftime("%Y-%m-%d %H:%M:%S"))


def _written(array: Any, name: str, form: str, local: _Local) -> Times:
    """Times from text: ISO 8601 in any precision, each row with or without a zone; or one ``strptime`` pattern."""
    if not pa.types.is_string(array.type) and not pa.types.is_large_string(array.type):
        return _none(
            array, f"no time in {name}: {array.type}, but the mapping says neither s, ms, us, ns nor excel"
        )
    encoded = array.dictionary_encode()
    texts = [_zulu(text.strip()) for text in encoded.dictionary.to_pylist()]
    zoned = np.array([bool(_ZONED.fullmatch(text)) for text in texts], dtype=np.bool_) | ("%z" in form)
    wall, strange = np.full(len(texts), NO_TIME), np.zeros(len(texts), dtype=np.bool_)
    for utc in (True, False):
        which = np.flatnonzero(zoned == utc)
        if which.size:
            wall[which], strange[which] = _parsed([texts[place] for place in which.tolist()], form, utc)
    places = encoded.indices
    if places.null_count:
        wall, strange, zoned = np.r_[wall, NO_TIME], np.r_[strange, False], np.r_[zoned, True]
        places = pc.fill_null(places, len(wall) - 1)
    places = places.to_numpy(zero_copy_only=False)
    if not len(wall):
        return Times(np.empty(0, dtype=np.int64))
    row_ns, row_zoned, row_strange = wall[places], zoned[places], strange[places]
    told = local.utc(np.where(row_zoned, NO_TIME, row_ns), name)
    found = Times(np.where(row_zoned, row_ns, told.ns), told.problems)
    found.without((row_ns == NO_TIME) & ~row_strange, f"no time in {name}")
    if row_strange.any():
        value = text_at(array, int(row_strange.argmax()))
        found.without(row_strange, f"time outside 1990-2100 in {name}: {value}")
    return found


def _zulu(text: str) -> str:
    return f"{text[:-3].rstrip()}Z" if text.endswith("UTC") else text


def _parsed(texts: list[str], form: str, utc: bool) -> tuple[Nanoseconds, Mask]:
    """Nanoseconds of texts, and which lie outside 1990-2100."""
    known = [None if text.casefold() in MISSING else text for text in texts]
    found = pd.DatetimeIndex(
        pd.to_datetime(known, format="ISO8601" if form == "iso" else form, errors="coerce", utc=utc)  # type: ignore[call-overload]
    )
    naive = found.tz_localize(None) if found.tz is not None else found
    years = naive.year.to_numpy()
    ok = (years >= 1990) & (years <= 2100)
    ns = np.full(len(texts), NO_TIME)
    ns[ok] = naive[ok].as_unit("ns").asi8
    return ns, ~np.isnan(years.astype(np.float64)) & ~ok
