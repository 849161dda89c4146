"""Sessions of people who logged in: an opaque id outside, caller and tokens on the server; here in its memory."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from workstation.access.roles import Caller

SESSIONS = 10_000
"""Sessions at once; the one that ends first makes room."""
PENDING = 1_000
"""Logins under way at once."""


@dataclass(eq=False)
class Session:
    """One login.

    Attributes
    ----------
    caller
        Who, in which role: from the verified token or the checked password.
    valid_until, ends_at
        Seconds of ``clock``: until when the proof holds, and when the session ends whatever is refreshed.
    lifetime_s
        How long a proof holds.
    refresh_token, id_token
        Never shown.
    key
        Digest of the id.
    used_at, retry_at
        When somebody last asked by it, and before when no refresh is tried.
    """

    caller: Caller
    valid_until: float
    ends_at: float
    lifetime_s: float
    subject: str = ""
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    used_at: float = 0.0
    retry_at: float = 0.0
    key: str = field(default="", repr=False)

    @property
    def until(self) -> float:
        """When it ends if nothing is refreshed."""
        return min(self.valid_until, self.ends_at)

    @property
    def due_at(self) -> float:
        """When it is to be refreshed."""
        return max(self.valid_until - max(0.25 * self.lifetime_s, 2.0), self.retry_at)


@dataclass(frozen=True)
class Pending:
    """A login under way: what its answer must fit; ``browser`` is the digest of the cookie of the browser that began it."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    browser: str = field(repr=False)
    wanted: str
    until: float


class SessionStore(Protocol):
    """Where sessions and logins under way are kept: ``Sessions`` for one server, ``SharedSessions`` for several."""

    clock: Callable[[], float]

    def open(self, session: Session) -> str:
        """Keep a session; returns the id its browser gets, which is nowhere kept."""

    def find(self, name: str) -> Session | None:
        """The session of an id while its proof holds."""

    def end(self, name: str) -> Session | None:
        """Forget a session."""

    def drop(self, session: Session) -> None:
        """Forget a session that is in hand."""

    def save(self, session: Session, *, told: bool = False) -> None:
        """Keep what was changed of a session, unless it has ended meanwhile; ``told``: every server looks at it at once."""

    def due(self, idle_s: float) -> list[Session]:
        """Sessions to be refreshed: their proof ends soon, and they were used within ``idle_s``."""

    def claim(self, session: Session) -> AbstractContextManager[Session | None]:
        """Context in which this process alone refreshes a session: gives it as it is now, None when another has it or did it."""

    def sweep(self) -> int:
        """Forget what has ended or was changed elsewhere; returns how many that were."""

    def begin(self, key: str, pending: Pending) -> bool:
        """Keep a login under way; False when there are too many."""

    def take(self, key: str) -> Pending | None:
        """The login under way of a key, once."""


class Sessions:
    """All sessions of this process.

    Parameters
    ----------
    clock
        Seconds, never back.

    Examples
    --------
    >>> now = [0.0]
    >>> sessions = Sessions(clock=lambda: now[0])
    >>> from workstation.access.roles import Role
    >>> name = sessions.open(Session(Caller("ann", Role.VIEWER), 60.0, 3600.0, 60.0))
    >>> sessions.find(name).caller.name, sessions.find("forged") is None
    ('ann', True)
    >>> now[0] = 60.0
    >>> sessions.find(name) is None
    True
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._held: dict[str, Session] = {}
        self._claimed: set[str] = set()
        self._pending: dict[str, Pending] = {}

    def open(self, session: Session) -> str:
        """Keep a session; returns the id its browser gets, which is nowhere kept."""
        if len(self._held) >= SESSIONS:
            self._held.pop(min(self._held, key=lambda key: self._held[key].valid_until))
        name = secrets.token_urlsafe(32)
        session.used_at, session.key = self.clock(), key_of(name)
        self._held[session.key] = session
        return name

    def find(self, name: str) -> Session | None:
        """The session of an id while its proof holds."""
        session = self._held.get(key_of(name)) if name else None
        if session is None or self.clock() >= session.until:
            return None
        session.used_at = self.clock()
        return session

    def end(self, name: str) -> Session | None:
        """Forget a session."""
        return self._held.pop(key_of(name), None)

    def drop(self, session: Session) -> None:
        """Forget a session that is in hand."""
        self._held.pop(session.key, None)

    def save(self, session: Session, *, told: bool = False) -> None:
        """Nothing to do: the session in hand is the one that is kept."""

    def sweep(self) -> int:
        """Forget what has ended; returns how many."""
        now = self.clock()
        ended = [key for key, held in self._held.items() if now >= held.until]
        for key in ended:
            del self._held[key]
        return len(ended)

    def due(self, idle_s: float) -> list[Session]:
        """Sessions to be refreshed: their proof ends soon, and they were used within ``idle_s``."""
        now = self.clock()
        return [
            held
            for held in self._held.values()
            if held.refresh_token and now >= held.due_at and now - held.used_at < idle_s
        ]

    @contextmanager
    def claim(self, session: Session) -> Iterator[Session | None]:
        """Context in which one asker refreshes a session; gives None when another is at it or has done it."""
        if session.key in self._claimed or session.key not in self._held or self.clock() < session.due_at:
            yield None
            return
        self._claimed.add(session.key)
        try:
            yield session
        finally:
            self._claimed.discard(session.key)

    def begin(self, key: str, pending: Pending) -> bool:
        """Keep a login under way; False when there are too many."""
        now = self.clock()
        self._pending = {held: one for held, one in self._pending.items() if one.until > now}
        if len(self._pending) >= PENDING:
            return False
        self._pending[key] = pending
        return True

    def take(self, key: str) -> Pending | None:
        """The login under way of a key, once."""
        return self._pending.pop(key, None)

    def __len__(self) -> int:
        return len(self._held)


def key_of(name: str) -> str:
    """Under what a session is kept: the digest of its id."""
    return hashlib.sha256(name.encode()).hexdigest()
