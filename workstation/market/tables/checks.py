"""The checks of a batch's columns, and the mark of a batch that has passed them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import TableError
from workstation.market.instruments import InstrumentRegistry
from workstation.market.tables.columns import Column, convert, first_bad, unknowns
from workstation.market.tables.frames import blocks_of
from workstation.market.tables.ranges import impossible

BoolArray = npt.NDArray[np.bool_]


def check_range(table: str, bounded: Iterable[tuple[int, Column]], arrays: list[Any]) -> None:
    """Refuse what a column cannot hold; for batches of whom nobody else has looked at the numbers.

    Of prices only the infinite ones of a required column: whether one can be below zero is the instrument's affair, and
    whoever takes in a source's rows asks ``impossible``.
    """
    for place, column in bounded:
        if column.price and not column.required:
            continue
        for mask, reason in impossible(column, arrays[place]):
            row = int(mask.argmax())
            raise TableError(table, column.name, row, f"{reason}: {arrays[place][row].item()!r}")


def unknown(column: Column, rows: int, registry: InstrumentRegistry) -> Any:
    """A column of so many unknown values."""
    if column.kind == "instrument":
        return registry.categorical(np.full(rows, -1, dtype=np.int32))
    return unknowns(column.kind, column.unknown, rows)


def converted(table: str, column: Column, series: pd.Series[Any], registry: InstrumentRegistry) -> Any:
    """Values of a column in its dtype. Raises ``TableError``, which names the first row that cannot be one."""
    try:
        return convert(column, series, registry)
    except (TypeError, ValueError, OverflowError) as error:
        row = first_bad(column, series)
        held = f" holds {series.iloc[[row]].tolist()[0]!r}" if row >= 0 else ""
        raise TableError(table, column.name, row, f"expected {column.kind}{held}: {error}") from error


def require(table: str, column: Column, values: Any) -> None:
    """Refuse a required column with a missing value. Raises ``TableError``."""
    if column.kind == "float64":
        if not values.size or not np.isnan(values.min()):
            return
        missing: BoolArray = np.isnan(values)
    elif column.kind == "instrument":
        codes = values.codes
        if not codes.size or codes.min() >= 0:
            return
        missing = codes < 0
    elif column.kind == "bytes":
        missing = np.asarray(pd.isna(values))
    else:
        return
    if missing.any():
        raise TableError(table, column.name, int(missing.argmax()), "missing value in a required column")


def trusted(frame: pd.DataFrame) -> pd.DataFrame:
    """Remember that a frame is conformed as long as it has these blocks: its dtypes, strings and categories need no second look."""
    frame.__dict__["_conformed"] = blocks_of(frame)
    return frame


def is_trusted(frame: pd.DataFrame) -> bool:
    """Whether ``trusted`` has seen a frame and no column has been replaced since."""
    return frame.__dict__.get("_conformed") is blocks_of(frame)


def is_fresh(index: pd.Index[Any]) -> bool:
    """Whether an index counts rows from 0."""
    return type(index) is pd.RangeIndex and index.start == 0 and index.step == 1
