"""Prints that were not pushed, found by comparing what came with what REST says: for venues that do not number their prints."""

from __future__ import annotations

from collections import deque

import numpy as np
import pandas as pd

REMEMBERED = 50_000
"""Trade ids of pushed prints that are remembered."""


class MissingPrints:
    """Compares answers with the prints that came over the socket, by trade id.

    A print counts as missing when two answers in a row hold it and it has not come: the first may be ahead of the socket. Prints
    before the first one of an instrument's channel are not asked for.

    Examples
    --------
    >>> def prints(*ids):
    ...     return pd.DataFrame({"trade_id": ids, "event_ns": [int(each) for each in ids], "instrument": "X"})
    >>> missing = MissingPrints()
    >>> missing.take(prints("1", "3"))
    >>> [missing.compared("X", prints("0", "1", "2", "3"))["trade_id"].tolist() for _ in range(3)]
    [[], ['2'], []]
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, with a new connection."""
        self._came: set[str] = set()
        self._order: deque[str] = deque()
        self._since_ns = 0
        self._doubted: dict[str, set[str]] = {}

    def take(self, trades: pd.DataFrame) -> None:
        """Prints that were pushed."""
        if not self._since_ns and len(trades):
            self._since_ns = int(trades["event_ns"].min())
        self._remember(trades["trade_id"].tolist())

    def compared(self, channel: str, answered: pd.DataFrame) -> pd.DataFrame:
        """Of the prints a channel's answer holds those that are missing; each is told once."""
        ids, event_ns = answered["trade_id"].tolist(), answered["event_ns"].to_numpy()
        before = self._doubted.get(channel, set())
        doubted = {
            each
            for each, at_ns in zip(ids, event_ns, strict=True)
            if each not in self._came and self._since_ns and at_ns >= self._since_ns
        }
        missing = doubted & before
        self._doubted[channel] = doubted - missing
        self._remember(sorted(missing))
        keep = np.array([each in missing for each in ids], dtype=bool)
        return answered[keep].reset_index(drop=True)

    def _remember(self, ids: list[str]) -> None:
        self._order.extend(each for each in ids if each not in self._came)
        self._came.update(ids)
        while len(self._order) > REMEMBERED:
            self._came.discard(self._order.popleft())
