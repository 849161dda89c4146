"""Rows that fit their table, parted from those that do not: one bad row costs its batch nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from workstation.market.errors import TableError
from workstation.market.instruments import REGISTRY, InstrumentRegistry
from workstation.market.tables import Table

MOST = 200
"""Rows that are looked for one by one; a batch with more is refused whole."""


class Refused(NamedTuple):
    """Rows that do not fit, and why."""

    frame: pd.DataFrame
    reason: str


def sift(
    schema: Table, frame: pd.DataFrame, registry: InstrumentRegistry = REGISTRY
) -> tuple[pd.DataFrame, list[Refused]]:
    """The rows that fit, conformed, and those that do not.

    A batch that does not fit as a whole (a column is missing) has no row that fits.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> rows = pd.DataFrame({"event_ns": [1, 2, 3], "instrument": "X", "price": [1.0, np.inf, 3.0], "size": 1.0})
    >>> kept, refused = sift(TRADES, rows)
    >>> kept["price"].tolist(), refused[0].reason
    ([1.0, 3.0], 'trades.price, row 1: price that is not finite: inf')
    """
    refused: list[Refused] = []
    bad = np.zeros(len(frame), dtype=np.bool_)
    for column, mask, reason in schema.impossible(frame):
        row, new = int(mask.argmax()), mask & ~bad
        told = TableError(schema.name, column, row, f"{reason}: {frame[column].iloc[row].item()!r}")
        if new.any():
            refused.append(Refused(frame[new], str(told)))
        bad |= mask
    rest = frame[~bad]
    for _ in range(MOST):
        try:
            return schema.conform(rest.reset_index(drop=True), registry), refused
        except TableError as error:
            if not 0 <= error.row < len(rest):
                return schema.empty(registry), [*refused, Refused(rest, str(error))]
            refused.append(Refused(rest.iloc[[error.row]], str(error)))
            rest = rest.drop(rest.index[error.row])
    return schema.empty(registry), [*refused, Refused(rest, f"more than {MOST} rows that do not fit")]
