"""Imported rows on their way into history: gathered into batches of a good size, and the terms of their instruments."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from workstation.history import History
from workstation.history.row_identity import contents
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import TABLES, table

WRITE_ROWS = 500_000
"""Rows gathered before a write, so that thousands of small files do not become thousands of small batches."""


class ImportWriter:
    """Writes rows in batches of a good size.

    Parameters
    ----------
    history
        The store.
    counts
        Rows written per table; counted up.

    Notes
    -----
    No hub numbered them: the store gives them a ``seq`` below 0 in the order of writing, and a replay puts them in the
    order of their ``event_ns``, whatever the order in which files were imported.
    """

    def __init__(self, history: History, counts: dict[str, int]) -> None:
        self._history, self._counts = history, counts
        self._waiting: dict[str, list[pd.DataFrame]] = {}
        self._rows: dict[str, int] = {}
        self._health: list[tuple[int, str, str, int, str]] = []
        self._codes: set[int] = set()

    def add(self, name: str, frame: pd.DataFrame) -> None:
        """Take conformed rows of a table; they are durable after ``write`` or ``flush``."""
        if "instrument" in frame.columns and name != "instruments":
            self._codes.update(np.unique(frame["instrument"].cat.codes).tolist())
        self._counts[name] = self._counts.get(name, 0) + len(frame)
        self._waiting.setdefault(name, []).append(frame)
        self._rows[name] = self._rows.get(name, 0) + len(frame)
        if self._rows[name] >= WRITE_ROWS:
            self.write(name)

    def health(self, event: str, channel: str, count: int, detail: str) -> None:
        """Tell something of the import, after the rows that were added before."""
        self._health.append((time.time_ns(), channel, event, count, detail))

    def instruments(self) -> None:
        """The terms of every instrument met that the store does not hold, so that it explains itself."""
        self._codes.discard(-1)
        if not self._codes:
            return
        terms = INSTRUMENT_TERMS.describe(REGISTRY.names(sorted(self._codes)).tolist())
        terms = table("instruments").conform(terms[terms["kind"] != ""].reset_index(drop=True))
        self.write("instruments")
        held = self._history.latest("instruments")
        without = ("seq", "event_ns", "seen_ns")
        new = ~np.isin(contents(terms, without), contents(held, without))
        terms = terms[new].reset_index(drop=True)
        if len(terms):
            self.add(
                "instruments",
                terms.assign(event_ns=np.where(terms["event_ns"] > 0, terms["event_ns"], time.time_ns())),
            )

    def write(self, name: str) -> None:
        """Make durable what waits of a table."""
        waiting = self._waiting.get(name)
        if waiting:
            self._history.write(name, TABLES[name].concat(waiting))
        self._waiting[name], self._rows[name] = [], 0

    def flush(self) -> None:
        """Make all durable, the rows before what is told of them."""
        for name in sorted(self._waiting):
            self.write(name)
        if self._health:
            columns = ("event_ns", "channel", "event", "count", "detail")
            told = dict(zip(columns, map(list, zip(*self._health, strict=True)), strict=True))
            self._history.write("health", table("health").batch(told | {"feed": "import"}))
            self._health = []
