"""The portfolio page's views over a small market: what they show is what the book says, and it adds up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unit.views.market import NOW_NS, SECOND, Market
from workstation.market.errors import FrameError
from workstation.market.tables import BALANCES, FILLS, MARKS
from workstation.portfolio.explain import PARTS
from workstation.portfolio.pnl import PnlSnapshots
from workstation.portfolio.sample import sample_book, sample_fills
from workstation.views.portfolio.holdings import ALL, PortfolioChoice, explained, holdings, of_book
from workstation.views.portfolio.loading import fills_of
from workstation.views.portfolio.tables import positions_frame
from workstation.views.portfolio.views import PortfolioViews
from workstation.views.shell.session import Live
from workstation.views.widgets import formats
from workstation.views.widgets.theme import DARK, LIGHT

MINUTE = 60 * SECOND


def marked(market: Market) -> pd.DataFrame:
    """The market's marks with a price in coin, by a Black-76 of its own."""
    from scipy.stats import norm

    rows = market.latest("marks").copy()
    terms = (
        rows["instrument"].astype("str").str.extract(r"-(?P<expiry>\d{6})-(?P<strike>\d+)-(?P<right>[CP])$")
    )
    expiry = (pd.to_datetime(terms["expiry"], format="%y%m%d") + pd.Timedelta(hours=8)).astype(
        "datetime64[ns]"
    )
    years = (expiry.astype("int64") - NOW_NS) / (365 * 86_400 * SECOND)
    strike, forward = terms["strike"].astype(float), rows["forward"]
    total = rows["mark_iv"] * np.sqrt(years)
    d1 = np.log(forward / strike) / total + total / 2
    call = forward * norm.cdf(d1) - strike * norm.cdf(d1 - total)
    value = np.where(terms["right"] == "C", call, call - forward + strike)
    return MARKS.conform(rows.assign(mark=value / forward))


@pytest.fixture
def market() -> Market:
    made = Market()
    made.put("marks", marked(made))
    return made


def with_book(market: Market) -> pd.DataFrame:
    """Trade the sample book and let the engine see an hour of moving marks."""
    fills = sample_fills(market.latest("marks"), market.latest("trades"))
    market.put("fills", FILLS.concat([market.latest("fills"), fills]))
    engine, rows = PnlSnapshots(every="1min"), []
    prints = market.latest("trades").groupby("instrument", observed=True).tail(5)
    engine.update(prints, "trades")
    engine.update(fills, "fills")
    for step in range(1, 61):
        marks = market.latest("marks").copy()
        at = NOW_NS + step * MINUTE
        move = 1 + 0.0004 * step
        marks["event_ns"] = at
        for name in ("index", "forward"):
            marks[name] *= move
        marks["mark_iv"] += 0.0002 * step
        rows.append(engine.update(MARKS.conform(marks.assign(mark=np.nan)), "marks"))
        rows.append(engine.update(prints.assign(event_ns=at, price=prints["price"] * move), "trades"))
    pnl = pd.concat([row for row in rows if len(row)], ignore_index=True)
    market.put("pnl", pnl)
    return pnl


def views_over(market: Market, **choice: object) -> tuple[PortfolioViews, Live, list[pd.DataFrame]]:
    published: list[pd.DataFrame] = []
    views = PortfolioViews(market, PortfolioChoice(**choice), DARK, published.append)
    live = Live(market)
    for view in views.all:
        live.add(view)
    views.follow_choices(live)
    return views, live, published


def failures(views: PortfolioViews) -> list[str]:
    return [view.card.failure for view in views.all if hasattr(view, "card") and view.card.failure]


def test_an_empty_book_says_what_to_do(market: Market) -> None:
    views, live, _ = views_over(market)
    assert live.refreshes == len(views.all)
    assert failures(views) == []
    assert "load a paper book" in views.line.panel.object


def test_every_view_shows_the_sample_book_without_failing(market: Market) -> None:
    with_book(market)
    views, live, _ = views_over(market)
    assert failures(views) == []
    assert len(views.positions.table.value) == 10
    live.repaint(LIGHT)
    assert views.explain.bars.data["colour"][-1] == LIGHT.net


