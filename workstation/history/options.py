"""How the embedded history and the recorder behave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["a", "r+", "r"]


@dataclass(frozen=True)
class EmbeddedOptions:
    """Options of the embedded history.

    Attributes
    ----------
    mode
        ``a`` opens a store or makes it, ``r+`` opens one that must exist, ``r`` opens one that must exist and changes
        nothing in it. A store in a folder that cannot be written to is opened as with ``r``.
    roll_rows, roll_seconds
        The log of a table becomes a segment at so many rows or so long after its oldest batch was written.
    merge_segments
        So many small segments in a row are merged into one by the background maintenance.
    upkeep
        Whether this process rolls and merges in the background; without it ``roll`` and ``compact`` do.
    busy_seconds
        How long to wait for another process that writes.
    cache_bytes
        Memory for decoded batches of the log.
    check_bytes
        ``sql`` compares the checksums of the segments it meets for the first time when they are together no
        larger than this; above it only ``read`` (by page) and ``verify`` notice silently changed bytes.
    """

    mode: Mode = "a"
    roll_rows: int = 500_000
    roll_seconds: float = 600.0
    merge_segments: int = 8
    upkeep: bool = True
    busy_seconds: float = 30.0
    cache_bytes: int = 128 << 20
    check_bytes: int = 1 << 30


@dataclass(frozen=True)
class RecorderOptions:
    """How the recorder groups and bounds what waits.

    Attributes
    ----------
    batch_rows, batch_seconds
        A write begins when so many rows wait, or the oldest has waited so long.
    backlog, max_bytes
        Batches, and bytes of them, that may wait in memory; beyond it they wait on disk, in the spill folder.
    max_spill_bytes
        Disk for waiting batches; beyond it, or without a folder, new batches are dropped and reported.
    retry_seconds
        First and longest pause after a failed write; doubles in between.
    close_seconds
        How long ``close`` goes on trying before it leaves the rest in the spill folder.
    """

    batch_rows: int = 20_000
    batch_seconds: float = 0.25
    backlog: int = 10_000
    max_bytes: int = 256 << 20
    max_spill_bytes: int = 4 << 30
    retry_seconds: tuple[float, float] = (0.05, 5.0)
    close_seconds: float = 10.0
