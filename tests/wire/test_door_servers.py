"""Several page servers with one login: sessions in Redis, one refresh for all of them, logout and expiry everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.wire.fault_proxy import FaultProxy
from tests.wire.oidc_server import CLIENT, SECRET, Provider
from tests.wire.redis_server import RedisServer
from tests.wire.test_door import SECONDS, Browser, Served, open_socket, serve_door
from workstation.access.credentials import Credentials
from workstation.access.door import COOKIE, Door
from workstation.access.oidc import LoginError, OidcClient
from workstation.access.parameters import OidcParameters
from workstation.access.roles import Caller, Role
from workstation.access.sessions import Session
from workstation.access.shared_sessions import OUTAGE_S, PREFIX, SharedLimiter, SharedSessions

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """A machine under load is slow, not wrong."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("shared_sessions.TIMEOUT_S", "shared_sessions.CLAIM_S", "oidc._TIMEOUT_S"):
            patch.setattr(f"workstation.access.{name}", SECONDS)
        yield


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def servers(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Served]]:
    yield from serve_door("oidc", tmp_path_factory.mktemp("oidc"), 2, redis_url)


def _at(browser: Browser, served: Served) -> Browser:
    """The same browser, sent to another server."""
    browser.port = served.port
    return browser


async def _closed(*sockets: object) -> list[int]:
    for socket in sockets:
        while await asyncio.wait_for(socket.read_message(), SECONDS) is not None:  # type: ignore[attr-defined]
            pass
    return [socket.close_code for socket in sockets]  # type: ignore[attr-defined]


def test_a_login_begun_at_one_server_ends_at_another_and_holds_at_both(servers: list[Served]) -> None:
    first, second = servers
    browser = Browser(first.port)
    path = browser.to_callback()
    assert _at(browser, second).ask(path).status == 303
    for served in servers:
        assert _at(browser, served).ask("/exposure").status == 200
        assert browser.ask(path).status == 403, (
            "an answer of the provider is good once, on all servers together"
        )


async def test_logout_at_one_server_ends_the_websockets_of_all(servers: list[Served]) -> None:
    first, second = servers
    browser, left = Browser(first.port), Browser(first.port)
    for one in (browser, left):
        await asyncio.to_thread(one.log_in)
    sockets = [
        await open_socket(second, path, _at(browser, second)) for path in ("/exposure/ws", "/api/stream")
    ]
    stays = await open_socket(second, "/api/stream", _at(left, second))
    stolen = dict(browser.cookies)
    assert (await asyncio.to_thread(_at(browser, first).ask, "/logout", "POST", "x=1")).status == 303
    assert await _closed(*sockets) == [4401, 4401]
    browser.cookies = stolen
    assert (await asyncio.to_thread(_at(browser, second).ask, "/exposure")).status == 302
    assert stays.close_code is None and (await asyncio.to_thread(left.ask, "/exposure")).status == 200


