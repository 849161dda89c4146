"""Binance's private sockets: a listen key each for options and USD-margined futures, made and kept alive by REST.

Futures: ``ACCOUNT_UPDATE`` has the balances and positions that changed, ``ORDER_TRADE_UPDATE`` the fill. Options: ``BALANCE_POSITION_UPDATE`` and
``ORDER_TRADE_UPDATE``, wrapped in ``{"stream":...,"data":...}``, counted in contracts as by REST. Who has the listen key has the stream: it is
concealed like the keys. Funding, exercises and contracts of unknown unit are read again by REST.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from workstation.feeds.binance import account
from workstation.feeds.venue_kit.account_rows import (
    Reading,
    Request,
    Row,
    Rows,
    amount,
    answer_of,
    balance,
    contracts,
    each_row,
    listed,
    mode_of,
    name_of,
    nanoseconds,
    number,
    position,
    side_of,
    text,
    whole,
    word,
)
from workstation.feeds.venue_kit.private_socket import PrivateSocket, Pushed, Stream
from workstation.market.errors import FeedError, FrameError

RENEW_S = 30.0 * 60.0
"""Between two calls that keep a listen key alive; it ends after 60 minutes without."""
KEYS = {
    "options": ("eapiPrivatePostListenKey", "eapiPrivatePutListenKey"),
    "futures": ("fapiPrivatePostListenKey", "fapiPrivatePutListenKey"),
}
_EXPIRED = "listenKeyExpired"
_FILLS = ("TRADE", "CALCULATED")
"""Execution types of a fill; ``CALCULATED`` is a liquidation's."""


class _Said(msgspec.Struct):
    """``{"e":"ACCOUNT_UPDATE",...}``, alone or as the ``data`` of a stream."""

    e: str = ""
    data: _Said | None = None


_SAID = msgspec.json.Decoder(_Said)


class Socket(PrivateSocket):
    """One session: both sockets."""

    host = "wss://fstream.binance.com"

    async def start(self) -> None:
        """Make the listen keys, open. Raises ``FeedError``."""
        for name, (make, renew) in KEYS.items():
            made = answer_of((await self._calls.ask(Request("terms", make, {}))).payload)
            key = made.get("listenKey") if isinstance(made, dict) else None
            if not isinstance(key, str) or not key:
                raise FeedError(f"binance: {make} gave no listen key")
            door = f"{self._base}/private/ws"
            await self.open(
                name, f"{door}/{self.conceal(key)}", self._timeout_s, shown=f"{door}/*** ({name})"
            )
            self.beside(self._renewed(renew, key))

    async def _renewed(self, method: str, key: str) -> None:
        """Keep a listen key alive; one that is gone ends the session."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self._calls.ask(Request("terms", method, {"listenKey": key}))
            except FeedError as error:
                self.lose(f"the listen key could not be kept: {error}")
                return

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame."""
        try:
            said = _SAID.decode(payload)
        except msgspec.DecodeError:
            self.hand_on(name, payload, seen_ns)
            return
        event = (said.data or said).e
        if event == _EXPIRED:
            self.lose(f"the listen key of the {name} expired")
        elif event:
            self.hand_on(f"{name}/{event}", payload, seen_ns)


def decode(topic: str, message: Any, reading: Reading) -> Pushed:
    """``{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"o":{"s":"BTCUSDT","S":"SELL","x":"TRADE","l":"0.1","L":"70000","n":"3","N":"USDT","t":7,...}}``"""
    door, _, event = topic.partition("/")
    said = message.get("data", message) if isinstance(message, dict) else None
    if door not in KEYS or not isinstance(said, dict):
        raise FrameError(f"{topic!r} is no event of an account")
    if event == "ORDER_TRADE_UPDATE":
        return _order(said, reading, options=door == "options")
    if door == "futures" and event == "ACCOUNT_UPDATE":
        return _futures(said, reading)
    if event == "BALANCE_POSITION_UPDATE":
        return _options(said, reading)
    return Pushed({})


