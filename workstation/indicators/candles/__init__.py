"""Candles from one second, with the one in progress."""

from __future__ import annotations

from workstation.indicators.candles.engine import Candles, candles

__all__ = ["Candles", "candles"]
