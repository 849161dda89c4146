"""What grew on the exposure page: maps, open interest, risk, smart money, key levels, and what is shown when nothing trades."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import panel as pn
import pytest
from bokeh.document import Document
from bokeh.events import DoubleTap
from bokeh.models import WheelZoomTool
from panel.io.state import set_curdoc

from tests.unit.views.market import NOW_NS, SECOND, Market
from workstation.board.board import Board
from workstation.exposure.book import exposure
from workstation.exposure.open_interest import open_interest
from workstation.exposure.scenario import forced_flow
from workstation.market.tables import ALERTS, CASCADE, MARKS, QUOTES, TRADES
from workstation.pricing.chain import chain
from workstation.views.exposure.recorded import changes
from workstation.views.exposure.views import ExposureViews
from workstation.views.shell.health import MarketClock
from workstation.views.shell.session import Live
from workstation.views.state.choice import Choice
from workstation.views.widgets import formats
from workstation.views.widgets.theme import DARK, LIGHT


def views_over(market: Market, **choice: object) -> tuple[ExposureViews, Live]:
    views, live = ExposureViews(market, Choice(**choice), DARK), Live(market)
    for view in views.all:
        live.add(view)
    views.follow_choices(live)
    return views, live


def failures(views: ExposureViews) -> list[str]:
    return [view.card.failure for view in views.all if hasattr(view, "card") and view.card.failure]


def test_nothing_fails_in_either_theme() -> None:
    views, live = views_over(Market())
    live.repaint(LIGHT)
    assert failures(views) == []


def test_the_map_by_expiry_is_the_book_of_the_choice() -> None:
    market = Market()
    views, _ = views_over(market)
    views.choice.param.update(measure="vanna_exposure", sign_model="calls_short", reach=0.20)
    book = exposure(chain(market.latest("marks"), underlying="BTC"), sign_model="calls_short")
    wanted = book["vanna_exposure"].transpose("strike", "expiry")
    wanted = wanted[np.abs(wanted["strike"].to_numpy() / float(book["spot"]) - 1.0) <= 0.20]
    shown = views.by_expiry.map._grid
    assert shown is not None
    np.testing.assert_allclose(np.nansum(shown.values), np.nansum(wanted), rtol=1e-9)
    assert views.by_expiry.card.title == "Vanna, strike × expiry"


def test_the_scenario_grid_is_the_forced_flow() -> None:
    market = Market()
    views, _ = views_over(market)
    marks = chain(market.latest("marks"), underlying="BTC")
    wanted = forced_flow(marks, spot_moves=[-0.05, 0.0, 0.05], vol_moves=[-0.05, 0.0])["forced_flow"].isel(
        days=0
    )
    cells = np.asarray(views.scenario.map._grid.values)  # type: ignore[union-attr]
    np.testing.assert_allclose(cells[1:3][:, [1, 4, 7]], wanted.to_numpy(), rtol=1e-9)
    assert cells[2, 4] == 0.0


def test_open_interest_by_strike_has_calls_up_puts_down_and_max_pain_of_one_expiry() -> None:
    market = Market()
    views, _ = views_over(market, reach=0.40)
    found = open_interest(chain(market.latest("marks"), underlying="BTC"))
    assert views.interest.bars.data["call"].sum() == pytest.approx(
        float(found["call_open_interest_by_strike"].sum())
    )
    assert views.interest.bars.data["put"].sum() == pytest.approx(
        -float(found["put_open_interest_by_strike"].sum())
    )
    pain = float(found["max_pain"][0])
    assert any(
        level.value == pain and "Max pain 21 Nov" in level.text for level in views.interest._lines._levels
    )
    views.choice.basis = "volume"
    assert views.interest.bars.data["call"].sum() == pytest.approx(
        float(found["call_volume_by_strike"].sum())
    )
    assert views.interest.card.title == "Volume 24 h by strike"


def test_cascade_risk_shows_its_parts_and_names_what_is_missing() -> None:
    market = Market()
    row = {
        "event_ns": [NOW_NS], "underlying": "BTC", "sign_model": "calls_long", "basis": "open_interest", "score": 0.71,
        "known": 0.8, "below_zero_gamma": 1.3, "below_zero_gamma_score": 0.65, "unwind": "long liquidation",
        "missing": "liquidations: 2 of 6 earlier five minutes",
    }  # fmt: skip
    market.put("cascade", CASCADE.conform(pd.DataFrame(row)))
    views, _ = views_over(market)
    text = views.cascade._page.panel.object
    assert "0.71" in text
    assert "width:65%" in text
    assert "long liquidation" in text
    assert 'title="2 of 6 earlier five minutes"' in text
    views.choice.underlying = "ETH"
    assert "Not published yet" in views.cascade.card.reason


def test_smart_money_is_that_of_the_underlying_with_its_evidence() -> None:
    market = Market()
    names = ["BTC/USD:BTC-261225-110000-C", "ETH/USD:ETH-261225-3500-P", None]
    rows = {
        "event_ns": [NOW_NS, NOW_NS + 1, NOW_NS + 2], "instrument": names, "alert_id": ["a", "b", "oi_wall_change:BTC:C:1"],
        "kind": ["block", "large_print", "oi_wall_change"], "severity": ["high", "low", "medium"], "score": [88.0, 20.0, 50.0],
        "direction": [1, -1, 0], "premium_usd": [1.2e6, 3e4, np.nan], "explanation": ["bought <5>", "sold", "wall grew"],
        "evidence": [json.dumps({"legs": ["T1"]})] * 3, "verdict": "open",
    }  # fmt: skip
    market.put("alerts", ALERTS.conform(pd.DataFrame(rows)))
    views, _ = views_over(market)
    text = views.smart._table.panel.object
    assert text.index("wall grew") < text.index("bought &lt;5&gt;")
    assert "sold" not in text
    assert "T1" in text
    assert views.smart.card.value == "1 high of 2"


def test_key_levels_are_sorted_by_price_with_their_distance() -> None:
    market = Market()
    chain_now = market.priced_chain("BTC")
    assert chain_now is not None
    wall = chain_now.levels("calls_long", "open_interest").call_wall
    market.put("levels", market.latest("levels").assign(call_wall=wall))
    views, _ = views_over(market)
    text = views.levels._table.panel.object
    assert text.index("Call wall") < text.index("Zero gamma") < text.index("Put wall")
    made = views.levels._snapshots.newest(market)
    assert f"{100 * (made.call_wall / made.spot - 1):+.1f}".replace("-", "−") in text
    assert "unchanged" in text


def test_the_map_over_time_shows_the_past_with_spot_on_it() -> None:
    market = Market()
    strikes = np.arange(98_000.0, 112_000.0, 2_000.0)
    frames = [
        pd.DataFrame(
            {
                "event_ns": NOW_NS + 60 * SECOND * (step - 4),
                "strike": strikes,
                "gex": 1e6 * step + strikes,
                "call_gex": 1e6 * step + strikes,
                "put_gex": 0.0,
            }
        )
        for step in range(5)
    ]
    market.past = pd.concat(frames, ignore_index=True)
    views, _ = views_over(market)
    shown = views.by_time.map._grid
    assert shown is not None
    assert shown.values.shape == (strikes.size, 5)
    np.testing.assert_allclose(np.diff(shown.values, axis=1), 1e6)
    assert np.isfinite(views.by_time.spot.data["y"]).all()


def test_the_board_keeps_one_snapshot_a_minute_by_strike() -> None:
    board, rows = Board(), Market().latest("exposures")
    for step in range(4):
        board.add("exposures", rows.assign(event_ns=NOW_NS + 30 * SECOND * step))
    past = board.exposure_history("BTC", "calls_long", "open_interest")
    assert past["event_ns"].nunique() == 2
    mine = rows[rows["underlying"] == "BTC"]
    assert past["gex"].sum() == pytest.approx(2 * mine["gex"].sum())
    assert len(board.exposure_history("BTC", "short_all", "open_interest")) == 0


def test_without_trades_the_price_card_shows_spot_over_time() -> None:
    market = Market()
    for table in ("trades", "candles"):
        market.put(table, market.latest(table).iloc[:0])
    views, _ = views_over(market)
    assert failures(views) == []
    assert not views.price.chart.panel.visible
    assert views.price.spot is not None
    assert "nothing trades here" in views.price.card.unit
    levels = market.latest("levels")
    spot = levels[levels["underlying"] == "BTC"]["spot"].iloc[-1]
    assert views.price.spot.rows.data["spot"][-1] == spot
    assert "no trades" not in views.headline.panel.object
    assert "spot, since" in views.headline.panel.object


def test_the_clock_is_the_markets_where_it_is_replayed() -> None:
    market, told = Market(), []
    clock = MarketClock(told.append)
    market.asof_ns = pd.Timestamp("2026-03-26 08:00:05").value
    clock.refresh(market)
    assert told == [True]
    shown = re.sub("<[^>]*>", "", clock.panel.object)
    assert "26 Mar 2026 08:00:05 UTC · replay" in shown
    market.put_feeds(age_s=60.0)
    clock.refresh(market)
    assert told == [True, False]


def flow_prints(market: Market, sides: tuple[int, ...] = (1, 1)) -> pd.DataFrame:
    """Five of each BTC option of the first expiry bought, or as told of calls and puts."""
    names = market.latest("marks")["instrument"].astype("str")
    names = names[names.str.startswith("BTC") & names.str.contains("-261121-")]
    calls, puts = names[names.str.endswith("-C")], names[names.str.endswith("-P")]
    frames = [
        pd.DataFrame(
            {"event_ns": NOW_NS - SECOND, "instrument": side_names, "price": 0.01, "size": 5.0, "side": side}
        )
        for side_names, side in zip((calls, puts), sides, strict=True)
    ]
    return TRADES.conform(pd.concat(frames, ignore_index=True))


def test_the_flow_model_is_minus_what_takers_bought() -> None:
    market = Market()
    market.flow.take_trades(flow_prints(market))
    views, _ = views_over(market, sign_model="flow")
    assert failures(views) == []
    marks = chain(market.latest("marks"), underlying="BTC")
    near = pd.Timestamp("2026-11-21 08:00").value
    signed = 5.0 * (marks["expiry_ns"] == near) + 0.0 * marks["gamma"]
    wanted = exposure(marks, sign_model="flow", flow=signed)
    made = views.curve._snapshots.newest(market)
    assert made.net_gex == pytest.approx(float(wanted["gex"].sum()), rel=1e-9)
    np.testing.assert_allclose(made.call.sum(), wanted["call_gex"].sum(), rtol=1e-9)
    assert made.band_models == ("calls_long", "calls_short", "short_all", "flow")
    assert made.ledger["prints_counted"] == 50
    assert made.ledger["basis"] == "signed taker flow"
    cells = np.asarray(views.by_expiry.map._grid.values)  # type: ignore[union-attr]
    assert np.nansum(cells) != 0.0
    assert "This sign model is not recorded" in views.change.card.reason
    grid = forced_flow(marks, spot_moves=[-0.05], vol_moves=[0.0], sign_model="flow", flow=signed)
    shown = np.asarray(views.scenario.map._grid.values)  # type: ignore[union-attr]
    np.testing.assert_allclose(shown[2, 1], grid["forced_flow"].squeeze(), rtol=1e-9)


@pytest.mark.parametrize("sides", [(), (0, 0)], ids=["no prints", "no sides"])
def test_a_flow_that_is_not_known_is_said_everywhere(sides: tuple[int, ...]) -> None:
    market = Market()
    if sides:
        market.flow.take_trades(flow_prints(market, sides))
    views, _ = views_over(market, sign_model="flow")
    assert failures(views) == []
    for view in (views.strikes, views.curve, views.by_expiry, views.scenario):
        assert "cannot be told from the flow" in view.card.reason, view
    assert "no signed prints" in views.headline.panel.object
    assert views.curve._snapshots.newest(market).band_models == ("calls_long", "calls_short", "short_all")
    views.choice.sign_model = "calls_long"
    assert all(not view.card.reason for view in (views.strikes, views.curve, views.by_expiry, views.scenario))


def test_the_value_line_tells_the_band_over_the_sign_models() -> None:
    market = Market()
    views, _ = views_over(market)
    made = views.curve._snapshots.newest(market)
    low, high = made.net_gexes
    assert low < 0 < high
    assert f"{formats.usd(low)} … {formats.usd(high)}" in views.headline.panel.object


def test_the_past_of_calls_short_is_that_of_calls_long_turned_round() -> None:
    market = Market()
    market.past = past_of(market)
    views, _ = views_over(market)
    before = views.net_history._rows.data["net"].copy()
    before_changes = changes(market, views.choice)
    cells = np.asarray(views.by_time.map._grid.values)  # type: ignore[union-attr]
    views.choice.sign_model = "calls_short"
    np.testing.assert_allclose(views.net_history._rows.data["net"], -before)
    assert {minutes: -change for minutes, (change, _) in before_changes.items()} == {
        minutes: change for minutes, (change, _) in changes(market, views.choice).items()
    }
    np.testing.assert_allclose(np.asarray(views.by_time.map._grid.values), -cells)  # type: ignore[union-attr]


def test_the_past_of_short_all_follows_from_its_parts() -> None:
    market = Market()
    market.past = past_of(market)
    views, _ = views_over(market, sign_model="short_all")
    wanted = market.past.groupby("event_ns")[["call_gex", "put_gex"]].sum()
    np.testing.assert_allclose(views.net_history._rows.data["net"], wanted["put_gex"] - wanted["call_gex"])
    assert np.isnan(views.net_history._rows.data["zero"]).all()
    assert np.isfinite(changes(market, views.choice)[1][0])


def past_of(market: Market) -> pd.DataFrame:
    rows = market.latest("exposures")
    gex = (
        rows[rows["underlying"] == "BTC"]
        .groupby("strike")[["gex", "call_gex", "put_gex"]]
        .sum()
        .reset_index()
    )
    frames = [
        gex.assign(event_ns=NOW_NS + 60 * SECOND * (step - 4), **{name: gex[name] * (1 + 0.1 * step) for name in ("gex", "call_gex", "put_gex")})
        for step in range(5)
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def test_going_live_changes_the_chart_at_once() -> None:
    """A widget's handler may run without the lock of the document: then only what is held together may change."""
    views, _ = views_over(Market())
    chart, document = views.price.chart, Document()
    document.add_root(chart.panel.get_root(doc=document))
    x_range = chart.x_range
    before = (float(x_range.start), float(x_range.end))
    chart.remember_window(before[0] - 3e6, before[0], 1.0, 2.0)
    x_range.update(start=before[0] - 3e6, end=before[0])
    seen = []
    document.on_change(lambda _: seen.append((float(x_range.start), float(x_range.end))))
    with set_curdoc(document):
        pn.state._connected[document] = True
        chart.follow()
    assert seen
    assert len(set(seen)) == 1
    assert seen[0] == pytest.approx(before)


