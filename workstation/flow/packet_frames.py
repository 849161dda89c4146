"""Records of packets as rows of ``packets``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.flow import packet_kernels as k
from workstation.flow.packet_texts import Texts, packet_ids, texts_of
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NBBO_BUCKETS, PACKETS
from workstation.market.tables.categories import categories, category, coded, constant
from workstation.market.tables.columns import unknowns
from workstation.market.tables.texts import text_column

if TYPE_CHECKING:
    from workstation.flow.packet_memory import PacketMemory, Told
    from workstation.flow.packet_state import PacketState

_RIGHTS = categories("", "C", "P")
_NAMES: dict[str, Any] = {"count": 0, "texts": texts_of([])}
_ROWS: dict[str, dict[str, int]] = {}
"""Row of each numeric column in the stack of its kind."""
for _column in PACKETS.columns:
    if _column.dtype is not None:
        _ROWS.setdefault(_column.kind, {})[_column.name] = len(_ROWS.get(_column.kind, ()))
_MEASURED = ("premium", "size", "spread")
_BUCKETS = tuple(bucket.lower() for bucket in NBBO_BUCKETS)
_AS_THEY_ARE = {
    "float64": {
        "size": k.SIZE, "premium_usd": k.PREMIUM, "largest_usd": k.LARGEST, "first_price": k.FIRST, "last_price": k.LAST,
        "quote_age_ms": k.AGE, "spot": k.SPOT, "pre_move": k.PRE_MOVE, "delta": k.DELTA, "gamma": k.GAMMA, "vega": k.VEGA,
        "multiplier": k.MULTIPLIER, "gex": k.GEX, "open_interest": k.OPEN_INTEREST, "volume_before": k.VOLUME_BEFORE,
        "premium_rank": k.RANK,
        **{f"{name}_z": k.Z + 2 * place for place, name in enumerate(_MEASURED)},
        **{f"{name}_mad_z": k.Z + 2 * place + 1 for place, name in enumerate(_MEASURED)},
    },
    "int64": {"event_ns": k.END, "burst": k.BURST, "start_ns": k.START, "end_ns": k.END, "prints": k.PRINTS},
    "int32": {
        "iso_prints": k.ISO, "flags": k.FLAGS, "samples": k.SAMPLES,
        **{f"prints_{bucket}": k.COUNTS + place for place, bucket in enumerate(_BUCKETS)},
    },
}  # fmt: skip
"""Columns of a record that are told as they are."""
_OVER_SIZE = {
    "buy_ratio": k.BUY, "sell_ratio": k.SELL, "inside_ratio": k.INSIDE, "lean": k.LEAN, "directional": k.DIRECTIONAL,
    **{f"share_{bucket}": k.SIZES + place for place, bucket in enumerate(_BUCKETS)},
}  # fmt: skip
"""Columns that are told as shares of the size."""


def _places(kind: str, columns: dict[str, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of a stack, and the columns of the records that are told there."""
    return np.array([_ROWS[kind][name] for name in columns]), np.array(list(columns.values()))


_TOLD = {kind: _places(kind, columns) for kind, columns in _AS_THEY_ARE.items()}
_SHARES = _places("float64", _OVER_SIZE)
_MEANS = ("vwap", "spread", "relative_spread", "aggressive_ratio", "coverage", "iv", "vol_edge_bps")
_MEAN_PLACES = np.array([_ROWS["float64"][name] for name in _MEANS])
_BEYOND = (k.COUNTS + NBBO_BUCKETS.index("AA"), k.COUNTS + NBBO_BUCKETS.index("BB"))


@numba.njit(cache=True)
def copy_columns(records: Any, columns: Any, places: Any, stack: Any) -> None:
    """Columns of records (n, all columns) into rows of a stack (all rows, n)."""
    for at in range(columns.size):
        row, column = stack[places[at]], columns[at]
        for i in range(row.size):
            row[i] = records[i, column]


@numba.njit(cache=True)
def _mean(value: float, weight: float) -> float:
    return value / weight if weight > 0.0 else np.nan


