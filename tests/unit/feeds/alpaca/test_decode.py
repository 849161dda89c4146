"""Alpaca's messages to rows."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from tests.wire.alpaca_server import rfc, stamp
from workstation.feeds.alpaca.decode import decode
from workstation.market.conditions import counts, price_setting
from workstation.market.tables import NO_TIME, TradeFlag

NOW = 1_796_053_000_123_456_789
CALL = "SPY261218C00600000"
NAME = "SPY   261218C00600000"


def rows(*frames: tuple[str, bytes]) -> dict[str, pd.DataFrame]:
    made = pd.DataFrame(
        {"channel": [name for name, _ in frames], "payload": [body for _, body in frames], "seen_ns": NOW + 5}
    )
    return {batch.table: batch.frame for batch in decode(made)}


def pushed(*messages: dict[str, Any], channel: str = "option/trades") -> dict[str, pd.DataFrame]:
    return rows((channel, msgspec.msgpack.encode(list(messages))))


def option_print(**fields: Any) -> dict[str, Any]:
    return {"T": "t", "S": CALL, "t": stamp(NOW), "p": 2.84, "s": 3, "x": "N", "c": "S"} | fields


def test_an_options_print_keeps_its_nanoseconds_exchange_and_condition() -> None:
    trade = pushed(option_print())["trades"].iloc[0]
    assert (trade["instrument"], trade["event_ns"], trade["price"], trade["size"]) == (NAME, NOW, 2.84, 3.0)
    assert (trade["exchange"], trade["condition"], trade["trade_id"], trade["venue"]) == (
        "N",
        "S",
        "",
        "alpaca",
    )
    assert trade["flags"] == int(TradeFlag.ISO) and trade["side"] == 0


@pytest.mark.parametrize(
    ("code", "flag"), [("f", TradeFlag.MULTI_LEG), ("a", TradeFlag.AUCTION), ("C", TradeFlag.CANCEL)]
)
def test_opra_conditions_are_mapped(code: str, flag: TradeFlag) -> None:
    assert pushed(option_print(c=code))["trades"]["flags"].iloc[0] & int(flag)


def test_an_unknown_condition_counts_as_volume_only() -> None:
    found = pushed(option_print(c="?"))["trades"]["flags"]
    assert counts(found).tolist() == [True] and price_setting(found).tolist() == [False]


@pytest.mark.parametrize("size", [4, 8, 12])
def test_every_length_of_timestamp(size: int) -> None:
    seconds, fraction = divmod(NOW, 10**9)
    data = {
        4: seconds.to_bytes(4, "big"),
        8: (fraction << 34 | seconds).to_bytes(8, "big"),
        12: fraction.to_bytes(4, "big") + seconds.to_bytes(8, "big"),
    }[size]
    found = pushed(option_print(t=msgspec.msgpack.Ext(-1, data)), option_print())["trades"]["event_ns"]
    assert found.tolist() == [NOW if size > 4 else seconds * 10**9, NOW]


def test_a_stocks_print_is_named_by_day_exchange_and_number() -> None:
    message = {
        "T": "t",
        "S": "AAPL",
        "t": stamp(NOW),
        "p": 200.0,
        "s": 50,
        "x": "D",
        "c": ["@", "T", "I"],
        "i": 52983525029461,
        "z": "C",
    }
    trade = pushed(message, channel="stock/trades")["trades"].iloc[0]
    assert trade["trade_id"] == "20261130-D-52983525029461" and trade["condition"] == "@TI"
    assert trade["flags"] == int(TradeFlag.OFF_EXCHANGE | TradeFlag.EXTENDED_HOURS | TradeFlag.ODD_LOT)


def test_tapes_read_conditions_their_own_way() -> None:
    message = {"T": "t", "S": "AAPL", "t": stamp(NOW), "p": 200.0, "s": 50, "x": "V", "c": ["B"], "i": 1}
    cta, utp = pushed(message | {"z": "A"}, message | {"z": "C"}, channel="stock/trades")["trades"]["flags"]
    assert cta == int(TradeFlag.AVERAGE_PRICE) and utp == 0


def test_a_correction_takes_back_and_prints_anew() -> None:
    message = {
        "T": "c", "S": "SPY", "t": stamp(NOW), "x": "V", "oi": 7, "op": 600.0, "os": 1, "oc": ["@"], "ci": 8, "cp": 601.0, "cs": 2,
        "cc": ["@"], "z": "B",
    }  # fmt: skip
    made = pushed(message, channel="stock/trades")["trades"]
    assert made["trade_id"].tolist() == ["20261130-V-7", "20261130-V-8"]
    assert made["flags"].tolist() == [int(TradeFlag.CANCEL), 0] and made["price"].tolist() == [600.0, 601.0]


def test_an_empty_side_of_a_quote_is_missing() -> None:
    message = {
        "T": "q",
        "S": CALL,
        "t": stamp(NOW),
        "bx": "C",
        "bp": 0,
        "bs": 0,
        "ax": "A",
        "ap": 9.66,
        "as": 38,
        "c": "A",
    }
    quote = pushed(message, channel="option/quotes")["quotes"].iloc[0]
    assert (
        np.isnan(quote["bid"])
        and np.isnan(quote["bid_size"])
        and (quote["ask"], quote["ask_size"]) == (9.66, 38.0)
    )
    assert (quote["exchange"], quote["condition"], quote["event_ns"]) == ("", "A", NOW)


def test_one_bad_message_costs_no_neighbour() -> None:
    found = pushed(
        option_print(),
        option_print(p="?"),
        {"T": "?"},
        option_print(S="??"),
        option_print(t=msgspec.msgpack.Ext(9, b"")),
        option_print(),
    )
    assert len(found["trades"]) == 2
    assert found["health"]["event"].tolist() == ["rejected"] * 4


def test_candles_and_halts_are_kept_raw_alone() -> None:
    assert pushed({"T": "b", "S": "SPY", "o": 1.0}, {"T": "s", "S": "SPY"}, channel="stock/quotes") == {}


def test_an_error_is_told_with_its_code() -> None:
    health = pushed({"T": "error", "code": 407, "msg": "slow client"})["health"].iloc[0]
    assert (health["event"], health["detail"]) == ("refused", "venue error 407: slow client")


def answer(path: str, body: Any) -> dict[str, pd.DataFrame]:
    return rows((f"GET {path}", json.dumps(body).encode()))


CONTRACT = {
    "symbol": "AAPL1261218C00190000", "underlying_symbol": "AAPL", "root_symbol": "AAPL1", "type": "call", "style": "american",
    "size": "110", "open_interest": "1205", "open_interest_date": "2026-11-27",
}  # fmt: skip


def test_contracts_carry_size_and_dated_open_interest() -> None:
    other = CONTRACT | {"symbol": CALL, "size": "100", "open_interest": None, "open_interest_date": None}
    found = answer("v2/options/contracts?limit=1", {"option_contracts": [CONTRACT, other]})
    assert found["instruments"]["multiplier"].tolist() == [110.0, 100.0]
    assert found["instruments"]["underlying"].astype(str).tolist() == ["AAPL", "SPY"]
    interest = found["marks"]
    assert interest["open_interest"].tolist() == [1205.0]
    assert interest["open_interest_ns"].tolist() == [pd.Timestamp("2026-11-27").value]
    undated = answer(
        "v2/options/contracts", {"option_contracts": [CONTRACT | {"open_interest_date": "soon"}]}
    )["marks"]
    assert undated["open_interest_ns"].tolist() == [NO_TIME]


def test_a_snapshot_gives_quotes_and_marks_in_our_units_and_no_vol() -> None:
    told = {
        "latestQuote": {"t": rfc(NOW), "bp": 5.0, "bs": 1, "ap": 5.1, "as": 2, "c": "A"}, "impliedVolatility": 0.21,
        "latestTrade": {"t": rfc(NOW), "p": 5.05, "s": 1}, "greeks": {"delta": 0.5, "gamma": 0.01, "theta": -0.2, "vega": 0.6, "rho": 0.1},
        "dailyBar": {"v": 321},
    }  # fmt: skip
    found = answer(
        "v1beta1/options/snapshots/SPY?feed=opra", {"snapshots": {CALL: told}, "next_page_token": None}
    )
    mark = found["marks"].iloc[0]
    assert (mark["bid"], mark["ask"], mark["last"], mark["volume_24h"]) == (5.0, 5.1, 5.05, 321.0)
    assert (mark["delta"], mark["vega"], mark["theta"], mark["rho"]) == (
        0.5,
        60.0,
        pytest.approx(-73.0),
        10.0,
    )
    assert np.isnan(mark["mark_iv"]) and np.isnan(mark["mark"]) and mark["event_ns"] == NOW
    assert found["quotes"][["bid", "ask"]].values.tolist() == [[5.0, 5.1]]
    assert found["quotes"]["event_ns"].tolist() == [NOW]


def test_past_prints_are_the_same_rows_as_pushed_ones() -> None:
    told = {key: value for key, value in option_print().items() if key not in "TS"} | {"t": rfc(NOW)}
    past = answer("v1beta1/options/trades?symbols=x", {"trades": {CALL: [told]}, "next_page_token": None})[
        "trades"
    ]
    pd.testing.assert_frame_equal(past, pushed(option_print())["trades"])
