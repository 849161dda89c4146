"""The space-time page in Chromium: it renders, lives, is moved and led back, tells why, and stays on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.browser.conftest import ARTIFACTS, both_themes, grave

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
_MODELS = "[...Bokeh.documents[0].all_models]"
_TIP = _MODELS + ".filter(m => m.type === 'ColumnDataSource' && 'event_ms' in m.data)"
_PRICE = _MODELS + ".filter(m => m.type === 'Figure' && 'share' in m.extra_y_ranges)"
_SIGNALS = _MODELS + ".find(m => m.type === 'ColumnDataSource' && 'why' in m.data && m.data.x.length)"


@pytest.fixture
def open_live(opened: Callable[..., Page]) -> Callable[..., Page]:
    """Opens the page and waits until a price is painted."""

    def open_page(query: str = "", width: int = 1440, height: int = 900) -> Page:
        page = opened("spacetime", query, width, height)
        page.wait_for_function("document.documentElement.dataset.newestEventMs !== undefined")
        return page

    return open_page


def heads(page: Page) -> Locator:
    """Titles of the charts on screen."""
    return page.locator("h2", has_text=re.compile(r"^Chart \d$")).filter(visible=True)


def drag(page: Page, across: float) -> None:
    """Take the first price chart by hand, for as long as it takes until the page says so."""
    plot = page.locator(".bk-Figure").filter(visible=True).first
    plot.wait_for()
    box = plot.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y, steps=8)
    page.mouse.up()
    expect(page.get_by_role("button", name=re.compile("go live")).first).to_be_visible()


def spans(page: Page) -> list[list[float]]:
    """The time axis of every price chart, oldest chart first."""
    found: list[list[float]] = page.evaluate(
        f"{_PRICE}.map(figure => [figure.x_range.start, figure.x_range.end])"
    )
    return found


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_page_renders_and_is_photographed(
    open_live: Callable[..., Page], width: int, height: int
) -> None:
    page = open_live("?theme=light", width, height)
    expect(page.locator("h2", has_text="Reversal signals")).to_be_attached()
    expect(page.locator("h2", has_text="Spikes")).to_be_attached()
    page.wait_for_function(_SIGNALS)
    expect(heads(page)).to_have_count(2)
    ARTIFACTS.mkdir(exist_ok=True)
    for theme in both_themes(page):
        page.screenshot(path=ARTIFACTS / f"spacetime-{theme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(heads(page)).to_have_count(2)
        assert page.locator(".failure").count() == 0
        if width > 900:
            assert grave(page) == {}


@pytest.mark.thorough
def test_a_phone_cuts_no_number_off_and_shows_the_charts_under_each_other(
    open_live: Callable[..., Page],
) -> None:
    page = open_live("?layout=2&chart1=BTC/USD:BTC~10~~", 390, 844)
    expect(heads(page)).to_have_count(2)
    line = page.locator(".read").first
    expect(line).to_contain_text("Int")
    told = line.evaluate(
        """line => {
          const {left, right, bottom} = line.getBoundingClientRect()
          return [...line.children].map(part => [part.textContent, part.getBoundingClientRect()])
            .filter(([, box]) => box.top < bottom - 1).map(([text, box]) => [text, box.left >= left - 1 && box.right <= right + 1])
        }"""
    )
    assert re.search(r"Int .* bps/s (quiet|active|burst|buffer)", line.text_content() or "")
    assert len(told) >= 6 and all(whole for _, whole in told), told
    above, below = (heads(page).nth(place).bounding_box() for place in range(2))
    assert above and below and below["y"] > above["y"] + 260
    signals = page.locator("h2", has_text="Reversal signals").bounding_box()
    assert signals and signals["y"] > below["y"] + 260, "nothing lies over the charts"


@pytest.mark.thorough
def test_one_two_or_four_charts_and_the_choice_is_in_the_address(open_live: Callable[..., Page]) -> None:
    page = open_live()
    for layout in ("4", "1", "2"):
        page.get_by_role("button", name=layout, exact=True).first.click()
        expect(heads(page)).to_have_count(int(layout))
        page.wait_for_function(f"location.search.includes('layout={layout}')")
        if layout == "4":
            page.wait_for_function(f"{_TIP}.filter(m => m.data.event_ms.length).length >= 4")
            page.screenshot(path=ARTIFACTS / "spacetime-four.png")


def test_what_is_shown_moves_with_the_market(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=1")
    rows = page.get_by_role("region", name="Reversal signals").locator("tbody tr")
    expect(rows.first).to_be_visible()
    newest = rows.first.text_content() or ""
    first = page.evaluate("Number(document.documentElement.dataset.newestEventMs)")
    page.wait_for_function(
        "first => Number(document.documentElement.dataset.newestEventMs) > first + 1000", arg=first
    )
    expect(rows.first).not_to_have_text(newest)


@pytest.mark.thorough
def test_a_tick_does_not_style_the_page_anew(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=1")
    page.wait_for_function(_SIGNALS)
    page.evaluate(
        """() => {
          window.sheetsWritten = 0
          const own = Object.getOwnPropertyDescriptor(Node.prototype, 'textContent')
          const set = function (text) { window.sheetsWritten++; own.set.call(this, text) }
          Object.defineProperty(HTMLStyleElement.prototype, 'textContent', {...own, set})
          window.workstationPaints.length = 0
        }"""
    )
    page.wait_for_function("window.workstationPaints.length >= 20")
    assert page.evaluate("window.sheetsWritten / window.workstationPaints.length") < 1, (
        "Bokeh's renderers write their style sheets at every paint again: about twenty a paint"
    )


@pytest.mark.thorough
def test_instrument_length_and_layers_are_chosen_in_place(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=1")
    page.get_by_role("button", name="1m", exact=True).click()
    page.wait_for_function("decodeURIComponent(location.search).includes('~60~')")
    page.get_by_role("button", name="Layers").click()
    page.get_by_role("menuitem", name="SMA 20 of close").click()
    page.wait_for_function("decodeURIComponent(location.search).includes('sma,')")
    page.keyboard.press("Escape")
    page.get_by_role("combobox").first.click()
    page.locator(".MuiMenuItem-root", has_text="ETH/USD:ETH").first.click()
    page.wait_for_function("decodeURIComponent(location.search).includes('ETH/USD:ETH~60~')")
    page.reload()
    page.wait_for_function("document.documentElement.dataset.newestEventMs !== undefined")
    assert "ETH/USD:ETH~60~" in unquote(page.url)


def test_moved_by_hand_it_stays_and_keys_lead_back(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=1&chart1=BTC/USD:BTC~1~~")
    drag(page, 200)
    page.wait_for_function("decodeURIComponent(location.search).match(/~[\\d.]+,[\\d.]+,[\\d.]+,[\\d.]+/)")
    held = spans(page)
    first = page.evaluate("Number(document.documentElement.dataset.newestEventMs)")
    page.wait_for_function(
        "first => Number(document.documentElement.dataset.newestEventMs) > first + 2500", arg=first
    )
    assert spans(page) == held, "candles have come, and the view has stayed"
    for key in ("l", "End"):
        page.keyboard.press(key)
        expect(page.get_by_role("button", name=re.compile("● live"))).to_be_visible()
        page.wait_for_function(f"end => {_PRICE}[0].x_range.end > end", arg=held[0][1])
        drag(page, 200)
        held = spans(page)


def test_charts_are_linked_in_time_until_they_are_let_loose(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=2&chart1=BTC/USD:BTC~10~~&chart2=ETH/USD:ETH~10~~")
    expect(heads(page)).to_have_count(2)
    page.wait_for_function(f"{_TIP}.filter(m => m.data.event_ms.length).length >= 2")
    drag(page, 150)
    page.wait_for_function(
        f"(([a, b]) => Math.abs(a.x_range.start - b.x_range.start) < 1 && Math.abs(a.x_range.end - b.x_range.end) < 1)({_PRICE})"
    )
    expect(page.get_by_role("button", name=re.compile("go live"))).to_have_count(2)
    page.keyboard.press("l")
    expect(page.get_by_role("button", name=re.compile("● live"))).to_have_count(2)
    page.get_by_role("switch", name="Linked in time").click()
    page.wait_for_function("location.search.toLowerCase().includes('linked=false')")
    drag(page, 150)
    expect(page.get_by_role("button", name=re.compile("● live"))).to_have_count(1)


@pytest.mark.thorough
def test_what_is_moved_out_of_view_is_not_painted_over_the_axes(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=1&chart1=BTC/USD:BTC~10~~")
    drag(page, 300)
    page.wait_for_function(
        f"{_PRICE}[0].x_range.end < Number(document.documentElement.dataset.newestEventMs)"
    )
    first = page.evaluate("Number(document.documentElement.dataset.newestEventMs)")
    page.wait_for_function(
        "first => Number(document.documentElement.dataset.newestEventMs) > first", arg=first
    )
    painted = page.evaluate(
        f"""() => {{
          const volume = {_MODELS}.find(m => m.type === 'Figure' && m.center.some(made => made.text?.startsWith('Volume')))
          const view = Bokeh.index.find_one(volume)
          const {{ctx, canvas}} = view.canvas_view.overlays
          const ratio = canvas.width / view.canvas_view.bbox.width
          const from = Math.ceil(ratio * (view.frame.bbox.right + 1))
          return ctx.getImageData(from, 0, canvas.width - from, canvas.height).data.some(value => value > 0)
        }}"""
    )
    assert not painted


@pytest.mark.thorough
def test_the_crosshair_is_told_on_the_axes_of_every_chart(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=2&chart1=BTC/USD:BTC~10~~&chart2=ETH/USD:ETH~60~~")
    page.wait_for_function(f"{_TIP}.filter(m => m.data.event_ms.length).length >= 2")
    box = page.locator(".bk-Figure").filter(visible=True).first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
    tags = f"{_MODELS}.filter(m => m.type === 'ColumnDataSource' && Object.keys(m.data).join() === 'x,y,text').flatMap(m => m.data.text)"
    page.wait_for_function(f"{tags}.length >= 3")
    told = page.evaluate(tags)
    times = [text for text in told if re.fullmatch(r"\d\d \w{3} \d\d:\d\d:\d\d", text)]
    assert len(times) == 2 and times[0] == times[1] and len(told) == 3, told


@pytest.mark.thorough
def test_moved_to_the_left_it_shows_what_the_page_did_not_hold(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=1&chart1=BTC/USD:BTC~1~candles~")
    oldest = f"Math.min(...{_MODELS}.filter(m => m.type === 'ColumnDataSource' && 'open' in m.data && m.data.x.length).map(m => m.data.x[0]))"
    first = page.evaluate(oldest)
    while page.evaluate(f"{_PRICE}[0].x_range.start") > first:
        drag(page, 600)
    page.wait_for_function(f"first => {oldest} < first", arg=first)
    page.wait_for_function(f"{oldest} <= {_PRICE}[0].x_range.start")


_IN_VIEW = f"""() => {{
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
"""Where the newest signal in view is on screen."""


def told_by_a_signal(page: Page) -> str:
    """What the newest signal in view tells under the mouse, which follows it as often as the live chart moves it away."""
    why = page.locator(".bk-Tooltip .why").first
    for _ in range(100):
        place = page.evaluate(_IN_VIEW)
        assert place, "no signal in view"
        page.mouse.move(place[0] - 3, place[1])
        page.mouse.move(place[0], place[1], steps=3)
        with suppress(PlaywrightTimeoutError):
            return why.inner_text(timeout=500)
    raise AssertionError("a signal under the mouse shows no tooltip")


def test_a_signal_tells_why_it_fired(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=1&chart1=BTC/USD:BTC~60~~")
    page.wait_for_function(_SIGNALS)
    told = told_by_a_signal(page)
    assert re.search(r"v\d", told)
    assert "strength" in told
    assert re.search("[<>≤≥]", told)


@pytest.mark.thorough
def test_the_list_tells_why_to_keyboard_and_thumb(open_live: Callable[..., Page]) -> None:
    page = open_live("?layout=1&chart1=BTC/USD:BTC~10~~", 390, 844)
    first = page.get_by_role("region", name="Reversal signals").locator("details").first
    expect(first).to_be_attached()
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    opened = page.get_by_role("region", name="Reversal signals").locator("details[open]")
    expect(opened.locator("td", has_text=re.compile("[<>≤≥]")).first).to_be_visible()
