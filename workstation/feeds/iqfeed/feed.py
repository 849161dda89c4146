"""IQFeed as a feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pandas as pd
from pydantic import SecretStr

from workstation.feeds.feed import Batch, Capabilities, Gap, Subscription
from workstation.feeds.iqfeed import meanings
from workstation.feeds.iqfeed.decode import decode, warm
from workstation.feeds.iqfeed.layout import NOTHING, Layout
from workstation.feeds.iqfeed.line_queue import Drained, LineQueue
from workstation.feeds.iqfeed.lookup import TABLES, Lookup
from workstation.feeds.iqfeed.names import NAMES
from workstation.feeds.iqfeed.wire import Wire
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.gap_detector import CountGaps
from workstation.feeds.venue_kit.health_rows import Row
from workstation.feeds.venue_kit.secrets import secret
from workstation.feeds.venue_kit.socket_feed import SocketFeed
from workstation.market.errors import FeedError, SymbolError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.symbology import unified, venue_symbol
from workstation.market.tables import table

WATCHES = {"level1": "w", "trades": "t"}
"""Channel (before the dot) -> the letter that watches: all updates, or prints only."""
_NOTES = (
    "Not tried on the live venue: written after DTN's public documentation and public clients, tested against a local "
    "server. Needs a running, logged-in IQConnect. One quote per symbol (level 1), no depth; fundamentals, regionals "
    "and news are kept raw only. Open interest comes without its date."
)


class IQFeed(SocketFeed[Wire]):
    """US equities, indices and options of DTN IQFeed, level 1: prints and quotes over a local IQConnect.

    Channels are ``level1.SYMBOL`` (prints and quotes) and ``trades.SYMBOL`` (prints, each with the quote it came
    with), symbols as the venue writes them (``AAPL``, ``SPXW2618L6000``).

    Parameters
    ----------
    symbols
        The default set of channels: ``level1`` of each; the venue's symbols or the workstation's names.
    host, level1_port, lookup_port
        Of IQConnect.
    key
        Registration key, where IQConnect asks for one.
    services
        Kinds of service that will do, by ``S,CUST``; another is fatal (missing entitlement). Empty: any.
    silence_s
        Without a byte for this long the connection is given up; the venue sends the time every second.
    timeout_s
        For connecting and each answer.
    capacity
        Prints, and other lines, that may wait for a slow consumer.
    pace_s
        How long reads gather into one batch.
    counted
        Whether the venue's count of a symbol's prints today tells missing prints.

    Raises
    ------
    FeedError
        From ``batches`` when the connection is lost, from the rest when the venue refuses; ``fatal`` for another
        protocol, a refused key or a service that is not wanted.

    Notes
    -----
    No print is lost in silence: under a slow consumer a symbol's quotes are replaced by newer ones (``conflated``
    rows tell how many), prints are not; a print without place, and every jump in a symbol's count of prints, becomes
    a ``gap`` row and an open gap for ``backfill``, which asks for history by time. The supervision takes prints seen
    before out by their id: the venue's tick id and the Eastern day. A summary (``P``) gives a quote, and for an
    option a row of ``marks`` with its open interest; its last trade is no new print.

    Not tried on the live venue: nothing here was. Of the wire it assumes, from the documentation and other clients:
    the order of the greeting; that a watch is answered by a summary; ``Number of Trades Today`` going up by one with
    each update that carries a print (``counted=False`` if it does not); ``TickID`` being the same number in level 1
    and in history and unique within a symbol's day; answers of the lookup port carrying ``LH`` and ``LS`` after the
    request's id; an aggressor of 1 being the buyer, 2 the seller; condition codes of two hexadecimal digits; which
    system messages refuse a key. What a condition code or a market center means is read from the venue's own tables
    at every connect, by name; a name that ``meanings`` does not know has no flags.

    Examples
    --------
    >>> feed = IQFeed(["AAPL", "SPXW  261218C06000000"])
    >>> feed.name, feed.channels
    ('iqfeed', ('level1.AAPL', 'level1.SPXW2618L6000'))
    """

    name = "iqfeed"
    capabilities = Capabilities(
        tables=frozenset({"frames", "trades", "quotes", "marks", "instruments", "health"}), backfill=True, notes=_NOTES
    )  # fmt: skip

    def __init__(
        self,
        symbols: Sequence[str] = (),
        *,
        host: str = "127.0.0.1",
        level1_port: int = 5009,
        lookup_port: int = 9100,
        key: str | SecretStr = "",
        services: Sequence[str] = ("real_time",),
        silence_s: float = 10.0,
        timeout_s: float = 10.0,
        capacity: int = 200_000,
        pace_s: float = 0.02,
        counted: bool = True,
    ) -> None:
        self._symbols = tuple(dict.fromkeys(_venue_symbol(each) for each in symbols))
        self._host, self._level1_port, self._lookup_port = host, level1_port, lookup_port
        self._key, self._services = secret(key), tuple(services)
        self._silence_s, self._timeout_s = silence_s, timeout_s
        self._counted = counted
        queue = LineQueue(capacity)
        super().__init__(queue, pace_s)
        self._put = queue.put
        self._count_gaps = CountGaps()
        self._layout = NOTHING
        self._tables: list[RawFrame] = []

    @property
    def channels(self) -> tuple[str, ...]:
        """The default set."""
        return tuple(f"level1.{symbol}" for symbol in self._symbols)

    # -- life ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Read the tables of codes, open level 1, agree on protocol and fields. Raises ``FeedError``."""
        await self.close()
        await asyncio.to_thread(warm)
        self._count_gaps.forget()
        self._layout = await self._read_tables()
        wire = self._adopt(
            lambda lost: Wire(self._layout, on_read=self._put, on_lost=lost, silence_s=self._silence_s)
        )
        try:
            await self._open(wire)
            await wire.greet(self._key.get_secret_value(), self._services, self._timeout_s)
        except FeedError:
            await self.close()
            raise

    async def _open(self, wire: Wire) -> None:
        where = f"{self._host}:{self._level1_port}"
        try:
            async with asyncio.timeout(self._timeout_s):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: wire, self._host, self._level1_port)
        except (OSError, TimeoutError) as error:
            raise FeedError(
                f"iqfeed: cannot open {where}: {error or 'no answer'}; is IQConnect running?"
            ) from error

    async def _read_tables(self) -> Layout:
        async with self._lookup() as lookup:
            answers = {name: await lookup.table(name) for name in TABLES}
        self._tables = [read for _, read in answers.values()]
        rows = {name: meanings.rows_of(read.payload, request) for name, (request, read) in answers.items()}
        return Layout((), meanings.condition_flags(rows["STC"]), meanings.off_exchange_markets(rows["SLM"]))

    async def instruments(self) -> pd.DataFrame:
        """Rows of ``instruments`` of the default set, with the terms their symbols carry."""
        known = [symbol for symbol in self._symbols if _name(symbol)]
        rows = INSTRUMENT_TERMS.describe([_name(symbol) for symbol in known])
        now = time.time_ns()
        return table("instruments").conform(
            rows.assign(seq=0, event_ns=now, seen_ns=now, venue_symbol=known, venue=self.name)
        )

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Watch symbols; none: the default set. Raises ``FeedError`` when the socket fails."""
        wanted = list(dict.fromkeys(channels or self.channels))
        rejected = {channel: reason for channel in wanted if (reason := _unfit(channel))}
        letters: dict[str, str] = {}
        for channel in wanted:
            if channel not in rejected:
                kind, _, symbol = channel.partition(".")
                letters[symbol] = "w" if "w" in (letters.get(symbol), WATCHES[kind]) else WATCHES[kind]
        _, refused = await self._connected.watch(letters, self._timeout_s) if letters else ([], {})
        rejected |= {
            channel: refused[symbol] for channel in wanted if (symbol := channel.partition(".")[2]) in refused
        }
        return Subscription(tuple(channel for channel in wanted if channel not in rejected), rejected)

    async def snapshot(self) -> list[Batch]:
        """The tables of codes, raw; the present quotes come by themselves, a summary of each watch."""
        tables, self._tables = self._tables, []
        return [Batch("frames", self._health.frames(tables))] if tables else []

    async def backfill(self, gap: Gap) -> list[Batch]:
        """Prints of a gap by history; those seen before among them. Raises ``FeedError``."""
        async with self._lookup() as lookup:
            reads = [
                await lookup.ticks(symbol, gap.start_ns, gap.end_ns, self._layout)
                for symbol in self._symbols_of(gap)
            ]
        return _within(self._decoded(reads, decode), gap.start_ns, gap.end_ns) if reads else []

    async def history(
        self, symbol: str, start_ns: int = 0, end_ns: int = 0, *, most: int = 1_000_000
    ) -> list[Batch]:
        """Prints of one symbol for bulk loads: frames, then rows. Raises ``FeedError``.

        Parameters
        ----------
        symbol
            The venue's symbol or the workstation's name.
        start_ns, end_ns
            UTC, half-open; both 0: the newest ``most`` prints.
        """
        if not self._layout.flags:
            self._layout = await self._read_tables()
        async with self._lookup() as lookup:
            if not start_ns and not end_ns:
                return self._decoded(
                    [await lookup.newest_ticks(_venue_symbol(symbol), most, self._layout)], decode
                )
            read = await lookup.ticks(_venue_symbol(symbol), start_ns, end_ns, self._layout)
        return _within(self._decoded([read], decode), start_ns, end_ns - 1)

    # -- inside -------------------------------------------------------------------------------------------

    def _lookup(self) -> Lookup:
        return Lookup(self._host, self._lookup_port, self._timeout_s)

    def _symbols_of(self, gap: Gap) -> list[str]:
        if gap.instrument:
            return [_venue_symbol(gap.instrument)]
        symbol = gap.channel.partition(".")[2]
        return [symbol] if symbol else sorted(self._wire.watched if self._wire else self._symbols)

    def _read(self, drained: Drained) -> list[Batch]:
        batches: list[Batch] = []
        reported: list[Row] = []
        if drained.reads:
            batches = self._decoded(drained.reads, decode)
            for trades in (batch.frame for batch in batches if batch.table == "trades" and self._counted):
                holes = self._count_gaps.holes(trades)
                if holes:
                    reported += self._told_holes(holes, _channel, int(trades["seen_ns"].iloc[-1]))
        for number, lost in drained.lost.items():
            symbol = NAMES.symbols[number] if number >= 0 else ""
            instrument = _name(symbol)
            if instrument:
                self._count_gaps.forget(NAMES.code[[number]])
            reported += self._told_lost(f"level1.{symbol}" if symbol else "level1", instrument, *lost)
        conflated = {"level1": drained.conflated} if drained.conflated else {}
        return self._with_health(batches, reported + self._told_conflated(conflated))


def _venue_symbol(name: str) -> str:
    """The venue's symbol of one of the workstation's names; what is none is taken for the venue's own."""
    try:
        return venue_symbol(name, "iqfeed") if len(name) == 21 else name
    except SymbolError:
        return name


def _name(symbol: str) -> str:
    """The workstation's name of a symbol; empty when the grammar does not know it."""
    try:
        return unified(symbol, "iqfeed")
    except SymbolError:
        return ""


def _channel(instrument: str) -> str:
    return f"level1.{_venue_symbol(instrument)}"


def _unfit(channel: str) -> str:
    """Why a channel cannot be asked for; empty when it can."""
    kind, _, symbol = channel.partition(".")
    if kind not in WATCHES or not symbol:
        return f"channels are {' or '.join(f'{each}.SYMBOL' for each in WATCHES)}"
    try:
        unified(symbol, "iqfeed")
    except SymbolError as error:
        return str(error)
    return ""


def _within(batches: list[Batch], start_ns: int, end_ns: int) -> list[Batch]:
    """Batches with the prints of a time only, both ends included; those without any left out."""
    kept: list[Batch] = []
    for name, frame in batches:
        if name == "trades":
            event = frame["event_ns"].to_numpy()
            frame = frame[(event >= start_ns) & (event <= end_ns)].reset_index(drop=True)
        if len(frame):
            kept.append(Batch(name, frame))
    return kept
