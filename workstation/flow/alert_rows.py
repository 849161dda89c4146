"""Rows of the ``alerts`` table: score, direction, words and evidence."""

from __future__ import annotations

from math import inf, isfinite, log10, nan
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from workstation.market.contract_words import contract_words
from workstation.market.instruments import REGISTRY
from workstation.market.tables import ALERTS, TradeFlag

RULE_VERSION = "smart-money-1"
NEUTRAL = int(
    TradeFlag.AUCTION | TradeFlag.CROSS | TradeFlag.FLOOR | TradeFlag.MULTI_LEG | TradeFlag.STOCK_TIED
    | TradeFlag.COMPRESSION | TradeFlag.LATE | TradeFlag.OUT_OF_SEQUENCE | TradeFlag.AVERAGE_PRICE
)  # fmt: skip
"""Prints whose side says nothing."""
HIGH, MEDIUM = 80.0, 45.0
"""Scores from which an alert is high and medium."""
SIZE_POINTS, RARITY_POINTS, NEGOTIATED_POINTS = 60.0, 40.0, 20.0
LEANING = 0.1
"""A package leans to a side when its net delta is at least this share of the sum of its legs'."""


class Leg(NamedTuple):
    """One print: amounts in underlying units (``coin``) and USD; delta per unit, NaN when not known, and its sign."""

    instrument: str
    code: int
    event_ns: int
    trade_id: str
    price: float
    size: float
    coin: float
    usd: float
    side: int
    flags: int
    index_usd: float
    is_option: bool
    delta: float
    sign: int


def block_row(legs: list[Leg], *, alert_id: str, parent_id: str, floor_usd: float) -> dict[str, Any]:
    """An alert about a negotiated trade of one or several legs."""
    gross, net = _sum([leg.usd for leg in legs]), _sum([leg.side * leg.usd for leg in legs])
    lead = max(legs, key=lambda leg: (leg.usd if isfinite(leg.usd) else -1.0, leg.instrument))
    flagged = any(leg.flags & TradeFlag.BLOCK for leg in legs)
    components = {"size": size_points(gross, floor_usd), "negotiated": NEGOTIATED_POINTS * flagged}
    what = "block" if flagged else "package" if len(legs) > 1 else "print of block size"
    if len(legs) == 1:
        words = f"{what}: {_leg_words(lead)}"
    else:
        words = f"{what} of {len(legs)} legs, {_usd(gross)} in all, net {_usd(abs(net))} {_paid(net)}: "
        words += "; ".join(_leg_words(leg) for leg in legs)
    evidence = {
        "legs": [_leg_evidence(leg) for leg in legs],
        "gross_usd": gross,
        "net_usd": net,
        "threshold_usd": floor_usd,
    }
    return alert_row("block", lead, alert_id, parent_id, gross, components, _lean(legs), words, evidence) | {
        "event_ns": max(leg.event_ns for leg in legs)
    }


def large_print_row(leg: Leg, told: dict[str, float], *, alert_id: str, floor_usd: float) -> dict[str, Any]:
    """An alert about a print that is large against the prints before it."""
    measure = max(
        ("usd", "coin"), key=lambda name: told[f"{name}_z"] if isfinite(told[f"{name}_z"]) else -inf
    )
    z, robust = told[f"{measure}_z"], told[f"{measure}_robust_z"]
    rarity = z if not isfinite(robust) else min(z, robust)
    components = {
        "size": size_points(leg.usd, floor_usd),
        "rarity": RARITY_POINTS * min(max(rarity, 0.0) / 10.0, 1.0),
    }
    whose = "its contract" if told["of_contract"] else "its underlying's options"
    words = (
        f"large print: {_leg_words(leg)}; {z:.1f} sd above the mean of the last {told['samples']:.0f} prints of {whose} in "
        f"{'USD' if measure == 'usd' else 'size'} (robust {_number(robust)}; usual size {told['coin_median']:.6g}, usual "
        f"{_usd(told['usd_median'])})"
    )
    return alert_row(
        "large_print",
        leg,
        alert_id,
        "",
        leg.usd,
        components,
        _lean([leg]),
        words,
        {"print": _leg_evidence(leg), "history": told},
    )


def alerts(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of the ``alerts`` table; ``code`` is the instrument's, -1 for none."""
    if not rows:
        return _EMPTY.copy(deep=False)
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    codes = np.array(columns.pop("code"), dtype=np.int32)
    return ALERTS.batch(columns | {"instrument": REGISTRY.categorical(codes)})


_EMPTY = ALERTS.empty()


def retracted(row: dict[str, Any], trade_id: str, event_ns: int) -> dict[str, Any]:
    """The same alert after a print it stands on was cancelled."""
    words = f"retracted, print {trade_id} was cancelled; it was: {row['explanation']}"
    return row | {"verdict": "retracted", "event_ns": event_ns, "explanation": words}


def alert_row(
    kind: str, leg: Leg | None, alert_id: str, parent_id: str, usd: float, components: dict[str, float],
    direction: int, words: str, evidence: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """One alert; its score is the sum of ``components``, at most 100."""
    score = min(sum(components.values()), 100.0)
    return {
        "event_ns": leg.event_ns if leg else 0,
        "code": leg.code if leg else -1,
        "alert_id": alert_id,
        "parent_id": parent_id,
        "kind": kind,
        "severity": "high" if score >= HIGH else "medium" if score >= MEDIUM else "low",
        "score": score,
        "direction": direction,
        "premium_usd": usd,
        "explanation": words,
        "evidence": orjson.dumps({**evidence, "score_components": components}).decode(),
        "rule_version": RULE_VERSION,
        "verdict": "open",
    }


def size_points(usd: float, floor_usd: float) -> float:
    """None below the floor, all from 100 times the floor on, by the logarithm between."""
    return SIZE_POINTS * min(max(log10(usd / floor_usd) / 2.0, 0.0), 1.0) if usd > 0 else 0.0


def _lean(legs: list[Leg]) -> int:
    """+1 when the takers' net delta is long, -1 when short; 0 when a leg cannot tell or they cancel out."""
    deltas = []
    for leg in legs:
        known = leg.delta if len(legs) > 1 else leg.sign
        deltas.append(nan if leg.side == 0 or leg.flags & NEUTRAL else leg.side * known * leg.coin)
    net, gross = sum(deltas), sum(abs(delta) for delta in deltas)
    if not gross > 0 or not abs(net) >= LEANING * gross:
        return 0
    return 1 if net > 0 else -1


def _sum(values: list[float]) -> float:
    return float(sum(values))


def _paid(net: float) -> str:
    return (
        "not known" if not isfinite(net) else "paid by the takers" if net >= 0 else "received by the takers"
    )


def _leg_words(leg: Leg) -> str:
    done = {1: "bought", -1: "sold"}.get(0 if leg.flags & NEUTRAL else leg.side, "traded")
    worth = "premium" if leg.is_option else "worth"
    return f"{contract_words(leg.instrument)} {leg.coin:,.6g} {done} at {leg.price:.10g}, {worth} {_usd(leg.usd)}"


def _leg_evidence(leg: Leg) -> dict[str, Any]:
    named = leg._asdict()
    del named["code"]
    return named


def _usd(value: float) -> str:
    return f"{value:,.0f} USD" if isfinite(value) else "of unknown USD"


def _number(value: float) -> str:
    return f"{value:.1f}" if isfinite(value) else "not defined"
