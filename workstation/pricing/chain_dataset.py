"""Priced contracts as an ``xarray.Dataset`` by expiry, strike and right, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME
from workstation.pricing.contracts import GREEKS, IV_SOURCES, ContractArrays, Floats
from workstation.pricing.forward import SOURCES
from workstation.pricing.latest import LatestMarks
from workstation.pricing.ledger import NETCDF4, from_attrs, to_attrs

DIMS = ("expiry", "strike", "right")
UNITS: dict[str, str] = {
    "instrument": "",
    "venue": "",
    "bid": "premium currency",
    "ask": "premium currency",
    "bid_size": "contracts",
    "ask_size": "contracts",
    "mark": "premium currency",
    "bid_iv": "annual decimal",
    "ask_iv": "annual decimal",
    "mark_iv": "annual decimal",
    "iv_source": "",
    "delta": "1",
    "gamma": "1/USD",
    "vega": "USD per 1.00 vol",
    "theta": "USD per year",
    "rho": "USD per 1.00 rate",
    "vanna": "1 per 1.00 vol",
    "charm": "1 per year",
    "vomma": "USD per 1.00 vol squared",
    "open_interest": "contracts",
    "open_interest_ns": "ns from 1970, UTC",
    "volume_24h": "contracts",
    "multiplier": "underlying units per contract",
    "inverse": "bool",
    "event_ns": "ns from 1970, UTC",
    "quote_ns": "ns from 1970, UTC",
    "expiry_ns": "ns from 1970, UTC",
    "years": "years, ACT/365",
    "american": "bool",
    "yields": "continuous, annual decimal",
    "forward": "USD",
    "discount": "1",
    "forward_error": "USD, standard error",
    "discount_error": "1, standard error",
    "forward_source": "",
    "spot": "USD",
}
_QUOTED = ("bid", "ask", "bid_size", "ask_size", "mark", "bid_iv", "ask_iv")
_BY_EXPIRY = ("forward", "discount", "forward_error", "discount_error")
_VENUE = ("delta", "gamma", "vega", "theta", "rho")
_BY_CONTRACT = (
    "open_interest", "open_interest_ns", "volume_24h", "multiplier", "inverse", "american", "yields", "event_ns"
)  # fmt: skip
UNITS |= {f"venue_{name}": UNITS[name] for name in _VENUE}


def dataset(latest: LatestMarks, priced: ContractArrays) -> xr.Dataset:
    """The view of priced contracts for people: one cell per expiry, strike and right."""
    columns: dict[str, npt.NDArray[Any]] = {name: latest.field(name)[priced.slots] for name in _QUOTED}
    columns |= {f"venue_{name}": latest.field(name)[priced.slots] for name in _VENUE}
    columns |= {name: getattr(priced, name) for name in _BY_CONTRACT}
    columns |= priced.greeks
    columns["mark_iv"] = priced.vol
    columns["quote_ns"] = latest.time("quote")[priced.slots]
    columns["venue"] = priced.venue
    columns["instrument"] = REGISTRY.names(priced.codes)
    columns["iv_source"] = np.array(IV_SOURCES, dtype=object)[priced.iv_source]
    expiries, row = np.unique(priced.expiry_ns, return_inverse=True)
    strikes, column = np.unique(priced.strike, return_inverse=True)
    shape = (expiries.size, strikes.size, 2)
    cell = np.ravel_multi_index((row, column, (~priced.is_call).astype(np.int64)), shape)
    shown, merged = _shown(cell, priced, columns)
    data: dict[str, Any] = {}
    for name in UNITS:
        if name in columns:
            grid = np.full(int(np.prod(shape)), _missing(columns[name].dtype), dtype=columns[name].dtype)
            grid[cell[shown]] = columns[name][shown]
            data[name] = (DIMS, grid.reshape(shape), {"units": UNITS[name]})
    for name, values in _by_expiry(priced, row, expiries).items():
        data[name] = ("expiry", values, {"units": UNITS[name]})
    data["spot"] = ((), priced.spot, {"units": UNITS["spot"]})
    coords = {
        "expiry": ("expiry", expiries.astype("datetime64[ns]"), {"time_zone": "UTC"}),
        "strike": ("strike", strikes, {"units": "USD"}),
        "right": ("right", np.array(["C", "P"], dtype=object), {"units": ""}),
    }
    asof = str(pd.Timestamp(priced.asof_ns, unit="ns", tz="UTC").isoformat())
    attrs = {"underlying": priced.underlying, "asof_ns": priced.asof_ns, "asof": asof, **priced.ledger}
    attrs["merged"] = merged
    attrs["greeks"] = (
        "of the USD value, per unit of underlying, with respect to the expiry's forward: Black-76, with early exercise where "
        "the contract is American"
    )
    return savable(xr.Dataset(data, coords=coords, attrs=to_attrs(attrs)))


def savable(found: xr.Dataset) -> xr.Dataset:
    """The same Dataset, ready for files: without a writer of netCDF 4 instants in ns are encoded as float64, to 256 ns."""
    if NETCDF4:
        return found
    for name in found.variables:
        if found[name].dtype == np.int64:
            found[name].encoding["dtype"] = "float64"
    return found


def _missing(dtype: np.dtype[Any]) -> Any:
    return {"f": np.nan, "i": NO_TIME, "b": False}.get(dtype.kind, "")


def _by_expiry(
    priced: ContractArrays, row: npt.NDArray[Any], expiries: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[Any]]:
    first = np.searchsorted(row, np.arange(expiries.size))
    return {
        "expiry_ns": expiries,
        "years": priced.years[first],
        "forward": priced.forward[first],
        "discount": priced.discount[first],
        "forward_error": priced.forward_error[first],
        "discount_error": priced.discount_error[first],
        "forward_source": np.array(SOURCES, dtype=object)[priced.forward_source[first]],
    }


def _shown(
    cell: npt.NDArray[Any], priced: ContractArrays, columns: dict[str, npt.NDArray[Any]]
) -> tuple[npt.NDArray[Any], int]:
    """Rows to show, one per cell; open interest and volume of merged ones are put into ``columns``."""
    units = np.nan_to_num(priced.open_interest) * priced.multiplier
    order = np.lexsort((-priced.event_ns, -units, cell))
    first = np.ones(order.size, dtype=bool)
    first[1:] = cell[order][1:] != cell[order][:-1]
    shown = order[first]
    if first.all():
        return shown, 0
    owner = np.empty(order.size, dtype=np.int64)
    owner[order] = shown[np.cumsum(first) - 1]
    scale = priced.multiplier / priced.multiplier[owner]
    for name in ("open_interest", "volume_24h"):
        columns[name] = _summed(columns[name] * scale, owner)
    return shown, int(order.size - shown.size)


def _summed(values: Floats, owner: npt.NDArray[np.int64]) -> Floats:
    total = np.bincount(owner, weights=np.nan_to_num(values), minlength=values.size)
    known = np.bincount(owner, weights=~np.isnan(values), minlength=values.size) > 0
    return np.where(known, total, np.nan)


def contracts_of(chain_: xr.Dataset) -> ContractArrays:
    """The priced contracts of a chain Dataset, flat again: the inverse of ``dataset`` as far as exposure needs."""
    if not isinstance(chain_, xr.Dataset):
        raise ValueError(
            f"not a chain: a {type(chain_).__name__}; make one with workstation.pricing.chain.chain"
        )
    missing = [
        name for name in ("gamma", "delta", "mark_iv", "strike", "spot") if name not in chain_.variables
    ]
    if missing:
        raise ValueError(
            f"not a chain: it lacks {', '.join(missing)}; make one with workstation.pricing.chain.chain"
        )
    variables = chain_.variables
    gamma = variables["gamma"].transpose(*DIMS).to_numpy()
    filled = np.flatnonzero(~np.isnan(gamma))
    row, column, side = np.unravel_index(filled, gamma.shape)

    def cells(name: str, dtype: Any = None) -> Any:
        variable = variables[name]
        ordered = variable if variable.dims == DIMS else variable.transpose(*DIMS)
        found = ordered.to_numpy().reshape(-1).take(filled)
        return found if dtype is None else found.astype(dtype)

    told = cells("venue").tolist() if "venue" in variables else [""] * row.size
    venue_names = tuple(sorted({"", *told}))
    venue_ids = _places(venue_names, told).astype(np.int16)
    expiry = {
        name: variables[name].to_numpy() for name in ("expiry_ns", "years", *_BY_EXPIRY, "forward_source")
    }
    return ContractArrays(
        underlying=str(chain_.attrs.get("underlying", "")),
        asof_ns=int(chain_.attrs["asof_ns"]),
        spot=float(variables["spot"]),
        codes=REGISTRY.codes(cells("instrument").tolist()).astype(np.int64),
        venue_ids=venue_ids,
        venue_names=venue_names,
        slots=np.full(row.size, -1, dtype=np.int64),
        event_ns=cells("event_ns", np.int64),
        expiry_ns=expiry["expiry_ns"][row].astype(np.int64),
        years=expiry["years"][row],
        strike=variables["strike"].to_numpy()[column],
        is_call=variables["right"].to_numpy()[side] == "C",
        multiplier=cells("multiplier"),
        inverse=cells("inverse", bool),
        american=cells("american", bool) if "american" in variables else np.zeros(row.size, dtype=bool),
        yields=cells("yields") if "yields" in variables else np.full(row.size, np.nan),
        **{name: expiry[name][row] for name in _BY_EXPIRY},
        vol=cells("mark_iv"),
        forward_source=_places(SOURCES, expiry["forward_source"].tolist()).astype(np.int8)[row],
        iv_source=_places(IV_SOURCES, cells("iv_source").tolist()).astype(np.int8),
        open_interest=cells("open_interest"),
        open_interest_ns=cells("open_interest_ns", np.int64),
        volume_24h=cells("volume_24h"),
        greeks={name: cells(name) for name in GREEKS},
        ledger={
            key: value
            for key, value in from_attrs(chain_.attrs).items()
            if key not in ("underlying", "asof_ns", "asof", "greeks", "merged")
        },
    )


def _places(words: tuple[str, ...], told: list[str]) -> npt.NDArray[np.intp]:
    """The place among ``words`` of each word told."""
    known = {word: place for place, word in enumerate(words)}
    return np.array([known[word] for word in told], dtype=np.intp)
