"""The volatility surface of one underlying: arbitrage-free smiles by expiry on grids of moneyness and of delta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.market.public_face import make_callable
from workstation.pricing.arguments import numbers
from workstation.pricing.black import GREEKS, greeks
from workstation.pricing.chain_dataset import DIMS, savable
from workstation.pricing.chain_dataset import UNITS as CHAIN_UNITS
from workstation.pricing.ledger import from_attrs, to_attrs
from workstation.pricing.smile import SVI
from workstation.pricing.smile_quotes import LEFT_OUT, SmileParameters, quotes_of_chain
from workstation.pricing.surface_slices import Slices, fit_slices

__all__ = ["DELTAS", "MONEYNESS", "SKEW", "greek_surface", "surface", "surface_ledger", "vol_at"]

Floats = npt.NDArray[np.float64]

MONEYNESS: Final = tuple(round(0.5 + 0.025 * step, 3) for step in range(41))
"""K / F from 0.5 to 1.5."""
DELTAS: Final = (0.02, 0.05, *(round(0.1 * step, 1) for step in (1, 2)), 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.98)  # fmt: skip
"""Forward delta of a call; a put of delta -d is at 1 - d."""
SKEW: Final = ("atm_iv", "rr25", "bf25", "rr10", "bf10")
_IV: Final = "annual decimal"
_W: Final = "total variance"
UNITS: Final[dict[str, str]] = {
    "implied_vol": _IV,
    "total_variance": _W,
    "log_moneyness": "ln(K/F)",
    "implied_vol_by_delta": _IV,
    "total_variance_by_delta": _W,
    "moneyness_by_delta": "K/F",
    "svi_a": _W,
    "svi_b": f"{_W} per ln(K/F)",
    "svi_rho": "1",
    "svi_m": "ln(K/F)",
    "svi_sigma": "ln(K/F)",
    **dict.fromkeys(SKEW, _IV),
    "rmse": _IV,
    "rmse_in_spreads": "spreads",
    "within_spread": "1",
    "contracts": "contracts",
    "left_out": "contracts",
    "refused": "",
    "first_log_moneyness": "ln(K/F)",
    "last_log_moneyness": "ln(K/F)",
    **{f"{kind}_violations{when}": "grid points" for kind in ("butterfly", "calendar") for when in ("", "_after")},
    **{name: CHAIN_UNITS[name] for name in ("expiry_ns", "years", "forward", "discount")},
    **dict.fromkeys(("quoted_vol", "bid_vol", "ask_vol", "fitted_vol", "residual"), _IV),
    "residual_in_spreads": "spreads",
    "weight": "share of the expiry's",
    "left_out_reason": "",
    "expiry": "UTC",
    "moneyness": "K/F",
    "delta": "1",
    "strike": "USD",
    "right": "",
    "spot": "USD",
}  # fmt: skip
_GREEK_UNITS: Final = CHAIN_UNITS | {
    "speed": "1/USD squared",
    "color": "1/USD per year",
    "zomma": "1/USD per 1.00 vol",
    "ultima": "USD per 1.00 vol cubed",
}


def surface(
    chain: xr.Dataset,
    parameters: SmileParameters | None = None,
    *,
    moneyness: npt.ArrayLike = MONEYNESS,
    deltas: npt.ArrayLike = DELTAS,
    extrapolate: bool = False,
) -> xr.Dataset:
    """SVI smiles of a chain, free of butterfly and calendar arbitrage, with what is left of every quote.

    Each expiry is fitted in total variance over k = ln(K / F) to the mids of its out-of-the-money quotes (weights: vega over spread squared),
    see ``smile.calibrate``; then repaired, see ``smile_arbitrage.without_arbitrage``. An expiry with too
    few strikes is refused and stays NaN; so does what lies beyond the strikes fitted to. The vols of American options are those at which
    they are priced with early exercise.

    Parameters
    ----------
    chain
        As ``workstation.pricing.chain.chain`` gives it.
    parameters
        What counts as a quote; see ``SmileParameters`` for the defaults.
    moneyness
        Shape (p,): K / F, positive, ascending.
    deltas
        Shape (q,): forward delta of a call, N(d1) with the smile's own vol, undiscounted and not premium-adjusted,
        in (0, 1); a put of delta -0.25 is at 0.75.
    extrapolate
        Let the smiles go on beyond the strikes they are fitted to; attrs say so.

    Returns
    -------
    xarray.Dataset
        ``implied_vol`` and ``total_variance`` (expiry, moneyness); ``implied_vol_by_delta``,
        ``total_variance_by_delta`` and ``moneyness_by_delta`` (expiry, delta); by expiry the parameters ``svi_a`` to ``svi_sigma``, ``atm_iv`` (K = F),
        ``rr25`` = call vol - put vol, ``bf25`` = their mean - ``atm_iv``, the same of 10 delta, statistics of the residuals, and the violations before and
        after repair (points of the grids); by (expiry, strike, right) the quote, the smile, the residual and
        why a contract is left out. ``units`` on every variable; attrs: the chain's ledger and the surface's.

    Raises
    ------
    ValueError
        Not a chain; moneyness that is not positive; deltas outside (0, 1).

    Examples
    --------
    >>> import pandas as pd
    >>> from workstation.pricing.chain import chain
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "forward": 1e5,
    ...     "mark_iv": [0.62, 0.55, 0.50, 0.48, 0.47, 0.48],
    ...     "instrument": [f"BTC/USD:BTC-261225-{k}-{r}" for k, r in zip(
    ...         (70000, 80000, 90000, 100000, 110000, 120000), "PPPCCC")]})
    >>> found = surface(chain(marks))
    >>> found["atm_iv"].round(3).item(), found["rr25"].round(3).item(), found["refused"].item()
    (0.478, -0.03, '')
    """
    parameters = parameters or SmileParameters()
    grid, call_deltas = numbers("moneyness", moneyness), numbers("deltas", deltas)
    if grid.ndim != 1 or not (grid > 0).all():
        raise ValueError("moneyness: expected one dimension of positive K / F")
    if call_deltas.ndim != 1 or not ((call_deltas > 0) & (call_deltas < 1)).all():
        raise ValueError(
            "deltas: expected one dimension of call deltas between 0 and 1; a put of -d is 1 - d"
        )
    quotes, positions = quotes_of_chain(chain)
    slices = fit_slices(quotes, parameters)
    data: dict[str, Any] = {"spot": ((), float(chain["spot"]))}
    data |= {name: ("expiry", values) for name, values in by_expiry(slices, extrapolate=extrapolate).items()}
    years = slices.years[:, None]
    vols = slices.vols(np.log(grid), extrapolate=extrapolate)
    k = slices.log_moneyness(call_deltas, extrapolate=extrapolate)
    by_delta = slices.vols(k, extrapolate=extrapolate)
    data |= {
        "implied_vol": (("expiry", "moneyness"), vols),
        "total_variance": (("expiry", "moneyness"), vols * vols * years),
        "implied_vol_by_delta": (("expiry", "delta"), by_delta),
        "total_variance_by_delta": (("expiry", "delta"), by_delta * by_delta * years),
        "moneyness_by_delta": (("expiry", "delta"), np.exp(k)),
    }
    expiries = np.unique(positions[0])
    shape = (expiries.size, chain.sizes["strike"], 2)
    cell = (np.searchsorted(expiries, positions[0]), *positions[1:])
    data |= {name: (DIMS, values) for name, values in _by_contract(slices, cell, shape).items()}
    coords = {
        "expiry": chain["expiry"].to_numpy()[expiries],
        "moneyness": grid,
        "log_moneyness": ("moneyness", np.log(grid)),
        "delta": call_deltas,
        "strike": chain["strike"].to_numpy(),
        "right": chain["right"].to_numpy(),
    }
    attrs = to_attrs(
        {**from_attrs(chain.attrs), **surface_ledger(slices, parameters, extrapolate=extrapolate)}
    )
    found = xr.Dataset(data, coords=coords, attrs=attrs)
    for name in found.variables:
        unit = "time_zone" if str(name) == "expiry" else "units"
        found[name].attrs[unit] = UNITS[str(name)]
    return savable(found)


def by_expiry(slices: Slices, *, extrapolate: bool = False) -> dict[str, npt.NDArray[Any]]:
    """What a surface says of each expiry, by name."""
    names = ("svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma")
    return {
        "expiry_ns": slices.expiry_ns,
        "years": slices.years,
        "forward": slices.forward,
        "discount": slices.discount,
        **slices.skew(extrapolate=extrapolate),
        **dict(zip(names, slices.raw.T, strict=True)),
        "first_log_moneyness": slices.first,
        "last_log_moneyness": slices.last,
        "rmse": slices.rmse,
        "rmse_in_spreads": slices.rmse_in_spreads,
        "within_spread": slices.within_spread,
        "contracts": slices.contracts,
        "left_out": slices.left_out,
        "refused": slices.refused,
        "butterfly_violations": slices.butterflies[:, 0],
        "butterfly_violations_after": slices.butterflies[:, 1],
        "calendar_violations": slices.crossings[:, 0],
        "calendar_violations_after": slices.crossings[:, 1],
    }


def _by_contract(
    slices: Slices, cell: tuple[npt.NDArray[Any], ...], shape: tuple[int, ...]
) -> dict[str, npt.NDArray[Any]]:
    kept = slices.reason == 0
    weight = np.where(kept, slices.choice.weight, np.nan)
    total = np.bincount(slices.row, weights=np.nan_to_num(weight), minlength=slices.years.size)
    columns: dict[str, npt.NDArray[Any]] = {
        "quoted_vol": slices.choice.vol,
        "bid_vol": slices.choice.bid_vol,
        "ask_vol": slices.choice.ask_vol,
        "fitted_vol": slices.fitted_vol,
        "residual": slices.residual,
        "residual_in_spreads": slices.residual_in_spreads,
        "weight": weight / total[slices.row],
        "left_out_reason": np.array(LEFT_OUT, dtype=object)[slices.reason],
    }
    grids = {}
    for name, values in columns.items():
        missing: Any = "" if values.dtype == object else np.nan
        grids[name] = np.full(shape, missing, dtype=values.dtype)
        grids[name][cell] = values
    return grids


def surface_ledger(slices: Slices, parameters: SmileParameters, *, extrapolate: bool) -> dict[str, Any]:
    """Conventions of a surface, and what was fitted and what was not."""
    return {
        "smile": "raw SVI in total variance over ln(K/F), free of butterflies and of calendar crossings",
        "delta": "forward delta of a call N(d1) with the smile's own vol, undiscounted, not premium-adjusted",
        "fitted_to": parameters.target,
        "widest_spread": parameters.widest,
        "smallest_delta": parameters.smallest_delta,
        "fewest": parameters.fewest,
        "extrapolated": extrapolate,
        "fitted": int(slices.contracts.sum()),
        "left_out": slices.left_out_by_reason(),
        "refused": int((slices.refused != "").sum()),
        "butterfly_violations": slices.butterflies.sum(axis=0).tolist(),
        "calendar_violations": slices.crossings.sum(axis=0).tolist(),
    }


def greek_surface(found: xr.Dataset, name: str, *, on: str = "moneyness", right: str = "otm") -> xr.DataArray:
    """One of the twelve greeks over a surface's grid, Black-76 with the surface's vol at each point.

    Parameters
    ----------
    found
        As ``surface`` gives it.
    name
        One of ``black.GREEKS``: natural units, per unit of underlying, discounted as the chain is.
    on
        ``moneyness`` or ``delta``: which grid.
    right
        ``C``, ``P`` or ``otm`` (calls where K >= F, else puts).

    Returns
    -------
    xarray.DataArray
        (expiry, moneyness) or (expiry, delta), NaN where the surface is; ``units`` in attrs.

    Raises
    ------
    ValueError
        An unknown greek, grid or right.
    """
    grids = {"moneyness": "implied_vol", "delta": "implied_vol_by_delta"}
    rights = ("otm", "C", "P")
    for argument, value, known in (
        ("name", name, GREEKS),
        ("on", on, tuple(grids)),
        ("right", right, rights),
    ):
        if value not in known:
            raise ValueError(f"{argument}: {value!r} unknown; choose of {', '.join(known)}")
    vols = found[grids[on]].transpose("expiry", on)
    ratio = (
        found["moneyness"].to_numpy()[None, :]
        if on == "moneyness"
        else found["moneyness_by_delta"].to_numpy()
    )
    ratio = np.broadcast_to(ratio, vols.shape)
    forward = found["forward"].to_numpy()[:, None]
    is_call = ratio >= 1.0 if right == "otm" else np.full(vols.shape, right == "C")
    values = greeks(
        forwards=forward,
        strikes=forward * ratio,
        years=found["years"].to_numpy()[:, None],
        vols=vols.to_numpy(),
        is_call=is_call,
        discounts=found["discount"].to_numpy()[:, None],
        names=(name,),
    )[name]
    attrs = {"units": _GREEK_UNITS[name], "right": right}
    return xr.DataArray(values, dims=vols.dims, coords=vols.coords, name=name, attrs=attrs)


def vol_at(found: xr.Dataset, *, years: npt.ArrayLike, log_moneyness: npt.ArrayLike) -> Floats:
    """Vol of a surface anywhere within it; at an expiry it is that expiry's smile.

    Between expiries total variance at the same k is linear in time, so no calendar arbitrage arises. NaN before
    the first smile, after the last, and beyond the fitted strikes of a smile that is needed.

    Parameters
    ----------
    found
        As ``surface`` gives it.
    years, log_moneyness
        ACT/365 years and ln(K / F); they broadcast.
    """
    time, k = np.broadcast_arrays(numbers("years", years), numbers("log_moneyness", log_moneyness))
    fitted = np.flatnonzero(found["refused"].to_numpy() == "")
    if not fitted.size:
        return np.full(time.shape, np.nan)
    nodes = found["years"].to_numpy()[fitted]
    curves = np.array([_variance(found, int(row), k) for row in fitted])
    after = np.clip(np.searchsorted(nodes, time), 0, nodes.size - 1)
    before = np.where(nodes[after] == time, after, np.maximum(after - 1, 0))
    gap = nodes[after] - nodes[before]
    share = np.where(gap > 0, (time - nodes[before]) / np.where(gap > 0, gap, 1.0), 0.0)
    pick = np.take_along_axis
    low, high = pick(curves, before[None], 0)[0], pick(curves, after[None], 0)[0]
    w = np.where(share == 0.0, low, (1.0 - share) * low + share * high)
    inside = (time >= nodes[0]) & (time <= nodes[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(inside, np.sqrt(w / time), np.nan)


def _variance(found: xr.Dataset, row: int, k: Floats) -> Floats:
    names: Iterable[str] = ("svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma")
    w = SVI.of([found[name].to_numpy()[row] for name in names]).total_variance(k)
    first, last = (found[f"{side}_log_moneyness"].to_numpy()[row] for side in ("first", "last"))
    if not found.attrs["extrapolated"]:
        w = np.where((k >= first) & (k <= last), w, np.nan)
    return w


make_callable(__name__)
