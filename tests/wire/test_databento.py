"""What Databento does beyond the conformance suite, through its own client against the local gateway."""

from __future__ import annotations

import logging
from typing import Any

import pytest

pytest.importorskip("databento", reason="the vendor's client is not installed: pip install databento")

import databento_dbn as dbn

from tests.unit.feeds.scripted import Sink
from tests.wire.databento_server import CALL, CONSOLIDATED, KEY, PUT, DatabentoServer, now, top, trade
from tests.wire.test_feed_conformance import until
from tests.wire.test_public_feeds import live
from workstation.feeds.databento import Databento
from workstation.feeds.supervision.supervisor import Supervisor
from workstation.market.errors import FeedError

pytestmark = pytest.mark.wire


def made(server: DatabentoServer, **options: Any) -> Databento:
    settings: dict[str, Any] = {
        "key": KEY, "host": "127.0.0.1", "port": server.port, "schemas": ("trades", "statistics"), "pace_s": 0.0, "timeout_s": 5.0,
        "heartbeat_s": 5.0, "history_url": f"http://127.0.0.1:{server.history_port}",
    }  # fmt: skip
    return Databento(("SPY.OPT",), **settings | options)


async def test_every_publisher_is_kept_and_open_interest_comes_once() -> None:
    async with DatabentoServer() as server, live(made(server, schemas=("cmbp-1", "statistics"))) as (_, sink):
        assert sink.rows("instruments")["instrument"].astype(str).tolist() == [CALL, PUT]
        assert sink.rows("instruments")["multiplier"].tolist() == [100.0, 100.0]
        await until(lambda: len(sink.rows("marks")) == 2, "open interest, once a contract")
        assert sink.rows("marks")["open_interest"].tolist() == [1205.0, 77.0]
        await server.push(
            top(CALL, 5.0, None),
            trade(CALL, 1, publisher=22),
            trade(CALL, 2, publisher=108),
            trade(PUT, 3, publisher=250),
        )
        await until(lambda: len(sink.rows("trades")) == 3, "the prints")
        trades, quote = sink.rows("trades"), sink.rows("quotes").iloc[0]
        assert trades["exchange"].astype(str).tolist() == ["XCBO", "MXTO", "publisher-250"]
        assert trades["seen_ns"].min() > 0 and trades["venue_seq"].tolist() == [1, 2, 3]
        assert quote["bid"] == 5.0 and quote["ask"] != quote["ask"], "an undefined price is missing"
        assert quote["exchange"] == "" and quote["venue"] == "opra"
        assert "rejected" not in sink.events


@pytest.mark.parametrize("code", [1, 2, 3, 5, 8])
async def test_errors_that_a_new_session_would_meet_again_are_fatal(code: int) -> None:
    async with DatabentoServer() as server:
        feed = made(server)
        await feed.connect()
        await feed.instruments()
        server.refuses = (code, "refused")
        with pytest.raises(FeedError, match=f"error {code}") as refused:
            await feed.subscribe()
        await feed.close()
        assert refused.value.fatal


async def test_what_the_gateway_says_becomes_health() -> None:
    """A slow reader's skip is a gap, its warning a delay without loss; heartbeats say nothing, codes that are not known are kept."""
    async with DatabentoServer() as server, live(made(server)) as (supervisor, sink):
        words = [
            dbn.ErrorMsg(
                ts_event=now(), err="Records skipped", code=dbn.ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING
            ),
            dbn.SystemMsg(ts_event=now(), msg="Slow reader", code=dbn.SystemCode.SLOW_READER_WARNING),
            dbn.SystemMsg(ts_event=now(), msg="End of interval", code=dbn.SystemCode.END_OF_INTERVAL),
            dbn.SystemMsg(ts_event=now(), msg="Unsubscribed", code=dbn.SystemCode.UNSUBSCRIBE_ACK),
        ]
        unknown = bytearray(
            bytes(dbn.SystemMsg(ts_event=now(), msg="Something new", code=dbn.SystemCode.HEARTBEAT))
        )
        unknown[319] = 77
        await server.push_raw(b"".join(map(bytes, words)) + bytes(unknown))
        await server.push(trade(CALL, 1))
        await until(lambda: len(sink.rows("trades")) == 1, "the print after them")
        assert {"gap", "late", "unknown"} <= set(sink.events) and "rejected" not in sink.events
        unknown_row = sink.rows("health").query("event == 'unknown'").iloc[0]
        assert "code 77" in unknown_row["detail"] and supervisor.status()["reconnects"] == 0


