"""A digest of rows: equal in every process that holds the same rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.public_face import make_callable
from workstation.market.tables.frames import arrays_of

UNDIGESTED = frozenset({"seq", "seen_ns"})
"""Columns that say when and in which order this process met the row, not what it is."""


def digest(frames: pd.DataFrame | Iterable[pd.DataFrame]) -> str:
    """SHA-256 of rows in order, without ``seq`` and ``seen_ns``, however they are split into frames.

    Parameters
    ----------
    frames
        Frames of one table, one after the other.

    Returns
    -------
    str
        64 hexadecimal digits. Instruments and categories enter by name, floats bit for bit (every NaN alike, -0.0 as 0.0), so the
        digest does not depend on registry codes, batches or process.

    Raises
    ------
    ValueError
        The frames have different columns.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 2], "instrument": ["BTC/USD", "ETH/USD"], "price": [1.0, float("nan")]})
    >>> digest(rows) == digest([rows.iloc[:1], rows.iloc[1:].assign(seq=9)[list(rows)]])
    True
    >>> digest(rows) == digest(rows.iloc[::-1])
    False
    """
    rows = RowDigest()
    for frame in [frames] if isinstance(frames, pd.DataFrame) else frames:
        rows.update(frame)
    return rows.hexdigest()


class RowDigest:
    """``digest`` of rows that come frame by frame.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 2], "price": [1.0, 2.0]})
    >>> one = RowDigest()
    >>> for at in range(2):
    ...     one.update(rows.iloc[at : at + 1])
    >>> one.hexdigest() == digest(rows), one.rows
    (True, 2)
    """

    def __init__(self) -> None:
        self.rows = 0
        self._names: list[str] | None = None
        self._columns: dict[str, Any] = {}

    def update(self, frame: pd.DataFrame) -> None:
        """Take the next rows; ``ValueError`` where their columns are others than those before."""
        reported = [str(name) for name in frame.columns if name not in UNDIGESTED]
        if self._names is None:
            self._names = reported
            self._columns = {name: hashlib.sha256(name.encode()) for name in reported}
        if reported != self._names:
            raise ValueError(
                f"frames of one digest need the same columns; got {reported} after {self._names}"
            )
        self.rows += len(frame)
        for name, values in zip(map(str, frame.columns), arrays_of(frame), strict=True):
            if name in self._columns:
                self._columns[name].update(_bytes(values))

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        if not self.rows:
            return hashlib.sha256(b"no rows").hexdigest()
        joined = hashlib.sha256(str(self.rows).encode())
        for column in self._columns.values():
            joined.update(column.digest())
        return joined.hexdigest()


def _bytes(values: Any) -> bytes:
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        plain = values.astype("<f8") + 0.0
        plain[np.isnan(plain)] = np.nan
        return plain.tobytes()
    if isinstance(values, np.ndarray) and values.dtype.kind in "iub":
        return values.astype("<i8").tobytes()
    parts = []
    for value in np.asarray(values, dtype=object):
        missing = value is None or value is pd.NA or value != value
        text = b"" if missing else value if isinstance(value, bytes) else str(value).encode()
        parts.append(b"-" if missing else b"%d:" % len(text) + text)
    return b"".join(parts)


make_callable(__name__)
