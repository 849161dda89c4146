"""One table of a history copied into another, piece by piece of event time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.history.arrow_codec import identity_columns, is_keyed
from workstation.history.history import History
from workstation.history.row_identity import HashArray, beyond, contents
from workstation.market.digest import RowDigest
from workstation.market.errors import TableError
from workstation.market.markup import iso
from workstation.market.tables import table as declared

MOST_REFUSED = 100
"""Rows refused one by one; beyond it the table cannot be copied."""
_PIECES_AHEAD = 8
Span = tuple[int, int]
BoolArray = npt.NDArray[np.bool_]


class TableCopy(NamedTuple):
    """One table of a copy.

    ``rows`` of the source, of which ``written`` by this call and ``known`` in the target before; the digests are of these rows
    in both stores; ``difference`` is empty when they are equal.
    """

    table: str
    rows: int
    written: int
    known: int
    source_digest: str
    target_digest: str
    difference: str

    @property
    def equal(self) -> bool:
        """Whether the target has all rows, in order."""
        return not self.difference


class CopiedTable:
    """Writes what the target lacks of a table, and compares.

    Parameters
    ----------
    source, target
        The stores.
    name
        The table.
    extent
        Its row of ``source.tables()``.
    bounds
        First moment and the one after the last, None where open.
    piece_rows
        Rows per piece.
    """

    def __init__(
        self,
        source: History,
        target: History,
        name: str,
        extent: Any,
        bounds: tuple[int | None, int | None],
        piece_rows: int,
    ) -> None:
        self._source, self._target, self._schema = source, target, declared(name)
        self._piece_rows, self._total = piece_rows, int(extent["rows"])
        first, last = int(extent["first_event_ns"]), int(extent["last_event_ns"]) + 1
        self._span = (
            first if bounds[0] is None else max(first, bounds[0]),
            last if bounds[1] is None else min(last, bounds[1]),
        )
        self._step = max(1, (last - first) * _PIECES_AHEAD * piece_rows // max(self._total, 1))
        self._windows = list(self._cut())
        self._apart = is_keyed(self._schema) and "event_ns" not in self._schema.key
        self._newest = self._newest_of(source, self._span) if self._apart else None
        self._written = self._known = 0
        self._refused: list[str] = []
        self._clashing: list[str] = []

    # -- pieces -------------------------------------------------------------------------------------------

    def _cut(self) -> Iterator[Span]:
        """Spans of about ``piece_rows`` rows that cover the table, oldest first; rows of one moment stay together."""
        begin, until = self._span
        while begin < until:
            stop = min(begin + self._step, until)
            rows = self._source.rows(self._schema.name, begin, stop, columns=["event_ns"], revisions=True)
            if len(rows):
                yield from cut(rows["event_ns"].to_numpy(), begin, stop, self._piece_rows)
            begin = stop

    def _rows(self, history: History, span: Span) -> pd.DataFrame:
        return history.rows(self._schema.name, *span, revisions=True)

    def _newest_of(self, history: History, span: Span) -> HashArray:
        """Identities of the rows that count: of several revisions the one written last."""
        columns = identity_columns(self._schema)
        rows = history.rows(self._schema.name, *span, columns=columns, revisions=False)
        return np.sort(contents(rows, without=()))

    def _counts(self, rows: pd.DataFrame, span: Span) -> BoolArray:
        """Which rows of a piece of the source are no older revision of another row."""
        if not is_keyed(self._schema):
            return np.ones(len(rows), dtype=np.bool_)
        newest = self._newest_of(self._source, span) if self._newest is None else self._newest
        return np.isin(contents(rows[identity_columns(self._schema)], without=()), newest)

    # -- writing ------------------------------------------------------------------------------------------

    def write(self, progress: Callable[[str, int, int], None] | None = None) -> None:
        """Write what the target lacks; older revisions before those that replace them."""
        done = 0
        for older in (True, False) if self._apart else (None,):
            for span in self._windows:
                rows = self._rows(self._source, span)
                counts = self._counts(rows, span)
                if older is None:
                    ordered = rows if counts.all() else pd.concat([rows[~counts], rows[counts]])
                else:
                    ordered = rows[counts != older]
                self._write_missing(ordered.reset_index(drop=True), span)
                done += len(ordered)
                if progress is not None:
                    progress(self._schema.name, done, self._total)

    def _write_missing(self, rows: pd.DataFrame, span: Span) -> None:
        held = self._rows(self._target, span)
        missing = beyond(row_hashes(rows), row_hashes(held))
        self._known += int((~missing).sum())
        if not missing.any():
            return
        rows = rows[missing]
        clashing = self._clashes(rows, held)
        if clashing.any():
            first = rows[clashing].iloc[0]
            self._clashing.append(
                f"{int(clashing.sum()):,} rows not written: the target has other rows of their seq, the first "
                f"seq {first['seq']} of {iso(first['event_ns'])}"
            )
            rows = rows[~clashing]
        if len(rows):
            self._written += self._write(rows.reset_index(drop=True))

    def _clashes(self, rows: pd.DataFrame, held: pd.DataFrame) -> BoolArray:
        """Numbered rows whose place is taken by another row of the target; some stores would replace it."""
        columns = identity_columns(self._schema)
        ours, theirs = (contents(frame[columns], without=()) for frame in (rows, held))
        return np.isin(ours, theirs) & (rows["seq"].to_numpy() > 0)

    def _write(self, rows: pd.DataFrame) -> int:
        """Write rows in order; those that the target refuses are told, their neighbours written."""
        waiting, written = [rows], 0
        while waiting:
            part = waiting.pop()
            try:
                written += self._target.write(self._schema.name, part)
            except TableError as error:
                at = error.row
                if at < 0 or len(self._refused) >= MOST_REFUSED:
                    raise
                self._refused.append(f"{error} ({iso(part['event_ns'].iloc[at])})")
                waiting += [
                    one.reset_index(drop=True) for one in (part.iloc[at + 1 :], part.iloc[:at]) if len(one)
                ]
        return written

    # -- comparing ----------------------------------------------------------------------------------------

    def compared(self) -> TableCopy:
        """Read both stores again, and say in what the copy differs."""
        ours, theirs = RowDigest(), RowDigest()
        lost, superseded = 0, 0
        for span in self._windows:
            rows, held = self._rows(self._source, span), self._rows(self._target, span)
            wanted, found = row_hashes(rows), row_hashes(held)
            lost += int(beyond(wanted, found).sum())
            ours.update(rows)
            theirs.update(held[~beyond(found, wanted)])
            if is_keyed(self._schema) and not self._apart and len(held) == len(rows):
                superseded += self._differing(span)
        if self._apart and ours.rows == theirs.rows:
            superseded += self._differing(self._span)
        digests = ours.hexdigest(), theirs.hexdigest()
        difference = self._told(lost, superseded, digests[0] == digests[1])
        return TableCopy(self._schema.name, ours.rows, self._written, self._known, *digests, difference)

    def _differing(self, span: Span) -> int:
        """How many keys have another newest row in the target."""
        name = self._schema.name
        both = [
            row_hashes(history.rows(name, *span, revisions=False)) for history in (self._source, self._target)
        ]
        return int(beyond(*both).sum())

    def _told(self, lost: int, superseded: int, equal: bool) -> str:
        parts = []
        if lost:
            parts.append(f"{lost:,} rows are not in the target")
        parts += self._clashing[:1]
        if self._refused:
            parts.append(f"{len(self._refused):,} rows refused, the first: {self._refused[0]}")
        if superseded:
            parts.append(f"of {superseded:,} keys another revision is the newest")
        if not parts and not equal:
            parts.append("the same rows in another order")
        if lost and not self._refused and not self._clashing:
            problems = self._target.problems()
            parts += problems["detail"].astype("str").tolist()[:1]
        return "; ".join(parts)


def row_hashes(rows: pd.DataFrame) -> HashArray:
    """A hash per row of all it says; the number a store itself gave a row that no hub numbered is not part of it.

    >>> one, two = pd.DataFrame({"seq": [-5, 7], "price": 1.0}), pd.DataFrame({"seq": [-9, 8], "price": 1.0})
    >>> (row_hashes(one) == row_hashes(two)).tolist()
    [True, False]
    """
    return contents(rows.assign(seq=np.maximum(rows["seq"].to_numpy(), 0)), without=())


def cut(events: npt.NDArray[np.int64], begin: int, stop: int, rows: int) -> Iterator[Span]:
    """Spans of at most so many of these sorted moments, more only where more are equal.

    >>> list(cut(np.array([1, 2, 2, 2, 3, 9]), 0, 10, 2))
    [(0, 2), (2, 3), (3, 10)]
    """
    at = 0
    while len(events) - at > rows:
        edge = int(np.searchsorted(events, events[at + rows], "left"))
        if edge <= at:
            edge = int(np.searchsorted(events, events[at], "right"))
            if edge == len(events):
                break
        yield begin, int(events[edge])
        begin, at = int(events[edge]), edge
    yield begin, stop
