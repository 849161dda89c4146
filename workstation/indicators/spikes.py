"""Intensity far above its baseline."""

from __future__ import annotations

from workstation.indicators.callable_module import make_callable
from workstation.indicators.ticks.spikes import Spikes, spikes

__all__ = ["Spikes", "spikes"]

make_callable(__name__)
