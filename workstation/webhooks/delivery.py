"""One request to a receiver: only to addresses that are allowed, without following redirects, within a time."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError
from tornado.netutil import DefaultLoopResolver, Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from workstation.market.errors import WorkstationError
from workstation.market.retry_after import seconds_until_retry

_ANSWER_BYTES, _LONGEST_WAIT_S = 100_000, 300.0
_AGAIN = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Outcome:
    """What came of one try: delivered, or why not, whether another try may help, and when at the earliest."""

    delivered: bool
    reason: str = ""
    final: bool = False
    wait_s: float = 0.0


def public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    >>> [public(one) for one in ("93.184.215.14", "127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False, False, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found in ipaddress.ip_network("64:ff9b::/96") or found.sixtofour or found.teredo:
            return False
    return found.is_global and not found.is_multicast


class _PublicResolver(Resolver):
    """Resolves names to public addresses alone: what is connected to is what was checked."""

    def initialize(self) -> None:
        self._inner = DefaultLoopResolver()

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        found = await self._inner.resolve(host, port, family)
        allowed = [(kind, address) for kind, address in found if public(address[0])]
        if not allowed:
            raise OSError("not a public address")
        return allowed


def checked_url(url: str, private_addresses: bool) -> str:
    """The address, if alerts may go there.

    Raises
    ------
    WorkstationError
        Says what is wrong, without the address: it may hold a token.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise WorkstationError("webhook.url is no address") from None
    if parts.scheme not in ("https", "http") or not host or parts.username or parts.password:
        raise WorkstationError("webhook.url must be https://host/path, without a name or password in it")
    if parts.scheme == "http" and not private_addresses:
        raise WorkstationError("webhook.url must be https; http only with webhook.private_addresses")
    return url


def signature(secret: str, time_s: str, body: bytes) -> str:
    """The signature of a request.

    >>> signature("key", "1", b"{}")[:15]
    'sha256=1ba6b817'
    """
    return "sha256=" + hmac.new(secret.encode(), f"{time_s}.".encode() + body, hashlib.sha256).hexdigest()


async def deliver(
    url: str, body: bytes, headers: dict[str, str], *, timeout_s: float, private_addresses: bool
) -> Outcome:
    """Try once."""
    client = SimpleAsyncHTTPClient(
        force_instance=True, max_body_size=_ANSWER_BYTES,
        resolver=DefaultLoopResolver() if private_addresses else _PublicResolver(),
    )  # fmt: skip
    try:
        answer = await client.fetch(
            url, method="POST", body=body, headers=headers, follow_redirects=False, raise_error=False,
            connect_timeout=timeout_s, request_timeout=timeout_s, decompress_response=False,
        )  # fmt: skip
    except HTTPClientError as error:
        return Outcome(False, f"no answer: {error.message}")
    except (OSError, ValueError) as error:
        return Outcome(False, f"not reached: {type(error).__name__}")
    finally:
        client.close()
    return _outcome(answer)


def _outcome(answer: Any) -> Outcome:
    code = answer.code
    if 200 <= code < 300:
        return Outcome(True)
    if code == 599:
        return Outcome(False, f"no answer: {type(answer.error).__name__}")
    if 300 <= code < 400:
        return Outcome(
            False, f"answered {code}: redirects are not followed; name the receiver's own address", final=True
        )
    if code >= 500 or code in _AGAIN:
        asked = seconds_until_retry(answer.headers.get("Retry-After")) or 0.0
        return Outcome(False, f"answered {code}", wait_s=min(asked, _LONGEST_WAIT_S))
    return Outcome(False, f"answered {code}", final=True)