def _order(said: Mapping[str, Any], reading: Reading, *, options: bool) -> Pushed:
    """The fill among the changes of an order."""
    order = said.get("o")
    if not isinstance(order, dict):
        raise FrameError("the event has no order")
    if order.get("x") not in _FILLS:
        return Pushed({})
    if options and order.get("s") not in reading.sizes:
        return Pushed({}, again=True)

    def read(each: Mapping[str, Any]) -> Row:
        name, size, price = name_of(each.get("s"), "binance"), abs(amount(each, "l")), amount(each, "L")
        if options:
            size, price = contracts(each["s"], size, reading), price / reading.sizes[each["s"]]
        forced = each["x"] == "CALCULATED" or each.get("o") == "LIQUIDATION"
        return reading.row(nanoseconds(each.get("T")), name) | {
            "side": side_of(each.get("S")),
            "price": price,
            "size": size,
            "fee": abs(number(each.get("n"))) if options else number(each.get("n")),
            "fee_currency": word(each.get("N")) or "USDT",
            "kind": "liquidation" if forced else "trade",
            "fill_id": text(each, "t"),
            "position_side": account.kept_side(each, "ps"),
        }

    return Pushed({"fills": each_row([order], reading, read, "s")})


def _futures(said: Mapping[str, Any], reading: Reading) -> Pushed:
    """``{"e":"ACCOUNT_UPDATE","a":{"m":"ORDER","B":[{"a":"USDT","wb":"1127.9"}],"P":[{"s":"BTCUSDT","pa":"-0.089","ep":"19700","up":"1.5","mt":"isolated","ps":"BOTH"}]}}``"""
    change = said.get("a")
    if not isinstance(change, dict):
        raise FrameError("the event has no account")
    wallet = account.futures_wallet(reading)

    def held(each: Mapping[str, Any]) -> Row:
        name, quantity, side = (
            name_of(each.get("s"), "binance"),
            amount(each, "pa"),
            account.kept_side(each, "ps"),
        )
        if side:
            quantity = side_of(side) * abs(quantity)
        told = (None, None, each.get("up"))
        return position(
            reading,
            name,
            quantity,
            number(each.get("ep")),
            told=told,
            side=side,
            mode=mode_of(each.get("mt")),
        )

    rows: Rows = {
        "positions": each_row(_part(change, "P"), reading, held, "s"),
        "balances": each_row(
            _part(change, "B"),
            reading,
            lambda each: balance(wallet, text(each, "a"), amount(each, "wb"), None),
            "a",
        ),
    }
    return Pushed(rows, again=change.get("m") == "FUNDING_FEE")


def _options(said: Mapping[str, Any], reading: Reading) -> Pushed:
    """``{"e":"BALANCE_POSITION_UPDATE","m":"ORDER","B":[{"a":"USDT","b":"10000.4"}],"P":[{"s":"BTC-251123-126000-C","c":"-0.1","p":"-120","a":"1200"}]}``"""
    items = _part(said, "P")
    unknown = [item for item in items if isinstance(item, dict) and item.get("s") not in reading.sizes]

    def held(each: Mapping[str, Any]) -> Row:
        name, quantity = name_of(each.get("s"), "binance"), contracts(each["s"], amount(each, "c"), reading)
        entry = number(each.get("a")) / reading.sizes[each["s"]]
        return position(reading, name, quantity, entry, told=(None, None, None))

    known = [item for item in items if item not in unknown]
    balances = each_row(
        _part(said, "B"),
        reading,
        lambda each: balance(reading, text(each, "a"), amount(each, "b"), None),
        "a",
    )
    rows: Rows = {"positions": whole(each_row(known, reading, held, "s")), "balances": balances}
    return Pushed(rows, again=bool(unknown) or said.get("m") != "ORDER")


def _part(said: Mapping[str, Any], name: str) -> list[Any]:
    """A list of an event; none where it was left out."""
    return listed(said, name) if name in said else []


STREAM = Stream(Socket, decode)
