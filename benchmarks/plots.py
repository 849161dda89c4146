"""How fast pictures come: candles beside hvplot's, five million ticks, and a live plot in a notebook's kernel.

    python benchmarks/plots.py [--minutes 2] [--rate 10000]

First draw is from a frame to pixels in Chromium: Python makes, renders and serialises the plot, the browser builds and paints it.
Rounds of the two are interleaved and the fastest of each counts; beside the time on the clock stands that of the processor, of
Python and of the browser's processes, which a busy machine leaves as it is. The live plot runs in an
IPython kernel of its own that takes so many ticks a second; meanwhile a client asks it to add one and one, over and over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any

import holoviews as hv
import hvplot.pandas  # noqa: F401
import numpy as np
import pandas as pd
import psutil
from bokeh.embed import json_item
from bokeh.resources import INLINE
from jupyter_client.manager import start_new_kernel
from playwright.sync_api import Page, sync_playwright

from workstation import plots
from workstation.plots.saving import _browser

BARS, TICKS, ROUNDS = 10_000, 5_000_000, 5
START = pd.Timestamp("2026-11-01").value
EMBED = """async (item) => {
  document.getElementById('plot').replaceChildren()
  const began = performance.now()
  await Bokeh.embed.embed_item(JSON.parse(item), 'plot')
  await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))
  return performance.now() - began
}"""


def candle_frame(many: int) -> pd.DataFrame:
    """Candles of ten seconds, a random walk."""
    draw = np.random.default_rng(7)
    close = 1e5 + np.cumsum(draw.normal(0, 5, many))
    opened = np.r_[1e5, close[:-1]]
    low, high = np.minimum(opened, close), np.maximum(opened, close)
    return pd.DataFrame({
        "event_ns": START + np.arange(many) * 10**10, "every_ns": 10**10, "open": opened, "high": high + draw.exponential(3, many),
        "low": low - draw.exponential(3, many), "close": close, "volume": draw.exponential(5, many),
    })  # fmt: skip


def browser_cpu() -> float:
    """CPU seconds of the browser's processes so far."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # one that has just ended
            if "chrom" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
    return total


def first_draw(page: Page, make: Callable[[], Any]) -> tuple[float, float, float]:
    """From frame to pixels: seconds on the clock, CPU seconds of Python, CPU seconds of the browser."""
    before, began, cpu = browser_cpu(), time.perf_counter(), time.process_time()
    plot = hv.renderer("bokeh").get_plot(make())
    plot.state.update(sizing_mode="fixed", width=1100, height=420)
    text = json.dumps(json_item(plot.state))
    cpu = time.process_time() - cpu
    page.evaluate(EMBED, text)
    wall = time.perf_counter() - began
    plot.cleanup()
    return wall, cpu, browser_cpu() - before


def candles(page: Page) -> None:
    """Candles of ten thousand bars beside hvplot's on the same frame."""
    frame = candle_frame(BARS)
    frame["time"] = frame["event_ns"].to_numpy().astype("datetime64[ns]")
    makers = {
        "hvplot.ohlc": lambda: frame.hvplot.ohlc("time", ["open", "low", "high", "close"]),
        "plots.candles": lambda: plots.candles(frame),
    }
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in makers}
    for _ in range(ROUNDS):
        for name, make in makers.items():
            taken[name].append(first_draw(page, make))
    best = {name: np.min(rounds[1:], axis=0) for name, rounds in taken.items()}
    for name, (wall, cpu, browser) in best.items():
        print(
            f"{name}, {BARS} bars, to first draw: {1e3 * wall:.0f} ms (CPU: Python {1e3 * cpu:.0f} ms, browser {1e3 * browser:.0f} ms)"
        )
    theirs, ours = best["hvplot.ohlc"], best["plots.candles"]
    print(
        f"candles: {theirs[0] / ours[0]:.1f} x faster on the clock, {theirs[1:].sum() / ours[1:].sum():.1f} x by CPU; wanted 10 x"
    )


