"""What we hold: positions, greeks, PnL, explain, what-if."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "positions": "positions",
        "settlements": "positions",
        "reconcile": "positions",
        "book": "book",
        "net": "book",
        "totals": "greeks",
        "explain": "explain",
        "what_if": "what_if",
        "paper_fills": "paper",
        "removal": "paper",
        "sample_fills": "sample",
        "PnlSnapshots": "pnl",
        "curves": "pnl",
    },
)
