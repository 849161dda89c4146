"""What a reader of recorded files is, and the formats there are."""

from __future__ import annotations

import gzip
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import pandas as pd

from workstation.feeds.feed import Batch
from workstation.market.errors import FrameError
from workstation.market.tables import table

ROWS = 100_000
"""Rows of a batch, so that a file of any size is read in bounded memory."""


@dataclass
class Rejections:
    """Rows set aside, counted by reason, with the first offender of each.

    ``notes`` counts likewise what had to be said of rows that were kept (a condition no table knows, a value left out).

    Examples
    --------
    >>> rejections = Rejections()
    >>> rejections.add("no time", 2, "line 7")
    >>> rejections.note("unknown condition '?'", 1, "line 9")
    >>> rejections.total, rejections.counts, rejections.examples["no time"], rejections.notes
    (2, {'no time': 2}, 'line 7', {"unknown condition '?'": 1})
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All rows set aside."""
        return sum(self.counts.values())

    def add(self, reason: str, count: int = 1, example: str = "") -> None:
        """Count rows set aside for a reason."""
        if count:
            self.counts[reason] = self.counts.get(reason, 0) + count
            self.examples.setdefault(reason, example)

    def note(self, remark: str, count: int = 1, example: str = "") -> None:
        """Count rows that were kept and of which something must be said."""
        if count:
            self.notes[remark] = self.notes.get(remark, 0) + count
            self.examples.setdefault(remark, example)


class Reader(Protocol):
    """Yields the batches of one file; what cannot be read is added to ``rejections``."""

    def __call__(self, path: Path, rejections: Rejections, **options: Any) -> Iterator[Batch]: ...


FORMATS: Mapping[str, str] = {
    "cboe": "quote-table CSV and delayed-quotes JSON of Cboe",
    "dbn": "Databento binary files",
    "lean": "tick and bar zips of LEAN",
    "tardis": "options_chain CSV of Tardis",
    "frames": "raw websocket captures: cryptofeed's and the `timestamp json` line form",
    "table": "any CSV or Parquet file through a YAML mapping of columns, units and time",
}


def read(format_name: str, path: Path, rejections: Rejections, **options: Any) -> Iterator[Batch]:
    """Batches of one recorded file, conformed to their tables, in file order.

    Parameters
    ----------
    format_name
        One of ``FORMATS``.
    path
        The file; ``.gz`` is unpacked on the way.
    rejections
        Counts what was set aside, with reasons.
    options
        What the format needs beyond the file (``mapping`` for ``table``, ``feed`` for ``frames``).

    Raises
    ------
    FrameError
        The file as a whole is not of that format; names file and part.
    """
    if format_name not in FORMATS:
        raise FrameError(f"no such format {format_name!r}; known are {', '.join(FORMATS)}")
    module = importlib.import_module(f"workstation.feeds.files.{format_name}")
    reader: Reader = module.read
    for name, frame in reader(path, rejections, **options):
        if len(frame):
            yield Batch(name, table(name).conform(frame))


def open_text(path: Path) -> IO[str]:
    """The file as text, unpacked when it is gzip."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def open_bytes(path: Path) -> IO[bytes]:
    """The file as bytes, unpacked when it is gzip."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def nanoseconds(times: Any) -> Any:
    """int64 nanoseconds of pandas datetimes (missing: NO_TIME)."""
    return pd.DatetimeIndex(times).as_unit("ns").asi8
