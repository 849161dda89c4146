"""Keeps every row and gives it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workstation.history.history import Capabilities, History
from workstation.market.errors import HistoryError

__all__ = ["Capabilities", "History", "open_history"]


def open_history(url: str | Path, **options: Any) -> History:
    """Open (and where needed create) the history at an address.

    Parameters
    ----------
    url
        A plain path, ``lake:///absolute/path`` or ``lake://relative/path``.
    options
        Options of the store, for the embedded one those of ``LakeOptions``: ``roll_rows``, ``roll_seconds``, ...

    Raises
    ------
    HistoryError
        The scheme is not known, or the folder cannot be used.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> history = open_history(tempfile.mkdtemp())
    >>> history.write("trades", pd.DataFrame({"event_ns": [1, 2], "instrument": "X", "price": 1.0, "size": 2.0}))
    2
    >>> history.read("trades", start=2)["price"].tolist()
    [1.0]
    >>> history.close()
    """
    text = str(url)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "lake", text
    if scheme != "lake":
        raise HistoryError(f"{text!r}: no history speaks {scheme!r}; known are a plain path and lake://path")
    if not rest:
        raise HistoryError(f"{text!r} names no folder; write lake:///absolute/path or lake://relative/path")
    from workstation.history.embedded import Lake

    return Lake(Path(rest), **options)
