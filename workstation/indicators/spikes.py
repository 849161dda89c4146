"""Intensity far above its baseline."""

from __future__ import annotations

from workstation.indicators.ticks.spikes import Spikes, spikes

__all__ = ["Spikes", "spikes"]
