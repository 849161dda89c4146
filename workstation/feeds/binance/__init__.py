"""Binance: options, USD-margined futures and spot, over JSON websockets and REST; its account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.feeds.binance.feed import Binance

__all__ = ["Binance"]


def __getattr__(name: str) -> Any:
    if name == "Binance":
        from workstation.feeds.binance.feed import Binance

        return Binance
    raise AttributeError(f"module 'workstation.feeds.binance' has no attribute {name!r}; it has Binance")
