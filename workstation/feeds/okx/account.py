"""OKX's account: positions and fills count contracts; their size is ctVal x ctMult (ccxt's contractSize leaves ctMult out).

A balance is ``cashBal``; where something is borrowed (``liab``) it is the equity ``eq`` less the unrealised ``upl``, which has the debt taken off. ``public/instruments`` tells the sizes of the families met: 0.01 BTC of options, 100 USD of inverse swaps. Fills: ``trade/fills-history`` (``fee`` negative
= paid). ``posSide`` and ``mgnMode`` name a position; fills carry no ``mgnMode``, the bill of the same ``billId`` tells it. Bills (``account/bills``): type 2, trades, tell the modes of fills; type 8 is funding; type 3, delivery and exercise, becomes a settlement fill at the bill's ``px``.
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
    shown,
    side_of,
    text,
    units,
    whole,
    word,
)
from workstation.market.errors import FrameError
from workstation.market.symbology import parse

POSITIONS, FILLS = "privateGetAccountPositions", "privateGetTradeFillsHistory"
BILLS, BALANCE, INSTRUMENTS = (
    "privateGetAccountBills",
    "privateGetAccountBalance",
    "publicGetPublicInstruments",
)
PAGE = 100
_TRADE, _FUNDING, _DELIVERY = "2", "8", "3"
_SHORT_DELIVERY = ("113", "172")
_SIDES = {"": "", "net": "", "long": "long", "short": "short"}


def requests(currencies: Sequence[str], since_ms: int) -> list[Request]:
    """The calls of one poll; all currencies come at once."""
    since = {"begin": since_ms, "limit": PAGE}
    return [
        Request("balances", BALANCE, {}),
        Request("fills", BILLS, {"type": _TRADE, **since}),
        *(Request("fills", FILLS, {"instType": kind, **since}) for kind in ("OPTION", "SWAP", "FUTURES")),
        *(Request("fills", BILLS, {"type": kind, **since}) for kind in (_FUNDING, _DELIVERY)),
        Request("positions", POSITIONS, {}),
    ]


def terms(method: str, answer: Any, reading: Reading) -> list[Request]:
    """Calls that tell the contract sizes of symbols not yet known, one per family."""
    if method not in (POSITIONS, FILLS, BILLS):
        return []
    wanted: dict[tuple[str, str], Request] = {}
    for each in listed(answer, "data"):
        symbol, kind = (each.get("instId"), each.get("instType")) if isinstance(each, dict) else (None, None)
        if not has_name(symbol, "okx") or symbol in reading.sizes:
            continue
        if isinstance(kind, str) and kind in ("OPTION", "SWAP", "FUTURES"):
            family = "-".join(symbol.split("-")[:2])
            params = {"instType": kind, "instFamily": family}
            if kind == "OPTION":
                params["instId"] = symbol
            wanted[kind, symbol if kind == "OPTION" else family] = Request("terms", INSTRUMENTS, params)
    return list(wanted.values())


def instruments(answer: Any, reading: Reading) -> Rows:
    """``{"instId":"BTC-USD-260327-70000-C","ctVal":"1","ctMult":"0.01","ctValCcy":"BTC",...}``"""

    def read(each: Mapping[str, Any]) -> Row | None:
        symbol, size = text(each, "instId"), amount(each, "ctVal") * amount(each, "ctMult")
        currency, known = word(each.get("ctValCcy")), parse(name_of(symbol, "okx"))
        in_quote = known.inverse and known.kind in ("perpetual", "future")
        if currency and currency != (known.quote if in_quote else known.root):
            raise FrameError(f"{symbol}: a contract counted in {shown(currency)} is not understood")
        if size <= 0.0:
            raise FrameError(f"{symbol}: ctVal x ctMult is {size:g}, no contract size")
        reading.sizes[symbol] = size
        return None

    each_row(listed(answer, "data"), reading, read, "instId")
    return {}


def more(method: str, answer: Any, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The next, older page, by bill id."""
    if method not in (FILLS, BILLS) or len(listed(answer, "data")) < PAGE:
        return None
    last = answer["data"][-1]
    bill = last.get("billId") if isinstance(last, dict) else None
    if not isinstance(bill, str) or not bill or bill == params.get("after"):
        raise FrameError(
            f"the last row of a full page has no billId, older ones cannot be asked for: {shown(last)}"
        )
    return {**params, "after": bill}


def kept_side(item: Mapping[str, Any]) -> str:
    """The side an item's position is kept by; empty for a net position."""
    side = _SIDES.get(word(item.get("posSide")).lower())
    if side is None:
        raise FrameError(f"posSide {shown(item['posSide'])} is not net, long or short")
    return side


