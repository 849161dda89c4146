"""Every grammar reads back what it wrote."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.market.errors import SymbolError
from workstation.market.symbology import GRAMMARS, Terms, parse, render, underlying_of_root

dates = st.dates(dt.date(2013, 1, 1), dt.date(2099, 12, 31))
rights = st.sampled_from("CP")
bases = st.from_regex(r"[A-Z][A-Z0-9]{0,5}", fullmatch=True)
stables = st.sampled_from(["USDT", "USDC"])
strikes = st.one_of(
    st.integers(1, 500_000).map(float), st.integers(1, 10**7).map(lambda n: n / 10_000), st.floats(1e-6, 1e9)
)
listed_strikes = st.integers(1, 10**8 - 1).map(lambda thousandths: thousandths / 1000)
roots = st.from_regex(r"[A-Z]{1,5}[1-9]?", fullmatch=True)
tickers = st.from_regex(r"[A-Z]{1,6}(\.[A-Z]{1,3})?", fullmatch=True)


@st.composite
def crypto(
    draw: st.DrawFn, kinds: tuple[str, ...], coin: bool, linear: st.SearchStrategy[str] | None
) -> Terms:
    kind, base = draw(st.sampled_from(kinds)), draw(bases)
    linears = [] if linear is None else [(quote := draw(linear), quote)]
    quote, settle = draw(st.sampled_from([*([("USD", base)] if coin else []), *linears]))
    assume(base not in ("USD", quote))
    if kind == "spot":
        return Terms("spot", base, base, quote)
    expiry = None if kind == "perpetual" else draw(dates)
    if kind != "option":
        return Terms(kind, base, base, quote, settle, expiry)
    return Terms(kind, base, base, quote, settle, expiry, draw(strikes), draw(rights))


@st.composite
def us_option(draw: st.DrawFn) -> Terms:
    root = draw(roots)
    return Terms(
        "option",
        root,
        underlying_of_root(root),
        expiry=draw(dates),
        strike=draw(listed_strikes),
        right=draw(rights),
    )


equities = tickers.map(lambda ticker: parse(ticker))
EVERY = ("spot", "perpetual", "future", "option")
STRATEGIES = {
    "ccxt": crypto(EVERY, True, stables),
    "deribit": crypto(EVERY[1:], True, stables),
    "bybit": st.one_of(crypto(("perpetual",), True, stables), crypto(("future", "option"), False, stables)),
    "bybit_spot": crypto(("spot",), False, stables),
    "okx": crypto(EVERY, True, stables),
    "binance": st.one_of(
        crypto(("perpetual", "future"), True, stables), crypto(("option",), False, st.just("USDT"))
    ),
    "binance_spot": crypto(("spot",), False, stables),
    "osi": us_option(),
    "alpaca": st.one_of(us_option(), equities),
    "polygon": st.one_of(us_option(), equities),
    "iqfeed": st.one_of(us_option(), equities),
    "ticker": equities,
}


def test_every_grammar_has_a_strategy() -> None:
    assert set(STRATEGIES) == set(GRAMMARS)


@pytest.mark.parametrize("grammar", sorted(GRAMMARS))
@given(data=st.data())
@effort(80)
def test_terms_survive_writing_and_reading(grammar: str, data: st.DataObject) -> None:
    terms = data.draw(STRATEGIES[grammar])
    try:
        symbol = render(terms, grammar)
    except SymbolError as refusal:
        assert "reads back as another" in str(refusal)
        return
    assert parse(symbol, grammar) == terms
    assert parse(render(terms)) == terms


@pytest.mark.parametrize("grammar", sorted(GRAMMARS))
@given(text=st.text(st.sampled_from("ABCDPXUST0123456789-_/:. d"), min_size=1, max_size=24))
@effort(120)
def test_any_text_is_read_or_refused_with_a_symbol_error_and_what_is_read_is_written_back(
    grammar: str, text: str
) -> None:
    try:
        terms = parse(text, grammar)
    except SymbolError:
        return
    try:
        written = render(terms, grammar)
    except SymbolError as refusal:
        assert "reads back as another" in str(refusal) or "settled in" in str(refusal)
        return
    assert parse(written, grammar) == terms
