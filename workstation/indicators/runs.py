"""A batch of trades by instrument: what one instrument traded lies together, and a kernel keeps its state in registers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

NEW, NOT_FOLLOWED = -1, -2
"""What stands for a state row while an instrument has none yet, and when it gets none."""


KEPT_ROOM = 100_000
"""Rows up to which the room for a batch is kept for the next one."""


class Runs(NamedTuple):
    """Trades of a batch, those of one instrument after those of another, each in row order.

    ``rows``: their places in the batch; ``owners``: the state row of each run; ``edges``: run i is ``edges[i]`` to
    ``edges[i + 1]`` of ``rows`` and of the columns, which may be longer.
    """

    rows: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int64]
    event_ns: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    flags: npt.NDArray[np.int32]


class Ticks(NamedTuple):
    """Those of the trades that are measured, by instrument: ``places`` in the columns of ``Runs``, and as there."""

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
    codes: Any, row_of: Any, room: Any, event_ns: Any, price: Any, size: Any, flags: Any,
    rows: Any, owners: Any, edges: Any, event_out: Any, price_out: Any, size_out: Any, flags_out: Any,
) -> int:  # fmt: skip
    """Write the runs of a batch (a counting sort); returns how many, -1 when an instrument is new.

    Parameters
    ----------
    codes, row_of
        Registry code of each row, and state row of each code.
    room
        One number per state row, for counts.
    """
    room[:] = 0
    for row in range(codes.size):
        r = row_of[codes[row]]
        if r >= 0:
            room[r] += 1
        elif r == NEW:
            return -1
    runs = total = 0
    for r in range(room.size):
        count = room[r]
        if count:
            owners[runs], edges[runs], room[r] = r, total, total
            runs += 1
            total += count
    edges[runs] = total
    for row in range(codes.size):
        r = row_of[codes[row]]
        if r >= 0:
            place = room[r]
            room[r] = place + 1
            rows[place], event_out[place], price_out[place] = row, event_ns[row], price[row]
            size_out[place], flags_out[place] = size[row], flags[row]
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
def take_old(ring: Any, at: int, new: Any, old: Any) -> int:
    """Write for each new value the one that came as many values before it as the ring is long; the ring takes the new ones.

    Returns the place of the next value in the ring.
    """
    size, many = ring.size, new.size
    near = min(many, size)
    first = min(near, size - at)
    old[:first] = ring[at : at + first]
    old[first:near] = ring[: near - first]
    if many > size:
        old[size:] = new[: many - size]
        at = (at + many - size) % size
        first = size - at
        new = new[many - size :]
    ring[at : at + first] = new[:first]
    ring[: near - first] = new[first:]
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