async def test_expiry_ends_the_websockets_of_all(servers: list[Served]) -> None:
    first, second = servers
    browser = Browser(first.port)
    first.provider.refresh_status = 400
    await asyncio.to_thread(browser.log_in)
    sockets = [await open_socket(served, "/api/stream", _at(browser, served)) for served in servers]

    def expire() -> None:
        sessions = second.door.sessions
        session = sessions.find(browser.cookies[COOKIE])
        session.valid_until = sessions.clock() + 0.05
        sessions.save(session, told=True)

    second.on_loop(expire)
    assert await _closed(*sockets) == [4401, 4401]
    first.provider.refresh_status = 200


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_tokens_of_one_minute_over_four_servers_are_refreshed_once_each(redis_url: str) -> None:
    provider, clock, people, minutes = Provider(), Clock(), 5, 3
    own = OidcParameters(
        issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, roles_claim="realm_access.roles"
    )  # type: ignore[arg-type]

    async def play() -> tuple[int, list[Role | None]]:
        held = provider.start()
        doors = [
            Door(Credentials(), OidcClient(own, "http://127.0.0.1/login/callback"), sessions=SharedSessions(redis_url, clock))
            for _ in range(4)
        ]  # fmt: skip
        found = [
            Session(Caller(f"p{n}", Role.VIEWER), clock() + 60.0, clock() + 9e4, 60.0, "17", token, "")
            for n, token in enumerate(provider.tokens("")["refresh_token"] for _ in range(people))
        ]
        names = [doors[n % 4].sessions.open(session) for n, session in enumerate(found)]
        provider.roles = ["trader"]
        for second in range(0, 60 * minutes, 5):
            clock.now += 5.0
            await asyncio.gather(*(door.tick() for door in doors))
            if second % 20 == 0:
                missing = [name for name in names if not doors[second // 20 % 4].sessions.find(name)]
                assert not missing, (second, [dict(door.refused) for door in doors])
        seen = [doors[3].sessions.find(name) for name in names]
        held.stop()
        await held.close_all_connections()
        return sum(door.refused.total() for door in doors), [one.caller.role if one else None for one in seen]

    refused, roles = asyncio.run(play())
    # a token holds 60 s and the leeway of 10, and is refreshed at three quarters of that
    assert refused == 0 and people * minutes <= provider.refreshes <= people * (60 * minutes / 50 + 1)
    assert roles == [Role.TRADER] * people


def test_a_session_that_ended_during_its_refresh_stays_ended(redis_url: str) -> None:
    clock = Clock()
    one, other = SharedSessions(redis_url, clock), SharedSessions(redis_url, clock)
    name = one.open(Session(Caller("ann", Role.VIEWER), clock() + 60.0, clock() + 9e4, 60.0, "17", "refresh"))
    clock.now += 50.0
    (due,) = one.due(900.0)
    with one.claim(due) as held, other.claim(due) as second:
        assert held is not None and second is None
        other.end(name)
        held.valid_until += 60.0
        one.save(held)
    assert one.find(name) is None and other.find(name) is None and not one.due(900.0)


def test_using_a_session_does_not_undo_its_refresh_by_another_server(redis_url: str) -> None:
    clock = Clock()
    one, other = SharedSessions(redis_url, clock), SharedSessions(redis_url, clock)
    name = one.open(Session(Caller("ann", Role.VIEWER), clock() + 60.0, clock() + 9e4, 60.0, "17", "first"))
    clock.now += 50.0
    due = other.due(900.0)
    assert due and one.due(900.0)
    with other.claim(due[0]) as held:
        assert held is not None
        held.valid_until, held.refresh_token = clock() + 60.0, "second"
        other.save(held)
    assert one.find(name) is not None
    clock.now += 2.0
    assert one.find(name).refresh_token == other.find(name).refresh_token == "second"  # type: ignore[union-attr]
    assert not one.due(900.0)
    clock.now += 45.0
    assert not one.due(40.0), "used 45 s ago"
    assert not one.due(900.0), "and not looked at again"
    assert one.find(name) is not None and one.due(900.0)


def test_without_redis_nobody_new_enters_and_who_is_in_stays_a_while(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server, clock = RedisServer(tmp_path_factory.mktemp("redis")).start(), Clock()
    sessions, limiter = SharedSessions(server.url, clock), SharedLimiter(server.url)
    door = Door(Credentials(), sessions=sessions, limiter=limiter)
    name = sessions.open(Session(Caller("ann", Role.VIEWER), clock() + 600.0, clock() + 600.0, 600.0))
    keys = sessions._redis.keys(PREFIX + "*")
    assert keys and not any(name.encode() in key for key in keys)
    server.stop()
    clock.now += OUTAGE_S - 1.0
    assert sessions.find(name) is not None
    clock.now += 2.0
    sessions.sweep()
    assert sessions.find(name) is None
    with pytest.raises(LoginError, match="try again"):
        sessions.open(Session(Caller("bob", Role.VIEWER), clock() + 600.0, clock() + 600.0, 600.0))
    assert [door.attempt("address 1") for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize("fault", ["refuse", "half_open", "mid_frame"])
def test_a_line_to_redis_that_misbehaves_ends_no_session_and_comes_back(
    redis_url: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, clock = FaultProxy(int(redis_url.rpartition(":")[2].partition("/")[0])), Clock()
    monkeypatch.setattr("workstation.access.shared_sessions.AGAIN_S", 0.0)
    if fault == "half_open":
        monkeypatch.setattr("workstation.access.shared_sessions.TIMEOUT_S", 0.5)
    sessions = SharedSessions(f"redis://127.0.0.1:{proxy.port}/0", clock)
    straight = SharedSessions(redis_url, clock)
    name = straight.open(Session(Caller("ann", Role.VIEWER), clock() + 600.0, clock() + 600.0, 600.0))
    monkeypatch.setattr("workstation.access.shared_sessions.TIMEOUT_S", SECONDS)
    proxy.fault = "delay"
    assert sessions.find(name) is not None
    proxy.fault = fault
    clock.now += 2.0
    assert sessions.find(name) is not None, "the copy holds for a while"
    assert sessions.find("x" * 43) is None and sessions.due(900.0) == []
    proxy.fault = ""
    straight.end(name)
    clock.now += 2.0
    assert sessions.find(name) is None, "what was ended meanwhile is known once Redis answers"
    proxy.stop()
