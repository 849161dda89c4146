"""What dealers would have to trade if spot, vol and time moved: forced flow by full re-pricing, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.exposure.book import flow_of, ledger
from workstation.exposure.signs import positions
from workstation.market.calendar import SHORTEST_NS
from workstation.market.instants import DAY_NS, YEAR_DAYS, YEAR_NS
from workstation.pricing import by_style
from workstation.pricing.black import delta_profile
from workstation.pricing.chain_dataset import contracts_of
from workstation.pricing.contracts import ContractArrays, Floats
from workstation.pricing.ledger import to_attrs

SHORTEST_YEARS = SHORTEST_NS / YEAR_NS
"""Five minutes: the floor under the time to expiry of a contract that is not expired yet."""
LOWEST_VOL = 0.01
"""No vol is moved below this; one that stands below it already is only moved up."""
DIMS = ("days", "vol_move", "spot_move")
PARTS: tuple[str, ...] = ("gamma_flow", "charm_flow", "vanna_flow", "residual_flow")
"""What adds up to ``forced_flow``."""
_USD = {"units": "USD"}


@dataclass(frozen=True, eq=False)
class ForcedFlow:
    """Forced flow in USD over (days, vol_move, spot_move), positive where dealers buy, and its parts.

    Attributes
    ----------
    book_delta
        Dealers' delta with respect to spot there, underlying units; ``book_delta_now`` is today's.
    expired
        Contracts whose expiry lies within each of ``days``.
    """

    forced_flow: Floats
    gamma_flow: Floats
    charm_flow: Floats
    vanna_flow: Floats
    residual_flow: Floats
    book_delta: Floats
    book_delta_now: float
    expired: npt.NDArray[np.int64]


def forced_flow(
    chain: xr.Dataset,
    *,
    spot_moves: npt.ArrayLike,
    vol_moves: npt.ArrayLike,
    days: npt.ArrayLike = (0.0,),
    sign_model: str = "calls_long",
    basis: str = "open_interest",
    flow: npt.ArrayLike | xr.DataArray | None = None,
) -> xr.Dataset:
    """Dealers' forced flow if spot, vol and time moved: minus the change of the book's delta, times the new spot.

    Every contract is priced anew: forwards move with spot in proportion, so the delta in spot is that in the forward times
    F / S; the vol of each contract is its own plus the
    move (sticky strike), discount factors and yields keep their rate; American contracts are exercised where that is worth more. A contract that expires within the horizon is in the book with
    its intrinsic delta: 1, -1 or 0 per unit, a half at the strike itself.

    Parameters
    ----------
    chain
        From ``workstation.pricing.chain.chain``.
    spot_moves
        Shares of spot, over -1: -0.03 is 3 % down.
    vol_moves
        Parallel shifts of every contract's vol, annual decimal: 0.05 is five vol points up. No vol falls below ``LOWEST_VOL``.
    days
        Calendar days that pass, not negative.
    sign_model, basis, flow
        As for ``workstation.exposure.book.exposure``.

    Returns
    -------
    xarray.Dataset
        Dims (days, vol_move, spot_move). ``forced_flow``: USD, positive where dealers must buy. It is the sum of
        ``gamma_flow``, ``charm_flow``, ``vanna_flow`` (today's greek times the move, at the new spot) and
        ``residual_flow`` (all of higher order). ``book_delta`` in underlying units; ``scenario_spot`` by spot_move;
        ``expired`` by days. NaN when no contract is priced. attrs: the ledger.

    Raises
    ------
    ValueError
        A move that is out of range or not a list of numbers; else as for ``exposure``.

    Examples
    --------
    >>> import pandas as pd
    >>> from workstation.pricing.chain import chain
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": 0.5, "open_interest": 10.0, "index": 1e5,
    ...     "instrument": ["BTC/USD:BTC-261225-100000-C"]})
    >>> grid = forced_flow(chain(marks), spot_moves=[-0.05, 0.0, 0.05], vol_moves=[0.0], sign_model="short_all")
    >>> grid["forced_flow"].round(0).values.tolist(), grid["forced_flow"].attrs["units"]
    ([[[-100409.0, 0.0, 103083.0]]], 'USD')
    """
    contracts = contracts_of(chain)
    position = positions(contracts, sign_model=sign_model, basis=basis, flow=flow_of(chain, flow))
    spots = _moves("spot_moves", spot_moves, lowest=-1.0, closed=False)
    vols = _moves("vol_moves", vol_moves, lowest=-np.inf, closed=False)
    later = _moves("days", days, lowest=0.0, closed=True)
    found = forced_flow_grid(contracts, position=position, spot_moves=spots, vol_moves=vols, days=later)
    data: dict[str, Any] = {name: (DIMS, getattr(found, name), _USD) for name in ("forced_flow", *PARTS)}
    data["book_delta"] = (DIMS, found.book_delta, {"units": "underlying units"})
    data["book_delta_now"] = ((), found.book_delta_now, {"units": "underlying units"})
    data["expired"] = ("days", found.expired, {"units": "contracts listed"})
    data["spot"] = ((), contracts.spot, _USD)
    coords: dict[str, Any] = {
        "days": ("days", later, {"units": "calendar days"}),
        "vol_move": ("vol_move", vols, {"units": "annual decimal"}),
        "spot_move": ("spot_move", spots, {"units": "1"}),
        "scenario_spot": ("spot_move", contracts.spot * (1.0 + spots), _USD),
    }
    return xr.Dataset(data, coords=coords, attrs=to_attrs(_ledger(contracts, sign_model, basis, position)))


def forced_flow_grid(
    contracts: ContractArrays,
    *,
    position: Floats,
    spot_moves: Floats,
    vol_moves: Floats,
    days: Floats,
) -> ForcedFlow:
    """Forced flow of priced contracts given dealers' position in underlying units; moves as in ``forced_flow``."""
    shape = (days.size, vol_moves.size, spot_moves.size)
    left = _years_left(contracts, days)
    expired = np.count_nonzero(left == 0.0, axis=1)
    if not contracts.spot > 0 or np.isnan(position).all():
        nothing = np.full(shape, np.nan)
        return ForcedFlow(*(nothing,) * 6, float("nan"), expired)
    held = np.flatnonzero(np.nan_to_num(position))
    book, left, size = _Held(contracts, held), left[:, held], position[held]
    vols = np.maximum(book.vol + vol_moves[:, None], np.minimum(book.vol, LOWEST_VOL))
    now = book.delta(book.weights(size, book.years), book.years, book.vol, np.zeros(1)).item()
    delta = np.empty(shape)
    for day, years in enumerate(left):
        weights = book.weights(size, years)
        for move, vol in enumerate(vols):
            delta[day, move] = book.delta(weights, years, vol, spot_moves)
    still = (days == 0.0)[:, None, None] & (vol_moves == 0.0)[:, None] & (spot_moves == 0.0)
    delta[still] = now
    spot = contracts.spot * (1.0 + spot_moves)
    greeks = {name: contracts.greeks[name][held] * size for name in ("gamma", "charm", "vanna")}
    by_spot = (greeks["gamma"] @ (book.forward * book.per_spot)) * spot_moves
    by_time = (book.years - left) @ (greeks["charm"] * book.per_spot)
    by_vol = (vols - book.vol) @ (greeks["vanna"] * book.per_spot)
    whole = (now - delta) * spot
    gamma, charm, vanna = (
        np.broadcast_to(-change * spot, shape)
        for change in (by_spot, by_time[:, None, None], by_vol[:, None])
    )
    return ForcedFlow(
        forced_flow=whole,
        gamma_flow=gamma,
        charm_flow=charm,
        vanna_flow=vanna,
        residual_flow=whole - (gamma + charm + vanna),
        book_delta=delta,
        book_delta_now=now,
        expired=expired,
    )


