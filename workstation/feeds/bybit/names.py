"""Bybit's symbols: which of spot and derivative one is tells its channel; quarterly codes are told by the list of instruments."""

from __future__ import annotations

import datetime as dt
import re

from workstation.feeds.venue_kit.symbol_table import SymbolTable
from workstation.market.errors import SymbolError
from workstation.market.symbology import Terms, parse

CATEGORIES = ("option", "linear", "inverse", "spot")
_QUARTERLY = re.compile(r"([A-Z0-9]+)USD([HMUZ])(\d{2})")
_MONTHS = {"H": 3, "M": 6, "U": 9, "Z": 12}


def derivative(symbol: str) -> Terms:
    """Terms of an option, perpetual or future. Raises ``SymbolError``.

    A quarterly code (``BTCUSDH26``) delivers on the last Friday of its month; what the venue lists with another day is
    refused by ``check_delivery``.

    Examples
    --------
    >>> derivative("BTCUSDH26").expiry.isoformat(), derivative("BTCUSDT").kind
    ('2026-03-27', 'perpetual')
    """
    match = _QUARTERLY.fullmatch(symbol)
    if match is None:
        return parse(symbol, "bybit")
    year, month = 2000 + int(match[3]), _MONTHS[match[2]]
    after = dt.date(year + month // 12, month % 12 + 1, 1)
    expiry = after - dt.timedelta(days=(after.weekday() + 2) % 7 + 1)
    return Terms("future", match[1], match[1], "USD", match[1], expiry)


def check_delivery(symbol: str, delivery_ms: int | None) -> None:
    """Refuse a dated contract whose day is not the one its symbol was read as. Raises ``SymbolError``."""
    expiry = derivative(symbol).expiry
    if expiry is None or not delivery_ms:
        return
    told = dt.datetime.fromtimestamp(delivery_ms / 1000, dt.UTC).date()
    if told != expiry:
        raise SymbolError(f"bybit symbol {symbol!r}: the venue delivers on {told}, the symbol reads {expiry}")


DERIVATIVES = SymbolTable("bybit", terms_of=derivative)
SPOT = SymbolTable("bybit_spot")


def table_of(category: str) -> SymbolTable:
    """The symbols of a category."""
    return SPOT if category == "spot" else DERIVATIVES
