"""What a tape reads from: history, tables in memory, or anything that gives rows by table and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from workstation.market.tables import TABLES
from workstation.streams.sifting import sift


class Recording(Protocol):
    """Where a tape reads: history, or anything with its ``read``."""

    def read(self, table: str, start: Any = None, end: Any = None) -> pd.DataFrame:
        """Rows with start <= event_ns < end (int64 ns)."""


class FramesOf:
    """A recording made of frames in memory.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 5], "instrument": "BTC/USD", "price": 1.0, "size": 1.0})
    >>> FramesOf({"trades": rows}).read("trades", 2, 9)["event_ns"].tolist()
    [5]
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = {name: TABLES[name].conform(frame) for name, frame in tables.items()}

    def read(self, table: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        """See ``Recording``."""
        frame = self._tables.get(table)
        if frame is None:
            return TABLES[table].empty()
        event = frame["event_ns"].to_numpy()
        inside = np.ones(len(frame), dtype=bool)
        if start is not None:
            inside &= event >= start
        if end is not None:
            inside &= event < end
        return frame if inside.all() else frame[inside].reset_index(drop=True)

    def tables(self) -> pd.DataFrame:
        """Name, first and last event time of each table that holds rows."""
        held = {name: frame["event_ns"] for name, frame in self._tables.items() if len(frame)}
        return pd.DataFrame(
            [(name, int(event.min()), int(event.max())) for name, event in held.items()],
            columns=["name", "first_event_ns", "last_event_ns"],
        )


class Fitting:
    """A recording of which only the rows that fit their table are given; the others are kept in ``refused``.

    Examples
    --------
    >>> class Mine:
    ...     def read(self, table, start=None, end=None):
    ...         return pd.DataFrame({"event_ns": [1, 5], "instrument": "BTC/USD", "price": 1.0, "size": [1.0, -1.0]})
    >>> fitting = Fitting(Mine())
    >>> fitting.read("trades")["event_ns"].tolist(), fitting.refused[0].table, fitting.refused[0].rows
    ([1], 'trades', 1)
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.refused: list[NotFitting] = []

    def read(self, table: str, start: Any = None, end: Any = None) -> pd.DataFrame:
        """See ``Recording``."""
        frame = self._recording.read(table, start, end)
        kept, refused = sift(TABLES[table], frame)
        for rows, reason in refused:
            at_ns = int(start) if isinstance(start, int) else 0
            self.refused.append(NotFitting(table, len(rows), reason, at_ns))
        return kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recording, name)


class NotFitting(NamedTuple):
    """Rows of a recording that do not fit their table."""

    table: str
    rows: int
    reason: str
    window_ns: int
    """Where the stretch of event time begins in which they were read."""
