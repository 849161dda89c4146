"""Live elements follow the board, keep within bounds, and tell what is the matter."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
from bokeh.events import RangesUpdate

from workstation import plots
from workstation.board import Board
from workstation.market.tables import TABLES
from workstation.plots import live_pump
from workstation.plots.live_feed import StreamFeed
from workstation.plots.live_pump import TURNS, attached
from workstation.streams.frames import streamz_frame
from workstation.streams.hub import Hub

NAME = "BTC/USD:BTC"


def trades(start: int, many: int = 20) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "event_ns": (start + np.arange(many)) * 10**9,
            "instrument": NAME,
            "price": np.arange(many) + 1e5,
            "size": 1.0,
        }
    )
    return TABLES["trades"].conform(rows)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that is moved by hand."""

    class Clock:
        now = 1_000.0

        def monotonic(self) -> float:
            return self.now

    made = Clock()
    monkeypatch.setattr(live_pump, "time", made)
    monkeypatch.setattr(TURNS, "free_s", 0.0)
    return made


@pytest.fixture
def board() -> Board:
    made = Board()
    made.add("trades", trades(100))
    return made


def show(live: Any) -> Any:
    return hv.renderer("bokeh").get_plot(live)


def drawn(plot: Any) -> np.ndarray:
    return np.asarray(plot.state.renderers[0].data_source.data["price"])


def status(plot: Any) -> str:
    return str(plot.state.below[-1].text)


def test_it_follows_the_board_and_its_axes_follow_the_rows(board: Board, clock: Any) -> None:
    live = plots.live(board, "trades", plots.ticks)
    plot = show(live)
    assert len(drawn(plot)) == 20
    board.add("trades", trades(200))
    clock.now += 2
    live.pump.look()
    assert len(drawn(plot)) == 40
    assert plot.state.x_range.end == np.datetime64(219, "s")


def test_nothing_is_sent_when_nothing_is_new_or_it_is_not_time(board: Board, clock: Any) -> None:
    live = plots.live(board, "trades", plots.ticks, every="10s")
    show(live)
    live.pump.look()
    sent = live.pump.pictures
    clock.now += 11
    live.pump.look()
    assert live.pump.pictures == sent, "nothing is new"
    board.add("trades", trades(200))
    live.pump.look()
    assert live.pump.pictures == sent + 1
    board.add("trades", trades(300))
    clock.now += 5
    live.pump.look()
    assert live.pump.pictures == sent + 1, "not before ten seconds"


def test_the_next_picture_waits_for_the_browser(board: Board, clock: Any) -> None:
    live = plots.live(board, "trades", plots.ticks)
    plot = show(live)
    [shown] = live.pump._shown.values()
    shown.answer.tags = [1]
    board.add("trades", trades(200))
    clock.now += 2
    live.pump.look()
    assert len(drawn(plot)) == 40
    board.add("trades", trades(300))
    clock.now += 2
    live.pump.look()
    assert len(drawn(plot)) == 40, "the browser has not drawn the second picture"
    shown.answer.tags = [shown.sent]
    live.pump.look()
    assert len(drawn(plot)) == 60
    board.add("trades", trades(400))
    clock.now += live_pump.PATIENCE_S + 1
    live.pump.look()
    assert len(drawn(plot)) == 80, "patience ends"


def test_a_failing_maker_is_told_and_ends_nobody(board: Board, clock: Any) -> None:
    def of_bad_days(rows: pd.DataFrame) -> Any:
        if len(rows) == 40:
            return rows["net_gam"]
        return plots.ticks(rows)

    live, sibling = plots.live(board, "trades", of_bad_days), plots.live(board, "trades", plots.ticks)
    plot, other = show(live), show(sibling)
    for start, many, words in ((200, 20, "cannot draw trades: no column or key 'net_gam'"), (300, 40, "")):
        board.add("trades", trades(start))
        for each in (live, sibling, live, sibling):
            clock.now += 3
            each.pump.look()
        assert status(plot).startswith(words) and bool(status(plot)) == bool(words)
        assert len(drawn(other)) == many + 20 if words else len(drawn(plot)) == 60
    assert status(other) == ""


