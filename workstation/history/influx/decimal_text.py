"""Doubles as the shortest decimal text that reads back as the same double: Python's ``repr``, column by column."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt
import orjson

MISSING, LONG, INFINITE, EXPONENT = -1, -2, -3, -4
"""Scales that are none: NaN, more than 15 digits, infinity, a size that is written with an exponent."""

_SCALES = np.array([0, 2, 4, 8, 12], dtype=np.int8)
_POWERS = np.array([1e0, 1e2, 1e4, 1e8, 1e12])


@numba.njit(cache=True)
def decimal(value: float) -> tuple[int, int]:
    """A double as ``digits / 10**scale`` with the fewest digits, where 15 are enough; else a scale below 0.

    A decimal of at most 15 digits is the shortest text of the double nearest to it, for no two of them share one.

    Examples
    --------
    >>> decimal(70123.5), decimal(3.0), decimal(0.1 + 0.2)[1] == LONG, decimal(1e-7)[1] == EXPONENT
    ((701235, 1), (3, 0), True, True)
    """
    if math.isnan(value):
        return 0, MISSING
    size = abs(value)
    if size == np.inf:
        return 0, INFINITE
    if size == 0.0:
        return 0, (0 if math.copysign(1.0, value) > 0.0 else LONG)
    if size < 1e-4 or size >= 1e16:
        return 0, EXPONENT
    for tried in range(len(_SCALES)):
        whole = np.rint(value * _POWERS[tried])
        if abs(whole) >= 1e15:
            break
        if whole / _POWERS[tried] == value:
            digits, scale = np.int64(whole), np.int64(_SCALES[tried])
            while scale > 0 and digits % 10 == 0:
                digits //= 10
                scale -= 1
            return int(digits), int(scale)
    return 0, LONG


@numba.njit(cache=True)
def decimals(
    values: npt.NDArray[np.float64], digits: npt.NDArray[np.int64], scales: npt.NDArray[np.int8]
) -> int:
    """Fill digits and scales of a column, shape (n,); what has no 15 digits is numbered in ``digits`` by its kind.

    Returns
    -------
    int
        Place of the first infinity, -1 when there is none.
    """
    long, exponent, infinite = 0, 0, -1
    for row in range(len(values)):
        digits[row], scale = decimal(values[row])
        scales[row] = scale
        if scale == LONG:
            digits[row] = long
            long += 1
        elif scale == EXPONENT:
            digits[row] = exponent
            exponent += 1
        elif scale == INFINITE and infinite < 0:
            infinite = row
    return infinite


def texts(values: npt.NDArray[np.float64], scales: npt.NDArray[np.int8]) -> tuple[list[bytes], list[bytes]]:
    """Texts of the doubles of more than 15 digits, and of those with an exponent, in order of their rows.

    Examples
    --------
    >>> texts(np.array([0.1 + 0.2, 1e-07, -0.0, 2e300]), np.array([LONG, EXPONENT, LONG, EXPONENT], dtype=np.int8))
    ([b'0.30000000000000004', b'-0.0'], [b'1e-07', b'2e+300'])
    """
    long = values[scales == LONG]
    plain = orjson.dumps(long, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",") if len(long) else []
    return plain, [repr(value).encode() for value in values[scales == EXPONENT].tolist()]
