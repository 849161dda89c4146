"""The surface on a timer: smiles of every expiry as rows, and their history as skew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import orjson
import pandas as pd
import xarray as xr

from workstation.market.instants import YEAR_DAYS
from workstation.market.tables import SURFACES
from workstation.pricing.carry import carry_of
from workstation.pricing.contracts import contracts
from workstation.pricing.ledger import from_attrs
from workstation.pricing.smile_quotes import SmileParameters, quotes_of_contracts
from workstation.pricing.surface import SKEW, by_expiry, surface_ledger
from workstation.pricing.surface_slices import fit_slices
from workstation.pricing.timer import ChainTimer, ChainTimerParameters

_COLUMNS = tuple(
    name for name in SURFACES.names if name not in ("seq", "event_ns", "seen_ns", "underlying", "ledger")
)


@dataclass(frozen=True)
class SurfaceParameters(ChainTimerParameters, SmileParameters):
    """Parameters of ``Surface``: when (``ChainTimerParameters``) and to what quotes (``SmileParameters``)."""

    every: str = "1min"

    def __post_init__(self) -> None:
        ChainTimerParameters.__post_init__(self)
        SmileParameters.__post_init__(self)

    @property
    def smile(self) -> SmileParameters:
        """What counts as a quote."""
        return SmileParameters(**{field.name: getattr(self, field.name) for field in fields(SmileParameters)})


class Surface(ChainTimer[pd.DataFrame]):
    """Live surface: one row per expiry, underlying and timer tick, with the smile, its skew and the ledger.

    When a surface is fitted, and from what: see ``ChainTimer``. It is fitted as ``workstation.pricing.surface.surface``
    does. An expiry that is refused has a row of NaN that says why; a tick with nothing priced has no row.
    """

    output = "surfaces"

    def __init__(self, parameters: SurfaceParameters | None = None, **changes: Any) -> None:
        self.parameters = replace(parameters or SurfaceParameters(), **changes)
        super().__init__(self.parameters)

    def _look(self, underlying: str, tick_ns: int) -> pd.DataFrame:
        parameters, latest = self.parameters, self._latest
        question: dict[str, Any] = {
            "underlying": underlying,
            "asof_ns": tick_ns,
            "stale_after_s": parameters.stale_after_s,
        }
        priced = contracts(latest, **question, **carry_of(latest, parameters, **question))
        quotes = quotes_of_contracts(latest, priced, stale_after_s=parameters.stale_after_s)
        slices = fit_slices(quotes, parameters.smile)
        reported = {**priced.ledger, **surface_ledger(slices, parameters.smile, extrapolate=False)}
        columns = by_expiry(slices)
        return _rows(columns, priced.asof_ns, priced.underlying, reported)

    def _joined(self, looks: list[pd.DataFrame]) -> pd.DataFrame:
        return looks[0] if len(looks) == 1 else SURFACES.concat(looks)


def surface_rows(found: xr.Dataset) -> pd.DataFrame:
    """A surface Dataset as rows of ``surfaces``, one per expiry.

    Examples
    --------
    >>> from workstation.pricing.chain import chain
    >>> from workstation.pricing.surface import surface
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "forward": 1e5, "mark_iv": 0.5,
    ...     "instrument": [f"BTC/USD:BTC-261225-{k}-C" for k in range(80000, 130000, 10000)]})
    >>> surface_rows(surface(chain(marks)))[["atm_iv", "contracts"]].round(4).values.tolist()
    [[0.5, 5.0]]
    """
    columns = {name: found[name].to_numpy() for name in _COLUMNS}
    plain = {
        key: value
        for key, value in from_attrs(found.attrs).items()
        if key not in ("underlying", "asof_ns", "asof")
    }
    return _rows(columns, int(found.attrs["asof_ns"]), str(found.attrs["underlying"]), plain)


def skew_history(
    surfaces: pd.DataFrame | Iterable[xr.Dataset], *, days: float = 30.0, underlying: str | None = None
) -> xr.Dataset:
    """At-the-money vol and skew of a constant maturity through time.

    Between the two expiries around the maturity the at-the-money total variance is linear in time, and so are risk reversals
    and butterflies; NaN where no expiry with a number lies on both sides.

    Parameters
    ----------
    surfaces
        Rows of ``surfaces``, or surface Datasets.
    days
        Maturity.
    underlying
        Which one, when there are several.

    Returns
    -------
    xarray.Dataset
        ``atm_iv``, ``rr25``, ``bf25``, ``rr10``, ``bf10`` (time), annual decimals.

    Raises
    ------
    ValueError
        Several underlyings and none named; a maturity that is not positive.
    """
    if not days > 0:
        raise ValueError(f"days must be positive, got {days!r}")
    rows = surfaces if isinstance(surfaces, pd.DataFrame) else SURFACES.concat(map(surface_rows, surfaces))
    names = sorted(rows["underlying"].astype("str").unique())
    if underlying is None and len(names) > 1:
        raise ValueError(f"several underlyings ({', '.join(names)}): name one with underlying=")
    if underlying is not None:
        rows = rows[rows["underlying"].astype("str") == underlying]
    rows = rows.drop_duplicates(["event_ns", "expiry_ns"], keep="last").sort_values(["event_ns", "years"])
    times, first = np.unique(rows["event_ns"].to_numpy(), return_index=True)
    data = {name: np.full(times.size, np.nan) for name in SKEW}
    columns = {name: rows[name].to_numpy(dtype=np.float64) for name in ("years", *SKEW)}
    for position, part in enumerate(np.split(np.arange(len(rows)), first[1:])):
        for name in SKEW if part.size else ():
            values = columns[name][part]
            data[name][position] = _between(
                columns["years"][part], values, days / YEAR_DAYS, name == "atm_iv"
            )
    coords = {"time": ("time", times.astype("datetime64[ns]"), {"units": "UTC"})}
    shaped = {name: ("time", values, {"units": "annual decimal"}) for name, values in data.items()}
    return xr.Dataset(shaped, coords=coords, attrs={"days": days, "underlying": underlying or "".join(names)})


def _between(years: Any, values: Any, at: float, is_vol: bool) -> float:
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    amounts = values[known] ** 2 * years[known] if is_vol else values[known]
    found = np.interp(at, years[known], amounts, left=np.nan, right=np.nan)
    return float(np.sqrt(found / at) if is_vol else found)


def _rows(columns: dict[str, Any], asof_ns: int, underlying: str, told: dict[str, Any]) -> pd.DataFrame:
    size = len(columns["expiry_ns"])
    if not size:
        return SURFACES.empty()
    ledger = orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    found = {name: columns[name] for name in _COLUMNS}
    return SURFACES.batch({"event_ns": asof_ns, "underlying": underlying, **found, "ledger": ledger}, size)
