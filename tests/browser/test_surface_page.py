"""The surface page in Chromium: it renders in both sizes and themes, obeys its choices, and is quiet."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTIFACTS, both_themes, grave
from tests.browser.test_exposure_page import text

pytestmark = pytest.mark.browser
CARDS = ("Smiles", "IV surface", "Term structure", "Skew over time", "Fits and flags")


def full(page: Page) -> Page:
    """Wait until the page shows a fitted surface."""
    expect(page.locator("dt", has_text="ATM vol")).to_be_visible()
    expect(page.locator("dd .number").first).to_have_text(re.compile(r"\d"))
    expect(page.locator("td", has_text="free").first).to_be_attached()
    return page


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_page_renders_and_is_photographed(opened: Callable[..., Page], width: int, height: int) -> None:
    page = full(opened("surface", query="?theme=light", width=width, height=height))
    for title in CARDS:
        expect(page.locator("h2", has_text=title).first).to_be_attached()
    page.wait_for_function("document.fonts.status === 'loaded'")
    ARTIFACTS.mkdir(exist_ok=True)
    for theme in both_themes(page):
        page.screenshot(path=ARTIFACTS / f"surface-{theme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "Error" not in text(page)
        assert not grave(page)


@pytest.mark.thorough
def test_the_desk_sees_everything_without_scrolling(opened: Callable[..., Page]) -> None:
    page = full(opened("surface"))
    expect(page.locator(".strip")).to_be_visible()
    assert page.locator(".strip").evaluate("strip => strip.getBoundingClientRect().bottom") <= 900


def test_choices_change_what_is_shown_and_stay_in_the_address(opened: Callable[..., Page]) -> None:
    page = full(opened("surface"))
    page.get_by_role("button", name="ETH", exact=True).click()
    expect(page.locator("dt", has_text="ETH ATM vol")).to_be_visible()
    page.get_by_role("button", name="Vega", exact=True).click()
    expect(page.locator("h2", has_text="Vega surface")).to_be_visible()
    page.get_by_role("button", name="Delta", exact=True).last.click()
    page.get_by_role("button", name="90 d", exact=True).click()
    expect(page.locator("dt", has_text="ATM vol 90 d")).to_be_visible()
    page.wait_for_function("['ETH', 'vega', 'delta', '90'].every(word => location.search.includes(word))")
    page.reload()
    full(page)
    expect(page.locator("h2", has_text="Vega surface")).to_be_visible()
    expect(page.locator("dt", has_text="ETH ATM vol 90 d")).to_be_visible()


@pytest.mark.thorough
def test_the_smiles_ticked_are_the_smiles_shown(opened: Callable[..., Page]) -> None:
    page = full(opened("surface"))
    page.get_by_role("button", name=re.compile("menu|sidebar|drawer", re.IGNORECASE)).first.click()
    box = page.get_by_role("checkbox").nth(1)
    expect(box).to_be_visible()
    box.check()
    page.wait_for_function("location.search.includes('expiries')")
    expect(page.locator(".head", has=page.locator("h2", has_text="Smiles")).locator(".key")).to_have_count(1)


@pytest.mark.thorough
def test_the_ledger_is_one_click_away(opened: Callable[..., Page]) -> None:
    page = full(opened("surface"))
    page.get_by_role("button", name="How was this made?").click()
    expect(page.locator("h2", has_text="How this was made")).to_be_visible()
    expect(page.locator("td", has_text="raw SVI")).to_be_visible()
