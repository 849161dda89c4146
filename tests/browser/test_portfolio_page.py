"""The portfolio page in Chromium: a book on the invented market, living PnL, an explain that adds up, a CSV of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTIFACTS, both_themes, grave
from tests.browser.test_exposure_page import text

pytestmark = pytest.mark.browser
CARDS = ("Totals by underlying", "Cumulative PnL", "PnL explain", "Positions", "What if")


def full(page: Page) -> Page:
    """Wait until the page shows a book with its PnL."""
    expect(page.locator("dt", has_text="Vega")).to_be_visible()
    expect(page.locator(".value", has_text="adds up to the cent")).to_be_visible()
    expect(page.locator(".tabulator-row").first).to_be_attached()
    return page


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_page_renders_and_is_photographed(opened: Callable[..., Page], width: int, height: int) -> None:
    page = full(opened("portfolio", query="?theme=light", width=width, height=height))
    for title in CARDS:
        expect(page.locator("h2", has_text=title).first).to_be_attached()
    page.wait_for_function("document.fonts.status === 'loaded'")
    ARTIFACTS.mkdir(exist_ok=True)
    for theme in both_themes(page):
        page.screenshot(path=ARTIFACTS / f"portfolio-{theme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "Error" not in text(page)
        assert not grave(page)


@pytest.mark.thorough
def test_the_desk_sees_everything_without_scrolling(opened: Callable[..., Page]) -> None:
    page = full(opened("portfolio"))
    expect(page.locator(".strip")).to_be_visible()
    assert page.locator(".strip").evaluate("strip => strip.getBoundingClientRect().bottom") <= 900


@pytest.mark.thorough
def test_the_book_moves_with_the_market(opened: Callable[..., Page]) -> None:
    page = full(opened("portfolio"))
    unrealised = page.locator(".cell", has=page.locator("dt", has_text="Unrealised")).locator(".number")
    first = unrealised.text_content() or ""
    expect(unrealised).not_to_have_text(first, timeout=30_000)


@pytest.mark.thorough
def test_choices_change_the_explain_and_the_grid_and_stay_in_the_address(opened: Callable[..., Page]) -> None:
    page = full(opened("portfolio"))
    page.get_by_role("button", name="Since start", exact=True).click()
    expect(page.locator(".unit", has_text="USD, since start")).to_be_visible()
    page.get_by_role("button", name="+7 d", exact=True).click()
    expect(page.locator(".unit", has_text="spot × vol after 7 d")).to_be_visible()
    page.get_by_role("button", name="By leg", exact=True).click()
    expect(page.locator(".key", has_text="book")).to_be_visible()
    page.wait_for_function("['all', '7', 'legs'].every(word => location.search.includes(word))")
    page.reload()
    full(page)
    expect(page.locator(".unit", has_text="spot × vol after 7 d")).to_be_visible()


def test_a_book_of_ones_own_is_loaded_and_a_broken_one_is_refused(opened: Callable[..., Page]) -> None:
    page = full(opened("portfolio"))
    head = "time,venue,instrument,side,size,price,fee,fee_currency,kind"
    broken = f"{head}\n2026-03-20T05:00:00Z,deribit,BTC-PERPETUAL,hold,7000,70000,0,BTC,trade\n"
    chooser = page.locator("input[type=file]")
    chooser.set_input_files({"name": "broken.csv", "mimeType": "text/csv", "buffer": broken.encode()})
    expect(page.get_by_role("alert").filter(has_text="line 2, column side")).to_be_visible()
    sound = f"{head}\n2026-03-20T05:00:00Z,deribit,BTC-PERPETUAL,buy,7000,70000,0,BTC,trade\n"
    chooser.set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": sound.encode()})
    expect(page.get_by_role("status").filter(has_text="1 fills of mine.csv")).to_be_visible()
    expect(page.locator(".tabulator-cell", has_text=re.compile("^deribit$"))).to_be_visible()
    chooser.set_input_files(
        {"name": "huge.csv", "mimeType": "text/csv", "buffer": head.encode() + b"\n" * (25 << 20)}
    )
    expect(
        page.get_by_role("alert").filter(has_text="huge.csv has 25.0 MiB; a page takes files of up to 24 MiB")
    ).to_be_visible()


@pytest.mark.thorough
def test_the_ledger_is_one_click_away(opened: Callable[..., Page]) -> None:
    page = full(opened("portfolio"))
    page.get_by_role("button", name="How was this made?").click()
    expect(page.locator("th", has_text="PA delta").last).to_be_visible()