def test_totals_are_the_sums_of_the_positions_and_the_coin_delta_is_apart(market: Market) -> None:
    with_book(market)
    made = holdings(market)
    assert made is not None
    by_hand = made.held.groupby(made.held["underlying"].astype("str"))["vega"].sum()
    np.testing.assert_allclose(made.totals["vega"].reindex(by_hand.index), by_hand)
    views, _, _ = views_over(market)
    text = views.totals._table.panel.object
    assert text.count("<tr") == 4
    assert "PA delta, coin" in text
    whole = text.split('class="sum"')[1]
    assert "beside" not in whole
    shown = positions_frame(made)
    assert shown["value"].abs().is_monotonic_decreasing


@pytest.mark.parametrize("period", ["day", "hour", "all"])
def test_the_waterfall_adds_up_to_the_total_to_the_cent(market: Market, period: str) -> None:
    with_book(market)
    views, _, _ = views_over(market, period=period)
    shown = explained(of_book(market), period)
    assert shown is not None
    assert sum(round(100 * shown[part]) for part in PARTS) == round(100 * shown["total"])
    assert "adds up to the cent" in views.explain.card.value
    bars = views.explain.bars.data
    ends = [bars["top"][at] if shown[part] > 0 else bars["bottom"][at] for at, part in enumerate(PARTS)]
    assert ends[-1] == pytest.approx(float(shown["total"]), abs=0.02)
    assert {bars["top"][-1], bars["bottom"][-1]} == {max(shown["total"], 0.0), min(shown["total"], 0.0)}


def test_an_hour_is_the_difference_of_its_ends(market: Market) -> None:
    pnl = with_book(market)
    rows = pnl[pnl["instrument"].isna()]
    newest = rows.iloc[-1]
    before = rows[rows["event_ns"] <= newest["event_ns"] - 30 * MINUTE]
    market.put("pnl", pnl[pnl["event_ns"] >= before["event_ns"].iloc[-1] - 31 * MINUTE])
    shown = explained(of_book(market), "hour")
    assert shown is not None
    first = of_book(market)
    first = first[first["event_ns"] <= newest["event_ns"] - 60 * MINUTE]
    start = float(first["total"].iloc[-1]) if len(first) else 0.0
    assert shown["total"] == pytest.approx(float(newest["total"]) - start, abs=0.01)


def test_the_grid_is_zero_where_nothing_moves_and_follows_the_choice(market: Market) -> None:
    with_book(market)
    views, _, _ = views_over(market)
    cells = np.asarray(views.what_if.map._grid.values)  # type: ignore[union-attr]
    assert cells.shape == (7, 9)
    assert cells[3, 4] == pytest.approx(0.0, abs=1e-6)
    whole = cells.copy()
    views.choice.underlying = "BTC"
    one = np.asarray(views.what_if.map._grid.values)  # type: ignore[union-attr]
    views.choice.underlying = "ETH"
    other = np.asarray(views.what_if.map._grid.values)  # type: ignore[union-attr]
    np.testing.assert_allclose(one + other, whole, atol=1e-6)
    views.choice.underlying = ALL
    views.choice.days = 7.0
    later = np.asarray(views.what_if.map._grid.values)  # type: ignore[union-attr]
    assert abs(later[3, 4]) > 1.0


def test_an_uploaded_book_is_read_and_published(market: Market) -> None:
    views, _, published = views_over(market)
    csv = sample_book(market.latest("marks"), market.latest("trades"))
    views.loader.file.param.update(filename="mine.csv", value=csv.encode())
    assert len(published) == 1
    pd.testing.assert_frame_equal(
        published[0].drop(columns="fill_id"), fills_of(csv.encode(), "mine.csv").drop(columns="fill_id")
    )
    assert "mine.csv" in views.loader._told.panel.object


def test_a_broken_book_is_refused_with_file_line_and_column(market: Market) -> None:
    views, _, published = views_over(market)
    lines = sample_book(market.latest("marks")).splitlines()
    lines[1] = lines[1].replace(",sell,", ",short,").replace(",buy,", ",short,")
    broken = "\n".join(lines).encode()
    with pytest.raises(FrameError, match=r"line 2, column side"):
        fills_of(broken, "mine.csv")
    views.loader.file.param.update(filename="mine.csv", value=broken)
    assert published == []
    assert "line 2, column side" in views.loader._told.panel.object


