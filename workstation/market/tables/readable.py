"""Rows as people read them: times as timestamps on a time index, what is missing as missing, names that pandas leaves free."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.market.instants import NO_TIME
from workstation.market.tables.schema import Table

LENGTHS = ("every_ns",)
"""Columns in nanoseconds that are a length of time and no instant."""
_UNTOLD = ("seen_ns",)
"""Instants that are 0 where they are not known."""


def readable(schema: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table for looking at and plotting.

    Parameters
    ----------
    schema, rows
        The table, and rows of it with all or some of its columns; ``event_ns`` must be among them.

    Returns
    -------
    pandas.DataFrame
        The same rows on an index ``time`` (UTC) made of ``event_ns``. Every other ``x_ns`` is a column ``x`` of timestamps, a length
        of Timedeltas; unknown is NaT; one that would take another's name is ``x_time``. A column that a DataFrame has an attribute for (``size``, ``index``, ``count``) has an
        underscore after its name, so that ``rows.size_`` is the column.

    Notes
    -----
    Engines and the functions of the whole history take the rows as they are stored, not these.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> rows = TRADES.conform(pd.DataFrame({"event_ns": [10**9], "instrument": "X", "price": 1.0, "size": 2.0}))
    >>> seen = readable(TRADES, rows)
    >>> seen.index[0].isoformat(), seen.size_.tolist(), seen.seen.isna().tolist()
    ('1970-01-01T00:00:01+00:00', [2.0], [True])
    """
    columns: dict[str, object] = {}
    for name in rows.columns:
        if name == "event_ns":
            continue
        column = schema.by_name.get(name)
        if column is not None and column.kind == "int64" and name.endswith("_ns"):
            plain = name.removesuffix("_ns")
            columns[free_name(f"{plain}_time" if plain in schema.by_name else plain)] = _moments(
                name, rows[name].to_numpy()
            )
        else:
            columns[free_name(name)] = rows[name].array
    index = pd.DatetimeIndex(rows["event_ns"].to_numpy().astype("datetime64[ns]"), tz="UTC", name="time")
    return pd.DataFrame(columns, index=index, copy=False)


def _moments(name: str, values: np.ndarray) -> pd.TimedeltaIndex | pd.DatetimeIndex:
    """Nanoseconds as lengths or instants."""
    if name in LENGTHS:
        return pd.TimedeltaIndex(values.astype("timedelta64[ns]"))
    unknown = values == 0 if name in _UNTOLD else values == NO_TIME
    return pd.DatetimeIndex(
        np.where(unknown, np.iinfo(np.int64).min, values).astype("datetime64[ns]"), tz="UTC"
    )


def free_name(name: str) -> str:
    """The name, with an underscore after it where a DataFrame has an attribute of that name.

    >>> free_name("size"), free_name("price")
    ('size_', 'price')
    """
    return f"{name}_" if hasattr(pd.DataFrame, name) else name
