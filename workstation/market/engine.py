"""What an engine is: rows in, rows out, its state inside, no clock and no socket."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pandas as pd


class Engine(ABC):
    """A pure stream computation.

    Laws (proved for every subclass by one shared test): any split of the input into batches gives the same
    rows; ``restore(snapshot())`` in a fresh instance goes on as if nothing had happened; inputs are not mutated; what
    comes out belongs to the caller: the engine keeps no reference to its NumPy columns and shares none with its inputs,
    so that the hub writes ``seq`` into the frame it is given. A frame of no rows may be shared and is not changed.

    Attributes
    ----------
    inputs
        Names of the tables it reads. Rows of all of them arrive in ``seq`` order. Time reaches it only as
        data: rows' ``event_ns``, and ``heartbeat`` rows when it reads that table.
    output
        Name of the table it writes. Rows come out conformed to it, with ``seq`` 0: the hub numbers them.
    late
        Rows that came too late to count in rows already given out; the hub tells of them in ``health``.
    """

    inputs: ClassVar[tuple[str, ...]]
    output: ClassVar[str]

    @property
    def late(self) -> int:
        """Rows that came too late, in all; none unless the engine says so."""
        return 0

    @abstractmethod
    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take a batch of ``table`` (default: the first of ``inputs``) and give the rows it completes."""

    @abstractmethod
    def snapshot(self) -> dict[str, Any]:
        """The whole state as arrays, numbers, strings and dicts of them; instruments by name, not code."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
