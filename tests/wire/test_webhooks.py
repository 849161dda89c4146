"""Alerts sent on to a receiver that misbehaves: each is delivered once or told as given up."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from workstation.market.errors import WorkstationError
from workstation.market.tables import ALERTS
from workstation.webhooks.parameters import WebhookParameters
from workstation.webhooks.sink import WebhookSink

pytestmark = pytest.mark.wire
SECONDS = 60.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def _answer(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]).encode()


class Receiver:
    """Answers requests by a script: bytes to send, or ``hang``, ``cut`` (in the middle of an answer), ``drip``; after it, 200."""

    def __init__(self) -> None:
        self.script: list[bytes | str] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(SECONDS)
        self.url = f"http://127.0.0.1:{self.port}/hook/token-in-the-path"

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._one, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append((headers, body))
            step = self.script.pop(0) if self.script else OK
            if step == "hang":
                await self._end.wait()
            elif step == "drip":
                writer.write(b"HTTP/1.1 200 OK\r\n")
                while not self._end.is_set():
                    writer.write(b"X-More: a\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            else:
                writer.write(OK[:20] if step == "cut" else step)  # type: ignore[arg-type]
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(SECONDS)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


def _alerts(*names: str, severity: str = "high") -> pd.DataFrame:
    rows = {"event_ns": [1_800_000_000_000_000_001] * len(names), "alert_id": names, "kind": "sweep", "severity": severity, "explanation": "a <b>"}  # fmt: skip
    return ALERTS.conform(pd.DataFrame(rows))


def _until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _sink(receiver: Receiver, told: list[pd.DataFrame], **given: Any) -> WebhookSink:
    own = {
        "url": receiver.url,
        "private_addresses": True,
        "backoff_s": 0.001,
        "timeout_s": SECONDS,
        "attempts": 3,
    } | given
    made = WebhookSink(WebhookParameters(**own), told.append)
    made.start()
    return made


def test_a_failing_receiver_gets_every_alert_in_the_end(receiver: Receiver) -> None:
    receiver.script = [_answer("500 No"), "cut", OK, _answer("503 Later", "Retry-After: 0"), OK]
    told: list[pd.DataFrame] = []
    sink = _sink(receiver, told, signing_secret="s3cret-signing")
    sink.put("alerts", _alerts("a", "b"))
    _until(lambda: sink.delivered == 2)
    sink.put("alerts", _alerts("c"))
    _until(lambda: sink.delivered == 3)
    sink.close()
    assert (sink.retried, sink.dead_letters, told) == (3, 0, [])
    names = [headers["x-workstation-delivery"] for headers, _ in receiver.requests]
    assert len(set(names[:3])) == 1 and len(set(names[3:])) == 1, "a receiver knows a repetition by its name"
    headers, body = receiver.requests[0]
    rows = json.loads(body)["rows"]
    assert [row["alert_id"] for row in rows] == ["a", "b"] and rows[0][
        "event_ns"
    ] == 1_800_000_000_000_000_001
    assert rows[0]["score"] is None
    signed = hmac.new(b"s3cret-signing", headers["x-workstation-time"].encode() + b"." + body, hashlib.sha256)
    assert headers["x-workstation-signature"] == "sha256=" + signed.hexdigest()


@pytest.mark.parametrize(
    ("steps", "given", "tries", "why"),
    [
        ([_answer("500 No")] * 3, {}, 3, "answered 500"),
        ([_answer("404 Gone")], {}, 1, "answered 404"),
        ([_answer("302 Found", "Location: http://127.0.0.1:1/")], {}, 1, "redirects are not followed"),
        (["hang", "hang"], {"attempts": 2, "timeout_s": 0.2}, 2, "no answer"),
        (["drip"], {"attempts": 1, "timeout_s": 0.2}, 1, "no answer"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"], {"attempts": 1}, 1, "no answer"),
        ([b"SSH-2.0-nonsense\r\n\r\n"], {"attempts": 1}, 1, "no answer"),
    ],
)  # fmt: skip
def test_what_cannot_be_delivered_is_told_and_the_next_goes_out(
    receiver: Receiver, steps: list[bytes | str], given: dict[str, Any], tries: int, why: str
) -> None:
    receiver.script, told = list(steps), []
    sink = _sink(receiver, told, **given)
    sink.put("alerts", _alerts("a", "b"))
    _until(lambda: sink.dead_letters == 2)
    assert len(receiver.requests) == tries and why in sink.last_failure
    sink.put("alerts", _alerts("c"))
    _until(lambda: sink.delivered == 1)
    sink.close()
    (row,) = told
    assert row["event"].tolist() == ["dropped"] and row["count"].tolist() == [2] and why in row["detail"][0]
    assert "token-in-the-path" not in row["detail"][0] + repr(sink._own) + sink.last_failure


def test_a_full_queue_gives_up_the_oldest_and_the_end_gives_up_the_rest(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workstation.webhooks.sink.LEAVE_S", 0.0)
    told: list[pd.DataFrame] = []
    sink = WebhookSink(
        WebhookParameters(url=receiver.url, private_addresses=True, waiting=2, least_severity="medium"),
        told.append,
    )  # type: ignore[arg-type]
    for name in "abc":
        sink.put("alerts", _alerts(name))
    sink.put("alerts", _alerts("d", severity="low"))
    assert (sink.queued, sink.dead_letters) == (2, 1)
    sink._closing_at = 0.0
    sink.start()
    sink.close()
    assert (sink.queued, sink.delivered, sink.dead_letters) == (0, 0, 3)
    assert sum(int(rows["count"].sum()) for rows in told) == 3


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "2130706433", "0x7f000001"]
)
def test_private_addresses_get_nothing_unless_that_is_allowed(host: str) -> None:
    told: list[pd.DataFrame] = []
    sink = WebhookSink(WebhookParameters(url=f"https://{host}/x", attempts=1), told.append)  # type: ignore[arg-type]
    sink.start()
    sink.put("alerts", _alerts("a"))
    _until(lambda: sink.dead_letters == 1)
    assert "no answer" in sink.last_failure or "not reached" in sink.last_failure
    sink.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x",
        "ftp://hooks.example",
        "https://",
        "https://u:pw@hooks.example/x",
        "https://[x/",
    ],
)
def test_a_wrong_address_is_refused_at_the_start_and_not_shown(url: str) -> None:
    with pytest.raises(WorkstationError, match=r"webhook\.url") as refused:
        WebhookSink(WebhookParameters(url=url))  # type: ignore[arg-type]
    assert "pw" not in str(refused.value) and "hooks.example/x" not in str(refused.value)
