"""Rows of several tables in the order in which an engine would get them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from workstation.market.tables import table as table_named


def in_order(
    tables: Mapping[str, pd.DataFrame | None], first: Sequence[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Runs of rows of one table: by ``seq`` where every table is numbered, else by ``event_ns``, then as named in ``first``.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT, QUOTES
    >>> beats = HEARTBEAT.batch({"event_ns": [1, 5], "feed": ""})
    >>> quotes = QUOTES.batch({"event_ns": [1, 2], "instrument": "X", "bid": 1.0, "ask": 2.0})
    >>> [(name, len(rows)) for name, rows in in_order({"heartbeat": beats, "quotes": quotes}, ("quotes", "heartbeat"))]
    [('quotes', 1), ('heartbeat', 1), ('quotes', 1), ('heartbeat', 1)]
    """
    held = [(name, rows) for name in first if (rows := tables.get(name)) is not None and len(rows)]
    if not held:
        return
    numbered = all((rows["seq"].to_numpy() > 0).all() for _, rows in held)
    key = np.concatenate([rows["seq" if numbered else "event_ns"].to_numpy() for _, rows in held])
    table = np.repeat(np.arange(len(held)), [len(rows) for _, rows in held])
    place = np.concatenate([np.arange(len(rows)) for _, rows in held])
    order = np.argsort(key, kind="stable")
    table, place = table[order], place[order]
    edges = np.flatnonzero(np.diff(table)) + 1
    for part in np.split(np.arange(table.size), edges):
        name, rows = held[table[part[0]]]
        yield name, table_named(name).take(rows, place[part])
