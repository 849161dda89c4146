"""Whatever a feed does, the supervisor ends where it should, loses nothing and tells every turn."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from tests.unit.feeds.scripted import SECOND_NS, START_NS, FakeTime, ScriptedFeed, Sink, health, trades
from workstation.feeds.feed import Batch
from workstation.feeds.supervision.supervisor import SupervisionParameters, Supervisor
from workstation.market.errors import FeedError

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trades"), st.lists(st.integers(0, 40), min_size=1, max_size=5)),
        st.tuples(st.just("wait"), st.floats(0.01, 60.0)),
        st.tuples(st.just("gap"), st.booleans()),
    ),
    max_size=6,
)
ENDS = st.sampled_from(["lost", "odd", "retry_after"])


def steps_of(script: list[tuple[str, Any]], end: str | None, at: int) -> list[Any]:
    made: list[Any] = []
    for kind, what in script:
        if kind == "trades":
            made.append(trades([str(n) for n in what], START_NS + at * SECOND_NS))
        elif kind == "wait":
            made.append(what)
        else:
            made.append(health(START_NS, "gap", channel="trades", start_ns=1, end_ns=2, recoverable=what))
    if end == "lost":
        made.append(FeedError("lost"))
    elif end == "retry_after":
        made.append(FeedError("later", retry_after=7.0))
    elif end == "odd":
        made.append(ZeroDivisionError("odd"))
    return made


@effort(30)
@given(
    connections=st.lists(st.tuples(STEPS, ENDS), max_size=5),
    last=STEPS,
    fatal=st.booleans(),
    simulated=st.booleans(),
    pong=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_every_trade_once_every_turn_told(connections, last, fatal, simulated, pong, seed):
    time = FakeTime()
    scripts = [steps_of(script, end, at) for at, (script, end) in enumerate(connections)]
    scripts.append([*steps_of(last, None, len(scripts)), *([FeedError("no", fatal=True)] if fatal else [])])
    offered = [step for script in scripts for step in script]
    feed = ScriptedFeed(time, *scripts, simulated=simulated)
    feed.pong = pong
    sink = Sink()
    supervisor = Supervisor(
        feed,
        sink,
        clock=time.clock,
        monotonic=time.clock,
        sleep=time.sleep,
        rng=random.Random(seed),
        parameters=SupervisionParameters(),
    )
    asyncio.run(asyncio.wait_for(supervisor.run(), 30))

    status, events = supervisor.status(), sink.events
    refused = fatal and status["reconnects"] == len(
        connections
    )  # a silence given up comes before the refusal
    assert status["state"] == ("failed" if refused else "ended") == events[-1]
    assert events.count("connecting") == feed.connects == events.count("disconnected") + 1
    assert events.count("connected") == 1
    assert events.count("resubscribed") == feed.connects - 1
    assert status["reconnects"] == events.count("disconnected") >= len(connections)

    published = sink.rows("trades")
    ids = published["trade_id"].tolist() if len(published) else []
    assert len(ids) == len(set(ids))
    if pong or simulated:
        given_ids = {
            i for s in offered if isinstance(s, Batch) and s.table == "trades" for i in s.frame["trade_id"]
        }
        assert set(ids) == given_ids
        assert feed.connects == len(connections) + 1
        waits = [nap for nap in time.naps if nap == 7.0]
        assert len(waits) <= sum(end == "retry_after" for _, end in connections)
    assert all(0.0 <= nap <= 120.0 or nap in offered for nap in time.naps)
    assert not feed.scripts
