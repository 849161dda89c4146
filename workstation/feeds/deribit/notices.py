"""Rows of ``health`` and ``frames`` the feed writes about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workstation.feeds.deribit.sequence import Hole
from workstation.feeds.feed import Batch, Gap
from workstation.market.errors import SymbolError
from workstation.market.symbology import venue_symbol
from workstation.market.tables import table

FEED = "deribit"


def frames(channels: Sequence[str], payloads: Sequence[bytes], seen_ns: Sequence[int]) -> pd.DataFrame:
    """Rows of ``frames``, in the order given."""
    columns: dict[str, Any] = {
        "event_ns": list(seen_ns),
        "seen_ns": list(seen_ns),
        "feed": [FEED] * len(payloads),
        "channel": list(channels),
        "payload": pd.Series(list(payloads), dtype=object),
    }
    return table("frames").conform(pd.DataFrame(columns))


def notice(event: str, *, time_ns: int, detail: str, **fields: Any) -> dict[str, Any]:
    """One row of ``health``; fields as the table's."""
    times = {"event_ns": time_ns, "seen_ns": time_ns, "start_ns": time_ns, "end_ns": time_ns}
    return times | {"feed": FEED, "event": event, "detail": detail, "channel": "", "count": 0} | fields


def health(rows: Sequence[dict[str, Any]]) -> Batch:
    """A batch of ``health``."""
    return Batch("health", table("health").conform(pd.DataFrame(list(rows))))


def channel_of_hole(hole: Hole) -> str:
    """The prints' channel of one instrument."""
    try:
        return f"trades.{venue_symbol(hole.instrument, 'deribit')}"
    except SymbolError:
        return "trades"


def gap_of(hole: Hole) -> Gap:
    """A hole as the supervision asks for its backfill."""
    return Gap(channel_of_hole(hole), hole.instrument, hole.first, hole.last, hole.start_ns, hole.end_ns)


def gap_notice(gap: Gap, time_ns: int, prints: int = 0) -> dict[str, Any]:
    """The ``gap`` row that announces a gap; ``prints`` counts one that is known by its times alone."""
    known = bool(gap.last_missing)
    return notice(
        "gap",
        time_ns=time_ns,
        detail=f"trade_seq {gap.first_missing} to {gap.last_missing} did not arrive"
        if known
        else "prints were lost",
        channel=gap.channel,
        start_ns=gap.start_ns,
        end_ns=gap.end_ns,
        count=gap.last_missing - gap.first_missing + 1 if known else prints,
        recoverable=True,
        instruments=gap.instrument,
    )


def conflated(counts: Mapping[str, int], time_ns: int) -> dict[str, Any]:
    """The row that tells of states a slow consumer did not see."""
    count = sum(counts.values())
    detail = f"slow consumer: {count} states of {len(counts)} channels replaced by newer ones"
    return notice("conflated", time_ns=time_ns, count=count, detail=detail)
