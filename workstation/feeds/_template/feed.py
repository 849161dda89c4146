"""The venue as a feed: what to ask for; sockets, queues, gaps and health rows are the kit's."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import pandas as pd
from pydantic import SecretStr

from workstation.feeds._template.decode import VENUE, decode, instrument_of
from workstation.feeds._template.messages import Pushed
from workstation.feeds.feed import Batch, Capabilities, Gap, Subscription
from workstation.feeds.venue_kit.frame_queue import Drained, FrameQueue, RawFrame
from workstation.feeds.venue_kit.gap_detector import SequenceGaps
from workstation.feeds.venue_kit.health_rows import Row
from workstation.feeds.venue_kit.request_socket import RequestSocket
from workstation.feeds.venue_kit.secrets import secret
from workstation.feeds.venue_kit.socket_feed import SocketFeed
from workstation.market.errors import FeedError
from workstation.market.instants import MILLISECOND_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import INSTRUMENTS

_MESSAGE = msgspec.json.Decoder(Pushed)


class Template(SocketFeed[RequestSocket]):
    """Prints of a made-up venue.

    Channels are ``trades.SYMBOL``, symbols as the venue writes them (``BTC-USD``).

    Parameters
    ----------
    url
        Of the websocket.
    symbols
        The default set.
    token
        Sent at the start, when there is one.
    keepalive_s, timeout_s, capacity, pace_s
        Pings, the limit of each answer, prints that may wait, and how long frames gather.

    Raises
    ------
    FeedError
        From ``batches`` when the connection is lost, from the rest when the venue refuses; ``fatal`` for a refused token.
    """

    name = VENUE
    capabilities = Capabilities(
        tables=frozenset({"frames", "trades", "instruments", "health"}),
        backfill=True,
        notes="A venue that does not exist: to be copied.",
    )

    def __init__(
        self,
        url: str,
        symbols: Sequence[str] = ("BTC-USD",),
        *,
        token: str | SecretStr = "",
        keepalive_s: float = 5.0,
        timeout_s: float = 10.0,
        capacity: int = 20_000,
        pace_s: float = 0.02,
    ) -> None:
        self._url, self._symbols, self._token = url, tuple(symbols), secret(token)
        self._keepalive_s, self._timeout_s = keepalive_s, timeout_s
        queue = FrameQueue(
            capacity, is_print=lambda channel: True, prints_in=lambda payload: payload.count(b'"seq"')
        )
        super().__init__(queue, pace_s)
        self._put = queue.put
        self._sequence = SequenceGaps()

    async def connect(self) -> None:
        """Open the socket, and log in when there is a token. Raises ``FeedError``."""
        await self.close()
        wire = self._adopt(
            lambda lost: RequestSocket(
                VENUE,
                self._url,
                on_frame=lambda payload, seen_ns: self._put("", payload, seen_ns),
                on_lost=lost,
                keepalive_s=self._keepalive_s,
            )
        )
        await wire.open(self._timeout_s)
        if self._token.get_secret_value():
            said = await self._ask(op="login", token=self._token.get_secret_value())
            if said.error:
                await self.close()
                raise FeedError(f"{VENUE} refused the token: {said.error}", fatal=True)

    async def instruments(self) -> pd.DataFrame:
        """Rows of ``instruments`` of what the venue lists. Raises ``FeedError``."""
        symbols = (await self._ask(op="symbols")).symbols
        rows = INSTRUMENT_TERMS.describe([instrument_of(symbol) for symbol in symbols])
        now = time.time_ns()
        return INSTRUMENTS.conform(
            rows.assign(seq=0, event_ns=now, seen_ns=now, venue=VENUE, venue_symbol=symbols)
        )

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Ask for channels; none: the default set. Raises ``FeedError`` when the socket fails."""
        wanted = list(channels or [f"trades.{symbol}" for symbol in self._symbols])
        said = await self._ask(op="subscribe", channels=wanted)
        return Subscription(tuple(said.granted), said.refused)

    async def snapshot(self) -> list[Batch]:
        """Nothing: prints have no present state."""
        return []

    async def backfill(self, gap: Gap) -> list[Batch]:
        """Prints of a gap that did not arrive since; frames first. Raises ``FeedError``."""
        symbols = [gap.instrument.replace("/", "-")] if gap.instrument else self._symbols
        answers = []
        for symbol in symbols:
            request = {
                "op": "history",
                "symbol": symbol,
                "from_ms": gap.start_ns // MILLISECOND_NS,
                "to_ms": gap.end_ns // MILLISECOND_NS,
            }
            payload = await self._connected.request(request, self._timeout_s)
            answers.append(RawFrame(time.time_ns(), "history", payload))
        kept: list[Batch] = []
        for table, frame in self._decoded(answers, decode):
            rows = self._sequence.admit(frame).trades if table == "trades" else frame
            if len(rows):
                kept.append(Batch(table, rows))
        return kept

    async def _ask(self, **request: object) -> Pushed:
        return _MESSAGE.decode(await self._connected.request(request, self._timeout_s))

    def _read(self, drained: Drained) -> list[Batch]:
        batches: list[Batch] = []
        reported: list[Row] = []
        pushed = [frame for frame in drained.frames if b'"id":' not in frame.payload[:8]]
        if pushed:
            batches = self._decoded(pushed, decode)
            for trades in (batch.frame for batch in batches if batch.table == "trades"):
                holes = self._sequence.admit(trades).holes
                if holes:
                    reported += self._told_holes(holes, _channel, int(trades["seen_ns"].iloc[-1]), "seq")
        for lost in drained.lost.values():
            reported += self._told_lost("trades", "", *lost)
        return self._with_health(batches, reported)


def _channel(instrument: str) -> str:
    return f"trades.{instrument.replace('/', '-')}"
