"""Deribit: options, futures, perpetuals and spot, over JSON-RPC websocket and REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.feeds.deribit.feed import Deribit

__all__ = ["Deribit"]


def __getattr__(name: str) -> Any:
    if name == "Deribit":
        from workstation.feeds.deribit.feed import Deribit

        return Deribit
    raise AttributeError(f"module 'workstation.feeds.deribit' has no attribute {name!r}; it has Deribit")
