"""Deribit's account: positions are polled (there is no watchPositions), trades by currency and time, settlements.

Positions: ``private/get_positions``; inverse futures' ``size`` is USD, options' coins, linear futures are read from
``size_currency``. Trades: ``private/get_user_trades_by_currency_and_time``; a combo's own row is left out, its legs print as
trades of their own (``combo_trade_id``). Settlements: ``private/get_settlement_history_by_currency``: a ``delivery`` becomes a settlement
fill at the index, a perpetual's ``funding`` a funding fill; the daily session settlement of futures moves cash only and is
no fill here. The delivery fee is not in that answer: it stays unknown.
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
    units,
)
from workstation.market.errors import SymbolError

POSITIONS, SUMMARIES = "privateGetGetPositions", "privateGetGetAccountSummaries"
TRADES, SETTLED = "privateGetGetUserTradesByCurrencyAndTime", "privateGetGetSettlementHistoryByCurrency"
PAGE = 1000


def requests(currencies: Sequence[str], since_ms: int) -> list[Request]:
    """The calls of one poll."""
    calls = [Request("balances", SUMMARIES, {"extended": "false"})]
    for currency in currencies:
        since = {"currency": currency, "start_timestamp": since_ms, "count": PAGE, "sorting": "asc"}
        calls += [
            Request("fills", TRADES, since),
            Request("fills", SETTLED, {"currency": currency, "count": PAGE}),
            Request("positions", POSITIONS, {"currency": currency}),
        ]
    return calls


def more(method: str, answer: Any, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The next page of trades."""
    if method != TRADES or not answer["result"].get("has_more") or not answer["result"]["trades"]:
        return None
    newest = int(answer["result"]["trades"][-1]["timestamp"])
    if newest <= params["start_timestamp"]:
        newest = int(params["start_timestamp"]) + 1
    return {**params, "start_timestamp": newest}


def positions(answer: Any, reading: Reading) -> Rows:
    """``{"instrument_name":"BTC-PERPETUAL","kind":"future","direction":"buy","size":50,"size_currency":0.0067,"average_price":7440.18,...}``"""
    rows = []
    for held in answer["result"]:
        if str(held.get("kind", "")).endswith("_combo") or held["direction"] == "zero":
            continue
        name = name_of(held["instrument_name"], "deribit")
        entry = number(held["average_price"])
        linear_future = held["kind"] == "future" and "_" in held["instrument_name"]
        size = abs(number(held["size_currency" if linear_future else "size"]))
        rows.append(
            position(
                reading,
                name,
                side_of(held["direction"]) * units(name, size, entry),
                entry,
                held.get("mark_price"),
                held.get("index_price"),
                held.get("floating_profit_loss"),
            )
        )
    return {"positions": rows}


def trades(answer: Any, reading: Reading) -> Rows:
    """``{"trade_id":"ETH-34066","instrument_name":"ETH-22FEB19-120-C","direction":"buy","amount":11,"price":0.04,"fee":0.0011,...}``"""
    rows = []
    for trade in answer["result"]["trades"]:
        try:
            name = name_of(trade["instrument_name"], "deribit")
        except SymbolError:
            if trade.get("legs") or trade.get("combo_id") == trade["instrument_name"]:
                continue
            raise
        price = number(trade["price"])
        rows.append(
            reading.row(nanoseconds(trade["timestamp"]), name)
            | {
                "side": side_of(trade["direction"]),
                "price": price,
                "size": units(name, number(trade["amount"]), price),
                "fee": number(trade.get("fee")),
                "fee_currency": trade.get("fee_currency", ""),
                "kind": "liquidation" if trade.get("liquidation") else "trade",
                "index": number(trade.get("index_price")),
                "fill_id": str(trade["trade_id"]),
                "block_id": str(trade.get("block_trade_id") or trade.get("combo_trade_id") or ""),
            }
        )
    return {"fills": rows}


def settled(answer: Any, reading: Reading) -> Rows:
    """``{"type":"delivery","timestamp":1550219814585,"instrument_name":"BTC-22FEB19-4000-C","position":0.1,"index_price":4100.5,...}``"""
    rows = []
    for event in answer["result"]["settlements"]:
        if event["type"] not in ("delivery", "settlement"):
            continue
        name, at_ns = name_of(event["instrument_name"], "deribit"), nanoseconds(event["timestamp"])
        held, index = number(event["position"]), number(event["index_price"])
        fill_id = f"{event['type']}:{event['timestamp']}"
        if event["type"] == "delivery":
            rows.append(settlement(reading, at_ns, name, held, index, fill_id))
        elif event.get("funding"):
            rows.append(funding(reading, at_ns, name, -number(event["funding"]), fill_id, index=index))
    return {"fills": rows}


def balances(answer: Any, reading: Reading) -> Rows:
    """``{"summaries":[{"currency":"BTC","balance":0.9,"available_funds":0.8,"equity":0.95,...}]}``"""
    rows = [
        balance(reading, reading.seen_ns, each["currency"], each["balance"], each.get("available_funds"))
        for each in answer["result"]["summaries"]
    ]
    return {"balances": rows}


VENUE = Venue(
    requests=requests,
    decoders={POSITIONS: positions, TRADES: trades, SETTLED: settled, SUMMARIES: balances},
    more=more,
    urls=lambda base: {"rest": base},
    currencies=("BTC", "ETH", "USDC"),
)
