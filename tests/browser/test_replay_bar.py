"""The replay bar in Chromium: it fits desk and phone, pauses, steps, and takes the page to another minute."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import (
    ARTIFACTS,
    PATIENCE_MS,
    ROOT,
    _stay_here,
    chromium,
    free_port,
    wait_until_alive,
)
from workstation.history import open_history

pytestmark = [pytest.mark.browser, pytest.mark.thorough, pytest.mark.timeout(600)]
START = pd.Timestamp("2026-03-20 14:00")
SECONDS = 600


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Ten minutes of a print a second, served by the command on the smallest page alone."""
    if chromium() is None:
        pytest.skip("no Chromium: install Debian's chromium or name one with WORKSTATION_CHROMIUM")
    folder = tmp_path_factory.mktemp("replayed")
    (folder / "dashboards").mkdir()
    shutil.copy(ROOT / "dashboards" / "health.py", folder / "dashboards")
    seconds = np.arange(SECONDS)
    with open_history(folder / "store", upkeep=False) as history:
        history.write("trades", pd.DataFrame({
            "seq": seconds + 1, "event_ns": START.value + seconds * 10**9, "instrument": "BTC/USD:BTC", "price": 100.0 + seconds, "size": 1.0,
        }))  # fmt: skip
    port, log = free_port(), folder / "server.log"
    server = subprocess.Popen(
        [sys.executable, "-m", "workstation.cli", "replay", "--from", "2026-03-20T14:00", "--to", "2026-03-20T14:10",
         "--history", str(folder / "store"), "--serve", "--speed", "1", "--port", str(port)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log.open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        wait_until_alive(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
    told = log.read_text(errors="replace")
    assert "/workstation/" not in told, told[-4000:]


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, replayed: str) -> Iterator[Page]:
    made = browser.new_page(viewport=dict(zip(("width", "height"), request.param, strict=True)))
    made.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("request", lambda asked: _stay_here(complaints, asked.url))
    made.goto(f"{replayed}/health?theme=light")
    expect(made.get_by_role("button", name="+1 s")).to_be_visible()
    made.evaluate("window.sameDocument = true")
    yield made
    made.close()
    assert not complaints, complaints


def second(page: Page) -> int:
    """Of the recording, as the bar tells it."""
    shown = page.locator("span.at[role=timer] b").inner_text()
    return int((pd.Timestamp(f"{START:%Y-%m-%d} {shown}") - START).total_seconds())


def test_the_bar_fits_and_steers(page: Page) -> None:
    width = page.viewport_size["width"]  # type: ignore[index]
    speed = page.get_by_role("combobox", name="Speed")
    found = [page.get_by_role("button", name=name) for name in ("+1 s",)]
    found += [page.get_by_role("button", name="Pause").or_(page.get_by_role("button", name="Play")), speed]
    middles = set()
    for control in [*found, page.locator("span.at[role=timer]")]:
        box = control.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] <= 30
        middles.add(round(box["y"] + box["height"] / 2) // 4)
    assert len(middles) <= 2, "in one line"
    room = "s => s.clientWidth - parseFloat(getComputedStyle(s).paddingLeft) - parseFloat(getComputedStyle(s).paddingRight)"
    assert speed.evaluate(room) >= 24 and speed.inner_text() == "1x"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"replay-bar-{width}.png", timeout=PATIENCE_MS)

    if page.get_by_role("button", name="Pause").count():
        page.get_by_role("button", name="Pause").click()
    expect(page.locator(".state").filter(has_text="paused")).to_be_visible()
    before = second(page)
    page.get_by_role("button", name="+1 s").click()
    expect(page.locator("span.at[role=timer] b")).not_to_have_text(
        f"{START + pd.Timedelta(before, 's'):%H:%M:%S}"
    )
    assert before < second(page) <= before + 2
    expect(page.locator(".state").filter(has_text="paused")).to_be_visible()
    expect(page.locator(".market[role=timer]")).to_contain_text("replay")


def test_a_minute_that_is_sought_is_shown_by_a_page_that_loads_itself(page: Page) -> None:
    page.locator("input[type=range]").focus()
    page.keyboard.press("End" if second(page) < SECONDS // 2 else "Home")
    page.wait_for_function("window.sameDocument === undefined && document.readyState === 'complete'")
    sought = 540 if page.viewport_size["width"] > 700 else 0  # type: ignore[index]
    expect(page.locator("span.at[role=timer] b")).to_contain_text("14:09" if sought else "14:00")
