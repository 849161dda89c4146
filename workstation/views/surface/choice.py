"""What a session has chosen to see of the vol market; mirrored in the page's address."""

from __future__ import annotations

import param

from workstation.market.instants import YEAR_DAYS
from workstation.views.state.address import Expiries
from workstation.views.state.choice import underlyings
from workstation.views.state.source import Source

GREEKS = {
    "implied_vol": "IV",
    "delta": "Delta",
    "gamma": "Gamma",
    "vega": "Vega",
    "theta": "Theta",
    "vanna": "Vanna",
    "charm": "Charm",
    "vomma": "Vomma",
}
UNITS = {
    "implied_vol": "annual, %",
    "delta": "per unit, out-of-the-money side",
    "gamma": "delta per USD",
    "vega": "USD per vol point",
    "theta": "USD per day",
    "vanna": "delta per vol point",
    "charm": "delta per day",
    "vomma": "USD per vol point squared",
}
SCALES = {"vega": 0.01, "theta": 1 / YEAR_DAYS, "vanna": 0.01, "charm": 1 / YEAR_DAYS, "vomma": 1e-4}
"""Natural units to those shown."""
GRIDS = {"moneyness": "Moneyness", "delta": "Delta"}
MATURITIES = {7: "7 d", 30: "30 d", 90: "90 d"}
REACHES = {0.10: "±10 %", 0.20: "±20 %", 0.40: "±40 %"}
SHOWN = 4
"""Smiles at once."""


class SurfaceChoice(param.Parameterized):
    """The choices of a session; every one is in the page's address.

    Examples
    --------
    >>> SurfaceChoice(underlying="").days
    30
    """

    underlying = param.Selector(default="", objects=[""], doc="whose options")
    expiries = Expiries(
        default=[], item_type=int, doc="expiry_ns of the smiles shown; empty: a spread of them"
    )
    greek = param.Selector(default="implied_vol", objects=list(GREEKS), doc="what the surface shows")
    grid = param.Selector(default="moneyness", objects=list(GRIDS), doc="what the surface is over")
    days = param.Selector(default=30, objects=list(MATURITIES), doc="constant maturity of the skew's history")
    reach = param.Selector(default=0.20, objects=list(REACHES), doc="moneyness shown around the forward")

    def offer(self, source: Source) -> None:
        """Offer the underlyings the source has options of."""
        names = underlyings(source) or [self.underlying]
        parameter = self.param["underlying"]
        if parameter.objects != names:
            parameter.objects = names
        if self.underlying not in names:
            self.underlying = names[0]

    def smiles(self, known: list[int]) -> list[int]:
        """The expiries whose smiles are shown, of those known: the chosen, else the nearest ones spread to the farthest.

        Examples
        --------
        >>> SurfaceChoice(underlying="").smiles([1, 2, 3, 4, 5, 6, 7, 8])
        [1, 3, 5, 7]
        """
        chosen = [expiry for expiry in known if expiry in self.expiries]
        if chosen:
            return chosen[:SHOWN]
        step = max(len(known) / SHOWN, 1.0)
        return [known[int(at * step)] for at in range(min(SHOWN, len(known)))]