def ticks(page: Page) -> None:
    """Five million ticks on screen, and a pan."""
    draw = np.random.default_rng(7)
    frame = pd.DataFrame({
        "event_ns": START + np.cumsum(draw.integers(1, 10**7, TICKS)), "price": 1e5 + np.cumsum(draw.normal(0, 0.5, TICKS)),
    })  # fmt: skip
    plots.ticks(frame.head(10_000))  # the kernel is compiled and kept on disk once
    wall, cpu, browser = min(first_draw(page, lambda: plots.ticks(frame)) for _ in range(3))
    print(
        f"{TICKS} ticks on screen: {wall:.2f} s (CPU: Python {cpu:.2f} s, browser {browser:.2f} s); wanted below 1.5 s"
    )
    made = plots.ticks(frame)
    plot = hv.renderer("bokeh").get_plot(made)
    span = frame["event_ns"].iloc[-1] - START
    pans, spent = [], time.process_time()
    for step in range(20):
        start = pd.Timestamp(int(START + (0.2 + 0.01 * step) * span))
        began = time.perf_counter()
        made.event(x_range=(start, start + pd.Timedelta(span * 0.5)))
        pans.append(1e3 * (time.perf_counter() - began))
    spent = 1e3 * (time.process_time() - spent) / len(pans)
    plot.cleanup()
    print(
        f"a pan over half of them: median {statistics.median(pans):.0f} ms, worst {max(pans):.0f} ms (CPU {spent:.0f} ms); wanted below 100 ms"
    )


LIVE = """
import threading, time, resource
import numpy as np, pandas as pd
from workstation import plots
from workstation.board import Board
from workstation.streams.hub import Hub

hub, board = Hub(), Board()
hub.attach("board", board.tables, board.add)
sent, going = 0, True

def market(rate):
    global sent
    draw, price, began = np.random.default_rng(7), 1e5, time.monotonic()
    while going:
        due = int((time.monotonic() - began) * rate) - sent
        if due > 0:
            price = price + np.cumsum(draw.normal(0, 0.5, due))
            now = time.time_ns()
            hub.publish("trades", pd.DataFrame({"event_ns": np.linspace(now - 10**7, now, due).astype(np.int64),
                                                "instrument": "BTC/USD:BTC", "price": price, "size": 1.0}))
            price, sent = price[-1], sent + due
        time.sleep(0.01)

thread = threading.Thread(target=market, args=(RATE,), daemon=True)
thread.start()
live = plots.live(board, "trades", plots.ticks, every="1s")
live
"""
ASK = """
import gc, os
import psutil
gc.collect()
print(live.pump.pictures, sent, psutil.Process().memory_info().rss // 2**20, live.pump.problem or "no problem")
"""


def told(client: Any, code: str) -> str:
    """What a kernel prints."""
    printed: list[str] = []

    def heard(message: Any) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])
        elif message["msg_type"] == "error":
            raise RuntimeError("\n".join(message["content"]["traceback"]))

    client.execute_interactive(code, output_hook=heard, timeout=300)
    return "".join(printed).strip()


def live_in_a_kernel(minutes: float, rate: int) -> None:
    """A live plot at so many ticks a second: how fast the kernel answers, and whether it grows."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        told(client, LIVE.replace("RATE", str(rate)))
        end = time.monotonic() + 60 * minutes
        quarter = time.monotonic() + 15 * minutes
        answers, early = [], ""
        while time.monotonic() < end:
            began = time.monotonic()
            told(client, "1 + 1")
            answers.append(1e3 * (time.monotonic() - began))
            if not early and time.monotonic() >= quarter:
                early = told(client, ASK)
            time.sleep(0.2)
        late = told(client, ASK)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    (pictures, sent, after, problem), before = late.split(" ", 3), int(early.split()[2])
    answers.sort()
    print(
        f"live plot, {minutes:g} min at {int(sent) / 60 / minutes:.0f} ticks/s: {pictures} pictures, {problem}; the kernel answers in "
        f"{statistics.median(answers):.0f} ms (99 of 100 within {answers[int(0.99 * len(answers))]:.0f} ms, worst {answers[-1]:.0f} ms), "
        f"wanted 200 ms; memory {before} MB after a quarter, {after} MB at the end"
    )


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of the live plot")
    parser.add_argument("--rate", type=int, default=10_000, help="ticks a second of the live plot")
    options = parser.parse_args()
    logging.getLogger("bokeh").setLevel(logging.ERROR)  # a plot without a server has no Python callbacks
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 600})
        page.set_content(f"<html><head>{INLINE.render()}</head><body><div id='plot'></div></body></html>")
        page.wait_for_function("window.Bokeh !== undefined")
        candles(page)
        ticks(page)
        browser.close()
    live_in_a_kernel(options.minutes, options.rate)


if __name__ == "__main__":
    main()
