"""Four rules that tell when a burst turns."""

from __future__ import annotations

from workstation.indicators.callable_module import make_callable
from workstation.indicators.ticks.reversals import Reversals, reversals

__all__ = ["Reversals", "reversals"]

make_callable(__name__)
