"""The Deribit feed against a local server that speaks the venue's wire and misbehaves on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pandas as pd
import pytest

from tests.wire.deribit_server import (
    CALL,
    FUTURE,
    OPTION_TRADES,
    PERPETUAL,
    PUT,
    UNIFIED,
    DeribitServer,
    future_ticker,
    notification,
    option_ticker,
    recorded_frames,
)
from tests.wire.deribit_watch import Watcher, feed_of, supervised, until, watched
from workstation.feeds.deribit.decode import decode
from workstation.feeds.supervision.supervisor import Supervisor
from workstation.market.errors import FeedError

pytestmark = pytest.mark.wire


@pytest.fixture
async def server() -> AsyncIterator[DeribitServer]:
    async with DeribitServer() as running:
        yield running


def digest(frame: pd.DataFrame) -> int:
    plain = frame.assign(**{name: frame[name].astype("str") for name in frame.select_dtypes("category")})
    return int(pd.util.hash_pandas_object(plain, index=False).to_numpy().sum())


async def test_it_lists_subscribes_and_snapshots_the_whole_chain(server: DeribitServer) -> None:
    feed = feed_of(server)
    try:
        await feed.connect()
        listed = (await feed.instruments()).set_index("venue_symbol")
        assert listed.loc[CALL, ["instrument", "strike", "right", "multiplier"]].tolist() == [
            UNIFIED[CALL], 100_000.0, "C", 1.0,
        ]  # fmt: skip
        assert listed.loc[CALL, "expiry_ns"] == pd.Timestamp("2026-12-25T08:00Z").value
        server.refused[f"ticker.{PUT}.100ms"] = "omit"
        subscription = await feed.subscribe()
        assert set(subscription.accepted) == {
            OPTION_TRADES, "trades.future.BTC.100ms", "deribit_price_index.btc_usd", "markprice.options.btc_usd",
            f"ticker.{CALL}.100ms", f"ticker.{PERPETUAL}.100ms", f"ticker.{FUTURE}.100ms",
        }  # fmt: skip
        assert list(subscription.rejected) == [f"ticker.{PUT}.100ms"]
        batches = await feed.snapshot()
        assert [batch.table for batch in batches] == ["frames", "frames", "marks", "quotes"]
        marks = batches[2].frame.set_index("instrument")
        assert marks.loc[UNIFIED[CALL], "mark_iv"] == 0.455
        assert marks.loc[UNIFIED[FUTURE], "open_interest"] == 20.0
        assert 80808.0 in marks.loc[[UNIFIED[PERPETUAL]], "index"].tolist()
        assert {str(row) for row in batches[0].frame["channel"]} == {
            f"public/get_instruments?currency=BTC&kind={kind}&expired=false" for kind in ("option", "future")
        }
    finally:
        await feed.close()


@pytest.mark.parametrize("state", ["inactive", "halted", "locked", "settlement", "delivered", "archivized"])
async def test_what_is_listed_and_not_open_is_not_subscribed_and_told(
    server: DeribitServer, state: str
) -> None:
    server.listings = [
        each | {"state": state if each["instrument_name"] == PUT else "open"} for each in server.listings
    ]
    feed = feed_of(server, quotes=("option",))
    try:
        await feed.connect()
        assert PUT in (await feed.instruments())["venue_symbol"].tolist()
        accepted = (await feed.subscribe()).accepted
        assert {f"ticker.{CALL}.100ms", f"quote.{CALL}"} <= set(accepted)
        assert not [channel for channel in accepted if PUT in channel]
        health = next(batch.frame for batch in await feed.snapshot() if batch.table == "health")
        assert health["detail"].tolist() == [f"listed and not open: 1 {state}"]
    finally:
        await feed.close()


async def test_frames_come_before_their_rows_and_replay_to_the_same_rows(server: DeribitServer) -> None:
    async with watched(
        feed_of(server), OPTION_TRADES, f"ticker.{CALL}.100ms", f"ticker.{PERPETUAL}.100ms"
    ) as watcher:
        for step in range(20):
            await server.push(OPTION_TRADES, [server.trade(), server.trade(PUT)])
            await server.push(f"ticker.{CALL}.100ms", option_ticker(CALL, mark_iv=40.0 + step))
            await server.push(
                f"ticker.{PERPETUAL}.100ms", future_ticker(PERPETUAL, last_price=80000.0 + step)
            )
            await server.push_raw(
                b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"trades.option.BT'
            )
        await until(lambda: len(watcher.rows("trades")) == 40 and len(watcher.events("rejected")) == 20)
        tables = [batch.table for batch in watcher.got]
        assert tables[0] == "frames"
        assert tables.index("frames") < tables.index("trades")
        replayed: dict[str, list[pd.DataFrame]] = {}
        for batch in decode(watcher.rows("frames")):
            replayed.setdefault(batch.table, []).append(batch.frame)
        assert set(replayed) == {"trades", "marks", "quotes", "health"}
        for table, frames in replayed.items():
            assert digest(pd.concat(frames)) == digest(watcher.rows(table)), table


async def test_bad_json_is_set_aside_and_the_stream_goes_on(server: DeribitServer) -> None:
    async with watched(feed_of(server)) as watcher:
        await server.push_raw(b'{"jsonrpc":"2.0","method":')
        await server.push_raw(b"not json at all")
        await server.push_raw(notification(OPTION_TRADES, [server.trade() | {"price": "cheap"}]))
        await server.push(OPTION_TRADES, [server.trade()])
        await until(lambda: len(watcher.rows("trades")) == 1)
        assert [detail.split(":")[0] for detail in watcher.events("rejected")["detail"]] == [
            "json",
            "json",
            "field",
        ]
        assert "$[0].params.data[0].price" in watcher.events("rejected")["detail"].iloc[2]


async def test_an_in_band_error_is_told_and_the_stream_goes_on(server: DeribitServer) -> None:
    async with watched(feed_of(server)) as watcher:
        await server.push_raw(
            b'{"jsonrpc":"2.0","id":null,"error":{"code":11094,"message":"internal_server_error"}}'
        )
        await server.push(OPTION_TRADES, [server.trade()])
        await until(lambda: len(watcher.rows("trades")) == 1)
        assert watcher.events("refused")["detail"].tolist() == ["venue error: 11094 internal_server_error"]


async def test_a_dropped_socket_ends_the_batches_after_what_was_received(server: DeribitServer) -> None:
    async with watched(feed_of(server)) as watcher:
        await server.push(OPTION_TRADES, [server.trade()])
        await until(lambda: len(watcher.rows("trades")) == 1)
        server.drop()
        error = await watcher.error()
        assert isinstance(error, FeedError)
        assert not error.fatal
        assert "socket is gone" in str(error)


async def test_a_silent_socket_is_given_up(server: DeribitServer) -> None:
    async with watched(feed_of(server, keepalive_s=0.1)) as watcher:
        await until(lambda: server.connections == 1)
        server.silent = True
        error = await watcher.error()
        assert isinstance(error, FeedError)
        assert "ping-pong" in str(error)


async def test_pongs_are_heard_while_the_market_is_quiet(server: DeribitServer) -> None:
    feed = feed_of(server, keepalive_s=1.0)
    async with watched(feed):
        before = feed.heard_ns()
        await until(lambda: feed.heard_ns() >= before + 500_000_000, "a pong")


async def test_heartbeats_are_asked_for_and_answered(server: DeribitServer) -> None:
    async with watched(feed_of(server)) as watcher:
        assert ("public/set_heartbeat", {"interval": 30}) in server.requests
        await server.heartbeat("heartbeat")
        await server.heartbeat("test_request")
        await until(lambda: ("public/test", {}) in server.requests)
        assert watcher.rows("health").empty


async def test_a_hole_in_trade_seq_is_told_and_backfilled(server: DeribitServer) -> None:
    feed = feed_of(server)
    async with watched(feed) as watcher:
        await server.push(OPTION_TRADES, [server.trade()])
        missing = [server.trade()["trade_seq"] for _ in range(7)]
        server.page = 3
        await server.push(OPTION_TRADES, [server.trade()])
        await until(lambda: len(watcher.events("gap")) == 1)
        row = watcher.events("gap").iloc[0]
        assert (row["count"], row["recoverable"], row["instruments"]) == (7, True, UNIFIED[CALL])
        (gap,) = feed.open_gaps()
        assert (gap.first_missing, gap.last_missing) == (missing[0], missing[-1])
        assert feed.open_gaps() == []
        frames, trades = await feed.backfill(gap)
        assert trades.frame["venue_seq"].tolist() == missing
        assert len(frames.frame) == 3, "seven prints, three a page"
        assert [batch.table for batch in await feed.backfill(gap)] == ["frames"], "mended already"


async def test_a_repeated_print_passes_the_feed_and_is_taken_out_by_supervision(
    server: DeribitServer,
) -> None:
    async with supervised(feed_of(server)) as desk:
        trade = server.trade()
        await server.push(OPTION_TRADES, [trade])
        await server.push(OPTION_TRADES, [trade, server.trade()])
        await until(lambda: len(desk.rows("trades")) == 2)
        assert desk.seqs() == [101, 102]
        assert len(desk.events("duplicate")) == 1


async def test_prints_out_of_order_are_all_kept_and_the_hole_closes(server: DeribitServer) -> None:
    feed = feed_of(server)
    async with watched(feed) as watcher:
        first, second, third = (server.trade() for _ in range(3))
        for trade in (first, third, second):
            await server.push(OPTION_TRADES, [trade])
        await until(lambda: len(watcher.rows("trades")) == 3)
        assert watcher.seqs() == [101, 103, 102]
        await until(lambda: len(watcher.events("gap")) == 1)
        (gap,) = feed.open_gaps()
        assert [batch.table for batch in await feed.backfill(gap)] == ["frames"], (
            "nothing is missing any more"
        )


async def test_a_slow_consumer_loses_no_print_in_silence(server: DeribitServer) -> None:
    feed = feed_of(server, capacity=10)
    try:
        await feed.connect()
        await feed.subscribe((OPTION_TRADES, f"ticker.{CALL}.100ms"))
        for step in range(50):
            await server.push(OPTION_TRADES, [server.trade(), server.trade()])
            await server.push(f"ticker.{CALL}.100ms", option_ticker(CALL, mark_iv=1.0 + step))
        await server.heartbeat("test_request")
        await until(lambda: ("public/test", {}) in server.requests, "all frames to be received")
        watcher = Watcher(feed)
        await until(lambda: len(watcher.events("gap")) == 1)
        assert watcher.seqs() == list(range(101, 121))
        assert watcher.events("dropped")["count"].tolist() == [80]
        assert watcher.events("gap")["count"].tolist() == [80]
        assert watcher.rows("marks")["mark_iv"].iloc[-1] == 0.50, "the newest state survives"
        conflated = watcher.events("conflated")["count"].tolist()
        assert 50 <= len(watcher.rows("marks")) + sum(conflated) <= 52, "a reply may be among the conflated"
        (gap,) = feed.open_gaps()
        backfilled = {batch.table: batch.frame for batch in await feed.backfill(gap)}
        assert backfilled["trades"]["venue_seq"].tolist() == list(range(121, 201))
        await watcher.stop()
    finally:
        await feed.close()


async def test_an_unknown_instrument_is_refused_and_its_frames_are_set_aside(server: DeribitServer) -> None:
    feed = feed_of(server)
    async with watched(feed) as watcher:
        subscription = await feed.subscribe(("ticker.BTC-1JAN30-1-C.100ms", f"ticker.{CALL}.100ms"))
        assert subscription.accepted == (f"ticker.{CALL}.100ms",)
        assert subscription.rejected == {
            "ticker.BTC-1JAN30-1-C.100ms": "not among the channels the venue granted"
        }
        await server.push(OPTION_TRADES, [server.trade() | {"instrument_name": "NOT AN OPTION"}])
        await until(lambda: len(watcher.events("rejected")) == 1)
        assert (
            watcher.events("rejected")["detail"].iloc[0].startswith("symbol: deribit symbol 'NOT AN OPTION'")
        )


async def test_a_channel_that_fails_the_request_does_not_cost_the_others(server: DeribitServer) -> None:
    bad = f"ticker.{PUT}.raw"
    server.refused[bad] = "raw_subscriptions_not_available_for_unauthorized"
    feed = feed_of(server)
    async with watched(feed):
        wanted = (OPTION_TRADES, f"ticker.{CALL}.100ms", bad, f"ticker.{PERPETUAL}.100ms")
        subscription = await feed.subscribe(wanted)
        assert set(subscription.accepted) == set(wanted) - {bad}
        assert "raw_subscriptions" in subscription.rejected[bad]


async def test_credentials_are_used_and_their_refusal_is_fatal(server: DeribitServer) -> None:
    async with watched(feed_of(server, api_key="key", secret="secret")):
        assert server.requests[0][0] == "public/auth"
    feed = feed_of(server, api_key="key", secret="wrong")
    with pytest.raises(FeedError, match="13004 invalid_credentials") as refusal:
        await feed.connect()
    assert refusal.value.fatal
    assert "wrong" not in str(refusal.value)


async def test_the_rate_limit_names_a_pause(server: DeribitServer) -> None:
    feed = feed_of(server)
    async with watched(feed):
        server.socket_errors["public/subscribe"] = 10028
        with pytest.raises(FeedError, match="10028") as refusal:
            await feed.subscribe((f"ticker.{PUT}.100ms",))
        assert refusal.value.retry_after
        server.rest_errors["get_instruments"] = 10028
        with pytest.raises(FeedError) as refusal:
            await feed.instruments()
        assert refusal.value.retry_after
        assert not refusal.value.fatal


async def test_the_rate_limit_ends_the_session_and_the_next_waits(server: DeribitServer) -> None:
    server.socket_errors["public/subscribe"] = 10028
    supervisor = Supervisor(feed_of(server), lambda table, frame: None, (OPTION_TRADES,))
    running = asyncio.ensure_future(supervisor.run())
    try:
        await until(lambda: supervisor.status()["state"] == "backing_off")
        said = supervisor.status()["detail"]
        assert "10028" in said and float(said.rpartition("again in ")[2].removesuffix(" s")) >= 10.0
        await until(lambda: not server._sockets, "the socket to be closed")
    finally:
        await supervisor.stop()
        await running


async def test_a_venue_that_is_not_there_is_no_fatal_error() -> None:
    server = DeribitServer()
    await server.start()
    await server.stop()
    feed = feed_of(server)
    with pytest.raises(FeedError, match="cannot open") as refusal:
        await feed.connect()
    assert not refusal.value.fatal
    await feed.close()
    await feed.close()


async def test_after_a_dropped_socket_it_resubscribes_and_backfills_without_repeats(
    server: DeribitServer,
) -> None:
    async with supervised(feed_of(server)) as desk:
        await server.push(OPTION_TRADES, [server.trade()])
        await until(lambda: desk.seqs() == [101])
        server.drop()
        missed = [server.trade()["trade_seq"] for _ in range(3)]
        await until(lambda: len(desk.events("resubscribed")) == 1)
        assert await server.push(OPTION_TRADES, [server.trade()]) == 1
        await until(lambda: 105 in desk.seqs() and set(missed) <= set(desk.seqs()))
        assert sorted(desk.seqs()) == [101, 102, 103, 104, 105]


async def test_a_server_restart_is_survived(server: DeribitServer) -> None:
    async with supervised(feed_of(server)) as desk:
        await server.push(OPTION_TRADES, [server.trade()])
        await until(lambda: desk.seqs() == [101])
        await server.stop()
        server.trade()
        await until(lambda: len(desk.events("disconnected")) >= 2, "attempts while the venue is away")
        await server.start()
        await until(lambda: len(desk.events("resubscribed")) == 1)
        await until(lambda: sorted(desk.seqs()) == [101, 102])


@pytest.mark.recorded
async def test_recorded_frames_through_the_socket_give_the_rows_of_the_decoder(
    server: DeribitServer, sample_data: Any
) -> None:
    frames = recorded_frames(sample_data)
    async with watched(feed_of(server)) as watcher:
        for frame in frames:
            await server.push_raw(frame)
        await until(lambda: len(watcher.rows("frames")) == len(frames) + 2, "the replies and the frames")
        got = watcher.rows("frames").iloc[2:]
        assert got["payload"].tolist() == frames
        for batch in decode(got):
            if batch.table != "health":
                assert digest(batch.frame) == digest(watcher.rows(batch.table)), batch.table
