"""What is drawn of a fitted surface: the curve of a smile, its quotes, and the vol implied between expiries."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from workstation.pricing.smile import SVI

RAW = ("svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma")


def curve(found: xr.Dataset, expiry: int, points: int = 121) -> tuple[np.ndarray, np.ndarray]:
    """Moneyness K/F - 1 and vol of a smile over the strikes it is fitted to; empty where it is refused."""
    if found["refused"].to_numpy()[expiry]:
        return np.empty(0), np.empty(0)
    first, last = (float(found[f"{side}_log_moneyness"][expiry]) for side in ("first", "last"))
    k = np.linspace(first, last, points)
    smile = SVI.of([float(found[name][expiry]) for name in RAW])
    return np.expm1(k), smile.vol(k, years=float(found["years"][expiry]))


def quotes(found: xr.Dataset, expiry: int) -> pd.DataFrame:
    """Quotes of one expiry by strike: moneyness, strike, right, vol, bid, ask, residual, why left out."""
    of = found.isel(expiry=expiry)
    names = {
        "quoted_vol": "vol", "bid_vol": "bid", "ask_vol": "ask", "residual": "residual", "left_out_reason": "why",
    }  # fmt: skip
    strikes, rights = of["strike"].to_numpy(), of["right"].to_numpy()
    frame = pd.DataFrame(
        {
            "strike": np.repeat(strikes, rights.size),
            "right": np.tile(rights, strikes.size),
            **{new: of[old].transpose("strike", "right").to_numpy().ravel() for old, new in names.items()},
        }
    )
    frame = frame[np.isfinite(frame["vol"].to_numpy())]
    told: pd.DataFrame = frame.assign(moneyness=frame["strike"] / float(of["forward"]) - 1.0)
    return told


def forward_vols(found: xr.Dataset) -> np.ndarray:
    """Vol implied between each expiry and the one before it (the first: its own); NaN where variance falls or is unknown.

    Examples
    --------
    >>> term = xr.Dataset({"atm_iv": ("expiry", [0.5, 0.5]), "years": ("expiry", [0.1, 0.3])})
    >>> forward_vols(term).round(6).tolist()
    [0.5, 0.5]
    """
    years, vol = found["years"].to_numpy(), found["atm_iv"].to_numpy()
    result = np.full(vol.size, np.nan)
    known = np.flatnonzero(np.isfinite(vol))
    variance = np.diff(vol[known] ** 2 * years[known], prepend=0.0)
    spans = np.diff(years[known], prepend=0.0)
    with np.errstate(invalid="ignore"):
        result[known] = np.sqrt(variance / spans)
    return result
