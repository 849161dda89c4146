"""Columns of a batch, written into lines: names escaped, words written once, doubles as digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.history.influx import decimal_text, line_kernel
from workstation.history.influx.line_kernel import NUMBER_BYTES, SLACK, Bytes, Places
from workstation.history.influx.names import MAX_TEXT, escaped
from workstation.market.errors import TableError

Write = Callable[[Bytes, Places, slice], None]
"""Appends a column to the lines of some rows, given the slots, where the lines end, and the rows."""


class LineColumn:
    """One column of a batch.

    Parameters
    ----------
    table, name
        Where it is, for errors.
    tag
        Whether it is a tag; else a field.
    absent
        The integer that stands for a missing one.
    """

    def __init__(self, table: str, name: str, *, tag: bool, absent: int | None) -> None:
        self._table, self._name, self._tag, self._absent = table, name, tag, absent
        self._key = f",{escaped(name)}=".encode()

    def prepared(self, values: Any) -> tuple[int, Write]:
        """The bytes a row needs at most, and what writes the column."""
        if isinstance(values, pd.Categorical):
            return self._words(np.asarray(values.codes), values.categories)
        if isinstance(values, pa.Array | pa.ChunkedArray):
            return self._texts(values)
        if values.dtype.kind == "b":
            return self._written(values.astype(np.int32), [b"False", b"True"])
        if values.dtype.kind == "f":
            return self._doubles(np.ascontiguousarray(values, dtype=np.float64))
        return self._integers(np.ascontiguousarray(values, dtype=np.int64))

    def _error(self, row: int, problem: str) -> TableError:
        return TableError(self._table, self._name, row, problem)

    def _words(self, codes: npt.NDArray[Any], categories: Any) -> tuple[int, Write]:
        used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=1)[: len(categories)])
        mapped = np.full(len(categories) + 1, -1, dtype=np.int32)
        mapped[used] = np.arange(len(used), dtype=np.int32)
        written = []
        for place, word in zip(used, map(str, categories.take(used)), strict=True):
            problem = text_problem(word, tag=self._tag)
            if problem:
                raise self._error(int((codes == place).argmax()), problem)
            written.append((escaped(word) if self._tag else quoted(word)).encode())
        if self._tag and b"" in written:
            mapped[used[written.index(b"")]] = -1
        return self._written(mapped[codes], written)

    def _written(self, codes: npt.NDArray[np.int32], words: list[bytes]) -> tuple[int, Write]:
        held, ends = joined([self._key + word for word in words])
        longest = int(np.diff(ends).max()) if words else 0
        return longest, lambda out, at, rows: line_kernel.words(out, at, codes[rows], held, ends)

    def _texts(self, values: Any) -> tuple[int, Write]:
        array = (
            pa.chunked_array(values.chunks, values.type).combine_chunks()
            if isinstance(values, pa.ChunkedArray)
            else values
        )
        array = array.cast(pa.large_string())
        self._check_texts(array)
        array = (_escaped_tags(array) if self._tag else _quoted_texts(array)).fill_null("")
        ends = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
        data = array.buffers()[2]
        held = np.frombuffer(data if data is not None else b"", dtype=np.uint8)
        held = np.append(held[ends[0] : ends[-1]], np.zeros(SLACK, dtype=np.uint8))
        ends = ends - ends[0]
        key, _ = joined([self._key])
        longest = int(np.diff(ends).max()) if len(array) else 0
        return len(self._key) + longest, lambda out, at, rows: line_kernel.texts(
            out, at, key, len(self._key), held, ends[rows.start : rows.stop + 1]
        )

    def _check_texts(self, array: Any) -> None:
        bad = pc.greater(pc.binary_length(array), MAX_TEXT)
        if self._tag:
            bad = pc.or_(bad, pc.match_substring_regex(array, r"[\r\n]|\\$"))
        row = pc.index(bad, True).as_py()
        if row >= 0:
            raise self._error(row, str(text_problem(array[row].as_py(), tag=self._tag)))

    def _doubles(self, values: npt.NDArray[np.float64]) -> tuple[int, Write]:
        digits, scales = np.empty(len(values), dtype=np.int64), np.empty(len(values), dtype=np.int8)
        infinite = decimal_text.decimals(values, digits, scales)
        if infinite >= 0:
            raise self._error(
                infinite, f"{values[infinite]}: InfluxDB 3 keeps no infinity; NaN is what is unknown"
            )
        long, exponent = decimal_text.texts(values, scales)
        held, ends = joined([*long, *exponent])
        key, _ = joined([self._key])
        return len(self._key) + NUMBER_BYTES, lambda out, at, rows: line_kernel.doubles(
            out, at, key, len(self._key), digits[rows], scales[rows], held, ends, len(long)
        )

    def _integers(self, values: npt.NDArray[np.int64]) -> tuple[int, Write]:
        key, _ = joined([self._key])
        has_absent, absent = self._absent is not None, self._absent or 0
        return len(self._key) + NUMBER_BYTES, lambda out, at, rows: line_kernel.integers(
            out, at, key, len(self._key), values[rows], not self._tag, has_absent, absent
        )


def text_problem(text: str, *, tag: bool) -> str | None:
    r"""Why a text cannot be kept, None when it can.

    Examples
    --------
    >>> text_problem("a\\", tag=True)
    "'a\\\\' ends in a backslash, which as a tag would hide the next separator"
    >>> text_problem("a\\", tag=False)
    """
    size = len(text.encode()) if len(text) * 4 > MAX_TEXT else 0
    if size > MAX_TEXT:
        return f"a text of {size} bytes; InfluxDB 3 keeps at most {MAX_TEXT}"
    if tag and text.endswith("\\"):
        return f"{text[:60]!r} ends in a backslash, which as a tag would hide the next separator"
    if tag and ("\n" in text or "\r" in text):
        return f"{text[:60]!r} holds a line break, which a tag cannot"
    return None


def quoted(text: str) -> str:
    r"""A text field as the line protocol writes it.

    Examples
    --------
    >>> quoted('5" \\ 3')
    '"5\\" \\\\ 3"'
    """
    body = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{body}"'


def joined(parts: list[bytes]) -> tuple[Bytes, Places]:
    """All parts one after the other, and where they end: shape (len(parts) + 1,), beginning with 0; room is behind them."""
    lengths = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    return np.frombuffer(b"".join([*parts, bytes(SLACK)]), dtype=np.uint8), np.append(
        np.int64(0), np.cumsum(lengths)
    )


def _escaped(array: Any, marks: str) -> Any:
    for mark in marks:
        if pc.any(pc.match_substring(array, mark)).as_py():
            array = pc.replace_substring(array, mark, "\\" + mark)
    return array


def _escaped_tags(array: Any) -> Any:
    return _escaped(array, ", =")


def _quoted_texts(array: Any) -> Any:
    quote = pa.scalar('"', pa.large_string())
    return pc.binary_join_element_wise(quote, _escaped(array, '\\"'), quote, pa.scalar("", pa.large_string()))