def test_one_snapshot_is_no_line_and_says_so() -> None:
    market = Market()
    market.put("levels", market.latest("levels").groupby("underlying", observed=True).tail(1))
    for table in ("trades", "candles"):
        market.put(table, market.latest(table).iloc[:0])
    views, _ = views_over(market)
    for view in (views.price, views.history, views.net_history):
        assert "One snapshot so far" in view.card.reason


def test_old_and_delayed_data_is_tagged() -> None:
    market = Market()
    views, live = views_over(market)
    assert "delayed" not in views.headline.panel.object
    quote = pd.DataFrame(
        {"event_ns": [NOW_NS], "instrument": ["BTC"], "bid": [1.0], "ask": [2.0], "venue": ["cboe"]}
    )
    market.put("quotes", QUOTES.conform(quote))
    market.asof_ns += 3600 * SECOND
    live.touch()
    assert f"Cboe quotes, 15{formats.THIN}min delayed" in views.headline.panel.object
    assert "marks of 20 Nov 2026 14:" in views.headline.panel.object


def test_a_tape_that_ended_is_not_a_failure() -> None:
    market = Market()
    market.put_feeds(state="ended", age_s=600.0)
    views, _ = views_over(market)
    assert "ended" not in views.headline.panel.object


def test_choices_that_come_together_with_an_underlying_stay() -> None:
    views, _ = views_over(Market())
    first = pd.Timestamp("2026-11-21 08:00").value
    views.choice.expiries = [first]
    views.choice.underlying = "ETH"
    assert views.choice.expiries == []
    views.choice.param.update(underlying="BTC", expiries=[first])
    assert views.choice.expiries == [first]


