"""Take the README's pictures from the running product: every dashboard, desktop and phone, light and dark.

Usage: python scripts/screenshots.py [PICTURE ...]

A picture's name may be cut short: ``exposure`` takes all of that dashboard, ``exposure-phone`` its two on a phone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from workstation.cli.serving import dashboards, free_port

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import FLAGS, chromium, wait_until_alive

FOLDER = Path(__file__).parents[1] / "docs" / "screenshots"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
PATIENCE_S = 900.0
STILL_MS, STILL = 3_000, 3
"""A page is whole when so many looks, so far apart, find the same figures."""
_MADE = """() => [...Bokeh.documents[0].all_models].every(
  model => !model.css_classes?.includes?.('ws-later') || model.children[0]?.type !== 'Spacer')"""
"""No card is still to be made."""
_FIGURES = """() => {
  const count = root => [...root.querySelectorAll('*')].reduce(
    (sum, node) => sum + (node.tagName === 'CANVAS') + (node.shadowRoot ? count(node.shadowRoot) : 0), 0)
  return count(document)
}"""


@contextmanager
def demo(port: int) -> Iterator[str]:
    """The demo, running; its address."""
    command = [sys.executable, "-m", "workstation.cli", "demo", "--port", str(port), "--rate", "400"]
    server = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_alive(address, server, seconds=PATIENCE_S)
        yield address
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def wait_until_live(address: str) -> None:
    """Until the market's past is drawn. Raises ``TimeoutError``."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{address}/api/health", timeout=60) as answer:  # noqa: S310 - our own server
            if all(feed["state"] == "live" for feed in json.load(answer)["rows"]):
                return
        time.sleep(0.5)
    raise TimeoutError(f"the market of {address} was not live within {PATIENCE_S:g} s")


def settle(page: Page) -> None:
    """Until every card is made and drawn."""
    page.wait_for_function("window.Bokeh?.documents?.length > 0", timeout=1e3 * PATIENCE_S)
    page.wait_for_function(_MADE, timeout=1e3 * PATIENCE_S)
    seen: list[int] = []
    deadline = time.monotonic() + PATIENCE_S
    while (len(seen) < STILL or len({*seen[-STILL:]}) > 1) and time.monotonic() < deadline:
        page.wait_for_timeout(STILL_MS)
        seen.append(page.evaluate(_FIGURES))


def shoot(browser: Browser, address: str, page_name: str, size: str, theme: str) -> Path:
    """One picture."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
    page.goto(f"{address}/{page_name}?theme={theme}", timeout=1e3 * PATIENCE_S)
    settle(page)
    target = FOLDER / f"{page_name}-{size}-{theme}.png"
    page.screenshot(path=target, full_page=size == "phone", timeout=1e3 * PATIENCE_S)
    page.close()
    return target


def main(names: list[str]) -> None:
    """The pictures whose names begin so, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with demo(free_port("127.0.0.1", 0)) as address, sync_playwright() as playwright:
        wait_until_live(address)
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name, size, theme in product(dashboards(), SIZES, THEMES):
            if not names or f"{name}-{size}-{theme}".startswith(tuple(names)):
                print(shoot(browser, address, name, size, theme).relative_to(FOLDER.parents[1]), flush=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
