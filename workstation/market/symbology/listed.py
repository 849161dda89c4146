"""Grammars of US listings: OSI, Alpaca, Polygon, IQFeed, and the plain ticker."""

from __future__ import annotations

import re
from decimal import Decimal

from workstation.market.symbology.terms import (
    INDEX_OF_ROOT,
    SHARE_CLASS_OF_ROOT,
    Terms,
    calendar_date,
    compact_date,
    fail,
    option_parts,
    right_letter,
    spell_strike,
    strike_number,
)

_ROOT = re.compile(r"[0-9]?[A-Z]{1,5}[0-9]?", re.ASCII)
_TICKER = re.compile(r"[A-Z]{1,6}(\.[A-Z]{1,3})?", re.ASCII)
_IQFEED = re.compile(r"([A-Z0-9]+)(\d{2})(\d{2})([A-Z])([\d.]+)", re.ASCII)
AMERICAN_INDEX_ROOTS = frozenset({"OEX"})
_CALL_MONTHS, _PUT_MONTHS = "ABCDEFGHIJKL", "MNOPQRSTUVWX"


def underlying_of_root(root: str) -> str:
    """The underlying of a US option root.

    Examples
    --------
    >>> underlying_of_root("SPXW"), underlying_of_root("AAPL1"), underlying_of_root("BRKB")
    ('SPX', 'AAPL', 'BRK.B')
    """
    plain = root.strip("0123456789")
    return INDEX_OF_ROOT.get(plain) or SHARE_CLASS_OF_ROOT.get(plain, plain)


def _root(grammar: str, symbol: str, root: str) -> str:
    if len(root) > 6 or not _ROOT.fullmatch(root):
        raise fail(
            grammar, symbol, f"root {root!r} is not 1 to 5 capitals with at most one digit before or after"
        )
    return root


def _listed_option(grammar: str, symbol: str, root: str, rest: str) -> Terms:
    if len(rest) != 15:
        raise fail(
            grammar, symbol, f"after the root come YYMMDD, C or P and 8 digits of strike, got {rest!r}"
        )
    root = _root(grammar, symbol, root)
    expiry = compact_date(grammar, symbol, rest[:6])
    right = right_letter(grammar, symbol, rest[6])
    digits = rest[7:]
    if not (digits.isascii() and digits.isdigit()) or int(digits) == 0:
        raise fail(grammar, symbol, f"strike {digits!r} is not 8 digits of thousandths above zero")
    return Terms(
        "option", root, underlying_of_root(root), expiry=expiry, strike=int(digits) / 1000, right=right
    )


def _spell_option(grammar: str, terms: Terms, root: str) -> str:
    expiry, strike, right = option_parts(grammar, terms)
    thousandths = Decimal(repr(float(strike))) * 1000
    if thousandths != int(thousandths) or thousandths >= 10**8:
        raise fail(grammar, terms, f"strike {strike} does not fit 8 digits of thousandths")
    return f"{root}{expiry:%y%m%d}{right}{int(thousandths):08d}"


def _listed(grammar: str, terms: Terms) -> None:
    if not terms.listed:
        raise fail(grammar, terms, "not a US listing; this grammar writes US options and equities")
    _root(grammar, str(terms), terms.root) if terms.kind == "option" else None


def parse_ticker(symbol: str, grammar: str = "ticker") -> Terms:
    """A plain ticker: ``AAPL``, ``BRK.B``; a known index root (``SPX``) is an index."""
    if not _TICKER.fullmatch(symbol):
        raise fail(grammar, symbol, "a ticker is 1 to 6 capitals, then perhaps a dot and a share class")
    return Terms("index" if INDEX_OF_ROOT.get(symbol) == symbol else "equity", symbol, symbol)


def render_ticker(terms: Terms, grammar: str = "ticker") -> str:
    """The ticker of an equity or index."""
    _listed(grammar, terms)
    if terms.kind not in ("equity", "index"):
        raise fail(grammar, terms, f"a {terms.kind} has no plain ticker")
    return terms.root


def parse_osi(symbol: str) -> Terms:
    """``SPXW  261218C06000000``: root padded to 6, YYMMDD, right, strike in thousandths."""
    if len(symbol) != 21:
        raise fail("osi", symbol, f"21 characters with the root padded to 6, got {len(symbol)}")
    return _listed_option("osi", symbol, symbol[:6].rstrip(" "), symbol[6:])


def render_osi(terms: Terms) -> str:
    """The OSI symbol of a US option."""
    _listed("osi", terms)
    return _spell_option("osi", terms, terms.root.ljust(6))


def parse_alpaca(symbol: str) -> Terms:
    """``SPXW261218C06000000``: OSI without the padding; a plain ticker is an equity."""
    return (
        parse_ticker(symbol, "alpaca")
        if len(symbol) < 16
        else _listed_option("alpaca", symbol, symbol[:-15], symbol[-15:])
    )


def render_alpaca(terms: Terms) -> str:
    """Alpaca's symbol of a US option or equity."""
    if terms.kind != "option":
        return render_ticker(terms, "alpaca")
    _listed("alpaca", terms)
    return _spell_option("alpaca", terms, terms.root)


def parse_polygon(symbol: str) -> Terms:
    """``O:SPXW261218C06000000`` an option, ``I:SPX`` an index, ``AAPL`` an equity."""
    if symbol.startswith("O:"):
        return _listed_option("polygon", symbol, symbol[2:-15], symbol[2:][-15:])
    if symbol.startswith("I:"):
        ticker = parse_ticker(symbol[2:], "polygon").root
        return Terms("index", ticker, ticker)
    ticker = parse_ticker(symbol, "polygon").root
    return Terms("equity", ticker, ticker)


def render_polygon(terms: Terms) -> str:
    """Polygon's symbol of a US option, index or equity."""
    if terms.kind != "option":
        return ("I:" if terms.kind == "index" else "") + render_ticker(terms, "polygon")
    _listed("polygon", terms)
    return "O:" + _spell_option("polygon", terms, terms.root)


def parse_iqfeed(symbol: str) -> Terms:
    """``SPXW2618L6000``: root, YY, DD, month letter (A-L calls, M-X puts), strike in decimals.

    The layout is DTN's public one; it has not been tried on a live IQFeed.
    """
    match = _IQFEED.fullmatch(symbol)
    if match is None:
        return parse_ticker(symbol, "iqfeed")
    root, year, day, letter, strike = match.groups()
    months = _CALL_MONTHS if letter in _CALL_MONTHS else _PUT_MONTHS
    if letter not in months:
        raise fail("iqfeed", symbol, f"month letter {letter!r} is not A-L (calls) or M-X (puts)")
    root = _root("iqfeed", symbol, root)
    return Terms(
        "option",
        root,
        underlying_of_root(root),
        expiry=calendar_date("iqfeed", symbol, year, months.index(letter) + 1, day),
        strike=strike_number("iqfeed", symbol, strike),
        right="C" if months is _CALL_MONTHS else "P",
    )


def render_iqfeed(terms: Terms) -> str:
    """IQFeed's symbol of a US option or equity."""
    if terms.kind != "option":
        return render_ticker(terms, "iqfeed")
    _listed("iqfeed", terms)
    expiry, strike, right = option_parts("iqfeed", terms)
    letter = (_CALL_MONTHS if right == "C" else _PUT_MONTHS)[expiry.month - 1]
    return f"{terms.root}{expiry:%y%d}{letter}{spell_strike(strike)}"
