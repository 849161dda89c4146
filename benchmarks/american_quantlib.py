"""American prices beside QuantLib's most precise scheme over many options: both rights, signs of rates, a day to five years.

``QdFpAmericanEngine`` with ``highPrecisionScheme`` prices each option (1 day to 5 years, 5 to 200 % vol, rates and yields of -5 to 15 %,
three standard deviations in and out). Where the two differ most, a finer scheme of QuantLib's own decides. ``exact`` is also set beside
a third more nodes and angles, there and at random. Implied vols are taken back from the prices. Differences are shares of the
spot; the run fails where ``standard``, ``exact`` or a vol is off by more than its bound. Some minutes on one core.
"""

from __future__ import annotations

import argparse

import numpy as np
import QuantLib as ql

from tests.reference.quantlib_american import Options, QuantLibAmerican, high_precision, options
from workstation.pricing import american
from workstation.pricing.american_nodes import SETTLED, SIZES

QUANTILES = (0.5, 0.9, 0.99, 0.999)
BOUND = 1e-6
"""Of ``standard``, in units of the spot."""
BOUND_OF_EXACT = 2e-10
"""Of ``exact`` beside the finer grid."""
FINER = (64, 96, 241, 4, 8)
BOUND_OF_VOL = 1e-7
LEAST_VEGA = 1e-3
"""Of the spot per 1.00 of vol: below it the price does not determine the vol to ``BOUND_OF_VOL``."""


def report(name: str, apart: np.ndarray) -> None:
    """Quantiles of differences."""
    known = apart[~np.isnan(apart)]
    told = ", ".join(f"{q:g}: {np.quantile(known, q):.1e}" for q in QUANTILES)
    print(f"{name:12s} {told}, worst {known.max():.1e}, beyond {BOUND:g}: {np.count_nonzero(known > BOUND)}")


def settled(cases: Options, theirs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """QuantLib's values with those of some rows by a finer scheme."""
    finer = QuantLibAmerican(ql.QdFpTanhSinhIterationScheme(24, 60, 1e-12))
    values = theirs.copy()
    values[rows] = finer.prices(Options(*(column[rows] for column in cases)))
    return values


def refined(cases: Options, exact: np.ndarray, rows: np.ndarray) -> float:
    """How far ``exact`` is off a finer grid of the same scheme at most, in units of the spot."""
    SIZES["finer"], SETTLED["finer"] = FINER, 0.1 * SETTLED["exact"]
    part = Options(*(column[rows] for column in cases))
    apart = np.abs(american.price(**part.arguments(), accuracy="finer") - exact[rows]) / part.spots
    report("exact, finer", apart)
    return float(np.nanmax(apart))


def returned(cases: Options, prices: np.ndarray) -> float:
    """How far vols implied by ``standard`` prices are off those they were made with at most, where the price determines them."""
    arguments = cases.arguments()
    vega = american.greeks(**arguments, names=("vega",))["vega"] / cases.spots
    vols = american.implied_vol(
        prices=prices, **{name: arguments[name] for name in arguments if name != "vols"}
    )
    determined = vega > LEAST_VEGA
    apart = np.abs(vols - cases.vols)[determined]
    lost = np.count_nonzero(np.isnan(apart))
    print(
        f"vols implied by prices: {apart.size} determined, {lost} without a vol, worst {np.nanmax(apart):.1e} off"
    )
    return float("inf") if lost else float(np.nanmax(apart))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=22)
    parser.add_argument("--finer", type=int, default=50, help="widest differences decided by a finer scheme")
    parser.add_argument("--refined", type=int, default=1000, help="options at random set beside a finer grid")
    given = parser.parse_args()
    cases = options(given.cases, seed=given.seed)
    theirs = QuantLibAmerican(high_precision()).prices(cases)
    ours = {
        accuracy: american.price(**cases.arguments(), accuracy=accuracy)
        for accuracy in ("fast", "standard", "exact")
    }
    told = american.has_two_boundaries(rates=cases.rates, yields=cases.yields, is_call=cases.is_call)
    print(
        f"{given.cases} options; {np.count_nonzero(told)} with two boundaries, which QuantLib refuses too: {np.array_equal(told, np.isnan(theirs))}"
    )
    widest = np.argsort(np.nan_to_num(np.abs(ours["standard"] - theirs)))[-given.finer :]
    finer = settled(cases, theirs, widest)
    for accuracy, values in ours.items():
        report(accuracy, np.abs(values - theirs) / cases.spots)
    print(f"the {given.finer} widest of standard by a finer scheme of QuantLib's:")
    for accuracy, values in ours.items():
        report(accuracy, (np.abs(values - finer) / cases.spots)[widest])
    off = np.abs(ours["standard"] - finer) / cases.spots
    for row in np.argsort(np.nan_to_num(off))[-3:][::-1]:
        print("  ", {name: f"{float(value):.6g}" for name, value in zip(cases._fields, (c[row] for c in cases), strict=True)},
              f"ours {ours['standard'][row]:.8f} exact {ours['exact'][row]:.8f} QuantLib {theirs[row]:.8f} finer {finer[row]:.8f}")  # fmt: skip
    by_exact = np.argsort(np.nan_to_num(np.abs(ours["exact"] - theirs)))[-given.finer :]
    rows = np.union1d(
        by_exact, np.random.default_rng(given.seed).choice(given.cases, given.refined, replace=False)
    )
    report("QuantLib", (np.abs(ours["exact"] - theirs) / cases.spots)[by_exact])
    worst = (
        ("standard", float(np.nanmax(off)), BOUND), ("exact", refined(cases, ours["exact"], rows), BOUND_OF_EXACT),
        ("implied vol", returned(cases, ours["standard"]), BOUND_OF_VOL),
    )  # fmt: skip
    beyond = [
        f"{name} is {value:.1e} off at worst: more than {bound:g}"
        for name, value, bound in worst
        if value > bound
    ]
    if beyond:
        raise SystemExit("; ".join(beyond))


if __name__ == "__main__":
    main()
