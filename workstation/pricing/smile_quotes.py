"""The quotes a smile is fitted to: which contracts count, at what vol and weight, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.pricing import by_style
from workstation.pricing.black import greeks
from workstation.pricing.chain_dataset import DIMS
from workstation.pricing.contracts import ContractArrays
from workstation.pricing.fresh import fresh_quotes
from workstation.pricing.latest import LatestMarks

Floats = npt.NDArray[np.float64]

LEFT_OUT: Final[tuple[str, ...]] = (
    "",
    "no_vol",
    "crossed",
    "one_sided",
    "too_wide",
    "too_far",
    "in_the_money",
    "duplicate",
    "too_few",
)
"""Why a contract is not fitted to, by code; 0 is fitted. The first reason that holds is reported."""
TARGETS: Final = ("mid", "mark")
NARROWEST: Final = 0.005
"""Spreads under half a vol point weigh like half a vol point: nothing is known better than that."""


@dataclass(frozen=True)
class SmileParameters:
    """What counts as a quote.

    Attributes
    ----------
    target
        ``mid`` of the bid's and the ask's vol, or the vol of the ``mark``. An expiry with fewer than ``fewest``
        strikes quoted on both sides is fitted to its marks.
    widest
        Widest spread in vol as a share of the mid vol; wider quotes are left out, not replaced by their mark.
    smallest_delta
        Contracts whose out-of-the-money forward delta is smaller are left out.
    fewest
        Strikes an expiry needs; with fewer it is refused, never filled in.
    """

    target: str = "mid"
    widest: float = 0.25
    smallest_delta: float = 0.01
    fewest: int = 5

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ValueError(f"target must be one of {', '.join(TARGETS)}, got {self.target!r}")
        if not self.widest > 0:
            raise ValueError(f"widest must be positive, got {self.widest!r}")
        if not 0 <= self.smallest_delta < 0.5:
            raise ValueError(f"smallest_delta must be in [0, 0.5), got {self.smallest_delta!r}")
        if self.fewest < 5:
            raise ValueError(f"fewest must be 5 or more, SVI has five parameters; got {self.fewest!r}")


@dataclass(frozen=True, eq=False)
class Quotes:
    """Priced contracts with their quotes, arrays of shape (n,), sorted by expiry and strike.

    ``bid`` and ``ask`` in premium currency (coin where ``inverse``); ``bid_iv`` and ``ask_iv`` as the venue
    says them; ``mark_iv`` as the chain prices them. NaN where there is none. ``american`` ones are priced with ``yields``.
    """

    expiry_ns: npt.NDArray[np.int64]
    years: Floats
    forward: Floats
    discount: Floats
    strike: Floats
    is_call: npt.NDArray[np.bool_]
    inverse: npt.NDArray[np.bool_]
    american: npt.NDArray[np.bool_]
    yields: Floats
    bid: Floats
    ask: Floats
    bid_iv: Floats
    ask_iv: Floats
    mark_iv: Floats


@dataclass(frozen=True, eq=False)
class Choice:
    """What ``choose`` makes of quotes, arrays of shape (n,).

    ``reason`` indexes ``LEFT_OUT``; ``vol`` is the target; ``spread`` between ``bid_vol`` and ``ask_vol`` NaN without a
    two-sided quote; ``weight`` is of squared residuals of vol.
    """

    reason: npt.NDArray[np.int8]
    log_moneyness: Floats
    vol: Floats
    bid_vol: Floats
    ask_vol: Floats
    weight: Floats

    @property
    def spread(self) -> Floats:
        """Ask vol less bid vol."""
        return self.ask_vol - self.bid_vol


def quotes_of_contracts(latest: LatestMarks, priced: ContractArrays, *, stale_after_s: float) -> Quotes:
    """Quotes of priced contracts; a side older than ``stale_after_s`` is no quote."""
    quoted: dict[str, Any] = fresh_quotes(
        latest, priced.slots, asof_ns=priced.asof_ns, stale_after_s=stale_after_s
    )
    names = (
        "expiry_ns",
        "years",
        "forward",
        "discount",
        "strike",
        "is_call",
        "inverse",
        "american",
        "yields",
    )
    terms: dict[str, Any] = {name: getattr(priced, name) for name in names}
    return Quotes(**terms, **quoted, mark_iv=priced.vol)


def quotes_of_chain(chain: xr.Dataset) -> tuple[Quotes, tuple[npt.NDArray[np.int64], ...]]:
    """Quotes of a chain Dataset, and the (expiry, strike, right) each has there."""
    needed = ("mark_iv", "forward", "years", "strike", "right", "inverse", "american", "yields", "expiry_ns")
    missing = [name for name in needed if name not in chain.variables]
    if missing:
        problem = f"not a chain: it lacks {', '.join(missing)}"
        raise ValueError(f"{problem}; make one with workstation.pricing.chain.chain")
    vol = chain["mark_iv"].transpose(*DIMS).to_numpy()
    positions = np.nonzero(~np.isnan(vol))

    def cells(name: str) -> Any:
        return chain[name].transpose(*DIMS).to_numpy()[positions]

    age_s = (int(chain.attrs["asof_ns"]) - cells("quote_ns")) / 1e9
    fresh = age_s <= float(chain.attrs["stale_after_s"])
    quoted: dict[str, Any] = {
        name: np.where(fresh, cells(name), np.nan) for name in ("bid", "ask", "bid_iv", "ask_iv")
    }
    by_expiry: dict[str, Any] = {
        name: chain[name].to_numpy()[positions[0]] for name in ("expiry_ns", "years", "forward", "discount")
    }
    quotes = Quotes(
        **by_expiry,
        strike=chain["strike"].to_numpy()[positions[1]],
        is_call=chain["right"].to_numpy()[positions[2]] == "C",
        inverse=cells("inverse"),
        american=cells("american"),
        yields=cells("yields"),
        mark_iv=vol[positions],
        **quoted,
    )
    return quotes, positions


def choose(quotes: Quotes, parameters: SmileParameters) -> Choice:
    """Which contracts a smile is fitted to, one a strike, at what vol and weight.

    Of a strike the out-of-the-money side counts, usable or not; the other one only where the chain has none. Of
    several contracts of one side the usable one with the narrowest quote counts. The weight is the contract's vega over the square of its spread in vol, at
    least ``NARROWEST``; a mark without a two-sided quote weighs like one with the widest spread allowed.
    """
    vol = {side: _side_vol(quotes, side) for side in ("bid", "ask")}
    crossed = (quotes.bid > quotes.ask) | (quotes.bid_iv > quotes.ask_iv)
    quoted = (vol["bid"] > 0) & (vol["ask"] >= vol["bid"])
    middle = np.where(quoted, 0.5 * (vol["bid"] + vol["ask"]), np.nan)
    spread = np.where(quoted, vol["ask"] - vol["bid"], np.nan)
    by_quotes = _quoted_expiries(quotes, quoted & ~crossed, parameters)
    target = np.where(by_quotes & quoted, middle, quotes.mark_iv)
    found = greeks(
        forwards=quotes.forward,
        strikes=quotes.strike,
        years=quotes.years,
        vols=target,
        is_call=quotes.is_call,
        names=("delta", "vega"),
    )
    size = np.abs(found["delta"])
    reason = np.select(
        [
            ~(target > 0),
            crossed,
            by_quotes & ~quoted,
            quoted & (spread > parameters.widest * middle),
            np.minimum(size, 1.0 - size) < parameters.smallest_delta,
        ],
        [1, 2, 3, 4, 5],
        0,
    ).astype(np.int8)
    in_the_money = quotes.is_call == (quotes.strike < quotes.forward)
    width = np.where(quoted, spread, np.inf)
    order = np.lexsort((width, reason != 0, in_the_money, quotes.strike, quotes.expiry_ns))
    same = (np.diff(quotes.expiry_ns[order]) == 0) & (np.diff(quotes.strike[order]) == 0)
    second = order[1:][same]
    second = second[reason[second] == 0]
    names = np.where(in_the_money[second], "in_the_money", "duplicate")
    reason[second] = [LEFT_OUT.index(name) for name in names]
    width = np.maximum(np.where(quoted, spread, parameters.widest * target), NARROWEST)
    return Choice(
        reason=reason,
        log_moneyness=np.log(quotes.strike / quotes.forward),
        vol=target,
        bid_vol=np.where(quoted, vol["bid"], np.nan),
        ask_vol=np.where(quoted, vol["ask"], np.nan),
        weight=found["vega"] / np.square(width),
    )


def _quoted_expiries(
    quotes: Quotes, quoted: npt.NDArray[np.bool_], parameters: SmileParameters
) -> npt.NDArray[np.bool_]:
    """Whether each contract's expiry is fitted to quotes rather than marks."""
    if parameters.target == "mark":
        return np.zeros(quoted.size, dtype=bool)
    cells = np.unique(np.array([quotes.expiry_ns[quoted], quotes.strike[quoted].view(np.int64)]), axis=1)
    expiries, strikes = np.unique(cells[0], return_counts=True)
    return np.isin(quotes.expiry_ns, expiries[strikes >= parameters.fewest])


def _side_vol(quotes: Quotes, side: str) -> Floats:
    """Vol of a side's price, else the venue's own."""
    price: Floats = getattr(quotes, side)
    vol: Floats = getattr(quotes, f"{side}_iv").copy()
    rows = np.flatnonzero(price > 0)
    vol[rows] = by_style.implied_vol(
        prices=price[rows] * np.where(quotes.inverse[rows], quotes.forward[rows], 1.0),
        forwards=quotes.forward[rows],
        strikes=quotes.strike[rows],
        years=quotes.years[rows],
        is_call=quotes.is_call[rows],
        discounts=quotes.discount[rows],
        american=quotes.american[rows],
        yields=quotes.yields[rows],
    )
    return vol
