from __future__ import annotations

import numpy as np
import pytest

from tests.reference.quantlib_american import options
from workstation.pricing import american
from workstation.pricing.american import AmericanReason
from workstation.pricing.black import greeks as european_greeks

PUT = {
    "spots": 36.0,
    "strikes": 40.0,
    "years": 1.0,
    "vols": 0.2,
    "rates": 0.06,
    "yields": 0.0,
    "is_call": False,
}


def differences(cases, of):
    """Greeks by central differences of the exact price, the scale of each, and where they can be taken."""
    kept = cases.arguments()
    width = kept["vols"] * np.sqrt(kept["years"])
    steps = {
        "spots": 0.01 * width * kept["spots"],
        "vols": 3e-3 * kept["vols"],
        "rates": 1e-5,
        "years": 1e-3 * kept["years"],
    }

    def value(**moves):
        moved = {
            name: kept[name] + moves.get(name, 0.0) * steps.get(name, 0.0)
            for name in kept
            if name != "is_call"
        }
        return american.price(**moved, is_call=kept["is_call"], accuracy="exact")

    def slope(name, **held):
        return (value(**{name: 1.0}, **held) - value(**{name: -1.0}, **held)) / (2.0 * steps[name])

    def bend(name, **held):
        return (value(**{name: 1.0}, **held) - 2.0 * value(**held) + value(**{name: -1.0}, **held)) / steps[
            name
        ] ** 2

    def mixed(outer, of, *names):
        return (of(*names, **{outer: 1.0}) - of(*names, **{outer: -1.0})) / (2.0 * steps[outer])

    money, root = width * kept["spots"], np.sqrt(kept["years"])
    made = {
        "delta": (lambda: slope("spots"), 1.0),
        "gamma": (lambda: bend("spots"), 1.0 / money),
        "vega": (lambda: slope("vols"), kept["spots"] * root),
        "vomma": (lambda: bend("vols"), kept["spots"] * root / kept["vols"]),
        "theta": (lambda: -slope("years"), money / kept["years"]),
        "rho": (lambda: slope("rates"), kept["spots"] * kept["years"]),
        "vanna": (lambda: mixed("vols", slope, "spots"), 1.0 / kept["vols"]),
        "charm": (lambda: -mixed("years", slope, "spots"), 1.0 / kept["years"]),
        "speed": (
            lambda: third(value, "spots", steps),
            1.0 / money**2,
        ),
        "color": (lambda: -mixed("years", bend, "spots"), 1.0 / money / kept["years"]),
        "zomma": (lambda: mixed("vols", bend, "spots"), 1.0 / money / kept["vols"]),
        "ultima": (lambda: third(value, "vols", steps), kept["spots"] * root / kept["vols"] ** 2),
    }
    taken, scale = made[of]
    return taken(), scale


def third(value, name, steps):
    """Third derivative by one argument."""
    far = value(**{name: 2.0}) - value(**{name: -2.0})
    return 0.5 * (far - 2.0 * (value(**{name: 1.0}) - value(**{name: -1.0}))) / steps[name] ** 3


@pytest.fixture(scope="module")
def cases():
    found = options(30, seed=3)
    kept = found.arguments()
    edge = american.boundary(**{name: kept[name] for name in kept if name != "spots"})
    with np.errstate(divide="ignore"):
        away = np.abs(np.log(kept["spots"] / edge)) / (kept["vols"] * np.sqrt(kept["years"]))
    priced = ~american.has_two_boundaries(rates=found.rates, yields=found.yields, is_call=found.is_call)
    # a difference across the boundary is none of either side
    return type(found)(*(column[(away > 0.1) & priced] for column in found))


@pytest.mark.parametrize("name", american.GREEKS)
def test_greeks_are_the_differences_of_the_exact_price(cases, name):
    found = american.greeks(**cases.arguments(), names=(name,), accuracy="exact")[name]
    expected, scale = differences(cases, name)
    error = np.abs(found - expected) / scale
    assert np.median(error) < 1e-4
    assert error.max() < (2e-2 if name in ("speed", "ultima") else 5e-3)


