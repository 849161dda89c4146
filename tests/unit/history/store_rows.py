"""Rows to put into a store, and a store that has some."""

from __future__ import annotations

import numpy as np
import pandas as pd


def trades(start: int, rows: int, *, seq: int | None = None, step: int = 10) -> pd.DataFrame:
    number = np.arange(start, start + rows)
    return pd.DataFrame(
        {
            "seq": number + 1 if seq is None else number - start + seq,
            "event_ns": number * step,
            "instrument": np.array(["AAA", "BBB", "CCC"])[number % 3],
            "price": number / 4,
            "size": 1.0 + number % 7,
            "side": np.where(number % 2, 1, -1).astype(np.int8),
            "trade_id": [f"t{n}" for n in number],
            "venue": "here",
        }
    )


def filled(lake, *, rolled=3, logged=2, rows=100):
    """Some segments, then some log, 100 rows each."""
    for number in range(rolled):
        lake.write("trades", trades(number * rows, rows))
        lake.roll("trades")
    for number in range(rolled, rolled + logged):
        lake.write("trades", trades(number * rows, rows))
    return rows * (rolled + logged)
