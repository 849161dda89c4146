"""The gates of the classifiers: which packets may be what, over all packets of a batch at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.market.instants import DAY_NS
from workstation.market.tables import PACKETS, TradeFlag

CLASSIFIERS = (
    "large_bullish_call_sweep", "large_bearish_put_sweep", "block", "unusual_contract_spike", "put_write", "call_overwrite",
    "straddle", "strangle", "vertical_spread", "ladder_accumulation", "roll", "zero_dte_gamma_punch", "far_dated_conviction",
    "opening_likely", "closing_unwind", "absorbed", "split_order", "package",
)  # fmt: skip
"""Ids of the classifiers. ``split_order``: a sweep's numbers on one exchange without ISO flags. ``package``: any other structure."""
NO_VERDICT = "abstained"
(
    CALL_SWEEP, PUT_SWEEP, BLOCK, SPIKE, PUT_WRITE, OVERWRITE, STRADDLE, STRANGLE, VERTICAL, LADDER, ROLL, PUNCH, FAR, OPENING, UNWIND,
    ABSORBED, SPLIT, PACKAGE,
) = range(len(CLASSIFIERS))  # fmt: skip
_BLOCK = int(TradeFlag.BLOCK)
_AT = {name: place for place, name in enumerate(PACKETS.names)}
_FLOATS = (
    "size", "premium_usd", "largest_usd", "buy_ratio", "sell_ratio", "coverage", "premium_z", "size_z", "premium_rank", "strike", "spot",
    "open_interest", "volume_before",
)  # fmt: skip
(
    SIZE, PREMIUM, LARGEST, BUY, SELL, COVERAGE, PREMIUM_Z, SIZE_Z, RANK, STRIKE, SPOT, OPEN_INTEREST, VOLUME_BEFORE,
) = range(len(_FLOATS))  # fmt: skip
OPENING_SHARE = 0.5
"""Size over open interest from which a packet larger than the day's earlier volume is likely an opening one."""


class Gates(NamedTuple):
    """Thresholds as ``ClassifierParameters`` names them."""

    sweep_prints: float
    sweep_usd: float
    sweep_z: float
    block_usd: float
    spike_usd: float
    spike_size: float
    spike_premium_z: float
    spike_size_z: float
    spike_least_size: float
    structure_usd: float
    punch_distance: float
    far_days: float
    far_usd: float
    coverage: float
    side_ratio: float
    abstain_coverage: float
    rank: float
    most_spread: float
    stale_ms: float
    least_size: float


class Found(NamedTuple):
    """Bits of the classifiers that each packet passes (n,), and whether any."""

    bits: Any
    any: Any


@numba.njit(cache=True)
def _of_name(rank: float, limit: float) -> bool:
    return bool(np.isnan(rank) or rank >= limit)


@numba.njit(cache=True)
def _sweeps(f: Any, prints: int, iso: int, exchanges: int, call: bool, gates: Gates) -> int:
    """A sweep, or a split where neither ISO flags nor a second exchange say that it went through the market."""
    unusual = f[PREMIUM] >= gates.spike_usd and f[PREMIUM_Z] >= gates.sweep_z
    large = (f[PREMIUM] >= gates.sweep_usd and _of_name(f[RANK], gates.rank)) or unusual
    if prints < gates.sweep_prints or not large:
        return 0
    if iso == 0 and exchanges < 2:
        return 1 << SPLIT
    sold = f[SELL] >= gates.side_ratio
    if sold:
        return 0
    return 1 << (CALL_SWEEP if call else PUT_SWEEP)


@numba.njit(cache=True)
def _writes(f: Any, call: bool, gates: Gates) -> int:
    if (
        f[PREMIUM] < gates.spike_usd
        or f[SIZE] < gates.spike_size
        or not _of_name(f[RANK], gates.rank)
        or f[SELL] < gates.side_ratio
    ):
        return 0
    return 1 << (OVERWRITE if call else PUT_WRITE)


