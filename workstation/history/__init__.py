"""Keeps every row and gives it back."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from workstation.history.addresses import folder_of, opener, split
from workstation.history.history import Capabilities, History
from workstation.history.stored_terms import register_stored_terms
from workstation.market.errors import HistoryUnreachable

log = logging.getLogger("workstation.history")

__all__ = ["Capabilities", "History", "folder_of", "open_history"]


def open_history(url: str | Path, **options: Any) -> History:
    """Open (and where needed create) the history at an address.

    The terms of the instruments it holds become known to the process, where nothing newer is registered.

    Parameters
    ----------
    url
        A plain path, ``embedded:///absolute/path`` or ``embedded://relative/path``; ``influxdb3://host:port/database``.
    options
        Options of the store, for the embedded one those of ``EmbeddedOptions``: ``mode``, ``roll_rows``, ...; for InfluxDB 3 those of
        ``InfluxOptions``: ``token``, ``queue_folder``, ... A server that does not answer now is opened too: writes wait on disk.

    Raises
    ------
    HistoryError
        The scheme is not known, the folder cannot be used, or ``mode`` asks for a store that is not there.

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
    history = opener(url)(split(url)[1], **options)
    try:
        register_stored_terms(history)
    except HistoryUnreachable as error:
        log.warning("%s; the terms of its instruments are not known yet", error)
    except BaseException:
        history.close()
        raise
    return history
