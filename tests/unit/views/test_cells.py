"""Cards in a notebook's cell: whole, at their height, live while they are there, and made of the page's own views."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import panel as pn
import pytest
from bokeh.document import Document

from tests.unit.views.market import Market
from workstation import views
from workstation.views.exposure.views import ExposureViews
from workstation.views.shell.cell import Cell, source_of
from workstation.views.shell.notebook_output import in_notebook, notebook
from workstation.views.state.address import address

CARDS = [(views.exposure, name) for name in views.exposure.__all__] + [
    (views.surface, "term_structure"), (views.surface, "panel"), (views.portfolio, "panel"), (views.spacetime, "charts"),
]  # fmt: skip


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


@pytest.mark.parametrize(("page", "name"), CARDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_card_is_shown_at_its_height(page: Any, name: str, market: Market) -> None:
    cell = getattr(page, name)(SimpleNamespace(board=market))
    assert isinstance(cell, Cell)
    session = cell.session()
    assert session.panel.height >= 80
    model = session.panel.get_root(Document())
    assert model.height == session.panel.height
    assert session.live.refreshes >= 1


def test_a_card_is_refreshed_when_the_market_goes_on(market: Market) -> None:
    session = views.exposure.strikes(market).session()
    before = session.live.refreshes
    session.panel.get_root(Document())
    session.look()
    assert session.live.refreshes == before  # nothing new, nothing made
    market.put("marks", market.latest("marks"))
    market.put("exposures", market.latest("exposures"))
    session.look()
    assert session.live.refreshes > before


def test_it_looks_no_more_once_nothing_shows_it(market: Market) -> None:
    session = views.exposure.strikes(market).session()
    market.put("marks", market.latest("marks"))
    market.put("exposures", market.latest("exposures"))
    before = session.live.refreshes
    session.look()
    assert session.live.refreshes == before


def test_two_places_have_views_of_their_own(market: Market) -> None:
    cell = views.exposure.strikes(market)
    one, other = cell.session(), cell.session()
    assert one.panel is not other.panel and one.live is not other.live


def test_choices_are_those_of_the_page(market: Market) -> None:
    assert views.exposure.strikes(market, "ETH", measure="dex").session()
    with pytest.raises(ValueError, match="no options of 'XRP' here; there are BTC, ETH"):
        views.exposure.strikes(market, "XRP")
    with pytest.raises(TypeError, match="no choice 'colour'"):
        views.exposure.strikes(market, colour="red")
    with pytest.raises(ValueError, match="at least 80"):
        views.exposure.strikes(market, height=10)


def test_what_is_no_desk_is_said() -> None:
    with pytest.raises(TypeError, match="a card shows a desk"):
        views.exposure.strikes([])
    assert source_of(SimpleNamespace(board=(board := Market()))) is board


def test_the_address_of_a_notebook_is_left_alone(market: Market) -> None:
    assert address() is None and not in_notebook()
    made = views.exposure.strikes(market).session()
    assert isinstance(made.live.source, Market)


def test_setting_up_does_nothing_where_there_is_no_notebook() -> None:
    notebook()
    assert pn.config.inline


def test_every_view_of_the_page_has_its_card() -> None:
    names = {name for name in dir(ExposureViews) if not name.startswith("_")} - {
        "first",
        "all",
        "follow_choices",
    }
    assert len(names) == len(set(views.exposure.__all__) - {"price", "strikes", "summary", "panel"})
