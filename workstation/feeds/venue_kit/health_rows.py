"""Rows of ``health`` and ``frames`` that a feed writes about itself: the one way for every venue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch, Gap
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.market.tables import FRAMES, HEALTH

Row = dict[str, Any]


class HealthRows:
    """Rows under the name of a feed.

    Parameters
    ----------
    feed
        Its name.

    Examples
    --------
    >>> HealthRows("deribit").row("refused", time_ns=5, detail="no such channel", channel="trades.X")["event"]
    'refused'
    """

    def __init__(self, feed: str) -> None:
        self._feed = feed

    def frames(self, raw: Sequence[RawFrame]) -> pd.DataFrame:
        """Rows of ``frames``, in the order given."""
        seen = np.array([frame.seen_ns for frame in raw], dtype=np.int64)
        payload = np.empty(len(raw), dtype=object)
        payload[:] = [frame.payload for frame in raw]
        columns: dict[str, Any] = {
            "event_ns": seen,
            "seen_ns": seen,
            "feed": self._feed,
            "channel": [frame.channel for frame in raw],
            "payload": payload,
        }
        return FRAMES.batch(columns, len(raw))

    def row(self, event: str, *, time_ns: int, detail: str, **fields: Any) -> Row:
        """One row; fields as the table's, times as ``time_ns`` unless given."""
        times = {"event_ns": time_ns, "seen_ns": time_ns, "start_ns": time_ns, "end_ns": time_ns}
        reported = {"feed": self._feed, "event": event, "detail": detail, "channel": "", "count": 0}
        return times | reported | {"recoverable": False, "instruments": ""} | fields

    def gap(self, gap: Gap, time_ns: int, *, lost: int = 0, key: str = "") -> Row:
        """The row that announces a gap.

        Parameters
        ----------
        gap
            Venue numbers of the prints that are missing, or times alone.
        lost
            How many prints, where their numbers are not known.
        key
            What the venue calls the numbers: ``trade_seq``.
        """
        known = gap.last_missing > 0
        count = gap.last_missing - gap.first_missing + 1 if known else lost
        numbers = f"{key} {gap.first_missing} to {gap.last_missing} did not arrive"
        return self.row(
            "gap", time_ns=time_ns, detail=numbers if known and key else f"{count} prints did not arrive",
            channel=gap.channel, start_ns=gap.start_ns, end_ns=gap.end_ns, count=count, recoverable=True,
            instruments=gap.instrument,
        )  # fmt: skip

    def dropped(self, gap: Gap, *, prints: int, first_ns: int, last_ns: int) -> list[Row]:
        """Prints that found no place in a bounded queue: what was dropped, and the gap it leaves."""
        dropped = self.row(
            "dropped", time_ns=last_ns, start_ns=first_ns, channel=gap.channel, count=prints, recoverable=True,
            instruments=gap.instrument, detail=f"slow consumer: {prints} prints found no place",
        )  # fmt: skip
        return [dropped, self.gap(gap, last_ns, lost=prints)]

    def conflated(self, counts: Mapping[str, int], time_ns: int) -> Row:
        """States that a slow consumer did not see, by channel."""
        count = sum(counts.values())
        detail = f"slow consumer: {count} states of {len(counts)} channels replaced by newer ones"
        return self.row("conflated", time_ns=time_ns, count=count, detail=detail)

    @staticmethod
    def batch(rows: Sequence[Row]) -> Batch:
        """A batch of ``health``."""
        return Batch("health", HEALTH.conform(pd.DataFrame(list(rows))))
