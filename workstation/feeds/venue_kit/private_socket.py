"""A venue's private socket: logged in, subscribed, its pushed frames handed on without a secret in them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import msgspec

from workstation.feeds.venue_kit.account_calls import Account, Wire
from workstation.feeds.venue_kit.account_rows import Reading, Rows
from workstation.feeds.venue_kit.socket_group import Answers, SocketGroup
from workstation.market.errors import FeedError

CONCEALED = b"***"
"""Stands for a secret in what a venue says."""
SOCKET = "private"
"""Name of the one socket most venues need."""


class Pushed(NamedTuple):
    """What a pushed message says.

    Attributes
    ----------
    rows
        By table: changes, not the whole account; a position that is gone has quantity 0.
    again
        Whether something happened that only REST tells: funding, a delivery, a contract of unknown size.
    """

    rows: Rows
    again: bool = False


OnFrame = Callable[[str, bytes, int], None]
"""``on_frame(topic, payload, seen_ns)``."""


class PrivateSocket(SocketGroup):
    """One session of an account's private stream; a venue implements ``start`` and ``take``.

    Parameters
    ----------
    account
        Its keys, and its address where it is not the venue's own.
    calls
        Its REST, for venues whose stream is opened by a call.
    on_frame
        Called with topic, payload and the time it was seen for every pushed frame; secrets in the payload are concealed.
    on_lost
        Called once, with the reason, when the session is over.
    timeout_s
        For opening and for each request.
    keepalive_s
        Interval of pings.
    """

    host: ClassVar[str] = ""
    """The venue's own address of private streams."""
    text_ping: ClassVar[str] = ""
    """What the venue takes as a ping; empty: pings of the websocket itself."""

    def __init__(
        self,
        account: Account,
        calls: Wire,
        *,
        on_frame: OnFrame,
        on_lost: Callable[[str], None],
        timeout_s: float,
        keepalive_s: float,
    ) -> None:
        super().__init__(account.venue, on_lost=on_lost, keepalive_s=keepalive_s, ping=self.text_ping)
        self._account, self._calls, self._timeout_s = account, calls, timeout_s
        self._on_frame, self._answers = on_frame, Answers()
        self._base = account.url.replace("http", "ws", 1) or self.host
        given = (account.api_key, account.secret, account.password)
        self._secrets = {each.get_secret_value().encode(): None for each in given if each.get_secret_value()}

    @abstractmethod
    async def start(self) -> None:
        """Open, log in, subscribe. Raises ``FeedError``, ``fatal`` for refused credentials."""

    # -- for the venue --------------------------------------------------------------------------------------

    def conceal(self, secret: str) -> str:
        """A secret the venue gave, from now on concealed like the account's own."""
        if secret:
            self._secrets[secret.encode()] = None
        return secret

    def hand_on(self, topic: str, payload: bytes, seen_ns: int) -> None:
        """A pushed frame, without secrets."""
        for secret in self._secrets:
            if secret in payload:
                payload = payload.replace(secret, CONCEALED)
        self._on_frame(topic, payload, seen_ns)

    def plain(self, words: str) -> str:
        """What the venue says, without secrets."""
        for secret in self._secrets:
            words = words.replace(secret.decode(), CONCEALED.decode())
        return words

    def signature(self, text: str) -> bytes:
        """HMAC-SHA256 of a text under the account's secret."""
        key = self._account.secret.get_secret_value().encode()
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    def signed_64(self, text: str) -> str:
        """The signature in base 64."""
        return base64.b64encode(self.signature(text)).decode()

    async def ask(self, message: Any, what: str, *, name: str = SOCKET) -> Any:
        """Send a message as JSON; the answer ``take`` hands to who asked. Raises ``FeedError``."""
        text = msgspec.json.encode(message).decode()
        return await self._answers.ask(self, name, text, self._timeout_s, what=what)

    def refused(self, what: str, words: Any, *, fatal: bool) -> FeedError:
        """The error of a request the venue refuses."""
        return FeedError(self.plain(f"{self._venue}: {what} was refused: {words}"), fatal=fatal)


class Stream(NamedTuple):
    """How an account is followed: its socket, and what pushed messages say."""

    socket: Callable[..., PrivateSocket]
    decode: Callable[[str, Any, Reading], Pushed]
    """``decode(topic, message, reading)``. Raises ``FrameError``."""
