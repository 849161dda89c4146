"""Moments and speeds as people give them to a tape."""

from __future__ import annotations

import pandas as pd

from workstation.market.errors import FeedError


def check_speed(speed: float | str) -> None:
    """Raise ``FeedError`` unless it is positive or ``max``."""
    if speed != "max" and not float(speed) > 0.0:
        raise FeedError(f"speed must be positive or 'max', got {speed!r}", fatal=True)


def instant(moment: int | str | pd.Timestamp | None) -> int | None:
    """int64 ns of a moment; text and timestamps without a zone are UTC."""
    if moment is None or isinstance(moment, int):
        return moment
    try:
        stamp = pd.Timestamp(moment)
    except ValueError as error:
        raise FeedError(f"{moment!r} is no time; give int ns, a Timestamp or ISO text", fatal=True) from error
    return int((stamp if stamp.tzinfo else stamp.tz_localize("UTC")).as_unit("ns").value)
