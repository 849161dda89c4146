"""A research workstation for options and market microstructure.

>>> import workstation
>>> sorted(name for name in workstation.__all__)[:3]
['Settings', 'open_desk', 'open_feed']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from workstation import renamed

if TYPE_CHECKING:
    from workstation.desk import open_desk
    from workstation.feeds import open_feed
    from workstation.history import open_history
    from workstation.process import shared_desk
    from workstation.research.replay import replay
    from workstation.settings import Settings

_ROOMS = {
    "open_desk": "workstation.desk",
    "shared_desk": "workstation.process",
    "open_feed": "workstation.feeds",
    "open_history": "workstation.history",
    "replay": "workstation.research.replay",
    "Settings": "workstation.settings",
}

__all__ = ["Settings", "open_desk", "open_feed", "open_history", "replay", "shared_desk"]


renamed.install()


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'workstation' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
