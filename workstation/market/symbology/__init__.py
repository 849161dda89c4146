"""Symbols: each venue's grammar read into terms and written back.

The workstation's own names are ccxt's unified symbols for crypto, OSI for US options and plain tickers for
equities and indices; ``unified`` and ``venue_symbol`` go between them and a venue's names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from workstation.market.errors import SymbolError
from workstation.market.symbology import crypto, listed
from workstation.market.symbology.listed import underlying_of_root
from workstation.market.symbology.terms import Terms


class Grammar(NamedTuple):
    """How one venue writes symbols."""

    parse: Callable[[str], Terms]
    render: Callable[[Terms], str]


GRAMMARS: Mapping[str, Grammar] = {
    "ccxt": Grammar(crypto.parse_ccxt, crypto.render_ccxt),
    "deribit": Grammar(crypto.parse_deribit, crypto.render_deribit),
    "bybit": Grammar(crypto.parse_bybit, crypto.render_bybit),
    "bybit_spot": Grammar(
        partial(crypto.parse_joined_spot, grammar="bybit_spot"),
        partial(crypto.render_joined_spot, grammar="bybit_spot"),
    ),
    "okx": Grammar(crypto.parse_okx, crypto.render_okx),
    "binance": Grammar(crypto.parse_binance, crypto.render_binance),
    "binance_spot": Grammar(
        partial(crypto.parse_joined_spot, grammar="binance_spot"),
        partial(crypto.render_joined_spot, grammar="binance_spot"),
    ),
    "osi": Grammar(listed.parse_osi, listed.render_osi),
    "alpaca": Grammar(listed.parse_alpaca, listed.render_alpaca),
    "polygon": Grammar(listed.parse_polygon, listed.render_polygon),
    "iqfeed": Grammar(listed.parse_iqfeed, listed.render_iqfeed),
    "ticker": Grammar(listed.parse_ticker, listed.render_ticker),
}


def _grammar(name: str) -> Grammar:
    try:
        return GRAMMARS[name]
    except KeyError:
        raise SymbolError(f"no grammar {name!r}; known are {', '.join(GRAMMARS)}") from None


def parse(symbol: str, grammar: str | None = None) -> Terms:
    """The terms a symbol carries.

    Parameters
    ----------
    symbol
        As the venue writes it.
    grammar
        One of ``GRAMMARS``; None for the workstation's own names.

    Raises
    ------
    SymbolError
        Names the grammar, the symbol and the offending part.

    Examples
    --------
    >>> parse("SPXW  261218C06000000").underlying
    'SPX'
    >>> parse("XRP_USDC-25DEC26-0d625-C", "deribit").strike
    0.625
    """
    if not isinstance(symbol, str) or not symbol:
        raise SymbolError(f"a symbol must be a non-empty string, got {symbol!r}")
    if grammar is not None:
        return _grammar(grammar).parse(symbol)
    if "/" in symbol:
        return crypto.parse_ccxt(symbol)
    return listed.parse_osi(symbol) if len(symbol) == 21 else listed.parse_ticker(symbol)


def render(terms: Terms, grammar: str | None = None) -> str:
    """The symbol of some terms; None for the workstation's own name.

    Raises
    ------
    SymbolError
        When the grammar cannot write these terms.

    Examples
    --------
    >>> render(parse("BTC/USD:BTC-261205-100000-P"), "deribit")
    'BTC-5DEC26-100000-P'
    """
    if grammar is not None:
        return _grammar(grammar).render(terms)
    if not terms.listed:
        return crypto.render_ccxt(terms)
    return listed.render_osi(terms) if terms.kind == "option" else listed.render_ticker(terms)


def unified(symbol: str, grammar: str) -> str:
    """The workstation's name of a venue's symbol.

    Examples
    --------
    >>> unified("BTC-PERPETUAL", "deribit"), unified("O:SPXW261218C06000000", "polygon")
    ('BTC/USD:BTC', 'SPXW  261218C06000000')
    """
    return render(parse(symbol, grammar))


def venue_symbol(name: str, grammar: str) -> str:
    """A venue's symbol of one of the workstation's names.

    Examples
    --------
    >>> venue_symbol("BTC/USDT:USDT-261205-100000-P", "bybit"), venue_symbol("SPXW  261218C06000000", "iqfeed")
    ('BTC-5DEC26-100000-P-USDT', 'SPXW2618L6000')
    """
    return render(parse(name), grammar)


__all__ = ["GRAMMARS", "Grammar", "Terms", "parse", "render", "underlying_of_root", "unified", "venue_symbol"]
