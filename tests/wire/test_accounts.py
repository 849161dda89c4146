"""Accounts of four venues over a local server that checks every signature and misbehaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import ccxt.async_support
import pandas as pd
import pytest
from pydantic import SecretStr

from tests.unit.feeds.scripted import Sink
from tests.wire.accounts_server import KEY, PASSWORD, SECRET, T0, AccountsServer
from workstation.feeds import open_feed
from workstation.feeds.accounts import Accounts
from workstation.feeds.feed import Batch
from workstation.feeds.supervision.supervisor import SupervisionParameters, Supervisor
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES
from workstation.portfolio.positions import positions

pytestmark = pytest.mark.wire
VENUES = ("deribit", "bybit", "okx", "binance")
CALL, SWAP = "BTC/USD:BTC-260327-70000-C", "BTC/USDT:USDT"
POSITIONS = {
    "deribit": {CALL: 2.0, "BTC/USD:BTC": -0.1},
    "bybit": {"BTC/USDT:USDT-260327-75000-P": -0.5, SWAP: 0.1},
    "okx": {CALL: -1.5, "BTC/USD:BTC": 0.05},
    "binance": {"BTC/USDT:USDT-260327-70000-C": -0.5, SWAP: -0.1},
}
"""Underlying units: OKX's 150 contracts are 150 x 0.01 BTC, its 35 swaps 3500 USD at 70000; Deribit's 7000 USD at 70000."""
Fills = list[tuple[str, str, int, float, float, float, str]]
FILLS: dict[str, Fills] = {
    "deribit": [
        ("trade", CALL, 1, 0.031, 2.0, 0.0006, "BTC"),
        ("trade", "BTC/USD:BTC", -1, 70_000.0, 0.1, 0.00005, "BTC"),
        ("settlement", "BTC/USD:BTC-260320-68000-C", -1, 2_000 / 70_000, 0.5, float("nan"), "BTC"),
        ("funding", "BTC/USD:BTC", 0, 0.0, 0.0, 0.00001, "BTC"),
    ],
    "bybit": [
        ("trade", "BTC/USDT:USDT-260327-75000-P", -1, 4_700.0, 0.5, 10.5, "USDT"),
        ("funding", SWAP, 0, 0.0, 0.0, 0.7, "USDT"),
        ("trade", SWAP, 1, 70_100.0, 0.1, -0.2, "USDT"),
        ("settlement", "BTC/USDT:USDT-260320-72000-P", -1, 2_000.0, 0.2, 1.5, "USDT"),
    ],
    "okx": [
        ("trade", CALL, -1, 0.032, 1.5, 0.0003, "BTC"),
        ("funding", "BTC/USD:BTC", 0, 0.0, 0.0, -0.00002, "BTC"),
        ("settlement", "BTC/USD:BTC-260320-68000-C", 1, 2_000 / 70_000, 0.4, 0.0001, "BTC"),
    ],
    "binance": [
        ("trade", "BTC/USDT:USDT-260327-70000-C", -1, 2_300.0, 0.5, 3.5, "USDT"),
        ("settlement", "BTC/USDT:USDT-260320-68000-C", -1, 2_000.0, 0.3, 1.2, "USDT"),
        ("funding", SWAP, 0, 0.0, 0.0, 0.375, "USDT"),
    ],
}


async def unthrottled(self: Any, cost: Any = None) -> None:
    """The venue is this machine."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt.async_support.Exchange, "throttle", unthrottled)


@pytest.fixture
async def server() -> AsyncIterator[AccountsServer]:
    async with AccountsServer() as made:
        yield made


async def polled(feed: Accounts) -> dict[str, pd.DataFrame]:
    """Connect, one poll, close."""
    try:
        await feed.connect()
        await feed.subscribe()
        return dict(await feed.snapshot())
    finally:
        await feed.close()


