"""Smiles: which quotes they are fitted to, refusals, robustness, repairs."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from workstation.pricing.black import price
from workstation.pricing.smile import SVI, calibrate
from workstation.pricing.smile_arbitrage import butterflies, common_grid, crossings, without_arbitrage
from workstation.pricing.smile_quotes import LEFT_OUT, Quotes, SmileParameters, choose
from workstation.pricing.surface_slices import fit_slices
from workstation.pricing.svi_fit import fit_smile

TRUE = SVI(a=0.01, b=0.1, rho=-0.4, m=0.05, sigma=0.2)
YEARS = 0.5
STRIKES = np.array([70.0, 80.0, 90.0, 95.0, 100.0, 105.0, 110.0, 120.0, 130.0])


def quotes(spread: float = 0.01, years: float = YEARS, **changes: np.ndarray) -> Quotes:
    """Calls and puts of one expiry, forward 100, bid and ask ``spread`` of vol apart around ``TRUE``."""
    strike, is_call = np.repeat(STRIKES, 2), np.tile([True, False], STRIKES.size)
    vol = TRUE.vol(np.log(strike / 100.0), years=YEARS)

    def priced(vols: np.ndarray) -> np.ndarray:
        return price(forwards=100.0, strikes=strike, years=years, vols=vols, is_call=is_call)

    size = strike.size
    columns = {
        "expiry_ns": np.full(size, 10**18),
        "years": np.full(size, years),
        "forward": np.full(size, 100.0),
        "discount": np.ones(size),
        "strike": strike,
        "is_call": is_call,
        "american": np.zeros(size, dtype=bool),
        "yields": np.full(size, np.nan),
        "inverse": np.zeros(size, dtype=bool),
        "bid": priced(vol - spread / 2),
        "ask": priced(vol + spread / 2),
        "bid_iv": np.full(size, np.nan),
        "ask_iv": np.full(size, np.nan),
        "mark_iv": vol + 0.1,
    }
    return Quotes(**(columns | changes))


def reasons(found: Quotes, **parameters: object) -> dict[float, str]:
    """Reason of each out-of-the-money contract by strike."""
    chosen = choose(found, SmileParameters(**parameters))
    out = np.where(found.is_call, found.strike >= 100, found.strike < 100)
    return {k: LEFT_OUT[r] for k, r in zip(found.strike[out], chosen.reason[out], strict=True)}


def test_mids_of_the_out_of_the_money_side_are_what_is_fitted() -> None:
    found = quotes()
    chosen = choose(found, SmileParameters())
    kept = chosen.reason == 0
    assert kept.sum() == STRIKES.size
    assert np.where(found.is_call, found.strike >= 100, found.strike < 100)[kept].all()
    assert np.allclose(chosen.vol[kept], TRUE.vol(chosen.log_moneyness[kept], years=YEARS), atol=1e-9)
    assert np.allclose(chosen.spread[kept], 0.01, atol=1e-9)
    slices = fit_slices(found, SmileParameters())
    assert slices.rmse[0] < 1e-9 and slices.within_spread[0] == 1.0
    assert slices.contracts.tolist() == [9] and slices.left_out.tolist() == [9]
    assert slices.left_out_by_reason()["in_the_money"] == 9


def test_marks_are_fitted_where_asked_for_or_where_nothing_is_quoted() -> None:
    asked = choose(quotes(), SmileParameters(target="mark"))
    assert np.allclose(asked.vol, TRUE.vol(asked.log_moneyness, years=YEARS) + 0.1)
    nothing = np.full(2 * STRIKES.size, np.nan)
    unquoted = choose(quotes(bid=nothing, ask=nothing), SmileParameters())
    assert (unquoted.reason == 0).sum() == STRIKES.size
    assert np.allclose(unquoted.vol, asked.vol) and np.isnan(unquoted.spread).all()


def test_quotes_are_left_out_for_the_first_reason_that_holds() -> None:
    bid, ask = quotes().bid.copy(), quotes().ask.copy()
    at = {strike: 2 * int(STRIKES.tolist().index(strike)) + (strike < 100) for strike in STRIKES}
    bid[at[80.0]], ask[at[80.0]] = ask[at[80.0]], bid[at[80.0]]
    bid[at[120.0]] = np.nan
    ask[at[90.0]] *= 1.8
    found = reasons(quotes(bid=bid, ask=ask))
    assert found == dict.fromkeys(STRIKES, "") | {80.0: "crossed", 120.0: "one_sided", 90.0: "too_wide"}
    assert reasons(quotes(bid=bid, ask=ask), widest=10.0)[90.0] == ""
    assert reasons(quotes(), smallest_delta=0.2)[130.0] == "too_far"
    nothing = np.full(2 * STRIKES.size, np.nan)
    assert set(reasons(quotes(bid=nothing, ask=nothing, mark_iv=nothing)).values()) == {"no_vol"}


def test_a_bad_side_is_not_replaced_by_the_one_in_the_money_but_a_lone_one_is_used() -> None:
    found = quotes()
    bid = found.bid.copy()
    bid[1] = np.nan  # the put of the lowest strike
    chosen = choose(quotes(bid=bid), SmileParameters())
    assert [LEFT_OUT[r] for r in chosen.reason[:2]] == ["in_the_money", "one_sided"]
    alone = np.ones(found.strike.size, dtype=bool)
    alone[1] = False
    lone = Quotes(**{name: values[alone] for name, values in vars(found).items()})
    assert choose(lone, SmileParameters(smallest_delta=0.0)).reason[0] == 0


def test_coin_premiums_are_read_as_coin() -> None:
    cash = quotes()
    coin = quotes(bid=cash.bid / 100.0, ask=cash.ask / 100.0, inverse=np.ones(18, dtype=bool))
    assert np.allclose(choose(coin, SmileParameters()).vol, choose(cash, SmileParameters()).vol)


def test_the_venues_vols_count_where_there_is_no_price() -> None:
    nothing = np.full(18, np.nan)
    vol = quotes().mark_iv - 0.1
    found = choose(quotes(bid=nothing, ask=nothing, bid_iv=vol - 0.02, ask_iv=vol + 0.02), SmileParameters())
    assert np.allclose(found.vol, vol) and np.allclose(found.spread, 0.04)


def test_an_expiry_with_too_few_strikes_is_refused() -> None:
    found = quotes()
    few = Quotes(**{name: values[6:14] for name, values in vars(found).items()})
    slices = fit_slices(few, SmileParameters())
    assert slices.refused.tolist() == ["too_few"] and np.isnan(slices.raw).all()
    assert np.isnan(slices.skew()["atm_iv"]).all() and np.isnan(slices.fitted_vol).all()
    assert slices.left_out_by_reason()["too_few"] == 4 and slices.contracts.tolist() == [0]


def test_nothing_is_said_beyond_the_strikes_unless_asked_for() -> None:
    slices = fit_slices(quotes(), SmileParameters())
    k = np.log(np.array([0.69, 0.7, 1.3, 1.31]))
    assert np.isnan(slices.vols(k)[0]).tolist() == [True, False, False, True]
    assert np.allclose(slices.vols(k, extrapolate=True)[0], TRUE.vol(k, years=YEARS))
    assert np.isnan(slices.log_moneyness(np.array([1e-4]))).all()


def test_weights_are_vega_over_squared_spread() -> None:
    narrow, wide = (choose(quotes(spread), SmileParameters()) for spread in (0.01, 0.02))
    assert np.allclose(narrow.weight / wide.weight, 4.0, rtol=1e-3)
    floored = choose(quotes(0.0001), SmileParameters())
    assert np.allclose(floored.weight / narrow.weight, 4.0, rtol=1e-3)
    calls = quotes().is_call
    assert narrow.weight[calls][4] == max(narrow.weight[calls])


def test_one_wild_quote_hardly_moves_the_smile() -> None:
    k = np.linspace(-0.4, 0.4, 21)
    vols = TRUE.vol(k, years=YEARS)
    noise = 0.001 * np.sin(37.0 * np.arange(k.size))
    wild = vols + noise
    wild[14] += 0.4
    found = calibrate(log_moneyness=k, vols=wild, years=YEARS).svi
    others = np.arange(k.size) != 14
    assert np.abs(found.vol(k, years=YEARS) - vols)[others].max() < 0.02
    least_squares = np.polyfit(k, wild, 4)
    assert np.abs(np.polyval(least_squares, k) - vols)[others].max() > 0.06


def test_the_same_quotes_give_the_same_smile() -> None:
    k = np.linspace(-0.4, 0.4, 15)
    vols = 0.5 + 0.1 * np.sin(50.0 * k)
    one, two = (fit_smile(log_moneyness=k, vols=vols, years=0.1) for _ in range(2))
    assert one == two


def test_flat_vols_give_a_flat_smile() -> None:
    found = fit_smile(log_moneyness=np.linspace(-0.3, 0.3, 7), vols=np.full(7, 0.6), years=0.25)
    assert np.abs(found.vol(np.linspace(-0.3, 0.3, 61), years=0.25) - 0.6).max() < 1e-4


def test_crossing_smiles_are_parted_between_their_quotes() -> None:
    k = np.linspace(-0.3, 0.3, 25)
    near_vols, far_vols = np.full(25, 0.5), 0.5 - 0.5 * np.clip(-k - 0.1, 0.0, None)
    smiles = [
        calibrate(log_moneyness=k, vols=near_vols, years=0.10),
        calibrate(log_moneyness=k, vols=far_vols, years=0.11),
    ]
    grid = common_grid(smiles)
    assert crossings(smiles, grid).tolist()[0] == 0 and crossings(smiles, grid)[1] > 0
    repaired = without_arbitrage(smiles)
    assert crossings(repaired, grid).tolist() == [0, 0]
    assert [butterflies(one) for one in repaired] == [0, 0]
    near, far = (one.svi for one in repaired)
    assert (far.total_variance(grid) - near.total_variance(grid)).min() >= -1e-12
    moved = [np.abs(near.vol(k, years=0.10) - near_vols), np.abs(far.vol(k, years=0.11) - far_vols)]
    assert all(0.005 < one.max() < 0.08 for one in moved), "neither smile gives way alone"
    assert all(one[k > 0.05].max() < 0.02 for one in moved), "where they do not cross they hardly move"


def test_one_smile_and_none_are_no_trouble() -> None:
    assert without_arbitrage([]) == []
    one = calibrate(log_moneyness=np.linspace(-0.3, 0.3, 7), vols=np.full(7, 0.6), years=0.25)
    assert without_arbitrage([one])[0].svi == one.svi


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vols": [0.5, 0.5, np.nan, 0.5, 0.5]}, "finite"),
        ({"vols": [0.5, 0.5, 0.0, 0.5, 0.5]}, "positive"),
        ({"log_moneyness": [0.0, 0.0, 0.1, 0.2, 0.3]}, "5 different strikes"),
        ({"years": 0.0}, "years"),
        ({"weights": [1.0, 1.0, 0.0, 1.0, 1.0]}, "weights"),
    ],
)
def test_what_is_no_smile_is_refused(changes: dict[str, object], words: str) -> None:
    arguments = {"log_moneyness": [-0.2, -0.1, 0.0, 0.1, 0.2], "vols": [0.5] * 5, "years": 0.5}
    with pytest.raises(ValueError, match=words):
        calibrate(**(arguments | changes))


@pytest.mark.parametrize(
    "wrong", [{"target": "last"}, {"widest": 0.0}, {"smallest_delta": 0.5}, {"fewest": 4}]
)
def test_parameters_say_what_is_wrong(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SmileParameters(**wrong)


def test_negative_variance_has_no_vol() -> None:
    assert np.isnan(SVI(a=-0.1, b=0.1, rho=0.0, m=0.0, sigma=0.1).vol(0.0, years=1.0))
    assert np.isneginf(SVI(a=-0.1, b=0.1, rho=0.0, m=0.0, sigma=0.1).g(0.0))
    assert SVI.of(TRUE.raw) == TRUE and len(astuple(TRUE)) == 5
