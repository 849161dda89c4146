"""Deribit as a feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pandas as pd

from workstation.feeds.deribit import messages, notices, rest
from workstation.feeds.deribit.decode import decode
from workstation.feeds.deribit.inbox import Drained, Inbox, Lost, Waiting
from workstation.feeds.deribit.sequence import Hole
from workstation.feeds.deribit.sequence import Sequence as PrintSequence
from workstation.feeds.deribit.wire import Wire
from workstation.feeds.feed import Batch, Capabilities, Feed, Gap, Subscription
from workstation.market.errors import FeedError

SUBSCRIBE_AT_ONCE = 500
"""Channels of one subscribe request, the most the venue takes."""
LOST_MARGIN_NS = 2 * 10**9
"""How far around lost prints a backfill asks: the venue's clock is not ours, and 100 ms channels wait."""
_TICKERS = ("all", "futures", "none")
_TABLES = frozenset({"frames", "trades", "quotes", "marks", "instruments", "liquidations", "health"})
_LIQUIDATION_KEY = ["event_ns", "instrument", "price", "size"]
_NOTES = (
    "Not tried on the live venue: everything here was written after the venue's documentation and recorded messages, "
    "and tested against a local server. Options' quotes come as marks (ticker); incremental books and the volatility "
    "index are kept raw only; prints of combos are counted by their legs."
)


