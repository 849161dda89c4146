"""A venue's public REST: ccxt sends and throttles, the answer is kept as a frame."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from workstation.feeds.venue_kit.account_calls import Account, Wire
from workstation.feeds.venue_kit.account_rows import Request
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.market.errors import FeedError

_PAUSES: dict[str, float] = {}
"""Venue -> until when (monotonic s) none of this process' feeds asks it anything: a rate limit is the machine's."""


class RestCalls:
    """Public calls of one venue, one at a time; made when first asked, closed with the feed.

    Parameters
    ----------
    venue
        As ccxt names it.
    urls
        ccxt's api addresses, for a local server; none: the venue's.
    timeout_s
        For each call.

    Notes
    -----
    Where the venue limits the rate, every feed of it in this process waits until its Retry-After is over.
    """

    def __init__(self, venue: str, urls: Mapping[str, Any] | None, timeout_s: float) -> None:
        self._venue, self._urls, self._timeout_s = venue, urls, timeout_s
        self._wire: Wire | None = None
        self._one = asyncio.Lock()

    async def get(self, method: str, path: str, **params: Any) -> RawFrame:
        """One call by ccxt's implicit ``method``; a frame whose channel is ``GET path?query``. Raises ``FeedError``."""
        query = f"?{urlencode(params)}" if params else ""
        async with self._one:
            left = _PAUSES.get(self._venue, 0.0) - time.monotonic()
            if left > 0.0:
                raise FeedError(
                    f"{self._venue}: {path} not asked: rate limit, {left:.1f} s left", retry_after=left
                )
            try:
                answer = await self._made().ask(Request("", method, params))
            except FeedError as error:
                if error.retry_after:
                    _PAUSES[self._venue] = time.monotonic() + error.retry_after
                raise
        return RawFrame(answer.seen_ns, f"GET {path}{query}", answer.payload)

    async def server_ms(self) -> int:
        """The venue's time, ms of UTC. Raises ``FeedError``."""
        async with self._one:
            return await self._made().server_ms()

    def _made(self) -> Wire:
        if self._wire is None:
            nobody = SecretStr("")
            self._wire = Wire(Account(self._venue, nobody, nobody), self._urls, self._timeout_s)
        return self._wire

    async def close(self) -> None:
        """Close the session; may be called more than once."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()
