"""A stored market that is paused, stepped, sped up and sought in: never a row of later."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import param
import pytest

from workstation.feeds.tape.tape import Tape
from workstation.history import open_history
from workstation.market.errors import FeedError, HistoryError
from workstation.replay_checkpoints import Checkpoints
from workstation.replay_session import ReplaySession
from workstation.settings import Settings
from workstation.views.shell.replay_bar import ReplayBar

START = pd.Timestamp("2026-03-20 14:00").value
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Ten minutes of a print a second, and the candles and quotes of them."""
    seconds = np.arange(600)
    trades = pd.DataFrame(
        {"seq": 10 * seconds + 1, "event_ns": START + seconds * SECOND, "instrument": "BTC/USD:BTC", "price": 100.0 + seconds, "size": 1.0}
    )  # fmt: skip
    quote = {"instrument": "BTC/USD:BTC", "bid": 99.0, "ask": 101.0, "venue": "here"}
    with open_history(tmp_path_factory.mktemp("replayed") / "store", upkeep=False) as history:
        history.write("trades", trades)
        history.write("quotes", pd.DataFrame([quote | {"seq": 55, "event_ns": START + 5 * SECOND}]))
        for minutes in (1, 5):
            begin = np.arange(0, 10, minutes)
            history.write("candles", pd.DataFrame({
                "seq": 10_000 * minutes + begin, "event_ns": START + begin * MINUTE, "instrument": "BTC/USD:BTC", "every_ns": minutes * MINUTE,
                "open": 100.0 + 60 * begin, "high": 1e3, "low": 1.0, "close": 100.0 + 60 * (begin + minutes) - 1, "volume": 60.0 * minutes,
                "closed": True,
            }))  # fmt: skip
        yield history


