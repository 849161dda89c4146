"""Rows of ``structures``: sides, net premium and net greeks of the packets that a structure is made of."""

from __future__ import annotations

from hashlib import blake2b
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from workstation.flow.structure_names import Leg, Named, ratios, uncovered
from workstation.market.tables import PACKETS, STRUCTURES
from workstation.market.tables.texts import text_list

_AT = PACKETS.places
LEANING = 0.1
"""A leg is bought or sold when its lean is at least this; a structure leans by its net delta or vega over the gross."""
_NUMBERS = (
    "start_ns", "end_ns", "prints", "premium_usd", "multiplier", "delta", "vega", "gex", "coverage", "vwap",
)  # fmt: skip


def packet_columns(arrays: list[Any], rows: list[int]) -> dict[int, dict[str, Any]]:
    """What a structure tells of its packets, by row."""
    at = np.array(rows)
    columns: dict[str, list[Any]] = {name: arrays[_AT[name]][at].tolist() for name in _NUMBERS}
    columns |= {name: text_list(arrays[_AT[name]].take(at)) for name in ("packet_id", "evidence")}
    columns |= {name: text_list(arrays[_AT[name]][at]) for name in ("instrument", "underlying")}
    made = zip(*columns.values(), strict=True)
    return {row: dict(zip(columns, values, strict=True)) for row, values in zip(rows, made, strict=True)}


def structure_row(
    columns: dict[int, dict[str, Any]], rows: list[int], legs: list[Leg], what: Named, by_fact: bool
) -> dict[str, Any]:
    """One structure: its row, with ``rows`` of its packets, ``packets`` and ``legs_told`` beside."""
    of = [columns[row] for row in rows]
    sides, sizes = np.array([float(leg.side) for leg in legs]), [leg.size for leg in legs]
    premium = np.array([one["premium_usd"] for one in of])
    coins = sides * (np.array(sizes) * np.array([one["multiplier"] for one in of]))
    known = all(leg.side for leg in legs)
    deltas, vegas = (coins * np.array([one[name] for one in of]) for name in ("delta", "vega"))
    parts = ratios(sizes)
    least = min(sizes)
    start, end = min(one["start_ns"] for one in of), max(one["end_ns"] for one in of)
    packets = sorted(one["packet_id"] for one in of)
    underlying = of[0]["underlying"]
    told = sorted(zip(of, legs, strict=True), key=lambda pair: pair[0]["packet_id"])
    return {
        "event_ns": end, "underlying": underlying, "structure_id": f"{underlying}:{start}:{end}:{_digest(packets)}", "revision": 0,
        "kind": what.kind, "name": what.name, "start_ns": start, "end_ns": end, "legs": len(rows), "prints": sum(one["prints"] for one in of),
        "size": float(np.array(sizes).sum()), "units": min(size / part for size, part in zip(sizes, parts, strict=True)) if parts else least,
        "premium_usd": float(premium.sum()), "net_usd": float((sides * premium).sum()) if known else nan,
        "direction": _direction(what.name, deltas, known),
        "volatility": _volatility(what.name, vegas, known), "net_delta": float(deltas.sum()) if known else nan,
        "net_gex": float(np.array([one["gex"] for one in of]).sum()), "net_vega": float(vegas.sum()) if known else nan,
        "coverage": min(one["coverage"] for one in of), "symmetry": least / max(sizes), "uncovered": uncovered(legs),
        "by_fact": by_fact, "retracted": False, "packets": packets, "rows": tuple(sorted(rows)),
        "legs_told": [
            {"packet": one["packet_id"], "instrument": one["instrument"], "side": leg.side, "size": leg.size, "price": one["vwap"],
             "premium_usd": one["premium_usd"], **orjson.loads(one["evidence"] or "{}")} for one, leg in told
        ],
    }  # fmt: skip


def _digest(packets: list[str]) -> str:
    return blake2b("|".join(packets).encode(), digest_size=4).hexdigest()


_BULL, _BEAR = ("bull", "long synthetic", "bullish"), ("bear", "short synthetic", "collar")
_LONG_VOL, _SHORT_VOL = (
    ("long straddle", "long strangle", "long iron"),
    ("short straddle", "short strangle", "short iron"),
)


def _direction(name: str, deltas: npt.NDArray[np.float64], known: bool) -> int:
    if not known:
        return 0
    if np.isfinite(deltas).all() and np.abs(deltas).sum() > 0:
        lean = deltas.sum() / np.abs(deltas).sum()
        return 0 if abs(lean) < LEANING else 1 if lean > 0 else -1
    return 1 if name.startswith(_BULL) else -1 if name.startswith(_BEAR) else 0


def _volatility(name: str, vegas: npt.NDArray[np.float64], known: bool) -> int:
    if not known:
        return 0
    if np.isfinite(vegas).all() and np.abs(vegas).sum() > 0:
        lean = vegas.sum() / np.abs(vegas).sum()
        return 0 if abs(lean) < LEANING else 1 if lean > 0 else -1
    return 1 if name.startswith(_LONG_VOL) else -1 if name.startswith(_SHORT_VOL) else 0


_INSIDE = ("rows", "legs_told", "packets")


_EMPTY = STRUCTURES.empty()


def structure_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of ``structures`` as a ``StructureFinder`` tells them."""
    if not rows:
        return _EMPTY.copy(deep=False)
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0] if name not in _INSIDE}
    columns["packets"] = [orjson.dumps(row["packets"]).decode() for row in rows]
    columns["evidence"] = [orjson.dumps({"legs": row["legs_told"]}).decode() for row in rows]
    return STRUCTURES.batch(columns, len(rows))
