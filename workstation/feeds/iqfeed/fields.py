"""Kernels over raw bytes: the fields of lines as numbers, a column per field."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.feeds.iqfeed.layout import ROLES
from workstation.feeds.iqfeed.scan import contents_bits

NUMBERS = ("price", "size", "bid", "bid_size", "ask", "ask_size", "open_interest", "volume")
WHOLE = ("day", "time_us", "market", "aggressor", "id", "count", "bid_us", "ask_us", "conditions", "contents")
MISSING = -1
"""Of a whole number that is not there."""
_ROLE = {role: number for number, role in enumerate(ROLES)}
_FLOAT_ROLES = np.array([_ROLE[name] for name in NUMBERS], dtype=np.int64)
_WHOLE_ROLES = np.array(
    [_ROLE[name] for name in ("date", "time", "market", "aggressor", "id", "count", "bid_time", "ask_time", "conditions", "contents")],
    dtype=np.int64,
)  # fmt: skip
_STAMP, _ROLES = _ROLE["stamp"], len(ROLES)
_POWERS = 10.0 ** np.arange(19)


@numba.njit(cache=True)
def _whole(data: Any, first: int, last: int) -> int:
    """Digits as a number, -1 for none, -2 for anything else."""
    if first >= last:
        return -1
    if last - first > 18:
        return -2
    value = 0
    for i in range(first, last):
        digit = data[i] - 48
        if digit < 0 or digit > 9:
            return -2
        value = 10 * value + digit
    return value


@numba.njit(cache=True)
def _number(data: Any, first: int, last: int) -> tuple[float, bool]:
    """Plain decimals, exactly rounded up to 15 digits; NaN for none; whether it is a number."""
    if first >= last:
        return np.nan, True
    i, negative = first, False
    if data[i] == 45 or data[i] == 43:
        negative = data[i] == 45
        i += 1
    value, digits, places, point = np.int64(0), 0, 0, False
    while i < last:
        letter = data[i]
        if letter == 46 and not point:
            point = True
        elif 48 <= letter <= 57 and digits < 18:
            value = 10 * value + np.int64(letter - 48)
            digits += 1
            if point:
                places += 1
        else:
            return np.nan, False
        i += 1
    if digits == 0:
        return np.nan, False
    result = float(value) / _POWERS[places]
    return (-result if negative else result), True


@numba.njit(cache=True)
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a civil date, -2 when there is none such."""
    if year < 1970 or year > 2200 or month < 1 or month > 12 or day < 1 or day > 31:
        return -2
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    longest = 30 if month in (4, 6, 9, 11) else 31
    if month == 2:
        longest = 29 if leap else 28
    if day > longest:
        return -2
    y = year - 1 if month <= 2 else year
    era_year = y - 400 * (y // 400)
    shifted = month - 3 if month > 2 else month + 9
    day_of_year = (153 * shifted + 2) // 5 + day - 1
    return 146097 * (y // 400) + 365 * era_year + era_year // 4 - era_year // 100 + day_of_year - 719468


@numba.njit(cache=True)
def _date(data: Any, first: int, last: int) -> int:
    """``11/20/2026`` or ``2026-11-20`` as days since the epoch."""
    if first >= last:
        return -1
    if last - first != 10:
        return -2
    if data[first + 4] == 45 and data[first + 7] == 45:
        year, month, day = (
            _whole(data, first, first + 4),
            _whole(data, first + 5, first + 7),
            _whole(data, first + 8, last),
        )
    elif data[first + 2] == 47 and data[first + 5] == 47:
        month, day, year = (
            _whole(data, first, first + 2),
            _whole(data, first + 3, first + 5),
            _whole(data, first + 6, last),
        )
    else:
        return -2
    return _days(year, month, day)


@numba.njit(cache=True)
def _no_such_time(data: Any, first: int, last: int) -> bool:
    """Whether a time is written ``99:99:99``, with or without a fraction: none was there today."""
    if last - first < 8 or (last - first > 8 and data[first + 8] != 46):
        return False
    same = True
    for i in range(8):
        same &= data[first + i] == (58 if i == 2 or i == 5 else 57)
    for i in range(first + 9, last):
        same &= 48 <= data[i] <= 57
    return same


@numba.njit(cache=True)
def _time(data: Any, first: int, last: int) -> int:
    """``09:30:00.123456`` as us of the day, finer digits are cut; -1 for none, which the venue also writes ``99:99:99``."""
    if first >= last or _no_such_time(data, first, last):
        return -1
    if last - first < 8 or data[first + 2] != 58 or data[first + 5] != 58:
        return -2
    hour, minute, second = (
        _whole(data, first, first + 2),
        _whole(data, first + 3, first + 5),
        _whole(data, first + 6, first + 8),
    )
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return -2
    fraction, unit = 0, 100_000
    if last - first > 8:
        if data[first + 8] != 46:
            return -2
        for i in range(first + 9, last):
            digit = data[i] - 48
            if digit < 0 or digit > 9:
                return -2
            fraction += digit * unit
            unit //= 10
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction


@numba.njit(cache=True)
def _codes(data: Any, first: int, last: int) -> int:
    """Condition codes (two hexadecimal digits each) as length * 2^56 + value; -2 when they are none."""
    size = last - first
    if size == 0:
        return 0
    if size > 14 or size % 2:
        return -2
    value = 0
    for i in range(first, last):
        letter = data[i]
        if 48 <= letter <= 57:
            digit = letter - 48
        elif 65 <= letter <= 70:
            digit = letter - 55
        elif 97 <= letter <= 102:
            digit = letter - 87
        else:
            return -2
        value = 16 * value + digit
    return (size << 56) + value


@numba.njit(cache=True)
def _whole_field(data: Any, column: int, first: int, last: int) -> int:
    if column == 0:
        return _date(data, first, last)
    if column == 1 or column == 6 or column == 7:
        return _time(data, first, last)
    if column == 8:
        return _codes(data, first, last)
    if column == 9:
        return contents_bits(data, first, last)
    return _whole(data, first, last)


@numba.njit(cache=True)
def _read(
    data: Any, first: int, last: int, begin: Any, stop: Any, numbers: Any, whole: Any, row: int,
    float_roles: npt.NDArray[np.int64], whole_roles: npt.NDArray[np.int64], stamp: int,
) -> int | np.int64:  # fmt: skip
    for column in range(float_roles.size):
        role: np.int64 = float_roles[column]
        if begin[role] >= 0:
            value, good = _number(data, begin[role], stop[role])
            if not good:
                return role
            numbers[column, row] = value
    for column in range(whole_roles.size):
        role = whole_roles[column]
        if begin[role] >= 0:
            found = _whole_field(data, column, begin[role], stop[role])
            if found < -1:
                return role
            whole[column, row] = found
    if begin[stamp] >= 0:
        middle = min(begin[stamp] + 10, stop[stamp])
        day = _date(data, begin[stamp], middle)
        time = _time(data, min(middle + 1, stop[stamp]), stop[stamp])
        if day < 0 or time < 0:
            return stamp
        whole[0, row], whole[1, row] = day, time
    return -1


@numba.njit(cache=True)
def _parse(
    data: Any, start: Any, end: Any, roles: Any, float_roles: Any, whole_roles: Any, stamp: int, role_count: int,
    numbers: Any, whole: Any, bad: Any,
) -> None:  # fmt: skip
    begin, stop = np.empty(role_count, np.int64), np.empty(role_count, np.int64)
    for row in range(start.size):
        begin[:] = -1
        field, field_start = 0, start[row]
        for i in range(start[row], end[row] + 1):
            if i == end[row] or data[i] == 44:
                if field < roles.size and roles[field] >= 0:
                    begin[roles[field]], stop[roles[field]] = field_start, i
                field += 1
                field_start = i + 1
        for missing in range(field, roles.size):
            if roles[missing] >= 0:
                bad[row] = roles[missing]
                break
        if bad[row] >= 0:
            continue
        bad[row] = _read(
            data, start[row], end[row], begin, stop, numbers, whole, row, float_roles, whole_roles, stamp
        )


class Fields(NamedTuple):
    """Fields of lines by name, a column per line.

    Attributes
    ----------
    numbers
        ``NUMBERS``, float64; NaN where empty or not in the layout.
    whole
        ``WHOLE``, int64; -1 where empty or not in the layout.
    bad
        Role of the first field that is not what it should be or is missing; -1 for a good line.
    """

    numbers: dict[str, npt.NDArray[np.float64]]
    whole: dict[str, npt.NDArray[np.int64]]
    bad: npt.NDArray[np.int64]


def parse(
    data: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], end: npt.NDArray[np.int64], roles: npt.NDArray[np.int64]
) -> Fields:  # fmt: skip
    """The fields of lines ``data[start:end]`` in a layout; ``roles`` as ``Layout.roles``.

    Examples
    --------
    >>> from workstation.feeds.iqfeed.layout import Layout
    >>> raw = np.frombuffer(b"Q,AAPL,3D87,182.5,x", dtype=np.uint8)
    >>> layout = Layout(("symbol", "conditions", "price", "size"))
    >>> fields = parse(raw, np.array([0]), np.array([len(raw)]), layout.roles)
    >>> float(fields.numbers["price"][0]), ROLES[fields.bad[0]]
    (182.5, 'size')
    """
    rows = start.size
    numbers = np.full((len(NUMBERS), rows), np.nan)
    whole = np.full((len(WHOLE), rows), MISSING, dtype=np.int64)
    bad = np.full(rows, -1, dtype=np.int64)
    _parse(data, start, end, roles, _FLOAT_ROLES, _WHOLE_ROLES, _STAMP, _ROLES, numbers, whole, bad)
    return Fields(dict(zip(NUMBERS, numbers, strict=True)), dict(zip(WHOLE, whole, strict=True)), bad)


def condition_text(key: int) -> str:
    """The codes a ``conditions`` number stands for, as printed (in capitals).

    Examples
    --------
    >>> condition_text((4 << 56) + 0x3D87), condition_text(0)
    ('3D87', '')
    """
    size = key >> 56
    return f"{key & ((1 << 56) - 1):0{size}X}" if size > 0 else ""
