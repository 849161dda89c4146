"""What Alpaca does beyond the conformance suite, against its local server."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.feeds.scripted import Sink
from tests.wire.alpaca_server import CALL, CONTRACTS, KEY, PUT, SECRET, AlpacaServer, quote
from tests.wire.test_feed_conformance import until
from tests.wire.test_public_feeds import live
from workstation.feeds.alpaca import Alpaca
from workstation.feeds.alpaca import rest as rest_calls
from workstation.feeds.alpaca.decode import decode
from workstation.feeds.supervision.supervisor import Supervisor
from workstation.market.errors import FeedError
from workstation.pricing.chain import chain

pytestmark = pytest.mark.wire
NAME = f"SPY   {CALL[3:]}"


def made(server: AlpacaServer, **options: Any) -> Alpaca:
    settings: dict[str, Any] = {
        "underlyings": ("SPY",), "urls": server.urls, "api_key": KEY, "secret": SECRET, "pace_s": 0.0, "timeout_s": 5.0,
        "audit_s": 0.0, "audit_lag_s": 0.0, "option_feed": "opra", "stock_feed": "sip",
    }  # fmt: skip
    return Alpaca(**settings | options)


@pytest.fixture(autouse=True)
def _no_pause_left() -> None:
    rest_calls._PAUSES.clear()


async def test_the_default_set_prices_a_chain_with_dated_open_interest() -> None:
    async with AlpacaServer() as server:
        async with live(made(server)) as (supervisor, sink):
            listed = sink.rows("instruments")
            assert len(listed) == len(CONTRACTS) + 1 and listed["multiplier"].max() == 100.0
            accepted = supervisor._accepted
            assert {
                "stock/trades.SPY",
                "stock/quotes.SPY",
                f"option/quotes.{CALL}",
                f"option/trades.{PUT}",
            } <= set(accepted)
            assert not any("00560000" in each or "00700000" in each for each in accepted), (
                "beyond 6 % of the money"
            )
            await server.packed([quote(name) for name in CONTRACTS], f"quotes.{CALL}")
            await until(lambda: len(sink.rows("quotes")) >= 2 * len(CONTRACTS) + 1, "the pushed quotes")
            found = chain(sink.rows("marks"), underlying="SPY", quotes=sink.rows("quotes"))
            assert found.attrs["iv_source"].keys() == {"mid"}
            assert float(found["open_interest"].sel(strike=600.0, right="C").item()) == 1205.0
            assert found["open_interest_ns"].max() == pd.Timestamp("2026-11-27").value
            assert found["forward"].item() == pytest.approx(600.0, abs=1.0)
            assert np.isfinite(found["mark_iv"].sel(strike=600.0)).all()
            assert "rejected" not in sink.events
        asked = [
            path for path in server.requests if isinstance(path, tuple) and path[0] == "v2/options/contracts"
        ]
        assert len(asked) == 3, "pages are followed"
        assert all(query["feed"] in ("opra", "sip") for path, query in filter(_data, server.requests))


def _data(request: Any) -> bool:
    return isinstance(request, tuple) and "snapshots" in request[0]


@pytest.mark.parametrize(
    ("fault", "code", "advice"),
    [
        (lambda server: setattr(server, "taken", True), "406", "end it"),
        (lambda server: server.entitled.discard("opra"), "403", "free plan"),
    ],
)
async def test_what_trying_again_cannot_mend_is_fatal(fault: Any, code: str, advice: str) -> None:
    async with AlpacaServer() as server:
        fault(server)
        feed = made(server)
        with pytest.raises(FeedError, match=advice) as refused:
            await feed.connect()
            await feed.instruments()
            await feed.subscribe()
            await feed.snapshot()
        await feed.close()
        assert refused.value.fatal and KEY not in str(refused.value)


@pytest.mark.parametrize(("key", "feed_name", "code"), [("wrong", "opra", "402"), (KEY, "nothing", "409")])
async def test_a_stream_that_refuses_is_fatal(key: str, feed_name: str, code: str) -> None:
    """REST may take what a stream refuses; 402 and 409 come over the socket."""
    async with AlpacaServer() as server:
        feed = made(server)
        await feed.connect()
        await feed.instruments()
        wire: Any = feed._connected
        wire._urls["option"] = wire._urls["option"].replace("opra", feed_name)
        wire._key = wire._key.__class__(key)
        with pytest.raises(FeedError, match=code) as refused:
            await feed.subscribe([f"option/quotes.{CALL}"])
        await feed.close()
        assert refused.value.fatal


async def test_a_connection_lost_a_moment_ago_may_still_count() -> None:
    async with AlpacaServer() as server:
        feed = made(server)
        await feed.connect()
        await feed.subscribe(["stock/trades.SPY"])
        server.taken = True
        await feed.connect()
        with pytest.raises(FeedError, match="still counted") as refused:
            await feed.subscribe(["stock/trades.SPY"])
        assert not refused.value.fatal and refused.value.retry_after
        await feed.close()


async def test_too_many_symbols_are_told_by_channel_and_the_others_come() -> None:
    async with AlpacaServer() as server:
        server.most = 5
        feed = made(server)
        await feed.connect()
        await feed.instruments()
        said = await feed.subscribe([f"option/quotes.{name}" for name in CONTRACTS])
        await feed.close()
        assert len(said.accepted) == 5 and len(said.rejected) == len(CONTRACTS) - 5
        assert all("405" in reason for reason in said.rejected.values())


async def test_a_rate_limit_is_waited_for_or_told_with_its_time() -> None:
    async with AlpacaServer() as server:
        server.rest_faults["v2/options/contracts"] = [(429, {"Retry-After": "0.05"}, b"{}")]
        feed = made(server)
        await feed.connect()
        assert len(await feed.instruments()) == len(CONTRACTS) + 1
        server.rest_faults["v2/options/contracts"] = [(429, {"Retry-After": "90"}, b"{}")]
        with pytest.raises(FeedError, match="rate limit") as limited:
            await feed.instruments()
        assert not limited.value.fatal and 80 < (limited.value.retry_after or 0) <= 90
        await feed.close()


async def test_alike_prints_of_options_are_all_kept_and_lost_ones_found() -> None:
    prints, quotes = f"option/trades.{CALL}", f"option/quotes.{CALL}"
    async with AlpacaServer() as server, live(made(server, audit_s=0.1), prints, quotes) as (_, sink):
        now = time.time_ns()
        twins = [server.trade(CALL, t=now), server.trade(CALL, t=now)]
        await server.prints(*twins)
        server.trade(CALL, t=now)
        server.trade(CALL, t=now + 1, p=5.1)
        await until(lambda: len(sink.rows("trades")) >= 4, "the twins, and the two that were not pushed")
        await until(lambda: "backfilled" in sink.events, "the backfill to be told")
        trades = sink.rows("trades")
        assert len(trades) == 4 and trades["price"].tolist() == [5.05, 5.05, 5.05, 5.1]
        assert "duplicate" not in sink.events
        frames = sink.rows("frames")
        replayed = [batch.frame for batch in decode(frames) if batch.table == "trades"]
        assert sum(map(len, replayed)) == 4, "a replay of the frames gives each print once"


async def test_a_slow_consumer_sees_the_newest_quote_of_every_contract() -> None:
    async with AlpacaServer() as server:
        feed = made(server, capacity=4)
        await feed.connect()
        await feed.instruments()
        channels = [f"option/quotes.{name}" for name in (CALL, PUT)]
        await feed.subscribe(channels)
        for number in range(30):
            await server.packed([quote(CALL) | {"bs": number}, quote(PUT) | {"bs": number}], f"quotes.{CALL}")
        await until(
            lambda: server.sent and sum(feed._frames._conflated.values()) >= 40, "the queue to be full"
        )
        rows: list[pd.DataFrame] = []
        told: list[str] = []
        async for batch in feed.batches():
            if batch.table == "quotes":
                rows.append(batch.frame)
            if batch.table == "health":
                told += batch.frame["event"].astype(str).tolist()
                break
        await feed.close()
        newest = pd.concat(rows).groupby("instrument", observed=True)["bid_size"].last()
        assert newest.tolist() == [29.0, 29.0] and "conflated" in told


async def test_keys_are_nowhere() -> None:
    async with AlpacaServer() as server:
        feed = made(server, secret="wrong-98765")
        sink = Sink()
        supervisor = Supervisor(feed, sink)
        await supervisor.run()
        assert supervisor.status()["state"] == "failed"
        said = repr(vars(feed)) + str(supervisor.status()) + sink.rows("health").to_csv()
        assert "wrong-98765" not in said and KEY not in said


async def test_reach_says_what_to_do() -> None:
    async with AlpacaServer() as server:
        server.entitled.discard("opra")
        found = {each.what: each for each in await made(server).reach()}
        assert found["alpaca"].ok and found["alpaca sip"].ok
        assert not found["alpaca opra"].ok and "indicative" in found["alpaca opra"].detail
        server.ahead_ms = 9_000
        assert "set the clock" in (await made(server).reach())[0].detail
        nobody = await made(server, api_key="", secret="").reach()
        assert not nobody[0].ok and "feed_options.alpaca" in nobody[0].detail
        wrong = await made(server, secret="wrong").reach()
        assert not any(each.ok for each in wrong) and "keys" in wrong[0].detail
