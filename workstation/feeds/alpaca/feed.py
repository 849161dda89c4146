"""Alpaca as a feed."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import SecretStr

from workstation.feeds.alpaca import decode as answers
from workstation.feeds.alpaca.channels import (
    ALL,
    STREAMS,
    is_print,
    middles,
    parts,
    prints_of,
    rfc3339,
    unfit,
)
from workstation.feeds.alpaca.decode import decode
from workstation.feeds.alpaca.rest import Rest
from workstation.feeds.alpaca.rows import SYMBOLS
from workstation.feeds.alpaca.seen_prints import Key, SeenPrints, keys_of, reduced
from workstation.feeds.alpaca.wire import KINDS, Wire, prints_in
from workstation.feeds.feed import Capabilities, Gap, Reached
from workstation.feeds.venue_kit.contract_selection import MOST, selected
from workstation.feeds.venue_kit.frame_queue import FrameQueue, RawFrame
from workstation.feeds.venue_kit.health_rows import Row
from workstation.feeds.venue_kit.public_feed import PublicFeed, base_urls, each_ended
from workstation.feeds.venue_kit.secrets import secret as as_secret
from workstation.feeds.venue_kit.venue_clock import reached
from workstation.market.errors import FeedError
from workstation.market.instants import SECOND_NS

OPTION_FEEDS, STOCK_FEEDS = ("opra", "indicative"), ("sip", "iex", "delayed_sip")
_PAPER, _LIVE = "https://paper-api.alpaca.markets", "https://api.alpaca.markets"
_DATA, _STREAM = "https://data.alpaca.markets", "wss://stream.data.alpaca.markets"
_PAGE = {"contracts": 10_000, "snapshots": 1_000, "trades": 10_000}
_SYMBOLS_AT_ONCE = 100
AUDITED = 500
"""Symbols whose prints are compared with REST; the channel of all options is not."""
_TABLES = frozenset({"frames", "trades", "quotes", "marks", "instruments", "health"})
_NOTES = (
    "Not tried on the live venue: written after its documentation and its own client (alpaca-py 0.44), and tested against a local "
    "server. Options' prints carry no id and no sequence: every audit_s those of REST are compared with those that came. The venue "
    "sends no mark: chains are priced from quotes and open interest, its own implied vols are kept raw. Quotes are bounded "
    "(max_quotes, nearest expiries and strikes). The free plan's indicative options are delayed and altered by the venue."
)


class Alpaca(PublicFeed[Rest]):
    """US options and stocks of Alpaca: prints and best quotes live, contracts with open interest and chains by REST.

    Channels are ``stream/kind.SYMBOL``: ``option/trades.SPY261218C00600000``, ``option/quotes.SPY261218C00600000``,
    ``stock/trades.SPY``; ``option/trades.*`` is every option's print.

    Parameters
    ----------
    api_key, secret
        Of the account; read rights are enough. They are shown nowhere.
    underlyings
        Whose contracts are listed and quoted.
    option_feed
        ``opra`` (Algo Trader Plus) or ``indicative`` (free).
    stock_feed
        ``sip`` (Algo Trader Plus), ``iex`` (free) or ``delayed_sip``.
    prints
        Options whose prints are asked for: ``selected`` those that are quoted, ``listed`` all of the underlyings, ``all`` of the tape.
    max_quotes
        Contracts quoted at most, of all underlyings together.
    listed_days
        Expiries further away are not listed.
    paper
        Whether the keys are of a paper account; a live one's address differs.
    urls
        ``{"data": ..., "trading": ..., "stream": ...}``, for a local server.
    audit_s, audit_lag_s
        How often prints are compared with REST (0: never), and how old they must be for it.
    keepalive_s, timeout_s, capacity, pace_s
        Pings, the limit of each answer, frames that may wait, and how long they gather.

    Raises
    ------
    FeedError
        From ``batches`` when a stream is lost, from the rest when the venue refuses; ``fatal`` for refused keys (402, 401), a missing
        entitlement (409, 403) and another session on the stream (406).

    Notes
    -----
    Open interest is dated by the venue's ``open_interest_date`` at 0:00 UTC. Sizes of options are contracts of ``size`` shares, of
    stocks shares. Not tried on the live venue: see ``capabilities.notes``. Of the wire it assumes, from the documentation: times of the
    streams as msgpack timestamps, a stock's print numbered per exchange and day, sizes of stock quotes in shares, whether
    ``open_interest_date`` is the day of the close or of the publication, past option prints without a choice of feed.

    Examples
    --------
    >>> feed = Alpaca(api_key="k-12345", secret="s-12345", underlyings=("SPY",))
    >>> feed.name, feed.capabilities.backfill, "12345" in repr(vars(feed))
    ('alpaca', True, False)
    """

    name = "alpaca"
    capabilities = Capabilities(tables=_TABLES, backfill=True, notes=_NOTES)

    def __init__(
        self,
        underlyings: Sequence[str] = ("SPY", "NVDA", "AAPL"),
        *,
        api_key: str | SecretStr = "",
        secret: str | SecretStr = "",
        option_feed: str = "indicative",
        stock_feed: str = "iex",
        prints: str = "selected",
        max_quotes: int = MOST,
        listed_days: int = 60,
        paper: bool = True,
        urls: Mapping[str, str] | None = None,
        audit_s: float = 60.0,
        audit_lag_s: float = 5.0,
        keepalive_s: float = 10.0,
        timeout_s: float = 10.0,
        capacity: int = 20_000,
        pace_s: float = 0.02,
    ) -> None:
        _check("option_feed", option_feed, OPTION_FEEDS)
        _check("stock_feed", stock_feed, STOCK_FEEDS)
        _check("prints", prints, ("selected", "listed", "all"))
        self._underlyings, self._prints = tuple(underlyings), prints
        self._api_key, self._secret = as_secret(api_key), as_secret(secret)
        self._feeds = {"option": option_feed, "stock": stock_feed}
        self._max_quotes, self._listed_days = max_quotes, listed_days
        self._audit_s, self._lag_ns = audit_s, round(audit_lag_s * SECOND_NS)
        self._keepalive_s, self._capacity = keepalive_s, capacity
        own = base_urls(urls, {"data": _DATA, "trading": _PAPER if paper else _LIVE, "stream": _STREAM})
        self._streams = {
            "option": f"{own['stream']}/v1beta1/{option_feed}",
            "stock": f"{own['stream']}/v2/{stock_feed}",
        }
        calls = Rest(own["data"], own["trading"], key=self._api_key, secret=self._secret, timeout_s=timeout_s)
        super().__init__(
            calls, decode, is_print=is_print, prints_in=prints_in, capacity=capacity, pace_s=pace_s, timeout_s=timeout_s
        )  # fmt: skip
        self._held: dict[str, float] = {}
        assert isinstance(self._queue, FrameQueue)
        self._frames: FrameQueue = self._queue
        self._seen, self._audited = SeenPrints(), np.zeros(0, dtype=np.int32)
        self._whole_ns, self._mended = 0, (0, 0)
        self._spots: dict[str, float] = {}
        self._audits: list[asyncio.Task[None]] = []

    # -- life ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Make ready; a stream opens with its first channel. Raises ``FeedError``, fatal without keys."""
        if not (self._api_key.get_secret_value() and self._secret.get_secret_value()):
            raise FeedError("alpaca: api_key and secret are missing; a free account has them", fatal=True)
        await super().connect()

    def _opened(self, on_lost: Callable[[str], None]) -> Wire:
        return Wire(
            self._streams, key=self._api_key, secret=self._secret, on_frame=self._put,
            crowded=lambda: len(self._queue) >= self._capacity, on_lost=on_lost, keepalive_s=self._keepalive_s,
            last_held=self._held,
        )  # fmt: skip

    async def close(self) -> None:
        """Close streams and sessions; may be called at any time, more than once."""
        audits, self._audits = self._audits, []
        await each_ended(audits)
        await super().close()

    async def reach(self) -> list[Reached]:
        """Whether the venue answers, clocks agree, the keys are taken, and the feeds asked for are the account's."""
        if not (self._api_key.get_secret_value() and self._secret.get_secret_value()):
            return [
                Reached(self.name, False, "api_key and secret are missing: set them in feed_options.alpaca")
            ]
        found = [await reached(self.name, self._rest.server_ms)]
        first = self._underlyings[0]
        for stream, path, asked in (
            ("option", f"{answers.OPTION_SNAPSHOTS}/{first}", {"limit": 1}),
            ("stock", answers.STOCK_SNAPSHOTS, {"symbols": first}),
        ):
            what = f"{self.name} {self._feeds[stream]}"
            try:
                await self._rest.get(path, feed=self._feeds[stream], **asked)
                found.append(Reached(what, True, f"{stream}s of {first} are given"))
            except FeedError as error:
                found.append(Reached(what, False, str(error)))
        await self._rest.close()
        return found

    # -- what to ask for ----------------------------------------------------------------------------------

    async def _list(self) -> list[RawFrame]:
        stocks = await self._rest.get(
            answers.STOCK_SNAPSHOTS, symbols=",".join(self._underlyings), feed=self._feeds["stock"]
        )
        today = dt.datetime.now(dt.UTC).date()
        last = today + dt.timedelta(days=self._listed_days)
        found = [stocks]
        for name in self._underlyings:
            asked = {
                "underlying_symbols": name, "status": "active", "limit": _PAGE["contracts"],
                "expiration_date_gte": today - dt.timedelta(days=1), "expiration_date_lte": last,
            }  # fmt: skip
            found += [page async for page in self._rest.pages(answers.CONTRACTS, **asked)]
        self._spots = middles(decode(self._health.frames([stocks])))
        return found

    def _default_channels(self) -> list[str]:
        rows = self._instruments
        option = (rows["kind"].astype("str") == "option").to_numpy()
        stocks = rows["venue_symbol"][~option].tolist()
        chosen = selected(rows, self._spots, time.time_ns(), most=self._max_quotes)
        printed = {"selected": chosen, "listed": rows["venue_symbol"][option].tolist(), "all": [ALL]}[
            self._prints
        ]
        channels = [f"stock/{kind}.{symbol}" for symbol in stocks for kind in KINDS]
        return (
            channels
            + [f"option/trades.{each}" for each in printed]
            + [f"option/quotes.{each}" for each in chosen]
        )

    async def _ask_for(self, channels: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        wire = self._connected
        assert isinstance(wire, Wire)
        if not self._listed and not len(self._instruments):
            await self.instruments()
        known = set(self._instruments["venue_symbol"].tolist())
        wanted: dict[tuple[str, str], list[str]] = {}
        granted: list[str] = []
        refused: dict[str, str] = {}
        for channel in channels:
            reason = unfit(channel, known)
            if reason:
                refused[channel] = reason
                continue
            stream, kind, symbol = parts(channel)
            wanted.setdefault((stream, kind), []).append(symbol)
        for (stream, kind), symbols in wanted.items():
            took, left = await wire.subscribe_to(stream, kind, symbols, self._timeout_s)
            granted += [f"{stream}/{kind}.{symbol}" for symbol in took]
            refused |= {f"{stream}/{kind}.{symbol}": reason for symbol, reason in left.items()}
        self._watch(granted)
        return granted, refused

    def _watch(self, granted: Sequence[str]) -> None:
        """Remember from now on the prints of these channels, and compare them with REST."""
        symbols = [symbol for _, kind, symbol in map(parts, granted) if kind == "trades" and symbol != ALL]
        self._audited = SYMBOLS.code[SYMBOLS.ids(symbols)] if symbols else np.zeros(0, dtype=np.int32)
        self._whole_ns = self._whole_ns or time.time_ns()
        if self._audit_s > 0 and symbols:
            self._audits.append(asyncio.create_task(self._audit(granted)))

    async def _state(self) -> list[RawFrame]:
        found = []
        last = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=self._listed_days)
        for name in self._underlyings:
            asked: dict[str, Any] = {
                "feed": self._feeds["option"], "limit": _PAGE["snapshots"], "expiration_date_lte": last,
            }  # fmt: skip
            if name in self._spots:
                asked |= {
                    "strike_price_gte": round(self._spots[name] * 0.8, 2),
                    "strike_price_lte": round(self._spots[name] * 1.2, 2),
                }
            found += [page async for page in self._rest.pages(f"{answers.OPTION_SNAPSHOTS}/{name}", **asked)]
        return found

    # -- prints that did not come -------------------------------------------------------------------------

    async def _missed(self, gap: Gap) -> tuple[list[RawFrame], int]:
        window = (gap.start_ns, gap.end_ns)
        # after a lost connection every channel is asked for: the first question brings the prints of all
        if not gap.instrument and window == self._mended:
            return [], 0
        channels = [gap.channel] if gap.instrument and gap.channel else self._accepted
        # what the venue may not know yet is left to the audit, where there is one
        end_ns = min(gap.end_ns + 2 * SECOND_NS, time.time_ns() - (self._lag_ns if self._audits else 0))
        found = []
        for answer, keys in await self._others(channels, gap.start_ns, end_ns):
            if keys:
                self._seen.take(keys)
                found.append(answer)
        if not gap.instrument:
            self._mended = window
        return found, 0

    async def _others(
        self, channels: Sequence[str], start_ns: int, end_ns: int
    ) -> list[tuple[RawFrame, list[Key]]]:
        """Answers less the prints that came: of those that wait to be read too. Raises ``FeedError``."""
        answers = await self._past(channels, start_ns, end_ns) if start_ns < end_ns else []
        raw = self._frames.waiting_prints()
        waiting: list[Key] = []
        for batch in decode(self._health.frames(raw)) if raw and answers else []:
            if batch.table == "trades":
                waiting += keys_of(batch.frame)
        return [reduced(answer, self._seen, waiting) for answer in answers]

    async def _past(self, channels: Sequence[str], start_ns: int, end_ns: int) -> list[RawFrame]:
        """Prints of channels between two instants, as REST knows them. Raises ``FeedError``."""
        found: list[RawFrame] = []
        for stream, path in STREAMS.items():
            symbols = [
                symbol for each, kind, symbol in map(parts, channels) if (each, kind) == (stream, "trades") and symbol != ALL
            ]  # fmt: skip
            feed = {"feed": self._feeds["stock"]} if stream == "stock" else {}
            for at in range(0, min(len(symbols), AUDITED), _SYMBOLS_AT_ONCE):
                part = ",".join(symbols[at : at + _SYMBOLS_AT_ONCE])
                asked = {
                    "symbols": part,
                    "start": rfc3339(start_ns),
                    "end": rfc3339(end_ns),
                    "limit": _PAGE["trades"],
                    **feed,
                }
                found += [page async for page in self._rest.pages(path, **asked)]
        return found

    def _heed(self, trades: pd.DataFrame) -> list[Row]:
        codes: Any = trades["instrument"].array
        mine = np.isin(codes.codes, self._audited)
        if mine.any():
            self._seen.take(keys_of(trades if mine.all() else trades[mine]))
        return []

    async def _audit(self, channels: Sequence[str]) -> None:
        """Compare prints with REST now and then; those that were not pushed open a gap."""
        while True:
            await asyncio.sleep(self._audit_s)
            until_ns = time.time_ns() - self._lag_ns
            try:
                left = await self._others(channels, self._whole_ns, until_ns)
            except FeedError as error:
                row = self._health.row("refused", time_ns=time.time_ns(), channel="audit", detail=str(error))
                self._tell(row)
                if error.fatal:
                    return
                continue
            for page, keys in left:
                self._announce(page, keys)
            self._whole_ns = max(self._whole_ns, until_ns)

    def _announce(self, page: RawFrame, keys: list[Key]) -> None:
        """One gap per symbol whose prints are missing."""
        by_name: dict[str, list[int]] = {}
        for name, milliseconds, *_ in keys:
            by_name.setdefault(name, []).append(milliseconds * 1_000_000)
        for name, times in by_name.items():
            gap = Gap(prints_of(name), name, 0, 0, min(times), max(times) + 1_000_000)
            self._gaps.append(gap)
            self._tell(self._health.gap(gap, page.seen_ns, lost=len(times)))

    def _tell(self, row: Row) -> None:
        self._told.append(row)
        self._queue.wake()


def _check(name: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, got {given!r}")
