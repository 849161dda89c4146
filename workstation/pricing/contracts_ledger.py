"""What the ledger says of the contracts of a chain: sources, ages, venues and coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.market.dividends import Dividends
from workstation.market.tables import NO_TIME
from workstation.pricing.by_style import american_terms, off_a_vol_point
from workstation.pricing.curves import Curves
from workstation.pricing.exercise import RateCurve
from workstation.pricing.forward import PARITY
from workstation.pricing.fresh import Codes, Floats
from workstation.pricing.latest import LatestMarks
from workstation.pricing.spot import Spot

IMPLIED = "one continuous yield, implied by parity without early exercise; what an expiry's forward is off it is off the spot"
FORWARD_IMPLIED = "continuous yield by expiry, implied by the forward told, the index and the discount"
SCHEDULED = (
    "cash dividends of a schedule off the spot at present value, no call exercised for one of them alone"
)
NOT_IMPLIED = (
    "none implied where neither parity nor a forward beside an index tells it: the yield is taken as the rate"
)
OWN_RATES = "of the chain's own parity without early exercise, one rate of all expiries taking exercise out"
Times = npt.NDArray[np.int64]

COMBINED = (
    "open interest of all venues in underlying units, each priced from its own venue's quotes and forward"
)


def spot_told(spot: Spot, asof_ns: int, index_ns: int) -> dict[str, Any]:
    """What the ledger says of spot; the index that was set aside is named."""
    reported: dict[str, Any] = {
        "spot_source": spot.source,
        "spot_age_s": _age_s(asof_ns, index_ns) if spot.source == "index" else None,
        "spot_flag": spot.flag,
    }
    return reported | ({"spot_index": spot.given} if spot.flag else {})


def venues_told(names: list[str], venues: npt.NDArray[np.int16]) -> dict[str, Any]:
    """How many contracts are of each venue's rows, and how several are combined."""
    counts = np.bincount(venues, minlength=len(names)).tolist()
    present = {name: count for name, count in sorted(zip(names, counts, strict=True)) if count}
    reported: dict[str, Any] = {"venues": {name: count for name, count in present.items() if name}}
    return reported | ({"combined": COMBINED} if len(present) > 1 else {})


def coverage(latest: LatestMarks, kept: Codes, live: Codes) -> float:
    """Share of the live contracts' open interest, in underlying units, that is kept; NaN of none."""
    interest, multiplier = latest.field("open_interest"), latest.multiplier
    total = _sum_of_known(interest[live] * multiplier[live])
    part = total if kept.size == live.size else _sum_of_known(interest[kept] * multiplier[kept])
    return part / total if total > 0 else float("nan")


def _sum_of_known(values: Floats) -> float:
    total = float(values.sum())
    return total if total == total else float(np.nansum(values))


def known_told(open_interest: Floats) -> dict[str, Any]:
    """How many contracts' open interest is not known, and the share that is; NaN of none."""
    unknown, size = int(np.count_nonzero(np.isnan(open_interest))), open_interest.size
    return {
        "open_interest_unknown": unknown,
        "open_interest_known": 1.0 - unknown / size if size else float("nan"),
    }


def ages(priced_ns: Times, published_ns: Times, asof_ns: int) -> dict[str, Any]:
    """How old the oldest price or vol and the oldest open interest are, in seconds; None where there is none."""
    published = published_ns[published_ns > NO_TIME]
    oldest = int(priced_ns.min()) if priced_ns.size else NO_TIME
    return {
        "oldest_input_ns": oldest if priced_ns.size else None,
        "oldest_input_age_s": _age_s(asof_ns, oldest),
        "open_interest_age_s": _age_s(asof_ns, int(published.min()) if published.size else NO_TIME),
    }


def _age_s(asof_ns: int, then_ns: int) -> float | None:
    return None if then_ns == NO_TIME else (asof_ns - then_ns) / 1e9


def counts_by_name(names: tuple[str, ...], source: npt.NDArray[np.int8]) -> dict[str, int]:
    """How often each source occurs, by name."""
    counts = np.bincount(source, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def exercise_told(
    of: Curves,
    rows: npt.NDArray[np.int64],
    forward: Floats,
    discount: Floats,
    vol: Floats,
    dividends: Dividends | None,
    rates: RateCurve | None,
) -> dict[str, Any]:
    """What the ledger says of early exercise; ``rows`` are the American ones of those that are priced."""
    bid, ask, mark = (of.reported[name][rows] for name in ("bid", "ask", "mark"))
    terms = american_terms(
        forward=forward[rows], discount=discount[rows], years=of.years[rows], strike=of.strike[rows],
        is_call=of.is_call[rows], yields=of.yields[rows],
    )  # fmt: skip
    price = np.where(mark > 0, mark, 0.5 * (bid + ask))
    return {
        "exercise_contracts": int(rows.size),
        "exercise_off_a_vol_point": off_a_vol_point(price, vol[rows], forward[rows], discount[rows], terms),
        "dividends": dividends_told(of.yields[rows], of.curve.source[of.group[rows]], dividends is not None),
        "rates": OWN_RATES if rates is None else f"of the index chain {rates.source or 'given'}",
    }


def dividends_told(yields: Floats, source: npt.NDArray[np.int8], scheduled: bool = False) -> str:
    """What is assumed of dividends, given the yield of each American contract (NaN: none implied), the source of its forward and
    whether a schedule is known.

    Examples
    --------
    >>> dividends_told(np.array([np.nan]), np.array([4]))
    'none implied where neither parity nor a forward beside an index tells it: the yield is taken as the rate'
    """
    known, of_parity = np.isfinite(yields), source == PARITY
    told = [SCHEDULED] if scheduled else []
    told += [IMPLIED] if (known & of_parity).any() else []
    told += [FORWARD_IMPLIED] if (known & ~of_parity).any() else []
    return "; ".join(told if known.all() else [*told, NOT_IMPLIED])
