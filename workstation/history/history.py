"""What a history is: rows in, durable; rows out, sorted; SQL over all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.errors import HistoryError

Time = int | str | datetime | np.datetime64 | pd.Timestamp


@dataclass(frozen=True)
class Capabilities:
    """What a store can do; what it cannot is refused with a clear error."""

    sql: bool = True
    parameters: bool = True
    """``$name`` placeholders in SQL."""
    one_moment: bool = True
    """A read sees one consistent moment of all tables."""
    durable: bool = True
    """A write that has returned survives a crash."""
    retention: bool = True
    compaction: bool = True
    notes: str = ""


def to_ns(when: Time | None) -> int | None:
    """A moment as int64 UTC nanoseconds; ints are nanoseconds already, times without a zone are UTC.

    >>> to_ns("1970-01-01 00:00:01"), to_ns(5), to_ns(None)
    (1000000000, 5, None)
    """
    if when is None or isinstance(when, (int, np.integer)):
        return None if when is None else int(when)
    try:
        moment = pd.Timestamp(when)
    except (TypeError, ValueError) as error:
        raise HistoryError(f"{when!r} is no time: {error}; give int ns, a Timestamp or ISO text") from error
    if pd.isna(moment):
        raise HistoryError(f"{when!r} is no time; give int ns, a Timestamp or ISO text")
    if moment.tzinfo is not None:
        moment = moment.tz_convert("UTC").tz_localize(None)
    return int(moment.as_unit("ns").value)


class History(ABC):
    """A store of every table.

    ``write`` returns when the rows are durable. Reads are half-open in time, sorted by (event_ns, seq), and see
    one consistent moment. Tables whose key is not ``seq`` hand out the newest row per key, that is the row
    written last; every revision stays stored and can be asked for.
    """

    capabilities: Capabilities
    url: str

    @abstractmethod
    def write(self, table: str, frame: pd.DataFrame) -> int:
        """Keep a batch; returns, once it is durable, how many rows were new."""

    @abstractmethod
    def read(
        self,
        table: str,
        start: Time | None = None,
        end: Time | None = None,
        instruments: str | Iterable[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """Rows with ``start <= event_ns < end``, sorted by (event_ns, seq)."""

    @abstractmethod
    def sql(self, query: str, **params: Any) -> pd.DataFrame:
        """The answer to a SELECT; ``$name`` in the text takes the argument of that name."""

    @abstractmethod
    def latest(self, table: str) -> pd.DataFrame:
        """The newest row of every instrument (or other natural group) of the table."""

    @abstractmethod
    def tables(self) -> pd.DataFrame:
        """One row per table that holds rows: name, rows, first and last event_ns, bytes, segments."""

    def table_names(self) -> frozenset[str]:
        """Names of the tables that hold rows."""
        return frozenset(self.tables()["name"])

    @abstractmethod
    def last_seq(self) -> int:
        """Highest ``seq`` of any row, 0 when none: a new hub numbers on from here."""

    @abstractmethod
    def retain(self, table: str, seconds: float, now: Time | None = None) -> int:
        """Forget rows older than ``seconds`` before ``now`` (default: the newest row that is not ahead of the clock)."""

    @abstractmethod
    def compact(self, table: str | None = None) -> int:
        """Merge what is scattered; returns how many pieces were merged."""

    @abstractmethod
    def problems(self) -> pd.DataFrame:
        """What was found damaged and set aside, as rows of the ``health`` table."""

    @property
    def spill_folder(self) -> Path | None:
        """A local folder where a recorder may leave what the store would not take; None where there is none."""
        return None

    def alone(self, work: str) -> AbstractContextManager[None]:
        """Wait until no other process does the same work on this store, and keep it so meanwhile."""
        return nullcontext()

    @abstractmethod
    def close(self) -> None:
        """Release everything; may be called more than once."""

    def __enter__(self) -> History:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
