"""Newest values of contracts that are not too old to price with."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from workstation.market.tables import NO_TIME
from workstation.pricing.cells import distinct
from workstation.pricing.forward import newest_per_group
from workstation.pricing.latest import FIELDS, GROUP_NAMES, GROUP_OF, LatestMarks

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

STALE_AFTER_S = 900.0
_LONGEST_S = 1e9
"""Older than thirty years is older than any mark."""


def limit_of(asof_ns: int, stale_after_s: float) -> int:
    """The oldest instant (UTC ns) that is not stale at another."""
    return asof_ns - round(min(stale_after_s, _LONGEST_S) * 1e9)


@numba.njit(cache=True)
def _gather_fresh(values: Any, times: Any, rows: Any, groups: Any, codes: Any, limit_ns: int) -> Any:
    found = np.empty((rows.size, codes.size))
    for position in range(rows.size):
        for i in range(codes.size):
            value = values[rows[position], codes[i]]
            fresh = value > 0.0 and times[groups[position], codes[i]] >= limit_ns
            found[position, i] = value if fresh else np.nan
    return found


@lru_cache(maxsize=64)
def _rows_of(names: tuple[str, ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of fields among the values and of their groups among the times."""
    groups = [GROUP_NAMES.index(GROUP_OF[name]) for name in names]
    return np.array([FIELDS.index(name) for name in names]), np.array(groups)


def fresh_fields(
    latest: LatestMarks, codes: Codes, names: tuple[str, ...], limit_ns: int
) -> dict[str, Floats]:
    """Fields' newest values by name where they are positive and not older than the limit, else NaN."""
    found = _gather_fresh(latest.values, latest.times, *_rows_of(names), codes, limit_ns)
    return dict(zip(names, found, strict=True))


def fresh_quotes(
    latest: LatestMarks, codes: Codes, *, asof_ns: int, stale_after_s: float = STALE_AFTER_S
) -> dict[str, Floats]:
    """Bid, ask and their vols as the venue says them, by name; NaN where older than ``stale_after_s``."""
    limit_ns = limit_of(asof_ns, stale_after_s)
    return fresh_fields(latest, codes, ("bid", "ask", "bid_iv", "ask_iv"), limit_ns)


def newest_index(latest: LatestMarks, codes: Codes, limit_ns: int) -> tuple[float, int]:
    """The newest index; of several venues the median of each one's newest."""
    index = fresh_fields(latest, codes, ("index",), limit_ns)["index"]
    index_ns = latest.time("index")[codes]
    planes = latest.venue[codes]
    if not planes.size or (planes == planes[0]).all():
        value = newest_per_group(
            groups=np.zeros(codes.size, dtype=np.int64), times=index_ns, values=index, count=1
        )
        return float(value[0]), int(index_ns[index > 0].max(initial=NO_TIME))
    venues, group = distinct(planes.astype(np.int64))
    values = newest_per_group(groups=group, times=index_ns, values=index, count=venues.size)
    values = values[~np.isnan(values)]
    return float(np.median(values)) if values.size else np.nan, int(index_ns[index > 0].max(initial=NO_TIME))
