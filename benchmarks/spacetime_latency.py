"""Tick to pixel on the space-time page: four charts at 10 000 ticks/s, alone and among ten sessions on one server.

From a trade's event time to the paint of its price in Chromium; the synthetic market keeps wall time, and page and
market share one clock, so the two times may be subtracted. The other sessions take all they are sent and draw nothing.
``refresh`` is the session's own interval: the floor of what a pulled page can reach. ``server`` is the CPU time of the
whole server, market and engines included, in cores. Targets: one session p50 < 150 ms, p99 < 300 ms; ten p99 < 1 s.
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
from playwright.sync_api import sync_playwright

from workstation.views.live import PERIOD_MS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.wire.tab import Tab  # noqa: E402 - the sessions that only listen are the tests' own

RATE = 10_000
SECONDS = float(os.environ.get("LATENCY_SECONDS", "20"))
SESSIONS = {1: (150, 300), 10: (500, 1000)}
PAGE = "spacetime?layout=4"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
_CAUGHT_UP = "() => { const [event, painted] = (window.workstationPaints ?? []).at(-1) ?? [0, 1e13]; return painted - event < 5000 }"
"""The market's seeded past has been played: what is painted is of now."""
_FOUR = "[...(window.Bokeh?.documents?.[0]?.all_models ?? [])].filter(m => 'event_ms' in (m.data ?? {}) && m.data.event_ms.length).length >= 4"


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
    for _ in range(1200):
        try:
            with urllib.request.urlopen(f"{url}/liveness", timeout=1):
                return server, url
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    server.terminate()
    raise TimeoutError("the dashboard did not come up")


@contextmanager
def others(url: str, count: int) -> Iterator[None]:
    """``count`` more live sessions of the same page."""

    async def live() -> None:
        tabs = [await Tab.open(url, "spacetime", "?layout=4") for _ in range(count)]
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


def cpu_s(process: int) -> float:
    """CPU time a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def paints(url: str, chromium: str, server: int) -> tuple[np.ndarray, float]:
    """Milliseconds from event to paint of every paint over ``SECONDS``, and the cores the server used."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(300_000)
        page.goto(f"{url}/{PAGE}")
        page.wait_for_function(_FOUR)
        page.wait_for_function(_CAUGHT_UP)
        page.evaluate("window.workstationPaints.length = 0")
        used, begun = cpu_s(server), time.perf_counter()
        page.wait_for_timeout(SECONDS * 1000)
        cores = (cpu_s(server) - used) / (time.perf_counter() - begun)
        seen = np.array(page.evaluate("window.workstationPaints"), dtype=np.float64)
        browser.close()
    return seen[:, 1] - seen[:, 0], cores


def main() -> None:
    """Measure and print."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("WORKSTATION_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        print("skipped: no Chromium on this machine")
        return
    print(
        f"{RATE} ticks/s, four charts, a refresh every {PERIOD_MS} ms; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    head = (
        "sessions",
        "p50 ms",
        "p99 ms",
        "p50/refresh",
        "p99/refresh",
        "paints/s",
        "server cores",
        "target p50",
        "p99",
    )
    print("".join(f"{name:>13}" for name in head), flush=True)
    for sessions, (p50_most, p99_most) in SESSIONS.items():
        server, url = serve()
        try:
            with others(url, sessions - 1):
                latency, cores = paints(url, chromium, server.pid)
        finally:
            server.terminate()
            server.wait(30)
        p50, p99 = np.percentile(latency, [50, 99])
        print(
            f"{sessions:13}{p50:13.0f}{p99:13.0f}{p50 / PERIOD_MS:13.2f}{p99 / PERIOD_MS:13.2f}"
            f"{len(latency) / SECONDS:13.1f}{cores:13.2f}{p50_most:13}{p99_most:13}",
            flush=True,
        )


if __name__ == "__main__":
    main()
