"""The desk: what it wires, and that live = replay = batch, row for row."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from workstation import open_desk, open_feed, open_history
from workstation.board.board import FEED_COLUMNS
from workstation.desk import Desk
from workstation.engines import EngineParameters, standard_engines
from workstation.feeds.feed import Batch, Capabilities, Feed, Subscription
from workstation.feeds.tape.tape import Tape
from workstation.history import History
from workstation.market.digest import digest
from workstation.market.errors import HistoryError
from workstation.market.tables import TABLES
from workstation.research.replay import replay
from workstation.settings import Settings
from workstation.streams.sinks import FunctionSink

DERIVED = tuple(sorted({engine.output for engine in standard_engines()}))
SHORT = ("candles", "exposures", "levels", "intensity", "surfaces", "cascade")
"""What even a short market gives rows of."""
START_NS = 1_767_225_600_000_000_000


@pytest.fixture
def settings() -> Settings:
    return Settings(candles=("1s", "10s"), _env_file=None)  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a live desk wrote from a short synthetic market."""
    folder = tmp_path_factory.mktemp("desk") / "store"
    feed = open_feed(
        "synthetic",
        seed=3,
        start_ns=START_NS,
        duration_s=20.0,
        speed="max",
        rate=2_000.0,
        history_minutes=3.0,
    )
    desk = open_desk([feed], str(folder), settings=Settings(candles=("1s", "10s"), _env_file=None))  # type: ignore[call-arg]
    with desk:
        assert desk.wait(120), "the synthetic market did not come to its end"
    assert desk.hub.set_aside == type(desk.hub.set_aside)(), [one.reason for one in desk.hub.set_aside]
    desk.history.close()  # type: ignore[union-attr]
    return folder


@pytest.fixture
def store(recorded: Path) -> History:
    return open_history(str(recorded))


def derived(frames: dict[str, pd.DataFrame]) -> dict[str, str]:
    return {table: digest([frames[table]]) for table in DERIVED}


def by_seq(store: History) -> dict[str, pd.DataFrame]:
    return {
        table: store.read(table, revisions=True).sort_values("seq", ignore_index=True) for table in DERIVED
    }


def test_live_is_replay(store: History, settings: Settings) -> None:
    live = by_seq(store)
    assert all(len(live[table]) for table in SHORT), {table: len(frame) for table, frame in live.items()}
    again = replay(store, engines=standard_engines(settings.candles))
    assert derived(again) == derived(live)


def test_live_is_batch(store: History) -> None:
    """One engine, all rows of its inputs in one batch."""
    from workstation.indicators.candles.engine import Candles

    live = by_seq(store)["candles"]
    everything = store.read("trades").sort_values("seq", ignore_index=True)
    batch = Candles(every="1s", lateness=EngineParameters().candles.lateness).update(everything)
    final = live[live["every_ns"] == 10**9].reset_index(drop=True)
    last = batch["event_ns"].max()
    assert len(batch) > 100
    assert digest([batch]) == digest([final[final["event_ns"] <= last].reset_index(drop=True)])


@pytest.mark.thorough
def test_a_desk_on_the_tape_derives_the_same(store: History, settings: Settings, tmp_path: Path) -> None:
    with open_desk([Tape(store, speed="max")], str(tmp_path / "again"), settings=settings) as desk:
        assert desk.wait(120)
    again = open_history(str(tmp_path / "again"))
    assert derived(by_seq(again)) == derived(by_seq(store))


def test_every_raw_row_is_kept_with_one_order(store: History) -> None:
    names = set(store.tables()["name"])
    assert {"trades", "quotes", "marks", "instruments", "heartbeat", *SHORT} <= names
    seqs = pd.concat([store.read(name, revisions=True)["seq"] for name in names])
    assert seqs.is_unique
    assert seqs.min() == 1


