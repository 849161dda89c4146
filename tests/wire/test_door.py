"""The door of a served workstation: whatever is forged, stolen, expired or of too low a role is refused with a clear answer."""

from __future__ import annotations

import asyncio
import http.client
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import panel as pn
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.wire.oidc_server import CLIENT, SECRET, Provider
from workstation.access.credentials import line_of_password, line_of_token, new_token
from workstation.access.door import COOKIE, LOGIN_COOKIE
from workstation.access.parameters import OidcParameters
from workstation.access.roles import Role
from workstation.cli.serving import check_exposed, free_port, page_server
from workstation.desk import open_desk
from workstation.market.errors import WorkstationError
from workstation.settings import ServerSettings

pytestmark = pytest.mark.wire
SECONDS = 60.0
PASSWORD = "correct horse battery"
TOKENS = {role: new_token() for role in Role}


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: str


class Browser:
    """Keeps cookies, follows no redirect by itself."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies = port, dict[str, str]()

    def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> Reply:
        """One request to the server."""
        return self._ask(self.port, path, method, body, headers, self.cookies)

    def _ask(
        self, port: int, path: str, method: str, body: str, headers: dict[str, str], cookies: dict[str, str]
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        sent = {
            "Accept": "text/html,*/*;q=0.8",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if body:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body=body or None, headers=sent)
        answer = connection.getresponse()
        reply = Reply(answer.status, answer.headers, answer.read().decode(errors="replace"))
        connection.close()
        for one in reply.headers.get_all("Set-Cookie") or []:
            name, _, value = one.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {
                part.strip() for part in one.split(";")
            }
        return reply

    def to_callback(self, page: str = "/exposure") -> str:
        """Begin a login and let the provider send the browser back: the path it comes back to."""
        begun = self.ask(page)
        assert begun.status == 302 and begun.headers["Location"].startswith("/login?next=")
        sent = self.ask(begun.headers["Location"])
        there = urlsplit(sent.headers["Location"])
        assert there.port is not None
        back = urlsplit(
            self._ask(there.port, f"{there.path}?{there.query}", "GET", "", {}, {}).headers["Location"]
        )
        return f"{back.path}?{back.query}"

    def log_in(self, page: str = "/exposure") -> Reply:
        """The whole login."""
        return self.ask(self.to_callback(page))

    def cookie_header(self) -> dict[str, str]:
        """The cookies as a websocket sends them."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}


class Served(NamedTuple):
    """A running server, its door and its provider."""

    port: int
    door: Any
    provider: Provider
    loop: asyncio.AbstractEventLoop

    def on_loop(self, call: Callable[[], Any]) -> Any:
        """Run something on the server's loop; waits for a coroutine."""

        async def run() -> Any:
            made = call()
            return await made if asyncio.iscoroutine(made) else made

        found: Future[Any] = asyncio.run_coroutine_threadsafe(run(), self.loop)
        return found.result(SECONDS)


def _page(text: str) -> Callable[[], Any]:
    return lambda: pn.pane.HTML(f"<p>{text}</p>")


def serve_door(login: str, folder: Path, servers: int = 1, sessions_url: str = "") -> Iterator[list[Served]]:
    """Servers of two pages on one loop, with one provider."""
    ready, kept = threading.Event(), list[Served]()
    provider, desk = Provider(), open_desk([])
    credentials = folder / "credentials"
    lines = [line_of_token(role.name.lower(), role, token) for role, token in TOKENS.items()]
    credentials.write_text("\n".join([*lines, "# people", line_of_password("ann", Role.TRADER, PASSWORD)]))
    (folder / "secret").write_text(SECRET + "\n")
    oidc = OidcParameters(
        issuer=provider.issuer, client_id=CLIENT, client_secret_file=folder / "secret", roles_claim="realm_access.roles"
    )  # fmt: skip
    server = ServerSettings(login=login, credentials_file=credentials, oidc=oidc, sessions_url=sessions_url)  # type: ignore[arg-type]

    def run() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        pages = {"exposure": _page("market"), "portfolio": _page("our positions")}
        made = list[Any]()
        for _ in range(servers):
            port = free_port("127.0.0.1", 0)
            result, door = page_server(desk, server, port, pages, warm=False)
            result.start()
            loop.call_soon(door.keep)
            made.append(result)
            kept.append(Served(port, door, provider, loop))
        made.append(provider.start())
        loop.call_soon(ready.set)
        loop.run_forever()
        for one in made:
            one.stop()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(SECONDS)
    yield kept
    kept[0].loop.call_soon_threadsafe(kept[0].loop.stop)
    thread.join(SECONDS)


@pytest.fixture(scope="module")
def module_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from (one for (one,) in serve_door("oidc", tmp_path_factory.mktemp("oidc")))


