"""Errors of the edge: each names the offending part and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WorkstationError(Exception):
    """Root of every error the workstation raises on purpose."""


class TableError(WorkstationError, ValueError):
    """A batch does not fit its table's schema.

    Parameters
    ----------
    table, column
        Where it went wrong; ``column`` is empty when the whole batch is at fault.
    row
        Position of the first offending row in the batch, -1 when no single row is at fault.
    problem
        What is wrong and what to do.

    Examples
    --------
    >>> str(TableError("trades", "price", 3, "NaN in a required column"))
    'trades.price, row 3: NaN in a required column'
    """

    def __init__(self, table: str, column: str, row: int, problem: str) -> None:
        self.table, self.column, self.row, self.problem = table, column, row, problem
        where = f"{table}.{column}" if column else table
        super().__init__(f"{where}, row {row}: {problem}" if row >= 0 else f"{where}: {problem}")

    def __reduce__(self) -> tuple[type[TableError], tuple[str, str, int, str]]:
        return (type(self), (self.table, self.column, self.row, self.problem))


class SymbolError(WorkstationError, ValueError):
    """A symbol does not follow the grammar it was said to follow."""


class CalendarError(WorkstationError, ValueError):
    """A date or instant a calendar does not cover, or a calendar that does not exist."""


class FrameError(WorkstationError, ValueError):
    """A raw frame from a venue cannot be decoded."""


class FeedError(WorkstationError, RuntimeError):
    """A feed cannot go on; ``fatal`` says that trying again cannot help."""

    def __init__(self, message: str, *, fatal: bool = False, retry_after: float | None = None) -> None:
        self.fatal, self.retry_after = fatal, retry_after
        super().__init__(message)


class HistoryError(WorkstationError, RuntimeError):
    """History cannot do what was asked; the message says which part and what to do."""


class HistoryUnreachable(HistoryError):
    """The store is not answering now; the same may succeed later."""


class QueryError(HistoryError):
    """A query cannot be answered by this store."""


def unknown_name(what: str, given: str, known: Iterable[str]) -> str:
    """That there is nothing of a name, the nearest of those there are, and all of them.

    Examples
    --------
    >>> unknown_name("option", "heartbeats", ["rate", "heartbeat_s"])
    "no option 'heartbeats' (did you mean 'heartbeat_s'?); known are rate, heartbeat_s"
    >>> unknown_name("feed", "x", ["tape"])
    "no feed 'x'; known are tape"
    """
    names = list(known)
    near = difflib.get_close_matches(given, names, 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"no {what} {given!r}{meant}; known are {', '.join(names)}"


def in_words(error: BaseException) -> str:
    """What an error says, with its kind before it unless it was written for people or comes from the system.

    Examples
    --------
    >>> in_words(HistoryError("the disk is full")), in_words(KeyError("x"))
    ('the disk is full', "KeyError: 'x'")
    """
    foreseen = isinstance(error, WorkstationError | OSError)
    return str(error) if foreseen else f"{type(error).__name__}: {error}"
