"""Sessions of people who logged in: an opaque id outside, caller and tokens in the server's memory."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from workstation.access.roles import Caller

SESSIONS = 10_000
"""Sessions at once; the one that ends first makes room."""


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
    refreshing: bool = field(default=False, repr=False)


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

    def open(self, session: Session) -> str:
        """Keep a session; returns the id its browser gets, which is nowhere kept."""
        if len(self._held) >= SESSIONS:
            self._held.pop(min(self._held, key=lambda key: self._held[key].valid_until))
        name = secrets.token_urlsafe(32)
        session.used_at = self.clock()
        self._held[_key(name)] = session
        return name

    def find(self, name: str) -> Session | None:
        """The session of an id while its proof holds."""
        session = self._held.get(_key(name)) if name else None
        if session is None or self.clock() >= min(session.valid_until, session.ends_at):
            return None
        session.used_at = self.clock()
        return session

    def end(self, name: str) -> Session | None:
        """Forget a session."""
        return self._held.pop(_key(name), None)

    def drop(self, session: Session) -> None:
        """Forget a session that is in hand."""
        self._held = {key: held for key, held in self._held.items() if held is not session}

    def sweep(self) -> int:
        """Forget what has ended; returns how many."""
        now = self.clock()
        ended = [key for key, held in self._held.items() if now >= min(held.valid_until, held.ends_at)]
        for key in ended:
            del self._held[key]
        return len(ended)

    def due(self, idle_s: float) -> list[Session]:
        """Sessions whose proof ends soon, that can be refreshed and were used within ``idle_s``."""
        now = self.clock()
        return [
            held
            for held in self._held.values()
            if held.refresh_token
            and not held.refreshing
            and now >= held.retry_at
            and now - held.used_at < idle_s
            and held.valid_until - now < max(0.25 * held.lifetime_s, 2.0)
        ]

    def __len__(self) -> int:
        return len(self._held)


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
