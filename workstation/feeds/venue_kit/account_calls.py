"""One venue's private calls: ccxt signs, throttles and sends; the answer is kept as the bytes it came in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ccxt
import ccxt.async_support
from pydantic import SecretStr

from workstation.feeds.venue_kit.account_rows import Request
from workstation.feeds.venue_kit.secrets import secret
from workstation.market.errors import FeedError, unknown_name

PAUSE_S = 10.0
"""How long to wait when a venue limits the rate and does not say for how long."""
_LIMITED, _UNAUTHORISED = (418, 429), 401
_QUIET = logging.getLogger(__name__)
_QUIET.setLevel(logging.INFO)
"""ccxt logs requests at DEBUG with the key in their headers, and answers with the listen keys in them."""
_SECRETS = ("api_key", "secret", "password")


@dataclass(frozen=True)
class Account:
    """An account of a venue and what opens it.

    Attributes
    ----------
    venue
        ``deribit``, ``bybit``, ``okx`` or ``binance``.
    api_key, secret, password
        Read-only keys are enough; ``password`` is OKX's passphrase.
    account
        A label of your own, written into every row.
    url
        Base address instead of the venue's, for a local server.
    currencies
        Asked for (Deribit), or settle coins of linear contracts (Bybit); empty: the usual ones.
    """

    venue: str
    api_key: SecretStr
    secret: SecretStr
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    account: str = ""
    url: str = ""
    currencies: tuple[str, ...] = ()

    @classmethod
    def of(cls, venue: str, options: Mapping[str, Any]) -> Account:
        """An account from plain options; secrets may be strings or ``SecretStr``. Raises ``FeedError``, fatal."""
        known = set(cls.__dataclass_fields__) - {"venue"}
        unknown = sorted(set(options) - known)
        if unknown:
            raise FeedError(f"{venue}: {unknown_name('option', unknown[0], sorted(known))}", fatal=True)
        missing = [name for name in ("api_key", "secret") if not options.get(name)]
        if missing:
            raise FeedError(f"{venue}: {missing[0]} is missing; a read-only key is enough", fatal=True)
        secrets: dict[str, Any] = {name: secret(value) for name, value in options.items() if name in _SECRETS}
        plain = {name: value for name, value in options.items() if name not in _SECRETS}
        plain["currencies"] = tuple(plain.get("currencies", ()))
        return cls(venue, **secrets, **plain)


class Answer(NamedTuple):
    """An answer as it came."""

    request: Request
    seen_ns: int
    payload: bytes


class Wire:
    """Private calls of one account. Every failure is a ``FeedError`` that names the venue and the call.

    Raises
    ------
    FeedError
        ``fatal`` for refused credentials or missing rights; with ``retry_after`` when the venue limits the rate.
    """

    def __init__(self, account: Account, urls: Mapping[str, Any] | None, timeout_s: float) -> None:
        config: dict[str, Any] = {
            "apiKey": account.api_key.get_secret_value(),
            "secret": account.secret.get_secret_value(),
            "password": account.password.get_secret_value(),
            "timeout": int(timeout_s * 1000),
            "enableRateLimit": True,
        }
        if urls is not None:
            config["urls"] = {"api": dict(urls)}
        self._venue = account.venue
        self._one_at_a_time = asyncio.Lock()  # ccxt keeps one last answer
        self._exchange: Any = getattr(ccxt.async_support, account.venue)(config)
        self._exchange.logger = _QUIET
        self._status, self._tapped = 0, self._exchange.on_rest_response
        self._exchange.on_rest_response = self._on_response

    def _on_response(self, code: int, *rest: Any) -> Any:
        """ccxt's hook: keep the status, which ccxt forgets where a body has an error of its own."""
        self._status = code
        return self._tapped(code, *rest)

    async def ask(self, request: Request) -> Answer:
        """Send one call. Raises ``FeedError``."""
        exchange, what = self._exchange, f"{self._venue}: {request.method}"
        async with self._one_at_a_time:
            exchange.last_http_response, self._status = None, 0
            try:
                await getattr(exchange, request.method)(dict(request.params))
            except ccxt.BaseError as error:
                raise self._failure(what, error) from error
            return Answer(request, time.time_ns(), str(exchange.last_http_response or "").encode())

    async def server_ms(self) -> int:
        """The venue's time, ms of UTC. Raises ``FeedError``."""
        self._exchange.last_http_response, self._status = None, 0
        try:
            return int(await self._exchange.fetch_time())
        except ccxt.BaseError as error:
            raise self._failure(f"{self._venue}: its time", error) from error

    def _failure(self, what: str, error: ccxt.BaseError) -> FeedError:
        if self._status in _LIMITED or isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
            return FeedError(f"{what}: rate limit: {error}", retry_after=self._retry_after())
        refused = isinstance(error, ccxt.AuthenticationError | ccxt.PermissionDenied | ccxt.AccountSuspended)
        if refused or self._status == _UNAUTHORISED:
            return FeedError(f"{what} was refused: {error}", fatal=True)
        return FeedError(f"{what} failed: {type(error).__name__}: {error}")

    def _retry_after(self) -> float:
        headers = {
            str(name).lower(): value for name, value in (self._exchange.last_response_headers or {}).items()
        }
        try:
            return float(headers["retry-after"])
        except (KeyError, ValueError):
            return PAUSE_S

    async def close(self) -> None:
        """Close the session; may be called more than once."""
        await self._exchange.close()
