"""Grammars of crypto venues: ccxt's unified symbols, Deribit, Bybit, OKX, Binance."""

from __future__ import annotations

import re

from workstation.market.symbology.terms import (
    Terms,
    asset,
    compact_date,
    fail,
    need_expiry,
    option_parts,
    right_letter,
    spell_compact_date,
    spell_strike,
    spell_worded_date,
    strike_number,
    worded_date,
)

_QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "USDE", "BUSD", "USD", "EUR", "BRL", "TRY", "JPY", "GBP", "BTC", "ETH", "BNB")  # fmt: skip
_COMBO = re.compile(
    r"[A-Z_0-9]+-[A-Z]{2,6}\d{0,3}-.+_.+|[A-Z_0-9]+-(?!PERPETUAL)[A-Z]{2,6}\d{0,3}-\d{1,2}[A-Z]{3}\d{2}.*"
)


def _crypto(grammar: str, terms: Terms) -> None:
    if terms.listed:
        raise fail(
            grammar, terms, "not crypto; this grammar writes crypto spot, perpetuals, futures and options"
        )


def _option(
    grammar: str, symbol: str, pair: tuple[str, str, str], parts: tuple[str, str, str], *, worded: bool
) -> Terms:
    base, quote, settle = pair
    date, strike, right = parts
    return Terms(
        "option",
        base,
        base,
        quote,
        settle,
        (worded_date if worded else compact_date)(grammar, symbol, date),
        strike_number(grammar, symbol, strike),
        right_letter(grammar, symbol, right),
    )


def _settled(grammar: str, terms: Terms, allowed: bool, how: str) -> None:
    if not allowed:
        raise fail(
            grammar, terms, f"{terms.root}/{terms.quote} settled in {terms.settle or 'nothing'}: {how}"
        )


def parse_ccxt(symbol: str) -> Terms:
    """``BTC/USD`` spot, ``BTC/USD:BTC`` perpetual, ``BTC/USD:BTC-261225`` future, ``...-100000-C`` option."""
    pair, colon, contract = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not slash:
        raise fail("ccxt", symbol, "no '/' between base and quote")
    asset("ccxt", symbol, base, "base")
    asset("ccxt", symbol, quote, "quote")
    if not colon:
        return Terms("spot", base, base, quote)
    settle, *rest = contract.split("-")
    asset("ccxt", symbol, settle, "settle currency")
    if not rest:
        return Terms("perpetual", base, base, quote, settle)
    if len(rest) == 1:
        return Terms("future", base, base, quote, settle, compact_date("ccxt", symbol, rest[0]))
    if len(rest) != 3:
        raise fail("ccxt", symbol, "after the settle currency comes YYMMDD, or YYMMDD-strike-C|P")
    return _option("ccxt", symbol, (base, quote, settle), (rest[0], rest[1], rest[2]), worded=False)


def render_ccxt(terms: Terms) -> str:
    """ccxt's unified symbol."""
    _crypto("ccxt", terms)
    pair = f"{terms.root}/{terms.quote}"
    if terms.kind == "spot":
        return pair
    if not terms.settle:
        raise fail("ccxt", terms, "a contract without settle currency")
    if terms.kind == "perpetual":
        return f"{pair}:{terms.settle}"
    if terms.kind == "future":
        return f"{pair}:{terms.settle}-{spell_compact_date(need_expiry('ccxt', terms))}"
    expiry, strike, right = option_parts("ccxt", terms)
    return f"{pair}:{terms.settle}-{spell_compact_date(expiry)}-{spell_strike(strike)}-{right}"


def parse_deribit(symbol: str) -> Terms:
    """``BTC-5DEC26-100000-P``, ``XRP_USDC-25DEC26-0d625-C``, ``BTC-27MAR26``, ``BTC-PERPETUAL``, ``BTC_USDC`` spot.

    Coin-settled names have a bare base (quote USD, settled in the coin), linear ones ``BASE_QUOTE``. Combos
    (``BTC-FS-27MAR26_PERP``) are refused: each leg is an instrument of its own.
    """
    if _COMBO.fullmatch(symbol):
        kind = symbol.split("-")[1]
        raise fail("deribit", symbol, f"a combo ({kind}) is not one instrument; take its legs")
    head, *rest = symbol.split("-")
    base, underscore, quote = head.partition("_")
    asset("deribit", symbol, base, "base")
    if underscore:
        asset("deribit", symbol, quote, "quote")
    pair = (base, quote, quote) if underscore else (base, "USD", base)
    if not rest:
        if not underscore:
            raise fail("deribit", symbol, "neither BASE_QUOTE, BASE-PERPETUAL, BASE-date nor an option")
        return Terms("spot", base, base, quote)
    if rest == ["PERPETUAL"]:
        return Terms("perpetual", base, *(base, *pair[1:]))
    if len(rest) == 1:
        return Terms("future", base, base, pair[1], pair[2], worded_date("deribit", symbol, rest[0]))
    if len(rest) != 3:
        raise fail("deribit", symbol, "after the base comes PERPETUAL, a date, or date-strike-C|P")
    if "." in rest[1]:
        raise fail("deribit", symbol, f"strike {rest[1]!r} has a point; Deribit writes d, as in 0d625")
    return _option("deribit", symbol, pair, (rest[0], rest[1].replace("d", ".", 1), rest[2]), worded=True)


