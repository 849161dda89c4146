"""Alpaca: US options and stocks over msgpack websockets and REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.feeds.alpaca.feed import Alpaca

__all__ = ["Alpaca"]


def __getattr__(name: str) -> Any:
    if name == "Alpaca":
        from workstation.feeds.alpaca.feed import Alpaca

        return Alpaca
    raise AttributeError(f"module 'workstation.feeds.alpaca' has no attribute {name!r}; it has Alpaca")