def positions(answer: Any, reading: Reading, *, changes: bool = False) -> Rows:
    """Of ``changes`` a ``pos`` of 0 is a position that is gone.

    ``{"instId":"BTC-USD-260327-70000-C","pos":"-10","posSide":"net","mgnMode":"cross","avgPx":"0.031","markPx":"0.03","idxPx":"70100",...}``
    """

    def read(held: Mapping[str, Any]) -> Row | None:
        if held.get("instType") == "MARGIN" or (number(held.get("pos")) == 0.0 and not changes):
            return None
        name, entry = name_of(held.get("instId"), "okx"), number(held.get("avgPx"))
        size, side = contracts(held["instId"], amount(held, "pos"), reading), kept_side(held)
        if side:
            reading.two_sided.add(held["instId"])
            size = side_of(side) * abs(size)
        told, mode = (held.get("markPx"), held.get("idxPx"), held.get("upl")), mode_of(held.get("mgnMode"))
        return position(reading, name, units(name, size, entry), entry, told=told, side=side, mode=mode)

    return {"positions": whole(each_row(listed(answer, "data"), reading, read, "instId"))}


def fills(answer: Any, reading: Reading) -> Rows:
    """``{"instId":"BTC-USD-260327-70000-C","tradeId":"1","fillPx":"0.03","fillSz":"10","side":"buy","posSide":"net","fee":"-0.0003",...}``"""

    def read(each: Mapping[str, Any]) -> Row:
        name, price = name_of(each.get("instId"), "okx"), amount(each, "fillPx")
        return reading.row(nanoseconds(each.get("ts")), name) | {
            "side": side_of(each.get("side")),
            "price": price,
            "size": units(name, contracts(each["instId"], amount(each, "fillSz"), reading), price),
            "fee": -number(each.get("fee")),
            "fee_currency": word(each.get("feeCcy")),
            "kind": "trade",
            "index": number(each.get("fillIdxPx")),
            "fill_id": word(each.get("tradeId")) or text(each, "billId"),
            "position_side": kept_side(each),
            "margin_mode": mode_of(each.get("mgnMode")) or reading.modes.get(word(each.get("billId")), ""),
        }

    return {"fills": each_row(listed(answer, "data"), reading, read, "instId")}


def bills(answer: Any, reading: Reading) -> Rows:
    """``{"billId":"623950854533513219","instId":"BTC-USDT-SWAP","type":"8","subType":"173","mgnMode":"cross","pnl":"-0.12","ts":"1695033476167"}``"""

    def read(each: Mapping[str, Any]) -> Row | None:
        if each.get("type") == _TRADE:
            if mode := mode_of(each.get("mgnMode")):
                reading.tell_mode(text(each, "billId"), mode)
            return None
        name, at_ns = name_of(each.get("instId"), "okx"), nanoseconds(each.get("ts"))
        kind, bill, mode = text(each, "type"), text(each, "billId"), mode_of(each.get("mgnMode"))
        if kind == _FUNDING:
            gained = number(each.get("pnl"))
            gained = gained if gained == gained and gained != 0.0 else amount(each, "balChg")
            return funding(reading, at_ns, name, -gained, bill, margin_mode=mode)
        if kind != _DELIVERY:
            raise FrameError(f"a bill of type {shown(kind)} was not asked for")
        size = abs(contracts(each["instId"], amount(each, "sz"), reading))
        held = -size if word(each.get("subType")) in _SHORT_DELIVERY else size
        side = ("long" if held > 0.0 else "short") if each["instId"] in reading.two_sided else ""
        fee, price = -number(each.get("fee")), amount(each, "px")
        return settlement(
            reading, at_ns, name, held, price, bill, fee=fee, position_side=side, margin_mode=mode
        )

    return {"fills": each_row(listed(answer, "data"), reading, read, "instId")}


def balances(answer: Any, reading: Reading) -> Rows:
    """``{"data":[{"uTime":"1705474164160","details":[{"ccy":"USDT","cashBal":"4992.89","liab":"0","eq":"4992.9","availBal":"4834.31"}]}]}``"""

    def read(each: Mapping[str, Any]) -> Row:
        total, owed, gain = amount(each, "cashBal"), number(each.get("liab")), number(each.get("upl"))
        if owed == owed and owed != 0.0:
            total = amount(each, "eq") - (gain if gain == gain else 0.0)
        return balance(reading, text(each, "ccy"), total, each.get("availBal"))

    rows: list[Row] = []
    for account in listed(answer, "data"):
        rows += each_row(listed(account, "details"), reading, read, "ccy")
    return {"balances": rows}


VENUE = Venue(
    requests=requests,
    decoders={POSITIONS: positions, FILLS: fills, BILLS: bills, BALANCE: balances, INSTRUMENTS: instruments},
    more=more,
    urls=lambda base: {"rest": base},
    terms=terms,
)
