"""Memory of the serving process over a long run: the synthetic market at 10 000 ticks/s, one page open in Chromium.

Run ``python benchmarks/soak.py --minutes 30``. Prints the resident memory of server and page every minute and the growth per
hour by least squares over the second half; fresh caches fill in the first.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time

import numpy as np
import psutil
from playwright.sync_api import sync_playwright

from workstation.cli.serving import free_port

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]


def growth_mb_per_hour(minutes: list[float], megabytes: list[float]) -> float:
    """Slope over the second half."""
    half = len(minutes) // 2
    return float(np.polyfit(minutes[half:], megabytes[half:], 1)[0] * 60) if half > 1 else float("nan")


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=30)
    options.add_argument("--page", default="exposure")
    options.add_argument("--rate", type=int, default=10_000)
    chosen = options.parse_args()
    port = free_port("127.0.0.1", 0)
    command = [
        sys.executable,
        "-m",
        "workstation.cli",
        "demo",
        "--port",
        str(port),
        "--rate",
        str(chosen.rate),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        opened(server)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"http://127.0.0.1:{port}/{chosen.page}", timeout=120_000)
            watch(psutil.Process(server.pid), page, chosen.minutes)
            browser.close()
    finally:
        server.terminate()
        server.wait(60)


def opened(server: subprocess.Popen[str]) -> None:
    """Wait until the server says where it is."""
    for line in server.stdout or ():
        print(line, end="", flush=True)
        if line.startswith("The workstation is at"):
            return
    raise RuntimeError("the workstation ended before it was open")


def watch(server: psutil.Process, page: object, minutes: float) -> None:
    """Print a line a minute, then the growth."""
    at, server_mb, page_mb = [], [], []
    began = time.monotonic()
    server.cpu_percent()
    while time.monotonic() - began < minutes * 60:
        page.wait_for_timeout(20_000)  # type: ignore[attr-defined]
        at.append((time.monotonic() - began) / 60)
        server_mb.append(server.memory_info().rss / 2**20)
        page_mb.append(page.evaluate("performance.memory.usedJSHeapSize") / 2**20)  # type: ignore[attr-defined]
        print(
            f"{at[-1]:6.1f} min  server {server_mb[-1]:7.0f} MB  page {page_mb[-1]:6.0f} MB  cpu {server.cpu_percent():4.0f} %",
            flush=True,
        )
    print(
        f"growth per hour: server {growth_mb_per_hour(at, server_mb):+.0f} MB, page {growth_mb_per_hour(at, page_mb):+.0f} MB"
    )


if __name__ == "__main__":
    main()
