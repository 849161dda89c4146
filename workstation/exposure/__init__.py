"""What open interest does to the market."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "exposure": "book",
        "ExposureBook": "book",
        "levels": "levels",
        "Levels": "levels",
        "wall": "levels",
        "zero_gamma": "zero_gamma",
        "net_gex_curve": "zero_gamma",
        "band": "band",
        "change": "change",
        "forced_flow": "scenario",
        "forced_flow_grid": "scenario",
        "open_interest": "open_interest",
        "max_pain": "open_interest",
        "cascade_risk": "cascade",
        "Cascade": "cascade_engine",
        "WallAlerts": "wall_alerts",
    },
)
