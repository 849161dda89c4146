"""Every subject as a HoloViews element, from the frames and Datasets that functions return.

Elements are styled by one theme, light or dark, carry units, tell their numbers on hover, and compose by ``*`` and ``+``.
"""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "candles": "price",
        "exposure_map": "exposures",
        "exposure_over_time": "exposures",
        "gamma_profile": "gamma",
        "gex_by_strike": "gamma",
        "intensity": "price",
        "levels_over_time": "gamma",
        "live": "live_plot",
        "pnl": "profit",
        "explain": "profit",
        "save": "saving",
        "scenario": "exposures",
        "skew_history": "volatility",
        "smiles": "volatility",
        "surface": "vol_surface",
        "contours": "vol_surface",
        "term_structure": "volatility",
        "theme": "style",
        "ticks": "price",
        "what_if": "exposures",
    },
)
