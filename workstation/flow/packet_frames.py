"""Records of packets as rows of ``packets``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.flow import packet_kernels as k
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NBBO_BUCKETS, PACKETS
from workstation.market.tables.categories import categories, category, coded
from workstation.market.tables.texts import text_column

if TYPE_CHECKING:
    from workstation.flow.packet_memory import PacketMemory, Told
    from workstation.flow.packet_state import PacketState

_RIGHTS = categories("", "C", "P")
_NAMES: dict[str, Any] = {"count": 0, "texts": pa.array([], pa.large_string())}


def packet_frame(told: Told, state: PacketState, memory: PacketMemory) -> pd.DataFrame:
    """Rows of ``packets`` from records."""
    ints, floats, rows = told.ints, told.floats, len(told.revision)
    codes, terms, size = ints[:, k.CODE], state.terms, floats[:, k.SIZE]
    some = np.maximum(size, 1e-300)
    prints = np.maximum(ints[:, k.PRINTS], 1)
    vwap = np.where(size > 0, floats[:, k.NOTIONAL] / some, np.nan)
    spread = np.where(
        floats[:, k.SPREAD_PRINTS] > 0,
        floats[:, k.SPREADS] / np.maximum(floats[:, k.SPREAD_PRINTS], 1),
        np.nan,
    )
    option = terms.is_option[codes]
    columns: dict[str, Any] = {
        "seq": np.zeros(rows, np.int64), "event_ns": ints[:, k.END].copy(), "seen_ns": np.zeros(rows, np.int64),
        "instrument": REGISTRY.categorical(codes.astype(np.int32)), "underlying": _underlyings(ints[:, k.UNDERLYING], terms.underlyings),
        "packet_id": _ids(codes, ints[:, k.START], ints[:, k.END]), "revision": told.revision, "burst": ints[:, k.BURST],
        "burst_packets": np.where(told.revision > 0, 0, ints[:, k.BURST_PACKETS]).astype(np.int32), "start_ns": ints[:, k.START],
        "end_ns": ints[:, k.END], "expiry_ns": np.where(option, terms.expiry_ns[codes], 0), "strike": terms.strike[codes],
        "right": coded(np.where(option, np.where(terms.is_call[codes], 1, 2), 0).astype(np.int8), _RIGHTS), "prints": ints[:, k.PRINTS],
        "size": size, "premium_usd": floats[:, k.PREMIUM], "largest_usd": floats[:, k.LARGEST], "vwap": vwap,
        "first_price": floats[:, k.FIRST], "last_price": floats[:, k.LAST], "exchanges": _bits(ints[:, k.EXCHANGES]),
        "iso_prints": ints[:, k.ISO].astype(np.int32), "flags": ints[:, k.FLAGS].astype(np.int32),
        "buy_ratio": floats[:, k.BUY] / some, "sell_ratio": floats[:, k.SELL] / some, "inside_ratio": floats[:, k.INSIDE] / some,
        "aggressive_ratio": (ints[:, k.COUNTS] + ints[:, k.COUNTS + NBBO_BUCKETS.index("BB")]) / prints,
        "lean": floats[:, k.LEAN] / some, "coverage": ints[:, k.FRESH] / prints, "directional": floats[:, k.DIRECTIONAL] / some,
        "spread": spread, "relative_spread": np.where(vwap > 0, spread / np.where(vwap > 0, vwap, 1.0), np.nan),
        "quote_age_ms": floats[:, k.AGE], "spot": floats[:, k.SPOT], "pre_move": floats[:, k.PRE_MOVE],
        "iv": _weighted(floats, k.IV, k.IV_SIZE), "vol_edge_bps": _weighted(floats, k.EDGE, k.EDGE_SIZE), "delta": floats[:, k.DELTA],
        "gamma": floats[:, k.GAMMA], "vega": floats[:, k.VEGA], "multiplier": floats[:, k.MULTIPLIER], "gex": floats[:, k.GEX],
        "open_interest": floats[:, k.OPEN_INTEREST], "volume_before": floats[:, k.VOLUME_BEFORE],
        "samples": ints[:, k.SAMPLES].astype(np.int32), "premium_rank": floats[:, k.RANK],
        "evidence": text_column(memory.evidence(ints[:, k.ORDINAL])),
    }  # fmt: skip
    columns |= _parents(ints[:, k.PARENT], state.parent_texts)
    for place, bucket in enumerate(NBBO_BUCKETS):
        columns[f"share_{bucket.lower()}"] = floats[:, k.SIZES + place] / some
        columns[f"prints_{bucket.lower()}"] = ints[:, k.COUNTS + place].astype(np.int32)
    for place, measure in enumerate(("premium", "size", "spread")):
        columns[f"{measure}_z"] = floats[:, k.Z + 2 * place]
        columns[f"{measure}_mad_z"] = floats[:, k.Z + 2 * place + 1]
    arrays = [
        np.array(columns[name]) if isinstance(columns[name], np.ndarray) else columns[name]
        for name in PACKETS.names
    ]
    return PACKETS.assembled(arrays, rows)


def _weighted(floats: npt.NDArray[np.float64], value: int, weight: int) -> npt.NDArray[np.float64]:
    weights = floats[:, weight]
    return np.where(weights > 0, floats[:, value] / np.where(weights > 0, weights, 1.0), np.nan)


def _bits(masks: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    return np.bitwise_count(masks).astype(np.int32)


def _underlyings(places: npt.NDArray[np.int64], names: list[str]) -> pd.Categorical:
    return coded(np.where(places < 0, len(names), places).astype(np.int32), categories(*names, ""))


def _parents(numbers: npt.NDArray[np.int64], texts: dict[int, tuple[str, str]]) -> dict[str, Any]:
    known, places = np.unique(numbers, return_inverse=True)
    told = [texts[int(number)] for number in known]
    blocks = pa.array([block for _, block in told], pa.large_string()).take(pa.array(places))
    return {"venue": category([venue for venue, _ in told], places), "block_id": text_column(blocks)}


def _names() -> Any:
    """Names of the registry as one column of texts."""
    count = len(REGISTRY)
    if _NAMES["count"] != count:
        more = pa.array(
            [str(name) for name in REGISTRY.names(range(_NAMES["count"], count))], pa.large_string()
        )
        _NAMES["texts"] = pa.concat_arrays([_NAMES["texts"], more])
        _NAMES["count"] = count
    return _NAMES["texts"]


def _ids(codes: npt.NDArray[np.int64], start_ns: npt.NDArray[np.int64], end_ns: npt.NDArray[np.int64]) -> Any:
    parts = [
        _names().take(pa.array(codes)),
        *(pa.array(times).cast(pa.large_string()) for times in (start_ns, end_ns)),
    ]
    return text_column(pc.binary_join_element_wise(*parts, pa.scalar(":", pa.large_string())))
