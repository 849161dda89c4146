"""Laws of forced flow, the band, open interest and the cascade score over random chains and numbers."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.exposure.band import LEVELS, band
from workstation.exposure.cascade import PARTS, cascade_risk
from workstation.exposure.levels import levels
from workstation.exposure.open_interest import open_interest
from workstation.exposure.scenario import PARTS as FLOWS
from workstation.exposure.scenario import forced_flow
from workstation.pricing.chain import chain

START = pd.Timestamp("2026-11-01", tz="UTC").value


@st.composite
def books(draw: st.DrawFn) -> xr.Dataset:
    """A chain of one to three expiries, some contracts absent, some without open interest."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    days = ("261102", "261127", "270326")[: draw(st.integers(1, 3))]
    names = [
        f"BTC/USD:BTC-{day}-{strike}-{right}"
        for day in days
        for strike in range(70_000, 140_000, 10_000)
        for right in "CP"
    ]
    names = [name for name in names if rng.random() < 0.8] or names[:1]
    columns = {
        "event_ns": START,
        "instrument": names,
        "mark_iv": rng.uniform(0.02, 1.5, len(names)),
        "open_interest": rng.choice([0.0, 1.0, 40.0, 1000.0], len(names)),
        "volume_24h": rng.choice([0.0, 3.0], len(names)),
        "index": 100_300.0,
    }
    return chain(pd.DataFrame(columns))


moves = st.lists(st.floats(-0.5, 0.8), min_size=1, max_size=4)
vols = st.lists(st.floats(-0.6, 0.6), min_size=1, max_size=3)
spans = st.lists(st.floats(0.0, 40.0), min_size=1, max_size=3)


@effort(40)
@given(books(), moves, vols, spans)
def test_the_parts_add_up_and_no_move_is_no_flow(
    book: xr.Dataset, spot_moves: list[float], vol_moves: list[float], days: list[float]
) -> None:
    found = forced_flow(book, spot_moves=[0.0, *spot_moves], vol_moves=[0.0, *vol_moves], days=[0.0, *days])
    parts = np.stack([found[name].values for name in FLOWS])
    scale = np.abs(parts).sum(axis=0) + 1e-9
    assert (np.abs(parts.sum(axis=0) - found["forced_flow"].values) <= 1e-12 * scale).all()
    assert found["forced_flow"].values[0, 0, 0] == 0.0 and (parts[:, 0, 0, 0] == 0.0).all()


@effort(30)
@given(books(), moves, vols, spans)
def test_opposite_books_are_forced_the_other_way(
    book: xr.Dataset, spot_moves: list[float], vol_moves: list[float], days: list[float]
) -> None:
    grid: dict[str, Any] = {"spot_moves": spot_moves, "vol_moves": vol_moves, "days": days}
    left, right = (forced_flow(book, sign_model=name, **grid) for name in ("calls_long", "calls_short"))
    for name in ("forced_flow", *FLOWS):
        np.testing.assert_array_equal(left[name], -right[name])


@effort(20)
@given(books(), moves, vols, spans)
def test_a_scenario_does_not_depend_on_the_grid_around_it(
    book: xr.Dataset, spot_moves: list[float], vol_moves: list[float], days: list[float]
) -> None:
    whole = forced_flow(book, spot_moves=spot_moves, vol_moves=vol_moves, days=days)
    alone = forced_flow(book, spot_moves=spot_moves[-1:], vol_moves=vol_moves[-1:], days=days[-1:])
    scale = 1e-9 + float(book["open_interest"].sum()) * 2e5
    assert abs(alone["forced_flow"].values.item() - whole["forced_flow"].values[-1, -1, -1]) < 1e-12 * scale


@effort(20)
@given(books(), st.floats(0.001, 0.3))
def test_dealers_short_everything_buy_up_and_sell_down(book: xr.Dataset, move: float) -> None:
    found = forced_flow(book, spot_moves=[-move, move], vol_moves=[0.0], sign_model="short_all")[
        "forced_flow"
    ].values.ravel()
    assert found[0] <= 1e-6 and found[1] >= -1e-6


