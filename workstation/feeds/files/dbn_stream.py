"""The bytes of a DBN file: unpacked, cut into records, and proved whole before any row is made of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.feeds.files.dbn_layout import (
    DEFINITION,
    HEADER_BYTES,
    SCHEMAS,
    SYMBOL_MAPPING,
    is_read,
    layout,
)
from workstation.market.errors import FrameError

CHUNK_BYTES = 4 << 20
"""Bytes read at a time, so that a file of any size is read in bounded memory."""
VERSIONS = (1, 2, 3)
MOST_HEADER_BYTES = 1 << 30
"""A day of every option has 0.25 GB."""
NO_STYPE, INSTRUMENT_ID = 255, 0
_ZSTD = b"\x28\xb5\x2f\xfd"
_FIXED_BYTES = 100
_LAST_DATE = 22000101
_SYMBOL_BYTES_V1 = 22
_CUT_OFF = "the file is cut off or still being written: fetch or copy it again"

Bytes = npt.NDArray[np.uint8]


class Interval(NamedTuple):
    """What an instrument id is called over a span of time."""

    instrument_id: int
    start_ns: int
    """Included."""
    end_ns: int
    """Not included."""
    symbol: str


@dataclass(frozen=True)
class Header:
    """What the file says of itself."""

    version: int
    dataset: str
    names: tuple[Interval, ...]
    byte_count: int


class Run(NamedTuple):
    """Records of one type and length, in order."""

    rtype: int
    records: npt.NDArray[Any]
    """Shape (n,), of the fields of ``dbn_layout``; bytes of shape (n, length) where the type is not read."""


@numba.njit(cache=True)
def walk(data: Any, offsets: Any, kinds: Any) -> tuple[int, int]:
    """Offsets and kinds (record type + 256 x length in words) of the whole records, and where the last of them ends.

    A record shorter than its own header ends the walk with the offset negated less 1.
    """
    at = 0
    count = 0
    while at + 2 <= data.size:
        words = int(data[at])
        if words * 4 < 16:
            return count, -at - 1
        if at + words * 4 > data.size:
            break
        offsets[count] = at
        kinds[count] = int(data[at + 1]) + 256 * words
        count += 1
        at += words * 4
    return count, at


def open_unpacked(path: Path) -> pa.NativeFile:
    """The file as bytes, unpacked when it is zstd or gzip."""
    try:
        with pa.input_stream(str(path), compression=None) as file:
            magic = file.read(4)
        if magic == _ZSTD:
            return pa.input_stream(str(path), compression="zstd")
        return pa.input_stream(str(path), compression="gzip" if magic[:2] == b"\x1f\x8b" else None)
    except (OSError, pa.ArrowException) as error:
        raise FrameError(f"{path.name}: cannot be opened: {error}") from error


def _read(stream: pa.NativeFile, count: int, file: str, at: int) -> bytes:
    try:
        data: bytes = stream.read(count)
    except (OSError, pa.ArrowException) as error:
        raise FrameError(
            f"{file}: the compressed data breaks off or is damaged after byte {at:,} of the unpacked data "
            f"({error}); {_CUT_OFF}"
        ) from error
    return data


def _read_all(stream: pa.NativeFile, count: int, file: str, at: int) -> bytes:
    """As many bytes as are asked for or are there; no more memory is taken than there are."""
    pieces = []
    for done in range(0, count, CHUNK_BYTES):
        pieces.append(_read(stream, min(CHUNK_BYTES, count - done), file, at + done))
        if not pieces[-1]:
            break
    return b"".join(pieces)


def read_header(stream: pa.NativeFile, file: str) -> Header:
    """The metadata at the begin of a DBN stream, of which the first record comes next.

    Raises
    ------
    FrameError
        Not DBN, of a version that is not known, or cut off; names the file.
    """
    begin = _read(stream, 8, file, 0)
    if begin[:3] != b"DBN":
        what = "empty" if not begin else "not a DBN file: it does not begin with the letters DBN"
        raise FrameError(f"{file}: {what}; export it from Databento with encoding dbn")
    if len(begin) < 8:
        raise FrameError(f"{file}: ends inside the header, at byte {len(begin)}; {_CUT_OFF}")
    version, length = begin[3], int.from_bytes(begin[4:], "little")
    if version not in VERSIONS:
        raise FrameError(
            f"{file}: DBN version {version}; versions {VERSIONS[0]} to {VERSIONS[-1]} are read, convert it with the vendor's "
            f"dbn tool (dbn --upgrade)"
        )
    if length > MOST_HEADER_BYTES:
        raise FrameError(f"{file}: says its header has {length:,} bytes; it is damaged, fetch the file again")
    rest = _read_all(stream, length, file, 8)
    if len(rest) < length:
        raise FrameError(
            f"{file}: ends inside the header, at byte {8 + len(rest):,} of {8 + length:,}; {_CUT_OFF}"
        )
    try:
        dataset, names = _metadata(rest, version)
    except (struct.error, IndexError, ValueError) as error:
        raise FrameError(f"{file}: the header is damaged ({error}); fetch the file again") from error
    return Header(version, dataset, names, 8 + length)


def _metadata(data: bytes, version: int) -> tuple[str, tuple[Interval, ...]]:
    dataset = _text(data[:16])
    at = 16 + 2 + 8 + 8 + 8 + (8 if version == 1 else 0)
    stype_in, stype_out = data[at], data[at + 1]
    width = _SYMBOL_BYTES_V1 if version == 1 else int.from_bytes(data[at + 3 : at + 5], "little")
    at = _FIXED_BYTES
    at += 4 + int.from_bytes(data[at : at + 4], "little")
    for _ in range(3):  # symbols, partial, not_found
        (count,) = struct.unpack_from("<I", data, at)
        at += 4 + count * width
    return dataset, tuple(_mappings(data, at, width, stype_in, stype_out))


def _mappings(data: bytes, at: int, width: int, stype_in: int, stype_out: int) -> Iterator[Interval]:
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    one = struct.Struct(f"<II{width}s")
    ids_first = stype_in == INSTRUMENT_ID and stype_out != INSTRUMENT_ID
    for _ in range(count):
        name = _text(data[at : at + width])
        (intervals,) = struct.unpack_from("<I", data, at + width)
        at += width + 4
        end = at + intervals * one.size
        if end > len(data):
            raise ValueError(f"the intervals of {name} reach beyond it")
        for first, last, symbol in one.iter_unpack(data[at:end]):
            other = _text(symbol)
            number, called = (name, other) if ids_first else (other, name)
            if called and number.isascii() and number.isdigit():
                yield Interval(int(number), _date_ns(first), _date_ns(last), called)
        at = end


@lru_cache(maxsize=100_000)
def _date_ns(date: int) -> int:
    """Nanoseconds of the begin of a UTC date written YYYYMMDD; dates from 2200 on stand for no end."""
    date = min(date, _LAST_DATE)
    return pd.Timestamp(year=date // 10_000, month=date // 100 % 100, day=date % 100, tz="UTC").value


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "replace")


class _Chunk(NamedTuple):
    """Whole records: their bytes; offsets and kinds (see ``walk``), None where all are of the kind of the first."""

    data: Bytes
    offsets: npt.NDArray[np.int64] | None
    kinds: npt.NDArray[np.int64] | None


def _chunks(stream: pa.NativeFile, header: Header, file: str) -> Iterator[_Chunk]:
    at, number, left = header.byte_count, 0, b""
    while True:
        more = _read(stream, CHUNK_BYTES, file, at + len(left))
        if not more:
            break
        data = np.frombuffer(left + more if left else more, dtype=np.uint8)
        chunk, count, end = _cut(data)
        if end < 0:
            raise FrameError(
                f"{file}: record {number + count:,} at byte {at - end - 1:,} of the unpacked data says it is shorter than "
                f"the {HEADER_BYTES} bytes every record begins with; the file is damaged, fetch it again"
            )
        if chunk is not None:
            _check_kinds(chunk, file, at, number)
            yield chunk
        at, number, left = at + end, number + count, data[end:].tobytes()
    if left:
        raise FrameError(
            f"{file}: ends inside record {number:,} at byte {at:,} of the unpacked data, {len(left)} bytes of it are there; {_CUT_OFF}"
        )


def _cut(data: Bytes) -> tuple[_Chunk | None, int, int]:
    """The whole records of these bytes, how many they are, and where they end (negative: see ``walk``)."""
    length = int(data[0]) * 4
    count = data.size // length if length >= HEADER_BYTES else 0
    if count:
        table = data[: count * length].reshape(count, length)
        begun = data[count * length :][:1]  # of a record of which more is to come, unless it is a shorter one
        if (begun == data[0]).all() and (table[:, 0] == data[0]).all() and (table[:, 1] == data[1]).all():
            return _Chunk(table.reshape(-1), None, None), count, count * length
    offsets = np.empty(data.size // HEADER_BYTES + 1, dtype=np.int64)
    kinds = np.empty_like(offsets)
    count, end = walk(data, offsets, kinds)
    if end < 0 or not count:
        return None, count, end
    return _Chunk(data[:end], offsets[:count], kinds[:count]), count, end


def _check_kinds(chunk: _Chunk, file: str, at: int, number: int) -> None:
    """Refuse a record whose length is none of its type's: what follows it cannot be told from noise."""
    if chunk.kinds is None or chunk.offsets is None:
        kinds, firsts = np.array([int(chunk.data[0]) * 256 + int(chunk.data[1])]), np.array([0])
        offsets = firsts
    else:
        kinds, firsts = np.unique(chunk.kinds, return_index=True)
        offsets = chunk.offsets
    for kind, first in zip(kinds.tolist(), firsts.tolist(), strict=True):
        rtype, length = kind % 256, kind // 256 * 4
        if is_read(rtype) and layout(rtype, length) is None:
            raise FrameError(
                f"{file}: record {number + first:,} at byte {at + int(offsets[first]):,} of the unpacked data: a "
                f"{SCHEMAS[rtype]} record of {length} bytes is none of DBN; the file is damaged, fetch it again"
            )


