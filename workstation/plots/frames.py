"""Rows as the plots want them: of one instrument, with the columns they need, in time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd


def one_of(
    frame: pd.DataFrame, instrument: str | None, column: str = "instrument"
) -> tuple[pd.DataFrame, str]:
    """The rows of one instrument (or ``underlying``) and its name.

    Raises
    ------
    ValueError
        Several and none named, or one that is not there.

    Examples
    --------
    >>> one_of(pd.DataFrame({"instrument": ["a", "b"], "price": [1.0, 2.0]}), "b")[0]["price"].tolist()
    [2.0]
    """
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"expected a DataFrame of rows, got {type(frame).__name__}")
    if column not in frame:
        return frame, instrument or ""
    names = frame[column].astype("str")
    known = sorted(names.unique())
    if instrument is None:
        if len(known) > 1:
            raise ValueError(f"several {column}s ({_some(known)}): name one with {column}=")
        return frame, known[0] if known else ""
    if instrument not in known and len(known):
        raise ValueError(
            f"{column} {instrument!r} is not in these rows; there {'is' if len(known) == 1 else 'are'} {_some(known)}"
        )
    return frame[(names == instrument).to_numpy()], instrument


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def require(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """``ValueError`` that names the columns a frame lacks, and the remedy for rows that were read with an index of times."""
    missing = [name for name in columns if name not in frame]
    if missing:
        there = ", ".join(map(str, frame.columns))
        remedy = (
            "; read the rows without time_index=True"
            if "event_ns" in missing and isinstance(frame.index, pd.DatetimeIndex)
            else ""
        )
        raise ValueError(f"{what}: no column {', '.join(missing)}; the frame has {there}{remedy}")


def times_of(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """UTC ns of each row: ``event_ns``, or an index of times.

    Raises
    ------
    ValueError
        Neither is there.
    """
    if "event_ns" in frame:
        return frame["event_ns"].to_numpy(dtype=np.int64)
    if isinstance(frame.index, pd.DatetimeIndex):
        index = frame.index if frame.index.tz is None else frame.index.tz_convert("UTC").tz_localize(None)
        return index.to_numpy().astype("datetime64[ns]").astype(np.int64)
    raise ValueError("rows need event_ns (UTC ns) or an index of times")
