"""A TCP proxy on loopback that misbehaves on request."""

from __future__ import annotations

import asyncio
import threading
from typing import Literal

SECONDS = 30.0
Fault = Literal["", "refuse", "half_open", "mid_frame", "delay"]


class FaultProxy:
    """Carries bytes to a port, faithfully or not.

    Attributes
    ----------
    fault
        ``refuse`` closes connections at once, open ones at their next bytes, ``half_open`` takes bytes and passes none on, ``mid_frame`` cuts in the middle of the
        next answer, ``delay`` holds each answer for ``delay_s``; empty: none. Open connections heed it too.
    """

    def __init__(self, port: int) -> None:
        self._target, self.delay_s = port, 0.05
        self.fault: Fault = ""
        self._open: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(SECONDS)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        await asyncio.gather(*self._open)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        if self.fault == "refuse":
            writer.close()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except ConnectionError:  # the server is down: so are connections through here
            writer.close()
            return
        ways = [
            asyncio.create_task(self._carry(reader, back, False)),
            asyncio.create_task(self._carry(there, writer, True)),
        ]
        await asyncio.wait(
            [*ways, asyncio.create_task(self._end.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        for way in ways:
            way.cancel()
        writer.close()
        back.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, answers: bool) -> None:
        try:
            while data := await source.read(65_536):
                if self.fault == "refuse":
                    return
                if self.fault == "half_open":
                    await self._end.wait()
                if answers and self.fault == "delay":
                    await asyncio.sleep(self.delay_s)
                cut = answers and self.fault == "mid_frame"
                target.write(data[: len(data) // 2] if cut else data)
                await target.drain()
                if cut:
                    return
        except ConnectionError:
            return

    def stop(self) -> None:
        """End it and whatever it carries."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(SECONDS)
