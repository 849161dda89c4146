"""What the public feeds of Bybit, OKX and Binance do beyond the conformance suite, against their local servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd
import pytest

from tests.unit.feeds.scripted import Sink
from tests.wire import binance_server, bybit_server, okx_server
from tests.wire.accounts_server import SECRET, AccountsServer
from tests.wire.binance_server import BinanceServer
from tests.wire.bybit_server import BybitServer
from tests.wire.deribit_server import DeribitServer
from tests.wire.okx_server import OKXServer
from tests.wire.test_feed_conformance import QUICK, ids, until
from tests.wire.venue_server import VenueServer
from workstation.feeds.accounts import Accounts
from workstation.feeds.binance import Binance
from workstation.feeds.bybit import Bybit
from workstation.feeds.bybit import rest as bybit_rest
from workstation.feeds.deribit import Deribit
from workstation.feeds.feed import Feed
from workstation.feeds.okx import OKX
from workstation.feeds.supervision.supervisor import Supervisor
from workstation.feeds.venue_kit import rest_calls
from workstation.market.errors import FeedError

pytestmark = pytest.mark.wire


@asynccontextmanager
async def live(feed: Feed, *channels: str) -> AsyncIterator[tuple[Supervisor, Sink]]:
    """A feed under supervision, subscribed and live."""
    sink = Sink()
    supervisor = Supervisor(feed, sink, channels, QUICK)
    task = asyncio.create_task(supervisor.run())
    try:
        await until(lambda: supervisor.status()["state"] in ("live", "failed"), "the feed to be live")
        assert supervisor.status()["state"] == "live", supervisor.status()["detail"]
        yield supervisor, sink
    finally:
        await supervisor.stop()
        await task


def newest(sink: Sink, table: str, instrument: str) -> dict[str, Any]:
    """The newest value of every column of an instrument, over its partial rows."""
    rows = sink.rows(table)
    mine = rows[rows["instrument"].astype("str") == instrument]
    return {name: (kept.iloc[-1] if len(kept := mine[name].dropna()) else None) for name in mine}


async def test_bybit_records_its_whole_default_set() -> None:
    async with BybitServer() as server:
        feed = Bybit(
            coins=("BTC",), urls=server.urls, categories=("option", "linear", "inverse", "spot"), pace_s=0.0
        )
        async with live(feed) as (supervisor, sink):
            listed = sink.rows("instruments").set_index("instrument")
            assert set(listed.index) == {*bybit_server.NAMES.values(), "BTC/USDT"}
            assert listed["multiplier"].eq(1.0).all()
            call = newest(sink, "marks", bybit_server.NAMES[bybit_server.CALL])
            assert (call["mark_iv"], call["open_interest"], call["forward"]) == (0.455, 321.5, 82010.5)
            inverse = newest(sink, "marks", "BTC/USD:BTC")
            assert (inverse["open_interest"], inverse["volume_24h"], inverse["index"]) == (
                1000.0,
                500.0,
                80808.0,
            )
            quote = newest(sink, "quotes", "BTC/USD:BTC")
            assert (quote["bid_size"], quote["ask_size"]) == pytest.approx((2.0, 3.0), rel=1e-3)
            channels = set(supervisor.status()["channels"]) | set(feed._accepted)
            assert {
                "option/publicTrade.BTC",
                "inverse/allLiquidation.BTCUSD",
                "spot/orderbook.1.BTCUSDT",
            } <= channels
            assert {path for path, _ in server.sockets.values()} == {
                f"v5/public/{name}" for name in ("option", "linear", "inverse", "spot")
            }
            forced = {"T": 1739502302929, "s": "BTCUSD", "S": "Buy", "v": "80000", "p": "80000"}
            message = {
                "topic": "allLiquidation.BTCUSD",
                "type": "snapshot",
                "ts": 1739502303204,
                "data": [forced],
            }
            await server.push("allLiquidation.BTCUSD", message)
            await until(lambda: len(sink.rows("liquidations")) == 1, "the liquidation")
            assert sink.rows("liquidations")[["side", "size", "usd"]].values.tolist() == [[-1, 1.0, 80_000.0]]
            assert "rejected" not in sink.events


async def test_okx_records_its_whole_default_set() -> None:
    async with OKXServer() as server:
        feed = OKX(coins=("BTC",), urls=server.urls, kinds=("option", "swap", "futures", "spot"), pace_s=0.0)
        async with live(feed) as (_, sink):
            assert len(sink.rows("instruments")) == 6
            call = newest(sink, "marks", "BTC/USD:BTC-261225-100000-C")
            expected = {
                "bid": 0.045,
                "ask": 0.046,
                "ask_size": 1.5,
                "mark": 0.0455,
                "mark_iv": 0.455,
                "delta": 0.41,
                "open_interest": 321.5,
                "forward": 82010.5,
            }
            assert {name: call[name] for name in expected} == pytest.approx(expected)
            assert newest(sink, "marks", "BTC/USD")["index"] == 80808.14
            made = server.trade(okx_server.SWAP, sz="808")
            await server.prints(made, channel=f"trades-all/{okx_server.SWAP}")
            await until(lambda: ids(sink) == [made["tradeId"]], "the print")
            assert sink.rows("trades")["size"].tolist() == pytest.approx([1.0])
            await server.data(
                "funding-rate/BTC-USD-SWAP", {"instId": "BTC-USD-SWAP", "fundingRate": "0.0001"}
            )
            assert "rejected" not in sink.events


async def test_binance_records_its_whole_default_set() -> None:
    async with BinanceServer() as server:
        feed = Binance(
            coins=("BTC", "XRP"),
            urls=server.urls,
            kinds=("option", "future", "spot"),
            interest_s=0.2,
            pace_s=0.0,
        )
        async with live(feed) as (_, sink):
            assert len(sink.rows("instruments")) == 6
            call = newest(sink, "marks", "BTC/USDT:USDT-261225-100000-C")
            assert (call["mark"], call["mark_iv"], call["open_interest"]) == (4551.5, 0.455, 321.5)
            put = newest(sink, "marks", "XRP/USDT:USDT-261225-2.05-P")
            assert (put["mark"], put["open_interest"]) == (45.515, 32150.0)
            assert newest(sink, "marks", "BTC/USDT:USDT")["open_interest"] == 1000.5
            before = len(sink.rows("marks"))
            await until(lambda: len(sink.rows("marks")) > before, "open interest to be asked for again")
            made = server.trade(binance_server.SPOT)
            await server.prints(made, door="spot", stream="btcusdt@aggTrade")
            await until(lambda: ids(sink) == [str(made["a"])], "the print")
            assert sink.rows("trades")["instrument"].astype("str").tolist() == ["BTC/USDT"]
            assert {path for path, _ in server.sockets.values()} == {
                "public/stream",
                "market/stream",
                "stream",
            }
            assert "rejected" not in sink.events


async def test_a_bybit_book_with_a_missing_change_is_asked_for_anew() -> None:
    topic = "orderbook.50.BTCUSDT"

    def book(kind: str, number: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
        return {
            "topic": topic,
            "type": kind,
            "ts": 1,
            "data": {"s": "BTCUSDT", "b": bids, "a": asks, "u": number, "seq": 1},
        }

    async with BybitServer() as server:
        feed = Bybit(coins=("BTC",), urls=server.urls, categories=("linear",), audit_s=0.0, pace_s=0.0)
        async with live(feed, f"linear/{topic}") as (supervisor, sink):
            held = feed.book(f"linear/{topic}")
            await server.push(
                topic, book("snapshot", 123456789, [["27450", "0.4"]], [["27451", "0.3"], ["27451.5", "0.9"]])
            )
            await server.push(topic, book("delta", 123456790, [], [["27451", "0"]]))
            await until(lambda: held.number == 123456790, "the change")
            assert held.top() == ((27450.0, 0.4), (27451.5, 0.9))
            await server.push(topic, book("delta", 123456792, [["27449", "1"]], []))
            await until(
                lambda: server.requests[-1].count(topic) == 1 and '"subscribe"' in server.requests[-1],
                "the topic anew",
            )
            told = sink.rows("health").query("event == 'gap'")
            assert told["detail"].tolist() == [
                "u 123456791 did not come before 123456792: the book is asked for anew"
            ]
            assert held.top() == (None, None)
            await server.push(topic, book("delta", 1, [["27000", "2"]], [["27001", "3"]]))
            await until(
                lambda: held.top() == ((27000.0, 2.0), (27001.0, 3.0)),
                "the book of a service that began anew",
            )
            assert supervisor.status()["reconnects"] == 0


async def test_okx_moves_before_an_announced_end_and_loses_nothing() -> None:
    async with (
        OKXServer() as server,
        live(
            OKX(coins=("BTC",), urls=server.urls, kinds=("option",), pace_s=0.0), "option-trades/BTC-USD"
        ) as (supervisor, sink),
    ):
        first = server.trade()
        await server.prints(first)
        await until(lambda: len(ids(sink)) == 1, "the print before")
        old = list(server.sockets)
        await server.notice()
        await until(lambda: len(server.sockets) == 1 and list(server.sockets) != old, "the new socket alone")
        second = server.trade()
        await server.prints(second)
        await until(lambda: ids(sink) == [first["tradeId"], second["tradeId"]], "the print after")
        assert supervisor.status()["reconnects"] == 0
        assert not {"gap", "disconnected"} & set(sink.events)


@pytest.mark.parametrize("why", ["age", "serverShutdown"])
async def test_binance_sockets_are_replaced_before_the_venue_closes_them(why: str) -> None:
    async with BinanceServer() as server:
        age_s = 1.0 if why == "age" else 3600.0
        feed = Binance(coins=("BTC",), urls=server.urls, kinds=("option",), age_s=age_s, pace_s=0.0)
        async with live(feed, "public/btcusdt@optionTrade") as (supervisor, sink):
            old = list(server.sockets)
            if why != "age":
                await server.push_raw(b'{"e":"serverShutdown","E":1770123456789}')
            await until(lambda: bool(server.sockets) and not set(old) & set(server.sockets), "another socket")
            await until(lambda: any(channels for _, channels in server.sockets.values()), "its subscription")
            made = server.trade()
            await server.prints(made)
            await until(lambda: ids(sink) == [str(made["t"])], "the print after")
            assert supervisor.status()["reconnects"] == 0
            assert "gap" not in sink.events


async def test_a_refused_channel_costs_no_other_of_its_request() -> None:
    async with BybitServer() as server:
        server.refused = {"tickers.BTCPERP"}
        feed = Bybit(coins=("BTC",), urls=server.urls, categories=("linear",), audit_s=0.0)
        try:
            await feed.connect()
            said = await feed.subscribe()
            assert set(said.rejected) == {"linear/tickers.BTCPERP"}
            assert len(said.accepted) == 7
        finally:
            await feed.close()
    async with BinanceServer() as server:
        server.refused = {"btcusdt@optionMarkPrice"}
        spot = Binance(coins=("BTC",), urls=server.urls, kinds=("option",))
        try:
            await spot.connect()
            said = await spot.subscribe()
            assert set(said.rejected) == {"market/btcusdt@optionMarkPrice"}
            assert "public/btcusdt@optionTrade" in said.accepted
        finally:
            await spot.close()


def stepped(step_ns: int) -> Callable[[], int]:
    """The wall clock of a machine whose clock was set."""
    started, true = time.monotonic(), time.time_ns
    return lambda: true() + (step_ns if time.monotonic() - started > 0.1 else 0)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_step_of_the_wall_clock_ends_no_healthy_socket(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with OKXServer() as server:
        feed = OKX(coins=("BTC",), urls=server.urls, kinds=("option",), keepalive_s=0.1, pace_s=0.0)
        async with live(feed, "option-trades/BTC-USD") as (supervisor, sink):
            monkeypatch.setattr(time, "time_ns", stepped(hours * 3600 * 10**9))
            beats = server.requests.count("ping")
            await until(lambda: server.requests.count("ping") >= beats + 6, "six more pings")
            await server.prints(server.trade())
            await until(lambda: len(ids(sink)) == 1, "a print")
            assert supervisor.status()["reconnects"] == 0
            assert not {"stale", "disconnected"} & set(sink.events)


async def test_a_rate_limit_holds_every_feed_of_the_venue_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_calls, "_PAUSES", {})
    async with BinanceServer() as server:
        server.rest_faults["eapi/v1/exchangeInfo"] = [
            (429, {"Retry-After": "7"}, b'{"code":-1003,"msg":"Too many requests."}')
        ]
        first, second = (Binance(coins=("BTC",), urls=server.urls, kinds=("option",)) for _ in range(2))
        try:
            await first.connect()
            with pytest.raises(FeedError, match="rate limit") as refused:
                await first.instruments()
            assert refused.value.retry_after == 7.0
            asked = len(server.requests)
            await second.connect()
            with pytest.raises(FeedError, match="rate limit") as waiting:
                await second.instruments()
            assert 0.0 < waiting.value.retry_after <= 7.0
            assert len(server.requests) == asked
        finally:
            await first.close()
            await second.close()


async def test_what_rest_cannot_bring_by_time_is_told_and_brought_by_number() -> None:
    async with (
        OKXServer() as server,
        live(
            OKX(coins=("BTC",), urls=server.urls, kinds=("option",), pace_s=0.0), "option-trades/BTC-USD"
        ) as (_, sink),
    ):
        await server.prints(server.trade())
        await until(lambda: len(ids(sink)) == 1, "the print before")
        server.drop()
        for step in range(150):
            server.trade(ts=str(time.time_ns() // 1_000_000 + step))
        await until(lambda: "resubscribed" in sink.events, "the feed to be back")
        await until(lambda: len(ids(sink)) == 151, "every print")
        health = sink.rows("health")
        told = health[(health["event"] == "gap") & health["detail"].str.contains("does not reach back")]
        assert len(told) == 1
        assert not told["recoverable"].any()


async def test_prints_that_bybit_cannot_bring_back_are_told_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bybit_rest, "PAGE", 100)
    async with BybitServer() as server:
        feed = Bybit(coins=("BTC",), urls=server.urls, categories=("option",), audit_s=0.0, pace_s=0.0)
        async with live(feed, "option/publicTrade.BTC") as (_, sink):
            await server.prints("publicTrade.BTC", server.trade())
            await until(lambda: len(ids(sink)) == 1, "the print before")
            server.drop()
            for _ in range(150):
                server.trade()
            await until(lambda: "resubscribed" in sink.events, "the feed to be back")
            health = sink.rows("health")
            lost = health[(health["event"] == "gap") & health["detail"].str.contains("does not reach back")]
            assert len(lost) == 1
            assert len(ids(sink)) == 101


def servers() -> list[Callable[[], VenueServer]]:
    return [BybitServer, OKXServer, BinanceServer]


@pytest.mark.parametrize("made", servers(), ids=lambda made: made.__name__)
async def test_a_list_that_is_refused_is_told_with_its_reason(
    made: Callable[[], VenueServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_calls, "_PAUSES", {})
    async with made() as server:
        monkeypatch.setattr(server, "answer", lambda path, query: None)
        feed = FEEDS[made](coins=("BTC",), urls=server.urls)  # type: ignore[attr-defined]
        try:
            await feed.connect()
            with pytest.raises(FeedError, match=feed.name):
                await feed.instruments()
        finally:
            await feed.close()


FEEDS: dict[Any, Any] = {BybitServer: Bybit, OKXServer: OKX, BinanceServer: Binance}


@pytest.mark.parametrize("made", servers(), ids=lambda made: made.__name__)
async def test_reach_tells_the_clock_and_what_to_do(made: Callable[[], Any]) -> None:
    async with made() as server:
        feed = FEEDS[made](urls=server.urls, timeout_s=2.0)
        assert [(found.what, found.ok) for found in await feed.reach()] == [(feed.name, True)]
        server.ahead_ms = 90_000
        (late,) = await feed.reach()
        assert not late.ok
        assert "behind: set the clock" in late.detail
    (gone,) = await feed.reach()
    assert not gone.ok
    assert "look at the network" in gone.detail


async def test_doctor_tries_every_venue_and_every_account() -> None:
    async with AccountsServer() as server, DeribitServer() as venue:
        wrong = {"okx": server.options("okx", secret="wrong")}
        found = await Accounts(venues=server.venues | wrong).reach()
        assert {each.what: each.ok for each in found} == {
            "deribit main": True,
            "bybit main": True,
            "okx main": False,
            "binance main": True,
        }
        refused = next(each.detail for each in found if each.what == "okx main")
        assert "read-only key" in refused
        assert SECRET not in str(found)
        assert [each.ok for each in await Deribit(urls=venue.urls).reach()] == [True]


def test_frames_replay_through_the_registered_decoder() -> None:
    from workstation.feeds.decoding import decoder_of

    for name in ("bybit", "okx", "binance"):
        decode = decoder_of(name)
        assert decode is not None
        assert (
            decode(pd.DataFrame({"payload": pd.Series([], dtype=object), "channel": pd.Categorical([])}))
            == []
        )