class _Held:
    """Contracts that dealers hold, ready to be priced elsewhere."""

    def __init__(self, contracts: ContractArrays, held: npt.NDArray[np.int64]) -> None:
        self.forward, self.strike = contracts.forward[held], contracts.strike[held]
        self.years, self.vol = contracts.years[held], contracts.vol[held]
        self.per_spot = self.forward / contracts.spot
        self._is_call, self._american = contracts.is_call[held], contracts.american[held]
        self._yields = contracts.yields[held]
        self._rate = -np.log(contracts.discount[held]) / self.years

    def weights(self, size: Floats, years: Floats) -> Floats:
        """Dealers' position per delta in spot, discounted over the years left; at expiry the forward is the spot."""
        per_spot = np.where(years > 0.0, self.per_spot, 1.0)
        return np.asarray(size * per_spot * np.exp(-self._rate * years), dtype=np.float64)

    def delta(self, weights: Floats, years: Floats, vol: Floats, spot_moves: Floats) -> Floats:
        """Summed delta over the moves of spot, underlying units."""
        plain = ~self._american
        whole = delta_profile(
            shifts=spot_moves,
            forwards=self.forward[plain],
            strikes=self.strike[plain],
            years=years[plain],
            vols=vol[plain],
            is_call=self._is_call[plain],
            weights=weights[plain],
        )
        return whole if plain.all() else whole + self._american_delta(weights, years, vol, spot_moves)

    def _american_delta(self, weights: Floats, years: Floats, vol: Floats, spot_moves: Floats) -> Floats:
        own = np.flatnonzero(self._american)
        discount = np.exp(-self._rate[own] * years[own])

        def at(spot_move: float) -> float:
            delta = by_style.greeks(
                forwards=self.forward[own] * (1.0 + spot_move), strikes=self.strike[own], years=years[own],
                vols=vol[own], is_call=self._is_call[own], discounts=discount, american=np.ones(own.size, dtype=bool),
                yields=self._yields[own], names=("delta",),
            )["delta"]  # fmt: skip
            return float((weights[own] / discount) @ delta)  # the weights are discounted, and so is the delta

        return np.array([at(float(move)) for move in spot_moves])


