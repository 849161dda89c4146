"""Path per second of the last ticks, smoothed, with its adaptive buffer."""

from __future__ import annotations

from workstation.indicators.callable_module import make_callable
from workstation.indicators.ticks.intensity import Intensity, intensity

__all__ = ["Intensity", "intensity"]

make_callable(__name__)
