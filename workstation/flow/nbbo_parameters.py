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
    """

    max_age_ms: float = 1000.0
    rules: tuple[str, ...] = ("venue", "quote", "tick")
    kinds: tuple[str, ...] = ("option", "equity")
    lookback: str = "30s"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "kinds", tuple(self.kinds))
        rule_codes(self.rules)
        for name, value in (("max_age_ms", self.max_age_ms), ("lookback", pd.Timedelta(self.lookback).value)):
            if not 0 < value < np.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
