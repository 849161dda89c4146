"""Rows that an engine tells as dicts, as a frame of their table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workstation.market.instruments import REGISTRY
from workstation.market.tables import Column
from workstation.market.tables.categories import CategoryPool
from workstation.market.tables.checks import unknown
from workstation.market.tables.schema import Table
from workstation.market.tables.texts import text_column


class RowFrames:
    """Frames of one table from rows that need no check: each value is of its column's kind.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT
    >>> RowFrames(HEARTBEAT).frame([{"event_ns": 5, "feed": "tape"}])[["seq", "event_ns", "feed"]].values.tolist()
    [[0, 5, 'tape']]
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._pools = {column.name: CategoryPool() for column in table.columns if column.kind == "category"}
        self._empty = table.empty()

    def frame(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        """The rows; what they do not name is unknown, what the table does not know is left out."""
        if not rows:
            return self._empty.copy(deep=False)
        arrays = [self._array(column, rows) for column in self._table.columns]
        return self._table.assembled(arrays, len(rows))

    def _array(self, column: Column, rows: list[dict[str, Any]]) -> Any:
        name = column.name
        if name not in rows[0]:
            return unknown(column, len(rows), REGISTRY)
        values = [row[name] for row in rows]
        if column.dtype is not None:
            return np.array(values, column.dtype)
        if column.kind == "instrument":
            return REGISTRY.categorical(REGISTRY.codes(values))
        return text_column(values) if column.kind == "str" else self._pools[name].column(values)
