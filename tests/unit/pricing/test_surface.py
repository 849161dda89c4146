"""The surface: grids, skew, greeks, residuals, the live engine and its history."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm

from workstation.market.tables import HEARTBEAT, MARKS
from workstation.pricing.black import GREEKS, greeks
from workstation.pricing.chain import chain
from workstation.pricing.smile import SVI
from workstation.pricing.smile_quotes import SmileParameters
from workstation.pricing.surface import greek_surface, surface, vol_at
from workstation.pricing.surface_engine import Surface, SurfaceParameters, skew_history, surface_rows

NOW = pd.Timestamp("2026-11-01T00:00:30", tz="UTC").value
FORWARDS = {"261225": 101_000.0, "270326": 102_000.0, "270625": 103_000.0}
SMILES = {
    "261225": SVI(a=0.004, b=0.06, rho=-0.3, m=0.02, sigma=0.25),
    "270326": SVI(a=0.012, b=0.11, rho=-0.25, m=0.04, sigma=0.35),
    "270625": SVI(a=0.020, b=0.15, rho=-0.2, m=0.05, sigma=0.45),
}
STRIKES = range(60_000, 170_000, 10_000)


def marks(underlying: str = "BTC", shift: float = 0.0, event_ns: int = NOW) -> pd.DataFrame:
    """Marks of three expiries exactly on their smiles, every contract."""
    rows = []
    for expiry, smile in SMILES.items():
        years = (pd.Timestamp(f"20{expiry} 08:00", tz="UTC").value - NOW) / (365 * 86_400e9)
        for strike in STRIKES:
            vol = smile.vol(np.log(strike / FORWARDS[expiry]), years=years).item() + shift
            for right in "CP":
                name = f"{underlying}/USD:{underlying}-{expiry}-{strike}-{right}"
                rows.append((event_ns, name, vol, FORWARDS[expiry], 100_000.0, 7.0))
    columns = ["event_ns", "instrument", "mark_iv", "forward", "index", "open_interest"]
    return MARKS.conform(pd.DataFrame(rows, columns=columns))


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    return surface(chain(marks()))


def test_every_variable_has_a_unit_and_attrs_are_the_ledger(found: xr.Dataset) -> None:
    assert all("units" in found[name].attrs or name == "expiry" for name in found.variables)
    assert found["implied_vol"].dims == ("expiry", "moneyness")
    assert found["implied_vol_by_delta"].dims == ("expiry", "delta")
    assert found["residual"].dims == ("expiry", "strike", "right")
    assert {
        "forward_source",
        "iv_source",
        "dropped",
        "coverage",
        "left_out",
        "fitted",
        "smile",
        "delta",
    } <= set(found.attrs)
    assert found.attrs["fitted"] == int(found["contracts"].sum()) == int((found["weight"] > 0).sum())


def test_the_smiles_quoted_are_found(found: xr.Dataset) -> None:
    for row, smile in enumerate(SMILES.values()):
        names = ("svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma")
        assert [found[name].values[row] for name in names] == pytest.approx(smile.raw.tolist(), rel=1e-5)
    assert float(found["rmse"].max()) < 1e-8
    assert np.isnan(found["within_spread"]).all(), "marks have no spread to be within"
    for kind in ("butterfly", "calendar"):
        assert int(found[f"{kind}_violations"].sum()) == int(found[f"{kind}_violations_after"].sum()) == 0


def test_grids_say_nothing_beyond_the_strikes(found: xr.Dataset) -> None:
    ratio = found["moneyness"].values[None, :] * found["forward"].values[:, None]
    quoted = found["quoted_vol"].where(found["weight"] > 0)
    strikes = found["strike"].where(quoted.notnull().any("right"))
    inside = (ratio >= strikes.min("strike").values[:, None]) & (
        ratio <= strikes.max("strike").values[:, None]
    )
    assert np.array_equal(found["implied_vol"].notnull().values, inside)
    assert 0.3 < inside.mean() < 1.0
    wide = surface(chain(marks()), extrapolate=True)
    assert wide["implied_vol"].notnull().all() and wide["rr10"].notnull().all() and wide.attrs["extrapolated"]
    assert np.allclose(wide["implied_vol"].values[inside], found["implied_vol"].values[inside])
    variance = found["implied_vol"] ** 2 * found["years"]
    assert np.allclose(found["total_variance"], variance, equal_nan=True)


def test_the_grid_of_deltas_has_these_deltas_and_the_skew_is_read_from_it(found: xr.Dataset) -> None:
    vol, years = found["implied_vol_by_delta"], found["years"]
    root = vol * np.sqrt(years)
    delta = norm.cdf(-np.log(found["moneyness_by_delta"]) / root + root / 2)
    assert np.allclose(
        delta, np.where(vol.notnull(), found["delta"].values[None, :], np.nan), atol=1e-9, equal_nan=True
    )
    assert vol.notnull().mean() > 0.7

    def at(call_delta: float) -> np.ndarray:
        return vol.sel(delta=call_delta).values

    atm = [smile.vol(0.0, years=y).item() for smile, y in zip(SMILES.values(), years.values, strict=True)]
    assert np.allclose(found["atm_iv"], atm, atol=1e-8)
    assert np.allclose(found["rr25"], at(0.25) - at(0.75), atol=1e-9, equal_nan=True)
    assert np.allclose(found["bf25"], (at(0.25) + at(0.75)) / 2 - found["atm_iv"], atol=1e-9, equal_nan=True)
    assert np.allclose(found["rr10"], at(0.1) - at(0.9), atol=1e-9, equal_nan=True)
    assert np.isfinite(found["rr25"]).all()


@pytest.mark.parametrize("on", ["moneyness", "delta"])
def test_any_greek_is_blacks_at_the_surfaces_vol(found: xr.Dataset, on: str) -> None:
    vols = found["implied_vol" if on == "moneyness" else "implied_vol_by_delta"]
    for name in GREEKS:
        grid = greek_surface(found, name, on=on, right="P")
        assert grid.dims == ("expiry", on) and grid.attrs["units"]
        assert np.array_equal(grid.isnull(), vols.isnull())
    row, column = 1, int(np.flatnonzero(vols.notnull().all("expiry"))[0])
    ratio = float(
        found["moneyness"][column] if on == "moneyness" else found["moneyness_by_delta"][row, column]
    )
    forward = float(found["forward"][row])
    expected = greeks(
        forwards=forward,
        strikes=forward * ratio,
        years=float(found["years"][row]),
        vols=float(vols[row, column]),
        is_call=False,
    )
    for name in GREEKS:
        assert float(greek_surface(found, name, on=on, right="P")[row, column]) == pytest.approx(
            expected[name], rel=1e-12
        )
    if on == "delta":
        found_delta = greek_surface(found, "delta", on=on, right="C").values
        wanted = np.where(vols.notnull(), found["delta"].values[None, :], np.nan)
        assert np.allclose(found_delta, wanted, atol=1e-9, equal_nan=True)


def test_out_of_the_money_greeks_are_calls_above_and_puts_below(found: xr.Dataset) -> None:
    delta = greek_surface(found, "delta").values
    above = np.broadcast_to(found["moneyness"].values >= 1.0, delta.shape)
    known = ~np.isnan(delta)
    assert known.any() and np.array_equal(delta[known] > 0, above[known])


@pytest.mark.parametrize("wrong", [{"name": "price"}, {"on": "strike"}, {"right": "X"}])
def test_a_greek_unknown_is_refused(found: xr.Dataset, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        greek_surface(found, **({"name": "delta"} | wrong))


def test_vol_at_a_node_is_the_smiles_and_between_expiries_variance_is_linear(found: xr.Dataset) -> None:
    years = found["years"].values
    k = np.array([-0.2, 0.0, 0.2])
    for row, smile in enumerate(SMILES.values()):
        assert np.allclose(
            vol_at(found, years=years[row], log_moneyness=k), smile.vol(k, years=years[row]), atol=1e-7
        )
    middle = 0.25 * years[0] + 0.75 * years[1]
    w = 0.25 * SMILES["261225"].total_variance(k) + 0.75 * SMILES["270326"].total_variance(k)
    assert np.allclose(vol_at(found, years=middle, log_moneyness=k), np.sqrt(w / middle), atol=1e-7)
    outside = vol_at(found, years=[years[0] / 2, years[-1] * 2, middle], log_moneyness=[0.0, 0.0, -2.0])
    assert np.isnan(outside).all()


def test_residuals_are_kept_for_every_contract_within_the_strikes() -> None:
    frame = marks()
    at = int(np.flatnonzero(frame["instrument"].astype("str") == "BTC/USD:BTC-270326-110000-C")[0])
    frame.loc[at, "mark_iv"] += 0.05
    found = surface(chain(frame))
    one = found.sel(expiry="2027-03-26T08:00", strike=110_000.0, right="C")
    assert float(one["residual"]) == pytest.approx(-0.05, abs=0.005)
    assert float(one["fitted_vol"] - one["quoted_vol"]) == pytest.approx(float(one["residual"]))
    twin = found.sel(expiry="2027-03-26T08:00", strike=110_000.0, right="P")
    assert twin["left_out_reason"].item() == "in_the_money" and abs(float(twin["residual"])) < 0.005


def test_a_refused_expiry_is_named_and_counted() -> None:
    frame = marks()
    names = frame["instrument"].astype("str")
    few = names.str.contains("-270326-") & ~names.str.contains("-(?:90|100|110)000-")
    found = surface(chain(frame[~few]))
    assert found["refused"].values.tolist() == ["", "too_few", ""]
    assert np.isnan(found["implied_vol"][1]).all() and np.isnan(found["atm_iv"][1])
    assert found.attrs["refused"] == 1 and found.attrs["left_out"]["too_few"] == 3


@pytest.mark.parametrize("wrong", [{"moneyness": [0.0, 1.0]}, {"deltas": [0.5, 1.0]}, {"moneyness": [[1.0]]}])
def test_grids_that_are_none_are_refused(wrong: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        surface(chain(marks()), **wrong)
    with pytest.raises(ValueError, match="not a chain"):
        surface(xr.Dataset(attrs={"asof_ns": 0}))


def beat(event_ns: int) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [event_ns], "feed": ""}))


def test_live_rows_are_the_surface_of_the_chain_at_the_tick() -> None:
    engine = Surface(every="1min")
    frame = marks()
    assert not len(engine.update(frame, "marks"))
    tick = (NOW // (60 * 10**9) + 1) * 60 * 10**9
    rows = engine.update(beat(tick + 5), "heartbeat")
    batch = surface_rows(surface(chain(frame, asof_ns=tick)))
    assert rows["event_ns"].tolist() == [tick] * 3
    told, expected = json.loads(rows["ledger"].iloc[0]), json.loads(batch["ledger"].iloc[0])
    assert told == {key: expected[key] for key in told} and told["left_out"]["in_the_money"] > 0
    pd.testing.assert_frame_equal(rows.drop(columns="ledger"), batch.drop(columns="ledger"), check_exact=True)
    assert not len(engine.update(beat(tick + 10**11), "heartbeat")), "nothing new, nothing shown"


def test_rows_do_not_depend_on_how_marks_arrive() -> None:
    whole, parts = Surface(every="10s"), Surface(every="10s")
    frame = marks()
    frame["event_ns"] += np.arange(len(frame)) * 10**9
    frame = MARKS.conform(frame)
    one = [whole.update(frame, "marks"), whole.update(beat(NOW + 10**12), "heartbeat")]
    many = [parts.update(frame.iloc[start : start + 7], "marks") for start in range(0, 35, 7)]
    again = Surface(every="10s")
    again.restore(parts.snapshot())
    many += [
        again.update(MARKS.conform(frame.iloc[start : start + 9]), "marks")
        for start in range(35, len(frame), 9)
    ]
    many.append(again.update(beat(NOW + 10**12), "heartbeat"))
    joined = [pd.concat([part.astype({"underlying": "str", "refused": "str"}) for part in rows if len(part)], ignore_index=True) for rows in (one, many)]  # fmt: skip
    pd.testing.assert_frame_equal(*joined, check_exact=True)
    assert joined[0]["atm_iv"].notna().sum() >= 3 and (joined[0]["refused"] == "too_few").any()


def test_two_underlyings_have_their_own_rows_and_one_can_be_chosen() -> None:
    both = MARKS.concat([marks("BTC"), marks("ETH", shift=0.1)])
    engine, one = Surface(), Surface(underlyings=("ETH",))
    for each in (engine, one):
        each.update(both, "marks")
    rows = engine.update(beat(NOW + 60 * 10**9), "heartbeat")
    assert rows["underlying"].astype("str").tolist() == ["BTC"] * 3 + ["ETH"] * 3
    assert np.allclose(rows["atm_iv"][3:].to_numpy() - rows["atm_iv"][:3].to_numpy(), 0.1, atol=1e-3)
    assert one.update(beat(NOW + 60 * 10**9), "heartbeat")["underlying"].astype("str").tolist() == ["ETH"] * 3


def test_history_of_a_constant_maturity() -> None:
    later = NOW + 60 * 10**9
    surfaces = [surface(chain(marks(shift=shift), asof_ns=at)) for shift, at in ((0.0, NOW), (0.02, later))]
    for given in (surfaces, pd.concat([surface_rows(one) for one in surfaces], ignore_index=True)):
        found = skew_history(given, days=90)
        assert found["time"].values.astype("int64").tolist() == [NOW, later]
        first = surfaces[0]
        w = np.interp(90 / 365, first["years"], first["atm_iv"] ** 2 * first["years"])
        assert float(found["atm_iv"][0]) == pytest.approx(np.sqrt(w * 365 / 90), rel=1e-12)
        assert float(found["atm_iv"][1] - found["atm_iv"][0]) == pytest.approx(0.02, abs=2e-3)
        assert float(found["rr25"][0]) == pytest.approx(np.interp(90 / 365, first["years"], first["rr25"]))
    assert np.isnan(skew_history(surfaces, days=1)["atm_iv"]).all()
    with pytest.raises(ValueError, match="days"):
        skew_history(surfaces, days=0)
    both = pd.concat(
        [surface_rows(surface(chain(marks(name)))) for name in ("BTC", "ETH")], ignore_index=True
    )
    with pytest.raises(ValueError, match="BTC, ETH"):
        skew_history(both)
    assert skew_history(both, days=90, underlying="ETH").attrs["underlying"] == "ETH"


@pytest.mark.parametrize("wrong", [{"every": "0s"}, {"stale_after_s": 0.0}, {"widest": -1.0}, {"fewest": 3}])
def test_parameters_of_the_engine_say_what_is_wrong(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Surface(**wrong)
    assert SurfaceParameters().every == "1min" and SurfaceParameters(widest=0.3).smile == SmileParameters(
        widest=0.3
    )


def test_a_table_not_read_is_refused() -> None:
    with pytest.raises(ValueError, match="trades"):
        Surface().update(marks(), "trades")
