"""Binance's options account (eapi) and the positions, balances and funding of USD-margined futures (fapi).

Options: ``eapi/position`` (ccxt reads it only with ``method='option'``; here the call itself), ``eapi/userTrades``, ``eapi/exerciseRecord`` (a settlement fill
at the settlement mark), ``eapi/account``. They count contracts of ``unit`` coins each, which ``eapi/exchangeInfo`` tells, and their prices are the whole contract's:
sizes leave in coins, prices per coin. Expired contracts are not listed: they take the unit of their underlying, where all its listed contracts have one. Futures: ``fapi/v3/positionRisk``, ``fapi/v3/balance``, ``fapi/income`` (funding,
which names no side, and the symbols that paid commission: their trades, ``fapi/userTrades``, are asked for symbol by symbol). Coin-margined futures
are not read.
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
    contracts,
    each_row,
    funding,
    has_name,
    listed,
    mode_of,
    name_of,
    nanoseconds,
    number,
    position,
    settlement,
    side_of,
    text,
    whole,
    word,
)
from workstation.market.errors import FrameError
from workstation.market.instants import MILLISECOND_NS, MINUTE_NS

OPTIONS, TRADES = "eapiPrivateGetPosition", "eapiPrivateGetUserTrades"
EXERCISES, ACCOUNT = "eapiPrivateGetExerciseRecord", "eapiPrivateGetAccount"
CONTRACTS = "eapiPublicGetExchangeInfo"
FUTURES, INCOME, FUTURES_BALANCE = (
    "fapiPrivateV3GetPositionRisk",
    "fapiPrivateGetIncome",
    "fapiPrivateV3GetBalance",
)
FUTURES_TRADES = "fapiPrivateGetUserTrades"
PAGE = 1000
ASK_AGAIN_NS = 10 * MINUTE_NS
"""How long a contract that was not listed is not asked for again."""
_SIDES = {"": "", "BOTH": "", "LONG": "long", "SHORT": "short"}


def requests(currencies: Sequence[str], since_ms: int) -> list[Request]:
    """The calls of one poll."""
    return [
        Request("balances", ACCOUNT, {}),
        Request("balances", FUTURES_BALANCE, {}),
        Request("fills", TRADES, {"startTime": since_ms, "limit": PAGE}),
        Request("fills", EXERCISES, {"startTime": since_ms, "limit": PAGE}),
        Request("fills", INCOME, {"startTime": since_ms, "limit": PAGE}),
        Request("positions", OPTIONS, {}),
        Request("positions", FUTURES, {}),
    ]


def more(method: str, answer: Any, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The next page, from the newest time on."""
    if "limit" not in params or len(listed(answer)) < params["limit"]:
        return None
    times = [each.get("time") or each.get("createDate") for each in answer if isinstance(each, dict)]
    newest = max((int(str(time)) for time in times if str(time).isdecimal()), default=0)
    return {**params, "startTime": max(newest, params["startTime"] + 1)}


def terms(method: str, answer: Any, reading: Reading) -> list[Request]:
    """The call that tells the units of option contracts not yet known; after income those for the trades it was of."""
    if method == INCOME:
        return _traded(listed(answer))
    if method not in (OPTIONS, TRADES, EXERCISES):
        return []
    symbols = [each.get("symbol") for each in listed(answer) if isinstance(each, dict)]
    wanted = [symbol for symbol in symbols if has_name(symbol, "binance") and _is_wanted(symbol, reading)]
    reading.unlisted |= dict.fromkeys(wanted, reading.seen_ns)
    return [Request("terms", CONTRACTS, {})] if wanted else []


def _traded(income: list[Any]) -> list[Request]:
    """A call for the trades of each symbol that paid commission, from the first such time on."""
    first: dict[str, int] = {}
    for each in income:
        if (
            isinstance(each, dict)
            and each.get("incomeType") == "COMMISSION"
            and has_name(each.get("symbol"), "binance")
        ):
            at_ms = nanoseconds(each.get("time")) // MILLISECOND_NS
            first[each["symbol"]] = min(at_ms, first.get(each["symbol"], at_ms))
    return [
        Request("fills", FUTURES_TRADES, {"symbol": symbol, "startTime": at_ms, "limit": PAGE})
        for symbol, at_ms in first.items()
    ]


