"""The arguments of the pricing functions: checked, broadcast against each other, laid out for the kernels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Rows a kernel takes at once: an argument that is one number, or an output nobody wants, needs only this much.
BLOCK = 8192


def numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Real numbers as float64; a TypeError names the argument that holds something else."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}; convert it to float64")
    return array.astype(np.float64, copy=False)


def flags(name: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Booleans; a TypeError names the argument that holds something else."""
    array = np.asarray(values)
    if array.dtype.kind != "b":
        raise TypeError(
            f"{name}: expected booleans, got dtype {array.dtype}; compare first, as in right == 'C'"
        )
    return array


class Rows:
    """Arguments broadcast to one shape and cut into blocks of contiguous rows.

    Parameters
    ----------
    arguments
        Name -> array, in the order in which a kernel takes them. An array of one element stays one block.

    Raises
    ------
    ValueError
        When the shapes do not broadcast; the message names every argument with its shape.

    Examples
    --------
    >>> rows = Rows({"strikes": np.array([90.0, 100.0]), "years": np.array(0.5)})
    >>> rows.shape, [[block.tolist() for block in blocks] for _, blocks in rows.blocks()]
    ((2,), [[[90.0, 100.0], [0.5, 0.5]]])
    """

    def __init__(self, arguments: Mapping[str, NDArray[Any]]) -> None:
        try:
            self.shape: tuple[int, ...] = np.broadcast_shapes(*(array.shape for array in arguments.values()))
        except ValueError:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arguments.items())
            raise ValueError(f"shapes do not broadcast against each other: {shapes}") from None
        self.size = math.prod(self.shape)
        self._columns = [self._column(array) for array in arguments.values()]

    def _column(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.size == 1:
            column = np.full(min(self.size, BLOCK), array.reshape(-1)[0])
        elif array.shape == self.shape and array.flags.c_contiguous:
            column = array.reshape(-1)
        else:
            column = np.ascontiguousarray(np.broadcast_to(array, self.shape)).reshape(-1)
        # columns of a DataFrame are read-only: with all of them so, each kernel is compiled once
        column = column.view()
        column.flags.writeable = False
        return column

    def blocks(self) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
        """Each block's place among the rows, and the arguments there."""
        for start in range(0, self.size, BLOCK):
            rows = slice(start, min(start + BLOCK, self.size))
            yield rows, [self.part(column, rows) for column in self._columns]

    def part(self, column: NDArray[Any], rows: slice) -> NDArray[Any]:
        """The rows of a column, or the head of a column that is only one block long."""
        return column[rows] if column.size == self.size else column[: rows.stop - rows.start]
