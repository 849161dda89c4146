"""OKX as a feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from workstation.feeds.feed import Capabilities, Gap
from workstation.feeds.okx import rest
from workstation.feeds.okx.decode import decode
from workstation.feeds.okx.wire import Wire, argument_of
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.public_feed import PublicFeed, base_urls
from workstation.feeds.venue_kit.rest_calls import RestCalls
from workstation.market.errors import FeedError, SymbolError
from workstation.market.symbology import parse, venue_symbol

_URLS = {"rest": "https://www.okx.com", "ws": "wss://ws.okx.com:8443/ws/v5"}
_TABLES = frozenset({"frames", "trades", "quotes", "marks", "instruments", "liquidations", "health"})
_KINDS = {"option": "OPTION", "swap": "SWAP", "futures": "FUTURES", "spot": "SPOT"}
_CHANNELS = {
    "option": ("tickers", "mark-price", "open-interest"),
    "perpetual": ("trades-all", "tickers", "bbo-tbt", "mark-price", "open-interest", "funding-rate"),
    "future": ("trades-all", "tickers", "bbo-tbt", "mark-price", "open-interest"),
    "spot": ("trades-all", "tickers", "bbo-tbt"),
}
"""Channels of an instrument, by its kind."""
_NOTES = (
    "Not tried on the live venue: written after its documentation and recorded messages, and tested against a local server. "
    "Options' quotes come as marks (tickers, opt-summary); incremental books are kept raw only, and so are funding rates and "
    "the greeks in coin. Block trades come by a channel that is not read. Its REST gives the newest 100 prints of a family of options: "
    "a longer hole without trade ids is told as lost."
)


class OKX(PublicFeed[RestCalls]):
    """Options, swaps, dated futures and spot of OKX: prints, tickers, vols, marks, open interest and liquidations of whole chains.

    Channels are ``channel/what``, both as the venue writes them: ``option-trades/BTC-USD``, ``trades-all/BTC-USD-SWAP``.

    Parameters
    ----------
    coins
        Base coins: options of ``COIN-USD``, contracts of USD, USDT and USDC.
    kinds
        ``option``, ``swap``, ``futures``, ``spot``.
    urls
        ``{"rest": "http://127.0.0.1:1234", "ws": "ws://127.0.0.1:1234/ws/v5"}``; none: the venue's.
    tickers
        Whether every option's ticker, mark and open interest are subscribed; False: prints, vols and one snapshot by REST.
    keepalive_s
        Interval of pings; two unanswered ones end a socket.
    timeout_s
        For connecting and for each request.
    capacity
        Frames of prints, and of states, that may wait for a slow consumer.
    pace_s
        How long frames gather into one batch.

    Raises
    ------
    FeedError
        From ``batches`` when a socket is lost, from the rest when the venue refuses.

    Notes
    -----
    Sizes are in underlying units: contracts times ctVal times ctMult as the venue's list tells them, never by convention. Every hole in an
    instrument's trade ids becomes a ``gap`` row and an open gap for ``backfill``. A notice that the venue closes the socket is heeded before
    it does: a new one is subscribed first. Not tried on the live venue: see ``capabilities.notes``. Of the wire it assumes, from the
    documentation: every argument of a request answered by itself, ``trades-all`` open to everybody, trade ids without holes.

    Examples
    --------
    >>> feed = OKX(coins=("BTC",), kinds=("option",))
    >>> feed.name, feed.capabilities.backfill
    ('okx', True)
    """

    name = "okx"
    capabilities = Capabilities(tables=_TABLES, backfill=True, notes=_NOTES)
    sequence_key: ClassVar[str] = "tradeId"

    def __init__(
        self,
        coins: Sequence[str] = ("BTC", "ETH"),
        urls: Mapping[str, str] | None = None,
        *,
        kinds: Sequence[str] = ("option", "swap", "futures"),
        tickers: bool = True,
        keepalive_s: float = 10.0,
        timeout_s: float = 10.0,
        capacity: int = 20_000,
        pace_s: float = 0.02,
    ) -> None:
        unknown = [name for name in kinds if name not in _KINDS]
        if unknown:
            raise ValueError(f"kinds are of {', '.join(_KINDS)}, got {unknown[0]!r}")
        self._coins, self._kinds, self._tickers = tuple(coins), tuple(_KINDS[name] for name in kinds), tickers
        self._keepalive_s = keepalive_s
        own = base_urls(urls, _URLS)
        self._ws = own["ws"]
        calls = RestCalls("okx", {"rest": own["rest"]} if urls else None, timeout_s)
        super().__init__(
            calls, decode, is_print=_is_print, prints_in=_prints_in, capacity=capacity, pace_s=pace_s,
            timeout_s=timeout_s,
        )  # fmt: skip

    def _opened(self, on_lost: Callable[[str], None]) -> Wire:
        return Wire(
            self._ws,
            on_frame=self._put,
            on_lost=on_lost,
            keepalive_s=self._keepalive_s,
            timeout_s=self._timeout_s,
        )

    async def _list(self) -> list[RawFrame]:
        return await rest.listings(self._rest, self._kinds, self._coins)

    def _listed_symbols(self) -> list[tuple[str, str]]:
        """Symbol and kind of the instruments of the coins asked for."""
        rows = self._instruments
        wanted = rows["underlying"].astype("str").isin(self._coins)
        return list(zip(rows["venue_symbol"][wanted], rows["kind"].astype("str")[wanted], strict=True))

    def _default_channels(self) -> list[str]:
        channels = [f"index-tickers/{coin}-USD" for coin in self._coins]
        if "OPTION" in self._kinds:
            channels += [
                f"{each}/{coin}-USD" for coin in self._coins for each in ("option-trades", "opt-summary")
            ]
        channels += [f"liquidation-orders/{kind}" for kind in ("SWAP", "FUTURES") if kind in self._kinds]
        for symbol, kind in self._listed_symbols():
            if kind != "option" or self._tickers:
                channels += [f"{channel}/{symbol}" for channel in _CHANNELS[kind]]
        return channels

    async def _ask_for(self, channels: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        wire = self._connected
        assert isinstance(wire, Wire)
        good: list[str] = []
        refused: dict[str, str] = {}
        for channel in channels:
            try:
                argument_of(channel)
            except FeedError as error:
                refused[channel] = str(error)
            else:
                good.append(channel)
        granted, left = await wire.subscribe_to(good)
        return granted, refused | left

    async def _state(self) -> list[RawFrame]:
        pairs = [symbol for symbol, kind in self._listed_symbols() if kind == "spot"]
        return await rest.state(self._rest, self._kinds, self._coins, pairs)

    async def _missed(self, gap: Gap) -> tuple[list[RawFrame], int]:
        return await rest.missed(self._rest, gap, [gap.channel] if gap.channel else self._accepted)

    def _channel_of(self, instrument: str) -> str:
        try:
            terms, symbol = parse(instrument), venue_symbol(instrument, "okx")
        except SymbolError:
            return "trades"
        return (
            f"option-trades/{terms.root}-{terms.quote}" if terms.kind == "option" else f"trades-all/{symbol}"
        )


def _is_print(channel: str) -> bool:
    return channel.startswith(("option-trades/", "trades-all/", "trades/"))


def _prints_in(payload: bytes) -> int:
    return payload.count(b'"tradeId"')
