"""The supervisor against scripted feeds, in scripted time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pandas as pd
import pytest

from tests.unit.feeds.scripted import (
    LOST,
    SECOND_NS,
    START_NS,
    FakeTime,
    ScriptedFeed,
    Sink,
    health,
    heartbeat,
    trades,
)
from workstation.feeds.supervision.staleness import StalenessParameters
from workstation.feeds.supervision.supervisor import SupervisionParameters, Supervisor
from workstation.market.errors import FeedError, TableError


class Longest(random.Random):
    """Draws the end of every range: the backoff's caps become visible."""

    def uniform(self, a: float, b: float) -> float:
        return b


async def run(feed: ScriptedFeed, sink: Any = None, **options: Any) -> tuple[Supervisor, Sink]:
    sink = sink or Sink()
    options.setdefault("rng", Longest())
    supervisor = Supervisor(
        feed, sink, clock=feed.time.clock, monotonic=feed.time.clock, sleep=feed.time.sleep, **options
    )
    await asyncio.wait_for(supervisor.run(), 20)
    return supervisor, sink


async def test_a_feed_that_ends_is_published_and_told():
    feed = ScriptedFeed(FakeTime(), [trades(["1", "2"], START_NS), trades(["3"], START_NS + 9)])
    supervisor, sink = await run(feed)
    assert sink.rows("trades")["trade_id"].tolist() == ["1", "2", "3"]
    assert sink.events == ["connecting", "connected", "ended"]
    status = supervisor.status()
    assert (status["state"], status["newest_ns"], status["reconnects"]) == ("ended", START_NS + 9, 0)
    assert feed.closes == 1


async def test_backoff_doubles_up_to_its_cap_and_is_full_jitter():
    time = FakeTime()
    feed = ScriptedFeed(time, *[[LOST]] * 6)
    parameters = SupervisionParameters(backoff_first_s=1.0, backoff_cap_s=8.0, watch_every_s=1000.0)
    _, sink = await run(feed, parameters=parameters)
    waits = [nap for nap in time.naps if nap < 100.0]
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert sink.events.count("disconnected") == 6
    jittered = FakeTime()
    await run(ScriptedFeed(jittered, *[[LOST]] * 30), parameters=parameters, rng=random.Random(3))
    drawn = [nap for nap in jittered.naps if nap < 100.0]
    assert len(drawn) == 30
    assert 0.0 <= min(drawn) < 0.5
    assert 7.0 < max(drawn) <= 8.0


async def test_a_healthy_spell_resets_the_backoff():
    time = FakeTime()
    feed = ScriptedFeed(time, [LOST], [LOST], [LOST], [trades(["1"], START_NS), 100.0, LOST], [])
    feed.pong = True
    await run(
        feed, parameters=SupervisionParameters(backoff_first_s=1.0, healthy_s=60.0, watch_every_s=1000.0)
    )
    assert [nap for nap in time.naps if nap < 100.0] == [1.0, 2.0, 4.0, 1.0]


async def test_retry_after_is_the_least_wait():
    time = FakeTime()
    feed = ScriptedFeed(time, [FeedError("slow down", retry_after=33.0)], [])
    await run(feed, parameters=SupervisionParameters(watch_every_s=1000.0))
    assert [nap for nap in time.naps if nap < 100.0] == [33.0]


async def test_a_fatal_error_is_never_retried():
    feed = ScriptedFeed(FakeTime(), [])
    feed.at_connect = [FeedError("bad credentials", fatal=True)]
    supervisor, sink = await run(feed)
    assert (feed.connects, supervisor.status()["state"]) == (1, "failed")
    assert sink.events == ["connecting", "failed"]
    assert "bad credentials" in supervisor.status()["detail"]


async def test_an_unknown_exception_is_told_by_name_and_retried():
    feed = ScriptedFeed(
        FakeTime(), [trades(["1"], START_NS), KeyError("odd")], [trades(["2"], START_NS + SECOND_NS)]
    )
    _, sink = await run(feed)
    failed = sink.rows("health").query("event == 'failed'")
    assert failed["detail"].tolist() == ["unexpected in the feed: KeyError: 'odd'"]
    assert sink.rows("trades")["trade_id"].tolist() == ["1", "2"]
    assert sink.events[-1] == "ended"


