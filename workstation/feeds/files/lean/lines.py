"""Lines of a LEAN CSV as columns: by Arrow's reader, and line by line only in a block that holds a line it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from workstation.feeds.files.lean.layouts import TEXTS, Layout
from workstation.feeds.files.lean.members import Block
from workstation.feeds.files.reading import Rejections

Floats = npt.NDArray[np.float64]
_PARSE = csv.ParseOptions(
    quote_char=False, double_quote=False, newlines_in_values=False, ignore_empty_lines=False
)
PART_BYTES = 256 * 2**10
"""Text read line by line where it holds a bad line."""
_WORDS = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Words:
    """A column of text: the place of each row's text in ``texts``."""

    codes: npt.NDArray[np.int32]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Lines:
    """The lines of a block as columns.

    Attributes
    ----------
    time
        Milliseconds of the day, or the text of date and time at hourly and daily resolution.
    numbers
        Columns of numbers; NaN where the line has nothing.
    words
        Columns of text.
    rows
        Row of the block of each line; None when no line was set aside.
    """

    time: Any
    numbers: dict[str, Floats]
    words: dict[str, Words]
    rows: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.time)


def parse_lines(block: Block, layout: Layout, dated: bool, rejections: Rejections) -> Lines:
    """The lines of a block; a line that is none of the layout is set aside by member and number.

    Parameters
    ----------
    block, layout
        The lines, and the columns they should have.
    dated
        Whether the first column is ``20131007 00:00`` rather than milliseconds of the day.
    rejections
        Takes what is set aside.
    """
    lines = _at_once(block.text, block.lines, layout, dated)
    return lines or _part_by_part(block, layout, dated, rejections)


def _at_once(text: bytes, count: int, layout: Layout, dated: bool) -> Lines | None:
    """The lines as Arrow reads them; None where it refuses one."""
    first = text[: text.find(b"\n")].count(b",") + 1
    columns = layout.columns[:first] if layout.least <= first < len(layout.columns) else layout.columns
    if b"\0" in text:
        return None
    table = _table(text, columns, dated, True) if layout.whole else None
    table = table or _table(text, columns, dated, False)
    if table is None or table.num_rows != count or _marks(table) is None:
        return None
    return _lines(table, layout, dated)


def _part_by_part(block: Block, layout: Layout, dated: bool, rejections: Rejections) -> Lines:
    """The good lines of a block that holds a bad one: only the parts with a bad line are read line by line."""
    parts: list[Lines] = []
    start = row = 0
    while start < len(block.text):
        end = block.text.rfind(b"\n", start, start + PART_BYTES) + 1 or block.text.find(b"\n", start) + 1
        text = block.text[start:end]
        count = text.count(b"\n")
        lines = _at_once(text, count, layout, dated)
        parts.append(
            replace(lines, rows=np.arange(row, row + count))
            if lines
            else _one_by_one(text, row, block, layout, dated, rejections)
        )
        start, row = end, row + count
    return _joined(parts)


def _joined(parts: Sequence[Lines]) -> Lines:
    first = parts[0]
    times = [pd.Series(part.time) if isinstance(first.time, pd.Series) else part.time for part in parts]
    time = pd.concat(times, ignore_index=True) if isinstance(first.time, pd.Series) else np.concatenate(times)
    numbers = {name: np.concatenate([part.numbers[name] for part in parts]) for name in first.numbers}
    words = {name: _one_pool([part.words[name] for part in parts]) for name in first.words}
    return Lines(time, numbers, words, np.concatenate([part.rows for part in parts if part.rows is not None]))


def _one_pool(columns: Sequence[Words]) -> Words:
    pool: dict[str, int] = {}
    codes = [
        np.array([pool.setdefault(text, len(pool)) for text in column.texts], dtype=np.int32)[column.codes]
        for column in columns
    ]
    return Words(np.concatenate(codes), tuple(pool))