def render_deribit(terms: Terms) -> str:
    """Deribit's instrument name."""
    _crypto("deribit", terms)
    if terms.kind == "spot":
        return f"{terms.root}_{terms.quote}"
    coin = terms.inverse and terms.quote == "USD"
    _settled(
        "deribit", terms, coin or terms.settle == terms.quote, "Deribit has USD settled in coin, or linear"
    )
    head = terms.root if coin else f"{terms.root}_{terms.quote}"
    if terms.kind == "perpetual":
        return f"{head}-PERPETUAL"
    if terms.kind == "future":
        return f"{head}-{spell_worded_date(need_expiry('deribit', terms))}"
    expiry, strike, right = option_parts("deribit", terms)
    return f"{head}-{spell_worded_date(expiry)}-{spell_strike(strike).replace('.', 'd')}-{right}"


def _joined(grammar: str, symbol: str, text: str) -> tuple[str, str]:
    for quote in _QUOTES:
        if text.endswith(quote) and len(text) > len(quote):
            return asset(grammar, symbol, text[: -len(quote)], "base"), quote
    raise fail(grammar, symbol, f"{text!r} does not end in a known quote currency ({', '.join(_QUOTES)})")


def _join(grammar: str, terms: Terms) -> str:
    text = terms.root + terms.quote
    if _joined(grammar, text, text) != (terms.root, terms.quote):
        raise fail(grammar, terms, f"{text!r} reads back as another pair")
    return text


def parse_bybit(symbol: str) -> Terms:
    """``BTC-5DEC26-100000-P-USDT`` (no suffix: USDC), ``BTCUSDT``, ``BTCUSD`` (coin), ``BTCPERP`` (USDC).

    Dated futures are ``BTC-26DEC25`` (USDC) and ``BTCUSDT-26DEC25``. Bybit names spot and linear perpetual
    alike; this grammar reads the derivative, ``bybit_spot`` the spot pair. Quarterly codes (``BTCUSDH26``) do
    not print their day and are refused.
    """
    head, *rest = symbol.split("-")
    if len(rest) >= 3:
        if len(rest) > 4:
            raise fail("bybit", symbol, "an option is BASE-date-strike-C|P, then perhaps -SETTLE")
        settle = asset("bybit", symbol, rest[3], "settle currency") if len(rest) == 4 else "USDC"
        base = asset("bybit", symbol, head, "base")
        return _option("bybit", symbol, (base, settle, settle), (rest[0], rest[1], rest[2]), worded=True)
    if len(rest) == 2:
        raise fail("bybit", symbol, "an option also has a right: BASE-date-strike-C|P")
    if rest:
        expiry = worded_date("bybit", symbol, rest[0])
        base, quote = _joined("bybit", symbol, head) if head.endswith("USDT") else (head, "USDC")
        return Terms("future", base, asset("bybit", symbol, base, "base"), quote, quote, expiry)
    if re.fullmatch(r"[A-Z0-9]+USD[FGHJKMNQUVXZ]\d{2}", symbol):
        raise fail("bybit", symbol, "a quarterly code does not print its day; look it up in the instruments")
    if head.endswith("PERP") and len(head) > 4:
        base = asset("bybit", symbol, head[:-4], "base")
        return Terms("perpetual", base, base, "USDC", "USDC")
    base, quote = _joined("bybit", symbol, head)
    return Terms("perpetual", base, base, quote, base if quote == "USD" else quote)


def render_bybit(terms: Terms) -> str:
    """Bybit's symbol of a derivative."""
    _crypto("bybit", terms)
    linear = terms.settle == terms.quote
    if terms.kind == "perpetual":
        _settled(
            "bybit",
            terms,
            linear or (terms.inverse and terms.quote == "USD"),
            "Bybit has linear, or USD in coin",
        )
        return f"{terms.root}PERP" if terms.quote == "USDC" else _join("bybit", terms)
    if terms.kind == "spot":
        raise fail("bybit", terms, "a spot pair; use the grammar bybit_spot")
    _settled("bybit", terms, linear, "Bybit's dated symbols with a day are linear")
    if terms.kind == "future":
        _settled("bybit", terms, terms.quote in ("USDC", "USDT"), "Bybit's dated futures are in USDC or USDT")
        head = terms.root if terms.quote == "USDC" else _join("bybit", terms)
        return f"{head}-{spell_worded_date(need_expiry('bybit', terms))}"
    expiry, strike, right = option_parts("bybit", terms)
    suffix = "" if terms.settle == "USDC" else f"-{terms.settle}"
    return f"{terms.root}-{spell_worded_date(expiry)}-{spell_strike(strike)}-{right}{suffix}"


