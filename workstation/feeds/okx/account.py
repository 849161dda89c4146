"""OKX's account: positions and fills count contracts; their size is ctVal x ctMult (ccxt's contractSize leaves ctMult out).

``public/instruments`` tells the sizes of the families met: 0.01 BTC of options, 100 USD of inverse swaps. Fills: ``trade/fills-history`` (``fee`` negative
= paid). Bills (``account/bills``): type 8 is funding; type 3, delivery and exercise, becomes a settlement fill at the bill's ``px``.
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
from workstation.market.errors import FrameError

POSITIONS, FILLS = "privateGetAccountPositions", "privateGetTradeFillsHistory"
BILLS, BALANCE, INSTRUMENTS = (
    "privateGetAccountBills",
    "privateGetAccountBalance",
    "publicGetPublicInstruments",
)
PAGE = 100
_FUNDING, _DELIVERY = "8", "3"
_SHORT_DELIVERY = ("113", "172")


def requests(currencies: Sequence[str], since_ms: int) -> list[Request]:
    """The calls of one poll; all currencies come at once."""
    since = {"begin": since_ms, "limit": PAGE}
    return [
        Request("balances", BALANCE, {}),
        *(Request("fills", FILLS, {"instType": kind, **since}) for kind in ("OPTION", "SWAP", "FUTURES")),
        *(Request("fills", BILLS, {"type": kind, **since}) for kind in (_FUNDING, _DELIVERY)),
        Request("positions", POSITIONS, {}),
    ]


def terms(method: str, answer: Any, reading: Reading) -> list[Request]:
    """Calls that tell the contract sizes of symbols not yet known, one per family."""
    if method not in (POSITIONS, FILLS, BILLS):
        return []
    wanted: dict[tuple[str, str], Request] = {}
    for each in answer["data"]:
        symbol, kind = each.get("instId", ""), each.get("instType", "")
        if symbol and symbol not in reading.sizes and kind in ("OPTION", "SWAP", "FUTURES"):
            family = "-".join(symbol.split("-")[:2])
            params = {"instType": kind, "instFamily": family}
            if kind == "OPTION":
                params["instId"] = symbol
            wanted[kind, symbol if kind == "OPTION" else family] = Request("terms", INSTRUMENTS, params)
    return list(wanted.values())


def instruments(answer: Any, reading: Reading) -> Rows:
    """``{"instId":"BTC-USD-260327-70000-C","ctVal":"1","ctMult":"0.01","ctValCcy":"BTC",...}``"""
    for each in answer["data"]:
        multiplier = number(each.get("ctMult"))
        reading.sizes[each["instId"]] = number(each["ctVal"]) * (
            multiplier if multiplier == multiplier else 1.0
        )
    return {}


def more(method: str, answer: Any, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The next, older page, by bill id."""
    if method not in (FILLS, BILLS) or len(answer["data"]) < PAGE:
        return None
    return {**params, "after": answer["data"][-1]["billId"]}


def _size(symbol: str, contracts: Any, reading: Reading) -> float:
    if symbol not in reading.sizes:
        raise FrameError(f"{symbol}: its contract size is not known; public/instruments did not list it")
    return number(contracts) * reading.sizes[symbol]


def positions(answer: Any, reading: Reading) -> Rows:
    """``{"instId":"BTC-USD-260327-70000-C","pos":"-10","posSide":"net","avgPx":"0.031","markPx":"0.03","idxPx":"70100",...}``"""
    rows = []
    for held in answer["data"]:
        if held["instType"] == "MARGIN" or number(held["pos"]) == 0.0:
            continue
        name, entry = name_of(held["instId"], "okx"), number(held["avgPx"])
        size = _size(held["instId"], held["pos"], reading)
        size = size if held.get("posSide", "net") == "net" else abs(size) * side_of(held["posSide"])
        rows.append(
            position(
                reading,
                name,
                units(name, size, entry),
                entry,
                held.get("markPx"),
                held.get("idxPx"),
                held.get("upl"),
            )
        )
    return {"positions": rows}


def fills(answer: Any, reading: Reading) -> Rows:
    """``{"instId":"BTC-USD-260327-70000-C","tradeId":"1","fillPx":"0.03","fillSz":"10","side":"buy","fee":"-0.0003","feeCcy":"BTC",...}``"""
    rows = []
    for each in answer["data"]:
        name, price = name_of(each["instId"], "okx"), number(each["fillPx"])
        rows.append(
            reading.row(nanoseconds(each["ts"]), name)
            | {
                "side": side_of(each["side"]),
                "price": price,
                "size": units(name, _size(each["instId"], each["fillSz"], reading), price),
                "fee": -number(each.get("fee")),
                "fee_currency": each.get("feeCcy", ""),
                "kind": "trade",
                "index": number(each.get("fillIdxPx")),
                "fill_id": str(each.get("billId") or each["tradeId"]),
            }
        )
    return {"fills": rows}


def bills(answer: Any, reading: Reading) -> Rows:
    """``{"billId":"623950854533513219","instId":"BTC-USDT-SWAP","type":"8","subType":"173","pnl":"-0.12","ts":"1695033476167"}``"""
    rows = []
    for each in answer["data"]:
        name, at_ns = name_of(each["instId"], "okx"), nanoseconds(each["ts"])
        if each["type"] == _FUNDING:
            gained = number(each.get("pnl"))
            gained = gained if gained == gained and gained != 0.0 else number(each["balChg"])
            rows.append(funding(reading, at_ns, name, -gained, each["billId"]))
            continue
        size = abs(_size(each["instId"], each["sz"], reading))
        held = -size if str(each.get("subType")) in _SHORT_DELIVERY else size
        fee = -number(each.get("fee"))
        rows.append(settlement(reading, at_ns, name, held, number(each["px"]), each["billId"], fee))
    return {"fills": rows}


def balances(answer: Any, reading: Reading) -> Rows:
    """``{"data":[{"uTime":"1705474164160","details":[{"ccy":"USDT","cashBal":"4992.89","availBal":"4834.31"}]}]}``"""
    rows = [
        balance(reading, reading.seen_ns, each["ccy"], each["cashBal"], each.get("availBal"))
        for account in answer["data"]
        for each in account["details"]
    ]
    return {"balances": rows}


VENUE = Venue(
    requests=requests,
    decoders={POSITIONS: positions, FILLS: fills, BILLS: bills, BALANCE: balances, INSTRUMENTS: instruments},
    more=more,
    urls=lambda base: {"rest": base},
    terms=terms,
)
