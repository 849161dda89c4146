"""Where a live plot's rows come from: the board's versioned snapshots, or a streaming frame."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

import pandas as pd


class Feed(Protocol):
    """The newest rows, and a number that grows when there are newer ones."""

    def version(self) -> int:
        """Grows with every change."""

    def rows(self) -> Any:
        """What a maker is given."""

    def close(self) -> None:
        """Hold nothing any more."""


def is_board(found: Any) -> bool:
    """Whether this has the board's versioned tables."""
    return all(hasattr(found, name) for name in ("latest", "version", "tables", "priced_chain"))


def is_stream(found: Any) -> bool:
    """Whether this is a streaming frame or column."""
    return hasattr(getattr(found, "stream", None), "sink")


class BoardFeed:
    """A table of the board (of an underlying: its rows), or the priced chain of an underlying."""

    def __init__(self, board: Any, table: str, underlying: str | None) -> None:
        known = (*board.tables, "priced_chain")
        if table not in known:
            raise ValueError(f"live: no table {table!r} on the board; there are {', '.join(sorted(known))}")
        if table == "priced_chain" and underlying is None:
            raise ValueError("live: a priced chain is of one underlying: name it with underlying=")
        self._board, self._table, self._underlying = board, table, underlying

    def version(self) -> int:
        """The table's."""
        return int(self._board.version(self._table))

    def rows(self) -> Any:
        """Rows as published, or the chain Dataset."""
        if self._table != "priced_chain":
            rows = self._board.latest(self._table)
            if self._underlying is None:
                return rows
            return rows[(rows["underlying"].astype("str") == self._underlying).to_numpy()]
        chain = self._board.priced_chain(self._underlying)
        if chain is None:
            raise ValueError(f"no marks of {self._underlying} yet")
        return chain.dataset

    def close(self) -> None:
        """Nothing is held."""


class StreamFeed:
    """The newest rows of a streaming frame or column, at most ``keep``."""

    def __init__(self, frame: Any, *, keep: int) -> None:
        if keep < 1:
            raise ValueError(f"keep: {keep!r} rows; hold at least one")
        self._keep, self._lock = keep, threading.Lock()
        self._batches: deque[pd.DataFrame] = deque()
        self._held = self._version = 0
        self._node = frame.stream.sink(self._take)

    def _take(self, batch: Any) -> None:
        """A batch, on the hub's thread."""
        if isinstance(batch, pd.Series):
            batch = batch.to_frame(batch.name if batch.name is not None else "value")
        with self._lock:
            self._batches.append(batch.iloc[-self._keep :])
            self._held += len(self._batches[-1])
            while self._held - len(self._batches[0]) >= self._keep:
                self._held -= len(self._batches.popleft())
            self._version += 1

    def version(self) -> int:
        """Grows with every batch."""
        return self._version

    def rows(self) -> pd.DataFrame:
        """The rows held, in order of arrival."""
        with self._lock:
            batches, version = list(self._batches), self._version
        if not batches:
            raise ValueError("no rows yet")
        if len(batches) == 1:
            return batches[0]
        joined = pd.concat(batches).iloc[-self._keep :]
        with self._lock:
            if version == self._version:  # what is joined once is not joined again
                self._batches, self._held = deque([joined]), len(joined)
        return joined

    def close(self) -> None:
        """Take no more batches."""
        self._node.destroy()
