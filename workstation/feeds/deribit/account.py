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
    Row,
    Rows,
    Venue,
    amount,
    balance,
    each_row,
    funding,
    listed,
    name_of,
    nanoseconds,
    number,
    position,
    settlement,
    shown,
    side_of,
    text,
    units,
    whole,
    word,
)
from workstation.market.errors import FrameError, SymbolError

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
    if method != TRADES:
        return None
    rows = listed(answer, "result", "trades")
    times = [row.get("timestamp") for row in rows if isinstance(row, dict)]
    known = [int(str(time)) for time in times if str(time).isdecimal()]
    if not known or not answer["result"].get("has_more"):
        return None
    newest = known[-1]
    if newest <= params["start_timestamp"]:
        newest = int(params["start_timestamp"]) + 1
    return {**params, "start_timestamp": newest}


def positions(answer: Any, reading: Reading, *, changes: bool = False) -> Rows:
    """``{"instrument_name":"BTC-PERPETUAL","kind":"future","direction":"buy","size":50,"size_currency":0.0067,"average_price":7440.18,...}``

    Of ``changes`` one of direction ``zero`` is a position that is gone.
    """

    def read(held: Mapping[str, Any]) -> Row | None:
        kind, symbol, direction = text(held, "kind"), text(held, "instrument_name"), text(held, "direction")
        gone = direction == "zero"
        if kind.endswith("_combo") or (gone and not changes):
            return None
        if kind not in ("option", "future"):
            raise FrameError(f"kind {shown(kind)} is neither option nor future")
        name, entry = name_of(symbol, "deribit"), number(held.get("average_price"))
        linear_future = kind == "future" and "_" in symbol
        size = abs(amount(held, "size_currency" if linear_future else "size"))
        reported = (held.get("mark_price"), held.get("index_price"), held.get("floating_profit_loss"))
        quantity = 0.0 if gone else side_of(direction) * units(name, size, entry)
        return position(reading, name, quantity, entry, told=reported)

    return {"positions": whole(each_row(listed(answer, "result"), reading, read, "instrument_name"))}


def trades(answer: Any, reading: Reading) -> Rows:
    """``{"trade_id":"ETH-34066","instrument_name":"ETH-22FEB19-120-C","direction":"buy","amount":11,"price":0.04,"fee":0.0011,...}``"""

    def read(trade: Mapping[str, Any]) -> Row | None:
        try:
            name = name_of(trade.get("instrument_name"), "deribit")
        except SymbolError:
            if trade.get("legs") or trade.get("combo_id") == trade["instrument_name"]:
                return None
            raise
        price = amount(trade, "price")
        return reading.row(nanoseconds(trade.get("timestamp")), name) | {
            "side": side_of(trade.get("direction")),
            "price": price,
            "size": units(name, amount(trade, "amount"), price),
            "fee": number(trade.get("fee")),
            "fee_currency": word(trade.get("fee_currency")),
            "kind": "liquidation" if trade.get("liquidation") else "trade",
            "index": number(trade.get("index_price")),
            "fill_id": text(trade, "trade_id"),
            "block_id": word(trade.get("block_trade_id")) or word(trade.get("combo_trade_id")),
        }

    return {"fills": each_row(listed(answer, "result", "trades"), reading, read, "instrument_name")}


def settled(answer: Any, reading: Reading) -> Rows:
    """``{"type":"delivery","timestamp":1550219814585,"instrument_name":"BTC-22FEB19-4000-C","position":0.1,"index_price":4100.5,...}``"""

    def read(event: Mapping[str, Any]) -> Row | None:
        kind = text(event, "type")
        if kind not in ("delivery", "settlement"):
            return None
        name, at_ns = name_of(event.get("instrument_name"), "deribit"), nanoseconds(event.get("timestamp"))
        fill_id = f"{kind}:{word(event['timestamp'])}"
        if kind == "delivery":
            held, index = amount(event, "position"), amount(event, "index_price")
            return settlement(reading, at_ns, name, held, index, fill_id)
        gained = number(event.get("funding"))
        if gained != gained or gained == 0.0:
            return None
        return funding(reading, at_ns, name, -gained, fill_id, index=number(event.get("index_price")))

    return {"fills": each_row(listed(answer, "result", "settlements"), reading, read, "instrument_name")}


def balances(answer: Any, reading: Reading) -> Rows:
    """``{"summaries":[{"currency":"BTC","balance":0.9,"available_funds":0.8,"equity":0.95,...}]}``"""

    def read(each: Mapping[str, Any]) -> Row:
        return balance(reading, text(each, "currency"), amount(each, "balance"), each.get("available_funds"))

    return {"balances": each_row(listed(answer, "result", "summaries"), reading, read, "currency")}


VENUE = Venue(
    requests=requests,
    decoders={POSITIONS: positions, TRADES: trades, SETTLED: settled, SUMMARIES: balances},
    more=more,
    urls=lambda base: {"rest": base},
    currencies=("BTC", "ETH", "USDC"),
)