def test_the_sample_button_trades_at_the_newest_marks(market: Market) -> None:
    views, _, published = views_over(market)
    views.loader.load_sample()
    assert set(published[0]["price"] > 0) == {True}
    assert published[0]["event_ns"].max() <= market.latest("marks")["event_ns"].max()


def test_paper_books_are_removed_at_the_second_press_and_connected_accounts_are_not(market: Market) -> None:
    with_book(market)
    fills = market.latest("fills")
    connected = fills.iloc[:1].assign(account="main", fill_id="venue-1")
    market.put("fills", FILLS.concat([fills, FILLS.conform(connected)]))
    balance = {
        "event_ns": [NOW_NS],
        "venue": str(fills["venue"].iloc[0]),
        "account": "main",
        "currency": "BTC",
    }
    market.put("balances", BALANCES.conform(pd.DataFrame(balance)))
    views, _, published = views_over(market)
    views.loader.remove_books()
    assert published == [] and "press again" in views.loader._told.panel.object
    views.loader.remove_books()
    market.put("fills", FILLS.concat([market.latest("fills"), published[0]]))
    made = holdings(market)
    assert made is not None and set(made.held["account"].astype("str")) == {"main"}
    assert of_book(market)["total"].notna().any() and views.loader.remove.label == "Remove book"
    views.loader.remove_books()
    assert len(published) == 1 and "no paper fills" in views.loader._told.panel.object


def test_the_choice_of_an_underlying_is_of_the_whole_page(market: Market) -> None:
    with_book(market)
    whole = holdings(market)
    assert whole is not None
    names = [str(name) for name in whole.totals.index]
    assert len(names) == 2
    parts = [of_book(market, name).iloc[-1] for name in names]
    book = of_book(market).iloc[-1]
    for amount in ("total", "unrealised", "fees"):
        assert sum(float(part[amount]) for part in parts) == pytest.approx(float(book[amount])), amount
    views, _, _ = views_over(market)
    views.choice.underlying = names[0]
    for view in views.all:
        view.refresh(market)
    assert failures(views) == []
    legs = views.positions.table.value["leg"]
    assert 0 < len(legs) == len(whole.of(names[0]).held) < len(whole.held)
    assert all(leg.startswith(names[0]) for leg in legs)
    shown = views.explain.shown
    assert shown is not None and float(shown["total"]) == pytest.approx(float(parts[0]["total"]), abs=0.01)
    assert views.curves.rows.data["total"][-1] == pytest.approx(float(parts[0]["total"]))


def test_one_leg_without_a_mark_blanks_no_sum_and_is_named(market: Market) -> None:
    with_book(market)
    whole = holdings(market)
    assert whole is not None
    leg = str(whole.held["instrument"].astype("str").loc[whole.held["kind"] == "option"].iloc[0])
    rest = whole.held[whole.held["instrument"].astype("str") != leg]
    marks = market.latest("marks")
    gone = (marks["instrument"] == leg).to_numpy()
    market.put("marks", marks[~gone].reset_index(drop=True))
    made = holdings(market)
    assert made is not None
    assert set(made.unpriced) == {leg}
    by_hand = rest.groupby(rest["underlying"].astype("str"))[["vega", "unrealised_usd"]].sum()
    np.testing.assert_allclose(made.totals[["vega", "unrealised_usd"]].reindex(by_hand.index), by_hand)
    views, _, _ = views_over(market)
    assert "1 leg without a market left out" in views.totals.card.value
    assert leg in views.line.panel.object
    vega = views.line.panel.object.split("<dt>Vega</dt>")[1]
    assert formats.usd(float(by_hand["vega"].sum()), 3, signed=True) in vega.split("</dd>")[0]


def test_an_explain_that_stands_still_says_since_when(market: Market) -> None:
    pnl = with_book(market)
    blank = pnl[pnl["instrument"].isna()].tail(1)
    later = blank.assign(event_ns=blank["event_ns"] + 120 * SECOND, total=np.nan)
    market.put("pnl", pd.concat([pnl, later], ignore_index=True))
    views, _, _ = views_over(market)
    assert "a leg has had no mark for 2" in views.explain.card.unit
