"""Bybit: options, perpetuals, dated futures and spot, over JSON websockets and REST; its account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.feeds.bybit.feed import Bybit

__all__ = ["Bybit"]


def __getattr__(name: str) -> Any:
    if name == "Bybit":
        from workstation.feeds.bybit.feed import Bybit

        return Bybit
    raise AttributeError(f"module 'workstation.feeds.bybit' has no attribute {name!r}; it has Bybit")
