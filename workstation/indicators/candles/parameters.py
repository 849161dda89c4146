"""What a candle counts, and how long it waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workstation.indicators.candles.aggregation import PrintRules
from workstation.indicators.candles.bar_kernels import BAR_BYTES
from workstation.market.conditions import NO_AGGRESSOR, VOLUME_ONLY
from workstation.market.durations import nanoseconds
from workstation.numerics.state_arrays import require_row_bytes


@dataclass(frozen=True)
class CandlesParameters:
    """Parameters of ``Candles``.

    Attributes
    ----------
    every
        Length, with its unit (``"10s"``, ``"5min"``), or several of them; candles begin at its multiples in UTC since 1970.
    lateness
        A candle is final, and comes out, when the watermark reaches its end plus this. Trades behind the
        watermark amend it until then and are counted as ``late`` afterwards.
    cancels_within
        A cancel takes back a trade at most so old (event time); older ones are counted in ``unmatched_cancels``. Trades
        are held so long; of older ones only what their candle needs.
    volume_only, no_aggressor
        Bits of ``TradeFlag``: prints that set no price, and prints without an aggressor; see ``market.conditions``. Prints with
        the flag ``VOID`` count for nothing, whatever is asked for.
    """

    every: str | tuple[str, ...] = "10s"
    lateness: str = "0s"
    cancels_within: str = "1min"
    volume_only: int = int(VOLUME_ONLY)
    no_aggressor: int = int(NO_AGGRESSOR)

    def __post_init__(self) -> None:
        if isinstance(self.every, Iterable) and not isinstance(self.every, str):
            object.__setattr__(self, "every", tuple(self.every))
        if not self.lengths_ns or min(self.lengths_ns) <= 0:
            raise ValueError(f"every must be a positive time or several of them, got {self.every!r}")
        if len(set(self.lengths_ns)) < len(self.lengths_ns):
            raise ValueError(f"every must not name a length twice, got {self.every!r}")
        for name in ("lateness", "cancels_within"):
            if nanoseconds(getattr(self, name), name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)!r}")

        slots = sum(nanoseconds(self.lateness) // length + 2 for length in self.lengths_ns)
        require_row_bytes("lateness", repr(self.lateness), slots * BAR_BYTES)

    @property
    def rules(self) -> PrintRules:
        """Which prints count for what, as kernels take it."""
        return PrintRules(self.volume_only, self.no_aggressor)

    @property
    def lengths_ns(self) -> tuple[int, ...]:
        """The lengths in nanoseconds."""
        return tuple(
            nanoseconds(every) for every in (self.every if isinstance(self.every, tuple) else (self.every,))
        )
