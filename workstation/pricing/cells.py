"""The contracts of a chain by expiry and strike: which cell each is in, and sums over the calls and the puts of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@numba.njit(cache=True)
def _distinct_in_order(values: Any) -> Any:
    """Distinct values and which of them each is; none of them when they do not ascend."""
    found, group = np.empty_like(values), np.empty(values.size, np.int64)
    size = 0
    for i in range(values.size):
        if i == 0 or values[i] != values[i - 1]:
            if i > 0 and not values[i] > values[i - 1]:
                return found[:0], group[:0]
            found[size] = values[i]
            size += 1
        group[i] = size - 1
    return found[:size], group


def distinct(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Places]:
    """The distinct values, ascending, and which of them each value is: quick when the values ascend.

    Examples
    --------
    >>> [part.tolist() for part in distinct(np.array([80.0, 90.0, 90.0]))]
    [[80.0, 90.0], [0, 1, 1]]
    """
    found, group = _distinct_in_order(values)
    if found.size == 0 < values.size:
        found, group = np.unique(values, return_inverse=True)
    return found, group


@numba.njit(cache=True)
def _cells_in_order(expiry_ns: Any, strike: Any) -> Any:
    """Cell of each contract and first contract of each cell; no contract when they are not sorted."""
    cell, first = np.empty(strike.size, np.int64), np.empty(strike.size, np.int64)
    size = 0
    for i in range(strike.size):
        if i == 0 or expiry_ns[i] != expiry_ns[i - 1] or strike[i] != strike[i - 1]:
            if i > 0 and (
                expiry_ns[i] < expiry_ns[i - 1]
                or (expiry_ns[i] == expiry_ns[i - 1] and not strike[i] > strike[i - 1])
            ):
                return cell[:0], first[:0]
            first[size] = i
            size += 1
        cell[i] = size - 1
    return cell, first[:size]


class Cells:
    """Contracts grouped by expiry and strike, in that order.

    Attributes
    ----------
    expiry_ns, strike
        Of each of m cells.
    cell
        Cell of each contract, shape (n,).

    Examples
    --------
    >>> cells = Cells(expiry_ns=np.array([7, 7, 7]), strike=np.array([90.0, 90.0, 80.0]),
    ...               is_call=np.array([True, False, True]))
    >>> cells.strike.tolist(), [part.tolist() for part in cells.sums(np.array([1.0, 2.0, 4.0]))]
    ([80.0, 90.0], [[4.0, 1.0], [0.0, 2.0]])
    """

    def __init__(
        self, *, expiry_ns: npt.NDArray[np.int64], strike: Floats, is_call: npt.NDArray[np.bool_]
    ) -> None:
        self.cell, first = _cells_in_order(expiry_ns, strike)
        if first.size == 0 < strike.size:
            order = np.lexsort((strike, expiry_ns))
            cell, positions = _cells_in_order(expiry_ns[order], strike[order])
            self.cell = np.empty_like(cell)
            self.cell[order], first = cell, order[positions]
        self.expiry_ns, self.strike = expiry_ns[first], strike[first]
        self._put = ~is_call
        self._slot = 2 * self.cell + self._put

    @cached_property
    def _by_strike(self) -> tuple[Floats, Places]:
        strikes, row = np.unique(self.strike, return_inverse=True)
        return strikes, 2 * row[self.cell] + self._put

    @property
    def strikes(self) -> Floats:
        """The distinct strikes of all expiries, ascending."""
        return self._by_strike[0]

    def sums(self, values: Floats) -> tuple[Floats, Floats]:
        """Sum of contracts' values over the calls and over the puts of each cell, each of shape (m,).

        Unknown (NaN) values have no part; a side of which all are unknown is NaN, one without contracts 0.
        """
        calls, puts = _sums(self._slot, values, self.strike.size)
        return calls, puts

    def totals(self, values: Floats) -> Floats:
        """Sum of contracts' values of each cell, both rights, shape (m,); NaN where only unknown values are."""
        return self.total(*self.sums(values), values)

    def total(self, calls: Floats, puts: Floats, values: Floats) -> Floats:
        """``totals`` from the two ``sums``."""
        return _total(calls, puts, self.cell, values)

    def all_sums(self, values: Sequence[Floats]) -> tuple[npt.NDArray[np.float64], ...]:
        """``sums`` and ``totals`` of several values at once: calls, puts and totals, each of shape (k, m)."""
        rows = np.empty((len(values), self.cell.size))
        for row, one in zip(rows, values, strict=True):
            row[:] = one
        calls, puts, totals = _all_sums(self._slot, rows, self.strike.size)
        return calls, puts, totals

    def total_by_strike(self, calls: Floats, puts: Floats, values: Floats) -> Floats:
        """The same from the two ``sums_by_strike``, over all expiries."""
        return _total(calls, puts, self._by_strike[1] >> 1, values)

    def sums_by_strike(self, values: Floats) -> tuple[Floats, Floats]:
        """The same of each of ``strikes``, over all expiries."""
        calls, puts = _sums(self._by_strike[1], values, self._by_strike[0].size)
        return calls, puts


