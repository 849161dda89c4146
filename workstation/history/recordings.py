"""Who recorded a store: which of its rows come from an invented market."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workstation.history.history import RECORDING_COLUMNS as COLUMNS
from workstation.market.errors import HistoryError

RECORDINGS = "recordings.jsonl"
_OPEN = int(np.iinfo(np.int64).max)


def note(
    folder: Path, first_seq: int, feeds: Sequence[str], *, invented: bool, began_ns: int | None = None
) -> None:
    """Write down, before its first row, that a desk records from ``first_seq`` on; durable when it returns.

    ``began_ns`` is when it began, default: now.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> note(folder, 1, ["synthetic"], invented=True)
    >>> note(folder, 900, ["deribit"], invented=False)
    >>> noted(folder)[["first_seq", "last_seq", "invented"]].values.tolist()
    [[1, 899, True], [900, 9223372036854775807, False]]
    """
    began_ns = time.time_ns() if began_ns is None else began_ns
    line = {"first_seq": first_seq, "feeds": list(feeds), "invented": invented, "began_ns": began_ns}
    with (folder / RECORDINGS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def noted(folder: Path) -> pd.DataFrame:
    """Recordings of a store in order: first and last ``seq`` (of the newest as far as may be), feeds, invented, begin.

    A line that was cut off by a crash told of no row yet, and is passed over.

    Raises
    ------
    HistoryError
        A line that is not the last cannot be read.
    """
    path = folder / RECORDINGS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for place, text in enumerate(lines):
        try:
            found.append(json.loads(text))
        except ValueError as error:
            if place + 1 < len(lines):
                raise HistoryError(
                    f"{path}, line {place + 1}: {error}; mend the line or take it out"
                ) from error
    frame = pd.DataFrame(found, columns=[name for name in COLUMNS if name != "last_seq"])
    frame = frame.sort_values("first_seq", kind="stable").reset_index(drop=True)
    ends = [*(frame["first_seq"].tolist()[1:]), _OPEN + 1]
    frame["last_seq"] = np.array([int(end) - 1 for end in ends[: len(frame)]], dtype=np.int64)
    return frame[list(COLUMNS)]