@numba.njit(cache=True)
def fill_ratios(ints: Any, floats: Any, columns: Any, places: Any, means: Any, stack: Any) -> None:
    """Shares of the size into rows ``places`` of a stack, and ``_MEANS`` (over size, prints, or prints with a quote) into ``means``."""
    for i in range(len(floats)):
        record, size = floats[i], max(floats[i, k.SIZE], 1e-300)
        for at in range(columns.size):
            stack[places[at], i] = record[columns[at]] / size
        prints = max(ints[i, k.PRINTS], 1)
        vwap = _mean(record[k.NOTIONAL], record[k.SIZE])
        spread = _mean(record[k.SPREADS], record[k.SPREAD_PRINTS])
        stack[means[0], i], stack[means[1], i], stack[means[2], i] = vwap, spread, _mean(spread, vwap)
        stack[means[3], i] = (ints[i, _BEYOND[0]] + ints[i, _BEYOND[1]]) / prints
        stack[means[4], i] = ints[i, k.FRESH] / prints
        stack[means[5], i] = _mean(record[k.IV], record[k.IV_SIZE])
        stack[means[6], i] = _mean(record[k.EDGE], record[k.EDGE_SIZE])


def packet_frame(told: Told, state: PacketState, memory: PacketMemory) -> pd.DataFrame:
    """Rows of ``packets`` from records."""
    ints, floats, rows = told.ints, told.floats, len(told.revision)
    stacks = {kind: np.zeros((len(held), rows), kind) for kind, held in _ROWS.items()}
    for kind, (places, columns) in _TOLD.items():
        copy_columns(floats if kind == "float64" else ints, columns, places, stacks[kind])
    fill_ratios(ints, floats, _SHARES[1], _SHARES[0], _MEAN_PLACES, stacks["float64"])
    codes, terms = ints[:, k.CODE], state.terms
    option = terms.is_option[codes]
    singles = {
        "expiry_ns": np.where(option, terms.expiry_ns[codes], 0), "strike": terms.strike[codes], "revision": told.revision,
        "burst_packets": np.where(told.revision > 0, 0, ints[:, k.BURST_PACKETS]),
        "exchanges": np.bitwise_count(ints[:, k.EXCHANGES]),
    }  # fmt: skip
    for name, values in singles.items():
        kind = PACKETS.by_name[name].kind
        stacks[kind][_ROWS[kind][name]] = values
    right = np.where(option, np.where(terms.is_call[codes], 1, 2), 0).astype(np.int8)
    others = {
        "instrument": REGISTRY.categorical(codes.astype(np.int32)), "underlying": _underlyings(ints[:, k.UNDERLYING], terms.underlyings),
        "packet_id": text_column(packet_ids(codes, ints[:, k.START], ints[:, k.END], _names())), "right": coded(right, _RIGHTS),
        "evidence": text_column(memory.evidence(ints[:, k.ORDINAL])), **_parents(ints[:, k.PARENT], state.parent_texts),
    }  # fmt: skip
    return PACKETS.stacked(stacks, others, rows)


def _underlyings(places: npt.NDArray[np.int64], names: list[str]) -> pd.Categorical:
    return coded(np.where(places < 0, len(names), places).astype(np.int32), categories(*names, ""))


def _parents(numbers: npt.NDArray[np.int64], texts: dict[int, tuple[str, str]]) -> dict[str, Any]:
    if not (numbers != numbers[0]).any():
        venue, block = texts[int(numbers[0])]
        blocks = unknowns("str", "", numbers.size) if not block else text_column([block] * numbers.size)
        return {"venue": constant(venue, numbers.size), "block_id": blocks}
    known, places = np.unique(numbers, return_inverse=True)
    told = [texts[int(number)] for number in known]
    told_blocks = pa.array([block for _, block in told], pa.large_string()).take(pa.array(places))
    return {"venue": category([venue for venue, _ in told], places), "block_id": text_column(told_blocks)}


def _names() -> Texts:
    """Names of the registry as one column of texts."""
    count = len(REGISTRY)
    if _NAMES["count"] != count:
        _NAMES["texts"] = texts_of(REGISTRY.dtype.categories.array)
        _NAMES["count"] = count
    told: Texts = _NAMES["texts"]
    return told
