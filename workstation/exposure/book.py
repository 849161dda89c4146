"""Exposure of a chain's open interest by expiry and strike, in USD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.exposure.signs import positions, unknown_reason
from workstation.exposure.snapshots import ChainSnapshots, ChainSnapshotsParameters
from workstation.market.instants import YEAR_DAYS
from workstation.pricing.chain_dataset import contracts_of
from workstation.pricing.contracts import ContractArrays, Floats
from workstation.pricing.ledger import to_attrs

UNITS: dict[str, str] = {
    "gex": "USD per 1 % move",
    "dex": "USD",
    "vanna_exposure": "USD per vol point",
    "charm_exposure": "USD per day",
}
"""The four exposures and their units."""
AMOUNTS: dict[str, str] = {"open_interest": "contracts", "volume_24h": "contracts"}


def contract_gex(contracts: ContractArrays, position: Floats) -> Floats:
    """gex of each contract given dealers' position in underlying units: gamma . position . F^2 . 0.01, shape (n,).

    Gamma is discounted and with respect to the forward. Forwards move with spot in proportion, so this is the gamma in spot
    times S^2.
    """
    return np.asarray(contracts.greeks["gamma"] * position * (np.square(contracts.forward) * 0.01))


def contract_exposures(contracts: ContractArrays, position: Floats) -> dict[str, Floats]:
    """Exposure of each contract given dealers' position in underlying units, arrays of shape (n,).

    gex: see ``contract_gex``; dex = delta . position . F, the delta in spot times S; vanna_exposure = vanna . position .
    F . 0.01; charm_exposure = charm . position . F / 365. The greeks are discounted. NaN where the position is.
    """
    greeks, forward = contracts.greeks, contracts.forward
    return {
        "gex": contract_gex(contracts, position),
        "dex": greeks["delta"] * position * forward,
        "vanna_exposure": greeks["vanna"] * position * (forward * 0.01),
        "charm_exposure": greeks["charm"] * position * (forward / YEAR_DAYS),
    }


def exposure(
    chain: xr.Dataset,
    sign_model: str = "calls_long",
    basis: str = "open_interest",
    flow: npt.ArrayLike | xr.DataArray | None = None,
) -> xr.Dataset:
    """Dealers' exposure by expiry and strike.

    Parameters
    ----------
    chain
        From ``workstation.pricing.chain.chain``.
    sign_model
        ``calls_long`` (dealers long calls, short puts), ``calls_short``, ``short_all`` or ``flow`` (minus ``flow``).
    basis
        ``open_interest`` or ``volume`` (24 h).
    flow
        For ``flow``: signed taker flow per contract since its open interest was last published, in contracts,
        dims (expiry, strike, right) of the chain.

    Returns
    -------
    xarray.Dataset
        Dims (expiry, strike): gex, dex, vanna_exposure, charm_exposure, each with its call_* and put_* part (the parts add
        up to the whole, all signed by the model), and open interest and volume by right. NaN where the chain
        has no contract, and where the amount of none of a cell's contracts is known; 0 for a right that is not listed.
        attrs: the ledger; ``net_gex_reason`` says so when no amount at all is known.

    Raises
    ------
    ValueError
        Unknown sign model or basis, ``flow`` missing or misshapen, or not a chain.

    Examples
    --------
    >>> import pandas as pd
    >>> from workstation.pricing.chain import chain
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": 0.5, "open_interest": [10.0, 4.0], "index": 1e5,
    ...     "instrument": ["BTC/USD:BTC-261225-100000-C", "BTC/USD:BTC-261225-100000-P"]})
    >>> book = exposure(chain(marks))
    >>> (book["put_gex"] / book["call_gex"]).values.round(12).tolist(), book["gex"].attrs["units"]
    ([[-0.4]], 'USD per 1 % move')
    """
    contracts = contracts_of(chain)
    position = positions(contracts, sign_model=sign_model, basis=basis, flow=flow_of(chain, flow))
    cells = contracts.cells
    expiries, row = np.unique(cells.expiry_ns, return_inverse=True)
    strikes, column = np.unique(cells.strike, return_inverse=True)
    data: dict[str, Any] = {}

    def place(name: str, values: Floats, units: str) -> None:
        grid = np.full((expiries.size, strikes.size), np.nan)
        grid[row, column] = values
        data[name] = (("expiry", "strike"), grid, {"units": units})

    for name, values in contract_exposures(contracts, position).items():
        call, put = cells.sums(values)
        place(name, cells.total(call, put, values), UNITS[name])
        place(f"call_{name}", call, UNITS[name])
        place(f"put_{name}", put, UNITS[name])
    for name, units in AMOUNTS.items():
        call, put = cells.sums(getattr(contracts, name))
        place(f"call_{name}", call, units)
        place(f"put_{name}", put, units)
    data["spot"] = ((), contracts.spot, {"units": "USD"})
    coords = {
        "expiry": ("expiry", expiries.astype("datetime64[ns]"), {"time_zone": "UTC"}),
        "strike": ("strike", strikes, {"units": "USD"}),
    }
    return xr.Dataset(data, coords=coords, attrs=to_attrs(ledger(contracts, sign_model, basis, position)))


def flow_of(chain: xr.Dataset, flow: npt.ArrayLike | xr.DataArray | None) -> Floats | None:
    """Flow by cell of the chain as one number per contract, in the order of ``contracts_of``."""
    if flow is None:
        return None
    gamma = chain["gamma"].transpose("expiry", "strike", "right")
    if isinstance(flow, xr.DataArray):
        flow = flow.reindex_like(gamma).transpose("expiry", "strike", "right").to_numpy()
    values = np.asarray(flow, dtype=np.float64)
    if values.shape != gamma.shape:
        raise ValueError(
            f"flow has shape {values.shape}, the chain (expiry, strike, right) has {gamma.shape}"
        )
    return np.asarray(np.nan_to_num(values[~np.isnan(gamma.to_numpy())]), dtype=np.float64)


def ledger(
    contracts: ContractArrays, sign_model: str, basis: str, position: Floats | None = None
) -> dict[str, Any]:
    """Conventions, sources, ages and what was left out of an exposure; given the positions, why they say nothing."""
    return {
        "underlying": contracts.underlying,
        "asof_ns": contracts.asof_ns,
        "sign_model": sign_model,
        "basis": basis if sign_model != "flow" else "signed taker flow",
        "greeks": "Black-76 of the USD value, with respect to the expiry's forward; vol of each contract as marked",
        "units": dict(UNITS),
        "spot": contracts.spot,
        **contracts.ledger,
        **({} if position is None else {"net_gex_reason": unknown_reason(position, basis)}),
    }


@dataclass(frozen=True)
class ExposureBookParameters(ChainSnapshotsParameters):
    """Parameters of ``ExposureBook``; see ``ChainSnapshotsParameters``."""


class ExposureBook(ChainSnapshots):
    """Live exposures: one group of rows by expiry and strike per underlying and timer tick.

    When a snapshot is taken, and what it is taken from: see ``ChainSnapshots``. A snapshot without any priced
    contract has no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from workstation.market.tables import HEARTBEAT, MARKS
    >>> book = ExposureBook(every="10s")
    >>> start = pd.Timestamp("2026-11-01").value
    >>> book.update(MARKS.conform(pd.DataFrame({
    ...     "event_ns": start + 1, "instrument": ["BTC/USD:BTC-261225-100000-C"], "mark_iv": 0.5,
    ...     "open_interest": 10.0, "index": 1e5})), "marks").empty
    True
    >>> rows = book.update(HEARTBEAT.conform(pd.DataFrame({"event_ns": [start + 10**10]})), "heartbeat")
    >>> rows[["event_ns", "underlying", "strike"]].values.tolist()
    [[1793491210000000000, 'BTC', 100000.0]]
    """

    output = "exposures"

    def __init__(self, parameters: ExposureBookParameters | None = None, **changes: Any) -> None:
        super().__init__(parameters or ExposureBookParameters(), **changes)

    def _rows(self, contracts: ContractArrays, flow: Floats | None) -> dict[str, Any]:
        parameters = self.parameters
        position = positions(contracts, sign_model=parameters.sign_model, basis=parameters.basis, flow=flow)
        return exposure_columns(contracts, position)


_SUMMED = ("gex", "dex", "vanna_exposure", "charm_exposure")


def exposure_columns(contracts: ContractArrays, position: Floats) -> dict[str, npt.NDArray[Any]]:
    """Columns of ``exposures`` that depend on the contracts, one row per expiry and strike."""
    cells = contracts.cells
    values = contract_exposures(contracts, position)
    amounts = [getattr(contracts, name) for name in AMOUNTS]
    calls, puts, totals = cells.all_sums([*(values[name] for name in _SUMMED), *amounts])
    columns: dict[str, npt.NDArray[Any]] = {
        "expiry_ns": cells.expiry_ns,
        "strike": cells.strike,
        "call_gex": calls[0],
        "put_gex": puts[0],
    }
    columns |= dict(zip(_SUMMED, totals, strict=False))
    for row, name in enumerate(AMOUNTS, start=len(_SUMMED)):
        columns[f"call_{name}"], columns[f"put_{name}"] = calls[row], puts[row]
    return columns
