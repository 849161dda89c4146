"""DTN IQFeed: US equities, indices and options, over the text protocol of a local IQConnect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.feeds.iqfeed.feed import IQFeed

__all__ = ["IQFeed"]


def __getattr__(name: str) -> Any:
    if name == "IQFeed":
        from workstation.feeds.iqfeed.feed import IQFeed

        return IQFeed
    raise AttributeError(f"module 'workstation.feeds.iqfeed' has no attribute {name!r}; it has IQFeed")
