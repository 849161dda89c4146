"""What a column is: its kind, its unknown, and the way from what a batch brings to the array the column holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.market.instants import NO_TIME
from workstation.market.instruments import InstrumentRegistry
from workstation.market.tables.categories import categories, category, coded, constant
from workstation.market.tables.texts import text_column

Kind = Literal["int64", "int32", "int8", "float64", "bool", "instrument", "category", "str", "bytes"]

_UNKNOWN: Mapping[str, Any] = {
    "int64": 0, "int32": 0, "int8": 0, "float64": np.nan, "bool": False, "category": "", "str": "", "bytes": b"", "instrument": None,
}  # fmt: skip
_ARROW: Mapping[str, pa.DataType] = {
    "int64": pa.int64(), "int32": pa.int32(), "int8": pa.int8(), "float64": pa.float64(), "bool": pa.bool_(),
    "instrument": pa.dictionary(pa.int32(), pa.string()), "category": pa.dictionary(pa.int32(), pa.string()),
    "str": pa.string(), "bytes": pa.binary(),
}  # fmt: skip
NUMERIC = ("int64", "int32", "int8", "float64", "bool")


@dataclass(frozen=True)
class Column:
    """One column: name, kind, unit, whether a batch must bring it, what it means, and what it may hold.

    ``least`` and ``most`` bound a number (NaN passes); a bounded number is finite. ``price`` says it is one: finite, and
    below zero only for instruments whose price can be (futures, spreads, what nobody has described).
    """

    name: str
    kind: Kind
    unit: str = ""
    required: bool = False
    doc: str = ""
    least: float | None = None
    most: float | None = None
    price: bool = False
    dtype: np.dtype[Any] | None = field(init=False, repr=False, compare=False)
    """NumPy dtype of a numeric column, None for the others."""
    unknown: Any = field(init=False, repr=False, compare=False)
    """The value that stands for "not known" when a batch does not bring the column."""

    def __post_init__(self) -> None:
        time = self.kind == "int64" and self.name.endswith("_ns") and self.name not in ("event_ns", "seen_ns")
        object.__setattr__(self, "unknown", NO_TIME if time else _UNKNOWN[self.kind])
        object.__setattr__(self, "dtype", np.dtype(self.kind) if self.kind in NUMERIC else None)

    @property
    def bounded(self) -> bool:
        """Whether the column may not hold every number."""
        return self.price or self.least is not None or self.most is not None

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type under which history keeps the column."""
        return _ARROW[self.kind]


@lru_cache(maxsize=4096)
def _unknown_values(kind: str, value: Any, rows: int) -> Any:
    """Shared, read-only columns of one unknown value; ``rows`` is a power of two."""
    if kind in NUMERIC:
        values = np.full(rows, value, dtype=kind)
        values.setflags(write=False)
        return values
    if kind == "category":
        return constant(value, rows)
    if kind == "str":
        return pd.array([value], dtype="str").repeat(rows)
    values = np.full(rows, value, dtype=object)
    values.setflags(write=False)
    return values


@lru_cache(maxsize=4096)
def unknowns(kind: str, value: Any, rows: int) -> Any:
    """A shared column of one unknown value; read-only where it is a NumPy array."""
    return _unknown_values(kind, value, 1 << max(rows - 1, 0).bit_length())[:rows]


def settled(registry: InstrumentRegistry, column: Column, values: Any) -> bool:
    """Whether an array is what the column holds."""
    kind = column.kind
    if kind in NUMERIC:
        return type(values) is np.ndarray and values.dtype == column.dtype and values.flags.c_contiguous
    if kind == "instrument":
        return type(values) is pd.Categorical and registry.issued(values)
    if kind == "category":
        return (
            type(values) is pd.Categorical and _is_str(values.categories.dtype) and not _any_negative(values)
        )
    if kind == "str":
        return _is_str(getattr(values, "dtype", None)) and not values.isna().any()
    return type(values) is np.ndarray and values.dtype == object


def _is_str(dtype: Any) -> bool:
    return type(dtype) is pd.StringDtype and dtype.na_value is np.nan


def _any_negative(values: pd.Categorical) -> bool:
    return bool((values.codes < 0).any())


