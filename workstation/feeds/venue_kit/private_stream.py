"""An account's private socket, kept: logged in again after a loss, with the backoff of a feed, and every turn told."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from workstation.feeds.venue_kit.evictions import PAUSE_S, Evictions
from workstation.feeds.venue_kit.private_socket import PrivateSocket
from workstation.market.errors import FeedError

CAPACITY = 20_000
"""Pushed frames that may wait; what finds no place is read again by REST."""
CLOSING_S = 0.1
"""How long a request that failed waits for the socket's end, which tells more."""
HEALTHY_S = 60.0
"""A session that lived this long sets the backoff back."""


class Frame(NamedTuple):
    """A pushed frame."""

    topic: str
    payload: bytes
    seen_ns: int


class Turn(NamedTuple):
    """A change of a stream's state: ``event`` is a word of ``health``."""

    event: str
    detail: str


class PrivateStream:
    """Pushed frames and turns of one account.

    Parameters
    ----------
    make
        Makes the socket of one session: ``make(on_frame=, on_lost=)``.
    wake
        Called when something waits in ``items``.
    backoff_first_s, backoff_cap_s
        The n-th wait is uniform in [0, min(cap, first 2^n)]; a venue's Retry-After is its least.
    capacity
        Frames that may wait.

    Attributes
    ----------
    items
        What came, in order, to be taken from the left.
    dropped
        Frames that found no place since it was last set to 0.
    """

    def __init__(
        self,
        make: Callable[..., PrivateSocket],
        wake: Callable[[], None],
        *,
        backoff_first_s: float = 0.5,
        backoff_cap_s: float = 60.0,
        capacity: int = CAPACITY,
    ) -> None:
        self.items: deque[Frame | Turn] = deque()
        self.dropped = 0
        self._make, self._wake, self._capacity = make, wake, capacity
        self._first_s, self._cap_s = backoff_first_s, backoff_cap_s
        self._evictions = Evictions()
        self._ended_at = 0.0
        self._rng = random.Random()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Log in and go on until ``end``."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Close the socket; may be called more than once."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _put(self, item: Frame | Turn) -> None:
        if isinstance(item, Frame) and len(self.items) >= self._capacity:
            self.dropped += 1
        else:
            self.items.append(item)
        self._wake()

    async def _run(self) -> None:
        attempt = 0
        while True:
            began, retry_s = time.monotonic(), 0.0
            lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            socket = self._make(
                on_frame=lambda *frame: self._put(Frame(*frame)),
                on_lost=lambda why, lost=lost: None if lost.done() else lost.set_result(why),
            )
            try:
                await self._log_in(socket)
                reason = await lost
                self._ended_at = time.monotonic()
            except FeedError as error:
                if error.fatal:
                    self._put(Turn("failed", f"{error}; not tried again, the account is polled"))
                    return
                reason, retry_s = str(error), error.retry_after or 0.0
                await asyncio.wait([lost], timeout=CLOSING_S)  # a session ended while it subscribed
            except Exception as error:  # noqa: BLE001 - whatever a socket throws is told and tried again
                reason = f"{type(error).__name__}: {error}"
            finally:
                await socket.shut()
            lived_s = time.monotonic() - began
            attempt = 0 if lived_s >= HEALTHY_S else attempt
            evicted = self._evictions.ended(code=socket.closed_with, lived_s=lived_s)
            await self._back_off(attempt, socket.plain(reason), retry_s, evicted)
            attempt += 1

    async def _log_in(self, socket: PrivateSocket) -> None:
        """Raises ``FeedError``."""
        await socket.start()
        now = time.monotonic()
        away = f"; away for {now - self._ended_at:.1f} s" if self._ended_at else ""
        self._put(
            Turn("resubscribed" if self._ended_at else "connected", f"logged in{away}; read again by REST")
        )

    async def _back_off(self, attempt: int, reason: str, retry_s: float, evicted: str) -> None:
        wait_s = self._rng.uniform(0.0, min(self._cap_s, self._first_s * 2.0 ** min(attempt, 60)))
        wait_s = max(wait_s, retry_s, min(PAUSE_S, self._cap_s) if evicted else 0.0)
        why = f"{evicted}; {reason}" if evicted else reason
        self._put(Turn("disconnected", f"{why}; again in {wait_s:.2f} s"))
        await asyncio.sleep(wait_s)
