"""What we hold, on the screen: greeks, positions, PnL with its explain, what-if."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "curves": "cards",
        "explain": "cards",
        "panel": "cards",
        "positions": "cards",
        "totals": "cards",
        "what_if": "cards",
    },
)
