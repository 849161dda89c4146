"""A chart of ticks: what it draws, what it appends, how it is moved and led back."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import panel as pn
import pytest
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from bokeh.models import HoverTool
from panel.io.state import set_curdoc

from tests.unit.views.spacetime_market import (
    NAME,
    NOW_NS,
    SECOND,
    TickMarket,
    candles,
    health,
    intensity,
    reversal,
    spike,
)
from workstation.indicators.ticks.spikes import SpikesParameters
from workstation.market.tables import CANDLES, HEALTH
from workstation.views.shell.session import Live
from workstation.views.spacetime import chart_data as charts
from workstation.views.spacetime import render_pacing as paces
from workstation.views.spacetime.chart import KEPT
from workstation.views.spacetime.chart_data import chart_data_of
from workstation.views.spacetime.chart_view import ChartView
from workstation.views.spacetime.choice import SHOWN_LAYERS, ChartChoice, SpacetimeChoice, followed
from workstation.views.spacetime.history_loader import HistoryLoader
from workstation.views.spacetime.lists import SHOWN
from workstation.views.spacetime.marker_data import SIZES
from workstation.views.spacetime.page_views import SpacetimeViews
from workstation.views.state.source import CANDLES_KEPT
from workstation.views.widgets.theme import DARK, LIGHT


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> TickMarket:
    monkeypatch.setattr(charts, "REUSED_S", 0.0)
    monkeypatch.setattr(paces, "PATIENCE_S", -1.0)
    return TickMarket()


def shown(market: TickMarket, history: HistoryLoader | None = None, **choices: object) -> ChartView:
    view = ChartView(ChartChoice(instrument=NAME, **choices), DARK, 1, history=history)
    view.refresh(market)
    return view


def test_every_layer_has_its_data_at_first_sight(market: TickMarket) -> None:
    view = shown(market)
    data = view.chart.held
    assert len(data["x"]) == KEPT
    closes = market.candles(NAME, 10 * SECOND)["close"]
    assert data["close"].tolist() == closes.tail(KEPT).tolist()
    expected = closes.rolling(20).mean().tail(KEPT).to_numpy()
    np.testing.assert_allclose(data["sma"], expected, rtol=1e-12)
    np.testing.assert_allclose(data["ema"][-1], closes.ewm(span=20, adjust=False).mean().iloc[-1], rtol=1e-12)
    assert len(view.chart.intensity.held["x"]) >= 60
    assert view.chart.intensity.spikes.data["height_sd"].tolist() == [4.5]
    signals = view.chart.signals.source.data
    assert signals["marker"].tolist() == ["triangle", "star"]
    assert signals["fill"].tolist() == [DARK.down, DARK.card]
    assert "31.25" in signals["why"][0] and "buffer" in signals["why"][0]


def test_a_live_update_sends_only_what_changed(market: TickMarket) -> None:
    view = shown(market)
    chart = view.chart
    sources = (chart._candles, chart.intensity.bars, chart.intensity.spikes, chart.signals.source)
    before = [source.data for source in sources]
    rows = market.candles(NAME, 10 * SECOND).copy()
    rows.loc[rows.index[-1], "close"] = 104_555.0
    market.put("candles", CANDLES.concat([rows, candles(NAME, 10, 1, NOW_NS + 10 * SECOND)]))
    market.append("reversals", reversal(3, 4, 1))
    market.append("spikes", spike(2, -1))
    view.refresh(market)
    assert all(source.data is data for source, data in zip(sources, before, strict=True)), "in place"
    assert chart._candles.data["close"][-1] == 104_555.0
    (newest,) = chart.forming.source.data["x"]
    assert newest - chart._candles.data["x"][-1] == 10_000
    assert chart.signals.source.data["version"].tolist() == [1, 3, 4]
    assert chart.intensity.spikes.data["words"].tolist() == ["▲ up", "▼ down"]


def test_trades_that_came_late_are_drawn_where_they_belong(market: TickMarket) -> None:
    view = shown(market)
    rows = market.candles(NAME, 10 * SECOND)
    older, last = rows.iloc[:-3], rows.iloc[-1:]
    market.put("candles", CANDLES.concat([older, last]))
    view.refresh(market)
    assert len(view.chart.held["x"]) == KEPT
    market.put("candles", rows)
    view.refresh(market)
    drawn = [*view.chart._candles.data["close"], *view.chart.forming.source.data["close"]]
    assert drawn[-KEPT:] == rows["close"].tail(KEPT).tolist()


def test_tables_that_did_not_change_are_not_pulled(
    market: TickMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = shown(market)
    pulled: list[str] = []
    latest, since = market.latest, market.since
    monkeypatch.setattr(market, "latest", lambda table: (pulled.append(table), latest(table))[1])
    monkeypatch.setattr(market, "since", lambda table, *of: (pulled.append(table), since(table, *of))[1])
    view.refresh(market)
    assert pulled == []
    market.append("spikes", spike(2))
    view.refresh(market)
    assert set(pulled) == {"spikes"}


def test_what_sessions_look_at_is_made_once(market: TickMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "REUSED_S", 60.0)
    asked: list[str] = []
    candles_of = market.candles
    monkeypatch.setattr(market, "candles", lambda *of: (asked.append(of[0]), candles_of(*of))[1])
    views = [shown(market) for _ in range(3)]
    assert asked == [NAME]
    assert views[0].data is views[1].data is chart_data_of(market, NAME, 10 * SECOND)
    assert all(len(view.chart.held["x"]) == KEPT for view in views)
    views[0].chart._candles.patch({"close": [(0, -1.0)]})
    views[0].chart.intensity.bars.patch({"value": [(0, -1.0)]})
    assert views[1].chart._candles.data["close"][0] != -1.0 and views[1].chart.held["close"][0] != -1.0
    assert views[1].chart.intensity.bars.data["value"][0] != -1.0, (
        "sessions share what is made, not what they show"
    )


def test_the_intensity_bar_in_progress_keeps_its_peak(market: TickMarket) -> None:
    view = shown(market)
    last = int(market.latest("intensity")["seq"].iloc[-1])
    market.append("intensity", intensity(NAME, 1, last + 1, NOW_NS + 1 * SECOND, level=90.0))
    view.refresh(market)
    peak = view.chart.intensity.held["value"][-1]
    market.append("intensity", intensity(NAME, 1, last + 5, NOW_NS + 2 * SECOND, level=10.0))
    view.refresh(market)
    data = view.chart.intensity.held
    assert view.chart.intensity.forming.source.data["burst"] == [peak]
    assert peak > 80 and data["value"][-1] == peak
    assert data["burst"][-1] == peak and data["quiet"][-1] == 0.0


def test_signals_that_follow_another_in_their_candle_leave_the_price_in_sight(market: TickMarket) -> None:
    view = shown(market)
    sizes = view.chart.signals.source.data["size"].tolist()
    assert sizes[0] == SIZES[1] and sizes[1] < 0.6 * SIZES[3], "the second is in the candle of the first"
    market.append("reversals", reversal(3, 1, 1))
    market.append("reversals", reversal(10 * SECOND, 1, 1))
    market.append("reversals", reversal(10 * SECOND + 1, 1, 1))
    view.refresh(market)
    small = SIZES[1] * sizes[1] / SIZES[3]
    grown = view.chart.signals.source.data["size"].tolist()
    assert grown == pytest.approx([*sizes, small, SIZES[1], small])
    view.choice.every_s = 60
    view.refresh(market)
    assert view.chart.signals.source.data["size"].tolist()[-2:] == pytest.approx([small, small]), (
        "one candle now"
    )


def test_signals_are_never_repainted_and_take_the_theme(market: TickMarket) -> None:
    view = shown(market)
    before = view.chart.signals.source.data["y"].tolist()
    market.append("reversals", reversal(3, 1, 1, price=1.0))
    view.refresh(market)
    assert view.chart.signals.source.data["y"].tolist()[:2] == before
    view.repaint(LIGHT)
    assert view.chart.signals.source.data["fill"].tolist() == [LIGHT.down, LIGHT.card, LIGHT.card]


def test_panes_say_in_which_unit_they_are(market: TickMarket) -> None:
    chart = shown(market).chart
    assert chart.names["intensity"].text == "Intensity, bps/s"
    assert chart.names["volume"].text.startswith("Volume")


def test_layers_show_and_hide_what_they_name(market: TickMarket) -> None:
    view = shown(market)
    assert view.chart.averages["ema"][0].visible and not view.chart.averages["sma"][1].visible
    view.choice.layers = ["candles", "sma", "v3"]
    assert view.chart.averages["sma"][1].visible and not view.chart.averages["ema"][0].visible
    assert not view.chart._panes["intensity"].visible and not view.chart._panes["volume"].visible
    assert view.chart.figure.xaxis[0].visible, "the time axis moves to the lowest pane that is left"
    assert view.chart.signals.source.data["version"].tolist() == [3]


def test_moved_by_hand_it_stays_until_led_back(market: TickMarket) -> None:
    view = shown(market)
    chart = view.chart
    middle = float(chart.held["x"][300])
    chart.x_range.update(start=middle - 1e5, end=middle + 1e5)
    chart._moved(SimpleNamespace(x0=middle - 1e5, x1=middle + 1e5, y0=1.0, y1=2.0))
    assert not chart.following
    market.put(
        "candles",
        CANDLES.concat([market.candles(NAME, 10 * SECOND), candles(NAME, 10, 1, NOW_NS + 10 * SECOND)]),
    )
    view.refresh(market)
    assert (chart.x_range.start, chart.x_range.end) == (middle - 1e5, middle + 1e5)
    assert "go live" in view.controls.chip.label
    view.go_live()
    assert chart.following and chart.x_range.end > NOW_NS / 1e6
    assert len(chart.held["x"]) == KEPT


def test_prices_are_fitted_to_the_time_in_view_until_their_axis_is_moved(market: TickMarket) -> None:
    chart = shown(market).chart
    start, end = (float(chart.held["x"][at]) for at in (100, 160))
    low, high = chart.y_range.start, chart.y_range.end
    chart._moved(SimpleNamespace(x0=start, x1=end, y0=low + 1.0, y1=high + 1.0))
    inside = (chart.held["x"] >= start) & (chart.held["x"] <= end)
    lowest, highest = chart.held["low"][inside].min(), chart.held["high"][inside].max()
    assert chart.y_range.start < lowest < highest < chart.y_range.end
    assert highest - lowest > 0.8 * (chart.y_range.end - chart.y_range.start), "no more room than it takes"
    assert chart.choice.window[2:] == [round(chart.y_range.start, 4), round(chart.y_range.end, 4)]
    chart._moved(SimpleNamespace(x0=start, x1=end, y0=1.0, y1=2.0))
    assert chart.choice.window == [start, end, 1.0, 2.0]


def test_of_intensity_in_several_smoothings_a_chart_shows_one(market: TickMarket) -> None:
    view = shown(market)
    last = int(market.latest("intensity")["seq"].iloc[-1])
    for at, (smoothing, level) in enumerate((("sma", 90.0), ("zlma", 12.0))):
        rows = intensity(NAME, 1, last + 1 + 4 * at, NOW_NS + 5 * SECOND, level, smoothing)
        market.append("intensity", rows)
    view.refresh(market)
    assert view.data is not None and view.data.smoothing == "zlma"
    assert view.chart.intensity.held["value"][-1] == pytest.approx(12.9, abs=0.1), "nothing of the other"


def test_moved_to_the_left_it_asks_the_board_and_then_history(market: TickMarket) -> None:
    asked: list[dict[str, object]] = []

    def sql(query: str, **params: object) -> pd.DataFrame:
        asked.append({"table": "candles" if "FROM candles" in query else "intensity", **params})
        if "FROM candles" in query:
            return candles(NAME, 10, 500, int(params["until"]) - 1)
        return pd.DataFrame(
            {
                name: []
                for name in (
                    "begin_ns",
                    "value",
                    "velocity",
                    "efficiency",
                    "mean",
                    "burst_above",
                    "spike_above",
                    "state",
                )
            }
        )

    view = shown(market, HistoryLoader(sql))
    assert [ask["table"] for ask in asked] == ["intensity"], "the bars in view that the board no longer has"
    first = view.chart.first_ms
    view.chart._moved(SimpleNamespace(x0=first - 1e6, x1=first - 1e5, y0=1.0, y1=2.0))
    assert len(view.chart.held["x"]) == 900, "the board had more than the browser"
    oldest = view.chart.first_ms
    view.chart._moved(SimpleNamespace(x0=oldest - 2e6, x1=oldest - 1e6, y0=1.0, y1=2.0))
    assert (
        asked[-2]["table"] == "candles"
        and asked[-2]["instrument"] == NAME
        and asked[-2]["every"] == 10 * SECOND
    )
    x = view.chart.held["x"]
    assert len(x) == 1400 and (np.diff(x) == 10_000).all()
    assert view.chart.kept >= CANDLES_KEPT


def test_history_that_came_before_the_browser_painted_is_sent_again(market: TickMarket) -> None:
    first_ns = int(market.latest("intensity")["event_ns"].iloc[0])
    columns = ("value", "velocity", "efficiency", "mean", "burst_above", "spike_above", "state")
    older = pd.DataFrame({"begin_ns": [first_ns - 20 * SECOND], **dict.fromkeys(columns, 1.0)})
    pace = paces.RenderPacing()
    view = ChartView(
        ChartChoice(instrument=NAME),
        DARK,
        1,
        history=HistoryLoader(lambda query, **_: older.copy()),
        pace=pace,
    )
    view.refresh(market)
    bars = view.chart.intensity.bars
    sent = bars.data
    assert sent["x"][0] < first_ns / 1e6, "history is there"
    view.refresh(market)
    assert bars.data is sent, "nothing has been painted yet"
    pace.answer.tags = [1]
    view.refresh(market)
    again = bars.data
    assert again is not sent and len(again["x"]) == len(sent["x"])
    view.refresh(market)
    assert bars.data is again, "once"


def test_history_that_cannot_be_read_is_said_on_the_card(market: TickMarket) -> None:
    def sql(query: str, **params: object) -> pd.DataFrame:
        raise ValueError("no such store")

    assert "no such store" in shown(market, HistoryLoader(sql)).card.failure


def test_silence_is_a_band_with_its_reason(market: TickMarket) -> None:
    market.put(
        "health",
        HEALTH.conform(
            pd.DataFrame(
                [
                    health("disconnected", -60),
                    health("connected", -20),
                    health("gap", -5, start_s=-9, end_s=-7),
                ]
            )
        ),
    )
    view = shown(market)
    data = view.chart.bands.source.data
    assert ((data["x1"] - data["x0"]) / 1000).tolist() == [40, 2]
    assert data["words"][0].startswith("disconnected") and "no signals across it" in data["words"][0]


def test_a_silence_that_goes_on_stays_in_view_with_its_reason(market: TickMarket) -> None:
    view = shown(market)
    newest = float(view.chart.held["x"][-1])
    span = view.chart.x_range.end - view.chart.x_range.start
    market.put("health", HEALTH.conform(pd.DataFrame([health("disconnected", 0, detail="reset by peer")])))
    market.asof_ns = NOW_NS + 300 * SECOND
    view.refresh(market)
    bands = view.chart.bands.source.data
    assert "reset by peer" in bands["words"][0]
    assert "silent" in view.card.value and "reset by peer" in view.card.value
    assert view.chart.x_range.end > market.asof_ns / 1e6, "the band ends in view"
    market.asof_ns = NOW_NS + 86_400 * SECOND
    view.refresh(market)
    assert view.chart.x_range.start < newest - 0.5 * span, "candles from before stay in view"
    view.chart._moved(SimpleNamespace(x0=newest - 1e6, x1=newest, y0=1.0, y1=2.0))
    held = view.chart.x_range.end
    market.asof_ns += 5 * SECOND
    view.refresh(market)
    assert view.chart.x_range.end == held, "a chart moved by hand stays where it is"


def test_words_of_bands_beside_each_other_are_on_lines_of_their_own(market: TickMarket) -> None:
    view = shown(market)
    gaps = [health("gap", at, start_s=at - 2, end_s=at) for at in (-30, -20, -10)]
    market.put("health", HEALTH.conform(pd.DataFrame(gaps)))
    view.refresh(market)
    assert len(set(view.chart.bands.source.data["lift"])) == 3


def test_of_many_bands_the_longest_are_told_and_the_others_counted(market: TickMarket) -> None:
    view = shown(market)
    gaps = [health("gap", at, start_s=at - 1 - (at == -50), end_s=at) for at in range(-60, -9, 10)]
    market.put("health", HEALTH.conform(pd.DataFrame(gaps)))
    view.refresh(market)
    data = view.chart.bands.source.data
    told = [words for words in data["words"] if words]
    assert len(data["words"]) == 6 and len(told) == 3 and told[-1].endswith("3 shorter")
    assert any(words.startswith("gap 2") for words in told)
    assert len({lift for lift, words in zip(data["lift"], data["words"], strict=True) if words}) == 3


def test_an_unknown_instrument_is_an_empty_chart_not_an_error(market: TickMarket) -> None:
    view = ChartView(ChartChoice(instrument="NEVER-SEEN"), DARK, 1)
    view.refresh(market)
    assert len(view.chart.held["x"]) == 0 and view.card.failure == ""


def opened(market: TickMarket, **choices: object) -> tuple[Live, SpacetimeViews]:
    live = Live(market)
    views = SpacetimeViews(market, SpacetimeChoice(**choices), DARK)
    views.start(live)
    return live, views


def test_a_further_chart_has_the_models_of_the_page_looked_through_a_few_times(
    market: TickMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    recompute = DocumentModelManager.recompute
    monkeypatch.setattr(DocumentModelManager, "recompute", lambda of: (looks.append(1), recompute(of))[1])
    document = Document()
    with set_curdoc(document):
        _, views = opened(market, layout=2)
        views.charts.server_doc(document, location=False)
        looks.clear()
        views.make_next()
    assert len(views.built) == 2
    assert {chart.chart.figure.document for chart in views.built} == {document}
    assert len(looks) <= 3, "once for its models, not for each of their changes"


def test_the_page_builds_charts_one_by_one_and_keeps_them(market: TickMarket) -> None:
    live, views = opened(market)
    live.tick()
    assert len(views.built) == 2
    views.choice.layout = 4
    for made in (3, 4, 4):
        live.tick()
        assert len(views.built) == made
    assert [chart.choice.instrument for chart in views.on_screen] == [
        NAME,
        NAME,
        "ETH/USD:ETH",
        "ETH/USD:ETH",
    ]
    built = list(views.built)
    views.choice.layout = 1
    assert [chart.on_screen for chart in built] == [True, False, False, False]
    resting = views.built[3]
    before = resting.chart._tip.data
    market.tick("ETH", 3_500.0)
    live.tick()
    assert resting.chart._tip.data is before, "a chart that is not shown costs nothing"
    views.choice.layout = 4
    assert views.built == built and all(chart.on_screen for chart in built)
    assert resting.chart._tip.data is not before


@pytest.mark.parametrize("linked", [True, False])
def test_a_hand_that_moves_one_chart_moves_those_linked_to_it(market: TickMarket, linked: bool) -> None:
    live, views = opened(market, linked=linked)
    live.tick()
    first, second = (view.chart for view in views.on_screen)
    middle = float(first.held["x"][300])
    followed_by = second.x_range.start, second.x_range.end
    first.x_range.update(start=middle - 6e5, end=middle + 6e5)
    assert not first.following, "the first movement of a hand ends the following"
    assert second.following is not linked
    expected = (middle - 6e5, middle + 6e5) if linked else followed_by
    assert (second.x_range.start, second.x_range.end) == expected
    first._moved(SimpleNamespace(x0=middle - 6e5, x1=middle + 6e5, y0=1.0, y1=2.0))
    assert bool(second.choice.window) is linked
    views.built[0].controls.chip.clicks += 1
    assert first.following and second.following


def test_a_linked_chart_of_short_candles_shows_the_end_of_a_long_stretch(market: TickMarket) -> None:
    live, views = opened(market)
    live.tick()
    second = views.built[1].chart
    second.x_range.update(start=NOW_NS / 1e6 - 1e9, end=NOW_NS / 1e6)
    shown = views.built[0].chart.x_range
    assert shown.end == NOW_NS / 1e6 and shown.end - shown.start == 6_000 * 10_000


def test_choices_survive_the_address() -> None:
    choice = SpacetimeChoice()
    choice.charts[0].param.update(
        instrument="ES 12-26", every_s=300, layers=["candles", "v4"], window=[1.5, 2.0, 3.0, 4.0]
    )
    again = SpacetimeChoice(chart1=choice.chart1)
    assert again.charts[0].instrument == "ES 12-26" and again.charts[0].every_s == 300
    assert again.charts[0].layers == ["candles", "v4"] and again.charts[0].window == [1.5, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("code", ["", "~~~", "X~7~nonsense~a,b,c,d", "X~10~~1,2", "X~10~~nan,1,2,3"])
def test_an_address_that_makes_no_sense_is_taken_as_far_as_it_does(code: str) -> None:
    chart = ChartChoice(every_s=60)
    chart.take(code)
    assert chart.window == [] and chart.every_s in (10, 60)
    assert chart.layers in ([], list(SHOWN_LAYERS))


def test_options_are_not_offered(market: TickMarket) -> None:
    market.append("candles", candles("BTC/USD:BTC-261225-100000-C", 10, 5))
    assert followed(market) == [NAME, "ETH/USD:ETH"]


def closes(market: TickMarket, name: str, every_s: int) -> None:
    """The candle in progress closes, the next begins."""
    rows = market.candles(name, every_s * SECOND)
    begin = int(rows["event_ns"].iloc[-1]) + every_s * SECOND
    market.append("candles", candles(name, every_s, 1, begin, seed=9))


def test_candles_that_close_at_once_are_painted_one_chart_a_picture(market: TickMarket) -> None:
    live, views = opened(market, layout=2)
    for _ in range(3):
        live.tick()
    first, second = views.on_screen
    drawn = [len(view.chart._candles.data["x"]) for view in (first, second)]
    ends = [view.chart.x_range.end for view in (first, second)]
    for view in (first, second):
        closes(market, view.choice.instrument, view.choice.every_s)
    market.append("reversals", reversal(3, 4, 1))
    live.tick()
    assert [view.behind for view in (first, second)] == [False, True]
    assert first.chart.x_range.end > ends[0] and len(first.chart.forming.source.data["x"]) == 1
    # what has closed is seen over the figure, where it will be; nothing of the figure itself was sent
    assert len(second.chart._candles.data["x"]) == drawn[1] and second.chart.x_range.end == ends[1]
    assert second.chart.forming.source.data["x"] == second.chart.held["x"][-2:].tolist()
    assert 4 not in second.chart.signals.source.data["version"]
    live.tick()
    assert not second.behind, "nothing more has come, and still it got its turn"
    assert second.chart.x_range.end > ends[1] and len(second.chart.forming.source.data["x"]) == 1
    assert second.chart._candles.data["x"][-1] == second.chart.held["x"][-2]
    assert 4 in second.chart.signals.source.data["version"]


def test_a_choice_does_not_wait_for_its_turn(market: TickMarket) -> None:
    live, views = opened(market, layout=2)
    for _ in range(3):
        live.tick()
    views.turns.begin()
    assert views.turns.ask(99)
    chart = views.on_screen[0]
    chart.choice.layers = [*chart.choice.layers, "v4"]
    market.append("reversals", reversal(4, 4, 1))
    chart.choice.instrument = "ETH/USD:ETH"
    assert chart.chart.shown_instrument == "ETH/USD:ETH" and not chart.behind


def test_a_list_sends_the_rows_that_are_new(market: TickMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    live, views = opened(market, layout=1)
    live.tick()
    listing, sent = views.signals, []
    monkeypatch.setattr(listing.rows, "_send_msg", sent.append)
    first, row = listing.rows.frame, '<td class="why">'
    assert first.count(row) == 2 and first.index("v3") < first.index("v1"), "the newest on top"
    market.append("reversals", reversal(3, 2, 1))
    market.append("reversals", reversal(4, 4, -1))
    live.touch()
    ((message),) = sent
    assert message["most"] == SHOWN and message["rows"].count(row) == 2
    assert message["rows"].index("v4") < message["rows"].index("v2") and listing.rows.frame == first
    live.touch()
    assert len(sent) == 1, "nothing new, nothing sent"
    listing.rows._handle_msg("drawn")
    assert listing.rows.frame.count(row) == 4 and len(sent) == 1, "a page that drew it anew gets it whole"
    views.on_screen[0].choice.instrument = "ETH/USD:ETH"
    live.touch()
    assert "No signal yet" in listing.rows.frame
    views.on_screen[0].choice.instrument = NAME
    live.touch()
    assert listing.rows.frame.count(row) == 4


def test_charts_begin_with_the_underlying_that_was_chosen_on_another_page() -> None:
    names = ["BTC/USD:BTC", "ETH/USD:ETH"]
    plain, chosen = SpacetimeChoice(), SpacetimeChoice(underlying="ETH")
    for choice in (plain, chosen):
        choice.fill(names)
    assert [chart.instrument for chart in plain.charts[:3]] == ["BTC/USD:BTC", "BTC/USD:BTC", "ETH/USD:ETH"]
    assert [chart.instrument for chart in chosen.charts[:3]] == ["ETH/USD:ETH", "ETH/USD:ETH", "BTC/USD:BTC"]


def test_the_threshold_of_a_spike_is_that_of_the_rule_wherever_a_screen_says_it(market: TickMarket) -> None:
    begins, ends = (f"mean + {sd:g} sd" for sd in (SpikesParameters().start_sd, SpikesParameters().end_sd))
    views = SpacetimeViews(market, SpacetimeChoice(), DARK)
    assert begins in views.spikes.nothing
    legend = next(part.object for part in views.bar() if isinstance(part, pn.pane.HTML))
    assert legend.count(begins) == 2
    told = [
        tool.tooltips for tool in shown(market).chart.intensity.figure.tools if isinstance(tool, HoverTool)
    ]
    assert any(f"over {begins}, until under {ends}" in str(each) for each in told)
    said = [
        path.name
        for path in Path(charts.__file__).parent.rglob("*")
        if path.suffix in (".py", ".js", ".css", ".html") and re.search(r"mean \+ \d", path.read_text())
    ]
    assert said == []