async def test_a_reconnect_resubscribes_backfills_the_hole_and_takes_repeats_out():
    time = FakeTime()
    feed = ScriptedFeed(
        time,
        [trades(["1", "2"], START_NS), LOST],
        [trades(["4", "5"], START_NS + 60 * SECOND_NS)],
    )
    feed.fill = [trades(["2", "3", "4"], START_NS + 1)]
    supervisor, sink = await run(
        feed, channels=("trades.all",), parameters=SupervisionParameters(overlap_s=2.0)
    )
    assert feed.subscribed == [("trades.all",), ("trades.all",)]
    assert sink.rows("trades")["trade_id"].tolist() == ["1", "2", "3", "4", "5"]
    gap = feed.gaps_asked[0]
    assert (gap.channel, gap.start_ns) == ("trades.all", START_NS + 1 - 2 * SECOND_NS)
    assert gap.end_ns == time.now_ns
    assert sink.events == [
        "connecting", "connected", "disconnected", "connecting", "gap", "backfilled", "resubscribed", "duplicate", "ended",
    ]  # fmt: skip
    backfilled = sink.rows("health").query("event == 'backfilled'").iloc[0]
    assert backfilled["count"] == 2
    assert supervisor.status()["gaps"] == 1


async def test_a_hole_that_cannot_be_filled_is_told_as_not_recoverable():
    feed = ScriptedFeed(FakeTime(), [trades(["1"], START_NS), LOST], [], backfill=False)
    _, sink = await run(feed)
    assert feed.gaps_asked == []
    gap = sink.rows("health").query("event == 'gap'").iloc[0]
    assert (gap["recoverable"], gap["start_ns"]) == (False, START_NS)


async def test_a_gap_the_feed_tells_is_backfilled_by_its_times():
    told = health(
        START_NS, "gap", channel="trades", instruments="BTC/USD", start_ns=5, end_ns=9, recoverable=True
    )
    lost = health(START_NS, "gap", channel="trades", start_ns=1, end_ns=2, recoverable=False)
    feed = ScriptedFeed(FakeTime(), [told, lost, 1.0])
    feed.fill = [trades(["7"], START_NS)]
    supervisor, sink = await run(feed)
    assert [(g.channel, g.instrument, g.start_ns, g.end_ns) for g in feed.gaps_asked] == [
        ("trades", "BTC/USD", 5, 9)
    ]
    assert sink.rows("trades")["trade_id"].tolist() == ["7"]
    assert supervisor.status()["gaps"] == 2


TOLD_GAP = health(
    START_NS, "gap", channel="trades", instruments="BTC/USD", start_ns=5, end_ns=9, recoverable=True
)


async def test_a_backfill_cut_off_by_a_lost_connection_is_asked_for_again():
    feed = ScriptedFeed(
        FakeTime(),
        [trades(["9"], START_NS + 10**12), TOLD_GAP, 1.0, LOST],
        [trades(["10"], START_NS + 2 * 10**12)],
    )
    feed.fill, feed.fill_after_s = [trades(["7"], 6)], [10.0]
    _, sink = await run(feed)
    assert [(gap.start_ns, gap.end_ns) for gap in feed.gaps_asked[:2]] == [(5, 9), (5, 9)]
    assert sink.rows("trades")["trade_id"].tolist() == ["9", "7", "10"]
    assert not (sink.rows("health")["detail"].astype("str").str.contains("before its backfill")).any()


async def test_a_backfill_that_the_end_cut_off_is_told():
    feed = ScriptedFeed(FakeTime(), [TOLD_GAP, 1.0])
    feed.fill_after_s = [10.0]
    _, sink = await run(feed)
    stays = sink.rows("health").query("event == 'gap' and not recoverable")
    assert stays[["start_ns", "end_ns"]].to_numpy().tolist() == [[5, 9]]
    assert stays["detail"].tolist() == ["the feed ended before its backfill"]


async def test_a_failed_backfill_is_a_gap_that_stays():
    feed = ScriptedFeed(FakeTime(), [trades(["1"], START_NS), LOST], [])
    feed.fill = FeedError("HTTP 500")
    _, sink = await run(feed)
    stays = sink.rows("health").query("event == 'gap' and not recoverable")
    assert stays["detail"].tolist() == ["backfill failed: FeedError: HTTP 500"]


async def test_a_hole_stays_known_when_the_next_session_fails_after_its_backfill():
    feed = ScriptedFeed(FakeTime(), [trades(["1"], START_NS), LOST], [])
    feed.at_snapshot = [None, FeedError("HTTP 500"), None]
    _, sink = await run(feed, channels=("trades.all",), parameters=SupervisionParameters(overlap_s=2.0))
    assert [gap.start_ns for gap in feed.gaps_asked] == [START_NS - 2 * SECOND_NS] * 2
    first, second = feed.gaps_asked
    assert first.end_ns < second.end_ns and sink.events[-1] == "ended"


