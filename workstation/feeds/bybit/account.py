"""Bybit's unified account: options and linear and inverse contracts.

Positions: ``v5/position/list`` by category. Executions: ``v5/execution/list``: trades, blocks, liquidations and funding (``execFee`` is the
payment); its delivery rows are left out for ``v5/asset/delivery-record``, which names the delivery price: a settlement
fill at it. Sizes are coins, of inverse contracts USD.

In hedge mode ``positionIdx`` is 1 for the long and 2 for the short. Executions do not carry it: of a contract held so, a buy with a ``closedSize`` closes the
short and one without opens the long. A balance is ``walletBalance`` less ``spotBorrow``.
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
    settle_currency,
    settlement,
    shown,
    side_of,
    text,
    units,
    whole,
    word,
)
from workstation.market.errors import FrameError

POSITIONS, EXECUTIONS = "privateGetV5PositionList", "privateGetV5ExecutionList"
DELIVERIES, WALLET = "privateGetV5AssetDeliveryRecord", "privateGetV5AccountWalletBalance"
_KINDS = {
    "Trade": "trade", "BlockTrade": "trade", "MovePosition": "trade", "FutureSpread": "trade",
    "AdlTrade": "liquidation", "BustTrade": "liquidation",
}  # fmt: skip
ELSEWHERE = ("Delivery", "Settle")
"""Kinds of executions that another call tells whole."""
_SIDES = {"": "", "0": "", "1": "long", "2": "short"}


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
    rows = listed(answer, "result", "list")
    cursor = answer["result"].get("nextPageCursor")
    if not isinstance(cursor, str) or not cursor or not rows or cursor == params.get("cursor"):
        return None
    return {**params, "cursor": cursor}


def positions(answer: Any, reading: Reading, *, changes: bool = False) -> Rows:
    """``{"symbol":"BTC-26DEC25-100000-C","side":"Sell","size":"0.5","positionIdx":0,"avgPrice":"1200","markPrice":"1100",...}``

    Pushed items call the entry ``entryPrice``; of ``changes`` one of size 0 is a position that is gone.
    """

    def read(held: Mapping[str, Any]) -> Row | None:
        count, side = number(held.get("size")), word(held.get("side"))
        if (count == 0.0 and not changes) or (not side and count != count):
            return None
        name, size = name_of(held.get("symbol"), "bybit"), amount(held, "size")
        entry = number(held.get("avgPrice", held.get("entryPrice")))
        kept = _SIDES.get(word(held.get("positionIdx")))
        if kept is None:
            raise FrameError(f"positionIdx {shown(held['positionIdx'])} is not 0, 1 or 2")
        if kept:
            reading.two_sided.add(held["symbol"])
        mode = "isolated" if word(held.get("tradeMode")) == "1" else ""
        reported = (held.get("markPrice"), None, held.get("unrealisedPnl"))
        quantity = side_of(side) * units(name, size, entry) if size else 0.0
        return position(reading, name, quantity, entry, told=reported, side=kept, mode=mode)

    return {"positions": whole(each_row(listed(answer, "result", "list"), reading, read, "symbol"))}


def _kept(each: Mapping[str, Any], reading: Reading) -> str:
    """The side of the position an execution belongs to; empty where the venue keeps one net position."""
    if word(each.get("positionIdx")) in ("1", "2"):
        return _SIDES[word(each["positionIdx"])]
    if each.get("symbol") not in reading.two_sided:
        return ""
    closed = number(each.get("closedSize"))
    if closed != closed:
        return ""
    return "long" if (side_of(each.get("side")) > 0) == (closed == 0.0) else "short"


def executions(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTC-26DEC25-100000-C","side":"Buy","execPrice":"1200","execQty":"0.5","execFee":"0.9","execType":"Trade",...}``"""

    def read(each: Mapping[str, Any]) -> Row | None:
        kind = text(each, "execType")
        if kind in ELSEWHERE:
            return None
        name, at_ns = name_of(each.get("symbol"), "bybit"), nanoseconds(each.get("execTime"))
        index, fill_id = number(each.get("indexPrice")), text(each, "execId")
        if kind == "Funding":
            return funding(reading, at_ns, name, amount(each, "execFee"), fill_id, index=index)
        if kind not in _KINDS:
            raise FrameError(f"execType {shown(kind)} is none that is known")
        price = amount(each, "execPrice")
        return reading.row(at_ns, name) | {
            "side": side_of(each.get("side")),
            "price": price,
            "size": units(name, amount(each, "execQty"), price),
            "fee": number(each.get("execFee")),
            "fee_currency": word(each.get("feeCurrency")) or settle_currency(name),
            "kind": _KINDS[kind],
            "index": index,
            "fill_id": fill_id,
            "block_id": word(each.get("blockTradeId")),
            "position_side": _kept(each, reading),
        }

    return {"fills": each_row(listed(answer, "result", "list"), reading, read, "symbol")}


def deliveries(answer: Any, reading: Reading) -> Rows:
    """``{"deliveryTime":1672041600860,"symbol":"BTC-26DEC25-90000-P","side":"Buy","position":"0.01","deliveryPrice":"88541.5","fee":"0.1"}``"""

    def read(each: Mapping[str, Any]) -> Row:
        name, at_ns = name_of(each.get("symbol"), "bybit"), nanoseconds(each.get("deliveryTime"))
        held = side_of(each.get("side")) * abs(amount(each, "position"))
        kept = ("long" if held > 0.0 else "short") if each["symbol"] in reading.two_sided else ""
        return settlement(
            reading, at_ns, name, held, amount(each, "deliveryPrice"), f"delivery:{word(each['deliveryTime'])}",
            fee=number(each.get("fee")), position_side=kept,
        )  # fmt: skip

    return {"fills": each_row(listed(answer, "result", "list"), reading, read, "symbol")}


def balances(answer: Any, reading: Reading) -> Rows:
    """``{"list":[{"accountType":"UNIFIED","coin":[{"coin":"USDT","walletBalance":"1000","spotBorrow":"0","availableToWithdraw":"900"}]}]}``"""

    def read(coin: Mapping[str, Any]) -> Row:
        borrowed = number(coin.get("spotBorrow"))
        total = amount(coin, "walletBalance") - (borrowed if borrowed == borrowed else 0.0)
        return balance(reading, text(coin, "coin"), total, coin.get("availableToWithdraw"))

    rows: list[Row] = []
    for account in listed(answer, "result", "list"):
        rows += each_row(listed(account, "coin"), reading, read, "coin")
    return {"balances": rows}


VENUE = Venue(
    requests=requests,
    decoders={POSITIONS: positions, EXECUTIONS: executions, DELIVERIES: deliveries, WALLET: balances},
    more=more,
    urls=lambda base: {"public": base, "private": base},
    currencies=("USDT", "USDC"),
)
