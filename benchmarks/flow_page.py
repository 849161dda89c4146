"""The flow page at 2 000 prints/s of the synthetic options day: from a print's arrival to its paint in Chromium, sorting and filtering.

    python benchmarks/flow_page.py [--sessions 1 10] [--seconds 20] [--rate 2000]

A print arrives when the feed hands it to the desk: the server writes down when it did so, and how many prints had come. It is painted
with the first picture of the tape whose newest row is it or a later one. Both clocks are this machine's. Page and server share its cores
with whatever else runs: the load average is told beside. Sorting and filtering are timed on a paused tape, which holds 5 000 rows, from
the press to the picture that shows the answer. The other sessions take all they are sent and draw nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, expect, sync_playwright

from workstation.views.shell.session import PERIOD_MS

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import FLAGS, chromium, free_port, start_server
from tests.wire.tab import listening

NAMES = ("SPY", "NVDA")
WARM_S = 10
"""Of the day before its pace is kept: enough to fill the tape."""
MARGIN_S = 100
"""Of the day beyond the measured time: pages open while it runs."""
_SETUP = """
import time
from workstation.feeds.synthetic.options_day_feed import OptionsDayFeed
_slice, _told, _count = OptionsDayFeed._slice, open({log!r}, "w", buffering=1), [0]
def slice_told(self, until_ns):
    made = _slice(self, until_ns)
    _count[0] += sum(len(batch.frame) for batch in made if batch.table == "trades")
    _told.write(f"{{time.time() * 1000:.3f}} {{_count[0]}}\\n")
    return made
OptionsDayFeed._slice = slice_told
"""
"""What the server runs at its start: the feed tells when each of its slices came, and how many prints had come with it."""
_WATCH = """() => {
  const find = root => {
    for (const one of root.querySelectorAll('*')) {
      if (one.matches?.('div.rows[aria-label="options tape"]')) return one
      const within = one.shadowRoot && find(one.shadowRoot)
      if (within) return within
    }
    return null
  }
  const rows = find(document)
  window.tapePaints = []
  new MutationObserver(() => {
    const key = Number(rows.querySelector('tr.row')?.dataset.key ?? 0)
    requestAnimationFrame(() => setTimeout(() => window.tapePaints.push([key, performance.timeOrigin + performance.now()]), 0))
  }).observe(rows, {childList: true})
}"""


def latencies(paints: list[list[float]], arrivals: np.ndarray) -> np.ndarray:
    """Milliseconds from arrival to paint of every print of the tape between the first and the last picture."""
    shown = np.array(paints)
    newest = np.maximum.accumulate(shown[:, 0])
    prints = np.arange(newest[0] + 1, newest[-1] + 1)
    painted = shown[np.searchsorted(newest, prints), 1]
    arrived = arrivals[np.searchsorted(arrivals[:, 1], prints), 0]
    return np.asarray(painted - arrived)


def pressed_ms(page: Page, press: Any, shown: Any) -> float:
    """Milliseconds from a press to what it shows."""
    begun = time.perf_counter()
    press()
    shown()
    return 1000 * (time.perf_counter() - begun)


def sorting_and_filtering(page: Page) -> dict[str, float]:
    """Milliseconds to sort and to filter the paused tape."""
    page.get_by_label("Pause").click()
    expect(page.locator(".count", has_text="paused")).to_be_visible()
    took = {}
    for column in ("premium", "contract", "time"):
        head = page.locator("th", has_text=column).first
        took[f"sort by {column}"] = pressed_ms(
            page,
            lambda head=head: head.locator("button").click(),
            lambda head=head: expect(head).to_have_attribute("aria-sort", "descending"),
        )
    side = page.get_by_role("combobox", name="side")
    side.click()
    bought = page.get_by_role("option").nth(1)
    took["filter by side"] = pressed_ms(
        page, bought.click, lambda: expect(page.locator("tr.row.sell")).to_have_count(0)
    )
    return took


def measure(
    browser: Browser, url: str, seconds: float, arrived: Path
) -> tuple[np.ndarray, float, dict[str, float], str]:
    """Latencies, paints a second, what sorting and filtering took, and what the tape says of its rows."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(300_000)
    page.goto(f"{url}/flow")
    page.locator("tr.row").first.wait_for()
    page.evaluate(_WATCH)
    page.wait_for_timeout(seconds * 1000)
    paints = page.evaluate("window.tapePaints")
    took = sorting_and_filtering(page)
    told = page.locator(".count").first.inner_text()
    page.close()
    return latencies(paints, np.loadtxt(arrived)), len(paints) / seconds, took, told


def report(rate: int, sessions: int, seconds: float) -> None:
    """Serve, measure and print."""
    minutes = (WARM_S + seconds + MARGIN_S) / 60
    day = {
        "names": NAMES, "minutes": minutes, "warm_minutes": WARM_S / 60, "parents_per_minute": 3.0, "noise_per_s": rate / len(NAMES),
        "slice_ms": 20,
    }  # fmt: skip
    server: subprocess.Popen[bytes] | None = None
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        setup, arrived = Path(folder) / "arrivals.py", Path(folder) / "arrivals.txt"
        setup.write_text(_SETUP.format(log=str(arrived)))
        port = free_port()
        expect.set_options(timeout=300_000)
        try:
            server = start_server(
                port,
                Path(folder) / "server.log",
                "--setup",
                str(setup),
                pages=("flow",),
                period_ms=PERIOD_MS,
                day=day,
            )
            url = f"http://127.0.0.1:{port}"
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            process = psutil.Process(server.pid)
            used, begun = process.cpu_times(), time.perf_counter()
            with listening(url, "flow", "", sessions - 1):
                found, paints, took, told = measure(browser, url, seconds, arrived)
            cores = (sum(process.cpu_times()[:2]) - sum(used[:2])) / (time.perf_counter() - begun)
            browser.close()
        finally:
            if server is not None:
                server.kill()
                server.wait()
        log = np.loadtxt(arrived)
    paced = log[log[:, 0] > log[-1, 0] - 1000 * seconds]
    pace = (paced[-1, 1] - paced[0, 1]) / (paced[-1, 0] - paced[0, 0]) * 1000
    p50, p99 = np.percentile(found, [50, 99])
    print(
        f"{sessions} session(s): {len(found):,} prints at {pace:,.0f}/s, print to pixel p50 {p50:.0f} ms, p99 {p99:.0f} ms; "
        f"{paints:.1f} pictures/s, server {cores:.2f} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(f"  {told}: " + ", ".join(f"{what} {ms:.0f} ms" for what, ms in took.items()), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=int, default=2_000)
    given = parser.parse_args()
    if chromium() is None:
        print("skipped: no Chromium on this machine")
        return
    for sessions in given.sessions:
        report(given.rate, sessions, given.seconds)


if __name__ == "__main__":
    main()
