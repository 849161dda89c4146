"""Numbers of messages -> columns: what is missing, what 0 means, milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta
from msgspec.structs import astuple

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

MILLISECOND = 1_000_000
DAYS, POINTS = 365.0, 100.0
"""Days of a year (theta), vol points of 1.00 (vega)."""

Milliseconds = Annotated[int, Meta(gt=0, lt=9_000_000_000_000)]
Number = Annotated[float, Meta(ge=-1e18, le=1e18)]
Amount = Annotated[float, Meta(ge=0, le=1e18)]
Positive = Annotated[float, Meta(gt=0, le=1e18)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
"""Fields of messages; an infinite number is none."""


def columns_of(structs: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    """Every field of structs of one class as a column; one pass over them."""
    names = structs[0].__struct_fields__
    return dict(zip(names, zip(*map(astuple, structs), strict=True), strict=True))


def number(values: Sequence[Any]) -> Floats:
    """Numbers, null -> NaN."""
    return np.array(values, dtype=np.float64)


def present(values: Sequence[Any]) -> Floats:
    """Numbers of which 0 means none: prices of an empty side, IV without quote; null and 0 -> NaN."""
    numbers = number(values)
    numbers[numbers == 0.0] = np.nan
    return numbers


def positive(values: Sequence[Any]) -> Floats:
    """Numbers of which what is not above 0 means none: IV that a venue writes as -1."""
    numbers = number(values)
    numbers[~(numbers > 0.0)] = np.nan
    return numbers


def nanoseconds(milliseconds: Any) -> Times:
    """Milliseconds as ns."""
    return np.asarray(milliseconds, dtype=np.int64) * MILLISECOND


def counted(values: Sequence[Any]) -> Times:
    """Whole numbers, null -> 0."""
    return np.array([value or 0 for value in values], dtype=np.int64)
