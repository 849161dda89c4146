"""Names and limits of InfluxDB 3, checked before anything is sent."""

from __future__ import annotations

import re

from workstation.market.errors import HistoryError

MAX_COLUMNS = 500
"""Columns a table of Core may have besides time."""
MAX_TEXT = 64 * 1024
"""Bytes of a text value."""
MAX_REQUEST = 10 * 1024 * 1024
"""Bytes of a request, compressed and not."""

_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9_-]+)?")


def database(name: str) -> str:
    """The name of a database, as it is.

    Raises
    ------
    HistoryError
        The server would not take it.

    Examples
    --------
    >>> database("market-2026")
    'market-2026'
    """
    if not _DATABASE.fullmatch(name) or len(name) > 511:
        raise HistoryError(
            f"{name!r} is no name of an InfluxDB 3 database: letters, digits, _ and -, the first a letter or a "
            "digit, at most one / before a retention policy, at most 511 bytes"
        )
    return name


def column_names(table: str, names: list[str]) -> None:
    """Refuse names that are no columns in InfluxDB 3, and more of them than a table may have."""
    if len(names) > MAX_COLUMNS:
        raise HistoryError(
            f"{table} has {len(names)} columns; a table of InfluxDB 3 has at most {MAX_COLUMNS}"
        )
    for name in [table, *names]:
        if not name or name.endswith("\\") or "\n" in name or "\r" in name:
            raise HistoryError(
                f"{name!r} is no name InfluxDB 3 can keep: empty, with a line break, or ending in a backslash"
            )
        if name == "time" and name != table:
            raise HistoryError(
                f"{table}.time: the time of a row is its event_ns; no column may be called time"
            )


def escaped(name: str, *, measurement: bool = False) -> str:
    r"""A name as the line protocol writes it.

    Examples
    --------
    >>> escaped("bid size"), escaped("a=b"), escaped("a=b", measurement=True)
    ('bid\\ size', 'a\\=b', 'a=b')
    """
    name = name.replace(",", "\\,").replace(" ", "\\ ")
    return name if measurement else name.replace("=", "\\=")
