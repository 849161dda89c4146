"""Streaming dataframes: a table of the hub as ``streamz.dataframe.DataFrame``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamz
import streamz.dataframe

from workstation.market.instants import NO_TIME
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import arrays_of
from workstation.streams.hub import Hub


def streamz_frame(hub: Hub, table: str) -> streamz.dataframe.DataFrame:
    """A streaming dataframe of a table, for live arithmetic in a notebook.

    Parameters
    ----------
    hub, table
        Whose batches.

    Returns
    -------
    streamz.dataframe.DataFrame
        Batches indexed by time (UTC), so that time windows work, with the table's columns. A row that comes late is indexed by
        the newest time before it, its own is in ``event_ns``: time windows refuse an index that goes back. ``instrument`` and the
        other categories arrive as plain strings, as streaming group-bys join batches whose categories
        differ.

    Notes
    -----
    Usable: column arithmetic and filters, ``rolling(n or time)`` with sum, mean, min, max, std; ``window(n=)``
    and ``window(time)`` with sum, mean, count, size, value_counts and groupby; ``groupby`` with sum, mean,
    count, size; ``accumulate_partitions``.
    Unusable in Streamz 0.6.6: ``ewm``; ``rolling().quantile(quantile=...)``; windowed ``var`` and ``std``, which drift;
    ``Tabulator`` and HoloViews' ``Buffer`` on the frame.

    Streamz holds nodes weakly: keep the result, or end it in ``.stream.sink(...)``.

    Examples
    --------
    >>> hub = Hub()
    >>> mean = streamz_frame(hub, "trades").price.rolling(2).mean()
    >>> shown = mean.stream.sink_to_list()
    >>> trades = {"event_ns": [1, 2, 3], "instrument": "BTC/USD", "price": [1.0, 2.0, 4.0], "size": 1.0}
    >>> _ = hub.publish("trades", pd.DataFrame(trades))
    >>> shown[0].tolist()
    [nan, 1.5, 3.0]
    """
    schema = table_named(table)
    strings = tuple(c.name for c in schema.columns if c.kind in ("instrument", "category"))

    newest_ns = NO_TIME

    def indexed(frame: pd.DataFrame) -> pd.DataFrame:
        nonlocal newest_ns
        columns: dict[str, Any] = dict(zip(schema.names, arrays_of(frame), strict=True))
        for name in strings:
            columns[name] = columns[name].astype("str")
        ordered_ns = np.maximum(np.maximum.accumulate(columns["event_ns"]), newest_ns)
        newest_ns = int(ordered_ns[-1]) if len(ordered_ns) else newest_ns
        at = pd.DatetimeIndex(ordered_ns, tz="UTC", name="time")
        return pd.DataFrame(columns, index=at).set_axis(at)

    example = indexed(schema.empty(hub.registry))
    return streamz.dataframe.DataFrame(hub.stream(table).map(indexed), example=example)
