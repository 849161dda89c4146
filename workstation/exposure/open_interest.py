"""Where open interest and volume sit: by strike and expiry, put/call ratios, max pain, support and resistance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.market.public_face import make_callable
from workstation.pricing.chain_dataset import contracts_of
from workstation.pricing.contracts import ContractArrays, Floats
from workstation.pricing.ledger import to_attrs

WALLS = 5
"""How many strikes of support and of resistance are named."""
SAME = 1e-12
"""Payouts that differ by less than this share of the largest are equal."""
_AMOUNTS = {"open_interest": "open_interest", "volume": "volume_24h"}
_CONTRACTS = {"units": "contracts"}


def open_interest(chain: xr.Dataset, *, walls: int = WALLS) -> xr.Dataset:
    """Distribution of open interest and 24 h volume, put/call ratios, max pain and the strikes with most of it.

    Parameters
    ----------
    chain
        From ``workstation.pricing.chain.chain``.
    walls
        How many strikes of support (most put open interest at or below spot) and of resistance (most call open interest at
        or above spot), expiries summed.

    Returns
    -------
    xarray.Dataset
        ``call_open_interest``, ``put_open_interest``, ``call_volume``, ``put_volume`` (expiry, strike), contracts, NaN
        where the chain has no contract; the same by expiry and by strike with ``_by_expiry`` and ``_by_strike``.
        ``put_call_ratio`` and ``volume_put_call_ratio`` (expiry), and of the whole chain ``total_put_call_ratio``,
        ``total_volume_put_call_ratio``; NaN without calls. ``max_pain`` (expiry), USD: never of several expiries together;
        ``payout`` (expiry, strike), USD: what holders of the expiry would get if it settled at a strike.
        ``support``, ``resistance`` (rank), USD, largest first, and their ``support_open_interest``,
        ``resistance_open_interest``; NaN where there are fewer. attrs: the ledger.

    Raises
    ------
    ValueError
        ``walls`` is not positive, or not a chain.

    Examples
    --------
    >>> import pandas as pd
    >>> from workstation.pricing.chain import chain
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": 0.5, "open_interest": [10.0, 4.0, 6.0], "index": 1e5,
    ...     "instrument": [f"BTC/USD:BTC-261225-{name}" for name in ("110000-C", "90000-P", "100000-P")]})
    >>> found = open_interest(chain(marks), walls=1)
    >>> found["max_pain"].item(), found["put_call_ratio"].item(), found["support"].item()
    (100000.0, 1.0, 100000.0)
    """
    if walls < 1:
        raise ValueError(f"walls must be at least 1, got {walls}")
    contracts = contracts_of(chain)
    grid = _Grid(contracts)
    data: dict[str, Any] = {"spot": ((), contracts.spot, {"units": "USD"})}
    for name, field in _AMOUNTS.items():
        call, put = grid.amounts(np.nan_to_num(getattr(contracts, field)))
        data |= _distribution(name, call, put)
        ratio = "put_call_ratio" if name == "open_interest" else "volume_put_call_ratio"
        data[ratio] = ("expiry", _ratio(np.nansum(put, axis=1), np.nansum(call, axis=1)), {"units": "1"})
        data[f"total_{ratio}"] = ((), _ratio(np.nansum(put), np.nansum(call)).item(), {"units": "1"})
    call, put = grid.amounts(np.nan_to_num(contracts.open_interest) * contracts.multiplier)
    payout = payouts(strikes=grid.strikes, call=np.nan_to_num(call), put=np.nan_to_num(put))
    payout[~grid.listed] = np.nan
    data["payout"] = (("expiry", "strike"), payout, {"units": "USD"})
    held = (np.nansum(call, axis=1) + np.nansum(put, axis=1)) > 0
    pain = [max_pain(strikes=grid.strikes, payout=row, spot=contracts.spot) for row in payout]
    data["max_pain"] = ("expiry", np.where(held, np.array(pain, dtype=np.float64), np.nan), {"units": "USD"})
    below, above = grid.strikes <= contracts.spot, grid.strikes >= contracts.spot
    for name, side, beyond in (("support", "put", below), ("resistance", "call", above)):
        size = np.where(beyond, data[f"{side}_open_interest_by_strike"][1], 0.0)
        strikes, amounts = largest(strikes=grid.strikes, amounts=size, count=walls, spot=contracts.spot)
        data[name] = ("rank", _padded(strikes, walls), {"units": "USD"})
        data[f"{name}_open_interest"] = ("rank", _padded(amounts, walls), _CONTRACTS)
    coords: dict[str, Any] = {
        "expiry": ("expiry", grid.expiries.astype("datetime64[ns]"), {"time_zone": "UTC"}),
        "strike": ("strike", grid.strikes, {"units": "USD"}),
        "rank": ("rank", np.arange(1, walls + 1), {"units": "1"}),
    }
    return xr.Dataset(data, coords=coords, attrs=to_attrs(_ledger(contracts)))


def payouts(*, strikes: Floats, call: Floats, put: Floats) -> Floats:
    """What holders get if settled at each strike: sum of call (x - K)+ and put (K - x)+.

    Parameters
    ----------
    strikes
        Ascending, shape (k,).
    call, put
        Amounts in underlying units, shape (..., k).

    Examples
    --------
    >>> payouts(strikes=np.array([90.0, 100.0, 110.0]), call=np.array([1.0, 0, 0]), put=np.array([0, 0, 2.0])).tolist()
    [40.0, 30.0, 20.0]
    """
    below, below_usd = np.cumsum(call, axis=-1), np.cumsum(call * strikes, axis=-1)
    above = np.flip(np.cumsum(np.flip(put, -1), axis=-1), -1)
    above_usd = np.flip(np.cumsum(np.flip(put * strikes, -1), axis=-1), -1)
    return np.asarray((below * strikes - below_usd) + (above_usd - above * strikes))


def max_pain(*, strikes: Floats, payout: Floats, spot: float) -> float:
    """The strike at which the payout is least, of equals the one nearer to spot, then the lower; NaN when all are NaN.

    Examples
    --------
    >>> max_pain(strikes=np.array([90.0, 100.0, 110.0]), payout=np.array([5.0, 1.0, 1.0]), spot=107.0)
    110.0
    """
    known = np.flatnonzero(~np.isnan(payout))
    if not known.size:
        return float("nan")
    least = payout[known].min()
    tied = strikes[known[payout[known] <= least + SAME * np.abs(payout[known]).max()]]
    return float(tied[np.lexsort((tied, np.abs(tied - spot)))[0]])


def largest(*, strikes: Floats, amounts: Floats, count: int, spot: float) -> tuple[Floats, Floats]:
    """The ``count`` strikes with the largest positive amounts, largest first, and these; of equals the nearer to spot, then the lower.

    Examples
    --------
    >>> strikes, amounts = largest(
    ...     strikes=np.array([90.0, 100.0, 110.0]), amounts=np.array([5.0, 7.0, 5.0]), count=2, spot=108.0)
    >>> strikes.tolist(), amounts.tolist()
    ([100.0, 110.0], [7.0, 5.0])
    """
    order = np.lexsort((strikes, np.abs(strikes - spot), -amounts))[:count]
    order = order[amounts[order] > 0]
    return strikes[order], amounts[order]


class _Grid:
    """Contracts by expiry and strike."""

    def __init__(self, contracts: ContractArrays) -> None:
        self.expiries, row = np.unique(contracts.expiry_ns, return_inverse=True)
        self.strikes, column = np.unique(contracts.strike, return_inverse=True)
        self._cell = row * self.strikes.size + column
        self._is_call = contracts.is_call
        self._shape = (self.expiries.size, self.strikes.size)
        self.listed = self._summed(np.ones(len(contracts))) > 0

    def amounts(self, values: Floats) -> tuple[Floats, Floats]:
        """Of calls and of puts, shape (expiry, strike)."""
        call, put = (self._summed(values * side) for side in (self._is_call, ~self._is_call))
        call[~self.listed] = put[~self.listed] = np.nan
        return call, put

    def _summed(self, values: Floats) -> Floats:
        size = self._shape[0] * self._shape[1]
        sums = np.bincount(self._cell, weights=values, minlength=size)
        return sums.astype(np.float64).reshape(self._shape)


def _distribution(name: str, call: Floats, put: Floats) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for side, values in (("call", call), ("put", put)):
        data[f"{side}_{name}"] = (("expiry", "strike"), values, _CONTRACTS)
        data[f"{side}_{name}_by_expiry"] = ("expiry", np.nansum(values, axis=1), _CONTRACTS)
        data[f"{side}_{name}_by_strike"] = ("strike", np.nansum(values, axis=0), _CONTRACTS)
    return data


def _ratio(put: npt.ArrayLike, call: npt.ArrayLike) -> Floats:
    puts, calls = np.asarray(put, dtype=np.float64), np.asarray(call, dtype=np.float64)
    ratio: Floats = np.divide(puts, calls, out=np.full(calls.shape, np.nan), where=calls > 0)
    return ratio


def _padded(values: Floats, count: int) -> Floats:
    return np.concatenate((values, np.full(count - values.size, np.nan)))


def _ledger(contracts: ContractArrays) -> dict[str, Any]:
    return {
        "underlying": contracts.underlying,
        "asof_ns": contracts.asof_ns,
        "spot": contracts.spot,
        "units": {"open_interest": "contracts", "volume": "contracts of 24 h", "max_pain": "USD, per expiry"},
        "walls": "by open interest summed over expiries, support at or below spot, resistance at or above, ties to the nearer strike",
        **contracts.ledger,
    }


make_callable(__name__)