def _total(calls: Floats, puts: Floats, cell: Places, values: Floats) -> Floats:
    total = calls + puts
    if not np.isnan(total).any():
        return np.asarray(total)
    known = np.zeros(calls.size, dtype=bool)
    known[cell[~np.isnan(values)]] = True
    return np.where(known, np.nan_to_num(calls) + np.nan_to_num(puts), np.nan)


@numba.njit(cache=True)
def _tell_unknown(slot: Any, values: Any, calls: Any, puts: Any, totals: Any) -> None:
    """Make NaN what sums up unknown values only; totals of a cell without known ones too."""
    known, met = np.zeros(2 * calls.size, np.bool_), np.zeros(2 * calls.size, np.bool_)
    for i in range(slot.size):
        met[slot[i]] = True
        known[slot[i]] |= values[i] == values[i]
    for cell in range(calls.size):
        if met[2 * cell] and not known[2 * cell]:
            calls[cell] = np.nan
        if met[2 * cell + 1] and not known[2 * cell + 1]:
            puts[cell] = np.nan
        if not (known[2 * cell] or known[2 * cell + 1]):
            totals[cell] = np.nan


@numba.njit(cache=True)
def _all_sums(slot: Any, values: Any, size: int) -> Any:
    """Sums of the even and of the odd slots, and of both, of each row; NaN where only unknown values are."""
    rows = values.shape[0]
    calls, puts, totals = np.zeros((rows, size)), np.zeros((rows, size)), np.empty((rows, size))
    for row in range(rows):
        unknown = False
        for i in range(slot.size):
            value = values[row, i]
            if value != value:
                unknown = True
            elif slot[i] & 1:
                puts[row, slot[i] >> 1] += value
            else:
                calls[row, slot[i] >> 1] += value
        for cell in range(size):
            totals[row, cell] = calls[row, cell] + puts[row, cell]
        if unknown:
            _tell_unknown(slot, values[row], calls[row], puts[row], totals[row])
    return calls, puts, totals


@numba.njit(cache=True)
def _sums(slot: Any, values: Any, size: int) -> Any:
    """Sums of the even and of the odd slots; NaN where only unknown values are."""
    calls, puts, unknown = np.zeros(size), np.zeros(size), False
    for i in range(slot.size):
        value = values[i]
        if value != value:
            unknown = True
        elif slot[i] & 1:
            puts[slot[i] >> 1] += value
        else:
            calls[slot[i] >> 1] += value
    if unknown:
        known = np.zeros(2 * size, np.bool_)
        for i in range(slot.size):
            known[slot[i]] |= values[i] == values[i]
        for i in range(slot.size):
            if not known[slot[i]]:
                (puts if slot[i] & 1 else calls)[slot[i] >> 1] = np.nan
    return calls, puts
