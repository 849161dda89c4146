"""Bybit's unified account: options and linear and inverse contracts.

Positions: ``v5/position/list`` by category. Executions: ``v5/execution/list``: trades, blocks, liquidations and funding (``execFee`` is the
payment); its delivery rows are left out for ``v5/asset/delivery-record``, which names the delivery price: a settlement
fill at it. Sizes are coins, of inverse contracts USD.
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
    settle_currency,
    settlement,
    side_of,
    units,
)

POSITIONS, EXECUTIONS = "privateGetV5PositionList", "privateGetV5ExecutionList"
DELIVERIES, WALLET = "privateGetV5AssetDeliveryRecord", "privateGetV5AccountWalletBalance"
_KINDS = {"Trade": "trade", "BlockTrade": "trade", "AdlTrade": "liquidation", "BustTrade": "liquidation"}
_ELSEWHERE = ("Delivery", "Settle")


def requests(currencies: Sequence[str], since_ms: int) -> list[Request]:
    """The calls of one poll; ``currencies`` are the settle coins of linear contracts."""
    calls = [Request("balances", WALLET, {"accountType": "UNIFIED"})]
    for category in ("option", "linear", "inverse"):
        calls.append(
            Request("fills", EXECUTIONS, {"category": category, "startTime": since_ms, "limit": 100})
        )
        if category != "inverse":
            calls.append(Request("fills", DELIVERIES, {"category": category, "limit": 50}))
        coins: list[dict[str, Any]] = (
            [{"settleCoin": coin} for coin in currencies] if category == "linear" else [{}]
        )
        calls += [
            Request("positions", POSITIONS, {"category": category, "limit": 200, **coin}) for coin in coins
        ]
    return calls


def more(method: str, answer: Any, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The next page, by cursor."""
    cursor = answer["result"].get("nextPageCursor")
    if not cursor or not answer["result"]["list"] or cursor == params.get("cursor"):
        return None
    return {**params, "cursor": cursor}


def positions(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTC-26DEC25-100000-C","side":"Sell","size":"0.5","avgPrice":"1200","markPrice":"1100","updatedTime":"1672..."}``"""
    rows = []
    for held in answer["result"]["list"]:
        if not held["side"] or number(held["size"]) == 0.0:
            continue
        name, entry = name_of(held["symbol"], "bybit"), number(held["avgPrice"])
        rows.append(
            position(
                reading,
                name,
                side_of(held["side"]) * units(name, number(held["size"]), entry),
                entry,
                held.get("markPrice"),
                None,
                held.get("unrealisedPnl"),
            )
        )
    return {"positions": rows}


def executions(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTC-26DEC25-100000-C","side":"Buy","execPrice":"1200","execQty":"0.5","execFee":"0.9","execType":"Trade",...}``"""
    rows = []
    for each in answer["result"]["list"]:
        kind = each["execType"]
        if kind in _ELSEWHERE:
            continue
        name, at_ns = name_of(each["symbol"], "bybit"), nanoseconds(each["execTime"])
        index, price, fee = (
            number(each.get("indexPrice")),
            number(each["execPrice"]),
            number(each.get("execFee")),
        )
        if kind == "Funding":
            rows.append(funding(reading, at_ns, name, fee, each["execId"], index=index))
            continue
        rows.append(
            reading.row(at_ns, name)
            | {
                "side": side_of(each["side"]),
                "price": price,
                "size": units(name, number(each["execQty"]), price),
                "fee": fee,
                "fee_currency": each.get("feeCurrency") or settle_currency(name),
                "kind": _KINDS.get(kind, "trade"),
                "index": index,
                "fill_id": each["execId"],
                "block_id": each.get("blockTradeId") or "",
            }
        )
    return {"fills": rows}


def deliveries(answer: Any, reading: Reading) -> Rows:
    """``{"deliveryTime":1672041600860,"symbol":"BTC-26DEC25-90000-P","side":"Buy","position":"0.01","deliveryPrice":"88541.5","fee":"0.1"}``"""
    rows = [
        settlement(
            reading, nanoseconds(each["deliveryTime"]), name_of(each["symbol"], "bybit"),
            side_of(each["side"]) * abs(number(each["position"])), number(each["deliveryPrice"]),
            f"delivery:{each['deliveryTime']}", number(each.get("fee")),
        )
        for each in answer["result"]["list"]
    ]  # fmt: skip
    return {"fills": rows}


def balances(answer: Any, reading: Reading) -> Rows:
    """``{"list":[{"accountType":"UNIFIED","coin":[{"coin":"USDT","walletBalance":"1000","availableToWithdraw":"900"}]}]}``"""
    rows = [
        balance(
            reading, reading.seen_ns, coin["coin"], coin["walletBalance"], coin.get("availableToWithdraw")
        )
        for account in answer["result"]["list"]
        for coin in account["coin"]
    ]
    return {"balances": rows}


VENUE = Venue(
    requests=requests,
    decoders={POSITIONS: positions, EXECUTIONS: executions, DELIVERIES: deliveries, WALLET: balances},
    more=more,
    urls=lambda base: {"public": base, "private": base},
    currencies=("USDT", "USDC"),
)
