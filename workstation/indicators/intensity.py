"""Path per second of the last ticks, smoothed, with its adaptive buffer."""

from __future__ import annotations

from workstation.indicators.ticks.intensity import Intensity, intensity
from workstation.market.public_face import make_callable

__all__ = ["Intensity", "intensity"]

make_callable(__name__)
