"""The curves that PnL snapshots make."""

from __future__ import annotations

import pandas as pd


def curves(pnl: pd.DataFrame, column: str = "total") -> pd.DataFrame:
    """Cumulative PnL curves from snapshots: one column per leg and ``book``, indexed by UTC time.

    Parameters
    ----------
    pnl
        Rows of the ``pnl`` table.
    column
        Any of its amounts: ``total``, ``delta_pnl``, ``fees``, ...

    Returns
    -------
    pandas.DataFrame
        USD; a leg's last known value stands until its next, NaN before its first; ``book`` is NaN where a leg was unknown.

    Examples
    --------
    >>> from workstation.market.tables import PNL
    >>> rows = PNL.conform(pd.DataFrame({"event_ns": [0, 0, 60], "instrument": ["BTC/USDC:USDC", None, None],
    ...                                  "venue": ["okx", "", ""], "total": [1.0, 1.0, 2.0]}))
    >>> curves(rows).values.tolist()
    [[1.0, 1.0], [1.0, 2.0]]
    """
    names = pnl["instrument"].astype("str").where(pnl["instrument"].notna().to_numpy(), "")
    label = pnl["venue"].astype("str") + " " + pnl["account"].astype("str") + " " + names
    label = label.str.split().str.join(" ").where(names != "", "book")
    times = pd.DatetimeIndex(pnl["event_ns"].to_numpy().astype("datetime64[ns]"), name="time")
    long = pd.DataFrame({"time": times, "leg": label.to_numpy(), "value": pnl[column].to_numpy()})
    wide = long.drop_duplicates(["time", "leg"], keep="last").pivot(
        index="time", columns="leg", values="value"
    )
    legs = [name for name in wide.columns if name != "book"]
    found = wide[legs].ffill()
    return found.assign(book=wide["book"]) if "book" in wide else found
