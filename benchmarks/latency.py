"""Tick to pixel at 10 000 ticks/s of the synthetic market, alone and among ten sessions on one server.

Run ``python benchmarks/latency.py [exposure] [spacetime]``. From a trade's event time to the paint of its price in
Chromium; the synthetic market keeps wall time, and page and market share one clock, so the two times may be subtracted.
The other sessions take all they are sent and draw nothing. ``refresh`` is the shortest time between two pictures; the
server's CPU time, market and engines included, is in cores; the first canvas is that of one more page, warm.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from workstation.views.shell.session import PERIOD_MS

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import FLAGS, chromium, free_port, start_server
from tests.wire.tab import listening

RATE = 10_000
SECONDS = float(os.environ.get("LATENCY_SECONDS", "20"))
SESSIONS = (1, 10)
_CAUGHT_UP = "() => { const [event, painted] = (window.workstationPaints ?? []).at(-1) ?? [0, 1e13]; return painted - event < 2000 }"
"""The market's seeded past has been played: what is painted is of now."""


class Target(NamedTuple):
    """A page, how many charts must live before it is measured, and the p50 and p99 in ms wanted by number of sessions."""

    page: str
    query: str
    charts: int
    wanted: dict[int, tuple[int, int]]


TARGETS = {
    "exposure": Target("exposure", "", 1, {1: (250, 500), 10: (250, 500)}),
    "spacetime": Target("spacetime", "?layout=4", 4, {1: (150, 300), 10: (500, 1000)}),
}


def measure(browser: Browser, url: str, target: Target, server: psutil.Process) -> tuple[Any, float, float]:
    """Milliseconds from event to paint of every paint over ``SECONDS``, the server's cores, seconds to a first canvas."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(300_000)
    page.goto(f"{url}/{target.page}{target.query}")
    live = (
        "[...(window.Bokeh?.documents?.[0]?.all_models ?? [])].filter(m => m.data?.event_ms?.length).length"
    )
    page.wait_for_function(f"{live} >= {target.charts}")
    page.wait_for_function(_CAUGHT_UP)
    page.evaluate("window.workstationPaints.length = 0")
    used, begun = server.cpu_times(), time.perf_counter()
    page.wait_for_timeout(SECONDS * 1000)
    cores = (sum(server.cpu_times()[:2]) - sum(used[:2])) / (time.perf_counter() - begun)
    seen = np.array(page.evaluate("window.workstationPaints"), dtype=np.float64)
    page.close()
    return seen[:, 1] - seen[:, 0], cores, first_canvas_s(browser.new_page(), f"{url}/{target.page}")


def first_canvas_s(page: Page, address: str) -> float:
    """Seconds from navigation to the first chart, of a server and a browser that are warm."""
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("canvas").first.wait_for(timeout=120_000)
    return time.perf_counter() - begun


def report(target: Target, sessions: int) -> None:
    """Serve, measure, and print a line."""
    port = free_port()
    server: subprocess.Popen[bytes] | None = None
    with tempfile.NamedTemporaryFile(suffix=".log") as log, sync_playwright() as playwright:
        try:
            server = start_server(port, Path(log.name), rate=RATE, pages=(target.page,), period_ms=100)
            url = f"http://127.0.0.1:{port}"
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            with listening(url, target.page, target.query, sessions - 1):
                latency, cores, first_s = measure(browser, url, target, psutil.Process(server.pid))
            browser.close()
        finally:
            if server is not None:
                server.terminate()
                server.wait(30)
    p50, p99 = np.percentile(latency, [50, 99])
    told = [target.page, sessions, f"{p50:.0f}", f"{p99:.0f}", *target.wanted[sessions], f"{p50 / PERIOD_MS:.2f}",
            f"{p99 / PERIOD_MS:.2f}", f"{len(latency) / SECONDS:.1f}", f"{cores:.2f}", f"{first_s:.2f}"]  # fmt: skip
    print("".join(f"{one:>13}" for one in told), flush=True)


def main() -> None:
    """Measure and print."""
    if chromium() is None:
        print("skipped: no Chromium on this machine")
        return
    print(f"{RATE} ticks/s, a picture every {PERIOD_MS} ms at most; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")  # fmt: skip
    head = ("page", "sessions", "p50 ms", "p99 ms", "wanted p50", "p99", "p50/refresh", "p99/refresh", "paints/s", "server cores",
            "canvas s")  # fmt: skip
    print("".join(f"{name:>13}" for name in head), flush=True)
    for name in [name for name in sys.argv[1:] if name in TARGETS] or TARGETS:
        for sessions in SESSIONS:
            report(TARGETS[name], sessions)


if __name__ == "__main__":
    main()
