"""Indicators of one's own: a function over the last minutes of an instrument, on a timer, with its table declared beside it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from workstation.indicators.batch.instrument_state import FOLLOWED_KINDS
from workstation.market.durations import nanoseconds
from workstation.market.engine import Engine
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, Table, declare, own_table
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import array_of
from workstation.market.tables.readable import readable

Measure = Callable[[pd.DataFrame], Any]


@dataclass(frozen=True)
class WindowParameters:
    """When an indicator is measured, and over what.

    Attributes
    ----------
    every
        Time between two measurements, with its unit; they fall on its multiples in UTC.
    window
        How far back the rows reach that are measured.
    kinds
        Kinds of instruments; options are left out unless asked for.
    """

    every: str = "1s"
    window: str = "1min"
    kinds: tuple[str, ...] = FOLLOWED_KINDS

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(self.kinds))
        for name in ("every", "window"):
            if nanoseconds(getattr(self, name), name) <= 0:
                raise ValueError(f"{name} must be a positive time, got {getattr(self, name)!r}")


class WindowIndicator(Engine):
    """An engine that measures the newest rows of each instrument on a timer of event time.

    A subclass declares its ``table`` and writes ``measure``. A tick is due once a row or a heartbeat later than it has come, so
    that any split of the input gives the same rows; rows that come after their tick count in later windows, and as ``late``.

    Examples
    --------
    >>> class Travelled(WindowIndicator):
    ...     table = own_table("travelled", {"bps": "bps"}, "how far the price went")
    ...     def measure(self, rows):
    ...         return 1e4 * np.log(rows.price).diff().abs().sum()
    >>> trades = pd.DataFrame({"event_ns": [1, 2, 2 * 10**9], "instrument": "BTC/USD", "price": [100.0, 101.0, 99.0], "size": 1.0})
    >>> Travelled(every="1s", window="10s").update(trades)["bps"].round(1).tolist()
    [99.5]
    """

    inputs: ClassVar[tuple[str, ...]] = ("trades", "heartbeat")

    def __init__(self, parameters: WindowParameters | None = None, **changes: Any) -> None:
        own = parameters or WindowParameters()
        self.parameters = WindowParameters(**{**own.__dict__, **changes})
        self._every_ns = nanoseconds(self.parameters.every)
        self._window_ns = nanoseconds(self.parameters.window)
        self._source = table_named(self.inputs[0])
        self._late = 0
        self._watermark_ns = int(NO_TIME)
        self._rows = self._source.empty()

    @abstractmethod
    def measure(self, rows: pd.DataFrame) -> Any:
        """The values of one instrument at one tick: a number, or a mapping of column to number; NaN or None: no row.

        ``rows`` are its rows of the window, on an index ``time``; see ``market.tables.readable``.
        """

    @property
    def late(self) -> int:
        """Rows that came after the tick they belong to."""
        return self._late

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows and give those of the ticks that have come due."""
        schema = table_named(table)
        event_ns = np.asarray(array_of(batch, schema.places["event_ns"]))
        if not event_ns.size:
            return table_named(self.output).empty()
        if self._watermark_ns == NO_TIME:
            self._watermark_ns = int(event_ns[0])
        running = np.maximum(np.maximum.accumulate(event_ns), self._watermark_ns)
        due = (running - 1) // self._every_ns
        before = np.concatenate([[(self._watermark_ns - 1) // self._every_ns], due[:-1]])
        made: list[dict[str, Any]] = []
        taken = 0
        for at in np.flatnonzero(due > before).tolist():
            self._take(schema, batch, taken, at)
            taken = at
            self._measure_ticks(int(before[at]), int(due[at]), made)
        self._take(schema, batch, taken, event_ns.size)
        if schema is self._source:
            self._late += int(np.count_nonzero(event_ns <= before * self._every_ns))
        self._watermark_ns = int(running[-1])
        output = table_named(self.output)
        return output.conform(pd.DataFrame(made)) if made else output.empty()

    def _take(self, schema: Table, batch: pd.DataFrame, start: int, stop: int) -> None:
        if schema is not self._source or stop <= start:
            return
        part = schema.take(batch, np.arange(start, stop))
        codes = part["instrument"].cat.codes.to_numpy()
        kept = np.isin(INSTRUMENT_TERMS.kinds(codes), self.parameters.kinds)
        part = part if kept.all() else schema.take(part, np.flatnonzero(kept))
        self._rows = schema.concat([self._rows, part])

    def _measure_ticks(self, before: int, due: int, made: list[dict[str, Any]]) -> None:
        """Measure at the ticks after ``before`` up to ``due``, as long as a window holds a row."""
        event_ns = self._rows["event_ns"].to_numpy()
        if not event_ns.size:
            return
        codes = self._rows["instrument"].cat.codes.to_numpy()
        last = min(due, int((event_ns.max() + self._window_ns) // self._every_ns))
        for tick in range(before + 1, last + 1):
            tick_ns = tick * self._every_ns
            inside = np.flatnonzero((event_ns > tick_ns - self._window_ns) & (event_ns <= tick_ns))
            for code in np.unique(codes[inside]).tolist():
                rows = self._source.take(self._rows, inside[codes[inside] == code])
                values = self._values(self.measure(readable(self._source, rows)))
                if values:
                    made.append({"event_ns": tick_ns, "instrument": REGISTRY.names([code])[0], **values})
        keep = np.flatnonzero(event_ns > due * self._every_ns - self._window_ns)
        if keep.size < event_ns.size:
            self._rows = self._source.take(self._rows, keep)

    def _values(self, measured: Any) -> dict[str, Any]:
        """What was measured by column; nothing where all of it is missing."""
        if measured is None:
            return {}
        if not isinstance(measured, Mapping | pd.Series):
            own = [column.name for column in table_named(self.output).columns[4:]]
            if len(own) != 1:
                raise TypeError(
                    f"{self.output} has the columns {', '.join(own)}; give a mapping of column to number"
                )
            measured = {own[0]: measured}
        values = {str(name): value for name, value in measured.items()}
        return values if any(value == value and value is not None for value in values.values()) else {}

    def snapshot(self) -> dict[str, Any]:
        """Rows of the window, instruments by name, and the clock."""
        rows = self._rows
        texts = dict.fromkeys(rows.select_dtypes("category"), "str")
        columns = {name: column.tolist() for name, column in rows.astype(texts).items()}
        return {"rows": columns, "watermark_ns": self._watermark_ns, "late": self._late}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._rows = self._source.conform(pd.DataFrame(state["rows"]))
        self._watermark_ns, self._late = int(state["watermark_ns"]), int(state["late"])


class Indicator:
    """A function made an indicator: call it with rows for the whole history at once, attach it to a desk for the live one.

    Attributes
    ----------
    table
        Where its rows go.
    kind
        The class of its engines.
    """

    def __init__(self, kind: type[WindowIndicator], parameters: WindowParameters) -> None:
        self.kind, self.table, self._parameters = kind, kind.table, parameters
        self.__name__, self.__doc__ = kind.__name__, kind.__doc__

    def engine(self) -> WindowIndicator:
        """A fresh engine."""
        return self.kind(self._parameters)

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The indicator of recorded rows: the rows that a live desk would have given, up to the last tick they reach."""
        return self.engine().update(rows)

    def __repr__(self) -> str:
        own = self._parameters
        return f"<indicator {self.__name__} of {self.kind.inputs[0]}, every {own.every} over {own.window}>"


def indicator(
    table: str = "trades",
    *,
    every: str = "1s",
    window: str = "1min",
    columns: Mapping[str, str] | None = None,
    kinds: Sequence[str] = FOLLOWED_KINDS,
) -> Callable[[Measure], Indicator]:
    """Make a function of the last rows of an instrument an indicator, live, on a tape, in replay and over history.

    Parameters
    ----------
    table
        Whose rows it reads.
    every, window, kinds
        See ``WindowParameters``.
    columns
        Name -> unit of what it gives; none: one column ``value``.

    Returns
    -------
    Callable
        Decorates ``function(rows) -> number or mapping``; its rows go to a table of the function's name, with ``event_ns``,
        ``instrument`` and the columns.

    Examples
    --------
    >>> @indicator(every="1s", window="10s", columns={"drift": "bps"})
    ... def drift(rows):
    ...     return 1e4 * np.log(rows.price.iloc[-1] / rows.price.iloc[0])
    >>> trades = pd.DataFrame({"event_ns": [1, 2, 2 * 10**9], "instrument": "BTC/USD", "price": [100.0, 101.0, 99.0], "size": 1.0})
    >>> drift(trades)[["event_ns", "drift"]].round(1).values.tolist()
    [[1000000000.0, 99.5]]
    """
    parameters = WindowParameters(every=every, window=window, kinds=tuple(kinds))
    source = table_named(table)
    if "instrument" not in source.names:
        raise ValueError(f"{table} has no instruments to measure one by one")

    def made(function: Measure) -> Indicator:
        if not callable(function):
            raise TypeError(f"@indicator(...) stands before a function, got {type(function).__name__}")
        own = own_table(function.__name__, columns or {"value": ""}, (function.__doc__ or "").strip())
        body = {
            "__doc__": function.__doc__, "__module__": function.__module__, "table": own,
            "inputs": (table, "heartbeat"), "measure": lambda self, rows: function(rows),
        }  # fmt: skip
        kind = type(function.__name__, (WindowIndicator,), body)
        return Indicator(kind, parameters)

    return made


def engine_of(part: Any) -> Engine:
    """A fresh engine of an indicator or of an engine's class; an engine is itself. Raises ``TypeError``."""
    if isinstance(part, Engine):
        return part
    if isinstance(part, Indicator):
        return part.engine()
    if isinstance(part, type) and issubclass(part, Engine):
        return part()
    raise TypeError(
        f"{part!r} is neither an engine, its class nor an @indicator; see docs/guides/add_an_engine.md"
    )


__all__ = [
    "Indicator",
    "WindowIndicator",
    "WindowParameters",
    "declare",
    "engine_of",
    "indicator",
    "own_table",
]
