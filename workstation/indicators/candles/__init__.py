"""Candles from one second, with the one in progress."""

from __future__ import annotations

from workstation.indicators.candles.engine import Candles, candles
from workstation.market.public_face import make_callable

__all__ = ["Candles", "candles"]

make_callable(__name__)
