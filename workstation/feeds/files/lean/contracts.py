"""The instruments of a LEAN zip: what the names of its members say about each contract.

US options are named by OSI symbol, crypto by ccxt's unified symbol, US equities and indices by ticker, futures by root,
month letter and year (``GCZ13``). An option of anything else is ``ES-200320-3000-C``, never an OSI symbol: its
multiplier, its expiry's time of day and, where LEAN names only the future's last trading day, its underlying are not
in the file and stay unknown. What is listed outside the US has its market before its name (``EUREX:SX5E``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from workstation.feeds.files.lean.layouts import OPTIONS
from workstation.feeds.files.lean.paths import LeanFile, calendar_day
from workstation.feeds.files.lean.zones import future_of_option
from workstation.market.errors import SymbolError
from workstation.market.symbology import underlying_of_root, unified
from workstation.market.symbology.terms import spell_strike

_OPTION = re.compile(
    r"(?:_(?P<style>american|european))?_(?P<right>call|put)_(?P<strike>\d+)_(?P<expiry>\d{8})"
)
_FUTURE = re.compile(r"_(?P<month>\d{6})(?:_(?P<expiry>\d{8}))?")
_KINDS = frozenset({"trade", "quote", "openinterest"})
_MONTHS = "FGHJKMNQUVXZ"
_CURRENCIES = frozenset(
    [
        "USD",
        "EUR",
        "GBP",
        "JPY",
        "CHF",
        "AUD",
        "CAD",
        "NZD",
        "HKD",
        "SGD",
        "CNH",
        "CNY",
        "SEK",
        "NOK",
        "DKK",
        "MXN",
        "ZAR",
        "TRY",
        "PLN",
        "CZK",
        "HUF",
        "THB",
        "INR",
        "XAG",
        "XAU",
    ]
)
_DOLLAR_COINS = frozenset({"USDT", "USDC", "BUSD", "FDUSD", "TUSD"})
_COIN_SETTLED = frozenset({"binance", "bybit"})
"""Markets whose USD perpetuals LEAN settles in the coin."""
_IN_CONTRACTS = "how many coins a contract of a coin-settled future is; sizes and volumes stay in contracts"


@dataclass(frozen=True)
class Contract:
    """An instrument's name, what LEAN says of it beyond the name, and what it leaves open.

    Attributes
    ----------
    name
        The workstation's name.
    terms
        Fields of the ``instruments`` table; empty when the name says it all.
    unknown
        In words, what neither name nor file tell; empty when nothing is missing.
    """

    name: str
    terms: dict[str, Any] = field(default_factory=dict)
    unknown: str = ""


def venue_of(file: LeanFile) -> str:
    """``venue`` of a file's rows: the market, OPRA for US options, empty for the consolidated US tapes."""
    if file.market != "usa":
        return file.market
    return "opra" if file.security in OPTIONS else ""


def contract_of(file: LeanFile, member: str) -> Contract:
    """The instrument whose rows a member holds.

    Parameters
    ----------
    file
        What the zip's path says.
    member
        Name of the CSV in the zip.

    Raises
    ------
    SymbolError
        The name does not say which contract it is, or says what cannot be.
    """
    name = member.rpartition("/")[2].lower()
    if not name.endswith(".csv"):
        raise SymbolError("a member that is no CSV")
    stem = name.removesuffix(".csv")
    said = _KINDS & set(stem.split("_"))
    if said and file.kind not in said:
        raise SymbolError(f"a member of {'/'.join(sorted(said))} in a zip of {file.kind}")
    if file.security in OPTIONS:
        return _option(file, stem)
    if file.security == "future":
        return _future(file, stem)
    if file.security == "cryptofuture":
        return _crypto_future(file, stem)
    return _plain(file)


def _plain(file: LeanFile) -> Contract:
    symbol = file.symbol.upper()
    if file.security == "crypto":
        return Contract(unified(symbol, "binance_spot"))
    if file.security in ("forex", "cfd"):
        split = len(symbol) > 3 and symbol[-3:] in _CURRENCIES
        return Contract(f"{symbol[:-3]}/{symbol[-3:]}" if split else _abroad(file, symbol))
    if file.market == "usa":
        return Contract(symbol)
    terms = {"kind": file.security, "underlying": symbol, "root": symbol}
    return Contract(_abroad(file, symbol), terms, "the currency of what is listed outside the US")


