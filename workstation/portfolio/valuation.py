"""What legs are worth: marks, index, unrealised PnL and greeks as arrays, one element per leg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market import calendar
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import NO_TIME
from workstation.portfolio.ledger import USD_LIKE
from workstation.pricing import by_style
from workstation.pricing.carry import CarryParameters, carry_of
from workstation.pricing.curves import curves_of
from workstation.pricing.forward import newest_per_group
from workstation.pricing.latest import LatestMarks

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Terms:
    """Terms of n legs."""

    underlying: npt.NDArray[np.object_]
    kind: npt.NDArray[np.object_]
    settle: npt.NDArray[np.object_]
    expiry_ns: npt.NDArray[np.int64]
    strike: Floats
    is_call: Flags
    inverse: Flags
    american: Flags
    """Which can be exercised before their expiry."""

    @property
    def is_option(self) -> Flags:
        """Which are options."""
        return np.asarray(self.kind == "option", dtype=bool)

    @property
    def is_future(self) -> Flags:
        """Which are perpetuals or futures: nothing is paid at the start."""
        return np.asarray((self.kind == "perpetual") | (self.kind == "future"), dtype=bool)

    @property
    def harmonic(self) -> Flags:
        """Inverse futures: gains are in coin, contracts in USD."""
        return self.inverse & self.is_future


def terms_of(instruments: pd.Series[str] | list[str]) -> Terms:
    """Terms of legs by their instruments' names."""
    rows = INSTRUMENT_TERMS.describe(instruments)

    def words(name: str) -> npt.NDArray[np.object_]:
        return rows[name].astype("str").to_numpy(dtype=object)

    return Terms(
        underlying=words("underlying"),
        kind=words("kind"),
        settle=words("settle_currency"),
        expiry_ns=rows["expiry_ns"].to_numpy(dtype=np.int64),
        strike=rows["strike"].to_numpy(dtype=np.float64),
        is_call=words("right") == "C",
        inverse=rows["inverse"].to_numpy(dtype=bool),
        american=(words("style") == "american") & ~rows["inverse"].to_numpy(dtype=bool),
    )


@dataclass(frozen=True)
class Quoted:
    """The market of n legs: price in premium currency, the expiry's forward, index, vol, years left, USD per settle currency.

    ``discount`` and ``yields`` (continuous) are those of American options' expiries, as parity implies them; NaN elsewhere.
    """

    mark: Floats
    forward: Floats
    index: Floats
    iv: Floats
    years: Floats
    rate: Floats
    discount: Floats
    yields: Floats

    @property
    def discounts(self) -> Floats:
        """Discount factors to price with: 1 where none is implied."""
        return np.where(self.discount > 0.0, self.discount, 1.0)


def newest_index(latest: LatestMarks) -> dict[str, float]:
    """Newest known index of every underlying that ``marks`` named; of equal times the median."""
    index = latest.field("index")
    known = np.flatnonzero(~np.isnan(index) & (latest.underlying >= 0))
    newest = newest_per_group(
        groups=latest.underlying[known],
        times=latest.time("index")[known],
        values=index[known],
        count=len(latest.underlyings),
    )
    return {
        name: float(value) for name, value in zip(latest.underlyings, newest, strict=True) if value == value
    }


def index_time(latest: LatestMarks, underlying: str) -> int:
    """When the newest known index of an underlying was told; NO_TIME when none was."""
    if underlying not in latest.underlyings:
        return NO_TIME
    told = (latest.underlying == latest.underlyings.index(underlying)) & ~np.isnan(latest.field("index"))
    return int(latest.time("index")[told].max(initial=NO_TIME))


