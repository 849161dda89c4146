"""Symbols of every grammar: published examples, errors that name the part, ccxt's own conventions."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from workstation.market.errors import SymbolError
from workstation.market.symbology import GRAMMARS, Terms, parse, render, unified, venue_symbol

SAME = [
    ("BTC/USD:BTC-261205-100000-P", {"deribit": "BTC-5DEC26-100000-P", "okx": "BTC-USD-261205-100000-P"}),
    (
        "BTC/USDT:USDT-261205-100000-P",
        {"bybit": "BTC-5DEC26-100000-P-USDT", "binance": "BTC-261205-100000-P"},
    ),
    (
        "BTC/USDC:USDC-261205-100000-P",
        {"bybit": "BTC-5DEC26-100000-P", "deribit": "BTC_USDC-5DEC26-100000-P"},
    ),
    ("XRP/USDC:USDC-261225-0.625-C", {"deribit": "XRP_USDC-25DEC26-0d625-C"}),
    (
        "BTC/USD:BTC",
        {"deribit": "BTC-PERPETUAL", "okx": "BTC-USD-SWAP", "bybit": "BTCUSD", "binance": "BTCUSD_PERP"},
    ),
    ("BTC/USDT:USDT", {"okx": "BTC-USDT-SWAP", "bybit": "BTCUSDT", "binance": "BTCUSDT"}),
    ("SOL/USDC:USDC", {"deribit": "SOL_USDC-PERPETUAL", "bybit": "SOLPERP"}),
    ("BTC/USD:BTC-260327", {"deribit": "BTC-27MAR26", "okx": "BTC-USD-260327", "binance": "BTCUSD_260327"}),
    (
        "BTC/USDT:USDT-260327",
        {"okx": "BTC-USDT-260327", "binance": "BTCUSDT_260327", "bybit": "BTCUSDT-27MAR26"},
    ),
    ("BTC/USDC:USDC-260327", {"bybit": "BTC-27MAR26", "deribit": "BTC_USDC-27MAR26"}),
    (
        "BTC/USDT",
        {"okx": "BTC-USDT", "bybit_spot": "BTCUSDT", "binance_spot": "BTCUSDT", "deribit": "BTC_USDT"},
    ),
    (
        "SPXW  261218C06000000",
        {
            "osi": "SPXW  261218C06000000",
            "alpaca": "SPXW261218C06000000",
            "polygon": "O:SPXW261218C06000000",
            "iqfeed": "SPXW2618L6000",
        },
    ),
    ("AAPL  140118P00502500", {"iqfeed": "AAPL1418M502.5", "alpaca": "AAPL140118P00502500"}),
    ("AAPL1 261218C00100000", {"iqfeed": "AAPL12618L100", "polygon": "O:AAPL1261218C00100000"}),
    ("AAPL", {"alpaca": "AAPL", "polygon": "AAPL", "iqfeed": "AAPL", "ticker": "AAPL"}),
    ("SPX", {"polygon": "I:SPX", "ticker": "SPX"}),
]


@pytest.mark.parametrize(
    ("name", "grammar", "symbol"),
    [(name, grammar, symbol) for name, row in SAME for grammar, symbol in row.items()],
)
def test_one_instrument_in_the_words_of_each_venue(name: str, grammar: str, symbol: str) -> None:
    assert unified(symbol, grammar) == name
    assert venue_symbol(name, grammar) == symbol
    assert render(parse(name)) == name


def test_terms_of_an_index_option_keep_root_and_underlying_apart() -> None:
    terms = parse("SPXW  261218C06000000")
    assert terms == Terms("option", "SPXW", "SPX", expiry=dt.date(2026, 12, 18), strike=6000.0, right="C")
    assert (terms.listed, terms.inverse) == (True, False)


def test_only_coin_settlement_is_inverse() -> None:
    assert parse("BTC/USD:BTC-261225-100000-C").inverse
    assert not parse("BTC/USDC:USDC-261225-100000-C").inverse
    assert not parse("BTC/USD").inverse


WRONG = [
    ("deribit", "BTC-05DEC26-100000-P", "leading zero"),
    ("deribit", "BTC-31FEB26-100000-P", "not a calendar date"),
    ("deribit", "BTC-5DEZ26-100000-P", "'5DEZ26' is not like 5DEC26"),
    ("deribit", "BTC-5DEC26-100000-X", "right 'X'"),
    ("deribit", "BTC-5DEC26-1e5-P", "strike '1e5'"),
    ("deribit", "XRP_USDC-5DEC26-0.625-P", "Deribit writes d"),
    ("deribit", "BTC-5DEC26-0-P", "strike '0'"),
    ("deribit", "BTC-FS-27MAR26_PERP", "combo (FS)"),
    ("deribit", "BTC-CS-27MAR26-90000_100000", "combo (CS)"),
    ("deribit", "BTC_USDC-PS-27MAR26-90000_100000", "combo (PS)"),
    ("deribit", "BTC-STRD-27MAR26-90000", "combo (STRD)"),
    ("deribit", "BTC-CSR12-16SEP22-21000_23000", "combo (CSR12)"),
    ("deribit", "BTC", "neither"),
    ("deribit", "btc-PERPETUAL", "base 'btc'"),
    ("deribit", "BTC-5DEC26-100000", "after the base"),
    ("bybit", "BTCUSDH26", "quarterly code"),
    ("bybit", "BTCXYZ", "known quote currency"),
    ("bybit", "BTC-5DEC26-100000", "right"),
    ("bybit", "BTC-5DEC26-100000-P-USDT-X", "BASE-date-strike"),
    ("okx", "BTC", "no quote currency"),
    ("okx", "BTC-USD-261305-100000-P", "not a calendar date"),
    ("okx", "BTC-USD-2612-100000-P", "'2612' is not YYMMDD"),
    ("okx", "BTC-USD-261205-100000-P-Q", "after BASE-QUOTE"),
    ("binance", "BTC-261205-100000", "BASE-YYMMDD-strike"),
    ("binance", "BTCUSD", "_PERP or _YYMMDD"),
    ("binance", "BTCUSDT_PERP", "coin-margined"),
    ("ccxt", "BTCUSD", "no '/'"),
    ("ccxt", "BTC/USD:BTC-261225-100000", "after the settle currency"),
    ("ccxt", "BTC/USD:btc", "settle currency 'btc'"),
    ("osi", "SPXW261218C06000000", "21 characters"),
    ("osi", "SPXW  261218C0600000x", "strike '0600000x'"),
    ("osi", "SPXW  261218X06000000", "right 'X'"),
    ("osi", "spxw  261218C06000000", "root 'spxw'"),
    ("osi", "SPXW  261318C06000000", "not a calendar date"),
    ("alpaca", "TOOLONGROOT261218C06000000", "root 'TOOLONGROOT'"),
    ("polygon", "O:SPXW", "after the root"),
    ("iqfeed", "SPXW2618Z6000", "month letter 'Z'"),
    ("iqfeed", "SPXW2618L6.0.0", "strike '6.0.0'"),
    ("iqfeed", "SPXW2632L6000", "not a calendar date"),
    ("ticker", "what is this", "a ticker is"),
]


@pytest.mark.parametrize(("grammar", "symbol", "part"), WRONG)
def test_an_error_names_grammar_symbol_and_part(grammar: str, symbol: str, part: str) -> None:
    with pytest.raises(SymbolError, match=re.escape(part)) as caught:
        parse(symbol, grammar)
    assert repr(symbol) in str(caught.value)
    assert str(caught.value).startswith(grammar)


UNWRITABLE = [
    ("SPXW  261218C06000000", "deribit", "not crypto"),
    ("BTC/USD:BTC-261225-100000-C", "osi", "not a US listing"),
    ("BTC/USD:BTC-261225-100000-C", "binance", "in USDT"),
    ("BTC/USD:BTC-261225-100000-C", "bybit", "linear"),
    ("BTC/USDT:USDC-261225-100000-C", "deribit", "settled in USDC"),
    ("BTC/USDT:BTC", "okx", "settled in BTC"),
    ("BTC/USDT", "bybit", "bybit_spot"),
    ("BTC/USDT", "binance", "binance_spot"),
    ("BTC/USDT:USDT", "binance_spot", "not a spot pair"),
    ("AAPL", "ccxt", "not crypto"),
    ("SPXW  261218C06000000", "ticker", "no plain ticker"),
]


@pytest.mark.parametrize(("name", "grammar", "part"), UNWRITABLE)
def test_what_a_venue_does_not_list_cannot_be_written(name: str, grammar: str, part: str) -> None:
    with pytest.raises(SymbolError, match=part):
        venue_symbol(name, grammar)


def test_a_pair_that_would_read_back_otherwise_is_refused() -> None:
    with pytest.raises(SymbolError, match="reads back as another pair"):
        render(Terms("spot", "XFD", "XFD", "USD"), "binance_spot")


def test_a_strike_finer_than_a_thousandth_or_too_large_has_no_osi() -> None:
    for strike in (0.0005, 100_000.0):
        with pytest.raises(SymbolError, match="does not fit 8 digits"):
            render(
                Terms("option", "SPX", "SPX", expiry=dt.date(2026, 12, 18), strike=strike, right="C"), "osi"
            )


@pytest.mark.parametrize(
    "terms", [Terms("option", "BTC", "BTC", "USD", "BTC"), Terms("option", "SPX", "SPX")]
)
def test_incomplete_terms_say_what_is_missing(terms: Terms) -> None:
    with pytest.raises(SymbolError, match="without expiry"):
        render(terms)


def test_an_unknown_grammar_lists_the_known() -> None:
    with pytest.raises(SymbolError, match="no grammar 'kraken'; known are ccxt, deribit"):
        parse("BTC-USD", "kraken")


@pytest.mark.parametrize("nothing", ["", None, 3])
def test_a_symbol_is_a_word(nothing: object) -> None:
    with pytest.raises(SymbolError, match="non-empty string"):
        parse(nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [
        ("deribit", "BTC-5DEC26-100000-P"),
        ("deribit", "BTC_USDC-15DEC26-100000-C"),
        ("bybit", "BTC-5DEC26-100000-P"),
        ("bybit", "BTC-5DEC26-100000-P-USDT"),
        ("okx", "BTC-USD-261205-100000-P"),
        ("binance", "BTC-261205-100000-P"),
    ],
)
def test_ccxt_itself_gives_the_same_unified_symbol(exchange: str, symbol: str) -> None:
    ccxt = pytest.importorskip("ccxt")
    market = getattr(ccxt, exchange)().create_expired_option_market(symbol)
    assert unified(symbol, exchange) == market["symbol"]
    assert parse(symbol, exchange).strike == market["strike"]
    assert parse(symbol, exchange).expiry == dt.date.fromisoformat(market["expiryDatetime"][:10])


@pytest.mark.recorded
def test_every_recorded_instrument_of_deribit_reads_as_its_own_terms(sample_data: Path) -> None:
    found = 0
    for path in sorted((sample_data / "crypto_options").rglob("*.json")):
        for row in _instruments(json.loads(path.read_text())):
            name = row["instrument_name"]
            terms = parse(name, "deribit")
            assert render(terms, "deribit") == name
            assert parse(render(terms)) == terms
            if row["kind"] == "option":
                assert terms.strike == row["strike"]
                assert terms.right == row["option_type"][0].upper()
            if terms.expiry is not None:
                assert (
                    terms.expiry
                    == dt.datetime.fromtimestamp(row["expiration_timestamp"] / 1000, dt.UTC).date()
                )
            found += 1
    if not found:
        pytest.skip("the recorded data holds no instrument list of Deribit")


def _instruments(content: object) -> list[dict[str, object]]:
    rows = content.get("result", []) if isinstance(content, dict) else content
    if not isinstance(rows, list):
        return []
    return [
        row
        for row in rows
        if isinstance(row, dict)
        and {"instrument_name", "expiration_timestamp", "kind"} <= row.keys()
        and row["kind"] in ("option", "future", "spot")
    ]


@pytest.mark.recorded
def test_every_osi_name_of_the_recorded_us_chain_reads_back(sample_data: Path) -> None:
    import gzip

    chain = json.loads(
        gzip.decompress(
            (sample_data / "us_options/cboe_json/cboe_options_chain_options_AAPL.json.gz").read_bytes()
        )
    )
    symbols = [row["option"] for row in chain["data"]["options"]]
    assert len(symbols) > 500
    for symbol in symbols:
        assert render(parse(symbol, "alpaca"), "alpaca") == symbol
        assert parse(unified(symbol, "alpaca")).underlying == "AAPL"


def test_every_grammar_is_covered_here() -> None:
    tried = {grammar for _, row in SAME for grammar in row} | {"ccxt"}
    assert tried == set(GRAMMARS)
