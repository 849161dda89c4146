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
            "gex": density / (forward * spread) * held * forward**2 * 0.01,
            "dex": (norm.cdf(d1) - ~call) * held * forward,
            "vanna_exposure": -density * d2 / vol * held * forward * 0.01,
            "charm_exposure": density * d2 / (2 * years) * held * forward / 365,
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
    assert all("units" in found[name].attrs or name == "expiry" for name in found.variables)
    told = found.attrs
    assert (told["sign_model"], told["basis"]) == ("calls_long", "open_interest")
    assert told["dropped"]["no_iv"] == 1
    assert told["coverage"] == pytest.approx(1 - frame["open_interest"][0] / frame["open_interest"].sum())
    assert told["oldest_input_age_s"] == 0.0 and told["forward_source"] == {"venue": 2}


def test_unknown_open_interest_everywhere_is_nan_with_a_reason(make_marks: Make) -> None:
    frame = make_marks(open_interest=np.nan)
    found = exposure(chain(frame))
    for name in ("gex", "call_gex", "dex", "vanna_exposure", "charm_exposure", "call_open_interest"):
        assert found[name].isnull().all()
    assert found.attrs["open_interest_unknown"] == 20 and found.attrs["open_interest_known"] == 0.0
    assert found.attrs["net_gex_reason"] == "the open interest of no contract is known"
    assert np.isnan(found.attrs["coverage"])
    assert exposure(chain(frame), basis="volume")["gex"].notnull().all()
    none = exposure(chain(frame.assign(volume_24h=np.nan)), basis="volume")
    assert none.attrs["net_gex_reason"] == "the 24 h volume of no contract is known"


def test_partly_unknown_open_interest_is_left_out_and_told(make_marks: Make) -> None:
    frame = make_marks()
    frame.loc[:4, "open_interest"] = np.nan
    found = exposure(chain(frame))
    want = oracle(frame, "calls_long")
    assert float(found["gex"].sum()) == pytest.approx(want["gex"].sum(), rel=1e-12)
    assert found.attrs["open_interest_known"] == 0.75 and found.attrs["net_gex_reason"] == ""
    first = found.isel(expiry=0)
    assert first["gex"].isnull().values.tolist() == [True, True, False, False, False]
    assert np.isnan(first["call_gex"][2]) and first["gex"][2] == first["put_gex"][2]


def test_exposures_carry_the_discount_and_the_forward() -> None:
    """A year out at 5 % the forward is 5 % above spot: each exposure is that of a bumped spot, re-priced here."""
    spot, rate, years, vol, held, size = 4500.0, 0.05, 1.0, 0.2, 10.0, 100.0
    asof = pd.Timestamp("2026-11-01").value
    strikes = np.arange(4000.0, 5501.0, 100.0)

    def value(at_spot: float, sigma: float, left: float, call: bool) -> np.ndarray:
        forward = at_spot * np.exp(rate * years)
        sign, spread = (1.0 if call else -1.0), sigma * np.sqrt(left)
        d1 = np.log(forward / strikes) / spread + spread / 2
        return (
            np.exp(-rate * left)
            * sign
            * (forward * norm.cdf(sign * d1) - strikes * norm.cdf(sign * (d1 - spread)))
        )

    rows = [
        pd.DataFrame({
            "event_ns": asof, "instrument": [f"long dated {k:.0f} {right}" for k in strikes], "strike": strikes,
            "right": right, "bid": value(spot, vol, years, right == "C") - 0.01,
            "ask": value(spot, vol, years, right == "C") + 0.01,
        })
        for right in "CP"
    ]  # fmt: skip
    frame = pd.concat(rows, ignore_index=True).assign(
        expiry_ns=asof + int(365 * 86_400e9),
        underlying="LONG",
        style="european",
        multiplier=size,
        open_interest=held,
        index=spot,
    )
    book = chain(frame)
    assert book["discount"].item() == pytest.approx(np.exp(-rate), rel=1e-6)
    found = exposure(book, sign_model="short_all")
    step = spot * 1e-3
    for call, name in ((True, "call"), (False, "put")):
        up, mid, down = (value(spot + move, vol, years, call) for move in (step, 0.0, -step))
        gamma, delta = (up - 2 * mid + down) / step**2, (up - down) / (2 * step)
        np.testing.assert_allclose(found[f"{name}_gex"][0], -gamma * held * size * spot**2 * 0.01, rtol=2e-4)
        np.testing.assert_allclose(found[f"{name}_dex"][0], -delta * held * size * spot, rtol=2e-4)
        shifted = [
            (value(spot + step, sigma, years, call) - value(spot - step, sigma, years, call)) / (2 * step)
            for sigma in (vol + 1e-4, vol - 1e-4)
        ]
        vanna = (shifted[0] - shifted[1]) / 2e-4
        np.testing.assert_allclose(
            found[f"{name}_vanna_exposure"][0], -vanna * held * size * spot * 0.01, rtol=1e-3, atol=1.0
        )


def test_no_contract_is_nan_not_zero(make_marks: Make) -> None:
    frame = make_marks()
    found = exposure(chain(frame[~frame["instrument"].str.contains("261127-80000")]))
    assert np.isnan(found["gex"].isel(expiry=0).sel(strike=80_000.0))
    assert not np.isnan(found["gex"].isel(expiry=1).sel(strike=80_000.0))
