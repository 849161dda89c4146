"""Plain-Python twin of the candle kernels: the same bars, one trade after the other. Slow; tests hold the kernels to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from workstation.indicators.batch.by_instrument import TradeArrays
from workstation.indicators.candles.aggregation import PrintRules


@dataclass
class Bar:
    """A bar with its trades, and those of them that may set a price."""

    of: int
    number: int
    count: int = 0
    volume: float = 0.0
    buy_volume: float = 0.0
    sell_volume: float = 0.0
    priced: list[tuple[int, int, float, float]] = field(default_factory=list)
    """(event_ns, row, price, size)."""

    def add(
        self, event_ns: int, row: int, price: float, size: float, side: int, flags: int, rules: PrintRules
    ) -> None:
        """Take a trade in."""
        self.count += 1
        self.volume += size
        if side and not flags & rules.unsided:
            self.buy_volume += size if side > 0 else 0.0
            self.sell_volume += size if side < 0 else 0.0
        if not flags & rules.unpriced:
            self.priced.append((event_ns, row, price, size))

    @property
    def prices(self) -> tuple[float, float, float, float]:
        """Open, high, low and close; open is the first row of the earliest time, close the last row of the latest."""
        if not self.priced:
            return (math.nan,) * 4
        first = min(self.priced, key=lambda trade: (trade[0], trade[1]))
        last = max(self.priced, key=lambda trade: (trade[0], trade[1]))
        paid = [price for _, _, price, _ in self.priced]
        return first[2], max(paid), min(paid), last[2]

    @property
    def vwap(self) -> float:
        """Turnover over size of the trades that may set a price."""
        size = sum(size for *_, size in self.priced)
        return sum(price * size for *_, price, size in self.priced) / size if size > 0 else math.nan


def fold_trades_twin(
    of: list[int], trades: TradeArrays, every: int, lateness: int, rules: PrintRules
) -> tuple[list[Bar], list[Bar], int]:
    """Bars of one length: those that the watermark closes, in the order in which it does; those that stay open; late trades."""
    open_bars: dict[tuple[int, int], Bar] = {}
    closed: list[Bar] = []
    watermark, late = -(2**63), 0
    for row, at in enumerate(trades.event_ns.tolist()):
        watermark = max(watermark, at)
        due = sorted(key for key in open_bars if (key[0] + 1) * every + lateness <= watermark)
        closed += [open_bars.pop(key) for key in due]
        number = at // every
        if (number + 1) * every + lateness <= watermark:
            late += 1
            continue
        bar = open_bars.setdefault((number, of[row]), Bar(of[row], number))
        bar.add(
            at, row, float(trades.price[row]), float(trades.size[row]), int(trades.side[row]), int(trades.flags[row]), rules
        )  # fmt: skip
    return closed, [open_bars[key] for key in sorted(open_bars)], late
