"""What-if, net gamma, forced flow and the functions by style against QuantLib's values of American options."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workstation.exposure.scenario import forced_flow_grid
from workstation.exposure.zero_gamma import net_gex_curve
from workstation.portfolio.what_if import what_if
from workstation.pricing import by_style

VALUES = Path(__file__).parent / "american_by_style.csv"
SPOT = 100.0
DAY_NS = 86_400 * 10**9


@cache
def table() -> pd.DataFrame:
    with VALUES.open() as lines:
        rows = [{name: float(value) for name, value in row.items() if name != "right"} | {"right": row["right"]}
                for row in csv.DictReader(lines)]  # fmt: skip
    return pd.DataFrame(rows)


def at(spot: float) -> pd.DataFrame:
    """QuantLib's values with the spot there, one row per contract."""
    return table()[table()["spot"] == spot].reset_index(drop=True)


def styled(spot: float) -> dict[str, np.ndarray]:
    rows = at(spot)
    years = (rows["days"] / 365.0).to_numpy()
    rates, yields = rows["rate"].to_numpy(), rows["yield"].to_numpy()
    return {
        "forwards": spot * np.exp((rates - yields) * years),
        "strikes": rows["strike"].to_numpy(),
        "years": years,
        "is_call": (rows["right"] == "C").to_numpy(),
        "discounts": np.exp(-rates * years),
        "american": np.ones(len(rows), dtype=bool),
        "yields": yields,
    }


def contracts() -> SimpleNamespace:
    told, vols = styled(SPOT), at(SPOT)["vol"].to_numpy()
    days = at(SPOT)["days"].to_numpy()
    return SimpleNamespace(
        spot=SPOT, asof_ns=0, expiry_ns=(days * DAY_NS).astype(np.int64), forward=told["forwards"],
        strike=told["strikes"], years=told["years"], is_call=told["is_call"], discount=told["discounts"],
        american=told["american"], yields=told["yields"], vol=vols,
        greeks=by_style.greeks(**told, vols=vols, names=("delta", "gamma", "vanna", "charm")),
    )  # fmt: skip


@pytest.mark.parametrize("spot", [90.0, 100.0, 110.0])
def test_price_and_vol_by_style_are_those_of_quantlib(spot):
    rows, told = at(spot), styled(spot)
    price = by_style.price(**told, vols=rows["vol"].to_numpy())
    assert np.abs(price - rows["price"]).max() < 1e-3
    exercised = (
        np.abs(price - np.maximum(np.where(told["is_call"], 1, -1) * (spot - told["strikes"]), 0)) < 1e-9
    )
    vol = by_style.implied_vol(**told, prices=rows["price"].to_numpy())
    assert np.abs(vol - rows["vol"])[~exercised].max() < 2e-4
    assert np.isnan(vol[exercised]).all()


def test_a_european_contract_is_no_american_one():
    told = styled(SPOT) | {"american": np.zeros(len(at(SPOT)), dtype=bool)}
    assert (by_style.price(**told, vols=at(SPOT)["vol"].to_numpy()) < at(SPOT)["price"] + 1e-3).all()
    assert (by_style.price(**told, vols=at(SPOT)["vol"].to_numpy()) < at(SPOT)["price"] - 0.05).any()


def test_what_if_is_quantlibs_change_of_price():
    told, rows = styled(SPOT), at(SPOT)
    names = [f"XYZ   280121{right}{round(1000 * strike):08d}"
             for right, strike in zip(rows["right"], rows["strike"], strict=True)]  # fmt: skip
    for row, name in enumerate(names):
        one = {key: column[row] for key, column in told.items()}
        held = pd.DataFrame({
            "instrument": [name], "kind": "option", "quantity": 100.0, "entry": 0.0, "mark": rows["price"][row],
            "forward": one["forwards"], "index": SPOT, "iv": rows["vol"][row], "years": one["years"], "rate": 1.0,
            "discount": one["discounts"], "yields": one["yields"],
        })  # fmt: skip
        found = what_if(held, spot=[-0.1, 0.0, 0.1], vol=[0.0], days=[0.0])["pnl"].to_numpy().ravel()
        wanted = [100.0 * (at(spot)["price"][row] - rows["price"][row]) for spot in (90.0, 100.0, 110.0)]
        assert found == pytest.approx(wanted, abs=0.2)


def test_net_gamma_over_spot_is_quantlibs():
    found = contracts()
    for row in range(len(found.strike)):
        position = np.zeros(len(found.strike))
        position[row] = 1e4
        curve = net_gex_curve(found, position=position, steps=np.array([-40, 0, 40]))
        wanted = [1e4 * at(spot)["gamma"][row] * spot * spot * 0.01 for spot in (90.0, 100.0, 110.0)]
        assert curve == pytest.approx(wanted, rel=5e-3, abs=2.0)


def test_forced_flow_is_quantlibs_change_of_delta():
    found = contracts()
    position = np.full(len(found.strike), 1e3)
    grid = forced_flow_grid(
        found,
        position=position,
        spot_moves=np.array([-0.1, 0.0, 0.1]),
        vol_moves=np.zeros(1),
        days=np.zeros(1),
    )
    deltas = np.array([1e3 * at(spot)["delta"].sum() for spot in (90.0, 100.0, 110.0)])
    assert grid.book_delta.ravel() == pytest.approx(deltas, abs=2.0)
    assert grid.forced_flow.ravel() == pytest.approx(
        (deltas[1] - deltas) * np.array([90.0, 100.0, 110.0]), abs=300.0
    )