async def test_refused_channels_become_health_rows_and_the_rest_goes_on():
    feed = ScriptedFeed(FakeTime(), [trades(["1"], START_NS)])
    feed.refuse = {"nothing.here": "no such channel"}
    supervisor, sink = await run(feed, channels=("trades.all", "nothing.here"))
    refused = sink.rows("health").query("event == 'refused'").iloc[0]
    assert (refused["channel"], refused["detail"]) == ("nothing.here", "no such channel")
    assert supervisor.status()["refused"] == 1
    assert len(sink.rows("trades")) == 1


async def test_a_silent_socket_is_stale_then_given_up():
    feed = ScriptedFeed(
        FakeTime(), [trades(["1"], START_NS), 1000.0], [trades(["2"], START_NS + 100 * SECOND_NS)]
    )
    parameters = SupervisionParameters(staleness=StalenessParameters(transport_s=15.0, quiet_s=1e6))
    _, sink = await run(feed, parameters=parameters)
    assert sink.events == [
        "connecting", "connected", "stale", "disconnected", "connecting", "gap", "resubscribed", "ended",
    ]  # fmt: skip
    rows = sink.rows("health").set_index("event")
    assert 15.0 <= (rows.loc["stale", "event_ns"] - START_NS) / SECOND_NS <= 17.0
    assert "nothing heard" in rows.loc["disconnected", "detail"]


async def test_a_quiet_chain_with_a_live_transport_is_not_stale():
    time = FakeTime()
    feed = ScriptedFeed(
        time, [trades(["1"], START_NS), 300.0, trades(["2"], START_NS + 300 * SECOND_NS), 2.0]
    )
    feed.pong = True
    supervisor, sink = await run(feed)
    assert sink.events == ["connecting", "connected", "quiet", "fresh", "ended"]
    assert supervisor.status()["channels"] == {"trades": "fresh"}
    assert feed.connects == 1


async def test_a_channel_that_must_not_be_silent_is_stale_though_the_transport_lives():
    feed = ScriptedFeed(FakeTime(), [trades(["1"], START_NS), 1000.0], [])
    feed.pong = True
    parameters = SupervisionParameters(staleness=StalenessParameters(channel_s={"trades": 20.0}, quiet_s=1e6))
    _, sink = await run(feed, parameters=parameters)
    assert sink.events[2:4] == ["stale", "disconnected"]
    assert "trades silent" in sink.rows("health").query("event == 'disconnected'")["detail"].iloc[0]


async def test_state_is_stale_while_silent_and_live_again_after():
    time = FakeTime()
    feed = ScriptedFeed(time, [trades(["1"], START_NS), 20.0, trades(["2"], START_NS), 5.0])
    parameters = SupervisionParameters(
        staleness=StalenessParameters(transport_s=10.0, dead_factor=9.0, quiet_s=1e6)
    )
    states: list[str] = []
    supervisor = Supervisor(
        feed, Sink(), clock=time.clock, monotonic=time.clock, sleep=time.sleep, parameters=parameters
    )

    async def watch() -> None:
        while not states or states[-1] != "ended":
            state = supervisor.status()["state"]
            if not states or states[-1] != state:
                states.append(state)
            await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(supervisor.run(), watch()), 20)
    assert states == ["connecting", "live", "stale", "live", "ended"]


@pytest.mark.parametrize(("lag_s", "flagged"), [(0.02, 0), (5.0, 1), (-5.0, 1)])
async def test_clock_skew_is_flagged_and_never_rewritten(lag_s: float, flagged: int):
    lag_ns = int(lag_s * SECOND_NS)
    batch = trades([str(n) for n in range(200)], START_NS, seen_ns=START_NS + 200 + lag_ns)
    feed = ScriptedFeed(FakeTime(), [batch, 5.0])
    supervisor, sink = await run(feed)
    assert sink.events.count("clock_skew") == flagged
    pd.testing.assert_frame_equal(sink.rows("trades"), batch.frame)
    assert supervisor.status()["skew_s"] == pytest.approx(lag_s, abs=1e-6)


