"""What the manifest says of each piece of the store."""

from __future__ import annotations

import builtins
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """Rows, times and sequence numbers of a piece; ``first_seq`` and ``last_seq`` leave zeros out."""

    rows: int
    first_ns: int
    last_ns: int
    first_seq: int
    last_seq: int


@dataclass(frozen=True)
class Logged:
    """A batch in the log; ``batch`` is None when the caller holds it already."""

    id: int
    table: str
    first_row: int
    rows: int
    first_ns: int
    last_ns: int
    written_ns: int
    checksum: int
    bytes: int
    batch: builtins.bytes | None = None

    @property
    def damaged(self) -> bool:
        """Whether the bytes are not those that were written."""
        return self.batch is not None and zlib.crc32(self.batch) != self.checksum


@dataclass(frozen=True)
class Segment:
    """A Parquet file of the manifest."""

    id: int
    table: str
    file: str
    first_row: int
    rows: int
    first_ns: int
    last_ns: int
    first_seq: int
    last_seq: int
    bytes: int
    checksum: int


@dataclass(frozen=True)
class Draft:
    """A segment about to be written.

    ``end_row`` is the running number after its last row; ``replaces`` names the files whose rows it holds.
    """

    file: str
    first_row: int
    end_row: int
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moment:
    """What a reader sees: segments and log of some tables at one moment, in order of writing."""

    segments: tuple[Segment, ...]
    log: tuple[Logged, ...]
