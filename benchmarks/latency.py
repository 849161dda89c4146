"""Tick to pixel: from a trade's event time to its paint in Chromium, at 10 000 ticks/s of the synthetic market.

One session and ten. Prints p50 and p99 beside the session's own refresh interval, which is the floor of what a pulled page can reach.
The synthetic market keeps wall time, and page and market share one clock, so the two times may be subtracted.
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
from playwright.sync_api import sync_playwright

from workstation.views.live import PERIOD_MS

ROOT = Path(__file__).parents[1]
SECONDS = 20.0
TICKS = 10_000
SESSIONS = (1, 10)
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


def paints(url: str, chromium: str, sessions: int) -> tuple[np.ndarray, float]:
    """(event ms, painted ms) of every paint of the newest price, seen by one tab among ``sessions``; first paint, s.

    The other sessions are tabs of the same browser, all on the same page.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        tabs = [browser.new_page(viewport={"width": 1440, "height": 900}) for _ in range(sessions)]
        for tab in tabs:
            tab.goto(f"{url}/exposure")
            tab.wait_for_function("(window.workstationPaints ?? []).length > 5", timeout=120_000)
        first_s = min(
            tab.evaluate("(workstationPaints[0][1] - performance.timeOrigin) / 1000") for tab in tabs
        )
        watched = tabs[0]
        watched.bring_to_front()
        watched.evaluate("window.workstationPaints.length = 0")
        watched.wait_for_timeout(SECONDS * 1000)
        seen = np.array(watched.evaluate("window.workstationPaints"), dtype=np.float64)
        browser.close()
    return seen, first_s


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
    head = ("sessions", "p50 ms", "p99 ms", "p50/refresh", "p99/refresh", "paints/s", "first paint s")
    print("".join(f"{name:>15}" for name in head))
    for sessions in SESSIONS:
        server, url = serve()
        try:
            seen, first_s = paints(url, chromium, sessions)
        finally:
            server.terminate()
            server.wait(20)
        p50, p99 = np.percentile(seen[:, 1] - seen[:, 0], [50, 99])
        ratios = f"{p50 / PERIOD_MS:15.2f}{p99 / PERIOD_MS:15.2f}"
        print(f"{sessions:15}{p50:15.0f}{p99:15.0f}{ratios}{len(seen) / SECONDS:15.1f}{first_s:15.2f}")


if __name__ == "__main__":
    main()
