"""What American chains are priced with beside their own quotes: cash dividends known ahead, and an index chain's rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from workstation.market.dividends import Dividend, Dividends, schedules
from workstation.pricing.curves import curves_of
from workstation.pricing.exercise import RateCurve, measured_rates
from workstation.pricing.fresh import STALE_AFTER_S
from workstation.pricing.latest import OPTION, LatestMarks


@dataclass(frozen=True, kw_only=True)
class CarryParameters:
    """What is known of the carry of American underlyings.

    Attributes
    ----------
    dividends
        Cash dividends known ahead, off the spot of their underlying; of others a yield is implied.
    rates_of
        The underlying whose European chain tells the rates, such as SPX; empty, or while its chain measures none: each American
        chain's own parity.
    """

    dividends: tuple[Dividend, ...] = ()
    rates_of: str = ""

    @property
    def carry(self) -> CarryParameters:
        """These parameters alone, so that those of different engines compare."""
        return CarryParameters(dividends=self.dividends, rates_of=self.rates_of)


class Carry(TypedDict):
    """Keywords of ``contracts`` and ``curves_of``."""

    rates: RateCurve | None
    dividends: Dividends | None


def carry_of(
    latest: LatestMarks,
    parameters: CarryParameters,
    *,
    underlying: str,
    asof_ns: int,
    stale_after_s: float = STALE_AFTER_S,
) -> Carry:
    """The rates and dividends of one underlying at an instant; None of both where its options are European."""
    place = latest.underlyings.index(underlying) if underlying in latest.underlyings else -1
    if not (latest.american & (latest.underlying == place) & (latest.kind == OPTION)).any():
        return {"rates": None, "dividends": None}
    index, rates = parameters.rates_of, None
    if index in latest.underlyings and index != underlying:
        of = curves_of(latest, underlying=index, asof_ns=asof_ns, stale_after_s=stale_after_s)
        years = np.full(of.curve.expiry_ns.size, np.nan)
        years[of.group] = of.years
        rates = measured_rates(years, of.curve.discount, of.curve.discount_error, index)
    return {"rates": rates, "dividends": schedules(parameters.dividends).get(underlying)}
