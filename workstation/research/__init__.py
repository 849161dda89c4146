"""Import, replay, compare, evaluate."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "comparison": "comparison",
        "evaluate": "evaluate",
        "import_files": "importing",
        "replay": "replay",
    },
)
