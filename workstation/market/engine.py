"""What an engine is: rows in, rows out, its state inside, no clock and no socket."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import wraps
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import WorkstationError
from workstation.market.tables import Table, declare
from workstation.market.tables import table as table_named


class SnapshotError(WorkstationError, ValueError):
    """A snapshot that another engine made, or one with other parameters."""


@dataclass(frozen=True)
class Reading:
    """What of the order of its next rows an engine depends on, beside the order of each table's own rows.

    Attributes
    ----------
    watermark_ns
        The engine's own, ``NO_TIME`` before its first row.
    tick_ns
        It gives rows only when a row moves its watermark to or past a multiple of this.
    idle
        Nothing it holds gives rows as the clock goes on, whatever ``inert`` and ``free`` rows come.
    inert
        Table -> which of its rows do no more than move the clock; True: all.
    free
        Tables whose rows between two ticks may come before or after those of other tables.
    """

    watermark_ns: int
    tick_ns: int
    idle: bool
    inert: Mapping[str, npt.NDArray[np.bool_] | bool]
    free: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Beats:
    """Which heartbeats an engine can do without: those whose time the next row of another table reaches.

    Attributes
    ----------
    reaching
        Table -> which of its rows move the engine's clock for sure; True: all.
    dues_ns
        When rows may fall due, ascending: those of one moment come in one order, whatever moves the clock past it, so that a
        heartbeat counts only between two such moments. None: no order of rows depends on heartbeats.
    """

    reaching: Mapping[str, npt.NDArray[np.bool_] | bool]
    dues_ns: npt.NDArray[np.int64] | None = None


class Engine(ABC):
    """A pure stream computation.

    Laws (proved for every subclass by one shared test): any split of the input into batches gives the same
    rows; ``restore(snapshot())`` in a fresh instance goes on as if nothing had happened; inputs are not mutated; what
    comes out belongs to the caller: the engine keeps no reference to its NumPy columns and shares none with its inputs,
    so that the hub writes ``seq`` into the frame it is given. A frame of no rows may be shared and is not changed.

    A subclass writes ``update``, ``snapshot`` and ``restore``; this class sees to what all have in common:

    - ``update`` sees a conformed batch of one of its ``inputs``, whatever the caller hands over: a frame that its table did
      not make in this process (sliced, read from a pickle, with other categories) is conformed first, or refused by name.
    - ``snapshot`` holds the engine's name and parameters, and ``restore`` refuses those of another.

    Attributes
    ----------
    inputs
        Names of the tables it reads. Rows of all of them arrive in ``seq`` order. Time reaches it only as
        data: rows' ``event_ns``, and ``heartbeat`` rows when it reads that table.
    output
        Name of the table it writes. Rows come out conformed to it, with ``seq`` 0: the hub numbers them.
    parameters
        A dataclass of what it was made with; None where there is nothing to choose.
    late
        Rows that came too late to count in rows already given out; the hub tells of them in ``health``.
    """

    inputs: ClassVar[tuple[str, ...]]
    output: ClassVar[str]
    table: ClassVar[Table]
    """Of an engine of one's own: declared beside it, and made known when the class is."""
    parameters: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, guarded in _GUARDS.items():
            if name in cls.__dict__:
                setattr(cls, name, guarded(cls.__dict__[name]))
        if isinstance(declared := cls.__dict__.get("table"), Table):
            cls.output = declare(declared).name

    @property
    def late(self) -> int:
        """Rows that came too late, in all; none unless the engine says so."""
        return 0

    def reading(self, rows: Mapping[str, pd.DataFrame]) -> Reading | None:
        """What of the order of the next rows, given by table, it depends on; None: the order of all of them."""
        return None

    def beats(self, rows: Mapping[str, pd.DataFrame]) -> Beats | None:
        """Which heartbeats among the next rows, given by table, it can do without; None: it needs all of them."""
        return None

    def heeds(self, event: str) -> bool:
        """Whether ``health`` rows of this event change what it gives."""
        return "health" in self.inputs

    @abstractmethod
    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take a batch of ``table`` (default: the first of ``inputs``) and give the rows it completes."""

    @abstractmethod
    def snapshot(self) -> dict[str, Any]:
        """The whole state as arrays, numbers, strings and dicts of them; instruments by name, not code."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``.

        Raises
        ------
        SnapshotError
            It is of another engine or of other parameters.
        """

    def in_progress(self) -> pd.DataFrame:
        """Rows that are not final yet, as they stand; none unless the engine says otherwise."""
        return table_named(self.output).empty()


def conformed(schema: Table, batch: pd.DataFrame) -> pd.DataFrame:
    """The batch itself where the table made it, else a conformed one, which knows the frame it was made of (``source_of``)."""
    if not isinstance(batch, pd.DataFrame):
        raise TypeError(f"{schema.name} must be a pandas.DataFrame, got {type(batch).__name__}")
    if schema.made(batch):
        return batch
    made = schema.conform(batch)
    made.__dict__["_source"] = weakref.ref(batch)
    return made


def source_of(batch: pd.DataFrame) -> pd.DataFrame:
    """The frame that the caller handed over, of which ``conformed`` made the batch; the batch itself where it made none."""
    source: Callable[[], pd.DataFrame | None] | None = batch.__dict__.get("_source")
    return batch if source is None or (handed := source()) is None else handed


def _guarded_update(inner: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    @wraps(inner)
    def update(self: Engine, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        table = table or self.inputs[0]
        if table not in self.inputs:
            raise ValueError(f"{type(self).__name__} reads {', '.join(self.inputs)}, not {table!r}")
        return inner(self, conformed(table_named(table), batch), table)

    return update


def _guarded_snapshot(inner: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @wraps(inner)
    def snapshot(self: Engine) -> dict[str, Any]:
        return {**inner(self), "engine": type(self).__name__, "parameters": _parameters(self)}

    return snapshot


def _guarded_restore(inner: Callable[..., None]) -> Callable[..., None]:
    @wraps(inner)
    def restore(self: Engine, state: dict[str, Any]) -> None:
        name, theirs, ours = type(self).__name__, state.get("parameters"), _parameters(self)
        if state.get("engine") != name:
            raise SnapshotError(
                f"the snapshot is of {state.get('engine', 'an unknown engine')}, this is {name}"
            )
        if _plain(theirs) != _plain(ours):
            raise SnapshotError(
                f"the snapshot is of {name} with other parameters: {_differences(theirs or {}, ours)}; "
                "make the engine with the snapshot's parameters, or begin anew"
            )
        inner(self, state)

    return restore


_GUARDS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "update": _guarded_update, "snapshot": _guarded_snapshot, "restore": _guarded_restore,
}  # fmt: skip


def _parameters(engine: Engine) -> dict[str, Any]:
    parameters = engine.parameters
    return asdict(parameters) if is_dataclass(parameters) and not isinstance(parameters, type) else {}


def _plain(value: Any) -> Any:
    """Parameters with lists for tuples: what has been written as JSON and read again is the same."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _differences(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    names = [name for name in {**ours, **theirs} if _plain(theirs.get(name)) != _plain(ours.get(name))]
    return ", ".join(f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here" for name in names)
