"""Walls, crossings, the curve and at-the-money vol, each against arithmetic done here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from workstation.exposure.book import exposure
from workstation.exposure.levels import levels, wall
from workstation.exposure.zero_gamma import NO_CONTRACT, NO_CROSSING, NO_EXPOSURE, UNKNOWN, crossings
from workstation.pricing.chain import chain

Make = Callable[..., pd.DataFrame]
SPOT = 100_300.0


def net_gex_at(frame: pd.DataFrame, spot: float) -> float:
    parts = frame["instrument"].str.extract(r"-(?P<day>\d{6})-(?P<strike>\d+)-(?P<right>[CP])$")
    expiry = pd.to_datetime(parts["day"], format="%y%m%d") + pd.Timedelta(hours=8)
    years = (expiry.astype("datetime64[ns]").astype("int64") - frame["event_ns"]) / (365 * 86_400e9)
    forward = frame["forward"] * spot / SPOT
    spread = frame["mark_iv"] * np.sqrt(years)
    d1 = np.log(forward / parts["strike"].astype(float)) / spread + spread / 2
    gamma = norm.pdf(d1) / (forward * spread)
    signed = frame["open_interest"] * np.where(parts["right"] == "C", 1, -1)
    return float((gamma * forward**2 * signed).sum() * 0.01)


def test_the_curve_is_net_gex_repriced(make_marks: Make) -> None:
    frame = make_marks()
    found = levels(chain(frame))
    want = [net_gex_at(frame, spot) for spot in found["curve_spot"].values]
    np.testing.assert_allclose(found["net_gex_curve"], want, rtol=1e-9, atol=1e-3)


def test_the_curve_at_spot_is_net_gex_exactly(make_marks: Make) -> None:
    book = chain(make_marks())
    found = levels(book)
    assert found["net_gex_curve"].sel(curve_spot=SPOT).item() == found["net_gex"].item()
    assert found["net_gex"].item() == pytest.approx(float(exposure(book)["gex"].sum()), rel=1e-12)


def test_grid_is_twenty_percent_in_quarter_percents(make_marks: Make) -> None:
    found = levels(chain(make_marks()))
    assert found["crossings"].size
    moves = found["curve_spot"].values / SPOT - 1
    np.testing.assert_allclose(moves, np.arange(-80, 81) * 0.0025, atol=1e-12)


def test_zero_gamma_is_near_the_true_root_and_the_nearest_of_all(make_marks: Make) -> None:
    frame = make_marks()
    found = levels(chain(frame))
    zero = found["zero_gamma"].item()
    step = 0.0025 * SPOT
    root = brentq(lambda spot: net_gex_at(frame, spot), zero - step, zero + step)
    assert zero == pytest.approx(root, abs=0.02 * step)
    gaps = np.abs(found["crossings"].values - SPOT)
    assert abs(zero - SPOT) == gaps.min()
    assert found["zero_gamma_reason"].item() == ""


def only(make_marks: Make, **open_interest: float) -> pd.DataFrame:
    frame = make_marks(open_interest=0.0)
    for name, amount in open_interest.items():
        strike, right = name[1:].split("_")
        frame.loc[frame["instrument"].str.endswith(f"261225-{strike}-{right}"), "open_interest"] = amount
    return frame


def test_widened_to_half_when_the_first_grid_has_no_crossing(make_marks: Make) -> None:
    marks = only(make_marks, k80000_P=1.0, k120000_C=100_000.0)
    marks["mark_iv"] = 0.35
    found = levels(chain(marks))
    moves = found["curve_spot"].values / SPOT - 1
    assert (moves.min(), moves.max()) == (pytest.approx(-0.5), pytest.approx(0.5))
    assert found["zero_gamma"].item() < 0.8 * SPOT
    assert found["net_gex_curve"].sel(curve_spot=SPOT, method="nearest").item() == found["net_gex"].item()


def test_no_crossing_is_nan_with_a_reason(make_marks: Make) -> None:
    found = levels(chain(make_marks()), sign_model="short_all")
    assert np.isnan(found["zero_gamma"]) and found["zero_gamma_reason"].item() == NO_CROSSING
    assert found["crossings"].size == 0
    flat = levels(chain(make_marks(open_interest=0.0)))
    assert np.isnan(flat["zero_gamma"]) and flat["zero_gamma_reason"].item() == NO_EXPOSURE
    assert flat["net_gex"].item() == 0.0 and np.isnan(flat["call_wall"])
    none = levels(chain(make_marks(mark_iv=np.nan)))
    assert none["zero_gamma_reason"].item() == NO_CONTRACT
    assert np.isnan(none["net_gex"]) and none["net_gex_curve"].size == 0


@pytest.mark.parametrize("sign_model", ["calls_long", "calls_short", "short_all"])
def test_walls_do_not_depend_on_the_sign_model(make_marks: Make, sign_model: str) -> None:
    frame = only(make_marks, k110000_C=10.0, k120000_C=900.0, k90000_P=500.0, k80000_C=5000.0, k100000_P=1.0)
    found = levels(chain(frame), sign_model=sign_model)
    assert found["call_wall"].item() == 120_000.0
    assert found["put_wall"].item() == 90_000.0
    assert found["absolute_wall"].item() == 80_000.0


def test_expiries_are_summed_before_ranking(make_marks: Make) -> None:
    frame = make_marks(open_interest=0.0, mark_iv=0.5, forward=SPOT)
    names = frame["instrument"]
    gamma = chain(frame)["gamma"].sel(right="C")
    near, far = gamma.isel(expiry=0), gamma.isel(expiry=1)
    size = {"261127-110000-C": 6 / near.sel(strike=110_000), "261225-110000-C": 6 / far.sel(strike=110_000)}
    size["261225-120000-C"] = 10 / far.sel(strike=120_000)
    for name, amount in size.items():
        frame.loc[names.str.endswith(name), "open_interest"] = float(amount)
    assert levels(chain(frame))["call_wall"].item() == 110_000.0


def test_wall_ties_go_to_the_nearer_strike_then_the_lower() -> None:
    assert wall(strikes=[90.0, 100.0, 120.0], sizes=[3.0, 3.0, 3.0], spot=111.0) == 120.0
    assert wall(strikes=[90.0, 110.0], sizes=[3.0, 3.0], spot=100.0) == 90.0
    assert np.isnan(wall(strikes=[90.0], sizes=[0.0], spot=100.0))
    assert np.isnan(wall(strikes=[], sizes=[], spot=100.0))


def test_a_strike_at_spot_may_be_either_wall(make_marks: Make) -> None:
    frame = only(make_marks, k100000_C=10.0, k100000_P=10.0)
    found = levels(chain(frame.assign(index=100_000.0)))
    assert found["call_wall"].item() == found["put_wall"].item() == 100_000.0


def test_crossings_by_hand() -> None:
    grid = np.arange(6.0)
    np.testing.assert_allclose(crossings(spots=grid, values=[-1, 1, 1, -3, -3, 1]), [0.5, 2.25, 4.75])
    assert crossings(spots=grid, values=[1, 1, 0, 1, 1, 1]).size == 0
    np.testing.assert_allclose(crossings(spots=grid, values=[1, 0, -1, -1, -1, -1]), [1.0])
    np.testing.assert_allclose(crossings(spots=grid, values=[1, 0, 0, 0, -1, -1]), [2.0])
    assert crossings(spots=grid, values=np.zeros(6)).size == 0
    assert crossings(spots=grid, values=[1e-300, -1e-300, 1, 1, 1, 1]).size == 0
    assert crossings(spots=[], values=[]).size == 0


def test_atm_iv_is_interpolated_at_the_forward_of_the_first_expiry_of_a_day(make_marks: Make) -> None:
    frame = make_marks()
    vols = frame["mark_iv"].to_numpy()[:10].reshape(5, 2).mean(axis=1)
    want = np.interp(100_800.0, [80e3, 90e3, 100e3, 110e3, 120e3], vols)
    assert levels(chain(frame))["atm_iv"].item() == pytest.approx(want, rel=1e-12)
    late = frame.assign(event_ns=pd.Timestamp("2026-11-26 09:00", tz="UTC").value)
    vols = frame["mark_iv"].to_numpy()[10:].reshape(5, 2).mean(axis=1)
    want = np.interp(101_500.0, [80e3, 90e3, 100e3, 110e3, 120e3], vols)
    assert levels(chain(late))["atm_iv"].item() == pytest.approx(want, rel=1e-12)
    last = frame[:10].assign(event_ns=pd.Timestamp("2026-11-27 07:00", tz="UTC").value)
    assert np.isnan(levels(chain(last))["atm_iv"])


def test_units_and_ledger(make_marks: Make) -> None:
    found = levels(chain(make_marks()), basis="volume")
    assert all("units" in found[name].attrs or name == "expiry" for name in found.variables)
    assert found.attrs["basis"] == "volume" and "sticky strike" in found.attrs["zero_gamma"]


def test_unknown_open_interest_everywhere_has_no_level(make_marks: Make) -> None:
    found = levels(chain(make_marks(open_interest=np.nan)))
    for name in ("net_gex", "zero_gamma", "call_wall", "put_wall", "absolute_wall"):
        assert np.isnan(found[name].item()), name
    assert found["zero_gamma_reason"].item() == UNKNOWN
    assert found.attrs["net_gex_reason"] == "the open interest of no contract is known"
    assert found["atm_iv"].item() > 0


def test_a_contract_of_unknown_open_interest_has_no_part(make_marks: Make) -> None:
    frame = make_marks()
    part = frame.copy()
    part.loc[[3, 12], "open_interest"] = np.nan
    without = frame.assign(open_interest=part["open_interest"].fillna(0.0))
    found, want = levels(chain(part)), levels(chain(without))
    for name in ("net_gex", "zero_gamma", "call_wall", "put_wall", "absolute_wall", "net_gex_curve"):
        np.testing.assert_allclose(found[name], want[name], rtol=1e-12)
    assert found.attrs["open_interest_known"] == 0.9
