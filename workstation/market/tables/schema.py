"""What a table is: columns with dtype, unit and meaning, a key, and one check at the edge.

A batch is a pandas DataFrame whose columns are contiguous arrays. ``Table.conform`` is the only place
where a batch is checked; everything inside trusts what passed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionDtype
from pandas.api.types import is_scalar

from workstation.market.errors import TableError
from workstation.market.instruments import REGISTRY, InstrumentRegistry
from workstation.market.tables.checks import (
    check_range,
    converted,
    is_fresh,
    is_trusted,
    require,
    trusted,
    unknown,
)
from workstation.market.tables.columns import Column, join, plain_numbers, series_of, settled, texts
from workstation.market.tables.frames import (
    array_of,
    arrays_of,
    frame_of,
    own_array,
    placement,
    stacked_frame,
    with_array,
)
from workstation.market.tables.ranges import Kinds, below_zero, impossible

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """A table's declared schema.

    Attributes
    ----------
    name, columns, doc
        ``columns`` is in storage order.
    key
        Columns that identify a row; a later row with the same key replaces an earlier one.
    raw
        True for what feeds bring, False for what engines derive.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("seq",)
    raw: bool = True
    doc: str = ""
    by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)
    index: pd.Index[str] = field(init=False, repr=False, compare=False)
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _asked: tuple[tuple[int, Column], ...] = field(init=False, repr=False, compare=False)
    """Columns, by place, that a conformed frame can have been spoilt in without a column having been replaced."""
    _dtypes: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _bounded: tuple[tuple[int, Column], ...] = field(init=False, repr=False, compare=False)
    """Columns, by place, that may not hold every number."""
    prices: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Places of the columns that hold prices."""
    _stacks: tuple[tuple[str, Any], ...] = field(init=False, repr=False, compare=False)
    """Numeric kinds, and the placement of their columns; of the other columns each by name in ``_singles``."""
    _singles: tuple[tuple[str, Any], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {c.name: c for c in self.columns})
        object.__setattr__(self, "places", {c.name: place for place, c in enumerate(self.columns)})
        object.__setattr__(self, "index", pd.Index([c.name for c in self.columns], dtype="str"))
        asked = [
            (place, column)
            for place, column in enumerate(self.columns)
            if column.kind == "instrument" or (column.required and column.kind in ("float64", "bytes"))
        ]
        object.__setattr__(self, "_asked", tuple(asked))
        bounded = [(place, column) for place, column in enumerate(self.columns) if column.bounded]
        object.__setattr__(self, "_bounded", tuple(bounded))
        object.__setattr__(self, "prices", tuple(place for place, column in bounded if column.price))
        chars = [
            c.dtype.char if c.dtype is not None else "O" if c.kind == "bytes" else "" for c in self.columns
        ]
        object.__setattr__(self, "_dtypes", tuple(chars))
        kinds: dict[str, list[int]] = {}
        for place, column in enumerate(self.columns):
            if column.dtype is not None:
                kinds.setdefault(column.kind, []).append(place)
        object.__setattr__(
            self, "_stacks", tuple((kind, placement(tuple(held))) for kind, held in kinds.items())
        )
        singles = [(c.name, placement((self.places[c.name],))) for c in self.columns if c.dtype is None]
        object.__setattr__(self, "_singles", tuple(singles))

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in storage order."""
        return tuple(self.by_name)

    @property
    def arrow(self) -> pa.Schema:
        """Arrow schema; units travel in the field metadata."""
        return pa.schema(
            [pa.field(c.name, c.arrow, metadata={"unit": c.unit} if c.unit else None) for c in self.columns]
        )

    def empty(self, registry: InstrumentRegistry = REGISTRY) -> pd.DataFrame:
        """A frame of no rows with every column in its dtype."""
        return frame_of([unknown(c, 0, registry) for c in self.columns], self.index, 0)

    def describe(self) -> pd.DataFrame:
        """The declared columns, one row each: column, kind, unit, required, doc.

        Examples
        --------
        >>> from workstation.market.tables import TRADES
        >>> TRADES.describe().set_index("column").loc["price", ["kind", "unit"]].tolist()
        ['float64', 'quote or premium currency']
        """
        rows = [(c.name, c.kind, c.unit, c.required, c.doc) for c in self.columns]
        return pd.DataFrame(rows, columns=["column", "kind", "unit", "required", "doc"])

    def conform(self, frame: pd.DataFrame, registry: InstrumentRegistry = REGISTRY) -> pd.DataFrame:
        """The batch with every column of the table, in order, in its dtype, on a fresh index.

        Columns the batch does not bring are filled with their unknown; required columns must be there and
        hold no NaN. Columns the table does not know are an error. The frame handed in is never changed, and
        what comes back can be changed without changing it. Conforming what is conformed changes nothing and
        costs little.

        Raises
        ------
        TableError
            Names table, column and the first offending row.

        Examples
        --------
        >>> from workstation.market.tables import TRADES
        >>> rows = pd.DataFrame({"event_ns": [1, 2], "instrument": "BTC/USD", "price": [1.0, 2.0], "size": 1.0})
        >>> TRADES.conform(rows)[["price", "side", "trade_id"]].to_dict("records")[0]
        {'price': 1.0, 'side': 0, 'trade_id': ''}
        """
        if self._is_conformed(frame, registry):
            if is_fresh(frame.index):
                return trusted(frame.copy(deep=False))
            return self.assembled(arrays_of(frame), len(frame))
        arrays = self._arrays(self._brought(frame), len(frame), registry)
        check_range(self.name, self._bounded, arrays)
        return self.assembled(arrays, len(frame))

    def impossible(
        self, frame: pd.DataFrame, kinds: Kinds | None = None
    ) -> Iterator[tuple[str, BoolArray, str]]:
        """Columns of a batch that hold what they cannot (inf, a negative size, side 5), the rows and the reason.

        The batch need not be conformed; columns that are not of numbers yet are not looked at. ``kinds`` tells the kinds of
        instruments by name, so that a price below zero is known from one that can be.

        Examples
        --------
        >>> from workstation.market.tables import QUOTES
        >>> rows = pd.DataFrame({"event_ns": [1, 2], "instrument": "BTC/USD", "bid": [np.inf, 1.0], "bid_size": -1.0})
        >>> [(column, rows.tolist(), reason) for column, rows, reason in QUOTES.impossible(rows)]
        [('bid', [True, False], 'bid that is not finite'), ('bid_size', [True, True], 'bid_size below 0')]
        """
        names = None if kinds is None else frame.get("instrument")
        brought = dict(zip(frame.columns, arrays_of(frame), strict=True))
        for _, column in self._bounded:
            values = brought.get(column.name)
            if values is not None:
                yield from ((column.name, mask, reason) for mask, reason in impossible(column, values))
                if column.price and names is not None and kinds is not None:
                    negative = below_zero(values, names, kinds)
                    if negative is not None:
                        yield column.name, negative, f"{column.name} below 0"

    def batch(
        self, columns: Mapping[str, Any], rows: int | None = None, registry: InstrumentRegistry = REGISTRY
    ) -> pd.DataFrame:
        """``conform(pd.DataFrame(columns))`` at a fraction of its price: nothing is made a frame before it is checked.

        Parameters
        ----------
        columns
            Name -> values: an array, extension array, Series or list of ``rows`` values, or one value for all rows. Arrays
            already in a column's dtype are taken as they are and are the batch's from then on.
        rows
            How many; None: as many as the first column that has a length.

        Raises
        ------
        TableError
            Names table, column and the first offending row, or a column of another length.

        Examples
        --------
        >>> from workstation.market.tables import HEARTBEAT
        >>> HEARTBEAT.batch({"event_ns": [1, 2], "feed": "tape"})[["event_ns", "feed"]].values.tolist()
        [[1, 'tape'], [2, 'tape']]
        """
        if rows is None:
            rows = next((len(values) for values in columns.values() if not is_scalar(values)), 1)
        brought = {}
        for name, values in columns.items():
            column = self.by_name.get(name)
            if column is not None:
                values = self._written_out(column, values, rows, registry)
            if not is_scalar(values) and len(values) != rows:
                raise TableError(self.name, name, -1, f"{len(values)} values where the batch has {rows} rows")
            brought[name] = values
        return self.assembled(self._arrays(brought, rows, registry), rows)

    def numbered(
        self, frame: pd.DataFrame, first_seq: int, registry: InstrumentRegistry = REGISTRY
    ) -> pd.DataFrame:
        """As ``conform``, with ``seq`` counting up from ``first_seq``.

        Examples
        --------
        >>> from workstation.market.tables import HEARTBEAT
        >>> HEARTBEAT.numbered(pd.DataFrame({"event_ns": [8, 9]}), 5)["seq"].tolist()
        [5, 6]
        """
        rows, place = len(frame), self.places["seq"]
        numbers = np.arange(first_seq, first_seq + rows)
        if not self._is_conformed(frame, registry):
            arrays = self._arrays(self._brought(frame), rows, registry)
            check_range(self.name, self._bounded, arrays)
        elif is_fresh(frame.index):
            return trusted(with_array(frame, place, numbers))
        else:
            arrays = arrays_of(frame)
        arrays[place] = numbers
        return self.assembled(arrays, rows)

    def number(
        self, frame: pd.DataFrame, first_seq: int, registry: InstrumentRegistry = REGISTRY
    ) -> pd.DataFrame:
        """As ``numbered``, for a frame that is the caller's to change: ``seq`` is written into it where that can be.

        A frame the table made (``conform``, ``assembled``) is not checked again.

        Examples
        --------
        >>> from workstation.market.tables import HEARTBEAT
        >>> made = HEARTBEAT.conform(pd.DataFrame({"event_ns": [8, 9]}))
        >>> HEARTBEAT.number(made, 5) is made, made["seq"].tolist()
        (True, [5, 6])
        """
        if is_trusted(frame) and frame.columns.is_(self.index) and is_fresh(frame.index):
            seq = own_array(frame, self.places["seq"])
            if seq is not None:
                seq[:] = np.arange(first_seq, first_seq + seq.size)
                return frame
        return self.numbered(frame, first_seq, registry)

    def made(self, frame: pd.DataFrame, registry: InstrumentRegistry = REGISTRY) -> bool:
        """Whether the table made this frame and no column has been replaced since; numbers are not looked at."""
        if not frame.columns.is_(self.index) or not is_trusted(frame) or not is_fresh(frame.index):
            return False
        return all(
            column.kind != "instrument" or registry.issued(array_of(frame, place))
            for place, column in self._asked
        )

    def assembled(self, arrays: list[Any], rows: int) -> pd.DataFrame:
        """A batch of ready column arrays, in order and in their dtypes; not checked, for engines that make them."""
        return trusted(frame_of(arrays, self.index, rows, self._dtypes))

    def stacked(
        self, stacks: Mapping[str, npt.NDArray[Any]], others: Mapping[str, Any], rows: int
    ) -> pd.DataFrame:
        """As ``assembled``, of columns that an engine writes side by side: no column is copied.

        Parameters
        ----------
        stacks
            Numeric kind -> all columns of that kind, in order, shape (columns, rows), each row contiguous.
        others
            Name -> extension array of each other column.

        Examples
        --------
        >>> from workstation.market.tables import HEARTBEAT
        >>> stamps = np.array([[1, 2], [8, 9], [0, 0]])
        >>> HEARTBEAT.stacked({"int64": stamps}, {"feed": pd.Categorical(["x", "y"])}, 2)[["event_ns", "feed"]].values.tolist()
        [[8, 'x'], [9, 'y']]
        """
        numeric = [(stacks[kind], places) for kind, places in self._stacks]
        single = [(others[name], places) for name, places in self._singles]
        return trusted(stacked_frame(numeric, single, self.index, rows))

    def take(self, frame: pd.DataFrame, rows: npt.NDArray[Any]) -> pd.DataFrame:
        """Rows of a conformed frame by place, on a fresh index; ``frame.take`` costs ten times as much for a few.

        Examples
        --------
        >>> from workstation.market.tables import HEARTBEAT
        >>> HEARTBEAT.take(HEARTBEAT.batch({"event_ns": [8, 9, 7]}), np.array([2, 0]))["event_ns"].tolist()
        [7, 8]
        """
        return self.assembled([values[rows] for values in arrays_of(frame)], len(rows))

    def _is_conformed(self, frame: pd.DataFrame, registry: InstrumentRegistry) -> bool:
        if frame.columns.is_(self.index) and is_trusted(frame):
            for place, column in self._asked:
                values = array_of(frame, place)
                if column.kind == "instrument" and not registry.issued(values):
                    return False
                if column.required:
                    require(self.name, column, values)
            return True
        if not (frame.columns.is_(self.index) or frame.columns.equals(self.index)):
            return False
        arrays = arrays_of(frame)
        for column, values in zip(self.columns, arrays, strict=True):
            if not settled(registry, column, values):
                return False
            if column.required:
                require(self.name, column, values)
        check_range(self.name, self._bounded, arrays)
        return True

    def concat(self, frames: Iterable[pd.DataFrame], registry: InstrumentRegistry = REGISTRY) -> pd.DataFrame:
        """Batches one after the other, conformed; of the newest registry dtype whatever theirs was.

        Unlike ``pandas.concat``, categoricals stay categorical when their categories differ.

        Examples
        --------
        >>> from workstation.market.tables import TRADES
        >>> def one(name):
        ...     return TRADES.conform(pd.DataFrame({"event_ns": [1], "instrument": name, "price": 1.0, "size": 1.0}))
        >>> TRADES.concat([one("BTC/USD"), one("ETH/USD")])["instrument"].tolist()
        ['BTC/USD', 'ETH/USD']
        """
        parts = [
            arrays_of(frame if self._is_conformed(frame, registry) else self.conform(frame, registry))
            for frame in frames
        ]
        if not parts:
            return self.empty(registry)
        joined = [
            join(c, list(pieces), registry)
            for c, pieces in zip(self.columns, zip(*parts, strict=True), strict=True)
        ]
        return self.assembled(joined, len(joined[0]))

    def _written_out(self, column: Column, values: Any, rows: int, registry: InstrumentRegistry) -> Any:
        """Values of a column of ``batch`` as an array, or as the list they are."""
        if isinstance(values, np.ndarray):
            return values
        if isinstance(values, pd.Series):
            return values.array if isinstance(values.dtype, ExtensionDtype) else values.to_numpy()
        made = texts(column, values, rows)
        if made is None:
            made = plain_numbers(column, values)
        if made is None and is_scalar(values):
            made = converted(self.name, column, pd.Series([values]), registry).repeat(rows)
        return values if made is None else made

    def _brought(self, frame: pd.DataFrame) -> dict[str, Any]:
        names = frame.columns.tolist()
        brought = dict(zip(names, arrays_of(frame), strict=True))
        if len(brought) != len(names):
            name = next(name for name in names if names.count(name) > 1)
            raise TableError(self.name, str(name), -1, f"{names.count(name)} columns of this name")
        return brought

    def _arrays(self, brought: Mapping[str, Any], rows: int, registry: InstrumentRegistry) -> list[Any]:
        for name in brought:
            if name not in self.by_name:
                raise TableError(
                    self.name, str(name), -1, f"no such column; the table has {', '.join(self.names)}"
                )
        columns: list[Any] = []
        for column in self.columns:
            values = brought.get(column.name)
            if values is None and column.required:
                raise TableError(self.name, column.name, -1, "required column is missing")
            if values is None:
                values = unknown(column, rows, registry)
            else:
                if not settled(registry, column, values):
                    values = converted(self.name, column, series_of(values), registry)
                if column.required:
                    require(self.name, column, values)
            columns.append(values)
        return columns
