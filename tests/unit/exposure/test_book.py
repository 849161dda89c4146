"""Exposures against the definitions written out contract by contract."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm

from workstation.exposure.book import exposure
from workstation.exposure.signs import SIGN_MODELS
from workstation.pricing.chain import chain

Make = Callable[..., pd.DataFrame]
SPOT = 100_300.0
SIGNS = {"calls_long": {"C": 1, "P": -1}, "calls_short": {"C": -1, "P": 1}, "short_all": {"C": -1, "P": -1}}
YEAR_NS = 365 * 86_400e9


def oracle(frame: pd.DataFrame, sign_model: str, amount: str = "open_interest") -> pd.DataFrame:
    """One row per contract with its four exposures, straight from the definitions."""
    parts = frame["instrument"].str.extract(r"-(?P<day>\d{6})-(?P<strike>\d+)-(?P<right>[CP])$")
    expiry = pd.to_datetime(parts["day"], format="%y%m%d") + pd.Timedelta(hours=8)
    years = (expiry.astype("datetime64[ns]").astype("int64") - frame["event_ns"]) / YEAR_NS
    strike, call = parts["strike"].astype(float), parts["right"] == "C"
    forward, vol = frame["forward"], frame["mark_iv"]
    spread = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / spread + spread / 2
    d2 = d1 - spread
    density = norm.pdf(d1)
    held = frame[amount] * parts["right"].map(SIGNS[sign_model])
    return pd.DataFrame(
        {
            "expiry": expiry,
            "strike": strike,
            "right": parts["right"],
            "gex": density / (forward * spread) * held * SPOT**2 * 0.01,
            "dex": (norm.cdf(d1) - ~call) * held * SPOT,
            "vanna_exposure": -density * d2 / vol * held * SPOT * 0.01,
            "charm_exposure": density * d2 / (2 * years) * held * SPOT / 365,
        }
    )


@pytest.mark.parametrize("sign_model", list(SIGNS))
@pytest.mark.parametrize(("basis", "amount"), [("open_interest", "open_interest"), ("volume", "volume_24h")])
@pytest.mark.parametrize("name", ["gex", "dex", "vanna_exposure", "charm_exposure"])
def test_each_exposure_is_its_definition(
    make_marks: Make, sign_model: str, basis: str, amount: str, name: str
) -> None:
    frame = make_marks()
    found = exposure(chain(frame), sign_model=sign_model, basis=basis)
    want = oracle(frame, sign_model, amount)
    for prefix, rows in (
        ("", want),
        ("call_", want[want["right"] == "C"]),
        ("put_", want[want["right"] == "P"]),
    ):
        table = rows.groupby(["expiry", "strike"])[name].sum().unstack()
        np.testing.assert_allclose(found[prefix + name], table, rtol=1e-9, atol=1e-6)


def test_multiplier_scales_everything(make_marks: Make) -> None:
    whole, tenth = exposure(chain(make_marks())), exposure(chain(make_marks(multiplier=0.1)))
    for name in ("gex", "dex", "vanna_exposure", "charm_exposure"):
        np.testing.assert_allclose(10 * tenth[name], whole[name], rtol=1e-12)


def test_amounts_are_unsigned_contracts(make_marks: Make) -> None:
    frame = make_marks()
    found = exposure(chain(frame), sign_model="short_all")
    total = float(found["call_open_interest"].sum() + found["put_open_interest"].sum())
    assert total == frame["open_interest"].sum()
    assert found["call_volume_24h"].attrs["units"] == "contracts"


def test_flow_is_minus_the_taker_flow(make_marks: Make) -> None:
    book = chain(make_marks())
    flow = book["open_interest"] * np.where(book["right"] == "C", -1.0, 1.0)
    same = exposure(book, sign_model="flow", flow=flow)
    want = exposure(book, sign_model="calls_long")
    np.testing.assert_allclose(same["gex"], want["gex"], rtol=1e-12)
    assert same.attrs["basis"] == "signed taker flow"
    np.testing.assert_allclose(
        exposure(book, sign_model="flow", flow=flow.values)["dex"], want["dex"], rtol=1e-12
    )


def test_flow_given_as_a_part_of_the_chain_is_aligned_by_label(make_marks: Make) -> None:
    book = chain(make_marks())
    some = xr.full_like(book["open_interest"], 1.0).isel(strike=[3, 1])
    found = exposure(book, sign_model="flow", flow=some)
    assert (found["gex"].isel(strike=[0, 2, 4]) == 0).all()
    assert (found["gex"].isel(strike=[1, 3]) < 0).all()


def test_errors_name_the_choices(make_marks: Make) -> None:
    book = chain(make_marks())
    with pytest.raises(ValueError, match=f"no sign model 'dealer'.*{', '.join(SIGN_MODELS)}"):
        exposure(book, sign_model="dealer")
    with pytest.raises(ValueError, match=r"no basis 'oi'.*open_interest, volume"):
        exposure(book, basis="oi")
    with pytest.raises(ValueError, match="'flow' needs flow="):
        exposure(book, sign_model="flow")
    with pytest.raises(ValueError, match="flow has shape"):
        exposure(book, sign_model="flow", flow=np.zeros(3))
    with pytest.raises(ValueError, match="not a chain"):
        exposure(xr.Dataset())


def test_units_and_ledger(make_marks: Make) -> None:
    frame = make_marks()
    frame.loc[0, "mark_iv"] = np.nan
    found = exposure(chain(frame))
    assert found["gex"].attrs["units"] == "USD per 1 % move"
    assert all("units" in found[name].attrs for name in found.variables)
    told = found.attrs
    assert (told["sign_model"], told["basis"]) == ("calls_long", "open_interest")
    assert told["dropped"]["no_iv"] == 1
    assert told["coverage"] == pytest.approx(1 - frame["open_interest"][0] / frame["open_interest"].sum())
    assert told["oldest_input_age_s"] == 0.0 and told["forward_source"] == {"venue": 2}


def test_unknown_open_interest_counts_as_none_and_is_counted(make_marks: Make) -> None:
    frame = make_marks()
    frame.loc[:, "open_interest"] = np.nan
    found = exposure(chain(frame))
    assert float(np.abs(found["gex"]).sum()) == 0.0
    assert found.attrs["open_interest_unknown"] == 20
    assert np.isnan(found.attrs["coverage"])


def test_no_contract_is_nan_not_zero(make_marks: Make) -> None:
    frame = make_marks()
    found = exposure(chain(frame[~frame["instrument"].str.contains("261127-80000")]))
    assert np.isnan(found["gex"].isel(expiry=0).sel(strike=80_000.0))
    assert not np.isnan(found["gex"].isel(expiry=1).sel(strike=80_000.0))
