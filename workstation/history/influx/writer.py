"""Writes that reach the server, or wait on disk until they do."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator

from workstation.history.influx.address import Address
from workstation.history.influx.write_queue import QueueTaken, WriteQueue
from workstation.history.influx.write_requests import Rejection, Request, ServerDown, WriteClient
from workstation.market.errors import HistoryError, TableError

log = logging.getLogger("workstation.history")

_REMEMBERED = 1_000


class InfluxWriter:
    """Sends requests in order; while the server is down they wait in the queue, which a thread of its own empties.

    What the server refuses for good is never sent again: its rows are in ``rejected``.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = WriteClient(address)
        self._held: WriteQueue | None = None
        self._changed = threading.Condition()
        self._closing = self._emptying = False
        self._thread: threading.Thread | None = None
        self.rejected: deque[Rejection] = deque(maxlen=_REMEMBERED)
        self.failure = ""
        """Why the queue is not emptied; empty when it is, or when nothing waits."""
        if WriteQueue.left_over(address.queue):
            try:
                waiting = len(self._queue)
            except QueueTaken as error:
                log.info("%s; it sends them", error)
            else:
                if waiting:
                    self._start()

    @property
    def _queue(self) -> WriteQueue:
        """The queue, opened by the first write: a process that only reads leaves it to those that write."""
        if self._held is None:
            self._held = WriteQueue(self._address.queue, self._address.options.queue_bytes)
        return self._held

    @property
    def waiting(self) -> int:
        """Rows that wait on disk."""
        with self._changed:
            return self._held.rows if self._held is not None else 0

    @property
    def last_seq(self) -> int:
        """Highest ``seq`` that waits, 0 when none does."""
        with self._changed:
            return self._held.last_seq if self._held is not None else 0

    def write(self, requests: Iterator[Request], last_seq: int) -> int:
        """Send requests, or keep them where the server cannot take them now; how many rows were taken.

        Raises
        ------
        TableError, HistoryError
            As ``WriteClient.send``; also when the queue has no room.
        """
        taken = 0
        with self._changed:
            for request in requests:
                taken += request.rows - self._send_or_keep(request, last_seq)
        return taken

    def _send_or_keep(self, request: Request, last_seq: int) -> int:
        """How many rows the server refused."""
        if not len(self._queue):
            try:
                return self._tell(self._client.send(request))
            except ServerDown as error:
                self.failure = str(error)
                log.warning("%s; writes wait in %s", error, self._queue.folder)
                self._queue.put(request, last_seq)
                self._start(
                    self._address.options.retry_seconds[0] if error.retry_after is None else error.retry_after
                )
                return 0
        self._queue.put(request, last_seq)
        return 0

    def _tell(self, rejected: list[Rejection]) -> int:
        for one in rejected:
            log.warning("%s row %d was refused: %s; %s", one.table, one.row, one.reason, one.line[:200])
        self.rejected.extend(rejected)
        return len(rejected)

    def _start(self, pause: float | None = None) -> None:
        if self._emptying:
            return
        self._emptying = True
        self._thread = threading.Thread(target=self._empty, args=(pause,), name="influx-queue", daemon=True)
        self._thread.start()

    def _empty(self, pause: float | None) -> None:
        first, longest = self._address.options.retry_seconds
        wait = first
        while True:
            with self._changed:
                if pause is not None:
                    self._changed.wait_for(lambda: self._closing, pause)
                if self._closing or not len(self._queue):
                    self._emptying = False
                    return
            try:
                self._send_first()
            except HistoryError as error:
                self.failure = str(error)
                asked = error.retry_after if isinstance(error, ServerDown) else longest
                pause, wait = (wait if asked is None else asked), min(2 * wait, longest)
            else:
                pause, wait = None, first

    def _send_first(self) -> None:
        with self._changed:
            request = self._queue.first()
        try:
            rejected = self._client.send(request)
        except TableError as error:
            with self._changed:
                aside = self._queue.set_aside("refused")
                reason = f"{error}; the {request.rows} lines are in {aside}"
                self._tell([Rejection(request.table, request.first_row, "", reason)])
                self._changed.notify_all()
            return
        with self._changed:
            self._tell(rejected)
            self._queue.remove()
            if not len(self._queue):
                self.failure = ""
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits on disk; False when it is not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held is None or not len(self._held), timeout)

    def create_database(self) -> None:
        """Make the database with its retention."""
        self._client.create_database()

    def close(self) -> None:
        """Stop; what waits stays on disk for the next history of this address."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._client.close()
        if self._held is not None:
            self._held.close()