def test_a_second_desk_numbers_on_and_shows_the_last_known_state(
    recorded: Path, settings: Settings, tmp_path: Path
) -> None:
    store = open_history(str(recorded))
    desk = open_desk([], store, settings=settings)
    assert desk.hub.next_seq == store.last_seq() + 1
    with desk:
        assert len(desk.board.latest("levels")) > 0
        assert len(desk.board.candles("BTC/USD:BTC", 10 * 10**9)) > 0


def test_board_tells_of_feeds(settings: Settings) -> None:
    feed = open_feed("synthetic", seed=3, start_ns=START_NS, duration_s=1.0, speed="max", history_minutes=0.0)
    with open_desk([feed], settings=settings) as desk:
        assert desk.wait(60)
    feeds = desk.board.feeds()
    assert list(feeds.columns) == list(FEED_COLUMNS)
    assert feeds["state"].tolist() == ["ended"]


def test_a_notebook_gets_streaming_frames_and_its_mistakes_stay_its_own(settings: Settings) -> None:
    feed = open_feed("synthetic", seed=3, start_ns=START_NS, duration_s=1.0, speed="max", history_minutes=0.0)
    desk = open_desk([feed], settings=settings)
    means: list[pd.Series] = []
    mean = desk.frame("trades").price.rolling(10).mean().stream.sink(means.append)
    broken = desk.stream("trades").map(lambda frame: frame["no such column"])
    seen = threading.Event()
    desk.hub.attach("sibling", ["trades"], lambda table, frame: seen.set())
    with desk:
        assert desk.wait(60)
    assert means
    assert seen.is_set()
    assert mean is not None and broken is not None
    failed = desk.board.latest("health").query("event == 'failed'")
    assert failed["detail"].str.contains("no such column").any()


def test_stop_is_idempotent_and_start_returns_the_desk(settings: Settings) -> None:
    desk = open_desk([], settings=settings)
    assert isinstance(desk.start(), Desk)
    desk.start()
    desk.stop()
    desk.stop()


class Burst(Feed):
    """A live venue that sends everything at once and waits for nobody."""

    name = "burst"
    capabilities = Capabilities(tables=frozenset({"trades", "quotes"}))

    def __init__(self, batches: int) -> None:
        self.count = batches

    async def connect(self) -> None: ...

    async def instruments(self) -> pd.DataFrame:
        return TABLES["instruments"].empty()

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        return Subscription(("trades", "quotes"))

    async def snapshot(self) -> list[Batch]:
        return []

    async def batches(self) -> AsyncIterator[Batch]:
        for number in range(self.count):
            stamp = {"event_ns": [START_NS + number], "instrument": ["BURST"]}
            trade = {**stamp, "price": [1.0], "size": [1.0], "trade_id": [str(number)]}
            yield Batch("trades", TABLES["trades"].conform(pd.DataFrame(trade)))
            yield Batch("quotes", TABLES["quotes"].conform(pd.DataFrame({**stamp, "bid": [float(number)]})))

    async def close(self) -> None: ...


def test_a_market_faster_than_the_desk_loses_nothing_in_silence(tmp_path: Path) -> None:
    settings = Settings(candles=("1s",), backlog=20, _env_file=None)  # type: ignore[call-arg]
    desk = open_desk([Burst(400)], str(tmp_path / "store"), settings=settings)
    gate = threading.Event()
    desk.hub.attach("slow", ["trades"], lambda table, frame: gate.wait(30))
    with desk:
        assert desk.wait(60), "a live feed must not wait for the hub"
        gate.set()
    assert not desk.hub.set_aside
    store = open_history(str(tmp_path / "store"))
    trades = store.read("trades")
    assert sorted(map(int, trades["trade_id"])) == list(range(400)), "every print is in history, once"
    health = store.read("health")
    spilled = health[(health["event"] == "spilled") & (health["channel"] == "trades")]
    assert spilled["count"].sum() == (trades["seq"] < 0).sum() > 0
    assert health.loc[health["event"] == "conflated", "channel"].unique().tolist() == ["quotes"]
    assert desk.board.latest("quotes")["bid"].tolist() == [399.0], "the newest quote arrives"