@numba.njit(cache=True)
def _spikes(f: Any, gates: Gates) -> bool:
    """Large by premium and size together, or far from the contract's own packets; twenty contracts are far from two, and no event."""
    if f[PREMIUM] < gates.spike_usd or not _of_name(f[RANK], gates.rank):
        return False
    if f[SIZE] >= gates.spike_size:
        return True
    matters = f[SIZE] >= gates.spike_least_size or f[PREMIUM] >= gates.block_usd
    return bool(matters and (f[PREMIUM_Z] >= gates.spike_premium_z or f[SIZE_Z] >= gates.spike_size_z))


@numba.njit(cache=True)
def _of_terms(f: Any, days: float, gates: Gates) -> int:
    """What expiry and strike say of a packet that is large enough."""
    bits = 0
    large = f[PREMIUM] >= gates.spike_usd and _of_name(f[RANK], gates.rank)
    if not large:
        return 0
    near = f[SPOT] > 0.0 and abs(f[STRIKE] - f[SPOT]) <= gates.punch_distance * f[SPOT]
    if 0.0 <= days < 1.0 and near and f[SIZE] >= gates.spike_size:
        bits |= 1 << PUNCH
    one_sided = f[BUY] >= gates.side_ratio or f[SELL] >= gates.side_ratio
    if days >= gates.far_days and f[PREMIUM] >= gates.far_usd and (one_sided or f[COVERAGE] < gates.coverage):
        bits |= 1 << FAR
    return bits


@numba.njit(cache=True)
def _of_open_interest(f: Any, gates: Gates) -> int:
    if not f[OPEN_INTEREST] >= 0.0 or f[PREMIUM] < gates.spike_usd or not _of_name(f[RANK], gates.rank):
        return 0
    before = 0.0 if np.isnan(f[VOLUME_BEFORE]) else f[VOLUME_BEFORE]
    if f[SIZE] > f[OPEN_INTEREST] + before or f[SIZE] >= OPENING_SHARE * f[OPEN_INTEREST] > 0.0:
        return 1 << OPENING
    if f[SELL] >= gates.side_ratio and f[SIZE] >= 0.1 * f[OPEN_INTEREST]:
        return 1 << UNWIND
    return 0


@numba.njit(cache=True)
def _gate(
    floats: Any, prints: Any, iso: Any, exchanges: Any, flags: Any, right: Any, days: Any, leg: Any, gates: Gates, bits: Any
) -> None:  # fmt: skip
    f = np.empty(floats.shape[0])
    for i in range(bits.size):
        bits[i] = 0
        if prints[i] == 0 or right[i] == 0:
            continue
        for column in range(f.size):
            f[column] = floats[column, i]
        found = 0
        if not leg[i]:
            if f[LARGEST] >= gates.block_usd or flags[i] & _BLOCK:
                found |= 1 << BLOCK
            call = right[i] == 1
            found |= _sweeps(f, prints[i], iso[i], exchanges[i], call, gates)
            found |= _writes(f, call, gates)
            found |= _of_terms(f, days[i], gates)
            found |= _of_open_interest(f, gates)
            if _spikes(f, gates):
                found |= 1 << SPIKE
        bits[i] = found


def gate(arrays: list[Any], leg: Any, gates: Gates) -> Found:
    """Bits of every packet; ``leg`` says which are legs of a structure, which speaks for them."""
    count = len(arrays[0])
    floats = np.empty((len(_FLOATS), count))
    for row, name in enumerate(_FLOATS):
        floats[row] = arrays[_AT[name]]
    right = arrays[_AT["right"]]
    numbers = np.array([{"C": 1, "P": 2}.get(str(name), 0) for name in right.categories] + [0], np.int8)[
        right.codes
    ]
    days = (arrays[_AT["expiry_ns"]] - arrays[_AT["start_ns"]]) / DAY_NS
    bits = np.empty(count, dtype=np.int64)
    ints = [
        np.ascontiguousarray(arrays[_AT[name]], dtype=np.int64)
        for name in ("prints", "iso_prints", "exchanges", "flags")
    ]
    prints, iso, exchanges, flags = ints
    _gate(floats, prints, iso, exchanges, flags, numbers, days, leg, gates, bits)
    return Found(bits, bits != 0)