async def until(true: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 20.0
    while not true():
        assert time.monotonic() < deadline, f"not within 20 s: {what}"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("venue", VENUES)
async def test_each_venue_becomes_the_same_tables(server: AccountsServer, venue: str) -> None:
    got = await polled(Accounts(venues={venue: server.options(venue)}))
    assert set(got) == {"frames", "positions", "fills", "balances"}
    for table, frame in got.items():
        pd.testing.assert_frame_equal(TABLES[table].conform(frame), frame)
    held = got["positions"]
    assert (
        dict(zip(held["instrument"].astype(str), held["quantity"].round(12), strict=True)) == POSITIONS[venue]
    )
    assert set(held["account"].astype(str)) == {"main"} and set(held["venue"].astype(str)) == {venue}
    assert (
        held["settle_currency"].astype(str)
        == [name.rpartition(":")[2].partition("-")[0] for name in POSITIONS[venue]]
    ).all()
    found = got["fills"]
    want = pd.DataFrame(
        FILLS[venue], columns=["kind", "instrument", "side", "price", "size", "fee", "fee_currency"]
    )
    plain = found[list(want)].astype(
        {"kind": "str", "instrument": "str", "fee_currency": "str", "side": "int64"}
    )
    pd.testing.assert_frame_equal(plain, want, check_dtype=False, check_exact=False, rtol=1e-12)
    assert found["event_ns"].is_monotonic_increasing and found["event_ns"].iloc[0] == T0 * 1_000_000
    assert found["fill_id"].ne("").all()
    assert not any(
        secret.encode() in payload for payload in got["frames"]["payload"] for secret in (SECRET, PASSWORD)
    )


async def test_balances_of_every_venue(server: AccountsServer) -> None:
    got = (await polled(Accounts(venues=server.venues)))["balances"]
    rows = got[["venue", "account", "currency", "total", "available"]].astype({"venue": "str"}).fillna(-1.0)
    assert rows.values.tolist() == [
        ["deribit", "main", "BTC", 0.91, 0.8],
        ["bybit", "main", "USDT", 1000.5, -1.0],
        ["okx", "main", "BTC", 0.5, 0.4],
        ["binance", "main", "USDT", 1877.5, 200.0],
        ["binance", "main futures", "USDT", 5000.0, 4000.0],
    ]


async def test_a_block_and_a_combo_leg_count_once_and_the_position_is_the_fills(
    server: AccountsServer,
) -> None:
    got = await polled(Accounts(venues={"deribit": server.options("deribit")}))
    fills = got["fills"]
    assert fills.loc[fills["kind"] == "trade", "block_id"].tolist() == ["99", "B-7"]
    held = positions(fills).set_index("instrument")["quantity"]
    assert held[CALL] == 2.0 and held["BTC/USD:BTC"] == pytest.approx(-0.1)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("wrong", ["secret", "api_key"])
async def test_refused_credentials_are_fatal_and_not_shown(
    server: AccountsServer, venue: str, wrong: str
) -> None:
    feed = Accounts(venues={venue: server.options(venue, **{wrong: "not-the-right-one"})})
    with pytest.raises(FeedError) as raised:
        await polled(feed)
    assert raised.value.fatal
    assert venue in str(raised.value) and SECRET not in str(raised.value)


@pytest.mark.parametrize("venue", VENUES)
async def test_rate_limit_tells_when_to_come_again(server: AccountsServer, venue: str) -> None:
    server.misbehave[venue] = [(429, {"Retry-After": "7"}, b'{"code": "50011", "msg": "Too Many Requests"}')]
    with pytest.raises(FeedError) as raised:
        await polled(Accounts(venues={venue: server.options(venue)}))
    assert not raised.value.fatal and raised.value.retry_after == 7.0


@pytest.mark.parametrize("venue", VENUES)
async def test_a_server_error_is_tried_again(server: AccountsServer, venue: str) -> None:
    server.misbehave[venue] = [(500, {}, b"oops")]
    with pytest.raises(FeedError) as raised:
        await polled(Accounts(venues={venue: server.options(venue)}))
    assert not raised.value.fatal and venue in str(raised.value)


async def test_malformed_json_is_rejected_and_the_rest_goes_on(server: AccountsServer) -> None:
    feed = Accounts(venues={"deribit": server.options("deribit", currencies=["BTC"])})
    try:
        await feed.connect()
        await feed.subscribe()
        server.misbehave["deribit"] = [(200, {}, b'{"jsonrpc": "2.0", "result": {"summ')]
        got: dict[str, pd.DataFrame] = dict(await feed.snapshot())
    finally:
        await feed.close()
    assert "balances" not in got and len(got["positions"]) == 2
    told = got["health"].iloc[0]
    assert (
        told["event"] == "rejected"
        and "privateGetGetAccountSummaries" in told["channel"]
        and "no JSON" in told["detail"]
    )


def _position_rows(venue: str, body: Any) -> list[Any]:
    """The positions of an answer's body."""
    rows: list[Any] = body if venue == "binance" else body["data"] if venue == "okx" else body["result"]
    return rows["list"] if isinstance(rows, dict) else rows


PATHS = {
    "deribit": ("get_positions", "instrument_name"),
    "bybit": ("v5/position/list", "symbol"),
    "okx": ("account/positions", "instId"),
    "binance": ("fapi/v3/positionRisk", "symbol"),
}


@pytest.mark.parametrize("odd", ["币安人生USDT", "", None, 7, "A&B"])
@pytest.mark.parametrize("venue", VENUES)
async def test_one_odd_symbol_costs_no_other_position_and_is_told(
    server: AccountsServer, venue: str, odd: Any
) -> None:
    path, symbol = PATHS[venue]

    def alter(body: Any) -> None:
        rows = _position_rows(venue, body)
        if rows:
            rows.insert(0, {**rows[0], symbol: odd})

    server.alter[f"{venue}/{path}"] = alter
    got = await polled(Accounts(venues={venue: server.options(venue, currencies=["BTC", "USDT"])}))
    held = got["positions"]
    assert (
        dict(zip(held["instrument"].astype(str), held["quantity"].round(12), strict=True)) == POSITIONS[venue]
    )
    assert set(got["health"]["event"]) == {"rejected"} and len(got["health"]) == 1
    if odd:
        assert str(odd) in got["health"]["detail"].iloc[0]


async def test_what_cannot_be_read_is_told_once_and_summed(server: AccountsServer) -> None:
    feed = Accounts(venues={"binance": server.options("binance")})
    server.alter["binance/fapi/v3/balance"] = lambda body: body.extend({"asset": f"X{n}"} for n in range(500))
    try:
        await feed.connect()
        await feed.subscribe()
        first: dict[str, pd.DataFrame] = dict(await feed.snapshot())
        second: dict[str, pd.DataFrame] = dict(await feed.snapshot())
    finally:
        await feed.close()
    assert len(first["health"]) == 1 and first["health"]["count"].tolist() == [500]
    assert "X0" in first["health"]["detail"].iloc[0] and len(first["health"]["detail"].iloc[0]) < 2_500
    assert "health" not in second and "balances" in second


async def test_a_closed_side_comes_once_more_for_that_side_alone(server: AccountsServer) -> None:
    both = [
        {"symbol": "BTCUSDT", "positionSide": "LONG", "positionAmt": "1", "entryPrice": "69000"},
        {"symbol": "BTCUSDT", "positionSide": "SHORT", "positionAmt": "-0.4", "entryPrice": "71000"},
    ]
    feed = Accounts(venues={"binance": server.options("binance")})
    server.alter["binance/fapi/v3/positionRisk"] = lambda body: body.__setitem__(slice(None), both)
    try:
        await feed.connect()
        await feed.subscribe(["positions"])
        await feed.snapshot()
        del both[0]
        later = dict(await feed.snapshot())["positions"]
        again = dict(await feed.snapshot())["positions"]
    finally:
        await feed.close()
    perp = later[later["instrument"].astype(str) == SWAP]
    assert dict(zip(perp["position_side"].astype(str), perp["quantity"], strict=True)) == {
        "short": -0.4,
        "long": 0.0,
    }
    assert not again["position_side"].astype(str).eq("long").any()


async def test_a_position_that_cannot_be_read_is_not_told_as_gone(server: AccountsServer) -> None:
    feed = Accounts(venues={"okx": server.options("okx")})
    try:
        await feed.connect()
        await feed.subscribe(["positions"])
        await feed.snapshot()
        server.alter["okx/account/positions"] = lambda body: body["data"][0].update(pos="many")
        got: dict[str, pd.DataFrame] = dict(await feed.snapshot())
    finally:
        await feed.close()
    assert got["positions"]["quantity"].ne(0.0).all() and len(got["positions"]) == 1
    assert "'many' is no number" in got["health"]["detail"].iloc[0]


async def test_one_venue_failing_does_not_stop_the_others(server: AccountsServer) -> None:
    venues = {venue: server.options(venue) for venue in ("okx", "deribit")}
    feed = Accounts(venues=venues)
    try:
        await feed.connect()
        await feed.subscribe()
        server.misbehave["okx"] = [(503, {}, b"maintenance")]
        got: dict[str, pd.DataFrame] = dict(await feed.snapshot())
        assert set(got["fills"]["venue"].astype(str)) == {"deribit"}
        assert got["health"]["event"].tolist() == ["failed"] and "okx" in got["health"]["detail"].iloc[0]
        after: dict[str, pd.DataFrame] = dict(await feed.snapshot())
        assert set(after["fills"]["venue"].astype(str)) == {"okx"}
    finally:
        await feed.close()


async def test_supervised_it_polls_gives_fills_once_and_tells_positions_that_are_gone(
    server: AccountsServer,
) -> None:
    feed = open_feed("accounts", venues={"okx": server.options("okx")}, poll_s=0.02, live=False)
    sink = Sink()
    supervisor = Supervisor(
        feed, sink, parameters=SupervisionParameters(backoff_first_s=0.02, backoff_cap_s=0.05)
    )
    task = asyncio.create_task(supervisor.run())
    try:
        await until(lambda: server.calls["okx/account/positions"] >= 3, "three polls")
        server.misbehave["okx"] = [(500, {}, b"oops")]
        server.drop.add("okx")
        await until(
            lambda: len(sink.rows("positions")) and (sink.rows("positions")["quantity"] == 0.0).sum() == 2,
            "closed positions",
        )
    finally:
        await supervisor.stop()
        await task
    assert len(sink.rows("fills")) == len(FILLS["okx"])
    assert "backing_off" not in supervisor.status()["state"] and supervisor.status()["reconnects"] >= 1


async def test_refusal_under_supervision_ends_the_feed(server: AccountsServer) -> None:
    sink = Sink()
    supervisor = Supervisor(Accounts(venues={"okx": server.options("okx", password="wrong")}), sink)
    await asyncio.wait_for(supervisor.run(), 20)
    assert supervisor.status()["state"] == "failed" and "not tried again" in supervisor.status()["detail"]


async def test_channels_are_answered_one_by_one(server: AccountsServer) -> None:
    feed = Accounts(venues={"bybit": server.options("bybit")})
    said = await feed.subscribe(("fills", "orders"))
    assert said.accepted == ("fills",) and "there are positions, fills, balances" in said.rejected["orders"]
    try:
        await feed.connect()
        got: list[Batch] = await feed.snapshot()
    finally:
        await feed.close()
    assert {batch.table for batch in got} == {"frames", "fills"}


def test_options_are_checked_and_secrets_stay_secret() -> None:
    for venues, words in (
        ({}, "give venues"),
        ({"kraken": {}}, "no venue 'kraken'"),
        ({"okx": {"api_key": "k"}}, "okx: secret is missing"),
        ({"okx": {"api_key": "k", "secret": "s", "colour": 1}}, "no option 'colour'"),
    ):
        with pytest.raises(FeedError, match=words) as raised:
            Accounts(venues=venues)
        assert raised.value.fatal
    feed = Accounts(venues={"okx": {"api_key": SecretStr(KEY), "secret": SECRET, "password": PASSWORD}})
    assert (
        SECRET not in repr(feed._accounts)
        and KEY not in repr(feed._accounts)
        and PASSWORD not in repr(feed._accounts)
    )
