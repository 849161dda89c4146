"""Laws of positions: the order of rows plays no part, and one odd item changes no other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workstation.feeds.accounts.reading import Reading

from tests.property.effort import effort
from workstation.feeds.binance import account as binance
from workstation.feeds.bybit import account as bybit
from workstation.feeds.deribit import account as deribit
from workstation.feeds.okx import account as okx
from workstation.market.tables import MARKS, POSITIONS
from workstation.portfolio.book import book, net
from workstation.portfolio.greeks import totals
from workstation.portfolio.ledger import Ledger

NAMES = ("BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT:USDT")
KEYS = st.tuples(
    st.sampled_from(NAMES), st.sampled_from(("okx", "bybit")), st.sampled_from(("", "long", "short")),
    st.sampled_from(("", "cross", "isolated")),
)  # fmt: skip
MARKET = MARKS.conform(
    pd.DataFrame(
        {
            "event_ns": 1,
            "instrument": list(NAMES),
            "mark": [70_000.0, 70_000.0, 3_000.0],
            "index": [70_000.0, 70_000.0, 3_000.0],
        }
    )
)


@effort(60)
@given(st.data())
def test_the_order_of_rows_plays_no_part(data: st.DataObject) -> None:
    keys = data.draw(st.lists(KEYS, min_size=1, max_size=10, unique=True))
    rows = [
        {
            "event_ns": 1, "instrument": name, "venue": venue, "position_side": side, "margin_mode": mode,
            "quantity": data.draw(st.integers(-20, 20)) / 4, "entry": 1_000.0 + data.draw(st.integers(1, 99)),
        }
        for name, venue, side, mode in keys
    ]  # fmt: skip
    other = data.draw(st.permutations(rows))
    found = []
    for each in (rows, other):
        held = POSITIONS.conform(pd.DataFrame(each))
        made = book(held, MARKET, 1)
        ledger = Ledger()
        ledger.adopt(held)
        booked = dict(zip(ledger.keys, ledger.quantity().tolist(), strict=True))
        assert sum(booked.values()) == pytest.approx(sum(row["quantity"] for row in each))
        leg = net(made).set_index(["venue", "account", "instrument"]).sort_index()
        found.append((booked, leg, totals(made).drop(columns="missing")))
    assert found[0][0] == pytest.approx(found[1][0])
    for one, two in (found[0][1:2] + found[1][1:2], found[0][2:] + found[1][2:]):
        pd.testing.assert_frame_equal(one, two)


Decode = Callable[[Any, Reading], dict[str, list[dict[str, Any]]]]
TIME = 1_774_000_000_000
ANSWERS: dict[str, tuple[Decode, Callable[[list[Any]], Any], list[dict[str, Any]]]] = {
    "binance futures": (
        binance.futures,
        lambda rows: rows,
        [
            {"symbol": f"{coin}USDT", "positionSide": side, "positionAmt": size, "entryPrice": "10", "markPrice": "11", "unRealizedProfit": "1"}
            for coin in ("BTC", "ETH", "SOL") for side, size in (("LONG", "1.5"), ("SHORT", "-0.5"))
        ],
    ),
    "binance trades": (
        binance.trades,
        lambda rows: rows,
        [
            {"symbol": "BTC-260327-70000-C", "side": "SELL", "quantity": "-0.5", "price": "20", "fee": "1", "time": TIME + n, "tradeId": n + 1}
            for n in range(4)
        ],
    ),
    "bybit positions": (
        bybit.positions,
        lambda rows: {"result": {"list": rows}},
        [{"symbol": f"{coin}USDT", "side": "Buy", "size": "2", "positionIdx": 1, "avgPrice": "9", "markPrice": "10"} for coin in ("BTC", "ETH", "SOL")],
    ),
    "bybit executions": (
        bybit.executions,
        lambda rows: {"result": {"list": rows}},
        [
            {"symbol": "BTCUSDT", "side": "Buy", "execPrice": "9", "execQty": "1", "execFee": "0.1", "execType": "Trade", "execId": f"e{n}", "execTime": str(TIME)}
            for n in range(4)
        ],
    ),
    "okx positions": (
        okx.positions,
        lambda rows: {"data": rows},
        [
            {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "pos": "10", "posSide": side, "mgnMode": mode, "avgPx": "9", "markPx": "10"}
            for side in ("long", "short") for mode in ("cross", "isolated")
        ],
    ),
    "okx fills": (
        okx.fills,
        lambda rows: {"data": rows},
        [
            {"instId": "BTC-USDT-SWAP", "side": "sell", "posSide": "net", "fillPx": "9", "fillSz": "3", "fee": "-1", "feeCcy": "USDT", "ts": str(TIME), "billId": f"{n}"}
            for n in range(4)
        ],
    ),
    "deribit positions": (
        deribit.positions,
        lambda rows: {"result": rows},
        [
            {"instrument_name": f"{coin}-PERPETUAL", "kind": "future", "direction": "buy", "size": 100.0, "average_price": 10.0, "mark_price": 11.0}
            for coin in ("BTC", "ETH")
        ],
    ),
    "bybit balances": (
        bybit.balances,
        lambda rows: {"result": {"list": [{"coin": rows}]}},
        [{"coin": coin, "walletBalance": "5", "spotBorrow": "1"} for coin in ("BTC", "ETH", "USDT")],
    ),
}  # fmt: skip
HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(), st.text(max_size=8), st.just([]), st.just({}),
    st.sampled_from(["NaN", "Infinity", "1e400", "9" * 30, "-1", ""]),
)  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_one_odd_item_changes_no_other(name: str) -> None:
    decode, wrapped, rows = ANSWERS[name]

    def read(items: list[Any]) -> tuple[list[dict[str, Any]], int]:
        reading = Reading(decode.__module__.rpartition(".")[2], "main", TIME * 10**6, unread=[])
        reading.sizes |= {"BTC-USDT-SWAP": 0.01, "BTC-260327-70000-C": 1.0}
        (found,) = decode(wrapped(items), reading).values()
        return found, len(reading.unread or ())

    @effort(40)
    @given(st.data())
    def law(data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(rows) - 1))
        spoilt: list[Any] = copy.deepcopy(rows)
        if data.draw(st.booleans()):
            spoilt[place] = data.draw(HOSTILE)
        else:
            spoilt[place][data.draw(st.sampled_from(sorted(rows[place])))] = data.draw(HOSTILE)
        others, unread = read([row for n, row in enumerate(rows) if n != place])
        assert unread == 0
        found, unread = read(spoilt)
        assert unread <= 1
        if unread:
            assert repr(found) == repr(others)
        for row in found:
            assert all(not isinstance(value, float) or not np.isinf(value) for value in row.values())

    law()
