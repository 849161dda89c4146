"""What a reader of recorded files is, and the formats there are."""

from __future__ import annotations

import bz2
import csv
import gzip
import importlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.feeds.feed import Batch
from workstation.market.errors import FrameError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, Table, table
from workstation.market.tables.ranges import below_zero

ROWS = 100_000
"""Rows of a batch, so that a file of any size is read in bounded memory."""
LARGEST_PAGE = 1 << 28
"""Bytes, unpacked, of a file that is read at once."""
FIRST_NS = pd.Timestamp("1990-01-01", tz="UTC").value
END_NS = pd.Timestamp("2101-01-01", tz="UTC").value
"""Times of recorded markets: from 1990 to the end of 2100. What lies outside is a wrong unit or a damaged cell."""
_DAMAGE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    BadZipFile,
    UnicodeError,
    csv.Error,
    pa.ArrowException,
    pd.errors.ParserError,
    pd.errors.OutOfBoundsDatetime,
)


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
    "lean": "tick and bar zips of LEAN, and its CSVs of option universes",
    "tardis": "options_chain, trades, quotes, book_snapshot, derivative_ticker and liquidations CSVs of Tardis",
    "frames": "raw websocket captures: cryptofeed's and the `timestamp json` line form",
    "table": "any CSV, Parquet or Feather file through a YAML mapping of columns, units and time",
}


def read(format_name: str, path: Path, rejections: Rejections, **options: Any) -> Iterator[Batch]:
    """Batches of one recorded file, conformed to their tables, in file order.

    Rows that no market can have printed (a time outside 1990-2100, an infinite price, a negative size) are set aside.

    Parameters
    ----------
    format_name
        One of ``FORMATS``.
    path
        The file; gzip, xz, bzip2 and zstd are unpacked on the way, by what the file begins with.
    rejections
        Counts what was set aside, with reasons.
    options
        What the format needs beyond the file (``mapping`` for ``table``, ``feed`` for ``frames``).

    Raises
    ------
    FrameError
        The file as a whole is not of that format, or damaged; names file and part.
    """
    if format_name not in FORMATS:
        raise FrameError(f"no such format {format_name!r}; known are {', '.join(FORMATS)}")
    module = importlib.import_module(f"workstation.feeds.files.{format_name}")
    reader: Reader = module.read
    looked_at = getattr(module, "SETS_IMPOSSIBLE_ASIDE", False)
    try:
        for name, frame in reader(path, rejections, **options):
            kept = frame if looked_at else possible(table(name), frame, rejections, lambda _: path.name)
            if len(kept):
                yield Batch(name, table(name).conform(kept))
    except _DAMAGE as error:
        raise FrameError(f"{path.name}: {_damage(error)}") from error
    except OSError as error:
        if error.errno is not None:  # of the system: no such file, no permission
            raise
        raise FrameError(f"{path.name}: {_damage(error)}") from error


def _damage(error: BaseException) -> str:
    """What is wrong with a damaged file, in words."""
    if isinstance(error, EOFError):
        return "the compressed file ends too early; it was cut off, fetch it again"
    if isinstance(error, zlib.error | gzip.BadGzipFile | lzma.LZMAError | OSError):
        return (
            f"not a whole compressed file ({error}); fetch it again, or name it without .gz, .xz, .bz2 or .zst if it is "
            "not compressed"
        )
    if isinstance(error, BadZipFile):
        return f"not a whole zip file ({error}); fetch it again"
    if isinstance(error, UnicodeError):
        return f"not text in UTF-8 ({error}); save it as UTF-8"
    return f"cannot be read, it is damaged or of another format ({error})"


def possible(
    schema: Table, frame: pd.DataFrame, rejections: Rejections, where: Callable[[int], str]
) -> pd.DataFrame:
    """The rows that a market can have printed; the others are counted. ``where`` says of a row's label where it stands."""
    if not len(frame):
        return frame
    kept = np.ones(len(frame), dtype=np.bool_)

    def drop(mask: npt.NDArray[np.bool_], reason: str, column: str) -> None:
        nonlocal kept
        mask = mask & kept
        if mask.any():
            first = int(mask.argmax())
            shown = frame[column].iloc[first]
            shown = shown.item() if isinstance(shown, np.generic) else shown
            rejections.add(reason, int(mask.sum()), f"{where(int(frame.index[first]))}: {shown!r}")
            kept = kept & ~mask

    times = frame["event_ns"].to_numpy() if "event_ns" in frame else None
    if times is not None and times.dtype == np.int64:
        strange = (times < FIRST_NS) | (times >= END_NS)
        if schema.name == "instruments":
            strange &= (times != 0) & (times != NO_TIME)
        drop(strange, "time outside 1990-2100", "event_ns")
    for column, mask, reason in schema.impossible(frame, _kinds):
        drop(mask, reason, column)
    if schema.name == "trades" and "size" in frame:
        drop(frame["size"].to_numpy(dtype=np.float64, na_value=np.nan) == 0, "a trade of size 0", "size")
        nothing = below_zero(frame["price"].to_numpy(), frame["instrument"], _kinds, or_zero=True)
        if nothing is not None:
            drop(nothing, "a trade at price 0", "price")
    return frame if kept.all() else frame[kept]


def _kinds(names: list[str]) -> list[str]:
    return INSTRUMENT_TERMS.kinds(REGISTRY.codes(names))


def open_text(path: Path) -> IO[str]:
    """The file as text, unpacked when it is packed."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


_PACKED: tuple[tuple[bytes, str, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", ".gz", lambda path: gzip.GzipFile(path, "rb")),
    (b"\xfd7zXZ\x00", ".xz", lambda path: lzma.LZMAFile(path, "rb")),  # noqa: SIM115 - whoever opens closes
    (b"BZh", ".bz2", lambda path: bz2.BZ2File(path, "rb")),
    (b"\x28\xb5\x2f\xfd", ".zst", lambda path: pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")),
)
"""First bytes of packed files, their usual ending, and what unpacks them."""
PACKED_ENDINGS = tuple(ending for _, ending, _ in _PACKED)


def open_bytes(path: Path) -> IO[bytes]:
    """The file as bytes, unpacked when it begins like a gzip, xz, bzip2 or zstd file, whatever its name is.

    A file that is named as packed and is not is handed to the unpacker of its name, which says so.
    """
    with path.open("rb") as file:
        head = file.read(6)
    for magic, ending, opened in _PACKED:
        if head.startswith(magic) or (path.suffix.lower() == ending and head):
            found: IO[bytes] = opened(path)
            return found
    return path.open("rb")


def unpacked_name(path: Path) -> str:
    """The file's name without the ending that says how it is packed.

    Examples
    --------
    >>> unpacked_name(Path("chain.json.gz")), unpacked_name(Path("chain.csv"))
    ('chain.json', 'chain.csv')
    """
    return path.stem if path.suffix.lower() in PACKED_ENDINGS else path.name


def whole(path: Path) -> bytes:
    """A file that is read at once, unpacked when it is packed; ``FrameError`` when it is larger than any such file."""
    with open_bytes(path) as file:
        content = file.read(LARGEST_PAGE + 1)
    if len(content) > LARGEST_PAGE:
        raise FrameError(f"{path.name}: more than {LARGEST_PAGE >> 20} MB unpacked; no page is that large")
    return content


def nanoseconds(times: Any) -> Any:
    """int64 nanoseconds of pandas datetimes (missing: NO_TIME)."""
    return pd.DatetimeIndex(times).as_unit("ns").asi8
