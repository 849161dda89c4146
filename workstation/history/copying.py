"""One history copied into another: every row once, however often the copy is cut off, and compared in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from workstation.history.copied_table import CopiedTable, TableCopy
from workstation.history.history import History, Time, invented_at, to_ns
from workstation.market.errors import HistoryError, HistoryUnreachable, TableError
from workstation.market.markup import table as html_table
from workstation.market.tables import table as declared

PIECE_ROWS = 200_000
FLUSH_SECONDS = 600.0


@dataclass
class Copied:
    """What a copy did, table by table.

    Attributes
    ----------
    tables
        One ``TableCopy`` per table that was compared in the end.
    failures
        Tables that could not be copied, with the reason.
    notes
        What the target cannot keep.
    """

    tables: list[TableCopy] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether the target holds every row of the source, in its order."""
        return not self.failures and all(one.equal for one in self.tables)

    def _repr_html_(self) -> str:
        rows = [
            [one.table, one.rows, one.written, one.known, one.source_digest[:16], one.target_digest[:16], one.difference or "equal"]
            for one in self.tables
        ]  # fmt: skip
        rows += [[name, "", "", "", "", "", reason] for name, reason in self.failures.items()]
        columns = ("table", "rows", "written", "known before", "digest", "digest of the copy", "")
        return html_table("Copied", columns, rows, "; ".join(self.notes))


def copy_history(
    source: History,
    target: History,
    tables: Iterable[str] = (),
    start: Time | None = None,
    end: Time | None = None,
    *,
    piece_rows: int = PIECE_ROWS,
    progress: Callable[[str, int, int], None] | None = None,
) -> Copied:
    """Copy rows from one store into another; a copy that was cut off is called again and adds nothing twice.

    Parameters
    ----------
    source, target
        Any two histories. What the target holds already, by all that a row says, is not written again.
    tables
        Names; default: all that hold rows.
    start, end
        Bounds of ``event_ns``, half-open, as ``History.read`` takes them; default: all there is.
    piece_rows
        Rows that are compared and written at once; more only where more have one ``event_ns``.
    progress
        Called with the table, the rows of it that are done and all its rows, after each piece.

    Returns
    -------
    Copied
        Per table the rows copied and the digests (``workstation.market.digest.digest``) of these rows in both stores. A table
        that fails does not keep the others from being copied.

    Raises
    ------
    HistoryError
        Both are one store, or what is invented in one is real in the other: a copy would mix them.
    HistoryUnreachable
        A store does not answer; copy again, and it goes on from there.

    Notes
    -----
    Numbered rows keep their ``seq``. Rows that no hub numbered get the target's own negative one, in the same order within a
    nanosecond. Of several revisions the newest one is written last. Rows that arrive in the source meanwhile may be left out.

    Examples
    --------
    >>> import tempfile
    >>> from workstation import open_history
    >>> here, there = (open_history(tempfile.mkdtemp()) for _ in range(2))
    >>> rows = pd.DataFrame({"event_ns": [1, 1, 2], "instrument": "X", "price": [1.0, 1.0, 2.0], "size": 1.0})
    >>> here.write("trades", rows)
    3
    >>> [(one.written, one.known, one.equal) for one in copy_history(here, there).tables]
    [(3, 0, True)]
    >>> [(one.written, one.known, one.equal) for one in copy_history(here, there).tables]
    [(0, 3, True)]
    """
    if source.url == target.url:
        raise HistoryError(f"{source.url} cannot be copied into itself; name another target")
    if piece_rows < 1:
        raise HistoryError(f"pieces of {piece_rows} rows cannot be copied; give 1 or more")
    done = Copied()
    _copy_recordings(source, target, done)
    bounds = to_ns(start), to_ns(end)
    held = source.tables().set_index("name")
    for name in list(tables) or held.index.tolist():
        declared(name)
        if name not in held.index:
            continue
        try:
            one = CopiedTable(source, target, name, held.loc[name], bounds, piece_rows)
            one.write(progress)
            _settled(target)
            done.tables.append(one.compared())
        except HistoryUnreachable:
            raise
        except (HistoryError, TableError) as error:
            done.failures[name] = str(error)
    return done


def _settled(target: History) -> None:
    """Have all that was written in the store itself, not in a queue before it."""
    if not target.flush(FLUSH_SECONDS):
        raise HistoryUnreachable(
            f"{target.url} does not take its rows; they wait on disk. Copy again when it answers: it goes on from there"
        )


def _copy_recordings(source: History, target: History, done: Copied) -> None:
    """Write down in the target, before the rows come, which of them are invented."""
    ours, theirs = source.recordings(), target.recordings()
    if not target.capabilities.recordings:
        if bool(ours["invented"].any()):
            done.notes.append(
                f"{target.url} does not keep which rows are invented by a synthetic market; {source.url} holds such rows"
            )
        return
    _refuse_mixture(source, target, ours, theirs)
    kept = {(one["first_seq"], one["invented"]) for one in theirs.to_dict("records")}
    for one in ours.to_dict("records"):
        if (one["first_seq"], one["invented"]) not in kept:
            target.note_recording(
                one["first_seq"], one["feeds"], invented=one["invented"], began_ns=one["began_ns"]
            )


def _refuse_mixture(source: History, target: History, ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    points = np.unique(np.array([1, *ours["first_seq"], *theirs["first_seq"]], dtype=np.int64))
    points = points[points <= source.last_seq()]
    told = points <= target.last_seq()
    for one in theirs.to_dict("records"):
        told |= (points >= one["first_seq"]) & (points <= one["last_seq"])
    mixed = points[told & (invented_at(ours, points) != invented_at(theirs, points))]
    if mixed.size:
        raise HistoryError(
            f"rows from seq {mixed[0]:,} on are invented in one of {source.url} and {target.url} and not in the other; "
            "copy into a store of its own"
        )
