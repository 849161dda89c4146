"""Cascade risk: how much of what turns a move into a chain reaction is in place. A score of ours, with its parts next to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite, log, nan
from typing import NamedTuple

from workstation.market.tables import CASCADE_PARTS

PARTS: tuple[str, ...] = tuple(CASCADE_PARTS)
"""The parts, in the order in which they are shown."""


@dataclass(frozen=True)
class CascadeScales:
    """At which number a part counts in full, and what it weighs. Ours: no source publishes any.

    Attributes
    ----------
    below_zero_gamma_sd
        Daily standard deviations below zero gamma.
    forced_selling_1pct_minutes, forced_selling_3pct_minutes
        Minutes of median traded volume that dealers must sell after a fall of 1 and 3 %.
    put_wall_sd
        Daily standard deviations above the put wall at which it begins to count; in full at the wall.
    liquidations
        Times the day's median; it begins to count at once the median.
    open_interest_fall
        Share of open interest lost.
    weights
        By part; only their ratios matter.
    """

    below_zero_gamma_sd: float = 2.0
    forced_selling_1pct_minutes: float = 5.0
    forced_selling_3pct_minutes: float = 15.0
    put_wall_sd: float = 2.0
    liquidations: float = 10.0
    open_interest_fall: float = 0.03
    weights: Mapping[str, float] = field(
        default_factory=lambda: dict(zip(PARTS, (0.2, 0.15, 0.15, 0.15, 0.2, 0.15), strict=True))
    )

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "weights" and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be positive, got {value!r}")
        if not self.liquidations > 1:
            raise ValueError(f"liquidations must be over 1, got {self.liquidations!r}")
        if set(self.weights) != set(PARTS) or not all(
            0 < weight < float("inf") for weight in self.weights.values()
        ):
            raise ValueError(f"weights must name {', '.join(PARTS)}, each positive; got {dict(self.weights)}")


class CascadePart(NamedTuple):
    """The number as measured, and its score in [0, 1]; NaN when missing."""

    raw: float
    score: float


@dataclass(frozen=True)
class CascadeRisk:
    """The score in [0, 1], NaN without any part; its parts; why parts are missing; which side is being forced out.

    Attributes
    ----------
    score
        Mean of the scores of the known parts by weight: missing parts are left out of it, not filled in.
    known
        Share of all weight that is known.
    unwind
        ``long liquidation`` (open interest falls with price), ``short squeeze`` (against it) or empty.
    """

    score: float
    known: float
    parts: Mapping[str, CascadePart]
    missing: Mapping[str, str]
    unwind: str


def cascade_risk(
    *,
    spot: float = nan,
    net_gex: float = nan,
    zero_gamma: float = nan,
    put_wall: float = nan,
    daily_sd: float = nan,
    forced_flow_1pct: float = nan,
    forced_flow_3pct: float = nan,
    minute_volume_usd: float = nan,
    liquidations_usd: float = nan,
    liquidations_median_usd: float = nan,
    open_interest_change: float = nan,
    price_change: float = nan,
    scales: CascadeScales | None = None,
    reasons: Mapping[str, str] | None = None,
) -> CascadeRisk:
    """Cascade risk of plain numbers; NaN = not known.

    Parameters
    ----------
    spot, zero_gamma, put_wall
        USD.
    net_gex
        USD per 1 % move, at spot. Where it is not negative dealers damp moves, and being below zero gamma scores 0.
    daily_sd
        One day's standard deviation of log price.
    forced_flow_1pct, forced_flow_3pct
        USD dealers must trade after a fall of 1 and 3 %, positive = buy.
    minute_volume_usd
        Median USD traded in a minute.
    liquidations_usd, liquidations_median_usd
        Liquidated in the last five minutes, and the day's median of five minutes.
    open_interest_change, price_change
        Shares, over one span of time.
    scales
        What counts in full; see ``CascadeScales``.
    reasons
        Part -> why it is missing, in place of the plain reason.

    Examples
    --------
    >>> risk = cascade_risk(spot=98.0, zero_gamma=100.0, net_gex=-1e6, daily_sd=0.02, put_wall=98.0)
    >>> round(risk.score, 3), sorted(risk.missing)[:2], risk.parts["put_wall_distance"]
    (0.717, ['forced_selling_1pct', 'forced_selling_3pct'], CascadePart(raw=0.0, score=1.0))
    """
    scales = scales or CascadeScales()
    below = _sd(zero_gamma, spot, daily_sd)
    above = _sd(spot, put_wall, daily_sd)
    liquidated = _over(liquidations_usd, liquidations_median_usd)
    fall = -open_interest_change if isfinite(price_change) else nan
    raws = {
        "below_zero_gamma": (below, 0.0 if net_gex >= 0 else below / scales.below_zero_gamma_sd),
        "put_wall_distance": (above, 1.0 - above / scales.put_wall_sd),
        "liquidations": (liquidated, (liquidated - 1.0) / (scales.liquidations - 1.0)),
        "open_interest_fall": (fall, 0.0 if price_change == 0 else fall / scales.open_interest_fall),
    }
    for move, flow, full in (
        ("1pct", forced_flow_1pct, scales.forced_selling_1pct_minutes),
        ("3pct", forced_flow_3pct, scales.forced_selling_3pct_minutes),
    ):
        minutes = _over(-flow, minute_volume_usd)
        raws[f"forced_selling_{move}"] = (minutes, minutes / full)
    if not isfinite(net_gex):
        raws["below_zero_gamma"] = (nan, nan)
    parts = {
        name: CascadePart(raw, min(max(score, 0.0), 1.0)) if isfinite(raw) else CascadePart(nan, nan)
        for name, (raw, score) in ((name, raws[name]) for name in PARTS)
    }
    known = {name: part for name, part in parts.items() if isfinite(part.score)}
    weight = sum(scales.weights[name] for name in known)
    total = sum(scales.weights[name] * part.score for name, part in known.items())
    missing = {name: (reasons or {}).get(name) or _MISSING[name] for name in PARTS if name not in known}
    return CascadeRisk(
        score=min(total / weight, 1.0) if known else nan,
        known=weight / sum(scales.weights.values()),
        parts=parts,
        missing=missing,
        unwind=_unwind(fall, price_change),
    )


_MISSING = {
    "below_zero_gamma": "zero gamma, net gex or the vol is not known",
    "forced_selling_1pct": "forced flow or the volume of a minute is not known",
    "forced_selling_3pct": "forced flow or the volume of a minute is not known",
    "put_wall_distance": "the put wall or the vol is not known",
    "liquidations": "liquidations or their median are not known",
    "open_interest_fall": "the change of open interest or of price is not known",
}


def _sd(higher: float, lower: float, daily_sd: float) -> float:
    """How far one price lies above another in daily standard deviations."""
    return log(higher / lower) / daily_sd if higher > 0 and lower > 0 and daily_sd > 0 else nan


def _over(amount: float, measure: float) -> float:
    return amount / measure if measure > 0 else nan


def _unwind(fall: float, price_change: float) -> str:
    if not fall > 0 or price_change == 0:
        return ""
    return "long liquidation" if price_change < 0 else "short squeeze"
