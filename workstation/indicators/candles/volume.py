"""Volume overlay of candles."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.market.tables import CANDLES
from workstation.numerics.moving_averages import SMOOTHINGS


def volume_overlay(candles: pd.DataFrame, smoothing: str = "zlma", length: int = 20) -> pd.Series[float]:
    """Smoothed volume of each candle, by instrument, venue and candle length.

    Parameters
    ----------
    candles
        Rows of the ``candles`` table; ``instrument, every_ns, event_ns, volume`` suffice. Any order; of a candle with several rows
        the highest ``revision`` is the volume that counts, and all its rows get the same value.
    smoothing, length
        ``zlma`` over 20 candles: follows a surge within a few candles.

    Returns
    -------
    pandas.Series
        Named ``volume_zlma`` (``volume_`` and the smoothing), on the frame's index, in the volume's unit. The value of the
        candle in progress moves with its volume. A ZLMA overshoots; where it falls below 0 it is 0.

    Raises
    ------
    TableError
        ``candles`` do not fit their table.
    ValueError
        Unknown smoothing, or a length below 1.

    Examples
    --------
    >>> bars = pd.DataFrame({"event_ns": [0, 10, 20], "every_ns": 10, "instrument": "X", "volume": [4.0, 4.0, 8.0]})
    >>> volume_overlay(bars, length=3).tolist()
    [4.0, 4.0, 8.0]
    """
    if smoothing not in SMOOTHINGS:
        raise ValueError(f"smoothing must be one of {', '.join(SMOOTHINGS)}, got {smoothing!r}")
    rows = CANDLES.conform(candles)
    codes, event_ns = rows["instrument"].cat.codes.to_numpy(), rows["event_ns"].to_numpy()
    every_ns, revision = rows["every_ns"].to_numpy(), rows["revision"].to_numpy()
    venues = rows["venue"].cat.codes.to_numpy()
    order = np.lexsort((revision, event_ns, every_ns, venues, codes))
    keys = np.column_stack((codes, venues, every_ns, event_ns))[order]
    changed = np.any(keys[1:] != keys[:-1], axis=1)
    last = np.r_[changed, True] if order.size else np.zeros(0, dtype=bool)
    newest = order[last]
    smoothed = np.empty(newest.size)
    series = np.flatnonzero(np.any(np.diff(keys[last][:, :3], axis=0) != 0, axis=1)) + 1
    for part in np.split(np.arange(newest.size), series):  # one turn per instrument, venue and length
        volumes = rows["volume"].to_numpy()[newest[part]]
        smoothed[part] = np.maximum(SMOOTHINGS[smoothing](volumes, length), 0.0)
    values = np.empty(order.size)
    values[order] = smoothed[np.cumsum(np.r_[False, changed])] if order.size else smoothed
    return pd.Series(values, index=candles.index, name=f"volume_{smoothing}")
