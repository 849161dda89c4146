"""Memory over a long run: the synthetic market at 10 000 ticks/s, pages open in Chromium.

Run ``python benchmarks/soak.py --minutes 30 --pages exposure spacetime``. Prints the resident memory of the server and the
JavaScript heap of each page three times a minute and the growth per hour by least squares over the second half; fresh caches
fill in the first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

from workstation.cli.serving import free_port

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import FLAGS, chromium


def growth_mb_per_hour(minutes: list[float], megabytes: list[float]) -> float:
    """Slope over the second half."""
    half = len(minutes) // 2
    return float(np.polyfit(minutes[half:], megabytes[half:], 1)[0] * 60) if half > 1 else float("nan")


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=30)
    options.add_argument("--pages", nargs="+", default=["exposure", "spacetime"])
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
    try:
        opened(server)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            pages = [browser.new_page(viewport={"width": 1440, "height": 900}) for _ in chosen.pages]
            for page, name in zip(pages, chosen.pages, strict=True):
                page.goto(f"http://127.0.0.1:{port}/{name}", timeout=120_000)
            watch(psutil.Process(server.pid), dict(zip(chosen.pages, pages, strict=True)), chosen.minutes)
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


def watch(server: psutil.Process, pages: dict[str, Page], minutes: float) -> None:
    """Print a line three times a minute, then the growth."""
    at: list[float] = []
    held: dict[str, list[float]] = {"server": [], **{name: [] for name in pages}}
    began = time.monotonic()
    server.cpu_percent()
    while time.monotonic() - began < minutes * 60:
        next(iter(pages.values())).wait_for_timeout(20_000)
        at.append((time.monotonic() - began) / 60)
        held["server"].append(server.memory_info().rss / 2**20)
        for name, page in pages.items():
            held[name].append(page.evaluate("performance.memory.usedJSHeapSize") / 2**20)
        sizes = "".join(f"{name:>12} {sizes[-1]:6.0f} MB" for name, sizes in held.items())
        print(f"{at[-1]:6.1f} min{sizes}  cpu {server.cpu_percent():4.0f} %", flush=True)
    for name, sizes in held.items():
        print(f"growth per hour in the second half: {name} {growth_mb_per_hour(at, sizes):+.0f} MB")


if __name__ == "__main__":
    main()
