"""Lengths of time as people write them: a unit is named, never assumed."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

_HOW = "write a number and its unit, as '250ms', '10s', '5min', '1h' or '1D', or give a Timedelta"


def nanoseconds(time: str | timedelta | np.timedelta64, name: str = "every") -> int:
    """A length of time in nanoseconds.

    Parameters
    ----------
    time
        Text that ``pandas.Timedelta`` reads and that names its unit, or a length of any library.
    name
        What the length is of, for the error.

    Raises
    ------
    ValueError
        It names no unit (pandas would take ``"7"`` and ``60`` for nanoseconds), or is no length at all.

    Examples
    --------
    >>> nanoseconds("10s"), nanoseconds(timedelta(minutes=1))
    (10000000000, 60000000000)
    >>> nanoseconds("7")
    Traceback (most recent call last):
    ValueError: every='7' names no unit; write '7s' for seconds or '7min' for minutes
    """
    text = str(time).strip()
    if isinstance(time, str | int | float | np.integer | np.floating) and _is_number(text):
        raise ValueError(
            f"{name}={time!r} names no unit; write '{text}s' for seconds or '{text}min' for minutes"
        )
    try:
        length = pd.Timedelta(time)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}={time!r} is no length of time; {_HOW}") from error
    if pd.isna(length):
        raise ValueError(f"{name}={time!r} is no length of time; {_HOW}")
    return int(length.as_unit("ns").value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
