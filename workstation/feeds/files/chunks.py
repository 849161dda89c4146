"""Tables of a file as chunks of Arrow columns, every cell as the file has it, each row with its place in the file.

Lines that cannot be rows (a field too many or too few, a quote that is not closed, a NUL byte, not UTF-8) are set aside
one by one; the others are read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from workstation.feeds.files.reading import Rejections, open_bytes
from workstation.market.errors import FrameError

_BLOCK = 1 << 22
LONGEST_LINE = 1 << 20
"""A file without a line end within a megabyte is no text table."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file: Arrow columns of one length, and the place of each row (a line of text, else a row)."""

    columns: Mapping[str, pa.Array]
    places: npt.NDArray[np.int64]
    file: str
    unit: str = "line"
    next_place: int = 0
    """Place of what follows in the file."""

    def __len__(self) -> int:
        return len(self.places)

    def part(self, start: int, rows: int) -> Chunk:
        """Some rows of it; all of them at no cost."""
        if start == 0 and rows >= len(self):
            return self
        columns = {name: values.slice(start, rows) for name, values in self.columns.items()}
        return Chunk(columns, self.places[start : start + rows], self.file, self.unit)

    def where(self, row: int) -> str:
        """Where a row stands in the file."""
        return f"{self.file}, {self.unit} {self.places[row]}"


def chunks(
    path: Path,
    wanted: Sequence[str],
    rejections: Rejections,
    rows: int,
    delimiter: str = ",",
    who: str = "the mapping wants",
) -> Iterator[Chunk]:
    """The wanted columns of a CSV, Parquet or Feather file, at most ``rows`` rows at a time; ``who`` wants them.

    Raises
    ------
    FrameError
        A wanted column is not there, or the file is no table.
    """
    kind = _columnar_kind(path)
    if kind == "parquet":
        with pq.ParquetFile(path) as file:
            _need(path, wanted, file.schema_arrow.names, who)
            yield from _columnar(file.iter_batches(batch_size=rows, columns=list(wanted)), path.name)
    elif kind == "feather":
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            _need(path, wanted, file.schema.names, who)
            batches = (file.get_batch(number) for number in range(file.num_record_batches))
            yield from _columnar((part for batch in batches for part in _sliced(batch, rows)), path.name)
    else:
        yield from _delimited(path, wanted, rejections, rows, delimiter, who)


def _columnar_kind(path: Path) -> str:
    """``parquet`` or ``feather`` by the file's first bytes, else by its name; '' for text."""
    with path.open("rb") as file:
        head = file.read(6)
    suffix = path.suffix.lower()
    if head.startswith(b"PAR1") or suffix in (".parquet", ".pq"):
        return "parquet"
    return "feather" if head == b"ARROW1" or suffix in (".feather", ".arrow", ".ipc") else ""


def _sliced(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _columnar(batches: Iterator[pa.RecordBatch], file: str) -> Iterator[Chunk]:
    first = 1
    for batch in batches:
        places = np.arange(first, first + batch.num_rows)
        first += batch.num_rows
        yield Chunk(dict(zip(batch.schema.names, batch.columns, strict=True)), places, file, "row")


def _need(path: Path, wanted: Sequence[str], found: Sequence[str], who: str, delimiter: str = "") -> None:
    absent = sorted({column for column in wanted if column not in found})
    if absent:
        there = ", ".join(found)
        there = there if len(there) <= 500 and there.isprintable() else f"{there[:200]!r}"
        hint = ""
        if len(found) == 1 and any(mark in found[0] for mark in ";\t|,"):
            mark = next(mark for mark in ";\t|," if mark in found[0])
            hint = f"; its fields seem to be separated by {mark!r}, not {delimiter!r}"
        raise FrameError(f"{path.name}: {who} column {', '.join(absent)}; the file has {there}{hint}")
    twice = sorted({column for column in wanted if list(found).count(column) > 1})
    if twice:
        raise FrameError(
            f"{path.name}: two columns named {', '.join(twice)}; which one is meant cannot be told"
        )


def blocks_of(file: IO[bytes], name: str, longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """Whole lines of a file with their ends, some megabytes at a time; ``FrameError`` for a line that does not end."""
    rest = b""
    while read := file.read(_BLOCK):
        end = read.rfind(b"\n") + 1
        if end:
            yield rest + read[:end]
            rest = read[end:]
        else:
            rest += read
        if len(rest) > longest:
            raise FrameError(f"{name}: no line end within {longest:,} bytes; this is not a file of lines")
    if rest:
        yield rest


def _delimited(
    path: Path, wanted: Sequence[str], rejections: Rejections, rows: int, delimiter: str, who: str
) -> Iterator[Chunk]:
    header: list[str] | None = None
    first = 1
    with open_bytes(path) as file:
        for body in blocks_of(file, path.name):
            if header is None:
                line = (
                    body.splitlines(keepends=True)[0]
                    if b"\r" in body
                    else body[: body.find(b"\n") + 1 or None]
                )
                header = _header(path, line, delimiter)
                _need(path, wanted, header, who, delimiter)
                body, first = body[len(line) :], 2
            chunk = parsed(path.name, header, wanted, first, body, rejections, delimiter)
            first = chunk.next_place
            for start in range(0, len(chunk), rows):
                yield chunk.part(start, rows)
    if header is None:
        raise FrameError(f"{path.name}: an empty file; not even a line with the names of the columns")


def _header(path: Path, line: bytes, delimiter: str) -> list[str]:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FrameError(f"{path.name}: text in UTF-16; save it as UTF-8")
    if b"\0" in line or line.startswith(b"PK\x03\x04"):
        raise FrameError(
            f"{path.name}: binary data where the names of the columns should be; not a text table"
        )
    text = line.decode("utf-8-sig").rstrip("\r\n")
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])]