@effort(20)
@given(books(), st.sampled_from(["open_interest", "volume"]))
def test_the_band_contains_each_model(book: xr.Dataset, basis: str) -> None:
    flow = book["open_interest"] * np.random.default_rng(3).uniform(-1, 1, book["open_interest"].shape)
    found = band(book, basis=basis, flow=flow)
    for model in found["sign_model"].values:
        one = levels(book, sign_model=model, basis=basis, flow=flow)
        for name in LEVELS:
            value = one[name].item()
            if isfinite(value):
                assert found[f"{name}_low"].item() <= value <= found[f"{name}_high"].item()
        curve = found["net_gex_curve"].sel(sign_model=model)
        assert ((found["net_gex_curve_low"] <= curve) & (curve <= found["net_gex_curve_high"])).all()


@effort(20)
@given(books())
def test_max_pain_pays_least_and_walls_are_in_order(book: xr.Dataset) -> None:
    found = open_interest(book)
    least = found["payout"].min("strike")
    for expiry in range(found.sizes["expiry"]):
        pain = found["max_pain"].values[expiry]
        held = (found["call_open_interest_by_expiry"] + found["put_open_interest_by_expiry"]).values[expiry]
        assert np.isfinite(pain) == bool(held)
        if held:
            paid = found["payout"].isel(expiry=expiry).sel(strike=pain).item()
            assert paid <= least.values[expiry] + 1e-9 * abs(found["payout"].isel(expiry=expiry)).max().item()
    for name in ("support", "resistance"):
        sizes = found[f"{name}_open_interest"].values
        sizes = sizes[np.isfinite(sizes)]
        assert (sizes > 0).all() and (np.diff(sizes) <= 0).all()


number = st.one_of(st.just(float("nan")), st.floats(-1e12, 1e12))
price = st.one_of(st.just(float("nan")), st.floats(1e-3, 1e7))
share = st.one_of(st.just(float("nan")), st.floats(-1.0, 5.0))
INPUTS: dict[str, Any] = {
    "spot": price,
    "net_gex": number,
    "zero_gamma": price,
    "put_wall": price,
    "daily_sd": st.one_of(st.just(float("nan")), st.floats(0.0, 3.0)),
    "forced_flow_1pct": number,
    "forced_flow_3pct": number,
    "minute_volume_usd": st.one_of(st.just(float("nan")), st.floats(0.0, 1e10)),
    "liquidations_usd": st.one_of(st.just(float("nan")), st.floats(0.0, 1e10)),
    "liquidations_median_usd": st.one_of(st.just(float("nan")), st.floats(0.0, 1e10)),
    "open_interest_change": share,
    "price_change": share,
}


@effort(200)
@given(st.fixed_dictionaries(INPUTS))
def test_every_score_is_within_zero_and_one(inputs: dict[str, float]) -> None:
    risk = cascade_risk(**inputs)
    for name in PARTS:
        part = risk.parts[name]
        assert (name in risk.missing) == (not isfinite(part.score)) == (not isfinite(part.raw))
        assert name in risk.missing or 0.0 <= part.score <= 1.0
    known = [part.score for name, part in risk.parts.items() if name not in risk.missing]
    if known:
        assert min(known) - 1e-12 <= risk.score <= max(known) + 1e-12 and 0.0 <= risk.score <= 1.0
        assert 0.0 < risk.known <= 1.0
    else:
        assert not isfinite(risk.score) and risk.known == 0.0


BASE = {
    "spot": 97.0,
    "net_gex": -1e6,
    "zero_gamma": 99.0,
    "put_wall": 95.0,
    "daily_sd": 0.03,
    "forced_flow_1pct": -2e6,
    "forced_flow_3pct": -5e6,
    "minute_volume_usd": 1e6,
    "liquidations_usd": 3e6,
    "liquidations_median_usd": 1e6,
    "open_interest_change": -0.01,
    "price_change": -0.02,
}
WORSE = {
    "zero_gamma": 1.0,
    "put_wall": 1.0,
    "forced_flow_1pct": -1.0,
    "forced_flow_3pct": -1.0,
    "liquidations_usd": 1.0,
    "open_interest_change": -1.0,
}


@effort(200)
@given(st.sampled_from(sorted(WORSE)), st.floats(0.0, 3.0), st.floats(0.0, 3.0))
def test_the_score_rises_with_each_of_its_parts(name: str, one: float, other: float) -> None:
    """Each input is moved in its worse direction: up or down by a share of its own size."""
    milder, harsher = sorted((one, other))
    scores = []
    for share_of in (milder, harsher):
        value = BASE[name] + WORSE[name] * share_of * abs(BASE[name]) * (0.007 if name == "put_wall" else 1.0)
        scores.append(cascade_risk(**{**BASE, name: value}).score)
    assert scores[1] >= scores[0] - 1e-12
