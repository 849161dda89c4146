"""Rows of ``structures``: sides, net premium and net greeks of the packets that a structure is made of."""

from __future__ import annotations

from hashlib import blake2b
from math import isfinite, nan
from typing import Any

import numpy as np
import orjson
import pandas as pd

from workstation.flow.row_frames import RowFrames
from workstation.flow.structure_names import Leg, ratios, uncovered
from workstation.market.tables import PACKETS, STRUCTURES
from workstation.market.tables.texts import texts_at

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
    columns |= {
        name: texts_at(arrays[_AT[name]], at)
        for name in ("packet_id", "evidence", "instrument", "underlying")
    }
    made = zip(*columns.values(), strict=True)
    return {row: dict(zip(columns, values, strict=True)) for row, values in zip(rows, made, strict=True)}


def small_structure(columns: dict[int, dict[str, Any]], rows: list[int], by_fact: bool) -> dict[str, Any]:
    """What every structure tells: its id and times, premium, and its packets with their rows."""
    of = [columns[row] for row in rows]
    packets = sorted(one["packet_id"] for one in of)
    start, end, underlying = (
        min(one["start_ns"] for one in of),
        max(one["end_ns"] for one in of),
        of[0]["underlying"],
    )
    return {
        "event_ns": end, "underlying": underlying, "structure_id": f"{underlying}:{start}:{end}:{_digest(packets)}", "revision": 0,
        "start_ns": start, "end_ns": end, "premium_usd": total([one["premium_usd"] for one in of]), "by_fact": by_fact,
        "retracted": False, "packets": packets, "rows": tuple(sorted(rows)),
    }  # fmt: skip


def structure_row(
    columns: dict[int, dict[str, Any]], rows: list[int], legs: list[Leg], kind: str, name: str
) -> dict[str, Any]:
    """The rest of a structure's row, with ``legs_told`` beside."""
    of = [columns[row] for row in rows]
    sides, sizes = [leg.side for leg in legs], [leg.size for leg in legs]
    known = all(sides)
    coins = [side * (size * one["multiplier"]) for side, size, one in zip(sides, sizes, of, strict=True)]
    deltas, vegas = (
        [coin * one[name] for coin, one in zip(coins, of, strict=True)] for name in ("delta", "vega")
    )
    parts, least = ratios(sizes), min(sizes)
    told = sorted(zip(of, legs, strict=True), key=lambda pair: pair[0]["packet_id"])
    net = total([side * one["premium_usd"] for side, one in zip(sides, of, strict=True)]) if known else nan
    return {
        "kind": kind, "name": name, "legs": len(rows), "prints": sum(one["prints"] for one in of),
        "size": total(sizes), "units": min(size / part for size, part in zip(sizes, parts, strict=True)) if parts else least,
        "net_usd": net, "direction": _leaning(deltas, known, name, _BULL, _BEAR),
        "volatility": _leaning(vegas, known, name, _LONG_VOL, _SHORT_VOL), "net_delta": total(deltas) if known else nan,
        "net_gex": total([one["gex"] for one in of]), "net_vega": total(vegas) if known else nan,
        "coverage": min(one["coverage"] for one in of), "symmetry": least / max(sizes), "uncovered": uncovered(legs),
        "legs_told": [
            {"packet": one["packet_id"], "instrument": one["instrument"], "side": leg.side, "size": leg.size, "price": one["vwap"],
             "premium_usd": one["premium_usd"], **orjson.loads(one["evidence"] or "{}")} for one, leg in told
        ],
    }  # fmt: skip


def total(values: list[float]) -> float:
    """The sum, from left to right.

    Examples
    --------
    >>> total([0.1, 0.2, 0.3])
    0.6000000000000001
    """
    if len(values) > 7:
        return float(np.sum(values))
    found = values[0]
    for value in values[1:]:
        found += value
    return found


def _digest(packets: list[str]) -> str:
    return blake2b("|".join(packets).encode(), digest_size=4).hexdigest()


_BULL, _BEAR = ("bull", "long synthetic", "bullish"), ("bear", "short synthetic", "collar")
_LONG_VOL, _SHORT_VOL = (
    ("long straddle", "long strangle", "long iron"),
    ("short straddle", "short strangle", "short iron"),
)


def _leaning(
    greeks: list[float], known: bool, name: str, up: tuple[str, ...], down: tuple[str, ...]
) -> int:  # fmt: skip
    """+1 or -1 where the sum of the legs' greeks leans, by the name where they are not known; 0 neither."""
    if not known:
        return 0
    gross = total([abs(value) for value in greeks])
    if isfinite(gross) and gross > 0:
        lean = total(greeks) / gross
        return 0 if abs(lean) < LEANING else 1 if lean > 0 else -1
    return 1 if name.startswith(up) else -1 if name.startswith(down) else 0


_FRAMES = RowFrames(STRUCTURES)


def structure_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of ``structures`` as a ``StructureFinder`` tells them."""
    return _FRAMES.frame(
        [
            {
                **row,
                "packets": orjson.dumps(row["packets"]).decode(),
                "evidence": orjson.dumps({"legs": row["legs_told"]}).decode(),
            }
            for row in rows
        ]
    )
