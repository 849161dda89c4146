"""The space-time page in Chromium: it renders, lives, is moved and led back, tells why, and stays on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ARTIFACTS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
_PATIENCE_MS = 60_000
_MODELS = "[...Bokeh.documents[0].all_models]"
_TIP = _MODELS + ".filter(m => m.type === 'ColumnDataSource' && 'event_ms' in m.data)"
_SIGNALS = _MODELS + ".find(m => m.type === 'ColumnDataSource' && 'why' in m.data && m.data.x.length)"


@pytest.fixture
def opened(served: str, browser: Browser) -> Iterator[Callable[..., Page]]:
    pages: list[Page] = []
    complaints: list[str] = []

    def open_page(query: str = "", width: int = 1440, height: int = 900) -> Page:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(_PATIENCE_MS)
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                complaints.append(f"request to {asked.url}")
                if urlparse(asked.url).hostname not in ("127.0.0.1", None)
                else None
            ),
        )
        page.goto(f"{served}/spacetime{query}")
        page.wait_for_function("document.documentElement.dataset.newestEventMs !== undefined")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not complaints, complaints


def charts(page: Page) -> int:
    return page.locator("h2", has_text=re.compile(r"^Chart \d$")).filter(visible=True).count()


def drag(page: Page, across: float) -> None:
    """Take the first price chart by hand."""
    box = (
        page.locator(".bk-Figure, .bk-FigureView").first.bounding_box()
        or page.locator("canvas").first.bounding_box()
    )
    assert box is not None
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y, steps=6)
    page.mouse.up()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_page_renders_and_is_photographed(
    opened: Callable[..., Page], theme: str, width: int, height: int
) -> None:
    page = opened(f"?theme={theme}", width, height)
    expect(page.locator("h2", has_text="Reversal signals")).to_be_attached()
    expect(page.locator("h2", has_text="Spikes")).to_be_attached()
    page.wait_for_function(_SIGNALS)
    page.wait_for_timeout(1500)
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"spacetime-{theme}-{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert charts(page) == (1 if width < 900 else 2)
    assert page.locator(".failure").count() == 0


@pytest.mark.unproved
def test_one_two_or_four_charts_and_the_choice_is_in_the_address(opened: Callable[..., Page]) -> None:
    page = opened()
    for layout in ("4", "1", "2"):
        page.get_by_role("button", name=layout, exact=True).first.click()
        page.wait_for_function(f"location.search.includes('layout={layout}')")
        expect(page.locator("h2", has_text=re.compile(r"^Chart \d$"))).to_have_count(int(layout))
        if layout == "4":
            page.wait_for_function(
                f"new Set({_TIP}.filter(m => m.data.event_ms.length).map(m => m.id)).size >= 4"
            )
            page.wait_for_timeout(1000)
            page.screenshot(path=ARTIFACTS / "spacetime-four.png")


def test_what_is_shown_moves_with_the_market(opened: Callable[..., Page]) -> None:
    page = opened("?layout=1")
    first = page.evaluate("Number(document.documentElement.dataset.newestEventMs)")
    page.wait_for_function(
        "first => Number(document.documentElement.dataset.newestEventMs) > first + 1000", arg=first
    )


@pytest.mark.unproved
def test_instrument_length_and_layers_are_chosen_in_place(opened: Callable[..., Page]) -> None:
    page = opened("?layout=1")
    page.get_by_role("button", name="1m", exact=True).click()
    page.wait_for_function("decodeURIComponent(location.search).includes('~60~')")
    page.get_by_role("button", name="Layers").click()
    page.get_by_role("menuitem", name="SMA 20 of close").click()
    page.wait_for_function("decodeURIComponent(location.search).includes('sma,')")
    page.keyboard.press("Escape")
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="ETH/USD:ETH", exact=True).click()
    page.wait_for_function("decodeURIComponent(location.search).includes('ETH/USD:ETH~60~')")
    page.reload()
    page.wait_for_function("document.documentElement.dataset.newestEventMs !== undefined")
    assert "ETH/USD:ETH~60~" in unquote(page.url)


@pytest.mark.unproved
@pytest.mark.parametrize("key", ["l", "End"])
def test_moved_by_hand_it_stays_and_a_key_leads_back(opened: Callable[..., Page], key: str) -> None:
    page = opened("?layout=1")
    drag(page, 200)
    expect(page.get_by_role("button", name=re.compile("go live"))).to_be_visible()
    ranges = _MODELS + ".find(m => m.type === 'Figure').x_range"
    held = page.evaluate(f"(r => [r.start, r.end])({ranges})")
    first = page.evaluate("Number(document.documentElement.dataset.newestEventMs)")
    page.wait_for_function(
        "first => Number(document.documentElement.dataset.newestEventMs) > first + 1500", arg=first
    )
    assert page.evaluate(f"(r => [r.start, r.end])({ranges})") == held
    page.keyboard.press(key)
    expect(page.get_by_role("button", name=re.compile("● live"))).to_be_visible()


@pytest.mark.unproved
def test_a_signal_tells_why_it_fired(opened: Callable[..., Page]) -> None:
    page = opened("?layout=1&chart1=BTC/USD:BTC~60~~")
    page.wait_for_function(_SIGNALS)
    place = page.evaluate(
        f"""() => {{
          const source = {_SIGNALS}
          const figure = {_MODELS}.find(m => m.type === 'Figure' && m.renderers.some(r => r.data_source === source))
          const view = Bokeh.index.find_one(figure)
          const {{x, y}} = source.data
          const [x0, x1, y0, y1] = [figure.x_range.start, figure.x_range.end, figure.y_range.start, figure.y_range.end]
          for (let i = x.length - 1; i >= 0; i--) {{
            if (x[i] > x0 && x[i] < x1 && y[i] > y0 && y[i] < y1) {{
              const box = view.el.getBoundingClientRect()
              return [box.x + view.frame.x_scale.compute(x[i]), box.y + view.frame.y_scale.compute(y[i])]
            }}
          }}
        }}"""
    )
    assert place, "no signal in view"
    page.mouse.move(place[0] - 3, place[1])
    page.mouse.move(place[0], place[1], steps=3)
    tooltip = page.locator(".bk-Tooltip .why").first
    expect(tooltip).to_contain_text(re.compile(r"v\d"))
    expect(tooltip).to_contain_text("strength")


@pytest.mark.unproved
def test_nothing_serious_for_those_who_see_or_point_otherwise(opened: Callable[..., Page]) -> None:
    found = Axe().run(opened("?layout=2")).response["violations"]
    grave = [broken for broken in found if broken["impact"] in ("serious", "critical")]
    assert not grave, [(broken["id"], broken["nodes"][0]["html"][:200]) for broken in grave]