def test_a_double_click_shows_the_strikes_around_spot_again() -> None:
    views, _ = views_over(Market())
    chart = views.strikes
    before = chart.y_range.start, chart.y_range.end
    assert chart.y_range.bounds == (0, None)
    chart.y_range.update(start=1.0, end=2.0)
    chart.figure._trigger_event(DoubleTap(chart.figure, x=1.0, y=1.0))
    assert (chart.y_range.start, chart.y_range.end) == pytest.approx(before)


def test_the_wheel_alone_zooms_no_chart() -> None:
    views, _ = views_over(Market())
    figures = [views.price.chart.figure, views.strikes.figure]
    wheels = [tool for made in figures for tool in made.tools if isinstance(tool, WheelZoomTool)]
    assert wheels
    assert all(wheel.modifiers == {"ctrl": True} for wheel in wheels)


def test_a_venue_is_offered_chosen_and_shown_alone() -> None:
    market = Market()
    whole = market.latest("marks")
    options = whole[whole["instrument"].astype("str").str.contains("-[CP]$")]
    venue = options["venue"].astype("str").iloc[0]
    other = options.assign(venue="okx", mark_iv=options["mark_iv"] + 0.01)
    market.put("marks", MARKS.concat([whole, MARKS.conform(other)]))
    views, _ = views_over(market)
    assert views.choice.param.venue.objects == ["", *sorted(["okx", venue])]
    both = views._snapshots.newest(market)
    views.choice.venue = "okx"
    alone = views._snapshots.newest(market)
    assert alone.ledger["venue"] == "okx" and not alone.published
    assert 0.3 < alone.net_gex / both.net_gex < 0.7
    assert "OKX" in views.across._table.panel.object and "1.00" in views.across._table.panel.object
    assert "all venues together" in views.change.card.reason
    assert failures(views) == []
