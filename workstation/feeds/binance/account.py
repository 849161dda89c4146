"""Binance's options account (eapi) and the positions, balances and funding of USD-margined futures (fapi).

Options: ``eapi/position`` (ccxt reads it only with ``method='option'``; here the call itself), ``eapi/userTrades``, ``eapi/exerciseRecord`` (a settlement fill
at the settlement mark), ``eapi/account``. Futures: ``fapi/v3/positionRisk``, ``fapi/v3/balance``, ``fapi/income`` (funding); their trades must be asked
symbol by symbol and are not read: such positions are adopted from the position rows. Coin-margined futures are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workstation.feeds.venue_kit.account_rows import (
    Reading,
    Request,
    Rows,
    Venue,
    balance,
    funding,
    name_of,
    nanoseconds,
    number,
    position,
    settlement,
    side_of,
)

OPTIONS, TRADES = "eapiPrivateGetPosition", "eapiPrivateGetUserTrades"
EXERCISES, ACCOUNT = "eapiPrivateGetExerciseRecord", "eapiPrivateGetAccount"
FUTURES, INCOME, FUTURES_BALANCE = (
    "fapiPrivateV3GetPositionRisk",
    "fapiPrivateGetIncome",
    "fapiPrivateV3GetBalance",
)
PAGE = 1000


def requests(currencies: Sequence[str], since_ms: int) -> list[Request]:
    """The calls of one poll."""
    return [
        Request("balances", ACCOUNT, {}),
        Request("balances", FUTURES_BALANCE, {}),
        Request("fills", TRADES, {"startTime": since_ms, "limit": PAGE}),
        Request("fills", EXERCISES, {"startTime": since_ms, "limit": PAGE}),
        Request("fills", INCOME, {"incomeType": "FUNDING_FEE", "startTime": since_ms, "limit": PAGE}),
        Request("positions", OPTIONS, {}),
        Request("positions", FUTURES, {}),
    ]


def more(method: str, answer: Any, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The next page, from the newest time on."""
    if "limit" not in params or len(answer) < params["limit"]:
        return None
    newest = max(int(each.get("time") or each.get("createDate") or 0) for each in answer)
    return {**params, "startTime": max(newest, params["startTime"] + 1)}


def options(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTC-260327-70000-C","side":"SHORT","quantity":"-0.5","entryPrice":"2100","markPrice":"1990","unrealizedPNL":"55",...}``"""
    rows = [
        position(
            reading,
            name_of(held["symbol"], "binance"),
            side_of(held["side"]) * abs(number(held["quantity"])),
            number(held["entryPrice"]),
            held.get("markPrice"),
            None,
            held.get("unrealizedPNL"),
        )
        for held in answer
        if number(held["quantity"]) != 0.0
    ]
    return {"positions": rows}


def futures(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"-0.1","entryPrice":"70000","markPrice":"70100","unRealizedProfit":"-10"}``"""
    rows = [
        position(
            reading,
            name_of(held["symbol"], "binance"),
            number(held["positionAmt"]),
            number(held["entryPrice"]),
            held.get("markPrice"),
            None,
            held.get("unRealizedProfit"),
        )
        for held in answer
        if number(held["positionAmt"]) != 0.0
    ]
    return {"positions": rows}


def trades(answer: Any, reading: Reading) -> Rows:
    """``{"tradeId":239,"symbol":"BTC-260327-70000-C","price":"2100","quantity":"0.5","fee":"0.6","side":"SELL","time":1676013447000,...}``"""
    rows = [
        reading.row(nanoseconds(each["time"]), name_of(each["symbol"], "binance"))
        | {
            "side": side_of(each["side"]),
            "price": number(each["price"]),
            "size": abs(number(each["quantity"])),
            "fee": abs(number(each.get("fee"))),
            "fee_currency": each.get("quoteAsset", "USDT"),
            "kind": "trade",
            "fill_id": str(each["tradeId"]),
        }
        for each in answer
    ]
    return {"fills": rows}


def exercises(answer: Any, reading: Reading) -> Rows:
    """``{"id":"1125899906842624042","symbol":"BTC-260327-70000-C","markPrice":"71000","quantity":"1.0","positionSide":"LONG","createDate":1658361600000}``"""
    rows = [
        settlement(
            reading, nanoseconds(each["createDate"]), name_of(each["symbol"], "binance"),
            side_of(each["positionSide"]) * abs(number(each["quantity"])), number(each["markPrice"]), str(each["id"]), number(each.get("fee")),
        )
        for each in answer
    ]  # fmt: skip
    return {"fills": rows}


def income(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTCUSDT","incomeType":"FUNDING_FEE","income":"-0.375","asset":"USDT","time":1570608000000,"tranId":9689322392}``"""
    rows = [
        funding(
            reading, nanoseconds(each["time"]), name_of(each["symbol"], "binance"), -number(each["income"]),
            str(each["tranId"]), fee_currency=each["asset"],
        )
        for each in answer
        if each["incomeType"] == "FUNDING_FEE"
    ]  # fmt: skip
    return {"fills": rows}


def account(answer: Any, reading: Reading) -> Rows:
    """``{"asset":[{"asset":"USDT","marginBalance":"1877.5","equity":"617.8","available":"0"}],...}``"""
    rows = [
        balance(reading, reading.seen_ns, each["asset"], each["marginBalance"], each.get("available"))
        for each in answer["asset"]
    ]
    return {"balances": rows}


def futures_balance(answer: Any, reading: Reading) -> Rows:
    """``[{"asset":"USDT","balance":"122607.35","availableBalance":"23.72"}]``"""
    wallet = Reading(reading.venue, f"{reading.account} futures".strip(), reading.seen_ns)
    rows = [
        balance(wallet, reading.seen_ns, each["asset"], each["balance"], each.get("availableBalance"))
        for each in answer
    ]
    return {"balances": rows}


VENUE = Venue(
    requests=requests,
    decoders={
        OPTIONS: options,
        FUTURES: futures,
        TRADES: trades,
        EXERCISES: exercises,
        INCOME: income,
        ACCOUNT: account,
        FUTURES_BALANCE: futures_balance,
    },
    more=more,
    urls=lambda base: {
        "eapiPublic": f"{base}/eapi/v1",
        "eapiPrivate": f"{base}/eapi/v1",
        "fapiPrivate": f"{base}/fapi/v1",
        "fapiPrivateV3": f"{base}/fapi/v3",
        "public": f"{base}/api/v3",
    },
)
