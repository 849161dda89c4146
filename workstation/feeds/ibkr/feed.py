"""Interactive Brokers as a feed."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch, Capabilities, Reached, Subscription
from workstation.feeds.ibkr.decode import decode
from workstation.feeds.ibkr.session import LOST, NOTICES, REFUSED, RESTORED_EMPTY, RESTORED_WHOLE, Session
from workstation.feeds.venue_kit.contract_selection import DAYS, selected
from workstation.feeds.venue_kit.frame_queue import Drained, FrameQueue
from workstation.feeds.venue_kit.health_rows import Row
from workstation.feeds.venue_kit.socket_feed import SocketFeed
from workstation.feeds.venue_kit.venue_clock import reached
from workstation.market.errors import FeedError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import table

_TABLES = frozenset({"frames", "quotes", "marks", "instruments", "health"})
_NOTES = (
    "No tape: IB gives snapshots of quotes about every 100 ms (250 ms of stocks) and no print of an option, so that prints between two "
    "are not seen, and there is no flow to read from it. Not tried on the live venue: tested through ib_async against a local stand-in of "
    "the TWS socket. Times are those of arrival: ticks carry none. Open interest comes without its date. Greeks are IB's model. The "
    "number of tickers is bounded by the account (100 by default)."
)
CHANNEL = "ticks."


class IBKR(SocketFeed[Session]):
    """US options, stocks and indices of Interactive Brokers: quotes, open interest and model greeks; no tape.

    Channels are ``ticks.SYMBOL``: an OSI symbol (IB's local one) or a ticker.

    Parameters
    ----------
    underlyings
        Stocks or indices whose options near the money are watched.
    host, port
        Of TWS (7497 paper, 7496 live) or IB Gateway (4002 paper, 4001 live).
    client_id
        Unique among what is connected to the same TWS.
    max_tickers
        Contracts watched at most, underlyings among them.
    market_data_type
        1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
    settle_s
        How long refusals of tickers are waited for.
    keepalive_s
        How often IB's time is asked for; unanswered for twice as long, the connection is given up.
    timeout_s, capacity, pace_s
        The limit of each answer, states that may wait, and how long they gather.

    Raises
    ------
    FeedError
        From ``batches`` when the connection is lost, from the rest when IB refuses; ``fatal`` for a client id in use.

    Notes
    -----
    The session is read-only: it can place no order. A state is conflated per contract under a slow consumer. Error 1100 is told; after 1101
    every ticker is asked for anew, after 1102 they go on. Codes 10091 and 10167 precede data and are told as notices.
    Not tried on the live venue: see ``capabilities.notes``. Assumed from the documentation: open interest of an option in ticks 27 and 28
    by its right, vega per vol point, theta a day.

    Examples
    --------
    >>> feed = IBKR(underlyings=("SPY",))
    >>> feed.name, "No tape" in feed.capabilities.notes, "trades" in feed.capabilities.tables
    ('ibkr', True, False)
    """

    name = "ibkr"
    capabilities = Capabilities(tables=_TABLES, notes=_NOTES)

    def __init__(
        self,
        underlyings: Sequence[str] = ("SPY",),
        *,
        host: str = "127.0.0.1",
        port: int = 7497,
        client_id: int = 17,
        max_tickers: int = 90,
        market_data_type: int = 1,
        settle_s: float = 1.0,
        keepalive_s: float = 10.0,
        timeout_s: float = 20.0,
        capacity: int = 20_000,
        pace_s: float = 0.05,
    ) -> None:
        if market_data_type not in (1, 2, 3, 4):
            raise ValueError(f"market_data_type is 1 to 4, got {market_data_type}")
        self._underlyings, self._max_tickers = tuple(underlyings), max_tickers
        self._where, self._client_id, self._data_type = (host, port), client_id, market_data_type
        self._settle_s, self._keepalive_s, self._timeout_s = settle_s, keepalive_s, timeout_s
        queue = FrameQueue(capacity, is_print=lambda channel: False, prints_in=lambda payload: 0)
        super().__init__(queue, pace_s)
        self._put = queue.put
        self._told: list[Row] = []
        self._symbols: list[str] = []
        self._lost_ns = 0

    # -- life ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect to TWS or IB Gateway. Raises ``FeedError``."""
        await self.close()
        session = self._adopt(self._session)
        await session.open(*self._where, self._client_id, self._timeout_s, self._keepalive_s)
        session.data_type(self._data_type)

    def _session(self, lost: Callable[[str], None]) -> Session:
        def on_state(symbol: str, payload: bytes, seen_ns: int) -> None:
            self._put(f"{CHANNEL}{symbol}", payload, seen_ns)

        return Session(on_state=on_state, on_error=self._error, on_lost=lost)

    async def reach(self) -> list[Reached]:
        """Whether TWS answers, its clock agrees, and the data of the first underlying are the account's."""
        session = Session(on_state=lambda *_: None, on_error=lambda *_: None, on_lost=lambda _: None)
        try:
            await session.open(*self._where, self._client_id, self._timeout_s, 0.0)
            found = [await reached(self.name, session.server_ms)]
            session.data_type(self._data_type)
            first = self._underlyings[0]
            await session.underlying(first)
            refused = await session.watch([first], self._settle_s)
            found.append(
                Reached(
                    f"{self.name} {first}", not refused, refused.get(first, "its quotes are the account's")
                )
            )
            return found
        except FeedError as error:
            return [Reached(self.name, False, str(error))]
        finally:
            await session.shut()

    async def instruments(self) -> pd.DataFrame:
        """Rows of ``instruments``: underlyings, and their options near the money and near in time. Raises ``FeedError``."""
        session = self._connected
        try:
            async with asyncio.timeout(self._timeout_s):
                names, multipliers, spots = await self._listed(session)
        except TimeoutError as error:
            raise FeedError(f"ibkr: contracts were not answered within {self._timeout_s:g} s") from error
        rows = _rows(names, multipliers)
        room = max(self._max_tickers - len(self._underlyings), 0)
        chosen = selected(rows, spots, time.time_ns(), most=room)
        options = await session.qualified(chosen)
        if len(options) < len(chosen):
            detail = f"{len(chosen) - len(options)} of {len(chosen)} contracts near the money are not listed"
            self._told.append(self._health.row("quiet", time_ns=time.time_ns(), detail=detail))
        self._symbols = [*self._underlyings, *options]
        keep = rows["venue_symbol"].isin(self._symbols).to_numpy()
        return rows[keep].reset_index(drop=True)

    async def _listed(self, session: Session) -> tuple[list[str], list[float], dict[str, float]]:
        names, multipliers = list(self._underlyings), [np.nan] * len(self._underlyings)
        spots: dict[str, float] = {}
        last = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=DAYS)
        for name in self._underlyings:
            contract = await session.underlying(name)
            spots[name] = await session.price(name, self._timeout_s / 2)
            if not spots[name] > 0.0:
                detail = f"{name} has no price: none of its options can be chosen"
                self._told.append(self._health.row("quiet", time_ns=time.time_ns(), detail=detail))
                continue
            listed = await session.options_of(contract, spots[name], last)
            names += listed.keys()
            multipliers += listed.values()
        return names, multipliers, spots

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Watch contracts; none: those ``instruments`` listed. Raises ``FeedError`` when the connection fails."""
        if not self._symbols:
            await self.instruments()
        wanted = list(dict.fromkeys(channels or [f"{CHANNEL}{symbol}" for symbol in self._symbols]))
        session = self._connected
        rejected: dict[str, str] = {}
        asked = []
        for channel in wanted:
            symbol = channel.removeprefix(CHANNEL)
            if channel.startswith(CHANNEL) and session.knows(symbol):
                asked.append(symbol)
            else:
                rejected[channel] = (
                    "channels are ticks.SYMBOL, of the contracts listed (underlyings, max_tickers)"
                )
        refused = await session.watch(asked, self._settle_s) if asked else {}
        rejected |= {f"{CHANNEL}{symbol}": reason for symbol, reason in refused.items()}
        return Subscription(tuple(channel for channel in wanted if channel not in rejected), rejected)

    async def snapshot(self) -> list[Batch]:
        """Nothing: the present state comes by itself, field by field."""
        return []

    # -- inside -------------------------------------------------------------------------------------------

    def _error(self, code: int, text: str, symbol: str) -> None:
        """What a code means for the connection, as a row of ``health``."""
        now = time.time_ns()
        event, detail = _meaning(code, text)
        if code == LOST:
            self._lost_ns = now
        if code in (RESTORED_EMPTY, RESTORED_WHOLE):
            start_ns, self._lost_ns = self._lost_ns or now, 0
            gap = "no data between IB and TWS" + (
                ", tickers are asked for anew" if code == RESTORED_EMPTY else ""
            )
            self._told.append(self._health.row("gap", time_ns=now, start_ns=start_ns, end_ns=now, detail=gap))
            if code == RESTORED_EMPTY and self._wire is not None:
                self._wire.again()
        if event:
            channel = f"{CHANNEL}{symbol}" if symbol else ""
            self._told.append(self._health.row(event, time_ns=now, channel=channel, detail=detail, count=1))
            self._queue.wake()

    def _read(self, drained: Drained) -> list[Batch]:
        told, self._told = self._told, []
        batches = self._decoded(drained.frames, decode) if drained.frames else []
        return self._with_health(batches, told + self._told_conflated(drained.conflated))


def _meaning(code: int, text: str) -> tuple[str, str]:
    """Event and words of a code; no event where there is nothing to tell."""
    if code in NOTICES:
        return ("late", f"{code}: {NOTICES[code]} ({text})") if NOTICES[code] else ("", "")
    if code in REFUSED:
        return "refused", f"{code}: {REFUSED[code]} ({text})"
    if code == LOST:
        return "stale", f"{code}: IB is not connected to its servers ({text})"
    if code in (RESTORED_EMPTY, RESTORED_WHOLE):
        return "resubscribed" if code == RESTORED_EMPTY else "fresh", f"{code}: {text}"
    return "refused", f"venue error {code}: {text}"


def _rows(names: list[str], multipliers: list[float]) -> pd.DataFrame:
    rows = INSTRUMENT_TERMS.describe(names)
    told = np.array(multipliers)
    now = time.time_ns()
    return table("instruments").conform(
        rows.assign(
            seq=0, event_ns=now, seen_ns=now, venue_symbol=names, venue="ibkr",
            multiplier=np.where(np.isnan(told), rows["multiplier"], told),
        )
    )  # fmt: skip
