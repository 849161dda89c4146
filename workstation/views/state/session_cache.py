"""What many sessions show alike is made once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from workstation.views.state.source import Source

_SHARED: WeakKeyDictionary[Any, dict[tuple[Any, ...], tuple[Any, Any]]] = WeakKeyDictionary()
KEPT = 128
"""Results kept per source; the oldest leave first."""


def shared(source: Source, key: tuple[Any, ...], make: Callable[[], Any], *tables: str) -> Any:
    """What ``make`` gives, made once for all sessions of a source as long as the versions of ``tables`` stay.

    Parameters
    ----------
    source
        What is shown.
    key
        What the result is of, and all it hangs on next to the source.
    make
        Makes it; None is not kept. Nobody may write to what it gives.
    tables
        What it is made from; none: ``exposures``.
    """
    kept = _SHARED.setdefault(source, {})
    versions = tuple(source.version(table) for table in tables or ("exposures",))
    if key not in kept or kept[key][0] != versions:
        kept.pop(key, None)
        value = make()
        if value is None:
            return None
        kept[key] = (versions, value)
        while len(kept) > KEPT:
            del kept[next(iter(kept))]
    return kept[key][1]