async def test_replay_is_asked_for_before_the_session_begins_and_gives_each_print_once() -> None:
    async with DatabentoServer() as server, live(made(server)) as (_, sink):
        at = now()
        await server.push(*[server.print(at=at) for _ in range(3)])
        await until(lambda: len(sink.rows("trades")) == 3, "prints alike but for their numbers")
        await server.stop()
        server.print()
        await server.start()
        await until(lambda: "resubscribed" in sink.events, "the feed to be back")
        await until(lambda: len(sink.rows("trades")) == 4, "the print between")
        await server.push(server.print())
        await until(lambda: len(sink.rows("trades")) == 5, "a print after")
        asked = [each for each in server.requests if each["schema"] == "trades"]
        assert "start" not in asked[0] and at - 2 * 10**9 < int(asked[-1]["start"]) <= at


async def test_a_slow_consumer_sees_the_newest_quotes_and_every_print() -> None:
    async with DatabentoServer() as server:
        feed = made(server, capacity=500, schemas=("cmbp-1",))
        await feed.connect()
        await feed.subscribe()
        for number in range(40):
            await server.push(top(CALL, 5.0 + number, 90.0), top(PUT, 6.0 + number, 90.0))
        await server.push(trade(CALL, 1))
        queue: Any = feed._queue
        await until(lambda: any(len(read.payload) == 48 for read in queue._reads), "the print")
        found: dict[str, Any] = {}
        async for batch in feed.batches():
            found[batch.table] = batch.frame
            if batch.table == "health":
                break
        await feed.close()
        newest = found["quotes"].groupby("instrument", observed=True)["bid"].last()
        assert newest.tolist() == [44.0, 45.0] and len(found["trades"]) == 1
        assert "conflated" in found["health"]["event"].astype(str).tolist()


async def test_history_is_read_as_files_are() -> None:
    async with DatabentoServer() as server:
        for number in range(5):
            server.print(PUT if number % 2 else CALL)
        batches, rejections = await made(server).history("trades", "2026-11-27", "2026-11-28")
        rows = next(batch.frame for batch in batches if batch.table == "trades")
        assert (
            rows["instrument"].astype(str).tolist() == [CALL, PUT, CALL, PUT, CALL] and rejections.total == 0
        )
        assert server.requests[-1]["schema"] == "trades" and server.requests[-1]["stype_in"] == "parent"
        with pytest.raises(FeedError, match="no such symbol") as refused:
            await made(server).history("trades", "2026-11-27", "2026-11-28", ["NOSUCH.OPT"])
        assert KEY not in str(refused.value)


async def test_keys_are_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with DatabentoServer() as server:
        wrong = "db-wrong-4711000000000000098765"
        sink = Sink()
        feed = made(server, key=wrong)
        supervisor = Supervisor(feed, sink)
        await supervisor.run()
        assert supervisor.status()["state"] == "failed"
        said = repr(vars(feed)) + str(supervisor.status()) + sink.rows("health").to_csv() + caplog.text
        assert "4711" not in said and "98765" not in said


async def test_reach_says_what_to_do() -> None:
    async with DatabentoServer() as server:
        assert (await made(server).reach())[0].ok
        assert not (await made(server, key="db-wrong00000").reach())[0].ok
        missing = (await made(server, key="").reach())[0]
        assert not missing.ok and "feed_options.databento" in missing.detail


def test_two_schemas_with_every_print_are_refused() -> None:
    with pytest.raises(ValueError, match="ask for one"):
        Databento(schemas=("trades", "cmbp-1"))
    assert CONSOLIDATED == 30