class Tally:
    """A sink of a user: counts the rows it is handed, and how often it is started and closed."""

    name, tables = "tally", ("trades", "candles")

    def __init__(self, fails: str = "") -> None:
        self.rows: Counter[str] = Counter()
        self.calls: list[str] = []
        self._fails = fails

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self._fails:
            raise RuntimeError(f"no {name} today")

    def start(self) -> None:
        self._call("start")

    def put(self, table: str, frame: pd.DataFrame) -> None:
        self._call("put")
        self.rows[table] += len(frame)

    def close(self) -> None:
        self._call("close")


def test_a_further_sink_gets_the_rows_that_history_gets(tmp_path: Path) -> None:
    settings = Settings(candles=("1s",), candle_lateness="0s", _env_file=None)  # type: ignore[call-arg]
    tally, seen = Tally(), []
    more = FunctionSink("health", ("health",), lambda table, frame: seen.append(table))
    short = {"duration_s": 3.0, "speed": "max", "rate": 200.0, "history_minutes": 0.0}
    feed = open_feed("synthetic", seed=3, start_ns=START_NS, **short)
    desk = open_desk([feed], str(tmp_path / "store"), settings=settings, sinks=[tally, more])
    assert [sink.name for sink in desk.sinks] == ["board", "recorder", "tally", "health"]
    with desk:
        assert desk.wait(60)
    assert desk.history is not None
    kept = {table: len(desk.history.read(table, revisions=True)) for table in ("trades", "candles")}
    assert dict(tally.rows) == kept and min(kept.values()) > 0
    assert tally.calls[0] == "start" and tally.calls[-1] == "close" and tally.calls.count("close") == 1
    assert len(desk.history.read("health")) == 0 or set(seen) == {"health"}


@pytest.mark.parametrize("fails", ["start", "put", "close"])
def test_a_sink_that_fails_costs_the_others_nothing(fails: str, settings: Settings, tmp_path: Path) -> None:
    tally = Tally(fails)
    desk = open_desk([Burst(3)], str(tmp_path / "store"), settings=settings, sinks=[tally])
    if fails == "start":
        with pytest.raises(RuntimeError, match="no start today"):
            desk.start()
        with pytest.raises(HistoryError, match="closed"):
            desk.recorder.put("trades", TABLES["trades"].empty().reindex([0]))  # type: ignore[union-attr]
        return
    desk.start()
    assert desk.wait(60)
    with pytest.raises(RuntimeError, match="no close today") if fails == "close" else nullcontext():
        desk.stop()
    trades = desk.history.read("trades")  # type: ignore[union-attr]
    assert len(trades) == 3 and len(desk.board.latest("trades")) == 3
    assert ("failed" in str(desk.hub.branches["tally"])) == (fails == "put")


def test_a_second_sink_of_a_name_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="a branch named 'tally' is attached already"):
        open_desk([], settings=settings, sinks=[Tally(), Tally()])


def test_engines_that_do_not_end_are_told_of_and_what_waited_is_in_history(tmp_path: Path) -> None:
    settings = Settings(candles=("1s",), _env_file=None)  # type: ignore[call-arg]
    desk = open_desk([Burst(50)], str(tmp_path / "store"), settings=settings)
    gate = threading.Event()
    desk.hub.attach("stuck", ["trades"], lambda table, frame: gate.wait(60))
    desk.start()
    assert desk.wait(60)
    with pytest.raises(TimeoutError, match=r"engines are still busy; [1-9][0-9]* batches go to history"):
        desk.stop(timeout=5.0)  # long enough to close the feed on a machine under load
    gate.set()
    trades = open_history(str(tmp_path / "store")).read("trades")
    assert sorted(map(int, trades["trade_id"])) == list(range(50))


def test_a_replay_asks_of_candles_what_a_desk_does() -> None:
    desk = next(iter(standard_engines(parameters=Settings(_env_file=None).engine_parameters())))  # type: ignore[call-arg]
    assert desk.parameters == next(iter(standard_engines())).parameters  # type: ignore[attr-defined]