def parsed(
    file: str,
    header: list[str],
    wanted: Sequence[str],
    first: int,
    body: bytes,
    rejections: Rejections,
    delimiter: str = ",",
) -> Chunk:
    """The wanted columns of whole lines of a file, from line ``first`` on, whose fields have the names of ``header``."""
    found, count = None, body.count(b"\n") + (not body.endswith(b"\n"))
    if body and _is_plain(body, len(header)):
        found = _table(_ended(body), header, wanted, delimiter, False)
    numbers = np.arange(first, first + count)
    if found is None or found.num_rows != count:
        lines = body.splitlines(keepends=True)
        count, numbers = len(lines), np.arange(first, first + len(lines))
        problems = [_problem(line, len(header), delimiter) for line in lines]
        for line, problem, number in zip(lines, problems, numbers, strict=True):
            if problem and problem != _BLANK:
                rejections.add(problem, 1, f"{file}, line {number}: {line[:60]!r}")
        good = [place for place, problem in enumerate(problems) if not problem]
        if not good:
            return Chunk({}, numbers[:0], file, next_place=first + count)
        numbers, body = numbers[good], b"".join([lines[place] for place in good])
        found = _table(_ended(body), header, wanted, delimiter, b'"' in body)
        if found is None or found.num_rows != len(numbers):
            raise FrameError(f"{file}: the {count} lines from line {first} on do not read as one row each")
    columns = {name: found[name].combine_chunks() for name in dict.fromkeys(wanted)}
    return Chunk(columns, numbers, file, next_place=first + count)


def _is_plain(body: bytes, fields: int) -> bool:
    """Whether lines have nothing in them for which each must be looked at: no quote, NUL, blank line or lone return.

    Of a blank line among lines of several fields the reader says that it has too few.
    """
    if not body.isascii() or b'"' in body or b"\0" in body or body.startswith((b"\n", b"\r")):
        return False
    if fields == 1 and b"\n\n" in body:
        return False
    return b"\r" not in body or (b"\n\r" not in body and body.count(b"\r") == body.count(b"\r\n"))


def _ended(body: bytes) -> bytes:
    return body if body.endswith(b"\n") else body.rstrip(b"\r") + b"\n"


def _table(
    body: bytes, header: list[str], wanted: Sequence[str], delimiter: str, quoted: bool
) -> pa.Table | None:
    """Lines as columns of text; None when one of them has other than the header's number of fields."""
    odd: list[int] = []

    def skip(row: pacsv.InvalidRow) -> str:
        odd.append(row.actual_columns)
        return "skip"

    names = list(dict.fromkeys(wanted))
    found = pacsv.read_csv(
        pa.BufferReader(body),
        pacsv.ReadOptions(column_names=_distinct(header), use_threads=False, block_size=len(body) + 1),
        pacsv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if quoted else False,
            ignore_empty_lines=False,
            invalid_row_handler=skip,
        ),
        pacsv.ConvertOptions(
            include_columns=names,
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            null_values=[],
            check_utf8=False,
        ),
    )
    return None if odd else found


def _distinct(header: list[str]) -> list[str]:
    """Names that are all different, so that two columns of one name which nobody wants do no harm."""
    return [name if header.index(name) == place else f"{name}#{place}" for place, name in enumerate(header)]


_BLANK = "blank line"


def _problem(line: bytes, fields: int, delimiter: str) -> str:
    if not line.strip() and (fields > 1 or not line.strip(b"\r\n")):
        return _BLANK
    if b"\0" in line:
        return "a line with a NUL byte"
    if not line.isascii():
        try:
            line.decode()
        except UnicodeDecodeError:
            return "a line that is not UTF-8"
    if b'"' not in line:
        found = line.count(delimiter.encode()) + 1
    elif line.count(b'"') % 2:
        return "a line with a quote that is not closed"
    else:
        found = len(next(csv.reader([line.decode().rstrip("\r\n")], delimiter=delimiter)))
    return "" if found == fields else f"a line of other than {fields} fields"