def test_standard_greeks_are_the_exact_ones_to_four_digits(cases):
    names = ("delta", "gamma", "vega", "theta", "vanna", "charm")
    near, exact = (
        american.greeks(**cases.arguments(), names=names, accuracy=a) for a in ("standard", "exact")
    )
    for name in names:
        scale = np.abs(exact[name]).max()
        assert np.abs(near[name] - exact[name]).max() < 1e-4 * scale, name


def test_forward_greeks_of_a_call_never_exercised_are_the_european_ones():
    call = {**PUT, "is_call": True, "yields": 0.0}
    forward = 36.0 * np.exp(0.06)
    expected = european_greeks(
        forwards=forward, strikes=40.0, years=1.0, vols=0.2, is_call=True, discounts=np.exp(-0.06)
    )
    found = american.forward_greeks(**call)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-10), name


@pytest.mark.parametrize("accuracy", ["fast", "standard"])
@pytest.mark.parametrize(
    ("strike", "years", "vol", "rate", "pays", "call"),
    [
        (
            18.884348222446278,
            3.734246575342466,
            0.9248645051811752,
            -0.001065100216214511,
            0.0778076214,
            True,
        ),
        (13.53352832366127, 4.145205479452055, 0.9498250637543042, 0.1145254396553247, 0.0727181651, True),
        (738.905609893065, 3.4904109589041097, 1.2667659329682701, 0.1190862599496935, 0.0791597819, False),
    ],
)
def test_the_search_leaves_vols_at_which_the_option_is_exercised(
    accuracy, strike, years, vol, rate, pays, call
):
    """Its time value is 7e-6 to 4e-4 of the spot, and none over most of the vols below its own."""
    terms = {
        "spots": 100.0,
        "strikes": strike,
        "years": years,
        "rates": rate,
        "yields": pays,
        "is_call": call,
    }
    price = american.price(**terms, vols=vol, accuracy=accuracy)
    assert american.price(**terms, vols=0.5 * vol, accuracy=accuracy) < price - 5e-4
    assert american.implied_vol(prices=price, **terms, accuracy=accuracy) == pytest.approx(vol, abs=1e-7)


def test_implied_vol_gives_the_vol_back_wherever_the_price_determines_it():
    found = options(300, seed=8).arguments()
    prices = american.price(**found)
    told = {name: found[name] for name in found if name != "vols"}
    implied = american.implied_vol(prices=prices, **told)
    reasons = american.implied_vol_reason(prices=prices, **told)
    vega = american.greeks(**found, names=("vega",))["vega"]
    determined = vega > 1e-3
    assert determined.sum() > 200
    assert np.abs(implied - found["vols"])[determined].max() < 1e-7
    assert np.array_equal(np.isnan(implied), reasons != AmericanReason.SOLVED)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"prices": np.nan}, "NOT_FINITE"),
        ({"spots": 0.0}, "BAD_TERMS"),
        ({"years": 0.0}, "EXPIRED"),
        ({"prices": 3.9}, "BELOW_BOUND"),
        ({"prices": 4.0}, "NO_TIME_VALUE"),
        ({"prices": 40.0}, "ABOVE_BOUND"),
        ({"rates": -0.01, "yields": -0.02}, "TWO_BOUNDARIES"),
        ({}, "SOLVED"),
    ],
)  # fmt: skip
def test_why_a_price_has_no_vol(changed, reason):
    told = {**{name: value for name, value in PUT.items() if name != "vols"}, "prices": 4.5, **changed}
    assert AmericanReason(int(american.implied_vol_reason(**told))).name == reason
    assert bool(np.isnan(american.implied_vol(**told))) == (reason != "SOLVED")


@pytest.mark.parametrize("call", [True, False])
def test_exercised_at_once_it_is_worth_its_intrinsic_value(call):
    spot = 300.0 if call else 10.0
    option = {**PUT, "spots": spot, "yields": 0.09, "is_call": call}
    found = american.greeks(**option, names=(*american.GREEKS, "price"))
    assert found.pop("price") == pytest.approx(abs(spot - 40.0), abs=1e-12)
    assert found.pop("delta") == (1.0 if call else -1.0)
    assert all(value == 0.0 for value in found.values())


