"""Recorded Cboe quote tables: our gamma beside the vendor's column, levels of whole US chains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workstation.exposure.book import exposure
from workstation.exposure.levels import levels
from workstation.pricing.chain import chain

pytestmark = pytest.mark.recorded

FILES = {
    "cboe_SPX_20220610": "2022-06-10 16:00",
    "cboe_SPX_20230914": "2023-09-14 16:00",
    "cboe_SPY_20230914": "2023-09-14 16:00",
    "cboe_SPY_20250925": "2025-09-25 16:00",
}
"""Close of the session each page shows, New York."""


def table(sample_data: Path, name: str) -> tuple[pd.DataFrame, float]:
    """One row per contract of a page (calls left, puts right), and the page's last price."""
    path = sample_data / "us_options" / "cboe_csv" / f"{name}.csv.gz"
    head = pd.read_csv(path, skiprows=1, nrows=1, header=None).iloc[0, 1]
    raw = pd.read_csv(path, skiprows=3)
    fields = ["Last Sale", "Net", "Bid", "Ask", "Volume", "IV", "Delta", "Gamma", "Open Interest"]
    sides = []
    for side, suffix in (("Calls", ""), ("Puts", ".1")):
        part = raw[[side, *(f"{field}{suffix}" for field in fields)]]
        part.columns = ["symbol", *fields]
        sides.append(part)
    return pd.concat(sides, ignore_index=True), float(str(head).split(":")[1])


def cboe_chain(sample_data: Path, name: str) -> xr.Dataset:
    rows, last = table(sample_data, name)
    asof = pd.Timestamp(FILES[name], tz="America/New_York").value
    parts = rows["symbol"].str.extract(r"^(?P<root>[A-Z]+)(?P<rest>\d{6}[CP]\d{8})$")
    marks = pd.DataFrame(
        {
            "event_ns": asof,
            "instrument": parts["root"].str.ljust(6) + parts["rest"],
            "bid": rows["Bid"].where(rows["Bid"] > 0),
            "ask": rows["Ask"].where(rows["Ask"] > 0),
            "mark_iv": rows["IV"].where(rows["IV"] > 0),
            "delta": rows["Delta"],
            "gamma": rows["Gamma"],
            "open_interest": rows["Open Interest"],
            "volume_24h": rows["Volume"],
            "index": last,
        }
    )
    return chain(marks)


def spot_gamma(found: xr.Dataset) -> xr.DataArray:
    """d2V/dS2 of the same price: forwards move in proportion to spot."""
    return found["gamma"] * (found["forward"] / found["spot"]) ** 2


@pytest.mark.parametrize("name", list(FILES))
def test_gamma_beside_the_vendors_column(sample_data: Path, name: str) -> None:
    found = cboe_chain(sample_data, name)
    ours, theirs = spot_gamma(found), found["venue_gamma"]
    lines = []
    for low, high in ((1 / 365, 7 / 365), (7 / 365, 30 / 365), (30 / 365, 0.25), (0.25, 1.0), (1.0, 6.0)):
        kept = (theirs >= 0.002) & (found["years"] >= low) & (found["years"] < high)
        kept &= np.abs(found["strike"] / found["forward"] - 1) < 0.1
        ratio = (ours / theirs).where(kept).values
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size:
            lines.append(
                (
                    f"{low * 365:.0f}-{high * 365:.0f} d",
                    ratio.size,
                    *np.quantile(ratio, [0.05, 0.25, 0.5, 0.75, 0.95]),
                )
            )
    shown = pd.DataFrame(lines, columns=["expiry", "contracts", "p5", "p25", "p50", "p75", "p95"])
    print(f"\n{name}: our gamma / vendor's\n{shown.round(3).to_string(index=False)}")
    assert shown["contracts"].sum() > 200
    assert (shown["p50"] - 1).abs().max() < 0.1


@pytest.mark.parametrize("name", list(FILES))
def test_forward_and_discount_are_sane(sample_data: Path, name: str) -> None:
    found = cboe_chain(sample_data, name)
    parity = found["forward_source"] == "parity"
    assert float(parity.mean()) > 0.9
    basis = (found["forward"] / found["spot"] - 1).where(parity)
    assert float(np.abs(basis).max()) < 0.2
    print(f"\n{name}: F/S - 1 {float(basis.min()):.4f} .. {float(basis.max()):.4f}")
    if name.startswith("cboe_SPY"):
        rate = -np.log(found["discount"]) / found["years"]
        assert float(rate.min()) > -0.03
        assert float(rate.where(found["years"] > 0.05).max()) < 0.08


@pytest.mark.parametrize(("name", "bills"), [("cboe_SPX_20220610", 0.0258), ("cboe_SPX_20230914", 0.054)])
def test_discount_of_european_options_is_the_rate_of_the_day(
    sample_data: Path, name: str, bills: float
) -> None:
    """``bills``: one-year treasury yield of the day; options discount a little above it."""
    found = cboe_chain(sample_data, name)
    later = (found["forward_source"] == "parity") & (found["years"] > 0.5)
    rate = (-np.log(found["discount"]) / found["years"]).where(later)
    print(f"\n{name}: median rate {float(rate.median()):.4f} beyond half a year")
    assert float(rate.median()) == pytest.approx(bills, abs=0.006)


@pytest.mark.parametrize("name", list(FILES))
def test_levels_of_a_us_chain(sample_data: Path, name: str) -> None:
    rows, last = table(sample_data, name)
    found = cboe_chain(sample_data, name)
    book, key = exposure(found), levels(found)
    told = {
        n: round(key[n].item(), 1)
        for n in ("spot", "net_gex", "zero_gamma", "call_wall", "put_wall", "absolute_wall")
    }
    print(f"\n{name}: {told} coverage {found.attrs['coverage']:.3f} dropped {found.attrs['dropped']}")
    assert key["spot"].item() == last
    assert key["net_gex"].item() == pytest.approx(float(book["gex"].sum()), rel=1e-9)
    assert key["call_wall"].item() >= last >= key["put_wall"].item()
    assert abs(key["zero_gamma"].item() / last - 1) < 0.1
    assert found.attrs["coverage"] > 0.8
    assert float(np.unique(found["multiplier"].values[~np.isnan(found["multiplier"])]).item()) == 100.0
    held = rows["Open Interest"].sum() * found.attrs["coverage"]
    assert float(found["open_interest"].sum()) <= rows["Open Interest"].sum()
    assert held <= rows["Open Interest"].sum()
