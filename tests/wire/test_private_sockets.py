"""Private sockets of four venues: real logins against a server that checks them, loses sessions and gives them to others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import ccxt.async_support
import pandas as pd
import pytest

from tests.unit.feeds.scripted import Sink
from tests.wire.accounts_server import KEY, PASSWORD, SECRET, T0
from tests.wire.private_server import LISTEN_KEY, TOKEN, PrivateServer, bybit_frames
from tests.wire.test_accounts import CALL, FILLS, SWAP, unthrottled, until
from workstation.feeds import accounts
from workstation.feeds.accounts import Accounts
from workstation.feeds.supervision.supervisor import Supervisor
from workstation.feeds.venue_kit.private_stream import PrivateStream

pytestmark = pytest.mark.wire
VENUES = ("deribit", "bybit", "okx", "binance")
CURRENCIES = {"deribit": ("BTC", "USDC"), "bybit": ("USDT",)}
CHANNELS = {
    "deribit": [
        "user.changes.any.any.raw",
        "user.portfolio.btc",
        "user.portfolio.usdc",
    ],
    "bybit": ["position", "execution", "wallet"],
    "okx": ["account", "positions", "orders"],
}
FILL = {
    "deribit": (CALL, -1, 0.033, 0.5, 0.0002, "", ""),
    "bybit": ("BTC/USDT:USDT-260327-75000-P", 1, 4_600.0, 0.5, 9.5, "", ""),
    "okx": (CALL, 1, 0.03, 0.5, 0.0001, "", "isolated"),
    "binance": (SWAP, -1, 70_000.0, 0.1, 2.8, "short", ""),
}
"""Contract, side, price, underlying units, fee, side and margin mode of the position: OKX's 50 contracts are 0.5 BTC."""
HELD = {
    "deribit": ("BTC/USD:BTC", 0.2, "", ""),
    "bybit": (SWAP, -0.3, "short", "isolated"),
    "okx": ("BTC/USD:BTC", -0.1, "short", "isolated"),
    "binance": (SWAP, -0.2, "short", "isolated"),
}


@pytest.fixture
async def server() -> AsyncIterator[PrivateServer]:
    async with PrivateServer() as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        accounts, "PrivateStream", partial(PrivateStream, backoff_first_s=0.01, backoff_cap_s=0.02)
    )
    monkeypatch.setattr(accounts, "AGAIN_S", 0.01)
    monkeypatch.setattr(ccxt.async_support.Exchange, "throttle", unthrottled)


@asynccontextmanager
async def followed(server: PrivateServer, venue: str) -> AsyncIterator[Sink]:
    """An account that is polled once, and then by what its socket tells."""
    sink = Sink()
    feed = Accounts(
        venues={venue: server.options(venue, currencies=CURRENCIES.get(venue, ()))}, poll_s=3600.0
    )
    supervisor = Supervisor(feed, sink)
    running = asyncio.create_task(supervisor.run())
    try:
        yield sink
    finally:
        await supervisor.stop()
        await running


def told(sink: Sink, event: str) -> list[str]:
    rows = sink.rows("health")
    return [] if not len(rows) else rows.loc[rows["event"].astype(str) == event, "detail"].tolist()


def prints(sink: Sink, fill_id: str) -> pd.DataFrame:
    rows = sink.rows("fills")
    return rows[rows["fill_id"] == fill_id] if len(rows) else rows


@pytest.mark.parametrize("venue", VENUES)
async def test_changes_come_at_once_in_our_units_and_no_secret_is_kept(
    server: PrivateServer, venue: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.ERROR, "aiohttp.access")  # the server's own
    async with followed(server, venue) as sink:
        await until(
            lambda: told(sink, "connected")[1:] and server.calls.total() > 12, "login and the poll after it"
        )
        await until(lambda: len(sink.rows("fills")) == len(FILLS[venue]), "each fill of both polls once")
        await server.push(venue, "4711")
        await until(lambda: len(prints(sink, "4711")) == 1, "the fill")
        await until(
            lambda: (sink.rows("balances")["total"] == 1000.0).any(), "the balance less what is borrowed"
        )
        row = prints(sink, "4711").iloc[0]
        names = ["instrument", "side", "price", "size", "fee", "position_side", "margin_mode"]
        assert tuple(row[names]) == pytest.approx(FILL[venue]) and row["event_ns"] == (T0 + 9000) * 1_000_000
        held = sink.rows("positions")
        keys = zip(held["instrument"].astype(str), held["quantity"].round(9), held["position_side"], held["margin_mode"], strict=True)  # fmt: skip
        assert HELD[venue] in list(keys)
        if venue == "binance":
            assert ("BTC/USDT:USDT-260327-70000-C", -0.1) in set(
                zip(held["instrument"], held["quantity"], strict=True)
            )
        assert server.subscribed.get(venue) == CHANNELS.get(venue)
        said = b"".join(sink.rows("frames")["payload"]) + repr(sink.rows("health").to_dict()).encode() + caplog.text.encode()  # fmt: skip
        for secret in (KEY, SECRET, PASSWORD, LISTEN_KEY, TOKEN):
            assert secret.encode() not in said
        assert not told(sink, "rejected")


