"""Trades and quotes of the lines (spot, perpetual, equity) of one asset over a slice."""

from __future__ import annotations

import numpy as np

from workstation.feeds.synthetic.assets import Asset
from workstation.feeds.synthetic.columns import CONDITIONS, EXCHANGES, Columns, code
from workstation.market.instruments import REGISTRY
from workstation.market.tables import TradeFlag

TRADE_SHARE = 0.45
SIDE_TURNS = 0.28
OFF_EXCHANGE_SHARE = 0.32
LIQUIDATION_BURST = 3.0
_OFF = code(EXCHANGES, "D")


class LineTicks:
    """Prints and quotes around the asset's spot, on each line's tick grid.

    A quote is the grid around the line's mid; a print takes the ask or the bid of that moment. Taker sides
    come in runs and lean with a burst. Perpetuals liquidate in strong bursts; equities also print off exchange.
    """

    def __init__(self, asset: Asset, rng: np.random.Generator) -> None:
        self.rng, self.us = rng, not asset.inverse
        lines = [line for line in asset.lines if line.share > 0.0]
        self.trades = bool(lines)
        self.codes = REGISTRY.codes([line.name for line in lines])
        self.share = np.cumsum([line.share for line in lines])
        self.tick = np.array([line.tick for line in lines])
        self.lot = np.array([line.lot for line in lines])
        self.basis = np.array([1.0 + line.basis for line in lines])
        self.spread = np.array([line.spread_ticks for line in lines])
        self.size = np.array([line.size for line in lines])
        self.perpetual = np.array([line.kind == "perpetual" for line in lines])
        self.side = 1

    def draw(self, times: np.ndarray, spot: np.ndarray, lean: float) -> tuple[Columns, Columns]:
        """Trades and quotes at ``times`` (int64 ns, sorted) with the asset at ``spot``; ``lean`` signed by the burst."""
        count = len(times)
        line = np.searchsorted(self.share / self.share[-1], self.rng.random(count), side="right")
        tick = self.tick[line]
        bid_ticks, width = self._touch(line, spot * self.basis[line], abs(lean))
        printed = self.rng.random(count) < TRADE_SHARE
        trades = self._prints(times, line, bid_ticks, width, printed, spot, lean)
        quoted = ~printed
        bid = bid_ticks[quoted] * tick[quoted]
        quotes = {
            "arrival_ns": times[quoted],
            "event_ns": times[quoted],
            "code": self.codes[line[quoted]],
            "bid": _grid(bid, tick[quoted]),
            "ask": _grid(bid + width[quoted] * tick[quoted], tick[quoted]),
            "bid_size": self._sizes(line[quoted], 3.0),
            "ask_size": self._sizes(line[quoted], 3.0),
        }
        return trades, quotes

    def _touch(self, line: np.ndarray, mid: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
        wider = 1.0 + 0.35 * strength
        width = np.maximum(1, np.rint(self.spread[line] * wider * self.rng.gamma(6.0, 1.0 / 6.0, len(line))))
        return np.floor(mid / self.tick[line] - 0.5 * width + 0.5), width

    def _sizes(self, line: np.ndarray, factor: float) -> np.ndarray:
        drawn = np.ceil(self.size[line] * factor * self.rng.lognormal(0.0, 1.1, len(line)))
        sizes: np.ndarray = np.round(drawn * self.lot[line], 6)
        return sizes

    def _sides(self, count: int, lean: float) -> np.ndarray:
        turns = np.where(self.rng.random(count) < SIDE_TURNS, -1, 1)
        sides = self.side * np.cumprod(turns)
        leaning = self.rng.random(count) < min(0.75, 0.12 * abs(lean))
        sides[leaning] = 1 if lean > 0 else -1
        if count:
            self.side = int(sides[-1])
        return sides.astype(np.int8)

    def _prints(
        self,
        times: np.ndarray,
        line: np.ndarray,
        bid_ticks: np.ndarray,
        width: np.ndarray,
        printed: np.ndarray,
        spot: np.ndarray,
        lean: float,
    ) -> Columns:
        line, count = line[printed], int(printed.sum())
        sides = self._sides(count, lean)
        ticks = bid_ticks[printed] + np.where(sides > 0, width[printed], 0.0)
        flags = np.zeros(count, dtype=np.int32)
        exchange = np.zeros(count, dtype=np.int8)
        sizes = self._sizes(line, 1.0)
        if self.us:
            exchange = self.rng.integers(1, _OFF, count).astype(np.int8)
            off = self.rng.random(count) < OFF_EXCHANGE_SHARE
            exchange[off] = _OFF
            inside = off & (self.rng.random(count) < 0.5)
            ticks = np.where(inside, bid_ticks[printed] + 0.5 * width[printed], ticks)
            large = off & (self.rng.random(count) < 0.002)
            sizes[large] = np.ceil(sizes[large] * 60.0)
            flags[off] |= int(TradeFlag.OFF_EXCHANGE)
            flags[sizes < 100] |= int(TradeFlag.ODD_LOT)
        elif abs(lean) > LIQUIDATION_BURST:
            forced = self.perpetual[line] & (sides == np.sign(lean)) & (self.rng.random(count) < 0.015)
            flags[forced] |= int(TradeFlag.LIQUIDATION)
            sizes[forced] = np.round(sizes[forced] * 8.0, 6)
        price = _grid(ticks * self.tick[line], self.tick[line] * (0.5 if self.us else 1.0))
        return prints(
            times[printed], self.codes[line], price, sizes,
            side=np.zeros(count, dtype=np.int8) if self.us else sides,
            flags=flags, exchange=exchange, index=spot[printed],
        )  # fmt: skip


def _grid(prices: np.ndarray, tick: np.ndarray) -> np.ndarray:
    """Prices on the grid, free of the dust of binary fractions."""
    on_grid: np.ndarray = np.round(np.round(prices / tick) * tick, 10)
    return on_grid


def prints(
    times: np.ndarray,
    codes: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    *,
    side: np.ndarray,
    flags: np.ndarray,
    exchange: np.ndarray,
    index: np.ndarray,
    arrival_ns: np.ndarray | None = None,
    condition: np.ndarray | None = None,
    block_id: np.ndarray | None = None,
    trade_id: np.ndarray | None = None,
    iv: np.ndarray | None = None,
    mark: np.ndarray | None = None,
) -> Columns:
    """Columns of prints, all of them, so that parts from everywhere can be joined. ``trade_id`` 0: to be numbered."""
    count = len(times)
    unknown, none = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    return {
        "arrival_ns": times if arrival_ns is None else arrival_ns,
        "event_ns": times,
        "code": codes,
        "price": price,
        "size": size,
        "side": side,
        "side_source": (side != 0).astype(np.int8),
        "flags": flags,
        "trade_id": none if trade_id is None else trade_id,
        "block_id": none if block_id is None else block_id,
        "condition": none.astype(np.int8) if condition is None else condition,
        "exchange": exchange,
        "iv": unknown if iv is None else iv,
        "mark": unknown if mark is None else mark,
        "index": index,
    }


CONDITION_CODES = {label: code(CONDITIONS, label) for label in CONDITIONS}
