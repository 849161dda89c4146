"""One connection to TWS or IB Gateway by ib_async: contracts, tickers, and what its error codes mean."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from ib_async import IB, Contract, Index, Option, StartupFetchNONE, Stock

from workstation.feeds.ibkr.decode import State
from workstation.feeds.venue_kit.contract_selection import FAR
from workstation.market.errors import FeedError
from workstation.market.symbology import parse
from workstation.market.symbology.terms import INDEX_OF_ROOT

NOTICES = {
    10091: "part of the data needs a subscription of its own", 10167: "not subscribed: delayed data comes instead",
    2104: "", 2106: "", 2107: "", 2108: "", 2119: "", 2158: "",
}  # fmt: skip
"""Codes that precede data or tell that all is well: none ends anything. With words: told."""
REFUSED = {
    200: "no such contract", 354: "the account has no subscription to this data", 101: "more tickers than the account may have",
    10089: "the account has no subscription to this data", 10090: "the account has no subscription to this data",
    10186: "the account has no subscription to this data", 10197: "another session of this user takes the data: close it",
}  # fmt: skip
NO_CONTRACT, CLIENT_TAKEN = 200, 326
LOST, RESTORED_EMPTY, RESTORED_WHOLE = 1100, 1101, 1102
_GENERIC = {"OPT": "100,101,106", "STK": "", "IND": ""}
_INDEX_EXCHANGES = {
    "SPX": "CBOE",
    "VIX": "CBOE",
    "XSP": "CBOE",
    "NDX": "NASDAQ",
    "RUT": "RUSSELL",
    "DJX": "CBOE",
}

Told = Callable[[int, str, str], None]


class Session:
    """One connection.

    Parameters
    ----------
    on_state
        Takes a symbol, a state as JSON and the time it was seen; must not raise.
    on_error
        Takes code, words and the symbol it is about (empty: the connection); must not raise.
    on_lost
        Called once, with the reason, when the connection is gone.
    """

    def __init__(
        self, *, on_state: Callable[[str, bytes, int], None], on_error: Told, on_lost: Callable[[str], None]
    ) -> None:
        self._on_state, self._on_error, self._on_lost = on_state, on_error, on_lost
        self._ib = IB()
        self._ib.RequestTimeout = 0
        self._ib.errorEvent += self._error
        self._ib.disconnectedEvent += lambda: self._gone("TWS or IB Gateway closed the connection")
        self._ib.pendingTickersEvent += self._ticked
        self._contracts: dict[str, Contract] = {}
        self._symbols: dict[int, str] = {}
        self._heard_ns, self._shut = 0, False
        self._refused: dict[int, str] = {}
        self._watch: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int, client_id: int, timeout_s: float, keepalive_s: float) -> None:
        """Connect, to read only. Raises ``FeedError``, fatal when the client id is taken."""
        try:
            await self._ib.connectAsync(
                host, port, clientId=client_id, timeout=timeout_s, readonly=True, fetchFields=StartupFetchNONE
            )
        except (OSError, TimeoutError) as error:
            await self.shut()
            if CLIENT_TAKEN in self._refused:
                raise FeedError(
                    f"ibkr: client_id {client_id} is in use: choose another in feed_options.ibkr", fatal=True
                ) from error
            raise FeedError(
                f"ibkr: {host}:{port}: {error or type(error).__name__}; is TWS or IB Gateway running, and its API socket enabled?"
            ) from error
        self._heard_ns = time.monotonic_ns()
        self._watch = asyncio.create_task(self._watched(keepalive_s))

    async def server_ms(self) -> int:
        """IB's time, ms of UTC, to the second. Raises ``FeedError``."""
        try:
            told = await self._ib.reqCurrentTimeAsync()
        except (OSError, ConnectionError) as error:
            raise FeedError(f"ibkr: the time was not answered: {error}") from error
        return round(told.timestamp() * 1000)

    def data_type(self, number: int) -> None:
        """1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""
        self._ib.reqMarketDataType(number)

    # -- contracts ----------------------------------------------------------------------------------------

    async def underlying(self, name: str) -> Contract:
        """The stock or index of a name, qualified. Raises ``FeedError``."""
        asked = (
            Index(name, _INDEX_EXCHANGES.get(name, "CBOE"), "USD")
            if INDEX_OF_ROOT.get(name) == name
            else Stock(name, "SMART", "USD")
        )
        found = (await self._ib.qualifyContractsAsync(asked))[0]
        if not isinstance(found, Contract):
            raise FeedError(f"ibkr: {name} is no stock or index that IB knows by SMART", fatal=True)
        self._remember(name, found)
        return found

    async def options_of(self, contract: Contract, spot: float, last: dt.date) -> dict[str, float]:
        """OSI symbols that may be listed on an underlying, with their multiplier: strikes around ``spot`` of expiries up to ``last``.

        IB names expiries and strikes of a class, not which strike is listed for which expiry: ``qualified`` tells.
        """
        chains = await self._ib.reqSecDefOptParamsAsync(contract.symbol, "", contract.secType, contract.conId)
        found: dict[str, float] = {}
        for chain in chains:
            if chain.exchange not in ("SMART", "CBOE"):
                continue
            dates = sorted(chain.expirations)
            dates = [date for date in dates if date <= f"{last:%Y%m%d}"] or dates[:1]
            strikes = [strike for strike in chain.strikes if abs(strike / spot - 1.0) <= FAR]
            for date, strike, right in itertools.product(dates, strikes, "CP"):
                symbol = f"{chain.tradingClass:<6}{date[2:]}{right}{round(strike * 1000):08d}"
                found[symbol] = float(chain.multiplier or "nan")
        return found

    async def qualified(self, symbols: Sequence[str]) -> list[str]:
        """Of OSI symbols those that IB lists; they can be watched from here on."""
        asked = []
        for symbol in symbols:
            terms = parse(symbol)
            date = f"{terms.expiry:%Y%m%d}"
            option = Option(terms.underlying, date, terms.strike or 0.0, terms.right, "SMART", currency="USD")
            option.tradingClass = terms.root
            asked.append(option)
        found = await self._ib.qualifyContractsAsync(*asked) if asked else []
        kept = []
        for symbol, contract in zip(symbols, found, strict=True):
            if isinstance(contract, Contract):
                self._remember(symbol, contract)
                kept.append(symbol)
        return kept

    def _remember(self, symbol: str, contract: Contract) -> None:
        self._contracts[symbol] = contract
        self._symbols[contract.conId] = symbol

    # -- tickers ------------------------------------------------------------------------------------------

    def knows(self, symbol: str) -> bool:
        """Whether a symbol was qualified."""
        return symbol in self._contracts

    async def watch(self, symbols: Sequence[str], settle_s: float) -> dict[str, str]:
        """Ask for tickers; the reason of each one that was refused within ``settle_s``."""
        self._refused.clear()
        for symbol in symbols:
            contract = self._contracts[symbol]
            self._ib.reqMktData(contract, _GENERIC.get(contract.secType, ""))
        await asyncio.sleep(settle_s)
        return {
            symbol: self._refused[self._contracts[symbol].conId]
            for symbol in symbols
            if self._contracts[symbol].conId in self._refused
        }

    async def price(self, symbol: str, timeout_s: float) -> float:
        """The middle of a ticker, else its last or yesterday's price; NaN where none comes in time."""
        ticker = self._ib.reqMktData(self._contracts[symbol], "")
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = [each for each in (ticker.midpoint(), ticker.last, ticker.close) if each and each > 0]
            if found or self._contracts[symbol].conId in self._refused:
                break
            await asyncio.sleep(0.02)
        self._ib.cancelMktData(self._contracts[symbol])
        return float(found[0]) if found else math.nan

    def again(self) -> None:
        """Ask for every ticker anew, after IB lost them."""
        for ticker in self._ib.tickers():
            contract = ticker.contract
            if contract is not None:
                self._ib.cancelMktData(contract)
                self._ib.reqMktData(contract, _GENERIC.get(contract.secType, ""))

    def _ticked(self, tickers: Iterable[Any]) -> None:
        self._heard_ns = time.monotonic_ns()
        seen_ns = time.time_ns()
        for ticker in tickers:
            symbol = self._symbols.get(ticker.contract.conId, "")
            if symbol:
                self._on_state(symbol, msgspec.json.encode(state_of(symbol, ticker, seen_ns)), seen_ns)

    def _error(self, _: int, code: int, text: str, contract: Contract | None) -> None:
        symbol = self._symbols.get(contract.conId, "") if contract is not None else ""
        if code == CLIENT_TAKEN:
            self._refused[CLIENT_TAKEN] = text
        if code in REFUSED and contract is not None:
            self._refused[contract.conId] = f"{code}: {REFUSED[code]} ({text})"
        if code != NO_CONTRACT or symbol:  # of contracts that were only asked about, `qualified` tells
            self._on_error(code, text, symbol)

    # -- life ---------------------------------------------------------------------------------------------

    def heard_ns(self) -> int:
        """When the last packet with a tick or an answer came, by the monotonic clock."""
        return self._heard_ns

    async def _watched(self, keepalive_s: float) -> None:
        while keepalive_s > 0:
            await asyncio.sleep(keepalive_s)
            try:
                await asyncio.wait_for(self.server_ms(), 2 * keepalive_s)
            except (TimeoutError, FeedError):
                self._gone(f"silent: the time was not answered within {2 * keepalive_s:g} s")
                return
            self._heard_ns = time.monotonic_ns()

    def _gone(self, reason: str) -> None:
        if not self._shut:
            self._shut = True
            self._on_lost(reason)

    async def shut(self) -> None:
        """Close the connection; may be called more than once."""
        self._shut = True
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])
        self._ib.disconnect()


