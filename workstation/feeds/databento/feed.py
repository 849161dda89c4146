"""Databento as a feed."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from databento.common.error import BentoError
from pydantic import SecretStr

from workstation.feeds.databento.decode import CHANNEL, decode
from workstation.feeds.databento.gateway_tap import historical
from workstation.feeds.databento.record_queue import Drained, RecordQueue, gathered
from workstation.feeds.databento.replay import Tail
from workstation.feeds.databento.wire import UNRESOLVED, Wire
from workstation.feeds.feed import Batch, Capabilities, Reached, Subscription
from workstation.feeds.files.reading import Rejections, read
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.health_rows import Row
from workstation.feeds.venue_kit.secrets import secret
from workstation.feeds.venue_kit.socket_feed import SocketFeed
from workstation.market.errors import FeedError
from workstation.market.tables import table

PRINTING = ("trades", "tcbbo", "tbbo", "cmbp-1", "mbp-1", "mbo")
"""Schemas that carry every print: two of them would give each twice."""
SCHEMAS = (
    *PRINTING,
    "cbbo-1s",
    "cbbo-1m",
    "bbo-1s",
    "bbo-1m",
    "definition",
    "statistics",
    "ohlcv-1s",
    "ohlcv-1m",
)
REPLAYED = ("trades", "tcbbo", "tbbo", "cmbp-1", "mbp-1", "mbo", "statistics", "definition")
"""Schemas that a new session asks for from where the last one ended."""
PORT = 13_000
_TABLES = frozenset({"frames", "trades", "quotes", "marks", "instruments", "candles", "health"})
_NOTES = (
    "Not tried on the live venue: written after its documentation and tested through its own client against a local gateway that "
    "logs in by CRAM and sends DBN. OPRA's records carry no sale condition and prints no id; a new session replays from the newest print "
    "and what came before is taken out. What the gateway skips for a slow reader (error 7) is a gap that stays. Requests of history cost "
    "money: none is made unless `history` is called."
)


class Databento(SocketFeed[Wire]):
    """A dataset of Databento live: definitions, prints, quotes and open interest, every publisher kept; and its history.

    Channels are ``schema/SYMBOL``: ``tcbbo/SPY.OPT``, ``statistics/SPY.OPT``.

    Parameters
    ----------
    key
        API key; shown nowhere.
    symbols
        As ``stype_in`` writes them; ``SPY.OPT`` is every option of SPY.
    dataset
        ``OPRA.PILLAR``, ``DBEQ.BASIC``, ``GLBX.MDP3``, ...
    schemas
        Of the default set. One of those that carry prints (trades, tcbbo, cmbp-1, ...), or none.
    stype_in
        ``parent`` or ``raw_symbol``.
    host, port
        Of the live gateway; none: the dataset's.
    history_url
        Of the historical API; none: the vendor's.
    replay
        Whether a new session replays what was missed, and statistics of the day from their begin.
    heartbeat_s, timeout_s
        Silence after which the gateway sends a heartbeat (2.5 of them end the session), and the limit of each answer.
    capacity
        Bytes of records that may wait for a slow consumer.
    pace_s
        How long reads gather into one batch.

    Raises
    ------
    FeedError
        From ``batches`` when the session is lost, from the rest when the gateway refuses; ``fatal`` for a refused key (errors 1, 2), too
        many sessions (3) and records that are no longer replayed (8).

    Notes
    -----
    Not tried on the live venue: see ``capabilities.notes``. Of the wire it assumes, from the documentation: each request answered by a
    system message 1 or an error 5, an error 4 naming the symbol it is about, a replay ended by a system message 3, ``start`` by
    ``ts_event``. ``exchange`` is the publisher's where one exchange speaks, empty for consolidated quotes; an id that no list names
    stays as its number.

    Examples
    --------
    >>> feed = Databento(key="db-12345", symbols=("SPY.OPT",))
    >>> feed.name, feed.channels[0], "db-12345" in repr(vars(feed))
    ('databento', 'definition/SPY.OPT', False)
    """

    name = "databento"
    capabilities = Capabilities(tables=_TABLES, backfill=True, notes=_NOTES)

    def __init__(
        self,
        symbols: Sequence[str] = ("SPY.OPT",),
        *,
        key: str | SecretStr = "",
        dataset: str = "OPRA.PILLAR",
        schemas: Sequence[str] = ("definition", "statistics", "tcbbo", "cbbo-1s"),
        stype_in: str = "parent",
        host: str = "",
        port: int = PORT,
        history_url: str = "",
        replay: bool = True,
        heartbeat_s: float = 10.0,
        timeout_s: float = 30.0,
        capacity: int = 64 << 20,
        pace_s: float = 0.02,
    ) -> None:
        _check(schemas)
        self._key, self._dataset, self._stype_in = secret(key), dataset, stype_in
        self._symbols, self._schemas = tuple(symbols), tuple(schemas)
        self._host = host or f"{dataset.lower().replace('.', '-')}.lsg.databento.com"
        self._port, self._history_url, self._replay = port, history_url, replay
        self._heartbeat_s, self._timeout_s = heartbeat_s, timeout_s
        queue = RecordQueue(capacity)
        super().__init__(queue, pace_s)
        self._put, self._tail = queue.put, Tail()
        self._listed: list[RawFrame] = []

    @property
    def channels(self) -> tuple[str, ...]:
        """The default set."""
        return tuple(f"{schema}/{symbol}" for schema in self._schemas for symbol in self._symbols)

    # -- life ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open a session and log in. Raises ``FeedError``, fatal without a key."""
        await self.close()
        self._check_key()
        wire = self._adopt(lambda lost: self._session(self._arrived, lost))
        try:
            await wire.open(self._host, self._port, self._timeout_s)
        except FeedError:
            await self.close()
            raise

    def _check_key(self) -> None:
        if not self._key.get_secret_value():
            raise FeedError("databento: key is missing: set it in feed_options.databento", fatal=True)

    def _session(self, on_records: Any, on_lost: Any) -> Wire:
        return Wire(
            self._key, self._dataset, on_records=on_records, on_lost=on_lost, heartbeat_s=self._heartbeat_s
        )

    def _arrived(self, payload: bytes, seen_ns: int) -> None:
        fresh = self._tail.fresh(payload) if self._replay else payload
        if fresh:
            self._put(fresh, seen_ns)

    async def instruments(self) -> pd.DataFrame:
        """Rows of ``instruments``: the day's definitions of the symbols, replayed by a session of their own. Raises ``FeedError``."""
        self._connected  # noqa: B018 - raises where there is no connection
        raw: list[RawFrame] = []
        wire = self._session(
            lambda payload, seen_ns: raw.append(self._frame(payload, seen_ns)), lambda _: None
        )
        try:
            await wire.open(self._host, self._port, self._timeout_s)
            wire.subscribe("definition", self._symbols, self._stype_in, 0)
            await wire.start(self._timeout_s)
            await asyncio.wait_for(wire.replayed.wait(), self._timeout_s)
        except TimeoutError as error:
            raise FeedError(f"databento: definitions did not end within {self._timeout_s:g} s") from error
        finally:
            await wire.shut()
        self._listed = raw
        found = [batch.frame for batch in decode(self._health.frames(raw)) if batch.table == "instruments"]
        if not found:
            raise FeedError(f"databento: {self._dataset} defines nothing of {', '.join(self._symbols)} today")
        rows = table("instruments").concat(found)
        return rows[~rows["instrument"].duplicated(keep="last")].reset_index(drop=True)

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Ask for channels and begin the session; none: the default set. Raises ``FeedError`` when the gateway refuses all."""
        wanted = list(dict.fromkeys(channels or self.channels))
        rejected = {channel: reason for channel in wanted if (reason := _unfit(channel))}
        by_schema: dict[str, list[str]] = {}
        for channel in wanted:
            if channel not in rejected:
                schema, _, symbol = channel.partition("/")
                by_schema.setdefault(schema, []).append(symbol)
        _check(by_schema)
        if not by_schema:
            return Subscription((), rejected)
        start_ns = self._tail.start_ns if self._replay else None
        self._tail.begin()
        for schema, symbols in by_schema.items():
            self._connected.subscribe(schema, symbols, self._stype_in, self._start_of(schema, start_ns))
        told = await self._connected.start(self._timeout_s)
        for code, text in told:
            if code == UNRESOLVED:
                rejected |= {channel: f"error {code}: {text}" for channel in wanted if _names(text, channel)}
        return Subscription(tuple(channel for channel in wanted if channel not in rejected), rejected)

    def _start_of(self, schema: str, start_ns: int | None) -> int | None:
        """From when a schema is replayed: open interest of the day from its begin, what prints from where the last session ended."""
        if not self._replay:
            return None
        if schema in ("statistics", "definition"):
            return 0
        return start_ns if schema in REPLAYED else None

    async def snapshot(self) -> list[Batch]:
        """The definitions ``instruments`` read, raw; open interest comes by itself."""
        listed, self._listed = self._listed, []
        return [Batch("frames", self._health.frames(listed))] if listed else []

    async def reach(self) -> list[Reached]:
        """Whether the gateway takes the key for the dataset."""
        try:
            self._check_key()
            wire = self._session(lambda *_: None, lambda _: None)
            started = time.monotonic()
            await wire.open(self._host, self._port, self._timeout_s)
            await wire.shut()
        except FeedError as error:
            return [Reached(self.name, False, str(error))]
        detail = f"the gateway of {self._dataset} took the key within {time.monotonic() - started:.2f} s"
        return [Reached(self.name, True, detail)]

    # -- history ------------------------------------------------------------------------------------------

    async def history(
        self, schema: str, start: str | int, end: str | int, symbols: Sequence[str] = ()
    ) -> tuple[list[Batch], Rejections]:
        """Rows of one schema of the past, as files of it are read; what was set aside. The vendor charges for it.

        Parameters
        ----------
        schema
            ``trades``, ``tcbbo``, ``cmbp-1``, ``definition``, ``statistics``, ...
        start, end
            ISO dates or times of UTC, or ns; half-open.
        symbols
            None: the feed's.

        Raises
        ------
        FeedError
            The vendor refuses, or what came is no DBN.
        """
        self._check_key()
        asked = list(symbols or self._symbols)
        return await asyncio.to_thread(self._fetched, schema, start, end, asked)

    def _fetched(
        self, schema: str, start: str | int, end: str | int, symbols: list[str]
    ) -> tuple[list[Batch], Rejections]:
        rejections = Rejections()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self._dataset}.{schema}.dbn.zst"
            try:
                historical(self._key, self._history_url).timeseries.get_range(
                    self._dataset,
                    start,
                    end,
                    symbols=symbols,
                    schema=schema,
                    stype_in=self._stype_in,
                    path=path,
                )
            except (BentoError, OSError, ValueError) as error:
                raise FeedError(f"databento: history of {schema}: {error}") from error
            return list(read("dbn", path, rejections)), rejections

    # -- inside -------------------------------------------------------------------------------------------

    def _frame(self, payload: bytes, seen_ns: int) -> RawFrame:
        return RawFrame(seen_ns, f"{self._dataset}/{CHANNEL}", payload)

    def _read(self, drained: Drained) -> list[Batch]:
        batches: list[Batch] = []
        reported: list[Row] = []
        if drained.reads:
            frames = [self._frame(each.payload, each.seen_ns) for each in gathered(drained.reads)]
            batches = self._decoded(frames, decode)
        if drained.lost is not None:
            reported += self._told_lost(f"{self._dataset}/{CHANNEL}", "", *drained.lost)
        conflated = {f"{self._dataset}/{CHANNEL}": drained.conflated} if drained.conflated else {}
        return self._with_health(batches, reported + self._told_conflated(conflated))


def _check(schemas: Any) -> None:
    unknown = [schema for schema in schemas if schema not in SCHEMAS]
    if unknown:
        raise ValueError(f"schemas are of {', '.join(SCHEMAS)}, got {unknown[0]!r}")
    printing = [schema for schema in schemas if schema in PRINTING]
    if len(printing) > 1:
        raise ValueError(f"{' and '.join(printing)} both carry every print; ask for one of them")


def _unfit(channel: str) -> str:
    schema, _, symbol = channel.partition("/")
    if schema not in SCHEMAS or not symbol:
        return f"channels are schema/SYMBOL, schemas {', '.join(SCHEMAS)}"
    return ""


def _names(text: str, channel: str) -> bool:
    """Whether an error is about a channel: it names its symbol."""
    symbol = channel.partition("/")[2]
    return symbol in text.replace("'", " ").replace('"', " ").replace(",", " ").split()
