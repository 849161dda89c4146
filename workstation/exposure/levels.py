"""Key levels of a chain: net gex, zero gamma and the walls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import orjson
import xarray as xr

from workstation.exposure.book import contract_gex, flow_of, ledger
from workstation.exposure.change import MINUTES, GexHistory
from workstation.exposure.signs import positions
from workstation.exposure.snapshots import ChainSnapshots, ChainSnapshotsParameters
from workstation.exposure.zero_gamma import ZeroGamma, zero_gamma
from workstation.market.instants import YEAR_DAYS
from workstation.market.public_face import make_callable
from workstation.pricing.cells import distinct
from workstation.pricing.chain_dataset import contracts_of
from workstation.pricing.contracts import ContractArrays, Floats
from workstation.pricing.ledger import to_attrs

DAY_YEARS = 1.0 / YEAR_DAYS


@dataclass(frozen=True, eq=False)
class KeyLevels:
    """Levels of one snapshot; NaN where a level does not exist."""

    net_gex: float
    zero: ZeroGamma
    call_wall: float
    put_wall: float
    absolute_wall: float
    atm_iv: float
    strikes: Floats
    gex: Floats


def key_levels(contracts: ContractArrays, *, position: Floats) -> KeyLevels:
    """Levels of priced contracts given dealers' position in underlying units."""
    gex = contract_gex(contracts, position)
    strikes = contracts.cells.strikes
    call_gex, put_gex = contracts.cells.sums_by_strike(gex)
    call, put = np.abs(call_gex), np.abs(put_gex)
    net = float(gex.sum()) if gex.size else float("nan")
    if np.isnan(net):
        known = gex[~np.isnan(gex)]
        net = float(known.sum()) if known.size else float("nan")
        call, put = np.nan_to_num(call), np.nan_to_num(put)
    spot = contracts.spot
    return KeyLevels(
        net_gex=net,
        zero=zero_gamma(contracts, position=position, net_gex=net),
        call_wall=wall(strikes=strikes, sizes=np.where(strikes >= spot, call, 0.0), spot=spot),
        put_wall=wall(strikes=strikes, sizes=np.where(strikes <= spot, put, 0.0), spot=spot),
        absolute_wall=wall(strikes=strikes, sizes=call + put, spot=spot),
        atm_iv=atm_iv(contracts),
        strikes=strikes,
        gex=contracts.cells.total_by_strike(call_gex, put_gex, gex),
    )


_KNOWN: WeakKeyDictionary[ContractArrays, dict[tuple[str, str], tuple[Floats, KeyLevels]]] = (
    WeakKeyDictionary()
)


def priced_levels(
    contracts: ContractArrays, *, sign_model: str, basis: str, flow: Floats | None
) -> tuple[Floats, KeyLevels]:
    """Dealers' positions in contracts and their levels: computed once per contracts, but for those that ``flow`` makes."""
    if sign_model == "flow":
        position = positions(contracts, sign_model=sign_model, basis=basis, flow=flow)
        return position, key_levels(contracts, position=position)
    known = _KNOWN.setdefault(contracts, {})
    if (sign_model, basis) not in known:
        position = positions(contracts, sign_model=sign_model, basis=basis)
        known[sign_model, basis] = position, key_levels(contracts, position=position)
    return known[sign_model, basis]