def check(path: Path) -> Header:
    """Walk the whole file and say what its header says.

    Raises
    ------
    FrameError
        It is cut off or damaged; names file, record and byte.
    """
    with open_unpacked(path) as stream:
        header = read_header(stream, path.name)
        for _ in _chunks(stream, header, path.name):
            pass
    return header


def runs(path: Path, header: Header) -> Iterator[Run]:
    """The records after the header.

    They come in the order of the file but for this: between two groups of records that name ids, and within about
    ``CHUNK_BYTES``, records of one type come together.
    """
    with open_unpacked(path) as stream:
        _read_all(stream, header.byte_count, path.name, 0)
        for chunk in _chunks(stream, header, path.name):
            yield from _runs(chunk)


def _runs(chunk: _Chunk) -> Iterator[Run]:
    data, offsets, kinds = chunk
    if offsets is None or kinds is None:
        length = int(data[0]) * 4
        yield _run(int(data[1]), length, data.reshape(-1, length))
        return
    naming = np.isin(kinds % 256, (SYMBOL_MAPPING, DEFINITION))
    begins = np.flatnonzero(naming[1:] & ~naming[:-1]) + 1
    for rows in np.split(np.arange(kinds.size), begins):
        distinct, firsts = np.unique(kinds[rows], return_index=True)
        for kind in distinct[np.argsort(firsts)].tolist():
            length = kind // 256 * 4
            chosen = offsets[rows[kinds[rows] == kind]]
            yield _run(kind % 256, length, np.lib.stride_tricks.sliding_window_view(data, length)[chosen])