@pytest.fixture
def served(module_served: Served) -> Served:
    provider = module_served.provider
    provider.wrong, provider.roles, provider.lifetime_s, provider.refresh_status = "", ["viewer"], 60.0, 200
    module_served.on_loop(module_served.door._limiter.storage.reset)
    return module_served


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from (one for (one,) in serve_door("basic", tmp_path_factory.mktemp("basic")))


def test_a_login_opens_the_page_that_was_asked_for(served: Served) -> None:
    browser = Browser(served.port)
    entered = browser.log_in("/exposure?currency=BTC")
    assert entered.status == 303 and entered.headers["Location"] == "/exposure?currency=BTC"
    page = browser.ask("/exposure")
    assert page.status == 200
    assert browser.cookies[COOKIE] not in page.body, "the session's id stands in the page"
    assert browser.ask("/api/health").status == 200


def test_only_scripts_that_the_server_wrote_run_in_a_page(served: Served) -> None:
    browser = Browser(served.port)
    browser.log_in()
    nonces = set()
    for _ in range(2):  # whole, then with a head that is sent before its session is made
        page = browser.ask("/exposure?theme=%3Cscript%3Ealert(1)%3C/script%3E&a=%22%3E%3Cscript%3E")
        sources = (
            page.headers["Content-Security-Policy"].partition("script-src ")[2].partition(";")[0].split()
        )
        (nonce,) = re.findall(r"'nonce-([^']+)'", " ".join(sources))
        assert "'unsafe-inline'" not in sources and not any("http" in one for one in sources)
        scripts = re.findall(r"<script\b[^>]*>", page.body)
        assert scripts and all(f'nonce="{nonce}"' in one for one in scripts)
        assert "alert(1)<" not in page.body
        nonces.add(nonce)
    assert len(nonces) == 2
    assert browser.ask("/api/health").headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "wrong",
    ["expired", "foreign_key", "wrong_audience", "wrong_issuer", "wrong_nonce", "shared_key", "unsigned", "other_client", "no_token"],
)  # fmt: skip
def test_a_wrong_token_opens_nothing(served: Served, wrong: str) -> None:
    served.provider.wrong = wrong
    browser, before = Browser(served.port), served.door.refused.total()
    refused = browser.log_in()
    assert refused.status == 403 and "Log in" in refused.body and COOKIE not in browser.cookies
    assert served.door.refused.total() == before + 1
    assert browser.ask("/exposure").status == 302


@pytest.mark.parametrize("roles", [[], ["Admin"], ["superuser"], "admin"])
def test_without_a_role_nobody_enters(served: Served, roles: Any) -> None:
    served.provider.roles = roles
    browser = Browser(served.port)
    assert "no role" in browser.log_in().body and browser.ask("/exposure").status == 302


def test_an_answer_is_good_once_and_in_one_browser(served: Served) -> None:
    victim, thief = Browser(served.port), Browser(served.port)
    path = victim.to_callback()
    assert "another browser" in thief.ask(path).body
    assert victim.ask(path).status == 403, "a state that somebody else has shown is used up"
    path = victim.to_callback()
    assert victim.ask(path).status == 303
    again = victim.ask(path)
    assert again.status == 403 and "not under way" in again.body
    state = re.sub(r"state=[^&]+", "state=mine", path)
    assert victim.ask(state).status == 403


def test_a_code_of_another_login_is_refused(served: Served) -> None:
    one, other = Browser(served.port), Browser(served.port)
    first, second = one.to_callback(), other.to_callback()
    code = re.search(r"code=([^&]+)", first)
    assert code is not None
    assert other.ask(re.sub(r"code=[^&]+", code[0], second)).status == 403, (
        "PKCE: the code is of another verifier"
    )


@pytest.mark.parametrize("cookie", ["", "forged", "x" * 9_000, "a; b", "%00", "../../etc"])
def test_a_forged_cookie_is_nobody(served: Served, cookie: str) -> None:
    browser = Browser(served.port)
    browser.cookies[COOKIE] = cookie
    assert browser.ask("/exposure").status == 302
    assert browser.ask("/api/health").status == 401
    assert browser.ask("/exposure/autoload.js", Accept="*/*").status == 401


def test_another_host_or_origin_gets_nothing_even_with_the_cookie(served: Served) -> None:
    browser = Browser(served.port)
    browser.log_in()
    assert browser.ask("/exposure", Host="evil.example").status == 421
    assert browser.ask("/logout", "POST", "x=1", Origin="https://evil.example").status == 421
    assert browser.ask("/exposure").status == 200, "another site has logged the person out"


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/a%0d%0ab"])
def test_after_the_login_nobody_is_sent_elsewhere(served: Served, wanted: str) -> None:
    browser = Browser(served.port)
    sent = browser.ask(f"/login?{urlencode({'next': wanted})}")
    there = urlsplit(sent.headers["Location"])
    assert there.port is not None
    back = urlsplit(
        browser._ask(there.port, f"{there.path}?{there.query}", "GET", "", {}, {}).headers["Location"]
    )
    entered = browser.ask(f"{back.path}?{back.query}")
    where = entered.headers["Location"]
    assert (
        entered.status == 303
        and where.startswith("/")
        and not where.startswith(("//", "/\\"))
        and "\n" not in where
    )


