"""The IQFeed feed against a local server that speaks the venue's wire and misbehaves on command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pandas as pd
import pytest

from tests.wire.iqfeed_server import CALL, UNIFIED, IQFeedServer
from tests.wire.iqfeed_watch import Watcher, feed_of, supervised, until, watched
from workstation.feeds.feed import Gap
from workstation.feeds.iqfeed import IQFeed
from workstation.feeds.iqfeed.decode import decode
from workstation.feeds.iqfeed.wire import LONGEST_LINE
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES, TradeFlag

pytestmark = pytest.mark.wire


@pytest.fixture
async def server() -> AsyncIterator[IQFeedServer]:
    async with IQFeedServer() as running:
        yield running


async def refused(feed: IQFeed) -> FeedError:
    try:
        with pytest.raises(FeedError) as error:
            await feed.connect()
    finally:
        await feed.close()
    return error.value


# -- greeting and watching --------------------------------------------------------------------------------


async def test_fields_are_read_by_the_venues_answer_and_codes_by_its_tables(server: IQFeedServer) -> None:
    async with watched(feed_of(server)) as watcher:
        assert server.clients[0].names[1] == "7 Day Yield"
        server.push(
            server.trade(conditions="3D87", market=57), server.trade(CALL, price=12.5, conditions="8C")
        )
        await until(lambda: len(watcher.rows("trades")) == 2, "prints")
        trades = watcher.rows("trades")
    assert trades["price"].tolist() == [182.51, 12.5]
    assert trades["instrument"].tolist() == ["AAPL", UNIFIED[CALL]]
    assert [TradeFlag(int(bits)) for bits in trades["flags"]] == [
        TradeFlag.ISO | TradeFlag.ODD_LOT | TradeFlag.OFF_EXCHANGE, TradeFlag.MULTI_LEG,
    ]  # fmt: skip


async def test_the_greeting_says_what_it_should(server: IQFeedServer) -> None:
    server.key = "right"
    async with watched(feed_of(server, key="right"), "level1.AAPL", f"trades.{CALL}"):
        sent = [
            each.split(",")[0] if each[0] == "S" and each.count(",") < 2 else each for each in server.commands
        ]
    assert sent[0] == "S,SET PROTOCOL,6.2"
    assert "S,KEY,right" in sent
    assert sent[-2:] == ["wAAPL", f"t{CALL}"]


async def test_a_summary_gives_quote_and_open_interest_at_once(server: IQFeedServer) -> None:
    async with watched(feed_of(server)) as watcher:
        await until(lambda: len(watcher.rows("quotes")) == 2 and len(watcher.rows("marks")) == 1, "summaries")
        assert watcher.rows("marks")["open_interest"].tolist() == [1234.0]
        assert not len(watcher.rows("trades"))


async def test_what_cannot_be_watched_is_told_channel_by_channel(server: IQFeedServer) -> None:
    server.limit = 1
    feed = feed_of(server)
    try:
        await feed.connect()
        said = await feed.subscribe(
            ["level1.AAPL", "level1.NOSUCH", "level1.MSFT", "depth.AAPL", "level1.@ES#", "level1."]
        )
        again = await feed.subscribe(["trades.AAPL"])
    finally:
        await feed.close()
    assert said.accepted == ("level1.AAPL",)
    assert said.rejected["level1.NOSUCH"] == "no such symbol"
    assert "limit" in said.rejected["level1.MSFT"]
    assert {"depth.AAPL", "level1.@ES#", "level1."} < set(said.rejected)
    assert again.accepted == ("trades.AAPL",)
    assert server.commands.count("wAAPL") == 1


async def test_a_watch_that_is_not_answered_is_told(server: IQFeedServer) -> None:
    feed = feed_of(server, timeout_s=0.3)
    try:
        await feed.connect()
        server.silent = True
        said = await feed.subscribe(["level1.AAPL"])
    finally:
        await feed.close()
    assert not said.accepted
    assert "no summary" in said.rejected["level1.AAPL"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [({"protocol": "6.1"}, "6.1"), ({"service": "delayed"}, "delayed"), ({"refuse_fields": True}, "SYNTAX_ERROR"), ({"leave_out": ("Most Recent Trade",)}, "leaves out Most Recent Trade")],
)  # fmt: skip
async def test_what_cannot_get_better_is_fatal(
    server: IQFeedServer, fault: dict[str, Any], words: str
) -> None:
    for name, value in fault.items():
        setattr(server, name, value)
    error = await refused(feed_of(server))
    assert error.fatal
    assert words in str(error)


async def test_what_can_get_better_is_not_fatal(server: IQFeedServer) -> None:
    server.connected = False
    error = await refused(feed_of(server, timeout_s=0.3))
    assert not error.fatal
    assert "logged in" in str(error)
    await server.stop()
    error = await refused(feed_of(server, timeout_s=0.3))
    assert not error.fatal
    assert "cannot open" in str(error)


async def test_a_delayed_service_will_do_where_it_is_wanted(server: IQFeedServer) -> None:
    server.service = "delayed"
    async with watched(feed_of(server, services=())) as watcher:
        server.push(server.trade())
        await until(lambda: len(watcher.rows("trades")) == 1, "the print")


# -- the stream -------------------------------------------------------------------------------------------


async def test_lines_cut_anywhere_by_reads_are_whole_again(server: IQFeedServer) -> None:
    async with watched(feed_of(server)) as watcher:
        client = server.clients[0]
        server.silent = True  # or the time would come between two pieces
        for _ in range(12):
            raw = f"{client.line('Q', server.trade().fields())}\r\n".encode()
            for start in range(0, len(raw), 37):
                client.writer.write(raw[start : start + 37])
                await asyncio.sleep(0)
        await until(lambda: len(watcher.rows("trades")) == 12, "prints")
        assert watcher.rows("trades")["trade_id"].tolist() == [
            each.trade_id for each in server.history["AAPL"]
        ]
        assert not len(watcher.events("rejected"))


async def test_a_line_the_venue_did_not_end_is_told(server: IQFeedServer) -> None:
    async with watched(feed_of(server)) as watcher:
        server.push(server.trade())
        server.push_raw(f"{server.clients[0].line('Q', server.trade().fields())}\r\nQ,AAPL,cut".encode())
        await until(lambda: len(watcher.rows("trades")) == 2, "the whole lines")
        await server.stop()
        await until(lambda: watcher.task.done(), "the connection to end")
        assert isinstance(watcher.task.exception(), FeedError)
        assert "Q,AAPL,cut" in watcher.events("rejected")["detail"].tolist()[0]


async def test_bytes_that_never_end_are_bounded(server: IQFeedServer) -> None:
    async with watched(feed_of(server)) as watcher:
        server.push_raw(b"x" * (3 * LONGEST_LINE))
        server.push_raw(b"\r\n")
        server.push(server.trade())
        await until(lambda: len(watcher.rows("trades")) == 1, "the print after it")
        assert len(watcher.events("rejected")) >= 3
        assert watcher.rows("health")["detail"].str.len().max() < 1_000


async def test_a_new_layout_holds_from_its_line_on(server: IQFeedServer) -> None:
    async with watched(feed_of(server)) as watcher:
        client = server.clients[0]
        first, second = server.trade(price=100.0), server.trade(price=200.0)
        lines = [client.line("Q", first.fields())]
        client.names = ("Symbol", *reversed(client.names[1:]))
        lines += [f"S,CURRENT UPDATE FIELDNAMES,{','.join(client.names)},", client.line("Q", second.fields())]
        server.push_raw("".join(f"{line}\r\n" for line in lines).encode())
        await until(lambda: len(watcher.rows("trades")) == 2, "both prints")
        assert watcher.rows("trades")["price"].tolist() == [100.0, 200.0]
        replayed = [batch.frame for batch in decode(watcher.rows("frames")) if batch.table == "trades"]
        assert replayed[0]["price"].tolist() == [100.0, 200.0]


async def test_frames_alone_give_the_same_rows_each_by_itself(server: IQFeedServer) -> None:
    async with watched(feed_of(server)) as watcher:
        for _ in range(30):
            server.push(server.trade(), server.trade(CALL))
            server.quote(Bid="181.25")
            server.push_raw(b"garbage\r\n")
            await asyncio.sleep(0)
        await until(
            lambda: len(watcher.rows("trades")) == 60 and len(watcher.events("rejected")) == 30, "everything"
        )
        frames = watcher.rows("frames")
        assert watcher.got[0].table == "frames"
    for parts in ([frames], [frames.iloc[[at]] for at in range(len(frames))]):
        again = [batch for part in parts for batch in decode(part)]
        for name in ("trades", "quotes", "marks", "health"):
            rows = TABLES[name].concat([batch.frame for batch in again if batch.table == name])
            assert (
                rows.astype("str").to_numpy().tolist() == watcher.rows(name).astype("str").to_numpy().tolist()
            ), name


async def test_a_loop_that_was_busy_is_not_taken_for_a_silent_venue(server: IQFeedServer) -> None:
    async with watched(feed_of(server, silence_s=0.2)) as watcher:
        tick = server.trade()
        server.push(tick)
        time.sleep(0.5)  # the point: nothing is read meanwhile
        await until(lambda: len(watcher.rows("trades")) == 1, "the print")
        assert not watcher.task.done()
        server.silent = True
        await until(watcher.task.done, "the silent venue to be given up")
        assert "nothing heard" in str(watcher.task.exception())


async def test_the_venues_servers_going_away_ends_the_connection(server: IQFeedServer) -> None:
    async with supervised(feed_of(server)) as (supervisor, sink):
        server.push(server.trade())
        await until(lambda: len(sink.rows("trades")) == 1, "the first print")
        server.connected = False
        server.say("S,SERVER DISCONNECTED")
        await until(lambda: "disconnected" in sink.events, "the loss to be told")
        missed = server.trade()
        server.connected = True
        await until(lambda: "resubscribed" in sink.events, "the feed to be back")
        await until(lambda: missed.trade_id in sink.rows("trades")["trade_id"].tolist(), "the missed print")
        assert supervisor.status()["reconnects"] >= 1


async def test_a_burst_while_the_consumer_sleeps_loses_no_print_and_conflates_quotes(
    server: IQFeedServer,
) -> None:
    """60 000 messages in one go; the consumer looks only after all have arrived."""
    prints, quotes = 20_000, 40_000
    feed = feed_of(server, capacity=20_000)
    await feed.connect()
    try:
        await feed.subscribe()
        client, update = server.clients[0], server.trade(CALL).fields() | {"Message Contents": "ba"}
        lines = []
        for at in range(prints):
            lines += [client.line("Q", server.trade().fields())]
            lines += [client.line("Q", update | {"Bid": f"{at}.{half}"}) for half in (1, 2)]
        server.say(*lines)
        server.quote(Bid="77.75")
        await until(
            lambda: feed.heard_ns() and not client.writer.transport.get_write_buffer_size(), "the burst"
        )
        await asyncio.sleep(0.2)
        server.silent = True
        watcher = Watcher(feed)

        def accounted() -> int:
            lines = sum(payload.count(b"\n") for payload in watcher.rows("frames")["payload"])
            return lines + int(watcher.events("conflated")["count"].sum())

        await until(lambda: 77.75 in watcher.rows("quotes")["bid"].tolist(), "the last quote")
        greeting = 5  # key, server, customer, protocol, field names
        await until(
            lambda: accounted() == client.sent, f"{client.sent} lines sent, {accounted()} accounted for"
        )
        watcher.task.cancel()
        await asyncio.wait([watcher.task])
    finally:
        await feed.close()
    assert client.sent > prints + quotes + greeting
    assert watcher.rows("trades")["trade_id"].tolist() == [each.trade_id for each in server.history["AAPL"]]
    assert not len(watcher.events("gap"))
    assert int(watcher.events("conflated")["count"].sum()) > 0
    came = watcher.rows("quotes")
    newest = came[came["instrument"].astype("str") == UNIFIED[CALL]].iloc[-1]
    assert newest["bid"] == prints - 1 + 0.2


async def test_prints_without_place_are_counted_and_brought_by_history(server: IQFeedServer) -> None:
    async with supervised(feed_of(server, capacity=50)) as (supervisor, sink):
        made = [server.trade() for _ in range(2_000)]
        server.push(*made)
        await until(lambda: len(sink.rows("trades")) == len(made), "all prints")
        assert sorted(sink.rows("trades")["trade_id"]) == sorted(each.trade_id for each in made)
        gaps = sink.rows("health").query("event == 'gap'")
        assert supervisor.status()["drops"] == int(gaps["count"].sum()) > 0
        assert "backfilled" in sink.events


async def test_a_hole_is_counted_in_prints(server: IQFeedServer) -> None:
    async with watched(feed_of(server)) as watcher:
        server.push(server.trade())
        for _ in range(7):
            server.trade()
        server.push(server.trade())
        await until(lambda: len(watcher.events("gap")) == 1, "the gap")
        assert watcher.events("gap")["count"].tolist() == [7]
    async with watched(feed_of(server, counted=False)) as watcher:
        server.push(server.trade())
        server.trade()
        server.push(server.trade())
        await until(lambda: len(watcher.rows("trades")) == 2, "prints")
        assert not len(watcher.events("gap"))


# -- history ----------------------------------------------------------------------------------------------


async def test_history_loads_in_bulk_by_time_and_by_number(server: IQFeedServer) -> None:
    made = [server.trade(CALL, conditions="3D") for _ in range(500)]
    feed = feed_of(server)
    newest = {batch.table: batch.frame for batch in await feed.history(UNIFIED[CALL], most=100)}
    assert newest["trades"]["trade_id"].tolist() == [each.trade_id for each in made[-100:]]
    assert (newest["trades"]["flags"] == int(TradeFlag.ISO)).all()
    first, last = (pd.Timestamp(each.at).value for each in (made[10], made[20]))
    part = {batch.table: batch.frame for batch in await feed.history(CALL, first, last)}
    assert part["trades"]["trade_id"].tolist() == [each.trade_id for each in made[10:20]]
    assert part["frames"]["channel"].tolist()[0].startswith(f"lookup/ticks?symbol={CALL}")
    empty = await feed.history("MSFT", first, last)
    assert [batch.table for batch in empty] == ["frames"]


async def test_an_error_of_history_is_told_and_the_feed_lives_on(server: IQFeedServer) -> None:
    async with supervised(feed_of(server)) as (supervisor, sink):
        server.push(server.trade())
        server.lookup_error = "Unauthorized user ID."
        server.trade()
        server.push(server.trade())
        await until(lambda: "refused" in sink.events, "the error to be told")
        server.push(server.trade())
        await until(lambda: len(sink.rows("trades")) == 3, "the prints that were pushed")
        assert supervisor.status()["state"] == "live"


async def test_a_lookup_port_that_falls_silent_does_not_hang_a_backfill(server: IQFeedServer) -> None:
    async with watched(feed_of(server, timeout_s=0.3)) as _:
        server.silent = True
        feed = feed_of(server, timeout_s=0.3)
        with pytest.raises(FeedError, match="no whole line"):
            await feed.backfill(Gap("level1.AAPL", "AAPL", 0, 0, 1, 2))


async def test_an_answer_that_is_cut_off_is_an_error_and_no_data(server: IQFeedServer) -> None:
    feed = feed_of(server)
    await feed.connect()
    server.trade()
    server.cut_answers = True
    with pytest.raises(FeedError, match="within an answer"):
        await feed.backfill(Gap("level1.AAPL", "AAPL", 0, 0, 0, time.time_ns()))
    assert not (await refused(feed)).fatal
