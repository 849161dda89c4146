"""A batch of trades by instrument: what one instrument traded lies together, and a kernel keeps its state in registers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

KEPT_ROOM = 100_000
"""Rows up to which the room for a batch is kept for the next one."""


class Runs(NamedTuple):
    """Trades of a batch, those of one instrument after those of another, each in row order; by first trade.

    ``rows``: their places in the batch; ``codes``: the registry code of each run; ``edges``: run i is ``edges[i]`` to
    ``edges[i + 1]`` of ``rows`` and of the columns, which may be longer.
    """

    rows: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int64]
    event_ns: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    flags: npt.NDArray[np.int32]


class Ticks(NamedTuple):
    """Those of the trades that are measured, by instrument.

    ``places``: in the columns of ``Runs``; ``owners``: the state row of each run; ``rows``, ``edges``: as there.
    """

    places: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int64]


class Room:
    """Arrays to write a batch's results to, kept for the next batch unless they are for a whole history.

    Parameters
    ----------
    layout
        Dtype of each array, and how many rows it has (0: it has one dimension).

    Examples
    --------
    >>> room = Room(("int64", 0), ("float64", 4))
    >>> [array.shape for array in room.of(10)], room.of(7)[0] is room.of(20)[0]
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
        size = many if many > KEPT_ROOM else 2 * many
        made = tuple([np.empty((rows, size) if rows else size, dtype) for dtype, rows in self._layout])
        if many <= KEPT_ROOM:
            self._size, self._held = size, made
        return made


@numba.njit(cache=True, nogil=True)
def gather(
    codes: Any, counts: Any, event_ns: Any, price: Any, size: Any, flags: Any, plain: bool,
    rows: Any, owners: Any, edges: Any, event_out: Any, price_out: Any, size_out: Any, flags_out: Any,
) -> int:  # fmt: skip
    """Write the runs of a batch (a counting sort, whatever the number of codes); returns how many.

    Parameters
    ----------
    codes
        Registry code of each row.
    counts
        One 0 per code, as it is left again.
    plain
        Whether no flag is set: then ``flags_out`` is not written to.
    """
    runs = total = 0
    for row in range(codes.size):
        code = np.uint64(codes[row])
        count = counts[code]
        if count == 0:
            owners[runs] = codes[row]
            runs += 1
        counts[code] = count + 1
    for run in range(runs):
        edges[run] = total
        total += counts[owners[run]]
        counts[owners[run]] = edges[run]
    edges[runs] = total
    for row in range(codes.size):
        code = np.uint64(codes[row])
        place = np.uint64(counts[code])
        counts[code] += 1
        rows[place], event_out[place] = row, event_ns[row]
        price_out[place], size_out[place] = price[row], size[row]
    if not plain:
        for done in range(total):
            flags_out[done] = flags[rows[done]]
    for run in range(runs):
        counts[owners[run]] = 0
    return runs


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
    for place in range(values.size):
        to[place] = values[place]


@numba.njit(cache=True, nogil=True)
def take_old(ring: Any, at: int, new: Any, old: Any) -> int:
    """Write for each new value the one that came as many values before it as the ring is long; the ring takes the new ones.

    Returns the place of the next value in the ring.
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
    """Places in ``rows`` (each at most once, below ``batch_rows``) that sort it."""
    place_of = np.full(batch_rows, -1, dtype=np.int64)
    for place in range(rows.size):
        place_of[rows[place]] = place
    order = np.empty(rows.size, dtype=np.int64)
    done = 0
    for place in place_of:  # type: ignore[assignment]
        if place >= 0:
            order[done] = place
            done += 1
    return order
