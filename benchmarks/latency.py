"""Tick to pixel: from a trade's event time to its paint in Chromium, at 10 000 ticks/s of the synthetic market.

One session, and one among ten whose others take all they are sent. Prints p50 and p99 beside the session's own
refresh interval, which is the floor of what a pulled page can reach, and the first paint after navigation.
The synthetic market keeps wall time, and page and market share one clock, so the two times may be subtracted.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from workstation.views.live import PERIOD_MS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.wire.tab import Tab  # noqa: E402 - the sessions that only listen are the tests' own

SECONDS = 20.0
TICKS = 10_000
SESSIONS = (1, 10)
_CAUGHT_UP = "() => { const [event, painted] = (window.workstationPaints ?? []).at(-1) ?? [0, 1e13]; return painted - event < 2000 }"
"""The market's seeded past has been played: what is painted is of now."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


def serve() -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "WORKSTATION_FEEDS": '["synthetic"]',
        "WORKSTATION_RECORD": "false",
        "WORKSTATION_SEED": "7",
        "WORKSTATION_FEED_OPTIONS": json.dumps({"synthetic": {"rate": TICKS}}),
    }
    command = [sys.executable, "-m", "panel", "serve", "dashboards/exposure.py", "--port", str(port), "--address",
               "127.0.0.1", "--allow-websocket-origin", f"127.0.0.1:{port}", "--liveness", "--warm"]  # fmt: skip
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/liveness", timeout=1):
                return server, url
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    server.terminate()
    raise TimeoutError("the dashboard did not come up within a minute")


@contextmanager
def others(url: str, count: int) -> Iterator[None]:
    """``count`` more live sessions, which take all they are sent and draw nothing."""

    async def live() -> None:
        tabs = [await Tab.open(url, "exposure") for _ in range(count)]
        opened.set()
        listening = asyncio.gather(*(tab.listen() for tab in tabs))
        await asyncio.to_thread(ended.wait)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        for tab in tabs:
            tab.close()

    opened, ended = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(asyncio.run, live())
        run.add_done_callback(lambda _: opened.set())
        opened.wait()
        try:
            yield
        finally:
            ended.set()
    run.result()


def paints(url: str, chromium: str) -> tuple[np.ndarray, float]:
    """(event ms, painted ms) of every paint of the newest price over ``SECONDS``, and the first canvas in s."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{url}/exposure")
        page.wait_for_function("(window.workstationPaints ?? []).length > 5", timeout=120_000)
        page.wait_for_function(_CAUGHT_UP, timeout=120_000)
        page.evaluate("window.workstationPaints.length = 0")
        page.wait_for_timeout(SECONDS * 1000)
        seen = np.array(page.evaluate("window.workstationPaints"), dtype=np.float64)
        page.close()
        first_s = first_canvas_s(browser.new_page(viewport={"width": 1440, "height": 900}), url)
        browser.close()
    return seen, first_s


def first_canvas_s(page: Page, url: str) -> float:
    """Seconds from navigation to the first chart, of a server and a browser that are warm."""
    begun = time.perf_counter()
    page.goto(f"{url}/exposure", wait_until="commit")
    page.locator("canvas").first.wait_for(timeout=120_000)
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("WORKSTATION_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        print("skipped: no Chromium on this machine")
        return
    print(
        f"{TICKS} ticks/s, a refresh every {PERIOD_MS} ms; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    head = ("sessions", "p50 ms", "p99 ms", "p50/refresh", "p99/refresh", "paints/s", "first canvas s")
    print("".join(f"{name:>15}" for name in head), flush=True)
    for sessions in SESSIONS:
        server, url = serve()
        try:
            with others(url, sessions - 1):
                seen, first_s = paints(url, chromium)
        finally:
            server.terminate()
            server.wait(20)
        p50, p99 = np.percentile(seen[:, 1] - seen[:, 0], [50, 99])
        ratios = f"{p50 / PERIOD_MS:15.2f}{p99 / PERIOD_MS:15.2f}"
        print(
            f"{sessions:15}{p50:15.0f}{p99:15.0f}{ratios}{len(seen) / SECONDS:15.1f}{first_s:15.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
