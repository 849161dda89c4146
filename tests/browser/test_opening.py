"""How a page is opened in Chromium: its scripts are read while its session is made, each once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
_SCRIPT = "performance.getEntriesByType('resource').filter(e => e.name.includes('/bokeh.min.js'))"
_PAGE = "performance.getEntriesByType('navigation')[0]"
_CANVAS = "document.documentElement.dataset.newestEventMs !== undefined"


@pytest.mark.parametrize("route", ["spacetime", "exposure"])
def test_scripts_are_read_before_the_session_is_made(opened: Callable[..., Page], route: str) -> None:
    for theme in ("dark", "light"):
        page = opened(route, f"?theme={theme}")
        page.wait_for_function(_CANVAS)
    asked, answered = page.evaluate(f"[{_SCRIPT}[0].startTime, {_PAGE}.responseEnd]")
    assert asked < answered, "the head came alone"
    assert page.evaluate(f"{_SCRIPT}.length") == 1
    assert page.locator("script[src*='bokeh.min.js']").count() == 1
    assert page.evaluate("document.querySelectorAll('head').length") == 1
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    assert page.evaluate("document.characterSet") == "UTF-8"
