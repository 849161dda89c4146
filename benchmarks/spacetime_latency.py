"""Tick to pixel on the space-time page: four charts at 10 000 ticks/s, then ten sessions on the same server.

From a trade's event time to the paint of its price in Chromium; the synthetic market keeps wall time, and page and
market share one clock, so the two times may be subtracted. ``refresh`` is the session's own interval: the floor of
what a pulled page can reach. Targets: one session p50 < 150 ms, p99 < 300 ms; ten sessions p99 < 1 s.
"""

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
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from workstation.views.live import PERIOD_MS

ROOT = Path(__file__).parents[1]
RATE = 10_000
SECONDS = 20.0
SESSIONS = 10
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
        "WORKSTATION_FEED_OPTIONS": json.dumps({"synthetic": {"rate": RATE}}),
        "WORKSTATION_RECORD": "false",
        "WORKSTATION_SEED": "7",
    }
    command = [sys.executable, "-m", "panel", "serve", "dashboards/spacetime.py", "--port", str(port), "--address",
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


def watch(pages: list[Page]) -> np.ndarray:
    """Milliseconds from event to paint of every paint on these pages over ``SECONDS``."""
    for page in pages:
        page.wait_for_function("(window.workstationPaints ?? []).length > 20", timeout=180_000)
    for page in pages:
        page.evaluate("window.workstationPaints.length = 0")
    pages[0].wait_for_timeout(SECONDS * 1000)
    seen = np.concatenate(
        [np.array(page.evaluate("window.workstationPaints"), dtype=np.float64) for page in pages]
    )
    return seen[:, 1] - seen[:, 0]


def tell(name: str, latency: np.ndarray, most: tuple[float, float]) -> None:
    p50, p99 = np.percentile(latency, [50, 99])
    print(
        f"{name:24}{p50:8.0f}{p99:8.0f}{p50 / PERIOD_MS:10.1f}{p99 / PERIOD_MS:8.1f}{len(latency) / SECONDS:10.1f}"
        f"   target {most[0]:.0f} / {most[1]:.0f}"
    )


def main() -> None:
    """Measure and print."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("skipped: no Chromium on this machine")
        return
    server, url = serve()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            print(f"{RATE} ticks/s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            print(f"{'':24}{'p50 ms':>8}{'p99 ms':>8}{'x refresh':>10}{'':8}{'paints/s':>10}")
            first = browser.new_page(viewport={"width": 1440, "height": 900})
            first.goto(f"{url}/spacetime?layout=4")
            tell("one session, 4 charts", watch([first]), (150, 300))
            pages = [first]
            for _ in range(SESSIONS - 1):
                page = browser.new_page(viewport={"width": 1000, "height": 700})
                page.goto(f"{url}/spacetime?layout=1")
                pages.append(page)
            tell(f"{SESSIONS} sessions", watch(pages), (500, 1000))
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
