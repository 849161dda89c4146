"""Arithmetic without a market: moving averages and rolling statistics that do not drift.

Examples
--------
>>> from workstation.numerics import ema, rolling_mean
>>> ema([1.0, 2.0, 4.0], 3).tolist(), rolling_mean([1.0, 2.0, 4.0], 2).tolist()
([1.0, 1.5, 2.75], [nan, 1.5, 3.0])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workstation.numerics.moving_averages import ema, sma, zlma
    from workstation.numerics.rolling import (
        rolling_max,
        rolling_mean,
        rolling_min,
        rolling_moments,
        rolling_sd,
        rolling_sum,
    )

_AVERAGES = ("ema", "sma", "zlma")

__all__ = [
    "ema",
    "rolling_max",
    "rolling_mean",
    "rolling_min",
    "rolling_moments",
    "rolling_sd",
    "rolling_sum",
    "sma",
    "zlma",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'moving_averages' if name in _AVERAGES else 'rolling'}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