def _is_wanted(symbol: str, reading: Reading) -> bool:
    asked_ns = reading.unlisted.get(symbol)
    return symbol not in reading.sizes and (asked_ns is None or reading.seen_ns - asked_ns >= ASK_AGAIN_NS)


def exchange_info(answer: Any, reading: Reading) -> Rows:
    """``{"optionSymbols":[{"symbol":"BTC-260327-70000-C","underlying":"BTCUSDT","unit":1,...}]}``"""
    families: dict[str, set[float]] = {}

    def read(each: Mapping[str, Any]) -> Row | None:
        symbol, unit = text(each, "symbol"), amount(each, "unit")
        if unit <= 0.0:
            raise FrameError(f"{symbol}: a unit of {unit:g} is no contract size")
        reading.sizes[symbol] = unit
        families.setdefault(symbol.partition("-")[0], set()).add(unit)
        return None

    each_row(listed(answer, "optionSymbols"), reading, read, "symbol")
    for symbol in list(reading.unlisted):
        units = families.get(symbol.partition("-")[0], set())
        if symbol not in reading.sizes and len(units) == 1:
            reading.sizes[symbol] = next(iter(units))
        if symbol in reading.sizes:
            del reading.unlisted[symbol]
    return {}


def kept_side(each: Mapping[str, Any], name: str = "positionSide") -> str:
    """The side a futures position is kept by; empty for a net position."""
    side = _SIDES.get(word(each.get(name)).upper())
    if side is None:
        raise FrameError(f"{name} {each[name]!r} is not BOTH, LONG or SHORT")
    return side


def _direction(each: Mapping[str, Any], name: str, count: float) -> float:
    """A count of contracts with the sign of its side; a negative count of a long is a contradiction."""
    side = side_of(each.get(name))
    if count < 0.0 < side:
        raise FrameError(f"quantity {count:g} of a long or buy")
    return side * abs(count)


