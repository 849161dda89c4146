"""Derived cubes of a store: exposure by strike and time, volatility surfaces by time; in memory, or lazily chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.history import open_history
from workstation.history.addresses import folder_of
from workstation.history.chains import LOOK_BACK_S, chain_at, instants_of
from workstation.history.history import History, Time
from workstation.market.errors import HistoryError
from workstation.market.instants import NO_TIME
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import EXPOSURES
from workstation.pricing.surface import MONEYNESS, UNITS, surface

Instants = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[np.float64]]
_LOOK_BACK_NS = int(LOOK_BACK_S * 1e9)
_MEASURES = {
    column.name: column.unit
    for column in EXPOSURES.columns
    if column.kind == "float64" and column.name != "strike"
}
_OF_SURFACE = {
    **dict.fromkeys(("implied_vol", "total_variance"), ("expiry", "moneyness")),
    **dict.fromkeys(("atm_iv", "rr25", "bf25", "forward"), ("expiry",)),
}


class Cube(Protocol):
    """Values at instants, on coordinates that are fixed beforehand."""

    @property
    def coords(self) -> Mapping[str, npt.NDArray[Any]]:
        """Every dimension besides ``time``."""

    @property
    def variables(self) -> Mapping[str, tuple[tuple[str, ...], str]]:
        """Name -> dimensions besides ``time``, and unit."""

    def at(self, history: History, instants: Instants) -> Arrays:
        """Values at ascending instants of what was known by then, NaN where nothing was; shapes (time, ...)."""


@dataclass(frozen=True)
class ExposureCube:
    """Exposure by (time, strike), summed over expiries: at each instant the newest snapshot within an hour before it."""

    underlying: str
    sign_model: str
    basis: str
    strikes: tuple[float, ...]

    @property
    def coords(self) -> Mapping[str, npt.NDArray[Any]]:
        return {"strike": np.array(self.strikes)}

    @property
    def variables(self) -> Mapping[str, tuple[tuple[str, ...], str]]:
        return {name: (("strike",), unit) for name, unit in _MEASURES.items()}

    def at(self, history: History, instants: Instants) -> Arrays:
        """See ``Cube``."""
        rows = history.rows(
            "exposures", int(instants[0]) - _LOOK_BACK_NS, int(instants[-1]) + 1,
            columns=["event_ns", "underlying", "strike", "sign_model", "basis", *_MEASURES],
        )  # fmt: skip
        ours = rows["underlying"] == self.underlying
        ours &= (rows["sign_model"] == self.sign_model) & (rows["basis"] == self.basis)
        made = _blank(self, instants.size)
        sums = rows[ours].groupby(["event_ns", "strike"])[list(_MEASURES)].sum(min_count=1)
        snapshots = sums.index.unique("event_ns").to_numpy()
        if not len(snapshots):
            return made
        newest = np.searchsorted(snapshots, instants, side="right") - 1
        fresh = (newest >= 0) & (snapshots[newest] > instants - _LOOK_BACK_NS)
        for name in _MEASURES:
            by_strike = sums[name].unstack("strike").reindex(columns=self.strikes).to_numpy()
            made[name][fresh] = by_strike[newest[fresh]]
        return made


@dataclass(frozen=True)
class SurfaceCube:
    """Smiles by (time, expiry, moneyness): at each instant the surface of the chain that was known by then."""

    underlying: str
    expiries: tuple[int, ...]

    @property
    def coords(self) -> Mapping[str, npt.NDArray[Any]]:
        return {
            "expiry": np.array(self.expiries, dtype=np.int64).astype("datetime64[ns]"),
            "moneyness": np.array(MONEYNESS),
        }

    @property
    def variables(self) -> Mapping[str, tuple[tuple[str, ...], str]]:
        return {name: (dims, UNITS[name]) for name, dims in _OF_SURFACE.items()}

    def at(self, history: History, instants: Instants) -> Arrays:
        """See ``Cube``."""
        rows = history.rows("marks", int(instants[0]) - _LOOK_BACK_NS, int(instants[-1]) + 1)
        times, made = rows["event_ns"].to_numpy(), _blank(self, instants.size)
        for place, instant in enumerate(instants.tolist()):
            begin, end = np.searchsorted(times, (instant - _LOOK_BACK_NS, instant), side="right")
            one = chain_at(rows.iloc[begin:end], self.underlying, instant)
            if one is None:
                continue
            found = surface(one)
            expiry = found["expiry"].to_numpy().astype("datetime64[ns]").astype(np.int64)
            at = np.searchsorted(np.array(self.expiries), expiry)
            for name, dims in _OF_SURFACE.items():
                made[name][place, at] = found[name].transpose(*dims).to_numpy()
        return made


def exposure_by_strike(
    history: History,
    underlying: str,
    *,
    every: str = "1min",
    start: Time | None = None,
    end: Time | None = None,
    sign_model: str = "calls_long",
    basis: str = "open_interest",
    chunk: int | None = None,
) -> xr.Dataset:
    """Recorded exposure by strike at regular instants.

    Parameters
    ----------
    history
        A store that holds ``exposures``.
    underlying, sign_model, basis
        Which rows of it.
    every, start, end
        Instants from ``start`` up to and without ``end``; default: all that is recorded.
    chunk
        None: values in memory. A number: Dask arrays of so many instants each, read when they are computed.

    Returns
    -------
    xarray.Dataset
        Dims (time, strike), both ascending; variables and units of the ``exposures`` table, summed over expiries. Each instant has
        the newest snapshot at or before it within an hour, NaN where there is none: nothing of later is in it.

    Raises
    ------
    HistoryError
        Nothing of the underlying is recorded between these instants; says what there is.
    """
    instants = instants_of(history, every, start, end, "exposures")
    strikes = history.sql(
        "SELECT DISTINCT strike FROM exposures WHERE underlying = $underlying AND sign_model = $sign_model AND basis = $basis "
        "AND event_ns >= $first AND event_ns <= $last ORDER BY strike",
        underlying=underlying, sign_model=sign_model, basis=basis, **_reach(instants),
    )["strike"].tolist()  # fmt: skip
    if not strikes:
        held = history.sql("SELECT DISTINCT underlying, sign_model, basis FROM exposures ORDER BY 1, 2, 3")
        told = ", ".join(" ".join(map(str, row)) for row in held.itertuples(index=False)) or "none"
        raise HistoryError(
            f"no exposures of {underlying} {sign_model} {basis} at these instants; {history.url} has {told}"
        )
    cube = ExposureCube(underlying, sign_model, basis, tuple(strikes))
    made = _assembled(cube, history, instants, chunk)
    return made.assign_attrs(underlying=underlying, sign_model=sign_model, basis=basis, every=every)


def surfaces_over_time(
    history: History,
    underlying: str,
    *,
    every: str = "5min",
    start: Time | None = None,
    end: Time | None = None,
    chunk: int | None = None,
) -> xr.Dataset:
    """The volatility surface at regular instants, each of the marks that were known by then.

    Parameters
    ----------
    history
        A store that holds ``marks``.
    underlying
        Which one.
    every, start, end, chunk
        As for ``exposure_by_strike``.

    Returns
    -------
    xarray.Dataset
        ``implied_vol`` and ``total_variance`` (time, expiry, moneyness), ``atm_iv``, ``rr25``, ``bf25`` and ``forward`` (time, expiry),
        as ``workstation.surface`` gives them; NaN where an expiry is not listed, expired or refused at an instant.

    Raises
    ------
    HistoryError
        No option of the underlying has a mark between these instants; says what there is.
    """
    instants = instants_of(history, every, start, end)
    names = history.sql(
        "SELECT DISTINCT instrument FROM marks WHERE event_ns >= $first AND event_ns <= $last",
        **_reach(instants),
    )["instrument"]
    terms = INSTRUMENT_TERMS.describe(names.astype("str").tolist())
    options = terms[terms["expiry_ns"] != NO_TIME]
    expiries = sorted(
        set(options.loc[(options["underlying"] == underlying).to_numpy(), "expiry_ns"].tolist())
    )
    if not expiries:
        told = ", ".join(sorted(set(options["underlying"].astype("str")))) or "none"
        raise HistoryError(
            f"no option of {underlying} has a mark at these instants; {history.url} has {told}"
        )
    made = _assembled(SurfaceCube(underlying, tuple(expiries)), history, instants, chunk)
    return made.assign_attrs(underlying=underlying, every=every)


def _reach(instants: Instants) -> dict[str, int]:
    """First and last moment whose rows can be known at the instants."""
    if not instants.size:
        raise HistoryError(
            "there is no instant between start and end; take a shorter every or a longer range"
        )
    return {"first": int(instants[0]) - _LOOK_BACK_NS, "last": int(instants[-1])}


def _blank(cube: Cube, instants: int) -> Arrays:
    return {
        name: np.full((instants, *(len(cube.coords[dim]) for dim in dims)), np.nan)
        for name, (dims, _) in cube.variables.items()
    }


def _assembled(cube: Cube, history: History, instants: Instants, chunk: int | None) -> xr.Dataset:
    arrays = cube.at(history, instants) if chunk is None else _lazy(cube, history.url, instants, chunk)
    made = xr.Dataset(
        {
            name: (("time", *dims), arrays[name], {"units": unit})
            for name, (dims, unit) in cube.variables.items()
        },
        coords={"time": ("time", instants.astype("datetime64[ns]"), {"time_zone": "UTC"}), **cube.coords},
    )
    for name, unit in (("strike", "USD"), ("moneyness", "K/F"), ("expiry", "UTC")):
        if name in made.coords:
            made[name].attrs["units"] = unit
    return made


def _lazy(cube: Cube, url: str, instants: Instants, chunk: int) -> dict[str, Any]:
    """Dask arrays over chunks of instants; a chunk is read once for all variables."""
    from dask.array import concatenate, from_delayed
    from dask.delayed import delayed

    if chunk < 1:
        raise HistoryError(f"chunks of {chunk} instants cannot be; give 1 or more")
    parts: dict[str, list[Any]] = {name: [] for name in cube.variables}
    for at in range(0, instants.size, chunk):
        part = instants[at : at + chunk]
        values = delayed(_read)(cube, url, part)
        for name, (dims, _) in cube.variables.items():
            shape = (part.size, *(len(cube.coords[dim]) for dim in dims))
            parts[name].append(from_delayed(values[name], shape, dtype=np.float64))
    return {name: concatenate(arrays) for name, arrays in parts.items()}


def _read(cube: Cube, url: str, instants: Instants) -> Arrays:
    """Values of a chunk, in whatever process computes it."""
    options: dict[str, Any] = {"mode": "r", "upkeep": False} if folder_of(url) else {}
    with open_history(url, **options) as history:
        return cube.at(history, instants)
