"""Every recorded Deribit and Cboe chain: surface near its quotes and free of arbitrage, zero-gamma curve, every contract accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workstation.exposure.levels import levels
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


DERIBIT = {
    "deribit_btc_full_ticker_20210211.csv": ("deribit_order_books", np.inf, 5),
    "deribit_eth_book_summary_20240108.csv": ("deribit_book_summaries", 2.0, 0),
}
"""Whole Deribit chains of other years -> how they are read, the greatest residual as above, and expiries refused.

The order books of 2021 are no market: forwards of tomorrow 5 % under the index, few quotes with two sides and those wide. Of them
it is proved that nothing is lost, that what is refused says why and that no arbitrage is left.
"""


def residual(found: xr.Dataset) -> float:
    """Root mean square residual, vol points, of the quotes of expiries of at least a day."""
    later = found.sel(expiry=found["years"] >= 1 / 365)
    squares = np.square(later["residual"].where(later["weight"] > 0))
    return float(100 * np.sqrt(squares.mean()))


def net_gex_is_accounted_for(marks: pd.DataFrame, given: xr.Dataset) -> str:
    """Every contract of the recording is in the chain or counted under a reason; the curve holds net gex and its zero."""
    names = marks["instrument"].astype(str)
    options = names[names.str.match(rf"{given.attrs['underlying']}W?( |/).*[CP](-|\d|$)")].nunique()
    assert given.attrs["contracts"] + sum(given.attrs["dropped"].values()) == options
    found = levels(given)
    spots, curve = found["curve_spot"].values, found["net_gex_curve"].values
    assert spots.size in (161, 401) and np.isfinite(curve).all()
    assert curve[spots == found["spot"].item()].tolist() == [found["net_gex"].item()]
    zero = found["zero_gamma"].item()
    if np.isnan(zero):
        assert found["zero_gamma_reason"].item() and not (np.sign(curve[1:]) * np.sign(curve[:-1]) < 0).any()
    else:
        assert np.interp(zero, spots, curve) == pytest.approx(0.0, abs=1e-9 * np.abs(curve).max())
    return f"zero gamma / spot {zero / found['spot'].item():.3f}, dropped {given.attrs['dropped']}"


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


def violations(found: xr.Dataset) -> str:
    counts = (found.attrs["butterfly_violations"], found.attrs["calendar_violations"])
    return f"butterflies, crossings before and after repair {counts}"


@pytest.mark.parametrize("name", DERIBIT)
def test_whole_deribit_chains_of_other_years(sample_data: Path, name: str) -> None:
    mapping, widest, refused = DERIBIT[name]
    marks = marks_of(sample_data / "crypto_options" / name, "table", mapping=mapping)
    given = chain(marks, stale_after_s=1e9)
    told = net_gex_is_accounted_for(marks, given)
    found = surface(given)
    check(given, found)
    print(
        f"\n{name}: residual {residual(found):.3f} vol points, {found.attrs['left_out']}; {told}; {violations(found)}"
    )
    assert residual(found) < widest and found.attrs["refused"] == refused
    assert int((found["refused"] != "").sum()) == refused


@pytest.mark.thorough
@pytest.mark.parametrize("underlying", ["BTC", "ETH"])
def test_every_deribit_snapshot(sample_data: Path, underlying: str) -> None:
    paths = sorted((sample_data / "crypto_options" / "deribit_chain_snapshots").glob("*.csv.gz"))
    assert len(paths) == 64
    misfits, inside, before, refused = [], [], np.zeros(2, dtype=int), 0
    for path in paths:
        marks = marks_of(path, "table", mapping="deribit_snapshots")
        given = chain(marks, underlying=underlying)
        net_gex_is_accounted_for(marks, given)
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
    marks = marks_of(sample_data / "us_options" / name, "cboe")
    given = chain(marks)
    told = net_gex_is_accounted_for(marks, given)
    found = surface(given)
    check(given, found)
    print(
        f"\n{name}: residual {residual(found):.3f} vol points, {found.attrs['left_out']}; {told}; {violations(found)}"
    )
    assert residual(found) < CBOE[name]
    assert found.attrs["refused"] == 0
    assert np.isfinite(found["rr25"]).mean() > 0.9
    assert (found["rr25"].values[np.isfinite(found["rr25"])] < 0).mean() > 0.9, (
        "index and share puts cost more than calls"
    )
