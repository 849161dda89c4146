"""What may be set of the placement of prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workstation.flow.side_rules import rule_codes


@dataclass(frozen=True)
class NbboParameters:
    """Parameters of ``NbboPlacement``.

    Attributes
    ----------
    max_age_ms
        A quote older than this at the print is STALE.
    rules
        Side rules in the order in which they are asked; ``venue`` is the side that the venue prints.
    kinds
        Kinds of instruments whose prints are placed; none: all.
    lookback
        How late a print may be reported and still meet the quote of its own time.
    rate
        Continuous annual rate by which American contracts are exercised early; what it leaves of the carry from spot to forward is
        their yield. None: the carry itself where it is positive, else 0.
    """

    max_age_ms: float = 1000.0
    rules: tuple[str, ...] = ("venue", "quote", "tick")
    kinds: tuple[str, ...] = ("option", "equity")
    lookback: str = "30s"
    rate: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "kinds", tuple(self.kinds))
        rule_codes(self.rules)
        for name, value in (("max_age_ms", self.max_age_ms), ("lookback", pd.Timedelta(self.lookback).value)):
            if not 0 < value < np.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        if self.rate is not None and not abs(self.rate) < 1.0:
            raise ValueError(f"rate must be a share a year between -1 and 1, got {self.rate!r}")
