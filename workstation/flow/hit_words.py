"""Hits in words: confidence part by part, direction, why a hit is neutral or abstains, and the numbers behind it."""

from __future__ import annotations

from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from workstation.flow import gates as g
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.row_frames import RowFrames
from workstation.market.contract_words import contract_words
from workstation.market.tables import HITS, PACKETS
from workstation.market.tables.texts import texts_at

RULE_VERSION = "flow-3"
MOST_CONFIDENCE = 0.95
_AT = {name: place for place, name in enumerate(PACKETS.names)}
_TOLD = (
    "prints", "size", "premium_usd", "largest_usd", "vwap", "first_price", "last_price", "exchanges", "iso_prints", "buy_ratio",
    "sell_ratio", "inside_ratio", "coverage", "directional", "relative_spread", "quote_age_ms", "spot", "iv", "vol_edge_bps",
    "pre_move", "delta", "gex", "open_interest", "volume_before", "premium_z", "size_z", "premium_mad_z", "size_mad_z", "samples",
    "premium_rank", "strike", "start_ns", "end_ns",
)  # fmt: skip
_BASE = {
    g.CALL_SWEEP: 0.55, g.PUT_SWEEP: 0.55, g.BLOCK: 0.6, g.SPIKE: 0.5, g.PUT_WRITE: 0.55, g.OVERWRITE: 0.55, g.PUNCH: 0.55, g.FAR: 0.5,
    g.OPENING: 0.5, g.UNWIND: 0.4, g.SPLIT: 0.45,
}  # fmt: skip
_SOLD = frozenset({g.PUT_WRITE, g.OVERWRITE, g.UNWIND})


class _Side(NamedTuple):
    """What the sides of a packet say: +1 bought, -1 sold, 0; whether nothing can be said; why, and what it could be instead."""

    side: int
    abstained: bool
    reason: str
    alternatives: str


def _side_of(of: dict[str, float], own: ClassifierParameters) -> _Side:
    if of["directional"] >= own.side_ratio and (reason := _no_quote(of, own)):
        return _Side(0, True, reason, "opened by a buyer; opened by a seller")
    if of["directional"] < own.side_ratio:
        return _Side(
            0,
            False,
            "most of the size is of auctions, crosses or packages",
            "customer facilitated; leg of a package",
        )
    if of["buy_ratio"] >= own.side_ratio:
        return _Side(1, False, "", "")
    if of["sell_ratio"] >= own.side_ratio:
        return _Side(-1, False, "", "")
    return _Side(0, False, "neither side has its share of the size", "negotiated inside the market; two-sided")  # fmt: skip


def _no_quote(of: dict[str, float], own: ClassifierParameters) -> str:
    """Why the quotes carry no side; empty: they do."""
    if of["coverage"] < own.abstain_coverage:
        return "no quote for most prints"
    if of["coverage"] < own.coverage:
        return "low nbbo coverage"
    return "the quote is too wide for a side" if of["relative_spread"] > own.most_spread else ""


class Packet(NamedTuple):
    """One packet as its hits tell it: numbers, what all its hits have in common, right, and the ids of its prints as JSON."""

    of: dict[str, float]
    common: dict[str, Any]
    right: str
    prints: str


def read_packets(arrays: list[Any], rows: list[int]) -> list[Packet]:
    """Packets at these rows of the columns of ``packets``."""
    if not rows:
        return []
    at = np.array(rows)
    floats = {name: arrays[_AT[name]][at].astype(np.float64).tolist() for name in _TOLD}
    told: dict[str, list[Any]] = {
        "event_ns": arrays[_AT["end_ns"]][at].tolist(), "instrument": texts_at(arrays[_AT["instrument"]], at),
        "underlying": texts_at(arrays[_AT["underlying"]], at), "parent_id": texts_at(arrays[_AT["packet_id"]], at),
        "parent_kind": ["packet"] * len(rows), "revision": arrays[_AT["revision"]][at].tolist(), "retracted": [False] * len(rows),
        "premium_usd": floats["premium_usd"], "size": floats["size"], "expiry_ns": arrays[_AT["expiry_ns"]][at].tolist(),
        "rule_version": [RULE_VERSION] * len(rows),
    }  # fmt: skip
    rights, prints = texts_at(arrays[_AT["right"]], at), texts_at(arrays[_AT["evidence"]], at)
    return [
        Packet(dict(zip(floats, numbers, strict=True)), dict(zip(told, common, strict=True)), right, ids)
        for numbers, common, right, ids in zip(
            zip(*floats.values(), strict=True), zip(*told.values(), strict=True), rights, prints, strict=True
        )
    ]