def parse_okx(symbol: str) -> Terms:
    """``BTC-USD-261205-100000-P``, ``BTC-USDT-SWAP``, ``BTC-USD-261225``, ``BTC-USDT`` spot; quote USD settles in coin."""
    base, *rest = symbol.split("-")
    asset("okx", symbol, base, "base")
    if not rest:
        raise fail("okx", symbol, "no quote currency: BASE-QUOTE, then SWAP, YYMMDD or YYMMDD-strike-C|P")
    quote = asset("okx", symbol, rest[0], "quote")
    settle = base if quote == "USD" else quote
    match rest[1:]:
        case []:
            return Terms("spot", base, base, quote)
        case ["SWAP"]:
            return Terms("perpetual", base, base, quote, settle)
        case [date]:
            return Terms("future", base, base, quote, settle, compact_date("okx", symbol, date))
        case [date, strike, right]:
            return _option("okx", symbol, (base, quote, settle), (date, strike, right), worded=False)
    raise fail("okx", symbol, "after BASE-QUOTE comes SWAP, YYMMDD or YYMMDD-strike-C|P")


def render_okx(terms: Terms) -> str:
    """OKX's instId."""
    _crypto("okx", terms)
    pair = f"{terms.root}-{terms.quote}"
    if terms.kind == "spot":
        return pair
    coin = terms.quote == "USD"
    _settled(
        "okx",
        terms,
        terms.settle == (terms.root if coin else terms.quote),
        "OKX settles USD in coin, the rest linear",
    )
    if terms.kind == "perpetual":
        return f"{pair}-SWAP"
    if terms.kind == "future":
        return f"{pair}-{spell_compact_date(need_expiry('okx', terms))}"
    expiry, strike, right = option_parts("okx", terms)
    return f"{pair}-{spell_compact_date(expiry)}-{spell_strike(strike)}-{right}"


def parse_binance(symbol: str) -> Terms:
    """``BTC-261205-100000-P`` (USDT), ``BTCUSDT``, ``BTCUSDT_261225``, ``BTCUSD_PERP`` and ``BTCUSD_261225`` (coin).

    Binance names spot and linear perpetual alike; this grammar reads the derivative, ``binance_spot`` the pair.
    """
    if "-" in symbol:
        base, *rest = symbol.split("-")
        if len(rest) != 3:
            raise fail("binance", symbol, "an option is BASE-YYMMDD-strike-C|P")
        asset("binance", symbol, base, "base")
        return _option("binance", symbol, (base, "USDT", "USDT"), (rest[0], rest[1], rest[2]), worded=False)
    head, underscore, tail = symbol.partition("_")
    base, quote = _joined("binance", symbol, head)
    settle = base if quote == "USD" else quote
    if not underscore:
        if quote == "USD":
            raise fail("binance", symbol, "a coin-margined contract ends in _PERP or _YYMMDD")
        return Terms("perpetual", base, base, quote, settle)
    if tail == "PERP":
        if quote != "USD":
            raise fail("binance", symbol, "only coin-margined perpetuals end in _PERP")
        return Terms("perpetual", base, base, quote, settle)
    return Terms("future", base, base, quote, settle, compact_date("binance", symbol, tail))


def render_binance(terms: Terms) -> str:
    """Binance's symbol of a derivative."""
    _crypto("binance", terms)
    if terms.kind == "spot":
        raise fail("binance", terms, "a spot pair; use the grammar binance_spot")
    if terms.kind == "option":
        _settled("binance", terms, terms.settle == terms.quote == "USDT", "Binance's options are in USDT")
        expiry, strike, right = option_parts("binance", terms)
        return f"{terms.root}-{spell_compact_date(expiry)}-{spell_strike(strike)}-{right}"
    coin = terms.quote == "USD"
    _settled(
        "binance",
        terms,
        terms.settle == (terms.root if coin else terms.quote),
        "Binance settles USD in coin, the rest linear",
    )
    head = _join("binance", terms)
    if terms.kind == "perpetual":
        return f"{head}_PERP" if coin else head
    return f"{head}_{spell_compact_date(need_expiry('binance', terms))}"


def parse_joined_spot(symbol: str, grammar: str) -> Terms:
    """``BTCUSDT``: base and quote run together."""
    base, quote = _joined(grammar, symbol, symbol)
    return Terms("spot", base, base, quote)


def render_joined_spot(terms: Terms, grammar: str) -> str:
    """Base and quote run together."""
    _crypto(grammar, terms)
    if terms.kind != "spot":
        raise fail(grammar, terms, f"a {terms.kind}, not a spot pair")
    return _join(grammar, terms)