def options(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTC-260327-70000-C","side":"SHORT","quantity":"-0.5","entryPrice":"2100","markPrice":"1990","unrealizedPNL":"55",...}``"""

    def read(held: Mapping[str, Any]) -> Row | None:
        count = amount(held, "quantity")
        if count == 0.0:
            return None
        name = name_of(held.get("symbol"), "binance")
        quantity = contracts(held["symbol"], _direction(held, "side", count), reading)
        unit, mark = reading.sizes[held["symbol"]], number(held.get("markPrice"))
        reported = (mark / unit if mark == mark else None, None, held.get("unrealizedPNL"))
        return position(reading, name, quantity, number(held.get("entryPrice")) / unit, told=reported)

    return {"positions": whole(each_row(listed(answer), reading, read, "symbol"))}


def futures(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"-0.1","entryPrice":"70000","markPrice":"70100","unRealizedProfit":"-10"}``

    In hedge mode ``positionSide`` is LONG or SHORT and ``positionAmt`` of the short negative. ``isolatedMargin`` is 0 of a cross position.
    """

    def read(held: Mapping[str, Any]) -> Row | None:
        quantity = amount(held, "positionAmt")
        if quantity == 0.0:
            return None
        name, side = name_of(held.get("symbol"), "binance"), kept_side(held)
        if side:
            quantity = side_of(side) * abs(quantity)
        mode = mode_of(held.get("marginType"))
        margin = number(held.get("isolatedMargin"))
        if not mode and margin == margin:
            mode = "isolated" if margin else "cross"
        reported = (held.get("markPrice"), None, held.get("unRealizedProfit"))
        return position(
            reading, name, quantity, number(held.get("entryPrice")), told=reported, side=side, mode=mode
        )

    return {"positions": whole(each_row(listed(answer), reading, read, "symbol"))}


def trades(answer: Any, reading: Reading) -> Rows:
    """``{"tradeId":239,"symbol":"BTC-260327-70000-C","price":"2100","quantity":"0.5","fee":"0.6","side":"SELL","time":1676013447000,...}``"""

    def read(each: Mapping[str, Any]) -> Row:
        name = name_of(each.get("symbol"), "binance")
        size = contracts(each["symbol"], abs(amount(each, "quantity")), reading)
        return reading.row(nanoseconds(each.get("time")), name) | {
            "side": side_of(each.get("side")),
            "price": amount(each, "price") / reading.sizes[each["symbol"]],
            "size": size,
            "fee": abs(number(each.get("fee"))),
            "fee_currency": word(each.get("quoteAsset")) or "USDT",
            "kind": "trade",
            "fill_id": text(each, "tradeId"),
        }

    return {"fills": each_row(listed(answer), reading, read, "symbol")}


def futures_trades(answer: Any, reading: Reading) -> Rows:
    """``[{"symbol":"BTCUSDT","id":698759,"side":"SELL","price":"70000","qty":"0.1","commission":"2.8","commissionAsset":"USDT","time":1569514978020,"positionSide":"BOTH"}]``"""

    def read(each: Mapping[str, Any]) -> Row:
        name = name_of(each.get("symbol"), "binance")
        return reading.row(nanoseconds(each.get("time")), name) | {
            "side": side_of(each.get("side")),
            "price": amount(each, "price"),
            "size": abs(amount(each, "qty")),
            "fee": number(each.get("commission")),
            "fee_currency": text(each, "commissionAsset"),
            "kind": "trade",
            "fill_id": text(each, "id"),
            "position_side": kept_side(each),
        }

    return {"fills": each_row(listed(answer), reading, read, "symbol")}


def exercises(answer: Any, reading: Reading) -> Rows:
    """``{"id":"1125899906842624042","symbol":"BTC-260327-70000-C","markPrice":"71000","quantity":"1.0","positionSide":"LONG","createDate":1658361600000}``"""

    def read(each: Mapping[str, Any]) -> Row:
        name, at_ns = name_of(each.get("symbol"), "binance"), nanoseconds(each.get("createDate"))
        held = contracts(each["symbol"], _direction(each, "positionSide", amount(each, "quantity")), reading)
        fee = number(each.get("fee"))
        return settlement(reading, at_ns, name, held, amount(each, "markPrice"), text(each, "id"), fee=fee)

    return {"fills": each_row(listed(answer), reading, read, "symbol")}


def income(answer: Any, reading: Reading) -> Rows:
    """``{"symbol":"BTCUSDT","incomeType":"FUNDING_FEE","income":"-0.375","asset":"USDT","time":1570608000000,"tranId":9689322392}``"""

    def read(each: Mapping[str, Any]) -> Row | None:
        if each.get("incomeType") != "FUNDING_FEE":
            return None
        name, paid = name_of(each.get("symbol"), "binance"), -amount(each, "income")
        currency = text(each, "asset")
        return funding(
            reading, nanoseconds(each.get("time")), name, paid, text(each, "tranId"), fee_currency=currency
        )

    return {"fills": each_row(listed(answer), reading, read, "symbol")}


def account(answer: Any, reading: Reading) -> Rows:
    """``{"asset":[{"asset":"USDT","marginBalance":"1877.5","equity":"617.8","available":"0"}],...}``"""

    def read(each: Mapping[str, Any]) -> Row:
        return balance(reading, text(each, "asset"), amount(each, "marginBalance"), each.get("available"))

    return {"balances": each_row(listed(answer, "asset"), reading, read, "asset")}


def futures_wallet(reading: Reading) -> Reading:
    """The account the futures' balances are of: options have one of their own."""
    return Reading(reading.venue, f"{reading.account} futures".strip(), reading.seen_ns)


def futures_balance(answer: Any, reading: Reading) -> Rows:
    """``[{"asset":"USDT","balance":"122607.35","availableBalance":"23.72"}]``; in multi-assets mode what is owed is negative."""
    wallet = futures_wallet(reading)

    def read(each: Mapping[str, Any]) -> Row:
        return balance(wallet, text(each, "asset"), amount(each, "balance"), each.get("availableBalance"))

    return {"balances": each_row(listed(answer), reading, read, "asset")}


VENUE = Venue(
    requests=requests,
    decoders={
        CONTRACTS: exchange_info,
        OPTIONS: options,
        FUTURES: futures,
        TRADES: trades,
        FUTURES_TRADES: futures_trades,
        EXERCISES: exercises,
        INCOME: income,
        ACCOUNT: account,
        FUTURES_BALANCE: futures_balance,
    },
    more=more,
    terms=terms,
    urls=lambda base: {
        "eapiPublic": f"{base}/eapi/v1",
        "eapiPrivate": f"{base}/eapi/v1",
        "fapiPrivate": f"{base}/fapi/v1",
        "fapiPrivateV3": f"{base}/fapi/v3",
        "public": f"{base}/api/v3",
    },
)