def join(column: Column, pieces: list[Any], registry: InstrumentRegistry) -> Any:
    """Settled arrays of a column one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    if column.kind == "instrument":
        return registry.categorical(np.concatenate([piece.codes for piece in pieces]))
    if column.kind == "category":
        return _join_categories(pieces)
    if column.kind == "str":
        return text_column(pa.concat_arrays([_one_chunk(piece) for piece in pieces]))
    return np.concatenate(pieces)


def _one_chunk(strings: Any) -> Any:
    values = pa.array(strings, type=pa.large_string())
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _join_categories(pieces: list[pd.Categorical]) -> pd.Categorical:
    first = pieces[0].dtype
    if all(piece.categories is first.categories for piece in pieces):
        return coded(np.concatenate([p.codes for p in pieces]), first)
    pool: dict[str, int] = {}
    codes = []
    for piece in pieces:
        places = np.array([pool.setdefault(name, len(pool)) for name in piece.categories], dtype=np.int32)
        codes.append(places[piece.codes])
    return coded(np.concatenate(codes), categories(*pool))


def _numbers(column: Column, series: pd.Series[Any]) -> Any:
    if series.dtype == column.kind:
        return series.to_numpy()
    instants = column.kind == "int64" and column.name.endswith("_ns")
    if instants and _are_datetimes(series):
        return _nanoseconds(column, series)
    _refuse_others(column, series, instants)
    try:
        if column.kind != "float64":
            return _exact_integers(series, column.kind)
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        if str(error) == _NOT_WHOLE:
            raise
        raise ValueError("give int64 ns of UTC or datetimes" if instants else "not a number") from error


_NOT_WHOLE = "not a whole number in range"


def _are_datetimes(series: pd.Series[Any]) -> bool:
    if series.dtype.kind == "M":
        return True
    return series.dtype == object and any(
        isinstance(value, date | np.datetime64) or value is pd.NaT for value in series
    )


def _nanoseconds(column: Column, series: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """Datetimes of any unit and zone (without one: UTC) as nanoseconds; NaT as unknown where the column may be."""
    found = pd.DatetimeIndex(pd.to_datetime(series, utc=True)).as_unit("ns")
    if column.required and found.hasnans:
        raise ValueError("a row without a time (NaT)")
    return np.asarray(found.asi8)


def _refuse_others(column: Column, series: pd.Series[Any], instants: bool) -> None:
    """Refuse what would turn into other numbers than it says."""
    kind = series.dtype.kind
    if kind in "mMc":
        raise TypeError(f"{series.dtype} holds no {'instants' if instants else 'numbers'} of this column")
    if kind == "b" and column.kind != "bool":
        raise TypeError("truth values where numbers belong")
    if instants and kind == "f" and series.dtype.itemsize < 8:  # type: ignore[union-attr]
        raise TypeError(f"{series.dtype} carries no nanoseconds")


def series_of(values: Any) -> pd.Series[Any]:
    """Values as pandas would hold them as a column; an array of objects keeps them as they are."""
    objects = isinstance(values, np.ndarray) and values.dtype == object
    return pd.Series(values, dtype=object if objects else None, copy=False)


def texts(column: Column, values: Any, rows: int) -> Any:
    """A column of text given as a list or as one text for all rows, as the array it holds; None where it is neither."""
    kind = column.kind
    if kind == "category" and isinstance(values, str):
        return constant(values, rows)
    if kind not in ("category", "str") or not isinstance(values, list) or set(map(type, values)) - {str}:
        return None
    return category(values) if kind == "category" else text_column(values)


def plain_numbers(column: Column, values: Any) -> Any:
    """A list of plain Python numbers that are all the column's own kind, as the array it holds; None where any is another.

    Examples
    --------
    >>> plain_numbers(Column("size", "float64"), [1.0, 2]).tolist(), plain_numbers(Column("size", "int8"), [300])
    ([1.0, 2.0], None)
    """
    dtype = column.dtype
    if dtype is None or not isinstance(values, list):
        return None
    kinds = set(map(type, values))
    if column.kind == "float64":
        return np.array(values, dtype) if kinds <= {float, int} and float in kinds else None
    if column.kind == "bool":
        return np.array(values, dtype) if kinds == {bool} else None
    if kinds != {int} or min(values) < np.iinfo(dtype).min or max(values) > np.iinfo(dtype).max:
        return None
    return np.array(values, dtype)


def convert(column: Column, series: pd.Series[Any], registry: InstrumentRegistry) -> Any:
    """A brought column as the array the column holds; ``TypeError``, ``ValueError`` or ``OverflowError`` where it cannot be."""
    if column.kind in NUMERIC:
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
        raise ValueError(_NOT_WHOLE)
    return values


def first_bad(column: Column, series: pd.Series[Any]) -> int:
    """First row of a numeric column that is no such number; -1 where none is found."""
    if column.dtype is None:
        return -1
    if column.name.endswith("_ns") and _are_datetimes(series):
        missing = series.isna().to_numpy()
        return int(missing.argmax()) if missing.any() else -1
    for row, value in enumerate(series):
        try:
            if column.kind == "float64":
                float(value)
            elif column.dtype.type(int(value)) != float(value):
                return row
        except (TypeError, ValueError, OverflowError):
            return row
    return -1
