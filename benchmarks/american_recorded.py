"""Recorded SPY and AAPL chains priced as European and as American: before and after, beside the vendor's columns.

Per chain: how far the vols of the call and the put of one strike are apart, how far parity forwards are from the line through them, and
gamma and delta beside the vendor's by moneyness. Of SPY also with the rates of the SPX chain of the same moment, which is European.
Vols are compared where both rights tell one. Needs ``WORKSTATION_SAMPLE_DATA``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from workstation.feeds.files import cboe
from workstation.feeds.files.reading import Rejections
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.pricing.chain import chain
from workstation.pricing.exercise import rate_curve

BUCKETS = ((0.80, 0.95), (0.95, 0.99), (0.99, 1.01), (1.01, 1.05), (1.05, 1.20))
"""Strike over forward."""
YEARS = (7.0 / 365.0, 1.0)


def spot_greeks(found: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Delta and gamma by the spot: the forward moves with it in proportion."""
    ratio = found["forward"] / found["spot"]
    return found["delta"] * ratio, found["gamma"] * ratio**2


def near(found: xr.Dataset, low: float, high: float) -> xr.DataArray:
    """Cells of a bucket of moneyness, in ``YEARS``."""
    share = found["strike"] / found["forward"]
    return (share >= low) & (share < high) & (found["years"] > YEARS[0]) & (found["years"] < YEARS[1])


def middle(values: xr.DataArray | np.ndarray) -> float:
    """Median of what is known."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if known.size else float("nan")


def table(name: str, european: xr.Dataset, american: xr.Dataset) -> None:
    """One chain's lines."""
    print(
        f"\n{name}: {american.attrs['contracts']} contracts, {american.attrs.get('exercise_off_a_vol_point')} vols moved by a point"
    )
    rates = -np.log(american["discount"]) / american["years"]
    print(f"  median rate {middle(rates):.4f}, yield {middle(american['yields']):.4f}")
    apart = np.log(american["forward"] / european["forward"])
    print(
        f"  forwards, American over European: median {1e4 * middle(apart):+.1f} bps, widest {1e4 * float(np.abs(apart).max()):.1f} bps"
    )
    print(
        "  strike/forward   call less put vol, points   delta less vendor's     gamma over vendor's    strikes"
    )
    print("                      before      after           before     after        before    after")
    for low, high in BUCKETS:
        cells = []
        for found in (european, american):
            kept = near(found, low, high)
            vol = found["mark_iv"].where(kept & (found["iv_source"] == "mid"))
            delta, gamma = spot_greeks(found)
            told = kept & (found["venue_gamma"] >= 0.001)
            cells.append(
                (
                    100.0 * middle(np.abs(vol.sel(right="C") - vol.sel(right="P"))),
                    middle(np.abs(delta - found["venue_delta"]).where(told)),
                    middle((gamma / found["venue_gamma"]).where(told)),
                )
            )
        (before, after) = cells
        both = int(np.isfinite(vol.sel(right="C") - vol.sel(right="P")).sum())
        print(
            f"  {low:.2f} - {high:.2f}      {before[0]:8.2f}   {after[0]:8.2f}        {before[1]:8.4f}  {after[1]:8.4f}      {before[2]:8.3f} {after[2]:8.3f}   {both:5d}"
        )


def priced(marks: pd.DataFrame) -> tuple[xr.Dataset, xr.Dataset]:
    """The chain as if it were European, and as it is: vols from the middle of the quotes both times."""
    given = marks.assign(mark_iv=np.nan, mark=np.nan)
    return chain(given.assign(style="european")), chain(given)


def recorded(path: Path) -> pd.DataFrame:
    """Marks of a recorded file."""
    parts = [batch.frame for batch in cboe.read(path, Rejections()) if batch.table == "marks"]
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    where = os.environ.get("WORKSTATION_SAMPLE_DATA")
    if not where:
        print("no recorded chains: set WORKSTATION_SAMPLE_DATA to the folder with the sample data")
        return
    folder = Path(where) / "us_options"
    for name in ("cboe_csv/cboe_SPY_20230914.csv.gz", "cboe_csv/cboe_SPY_20250925.csv.gz",
                 "cboe_json/cboe_options_chain_options_AAPL.json.gz"):  # fmt: skip
        marks = recorded(folder / name)
        assert (
            INSTRUMENT_TERMS.describe(marks["instrument"].astype("str").tolist()[:1])["style"] == "american"
        ).all()
        both = priced(marks)
        table(name, *both)
        if name.endswith("SPY_20230914.csv.gz"):
            index = recorded(folder / "cboe_csv/cboe_SPX_20230914.csv.gz").assign(mark_iv=np.nan, mark=np.nan)
            rates = rate_curve(chain(index, underlying="SPX"))
            table(
                f"{name}, rates of SPX",
                both[0],
                chain(marks.assign(mark_iv=np.nan, mark=np.nan), rates=rates),
            )


if __name__ == "__main__":
    main()