def test_a_maker_that_fails_at_first_is_drawn_once_it_can(clock: Any) -> None:
    board = Board()
    live = plots.live(board, "trades", lambda rows: plots.ticks(rows) if len(rows) else rows["soon"])
    plot = show(live)
    assert "soon" in status(plot)
    board.add("trades", trades(100))
    clock.now += 3
    live.pump.look()
    assert status(plot) == ""
    [line] = [each for each in plot.state.renderers if len(each.data_source.data.get("price", ()))]
    assert len(line.data_source.data["price"]) == 20
    assert type(plot.state.xaxis[0].formatter).__name__ == "DatetimeTickFormatter"


def test_a_layout_is_refused_in_words(board: Board) -> None:
    live = plots.live(board, "trades", lambda rows: plots.ticks(rows) + plots.ticks(rows))
    assert "one element or overlay" in status(show(live))


def test_it_ends_when_nobody_looks_any_more(board: Board, clock: Any) -> None:
    live = plots.live(board, "trades", plots.ticks)
    plot = show(live)
    clock.now += 2
    live.pump.look()
    plot.cleanup()
    clock.now += 2
    live.pump.look()
    board.add("trades", trades(200))
    sent = live.pump.pictures
    live.pump.look()
    assert live.pump.pictures == sent and not live.pump.running


def test_a_hand_on_the_plot_is_not_fought(board: Board, clock: Any) -> None:
    live = plots.live(board, "trades", plots.ticks)
    plot = show(live)
    plot.state._trigger_event(RangesUpdate(plot.state, x0=5.0, x1=6.0, y0=1.0, y1=2.0))
    board.add("trades", trades(200))
    clock.now += 2
    live.pump.look()
    assert (plot.state.x_range.start, plot.state.x_range.end) == (5.0, 6.0)
    assert len(drawn(plot)) == 40


def test_live_plots_compose_and_take_turns(board: Board, clock: Any) -> None:
    first, second = (plots.live(board, "trades", plots.ticks, every="1s") for _ in range(2))
    both = first + second
    assert {id(pump) for pump in attached(both)} == {id(first.pump), id(second.pump)}
    assert isinstance(first * hv.HLine(1e5), hv.DynamicMap)
    show(first), show(second)
    board.add("trades", trades(200))
    clock.now += 2
    TURNS.free_s = clock.now + 1
    first.pump.look(), second.pump.look()
    assert first.pump.pictures == second.pump.pictures == 0, "the kernel is free first"
    clock.now += 1
    for _ in range(3):
        first.pump.look(), second.pump.look()
    assert first.pump.pictures == second.pump.pictures == 1


def test_a_streaming_frame_is_held_up_to_a_bound() -> None:
    hub = Hub()
    mean = streamz_frame(hub, "trades").price.rolling(2).mean()
    live = plots.live(mean, keep=50)
    plot = show(live)
    assert "no rows yet" in status(plot)
    for start in range(0, 200, 20):
        hub.publish("trades", trades(start)[["event_ns", "instrument", "price", "size"]])
    feed = live.pump._feed
    assert isinstance(feed, StreamFeed)
    rows = feed.rows()
    assert len(rows) == 50 and feed._held <= 50
    live.refresh()
    assert (
        len([each for each in plot.state.renderers if len(each.data_source.data.get("price", ())) == 50]) == 1
    )
    live.stop()
    hub.publish("trades", trades(300)[["event_ns", "instrument", "price", "size"]])
    assert feed.rows()["price"].tolist() == rows["price"].tolist()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: plots.live(Board(), "trade", plots.ticks), "no table 'trade'"),
        (lambda: plots.live(Board(), "trades"), "give a function"),
        (lambda: plots.live(Board(), plots.ticks), "name a table"),
        (lambda: plots.live(3, "trades", plots.ticks), "got int"),
        (lambda: plots.live(Board(), "priced_chain", plots.ticks), "underlying="),
        (lambda: plots.live(Board(), "trades", plots.ticks, every="7"), "say '7s'"),
        (lambda: plots.live(Board(), "trades", plots.ticks, every=0.01), "fastest"),
    ],
)  # fmt: skip
def test_bad_input_is_told(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
