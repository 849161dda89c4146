"""A research workstation for options and market microstructure.

>>> import workstation
>>> sorted(workstation.__all__)[:4]
['Settings', 'candles', 'catalog', 'chain']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from workstation import renamed

if TYPE_CHECKING:
    from workstation import plots, views
    from workstation import process as process
    from workstation.desk import open_desk
    from workstation.exposure.levels import levels
    from workstation.feeds import open_feed
    from workstation.history import open_history
    from workstation.history.chains import chains
    from workstation.indicators.candles.engine import candles
    from workstation.indicators.own import indicator
    from workstation.indicators.ticks.intensity import intensity
    from workstation.indicators.ticks.reversals import reversals
    from workstation.indicators.ticks.spikes import spikes
    from workstation.pricing.chain import chain
    from workstation.pricing.surface import surface
    from workstation.research.evaluate import evaluate
    from workstation.research.importing import import_files
    from workstation.research.replay import replay
    from workstation.settings import Settings
    from workstation.views.shell.notebook_output import notebook

_ROOMS = {
    "Settings": "workstation.settings",
    "candles": "workstation.indicators.candles.engine",
    "catalog": "workstation.research.catalog",
    "chain": "workstation.pricing.chain",
    "chains": "workstation.history.chains",
    "evaluate": "workstation.research.evaluate",
    "import_files": "workstation.research.importing",
    "indicator": "workstation.indicators.own",
    "intensity": "workstation.indicators.ticks.intensity",
    "levels": "workstation.exposure.levels",
    "notebook": "workstation.views.shell.notebook_output",
    "open_desk": "workstation.desk",
    "open_feed": "workstation.feeds",
    "open_history": "workstation.history",
    "plots": "workstation",
    "process": "workstation",
    "replay": "workstation.research.replay",
    "reversals": "workstation.indicators.ticks.reversals",
    "spikes": "workstation.indicators.ticks.spikes",
    "surface": "workstation.pricing.surface",
    "views": "workstation",
}

__all__ = [
    "Settings",
    "candles",
    "catalog",
    "chain",
    "chains",
    "evaluate",
    "import_files",
    "indicator",
    "intensity",
    "levels",
    "notebook",
    "open_desk",
    "open_feed",
    "open_history",
    "plots",
    "replay",
    "reversals",
    "spikes",
    "surface",
    "views",
]

renamed.install()


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'workstation' has no attribute {name!r}; it has {', '.join(__all__)}")
    if _ROOMS[name] == __name__:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
