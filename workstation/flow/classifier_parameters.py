"""Thresholds of the classifiers."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from workstation.flow.gates import Gates


@dataclass(frozen=True)
class ClassifierParameters:
    """Thresholds of the classifiers; money is USD of premium (price x size x multiplier).

    Attributes
    ----------
    sweep_prints, sweep_usd, sweep_z
        A sweep has so many prints, and so much premium, or ``spike_usd`` and a premium z; it needs ISO flags or two exchanges.
    block_usd
        One print of so much is a block, as is one that the venue flags.
    spike_usd, spike_size, spike_premium_z, spike_size_z, spike_least_size
        An unusual contract: premium and size together, or the premium with a premium z or a size z; by a z from
        ``spike_least_size`` contracts or ``block_usd`` on.
    structure_usd, structure_size
        Premium of a structure, and contracts of its smallest leg: a busy name prints small lots at once by chance. A venue's
        package needs neither.
    punch_distance
        How far from the spot, as a share, the strike of a zero-DTE punch may be.
    far_days, far_usd
        Days to expiry of a far-dated packet, and its premium, on one side: far expiries cost more by the contract.
    coverage, side_ratio
        What a direction needs: prints with a quote, and size on its side.
    abstain_coverage
        Below it nothing can be said of the side at all.
    rank
        Share of the name's last packets that must be smaller; packets without a rank pass.
    most_spread
        Relative spread beyond which a side says nothing.
    stale_ms
        Age of the oldest quote from which a hit is down-weighted.
    least_size
        Of ``StructuresParameters``.
    follow, follow_move
        A packet is absorbed when the underlying has not moved so much with it in so much time.
    """

    sweep_prints: int = 3
    sweep_usd: float = 40_000.0
    sweep_z: float = 2.0
    block_usd: float = 200_000.0
    spike_usd: float = 20_000.0
    spike_size: float = 400.0
    spike_premium_z: float = 2.5
    spike_size_z: float = 2.0
    spike_least_size: float = 100.0
    structure_usd: float = 20_000.0
    structure_size: float = 25.0
    punch_distance: float = 0.01
    far_days: float = 60.0
    far_usd: float = 75_000.0
    coverage: float = 0.5
    side_ratio: float = 0.55
    abstain_coverage: float = 0.25
    rank: float = 0.95
    most_spread: float = 0.5
    stale_ms: float = 500.0
    least_size: float = 10.0
    follow: str = "5min"
    follow_move: float = 0.001

    def __post_init__(self) -> None:
        if not pd.Timedelta(self.follow).value > 0:
            raise ValueError(f"follow must be positive, got {self.follow!r}")
        for one in fields(self):
            if one.name == "follow":
                continue
            if not np.isfinite(getattr(self, one.name)) or getattr(self, one.name) < 0:
                raise ValueError(
                    f"{one.name} must be a number of at least 0, got {getattr(self, one.name)!r}"
                )

    @property
    def gates(self) -> Gates:
        """The thresholds that the gates' kernels read."""
        return Gates(*(float(getattr(self, name)) for name in Gates._fields))
