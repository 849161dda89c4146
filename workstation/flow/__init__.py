"""Prints of options and their underlyings."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "LargeTrades": "large_trades",
        "LargeTradesParameters": "large_trades",
        "TakerFlow": "taker_flow",
    },
)
