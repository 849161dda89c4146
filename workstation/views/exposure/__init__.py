"""What open interest does to the market, on the screen."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "by_expiry": "cards",
        "by_time": "cards",
        "cascade": "cards",
        "changes": "cards",
        "gamma_profile": "cards",
        "summary": "cards",
        "history": "cards",
        "interest": "cards",
        "levels": "cards",
        "net_history": "cards",
        "across": "cards",
        "panel": "cards",
        "price": "cards",
        "scenario": "cards",
        "smart": "cards",
        "smile": "cards",
        "strikes": "cards",
    },
)
