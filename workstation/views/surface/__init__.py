"""The vol market on the screen: smiles, surface, term structure, skew, and what is wrong with them."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "fit_table": "cards",
        "surface_map": "cards",
        "panel": "cards",
        "skew_history": "cards",
        "smile_fits": "cards",
        "term_structure": "cards",
    },
)
