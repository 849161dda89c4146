"""Ticks in space and time, on the screen."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "charts": "cards",
        "panel": "cards",
        "reason_table": "reasons",
    },
)
