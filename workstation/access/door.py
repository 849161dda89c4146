"""The door: who sends a request, by session cookie or machine token; logins that are under way; what was refused."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from tornado.httputil import HTTPServerRequest

from workstation.access.credentials import Credentials
from workstation.access.oidc import Identity, LoginError, OidcClient
from workstation.access.roles import Caller
from workstation.access.sessions import Pending, Session, Sessions, SessionStore

log = logging.getLogger(__name__)
COOKIE, LOGIN_COOKIE = "__Host-workstation", "__Host-workstation-login"
PENDING_S = 600.0
"""How long a login may take."""
IDLE_S, TICK_S, RETRY_S, LOOK_TICKS = 900.0, 1.0, 5.0, 30
"""A session is refreshed while it was used within so long; how often that is looked at; when a failure is tried again."""
ATTEMPTS, ATTEMPTS_OF_ALL = RateLimitItemPerMinute(10), RateLimitItemPerMinute(300)


class Door:
    """Logins and sessions of one server.

    Parameters
    ----------
    credentials
        Machine tokens, and passwords for the basic login.
    oidc
        The provider; None: basic login.
    hours
        When a session ends whatever is refreshed.
    sessions
        Where sessions are kept; default: in memory.
    limiter
        Counts attempts; default: in memory.

    Attributes
    ----------
    refused
        Logins refused, by reason.
    on_end
        Called when a session has ended or a role has changed: what is open must be looked at again.
    """

    def __init__(
        self, credentials: Credentials, oidc: OidcClient | None = None, *, hours: float = 12.0,
        sessions: SessionStore | None = None, limiter: MovingWindowRateLimiter | None = None,
    ) -> None:  # fmt: skip
        self.credentials, self.oidc, self._hours = credentials, oidc, hours
        self.sessions: SessionStore = Sessions() if sessions is None else sessions
        self.refused: Counter[str] = Counter()
        self.on_end: list[Callable[[], None]] = []
        self._limiter = limiter or MovingWindowRateLimiter(MemoryStorage())
        self._refresh_lock = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    # -- who asks ---------------------------------------------------------------------------------------------

    def identify(self, request: HTTPServerRequest) -> Caller | None:
        """Who sends a request to the API; None: nobody known. With a machine token no cookie is looked at."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return self.person(request)
        caller = self.credentials.of_token(token.strip())
        if caller is None:
            self.refuse("machine_token")
        return caller

    def person(self, request: HTTPServerRequest) -> Caller | None:
        """Who opens a page, by session cookie alone; None: nobody who is logged in."""
        session = self.sessions.find(cookie_of(request, COOKIE))
        return session.caller if session else None

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        self.refused[reason] += 1

    def attempt(self, *who: str) -> bool:
        """Whether one more attempt to log in is allowed: 10 a minute per address and per name, 300 of all."""
        allowed = self._limiter.hit(ATTEMPTS_OF_ALL, "all")
        for one in who:
            allowed = self._limiter.hit(ATTEMPTS, one[:100]) and allowed
        if not allowed:
            self.refuse("rate_limit")
        return allowed

    # -- logins -----------------------------------------------------------------------------------------------

    async def begin(self, wanted: str) -> tuple[str, str]:
        """Begin a login at the provider: where the browser goes, and its login cookie."""
        assert self.oidc is not None
        now = self.sessions.clock()
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        url = await self.oidc.authorization_url(state=state, nonce=nonce, verifier=verifier)
        pending = Pending(nonce, verifier, _digest(browser), wanted, now + PENDING_S)
        if not self.sessions.begin(_digest(state), pending):
            raise LoginError("too_many", "too many logins are under way; try again in some minutes")
        return url, browser

    async def finish(self, state: str, code: str, browser: str) -> tuple[str, str]:
        """End a login: id of the new session, and the page that was wanted. Raises ``LoginError``.

        A state is good for one answer, from the browser that began.
        """
        assert self.oidc is not None
        pending = self.sessions.take(_digest(state))
        if pending is None or pending.until <= self.sessions.clock():
            raise LoginError("state", "this login is not under way, or it took too long; begin again")
        if not browser or not hmac.compare_digest(_digest(browser), pending.browser):
            raise LoginError("browser", "this login was begun in another browser; begin again")
        found = await self.oidc.identify(code=code, verifier=pending.verifier, nonce=pending.nonce)
        return self._opened(found), pending.wanted

    def _opened(self, found: Identity) -> str:
        now = self.sessions.clock()
        session = Session(Caller(found.name, found.role), 0.0, now + self._hours * 3600.0, 0.0, found.subject)
        self._renew(session, found)
        return self.sessions.open(session)

    def _renew(self, session: Session, found: Identity) -> None:
        session.caller = Caller(found.name, found.role)
        session.valid_until = self.sessions.clock() + found.expires_in
        session.lifetime_s, session.retry_at = found.expires_in, 0.0
        session.id_token, session.refresh_token = found.id_token, found.refresh_token

    async def check_password(self, name: str, password: str) -> str:
        """Id of a new session for a name and its password. Raises ``LoginError``."""
        loop = asyncio.get_running_loop()
        caller = await loop.run_in_executor(None, self.credentials.of_password, name, password)
        if caller is None:
            raise LoginError("password", "name or password is wrong")
        seconds = self._hours * 3600.0
        until = self.sessions.clock() + seconds
        return self.sessions.open(Session(caller, until, until, seconds))

    async def leave(self, name: str, back: str) -> str | None:
        """End a session and what is open of it; where the browser ends the provider's, if there is such a place."""
        session = self.sessions.end(name)
        self.told()
        if session is None or self.oidc is None or not session.id_token:
            return None
        try:
            return await self.oidc.logout_url(session.id_token, back)
        except LoginError:
            return None

    def told(self) -> None:
        """Have what is open looked at again."""
        for listener in self.on_end:
            listener()

    # -- upkeep -----------------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Refresh and end sessions from now on, on the running loop."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.tick()
            except Exception:  # one fault must not end the upkeep: sessions would expire under everybody
                log.exception("sessions could not be looked after; tried again in %g s", TICK_S)
            ticks += 1
            if ticks % LOOK_TICKS == 0:
                self.told()  # whoever has a page open uses the session

    async def tick(self) -> None:
        """Refresh what is due, one at a time, and end what has expired here or was ended by another server."""
        async with self._refresh_lock:
            for due in self.sessions.due(IDLE_S):
                with self.sessions.claim(due) as session:
                    if session is not None:
                        await self._refresh(session)
        if self.sessions.sweep():
            self.told()

    async def _refresh(self, session: Session) -> None:
        if self.oidc is None:
            return
        before = session.caller
        known = Identity(
            session.subject, before.name, before.role, 0.0, session.id_token, session.refresh_token
        )
        session.retry_at = self.sessions.clock() + RETRY_S
        try:
            self._renew(session, await self.oidc.refresh(session.refresh_token, known))
        except LoginError as error:
            if error.final:
                self.refuse(f"refresh_{error.reason}")
                self.sessions.drop(session)
                self.told()
                return
            log.warning("a session could not be refreshed: %s", error)
        self.sessions.save(session, told=session.caller != before)
        if session.caller != before:
            self.told()


def cookie_of(request: HTTPServerRequest, name: str) -> str:
    """The value of a cookie; empty without one, and where two of the name came."""
    found = [
        piece.strip().partition("=")[2]
        for piece in request.headers.get("Cookie", "")[:8_000].split(";")
        if piece.strip().partition("=")[0] == name
    ]
    return found[0] if len(found) == 1 else ""


def cookie_header(name: str, value: str, seconds: int) -> str:
    """A ``Set-Cookie`` header: this host alone, over TLS alone, out of reach of scripts and other sites' requests.

    >>> cookie_header("__Host-x", "v", 60)
    '__Host-x=v; HttpOnly; Max-Age=60; Path=/; SameSite=Lax; Secure'
    """
    cookie: Any = SimpleCookie()
    try:
        cookie[name] = value
    except CookieError:
        raise ValueError(f"{name!r} is no name of a cookie") from None
    cookie[name].update(
        {"path": "/", "max-age": str(seconds), "secure": True, "httponly": True, "samesite": "Lax"}
    )
    return str(cookie[name].OutputString())


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
