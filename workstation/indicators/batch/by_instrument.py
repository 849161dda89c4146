"""A batch of trades by instrument: what one instrument traded lies together, and a kernel keeps its state in registers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

SCRATCH_ROWS = 100_000
"""Rows up to which scratch arrays are kept for the next batch."""


class TradeArrays(NamedTuple):
    """Columns of trades, arrays of one length."""

    event_ns: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    side: npt.NDArray[np.int8]
    flags: npt.NDArray[np.int32]


class TradeGroups(NamedTuple):
    """Trades of a batch grouped by instrument, groups by their first trade, each in row order.

    ``rows``: their rows in the batch; ``codes``: the registry code of each group; ``offsets``: group i is ``offsets[i]`` to
    ``offsets[i + 1]`` of ``rows`` and of ``trades``, which may be longer.
    """

    rows: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    trades: TradeArrays


class TickGroups(NamedTuple):
    """Those of the grouped trades that are measured.

    ``positions``: in the columns of ``TradeGroups``; ``state_rows``: the state row of each group; ``rows``, ``offsets``: as there.
    """

    positions: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    state_rows: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]


class ScratchArrays:
    """Arrays to write a batch's results to, kept for the next batch unless they are for a whole history.

    Parameters
    ----------
    layout
        Dtype of each array, and how many rows it has (0: it has one dimension).

    Examples
    --------
    >>> scratch = ScratchArrays(("int64", 0), ("float64", 4))
    >>> [array.shape for array in scratch.of(10)], scratch.of(7)[0] is scratch.of(20)[0]
    ([(20,), (4, 20)], True)
    """

    def __init__(self, *layout: tuple[str, int]) -> None:
        self._layout = layout
        self._size = -1
        self._held: tuple[Any, ...] = ()

    def of(self, many: int) -> tuple[Any, ...]:
        """The arrays, each row at least so long; what is in them is of before."""
        if many <= self._size:
            return self._held
        size = many if many > SCRATCH_ROWS else 2 * many
        result = tuple([np.empty((rows, size) if rows else size, dtype) for dtype, rows in self._layout])
        if many <= SCRATCH_ROWS:
            self._size, self._held = size, result
        return result


@numba.njit(cache=True, nogil=True)
def group_trades(codes: Any, counts: Any, trades: TradeArrays, plain: bool, out: TradeGroups) -> int:
    """Write the groups of a batch (a counting sort, whatever the number of codes); returns how many.

    Parameters
    ----------
    codes
        Registry code of each row.
    counts
        One 0 per code, as it is left again.
    plain
        Whether no flag and no side is set: then those of ``out`` are not written to.
    """
    groups = total = 0
    grouped = out.trades
    for row in range(codes.size):
        code = np.uint64(codes[row])
        count = counts[code]
        if count == 0:
            out.codes[groups] = codes[row]
            groups += 1
        counts[code] = count + 1
    for group in range(groups):
        out.offsets[group] = total
        total += counts[out.codes[group]]
        counts[out.codes[group]] = out.offsets[group]
    out.offsets[groups] = total
    for row in range(codes.size):
        code = np.uint64(codes[row])
        position = np.uint64(counts[code])
        counts[code] += 1
        out.rows[position], grouped.event_ns[position] = row, trades.event_ns[row]
        grouped.price[position], grouped.size[position] = trades.price[row], trades.size[row]
    if not plain:
        for done in range(total):
            grouped.flags[done], grouped.side[done] = (
                trades.flags[out.rows[done]],
                trades.side[out.rows[done]],
            )
    for group in range(groups):
        counts[out.codes[group]] = 0
    return groups


@numba.njit(cache=True, nogil=True)
def stretch(values: Any, row: int, stop: int, begin: int, limit: int, ordered: bool) -> tuple[int, int]:
    """The first row after ``row``, which is, whose value is not in ``[begin, limit)``, and the largest value before it.

    Of ordered rows by steps that double until they are beyond, then by halves.
    """
    if not ordered:
        newest = values[row]
        while row < stop and begin <= values[row] < limit:
            newest = max(newest, values[row])
            row += 1
        return row, newest
    inside, step = row, 1
    while inside + step < stop and values[inside + step] < limit:
        inside += step
        step *= 2
    beyond = min(inside + step, stop)
    while beyond - inside > 1:
        middle = (inside + beyond) // 2
        if values[middle] < limit:
            inside = middle
        else:
            beyond = middle
    return beyond, values[inside]


@numba.njit(cache=True, nogil=True)
def copy_to(to: Any, values: Any) -> None:
    """Write values to the begin of another array; a slice's assignment asks more than a short one takes."""
    for position in range(values.size):
        to[position] = values[position]


@numba.njit(cache=True, nogil=True)
def take_old(ring: Any, at: int, new: Any, old: Any) -> int:
    """Write for each new value the one that came as many values before it as the ring is long; the ring takes the new ones.

    Returns the position of the next value in the ring.
    """
    size, many = ring.size, new.size
    near = min(many, size)
    first = min(near, size - at)
    copy_to(old, ring[at : at + first])
    copy_to(old[first:], ring[: near - first])
    if many > size:
        copy_to(old[size:], new[: many - size])
        at = (at + many - size) % size
        first = size - at
        new = new[many - size :]
    copy_to(ring[at:], new[:first])
    copy_to(ring, new[first:])
    at += near
    return int(at - size if at >= size else at)


@numba.njit(cache=True, nogil=True)
def in_row_order(rows: Any, batch_rows: int) -> Any:
    """Positions in ``rows`` (each at most once, below ``batch_rows``) that sort it."""
    position_of = np.full(batch_rows, -1, dtype=np.int64)
    for position in range(rows.size):
        position_of[rows[position]] = position
    order = np.empty(rows.size, dtype=np.int64)
    done = 0
    for position in position_of:  # type: ignore[assignment]
        if position >= 0:
            order[done] = position
            done += 1
    return order
