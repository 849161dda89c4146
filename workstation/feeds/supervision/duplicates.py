"""Which trades have been seen: the venue's trade ids, in bounded memory."""

from __future__ import annotations

from collections import deque

import numpy as np
import pandas as pd

from workstation.market.tables import TradeFlag


class SeenTrades:
    """Remembers the newest trade ids and takes rows that repeat one out of a batch.

    A trade is known by instrument, venue id and whether the row cancels it: a cancel names the id of the
    print it cancels and is not its repetition. Rows without an id cannot be told apart and all stay.

    Parameters
    ----------
    limit
        How many ids are remembered; the oldest are forgotten batch by batch.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> rows = TRADES.conform(pd.DataFrame({"event_ns": [1, 2, 3], "instrument": "BTC/USD", "price": 1.0, "size": 1.0,
    ...                                     "trade_id": ["a", "b", "a"]}))
    >>> seen = SeenTrades(limit=1000)
    >>> seen.fresh(rows)["trade_id"].tolist(), len(seen.fresh(rows))
    (['a', 'b'], 0)
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._keys: set[int] = set()
        self._batches: deque[list[int]] = deque()

    def __len__(self) -> int:
        return len(self._keys)

    def copy(self) -> SeenTrades:
        """One of its own that remembers the same."""
        made = SeenTrades(self.limit)
        made._keys, made._batches = set(self._keys), deque(self._batches)
        return made

    def fresh(self, trades: pd.DataFrame) -> pd.DataFrame:
        """The rows not seen before, the very same frame when all are new."""
        ids = trades["trade_id"]
        named = (ids != "").to_numpy(dtype=bool)
        if not named.any():
            return trades
        keys = self._keys_of(trades if named.all() else trades[named])
        new = set(keys)
        if len(new) == len(keys) and self._keys.isdisjoint(new):
            self._remember(keys)
            return trades
        values = np.array(keys, dtype=np.int64)
        known = np.fromiter(self._keys, dtype=np.int64, count=len(self._keys))
        repeated = np.isin(values, known) | pd.Series(values).duplicated().to_numpy()
        self._remember(values[~repeated].tolist())
        keep = np.ones(len(trades), dtype=bool)
        keep[np.flatnonzero(named)[repeated]] = False
        return trades[keep].reset_index(drop=True)

    @staticmethod
    def _keys_of(trades: pd.DataFrame) -> list[int]:
        cancels = trades["flags"].to_numpy() & int(TradeFlag.CANCEL)
        codes = trades["instrument"].cat.codes.to_numpy()
        return list(
            map(hash, zip(codes.tolist(), trades["trade_id"].tolist(), cancels.tolist(), strict=True))
        )

    def _remember(self, keys: list[int]) -> None:
        if keys:
            self._keys.update(keys)
            self._batches.append(keys)
        while len(self._keys) > self.limit and len(self._batches) > 1:
            self._keys.difference_update(self._batches.popleft())
