"""Take the README's pictures from the running product: every dashboard, desktop and phone, light and dark.

Usage: python scripts/screenshots.py [DASHBOARD ...]
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from workstation.cli.serving import dashboards, free_port

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import FLAGS, chromium, wait_until_alive

FOLDER = Path(__file__).parents[1] / "docs" / "screenshots"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
SETTLE_MS = 9_000


@contextmanager
def demo(port: int) -> Iterator[str]:
    """The demo, running; its address."""
    command = [sys.executable, "-m", "workstation.cli", "demo", "--port", str(port), "--rate", "2000"]
    server = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_alive(address, server, seconds=120)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def shoot(browser: Browser, address: str, page_name: str, size: str, theme: str) -> Path:
    """One picture."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
    page.goto(f"{address}/{page_name}?theme={theme}")
    page.wait_for_timeout(SETTLE_MS)
    target = FOLDER / f"{page_name}-{size}-{theme}.png"
    page.screenshot(path=target, full_page=size == "phone")
    page.close()
    return target


def main(names: list[str]) -> None:
    """All pictures of the dashboards named, or of all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with demo(free_port("127.0.0.1", 0)) as address, sync_playwright() as playwright:
        time.sleep(15)  # let the market's past be drawn
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name in names or dashboards():
            for size in SIZES:
                for theme in THEMES:
                    print(shoot(browser, address, name, size, theme).relative_to(FOLDER.parents[1]))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
