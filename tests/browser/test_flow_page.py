"""The flow page in Chromium: rows come, a filter holds, an alert opens its evidence, both sizes and themes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTIFACTS, both_themes, grave, serving
from tests.browser.test_exposure_page import text

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not os.environ.get("WORKSTATION_FLOW_PAGE"),
        reason="minutes of two cores: the page's own desk draws an options day; make browser-flow",
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The flow page alone: its desk has the machine."""
    with serving(tmp_path_factory.mktemp("flow") / "server.log", pages=("flow",)) as address:
        yield address


def full(page: Page) -> Page:
    """Wait until the page shows prints and alerts."""
    expect(page.locator("tr.row").first).to_be_attached()
    expect(page.locator("[data-alert]").first).to_be_attached()
    return page


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_page_renders_and_an_alert_opens_its_evidence(
    opened: Callable[..., Page], width: int, height: int
) -> None:
    page = full(opened("flow", query="?theme=light", width=width, height=height))
    page.wait_for_function("document.fonts.status === 'loaded'")
    ARTIFACTS.mkdir(exist_ok=True)
    for theme in both_themes(page):
        page.screenshot(path=ARTIFACTS / f"flow-{theme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "Error" not in text(page)
        assert theme == "dark" or width < 1000 or not grave(page)
    page.locator("[data-alert]").first.click()
    expect(page.locator("h3", has_text="Score: the sum of its parts")).to_be_visible()
    expect(page.locator("h3", has_text="What happened after")).to_be_attached()
    page.wait_for_function("location.search.includes('alert=')")
    title = page.locator("h2", has_text=re.compile("^(SPY|NVDA) .* · "))
    title.evaluate(
        "async shown => { while (shown.getBoundingClientRect().right > innerWidth) await new Promise(requestAnimationFrame) }"
    )
    box = title.bounding_box()
    assert box is not None and box["x"] >= 0, "the drawer is no wider than the window"


def test_a_filter_holds_and_stays_in_the_address(opened: Callable[..., Page]) -> None:
    page = full(opened("flow", query="?ticker=NVDA"))
    expect(page.locator("tr.row td", has_text=re.compile("^NVDA .* [CP]$")).first).to_be_attached()
    expect(page.locator("tr.row td", has_text=re.compile("^SPY "))).to_have_count(0)
