"""What stands between a served page and the network: host check, security headers, errors without the server's paths.

Touches private parts of Bokeh's server (``Server._tornado``, the ``ERROR`` message), checked with Bokeh 3.9.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import bokeh
from bokeh.protocol.messages.error import error as error_message
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import OutputTransform, RequestHandler

from workstation.market.errors import WorkstationError

SUPPORTED = "3.9."
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Sent with every answer that has none of its own: pages say which of their scripts may run, the door allows none."""


def check_version(found: str = bokeh.__version__) -> None:
    """Refuse a Bokeh whose server was not looked at.

    Examples
    --------
    >>> check_version("4.0.0")
    Traceback (most recent call last):
    ...
    workstation.market.errors.WorkstationError: bokeh 4.0.0 is installed; the server guards are made for 3.9.x: install bokeh<3.10
    """
    if not found.startswith(SUPPORTED):
        raise WorkstationError(
            f"bokeh {found} is installed; the server guards are made for 3.9.x: install bokeh<3.10"
        )


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address.

    Examples
    --------
    >>> [is_loopback(address) for address in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::", "192.0.2.1")]
    [True, True, True, False, False, False]
    """
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class _OtherHost(Matcher):
    """Matches requests whose Host header, or Origin where there is one, names another host than those served: DNS rebinding."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return None if same_site(request, self._hosts) else {}


def same_site(request: HTTPServerRequest, hosts: frozenset[str]) -> bool:
    """Whether a request's Host, and its Origin where there is one, are of these hosts (lower case)."""
    origin = request.headers.get("Origin", "")
    ours = (request.host or "").lower() in hosts
    return ours and (not origin or urlsplit(origin).netloc.lower() in hosts)


class _WrongHost(RequestHandler):
    def prepare(self) -> None:
        self.set_status(421)
        self.finish("This server does not serve that host.\n")


class _SecurityHeaders(OutputTransform):
    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        for name, value in HEADERS.items():
            if name not in headers:
                headers[name] = value
        headers.pop("Server", None)
        return status_code, headers, chunk


def guard(server: Any, hosts: Iterable[str]) -> None:
    """Guard a Bokeh server that was made and not yet started; ``hosts`` are the Host headers it answers to."""
    check_version()
    application = server._tornado
    application.default_router.rules.insert(0, Rule(_OtherHost(hosts), _WrongHost))
    application.add_transform(_SecurityHeaders)


def admit(server: Any, refused: Matcher, handler: type[RequestHandler], given: dict[str, Any]) -> None:
    """Have requests that ``refused`` matches answered by ``handler``, before any page sees them; after ``guard``."""
    check_version()
    server._tornado.default_router.rules.insert(1, Rule(refused, handler, given))


def end_sockets(server: Any, allowed: Callable[[HTTPServerRequest], bool]) -> int:
    """Close the websockets of pages whose request is not allowed (any more); returns how many."""
    check_version()
    ended = 0
    for client in list(server._tornado._clients):
        socket = client._socket
        if not allowed(socket.request):
            socket.close(4401, "the session has ended")
            ended += 1
    return ended


def open_sockets(server: Any) -> int:
    """Websockets of pages that are open."""
    check_version()
    return len(server._tornado._clients)


def hide_tracebacks() -> None:
    """Errors sent over a page's websocket name what failed, without the server's files."""
    check_version()
    if getattr(error_message.create, "hides_tracebacks", False):
        return

    def create(cls: Any, request_id: Any, text: str, **metadata: Any) -> Any:
        header = cls.create_header(request_id=request_id, **metadata)
        return cls(header, metadata, {"text": text, "traceback": ""})

    create.hides_tracebacks = True  # type: ignore[attr-defined]
    error_message.create = classmethod(create)  # type: ignore[arg-type]
