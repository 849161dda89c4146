"""Sessions and logins under way in Redis, shared by several page servers.

Whoever can write to this Redis can log in as anybody, and whoever can read it has the refresh tokens: it wants a password or a
private network. Records are JSON.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import msgspec
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis
from redis.exceptions import LockError, RedisError

from workstation.access.oidc import LoginError
from workstation.access.roles import Caller, Role
from workstation.access.sessions import Pending, Session, key_of

log = logging.getLogger(__name__)
PREFIX = "workstation:door:"
TIMEOUT_S = 1.0
"""How long one answer of Redis is waited for: requests stand meanwhile."""
FRESH_S, OUTAGE_S, AGAIN_S = 1.0, 30.0, 3.0
"""How long a session is believed without asking, how long while Redis does not answer, and how often it is tried then."""
TOUCH_S, CLAIM_S, TOGETHER = 30.0, 12.0, 50
"""How often use is noted, how long one process may take to refresh a session, and how many are refreshed in one go."""


class SharedSessions:
    """Sessions of several servers; keeps a copy of those that this server was asked for.

    Parameters
    ----------
    url
        Of Redis.
    clock
        Seconds since 1970; the servers' clocks must agree within seconds.

    Notes
    -----
    While Redis does not answer, nobody can log in, and who is logged in stays so for ``OUTAGE_S`` at most.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._copies: dict[str, tuple[Session, float]] = {}
        self._used: dict[str, float] = {}
        self._changes = -1
        self._away_until = float("-inf")

    # -- by id ------------------------------------------------------------------------------------------------

    def open(self, session: Session) -> str:
        """Keep a session; returns the id its browser gets. ``LoginError`` when Redis does not answer."""
        name = secrets.token_urlsafe(32)
        session.used_at, session.key = self.clock(), key_of(name)
        if self._ask(lambda: self._write(session)) is None:
            raise _AWAY
        self._ask(lambda: self._touch(session))
        return name

    def find(self, name: str) -> Session | None:
        """The session of an id while its proof holds."""
        session = self._current(key_of(name), FRESH_S) if name else None
        if session is not None and self.clock() - self._used.get(session.key, 0.0) >= TOUCH_S:
            self._used[session.key] = self.clock()
            self._ask(lambda: self._touch(session))
        return session

    def _touch(self, session: Session) -> None:
        """Note use, beside the record: that is written by whoever refreshes it and may be newer than this copy."""
        with self._redis.pipeline() as pipe:
            pipe.zadd(PREFIX + "used", {session.key: self.clock()})
            if session.refresh_token:
                pipe.zadd(PREFIX + "due", {session.key: session.due_at}, nx=True)
            pipe.execute()

    def end(self, name: str) -> Session | None:
        """Forget a session, on every server."""
        session = self._current(key_of(name), 0.0)
        if session is not None:
            self.drop(session)
        return session

    def drop(self, session: Session) -> None:
        """Forget a session that is in hand, on every server."""
        self._copies.pop(session.key, None)

        def forget() -> None:
            with self._redis.pipeline() as pipe:
                pipe.delete(_of_session(session.key))
                pipe.zrem(PREFIX + "due", session.key)
                pipe.zrem(PREFIX + "used", session.key)
                pipe.incr(PREFIX + "changes")
                pipe.execute()

        self._ask(forget)

    def save(self, session: Session, *, told: bool = False) -> None:
        """Keep what was changed of a session, unless it has ended meanwhile; ``told``: every server looks at it at once."""
        if self._ask(lambda: self._write(session, again=True, told=told)) is False:
            self._copies.pop(session.key, None)

    def _write(self, session: Session, *, again: bool = False, told: bool = False) -> bool:
        left_ms = int(1000 * (session.until - self.clock()))
        record = msgspec.json.encode(asdict(session))
        with self._redis.pipeline() as pipe:
            pipe.set(_of_session(session.key), record, px=max(left_ms, 1), xx=again)
            if session.refresh_token:
                pipe.zadd(PREFIX + "due", {session.key: session.due_at})
            if told:
                pipe.incr(PREFIX + "changes")
            kept = bool(pipe.execute()[0])
        if kept:
            self._copies[session.key] = (session, self.clock())
        return kept

    def _current(self, key: str, fresh_s: float) -> Session | None:
        """A session as Redis has it, or as it was read a short while ago."""
        now = self.clock()
        held = self._copies.get(key)
        if held is None or not 0.0 <= now - held[1] < fresh_s:
            read = self._ask(lambda: (self._redis.get(_of_session(key)),))
            if read is not None:
                self._copies.pop(key, None)
                held = (_session(read[0]), now) if read[0] is not None else None
                if held is not None:
                    self._copies[key] = held
            elif held is not None and now - held[1] >= OUTAGE_S:
                held = None
        return held[0] if held is not None and now < held[0].until else None

    # -- upkeep -----------------------------------------------------------------------------------------------

    def due(self, idle_s: float) -> list[Session]:
        """Sessions to be refreshed: their proof ends soon, and they were used within ``idle_s``."""
        now = self.clock()
        keys = self._ask(lambda: self._redis.zrangebyscore(PREFIX + "due", "-inf", now, 0, TOGETHER)) or []
        if not keys:
            return []
        names = [key.decode() for key in keys]
        used = self._ask(lambda: self._redis.zmscore(PREFIX + "used", names)) or [now] * len(names)
        found = []
        for name, used_at in zip(names, used, strict=True):
            held = self._current(name, 0.0)
            if held is None or now - (used_at or 0.0) >= idle_s:
                # one that nobody uses is looked at again when somebody does
                self._list(name, None)
            elif now < held.due_at:
                self._list(name, held.due_at)
            else:
                found.append(held)
        return found

    def _list(self, key: str, due_at: float | None) -> None:
        due = PREFIX + "due"
        self._ask(
            lambda: self._redis.zrem(due, key) if due_at is None else self._redis.zadd(due, {key: due_at})
        )

    @contextmanager
    def claim(self, session: Session) -> Iterator[Session | None]:
        """Context in which one process alone refreshes a session; gives None when another is at it or has done it."""
        lock = self._redis.lock(f"{PREFIX}claim:{session.key}", timeout=CLAIM_S, blocking=False)
        if not self._ask(lock.acquire):
            yield None
            return
        try:
            current = self._current(session.key, 0.0)
            yield current if current is not None and self.clock() >= current.due_at else None
        finally:
            self._ask(lambda: _released(lock))

    def sweep(self) -> int:
        """Forget the copies of what has ended; returns how many sessions ended, or were ended or changed by another server."""
        now = self.clock()
        count = self._ask(lambda: int(self._redis.get(PREFIX + "changes") or 0))
        changed = count is not None and count != self._changes
        if changed:
            self._changes = count
        self._used = {key: at for key, at in self._used.items() if key in self._copies}
        # while Redis does not answer it cannot say who was logged out: copies end with OUTAGE_S
        looked = [
            key for key, (held, read) in self._copies.items()
            if changed or now >= held.until or now - read >= OUTAGE_S
        ]  # fmt: skip
        before = {key: self._copies[key][0].caller for key in looked}
        ended = 0
        for key in looked:
            held = self._current(key, 0.0)
            ended += held is None or held.caller != before[key]
            if held is None:
                self._copies.pop(key, None)
        return ended + int(changed)

    # -- logins under way -------------------------------------------------------------------------------------

    def begin(self, key: str, pending: Pending) -> bool:
        """Keep a login under way. ``LoginError`` when Redis does not answer."""
        left_ms = max(int(1000 * (pending.until - self.clock())), 1)
        record = msgspec.json.encode(asdict(pending))
        if self._ask(lambda: self._redis.set(f"{PREFIX}login:{key}", record, px=left_ms)) is None:
            raise _AWAY
        return True

    def take(self, key: str) -> Pending | None:
        """The login under way of a key, once, on whichever server. ``LoginError`` when Redis does not answer."""
        read = self._ask(lambda: (self._redis.getdel(f"{PREFIX}login:{key}"),))
        if read is None:
            raise _AWAY
        return None if read[0] is None else Pending(**msgspec.json.decode(read[0]))

    # -- Redis ------------------------------------------------------------------------------------------------

    def _ask(self, question: Callable[[], Any]) -> Any:
        """What Redis answers; None when it does not: then it is left alone for a while."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return question()
        except RedisError as error:
            self._away_until = time.monotonic() + AGAIN_S
            log.warning("Redis, which keeps the sessions, does not answer: %s", type(error).__name__)
            return None


class SharedLimiter(MovingWindowRateLimiter):
    """Attempts counted in Redis for all servers; in this one's memory while Redis does not answer."""

    def __init__(self, url: str) -> None:
        super().__init__(RedisStorage(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S))
        self._own = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Count an attempt; False when it is one too many."""
        try:
            return super().hit(item, *identifiers, cost=cost)
        except RedisError:
            return self._own.hit(item, *identifiers, cost=cost)


_AWAY = LoginError("sessions_away", "logins cannot be kept at this moment; try again", final=False)


def _of_session(key: str) -> str:
    return f"{PREFIX}session:{key}"


def _session(record: bytes) -> Session:
    read: dict[str, Any] = msgspec.json.decode(record)
    name, role = read.pop("caller")
    return Session(Caller(name, Role(role)), **read)


def _released(lock: Any) -> None:
    try:
        lock.release()
    except LockError:
        log.warning("a session took longer to refresh than its claim holds")
