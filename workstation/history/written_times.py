"""Times of a batch as its columns hold them: int64 nanoseconds of UTC, in range, or refused by name."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.errors import TableError
from workstation.market.instants import NO_TIME
from workstation.market.tables import Table
from workstation.market.tables.frames import arrays_of

FIRST_YEAR, LAST_YEAR = 1990, 2100
_LEAST_NS = pd.Timestamp("1900-01-01").value
_LAST_NS = pd.Timestamp(f"{LAST_YEAR}-01-01").value


def in_nanoseconds(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its time columns in int64 nanoseconds of UTC; the frame handed in is not changed.

    Datetimes are converted by their own unit and zone (without a zone: UTC). Integers are nanoseconds already.

    Raises
    ------
    TableError
        A datetime outside 1990-2100, an ``event_ns`` that is missing, before 1900 or after 2100, or one that is no time;
        names the column and the first such row.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT
    >>> times = pd.Series(pd.to_datetime(["2026-03-20"])).astype("datetime64[s]")
    >>> in_nanoseconds(HEARTBEAT, pd.DataFrame({"event_ns": times}))["event_ns"].tolist()
    [1773964800000000000]
    """
    changed = {}
    event: Any = None
    for name, values in zip(frame.columns.tolist(), arrays_of(frame), strict=True):
        column = table.by_name.get(name)
        if column is None or column.kind != "int64" or not name.endswith("_ns"):
            continue
        if not (type(values) is np.ndarray and values.dtype.kind in "iuf"):
            converted = _converted(table, name, values)
            if converted is not None:
                values = changed[name] = converted
        event = values if name == "event_ns" else event
    if event is not None:
        _check_event(table, np.asarray(event))
    return frame.assign(**changed) if changed else frame


def _converted(table: Table, name: str, values: Any) -> Any:
    """A time column as int64 ns; None where it is left to the table, which refuses what is no number."""
    dtype = values.dtype
    if dtype.kind == "M" or isinstance(dtype, pd.DatetimeTZDtype):
        return _of_datetimes(table, name, pd.DatetimeIndex(values))
    if dtype.kind == "O":
        return _of_objects(table, name, list(values))
    if dtype.kind in "mUS" or isinstance(dtype, pd.StringDtype):
        raise TableError(table.name, name, 0, f"{list(values[:1])} is no time; give int64 ns or datetimes")
    return None


def _of_datetimes(
    table: Table, name: str, times: pd.DatetimeIndex, first_row: int = 0
) -> np.ndarray[Any, Any]:
    if times.tz is not None:
        times = times.tz_convert("UTC").tz_localize(None)
    missing = np.asarray(times.isna(), dtype=np.bool_)
    years = np.asarray(times.year)
    outside = ~missing & ~((years >= FIRST_YEAR) & (years < LAST_YEAR))
    if outside.any():
        row = int(outside.argmax())
        raise TableError(
            table.name, name, first_row + row, f"{times[row]} is outside {FIRST_YEAR}-{LAST_YEAR}"
        )
    if name == "event_ns" and missing.any():
        raise TableError(table.name, name, first_row + int(missing.argmax()), "a row without a time (NaT)")
    return np.asarray(times.as_unit("ns").asi8)


def _of_objects(table: Table, name: str, values: list[Any]) -> Any:
    """Objects are whole numbers of nanoseconds or moments, never text; None where they are left to the table."""
    moments = [isinstance(value, date | datetime | np.datetime64) or value is pd.NaT for value in values]
    if not any(moments):
        for row, value in enumerate(values):
            if not isinstance(value, int | np.integer) or isinstance(value, bool):
                raise TableError(table.name, name, row, f"{value!r} is no time; give int64 ns or datetimes")
        return None
    whole = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        if not moments[row]:
            raise TableError(table.name, name, row, f"{value!r} among datetimes; give one kind of time")
        one = pd.Timestamp(value)
        whole[row] = _of_datetimes(table, name, pd.DatetimeIndex([one]), row)[0]
    return whole


def _check_event(table: Table, values: np.ndarray[Any, Any]) -> None:
    if values.dtype.kind not in "iu" or not values.size:
        return
    if values.min() >= _LEAST_NS and values.max() < _LAST_NS:
        return
    row = int(((values < _LEAST_NS) | (values >= _LAST_NS)).argmax())
    if values[row] == NO_TIME:
        raise TableError(table.name, "event_ns", row, "a row without a time (NaT)")
    raise TableError(
        table.name,
        "event_ns",
        row,
        f"{values[row]} ns is outside 1900-{LAST_YEAR}; event_ns is ns since 1970, UTC",
    )
