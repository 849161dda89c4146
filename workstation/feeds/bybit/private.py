"""Bybit's private socket: a signed login, three topics.

``position``, ``execution`` and ``wallet`` carry the items of the REST answers, whole contracts and coins that changed. Spot executions are
not positions and left out; deliveries are read again by REST, which names their price.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from workstation.feeds.bybit import account
from workstation.feeds.venue_kit.account_rows import Reading, listed
from workstation.feeds.venue_kit.private_socket import SOCKET, PrivateSocket, Pushed, Stream
from workstation.market.errors import FrameError

TOPICS = ("position", "execution", "wallet")
_CATEGORIES = ("option", "linear", "inverse")
_LOGIN_MS = 10_000


class _Said(msgspec.Struct):
    """``{"success":true,"ret_msg":"","op":"auth","conn_id":"..."}`` or ``{"topic":"wallet","data":[...]}``"""

    topic: str = ""
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""


_SAID = msgspec.json.Decoder(_Said)


class Socket(PrivateSocket):
    """One session."""

    host = "wss://stream.bybit.com"
    text_ping = '{"op":"ping"}'

    async def start(self) -> None:
        """Open, log in, subscribe. Raises ``FeedError``."""
        await self.open(SOCKET, f"{self._base}/v5/private", self._timeout_s)
        expires = int(time.time() * 1000) + _LOGIN_MS
        key = self._account.api_key.get_secret_value()
        sign = self.signature(f"GET/realtime{expires}").hex()
        said = await self.ask({"op": "auth", "args": [key, expires, sign]}, "the login")
        if not said.success:
            raise self.refused("the login", said.ret_msg, fatal=True)
        said = await self.ask({"op": "subscribe", "args": list(TOPICS)}, "the subscription")
        if not said.success:
            raise self.refused("the subscription", said.ret_msg, fatal=False)

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame."""
        try:
            said = _SAID.decode(payload)
        except msgspec.DecodeError:
            self.hand_on("", payload, seen_ns)
            return
        if said.topic:
            self.hand_on(said.topic.partition(".")[0], payload, seen_ns)
        elif said.op in ("auth", "subscribe"):
            self._answers.take(name, said)


def decode(topic: str, message: Any, reading: Reading) -> Pushed:
    """``{"topic":"execution","creationTime":1672364174455,"data":[{"category":"option","symbol":"BTC-26DEC25-100000-C","execId":"...",...}]}``"""
    items = listed(message, "data")
    held = {"result": {"list": [item for item in items if _counts(item)]}}
    if topic == "position":
        return Pushed(account.positions(held, reading, changes=True))
    if topic == "execution":
        again = any(isinstance(item, dict) and item.get("execType") in account.ELSEWHERE for item in items)
        return Pushed(account.executions(held, reading), again)
    if topic == "wallet":
        return Pushed(account.balances({"result": {"list": items}}, reading))
    raise FrameError(f"topic {topic!r} was not asked for")


def _counts(item: Any) -> bool:
    """Whether an item is of a contract."""
    return not isinstance(item, dict) or item.get("category", _CATEGORIES[0]) in _CATEGORIES


STREAM = Stream(Socket, decode)
