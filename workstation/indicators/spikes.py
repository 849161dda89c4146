"""Intensity far above its baseline."""

from __future__ import annotations

from workstation.indicators.ticks.spikes import Spikes, spikes
from workstation.market.public_face import make_callable

__all__ = ["Spikes", "spikes"]

make_callable(__name__)
