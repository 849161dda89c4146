"""The band over the sign models: what is known of net gex, the levels and the curve when nobody knows who holds what."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workstation.exposure.book import flow_of, ledger
from workstation.exposure.levels import KeyLevels, key_levels
from workstation.exposure.signs import SIGN_MODELS, positions
from workstation.exposure.zero_gamma import REACH, STEP, WIDE_REACH, net_gex_curve
from workstation.market.public_face import make_callable
from workstation.pricing.chain_dataset import contracts_of
from workstation.pricing.contracts import ContractArrays, Floats
from workstation.pricing.ledger import to_attrs

LEVELS: dict[str, str] = {
    "net_gex": "USD per 1 % move",
    "zero_gamma": "USD",
    "call_wall": "USD",
    "put_wall": "USD",
    "absolute_wall": "USD",
}
"""What has a band, and its unit."""
_INNER, _OUTER = round(REACH / STEP), round(WIDE_REACH / STEP)


def band(
    chain: xr.Dataset,
    *,
    basis: str = "open_interest",
    flow: npt.ArrayLike | xr.DataArray | None = None,
) -> xr.Dataset:
    """Net gex, levels and the zero-gamma curve under every sign model, and the band they span.

    Parameters
    ----------
    chain, basis, flow
        As for ``workstation.exposure.book.exposure``; without ``flow`` the model of that name is left out.

    Returns
    -------
    xarray.Dataset
        By ``sign_model``: net_gex, zero_gamma with its reason, call_wall, put_wall, absolute_wall: the numbers of
        ``levels``; ``net_gex_curve`` (sign_model, curve_spot), all models on one grid: spot +-20 %, or +-50 % when a model's
        zero gamma lies beyond that or none has one. For each of them ``{name}_low`` and ``{name}_high`` over the models
        that have it; NaN where none has. attrs: the ledger.

    Raises
    ------
    ValueError
        As for ``exposure``.

    Examples
    --------
    >>> import pandas as pd
    >>> from workstation.pricing.chain import chain
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": 0.5, "open_interest": [10.0, 4.0], "index": 1e5,
    ...     "instrument": ["BTC/USD:BTC-261225-100000-C", "BTC/USD:BTC-261225-100000-P"]})
    >>> found = band(chain(marks))
    >>> found["sign_model"].values.tolist()
    ['calls_long', 'calls_short', 'short_all']
    >>> bool(found["net_gex_low"] < 0 < found["net_gex_high"])
    True
    """
    contracts = contracts_of(chain)
    signed = flow_of(chain, flow)
    names = [name for name in SIGN_MODELS if name != "flow" or signed is not None]
    sizes = [positions(contracts, sign_model=name, basis=basis, flow=signed) for name in names]
    found = [key_levels(contracts, position=size) for size in sizes]
    data: dict[str, Any] = {"spot": ((), contracts.spot, {"units": "USD"})}
    for name, units in LEVELS.items():
        values = np.array([_level(model, name) for model in found])
        data |= _with_band(name, values, (), units)
    reasons = np.array([model.zero.reason for model in found], dtype=object)
    data["zero_gamma_reason"] = ("sign_model", reasons, {"units": ""})
    spots, curves = common_curves(contracts, found, sizes)
    data |= _with_band("net_gex_curve", curves, ("curve_spot",), LEVELS["net_gex"])
    coords: dict[str, Any] = {
        "sign_model": ("sign_model", np.array(names, dtype=object), {"units": ""}),
        "curve_spot": ("curve_spot", spots, {"units": "USD"}),
    }
    attrs = ledger(contracts, "band", basis, np.stack(sizes).ravel())
    attrs["sign_model"] = "band over " + ", ".join(names)
    return xr.Dataset(data, coords=coords, attrs=to_attrs(attrs))


def _level(found: KeyLevels, name: str) -> float:
    return found.zero.nearest if name == "zero_gamma" else float(getattr(found, name))


def _with_band(name: str, values: Floats, dims: tuple[str, ...], units: str) -> dict[str, Any]:
    reported = {"units": units}
    return {
        name: (("sign_model", *dims), values, reported),
        f"{name}_low": (dims, np.fmin.reduce(values, axis=0), reported),
        f"{name}_high": (dims, np.fmax.reduce(values, axis=0), reported),
    }


def common_curves(
    contracts: ContractArrays, found: list[KeyLevels], sizes: list[Floats]
) -> tuple[Floats, Floats]:
    """One grid of spots and the curve of each model on it, shape (sign_model, curve_spot)."""
    if not found[0].zero.spots.size:
        return np.empty(0), np.empty((len(found), 0))
    crossing = [model.zero for model in found if model.zero.crossings.size]
    wide = not crossing or any(zero.spots.size > 2 * _INNER + 1 for zero in crossing)
    reach = _OUTER if wide else _INNER
    curves = [_on_grid(contracts, model, size, reach) for model, size in zip(found, sizes, strict=True)]
    spots = np.asarray(contracts.spot * (1.0 + STEP * np.arange(-reach, reach + 1)), dtype=np.float64)
    return spots, np.stack(curves)


def _on_grid(contracts: ContractArrays, found: KeyLevels, size: Floats, reach: int) -> Floats:
    curve = found.zero.net_gex
    beyond = (curve.size - 1) // 2 - reach
    if beyond < 0:
        wings = np.concatenate((np.arange(-reach, -_INNER), np.arange(_INNER + 1, reach + 1)))
        wing = net_gex_curve(contracts, position=size, steps=wings)
        return np.concatenate((wing[: reach - _INNER], curve, wing[reach - _INNER :]))
    return curve[beyond : curve.size - beyond]


make_callable(__name__)
