"""Ticks of quotes: mid prices as trades, for markets that print no trades."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.market.tables import QUOTES, TRADES


def ticks_from_quotes(quotes: pd.DataFrame, exchange: str | None = None) -> pd.DataFrame:
    """Each quote's mid as a trade of size 1, so that volume counts ticks.

    Row by row: any split of the quotes gives the same ticks.

    Parameters
    ----------
    quotes
        Rows of the ``quotes`` table; ``event_ns, instrument, bid, ask`` suffice.
    exchange
        Only quotes of this exchange (``""``: the consolidated ones); none: all. The mids of several exchanges in turn are no
        price path: choose one of them, or consolidate first.

    Returns
    -------
    pandas.DataFrame
        Rows of the ``trades`` table, ``side`` 0, ``condition`` "mid", times and order of the quotes. Left out: quotes with an
        empty side, a bid above the ask, or prices that are not positive.

    Raises
    ------
    TableError
        ``quotes`` do not fit their table.

    Examples
    --------
    >>> quotes = pd.DataFrame({"event_ns": [1, 2, 3], "instrument": "XAU/USD", "bid": [9.0, 9.0, np.nan], "ask": [11.0, 8.0, 9.0]})
    >>> ticks_from_quotes(quotes)[["event_ns", "price", "size"]].values.tolist()
    [[1.0, 10.0, 1.0]]
    """
    rows = QUOTES.conform(quotes)
    bid, ask = rows["bid"].to_numpy(), rows["ask"].to_numpy()
    kept = (bid > 0.0) & (bid <= ask) & (ask < np.inf)
    if exchange is not None:
        kept &= (rows["exchange"] == exchange).to_numpy()
    chosen = rows[kept]
    return TRADES.batch(
        {
            "seq": chosen["seq"],
            "event_ns": chosen["event_ns"],
            "seen_ns": chosen["seen_ns"],
            "instrument": chosen["instrument"],
            "price": (bid[kept] + ask[kept]) / 2.0,
            "size": 1.0,
            "condition": "mid",
            "exchange": chosen["exchange"],
            "venue": chosen["venue"],
        }
    )
