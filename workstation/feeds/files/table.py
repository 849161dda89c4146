"""Any CSV, Parquet or Feather file through a small YAML mapping of columns, units and time.

A mapping::

    table: marks                       # the table it becomes
    time: {column: timestamp, format: iso}       # iso, s, ms, us, ns, excel, %d.%m.%Y; zone: UTC unless said
    instrument: {column: instrument_name, grammar: deribit}   # or {constant: XXX}, or {terms: {root:, expiry:, ...}}
    constants: {venue: deribit}
    columns:                           # our column: theirs, or with a unit change
      bid: bid_price
      vega: {column: vega, scale: 100}           # ours = theirs x scale
      bid_iv: {column: bid_iv, unit: percent, missing: [0]}   # these values mean "none"
      side: {column: direction, values: {buy: 1, sell: -1}}

Times without a zone are taken in ``zone``; ``ambiguous: first | second | by order`` tells the hour that happens twice.
A time may also be ``{constant: ...}`` or stand in the ``{file_name: pattern}``. ``conditions`` reads sale conditions into
``flags``; ``split`` makes two rows of one that holds a call and a put. Mappings shipped with the project are named without
a path; ``docs/guides/import_formats.md`` has worked examples.

Text is text: a ticker ``NA`` or ``000001`` stays as the file has it. In a column of numbers and times ``NA``, ``NaN``,
``null``, ``None``, ``N/A``, ``-`` and an empty cell mean "none"; any other text sets the row aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.feeds.feed import Batch
from workstation.feeds.files.cells import (
    KNOWN_WORDS,
    MISSING,
    Words,
    booleans,
    category,
    distinct_words,
    integers,
    is_text,
    numbers,
    plain,
    text_at,
    texts,
)
from workstation.feeds.files.chunks import Chunk, chunks
from workstation.feeds.files.mapping import (
    ConditionColumns,
    InstrumentColumn,
    Mapping,
    TimeColumn,
    ValueColumn,
    load_mapping,
    shipped_mappings,
)
from workstation.feeds.files.names import instruments
from workstation.feeds.files.reading import ROWS, Rejections, possible
from workstation.feeds.files.times import Order, times
from workstation.market.conditions import correction_flags, read_conditions
from workstation.market.errors import FrameError
from workstation.market.tables import NO_TIME, Column, table
from workstation.market.tables.categories import constant

__all__ = ["Mapping", "load_mapping", "read", "shipped_mappings"]
SETS_IMPOSSIBLE_ASIDE = True
"""This reader leaves no row that a market cannot have printed, and names the place of each it set aside."""
WORDS_TOLD = 20
"""Unknown words of a column that are told one by one; what is beyond them is told together."""
Mask = npt.NDArray[np.bool_]


def read(path: Path, rejections: Rejections, mapping: str | Mapping = "") -> Iterator[Batch]:
    """Batches of the mapping's table, in file order.

    Raises
    ------
    FrameError
        The mapping or the file as a whole is at fault; one bad row is set aside.
    """
    if not mapping:
        raise FrameError(
            f"{path.name}: the table format needs a mapping; shipped are {', '.join(shipped_mappings())}"
        )
    rules = load_mapping(mapping) if isinstance(mapping, str) else mapping
    run = _Run(rules, path, rejections)
    for chunk in chunks(path, rules.wanted(), rejections, ROWS, rules.delimiter):
        yield Batch(rules.table, run.rows(chunk))


@dataclass
class _Kept:
    """Which rows of a chunk are kept, and where the others are counted."""

    chunk: Chunk
    rejections: Rejections
    mask: Mask

    def drop(self, bad: Mask, reason: str, source: str | None = None, words: str = "") -> None:
        """Set rows aside that were kept until now; ``source`` is the column whose cell is shown."""
        bad = bad & self.mask
        if not bad.any():
            return
        first = int(bad.argmax())
        shown = f": {text_at(plain(self.chunk.columns[source]), first)} in {source}" if source else ""
        told = f": {words}" if words else ""
        self.rejections.add(reason, int(bad.sum()), f"{self.chunk.where(first)}{shown}{told}")
        self.mask = self.mask & ~bad


@dataclass
class _Run:
    """One reading of a file."""

    rules: Mapping
    path: Path
    rejections: Rejections
    order: Order = field(default_factory=Order)
    told: dict[str, str] = field(default_factory=dict)
    """Reasons that name a value, by what they say without it: a file tells the first value."""
    unknown_words: dict[str, set[str]] = field(default_factory=dict)

    def rows(self, chunk: Chunk) -> pd.DataFrame:
        """The rows of a chunk as a frame of the mapping's table."""
        base = _Kept(chunk, self.rejections, np.ones(len(chunk), dtype=np.bool_))
        ns = self._times(chunk, base)
        frames = []
        for right, instrument, columns in self.rules.parts():
            kept = _Kept(chunk, self.rejections, base.mask)
            frames.append(self._part(chunk, kept, ns, right, instrument, columns))
        if len(frames) == 1:
            return frames[0]
        return pd.concat(frames).sort_index(kind="stable")

    def _part(
        self, chunk: Chunk, kept: _Kept, ns: npt.NDArray[np.int64], right: str, instrument: InstrumentColumn,
        columns: dict[str, ValueColumn],
    ) -> pd.DataFrame:  # fmt: skip
        schema = table(self.rules.table)
        names, problems = instruments(chunk, instrument, right)
        for mask, reason, words in problems:
            kept.drop(mask, reason, None, words)
        made: dict[str, Any] = {"event_ns": ns, "instrument": names}
        for name, rule in columns.items():
            made[name] = self._column(chunk, kept, schema.by_name[name], rule)
        if self.rules.conditions:
            made |= self._conditions(chunk, kept, self.rules.conditions, columns)
        if not right and kept.mask.all():
            frame = schema.batch(made | self.rules.constants, len(chunk))
            return possible(schema, frame, self.rejections, chunk.where)
        places = np.flatnonzero(kept.mask)
        frame = pd.DataFrame(
            {name: values[places] for name, values in made.items()}, index=places, copy=False
        )
        for name, value in self.rules.constants.items():
            category_column = schema.by_name[name].kind == "category"
            frame[name] = constant(str(value), len(frame)) if category_column else value
        return possible(schema, frame, self.rejections, chunk.where)

    # -- time ---------------------------------------------------------------------------------------------

    def _times(self, chunk: Chunk, kept: _Kept) -> npt.NDArray[np.int64]:
        rule = self.rules.time
        if not rule.column:
            return np.full(len(chunk), self._one_time(rule))
        found = times(
            chunk.columns[rule.column], rule.column, rule.format, rule.zone, rule.ambiguous, self.order
        )
        for mask, reason in found.problems:
            kept.drop(mask, self._once(reason), rule.column)
        kept.drop(found.ns == NO_TIME, f"no time in {rule.column}", rule.column)
        return found.ns

    def _once(self, reason: str) -> str:
        """The reason a file gave first of those that differ in the value alone."""
        return self.told.setdefault(re.sub(r": .* taken as|gives? .*$|: [^:]*$", "", reason), reason)

    def _one_time(self, rule: TimeColumn) -> int:
        """The time of all rows of the file."""
        text, form, what = rule.constant, rule.format, "the mapping's constant time"
        if rule.file_name:
            match = re.search(rule.file_name, self.path.name)
            if match is None:
                raise FrameError(f"{self.path.name}: the name does not fit time.file_name {rule.file_name!r}")
            group = match.groupdict()
            year = group["year"] if len(group["year"]) == 4 else f"20{group['year']}"
            clock = ":".join(f"{int(group.get(part) or 0):02d}" for part in ("hour", "minute", "second"))
            day = f"{year}-{int(group['month']):02d}-{int(group['day']):02d}"
            text, form, what = f"{day}T{rule.at or clock}", "iso", "the time in the file's name"
        found = times(pa.array([text]), what, form, rule.zone, rule.ambiguous)
        if found.ns[0] == NO_TIME:
            raise FrameError(f"{self.path.name}: {found.problems[0][1]} ({text})")
        return int(found.ns[0])

    # -- columns ------------------------------------------------------------------------------------------

    def _column(self, chunk: Chunk, kept: _Kept, column: Column, rule: ValueColumn) -> Any:
        array = _without(plain(chunk.columns[rule.column]), rule.missing)
        if rule.values or (column.name in KNOWN_WORDS and column.kind in ("int8", "category")):
            return self._worded(array, kept, column, rule)
        if column.kind == "float64":
            return self._float(array, kept, column, rule)
        if column.kind == "bool":
            values, bad = booleans(array, rule.column)
            kept.drop(bad, f"no truth value for {column.name}", rule.column)
            return values
        if column.kind in ("int64", "int32", "int8"):
            return self._integer(array, kept, column, rule)
        return self._text(array, column, rule)

    @staticmethod
    def _text(array: Any, column: Column, rule: ValueColumn) -> Any:
        if column.kind == "category":
            return category(array, rule.column)
        found = texts(array, rule.column)
        if column.kind == "str":
            return pd.array(found, dtype="str")
        return np.array([text.encode() for text in found.to_pylist()], dtype=object)

    def _float(self, array: Any, kept: _Kept, column: Column, rule: ValueColumn) -> npt.NDArray[np.float64]:
        values, bad = numbers(array, rule.column)
        for none in rule.missing:
            if not isinstance(none, str):
                values = np.where(values == none, np.nan, values)
        kept.drop(bad, f"no value for {column.name}", rule.column, "not a number")
        if column.required:
            kept.drop(np.isnan(values), f"no value for {column.name}", rule.column)
        return values * rule.factor if rule.factor != 1.0 else values

    def _integer(self, array: Any, kept: _Kept, column: Column, rule: ValueColumn) -> npt.NDArray[Any]:
        if column.name.endswith("_ns") and column.name != "every_ns":
            found = times(array, rule.column, rule.format or "ns", rule.zone)
            none = _is_missing(array)
            for mask, reason in found.problems:
                kept.drop(mask & ~none, self._once(f"{reason} (for {column.name})"), rule.column)
            return np.where(found.ns == NO_TIME, column.unknown, found.ns)
        values, bad = integers(array, rule.column, column.kind, column.unknown)
        kept.drop(bad, f"no value for {column.name}", rule.column, "not a whole number in range")
        if rule.factor == 1.0:
            return values
        scaled = values * rule.factor
        kept.drop(
            scaled != np.rint(scaled), f"no value for {column.name}", rule.column, "not whole in our unit"
        )
        return np.rint(scaled).astype(column.kind)

    def _worded(self, array: Any, kept: _Kept, column: Column, rule: ValueColumn) -> Any:
        """A column whose words mean something; an unknown word sets the row aside and is told."""
        places, distinct = distinct_words(array, rule.column)
        words = Words(rule.values) if rule.values else Words(KNOWN_WORDS[column.name], truth=False)
        none = {"", *(str(word).strip().casefold() for word in rule.missing)}
        meant: list[Any] = []
        for place, word in enumerate(distinct):
            meaning = words.meaning(word)
            if meaning is None and word.strip().casefold() not in none:
                kept.drop(places == place, self._unknown_word(word, rule.column), rule.column)
            elif meaning is None and column.required:
                kept.drop(places == place, f"no value for {column.name}", rule.column)
            meant.append(column.unknown if meaning is None else meaning)
        if column.kind in ("category", "str"):
            spelled: Any = pd.Categorical([str(word) for word in meant])[places]
            return spelled if column.kind == "category" else spelled.astype("str")
        values = np.array(meant or [column.unknown], dtype=np.float64)
        return values[places].astype(column.kind)

    def _unknown_word(self, word: str, source: str) -> str:
        told = self.unknown_words.setdefault(source, set())
        if word in told or len(told) < WORDS_TOLD:
            told.add(word)
            return f"unknown word {word[:40]!r} in {source}"
        return f"other unknown words in {source}"

    def _conditions(
        self, chunk: Chunk, kept: _Kept, rule: ConditionColumns, columns: dict[str, ValueColumn]
    ) -> dict[str, Any]:
        """``flags`` of the sale conditions, and the columns they stand in."""
        printed = category(chunk.columns[rule.column], rule.column)
        made: dict[str, Any] = {} if "condition" in columns else {"condition": printed}
        exchange = category(chunk.columns[rule.exchange], rule.exchange) if rule.exchange else None
        if exchange is not None and "exchange" not in columns:
            made["exchange"] = exchange
        found = read_conditions(printed, rule.tape, exchange)
        flags, strange = found["flags"].to_numpy(), ~found["known"].to_numpy()
        if rule.correction:
            bits, known = correction_flags(category(chunk.columns[rule.correction], rule.correction))
            kept.drop(~known, f"unknown correction indicator in {rule.correction}", rule.correction)
            flags = flags | bits
        strange &= kept.mask
        for code in np.unique(np.asarray(printed.codes)[strange]).tolist():
            rows = strange & (np.asarray(printed.codes) == code)
            remark = (
                f"condition {str(printed.categories[code])[:20]!r} is not of tape {rule.tape}: volume only"
            )
            self.rejections.note(remark, int(rows.sum()), chunk.where(int(rows.argmax())))
        return made | {"flags": flags.astype(np.int32)}


def _without(array: Any, missing: tuple[float | str, ...]) -> Any:
    """A column of text without the words that mean "none"."""
    words = [word for word in missing if isinstance(word, str)]
    if not words or not is_text(array):
        return array
    return pc.if_else(pc.is_in(array, pa.array(words, array.type)), pa.scalar("", array.type), array)


def _is_missing(array: Any) -> Mask:
    """Cells that say "none" in a column of numbers or times."""
    empty = array.is_null(nan_is_null=pa.types.is_floating(array.type)).to_numpy(zero_copy_only=False)
    if not is_text(array):
        return np.asarray(empty)
    encoded = array.dictionary_encode()
    none = np.array([text.strip().casefold() in MISSING for text in encoded.dictionary.to_pylist()] + [True])
    missing: Mask = none[pc.fill_null(encoded.indices, len(none) - 1).to_numpy(zero_copy_only=False)]
    return missing
