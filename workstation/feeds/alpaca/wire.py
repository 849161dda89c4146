"""Alpaca's two streams, options and stocks: msgpack, one connection of each an account, keys sent once it is open."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from pydantic import SecretStr

from workstation.feeds.alpaca import messages
from workstation.feeds.venue_kit.public_feed import by_halves
from workstation.feeds.venue_kit.socket_group import Answers, SocketGroup
from workstation.market.errors import FeedError

KINDS = ("trades", "quotes")
AT_ONCE = 500
"""Symbols of one request."""
REAP_S = 60.0
"""How long after we lost a connection the venue may still count it (406); later a 406 is another session's."""
TOO_MANY = 405
FATAL: Mapping[int, str] = {
    402: "the keys are refused; paper and live accounts have keys of their own",
    404: "the keys did not come in time",
    406: "another session of this account holds the stream: end it, the venue allows one",
    408: "the account has no access to this version of the stream",
    409: "the account is not entitled to this stream; the free plan has option_feed 'indicative' and stock_feed 'iex'",
}
_TRADE, _DATA = b"\xa1T\xa1t", b"\xa1T\xa1"
"""How a message begins whose type is ``t``, and one whose type is any letter: prints, quotes, candles."""
_CONTROL = msgspec.msgpack.Decoder(list[messages.Message])
_PARTS = msgspec.msgpack.Decoder(list[msgspec.Raw])


class _Named(msgspec.Struct, gc=False):
    S: str = ""


_SYMBOL = msgspec.msgpack.Decoder(_Named)


def has_prints(payload: bytes) -> bool:
    """Whether a frame carries a trade."""
    return _TRADE in payload


def prints_in(payload: bytes) -> int:
    """How many trades a frame carries."""
    return payload.count(_TRADE)


class Wire(SocketGroup):
    """The sockets ``option`` and ``stock``.

    Parameters
    ----------
    urls
        Stream -> address.
    key, secret
        Of the account.
    on_frame
        Called with channel, payload and the time it was seen; must not raise.
    crowded
        Whether frames wait so long that they must be conflated: then a frame is taken apart, a channel per symbol of quotes.
    on_lost, keepalive_s
        See ``SocketGroup``.
    last_held
        Stream -> when (monotonic s) this process last held it; kept across connections.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        key: SecretStr,
        secret: SecretStr,
        on_frame: Callable[[str, bytes, int], None],
        crowded: Callable[[], bool],
        on_lost: Callable[[str], None],
        keepalive_s: float,
        last_held: dict[str, float],
    ) -> None:
        super().__init__("alpaca", on_lost=on_lost, keepalive_s=keepalive_s)
        self._urls, self._key, self._secret = urls, key, secret
        self._on_frame, self._crowded, self._held = on_frame, crowded, last_held
        self._answers = Answers()
        self._greeted: set[str] = set()
        self._quoted: set[str] = set()

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame: data and errors nobody waits for go on, answers to who asked."""
        if _DATA not in payload and self._answered(name, payload):
            return
        if self._crowded():
            for channel, part in self._apart(name, payload):
                self._on_frame(channel, part, seen_ns)
            return
        self._on_frame(f"{name}/{KINDS[0] if has_prints(payload) else KINDS[1]}", payload, seen_ns)

    def _answered(self, name: str, payload: bytes) -> bool:
        try:
            said = _CONTROL.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if len(said) != 1 or not isinstance(
            said[0], messages.Success | messages.Refused | messages.Subscribed
        ):
            return False
        return self._answers.take(name, said[0])

    def _apart(self, name: str, payload: bytes) -> list[tuple[str, bytes]]:
        """One frame per message, so that a newer quote replaces an older one of its symbol alone."""
        try:
            parts = _PARTS.decode(payload)
        except (msgspec.DecodeError, RecursionError):
            return [(f"{name}/{KINDS[1]}", payload)]
        found = []
        for part in map(bytes, parts):
            channel = f"{name}/{KINDS[0] if has_prints(part) else KINDS[1]}"
            if not has_prints(part):
                try:
                    symbol = _SYMBOL.decode(part).S
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    symbol = ""
                channel += f".{symbol}" if f"{name}.{symbol}" in self._quoted else ""
            found.append((channel, b"\x91" + part))
        return found

    async def ready(self, name: str, timeout_s: float) -> None:
        """Open a stream and log in, unless that is done. Raises ``FeedError``, fatal for what trying again cannot mend."""
        if name in self._greeted:
            return
        await self.open(name, self._urls[name], timeout_s, headers={"Content-Type": "application/msgpack"})
        said = await self._answers.next(name, timeout_s)
        if isinstance(said, messages.Success):
            login = {
                "action": "auth", "key": self._key.get_secret_value(), "secret": self._secret.get_secret_value(),
            }  # fmt: skip
            said = await self._ask(name, login, timeout_s)
        if not isinstance(said, messages.Success):
            raise self._failure(name, said)
        self._greeted.add(name)
        self._held[name] = time.monotonic()

    def _failure(self, name: str, said: Any) -> FeedError:
        if not isinstance(said, messages.Refused):
            return FeedError(f"alpaca: {name} stream: it did not greet as documented")
        ours = time.monotonic() - self._held.get(name, -REAP_S) < REAP_S
        advice = FATAL.get(said.code, "")
        words = f"alpaca: {name} stream: {said.code} {said.msg}" + (f": {advice}" if advice else "")
        if said.code == 406 and ours:
            return FeedError(
                f"{words}; or the connection lost a moment ago is still counted", retry_after=REAP_S / 6
            )
        return FeedError(words, fatal=said.code in FATAL)

    async def _ask(self, name: str, message: Mapping[str, Any], timeout_s: float) -> Any:
        """Send a message; the control message that answers it. Raises ``FeedError``, in which no key stands."""
        said = await self._answers.ask(
            self, name, msgspec.msgpack.encode(message), timeout_s, what=str(message["action"])
        )
        self._held[name] = time.monotonic()
        return said

    async def subscribe_to(
        self, name: str, kind: str, symbols: Sequence[str], timeout_s: float
    ) -> tuple[list[str], dict[str, str]]:
        """Ask for prints or quotes of symbols; granted ones, and the reason of each other one. Raises ``FeedError``."""
        await self.ready(name, timeout_s)
        granted: list[str] = []
        refused: dict[str, str] = {}
        chunks = [list(symbols[start : start + AT_ONCE]) for start in range(0, len(symbols), AT_ONCE)]
        while chunks:
            chunk = chunks.pop(0)
            said = await self._ask(name, {"action": "subscribe", kind: chunk}, timeout_s)
            if isinstance(said, messages.Subscribed):
                held = set(getattr(said, kind))
                granted += [symbol for symbol in chunk if symbol in held]
                refused |= {symbol: "the venue left it out" for symbol in chunk if symbol not in held}
            elif isinstance(said, messages.Refused) and said.code not in FATAL:
                reason = f"{said.code} {said.msg}"
                if len(chunk) > 1:
                    chunks = [*filter(None, by_halves(chunk)), *chunks]
                    continue
                rest = [symbol for each in chunks for symbol in each] if said.code == TOO_MANY else []
                refused |= dict.fromkeys([*chunk, *rest], reason)
                chunks = [] if said.code == TOO_MANY else chunks
            else:
                raise self._failure(name, said)
        if kind == KINDS[1]:
            self._quoted |= {f"{name}.{symbol}" for symbol in granted}
        return granted, refused
