"""Rows that fit their table, parted from those that do not: one bad row costs its batch nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import TableError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY, InstrumentRegistry
from workstation.market.tables import Table
from workstation.market.tables.frames import arrays_of, blocks_of

MOST = 200
"""Rows that are looked for one by one; a batch with more is refused whole."""


class Refused(NamedTuple):
    """Rows that do not fit, and why."""

    frame: pd.DataFrame
    reason: str


def has_odd_price(schema: Table, frame: pd.DataFrame) -> bool:
    """Whether a conformed batch holds a price that is infinite, or below zero, which not every instrument's can be."""
    stacks = [block.values for block in blocks_of(frame) if block.values.dtype == np.float64]
    if not any(_is_odd(values) for values in stacks):  # of most batches all numbers are plain: asked at once
        return False
    arrays = arrays_of(frame)
    return any(_is_odd(arrays[place]) for place in schema.prices)


@numba.njit(cache=True)
def _holds_odd(values: Any) -> bool:
    """Whether a stack of columns holds a number that is infinite or below zero."""
    odd = False
    for row in range(values.shape[0]):
        for at in range(values.shape[1]):
            value = values[row, at]
            odd |= value < 0.0 or value == np.inf
    return odd


def _is_odd(values: npt.NDArray[np.float64]) -> bool:
    flags = values.flags
    if values.ndim == 2 and flags.c_contiguous and flags.writeable:  # one type for the compiler
        return bool(_holds_odd(values))
    return bool(((values < 0.0) | (values == np.inf)).any())


def _kinds(names: list[str]) -> list[str]:
    return INSTRUMENT_TERMS.kinds(REGISTRY.codes(names))


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
    kinds = _kinds if registry is REGISTRY else None
    for column, mask, reason in schema.impossible(frame, kinds):
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
