"""Forced flow: hand-worked, by re-pricing whole chains, by finite differences, and its limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from workstation.exposure.book import exposure
from workstation.exposure.scenario import DIMS, LOWEST_VOL, PARTS, forced_flow
from workstation.exposure.signs import SIGN_MODELS
from workstation.pricing.chain import chain

Make = Callable[..., pd.DataFrame]
DAY_NS = 86_400_000_000_000
FIXED = [name for name in SIGN_MODELS if name != "flow"]


def one_call(**columns: object) -> pd.DataFrame:
    """10 calls struck at the forward of 100 000, 54 days and 8 hours before they expire."""
    given: dict[str, object] = {
        "event_ns": pd.Timestamp("2026-11-01").value,
        "instrument": ["BTC/USD:BTC-261225-100000-C"],
        "mark_iv": 0.5,
        "open_interest": 10.0,
        "index": 1e5,
    }
    return pd.DataFrame(given | columns)


def hand_delta(spot: float, vol: float, years: float) -> float:
    spread = vol * np.sqrt(years)
    return float(norm.cdf(np.log(spot / 1e5) / spread + spread / 2))


def test_one_call_worked_by_hand() -> None:
    years = (54 + 8 / 24) / 365
    found = forced_flow(
        chain(one_call()),
        spot_moves=[-0.1, 0.0, 0.1],
        vol_moves=[0.0, 0.1],
        days=[0.0, 7.0],
        sign_model="short_all",
    )
    assert found["forced_flow"].dims == DIMS
    now = -10 * hand_delta(1e5, 0.5, years)
    for day in (0.0, 7.0):
        for vol in (0.0, 0.1):
            for move in (-0.1, 0.0, 0.1):
                then = -10 * hand_delta(1e5 * (1 + move), 0.5 + vol, years - day / 365)
                cell = found["forced_flow"].sel(days=day, vol_move=vol, spot_move=move).item()
                assert cell == pytest.approx(-(then - now) * 1e5 * (1 + move), rel=1e-9, abs=1e-6)
    assert found["book_delta_now"].item() == pytest.approx(now, rel=1e-12)
    assert (found["forced_flow"].sel(days=0.0, vol_move=0.0).values * [-1, 1, 1] >= 0).all()


@pytest.mark.parametrize("sign_model", FIXED)
def test_the_grid_is_the_chain_priced_again_there(make_marks: Make, sign_model: str) -> None:
    frame = make_marks()
    weight = {"calls_long": (1, -1), "calls_short": (-1, 1), "short_all": (-1, -1)}[sign_model]
    sign = np.where(frame["instrument"].str.endswith("C"), *weight)

    def book(move: float, vol: float, days: float) -> float:
        there = frame.assign(
            event_ns=frame["event_ns"] + round(days * DAY_NS),
            mark_iv=frame["mark_iv"] + vol,
            forward=frame["forward"] * (1 + move),
            index=frame["index"] * (1 + move),
            open_interest=frame["open_interest"],
        )
        priced = chain(there)
        per_spot = priced["forward"] / priced["spot"]
        delta = (priced["delta"] * per_spot).values.ravel()
        order = np.lexsort(
            (
                ~frame["instrument"].str.endswith("C"),
                np.tile(np.repeat(np.arange(5), 2), 2),
                np.repeat([0, 1], 10),
            )
        )
        return float((delta * (sign * frame["open_interest"].to_numpy())[order]).sum())

    found = forced_flow(
        chain(frame),
        spot_moves=[-0.03, 0.02],
        vol_moves=[-0.05, 0.04],
        days=[0.0, 3.5],
        sign_model=sign_model,
    )
    now = book(0.0, 0.0, 0.0)
    for day in (0.0, 3.5):
        for vol in (-0.05, 0.04):
            for move in (-0.03, 0.02):
                want = -(book(move, vol, day) - now) * 100_300.0 * (1 + move)
                cell = found["forced_flow"].sel(days=day, vol_move=vol, spot_move=move).item()
                assert cell == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(
    ("part", "moves"),
    [
        ("gamma_flow", {"spot_moves": [1e-5], "vol_moves": [0.0], "days": [0.0]}),
        ("vanna_flow", {"spot_moves": [0.0], "vol_moves": [1e-5], "days": [0.0]}),
        ("charm_flow", {"spot_moves": [0.0], "vol_moves": [0.0], "days": [1e-3]}),
    ],
)
def test_a_small_move_is_all_its_own_part(make_marks: Make, part: str, moves: dict[str, list[float]]) -> None:
    """The parts are derivatives: what they leave over shrinks with the square of the move."""
    book = chain(make_marks())
    whole = forced_flow(book, **moves)  # type: ignore[arg-type]
    assert whole[part].item() == pytest.approx(whole["forced_flow"].item(), rel=2e-3)
    assert all(whole[other].item() == 0.0 for other in PARTS[:3] if other != part)
    half = forced_flow(book, **{name: [v / 2 for v in values] for name, values in moves.items()})  # type: ignore[arg-type]
    assert abs(half["residual_flow"].item()) < 0.3 * abs(whole["residual_flow"].item())


def test_a_mixed_small_move_is_the_sum_of_its_parts(make_marks: Make) -> None:
    found = forced_flow(chain(make_marks()), spot_moves=[2e-5], vol_moves=[-1e-5], days=[2e-3])
    assert abs(found["residual_flow"].item()) < 1e-3 * sum(abs(found[name].item()) for name in PARTS[:3])


def test_discounted_contracts_keep_their_rate(make_marks: Make) -> None:
    """With a discount factor, a day on is priced with the same rate for less time."""
    from dataclasses import replace

    from workstation.exposure.scenario import forced_flow_grid
    from workstation.pricing.chain import contracts_of

    plain = contracts_of(chain(one_call()))
    rate = 0.05
    discounted = replace(plain, discount=np.exp(-rate * plain.years))
    found = forced_flow_grid(
        discounted,
        position=np.array([-10.0]),
        spot_moves=np.zeros(1),
        vol_moves=np.zeros(1),
        days=np.array([7.0]),
    )
    years = plain.years.item()
    delta = lambda left: -10 * np.exp(-rate * left) * hand_delta(1e5, 0.5, left)  # noqa: E731
    assert found.forced_flow.item() == pytest.approx(-(delta(years - 7 / 365) - delta(years)) * 1e5, rel=1e-9)


def test_what_expires_within_the_horizon_leaves_at_intrinsic_delta() -> None:
    found = forced_flow(
        chain(one_call()),
        spot_moves=[-0.01, 0.01],
        vol_moves=[0.0, 0.2],
        days=[30.0, 54.0 + 8.5 / 24],
        sign_model="short_all",
    )
    assert found["expired"].values.tolist() == [0, 1]
    assert found["book_delta"].isel(days=1).values.tolist() == [[0.0, -10.0], [0.0, -10.0]]
    total = sum(found[name] for name in PARTS)
    np.testing.assert_allclose(total, found["forced_flow"], rtol=1e-12)


def test_a_contract_minutes_from_expiry_keeps_the_floor_until_then() -> None:
    late = pd.Timestamp("2026-12-25 07:57").value
    found = forced_flow(
        chain(one_call(event_ns=late)), spot_moves=[0.001], vol_moves=[0.0], days=[0.0, 1 / 1440]
    )
    assert found["expired"].values.tolist() == [0, 0]
    now, later = found["book_delta"].values.ravel()
    assert now == later


def test_no_vol_falls_below_its_floor() -> None:
    found = forced_flow(chain(one_call(mark_iv=0.1)), spot_moves=[0.0], vol_moves=[-0.5, LOWEST_VOL - 0.1])
    same = found["forced_flow"].values.ravel()
    assert same[0] == same[1] and np.isfinite(same).all()
    assert found["vanna_flow"].values.ravel()[0] == found["vanna_flow"].values.ravel()[1]


def test_flow_and_volume_are_bases_too(make_marks: Make) -> None:
    book = chain(make_marks())
    moves = {"spot_moves": [-0.02], "vol_moves": [0.01]}
    taken = book["open_interest"] * np.where(book["right"] == "C", -1.0, 1.0)
    same = forced_flow(book, sign_model="flow", flow=taken, **moves)["forced_flow"].item()
    assert same == pytest.approx(forced_flow(book, **moves)["forced_flow"].item(), rel=1e-12)
    swapped = chain(make_marks(open_interest=make_marks()["volume_24h"]))
    volume = forced_flow(book, basis="volume", **moves)["forced_flow"].item()
    assert volume == pytest.approx(forced_flow(swapped, **moves)["forced_flow"].item(), rel=1e-12)


def test_units_and_ledger(make_marks: Make) -> None:
    found = forced_flow(chain(make_marks()), spot_moves=np.linspace(-0.1, 0.1, 21), vol_moves=[0.0])
    assert all("units" in found[name].attrs or name == "expiry" for name in found.variables)
    assert found["forced_flow"].attrs["units"] == "USD"
    np.testing.assert_allclose(found["scenario_spot"], 100_300.0 * np.linspace(0.9, 1.1, 21))
    assert found.attrs["sign_model"] == "calls_long" and "sticky strike" in found.attrs["scenario"]
    assert found.attrs["forward_source"] == {"venue": 2}


def test_nothing_priced_is_nan(make_marks: Make) -> None:
    empty = chain(make_marks(mark_iv=np.nan))
    found = forced_flow(empty, spot_moves=[0.0, 0.1], vol_moves=[0.0])
    assert found["forced_flow"].isnull().all() and found["forced_flow"].shape == (1, 1, 2)


@pytest.mark.parametrize(
    ("moves", "told"),
    [
        ({"spot_moves": [-1.0], "vol_moves": [0.0]}, "spot_moves.*over -1"),
        ({"spot_moves": [0.0], "vol_moves": [np.nan]}, "vol_moves"),
        ({"spot_moves": [], "vol_moves": [0.0]}, "spot_moves"),
        ({"spot_moves": [0.0], "vol_moves": [0.0], "days": [-1.0]}, "days.*at least 0"),
        ({"spot_moves": [[0.0]], "vol_moves": [0.0]}, "spot_moves"),
    ],
)
def test_moves_out_of_range_are_named(make_marks: Make, moves: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        forced_flow(chain(make_marks()), **moves)  # type: ignore[arg-type]


def test_one_percent_of_spot_is_the_gex(make_marks: Make) -> None:
    book = chain(make_marks())
    moved = forced_flow(book, spot_moves=[1e-6], vol_moves=[0.0])["gamma_flow"].item()
    assert moved == pytest.approx(-float(exposure(book)["gex"].sum()) * 1e-4, rel=1e-5)
    now = forced_flow(book, spot_moves=[0.0], vol_moves=[0.0])
    assert now["book_delta_now"].item() * now["spot"].item() == pytest.approx(
        float(exposure(book)["dex"].sum()), rel=1e-12
    )


def test_unknown_open_interest_everywhere_forces_nothing_known(make_marks: Make) -> None:
    found = forced_flow(chain(make_marks(open_interest=np.nan)), spot_moves=[-0.01], vol_moves=[0.0])
    assert np.isnan(found["forced_flow"].item()) and found.attrs["net_gex_reason"]
