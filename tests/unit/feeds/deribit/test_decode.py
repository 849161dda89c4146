"""Deribit's decoder: hand-checked values, units, what is set aside and why."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.feeds.deribit.decode import KEPT_RAW, channel_of, decode, kind_of
from workstation.market.errors import FrameError
from workstation.market.tables import NO_TIME, TABLES, TradeFlag

TICKER = (
    b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.ETH-30JUL21-2800-C.raw","data":{'
    b'"underlying_price":2003.61,"underlying_index":"ETH-30JUL21","timestamp":1626993723632,'
    b'"stats":{"volume":869.0,"price_change":0.0,"low":0.0015,"high":0.0025},"state":"open","settlement_price":0.0,'
    b'"open_interest":12685.0,"min_price":0.0001,"max_price":0.025,"mark_price":0.001972,"mark_iv":120.74,'
    b'"last_price":0.002,"interest_rate":0.0,"instrument_name":"ETH-30JUL21-2800-C","index_price":2006.72,'
    b'"greeks":{"vega":0.20072,"theta":-1.64029,"rho":0.01188,"gamma":0.0002,"delta":0.03127},'
    b'"estimated_delivery_price":2006.72,"bid_iv":0.0,"best_bid_price":0.0,"best_bid_amount":0.0,"ask_iv":125.63,'
    b'"best_ask_price":0.0025,"best_ask_amount":873.0}}}'
)
BLOCK_TRADE = {
    "trade_id": "439435597", "trade_seq": 212, "timestamp": 1785546525278, "instrument_name": "BTC-1AUG26-63000-C",
    "price": 0.0008, "amount": 12.5, "direction": "buy", "iv": 13.35, "mark_price": 0.00093647,
    "index_price": 62892.69, "block_trade_id": "BLOCK-282155", "block_trade_leg_count": 2,
    "combo_id": "BTC-STRD-1AUG26-63000", "block_rfq_id": 50510, "contracts": 12.5,
}  # fmt: skip
PERPETUAL_TRADE = {
    "trade_id": "66460463", "trade_seq": 40781986, "timestamp": 1584058044032, "instrument_name": "BTC-PERPETUAL",
    "price": 4000.0, "amount": 1000.0, "direction": "sell", "index_price": 4010.0, "mark_price": 4001.0,
}  # fmt: skip


def pushed(channel: str, data: Any) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    ).encode()


def rows(*payloads: bytes, channel: str = "", seen_ns: int = 5) -> dict[str, pd.DataFrame]:
    frames = pd.DataFrame({"payload": list(payloads), "channel": channel, "seen_ns": seen_ns})
    return {batch.table: batch.frame for batch in decode(frames)}


def rejected(*payloads: bytes, channel: str = "") -> list[str]:
    tables = rows(*payloads, channel=channel)
    assert set(tables) == {"health"}
    return tables["health"]["detail"].tolist()


def test_an_option_ticker_in_natural_units() -> None:
    tables = rows(TICKER)
    assert set(tables) == {"marks"}
    row = tables["marks"].iloc[0]
    assert row["instrument"] == "ETH/USD:ETH-210730-2800-C"
    assert row["event_ns"] == 1_626_993_723_632_000_000
    assert (row["seen_ns"], row["venue"]) == (5, "deribit")
    expected = {
        "mark": 0.001972, "mark_iv": 1.2074, "ask_iv": 1.2563, "ask": 0.0025, "ask_size": 873.0, "last": 0.002,
        "delta": 0.03127, "gamma": 0.0002, "vega": 20.072, "theta": -598.70585, "rho": 1.188, "volume_24h": 869.0,
        "open_interest": 12685.0, "forward": 2003.61, "index": 2006.72,
    }  # fmt: skip
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-14), name
    assert all(math.isnan(row[name]) for name in ("bid", "bid_size", "bid_iv")), "an empty side is no zero"
    assert row["open_interest_ns"] == row["event_ns"]


def test_the_greeks_agree_with_black_76_by_finite_differences() -> None:
    """The scaling of vega, theta and rho, from the price formula alone (math.erf)."""
    forward, strike, years, vol = 2003.61, 2800.0, (1627632000 - 1626993723.632) / 31_536_000, 1.2074

    def price(vol: float, years: float) -> float:
        deviation = vol * math.sqrt(years)
        d1 = math.log(forward / strike) / deviation + deviation / 2
        cdf = [0.5 * (1 + math.erf(d / math.sqrt(2))) for d in (d1, d1 - deviation)]
        return forward * cdf[0] - strike * cdf[1]

    row = rows(TICKER)["marks"].iloc[0]
    assert row["vega"] == pytest.approx(
        (price(vol + 1e-5, years) - price(vol - 1e-5, years)) / 2e-5, rel=2e-3
    )
    assert row["theta"] == pytest.approx(
        -(price(vol, years + 1e-7) - price(vol, years - 1e-7)) / 2e-7, rel=2e-3
    )
    assert row["mark"] == pytest.approx(price(vol, years) / forward, abs=1e-6)


def test_prints_carry_flags_parents_and_what_the_venue_says_of_them() -> None:
    trades = rows(pushed("trades.option.BTC.100ms", [BLOCK_TRADE]))["trades"]
    row = trades.iloc[0]
    assert row["instrument"] == "BTC/USD:BTC-260801-63000-C"
    assert row["flags"] == TradeFlag.BLOCK | TradeFlag.COMBO
    assert (row["block_id"], row["trade_id"], row["venue_seq"]) == ("BLOCK-282155", "439435597", 212)
    assert (row["side"], row["side_source"], row["size"]) == (1, "venue", 12.5)
    assert row["iv"] == pytest.approx(0.1335, rel=1e-14)
    assert (row["mark"], row["index"], row["price"]) == (0.00093647, 62892.69, 0.0008)


def test_a_leg_of_a_combo_shares_its_trade_with_the_other_legs() -> None:
    legs = [PERPETUAL_TRADE | {"combo_trade_id": "43", "trade_id": str(at), "trade_seq": at} for at in (1, 2)]
    trades = rows(pushed("trades.future.BTC.100ms", [*legs, PERPETUAL_TRADE]))["trades"]
    assert trades["block_id"].tolist() == ["43", "43", ""]
    assert trades["flags"].tolist() == [TradeFlag.COMBO, TradeFlag.COMBO, 0]


def test_usd_amounts_of_coin_settled_futures_become_coin() -> None:
    trades = rows(pushed("trades.BTC-PERPETUAL.raw", [PERPETUAL_TRADE]))["trades"]
    assert trades["size"].tolist() == [0.25]
    assert np.isnan(trades["iv"]).all()
    linear = PERPETUAL_TRADE | {"instrument_name": "BTC_USDC-PERPETUAL", "amount": 0.5}
    assert rows(pushed("trades.x.raw", [linear]))["trades"]["size"].tolist() == [0.5]
    assert rows(pushed("trades.x.raw", [linear]))["trades"]["instrument"].tolist() == ["BTC/USDC:USDC"]


@pytest.mark.parametrize(
    ("who", "direction", "sides"),
    [("T", "sell", [-1]), ("T", "buy", [1]), ("M", "sell", [1]), ("M", "buy", [-1]), ("MT", "sell", [-1, 1]), ("none", "buy", [])],
)  # fmt: skip
def test_forced_prints_become_liquidations(who: str, direction: str, sides: list[int]) -> None:
    forced = PERPETUAL_TRADE | {"liquidation": who, "direction": direction}
    tables = rows(pushed("trades.future.BTC.100ms", [PERPETUAL_TRADE, forced]))
    assert tables["trades"]["flags"].tolist() == [0, TradeFlag.LIQUIDATION if sides else 0]
    if not sides:
        assert "liquidations" not in tables
        return
    liquidations = tables["liquidations"]
    assert liquidations["side"].tolist() == sides
    assert liquidations["usd"].tolist() == [1000.0] * len(sides)
    assert liquidations["size"].tolist() == [0.25] * len(sides)


def test_a_forced_print_of_a_coin_settled_option_is_valued_at_the_index() -> None:
    forced = BLOCK_TRADE | {"liquidation": "T"}
    usd = rows(pushed("trades.option.BTC.100ms", [forced]))["liquidations"]["usd"]
    assert usd.tolist() == pytest.approx([0.0008 * 12.5 * 62892.69])


def test_a_print_of_a_combo_is_left_to_its_legs() -> None:
    combo = PERPETUAL_TRADE | {
        "instrument_name": "BTC-FS-25DEC26_PERP",
        "price": -5.0,
        "legs": [PERPETUAL_TRADE],
    }
    del combo["trade_id"]
    tables = rows(
        pushed("trades.future_combo.BTC.100ms", [combo, combo]), pushed("trades.x.raw", [PERPETUAL_TRADE])
    )
    assert len(tables["trades"]) == 1
    (health,) = tables["health"].to_dict("records")
    assert (health["event"], health["count"]) == ("rejected", 2)
    assert health["detail"].startswith("combo: BTC-FS-25DEC26_PERP")


def test_futures_give_quotes_and_marks() -> None:
    data = {
        "timestamp": 1765541474086, "instrument_name": "BTC-PERPETUAL", "stats": {"volume": 11897.25},
        "index_price": 92263.55, "last_price": 92283.5, "open_interest": 1_000_000.0, "mark_price": 100_000.0,
        "best_ask_price": 100_000.0, "best_bid_price": 80_000.0, "best_ask_amount": 50_000.0, "best_bid_amount": 8_000.0,
    }  # fmt: skip
    tables = rows(pushed("ticker.BTC-PERPETUAL.100ms", data))
    quote, mark = tables["quotes"].iloc[0], tables["marks"].iloc[0]
    assert (quote["bid_size"], quote["ask_size"]) == (0.1, 0.5)
    assert (mark["open_interest"], mark["index"], mark["mark"]) == (10.0, 92263.55, 100_000.0)
    assert all(math.isnan(mark[name]) for name in ("mark_iv", "delta", "forward"))


def test_a_whole_chain_of_mark_prices_has_its_iv_as_a_fraction() -> None:
    data = [
        {"timestamp": 1622470378005, "mark_price": 0.0333, "iv": 0.9, "instrument_name": "BTC-2JUN21-37000-P"}
    ]
    row = rows(pushed("markprice.options.btc_usd", data))["marks"].iloc[0]
    assert (row["mark"], row["mark_iv"]) == (0.0333, 0.9)
    assert math.isnan(row["open_interest"])
    assert row["open_interest_ns"] == NO_TIME


def test_an_index_is_a_mark_of_its_own_name() -> None:
    data = {"timestamp": 1550588002899, "price": 3937.89, "index_name": "btc_usd"}
    row = rows(pushed("deribit_price_index.btc_usd", data))["marks"].iloc[0]
    assert (row["instrument"], row["index"], row["mark"]) == ("BTC/USD", 3937.89, 3937.89)


def test_a_grouped_book_gives_its_best_level() -> None:
    book = {"timestamp": 1554375447971, "instrument_name": "ETH_USDC-PERPETUAL", "change_id": 1, "bids": [[150.5, 3.0], [150.0, 9.0]], "asks": []}  # fmt: skip
    row = rows(pushed("book.ETH_USDC-PERPETUAL.none.10.100ms", book))["quotes"].iloc[0]
    assert (row["bid"], row["bid_size"]) == (150.5, 3.0)
    assert math.isnan(row["ask"])
    assert math.isnan(row["ask_size"])


def test_rest_answers_whole_and_bare_give_the_same_rows() -> None:
    summary = {"instrument_name": "ETH-26JAN24-1200-P", "creation_timestamp": 1704712781414, "mark_price": 0.000853,
               "mark_iv": 86.1, "open_interest": 965.0, "ask_price": 0.001, "bid_price": 0.0004, "last": 0.0011,
               "volume": 1.0, "underlying_price": 2241.65, "estimated_delivery_price": 2222.19}  # fmt: skip
    path = "https://www.deribit.com/api/v2/public/get_book_summary_by_currency?currency=ETH&kind=option"
    bare = rows(json.dumps([summary]).encode(), channel=path)["marks"]
    whole = rows(json.dumps({"jsonrpc": "2.0", "result": [summary]}).encode(), channel=path)["marks"]
    pd.testing.assert_frame_equal(bare, whole)
    assert bare["mark_iv"].iloc[0] == pytest.approx(0.861)
    assert math.isnan(bare["index"].iloc[0]), "the delivery estimate is no index"


def test_listings_carry_their_terms() -> None:
    listing = {"kind": "option", "instrument_name": "XRP_USDC-21SEP26-1d25-C", "base_currency": "XRP",
               "quote_currency": "USDC", "settlement_currency": "USDC", "strike": 1.25, "option_type": "call",
               "tick_size": 0.0005, "contract_size": 1000, "creation_timestamp": 1789804817000,
               "expiration_timestamp": 1789977600000}  # fmt: skip
    perpetual = {"kind": "future", "instrument_name": "BTC-PERPETUAL", "base_currency": "BTC", "tick_size": 0.5,
                 "creation_timestamp": 1534242287000, "expiration_timestamp": 32503708800000}  # fmt: skip
    option, future = rows(json.dumps([listing, perpetual]).encode(), channel="public/get_instruments")["instruments"].to_dict("records")  # fmt: skip
    assert (option["instrument"], option["strike"], option["right"], option["style"]) == ("XRP/USDC:USDC-260921-1.25-C", 1.25, "C", "european")  # fmt: skip
    assert (option["inverse"], option["premium_currency"], option["multiplier"]) == (False, "USDC", 1.0)
    assert option["expiry_ns"] == pd.Timestamp("2026-09-21T08:00Z").value
    assert (future["kind"], future["inverse"], future["settle_currency"], future["premium_currency"]) == ("perpetual", True, "BTC", "USD")  # fmt: skip
    assert (future["expiry_ns"], future["tick_size"]) == (NO_TIME, 0.5)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "json: "),
        (b"{", "json: "),
        (b"\xff\xfe", "json: "),
        (b"[1, 2]", "field: "),
        (b'{"jsonrpc":"2.0"}', "frame: neither"),
        (b'{"params":{"channel":"trades.option.BTC.100ms', "json: the frame ends within its channel"),
        (b"[" * 100_000, "field: Expected `object`"),
        (pushed("trades.x", [PERPETUAL_TRADE | {"price": 0}]), "field: price 0.0 of BTC-PERPETUAL is not positive"),
        (pushed("weather.london", {}), "channel: 'weather.london' is not known"),
        (pushed("trades.x", {}), "field: Expected `array`, got `object` - at `$[0].params.data`"),
        (pushed("trades.x", [PERPETUAL_TRADE | {"price": None}]), "field: Expected `float`, got `null` - at `$[0].params.data[0].price`"),
        (pushed("trades.x", [PERPETUAL_TRADE | {"amount": 0}]), "field: Expected `float` > 0.0"),
        (pushed("trades.x", [PERPETUAL_TRADE | {"direction": "up"}]), "field: Invalid enum value 'up'"),
        (pushed("trades.x", [PERPETUAL_TRADE | {"trade_seq": 2**70}]), "field: "),
        (pushed("trades.x", [PERPETUAL_TRADE | {"timestamp": -1}]), "field: Expected `int` >= 1"),
        (pushed("trades.x", [PERPETUAL_TRADE | {"instrument_name": "BTC-31FEB26-1-C"}]), "symbol: deribit symbol 'BTC-31FEB26-1-C'"),
        (TICKER.replace(b"0.001972", b"NaN"), "json: "),
    ],
)  # fmt: skip
def test_what_cannot_be_decoded_is_set_aside_with_the_part_named(payload: bytes, reason: str) -> None:
    (detail,) = rejected(payload)
    assert detail.startswith(reason)


def test_one_bad_frame_costs_no_other() -> None:
    good = pushed("trades.x", [PERPETUAL_TRADE])
    tables = rows(*[good] * 20, pushed("trades.x", [{}]), *[good] * 20, b"{", good + b"," + good)
    assert len(tables["trades"]) == 40
    assert len(tables["health"]) == 3


def test_an_error_of_the_venue_is_told_with_its_code() -> None:
    error = {"code": 10028, "message": "too_many_requests", "data": {"wait": 3}}
    payload = json.dumps({"jsonrpc": "2.0", "id": 4, "error": error}).encode()
    for channel in ("", "public/ticker?instrument_name=x"):
        health = rows(payload, channel=channel)["health"]
        assert health["event"].tolist() == ["refused"]
        assert health["detail"].tolist() == ["venue error: 10028 too_many_requests (wait 3)"]


@pytest.mark.parametrize("payload", [
    b'{"jsonrpc":"2.0","id":0,"result":["ticker.ETH-30JUL21-2800-C.raw"],"usIn":1,"usOut":2,"usDiff":1}',
    b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}',
    pushed("book.BTC-PERPETUAL.raw", {"type": "snapshot"}),
])  # fmt: skip
def test_replies_heartbeats_and_raw_only_channels_make_no_row(payload: bytes) -> None:
    assert rows(payload) == {}


def test_every_raw_only_channel_says_why() -> None:
    assert all(
        kind_of(f"{channel}.BTC-PERPETUAL.raw") is None and reason for channel, reason in KEPT_RAW.items()
    )
    with pytest.raises(FrameError, match="is not known"):
        kind_of("")
    with pytest.raises(FrameError):
        channel_of(b"{")


def test_rows_keep_the_order_of_the_frames_and_any_split_gives_the_same() -> None:
    payloads = []
    for at in range(1, 30):
        quote = {"timestamp": at, "instrument_name": "BTC-PERPETUAL", "best_bid_price": 1.0 * at, "best_bid_amount": 1,
                 "best_ask_price": 2.0 * at, "best_ask_amount": 1}  # fmt: skip
        payloads.append(pushed("quote.BTC-PERPETUAL" if at % 3 else "ticker.BTC-PERPETUAL.raw", quote))
    whole = rows(*payloads)["quotes"]
    assert whole["event_ns"].tolist() == [at * 1_000_000 for at in range(1, 30)]
    for size in (1, 2, 7):
        parts = [rows(*payloads[at : at + size])["quotes"] for at in range(0, len(payloads), size)]
        pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


def test_every_batch_is_conformed() -> None:
    payloads = [TICKER, pushed("trades.x", [BLOCK_TRADE, PERPETUAL_TRADE | {"liquidation": "T"}]), b"{"]
    for table, frame in rows(*payloads).items():
        pd.testing.assert_frame_equal(frame, TABLES[table].conform(frame))
        assert list(frame.columns) == list(TABLES[table].names)
    assert decode(pd.DataFrame({"payload": []})) == []