def _table(text: bytes, columns: Sequence[str], dated: bool, whole: bool) -> pa.Table | None:
    """The lines as Arrow reads them; None where it refuses one."""
    number = pa.int64() if whole else pa.float64()
    types: dict[str, pa.DataType] = {name: _WORDS if name in TEXTS else number for name in columns}
    types |= {"suspicious": pa.int8(), "time": pa.string() if dated else pa.float64()}
    read = csv.ReadOptions(column_names=list(columns), block_size=max(len(text) // 4, 1 << 16))
    convert = csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=False)
    try:
        return csv.read_csv(pa.py_buffer(text), read, _PARSE, convert)
    except pa.ArrowInvalid:
        return None


def _marks(table: pa.Table) -> Words | None:
    """The column that marks suspicious ticks; None where it says anything but 0 and 1."""
    if "suspicious" not in table.column_names:
        return Words(np.zeros(table.num_rows, dtype=np.int32), ("0",))
    column = table["suspicious"]
    if column.null_count:
        return None
    marks = column.to_numpy()
    return Words(marks, ("0", "1")) if marks.size and marks.min() >= 0 and marks.max() <= 1 else None


def _lines(table: pa.Table, layout: Layout, dated: bool) -> Lines:
    brought = set(table.column_names)
    absent = Words(np.zeros(table.num_rows, dtype=np.int32), ("",))
    words: dict[str, Words] = {}
    for name in (name for name in layout.columns if name in TEXTS):
        marks = _marks(table) if name == "suspicious" else None
        words[name] = marks or (_words(table[name]) if name in brought else absent)
    numbers = {name: _floats(table[name]) for name in layout.numbers}
    return Lines(table["time"].to_pandas() if dated else table["time"].to_numpy(), numbers, words)


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = column.to_numpy().astype(np.float64, copy=False)
    return values


def _words(column: pa.ChunkedArray) -> Words:
    joined = column.unify_dictionaries().combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        joined = joined.chunk(0) if joined.num_chunks else pa.array([], _WORDS)
    return Words(joined.indices.to_numpy(), tuple(joined.dictionary.to_pylist()))


def _one_by_one(
    text: bytes, start: int, block: Block, layout: Layout, dated: bool, rejections: Rejections
) -> Lines:
    """The good lines of a part, which begins at row ``start`` of the block; each bad one is set aside."""
    reasons: dict[int, str] = {}
    rows: list[int] = []
    cells: list[list[str]] = []
    for row, line in enumerate(text.split(b"\n")[:-1]):
        found = _cells(line, layout)
        if isinstance(found, str):
            reasons[row] = found
        else:
            rows.append(row)
            cells.append(found)
    frame = pd.DataFrame(cells, columns=list(layout.columns), dtype=object)
    good = np.ones(len(frame), dtype=np.bool_)
    for name in (*(() if dated else ("time",)), *layout.numbers):
        printed = frame[name].str.strip()
        values = pd.to_numeric(printed.where(printed != ""), errors="coerce")
        unread = good & np.asarray(values.isna() & (printed != ""))
        reasons |= {rows[place]: f"no number in {name}" for place in np.flatnonzero(unread).tolist()}
        good &= ~unread
        frame[name] = values.astype("float64")
    counts = Counter(reasons.values())
    for reason, first in {reason: row for row, reason in sorted(reasons.items(), reverse=True)}.items():
        rejections.add(reason, counts[reason], block.where(start + first))
    kept = frame[good].reset_index(drop=True)
    return Lines(
        kept["time"] if dated else kept["time"].to_numpy(),
        {name: kept[name].to_numpy(dtype=np.float64) for name in layout.numbers},
        {name: _factorized(kept[name]) for name in layout.columns if name in TEXTS},
        start + np.array(rows, dtype=np.int64)[good],
    )


def _cells(line: bytes, layout: Layout) -> list[str] | str:
    """The cells of a line, one for each column; a text that says what is wrong where it is none of the layout."""
    if not line:
        return "blank line"
    try:
        cells = line.decode().split(",")
    except UnicodeDecodeError:
        return "line that is no text"
    if b"\0" in line:
        return "line that is no text"
    if len(cells) not in (layout.least, len(layout.columns)):
        return f"line without the {len(layout.columns)} columns of the layout"
    return cells + [""] * (len(layout.columns) - len(cells))


def _factorized(column: pd.Series) -> Words:
    codes, texts = pd.factorize(column)
    return Words(codes.astype(np.int32), tuple(str(text) for text in texts) or ("",))
