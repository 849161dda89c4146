"""Databento: DBN records of its live gateway and of its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.feeds.databento.feed import Databento

__all__ = ["Databento"]


def __getattr__(name: str) -> Any:
    if name == "Databento":
        from workstation.feeds.databento.feed import Databento

        return Databento
    raise AttributeError(f"module 'workstation.feeds.databento' has no attribute {name!r}; it has Databento")
