"""The band over the sign models: each model is in it, and is what ``levels`` says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workstation.exposure.band import LEVELS, band
from workstation.exposure.levels import levels
from workstation.pricing.chain import chain

Make = Callable[..., pd.DataFrame]


def test_each_model_is_what_levels_says(make_marks: Make) -> None:
    book = chain(make_marks())
    taken = book["open_interest"] * xr.where(book["strike"] > 100_000, -0.3, 0.2)
    found = band(book, flow=taken)
    assert found["sign_model"].values.tolist() == ["calls_long", "calls_short", "short_all", "flow"]
    for name in found["sign_model"].values:
        want = levels(book, sign_model=name, flow=taken if name == "flow" else None)
        cell = found.sel(sign_model=name)
        for level in LEVELS:
            np.testing.assert_equal(cell[level].item(), want[level].item())
        assert cell["zero_gamma_reason"].item() == want["zero_gamma_reason"].item()
        shared = np.intersect1d(want["curve_spot"], found["curve_spot"])
        assert shared.size >= 161
        np.testing.assert_allclose(
            cell["net_gex_curve"].sel(curve_spot=shared),
            want["net_gex_curve"].sel(curve_spot=shared),
            rtol=1e-12,
        )


def test_the_band_is_the_least_and_the_most(make_marks: Make) -> None:
    found = band(chain(make_marks()), basis="volume")
    for name in (*LEVELS, "net_gex_curve"):
        assert found[f"{name}_low"].attrs["units"] == found[name].attrs["units"]
        np.testing.assert_equal(found[f"{name}_low"].values, found[name].min("sign_model").values)
        np.testing.assert_equal(found[f"{name}_high"].values, found[name].max("sign_model").values)
    assert found["net_gex"].sel(sign_model="calls_long") == -found["net_gex"].sel(sign_model="calls_short")
    assert found.attrs["sign_model"] == "band over calls_long, calls_short, short_all"


def test_a_zero_beyond_the_inner_grid_widens_it_for_all(make_marks: Make) -> None:
    lean = np.where(make_marks()["instrument"].str.endswith("C"), 1000.0, 100.0)
    lean[make_marks()["instrument"].str.contains("80000-P")] = 3000.0
    found = band(chain(make_marks(open_interest=lean)))
    zero = found["zero_gamma"].sel(sign_model="calls_long").item()
    inner = abs(zero / 100_300.0 - 1) <= 0.2
    assert found.sizes["curve_spot"] == (161 if inner else 401)
    only_calls = band(
        chain(make_marks(open_interest=np.where(make_marks()["instrument"].str.endswith("C"), 1000.0, 0.0)))
    )
    assert only_calls.sizes["curve_spot"] == 401
    assert only_calls["zero_gamma_low"].isnull() and only_calls["zero_gamma_high"].isnull()
    assert (only_calls["zero_gamma_reason"] != "").all()


def test_without_a_contract_there_is_no_band(make_marks: Make) -> None:
    found = band(chain(make_marks(mark_iv=np.nan)))
    assert found["net_gex_low"].isnull() and found.sizes["curve_spot"] == 0


def test_a_wrong_basis_is_named(make_marks: Make) -> None:
    with pytest.raises(ValueError, match="no basis 'oi'"):
        band(chain(make_marks()), basis="oi")
