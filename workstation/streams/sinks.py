"""Sinks: where the rows of the hub go, those of feeds and those of engines alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd


class Sink(Protocol):
    """Takes the rows of its tables from the hub: the board, the recorder, a message bus, a user's own.

    A desk starts its sinks before its feeds and closes them after its engines. ``put`` runs on the hub's thread, so it must not
    wait; what it raises fails this sink alone and is a row of ``health``.
    """

    @property
    def name(self) -> str:
        """Name of its branch of the hub; unique."""

    @property
    def tables(self) -> Sequence[str]:
        """Names of the tables whose rows it takes."""

    def start(self) -> object:
        """Begin; called before the first row."""

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Take a batch, which must not be changed."""

    def close(self) -> None:
        """Finish with what was put; called once no more comes."""


@dataclass(frozen=True)
class FunctionSink:
    """A sink that hands every batch to a function and has nothing to start or close.

    Examples
    --------
    >>> sink = FunctionSink("rows", ("trades",), lambda table, frame: print(table, len(frame)))
    >>> sink.put("trades", pd.DataFrame({"price": [1.0, 2.0]}))
    trades 2
    """

    name: str
    tables: Sequence[str]
    function: Callable[[str, pd.DataFrame], None]

    def start(self) -> None:
        """Nothing to start."""

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Hand the batch to the function."""
        self.function(table, frame)

    def close(self) -> None:
        """Nothing to close."""
