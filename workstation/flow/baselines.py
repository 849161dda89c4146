"""Each print against the prints before it: of its own contract, or of its underlying's options while the contract has few."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME
from workstation.pricing.contracts import Floats

STATISTICS: tuple[str, ...] = (
    "samples",
    "of_contract",
    "coin_mean",
    "coin_sd",
    "coin_z",
    "coin_median",
    "coin_robust_z",
    "usd_mean",
    "usd_sd",
    "usd_z",
    "usd_median",
    "usd_robust_z",
)
"""What is told of a large print: how many prints before it, whether of its contract (1) or its underlying's options (0), and of its
size in underlying units and in USD: mean, sd, z, median, robust z."""
MAD_SCALE = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""


class Limits(NamedTuple):
    """When a print is large: z of one measure over ``z`` and its robust z over ``robust_z``, from ``samples`` prints on."""

    z: float
    robust_z: float
    samples: int
    quiet_ns: int


@numba.njit(cache=True)
def _measure(value: float, ring: Any, out: Any) -> None:
    """mean, sd, z, median, robust z of a value against a ring; NaN where there is no spread."""
    mean = ring.mean()
    sd = ring.std()
    middle = np.median(ring)
    mad = np.median(np.abs(ring - middle))
    out[0], out[1], out[3] = mean, sd, middle
    out[2] = (value - mean) / sd if sd > 0.0 else np.nan
    out[4] = (value - middle) / (MAD_SCALE * mad) if mad > 0.0 else np.nan


@numba.njit(cache=True)
def _is_large(out: Any, z: float, robust_z: float) -> bool:
    """Without a spread in the middle half the robust z says nothing, and the other decides."""
    return bool(out[2] >= z and (np.isnan(out[4]) or out[4] >= robust_z))


@numba.njit(cache=True)
def _judge(
    contract: Any,
    group: Any,
    event_ns: Any,
    values: Any,
    judged: Any,
    rings: Any,
    counts: Any,
    last_ns: Any,
    z: float,
    robust_z: float,
    samples: int,
    quiet_ns: int,
    hits: Any,
    statistics: Any,
) -> int:
    found = 0
    kept = rings.shape[2]
    for i in range(contract.size):
        if judged[i]:
            key = contract[i]
            if counts[key] < samples and group[i] >= 0:
                key = group[i]
            held = min(counts[key], kept)
            if counts[key] >= samples:
                row = statistics[found]
                row[0], row[1] = held, 1.0 if key == contract[i] else 0.0
                _measure(values[0, i], rings[key, 0, :held], row[2:7])
                _measure(values[1, i], rings[key, 1, :held], row[7:12])
                large = _is_large(row[2:7], z, robust_z) or _is_large(row[7:12], z, robust_z)
                if large and (last_ns[contract[i]] < 0 or event_ns[i] >= last_ns[contract[i]] + quiet_ns):
                    last_ns[contract[i]] = event_ns[i]
                    hits[found] = i
                    found += 1
        for key in (contract[i], group[i]):
            if key >= 0:
                position = counts[key] % kept
                rings[key, 0, position] = values[0, i]
                rings[key, 1, position] = values[1, i]
                counts[key] += 1
    return found


class PrintHistory:
    """The last prints of every contract, and of all options of every underlying.

    Examples
    --------
    >>> history = PrintHistory(kept=100)
    >>> code = REGISTRY.codes(["BTC/USD:BTC"] * 13).astype(np.int64)
    >>> size = np.array([1.0, 2.0] * 6 + [50.0])
    >>> hits, told = history.judge(
    ...     codes=code, groups=np.full(13, -1), event_ns=np.arange(13), coin=size, usd=size * 1e5, judged=size > 10,
    ...     limits=Limits(3.0, 5.0, 12, 0))
    >>> hits.tolist(), told[0]["samples"], round(told[0]["coin_z"])
    ([12], 12.0, 97)
    """

    def __init__(self, *, kept: int) -> None:
        self._kept = kept
        self._row_of: dict[int, int] = {}
        self._rows = np.full(0, -1, dtype=np.int64)
        self._rings = np.zeros((0, 2, kept))
        self._counts = np.zeros(0, dtype=np.int64)
        self._last_ns = np.zeros(0, dtype=np.int64)

    def judge(
        self,
        *,
        codes: npt.NDArray[np.int64],
        groups: npt.NDArray[np.int64],
        event_ns: npt.NDArray[np.int64],
        coin: Floats,
        usd: Floats,
        judged: npt.NDArray[np.bool_],
        limits: Limits,
    ) -> tuple[npt.NDArray[np.int64], list[dict[str, float]]]:
        """Remember prints in their order, and tell the large ones of those ``judged``: positions, and ``STATISTICS`` of each.

        ``groups`` is a place of an underlying for its options, -1 for other instruments. After a large print, its
        contract is quiet for ``limits.quiet_ns``.
        """
        contract, group = self._places(codes), self._group_places(groups)
        hits = np.empty(int(judged.sum()) + 1, dtype=np.int64)
        statistics = np.empty((hits.size, len(STATISTICS)))
        found = _judge(
            contract, group, event_ns, np.stack((coin, usd)), judged, self._rings, self._counts, self._last_ns,
            limits.z, limits.robust_z, limits.samples, limits.quiet_ns, hits, statistics,
        )  # fmt: skip
        reported = [dict(zip(STATISTICS, row, strict=True)) for row in statistics[:found].tolist()]
        return hits[:found], reported

    def _places(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        needed = int(codes.max(initial=-1)) + 1
        if needed > self._rows.size:
            extra = max(needed, 2 * self._rows.size, 1024) - self._rows.size
            self._rows = np.concatenate((self._rows, np.full(extra, -1, dtype=np.int64)))
        for code in np.unique(codes[self._rows[codes] < 0]).tolist():
            self._rows[code] = self._new(code)
        return self._rows[codes]

    def _group_places(self, groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Groups have keys below zero: -2 - place of the underlying."""
        positions = np.full(int(groups.max(initial=-1)) + 2, -1, dtype=np.int64)
        for group in np.unique(groups[groups >= 0]).tolist():
            key = -2 - group
            positions[group] = self._row_of[key] if key in self._row_of else self._new(key)
        return positions[groups]

    def _new(self, key: int) -> int:
        row = self._row_of[key] = len(self._row_of)
        held = self._counts.size
        if row >= held:
            extra = max(64, held)
            self._rings = np.concatenate((self._rings, np.zeros((extra, 2, self._kept))))
            self._counts = np.concatenate((self._counts, np.zeros(extra, dtype=np.int64)))
            self._last_ns = np.concatenate((self._last_ns, np.full(extra, NO_TIME)))
        return row

    def snapshot(self, underlyings: list[str]) -> dict[str, Any]:
        """Rings by name: of a contract, or of the options of one of ``underlyings``."""
        used = len(self._row_of)
        contracts = [key for key in self._row_of if key >= 0]
        return {
            "contracts": [str(name) for name in REGISTRY.names(np.array(contracts, dtype=np.int64))],
            "contract_rows": [self._row_of[key] for key in contracts],
            "groups": [underlyings[-2 - key] for key in self._row_of if key < 0],
            "group_rows": [row for key, row in self._row_of.items() if key < 0],
            "rings": self._rings[:used].copy(),
            "counts": self._counts[:used].copy(),
            "last_ns": self._last_ns[:used].copy(),
        }

    def restore(self, state: dict[str, Any], underlyings: list[str]) -> None:
        """Go on from a ``snapshot()``."""
        codes = REGISTRY.codes(state["contracts"]).tolist()
        self._row_of = dict(zip(codes, state["contract_rows"], strict=True))
        groups = [-2 - underlyings.index(name) for name in state["groups"]]
        self._row_of |= dict(zip(groups, state["group_rows"], strict=True))
        self._rows = np.full(max([0, *(code + 1 for code in codes)]), -1, dtype=np.int64)
        self._rows[codes] = state["contract_rows"]
        self._rings, self._counts = np.array(state["rings"]), np.array(state["counts"])
        self._last_ns = np.array(state["last_ns"])
