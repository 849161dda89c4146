"""What the conformance suite asks of every feed: a stage on which it runs and its venue misbehaves on command.

A feed's case is ``tests/wire/cases/<name>.py`` with ``CASE``, a ``Case``. A misbehaviour the stage has no way of
showing (a tape has no socket) is left as it is here, and the laws about it are skipped by name.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workstation.feeds.feed import Batch, Feed


class NotStaged(Exception):
    """The venue of this feed cannot misbehave so."""


class Stage:
    """One feed against its local venue.

    Attributes
    ----------
    feed
        Not yet connected.
    channels
        What to subscribe.
    unknown
        A channel of an instrument that does not exist.
    """

    feed: Feed
    channels: tuple[str, ...] = ()
    unknown = ""

    async def prints(self, count: int) -> list[str]:
        """The venue prints and pushes trades; their ids as the rows carry them."""
        raise NotStaged("prints on command")

    async def unpushed(self, count: int) -> list[str]:
        """The venue prints trades and does not push them; a backfill knows them."""
        raise NotStaged("prints that are not pushed")

    async def again(self) -> None:
        """The venue pushes its newest print once more."""
        raise NotStaged("a repeated print")

    async def out_of_order(self) -> list[str]:
        """The venue prints two trades and pushes the later one first."""
        raise NotStaged("prints out of order")

    async def malformed(self) -> None:
        """The venue pushes a frame that is no message."""
        raise NotStaged("a malformed frame")

    async def error_in_band(self) -> None:
        """The venue pushes an error message."""
        raise NotStaged("an in-band error")

    async def silence(self) -> None:
        """The venue answers nothing any more, not even pings, and keeps the socket open."""
        raise NotStaged("a half-open socket")

    async def restart(self) -> None:
        """The venue goes down, dropping every socket, and comes back at the same address."""
        raise NotStaged("a restart")

    def unauthorised(self) -> Feed:
        """The same feed with credentials the venue refuses."""
        raise NotStaged("credentials")

    def slow(self) -> Feed:
        """The same feed with a queue so short that a slow consumer makes it overflow."""
        raise NotStaged("a bounded queue")

    def decoder(self) -> Callable[[pd.DataFrame], list[Batch]]:
        """Raw frames -> batches."""
        raise NotStaged("raw frames")


@dataclass(frozen=True)
class Case:
    """How to stage a feed: ``stage(**options)`` is an async context that gives a ``Stage``."""

    stage: Callable[..., AbstractAsyncContextManager[Stage]]
    options: dict[str, Any]
    """Options that make the stage's feed notice a silent socket within a second or so."""
    market: bool = True
    """False for private account data: no instruments and no trades, laws of its own in a test of its own."""