def packet_hit(packet: Packet, bits: int, own: ClassifierParameters) -> list[dict[str, Any]]:
    """Hits of one packet: ``bits`` of the classifiers whose gates it passes."""
    of, side = packet.of, _side_of(packet.of, own)
    evidence = {
        "packet": packet.common["parent_id"],
        "features": of,  # what is not finite is null in JSON
        **orjson.loads(packet.prints or "{}"),
    }
    hits: list[dict[str, Any]] = []
    for number, name in enumerate(g.CLASSIFIERS):
        if bits >> number & 1:
            hits.append(packet.common | _judged(number, name, of, packet.right, side, evidence, own))
    return hits  # fmt: skip


def _judged(
    number: int, name: str, of: dict[str, float], right: str, side: _Side, evidence: dict[str, Any], own: ClassifierParameters
) -> dict[str, Any]:  # fmt: skip
    parts = {"base": _BASE[number]} | _parts(number, of, side, own)
    total = sum(parts.values())
    if total > MOST_CONFIDENCE:
        parts["cap"] = MOST_CONFIDENCE - total
    directional = number not in (g.OPENING, g.UNWIND)
    direction = side.side * (1 if right == "C" else -1) if directional else 0
    wrong = number in (g.CALL_SWEEP, g.PUT_SWEEP) and side.side < 0
    words = f"{name.replace('_', ' ')}: {_packet_words(of, side)}{_extra(number, of)}"
    if side.reason:
        words += f"; {'abstains' if side.abstained else 'neutral'}: {side.reason}"
    lowered = [part for part in parts if part.startswith("down_weighted")]
    return {
        "classifier": name, "confidence": max(sum(parts.values()), 0.0), "direction": 0 if wrong else direction,
        "abstained": side.abstained and directional, "reason": side.reason, "alternatives": side.alternatives,
        "explanation": words, "evidence": orjson.dumps(evidence | {"confidence": parts, "down_weighted": lowered}).decode(),
    }  # fmt: skip


def _parts(number: int, of: dict[str, float], side: _Side, own: ClassifierParameters) -> dict[str, float]:
    """What raises or lowers the base confidence, by name."""
    parts: dict[str, float] = {}
    wanted = -1 if number in _SOLD else side.side
    if side.side and side.side == wanted:
        parts["side has its share"] = 0.1
    if of["coverage"] >= 0.8:
        parts["quotes for most prints"] = 0.1
    floor = (
        own.block_usd
        if number == g.BLOCK
        else own.sweep_usd
        if number in (g.CALL_SWEEP, g.PUT_SWEEP)
        else own.spike_usd
    )
    if of["premium_usd"] >= 2.0 * floor:
        parts["twice the floor"] = 0.15
    if of["premium_z"] >= own.sweep_z or of["size_z"] >= own.sweep_z:
        parts["unusual for the contract"] = 0.1
    if number == g.OPENING and of["size"] > of["open_interest"] + _zero(of["volume_before"]):
        parts["more than was open or traded"] = 0.35
    if of["coverage"] < own.coverage:
        parts["low nbbo coverage"] = -0.1
    if of["quote_age_ms"] > own.stale_ms:
        parts["down_weighted: stale_quote_context"] = -0.1
    if abs(of["pre_move"]) > PRE_MOVE:
        parts["down_weighted: underlying_moved_before"] = -0.05
    return parts  # fmt: skip


PRE_MOVE = 0.003
"""Return of the underlying over five minutes from which a print may be a hedge of what has happened."""


def _zero(value: float) -> float:
    return value if isfinite(value) else 0.0


def _packet_words(of: dict[str, float], side: _Side) -> str:
    done = {1: "bought", -1: "sold"}.get(side.side, "traded")
    words = f"{of['size']:,.6g} {done} in {_count(of['prints'], 'print')} on {_count(max(of['exchanges'], 1), 'exchange')} at {of['vwap']:.6g}, premium {_usd(of['premium_usd'])}"
    words += f"; {of['buy_ratio']:.0%} at the ask, {of['sell_ratio']:.0%} at the bid, quotes for {of['coverage']:.0%} of prints"
    if isfinite(of["premium_z"]):
        words += f"; premium z {of['premium_z']:.1f}, size z {of['size_z']:.1f} against {of['samples']:.0f} packets"
    if isfinite(of["premium_rank"]):
        words += f"; larger than {of['premium_rank']:.0%} of the name's packets"
    if isfinite(of["vol_edge_bps"]):
        words += f"; vol {of['vol_edge_bps']:+.0f} bps from the surface"
    return words


def _extra(number: int, of: dict[str, float]) -> str:
    if number == g.OPENING:
        certain = of["size"] - of["open_interest"] - _zero(of["volume_before"])
        if certain > 0:
            return (
                f"; at least {certain:,.6g} open, for {of['open_interest']:,.6g} were open and "
                f"{_zero(of['volume_before']):,.6g} had traded"
            )
        return f"; only likely: {of['size'] / max(of['open_interest'], 1):.0%} of an open interest of {of['open_interest']:,.6g}"
    if number == g.UNWIND:
        return f"; sold against an open interest of {of['open_interest']:,.6g}: it may close a long position"
    if number == g.PUNCH:
        return f"; strike {of['strike']:g} is {abs(of['strike'] / of['spot'] - 1):.2%} from {of['spot']:,.6g}, expires today"
    if number == g.SPLIT:
        return "; one exchange and no ISO flags: the parts of one order, no sweep"
    return ""


