"""Deribit's private socket: a signed login that is renewed before it ends, changes of instruments and of the portfolio.

``user.changes`` gives an instrument's trades and positions together, ``user.portfolio`` a currency's balance, each as REST words them. A position
that moves without a trade was settled: that is read again by REST.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from typing import Any

import msgspec

from workstation.feeds.deribit import account
from workstation.feeds.venue_kit.account_rows import Reading, listed
from workstation.feeds.venue_kit.private_socket import SOCKET, PrivateSocket, Pushed, Stream
from workstation.market.errors import FeedError, FrameError

CHANGES = "user.changes.any.any.raw"
HEARTBEAT_S = 30
_RENEW = 0.8
"""Part of a login's life after which it is renewed."""
_FATAL = frozenset({13000, 13001, 13002, 13003, 13004, 13006, 13007, 13009, 13021, 13403, 13778})


class _Failure(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Granted(msgspec.Struct):
    access_token: str = ""
    refresh_token: str = ""
    expires_in: float = 0.0


class _Params(msgspec.Struct):
    channel: str = ""
    type: str = ""


class _Said(msgspec.Struct):
    """``{"id":1,"result":{...}}``, ``{"id":1,"error":{...}}`` or ``{"method":"subscription","params":{"channel":"user.portfolio.btc","data":{...}}}``"""

    id: int | None = None
    method: str = ""
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Failure | None = None
    params: _Params = msgspec.field(default_factory=_Params)


_SAID = msgspec.json.Decoder(_Said)
_GRANTED = msgspec.json.Decoder(_Granted)


class Socket(PrivateSocket):
    """One session."""

    host = "wss://www.deribit.com"

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        """Open, log in, subscribe. Raises ``FeedError``."""
        await self.open(SOCKET, f"{self._base}/ws/api/v2", self._timeout_s)
        granted = await self._login()
        await self._call("public/set_heartbeat", {"interval": HEARTBEAT_S})
        currencies = self._account.currencies or account.VENUE.currencies
        channels = [CHANGES, *(f"user.portfolio.{currency.lower()}" for currency in currencies)]
        named = msgspec.json.decode(await self._call("private/subscribe", {"channels": channels}))
        missing = sorted(set(channels) - set(named))
        if missing:
            raise self.refused(f"the channel {missing[0]}", "it is not among those granted", fatal=False)
        if granted.expires_in > 0.0:
            self.beside(self._renewed(granted.expires_in))

    async def _login(self) -> _Granted:
        now, nonce = int(time.time() * 1000), secrets.token_hex(8)
        login = {
            "grant_type": "client_signature",
            "client_id": self._account.api_key.get_secret_value(),
            "timestamp": now,
            "nonce": nonce,
            "data": "",
            "signature": self.signature(f"{now}\n{nonce}\n").hex(),
        }
        granted = _GRANTED.decode(await self._call("public/auth", login))
        self.conceal(granted.access_token)
        self.conceal(granted.refresh_token)
        return granted

    async def _renewed(self, expires_s: float) -> None:
        """Log in again before the login ends, on and on."""
        while True:
            await asyncio.sleep(_RENEW * expires_s)
            try:
                expires_s = (await self._login()).expires_in or expires_s
            except FeedError as error:
                self.lose(f"the login could not be renewed: {error}")
                return

    async def _call(self, method: str, params: Any) -> msgspec.Raw:
        request = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        said: _Said = await self.ask(request, method)
        if said.error is not None:
            words = f"{said.error.code} {said.error.message}"
            raise self.refused(method, words, fatal=said.error.code in _FATAL)
        return said.result

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame."""
        try:
            said = _SAID.decode(payload)
        except msgspec.DecodeError:
            self.hand_on("", payload, seen_ns)
            return
        if said.method == "subscription":
            self.hand_on(said.params.channel, payload, seen_ns)
        elif said.method == "heartbeat":
            if said.params.type == "test_request":
                self.beside(self._alive(name))
        elif said.id:
            self._answers.take(name, said)

    async def _alive(self, name: str) -> None:
        try:
            await self.send(name, '{"jsonrpc":"2.0","id":0,"method":"public/test","params":{}}')
        except FeedError as error:
            self.lose(str(error))


def decode(topic: str, message: Any, reading: Reading) -> Pushed:
    """``{"params":{"channel":"user.changes.any.any.raw","data":{"instrument_name":"BTC-PERPETUAL","trades":[...],"positions":[...],"orders":[]}}}``"""
    params = message.get("params") if isinstance(message, dict) else None
    data = params.get("data") if isinstance(params, dict) else None
    if not isinstance(data, dict):
        raise FrameError("the frame has no data")
    if topic.startswith("user.portfolio."):
        return Pushed(account.balances({"result": {"summaries": [data]}}, reading))
    if topic != CHANGES:
        raise FrameError(f"channel {topic!r} was not asked for")
    trades, held = listed(data, "trades"), listed(data, "positions")
    rows = account.trades({"result": {"trades": trades}}, reading)
    rows |= account.positions({"result": held}, reading, changes=True)
    return Pushed(rows, again=bool(held) and not trades)


STREAM = Stream(Socket, decode)