def _years_left(contracts: ContractArrays, days: Floats) -> Floats:
    """Years to expiry after each of ``days``, shape (days, n): 0 when expired, as now when no time passes."""
    left_ns = (contracts.expiry_ns - contracts.asof_ns) - days[:, None] * DAY_NS
    left = np.maximum(contracts.years - days[:, None] / YEAR_DAYS, SHORTEST_YEARS)
    return np.where(left_ns > 0, np.minimum(left, contracts.years), 0.0)


def _moves(name: str, values: npt.ArrayLike, *, lowest: float, closed: bool) -> Floats:
    moves = np.atleast_1d(np.asarray(values, dtype=np.float64))
    within = moves >= lowest if closed else moves > lowest
    if moves.ndim != 1 or not moves.size or not (within & np.isfinite(moves)).all():
        limit = f" {'of at least' if closed else 'over'} {lowest:g}" if np.isfinite(lowest) else ""
        raise ValueError(f"{name} must be a list of finite numbers{limit}, got {values!r}")
    return moves


def _ledger(contracts: ContractArrays, sign_model: str, basis: str, position: Floats) -> dict[str, Any]:
    reported = ledger(contracts, sign_model, basis, position)
    reported["units"] = dict.fromkeys(("forced_flow", *PARTS), "USD, positive = dealers buy")
    reported["scenario"] = (
        "full re-pricing: forwards move with spot, each vol shifted in parallel (sticky strike, floor 1 %), discount rates "
        "kept, contracts expired within the horizon at intrinsic delta"
    )
    return reported
