"""Waiting that can be called off: for an answer within a limit, for the first of several things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from workstation.market.errors import FeedError

T = TypeVar("T")


class Stopped(Exception):
    """The waiting was called off by ``Waiting.stop``."""


class Waiting:
    """Waits with one ``sleep`` and one stop for all of them.

    Parameters
    ----------
    sleep
        ``asyncio.sleep`` or a test's own.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[Any]]) -> None:
        self._sleep = sleep
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Call off all waits, those under way and those to come."""
        self._stop.set()

    async def first_of(self, seconds: float, *tasks: asyncio.Future[Any]) -> None:
        """Return when one of the tasks is done or ``seconds`` are over; ``Stopped`` when called off before."""
        nap = asyncio.ensure_future(self._sleep(seconds))
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({*tasks, nap, stop}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                raise Stopped
        finally:
            nap.cancel()
            stop.cancel()

    async def within(self, seconds: float, answer: Coroutine[Any, Any, T], what: str) -> T:
        """The answer, or what it raised; ``FeedError`` when it takes longer than ``seconds``."""
        task = asyncio.ensure_future(answer)
        try:
            await self.first_of(seconds, task)
            if not task.done():
                raise FeedError(f"{what}: no answer within {seconds:g} s")
            return task.result()
        finally:
            await end([task])


async def end(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel what still runs and wait until it has ended, whichever way."""
    running = {task for task in tasks if not task.done()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
        for task in running:
            if not task.cancelled():
                task.exception()
