"""What a tape plays, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.tape.merge import Merge, Stretch


@dataclass(frozen=True)
class TapeParameters:
    """What is played and how.

    Attributes
    ----------
    tables
        Empty: the raw tables; ``FRAMES`` replays raw frames through their decoders.
    start, end
        Bounds of event time, half-open: int ns, text or Timestamp; None: all there is.
    speed
        Event seconds per wall second, or ``max``: as fast as it is read. The rows are the same at any speed.
    max_wait_s
        Longest real wait for the next row: longer gaps of the recording are cut short.
    longest_rows
        Rows per batch at most.
    window_s
        Event time read at once where rows are dense. A row stamped further in the future than this is not put back in its place.
    heartbeat_s, heartbeats
        Where none are recorded: one each so many seconds of quiet, at most so many per gap and after the last row.
    recorded_heartbeats
        Whether the recording holds heartbeats of this range; None: it is looked up.
    paced_from
        Rows before this moment are given at once, whatever the speed.
    loop
        Begin again at the end, later in event time, for ever.
    """

    tables: tuple[str, ...] = ()
    start: int | str | pd.Timestamp | None = None
    end: int | str | pd.Timestamp | None = None
    speed: float | Literal["max"] = 1.0
    max_wait_s: float = 5.0
    longest_rows: int = 5_000
    window_s: float = 900.0
    heartbeat_s: float = 1.0
    heartbeats: int = 60
    recorded_heartbeats: bool | None = None
    paced_from: int | str | pd.Timestamp | None = None
    loop: bool = False


@dataclass(frozen=True)
class Bookmark:
    """Where a tape stands between two batches: what was read and not yet given, and up to where it was read.

    Attributes
    ----------
    position_ns
        Event time up to which rows were given; None before the first.
    """

    position_ns: int | None
    merge: Merge
    stretches: tuple[Stretch, ...]
    queue: tuple[tuple[int, Batch], ...]
    state: Mapping[str, Any]