def _count(number: float, what: str) -> str:
    return f"{number:.0f} {what}{'' if number == 1 else 's'}"


def _usd(value: float) -> str:
    return f"{value:,.0f} USD" if isfinite(value) else "of unknown USD"


_OF_KIND = {
    "straddle": "straddle", "strangle": "strangle", "vertical": "vertical_spread", "ladder": "ladder_accumulation", "roll": "roll",
}  # fmt: skip


def _passes_floors(one: dict[str, Any], own: ClassifierParameters) -> bool:
    """By fact, or of enough premium and size; one that was below the floor when it was found never told its legs."""
    if one["by_fact"]:
        return True
    if "legs_told" not in one or not one["premium_usd"] >= own.structure_usd:
        return False
    return bool(min(leg["size"] for leg in one["legs_told"]) >= own.structure_size)


def structure_hits(one: dict[str, Any], own: ClassifierParameters) -> list[dict[str, Any]]:
    """The hit of a structure, none below the floors."""
    if not _passes_floors(one, own):
        return []
    name = _OF_KIND.get(one["kind"], "package")
    known = isfinite(one["net_usd"])
    covered = one["coverage"] >= own.coverage or one["by_fact"]
    reason, alternatives = "", ""
    if not known:
        reason, alternatives = "a leg's side is not known", "bought; sold"
    elif not covered:
        reason, alternatives = "low nbbo coverage", "bought; sold; legs of several parents"
    parts = {"base": 0.7 if one["by_fact"] else 0.5}
    if one["symmetry"] >= 0.95:
        parts["sizes equal"] = 0.15
    if known:
        parts["all sides known"] = 0.1
    if one["coverage"] >= 0.8:
        parts["quotes for most prints"] = 0.1
    if one["coverage"] < own.coverage:
        parts["low nbbo coverage"] = -0.1
    total = sum(parts.values())
    if total > MOST_CONFIDENCE:
        parts["cap"] = MOST_CONFIDENCE - total
    evidence = {"structure": one["structure_id"], "legs": one["legs_told"], "confidence": parts, "down_weighted": [],
                "features": {name: _plain(one[name]) for name in _TOLD_OF_STRUCTURES}}  # fmt: skip
    retracted = bool(one["retracted"])
    words = _structure_words(one)
    if reason:
        words += f"; abstains: {reason}"
    return [{
        "event_ns": one["event_ns"], "instrument": max(one["legs_told"], key=lambda leg: (_zero(leg["premium_usd"]), leg["instrument"]))["instrument"],
        "underlying": one["underlying"], "parent_id": one["structure_id"], "parent_kind": "structure", "revision": one["revision"],
        "retracted": retracted, "premium_usd": one["premium_usd"], "size": one["size"], "expiry_ns": 0, "rule_version": RULE_VERSION,
        "classifier": name, "confidence": sum(parts.values()), "direction": one["direction"] if known and covered else 0,
        "abstained": bool(reason), "reason": reason, "alternatives": alternatives,
        "explanation": f"retracted, a print was cancelled; it was: {words}" if retracted else words,
        "evidence": orjson.dumps(evidence).decode(),
    }]  # fmt: skip


_TOLD_OF_STRUCTURES = (
    "kind", "name", "legs", "prints", "size", "units", "premium_usd", "net_usd", "direction", "volatility", "net_delta", "net_gex",
    "net_vega", "coverage", "symmetry", "uncovered", "by_fact",
)  # fmt: skip


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


def _structure_words(one: dict[str, Any]) -> str:
    done = {1: "bought", -1: "sold", 0: "traded"}
    legs = ", ".join(
        f"{done[leg['side']]} {leg['size']:,.6g} {contract_words(leg['instrument'])} at {leg['price']:.6g}"
        for leg in one["legs_told"]
    )
    net = one["net_usd"]
    paid = "not known" if not isfinite(net) else f"{_usd(abs(net))} {'debit' if net > 0 else 'credit'}"
    what = {1: "volatility bought", -1: "volatility sold"}.get(one["volatility"], "")
    words = f"{one['name']}: {legs}; net {paid}, {'one package by the venue' if one['by_fact'] else 'inferred from one burst'}"
    words += f"; {what}" if what else ""
    return words + (f"; {one['uncovered']} short leg(s) uncovered" if one["uncovered"] else "")  # fmt: skip


_FRAMES = RowFrames(HITS)


def hit_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of ``hits``."""
    return _FRAMES.frame(rows)


__all__ = ["PRE_MOVE", "RULE_VERSION", "hit_frame", "nan", "packet_hit", "read_packets", "structure_hits"]
