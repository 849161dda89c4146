"""Interactive Brokers: quotes, open interest and model greeks over TWS or IB Gateway; no tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.feeds.ibkr.feed import IBKR

__all__ = ["IBKR"]


def __getattr__(name: str) -> Any:
    if name == "IBKR":
        from workstation.feeds.ibkr.feed import IBKR

        return IBKR
    raise AttributeError(f"module 'workstation.feeds.ibkr' has no attribute {name!r}; it has IBKR")
