"""What-if: the whole book re-priced under shocks of spot, vol and time."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workstation.market.instants import YEAR_DAYS
from workstation.market.public_face import make_callable
from workstation.portfolio.book import MARKET
from workstation.portfolio.valuation import Floats, Quoted, Terms, terms_of, unrealised
from workstation.pricing import by_style

SPOT_SHOCKS = tuple(round(0.05 * step, 2) for step in range(-6, 7))
VOL_SHOCKS = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2)
DAYS = (0.0, 1.0, 7.0)


def what_if(
    book: pd.DataFrame,
    spot: npt.ArrayLike = SPOT_SHOCKS,
    vol: npt.ArrayLike = VOL_SHOCKS,
    days: npt.ArrayLike = DAYS,
) -> xr.Dataset:
    """PnL and delta of a book under shocks, by full re-pricing of every leg.

    Parameters
    ----------
    book
        From ``workstation.portfolio.book.book``; every leg held needs a mark, and options forward and vol.
    spot
        Moves of index and all forwards as a share, over -1: 0.1 is 10 % up.
    vol
        Added to every vol, annual decimal: 0.05 is five vol points; a vol that would fall below 0 is 0.
    days
        Calendar days passed; an option that expires in them is worth its intrinsic value at the shocked forward.

    Returns
    -------
    xarray.Dataset
        Dims (underlying, spot, vol, days). ``pnl``: change of the USD value at the shocked index (Black-Scholes view: the
        premium of inverse options counted in USD, of inverse futures their gain at the shocked index). ``pa_pnl``: the same with the coin of
        what is inverse counted in coin and turned at the shocked index (premium-adjusted view); equal for what is not inverse. ``coin_pnl``:
        change of the coin value, inverse legs only. ``delta``: Black-Scholes delta in USD after the shock. attrs: what was left out.

    Raises
    ------
    ValueError
        A leg that is held cannot be priced: names it and what is missing.

    Notes
    -----
    American options are exercised where that is worth more; their discount and yield keep their rate. What the model misses of a mark today stays as it is: values change by the model's change, so no shock gives 0.

    Examples
    --------
    >>> from workstation.portfolio.book import book
    >>> held = pd.DataFrame({"event_ns": [0], "instrument": "BTC/USDC:USDC", "quantity": -2.0, "entry": 90.0})
    >>> now = book(held, pd.DataFrame({"event_ns": [0], "instrument": "BTC/USDC:USDC", "mark": 100.0, "index": 100.0}))
    >>> what_if(now, spot=[-0.1, 0.0], vol=[0.0], days=[0.0])["pnl"].values.round(9).tolist()
    [[[[20.0]], [[0.0]]]]
    """
    axes = {
        name: np.asarray(values, dtype=np.float64)
        for name, values in (("spot", spot), ("vol", vol), ("days", days))
    }
    if (axes["spot"] <= -1.0).any():
        raise ValueError(f"spot holds {axes['spot'].min()}: a move is a share over -1")
    if (axes["days"] < 0.0).any():
        raise ValueError(f"days holds {axes['days'].min()}: time does not go back")
    held = book[book["quantity"] != 0.0].reset_index(drop=True)
    _check(held)
    terms = terms_of(held["instrument"].astype("str").tolist())
    market = Quoted(*(held[name].to_numpy(dtype=np.float64) for name in MARKET))
    quantity, entry = (held[name].to_numpy(dtype=np.float64) for name in ("quantity", "entry"))
    names, group = np.unique(terms.underlying.astype(str), return_inverse=True)
    shape = (names.size, *(values.size for values in axes.values()))
    found = {name: np.zeros(shape) for name in _UNITS}
    now = _priced(terms, quantity, entry, market, 0.0, 0.0, 0.0)
    for cell, shocks in enumerate(product(*(values.tolist() for values in axes.values()))):
        then = _priced(terms, quantity, entry, market, *shocks)
        rate = np.where(terms.inverse, market.rate * (1.0 + shocks[0]), market.rate)
        coin = then["settle"] - now["settle"]
        changes = {
            "pnl": then["usd"] - now["usd"],
            "pa_pnl": np.where(terms.inverse, coin * rate, then["usd"] - now["usd"]),
            "coin_pnl": np.where(terms.inverse, coin, 0.0),
            "delta": then["delta"],
        }
        for name, values in changes.items():
            found[name].reshape(names.size, -1)[:, cell] = np.bincount(
                group, weights=values, minlength=names.size
            )
    dims = ("underlying", "spot", "vol", "days")
    coords = {
        "underlying": ("underlying", names.astype(object)),
        "spot": ("spot", axes["spot"], {"units": "share"}),
        "vol": ("vol", axes["vol"], {"units": "annual decimal added"}),
        "days": ("days", axes["days"], {"units": "days"}),
    }
    data = {name: (dims, values, {"units": _UNITS[name]}) for name, values in found.items()}
    attrs = {
        "legs": len(held),
        "vol_rule": "added to the vol of each contract (sticky strike)",
        "forward_rule": "moved with spot",
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)


_UNITS = {"pnl": "USD", "pa_pnl": "USD", "coin_pnl": "coin", "delta": "USD"}


def _check(held: pd.DataFrame) -> None:
    option = (held["kind"] == "option").to_numpy()
    for name, wanted in (("mark", ~option), ("forward", option), ("iv", option), ("rate", True)):
        missing = held[name].isna().to_numpy() & wanted
        if missing.any():
            raise ValueError(
                f"{held['instrument'].iloc[int(missing.argmax())]}: no {name} known; leave it out or give marks that tell it"
            )


def _priced(
    terms: Terms, quantity: Floats, entry: Floats, market: Quoted, spot: float, vol: float, days: float
) -> dict[str, Floats]:
    """Values of legs in USD and settle currency, and delta in USD, under one shock; expiry at its intrinsic value."""
    factor = 1.0 + spot
    forward, rate = market.forward * factor, np.where(terms.inverse, market.rate * factor, market.rate)
    years = np.maximum(market.years - days / YEAR_DAYS, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(market.years > 0.0, years / market.years, 0.0)
    found = by_style.greeks(
        forwards=forward, strikes=terms.strike, years=years, vols=np.maximum(market.iv + vol, 0.0),
        is_call=terms.is_call, discounts=market.discounts**left, american=terms.american, yields=market.yields,
        names=("price", "delta"),
    )  # fmt: skip
    option = terms.is_option
    price = np.where(option, np.where(terms.inverse, found["price"] / forward, found["price"]), forward)
    settle = np.where(terms.is_future, unrealised(terms, quantity, entry, price), quantity * price)
    index = np.where(np.isnan(market.index) & ~option, market.mark, market.index) * factor
    return {
        "settle": settle,
        "usd": settle * rate,
        "delta": quantity * np.where(option, found["delta"], 1.0) * index,
    }


make_callable(__name__)
