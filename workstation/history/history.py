"""What a history is: rows in, durable; rows out, sorted; SQL over all of them."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import HistoryError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.markup import iso, size
from workstation.market.markup import table as html_table
from workstation.market.tables import Table
from workstation.market.tables import table as declared
from workstation.market.tables.readable import readable

RECORDING_COLUMNS = ("first_seq", "last_seq", "feeds", "invented", "began_ns")
_OPEN = int(np.iinfo(np.int64).max)

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
    recordings: bool = True
    """Who recorded which rows, and whether that market is invented, is kept."""
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


def invented_at(recordings: pd.DataFrame, seq: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows, by their ``seq``, an invented market wrote; shape (n,).

    >>> spans = pd.DataFrame({"first_seq": [1, 5], "last_seq": [4, 9], "invented": [False, True]})
    >>> invented_at(spans, np.array([4, 5, 10])).tolist()
    [False, True, False]
    """
    found = np.zeros(len(seq), dtype=np.bool_)
    for one in recordings.to_dict("records"):
        if one["invented"]:
            found |= (seq >= one["first_seq"]) & (seq <= one["last_seq"])
    return found


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
    def rows(
        self,
        table: str,
        start: Time | None = None,
        end: Time | None = None,
        instruments: str | Iterable[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """Rows with ``start <= event_ns < end``, sorted by (event_ns, seq); what ``read`` asks the store for."""

    def read(
        self,
        table: str,
        start: Time | None = None,
        end: Time | None = None,
        instruments: str | Iterable[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        underlying: str | None = None,
        revisions: bool = False,
        time_index: bool = False,
        invented: bool = True,
    ) -> pd.DataFrame:
        """Rows with ``start <= event_ns < end``, sorted by (event_ns, seq).

        Parameters
        ----------
        table
            Name of the table.
        start, end
            Int nanoseconds, ISO text or Timestamp (UTC when without a zone); None is open.
        instruments
            Names to keep, None for all.
        columns
            Names to read, in that order; None for all.
        underlying
            Only what is of this underlying: by the table's own column, else by the terms of its instruments.
        revisions
            False: of rows with one key, the one written last among those asked for. True: all of them.
        time_index
            True: for looking at and plotting, see ``market.tables.readable``: times are timestamps (missing: NaT) on an index
            ``time``. False: as stored, which is what engines and functions take.
        invented
            False leaves out what a synthetic market wrote.

        Raises
        ------
        TableError
            The table or a column does not exist.
        HistoryError
            A time cannot be understood, or the table has no instruments or underlyings to choose from.

        Warns
        -----
        UserWarning
            Of names the table holds no row of, with those near them.
        """
        schema = declared(table)
        wanted = list(columns) if columns is not None else list(schema.names)
        asked = list(wanted)
        if underlying is not None:
            if "underlying" in schema.names:
                asked.append("underlying")
            else:
                instruments = self._of_underlying(schema, underlying, instruments)
        asked += ["event_ns"] if time_index else []
        asked += [] if invented else ["seq"]
        asked = list(dict.fromkeys(asked))
        rows = self.rows(table, start, end, instruments, asked, revisions=revisions)
        keep = np.ones(len(rows), dtype=bool)
        if underlying is not None and "underlying" in schema.names:
            keep &= (rows["underlying"] == underlying).to_numpy()
            if not keep.any():
                held = (
                    self.sql(f"SELECT DISTINCT underlying FROM {table}")["underlying"].astype("str").tolist()
                )
                self._tell_missing(table, underlying, held)
        if not invented:
            keep &= ~invented_at(self.recordings(), rows["seq"].to_numpy())
        rows = rows if keep.all() else rows[keep].reset_index(drop=True)
        if time_index:
            return readable(schema, rows[list(dict.fromkeys([*wanted, "event_ns"]))])
        return rows[wanted]

    def _of_underlying(
        self, schema: Table, underlying: str, instruments: str | Iterable[str] | None
    ) -> list[str]:
        """Names of the instruments of an underlying that the table holds, of those asked for."""
        if "instrument" not in schema.names:
            raise HistoryError(
                f"{schema.name} knows neither underlyings nor instruments; choose rows of it by sql"
            )
        held = self.sql(f"SELECT DISTINCT instrument FROM {schema.name}")["instrument"].astype("str").tolist()
        owners = INSTRUMENT_TERMS.describe(held)["underlying"].astype("str").tolist()
        found = [name for name, owner in zip(held, owners, strict=True) if owner == underlying]
        if not found:
            self._tell_missing(schema.name, underlying, owners)
        if instruments is None:
            return found
        asked = {instruments} if isinstance(instruments, str) else set(map(str, instruments))
        return [name for name in found if name in asked]

    def _tell_missing(self, table: str, underlying: str, held: Iterable[str]) -> None:
        names = ", ".join(sorted({name for name in held if name})) or "none"
        warnings.warn(
            f"{self.url} holds no row of {table} of the underlying {underlying!r}; it has {names}",
            stacklevel=4,
        )

    def note_recording(
        self, first_seq: int, feeds: Sequence[str], *, invented: bool, began_ns: int | None = None
    ) -> None:
        """Write down who records from ``first_seq`` on, since when (default: now); a store that cannot keeps nothing of it."""
        return

    def recordings(self) -> pd.DataFrame:
        """Who recorded which rows, by ``seq``: first_seq, last_seq, feeds, invented, began_ns; none where it is not kept."""
        return pd.DataFrame({name: [] for name in RECORDING_COLUMNS})

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

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until all that was written can be read; False when it is not in time."""
        return True

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

    def __panel__(self) -> Any:
        """On a page it shows the same table; Panel would take it, for its ``read``, for a file of pixels."""
        from panel.pane import HTML

        return HTML(self._repr_html_())

    def _repr_html_(self) -> str:
        rows = [
            [
                one["name"],
                one["rows"],
                iso(one["first_event_ns"]),
                iso(one["last_event_ns"]),
                size(one["bytes"]),
            ]
            for one in self.tables().to_dict("records")
        ]
        spans = [
            f"seq {one['first_seq']:,} "
            + (f"to {one['last_seq']:,}" if one["last_seq"] < _OPEN else "and after")
            for one in self.recordings().to_dict("records")
            if one["invented"]
        ]
        note = f"invented by a synthetic market: {'; '.join(spans)}" if spans else ""
        columns = ("table", "rows", "first (UTC)", "last (UTC)", "size")
        return html_table(f"History {self.url}", columns, rows, note or ("" if rows else "no rows yet"))

    def __exit__(self, *exc: object) -> None:
        self.close()
