"""Four rules that tell when a burst turns."""

from __future__ import annotations

from workstation.indicators.ticks.reversals import Reversals, reversals
from workstation.market.public_face import make_callable

__all__ = ["Reversals", "reversals"]

make_callable(__name__)