async def test_with_a_simulated_clock_health_rows_follow_the_data():
    event_ns = 1_700_000_000_000_000_000
    feed = ScriptedFeed(
        FakeTime(), [heartbeat(event_ns), trades(["1"], event_ns + 5), 4000.0], simulated=True
    )
    _, sink = await run(feed)
    rows = sink.rows("health")
    assert sink.events == ["connecting", "connected", "ended"]
    assert rows["event_ns"].tolist() == [event_ns, event_ns, event_ns + 5]
    assert (rows["seen_ns"] >= START_NS).all()


async def test_a_batch_its_table_refuses_is_set_aside_and_told():
    class Strict(Sink):
        def __call__(self, table: str, frame: pd.DataFrame) -> None:
            if table == "trades" and "bad" in frame["trade_id"].tolist():
                raise TableError("trades", "price", 0, "NaN in a required column")
            super().__call__(table, frame)

    feed = ScriptedFeed(FakeTime(), [trades(["bad"], START_NS), trades(["good"], START_NS)])
    supervisor, sink = await run(feed, Strict())
    assert sink.rows("trades")["trade_id"].tolist() == ["good"]
    assert (
        sink.rows("health").query("event == 'rejected'")["detail"].iloc[0].startswith("trades.price, row 0")
    )
    assert supervisor.status()["rejected"] == 1


async def test_a_sink_that_breaks_is_not_the_feeds_fault_and_surfaces():
    def broken(table: str, frame: pd.DataFrame) -> None:
        if table == "trades":
            raise OSError("disk full")

    feed = ScriptedFeed(FakeTime(), [trades(["1"], START_NS)])
    supervisor = Supervisor(
        feed, broken, clock=feed.time.clock, monotonic=feed.time.clock, sleep=feed.time.sleep
    )
    with pytest.raises(OSError, match="disk full"):
        await asyncio.wait_for(supervisor.run(), 20)
    assert supervisor.status()["state"] == "failed"
    assert feed.closes == 1


async def test_stop_ends_a_feed_that_hangs_anywhere():
    class Hanging(ScriptedFeed):
        async def connect(self) -> None:
            await asyncio.Event().wait()

    for feed in (Hanging(FakeTime()), ScriptedFeed(FakeTime(), [1e9])):
        sink = Sink()
        supervisor = Supervisor(feed, sink)
        task = asyncio.create_task(supervisor.run())
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.wait_for(supervisor.stop(), 5)
        await asyncio.wait_for(task, 5)
        assert (sink.events[-1], supervisor.status()["state"], feed.closes) == ("stopped", "stopped", 1)


async def test_cancelling_run_closes_the_feed():
    feed = ScriptedFeed(FakeTime(), [1e9])
    supervisor = Supervisor(feed, Sink())
    task = asyncio.create_task(supervisor.run())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (feed.closes, supervisor.status()["state"]) == (1, "stopped")


async def test_an_answer_that_never_comes_is_given_up():
    class Mute(ScriptedFeed):
        async def instruments(self) -> pd.DataFrame:
            if self.connects == 1:
                await asyncio.Event().wait()
            return await super().instruments()

    feed = Mute(FakeTime(), [])
    _, sink = await run(feed, parameters=SupervisionParameters(answer_within_s=5.0))
    assert (
        "instruments: no answer within 5 s"
        in sink.rows("health").query("event == 'disconnected'")["detail"].iloc[0]
    )
    assert feed.connects == 2


@pytest.mark.parametrize("step_s", [-3600.0, 60.0, 3600.0])
async def test_a_step_of_the_wall_clock_is_neither_silence_nor_life(step_s: float) -> None:
    """A feed that goes on over the step is not called stale for it; one that falls silent after it is, in time."""
    time = FakeTime()

    def wall() -> int:
        return time.now_ns + (int(step_s * SECOND_NS) if time.now_ns >= START_NS + 4 * SECOND_NS else 0)

    script = [trades(["1"], START_NS), 8.0, trades(["2"], START_NS + 8), 20.0, trades(["3"], START_NS + 28)]
    sink = Sink()
    supervisor = Supervisor(
        ScriptedFeed(time, script), sink, clock=wall, monotonic=time.clock, sleep=time.sleep, rng=Longest()
    )
    await asyncio.wait_for(supervisor.run(), 20)
    rows = sink.rows("health")
    stale = rows[rows["event"].astype("str") == "stale"]
    assert len(stale) == 1 and supervisor.status()["reconnects"] == 0
    assert 15.0 < (stale["end_ns"] - stale["start_ns"]).iloc[0] / SECOND_NS < 16.1
