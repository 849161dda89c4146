"""Candles from one second, with the one in progress."""

from __future__ import annotations

from workstation.indicators.callable_module import make_callable
from workstation.indicators.candles.engine import Candles, candles

__all__ = ["Candles", "candles"]

make_callable(__name__)
