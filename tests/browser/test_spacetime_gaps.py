"""A feed that is killed, frozen and brought back, as the space-time page shows it: the gap, what fills it, and what follows."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, ROOT, free_port, wait_until_alive
from tests.wire.iqfeed_server import IQFeedServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
TICKS, EVERY_S = 10, 0.05
_SOURCES = "[...(window.Bokeh?.documents?.[0]?.all_models ?? [])].filter(m => m.type === 'ColumnDataSource')"
_BANDS = f"{_SOURCES}.find(m => 'x0' in m.data && 'words' in m.data)?.data"
_CANDLES = f"{_SOURCES}.find(m => 'open' in m.data)?.data"
_SIGNALS = f"{_SOURCES}.find(m => 'why' in m.data)?.data"
_NEWEST = "Number(document.documentElement.dataset.newestEventMs)"


class Venue:
    """A venue on a thread of its own, whose market goes on whether or not anybody hears it."""

    def __init__(self) -> None:
        self.server = IQFeedServer()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.do(self.server.start())
        self._market = asyncio.run_coroutine_threadsafe(self._trade(), self._loop)

    def do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _trade(self) -> None:
        rng, price, step = random.Random(7), 182.5, 0
        while True:
            step += 1
            burst = 6.0 if math.sin(step / 40) > 0.8 else 1.0
            made = []
            for _ in range(TICKS):
                price += burst * rng.gauss(0.0, 0.01)
                made.append(self.server.trade(price=round(price, 2)))
            self.server.push(*made)
            await asyncio.sleep(EVERY_S)

    def close(self) -> None:
        self._market.cancel()
        self.do(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue()
    yield made
    made.close()


@pytest.fixture
def address(venue: Venue, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    options = {"symbols": ["AAPL"], "silence_s": 2.0, **venue.server.options}
    environment = {
        **os.environ,
        "WORKSTATION_FEEDS": '["iqfeed"]',
        "WORKSTATION_FEED_OPTIONS": json.dumps({"iqfeed": options}),
        "WORKSTATION_RECORD": "false",
    }
    command = [sys.executable, "-m", "panel", "serve", str(ROOT / "dashboards" / "spacetime.py"), "--port", str(port),
               "--address", "127.0.0.1", "--allow-websocket-origin", f"127.0.0.1:{port}", "--liveness", "--warm"]  # fmt: skip
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    wait_until_alive(f"http://127.0.0.1:{port}", server)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(20)


@pytest.fixture
def page(address: str, browser: Any) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(2 * PATIENCE_MS)
    made.goto(f"{address}/spacetime?layout=1&chart1=AAPL~1~candles,volume,v1,v2,v3,v4~")
    made.wait_for_function(f"{_CANDLES}.x.length > 5")
    yield made
    made.context.close()


def outage(page: Page, begin: Callable[[], None], end: Callable[[], None]) -> tuple[float, float]:
    """Let the page see an outage of some seconds; the gap in ms, a second inside its ends."""
    bands = page.evaluate(f"{_BANDS}.x0.length")
    down_ms = 1000 * time.time()
    begin()
    page.wait_for_function(f"bands => {_BANDS}.x0.length > bands", arg=bands)
    expect(page.locator(".value", has_text="⚠").filter(visible=True).first).to_be_visible()
    while 1000 * time.time() < down_ms + 5000:
        page.wait_for_timeout(50)
    up_ms = 1000 * time.time()
    end()
    return down_ms + 1000, up_ms - 1000


def assert_mended(page: Page, gap: tuple[float, float]) -> None:
    """What was missed has been filled in, the market goes on, the band stays and no signal stands in it."""
    page.wait_for_function(f"end => {_NEWEST} > end + 4000", arg=gap[1])
    page.wait_for_function(
        f"([from, to]) => {_CANDLES}.x.filter(x => x > from && x < to).length >= (to - from) / 1000 - 1",
        arg=gap,
    )
    x = page.evaluate(f"Array.from({_CANDLES}.x)")
    assert x == sorted(x) and len(set(x)) == len(x)
    bands = page.evaluate(
        f"(({{x0, x1, words}}) => Array.from(x0).map((from, i) => [from, x1[i], words[i]]))({_BANDS})"
    )
    within = [band for band in bands if band[0] <= gap[1] and band[1] >= gap[0]]
    assert within, bands
    assert all("no signals across it" in words for *_, words in within)
    signals = page.evaluate(f"Array.from({_SIGNALS}.x)")
    assert not [at for at in signals for begin, end, _ in within if begin < at < end]


def test_a_feed_killed_and_brought_back(page: Page, venue: Venue) -> None:
    gap = outage(page, lambda: venue.do(venue.server.stop()), lambda: venue.do(venue.server.start()))
    assert_mended(page, gap)


@pytest.mark.thorough
def test_a_feed_frozen_and_thawed(page: Page, venue: Venue) -> None:
    def silent(now: bool) -> None:
        venue.server.silent = now

    gap = outage(page, lambda: silent(True), lambda: silent(False))
    assert_mended(page, gap)
