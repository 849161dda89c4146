"""The exposure page in Chromium: it renders, lives, obeys, is quiet on the console, and stays on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTIFACTS, both_themes, grave

pytestmark = pytest.mark.browser
_TEXT = """() => {
  const found = []
  const walk = node => {
    if (node.nodeType === 3) { if (node.textContent.trim()) found.push(node.textContent.trim()); return }
    if (node.tagName === 'STYLE' || node.tagName === 'SCRIPT') return
    if (node.shadowRoot) walk(node.shadowRoot)
    for (const child of node.childNodes) walk(child)
  }
  walk(document.body)
  return found.join(' ')
}"""


_HEADS = """() => {
  const heads = []
  const walk = node => {
    if (node.classList?.contains('head')) heads.push(node)
    for (const child of [...(node.shadowRoot?.children ?? []), ...(node.children ?? [])]) walk(child)
  }
  walk(document.body)
  return heads.filter(head => head.getBoundingClientRect().width > 0).map(head => {
    const unit = head.querySelector('.unit')
    return {title: head.querySelector('h2').textContent, unit: unit.textContent, clipped: unit.scrollWidth > unit.clientWidth + 1}
  })
}"""


def full(page: Page) -> Page:
    """Wait until the page shows a whole snapshot."""
    expect(page.locator("dt", has_text="Net GEX")).to_be_visible()
    expect(page.locator("dd .number").first).to_have_text(re.compile(r"\d"))
    page.wait_for_function("document.documentElement.dataset.newestEventMs !== undefined")
    return page


def below(page: Page) -> Page:
    """Wait until what lies below the fold was made."""
    expect(page.locator("h2", has_text="IV smile")).to_be_attached()
    return page


def text(page: Page) -> str:
    return str(page.evaluate(_TEXT)).replace("\u202f", " ")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_page_renders_and_is_photographed(opened: Callable[..., Page], width: int, height: int) -> None:
    page = below(full(opened(query="?theme=light", width=width, height=height)))
    for title in (
        "Price",
        "GEX by strike",
        "Change of net GEX",
        "Net GEX over spot",
        "GEX, strike × expiry",
        "Cascade risk",
        "Smart money",
        "Forced flow",
        "Key levels",
        "IV smile",
        "Net GEX over time",
    ):
        expect(page.locator("h2", has_text=title).first).to_be_attached()
    page.wait_for_function("document.fonts.status === 'loaded'")
    ARTIFACTS.mkdir(exist_ok=True)
    for theme in both_themes(page):
        page.screenshot(path=ARTIFACTS / f"exposure-{theme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "Error" not in text(page)
        if width > 900:
            assert grave(page) == {}


def test_the_desk_sees_everything_without_scrolling_with_its_units_and_it_moves(
    opened: Callable[..., Page],
) -> None:
    page = below(full(opened()))
    expect(page.locator(".strip")).to_be_visible()
    assert page.locator(".strip").evaluate("strip => strip.getBoundingClientRect().bottom") <= 900
    heads = page.evaluate(_HEADS)
    assert len(heads) >= 14
    assert [head["title"] for head in heads if not head["unit"]] == []
    assert [head["title"] for head in heads if head["clipped"]] == []
    first = page.evaluate("document.documentElement.dataset.newestEventMs")
    page.wait_for_function(
        "first => Number(document.documentElement.dataset.newestEventMs) > Number(first) + 500", arg=first
    )


def test_choices_change_what_is_shown_and_stay_in_the_address(opened: Callable[..., Page]) -> None:
    page = full(opened())
    page.get_by_role("button", name="ETH", exact=True).click()
    expect(page.locator("dt", has_text="ETH price")).to_be_visible()
    page.get_by_role("button", name="DEX", exact=True).click()
    expect(page.locator("h2", has_text="DEX by strike")).to_be_visible()
    page.get_by_role("button", name="Calls short", exact=True).click()
    expect(page.locator(".cell", has=page.locator("dt", has_text="Net GEX"))).to_be_visible()
    page.wait_for_function(
        "location.search.includes('ETH') && location.search.includes('dex') && location.search.includes('calls_short')"
    )
    page.reload()
    full(page)
    expect(page.locator("dt", has_text="ETH price")).to_be_visible()
    expect(page.locator("h2", has_text="DEX by strike")).to_be_visible()


@pytest.mark.thorough
def test_a_choice_makes_one_history_entry_and_follows_to_other_pages(opened: Callable[..., Page]) -> None:
    page = full(opened())
    before = page.evaluate("history.length")
    page.get_by_role("button", name="ETH", exact=True).click()
    expect(page.locator("dt", has_text="ETH price")).to_be_visible()
    page.wait_for_function("location.search.includes('ETH')")
    assert page.evaluate("history.length") <= before + 1
    page.locator("nav a", has_text="surface").click()
    expect(page.locator("dt", has_text="ETH ATM vol")).to_be_visible()


@pytest.mark.thorough
def test_the_wheel_over_a_chart_scrolls_the_page(opened: Callable[..., Page]) -> None:
    page = full(opened())
    wheels = "[...Bokeh.documents[0].all_models].filter(m => m.type === 'WheelZoomTool').length"
    assert page.evaluate(wheels) > 0
    canvas = page.locator("canvas").first
    box = canvas.bounding_box()
    assert box is not None
    before = page.locator("h2", has_text="by strike").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, 400)
    page.wait_for_timeout(500)
    after = page.locator("h2", has_text="by strike").first.bounding_box()
    assert before is not None and after is not None
    assert after["y"] < before["y"] - 50


@pytest.mark.thorough
def test_another_sign_model_turns_net_gex_round(opened: Callable[..., Page]) -> None:
    page = full(opened())
    net = page.locator(".cell", has=page.locator("dt", has_text="Net GEX")).locator(".number")
    sign = (net.text_content() or "")[0]
    page.get_by_role("button", name="Calls short", exact=True).click()
    expect(net).to_have_text(re.compile("^" + re.escape("−" if sign == "+" else "+")))


def test_the_ledger_is_one_click_away(opened: Callable[..., Page]) -> None:
    page = full(opened())
    page.get_by_role("button", name="How was this made?").click()
    expect(page.locator("h2", has_text="How this was made")).to_be_visible()
    expect(page.locator("th", has_text="Sign model")).to_be_visible()


@pytest.mark.thorough
def test_the_theme_toggle_repaints_page_and_plots(opened: Callable[..., Page]) -> None:
    page = full(opened(query="?theme=dark"))
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_function("before => getComputedStyle(document.body).backgroundColor !== before", arg=before)
    page.wait_for_function(
        "() => [...Bokeh.documents[0].all_models].filter(m => m.type === 'Rect').some(m => m.line_color.value === '#0a62b8')"
    )
    page.wait_for_function("location.search.includes('theme=light')")


def test_the_chart_moved_by_hand_stays_until_live_is_pressed(opened: Callable[..., Page]) -> None:
    page = full(opened())
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 160, y + 20, steps=6)
    page.mouse.up()
    chip = page.get_by_role("button", name=re.compile("go live"))
    expect(chip).to_be_visible()
    page.wait_for_function("location.search.includes('window')")
    chip.click()
    expect(page.get_by_role("button", name=re.compile("● live"))).to_be_visible()


@pytest.mark.thorough
def test_the_keyboard_reaches_and_works_the_choices(opened: Callable[..., Page]) -> None:
    page = full(opened())
    page.get_by_role("button", name="BTC", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("dt", has_text="ETH price")).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_health_page_tells_the_feeds(opened: Callable[..., Page], theme: str) -> None:
    page = opened("health", query=f"?theme={theme}")
    expect(page.locator("td", has_text="synthetic").first).to_be_visible()
    expect(page.locator("h2", has_text="Events")).to_be_visible()
    expect(page.locator(".strip")).to_be_visible()
    assert grave(page) == {}


@pytest.mark.thorough
def test_every_sign_model_gives_a_live_result_within_the_band(opened: Callable[..., Page]) -> None:
    page = below(full(opened()))
    net = page.locator(".cell", has=page.locator("dt", has_text="Net GEX"))
    for label, code in (
        ("Calls short", "calls_short"), ("Short all", "short_all"), ("Calls long", "calls_long"), ("Taker flow", "flow"),
    ):  # fmt: skip
        page.get_by_role("button", name=label, exact=True).click()
        page.wait_for_function("code => location.search.includes(code)", arg=code)
        expect(net.locator(".number")).to_have_text(re.compile(r"[+−]\$\d"))
        expect(net.locator(".band")).to_have_text(re.compile(r"\$.+ … .*\$"))
        expect(page.locator(".key", has_text="4 sign models")).to_be_visible()
        expect(page.locator(".value", has_text=re.compile(r"net [+−]\$\d"))).to_be_visible()
        change = page.locator(".head", has=page.locator("h2", has_text="Change of net GEX"))
        assert change.count() == 1
        if code != "flow":
            expect(page.locator("td", has_text="30 min")).to_be_visible()
    expect(page.locator(".empty", has_text="This sign model is not recorded").first).to_be_visible()
    page.get_by_role("button", name="How was this made?").click()
    expect(page.locator("td", has_text="signed taker flow")).to_be_visible()
    expect(page.locator("th", has_text="Flow since")).to_be_visible()


@pytest.mark.thorough
def test_a_phones_header_holds_clock_and_theme_and_its_choices_are_as_large_as_a_thumb(
    opened: Callable[..., Page],
) -> None:
    page = below(full(opened(width=390, height=844)))
    clock = page.locator(".utc")
    expect(clock).to_be_visible()
    assert clock.evaluate("clock => clock.getBoundingClientRect().right") <= 390
    toggle = page.get_by_role("button", name="Toggle theme")
    box = toggle.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    here = page.locator("nav a[aria-current]").bounding_box()
    assert here is not None
    assert here["x"] >= 0
    assert here["x"] + here["width"] <= 390
    toggle.click()
    page.wait_for_function("location.search.includes('theme=light')")
    measure = page.get_by_role("button", name="Vanna", exact=True)
    box = measure.bounding_box()
    assert box is not None
    assert box["height"] >= 32
    measure.click()
    expect(page.locator("h2", has_text="Vanna by strike")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
