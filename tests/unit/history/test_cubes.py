"""Derived cubes: exposure by strike and surfaces by time, as of each instant, in memory and lazily alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workstation.history import open_history
from workstation.history.cubes import exposure_by_strike, surfaces_over_time
from workstation.market.errors import HistoryError
from workstation.pricing.chain import chain
from workstation.pricing.surface import surface

NS = pd.Timestamp("2026-03-20 12:00").value
MINUTE = 60_000_000_000


def snapshot(at, strikes, gex, *, expiry=1, underlying="BTC", basis="open_interest"):
    return pd.DataFrame(
        {
            "event_ns": at, "underlying": underlying, "expiry_ns": expiry, "strike": strikes, "sign_model": "calls_long",
            "basis": basis, "gex": gex,
        }
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    with open_history(tmp_path / "store", upkeep=False) as history:
        yield history


@pytest.fixture
def exposures(store):
    for rows in (
        snapshot(NS, [100.0, 110.0], [1.0, 2.0]),
        snapshot(NS, [110.0], [10.0], expiry=2),
        snapshot(NS + MINUTE + 5, [100.0, 120.0], [3.0, 4.0]),
        snapshot(NS + MINUTE, [100.0], [77.0], underlying="ETH"),
        snapshot(NS + MINUTE, [100.0], [99.0], basis="volume"),
    ):
        store.write("exposures", rows)
    return store


def test_each_instant_has_the_newest_snapshot_known_by_then(exposures):
    made = exposure_by_strike(exposures, "BTC", start=NS - MINUTE, end=NS + 3 * MINUTE)
    assert made["strike"].values.tolist() == [100.0, 110.0, 120.0]
    nan = np.nan
    wanted = [[nan, nan, nan], [1.0, 12.0, nan], [1.0, 12.0, nan], [3.0, nan, 4.0]]
    np.testing.assert_array_equal(made["gex"].values, wanted)
    assert made["gex"].attrs["units"] == "USD per 1 % move" and made["gex"].dims == ("time", "strike")
    later = exposure_by_strike(exposures, "BTC", every="30min", start=NS, end=NS + 120 * MINUTE)
    assert later["gex"].sel(strike=100.0).values.tolist()[1:2] == [3.0]
    assert np.isnan(later["gex"].sel(strike=100.0).values[3]), "a snapshot of an hour ago is no longer told"


def test_a_lazy_cube_is_the_one_in_memory(exposures):
    span = {"start": NS - MINUTE, "end": NS + 3 * MINUTE}
    lazy = exposure_by_strike(exposures, "BTC", chunk=3, **span)
    assert lazy["gex"].chunks == ((3, 1), (3,))
    xr.testing.assert_identical(lazy.compute(scheduler="sync"), exposure_by_strike(exposures, "BTC", **span))


def test_what_is_not_recorded_is_said_with_what_is(exposures):
    with pytest.raises(
        HistoryError, match=r"no exposures of SOL calls_long open_interest.*BTC calls_long volume"
    ):
        exposure_by_strike(exposures, "SOL")
    with pytest.raises(HistoryError, match="no instant between start and end"):
        exposure_by_strike(exposures, "BTC", start=NS + 1, end=NS + 2)
    with pytest.raises(ValueError, match="this history holds no marks"):
        surfaces_over_time(exposures, "BTC")


def quotes(at, vol):
    """Marks of two expiries whose mark vols are a flat smile."""
    strikes, rows = [80, 85, 90, 95, 100, 105, 110, 115, 120], []
    for code in ("261225", "270326"):
        for strike in strikes:
            right = "C" if strike >= 100 else "P"
            rows.append({"instrument": f"BTC/USD:BTC-{code}-{strike}000-{right}", "mark_iv": vol})
    frame = pd.DataFrame(rows)
    return frame.assign(
        event_ns=at,
        mark=0.05,
        bid_iv=vol - 0.01,
        ask_iv=vol + 0.01,
        forward=100_000.0,
        index=100_000.0,
        open_interest=1.0,
    )


def test_a_surface_of_an_instant_knows_no_later_mark(store):
    store.write("marks", quotes(NS, 0.5))
    store.write("marks", quotes(NS + 90_000_000_000, 0.9))
    span = {"every": "1min", "start": NS, "end": NS + 3 * MINUTE}
    made = surfaces_over_time(store, "BTC", **span)
    assert made["implied_vol"].dims == ("time", "expiry", "moneyness")
    np.testing.assert_allclose(made["atm_iv"].values, [[0.5, 0.5], [0.5, 0.5], [0.9, 0.9]], atol=2e-3)
    early = store.read("marks", end=NS + MINUTE + 1)
    alone = surface(chain(early, asof_ns=NS + MINUTE, underlying="BTC"))
    np.testing.assert_array_equal(made["implied_vol"].isel(time=1).values, alone["implied_vol"].values)
    lazy = surfaces_over_time(store, "BTC", chunk=2, **span)
    assert lazy["implied_vol"].chunks[0] == (2, 1)
    xr.testing.assert_identical(lazy.compute(scheduler="sync"), made)
