"""Import, replay, compare, evaluate; on one core or many."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "comparison": "comparison",
        "evaluate": "evaluate",
        "fleet": "fleet",
        "import_files": "importing",
        "replay": "replay",
    },
)