@pytest.fixture
def session(store):
    settings = Settings(candles=("1min", "5min"), _env_file=None)  # type: ignore[call-arg]
    made = ReplaySession(store, settings=settings, speed=1.0)
    made.pause()
    with made:
        yield made


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def closed(session, minutes):
    rows = session.desk.board.latest("candles")
    rows = rows[(rows["every_ns"] == minutes * MINUTE) & rows["closed"]]
    return ((rows["event_ns"] - START) // MINUTE).tolist()


def test_a_sought_moment_knows_what_was_known_then_back_and_forth(session):
    for second in (400, 130, 599):
        moment = START + second * SECOND
        session.seek(moment)
        board = session.desk.board
        assert board.asof_ns == moment - SECOND, "the last print before it"
        assert board.latest("trades")["event_ns"].max() == moment - SECOND
        assert board.latest("quotes")["bid"].tolist() == [99.0], "a quote of minutes before still stands"
        assert closed(session, 1) == list(range(second // 60)) and closed(session, 5) == list(
            range(0, second // 300 * 5, 5)
        )
        assert not session.playing and not session.desk.hub.set_aside
    with pytest.raises(HistoryError, match="is not in 2026-03-20 14:00:00 UTC to"):
        session.seek(START - 1)


def test_a_step_plays_so_much_and_rows_number_on(session):
    session.seek(START + 100 * SECOND)
    session.set_speed("max")
    last = session.desk.board.latest("trades")["seq"].max()
    session.step(5)
    until(lambda: session.desk.board.asof_ns == START + 104 * SECOND and not session.playing)
    assert session.desk.board.latest("trades")["seq"].max() > last
    with pytest.raises(HistoryError, match="goes nowhere"):
        session.step(0)
    with pytest.raises(FeedError, match="speed must be positive"):
        session.set_speed(0.0)


def test_a_longer_timeframe_waits_for_its_bar(session):
    session.seek(START + 290 * SECOND)
    session.set_speed("max")
    session.step(60)
    until(lambda: session.desk.board.asof_ns == START + 349 * SECOND and not session.playing)
    assert closed(session, 5) == [0], "the recorded bar, once it was over"
    bars = session.desk.board.latest("candles")
    five = bars[(bars["every_ns"] == 5 * MINUTE) & (bars["event_ns"] == START)]
    assert five["volume"].tolist() == [300.0], "no bar of the ten seconds that the engine saw of it"
    session.play()
    until(lambda: session.ended)
    assert 5 not in closed(session, 5) or closed(session, 5) == [0, 5]


def test_it_plays_to_the_end_and_loops(session):
    session.seek(START + 590 * SECOND)
    session.set_speed("max")
    session.play()
    until(lambda: session.ended)
    session.follow()
    assert session.generation == 1, "it does not loop unless told to"
    session.loop = True
    session.set_speed(1.0)
    session.follow()
    assert session.generation == 2 and session.position_ns < START + 10 * SECOND
    until(lambda: session.playing)


def played_to(session, second):
    """Everything the desk knows once all before a second were given."""
    session.set_speed("max")
    if session.position_ns < START + second * SECOND:
        session.step((START + second * SECOND - session.position_ns) / SECOND)
    desk = session.desk
    until(lambda: desk.board.asof_ns == START + (second - 1) * SECOND and not session.playing)
    shown = {name: desk.board.latest(name) for name in desk.board.tables if name != "health"}
    closed_already = shown["candles"]["closed"].to_numpy()
    shown["candles"] = shown["candles"][closed_already].reset_index(drop=True)
    shown["forming"] = desk.hub.engines["Candles"].in_progress()
    return shown, desk.hub.next_seq, desk.hub.watermark_ns, dict(desk.hub.rows)


def assert_same(found, expected):
    for name, rows in expected[0].items():
        pd.testing.assert_frame_equal(found[0][name], rows, check_categorical=False)
    assert found[1:] == expected[1:]


def test_a_seek_back_knows_what_playing_on_without_it_knows(store):
    settings = Settings(candles=("1s", "1min", "5min"), _env_file=None)  # type: ignore[call-arg]
    expected = {}
    with ReplaySession(store, settings=settings, speed="max") as straight:
        straight.pause()
        straight.seek(START)
        for second in (12, 15, 22):
            expected[second] = played_to(straight, second)
    made = ReplaySession(store, settings=settings, speed="max")
    made._checkpoints = Checkpoints(every_ns=2 * SECOND, share=1e9)
    with made:
        made.pause()
        made.seek(START)
        played_to(made, 24)
        for second, onward in ((15, 22), (12, 15)):
            made.seek(START + second * SECOND)
            assert_same(played_to(made, second), expected[second])
            assert_same(played_to(made, onward), expected[onward])
            assert made._checkpoints.before(START + second * SECOND) is not None


def test_the_bar_steers_and_asks_for_another_page_after_a_seek(session):
    bar = ReplayBar(session)
    assert "14:00:00" in bar._time.panel.object and bar.toggle.label == "Play" and bar.slider.end == 9
    with param.edit_constant(bar.slider):
        bar.slider.value_throttled = 7
    assert session.position_ns == START + 7 * MINUTE
    bar.refresh(session.desk.board)
    assert bar._reload.text == "1"
    again = ReplayBar(session)
    assert again.slider.value == 7 and "14:07:00" in again._time.panel.object
    again.speed.value = 10.0
    assert session.speed == 10.0
    again.toggle.param.trigger("clicks")
    until(lambda: session.playing)
    again.refresh(session.desk.board)
    assert again.toggle.label == "Pause"


def test_a_tape_holds_gives_at_once_what_lies_before_and_changes_its_speed():
    tape = Tape(
        {"trades": pd.DataFrame({"event_ns": [1], "instrument": "X", "price": 1.0, "size": 1.0})},
        paced_from=5,
    )
    tape.resume_until(7)
    assert tape.playing
    tape.pause()
    assert not tape.playing
    tape.set_speed("max")
    assert tape.parameters.speed == "max"
    with pytest.raises(FeedError):
        tape.set_speed(-1.0)
