"""A desk's sink that sends alerts on to a webhook, and tells what it could not deliver."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workstation.market.tables import ALERTS, HEALTH
from workstation.webhooks.delivery import Outcome, checked_url, deliver, signature
from workstation.webhooks.parameters import WebhookParameters

log = logging.getLogger(__name__)
_SEVERITIES = ("low", "medium", "high")
_LEFT_OUT = frozenset(column.name for column in ALERTS.columns if column.kind == "bytes")
ROWS, LONGEST_PAUSE_S, LEAVE_S = 100, 60.0, 5.0
"""Alerts of one request, the longest pause between two tries, and how long the end of a desk waits for what is under way."""


@dataclass(order=True)
class Waiting:
    """A request that waits for its (next) try."""

    due: float
    number: int
    body: bytes = field(compare=False)
    rows: int = field(compare=False)
    name: str = field(compare=False, default_factory=lambda: str(uuid.uuid4()))
    tries: int = field(compare=False, default=0)


def body_of(rows: pd.DataFrame) -> bytes:
    """The JSON that a receiver gets: ``{"table": "alerts", "rows": [...]}``, null for what is unknown."""
    shown = rows.drop(columns=[name for name in _LEFT_OUT if name in rows])
    return json.dumps(
        {"table": "alerts", "rows": json.loads(shown.to_json(orient="records", double_precision=12))}
    ).encode()


def pause(tries: int, first_s: float, jitter: float) -> float:
    """Seconds until the next try after so many failures, the jitter between 0 and 1.

    >>> [pause(tries, 1.0, 1.0) for tries in (1, 2, 3, 20)]
    [1.0, 2.0, 4.0, 60.0]
    """
    return min(first_s * 2.0 ** min(tries - 1, 30), LONGEST_PAUSE_S) * (0.5 + 0.5 * jitter)


class WebhookSink:
    """Sends every alert on, on a thread of its own.

    Parameters
    ----------
    own
        Receiver, patience and which alerts.
    report
        Takes rows of ``health``: one for each request that was given up.

    Attributes
    ----------
    delivered, retried, dead_letters
        Alerts delivered, tries that failed and were made again, alerts given up.
    last_failure
        Why the last try failed.

    Raises
    ------
    WorkstationError
        The address is none that alerts may be sent to.
    """

    name = "webhook"
    tables = ("alerts",)

    def __init__(
        self, own: WebhookParameters, report: Callable[[pd.DataFrame], object] = lambda _: None
    ) -> None:
        self._own, self.report = own, report
        self._url = checked_url(own.url.get_secret_value(), own.private_addresses)
        self._waiting: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._closing_at = math.inf
        self._thread: threading.Thread | None = None
        self._number = 0
        self.delivered = self.retried = self.dead_letters = 0
        self.last_failure = ""

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Queue the alerts of a batch; never waits."""
        wanted = frame["severity"].isin(_SEVERITIES[_SEVERITIES.index(self._own.least_severity) :])
        rows = frame[wanted.to_numpy(dtype=bool)]
        for begin in range(0, len(rows), ROWS):
            part = rows.iloc[begin : begin + ROWS]
            with self._changed:
                full = len(self._waiting) >= self._own.waiting
                oldest = self._waiting.popleft() if full else None
                self._number += 1
                self._waiting.append(Waiting(0.0, self._number, body_of(part), len(part)))
                self._changed.notify()
            if oldest is not None:
                self._give_up(oldest, "too many wait; the receiver is too slow")

    def close(self) -> None:
        """Try what waits once more, for a few seconds at most; what is left is given up and told."""
        with self._changed:
            self._closing_at = time.monotonic() + LEAVE_S
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(LEAVE_S + self._own.timeout_s)
            self._thread = None

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def parts(self) -> list[tuple[str, str, str, str]]:
        """Its line of the health page."""
        words = f"{self.delivered:,} alerts delivered, {self.queued:,} requests wait, {self.retried:,} tried again, {self.dead_letters:,} given up"
        state = "watch" if self.dead_letters else "ok"
        return [
            ("sent on", "webhook", state, words + (f": {self.last_failure}" if self.last_failure else ""))
        ]

    # -- on its thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (one := self._next()) is not None:
            self._try(one)
        while self._waiting:
            self._give_up(self._waiting.popleft(), "the desk was stopped")

    def _next(self) -> Waiting | None:
        """The next request that is due; None at the end."""
        with self._changed:
            while True:
                now, closing = time.monotonic(), math.isfinite(self._closing_at)
                if closing and (now >= self._closing_at or not self._waiting):
                    return None
                soonest = min(self._waiting, default=None)
                if soonest is not None and soonest.due <= now:
                    self._waiting.remove(soonest)
                    return soonest
                until = min(soonest.due if soonest else math.inf, self._closing_at) - now
                self._changed.wait(None if math.isinf(until) else max(until, 0.001))

    def _try(self, one: Waiting) -> None:
        one.tries += 1
        try:
            outcome = asyncio.run(self._send(one))
        except Exception as error:  # noqa: BLE001 - told as a failed try; the next alert must still go out
            outcome = Outcome(False, f"{type(error).__name__}")
        if outcome.delivered:
            self.delivered += one.rows
            return
        self.last_failure = outcome.reason
        if outcome.final or one.tries >= self._own.attempts:
            self._give_up(one, f"{outcome.reason}, {one.tries} tries")
            return
        log.info("alerts were not delivered, tried again: %s", outcome.reason)
        self.retried += 1
        wait = max(pause(one.tries, self._own.backoff_s, random.random()), outcome.wait_s)
        one.due = time.monotonic() + wait
        with self._changed:
            self._waiting.append(one)

    async def _send(self, one: Waiting) -> Outcome:
        now = str(int(time.time()))
        headers: dict[str, Any] = {
            "Content-Type": "application/json", "User-Agent": "workstation", "X-Workstation-Delivery": one.name,
            "X-Workstation-Time": now,
        }  # fmt: skip
        secret = self._own.signing_secret.get_secret_value()
        if secret:
            headers["X-Workstation-Signature"] = signature(secret, now, one.body)
        return await deliver(
            self._url, one.body, headers, timeout_s=self._own.timeout_s, private_addresses=self._own.private_addresses
        )  # fmt: skip

    def _give_up(self, one: Waiting, reason: str) -> None:
        self.dead_letters += one.rows
        self.last_failure = reason
        row = {"event_ns": [time.time_ns()], "feed": "webhook", "channel": "alerts", "event": "dropped"}
        self.report(HEALTH.conform(pd.DataFrame({**row, "count": one.rows, "detail": reason})))
