"""Addresses of stores: a scheme and where the store is. No other module reads one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workstation.market.errors import HistoryError

if TYPE_CHECKING:
    from workstation.history.history import History

SCHEMES: Mapping[str, str] = {
    "embedded": "workstation.history.embedded.store:open_embedded",
    "lake": "workstation.history.embedded.store:open_embedded",
    "influxdb3": "workstation.history.influx.store:open_influx",
}
"""Scheme -> the function that opens its stores, ``module:name``; ``lake`` is the earlier name of ``embedded``."""
_FOLDERS = frozenset({"embedded", "lake"})


def split(url: str | Path) -> tuple[str, str]:
    """Scheme and the rest of an address; a plain path is of the embedded history.

    Raises
    ------
    HistoryError
        The scheme is not known, or nothing follows it.

    Examples
    --------
    >>> split("embedded:///data/history"), split("data/history")
    (('embedded', '/data/history'), ('embedded', 'data/history'))
    """
    text = str(url)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "embedded", text
    if scheme not in SCHEMES:
        raise HistoryError(
            f"{text!r}: no history speaks {scheme!r}; known are a plain path, embedded://path (and its earlier "
            "name lake://path), influxdb3://host:port/database"
        )
    if not rest:
        raise HistoryError(
            f"{text!r} names no folder; write embedded:///absolute/path or embedded://relative/path "
            "(lake://path is read too)"
        )
    return scheme, rest


def folder_of(url: str | Path) -> Path | None:
    """The local folder of an address, None where the store is not in one."""
    scheme, rest = split(url)
    return Path(rest).expanduser().absolute() if scheme in _FOLDERS else None


def opener(url: str | Path) -> Callable[..., History]:
    """The function that opens the store at an address, given what follows its scheme and the options."""
    module, _, name = SCHEMES[split(url)[0]].partition(":")
    found: Any = getattr(importlib.import_module(module), name)
    return found  # type: ignore[no-any-return]
