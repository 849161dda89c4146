"""What Bokeh's server asks of the door: who is logged in, where to log in, and the handlers of login and logout."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote

from bokeh.server.auth_provider import AuthProvider
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.web import RequestHandler

from workstation.access.door import COOKIE, LOGIN_COOKIE, PENDING_S, Door, cookie_header, cookie_of
from workstation.access.oidc import LoginError
from workstation.access.roles import role_for_path

OPEN_PATHS = frozenset({"/login", "/login/callback", "/logout", "/liveness", "/favicon.ico"})
"""Paths that ask for no login."""
OWN_CHECKS = ("/api", "/metrics")
"""Paths whose handlers ask the door themselves, and take machine tokens too."""
_LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9_~!$&'()*+,;=:@%./?-]{0,2000}")
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>workstation</title>
<meta name="viewport" content="width=device-width"><style>body{{font:16px system-ui;background:#14171c;color:#e8eaed;display:grid;
place-items:center;min-height:90vh}}form,p{{width:min(20rem,90vw)}}label{{display:block;margin:.8rem 0}}input,button{{font:inherit;
width:100%;box-sizing:border-box;padding:.5rem;margin-top:.2rem}}a{{color:#8ab4f8}}</style></head><body><main>{}</main></body></html>"""
_STRICT = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def local_page(wanted: str) -> str:
    """The page to go to after a login: a path of this server, else the first page.

    >>> [local_page(path) for path in ("/portfolio?a=b", "//evil.example", "https://evil.example", "/a\\\\b")]
    ['/portfolio?a=b', '/', '/', '/']
    """
    return wanted if _LOCAL.fullmatch(wanted) else "/"


class Refused(Matcher):
    """Matches requests for pages, their scripts and websockets that nobody of a sufficient role sends."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        path = request.path
        own = any(path == one or path.startswith(one + "/") for one in OWN_CHECKS)
        if path in OPEN_PATHS or own:
            return None
        caller = self._door.person(request)
        return None if caller is not None and caller.role >= role_for_path(path) else {}


class RefusedHandler(RequestHandler):
    """To the login for a page that nobody known asks for; 401 for all else, 403 for a role that is too low."""

    def initialize(self, door: Door) -> None:
        """Take the door."""
        self._door = door

    def prepare(self) -> None:
        """Answer."""
        self.set_header("Cache-Control", "no-store")
        request = self.request
        if self._door.person(request) is not None:
            needed = role_for_path(request.path).name.lower()
            self.set_status(403)
            self.finish(_page(f"<p>This page needs the role {needed}. <a href='/'>To the first page</a></p>"))
        elif request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            self.redirect(f"/login?next={quote(local_page(request.uri or '/'), safe='/')}")
        else:
            self.set_status(401)
            self.finish("Log in first.\n")


class DoorHandler(RequestHandler):
    """What the handlers of the door share."""

    def initialize(self, door: Door, public_url: str) -> None:
        """Take the door and the address of the server as browsers see it."""
        self._door, self._public_url = door, public_url

    def set_default_headers(self) -> None:
        """Pages of the door hold no script and are kept nowhere."""
        self.set_header("Content-Security-Policy", _STRICT)
        self.set_header("Cache-Control", "no-store")

    def give(self, name: str, value: str, seconds: float) -> None:
        """Set a cookie."""
        self.add_header("Set-Cookie", cookie_header(name, value, int(seconds)))

    def say(self, status: int, words: str) -> None:
        """A page of one sentence."""
        self.set_status(status)
        self.finish(_page(f"<p>{escape(words)}. <a href='/login'>Log in</a></p>"))

    def refuse(self, error: LoginError) -> None:
        """Say why a login was refused."""
        self._door.refuse(error.reason)
        self.say(403 if error.final else 502, str(error))

    def enter(self, name: str, wanted: str) -> None:
        """Give the session's cookie and go to the page."""
        self.give(COOKIE, name, 7 * 86_400)
        self.redirect(local_page(wanted), status=303)


class LoginHandler(DoorHandler):
    """Begins a login: to the provider, or a form for name and password."""

    async def get(self) -> None:
        """Begin."""
        wanted = local_page(self.get_query_argument("next", "/"))
        if self._door.oidc is None:
            self.finish(_page(_form(wanted)))
            return
        if not self._door.attempt(f"address {self.request.remote_ip}"):
            self.set_header("Retry-After", "60")
            self.say(429, "Too many logins; try again in a minute")
            return
        try:
            url, browser = await self._door.begin(wanted)
        except LoginError as error:
            self.refuse(error)
            return
        self.give(LOGIN_COOKIE, browser, PENDING_S)
        self.redirect(url)

    async def post(self) -> None:
        """Check name and password."""
        if self._door.oidc is not None:
            self.say(405, "Names and passwords are the provider's")
            return
        name, password = (self.get_body_argument(one, "") for one in ("name", "password"))
        if not self._door.attempt(f"address {self.request.remote_ip}", f"name {name}"):
            self.set_header("Retry-After", "60")
            self.say(429, "Too many attempts; try again in a minute")
            return
        try:
            session = await self._door.check_password(name, password)
        except LoginError as error:
            self.refuse(error)
            return
        self.enter(session, self.get_body_argument("next", "/"))


class CallbackHandler(DoorHandler):
    """Where the provider sends people back to."""

    async def get(self) -> None:
        """Verify, and open a session."""
        state, code = (self.get_query_argument(one, "")[:4_000] for one in ("state", "code"))
        if self._door.oidc is None or not state or not code:
            self.refuse(LoginError("callback", "the provider did not log you in"))
            return
        try:
            session, wanted = await self._door.finish(state, code, cookie_of(self.request, LOGIN_COOKIE))
        except LoginError as error:
            self.refuse(error)
            return
        self.give(LOGIN_COOKIE, "", 0)
        self.enter(session, wanted)


class LogoutHandler(DoorHandler):
    """Ends the session, its websockets, and the provider's session."""

    def get(self) -> None:
        """Ask: a link of another site must not log anybody out."""
        self.finish(_page("<form method='post' action='/logout'><button>Log out</button></form>"))

    async def post(self) -> None:
        """End."""
        where = await self._door.leave(cookie_of(self.request, COOKIE), f"{self._public_url}/login")
        self.give(COOKIE, "", 0)
        self.redirect(where or "/login", status=303)


class DoorProvider(AuthProvider):
    """Bokeh's view of the door: an address to log in at, and who is logged in."""

    def __init__(self, door: Door) -> None:
        self._door = door
        super().__init__()

    @property
    def get_user(self) -> Callable[[Any], str | None]:
        """Gives the name of who is logged in."""

        def user(handler: Any) -> str | None:
            caller = self._door.person(handler.request)
            return caller.name if caller else None

        return user

    @property
    def login_url(self) -> str:
        """Where to log in."""
        return "/login"


def door_routes(door: Door, public_url: str) -> list[tuple[Any, ...]]:
    """Patterns, handlers and arguments of login, callback and logout."""
    shared = {"door": door, "public_url": public_url}
    return [
        (r"/login", LoginHandler, shared),
        (r"/login/callback", CallbackHandler, shared),
        (r"/logout", LogoutHandler, shared),
    ]


def _page(inside: str) -> str:
    return _PAGE.format(inside)


def _form(wanted: str) -> str:
    return (
        "<form method='post' action='/login'><label>Name <input name='name' autocomplete='username' required autofocus></label>"
        "<label>Password <input name='password' type='password' autocomplete='current-password' required></label>"
        f"<input type='hidden' name='next' value='{escape(wanted, quote=True)}'><button>Log in</button></form>"
    )
