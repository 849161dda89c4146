"""What a symbol says: its terms, and how dates and strikes are written in symbols."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from workstation.market.errors import SymbolError

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

INDEX_OF_ROOT = {
    "SPX": "SPX", "SPXW": "SPX", "SPXQ": "SPX", "XSP": "XSP", "NDX": "NDX", "NDXP": "NDX", "XND": "XND",
    "RUT": "RUT", "RUTW": "RUT", "MRUT": "MRUT", "VIX": "VIX", "VIXW": "VIX", "DJX": "DJX", "OEX": "OEX",
    "XEO": "OEX", "NANOS": "NANOS", "RUI": "RUI", "RLG": "RLG", "RLV": "RLV", "NQX": "NQX", "CBTX": "CBTX", "MBTX": "MBTX",
}  # fmt: skip
"""Trading roots of US index options -> their index (product specifications of Cboe and Nasdaq)."""
MULTIPLIER_OF_ROOT = {"NANOS": 1.0}
"""Roots whose contract is not 100 (Cboe: a Nanos option has a multiplier of 1)."""
SHARE_CLASS_OF_ROOT = {"BRKA": "BRK.A", "BRKB": "BRK.B", "BFB": "BF.B", "BFA": "BF.A"}


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms a symbol carries, free of any venue's way of writing them.

    Attributes
    ----------
    kind
        spot, perpetual, future, option, equity or index.
    root
        Trading root: the base currency of crypto, the OSI root of a US option, the ticker of an equity or index.
    underlying
        What it is about: ``SPX`` for the root ``SPXW``; the base currency of crypto.
    quote, settle
        Currencies of the price and of settlement; empty for US listings.
    expiry
        Expiry date as the symbol prints it, None when it does not expire.
    strike
        None unless an option.
    right
        ``C``, ``P`` or empty.
    """

    kind: str
    root: str
    underlying: str
    quote: str = ""
    settle: str = ""
    expiry: dt.date | None = None
    strike: float | None = None
    right: str = ""

    @property
    def listed(self) -> bool:
        """True for what is listed on a US exchange, False for crypto."""
        return not self.quote

    @property
    def inverse(self) -> bool:
        """True when premium and settlement are in the underlying coin."""
        return bool(self.settle) and self.settle == self.root and self.settle != self.quote


def fail(grammar: str, symbol: object, problem: str) -> SymbolError:
    """The error for a symbol that does not follow a grammar."""
    return SymbolError(f"{grammar} symbol {symbol!r}: {problem}")


def calendar_date(grammar: str, symbol: str, year: str, month: int, day: str) -> dt.date:
    """The date of two-digit ``year``, ``month`` and ``day``; ``SymbolError`` when there is no such day."""
    try:
        return dt.date(2000 + int(year), month, int(day))
    except ValueError as error:
        raise fail(grammar, symbol, f"expiry is not a calendar date: {error}") from None


_MET = 1 << 14
"""Distinct dates, strikes and currencies that are remembered: thousands of contracts share a few hundred of them."""


@lru_cache(maxsize=_MET)
def _compact(text: str) -> dt.date:
    return dt.date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))


def compact_date(grammar: str, symbol: str, text: str) -> dt.date:
    """A date written ``YYMMDD``."""
    if not (len(text) == 6 and text.isascii() and text.isdigit()):
        raise fail(grammar, symbol, f"expiry {text!r} is not YYMMDD")
    try:
        return _compact(text)
    except ValueError as error:
        raise fail(grammar, symbol, f"expiry is not a calendar date: {error}") from None


@lru_cache(maxsize=_MET)
def spell_compact_date(date: dt.date) -> str:
    """``261205``."""
    return f"{date:%y%m%d}"


_WORDED = re.compile(r"(\d{1,2})([A-Z]{3})(\d{2})", re.ASCII)


@lru_cache(maxsize=_MET)
def _worded(text: str) -> tuple[dt.date | None, str]:
    """The date, or what is wrong with the text."""
    match = _WORDED.fullmatch(text)
    if match is None or match[2] not in MONTHS:
        return None, f"expiry {text!r} is not like 5DEC26"
    if match[1].startswith("0"):
        return None, f"expiry {text!r} has a leading zero in the day"
    try:
        return dt.date(2000 + int(match[3]), MONTHS.index(match[2]) + 1, int(match[1])), ""
    except ValueError as error:
        return None, f"expiry is not a calendar date: {error}"


def worded_date(grammar: str, symbol: str, text: str) -> dt.date:
    """A date written ``5DEC26``: no leading zero in the day."""
    date, problem = _worded(text)
    if date is None:
        raise fail(grammar, symbol, problem)
    return date


def spell_worded_date(date: dt.date) -> str:
    """``5DEC26``."""
    return f"{date.day}{MONTHS[date.month - 1]}{date:%y}"


_STRIKE = re.compile(r"\d+(\.\d+)?", re.ASCII)


@lru_cache(maxsize=_MET)
def _strike(text: str) -> float | None:
    return float(text) if _STRIKE.fullmatch(text) and float(text) > 0 else None


def strike_number(grammar: str, symbol: str, text: str) -> float:
    """A positive strike written in plain decimals."""
    strike = _strike(text)
    if strike is None:
        raise fail(grammar, symbol, f"strike {text!r} is not a positive decimal number")
    return strike


@lru_cache(maxsize=_MET)
def spell_strike(strike: float) -> str:
    """The shortest plain decimals that read back as the same number.

    >>> spell_strike(100000.0), spell_strike(0.625), spell_strike(1e-7)
    ('100000', '0.625', '0.0000001')
    """
    text = format(Decimal(repr(float(strike))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def right_letter(grammar: str, symbol: object, text: str) -> str:
    """``C`` or ``P``."""
    if text not in ("C", "P"):
        raise fail(grammar, symbol, f"right {text!r} is neither C nor P")
    return text


_ASSET = re.compile(r"[A-Z0-9$]+")


@lru_cache(maxsize=_MET)
def _is_asset(text: str) -> bool:
    return _ASSET.fullmatch(text) is not None


def asset(grammar: str, symbol: str, text: str, what: str) -> str:
    """A currency code: capital letters and digits (ccxt also has ``1000SHIB``, ``$PAC``)."""
    if not _is_asset(text):
        raise fail(grammar, symbol, f"{what} {text!r} is not a currency code in capitals")
    return text


def option_parts(grammar: str, terms: Terms) -> tuple[dt.date, float, str]:
    """Expiry, strike and right of an option's terms; ``SymbolError`` names the one that is missing."""
    if terms.expiry is None:
        raise fail(grammar, terms, "an option without expiry")
    if terms.strike is None or not terms.strike > 0:
        raise fail(grammar, terms, "an option without a positive strike")
    return terms.expiry, terms.strike, right_letter(grammar, terms, terms.right)


def need_expiry(grammar: str, terms: Terms) -> dt.date:
    """Expiry of a future's terms."""
    if terms.expiry is None:
        raise fail(grammar, terms, "a future without expiry")
    return terms.expiry