async def open_socket(
    served: Served, path: str, browser: Browser, **headers: str
) -> WebSocketClientConnection:
    sent = browser.cookie_header() | headers
    protocols = None
    if path.startswith("/exposure") or path.startswith("/portfolio"):
        page = await asyncio.to_thread(browser.ask, "/exposure")
        token = re.search(r'"token":\s*"([^"]+)"', page.body)
        protocols = ["bokeh", token[1] if token else "x"]
    return await websocket_connect(
        HTTPRequest(f"ws://127.0.0.1:{served.port}{path}", headers=sent), subprotocols=protocols
    )


async def test_a_viewer_sees_no_portfolio_by_page_websocket_and_api(served: Served) -> None:
    viewer, trader = Browser(served.port), Browser(served.port)
    await asyncio.to_thread(viewer.log_in)
    served.provider.roles = ["viewer", "trader"]
    await asyncio.to_thread(trader.log_in)
    for path in ("/portfolio", "/portfolio/autoload.js", "/portfolio/metadata", "/portfolio/"):
        answer = await asyncio.to_thread(viewer.ask, path)
        assert answer.status == 403 and "trader" in answer.body
    assert (await asyncio.to_thread(viewer.ask, "/api/positions")).status == 403
    with pytest.raises(HTTPClientError) as refused:
        await open_socket(served, "/portfolio/ws", viewer)
    assert refused.value.code == 403
    assert (await asyncio.to_thread(trader.ask, "/portfolio")).status == 200
    assert (await asyncio.to_thread(trader.ask, "/api/positions")).status == 200


async def test_logout_ends_open_websockets_and_the_cookie(served: Served) -> None:
    browser = Browser(served.port)
    await asyncio.to_thread(browser.log_in)
    page, stream = (
        await open_socket(served, "/exposure/ws", browser),
        await open_socket(served, "/api/stream", browser),
    )
    assert await asyncio.wait_for(page.read_message(), SECONDS) is not None
    stolen = dict(browser.cookies)
    left = await asyncio.to_thread(browser.ask, "/logout", "POST", "x=1")
    assert left.status == 303 and browser.cookies[COOKIE] == ""
    for socket in (page, stream):
        while await asyncio.wait_for(socket.read_message(), SECONDS) is not None:
            pass
        assert socket.close_code == 4401
    browser.cookies = stolen
    assert (await asyncio.to_thread(browser.ask, "/exposure")).status == 302, (
        "a cookie from before the logout"
    )


async def test_expiry_ends_open_websockets(served: Served) -> None:
    browser = Browser(served.port)
    served.provider.lifetime_s, served.provider.refresh_status = 60.0, 400
    await asyncio.to_thread(browser.log_in)
    socket = await open_socket(served, "/exposure/ws", browser)
    session = served.on_loop(lambda: served.door.sessions.find(browser.cookies[COOKIE]))
    session.valid_until = served.door.sessions.clock()
    while await asyncio.wait_for(socket.read_message(), SECONDS) is not None:
        pass
    assert socket.close_code == 4401
    assert (await asyncio.to_thread(browser.ask, "/api/health")).status == 401


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}])
async def test_a_websocket_needs_login_and_this_origin(served: Served, headers: dict[str, str]) -> None:
    browser = Browser(served.port)
    if headers:
        await asyncio.to_thread(browser.log_in)
    for path in ("/exposure/ws", "/api/stream"):
        with pytest.raises(HTTPClientError) as refused:
            await open_socket(served, path, browser, **headers)
        assert refused.value.code == (421 if headers else 401)


def _due(session: Any) -> None:
    session.valid_until = min(session.valid_until, time.monotonic() + 0.2 * session.lifetime_s)


def test_a_refresh_is_asked_for_once_and_takes_new_roles(served: Served) -> None:
    browser, provider = Browser(served.port), served.provider
    provider.roles = ["trader"]
    browser.log_in()
    before = provider.refreshes
    provider.roles = ["viewer"]
    session = served.on_loop(lambda: served.door.sessions.find(browser.cookies[COOKIE]))
    _due(session)

    async def at_once() -> None:
        await asyncio.gather(*(served.door.tick() for _ in range(20)))

    served.on_loop(at_once)
    assert provider.refreshes == before + 1, "many askers, one refresh"
    assert browser.ask("/portfolio").status == 403 and browser.ask("/exposure").status == 200


