"""What a candle counts, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from workstation.market.tables import TradeFlag

VOLUME_ONLY = (
    TradeFlag.BLOCK
    | TradeFlag.COMBO
    | TradeFlag.MULTI_LEG
    | TradeFlag.STOCK_TIED
    | TradeFlag.COMPRESSION
    | TradeFlag.LATE
    | TradeFlag.OUT_OF_SEQUENCE
    | TradeFlag.AVERAGE_PRICE
    | TradeFlag.ODD_LOT
    | TradeFlag.UNPRICED
)
"""Prints that count as volume but do not set a price: reported late or out of sequence, or at a price that is not the
market's at that moment (negotiated blocks, legs of a package, averages), or too small to set the tape's last."""
NO_AGGRESSOR = (
    TradeFlag.COMBO
    | TradeFlag.MULTI_LEG
    | TradeFlag.STOCK_TIED
    | TradeFlag.COMPRESSION
    | TradeFlag.LATE
    | TradeFlag.OUT_OF_SEQUENCE
    | TradeFlag.AVERAGE_PRICE
    | TradeFlag.AUCTION
    | TradeFlag.CROSS
    | TradeFlag.FLOOR
)
"""Prints whose side says nothing: they are in ``volume`` but neither in ``buy_volume`` nor ``sell_volume``."""


@dataclass(frozen=True)
class CandlesParameters:
    """Parameters of ``Candles``.

    Attributes
    ----------
    every
        Length, anything ``pandas.Timedelta`` reads, or several of them; candles begin at its multiples in UTC since 1970.
    lateness
        A candle is final, and comes out, when the watermark reaches its end plus this. Trades behind the
        watermark amend it until then and are counted as ``late`` afterwards.
    cancels_within
        A cancel takes back a trade at most so old (event time); older ones are counted in ``unmatched_cancels``. Trades
        are held so long; of older ones only what their candle needs.
    volume_only, no_aggressor
        Bits of ``TradeFlag``; see ``VOLUME_ONLY`` and ``NO_AGGRESSOR``.
    """

    every: str | tuple[str, ...] = "10s"
    lateness: str = "0s"
    cancels_within: str = "1min"
    volume_only: int = int(VOLUME_ONLY)
    no_aggressor: int = int(NO_AGGRESSOR)

    def __post_init__(self) -> None:
        if not isinstance(self.every, str):
            object.__setattr__(self, "every", tuple(self.every))
        if not self.lengths_ns or min(self.lengths_ns) <= 0:
            raise ValueError(f"every must be a positive time or several of them, got {self.every!r}")
        if len(set(self.lengths_ns)) < len(self.lengths_ns):
            raise ValueError(f"every must not name a length twice, got {self.every!r}")
        for name in ("lateness", "cancels_within"):
            if nanoseconds(getattr(self, name)) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)!r}")

    @property
    def lengths_ns(self) -> tuple[int, ...]:
        """The lengths in nanoseconds."""
        return tuple(
            nanoseconds(every) for every in ((self.every,) if isinstance(self.every, str) else self.every)
        )


def nanoseconds(time: str) -> int:
    """A time as text in nanoseconds."""
    return int(pd.Timedelta(time).as_unit("ns").value)