def quoted(
    terms: Terms,
    slots: npt.NDArray[np.int64],
    latest: LatestMarks,
    asof_ns: int,
    fallback: Quoted | None = None,
    carry: CarryParameters | None = None,
) -> Quoted:
    """The newest known market of legs.

    Parameters
    ----------
    terms, slots
        The legs, and where in ``latest`` the market of each stands; -1 for nowhere.
    latest
        What ``marks`` told.
    asof_ns
        Time to expiry counts from here.
    fallback
        Mark and index where ``latest`` knows none (a venue's position row, quotes).
    carry
        Dividends and rates that American chains are priced with; None: of their own quotes alone.

    Notes
    -----
    Of American options forward (where the venue tells none), discount and yield are what parity without early exercise implies of
    the chain that ``latest`` knows. mark: the venue's, else the middle of its quotes, else the fallback, else (options) the price at the vol marked. forward: the
    contract's, else any of its expiry, else the index; of perpetuals and futures their own mark. iv: as marked, else implied from
    the mark.
    """
    rates = newest_index(latest)
    index = np.array([rates.get(name, np.nan) for name in terms.underlying], dtype=np.float64)
    known = slots >= 0
    held = np.where(known, slots, 0)

    def field(name: str) -> Floats:
        values = latest.field(name)
        return np.where(known, values[held], np.nan) if values.size else np.full(slots.size, np.nan)

    middle = 0.5 * (field("bid") + field("ask"))
    mark = _first(field("mark"), middle)
    if fallback is not None:
        mark, index = _first(mark, fallback.mark), _first(index, fallback.index)
    years = calendar.years(asof_ns=asof_ns, expiry_ns=terms.expiry_ns)
    implied_forward, discount, yields = _american_curves(terms, latest, asof_ns, carry or CarryParameters())
    known_forward = _first(field("forward"), _of_expiry(terms, latest), implied_forward, index)
    forward = np.where(terms.is_option, known_forward, mark)
    per_unit = np.where(terms.inverse, forward, 1.0)
    styled: dict[str, Any] = {
        "forwards": forward, "strikes": terms.strike, "years": years, "is_call": terms.is_call,
        "discounts": np.where(discount > 0.0, discount, 1.0), "american": terms.american, "yields": yields,
    }  # fmt: skip
    solved = by_style.implied_vol(prices=mark * per_unit, **styled)
    iv = _first(field("mark_iv"), np.where(terms.is_option, solved, np.nan))
    mark = np.where(terms.is_option, _first(mark, by_style.price(vols=iv, **styled) / per_unit), mark)
    return Quoted(mark, forward, index, iv, years, _rate(terms, index, rates), discount, yields)


def _american_curves(
    terms: Terms, latest: LatestMarks, asof_ns: int, carry: CarryParameters
) -> tuple[Floats, Floats, Floats]:
    """Forward, discount and yield of American legs; NaN of others, and where the chain's quotes imply none."""
    found = np.full((3, terms.strike.size), np.nan)
    for name in dict.fromkeys(terms.underlying[terms.american].tolist()):
        if name in latest.underlyings:
            own = np.flatnonzero(terms.american & (terms.underlying == name))
            told = carry_of(latest, carry, underlying=str(name), asof_ns=asof_ns)
            curves = curves_of(latest, underlying=str(name), asof_ns=asof_ns, **told)
            found[:, own] = curves.of_expiries(terms.expiry_ns[own])
    return found[0], found[1], found[2]


def _first(*choices: Floats) -> Floats:
    found = choices[0]
    for other in choices[1:]:
        found = np.where(np.isnan(found), other, found)
    return found


def _of_expiry(terms: Terms, latest: LatestMarks) -> Floats:
    """Newest forward told of any contract of each leg's expiry."""
    found = np.full(terms.strike.size, np.nan)
    known = np.flatnonzero(~np.isnan(latest.field("forward")))
    if known.size:
        at_ns, forward = latest.time("forward")[known], latest.field("forward")[known]
        expiry, underlying = latest.expiry_ns[known], latest.underlying[known]
        for place in np.flatnonzero(terms.is_option):
            name = str(terms.underlying[place])
            if name in latest.underlyings:
                same = (expiry == terms.expiry_ns[place]) & (underlying == latest.underlyings.index(name))
                if same.any():
                    found[place] = forward[same][at_ns[same].argmax()]
    return found


def _rate(terms: Terms, index: Floats, rates: dict[str, float]) -> Floats:
    rate = np.array([rates.get(name, np.nan) for name in terms.settle], dtype=np.float64)
    rate = np.where(terms.settle == terms.underlying, index, rate)
    return np.where(np.isin(terms.settle.astype(str), list(USD_LIKE)), 1.0, rate)


def unrealised(terms: Terms, quantity: Floats, entry: Floats, mark: Floats) -> Floats:
    """Unrealised PnL in settle currency: quantity (mark - entry); of inverse futures quantity (1 - entry / mark), coin.

    Examples
    --------
    >>> unrealised(terms_of(["BTC/USD:BTC"]), np.array([0.2]), np.array([50_000.0]), np.array([60_000.0])).round(6).tolist()
    [0.033333]
    """
    gain = np.asarray(mark - entry, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        np.divide(gain, mark, out=gain, where=terms.harmonic)
    return np.where(quantity == 0.0, 0.0, quantity * gain)