def runs_of(data: bytes) -> Iterator[Run]:
    """Records of a part of a stream that begins and ends with a record, grouped as ``runs`` groups them.

    A record whose length is none of its type's comes as bytes, as those of types that are not read do. Raises ``FrameError`` where the
    bytes are no whole records.
    """
    bytes_ = np.frombuffer(data, dtype=np.uint8)
    chunk, _, end = _cut(bytes_) if bytes_.size else (None, 0, 0)
    if end != bytes_.size:
        raise FrameError(f"dbn: the bytes from {abs(end):,} on are no whole records")
    if chunk is not None:
        yield from _runs(chunk)


def bytes_of(records: npt.NDArray[Any]) -> Bytes:
    """Records as they came, shape (n, length); taking some of them by their fields may leave out the bytes between."""
    if records.dtype.names is None:
        return records
    return np.ascontiguousarray(records).view(np.uint8).reshape(len(records), records.dtype.itemsize)


def whole_bytes(data: Bytes) -> int:
    """How many bytes from the begin are whole records. Raises ``FrameError`` for a record that can have no end."""
    _, _, end = _cut(data) if data.size else (None, 0, 0)
    if end < 0:
        raise FrameError(f"dbn: a record is shorter than the {HEADER_BYTES} bytes every record begins with")
    return end


def _run(rtype: int, length: int, table: Bytes) -> Run:
    fields = layout(rtype, length) if is_read(rtype) else None
    return Run(rtype, table if fields is None else table.view(fields).reshape(-1))
