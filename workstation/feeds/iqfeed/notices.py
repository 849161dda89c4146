"""Rows of ``health`` and ``frames`` the feed writes about itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch, Gap
from workstation.feeds.iqfeed.inbox import Read
from workstation.feeds.iqfeed.rows import FEED
from workstation.market.tables import table


def frames(reads: Sequence[Read]) -> pd.DataFrame:
    """Rows of ``frames``, in the order given."""
    seen = np.array([read.seen_ns for read in reads], dtype=np.int64)
    payload = np.empty(len(reads), dtype=object)
    payload[:] = [read.payload for read in reads]
    columns: dict[str, Any] = {
        "event_ns": seen, "seen_ns": seen, "feed": FEED,
        "channel": [read.channel for read in reads], "payload": payload,
    }  # fmt: skip
    return table("frames").batch(columns, len(reads))


def notice(event: str, *, time_ns: int, detail: str, **fields: Any) -> dict[str, Any]:
    """One row of ``health``; fields as the table's."""
    times = {"event_ns": time_ns, "seen_ns": time_ns, "start_ns": time_ns, "end_ns": time_ns}
    return times | {"feed": FEED, "event": event, "detail": detail, "channel": "", "count": 0} | fields


def health(rows: Sequence[dict[str, Any]]) -> Batch:
    """A batch of ``health``."""
    return Batch("health", table("health").conform(pd.DataFrame(list(rows))))


def gap_notice(gap: Gap, time_ns: int, count: int) -> dict[str, Any]:
    """The ``gap`` row that announces a gap."""
    return notice(
        "gap", time_ns=time_ns, detail=f"{count} prints did not come", channel=gap.channel, start_ns=gap.start_ns,
        end_ns=gap.end_ns, count=count, recoverable=True, instruments=gap.instrument,
    )  # fmt: skip
