"""A third party's hand-computed exposure, as a check of shape and convention.

Its gex per point is gamma . OI . M, its gex per 1 % that times S^2 . 0.01: with M our multiplier and puts
subtracted this is our gex under ``calls_long``. Its walls rank net gex by strike; where each strike is held in one right
only, as here, they are ours. Its flip comes from the cumulative sum over strikes at today's gammas, which
is not net gex re-priced over spot: it has no counterpart here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workstation.exposure.book import exposure
from workstation.exposure.levels import levels
from workstation.pricing.chain import chain

pytestmark = pytest.mark.recorded

ASOF = pd.Timestamp("2026-11-02", tz="UTC").value
EXPIRY = pd.Timestamp("2026-12-18", tz="UTC").value


def golden(sample_data: Path, name: str) -> dict[str, object]:
    return json.loads((sample_data / "reference" / "gex_golden" / f"{name}.json").read_text())


def with_gammas(options: list[dict[str, float]], spot: float, multiplier: float) -> xr.Dataset:
    """A chain whose gammas are set to the golden ones."""
    rows = pd.DataFrame(options)
    names = [f"golden {s} {r}" for s, r in zip(rows["strike"], rows["right"], strict=True)]
    marks = rows[["strike", "right"]].assign(
        event_ns=ASOF, instrument=names, mark_iv=0.2, open_interest=rows["oi"], index=spot
    )
    found = chain(marks.assign(expiry_ns=EXPIRY, underlying="GOLDEN", multiplier=multiplier))
    gamma = found["gamma"].copy()
    for strike, right, value in rows[["strike", "right", "gamma"]].itertuples(index=False):
        gamma.loc[{"strike": strike, "right": right}] = value
    return found.assign(gamma=gamma)


def test_gex_by_strike_and_in_total(sample_data: Path) -> None:
    told = golden(sample_data, "gex_basic")
    found = exposure(with_gammas(told["options"], told["spot"], told["multiplier"]))  # type: ignore[arg-type]
    per_point = told["spot"] ** 2 * 0.01  # type: ignore[operator]
    for strike, want in told["expected"]["per_strike"].items():  # type: ignore[index]
        cell = found.sel(strike=float(strike)).isel(expiry=0)
        assert cell["gex"].item() == pytest.approx(want["net_gex_1pct"], rel=1e-12)
        assert cell["call_gex"].item() / per_point == pytest.approx(want["call_gex_1pt"], rel=1e-12)
        assert -cell["put_gex"].item() / per_point == pytest.approx(want["put_gex_1pt"], rel=1e-12)
    assert float(found["gex"].sum()) == pytest.approx(told["expected"]["total_gex_1pct"], rel=1e-12)  # type: ignore[index]


def test_walls_and_total(sample_data: Path) -> None:
    told = golden(sample_data, "levels_basic")
    spot, nets = told["spot"], told["net_by_strike"]
    options = [
        {"strike": float(k), "right": "C" if net > 0 else "P", "oi": abs(net), "gamma": 1.0}
        for k, net in nets.items()  # type: ignore[attr-defined]
    ]
    found = levels(with_gammas(options, spot, 1.0))  # type: ignore[arg-type]
    want = told["expected"]
    assert found["call_wall"].item() == want["call_wall"]  # type: ignore[index]
    assert found["put_wall"].item() == want["put_wall"]  # type: ignore[index]
    per_point = spot**2 * 0.01  # type: ignore[operator]
    assert found["net_gex"].item() / per_point == pytest.approx(want["total_gex"], rel=1e-12)  # type: ignore[index]
    assert np.isfinite(found["absolute_wall"])
