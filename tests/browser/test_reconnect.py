"""A page outlives its server: after a restart, or with an expired token, it reloads itself and is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, free_port, start_server

pytestmark = pytest.mark.browser
TOKEN_SECONDS = 12
_KEEP_SOCKETS = """
window.openedSockets = []
window.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); window.openedSockets.push(this) }
}
"""


class Restartable:
    """A server that can be ended and started again on its port."""

    def __init__(self, log: Path) -> None:
        self.port, self._log = free_port(), log
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: Any = None

    def start(self) -> None:
        self._process = start_server(
            self.port, self._log, "--session-token-expiration", str(TOKEN_SECONDS), pages=("exposure",)
        )

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restartable]:
    made = Restartable(tmp_path_factory.mktemp("reconnect") / "server.log")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def page(server: Restartable, browser: Any) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(PATIENCE_MS)
    made.add_init_script(_KEEP_SOCKETS)
    made.goto(f"{server.url}/exposure?measure=dex&theme=light")
    shown(made)
    made.evaluate("window.sameDocument = true")
    yield made
    made.context.close()


def shown(page: Page) -> None:
    expect(page.locator("h2", has_text="DEX by strike")).to_be_visible()
    page.wait_for_function("document.documentElement.dataset.newestEventMs !== undefined")


def returned_as_it_was(page: Page) -> None:
    """Wait until another document has loaded itself, live, with the choices of the one before."""
    page.wait_for_function("window.sameDocument === undefined && document.readyState === 'complete'")
    shown(page)
    assert "measure=dex" in page.url
    assert "theme=light" in page.url
    expect(page.locator(".link .on")).to_be_visible()


def test_a_page_returns_after_its_server_was_restarted(server: Restartable, page: Page) -> None:
    server.stop()
    expect(page.locator(".link .off")).to_be_visible()
    page.wait_for_function("document.documentElement.classList.contains('ws-lost')")
    expect(page.locator(".strip .now").first).to_be_hidden()
    lost = "Number(getComputedStyle(document.documentElement).getPropertyValue('--ws-lost-s'))"
    page.wait_for_function(f"{lost} >= 2")
    server.start()
    returned_as_it_was(page)


def test_a_page_whose_token_has_expired_loads_anew(page: Page) -> None:
    page.wait_for_function("seconds => performance.now() > 1000 * seconds", arg=TOKEN_SECONDS + 1)
    page.evaluate("window.openedSockets.forEach(socket => socket.close())")
    returned_as_it_was(page)
