"""A served synthetic market and a Chromium that looks at it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
PATIENCE_MS = 120_000
"""A machine under load is slow, not wrong."""
SLICE_MS = 400
"""The market's rows come at the pages' own pace: ten batches a second are work for the desk and nothing to see."""
PAGES = tuple(
    path.stem
    for path in sorted((ROOT / "dashboards").glob("*.py"))
    if path.stem != "flow" or os.environ.get("WORKSTATION_FLOW_PAGE")
)
"""The flow page has a desk of its own, which draws an options day beside whatever else is looked at: only where it is asked for."""
DAY: Mapping[str, Any] = {"minutes": 4, "warm_minutes": 4, "parents_per_minute": 10}
"""The options day of the flow page's own desk."""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """The browser named by WORKSTATION_CHROMIUM, else the system's."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("WORKSTATION_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_alive(url: str, server: subprocess.Popen[bytes], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert server.poll() is None, f"the server ended with {server.returncode}"
        try:
            with urllib.request.urlopen(f"{url}/liveness", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {seconds} s")


def start_server(
    port: int, log: Path, *options: str, rate: int = 500, pages: Sequence[str] = (), period_ms: int = 500,
    day: Mapping[str, Any] = DAY,
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Dashboards (none named: all) on the synthetic market; sessions end soon after their page is closed.

    They make two pictures a second: where a picture is drawn by the processor, more is what a test would wait for.
    """
    environment = {
        **os.environ,
        "WORKSTATION_SEED": "7",
        "WORKSTATION_RECORD": "false",
        "WORKSTATION_SERVER__PERIOD_MS": str(period_ms),
        "WORKSTATION_FEEDS": '["synthetic"]',
        "WORKSTATION_OPTIONS_DAY": json.dumps(dict(day)),
        "WORKSTATION_FEED_OPTIONS": json.dumps({"synthetic": {"rate": rate, "slice_ms": SLICE_MS}}),
    }
    found = [
        str(path) for path in sorted((ROOT / "dashboards").glob("*.py")) if not pages or path.stem in pages
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "panel", "serve", *found, "--port", str(port), "--address", "127.0.0.1",
         "--allow-websocket-origin", f"127.0.0.1:{port}", "--liveness", "--warm",
         "--check-unused-sessions", "500", "--unused-session-lifetime", "10000", *options],
        cwd=ROOT, env=environment, stdout=log.open("ab"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        wait_until_alive(f"http://127.0.0.1:{port}", server)
    except BaseException:
        server.kill()
        raise
    return server


@contextmanager
def serving(log: Path, pages: Sequence[str] = ()) -> Iterator[str]:
    """The address of served dashboards (none named: all); at the end none of them may have failed."""
    if chromium() is None:
        pytest.skip("no Chromium: install Debian's chromium or name one with WORKSTATION_CHROMIUM")
    port = free_port()
    server = start_server(port, log, pages=pages)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(20)
    told = log.read_text(errors="replace")
    assert "/workstation/" not in told, told[-4000:]
    assert "Error running application" not in told, told[-4000:]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("served") / "server.log", PAGES) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    if chromium() is None:
        pytest.skip("no Chromium: install Debian's chromium or name one with WORKSTATION_CHROMIUM")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def context(browser: Any) -> Iterator[Any]:
    """One profile for all tests: a desk's browser has the page's scripts since yesterday."""
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def opened(served: str, context: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page of the served workstation; at the end its console must be clean and no request have left."""
    pages: list[Any] = []
    complaints: list[str] = []

    def open_page(route: str = "exposure", query: str = "", width: int = 1440, height: int = 900) -> Any:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: _complain(complaints, said.type, said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: _stay_here(complaints, asked.url))
        page.goto(f"{served}/{route}{query}")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.evaluate("localStorage.clear()")
        page.close()
    assert not complaints, complaints


def _complain(complaints: list[str], kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        complaints.append(text)


def _stay_here(complaints: list[str], url: str) -> None:
    if urlparse(url).hostname not in ("127.0.0.1", None):
        complaints.append(f"request to {url}")


_AXES = "[...Bokeh.documents[0].all_models].filter(m => 'major_label_text_color' in m).map(m => m.major_label_text_color.value)"


def both_themes(page: Any) -> Iterator[str]:
    """A page opened in light as it is, then in dark by its toggle: each once page and plots have their colours."""
    yield "light"
    ground, ink = page.evaluate(f"[getComputedStyle(document.body).backgroundColor, {_AXES}[0]]")
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_function("before => getComputedStyle(document.body).backgroundColor !== before", arg=ground)
    page.wait_for_function(f"before => {_AXES}.every(ink => ink !== before)", arg=ink)
    page.wait_for_function("location.search.includes('theme=dark')")
    yield "dark"


def grave(page: Any) -> dict[str, list[str]]:
    """What axe finds serious; Tabulator's own markup of its grid is not ours to mend, nor is a tooltip that fades in."""
    from axe_playwright_python.sync_playwright import Axe

    left_out = ("pnx-tabulator", "MuiTooltip-tooltip")
    found = {
        rule["id"]: [
            node["html"][:160] for node in rule["nodes"] if not any(part in node["html"] for part in left_out)
        ]
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
    }
    return {rule: nodes for rule, nodes in found.items() if nodes}