@pytest.mark.parametrize("venue", VENUES)
async def test_after_a_lost_session_rest_brings_the_fill_and_its_push_is_no_second_one(
    server: PrivateServer, venue: str
) -> None:
    async with followed(server, venue) as sink:
        await until(lambda: server.logins[venue] and told(sink, "connected")[1:], "the login")
        _print_by_rest(server, venue, "4712")
        server.cut(venue)
        await until(lambda: server.logins[venue] >= 2 and told(sink, "resubscribed"), "another login")
        assert "away for" in told(sink, "resubscribed")[0] and "again in" in told(sink, "disconnected")[0]
        await until(lambda: len(prints(sink, "4712")) == 1, "the fill that was not pushed")
        await server.push(venue, "4712")
        await server.push(venue, "4713")
        await until(lambda: len(prints(sink, "4713")) == 1, "the next fill")
        assert len(prints(sink, "4712")) == 1
        assert len(sink.rows("fills")) == len(FILLS[venue]) + 2


def _print_by_rest(server: PrivateServer, venue: str, fill_id: str) -> None:
    """From now on the venue's REST knows the fill ``FRAMES`` pushes under an id."""
    if venue == "deribit":
        trade = {
            "trade_id": fill_id, "timestamp": T0 + 9000, "instrument_name": "BTC-27MAR26-70000-C", "direction": "sell", "amount": 0.5,
            "price": 0.033, "fee": 0.0002, "fee_currency": "BTC", "index_price": 70_100.0,
        }  # fmt: skip
        server.alter["deribit/get_user_trades_by_currency_and_time"] = lambda body: (
            body["result"]["trades"].append(trade) if body["result"]["trades"] else None
        )
    elif venue == "bybit":
        fill = bybit_frames(fill_id)[0]["data"][1]
        server.alter["bybit/v5/execution/list"] = lambda body: (
            body["result"]["list"].append(fill) if "BTC-27" in str(body) else None
        )
    elif venue == "okx":
        fill = {
            "instId": "BTC-USD-260327-70000-C", "instType": "OPTION", "tradeId": fill_id, "billId": "990", "fillPx": "0.03", "fillSz": "50",
            "side": "buy", "posSide": "net", "fee": "-0.0001", "feeCcy": "BTC", "ts": str(T0 + 9000), "fillIdxPx": "70100",
        }  # fmt: skip
        server.alter["okx/trade/fills-history"] = lambda body: (
            body["data"].append(fill) if body["data"] else None
        )
    else:
        paid = {"symbol": "BTCUSDT", "incomeType": "COMMISSION", "income": "-2.8", "asset": "USDT", "time": T0 + 9000, "tranId": 970}  # fmt: skip
        server.alter["binance/fapi/v1/income"] = lambda body: body.append(paid)
        server.trades = [
            {
                "symbol": "BTCUSDT", "id": int(fill_id), "side": "SELL", "price": "70000", "qty": "0.1", "commission": "2.8", "commissionAsset": "USDT",
                "time": T0 + 9000, "positionSide": "SHORT",
            }
        ]  # fmt: skip


async def test_a_key_without_a_stream_is_told_once_and_the_account_is_polled(server: PrivateServer) -> None:
    server._bybit = lambda said: ([{"success": False, "ret_msg": f"no right of {KEY}", "op": "auth"}], False)  # type: ignore[method-assign]
    async with followed(server, "bybit") as sink:
        await until(lambda: told(sink, "failed"), "the refusal")
        assert told(sink, "failed") == [
            "bybit: the login was refused: no right of ***; not tried again, the account is polled"
        ]
        assert len(sink.rows("fills")) == len(FILLS["bybit"]) and not server.logins["bybit"]


@pytest.mark.parametrize("venue", VENUES)
async def test_a_session_that_others_end_is_told_and_not_stormed(
    server: PrivateServer, venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "PrivateStream", partial(PrivateStream, backoff_first_s=0.01))
    server.evict.add(venue)
    async with followed(server, venue) as sink:
        await until(lambda: len(told(sink, "disconnected")) == 3, "three sessions")
        last = told(sink, "disconnected")[2]
        assert last.startswith("another session: 3 logins in a row") and last.endswith("again in 60.00 s")
        assert "another session" not in "".join(told(sink, "disconnected")[:2]) and server.logins[venue] == 3
        assert LISTEN_KEY not in last
