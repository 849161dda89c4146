"""Lines of the line protocol, written column by column into one slot per row and then closed up.

Every kernel appends ``,key=value`` to the line of each row whose value is not missing: ``at`` holds where each line ends so
far, shape (n,). Slots are wide enough for the longest line.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types

from workstation.history.influx.decimal_text import EXPONENT, LONG
from workstation.numerics.simd import intrinsic

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

NUMBER_BYTES = 26
"""Room for any number with its mark."""


_STEP = 16
_POWERS = np.array([10**power for power in range(20)], dtype=np.uint64)

SLACK = 16
"""Bytes that may be read behind a source, and written behind a line: texts are copied 16 bytes at a time."""


@intrinsic
def _copy_step(typing: Any, out: Any, at: Any, source: Any, begin: Any) -> Any:
    """Copy 16 bytes, wherever they begin."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), _STEP).as_pointer()
        places = []
        for array, kind, index in ((0, out, 1), (2, source, 3)):
            data = context.make_array(kind)(context, builder, arguments[array]).data
            places.append(builder.bitcast(builder.gep(data, [arguments[index]]), vector))
        builder.store(builder.load(places[1], align=1), places[0], align=1)
        return context.get_dummy_value()

    return types.void(out, types.intp, source, types.intp), generate


@numba.njit(cache=True)
def _copy(out: Bytes, at: int, source: Bytes, begin: int, end: int) -> int:
    for place in range(0, end - begin, _STEP):
        _copy_step(out, at + place, source, begin + place)
    return at + end - begin


@numba.njit(cache=True)
def _digits(out: Bytes, at: int, value: np.uint64, least: int) -> int:
    """Decimal digits of a whole number, zeros before it up to ``least`` digits."""
    count = least
    while count < 20 and value >= _POWERS[count]:
        count += 1
    rest = value
    place = at + count - 1
    while place > at:
        quotient = rest // np.uint64(100)
        pair = np.uint32(rest - quotient * np.uint64(100))
        tens = pair // np.uint32(10)
        out[place] = np.uint8(48 + (pair - tens * np.uint32(10)))
        out[place - 1] = np.uint8(48 + tens)
        rest = quotient
        place -= 2
    if place == at:
        out[at] = np.uint8(48 + rest)
    return at + count


@numba.njit(cache=True)
def _whole(out: Bytes, at: int, value: int) -> int:
    """An int64 in decimal."""
    if value < 0:
        out[at] = 45
        return _digits(out, at + 1, np.uint64(-(value + 1)) + np.uint64(1), 1)
    return _digits(out, at, np.uint64(value), 1)


@numba.njit(cache=True)
def _decimal(out: Bytes, at: int, digits: int, scale: int) -> int:
    """``digits / 10**scale`` with a point and at least one digit on each side of it."""
    if digits < 0:
        out[at] = 45
        at += 1
        digits = -digits
    end = _digits(out, at, np.uint64(digits), scale + 1)
    if scale == 0:
        out[end] = 46
        out[end + 1] = 48
        return end + 2
    point = end - scale
    _copy_step(out, point + 1, out, point)
    out[point] = 46
    return end + 1


@numba.njit(cache=True)
def words(out: Bytes, at: Places, codes: npt.NDArray[np.int32], written: Bytes, ends: Places) -> None:
    """Values of few kinds; ``written`` holds each once, with the key before it. A code below 0 is missing."""
    for row in range(len(at)):
        code = codes[row]
        if code >= 0:
            at[row] = _copy(out, at[row], written, ends[code], ends[code + 1])


@numba.njit(cache=True)
def texts(out: Bytes, at: Places, key: Bytes, key_bytes: int, held: Bytes, ends: Places) -> None:
    """A text per row; an empty one is missing."""
    for row in range(len(at)):
        if ends[row + 1] > ends[row]:
            begin = _copy(out, at[row], key, 0, key_bytes)
            at[row] = _copy(out, begin, held, ends[row], ends[row + 1])


@numba.njit(cache=True)
def integers(
    out: Bytes, at: Places, key: Bytes, key_bytes: int, values: npt.NDArray[np.int64], marked: bool, has_absent: bool, absent: int
) -> None:  # fmt: skip
    """Whole numbers, with the mark ``i`` where they are fields; ``absent`` stands for a missing one."""
    for row in range(len(at)):
        if has_absent and values[row] == absent:
            continue
        end = _whole(out, _copy(out, at[row], key, 0, key_bytes), values[row])
        if marked:
            out[end] = 105
            end += 1
        at[row] = end


@numba.njit(cache=True)
def doubles(
    out: Bytes, at: Places, key: Bytes, key_bytes: int, digits: Places, scales: npt.NDArray[np.int8],
    held: Bytes, ends: Places, exponents: int,
) -> None:  # fmt: skip
    """Doubles as ``decimals`` found them; ``held`` are the texts of the long ones, from ``exponents`` on those with exponents."""
    for row in range(len(at)):
        scale = scales[row]
        if scale >= 0:
            at[row] = _decimal(out, _copy(out, at[row], key, 0, key_bytes), digits[row], scale)
        elif scale in (LONG, EXPONENT):
            text = digits[row] + (exponents if scale == EXPONENT else 0)
            begin = _copy(out, at[row], key, 0, key_bytes)
            at[row] = _copy(out, begin, held, ends[text], ends[text + 1])


@numba.njit(cache=True)
def open_lines(out: Bytes, slot: int, name: Bytes, length: int, at: Places) -> None:
    """Begin every line with the name of the measurement."""
    for row in range(len(at)):
        at[row] = _copy(out, row * slot, name, 0, length)


@numba.njit(cache=True)
def close(out: Bytes, slot: int, fields: Places, at: Places, times: Places, text: Bytes) -> int:
    """Put the blank before the first field and the time behind the last, and the lines one after the other.

    Parameters
    ----------
    out
        Slots of ``slot`` bytes.
    fields
        Where the fields of each line begin, shape (n,).
    at
        Where each line ends; afterwards where it ends in ``text``, with its line break.
    times
        ns, shape (n,).
    text
        Filled with the lines.

    Returns
    -------
    int
        The first row without a field, -1 when there is none.
    """
    total, fieldless = 0, -1
    for row in range(len(at)):
        if at[row] == fields[row] and fieldless < 0:
            fieldless = row
        out[fields[row]] = 32
        out[at[row]] = 32
        end = _whole(out, at[row] + 1, times[row])
        out[end] = 10
        total = _copy(text, total, out, row * slot, end + 1)
        at[row] = total
    return fieldless
