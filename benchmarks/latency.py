"""Tick to pixel: from a trade's event time to its paint in Chromium, at 10 000 ticks/s of the synthetic market.

Prints p50 and p99 beside the session's own refresh interval, which is the floor of what a pulled page can reach.
The synthetic market keeps wall time, and page and market share one clock, so the two times may be subtracted.
"""

from __future__ import annotations

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
from playwright.sync_api import sync_playwright

from workstation.views.live import PERIOD_MS

ROOT = Path(__file__).parents[1]
SECONDS = 20.0
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


def paints(url: str, chromium: str) -> np.ndarray:
    """(event ms, painted ms) of every paint of the newest price over ``SECONDS``."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{url}/exposure")
        page.wait_for_function("(window.workstationPaints ?? []).length > 5", timeout=60_000)
        page.evaluate("window.workstationPaints.length = 0")
        page.wait_for_timeout(SECONDS * 1000)
        seen = np.array(page.evaluate("window.workstationPaints"), dtype=np.float64)
        browser.close()
    return seen


def main() -> None:
    """Measure and print."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("skipped: no Chromium on this machine")
        return
    server, url = serve()
    try:
        seen = paints(url, chromium)
    finally:
        server.terminate()
        server.wait(20)
    latency = seen[:, 1] - seen[:, 0]
    p50, p99 = np.percentile(latency, [50, 99])
    print(f"{'':14}{'ms':>8}{'x refresh':>12}")
    for name, value in (("p50", p50), ("p99", p99), ("refresh", float(PERIOD_MS))):
        print(f"{name:14}{value:8.0f}{value / PERIOD_MS:12.2f}")
    print(f"{len(seen)} paints in {SECONDS:.0f} s, {len(seen) / SECONDS:.1f} a second")


if __name__ == "__main__":
    main()
