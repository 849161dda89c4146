"""Deribit as a feed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import SecretStr

from workstation.feeds.deribit import messages, rest
from workstation.feeds.deribit.decode import decode
from workstation.feeds.deribit.wire import Wire
from workstation.feeds.feed import Batch, Capabilities, Gap, Reached, Subscription
from workstation.feeds.venue_kit.frame_queue import Drained, FrameQueue, RawFrame
from workstation.feeds.venue_kit.gap_detector import Hole, SequenceGaps
from workstation.feeds.venue_kit.health_rows import Row
from workstation.feeds.venue_kit.secrets import secret as as_secret
from workstation.feeds.venue_kit.socket_feed import SocketFeed
from workstation.feeds.venue_kit.venue_clock import reached
from workstation.market.errors import FeedError, SymbolError
from workstation.market.symbology import venue_symbol

SUBSCRIBE_AT_ONCE = 500
"""Channels of one subscribe request, the most the venue takes."""
_TICKERS = ("all", "futures", "none")
_TABLES = frozenset({"frames", "trades", "quotes", "marks", "instruments", "liquidations", "health"})
_LIQUIDATION_KEY = ["event_ns", "instrument", "price", "size"]
_NOTES = (
    "Not tried on the live venue: everything here was written after the venue's documentation and recorded messages, "
    "and tested against a local server. Options' quotes come as marks (ticker); incremental books and the volatility "
    "index are kept raw only; prints of combos are counted by their legs."
)


class Deribit(SocketFeed[Wire]):
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
    quotes
        Kinds whose best bid and offer are subscribed besides (``quote.{instrument}``): options' tickers come as marks alone.
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
        quotes: Sequence[str] = (),
        interval: str = "100ms",
        api_key: str | SecretStr = "",
        secret: str | SecretStr = "",
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
        self._tickers, self._interval, self._quotes = tickers, interval, tuple(quotes)
        self._api_key, self._secret = as_secret(api_key), as_secret(secret)
        self._heartbeat_s, self._timeout_s = heartbeat_s, timeout_s
        self._config: dict[str, Any] = {
            "timeout": int(timeout_s * 1000),
            "streaming": {"keepAlive": int(keepalive_s * 1000)},
        }
        if urls is not None:
            self._config["urls"] = dict(urls) if "api" in urls else {"api": dict(urls)}
        queue = FrameQueue(capacity, is_print=_is_print, prints_in=_prints_in)
        super().__init__(queue, pace_s)
        self._put = queue.put
        self._sequence = SequenceGaps()
        self._listings: list[messages.Listing] = []
        self._listed: list[RawFrame] = []

    # -- life ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the socket, authenticate when there are credentials, ask for heartbeats. Raises ``FeedError``."""
        await self.close()
        wire = self._adopt(lambda lost: Wire(self._config, on_frame=self._put, on_lost=lost))
        try:
            await wire.open_socket(self._timeout_s)
            if self._api_key.get_secret_value():
                credentials = {
                    "grant_type": "client_credentials",
                    "client_id": self._api_key.get_secret_value(),
                    "client_secret": self._secret.get_secret_value(),
                }
                await wire.call("public/auth", credentials, self._timeout_s)
            await wire.call("public/set_heartbeat", {"interval": self._heartbeat_s}, self._timeout_s)
        except FeedError:
            await self.close()
            raise

    async def reach(self) -> list[Reached]:
        """Whether the venue answers, and whether its clock and ours agree."""
        wire = Wire(self._config, on_frame=lambda *_: None, on_lost=lambda _: None)
        found = await reached(self.name, wire.server_ms)
        await wire.shut()
        return [found]

    async def instruments(self) -> pd.DataFrame:
        """Rows of ``instruments`` of every currency and kind. Raises ``FeedError``."""
        answers, self._listings = await rest.listings(self._connected, self._currencies, self._kinds)
        self._listed = answers
        for batch in self._decoded(answers, decode):
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
        reported = [Batch("frames", self._health.frames(listed))] if listed else []
        return self._with_health(reported + self._decoded(answers, decode), self._not_open())

    async def backfill(self, gap: Gap) -> list[Batch]:
        """Prints of a gap that did not arrive since; frames first. Raises ``FeedError``."""
        asked = rest.missed(self._connected, gap, self._currencies, self._kinds)
        answers = [answer async for answer in asked]
        return self._unseen(self._decoded(answers, decode)) if answers else []

    # -- inside -------------------------------------------------------------------------------------------

    def _not_open(self) -> list[Row]:
        """One row about the instruments that are listed and take no orders: their tickers are not subscribed."""
        states = Counter(each.state or "inactive" for each in self._listings if not each.tradable)
        if not states:
            return []
        detail = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        return [
            self._health.row(
                "quiet", time_ns=time.time_ns(), count=states.total(), detail=f"listed and not open: {detail}"
            )
        ]

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
        open_ones = [each for each in self._listings if each.tradable]
        if self._tickers != "none":
            channels += [
                f"ticker.{each.instrument_name}.{self._interval}"
                for each in open_ones
                if self._tickers == "all" or each.kind != "option"
            ]
        return channels + [f"quote.{each.instrument_name}" for each in open_ones if each.kind in self._quotes]

    def _read(self, drained: Drained) -> list[Batch]:
        batches: list[Batch] = []
        reported: list[Row] = []
        if drained.frames:
            batches = self._decoded(drained.frames, decode)
            for trades in (batch.frame for batch in batches if batch.table == "trades"):
                reported += self._tell_holes(self._sequence.admit(trades).holes, trades)
        for channel, lost in drained.lost.items():
            reported += self._told_lost(channel, "", *lost)
        return self._with_health(batches, reported + self._told_conflated(drained.conflated))

    def _unseen(self, batches: list[Batch]) -> list[Batch]:
        """Backfilled batches less the prints, and their liquidations, that came before."""
        kept: list[Batch] = []
        reported: list[Row] = []
        known: pd.MultiIndex | None = None
        for table, frame in batches:
            if table == "trades":
                admitted = self._sequence.admit(frame)
                known = pd.MultiIndex.from_frame(admitted.duplicates[_LIQUIDATION_KEY])
                frame = admitted.trades
                reported += self._tell_holes(admitted.holes, frame)
            elif table == "liquidations" and known is not None:
                seen = pd.MultiIndex.from_frame(frame[_LIQUIDATION_KEY]).isin(known)
                frame = frame[~seen].reset_index(drop=True)
            if len(frame):
                kept.append(Batch(table, frame))
        return self._with_health(kept, reported)

    def _tell_holes(self, holes: Sequence[Hole], trades: pd.DataFrame) -> list[Row]:
        if not holes:
            return []
        return self._told_holes(holes, _channel_of, int(trades["seen_ns"].iloc[-1]), "trade_seq")


def _is_print(channel: str) -> bool:
    return channel.startswith("trades.")


def _prints_in(payload: bytes) -> int:
    return payload.count(b'"trade_seq"')


def _channel_of(instrument: str) -> str:
    """The prints' channel of one instrument."""
    try:
        return f"trades.{venue_symbol(instrument, 'deribit')}"
    except SymbolError:
        return "trades"
