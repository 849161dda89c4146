"""Times of a batch as its columns hold them: int64 nanoseconds of UTC, in range, or refused by name."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.errors import TableError
from workstation.market.instants import NO_TIME
from workstation.market.tables import Table

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
    for name in frame.columns:
        column = table.by_name.get(name)
        if column is None or column.kind != "int64" or not name.endswith("_ns"):
            continue
        held: Any = frame[name]
        if held.ndim > 1:
            continue  # two columns of one name: the table refuses them by name
        if held.dtype.kind == "M" or isinstance(held.dtype, pd.DatetimeTZDtype):
            changed[name] = _of_datetimes(table, name, pd.DatetimeIndex(held))
        elif held.dtype == object:
            changed[name] = _of_objects(table, name, held)
        elif held.dtype.kind in "mUS" or isinstance(held.dtype, pd.StringDtype):
            raise TableError(
                table.name, name, 0, f"{held.iloc[:1].tolist()} is no time; give int64 ns or datetimes"
            )
    if changed:
        frame = frame.assign(**changed)
    if "event_ns" in frame.columns and isinstance(frame["event_ns"], pd.Series):
        _check_event(table, frame["event_ns"])
    return frame


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


def _of_objects(table: Table, name: str, held: pd.Series[Any]) -> Any:
    """Objects are whole numbers of nanoseconds or moments, never text."""
    values = held.tolist()
    moments = [isinstance(value, date | datetime | np.datetime64) or value is pd.NaT for value in values]
    if not any(moments):
        for row, value in enumerate(values):
            if not isinstance(value, int | np.integer) or isinstance(value, bool):
                raise TableError(table.name, name, row, f"{value!r} is no time; give int64 ns or datetimes")
        return held
    whole = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        if not moments[row]:
            raise TableError(table.name, name, row, f"{value!r} among datetimes; give one kind of time")
        one = pd.Timestamp(value)
        whole[row] = _of_datetimes(table, name, pd.DatetimeIndex([one]), row)[0]
    return whole


def _check_event(table: Table, event: pd.Series[Any]) -> None:
    values = event.to_numpy()
    if values.dtype.kind not in "iu" or not values.size:
        return
    bad = (values < _LEAST_NS) | (values >= _LAST_NS)
    if not bad.any():
        return
    row = int(bad.argmax())
    if values[row] == NO_TIME:
        raise TableError(table.name, "event_ns", row, "a row without a time (NaT)")
    raise TableError(
        table.name,
        "event_ns",
        row,
        f"{values[row]} ns is outside 1900-{LAST_YEAR}; event_ns is ns since 1970, UTC",
    )
