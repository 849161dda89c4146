"""Whether a venue answers and whether its clock and ours agree."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from workstation.feeds.feed import Reached
from workstation.market.errors import FeedError

AGREE_S = 1.0
"""Clocks further apart are told: rows would be late or early, and signed requests refused."""


async def reached(venue: str, server_ms: Callable[[], Awaitable[int]]) -> Reached:
    """Ask a venue for its time.

    Parameters
    ----------
    venue
        Named in the result.
    server_ms
        Its time in ms, UTC; raises ``FeedError``.

    Returns
    -------
    Reached
        With the round trip and how far our clock is ahead, both in seconds.
    """
    started, wall_ns = time.monotonic(), time.time_ns()
    try:
        told_ms = await server_ms()
    except FeedError as error:
        advice = (
            "try again then"
            if error.retry_after
            else "look at the network, a proxy, and whether the venue serves this country"
        )
        return Reached(venue, False, f"{error}; {advice}")
    took_s = time.monotonic() - started
    ahead_s = (wall_ns + took_s * 0.5e9 - told_ms * 1e6) / 1e9
    detail = f"answers in {took_s:.2f} s, our clock is {abs(ahead_s):.2f} s {'ahead' if ahead_s >= 0 else 'behind'}"
    agree = abs(ahead_s) <= AGREE_S + took_s
    return Reached(venue, agree, detail if agree else f"{detail}: set the clock, by chrony or timesyncd")