def state_of(symbol: str, ticker: Any, time_ns: int) -> State:
    """What a ticker holds now: its lists and values change with the next packet."""
    greeks = ticker.modelGreeks
    right = ticker.contract.right
    interest = {"C": ticker.callOpenInterest, "P": ticker.putOpenInterest}.get(right[:1])
    volume = ticker.volume
    return State(
        symbol, time_ns, _told(ticker.bid), _told(ticker.bidSize), _told(ticker.ask), _told(ticker.askSize), _told(ticker.last),
        _told(volume), _told(interest), _told(greeks and greeks.optPrice), _told(greeks and greeks.impliedVol),
        _told(ticker.bidGreeks and ticker.bidGreeks.impliedVol), _told(ticker.askGreeks and ticker.askGreeks.impliedVol),
        _greek(greeks and greeks.delta), _greek(greeks and greeks.gamma), _greek(greeks and greeks.vega),
        _greek(greeks and greeks.theta), _told(greeks and greeks.undPrice),
    )  # fmt: skip


def _told(value: Any) -> float | None:
    """A number that is none when IB writes -1 or the client has none yet."""
    return (
        None if value is None or value != value or not math.isfinite(value) or value == -1 else float(value)
    )


def _greek(value: Any) -> float | None:
    """A greek that is none when IB writes -2; of vega and theta the client lets it through."""
    return None if value is None or value != value or value == -2 else float(value)
