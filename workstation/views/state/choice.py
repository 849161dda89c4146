"""What a session has chosen to see: one object, mirrored in the page's address."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import param

from workstation.market.instants import SECOND_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.views.state.address import Expiries
from workstation.views.state.session_cache import shared
from workstation.views.state.source import Source

MEASURES = {"gex": "GEX", "dex": "DEX", "vanna_exposure": "Vanna", "charm_exposure": "Charm"}
SHORT_UNITS = {
    "gex": "$ per 1 %",
    "dex": "$",
    "vanna_exposure": "$ per vol pt",
    "charm_exposure": "$ per day",
}
"""Where a card has little room."""
UNITS = {
    "gex": "USD per 1 % move",
    "dex": "USD",
    "vanna_exposure": "USD per vol point",
    "charm_exposure": "USD per day",
}
SIGN_MODELS = {
    "calls_long": "Calls long",
    "calls_short": "Calls short",
    "short_all": "Short all",
    "flow": "Taker flow",
}
BASES = {"open_interest": "OI", "volume": "Volume 24 h"}
LENGTHS = {10: "10 s", 60: "1 min", 300: "5 min"}
REACHES = {0.05: "±5 %", 0.10: "±10 %", 0.20: "±20 %", 0.40: "±40 %"}
SCALES = {"price": "Price", "strikes": "Strikes"}

_PREFERENCE = ("perpetual", "index", "spot", "equity", "future")


class Choice(param.Parameterized):
    """The choices of a session; every one is in the page's address.

    Examples
    --------
    >>> Choice().every_ns
    60000000000
    """

    underlying = param.Selector(default="", objects=[""], doc="whose options")
    instrument = param.Selector(
        default="", objects=[""], doc="whose price; empty: the best known of the underlying"
    )
    venue = param.Selector(default="", objects=[""], doc="whose contracts; empty: of all venues, combined")
    measure = param.Selector(default="gex", objects=list(MEASURES))
    basis = param.Selector(default="open_interest", objects=list(BASES))
    sign_model = param.Selector(default="calls_long", objects=list(SIGN_MODELS))
    expiries = Expiries(default=[], item_type=int, doc="expiry_ns of those shown; empty: all")
    every_s = param.Selector(default=60, objects=list(LENGTHS))
    reach = param.Selector(default=0.10, objects=list(REACHES), doc="strikes shown around spot")
    scale = param.Selector(default="price", objects=list(SCALES), doc="what the price axis spans")
    window = param.List(
        default=[], item_type=float, doc="x0, x1, y0, y1 of the chart once it was moved by hand; empty: live"
    )

    @property
    def every_ns(self) -> int:
        """Length of the candles shown."""
        return int(self.every_s * SECOND_NS)

    def offer(self, source: Source) -> None:
        """Offer the underlyings the source has options of, and the instruments their price may be read from."""
        names = underlyings(source)
        _offer(self, "underlying", names or [self.underlying])
        _offer(self, "instrument", ["", *instruments(source, self.underlying)])
        chain = source.priced_chain(self.underlying)
        if chain is not None:
            _offer(self, "venue", ["", *(chain.venues if len(chain.venues) > 1 else [])])


def _offer(choice: Choice, name: str, objects: list[str]) -> None:
    parameter = choice.param[name]
    if parameter.objects != objects:
        parameter.objects = objects
    if getattr(choice, name) not in objects:
        setattr(choice, name, objects[0])


def underlyings(source: Source) -> list[str]:
    """Underlyings that have levels, exposures or marks of options, by name."""
    found: set[str] = set()
    for table in ("levels", "exposures"):
        found.update(source.latest(table)["underlying"].astype("str").unique())
    return sorted((found or underlyings_of(source.latest("marks"))) - {""})


def underlyings_of(marks: pd.DataFrame) -> set[str]:
    """Underlyings of the options among these marks."""
    terms = INSTRUMENT_TERMS.describe(marks["instrument"].astype("str").unique())
    return set(terms["underlying"][terms["kind"] == "option"].astype("str"))


RANKED_S = 2.0
"""For so long the instruments of an underlying keep their order."""


def instruments(source: Source, underlying: str) -> list[str]:
    """Instruments with candles whose price is that of the underlying, the best first."""
    turn = int(time.monotonic() / RANKED_S)
    found: list[str] = shared(
        source, ("instruments", underlying, turn), lambda: _instruments(source, underlying) or None
    )
    return found or []


def _instruments(source: Source, underlying: str) -> list[str]:
    traded = source.traded()
    if not traded:
        return []
    terms = INSTRUMENT_TERMS.describe(list(traded))
    terms = terms[(terms["underlying"].astype("str") == underlying) & terms["kind"].isin(_PREFERENCE)]
    rank = terms["kind"].astype("str").map(_PREFERENCE.index).to_numpy(dtype=np.int64)
    names = [str(name) for name in terms["instrument"]]
    order = np.lexsort((np.array([-traded[name] for name in names]), rank))
    return [names[at] for at in order]


Chosen = TypeVar("Chosen", bound=param.Parameterized)


def chosen(kind: type[Chosen], source: Source, underlying: str, choices: dict[str, Any]) -> Chosen:
    """Choices made in code: each is one that the page offers.

    Raises
    ------
    TypeError
        There is no such choice.
    ValueError
        It cannot be that, or the source has options of other underlyings only.

    Examples
    --------
    >>> chosen(Choice, None, "", {"measure": "dex"}).measure
    'dex'
    """
    known = [name for name in kind.param if name != "name"]
    unknown = sorted(set(choices) - set(known))
    if unknown:
        raise TypeError(f"no choice {unknown[0]!r}; there are {', '.join(sorted(known))}")
    made: Chosen = kind(**choices)
    if underlying:
        held = underlyings(source)
        if held and underlying not in held:
            raise ValueError(f"no options of {underlying!r} here; there are {', '.join(held)}")
        parameter = made.param["underlying"]
        if isinstance(parameter, param.Selector):
            parameter.objects = held or [underlying]
        made.param.update(underlying=underlying)
    return made
