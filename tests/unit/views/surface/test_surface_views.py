"""The surface page's views over a small market: what they draw is what the surface says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unit.views.market import NOW_NS, SECOND, Market
from workstation.market.tables import MARKS
from workstation.pricing.chain import chain
from workstation.pricing.surface import greek_surface, surface
from workstation.pricing.surface_engine import surface_rows
from workstation.views.shell.session import Live
from workstation.views.surface.choice import SurfaceChoice
from workstation.views.surface.fitted import maturity, surface_of
from workstation.views.surface.map import shown
from workstation.views.surface.views import SurfaceViews
from workstation.views.widgets.theme import DARK, LIGHT


def views_over(market: Market, **choice: object) -> tuple[SurfaceViews, Live]:
    views, live = SurfaceViews(market, SurfaceChoice(**choice), DARK), Live(market)
    for view in views.all:
        live.add(view)
    views.follow_choices(live)
    return views, live


def failures(views: SurfaceViews) -> list[str]:
    return [view.card.failure for view in views.all if hasattr(view, "card") and view.card.failure]


def test_every_view_shows_the_market_without_failing() -> None:
    views, live = views_over(Market())
    assert live.refreshes == len(views.all)
    assert failures(views) == []
    live.repaint(LIGHT)
    assert views.smiles.figure.yaxis[0].major_label_text_color == LIGHT.muted


def test_smiles_show_bid_ask_and_a_curve_between_them() -> None:
    market = Market()
    views, _ = views_over(market)
    for quotes, line in zip(views.smiles.fitted, views.smiles.curves, strict=True):
        data = quotes.data
        assert (data["bid"] <= data["vol"]).all()
        assert (data["vol"] <= data["ask"]).all()
        fitted = np.interp(data["moneyness"], line.data["moneyness"], line.data["vol"])
        inside = (data["moneyness"] >= line.data["moneyness"][0]) & (
            data["moneyness"] <= line.data["moneyness"][-1]
        )
        assert np.allclose(fitted[inside] - data["vol"][inside], data["points"][inside] / 100, atol=2e-4)


def test_the_chosen_expiries_are_the_ones_drawn() -> None:
    market = Market()
    views, _ = views_over(market)
    found = surface_of(market, "BTC")
    assert found is not None
    last = int(found["expiry_ns"].to_numpy()[-1])
    views.choice.expiries = [last]
    assert len(views.smiles.curves[0].data["vol"]) > 0
    assert all(len(line.data["vol"]) == 0 for line in views.smiles.curves[1:])
    assert [key.words for key in views.smiles.card.keys] == [pd.Timestamp(last).strftime("%d %b %y")]


@pytest.mark.parametrize("grid", ["moneyness", "delta"])
@pytest.mark.parametrize(("greek", "scale"), [("vega", 0.01), ("theta", 1 / 365), ("gamma", 1.0)])
def test_the_map_shows_the_chosen_greek_in_desk_units(greek: str, scale: float, grid: str) -> None:
    market = Market()
    views, _ = views_over(market, greek=greek, grid=grid, reach=0.40)
    found = surface(chain(market.latest("marks"), underlying="BTC"))
    wanted = greek_surface(found, greek, on=grid).to_numpy() * scale
    priced = market.priced_chain("BTC")
    assert priced is not None
    drawn, labels = shown(priced, views.choice)
    assert len(labels) == drawn.shape[1]
    if grid == "delta":
        wanted = wanted[:, ::-1]
        assert labels[0] == "2P"
        assert labels[-1] == "2C"
    else:
        wanted = wanted[:, np.abs(found["moneyness"].to_numpy() - 1) <= 0.40 + 1e-9]
    np.testing.assert_allclose(drawn.to_numpy(), wanted)
    heat = views.map.signed if greek == "theta" else views.map.plain
    assert len(heat._cells.data["x"]) == wanted.size


def test_quotes_left_out_are_counted_with_their_reasons() -> None:
    market = Market()
    rows = market.latest("marks").copy()
    expiry = rows["instrument"].astype("str").str.contains("BTC-261225")
    first = np.flatnonzero(expiry)[10:14]
    rows.loc[first, "bid_iv"] = rows.loc[first, "ask_iv"] + 0.05
    market.put("marks", MARKS.conform(rows))
    market.put("exposures", market.latest("exposures"))
    views, _ = views_over(market)
    text = views.fits._table.panel.object
    found = surface_of(market, "BTC")
    assert found is not None
    count = found.attrs["left_out"]["crossed"]
    assert count > 0
    assert f"{count} crossed" in text


def test_the_skew_through_time_is_that_of_the_published_surfaces() -> None:
    market = Market()
    rows = []
    for step in range(5):
        marks = market.latest("marks").copy()
        marks["mark_iv"] += 0.01 * step
        marks["bid_iv"] += 0.01 * step
        marks["ask_iv"] += 0.01 * step
        found = surface(chain(marks, underlying="BTC"))
        rows.append(surface_rows(found).assign(event_ns=NOW_NS + 60 * SECOND * (step - 4)))
    market.put("surfaces", pd.concat(rows, ignore_index=True))
    views, live = views_over(market)
    data = views.skew.rows.data
    assert np.allclose(np.diff(data["atm_iv"]), 0.01, atol=2e-4)
    assert data["atm_iv"][-1] == pytest.approx(maturity(found, "atm_iv", 30), rel=1e-9)
    assert data["rr25"][-1] == pytest.approx(100 * maturity(found, "rr25", 30), rel=1e-9)
    views.choice.days = 90
    assert views.skew.rows.data["atm_iv"][-1] == pytest.approx(maturity(found, "atm_iv", 90), rel=1e-9)
    assert live.refreshes > len(views.all)


def test_without_marks_the_page_says_so() -> None:
    market = Market()
    for table in ("marks", "exposures", "levels"):
        market.put(table, market.latest(table).iloc[:0])
    views, _ = views_over(market)
    assert failures(views) == []
    assert views.smiles.card.value == "no marks"
