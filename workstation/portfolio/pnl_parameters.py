"""What may be set of the PnL snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from workstation.market.durations import nanoseconds
from workstation.pricing.carry import CarryParameters


@dataclass(frozen=True)
class PnlSnapshotsParameters(CarryParameters):
    """Parameters of ``PnlSnapshots``; what American options are valued with: ``CarryParameters``.

    Attributes
    ----------
    every
        Time between snapshots, anything ``pandas.Timedelta`` reads; ticks fall on its multiples in UTC.
    settle_after
        How long after an expiry the venue's own settlement is waited for; then the index at the expiry settles.
    """

    every: str = "1min"
    settle_after: str = "15min"

    def __post_init__(self) -> None:
        if self.every_ns <= 0:
            raise ValueError(f"every must be a positive time, got {self.every!r}")
        if self.settle_after_ns < 0:
            raise ValueError(f"settle_after must not be negative, got {self.settle_after!r}")

    @property
    def every_ns(self) -> int:
        """``every`` in nanoseconds."""
        return nanoseconds(self.every)

    @property
    def settle_after_ns(self) -> int:
        """``settle_after`` in nanoseconds."""
        return nanoseconds(self.settle_after, "settle_after")