def test_price_leaves_the_intrinsic_value_smoothly():
    edge = american.boundary(**{name: PUT[name] for name in PUT if name != "spots"}, accuracy="exact")
    spots = edge * (1.0 + np.array([-1e-9, 1e-9, 1e-7]))
    found = american.greeks(**{**PUT, "spots": spots}, names=("delta", "gamma", "price"), accuracy="exact")
    assert np.allclose(found["delta"], -1.0, atol=1e-6)
    assert found["price"] == pytest.approx(40.0 - spots, abs=1e-9)
    # of the equation with V = K - S: gamma jumps to 2 (rate K - yield S) / (vol S)**2
    assert found["gamma"][0] == 0.0
    assert found["gamma"][1:] == pytest.approx(2.0 * 0.06 * 40.0 / (0.2 * edge) ** 2, rel=5e-3)


def test_limits_without_time_or_volatility():
    still = {**PUT, "vols": 0.0}
    assert american.price(**{**PUT, "years": 0.0}) == pytest.approx(4.0)
    assert american.price(**still) == pytest.approx(4.0)
    # worth holding: the strike earns nothing while the stock pays
    assert american.price(**{**still, "rates": 0.0, "yields": 0.1}) == pytest.approx(
        40.0 - 36.0 * np.exp(-0.1)
    )
    assert american.price(**{**PUT, "vols": 1e-5}) == pytest.approx(4.0)
    found = american.greeks(**{**still, "rates": 0.0, "yields": 0.1})
    assert found["delta"] == pytest.approx(-np.exp(-0.1))
    assert found["vega"] == 0.0


def test_the_boundary_just_before_the_expiry_and_where_there_is_none():
    told = {"strikes": 40.0, "years": [0.0, 1e-9], "vols": 0.2}
    both = {"rates": 0.03, "yields": 0.06}
    assert american.boundary(**told, **both, is_call=False) == pytest.approx(20.0, rel=1e-4)
    assert american.boundary(**told, rates=0.06, yields=0.03, is_call=True) == pytest.approx(80.0, rel=1e-4)
    assert (american.boundary(**told, rates=-0.01, yields=0.0, is_call=False) == 0.0).all()
    assert np.isinf(american.boundary(**told, rates=0.02, yields=0.0, is_call=True)).all()


def test_two_boundaries_are_told_and_cost_the_neighbours_nothing():
    rates, yields = [-0.01, 0.06], [-0.02, 0.0]
    assert american.has_two_boundaries(rates=rates, yields=yields, is_call=False).tolist() == [True, False]
    found = american.price(**{**PUT, "rates": rates, "yields": yields})
    assert np.isnan(found[0])
    assert found[1] == american.price(**PUT)


@pytest.mark.parametrize(
    "changed", [{"spots": np.nan}, {"spots": -1.0}, {"strikes": -1.0}, {"years": -1.0}, {"vols": -0.1}, {"rates": np.inf}]
)  # fmt: skip
def test_nonsense_is_nan(changed):
    found = american.greeks(**{**PUT, **changed}, names=("price", *american.GREEKS))
    assert all(np.isnan(value) for value in found.values())


def test_shapes_broadcast_and_bad_arguments_are_named():
    assert american.price(**{**PUT, "strikes": np.full((3, 1), 40.0), "vols": np.full(2, 0.2)}).shape == (
        3,
        2,
    )
    assert american.price(**{**PUT, "strikes": np.empty(0)}).shape == (0,)
    with pytest.raises(ValueError, match="accuracy: 'best' unknown; choose of fast, standard, exact"):
        american.price(**PUT, accuracy="best")
    with pytest.raises(ValueError, match=r"names: \['lambda'\] unknown"):
        american.greeks(**PUT, names=("lambda",))
    with pytest.raises(TypeError, match="is_call"):
        american.price(**{**PUT, "is_call": 1})
