"""Interactive Brokers through ib_async, against a local stand-in of the TWS socket."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("ib_async", reason="the client of TWS is not installed: pip install 'workstation[ibkr]'")

from tests.wire.ibkr_server import CALL, PUT, SPOT, IBKRServer, osi
from tests.wire.test_feed_conformance import until
from tests.wire.test_public_feeds import live
from workstation.feeds.ibkr import IBKR
from workstation.feeds.ibkr.decode import decode
from workstation.market.errors import FeedError
from workstation.market.tables import NO_TIME, TABLES
from workstation.pricing.chain import chain

pytestmark = pytest.mark.wire


def made(server: IBKRServer, **options: Any) -> IBKR:
    settings: dict[str, Any] = {"port": server.port, "pace_s": 0.0, "timeout_s": 10.0, "settle_s": 0.2}
    return IBKR(("SPY",), **settings | options)


def last(frame: pd.DataFrame, symbol: str) -> pd.Series:
    return frame[frame["instrument"].astype("str") == symbol].iloc[-1]


async def test_contracts_near_the_money_are_watched_and_make_a_chain() -> None:
    async with IBKRServer() as server, live(made(server)) as (supervisor, sink):
        listed = sink.rows("instruments")
        expected = {"SPY", *(osi(strike, right) for strike in (590.0, 600.0) for right in "CP")}
        assert set(listed["instrument"].astype(str)) == expected, "within 6 % of the money, and listed"
        assert set(supervisor._accepted) == {f"ticks.{name}" for name in expected}
        assert last(listed, CALL)["multiplier"] == 100.0 and last(listed, "SPY")["kind"] == "equity"
        for symbol in (CALL, PUT):
            server.quote(symbol, 5.0, 5.1)
            server.interest(symbol, 1205)
            server.model(symbol)
        await until(lambda: len(sink.rows("marks")) and set(sink.rows("marks")["delta"].dropna()), "greeks")
        await until(
            lambda: (
                {CALL, PUT}
                <= set(
                    sink.rows("marks").dropna(subset=["mark_iv", "open_interest"])["instrument"].astype(str)
                )
            ),
            "both",
        )
        mark = last(sink.rows("marks").dropna(subset=["mark_iv", "open_interest"]), CALL)
        assert (mark["bid"], mark["ask"], mark["bid_size"], mark["ask_size"]) == (5.0, 5.1, 11.0, 12.0)
        assert (mark["open_interest"], mark["open_interest_ns"]) == (1205.0, NO_TIME)
        assert (mark["vega"], mark["theta"], mark["mark"], mark["index"]) == (
            pytest.approx(60.0),
            pytest.approx(-73.0),
            5.05,
            SPOT,
        )
        stock = last(sink.rows("quotes"), "SPY")
        assert (stock["bid"], stock["ask"]) == (SPOT - 0.01, SPOT + 0.01)
        found = chain(sink.rows("marks"), underlying="SPY")
        assert found.attrs["iv_source"] == {"mark_iv": 2}
        assert not len(sink.rows("trades")), "no tape"
        assert "refused" not in sink.events, (
            "what a class does not list for an expiry is counted, not told one by one"
        )
        asked = [fields for fields in server.requests if fields[0] == "1" and "100,101,106" in fields]
        assert len(asked) == 4, "open interest is asked for with each option"


async def test_numbers_that_were_not_computed_are_missing() -> None:
    async with IBKRServer() as server, live(made(server)) as (_, sink):
        server.price(CALL, 1, -1, 0)
        server.price(CALL, 2, 5.1, 12)
        server.model(CALL, vega=-2, theta=-2)
        await until(
            lambda: len(sink.rows("marks")) and sink.rows("marks")["mark_iv"].notna().any(), "the model"
        )
        mark = last(sink.rows("marks"), CALL)
        assert np.isnan([mark["bid"], mark["bid_size"], mark["vega"], mark["theta"]]).all()
        assert mark["gamma"] == 0.012 and mark["ask"] == 5.1


async def test_a_lost_server_connection_and_its_two_ends() -> None:
    """1100 is told; after 1102 the tickers go on, after 1101 they are asked for anew."""
    async with IBKRServer() as server, live(made(server)) as (supervisor, sink):
        server.error(1100, "Connectivity between IB and TWS has been lost.")
        server.error(1102, "Connectivity restored - data maintained.")
        await until(lambda: "fresh" in sink.events, "the end of it")
        before = dict(server.tickers)
        assert "gap" in sink.events and "stale" in sink.events
        server.error(1101, "Connectivity restored - data lost.")
        await until(
            lambda: server.tickers.keys() == before.keys() and server.tickers != before, "new tickers"
        )
        server.quote(CALL, 7.0, 7.1)
        await until(lambda: (sink.rows("quotes")["bid"] == 7.0).any(), "a quote of a new ticker")
        assert supervisor.status()["reconnects"] == 0


async def test_notices_end_nothing_and_refusals_are_told_by_channel() -> None:
    async with IBKRServer() as server:
        feed = made(server)
        await feed.connect()
        await feed.instruments()
        number = next(int(key) for key, name in server._names.items() if name == PUT)
        server.refused[number] = (354, "Requested market data is not subscribed.")
        said = await feed.subscribe()
        assert set(said.rejected) == {f"ticks.{PUT}"} and "354" in said.rejected[f"ticks.{PUT}"]
        unknown = await feed.subscribe(["ticks.NOSUCH", f"ticks.{CALL}"])
        assert set(unknown.rejected) == {"ticks.NOSUCH"} and unknown.accepted == (f"ticks.{CALL}",)
        server.error(10167, "Displaying delayed market data.", CALL)
        server.error(10197, "No market data during competing live session", CALL)
        told: dict[str, str] = {}
        async for batch in feed.batches():
            if batch.table == "health":
                told |= dict(zip(batch.frame["event"].astype(str), batch.frame["detail"], strict=True))
            if {"late", "refused"} <= set(told) and "another session" in told["refused"]:
                break
        assert "delayed" in told["late"]
        await feed.close()


async def test_a_client_id_in_use_is_fatal_and_says_so() -> None:
    async with IBKRServer() as server:
        server.client_taken = True
        feed = made(server)
        with pytest.raises(FeedError, match="choose another") as refused:
            await feed.connect()
        await feed.close()
        assert refused.value.fatal


async def test_nobody_listening_is_told_with_what_to_do() -> None:
    async with IBKRServer() as server:
        port = server.port
    feed = IBKR(port=port, timeout_s=1.0)
    with pytest.raises(FeedError, match="Gateway running") as refused:
        await feed.connect()
    await feed.close()
    assert not refused.value.fatal


async def test_a_restart_and_a_half_open_socket_are_survived() -> None:
    async with IBKRServer() as server, live(made(server, keepalive_s=0.3)) as (_, sink):
        await server.stop()
        await server.start()
        await until(lambda: "resubscribed" in sink.events and CALL in server.tickers, "the feed to be back")
        server.quote(CALL, 8.0, 8.1)
        await until(lambda: (sink.rows("quotes")["bid"] == 8.0).any(), "a quote after the restart")
        before = sink.events.count("disconnected")
        server.silent = True
        await until(lambda: sink.events.count("disconnected") > before, "the silent socket to be given up")
        server.silent = False


async def test_frames_replay_to_the_same_rows_and_capabilities_name_the_tables() -> None:
    async with IBKRServer() as server, live(made(server)) as (supervisor, sink):
        server.quote(CALL, 5.0, 5.1)
        await until(
            lambda: len(sink.rows("quotes")) and (sink.rows("quotes")["ask"] == 5.1).any(), "the quote"
        )
        frames = sink.rows("frames")
        replayed = {batch.table: batch.frame for batch in decode(frames)}
        kept = frames.index[frames["feed"].astype(str) == "ibkr"]
        assert len(kept) == len(frames)
        pd.testing.assert_frame_equal(
            replayed["quotes"], TABLES["quotes"].conform(sink.rows("quotes").assign(seq=0))
        )
        assert {"quotes", "frames"} <= supervisor.feed.capabilities.tables
        bad = pd.DataFrame(
            {"payload": [b"{", b'{"symbol":"??","time_ns":5}'], "channel": "ticks.X", "seen_ns": 1}
        )
        assert decode(bad)[0].frame["event"].astype(str).tolist() == ["rejected", "rejected"]


async def test_reach_says_what_to_do() -> None:
    async with IBKRServer() as server:
        found = await made(server).reach()
        assert all(each.ok for each in found) and len(found) == 2
        server.ahead_s = 60
        assert "set the clock" in (await made(server).reach())[0].detail
    assert not (await made(server, timeout_s=1.0).reach())[0].ok
