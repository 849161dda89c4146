"""Modules under the names they had before, for one version: each warns and forwards to where its contents went."""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

RENAMED = {
    "workstation.exposure.flow": "workstation.flow.taker_flow",
    "workstation.feeds.accounts.binance": "workstation.feeds.binance.account",
    "workstation.feeds.accounts.bybit": "workstation.feeds.bybit.account",
    "workstation.feeds.accounts.deribit": "workstation.feeds.deribit.account",
    "workstation.feeds.accounts.okx": "workstation.feeds.okx.account",
    "workstation.feeds.accounts.reading": "workstation.feeds.venue_kit.account_rows",
    "workstation.feeds.accounts.wire": "workstation.feeds.venue_kit.account_calls",
    "workstation.history.lake": "workstation.history.embedded.store",
    "workstation.history.connections": "workstation.history.embedded.connections",
    "workstation.history.leases": "workstation.history.embedded.leases",
    "workstation.history.maintenance": "workstation.history.embedded.maintenance",
    "workstation.history.manifest": "workstation.history.embedded.manifest",
    "workstation.history.manifest_records": "workstation.history.embedded.manifest_records",
    "workstation.history.manifest_schema": "workstation.history.embedded.manifest_schema",
    "workstation.history.problems": "workstation.history.embedded.problems",
    "workstation.history.queries": "workstation.history.embedded.queries",
    "workstation.history.repair": "workstation.history.embedded.repair",
    "workstation.history.retention": "workstation.history.embedded.retention",
    "workstation.history.salvage": "workstation.history.embedded.salvage",
    "workstation.history.segments": "workstation.history.embedded.segments",
    "workstation.history.snapshot_reader": "workstation.history.embedded.snapshot_reader",
    "workstation.history.witness": "workstation.history.embedded.witness",
    "workstation.indicators.candle_length": "workstation.indicators.candles.timeframe",
    "workstation.indicators.rolling": "workstation.numerics.rolling",
    "workstation.indicators.smoothing": "workstation.numerics.moving_averages",
    "workstation.indicators.volume": "workstation.indicators.candles.volume",
    "workstation.streams.board": "workstation.board.board",
    "workstation.streams.engines": "workstation.engines",
}
"""Old name -> new name."""


class _Renamed(ModuleType):
    """Stands in ``sys.modules`` for a module that has another name now, which is loaded at the first use."""

    def __init__(self, name: str, target: str) -> None:
        super().__init__(name, f"Renamed to {target}.")
        self._target = target

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        warnings.warn(f"{self.__name__} is now {self._target}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(self._target), name)


def install() -> None:
    """Make the old names importable.

    Examples
    --------
    >>> from workstation.streams.engines import standard_engines
    >>> standard_engines.__module__
    'workstation.engines'
    """
    for name, target in RENAMED.items():
        sys.modules.setdefault(name, _Renamed(name, target))