def wall(*, strikes: npt.ArrayLike, sizes: npt.ArrayLike, spot: float) -> float:
    """The strike with the largest size, of equals the one nearer to spot, then the lower; NaN if all are zero.

    Examples
    --------
    >>> wall(strikes=[90.0, 100.0, 110.0], sizes=[5.0, 1.0, 5.0], spot=101.0)
    110.0
    """
    strike, size = np.asarray(strikes, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    largest = float(size.max(initial=0.0))
    if not largest > 0:
        return float("nan")
    tied = strike[size == largest]
    return float(tied[np.lexsort((tied, np.abs(tied - spot)))[0]])


def atm_iv(contracts: ContractArrays) -> float:
    """Vol at the forward of the nearest expiry of at least a day, linear between strikes; NaN without one."""
    later = contracts.years >= DAY_YEARS
    if not later.any():
        return float("nan")
    expiry_ns = contracts.expiry_ns
    at = np.flatnonzero(later & (expiry_ns == expiry_ns[later].min()))
    strikes, row = distinct(contracts.strike[at])
    vols = np.bincount(row, weights=contracts.vol[at]) / np.bincount(row)
    return float(np.interp(contracts.forward[at[0]], strikes, vols))


def levels(
    chain: xr.Dataset,
    sign_model: str = "calls_long",
    basis: str = "open_interest",
    flow: npt.ArrayLike | xr.DataArray | None = None,
) -> xr.Dataset:
    """Net gex, zero gamma and the walls of a chain.

    Zero gamma: net gex re-priced over spot +-20 % in 0.25 % steps (+-50 % when there is no crossing), vols
    fixed per contract, forwards moving with spot; linear interpolation; the crossing nearest to spot. Walls
    rank gex summed over expiries, by size whatever the sign model: call wall at or above spot, put wall at or
    below, absolute wall by the sum of the sizes of both; ties go to the nearer strike.

    Parameters
    ----------
    chain, sign_model, basis, flow
        As for ``workstation.exposure.book.exposure``.

    Returns
    -------
    xarray.Dataset
        Scalars spot, net_gex, zero_gamma, zero_gamma_reason, call_wall, put_wall, absolute_wall, atm_iv;
        ``crossings`` (crossing); the curve ``net_gex_curve`` over ``curve_spot``, which at spot is net_gex
        itself. NaN where a level does not exist, and all of them where no contract's amount is known: ``zero_gamma_reason``
        and ``net_gex_reason`` in attrs, the ledger, say so.

    Examples
    --------
    >>> import pandas as pd
    >>> from workstation.pricing.chain import chain
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": 0.5, "open_interest": 10.0, "index": 1e5,
    ...     "instrument": ["BTC/USD:BTC-261225-110000-C", "BTC/USD:BTC-261225-90000-P"]})
    >>> found = levels(chain(marks))
    >>> found["call_wall"].item(), found["put_wall"].item(), round(found["zero_gamma"].item())
    (110000.0, 90000.0, 97664)
    """
    contracts = contracts_of(chain)
    position = positions(contracts, sign_model=sign_model, basis=basis, flow=flow_of(chain, flow))
    found = key_levels(contracts, position=position)
    gex, usd = {"units": "USD per 1 % move"}, {"units": "USD"}
    data: dict[str, Any] = {
        "spot": ((), contracts.spot, usd),
        "net_gex": ((), found.net_gex, gex),
        "zero_gamma": ((), found.zero.nearest, usd),
        "zero_gamma_reason": ((), found.zero.reason, {"units": ""}),
        "call_wall": ((), found.call_wall, usd),
        "put_wall": ((), found.put_wall, usd),
        "absolute_wall": ((), found.absolute_wall, usd),
        "atm_iv": ((), found.atm_iv, {"units": "annual decimal"}),
        "crossings": ("crossing", found.zero.crossings, usd),
        "net_gex_curve": ("curve_spot", found.zero.net_gex, gex),
    }
    coords = {"curve_spot": ("curve_spot", found.zero.spots, usd)}
    return xr.Dataset(data, coords=coords, attrs=to_attrs(_ledger(contracts, sign_model, basis, position)))


def _ledger(contracts: ContractArrays, sign_model: str, basis: str, position: Floats) -> dict[str, Any]:
    return {
        **ledger(contracts, sign_model, basis, position),
        "zero_gamma": "sticky strike, forwards move with spot, nearest crossing of the curve",
        "walls": "by size of gex summed over expiries, ties to the nearer strike",
    }


@dataclass(frozen=True)
class LevelsParameters(ChainSnapshotsParameters):
    """Parameters of ``Levels``; see ``ChainSnapshotsParameters``."""


class Levels(ChainSnapshots):
    """Live levels: one row per underlying and timer tick, with the change over 1 to 30 minutes and the ledger.

    When a snapshot is taken, and what it is taken from: see ``ChainSnapshots``. A snapshot in which no
    contract is priced has a row of NaN that says so.
    """

    output = "levels"

    def __init__(self, parameters: LevelsParameters | None = None, **changes: Any) -> None:
        super().__init__(parameters or LevelsParameters(), **changes)

    def _reset(self) -> None:
        super()._reset()
        self._history: dict[str, GexHistory] = {}

    def _rows(self, contracts: ContractArrays, flow: Floats | None) -> dict[str, Any]:
        sign_model, basis = self.parameters.sign_model, self.parameters.basis
        position, found = priced_levels(contracts, sign_model=sign_model, basis=basis, flow=flow)
        history = self._history.setdefault(contracts.underlying, GexHistory())
        row: dict[str, Any] = {
            "spot": contracts.spot,
            "net_gex": found.net_gex,
            "zero_gamma": found.zero.nearest,
            "zero_gamma_reason": found.zero.reason,
            "call_wall": found.call_wall,
            "put_wall": found.put_wall,
            "absolute_wall": found.absolute_wall,
            "atm_iv": found.atm_iv,
            "coverage": contracts.ledger["coverage"],
            "contracts": len(contracts),
            "dropped": sum(contracts.ledger["dropped"].values()),
        }
        changes = history.changes(
            asof_ns=contracts.asof_ns,
            net_gex=found.net_gex,
            strikes=found.strikes,
            gex=found.gex,
            spot=contracts.spot,
        )
        for minutes, change in zip(MINUTES, changes, strict=True):
            row[f"change_{minutes}m"], row[f"change_strike_{minutes}m"] = change.net_gex, change.strike
        history.add(contracts.asof_ns, found.net_gex, found.strikes, found.gex)
        reported = _ledger(contracts, sign_model, basis, position)
        reported["crossings"] = found.zero.crossings
        reported["change_since_ns"] = {str(m): c.since_ns for m, c in zip(MINUTES, changes, strict=True)}
        reported["change_reason"] = {
            str(m): c.reason for m, c in zip(MINUTES, changes, strict=True) if c.reason
        }
        row["ledger"] = orjson.dumps(reported, option=orjson.OPT_SERIALIZE_NUMPY).decode()
        return {name: [value] for name, value in row.items()}

    def snapshot(self) -> dict[str, Any]:
        """The whole state, gex history included."""
        history = {name: history.snapshot() for name, history in self._history.items()}
        return {**super().snapshot(), "history": history}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        super().restore(state)
        self._history = {name: GexHistory.of(kept) for name, kept in state["history"].items()}


make_callable(__name__)