def _abroad(file: LeanFile, symbol: str) -> str:
    return symbol if file.market == "usa" else f"{file.market.upper()}:{symbol}"


def _option(file: LeanFile, stem: str) -> Contract:
    found = _OPTION.search(stem)
    if found is None or found.end() != len(stem):
        raise SymbolError("an option without _{style}_{call|put}_{strike}_{expiry} in its name")
    tokens = stem.split("_")
    ticker = (tokens[0] if file.midnight is None else tokens[1]).upper()
    right = found["right"][0].upper()
    expiry = calendar_day(found["expiry"])
    if expiry is None:
        raise SymbolError(f"an option whose expiry {found['expiry']} is no date")
    if int(found["strike"]) == 0:
        raise SymbolError("an option with strike 0")
    style = found["style"] or file.style
    if file.market == "usa" and file.security != "futureoption":
        return _listed_option(ticker, found["strike"], right, found["expiry"], style)
    strike = int(found["strike"]) / 10_000
    terms: dict[str, Any] = {
        "kind": "option",
        "root": ticker,
        "strike": strike,
        "right": right,
        "style": style,
    }
    name = f"{ticker}-{expiry:%y%m%d}-{spell_strike(strike)}-{right}"
    if file.security != "futureoption":
        unknown = "multiplier, currency and time of expiry of options listed outside the US"
        return Contract(_abroad(file, name), terms | {"underlying": ticker}, unknown)
    future = future_of_option().get(ticker.lower(), ticker.lower()).upper()
    if len(file.expiry) == 6:
        terms["underlying"] = _future_name(future, file.expiry)
        return Contract(name, terms, "multiplier and time of expiry of future options")
    return Contract(name, terms, "multiplier, underlying future and time of expiry of future options")


@lru_cache(maxsize=65_536)
def _listed_option(ticker: str, strike: str, right: str, expiry: str, style: str) -> Contract:
    if int(strike) % 10:
        raise SymbolError(f"an option whose strike {int(strike) / 10_000} is no whole thousandth")
    root = ticker.replace(".", "")
    name = unified(f"{root}{expiry[2:]}{right}{int(strike) // 10:08d}", "alpaca")
    if "." in ticker and underlying_of_root(root) != ticker:
        return Contract(name, {"kind": "option", "underlying": ticker, "root": root, "style": style})
    return Contract(name)


def _future(file: LeanFile, stem: str) -> Contract:
    found = _FUTURE.search(stem)
    if found is None or found.end() != len(stem):
        raise SymbolError("a future without its contract month _{YYYYMM} in its name")
    root = file.symbol.upper()
    name = _future_name(root, found["month"])
    terms = {"kind": "future", "underlying": root, "root": root}
    return Contract(name, terms, "multiplier and time of expiry of futures")


def _future_name(root: str, month: str) -> str:
    year, number = month[:4], int(month[4:])
    if not (1 <= number <= 12 and 1990 <= int(year) < 2100):
        raise SymbolError(f"a future whose contract month {month} is no month")
    return f"{root}{_MONTHS[number - 1]}{year[2:]}"


def _crypto_future(file: LeanFile, stem: str) -> Contract:
    pair = unified(file.symbol.upper(), "binance_spot")
    base, _, quote = pair.partition("/")
    if quote in _DOLLAR_COINS:
        settle = quote
    elif quote == "USD" and file.market in _COIN_SETTLED:
        settle = base
    else:
        raise SymbolError(f"a future of {pair} at {file.market}: in what it settles is not said")
    unknown = _IN_CONTRACTS if settle == base else ""
    if stem.endswith("_perp"):
        return Contract(f"{pair}:{settle}", unknown=unknown)
    found = _FUTURE.search(stem)
    expiry = calendar_day(found["expiry"] or "") if found and found.end() == len(stem) else None
    if expiry is None:
        raise SymbolError("a crypto future with neither perp nor its day of expiry in its name")
    return Contract(f"{pair}:{settle}-{expiry:%y%m%d}", unknown=unknown)
