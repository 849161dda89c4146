"""OKX: options, swaps, dated futures and spot, over JSON websockets and REST; its account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.feeds.okx.feed import OKX

__all__ = ["OKX"]


def __getattr__(name: str) -> Any:
    if name == "OKX":
        from workstation.feeds.okx.feed import OKX

        return OKX
    raise AttributeError(f"module 'workstation.feeds.okx' has no attribute {name!r}; it has OKX")
