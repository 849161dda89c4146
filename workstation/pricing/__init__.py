"""Option pricing: price and greeks, implied vol, forwards, smiles, the chain and the surface."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "price": "black",
        "greeks": "black",
        "premium_adjusted_delta": "black",
        "implied_vol": "implied",
        "implied_vol_reason": "implied",
        "forwards": "forward",
        "fit_smile": "svi_fit",
        "chain": "chain",
        "compare_venues": "across_venues",
        "surface": "surface",
        "greek_surface": "surface",
        "vol_at": "surface",
        "by_expiry": "surface",
        "Surface": "surface_engine",
        "SurfaceParameters": "surface_engine",
        "skew_history": "surface_engine",
    },
)
