"""The flow page: tapes, alerts with their evidence, net premium and what happens off exchange."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "alert_evidence": "cards",
        "net_premium_by_expiry": "cards",
        "off_exchange_prints": "cards",
        "panel": "cards",
        "recent_alerts": "cards",
        "tape": "cards",
    },
)
