"""Surfaces of every recorded Deribit and Cboe chain: near their quotes, free of arbitrage, every contract accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workstation.feeds.files import Rejections, read
from workstation.pricing.chain import chain
from workstation.pricing.surface import surface

pytestmark = pytest.mark.recorded

CBOE = {
    "cboe_csv/cboe_SPX_20220610.csv.gz": 1.5,
    "cboe_csv/cboe_SPX_20230914.csv.gz": 0.3,
    "cboe_csv/cboe_SPY_20230914.csv.gz": 0.6,
    "cboe_csv/cboe_SPY_20250925.csv.gz": 1.0,
    "cboe_json/cboe_options_chain_options_AAPL.json.gz": 0.8,
}
"""Page -> greatest root mean square residual in vol points of all its quotes but the last day's."""


def marks_of(path: Path, format_name: str, **options: Any) -> pd.DataFrame:
    batches = read(format_name, path, Rejections(), **options)
    return pd.concat([batch.frame for batch in batches if batch.table == "marks"], ignore_index=True)


def residual(found: xr.Dataset) -> float:
    """Root mean square residual, vol points, of the quotes of expiries of at least a day."""
    later = found.sel(expiry=found["years"] >= 1 / 365)
    squares = np.square(later["residual"].where(later["weight"] > 0))
    return float(100 * np.sqrt(squares.mean()))


def check(given: xr.Dataset, found: xr.Dataset) -> None:
    """No arbitrage is left on an independent grid, nothing is dropped without a reason, and what is shown is sound."""
    priced = int(given["mark_iv"].notnull().sum())
    assert found.attrs["fitted"] + sum(found.attrs["left_out"].values()) == priced
    reasons = found["left_out_reason"].where(given["mark_iv"].notnull().values, "").values
    assert (reasons != "").sum() == sum(found.attrs["left_out"].values())
    raw = np.array([found[f"svi_{name}"].values for name in ("a", "b", "rho", "m", "sigma")])
    a, b, rho, m, sigma = raw[:, found["refused"].values == "", None]
    fitted = found.sel(expiry=found["refused"].values == "")
    k = np.linspace(
        float(fitted["first_log_moneyness"].min()), float(fitted["last_log_moneyness"].max()), 1001
    )
    root = np.sqrt((k - m) ** 2 + sigma**2)
    w, slope, bend = a + b * (rho * (k - m) + root), b * (rho + (k - m) / root), b * sigma**2 / root**3
    g = (1 - k * slope / (2 * w)) ** 2 - slope**2 / 4 * (1 / w + 0.25) + bend / 2
    assert g.min() >= -1e-9 and w.min() > 0 and (b * (1 + np.abs(rho))).max() <= 2
    # between the points of a grid a crossing may be left, far under any tick in vol
    fall = (1 - w[1:] / w[:-1]).max(initial=0.0)
    assert fall <= 1e-5, fall
    assert (
        int(found["butterfly_violations_after"].sum()) == int(found["calendar_violations_after"].sum()) == 0
    )
    shown = found["implied_vol"].values
    assert (shown[~np.isnan(shown)] > 0).all()
    atm = fitted["atm_iv"].values
    assert (np.isnan(atm) | ((atm > 0.02) & (atm < 3.0))).all()


@pytest.mark.parametrize("underlying", ["BTC", "ETH"])
def test_every_deribit_snapshot(sample_data: Path, underlying: str) -> None:
    paths = sorted((sample_data / "crypto_options" / "deribit_chain_snapshots").glob("*.csv.gz"))
    assert len(paths) == 64
    misfits, inside, before, refused = [], [], np.zeros(2, dtype=int), 0
    for path in paths:
        given = chain(marks_of(path, "table", mapping="deribit_snapshots"), underlying=underlying)
        found = surface(given)
        check(given, found)
        misfits.append(residual(found))
        inside.append(float(found["within_spread"].mean()))
        before += [found.attrs["butterfly_violations"][0] > 0, found.attrs["calendar_violations"][0] > 0]
        refused += found.attrs["refused"]
    print(
        f"\n{underlying}: residual p50 {np.median(misfits):.3f}, max {max(misfits):.3f} vol points; inside bid and ask "
        f"{np.mean(inside):.3f}; snapshots with butterflies, crossings before repair {before.tolist()}; refused {refused}"
    )
    assert np.median(misfits) < 0.6 and max(misfits) < 3.0
    assert np.mean(inside) > 0.9 and (before > 30).all() and refused <= 3


@pytest.mark.parametrize("name", CBOE)
def test_every_cboe_page(sample_data: Path, name: str) -> None:
    given = chain(marks_of(sample_data / "us_options" / name, "cboe"))
    found = surface(given)
    check(given, found)
    print(f"\n{name}: residual {residual(found):.3f} vol points, {found.attrs['left_out']}")
    assert residual(found) < CBOE[name]
    assert found.attrs["refused"] == 0
    assert np.isfinite(found["rr25"]).mean() > 0.9
    assert (found["rr25"].values[np.isfinite(found["rr25"])] < 0).mean() > 0.9, (
        "index and share puts cost more than calls"
    )