class Deribit(Feed):
    """Options, futures and perpetuals of Deribit: prints, tickers, mark prices and indices of whole chains.

    Parameters
    ----------
    currencies
        Settlement currencies: ``BTC`` and ``ETH`` are settled in coin, ``USDC`` is all that is linear.
    urls
        ``{"rest": "http://127.0.0.1:1234", "ws": "ws://127.0.0.1:1234/ws/api/v2"}``, or ccxt's whole
        ``{"api": {...}}``; none: the venue's.
    kinds
        ``option``, ``future`` (perpetuals too), ``spot``.
    tickers
        ``all``: a ticker channel per instrument; ``futures``: only of what is no option; ``none``.
    interval
        ``100ms`` or ``agg2``; ``raw`` needs credentials.
    api_key, secret
        Optional; only the ``raw`` interval needs them.
    heartbeat_s
        Interval of the venue's heartbeats, at least 10.
    keepalive_s
        Interval of our pings; two unanswered ones end the socket.
    timeout_s
        For connecting and for each request.
    capacity
        Frames of prints, and of states, that may wait for a slow consumer.
    pace_s
        How long frames gather into one batch.

    Raises
    ------
    FeedError
        From ``batches`` when the connection is lost, from the rest when the venue refuses; ``fatal`` for
        refused credentials.

    Notes
    -----
    No print is lost in silence: under a slow consumer states are replaced by newer ones of their channel
    (``conflated`` rows tell how many), prints are not; a print without place, and every hole in an instrument's
    trade_seq, becomes a ``gap`` row and an open gap for ``backfill``. Rows are what ``decode`` makes of the frames,
    repeats included: the supervision takes prints seen before out by their trade_id. A backfill gives only prints
    that did not come before (by trade_seq).

    Not tried on the live venue: nothing here was, see ``capabilities.notes``. Of the wire it assumes, from the
    documentation: 500 channels a request, ``public/subscribe`` leaving out the channels it does not grant, the
    heartbeat's ``test_request``, ``markprice.options`` carrying IV as a fraction, trade_seq without holes on option
    streams, ``get_last_trades_*`` with ``sorting=asc``.

    Examples
    --------
    >>> feed = Deribit(currencies=("BTC",), tickers="none")
    >>> feed.name, feed.capabilities.backfill
    ('deribit', True)
    """

    name = "deribit"
    capabilities = Capabilities(tables=_TABLES, backfill=True, notes=_NOTES)

    def __init__(
        self,
        currencies: Sequence[str] = ("BTC", "ETH"),
        urls: Mapping[str, Any] | None = None,
        *,
        kinds: Sequence[str] = ("option", "future"),
        tickers: str = "all",
        interval: str = "100ms",
        api_key: str = "",
        secret: str = "",
        heartbeat_s: int = 30,
        keepalive_s: float = 5.0,
        timeout_s: float = 10.0,
        capacity: int = 20_000,
        pace_s: float = 0.02,
    ) -> None:
        if tickers not in _TICKERS:
            raise ValueError(f"tickers is one of {', '.join(_TICKERS)}, got {tickers!r}")
        if bool(api_key) != bool(secret):
            raise ValueError("api_key and secret go together")
        self._currencies, self._kinds = tuple(currencies), tuple(kinds)
        self._tickers, self._interval = tickers, interval
        self._api_key, self._secret = api_key, secret
        self._heartbeat_s, self._timeout_s, self._pace_s = heartbeat_s, timeout_s, pace_s
        self._config: dict[str, Any] = {
            "timeout": int(timeout_s * 1000),
            "streaming": {"keepAlive": int(keepalive_s * 1000)},
        }
        if urls is not None:
            self._config["urls"] = dict(urls) if "api" in urls else {"api": dict(urls)}
        self._inbox = Inbox(capacity)
        self._sequence = PrintSequence()
        self._wire: Wire | None = None
        self._lost = ""
        self._heard_ns = 0
        self._gaps: list[Gap] = []
        self._listings: list[messages.Listing] = []
        self._listed: list[rest.Answer] = []

    # -- life ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the socket, authenticate when there are credentials, ask for heartbeats. Raises ``FeedError``."""
        await self.close()
        self._lost = ""
        wire = Wire(
            self._config, on_frame=self._inbox.put, on_lost=lambda reason: self._on_lost(wire, reason)
        )
        self._wire = wire
        try:
            await wire.open_socket(self._timeout_s)
            if self._api_key:
                credentials = {
                    "grant_type": "client_credentials",
                    "client_id": self._api_key,
                    "client_secret": self._secret,
                }
                await wire.call("public/auth", credentials, self._timeout_s)
            await wire.call("public/set_heartbeat", {"interval": self._heartbeat_s}, self._timeout_s)
        except FeedError:
            await self.close()
            raise

    async def instruments(self) -> pd.DataFrame:
        """Rows of ``instruments`` of every currency and kind. Raises ``FeedError``."""
        answers, self._listings = await rest.listings(self._connected, self._currencies, self._kinds)
        self._listed = answers
        for batch in _read(answers):
            if batch.table == "instruments":
                return batch.frame
        raise FeedError(f"deribit lists no {' or '.join(self._kinds)} of {', '.join(self._currencies)}")

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Ask for channels; none: whole chains of the currencies. Raises ``FeedError`` when the socket fails."""
        wanted = list(dict.fromkeys(channels or await self._default_channels()))
        accepted: list[str] = []
        rejected: dict[str, str] = {}
        for start in range(0, len(wanted), SUBSCRIBE_AT_ONCE):
            chunk = wanted[start : start + SUBSCRIBE_AT_ONCE]
            granted, refused = await self._connected.subscribe_to(chunk, self._timeout_s)
            accepted += granted
            rejected |= refused
        return Subscription(tuple(accepted), rejected)

    async def snapshot(self) -> list[Batch]:
        """Book summaries of every currency and kind, and tickers of the perpetuals (for the index).

        The raw answer ``instruments`` read comes along, so that the frames tell everything.
        """
        if not self._listings:
            await self.instruments()
        perpetuals = [
            each.instrument_name for each in self._listings if each.instrument_name.endswith("-PERPETUAL")
        ]
        coin = [name for name in perpetuals if name.partition("-")[0] in self._currencies]
        listed, self._listed = self._listed, []
        answers = await rest.state(self._connected, self._currencies, self._kinds, coin)
        told = [Batch("frames", _frames(listed))] if listed else []
        return told + _read(answers)

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches as they come; frames before the rows decoded from them. Raises ``FeedError`` on a lost socket."""
        while True:
            await self._inbox.arrived()
            if not self._lost:
                await asyncio.sleep(self._pace_s)
            for batch in self._take(self._inbox.drain()):
                yield batch
            if self._lost and not len(self._inbox):
                raise FeedError(f"deribit: the socket is gone: {self._lost}")

    async def backfill(self, gap: Gap) -> list[Batch]:
        """Prints of a gap that did not arrive since; frames first. Raises ``FeedError``."""
        asked = rest.missed(self._connected, gap, self._currencies, self._kinds)
        answers = [answer async for answer in asked]
        return self._unseen(_read(answers)) if answers else []

    def open_gaps(self) -> list[Gap]:
        """Gaps announced since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def heard_ns(self) -> int:
        """When the last frame or pong came."""
        if self._wire is not None:
            self._heard_ns = max(self._heard_ns, self._wire.heard_ns())
        return self._heard_ns

    async def close(self) -> None:
        """Close socket and session; may be called at any time, more than once."""
        wire, self._wire = self._wire, None
        if wire is not None:
            self._heard_ns = max(self._heard_ns, wire.heard_ns())
            await wire.shut()
            self._lost = self._lost or "closed by us"
            self._inbox.wake()

    # -- inside -------------------------------------------------------------------------------------------

    @property
    def _connected(self) -> Wire:
        if self._wire is None:
            raise FeedError("deribit is not connected; call connect() first")
        return self._wire

    def _on_lost(self, wire: Wire, reason: str) -> None:
        if wire is self._wire:
            self._lost = self._lost or reason
            self._inbox.wake()

    async def _default_channels(self) -> list[str]:
        if not self._listings:
            await self.instruments()
        options = [each for each in self._listings if each.kind == "option"]
        channels = [
            f"trades.{kind}.{currency}.{self._interval}"
            for currency in self._currencies
            for kind in self._kinds
        ]
        indices = dict.fromkeys(each.price_index for each in self._listings if each.price_index)
        quoted = dict.fromkeys(each.price_index for each in options if each.price_index)
        if not indices:
            indices = quoted = dict.fromkeys(f"{currency.lower()}_usd" for currency in self._currencies)
        channels += [f"deribit_price_index.{index}" for index in indices]
        if "option" in self._kinds:
            channels += [f"markprice.options.{index}" for index in quoted]
        if self._tickers != "none":
            channels += [
                f"ticker.{each.instrument_name}.{self._interval}"
                for each in self._listings
                if self._tickers == "all" or each.kind != "option"
            ]
        return channels

    def _take(self, drained: Drained) -> list[Batch]:
        """Frames, the rows decoded from them, and what is to tell about them."""
        batches: list[Batch] = []
        told: list[dict[str, Any]] = []
        if drained.frames:
            batches = _read(drained.frames)
            for trades in (batch.frame for batch in batches if batch.table == "trades"):
                told += self._tell_holes(self._sequence.admit(trades).holes, trades)
        for channel, lost in drained.lost.items():
            told += self._tell_lost(channel, lost)
        if drained.conflated:
            told.append(notices.conflated(drained.conflated, time.time_ns()))
        return [*batches, notices.health(told)] if told else batches

    def _tell_lost(self, channel: str, lost: Lost) -> list[dict[str, Any]]:
        """Prints without place: a gap by time, since what their numbers were is lost with them."""
        gap = Gap(channel, "", 0, 0, lost.first_ns - LOST_MARGIN_NS, lost.last_ns + LOST_MARGIN_NS)
        self._gaps.append(gap)
        detail = f"slow consumer: {lost.prints} prints of {lost.frames} frames found no place"
        dropped = notices.notice(
            "dropped",
            time_ns=lost.last_ns,
            start_ns=lost.first_ns,
            channel=channel,
            count=lost.prints,
            recoverable=True,
            detail=detail,
        )
        return [dropped, notices.gap_notice(gap, lost.last_ns, lost.prints)]

    def _unseen(self, batches: list[Batch]) -> list[Batch]:
        """Backfilled batches less the prints, and their liquidations, that came before."""
        kept: list[Batch] = []
        told: list[dict[str, Any]] = []
        known: pd.MultiIndex | None = None
        for table, frame in batches:
            if table == "trades":
                admitted = self._sequence.admit(frame)
                known = pd.MultiIndex.from_frame(admitted.duplicates[_LIQUIDATION_KEY])
                frame = admitted.trades
                told += self._tell_holes(admitted.holes, frame)
            elif table == "liquidations" and known is not None:
                seen = pd.MultiIndex.from_frame(frame[_LIQUIDATION_KEY]).isin(known)
                frame = frame[~seen].reset_index(drop=True)
            if len(frame):
                kept.append(Batch(table, frame))
        return [*kept, notices.health(told)] if told else kept

    def _tell_holes(self, holes: Sequence[Hole], trades: pd.DataFrame) -> list[dict[str, Any]]:
        """Open the holes among prints for a backfill; rows that tell of them."""
        gaps = [notices.gap_of(hole) for hole in holes]
        self._gaps += gaps
        return [notices.gap_notice(gap, int(trades["seen_ns"].iloc[-1])) for gap in gaps]


def _frames(raw: Sequence[Waiting] | Sequence[rest.Answer]) -> pd.DataFrame:
    return notices.frames(
        [frame.channel for frame in raw], [frame.payload for frame in raw], [frame.seen_ns for frame in raw]
    )


def _read(raw: Sequence[Waiting] | Sequence[rest.Answer]) -> list[Batch]:
    """Raw frames as they came, then the rows decoded from them."""
    frames = _frames(raw)
    return [Batch("frames", frames), *decode(frames)]
