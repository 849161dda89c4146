"""OKX's private socket: a signed login, three channels.

``account`` and ``positions`` carry the items of the REST answers, ``orders`` the fill that changed an order (``fills`` of its own are for
some accounts only): ``tdMode`` is the margin mode of the fill. Contract sizes come by REST: a contract not met before is read there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from workstation.feeds.okx import account
from workstation.feeds.venue_kit.account_rows import (
    Reading,
    Row,
    Rows,
    amount,
    contracts,
    each_row,
    listed,
    mode_of,
    name_of,
    nanoseconds,
    number,
    side_of,
    text,
    units,
    word,
)
from workstation.feeds.venue_kit.private_socket import SOCKET, PrivateSocket, Pushed, Stream
from workstation.market.errors import FrameError

CHANNELS = (
    {"channel": "account"},
    {"channel": "positions", "instType": "ANY"},
    {"channel": "orders", "instType": "ANY"},
)
_CLOSING = "64008"
_CONTRACTS = ("OPTION", "SWAP", "FUTURES")
_FORCED = ("adl", "full_liquidation", "partial_liquidation")
_MODES = {"cash": "", "spot_isolated": "isolated"}
_FATAL = frozenset(
    {"60005", "60006", "60007", "60009", "60022", "60024", "60032", "50101", "50105", "50111", "50113"}
)


class _Said(msgspec.Struct):
    """``{"event":"login","code":"0"}``, ``{"event":"subscribe","arg":{...}}`` or ``{"arg":{"channel":"account"},"data":[...]}``"""

    event: str = ""
    code: str = ""
    msg: str = ""
    arg: dict[str, Any] = {}


_SAID = msgspec.json.Decoder(_Said)


class Socket(PrivateSocket):
    """One session."""

    host = "wss://ws.okx.com:8443"
    text_ping = "ping"

    async def start(self) -> None:
        """Open, log in, subscribe. Raises ``FeedError``."""
        await self.open(SOCKET, f"{self._base}/ws/v5/private", self._timeout_s)
        now = str(int(time.time()))
        login = {
            "apiKey": self._account.api_key.get_secret_value(),
            "passphrase": self._account.password.get_secret_value(),
            "timestamp": now,
            "sign": self.signed_64(f"{now}GET/users/self/verify"),
        }
        self._heed(await self.ask({"op": "login", "args": [login]}, "the login"), "the login")
        for channel in CHANNELS:
            what = f"the channel {channel['channel']}"
            self._heed(await self.ask({"op": "subscribe", "args": [channel]}, what), what)

    def _heed(self, said: _Said, what: str) -> None:
        if said.event == "error":
            raise self.refused(what, f"{said.code} {said.msg}", fatal=said.code in _FATAL)

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame."""
        if payload == b"pong":
            return
        try:
            said = _SAID.decode(payload)
        except msgspec.DecodeError:
            self.hand_on("", payload, seen_ns)
            return
        if said.event == "notice" and said.code == _CLOSING:
            self.lose(f"the venue closes the socket within a minute: {said.msg}")
        elif said.event in ("login", "subscribe", "error"):
            self._answers.take(name, said)
        elif said.arg and not said.event:
            self.hand_on(str(said.arg.get("channel", "")), payload, seen_ns)


def decode(topic: str, message: Any, reading: Reading) -> Pushed:
    """``{"arg":{"channel":"orders","instType":"ANY"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"1","fillPx":"70000","fillSz":"2",...}]}``"""
    if topic == "account":
        return Pushed(account.balances(message, reading))
    if topic not in ("positions", "orders"):
        raise FrameError(f"channel {topic!r} was not asked for")
    items = [item for item in listed(message, "data") if _counts(item)]
    if account.terms(account.POSITIONS, {"data": items}, reading):
        return Pushed({}, again=True)
    if topic == "positions":
        return Pushed(account.positions({"data": items}, reading, changes=True))
    delivered = any(isinstance(item, dict) and item.get("category") == "delivery" for item in items)
    return Pushed(orders(items, reading), again=delivered)


def _counts(item: Any) -> bool:
    """Whether an item is of a contract."""
    return not isinstance(item, dict) or item.get("instType", "SWAP") in _CONTRACTS


def orders(items: list[Any], reading: Reading) -> Rows:
    """Fills among changes of orders; a change without a trade is none."""

    def read(each: Mapping[str, Any]) -> Row | None:
        if not word(each.get("tradeId")) or each.get("category") == "delivery":
            return None
        name, price = name_of(each.get("instId"), "okx"), amount(each, "fillPx")
        mode = word(each.get("tdMode"))
        return reading.row(nanoseconds(each.get("fillTime")), name) | {
            "side": side_of(each.get("side")),
            "price": price,
            "size": units(name, contracts(each["instId"], amount(each, "fillSz"), reading), price),
            "fee": -number(each.get("fillFee")),
            "fee_currency": word(each.get("fillFeeCcy")),
            "kind": "liquidation" if each.get("category") in _FORCED else "trade",
            "index": number(each.get("fillIdxPx")),
            "fill_id": text(each, "tradeId"),
            "position_side": account.kept_side(each),
            "margin_mode": _MODES[mode] if mode in _MODES else mode_of(mode),
        }

    return {"fills": each_row(items, reading, read, "instId")}


STREAM = Stream(Socket, decode)
