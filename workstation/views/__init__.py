"""Rows -> panels: what the dashboards show, and each of their cards for a notebook's cell.

``views.exposure.price(desk)`` shows one card, ``views.exposure.panel(desk)`` the page.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PAGES = ("exposure", "surface", "spacetime", "portfolio")

__all__ = ["exposure", "portfolio", "spacetime", "surface"]


def __getattr__(name: str) -> Any:
    if name in _PAGES:
        return import_module(f"workstation.views.{name}")
    raise AttributeError(
        f"module 'workstation.views' has no attribute {name!r}; its pages are {', '.join(_PAGES)}"
    )
