"""What a table is: columns with dtype, unit and meaning, a key, and one check at the edge.

A batch is a pandas DataFrame whose columns are contiguous arrays. ``Table.conform`` is the only place
where a batch is checked; everything inside trusts what passed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from workstation.market.errors import TableError
from workstation.market.instruments import REGISTRY, InstrumentRegistry

NO_TIME = np.iinfo(np.int64).min
"""The "unknown" of an int64 nanosecond column (pandas' NaT)."""

Kind = Literal["int64", "int32", "int8", "float64", "bool", "instrument", "category", "str", "bytes"]

_UNKNOWN: Mapping[str, Any] = {
    "int64": 0, "int32": 0, "int8": 0, "float64": np.nan, "bool": False, "category": "", "str": "", "bytes": b"",
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

    @property
    def unknown(self) -> Any:
        """The value that stands for "not known" when a batch does not bring the column."""
        if self.name.endswith("_ns") and self.kind == "int64" and self.name not in ("event_ns", "seen_ns"):
            return NO_TIME
        return _UNKNOWN[self.kind]

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {c.name: c for c in self.columns})

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
        return pd.DataFrame({c.name: self._unknown(c, 0, registry) for c in self.columns}, copy=False)

    def conform(self, frame: pd.DataFrame, registry: InstrumentRegistry = REGISTRY) -> pd.DataFrame:
        """The batch with every column of the table, in order, in its dtype.

        Columns the batch does not bring are filled with their unknown; required columns must be there and
        hold no NaN. Columns the table does not know are an error. Arrays already in their dtype are not copied.

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
        rows = len(frame)
        for name in frame.columns:
            if name not in self.by_name:
                raise TableError(
                    self.name, str(name), -1, f"no such column; the table has {', '.join(self.names)}"
                )
        columns: dict[str, Any] = {}
        for column in self.columns:
            if column.name in frame.columns:
                columns[column.name] = self._values(column, frame[column.name], registry)
            elif column.required:
                raise TableError(self.name, column.name, -1, "required column is missing")
            else:
                columns[column.name] = self._unknown(column, rows, registry)
        return pd.DataFrame(columns, copy=False)

    @staticmethod
    def _unknown(column: Column, rows: int, registry: InstrumentRegistry) -> Any:
        if column.kind == "instrument":
            return registry.categorical(np.full(rows, -1, dtype=np.int32))
        size = 1 << max(rows - 1, 0).bit_length()
        return _unknown_values(column.kind, column.unknown, size)[:rows]

    def _values(self, column: Column, series: pd.Series[Any], registry: InstrumentRegistry) -> Any:
        try:
            values = _convert(column, series, registry)
        except (TypeError, ValueError, OverflowError) as error:
            row = _first_bad(column, series)
            held = f" holds {series.iloc[row]!r}" if row >= 0 else ""
            raise TableError(self.name, column.name, row, f"expected {column.kind}{held}: {error}") from error
        if column.required:
            missing = values.codes < 0 if column.kind == "instrument" else _missing(column, values)
            if missing.any():
                raise TableError(
                    self.name, column.name, int(missing.argmax()), "missing value in a required column"
                )
        return values


def _missing(column: Column, values: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if column.kind == "float64":
        return np.isnan(values)
    return np.zeros(1, dtype=bool) if column.kind in _NUMERIC else np.asarray(pd.isna(values))


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
    values = raw.astype(kind)
    if raw.dtype.kind in "fiu" and not np.array_equal(values, raw):
        raise ValueError("not a whole number in range")
    return values


def _first_bad(column: Column, series: pd.Series[Any]) -> int:
    if column.kind in _NUMERIC:
        for row, value in enumerate(series):
            try:
                if column.kind != "float64" and int(value) != float(value):
                    return row
                float(value)
            except (TypeError, ValueError, OverflowError):
                return row
    return -1
