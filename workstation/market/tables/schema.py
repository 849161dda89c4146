"""What a table is: columns with dtype, unit and meaning, a key, and one check at the edge.

A batch is a pandas DataFrame whose columns are contiguous arrays. ``Table.conform`` is the only place
where a batch is checked; everything inside trusts what passed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.market.errors import TableError
from workstation.market.instruments import REGISTRY, InstrumentRegistry
from workstation.market.tables.frames import arrays_of, frame_of

BoolArray = npt.NDArray[np.bool_]

NO_TIME = np.iinfo(np.int64).min
"""The "unknown" of an int64 nanosecond column (pandas' NaT)."""

Kind = Literal["int64", "int32", "int8", "float64", "bool", "instrument", "category", "str", "bytes"]

_UNKNOWN: Mapping[str, Any] = {
    "int64": 0, "int32": 0, "int8": 0, "float64": np.nan, "bool": False, "category": "", "str": "", "bytes": b"", "instrument": None,
}  # fmt: skip
_ARROW: Mapping[str, pa.DataType] = {
    "int64": pa.int64(), "int32": pa.int32(), "int8": pa.int8(), "float64": pa.float64(), "bool": pa.bool_(),
    "instrument": pa.dictionary(pa.int32(), pa.string()), "category": pa.dictionary(pa.int32(), pa.string()),
    "str": pa.string(), "bytes": pa.binary(),
}  # fmt: skip
_NUMERIC = ("int64", "int32", "int8", "float64", "bool")


@dataclass(frozen=True)
class Column:
    """One column: name, kind, unit, whether a batch must bring it, and what it means."""

    name: str
    kind: Kind
    unit: str = ""
    required: bool = False
    doc: str = ""
    dtype: np.dtype[Any] | None = field(init=False, repr=False, compare=False)
    """NumPy dtype of a numeric column, None for the others."""
    unknown: Any = field(init=False, repr=False, compare=False)
    """The value that stands for "not known" when a batch does not bring the column."""

    def __post_init__(self) -> None:
        time = self.kind == "int64" and self.name.endswith("_ns") and self.name not in ("event_ns", "seen_ns")
        object.__setattr__(self, "unknown", NO_TIME if time else _UNKNOWN[self.kind])
        object.__setattr__(self, "dtype", np.dtype(self.kind) if self.kind in _NUMERIC else None)

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type under which history keeps the column."""
        return _ARROW[self.kind]


@lru_cache(maxsize=4096)
def _unknown_values(kind: str, value: Any, rows: int) -> Any:
    """Shared, read-only columns of one unknown value; ``rows`` is a power of two."""
    if kind in _NUMERIC:
        values = np.full(rows, value, dtype=kind)
        values.setflags(write=False)
        return values
    if kind == "category":
        return pd.Categorical.from_codes(
            np.zeros(rows, dtype=np.int8), categories=pd.Index([""], dtype="str")
        )
    if kind == "str":
        return pd.array([value], dtype="str").repeat(rows)
    values = np.full(rows, value, dtype=object)
    values.setflags(write=False)
    return values


@lru_cache(maxsize=4096)
def _unknowns(kind: str, value: Any, rows: int) -> Any:
    return _unknown_values(kind, value, 1 << max(rows - 1, 0).bit_length())[:rows]


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {c.name: c for c in self.columns})
        object.__setattr__(self, "places", {c.name: place for place, c in enumerate(self.columns)})
        object.__setattr__(self, "index", pd.Index([c.name for c in self.columns], dtype="str"))

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
        return frame_of([self._unknown(c, 0, registry) for c in self.columns], self.index, 0)

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
        arrays = arrays_of(frame)
        if self._is_conformed(frame, arrays, registry):
            fresh = _is_fresh(frame.index)
            return _trusted(frame.copy(deep=False) if fresh else frame_of(arrays, self.index, len(frame)))
        return self.assembled(self._arrays(frame, arrays, registry), len(frame))

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
        rows, arrays = len(frame), arrays_of(frame)
        if not self._is_conformed(frame, arrays, registry):
            arrays = self._arrays(frame, arrays, registry)
        arrays[self.places["seq"]] = np.arange(first_seq, first_seq + rows)
        return self.assembled(arrays, rows)

    def assembled(self, arrays: list[Any], rows: int) -> pd.DataFrame:
        """A batch of ready column arrays, in order and in their dtypes; not checked, for engines that make them."""
        return _trusted(frame_of(arrays, self.index, rows))

    def _is_conformed(self, frame: pd.DataFrame, arrays: list[Any], registry: InstrumentRegistry) -> bool:
        if not (frame.columns.is_(self.index) or frame.columns.equals(self.index)):
            return False
        trusted = _CONFORMED.get(id(frame)) is frame
        for column, values in zip(self.columns, arrays, strict=True):
            if column.dtype is not None:
                if values.dtype is not column.dtype or not values.flags.c_contiguous:
                    return False
            elif not _settled(registry, trusted, column, values):
                return False
            if column.required:
                self._require(column, values)
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
        parts = [arrays_of(self.conform(frame, registry)) for frame in frames]
        if not parts:
            return self.empty(registry)
        joined = [
            _join(c, list(pieces), registry)
            for c, pieces in zip(self.columns, zip(*parts, strict=True), strict=True)
        ]
        return self.assembled(joined, len(joined[0]))

    def _arrays(self, frame: pd.DataFrame, arrays: list[Any], registry: InstrumentRegistry) -> list[Any]:
        names = frame.columns.tolist()
        brought = dict(zip(names, arrays, strict=True))
        for name in names:
            if name not in self.by_name:
                raise TableError(
                    self.name, str(name), -1, f"no such column; the table has {', '.join(self.names)}"
                )
            if len(brought) != len(names) and names.count(name) > 1:
                raise TableError(self.name, name, -1, f"{names.count(name)} columns of this name")
        columns: list[Any] = []
        for column in self.columns:
            values = brought.get(column.name)
            if values is None and column.required:
                raise TableError(self.name, column.name, -1, "required column is missing")
            if values is None:
                values = self._unknown(column, len(frame), registry)
            else:
                if not _settled(registry, False, column, values):
                    values = self._converted(column, frame[column.name], registry)
                if column.required:
                    self._require(column, values)
            columns.append(values)
        return columns

    @staticmethod
    def _unknown(column: Column, rows: int, registry: InstrumentRegistry) -> Any:
        if column.kind == "instrument":
            return registry.categorical(np.full(rows, -1, dtype=np.int32))
        return _unknowns(column.kind, column.unknown, rows)

    def _converted(self, column: Column, series: pd.Series[Any], registry: InstrumentRegistry) -> Any:
        try:
            return _convert(column, series, registry)
        except (TypeError, ValueError, OverflowError) as error:
            row = _first_bad(column, series)
            held = f" holds {series.iloc[[row]].tolist()[0]!r}" if row >= 0 else ""
            raise TableError(self.name, column.name, row, f"expected {column.kind}{held}: {error}") from error

    def _require(self, column: Column, values: Any) -> None:
        if column.kind == "float64":
            missing: BoolArray = np.isnan(values)
        elif column.kind == "instrument":
            missing = values.codes < 0
        elif column.kind == "bytes":
            missing = np.asarray(pd.isna(values))
        else:
            return
        if missing.any():
            raise TableError(
                self.name, column.name, int(missing.argmax()), "missing value in a required column"
            )


_CONFORMED: WeakValueDictionary[int, pd.DataFrame] = WeakValueDictionary()
"""Frames that came out of ``conform``, by id: their strings and categories need no second look."""


def _trusted(frame: pd.DataFrame) -> pd.DataFrame:
    _CONFORMED[id(frame)] = frame
    return frame


def _is_fresh(index: pd.Index[Any]) -> bool:
    return type(index) is pd.RangeIndex and index.start == 0 and index.step == 1


def _settled(registry: InstrumentRegistry, trusted: bool, column: Column, values: Any) -> bool:
    """Whether an array is what the column holds; ``trusted`` skips the search for missing strings and categories."""
    kind = column.kind
    if kind in _NUMERIC:
        return type(values) is np.ndarray and values.dtype == column.dtype and values.flags.c_contiguous
    if kind == "instrument":
        return type(values) is pd.Categorical and registry.issued(values)
    if kind == "category":
        return (
            type(values) is pd.Categorical
            and _is_str(values.categories.dtype)
            and (trusted or not _any_negative(values))
        )
    if kind == "str":
        return _is_str(values.dtype) and (trusted or not values.isna().any())
    return type(values) is np.ndarray and values.dtype == object


def _is_str(dtype: Any) -> bool:
    return type(dtype) is pd.StringDtype and dtype.na_value is np.nan


def _any_negative(values: pd.Categorical) -> bool:
    return bool((values.codes < 0).any())


def _join(column: Column, pieces: list[Any], registry: InstrumentRegistry) -> Any:
    if len(pieces) == 1:
        return pieces[0]
    if column.kind == "instrument":
        return registry.categorical(np.concatenate([piece.codes for piece in pieces]))
    if column.kind == "category":
        return _join_categories(pieces)
    if column.kind == "str":
        return pd.array(pa.concat_arrays([_one_chunk(piece) for piece in pieces]), dtype="str")
    return np.concatenate(pieces)


def _one_chunk(strings: Any) -> Any:
    values = pa.array(strings, type=pa.large_string())
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _join_categories(pieces: list[pd.Categorical]) -> pd.Categorical:
    first = pieces[0].dtype
    if all(piece.categories is first.categories for piece in pieces):
        return pd.Categorical.from_codes(
            np.concatenate([p.codes for p in pieces]), dtype=first, validate=False
        )
    pool: dict[str, int] = {}
    codes = []
    for piece in pieces:
        places = np.array([pool.setdefault(name, len(pool)) for name in piece.categories], dtype=np.int32)
        codes.append(places[piece.codes])
    dtype = pd.CategoricalDtype(pd.Index(list(pool), dtype="str"))
    return pd.Categorical.from_codes(np.concatenate(codes), dtype=dtype, validate=False)


def _numbers(column: Column, series: pd.Series[Any]) -> Any:
    if series.dtype == column.kind:
        return series.to_numpy()
    if column.kind != "float64":
        return _exact_integers(series, column.kind)
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _convert(column: Column, series: pd.Series[Any], registry: InstrumentRegistry) -> Any:
    if column.kind in _NUMERIC:
        return _numbers(column, series)
    if column.kind == "instrument":
        return registry.conform(series)
    if column.kind == "category":
        known = isinstance(series.dtype, pd.CategoricalDtype) and series.dtype.categories.dtype == "str"
        values = series.array if known else pd.Categorical(series.astype("str").fillna(""))
        return values if not (values.codes < 0).any() else pd.Categorical(series.astype("str").fillna(""))
    if column.kind == "str":
        return (
            series.array
            if series.dtype == "str" and not series.hasnans
            else series.fillna("").astype("str").array
        )
    return series.to_numpy(dtype=object)


def _exact_integers(series: pd.Series[Any], kind: str) -> Any:
    raw = series.to_numpy()
    with np.errstate(invalid="ignore"):
        values = raw.astype(kind)
    if raw.dtype.kind in "fiu" and not np.array_equal(values, raw):
        raise ValueError("not a whole number in range")
    return values


def _first_bad(column: Column, series: pd.Series[Any]) -> int:
    if column.dtype is None:
        return -1
    for row, value in enumerate(series):
        try:
            if column.kind == "float64":
                float(value)
            elif column.dtype.type(int(value)) != float(value):
                return row
        except (TypeError, ValueError, OverflowError):
            return row
    return -1