def test_a_provider_that_is_down_is_asked_seldom_and_one_that_refuses_ends_the_session(
    served: Served,
) -> None:
    browser, provider = Browser(served.port), served.provider
    browser.log_in()
    session = served.on_loop(lambda: served.door.sessions.find(browser.cookies[COOKIE]))
    provider.refresh_status, before = 503, provider.refreshes
    _due(session)

    async def many() -> None:
        for _ in range(20):
            await served.door.tick()

    served.on_loop(many)
    assert provider.refreshes - before <= 2 and browser.ask("/exposure").status == 200
    provider.refresh_status, session.retry_at = 400, 0.0
    served.on_loop(many)
    assert browser.ask("/exposure").status == 302


def test_logins_are_bounded(served: Served) -> None:
    browser = Browser(served.port)
    answers = [browser.ask("/login").status for _ in range(12)]
    assert answers[:10] == [302] * 10 and answers[10:] == [429] * 2
    assert served.door.refused["rate_limit"] >= 2


def test_machine_tokens_open_the_api_alone_by_their_role(served: Served) -> None:
    browser = Browser(served.port)
    for role, token in TOKENS.items():
        sent = {"Authorization": f"Bearer {token}"}
        assert browser.ask("/api/health", **sent).status == 200
        assert browser.ask("/api/positions", **sent).status == (403 if role is Role.VIEWER else 200)
        assert browser.ask("/exposure", **sent).status == 302
    for wrong in ("Bearer x", "Bearer ", f"Bearer {TOKENS[Role.ADMIN]}x", "Basic eDp5"):
        assert browser.ask("/api/health", Authorization=wrong).status == 401


def test_a_password_opens_and_brute_force_does_not(basic: Served) -> None:
    browser = Browser(basic.port)

    def post(name: str, password: str) -> Reply:
        return browser.ask(
            "/login", "POST", urlencode({"name": name, "password": password, "next": "//evil.example"})
        )

    assert "form" in browser.ask("/login").body
    assert post("ann", "wrong").status == post("' OR 1=1 --", PASSWORD).status == 403
    entered = post("ann", PASSWORD)
    assert entered.status == 303 and entered.headers["Location"] == "/"
    assert browser.ask("/portfolio").status == 200
    browser.cookies.clear()
    statuses = [post("ann", str(number)).status for number in range(12)]
    assert statuses[-1] == 429 and post("ann", PASSWORD).status == 429


def test_oversized_requests_are_refused(basic: Served) -> None:
    browser = Browser(basic.port)
    assert browser.ask(
        "/login", "POST", urlencode({"name": "x" * 5_000, "password": "y" * 50_000})
    ).status in (403, 429)
    assert browser.ask("/exposure?" + "x" * 20_000).status in (302, 400, 414)
    assert browser.ask("/%2e%2e/%2e%2e/etc/passwd").status == 302


def test_secrets_are_in_no_repr_and_no_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    from workstation.access.credentials import Credentials

    caplog.set_level(logging.DEBUG)
    browser = Browser(served.port)
    browser.log_in()
    served.provider.wrong = "foreign_key"
    assert Browser(served.port).log_in().status == 403
    session = served.on_loop(lambda: served.door.sessions.find(browser.cookies[COOKIE]))
    oidc = OidcParameters(client_secret=SECRET)  # type: ignore[arg-type]
    held = Credentials.parse(line_of_token("m", Role.ADMIN, TOKENS[Role.ADMIN]))
    shown = f"{caplog.text} {session!r} {oidc!r} {served.door!r} {served.door.oidc!r} {held!r} {ServerSettings(oidc=oidc)!r}"
    for secret in (
        SECRET,
        TOKENS[Role.ADMIN],
        session.refresh_token,
        session.id_token,
        browser.cookies[COOKIE],
    ):
        assert secret and secret not in shown


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"address": "0.0.0.0", "login": "oidc"}, "TLS"),
        ({"address": "0.0.0.0", "login": "oidc", "public_url": "http://desk.example"}, "TLS"),
        ({"login": "oidc", "public_url": "desk"}, "is no address"),
        ({"login": "basic"}, "credentials_file"),
    ],
)
def test_a_login_that_cannot_work_is_refused_at_the_start(given: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkstationError, match=said):
        check_exposed(ServerSettings(**given), without_login=False)


def test_a_credentials_file_tells_the_line_and_not_what_it_holds(tmp_path: Path) -> None:
    from workstation.access.credentials import Credentials

    (tmp_path / "file").write_text("# fine\ntoken grafana viewer not-a-hash-but-a-token\n")
    with pytest.raises(WorkstationError, match="line 2") as refused:
        Credentials.read(tmp_path / "file")
    assert "not-a-hash" not in str(refused.value)
    assert LOGIN_COOKIE.startswith("__Host-") and COOKIE.startswith("__Host-")
