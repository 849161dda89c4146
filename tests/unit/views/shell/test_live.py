"""The bridge: what is refreshed when, and what becomes of a view that fails."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import pytest

from tests.unit.views.market import SECOND, Market
from workstation.board.priced_chain import ChainPending
from workstation.views.exposure.views import ExposureViews
from workstation.views.shell.session import Live
from workstation.views.state.choice import Choice
from workstation.views.state.source import Source, View
from workstation.views.widgets.theme import DARK, LIGHT


class Counting(View):
    inputs = ("levels",)

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.failure = ""
        self.broken = self.waiting = False

    def refresh(self, source: Source) -> None:
        if self.waiting:
            raise ChainPending("asked of the collector")
        if self.broken:
            raise ValueError("no expiry")
        self.seen.append(source.version("levels"))

    def show_failure(self, reason: str) -> None:
        self.failure = reason


def test_a_view_is_refreshed_only_when_its_table_changed() -> None:
    market, view = Market(), Counting()
    live = Live(market)
    live.add(view)
    live.tick()
    market.put("trades", market.latest("trades"))
    live.tick()
    assert len(view.seen) == 1
    market.put("levels", market.latest("levels"))
    live.tick()
    assert len(view.seen) == 2


def test_a_failure_is_shown_and_reported_once_and_its_neighbours_go_on() -> None:
    market, broken, sound = Market(), Counting(), Counting()
    reported: list[pd.DataFrame] = []
    live = Live(market, report=reported.append)
    broken.broken = True
    live.add(broken)
    live.add(sound)
    live.touch()
    live.touch()
    assert broken.failure == "ValueError: no expiry"
    assert [frame["channel"].iloc[0] for frame in reported] == ["Counting"]
    assert len(sound.seen) == 3
    broken.broken = False
    live.touch(broken)
    assert broken.failure == ""


def test_what_another_process_was_asked_is_waited_for_and_no_failure() -> None:
    market, view = Market(), Counting()
    reported: list[pd.DataFrame] = []
    live = Live(market, report=reported.append)
    view.waiting = True
    live.add(view)
    live.touch()
    assert view.failure == "asked of the collector" and reported == [] and view.seen == []
    view.waiting = False
    live.touch(view)
    assert view.failure == "" and len(view.seen) == 1


def views_over(market: Market) -> tuple[ExposureViews, Live]:
    views, live = ExposureViews(market, Choice(), DARK), Live(market)
    for view in views.all:
        live.add(view)
    views.follow_choices(live)
    return views, live


def test_every_view_of_the_page_shows_the_market_without_failing() -> None:
    views, live = views_over(Market())
    assert views.choice.underlying == "BTC"
    assert live.refreshes == len(views.all)
    live.repaint(LIGHT)
    assert views.strikes.figure.xaxis[0].major_label_text_color == LIGHT.muted


def test_a_new_print_moves_the_candle_in_progress_and_a_later_one_appends() -> None:
    pn.config.design = None
    market = Market()
    views, live = views_over(market)
    closed, forming = views.price.chart._candles, views.price.chart.forming.source
    before = closed.data
    count = len(before["x"])
    market.tick("BTC", 104_321.0)
    live.tick()
    assert forming.data["close"] == [104_321.0]
    assert len(closed.data["x"]) == count, "a tick moves the candle in progress alone"
    market.tick("BTC", 104_400.0, seconds=61)
    live.tick()
    assert closed.data is before and len(closed.data["x"]) in (count + 1, count + 2)
    assert closed.data["close"][count] == 104_321.0
    assert forming.data["close"] == [104_400.0]
    x = np.append(closed.data["x"], forming.data["x"])
    assert (x[1:] > x[:-1]).all()
    assert x[-1] * 1e6 >= market.asof_ns - 60 * SECOND


def test_the_sign_model_turns_the_bars_round() -> None:
    market = Market()
    views, _ = views_over(market)
    market.put("exposures", market.latest("exposures"))
    long = views.strikes._bars.data["net"].copy()
    views.choice.sign_model = "calls_short"
    short = views.strikes._bars.data["net"]
    assert long.shape == short.shape
    assert (abs(long + short) <= 1e-3 * abs(long).max()).all()


def test_a_picture_is_made_once_something_has_come_and_never_too_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("workstation.views.shell.session.time.monotonic", lambda: clock[0])
    market = Market()
    live = Live(market, period_ms=100)
    made: list[float] = []
    monkeypatch.setattr(live, "tick", lambda: made.append(clock[0]))
    live._watched.append(SimpleNamespace(view=SimpleNamespace(inputs=("trades",))))
    live._look()
    assert made == [100.0]
    market.tick("BTC", 104_321.0)
    for clock[0] in (
        100.03,
        100.06,
        100.09,
        100.12,
        100.15,
        100.18,
        100.21,
        100.24,
        100.27,
        100.30,
        100.33,
        100.36,
    ):
        live._look()
    assert made == [100.0, 100.06, 100.33], (
        "not at once again; where the last was long ago sooner than a period; then when nothing came for a while"
    )


def test_pictures_are_of_the_newest_trades_whenever_other_tables_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("workstation.views.shell.session.time.monotonic", lambda: clock[0])
    versions = {"trades": 0, "candles": 0}
    source: Any = SimpleNamespace(version=versions.__getitem__)
    live = Live(source, period_ms=100)
    pictured: list[tuple[float, int]] = []
    monkeypatch.setattr(live, "tick", lambda: pictured.append((clock[0], versions["trades"])))
    live._watched.append(SimpleNamespace(view=SimpleNamespace(inputs=("trades", "candles"))))
    came = {}
    for step in range(1200):
        clock[0] = 100.0 + 0.01 * step
        if step % 10 == 0 and step < 1000:
            versions["trades"] += 1
            came[versions["trades"]] = clock[0]
        if step % 11 == 0:
            versions["candles"] += 1
        if step % 2 == 0:
            live._look()
    waited = [at - came[trade] for at, trade in pictured if clock[0] - at > 2.3][2:]
    assert max(waited) < 0.031, "a table that comes at times of its own puts no picture off"
    assert {trade for _, trade in pictured} >= set(range(1, 101)), "every trade has its picture"
    late = [at for at, _ in pictured if at > 110.2]
    assert len(late) >= 6, "and without trades the others are shown all the same"


def test_a_session_that_others_keep_waiting_makes_fewer_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("workstation.views.shell.session.time.monotonic", lambda: clock[0])
    made: dict[float, int] = {}
    versions = count()
    source: Any = SimpleNamespace(version=lambda _table: next(versions))
    for between in (0.03, 0.15, 0.3):
        live = Live(source, period_ms=100)
        pictures: list[float] = []
        monkeypatch.setattr(live, "tick", lambda pictures=pictures: pictures.append(clock[0]))
        live._watched.append(SimpleNamespace(view=SimpleNamespace(inputs=("trades",))))
        for _ in range(int(12 / between)):
            live._look()
            clock[0] += between
        made[between] = len(pictures)
    assert made[0.03] == pytest.approx(12 / 0.09, abs=2), "alone it is as fast as it may"
    assert made[0.15] == pytest.approx(12 / 0.3, abs=2)
    assert made[0.3] == pytest.approx(12 / 0.6, abs=2)
