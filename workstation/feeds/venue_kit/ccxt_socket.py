"""ccxt's socket with its frames tapped: session, authentication and rate limits stay ccxt's, the reading is ours.

ccxt's own reading is not used: it parses every frame, and one that it cannot parse ends its receive loop in silence. Its
keepalive measures silence by the wall clock, so that a clock set back or forth ends a healthy socket; here pongs are timed by the
monotonic clock. This is the one module that touches private parts of ccxt (``client.py`` of its websocket base).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import ccxt
import ccxt.pro

from workstation.market.errors import FeedError

SUPPORTED = "4.5."
MISSES = 2
"""Pings without an answer that end a socket."""


def check_version(found: str = ccxt.__version__) -> None:
    """Refuse a ccxt whose socket was not looked at.

    Examples
    --------
    >>> check_version("5.0.1")
    Traceback (most recent call last):
    ...
    RuntimeError: ccxt 5.0.1 is installed; the socket tap is made for 4.5.x: install ccxt<4.6
    """
    if not found.startswith(SUPPORTED):
        raise RuntimeError(f"ccxt {found} is installed; the socket tap is made for 4.5.x: install ccxt<4.6")


check_version()


class TappedSocket:
    """Mixed into a ``ccxt.pro`` exchange: every frame goes, unparsed, to ``take_frame``.

    A venue implements ``take_frame`` and ``socket_url``, and sets ``on_lost`` before it opens the socket.
    """

    on_lost_socket: Callable[[str], None]
    _tasks: set[asyncio.Task[None]]
    _heard_ns: int

    def tap(self, on_lost: Callable[[str], None]) -> None:
        """Say whom to tell, once, when the socket is gone."""
        self.on_lost_socket = on_lost
        self._tasks, self._heard_ns = set(), 0

    @property
    def socket_url(self) -> str:
        """Address of the socket."""
        raise NotImplementedError

    def take_frame(self, client: Any, payload: bytes) -> None:
        """A text or binary frame. Must not raise."""
        raise NotImplementedError

    def client(self, url: str) -> Any:
        """ccxt's socket client, its frames handed over unparsed and its pongs timed by the monotonic clock."""
        client = super().client(url)  # type: ignore[misc]
        if "ping_loop" not in vars(client):
            taken = client.handle_message

            def heard(message: Any) -> None:
                self._heard_ns = time.monotonic_ns()
                taken(message)

            client.handle_message = heard
            client.handle_text_or_binary_message = lambda data: self._tapped(client, data)
            client.ping_loop = partial(self._ping, client)
        return client

    def _tapped(self, client: Any, data: Any) -> None:
        self._heard_ns = time.monotonic_ns()
        self.take_frame(client, data.encode() if isinstance(data, str) else bytes(data))

    async def _ping(self, client: Any) -> None:
        keepalive_s = client.keepAlive / 1000
        self._heard_ns = self._heard_ns or time.monotonic_ns()
        while keepalive_s > 0 and not client.closed():
            await asyncio.sleep(keepalive_s)
            silent_s = (time.monotonic_ns() - self._heard_ns) / 1e9
            if silent_s > MISSES * keepalive_s:
                client.on_error(ccxt.RequestTimeout(f"ping-pong: {client.url} silent for {silent_s:.1f} s"))
                return
            try:
                await client.connection.ping()
            except Exception as error:  # noqa: BLE001 - whatever the transport raises, the socket is gone
                if not client.closed():
                    client.on_error(ccxt.NetworkError(str(error)))
                return

    def spawn(self, work: Any) -> None:
        """Run a coroutine alongside; it ends with the socket."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def on_error(self, client: Any, error: Any) -> None:
        """ccxt's hook: the socket failed."""
        super().on_error(client, error)  # type: ignore[misc]
        self.on_lost_socket(f"{type(error).__name__}: {error}")

    def on_close(self, client: Any, error: Any) -> None:
        """ccxt's hook: the venue closed the socket."""
        super().on_close(client, error)  # type: ignore[misc]
        self.on_lost_socket(f"closed by the venue, code {error}")

    async def open_socket(self, timeout_s: float) -> None:
        """Connect the socket. Raises ``FeedError``."""
        exchange: Any = self
        exchange.open()
        client = self.client(self.socket_url)
        failed = client.future("failed to open")
        opened = asyncio.ensure_future(_done(client.connect(exchange.session)))
        try:
            done, _ = await asyncio.wait(
                (opened, failed), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if opened not in done:
                reason = failed.exception() if failed in done else f"no answer within {timeout_s} s"
                raise FeedError(f"{exchange.id}: cannot open {self.socket_url}: {reason}")
        finally:
            opened.cancel()
            client.futures.pop("failed to open", None)

    def heard_ns(self) -> int:
        """When the last frame or pong came, by the monotonic clock; 0 when nothing did."""
        return self._heard_ns

    async def shut(self) -> None:
        """Close socket and session; may be called more than once."""
        for task in list(self._tasks):
            task.cancel()
        try:
            await self.close()  # type: ignore[attr-defined]
        except asyncio.CancelledError:
            # ccxt cancels its own futures on the way out and lets that through; a cancellation of ours goes on
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise


async def _done(future: Any) -> Any:
    return await future
